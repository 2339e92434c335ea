# SPDX-License-Identifier: Apache-2.0
"""What gives keys for a bucket, as AWS documents it: STS for a web identity, the servers of ECS and of EKS pod identity,
and the role of an EC2 machine by IMDSv2. Standard library only.

    with KeysServer(bucket) as keys:
        ... env=keys.sts_env(token_file) ... ; keys.requests, keys.complaints

The keys that it gives are good in the bucket (own_bucket.BucketServer) for `lifetime` seconds. All but STS have true
addresses: they are for a network namespace of the test's own.
"""
import json
import secrets
import threading
import time
import urllib.parse

from metadata_server import LINK_LOCAL, Handler, Listener

ECS, EKS = "169.254.170.2", "169.254.170.23"
ROLE = "arn:aws:iam::123456789012:role/writes-runs"
WEB_TOKEN = "eyJhbGciOiJSUzI1NiJ9.c29tZWJvZHk.a-web-identity-signature"
POD_TOKEN = "eyJhbGciOiJSUzI1NiJ9.cG9k.a-pod-identity-signature"
MACHINE_TOKEN = "AQAEAGqZ3e-4YkZ1_the-machines-token=="


class KeysServer:
    def __init__(self, bucket, lifetime=3600, *addresses, status=None):
        self.bucket, self.lifetime, self.status = bucket, lifetime, status
        self.web_token, self.pod_token = WEB_TOKEN, POD_TOKEN
        self.requests, self.complaints, self.given = [], [], []
        self.listeners = [self.listen(("127.0.0.1", 0))] + [self.listen((address, 80)) for address in addresses]
        self.sts_url = "http://127.0.0.1:%d" % self.listeners[0].server_port

    def listen(self, address):
        listener = Listener(address, KeysHandler)
        listener.owner = self
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        return listener

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for listener in self.listeners:
            listener.shutdown()
            listener.server_close()

    def sts_env(self, token_file):
        return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file), "AWS_ENDPOINT_URL_STS": self.sts_url}

    def fresh(self):
        """Keys that are good from now on."""
        grant = self.bucket.give("ASIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(60),
                                 self.lifetime)
        self.given.append(grant)
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.lifetime))
        return grant, expires

    def json(self, **more):
        grant, expires = self.fresh()
        return json.dumps(dict(more, AccessKeyId=grant.access_key, SecretAccessKey=grant.secret_key,
                               Token=grant.session_token, Expiration=expires))

    def reply(self, handler, body):
        address = handler.server.server_address[0]
        self.requests.append((address, handler.command, handler.path))
        if self.status:
            return handler.send(self.status, "{}", {})
        if address == LINK_LOCAL:
            return self.imds(handler)
        if address in (ECS, EKS):
            return self.container(handler, address)
        return self.sts(handler, body)

    def sts(self, handler, body):
        asked = dict(urllib.parse.parse_qsl(body.decode()))
        expected = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE}
        if handler.command != "POST" or handler.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self.complaints.append("no form")
        if {key: asked.get(key) for key in expected} != expected or not 2 <= len(asked.get("RoleSessionName", "")) <= 64:
            self.complaints.append("asked for %s" % sorted(asked.items()))
        if asked.get("WebIdentityToken") != self.web_token:
            return handler.send(400, "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
                                     "<Message>Token expired</Message></Error></ErrorResponse>", {})
        grant, expires = self.fresh()
        handler.send(200, '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                          "<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>%s</Arn></AssumedRoleUser><Credentials>"
                          "<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken>"
                          "<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                          "</AssumeRoleWithWebIdentityResponse>"
                     % (ROLE, grant.access_key, grant.secret_key, grant.session_token, expires), {"Content-Type": "text/xml"})

    def container(self, handler, address):
        wanted = ("/v2/credentials/4b1c", None) if address == ECS else ("/v1/credentials", self.pod_token)
        if handler.command != "GET" or (handler.path, handler.headers.get("Authorization")) != wanted:
            self.complaints.append("%s %s" % (handler.command, handler.path))
            return handler.send(400, '{"Code":"InvalidRequest","Message":"no"}', {})
        handler.send(200, self.json(RoleArn=ROLE), {"Content-Type": "application/json"})

    def imds(self, handler):
        header = "X-aws-ec2-metadata-token"
        if (handler.command, handler.path) == ("PUT", "/latest/api/token"):
            good = 1 <= int(handler.headers.get(header + "-ttl-seconds") or 0) <= 21600
            return handler.send(200 if good else 400, MACHINE_TOKEN if good else "", {})
        if handler.headers.get(header) != MACHINE_TOKEN:
            self.complaints.append("%s without a token" % handler.path)
            return handler.send(401, "", {})
        folder = "/latest/meta-data/iam/security-credentials/"
        if handler.path == folder:
            return handler.send(200, "writes-runs", {})
        if handler.path == folder + "writes-runs":
            return handler.send(200, self.json(Code="Success", Type="AWS-HMAC", LastUpdated="2026-01-02T03:04:05Z"), {})
        handler.send(404, "not found", {})


class KeysHandler(Handler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.owner.reply(self, body)

    do_PUT = do_POST = do_GET
