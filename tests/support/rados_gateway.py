# SPDX-License-Identifier: Apache-2.0
"""A real S3 with temporary credentials for tests: Ceph's RADOS Gateway, with one monitor and one store in memory, in a
temporary folder. Standard library, the openssl command, and of Debian: radosgw ceph-mon ceph-osd ceph-common.

    with RadosGateway() as gateway:                  some two seconds
        keys = gateway.credentials("runs/7")         PutObject below runs/7/ and nothing else, for an hour
        gateway.put("runs/7/0001.csv.gz", data, keys)
        gateway.keys("runs/7/"), gateway.read(key)   as the owner of the bucket

Nothing outlives the test, however it ends: the kernel ends the daemons with it, and a shell that waits for the end of a
pipe removes the folder.
"""
import base64
import ctypes
import datetime
import hashlib
import hmac
import http.client
import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
import uuid
import xml.etree.ElementTree

import pillion

PROGRAMS = "radosgw radosgw-admin ceph ceph-mon ceph-osd monmaptool openssl".split()
REGION = "eu-central-1"
STS_KEY = b"sixteen letters."
STS_VECTOR = b"cephsageyudagreg"  # the one that Ceph uses for all it encrypts
SHORTEST_SESSION = 900  # seconds; AssumeRole refuses less
ROLE = "arn:aws:iam:::role/sentinel"
OWNER = {"access_key": "OWNEROWNEROWNEROWNER", "secret_key": "the-owner-of-the-bucket"}

libc = ctypes.CDLL(None)  # not to be loaded between fork and exec

CONFIGURATION = """
[global]
fsid = {fsid}
auth cluster required = none
auth service required = none
auth client required = none
mon host = [v2:127.0.0.1:{monitor}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}
admin socket =
keyring = {folder}/keyring
log file = {folder}/$name.log
pid file = {folder}/$name.pid
crash dir = {folder}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon data = {folder}/mon
mon allow pool size one = true
mon max pg per osd = 2000
# Each pool is a decision or two; by default a decision may take a second.
paxos propose interval = 0.02
paxos min wait = 0.01
osd data = {folder}/osd
osd objectstore = memstore
osd op num shards = 1
[client.rgw]
# It would insist on an encrypted connection, which goes only with cephx.
ms mon client mode = crc
rgw frontends = beast endpoint=127.0.0.1:{gateway}
rgw sts key = {sts_key}
rgw s3 auth use sts = true
rgw enable gc threads = false
rgw enable lc threads = false
rgw thread pool size = 16
"""


def missing():
    """The programs that are not here."""
    return [name for name in PROGRAMS if not shutil.which(name)]


# ----------------------------------------------------------------------------------------------- signed requests


def encode(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe)


def signature(keys, service, when, canonical):
    """The value of Authorization. https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html"""
    scope = "%s/%s/%s/aws4_request" % (when[:8], REGION, service)
    text = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys["secret_key"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        keys["access_key"], scope, canonical.split("\n")[-2], hmac.digest(key, text.encode(), "sha256").hex())


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.code = (re.findall("<Code>([^<]*)</Code>", body.decode("latin-1")) or [None])[0]

    def __repr__(self):
        return "<%d %s %r>" % (self.status, self.code, self.body[:300])


def request(port, keys, method, path="/", query=None, body=b"", service="s3", headers=None):
    """One signed request to 127.0.0.1. `path` is not encoded yet."""
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    path = encode(path, "/-._~")
    query = "&".join("%s=%s" % (encode(name), encode(value)) for name, value in sorted((query or {}).items()))
    headers = dict(headers or {}, **{"host": "127.0.0.1:%d" % port, "x-amz-date": when,
                                     "x-amz-content-sha256": hashlib.sha256(body).hexdigest()})
    if keys.get("session_token"):
        headers["x-amz-security-token"] = keys["session_token"]
    names = sorted(headers)
    canonical = "\n".join([method, path, query] + ["%s:%s" % (name, headers[name]) for name in names] +
                          ["", ";".join(names), headers["x-amz-content-sha256"]])
    headers["authorization"] = signature(keys, service, when, canonical)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path + ("?" + query if query else ""), body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


