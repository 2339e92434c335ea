#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An API and an S3 that mean harm: whatever they send, in whatever pieces, the program is as ever, its memory is
bounded, nobody else hears of the run, and no row is lost."""
import contextlib
import json
import os
import socket
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import Cases, StreamedTest, pillion  # noqa: E402
from s3_server import S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

LASTS, EXIT_TIMEOUT, MARGIN = 1.3, 2, 8
PROGRAM = ("sh", "-c", "echo out; echo err >&2; sleep %s; exit 3" % LASTS)
MEMORY_MAX_KIB = 16 * 1024
MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\n"


def drip(connection, stopping, data, pause):
    for byte in data:
        connection.sendall(bytes([byte]))
        if stopping.wait(pause):
            return


def flood(connection, stopping, data):
    while not stopping.is_set():
        connection.sendall(data)


def bomb(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b"0" * MIB) for _ in range(size // MIB)) + packer.flush()


def peak_kib(pid):
    """What the process has taken at most, since its exec; 0 when it is gone. A rusage would begin with us."""
    try:
        with open("/proc/%d/status" % pid) as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def body(data, *headers):
    return OK + b"".join(header + b"\r\n" for header in headers) + b"Content-Length: %d\r\n\r\n" % len(data) + data


# What is answered to a request: bytes, or a function of the connection and of an event that says when to stop.
ANSWERS = {
    "continue without end": lambda c, stop: flood(c, stop, b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints without end": lambda c, stop: flood(c, stop, b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
    "headers without end": lambda c, stop: (c.sendall(OK), flood(c, stop, b"X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")),
    "a header of 10 MiB": OK + b"X-A: " + b"b" * (10 * MIB) + b"\r\nContent-Length: 2\r\n\r\n{}",
    "10 MiB of headers": OK + b"".join(b"X-%d: %s\r\n" % (i, b"b" * 1000) for i in range(10000)) + b"\r\n",
    "a status line without end": lambda c, stop: flood(c, stop, b"HTTP/1.1 200 " + b"O" * 1000),
    "a byte a second": lambda c, stop: drip(c, stop, body(b"{}"), 1),
    "a body without end": lambda c, stop: (c.sendall(OK + b"\r\n"), flood(c, stop, b"[" * 16384)),
    "longer than it says": OK + b"Content-Length: 2\r\n\r\n{}" + b"x" * MIB,
    "shorter than it says": OK + b"Content-Length: 99999999999\r\n\r\n{}",
    "a length that is none": OK + b"Content-Length: -1\r\n\r\n{}",
    "a length beyond numbers": OK + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "chunks that are none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond numbers": OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}",
    "a negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n",
    "trailers without end": lambda c, stop: (c.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"),
                                             flood(c, stop, b"X-T: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n")),
    "encodings of encodings": body(b"{}", b"Transfer-Encoding: " + b", ".join([b"gzip"] * 200)),
    "a gzip bomb": body(bomb(64 * MIB), b"Content-Encoding: gzip"),
    "NULs": body(b"\0" * 1000, b"X-\0: \0\0"),
    "HTTP/0.9": b"{}",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18 + b"\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff",
    "an upgrade to HTTP/2": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + b"\0" * 99,
    "the future": b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a status beyond numbers": b"HTTP/1.1 99999999999 OK\r\nContent-Length: 2\r\n\r\n{}",
    "random bytes": bytes(range(256)) * 400,
    "deep": body(b"[" * 300000 + b"]" * 300000),
    "a wait beyond numbers": b"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
    "a folded header": OK + b"X-A: 1\r\n " + b" folded\r\n " * 5000 + b"\r\nContent-Length: 2\r\n\r\n{}",
}

# To a PUT nothing but the 200 matters, and these are right answers.
BELIEVED = "longer than it says", "a gzip bomb", "deep", "a folded header"


class Hostile:
    """Reads each request as far as a right client would be read, answers as it is told, and remembers what came."""

    def __init__(self, answer):
        self.answer, self.stopping, self.heard = answer, threading.Event(), []
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.listen, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def listen(self):
        while not self.stopping.is_set():
            try:
                connection = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while self.read(connection):
                if callable(self.answer):
                    self.answer(connection, self.stopping)
                else:
                    connection.sendall(self.answer)

    def read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return False
            data += more
        head, rest = data.split(b"\r\n\r\n", 1)
        length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        left = (int(length[0].split(b":")[1]) if length else 0) - len(rest)
        while left > 0:
            left -= len(connection.recv(65536))
        self.heard.append(head)
        return True


class HostileTest(StreamedTest):
    def unharmed(self, folder, env):
        program = pillion.start(PROGRAM, env=self.env(PILLION_DIR=folder, PILLION_EXIT_TIMEOUT=EXIT_TIMEOUT, **env))
        peak = 0
        while not program.ended():
            peak = max(peak, peak_kib(program.pid))
            time.sleep(0.02)
        result = program.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        self.assertLess(result.wall, LASTS + EXIT_TIMEOUT + MARGIN, "held for too long")
        self.assertLess(peak, MEMORY_MAX_KIB)
        run = pillion.runs(folder)[0]
        self.assertGreaterEqual(len(run.rows), 5)
        return run

    def deliver(self, run, server):
        """What is left to do against servers that mean well."""
        if run["state"] != "finished":
            result = pillion.command("sync", env=self.env(PILLION_DIR=run.path.parent.parent, **server.env()), timeout=90)
            self.assertEqual(result.status, 0, "%s\n%s" % (result, run.describe()))
            run = pillion.Run(run.path)
        return self.assertDelivered(run, server)

    def folder(self, name):
        return self.tmp / "".join(c if c.isalnum() else "-" for c in name)


class Api(HostileTest):
    def check(self, name, answer):
        with Hostile(answer) as hostile, S3Server() as s3, SentinelServer(s3=s3) as good:
            good.token = "a-token"
            env = {"SENTINEL_API_URL": hostile.url, "SENTINEL_API_TOKEN": good.token}
            run = self.unharmed(self.folder(name), env)
            self.assertNotEqual(run["state"], "finished", run.describe())
            self.assertGreater(len(hostile.heard), 0)
            for head in hostile.heard:
                self.assertNotIn(b"cookie", head.lower())
            self.assertNotRegex(run.log, r"[^\n\x20-\x7e]")
            # The address is a part of what the run is: sync is told of a good one at the same place.
            text = run.text.replace(hostile.url.encode(), good.url.encode())
            (run.path / "run.jsonl").write_bytes(text)
            self.deliver(pillion.Run(run.path), good)
            self.assertEqual(good.complaints(), [])

    def test_whatever_comes_back_the_run_waits_for_a_better_one(self):
        Cases(self, 8).run({name: (answer,) for name, answer in ANSWERS.items()}, self.check)


class Storage(HostileTest):
    def check(self, name, answer):
        with Hostile(answer) as hostile, SentinelServer() as good:
            run = self.unharmed(self.folder(name), dict(good.env(), PILLION_S3_ENDPOINT=hostile.url))
            if name in BELIEVED:
                self.assertEqual(run["state"], "finished", run.describe())
            else:
                self.assertEqual(self.deliver(run, good)["finish"]["data_source"], "inline", run.describe())
            self.assertEqual(good.complaints(), [])

    def test_whatever_comes_back_the_rows_go_inline(self):
        answers = {name: answer for name, answer in ANSWERS.items() if name != "a length that is none"}
        Cases(self, 8).run({name: (answer,) for name, answer in answers.items()}, self.check)


class Elsewhere(HostileTest):
    def test_no_redirect_is_followed(self):
        with Hostile(body(b"{}")) as other:
            places = [other.url + "/runs", "file:///etc/passwd", "gopher://127.0.0.1/x", "//127.0.0.1:1/", "/runs", "\\\\x"]

            def check(name, place, status):
                answer = b"HTTP/1.1 %d x\r\nLocation: %s\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}" % (
                    status, place.encode())
                with Hostile(answer) as hostile:
                    env = {"SENTINEL_API_URL": hostile.url, "SENTINEL_API_TOKEN": "a-token"}
                    run = self.unharmed(self.folder(name), env)
                    self.assertEqual(run["state"], "undelivered")
                    for head in hostile.heard:
                        self.assertTrue(head.startswith(b"POST /runs HTTP/1.1\r\n"), head)
                        self.assertNotIn(b"Cookie", head)

            Cases(self, 8).run({"%d %d" % (i, status): (place, status) for i, place in enumerate(places)
                                for status in (301, 308)}, check)
            self.assertEqual(other.heard, [])


GOOD = {"run_id": "run-1", "upload_uri_prefix": "s3://bucket/prefix/run-1",
        "upload_credentials": {"access_key": "AKIA", "secret_key": "secret", "session_token": "session",
                               "expires_at": "2099-01-01T00:00:00Z", "region": "eu-central-1"}}
ODD = ("a/b", "../../etc", "a\r\nX-Evil: yes", "a b", "a\x00b", "a?b#c", "a@evil", "\u2028\u202e", "%2e%2e", "x" * MIB, "", 7,
       None, ["a"], {"a": 1}, -1e400)


def odd_answers():
    """Registrations of which one value is odd."""
    for number, odd in enumerate(ODD):
        yield "run_id %d" % number, dict(GOOD, run_id=odd)
        yield "prefix %d" % number, dict(GOOD, upload_uri_prefix=odd)
        if isinstance(odd, str):
            yield "bucket %d" % number, dict(GOOD, upload_uri_prefix="s3://%s/key" % odd)
            yield "key %d" % number, dict(GOOD, upload_uri_prefix="s3://bucket/%s" % odd)
        for name in GOOD["upload_credentials"]:
            yield "%s %d" % (name, number), dict(GOOD, upload_credentials=dict(GOOD["upload_credentials"], **{name: odd}))
    yield "credentials twice", dict(GOOD, upload_credentials=[GOOD["upload_credentials"]] * 2)


class Values(HostileTest):
    """What is registered with an odd value: no request is ever split, sent elsewhere, or built of it."""

    def check(self, name, answer):
        stored, api = Hostile(body(b"")), SentinelServer()
        with stored, api:
            api.fault("register", "*", text=json.dumps(answer))
            api.fault("finish", "*", status=200, body=b"{}")
            run = self.unharmed(self.folder(name), dict(api.env(), PILLION_S3_ENDPOINT=stored.url))
            self.assertLess(len(run.text), 64 * 1024)
            for request in api.requests:
                self.assertRegex(request.path, r"\A/runs(/[A-Za-z0-9_-]{1,128}/(finish|refresh-credentials))?\Z")
            for head in stored.heard:
                lines = head.split(b"\r\n")
                self.assertRegex(lines[0], rb"\APUT /[a-z0-9.-]{3,63}/[\x21-\x7e]+\.csv\.gz HTTP/1\.1\Z")
                for line in lines:
                    self.assertNotRegex(line, rb"(?i)\Ax-evil|[\x00-\x1f\x7f]")

    def test_no_odd_value_reaches_a_request(self):
        Cases(self, 8).run({name: (answer,) for name, answer in odd_answers()}, self.check)


if __name__ == "__main__":
    pillion.main()