# --------------------------------------------------------------------------------------------------- the daemons


def policy(*actions, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [dict({"Effect": "Allow", "Action": actions}, **more)]})


def die_with_parent():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def crypt(direction, data):
    return subprocess.run(["openssl", "enc", direction, "-aes-128-cbc", "-K", STS_KEY.hex(), "-iv", STS_VECTOR.hex()],
                          input=data, stdout=subprocess.PIPE, check=True).stdout


def shorten(token, expiration, seconds):
    """The same token, that expires so many seconds from now. The gateway keeps no list of them: what is encrypted with
    its key is good."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    plain = crypt("-d", base64.b64decode(token))
    if plain.count(expiration.encode()) != 1:
        raise RuntimeError("the time of expiry is not in the token")
    plain = plain.replace(expiration.encode(), when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode())
    return base64.b64encode(crypt("-e", plain)).decode()


class RadosGateway:
    def __init__(self, bucket="bucket"):
        self.bucket = bucket
        self.folder, self.daemons, self.keeper = None, [], None
        self.port = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pillion-rados-"))
        self.keeper = subprocess.Popen(
            ["sh", "-c", 'cat; sleep 0.5; rm -rf -- "$1"', "keeper", str(self.folder)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        monitor = pillion.free_ports(2)
        self.port = monitor + 1
        fsid = str(uuid.uuid4())
        (self.folder / "ceph.conf").write_text(CONFIGURATION.format(
            fsid=fsid, folder=self.folder, monitor=monitor, gateway=self.port, sts_key=STS_KEY.decode()))
        for name in ("mon", "osd", "crash"):
            (self.folder / name).mkdir()
        self._tool("monmaptool", "--create", "--addv", "a", "[v2:127.0.0.1:%d]" % monitor, "--fsid", fsid,
                   self.folder / "map", configured=False)
        self._tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.folder / "map")
        self._daemon("ceph-mon", "-i", "a")
        self._tool("ceph-osd", "-i", "0", "--mkfs")
        self._tool("ceph", "osd", "new", (self.folder / "osd" / "fsid").read_text().strip())
        self._daemon("ceph-osd", "-i", "0")
        self.up()
        self._admin("user", "create", "--uid=owner", "--display-name=owner", "--caps=roles=*",
                    "--access-key=" + OWNER["access_key"], "--secret-key=" + OWNER["secret_key"])
        answer = self.request("PUT", "/" + self.bucket)
        if answer.status != 200:
            raise RuntimeError("no bucket: %r" % answer)
        self._admin("role", "create", "--role-name=sentinel", "--path=/", "--assume-role-policy-doc=" + policy(
            "sts:AssumeRole", Principal={"AWS": ["arn:aws:iam:::user/owner"]}))
        self.allow()

    def down(self):
        """Nobody listens; what is stored stays."""
        daemon = self.daemons.pop()
        daemon.terminate()  # of one that was killed the store waits for an answer, half a minute
        daemon.wait()

    def up(self):
        self._daemon("radosgw", "-n", "client.rgw")
        self.wait()

    def stall(self):
        """Connections are taken and nothing is answered, until `go_on`."""
        self.daemons[-1].send_signal(signal.SIGSTOP)

    def go_on(self):
        self.daemons[-1].send_signal(signal.SIGCONT)

    def _daemon(self, program, *words):
        with open(self.folder / (program + ".out"), "ab") as output:
            self.daemons.append(subprocess.Popen(
                [program, "-f", "-c", str(self.folder / "ceph.conf")] + list(words), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, preexec_fn=die_with_parent, cwd=str(self.folder)))

    def _tool(self, program, *words, configured=True):
        words = [str(word) for word in words] + (["-c", str(self.folder / "ceph.conf")] if configured else [])
        done = subprocess.run([program] + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise RuntimeError("%s %s: status %d: %s" % (program, " ".join(words), done.returncode,
                                                         (done.stdout + done.stderr)[-2000:].decode(errors="replace")))
        return done.stdout.decode()

    def _admin(self, *words):
        return self._tool("radosgw-admin", "-n", "client.rgw", *words)

    def wait(self, timeout=120):
        """Until the gateway answers."""
        deadline = time.monotonic() + timeout
        while True:
            dead = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "".join("\n--- %s\n%s" % (path.name, path.read_text(errors="replace")[-2000:])
                               for path in sorted(self.folder.glob("*.out")) + sorted(self.folder.glob("*.log")))
                raise RuntimeError("%s%s" % (dead and "ended: %s" % dead or "no answer within %d s" % timeout, logs))
            try:
                if request(self.port, OWNER, "GET").status:
                    return
            except OSError:
                time.sleep(0.05)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()
        self.daemons = []
        if self.keeper is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.keeper.kill()
            self.keeper.stdin.close()
            self.keeper.wait()
            self.keeper = None

    # ---------------------------------------------------------------------------------------------- credentials

    def allow(self):
        """The role of all temporary credentials may put objects into the bucket."""
        self._admin("role", "policy", "put", "--role-name=sentinel", "--policy-name=put", "--policy-doc=" + policy(
            "s3:PutObject", Resource="arn:aws:s3:::%s/*" % self.bucket))

    def forbid(self):
        """It may nothing any more, and so may no credentials that were given out."""
        self._admin("role", "policy", "delete", "--role-name=sentinel", "--policy-name=put")

    def credentials(self, prefix, seconds=3600):
        """Temporary ones, of AssumeRole, that may put objects below this prefix and nothing else."""
        prefix = prefix.replace(":", "?")  # any one character: Ceph takes no colon in the last part of an ARN
        answer = self.request("POST", "/", service="sts", query={
            "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "session",
            "DurationSeconds": str(max(seconds, SHORTEST_SESSION)),
            "Policy": policy("s3:PutObject", Resource="arn:aws:s3:::%s/%s/*" % (self.bucket, prefix))})
        text = answer.body.decode()
        if answer.status != 200:
            raise RuntimeError("no credentials: %r" % answer)
        names = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "session_token": "SessionToken"}
        keys = {name: re.search("<%s>(.*?)</" % tag, text).group(1) for name, tag in names.items()}
        if seconds < SHORTEST_SESSION:
            expiration = re.search("<Expiration>(.*?)</", text).group(1)
            keys["session_token"] = shorten(keys["session_token"], expiration, seconds)
        return keys

    # ------------------------------------------------------------------------------------------------- requests

    def request(self, method, path, keys=OWNER, **words):
        return request(self.port, keys, method, path, **words)

    def put(self, key, data, keys=OWNER):
        return self.request("PUT", "/%s/%s" % (self.bucket, key), keys, body=data,
                            headers={"content-type": "application/gzip"})

    def get(self, key, keys=OWNER):
        return self.request("GET", "/%s/%s" % (self.bucket, key), keys)

    def read(self, key):
        answer = self.get(key)
        if answer.status != 200:
            raise KeyError("%s: %r" % (key, answer))
        return answer.body

    def keys(self, prefix=""):
        """The keys below a prefix, in order; a thousand at most."""
        answer = self.request("GET", "/" + self.bucket, query={"prefix": prefix})
        if answer.status != 200:
            raise RuntimeError("no list: %r" % answer)
        return [item.text for item in xml.etree.ElementTree.fromstring(answer.body).iter() if
                item.tag.rsplit("}")[-1] == "Key"]

    # --------------------------------------------------------------------- what SentinelServer asks of its s3 server

    def env(self):
        return {"PILLION_S3_ENDPOINT": self.url}

    def stored(self, prefix):
        """The objects of one run: {URI: bytes} in the order of their numbers."""
        start = "s3://%s/" % self.bucket
        keys = sorted(self.keys(prefix[len(start):] + "/"), key=lambda key: (len(key), key))
        return {start + key: self.read(key) for key in keys}

    def close(self, prefix):
        """No object of this run is to come any more."""
