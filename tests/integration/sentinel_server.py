#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A strict Sentinel API server for tests, with scripted faults. Standard library only.

In a test:
    with SentinelServer() as server:
        server.fault("finish", 1, status=503, headers={"Retry-After": "1"})
        ... SENTINEL_API_URL=server.url SENTINEL_API_TOKEN=server.token ...
        server.runs, server.requests, server.of("finish")

As a script: sentinel_server.py [--port 0] [--state FILE] [--faults JSON] [--token T] [--base PATH] prints its URL, serves
until it is ended, and rewrites FILE with everything it saw after each request.

It accepts only what the contract allows; everything else is refused with the status that tells what was wrong:
400 a header, 401 the token, 404 no such run or path, 405 the method, 409 finished already, 413 too long, 422 the body.

A fault is (endpoint, which, action): endpoint is register, refresh, finish or `*`; which is the number of the request
to that endpoint, from 1, a list of numbers, "2+" or "*". Actions, one of:
    status=503, body="", headers={}     answer this; the request is not carried out (process=True: it is)
    drop=True                           cut off before the body is read
    drop_after=True                     carried out, then cut off without an answer
    hang=SECONDS                        read, silent, then cut off (process=True: carried out)
    slow=SECONDS                        carried out, the answer comes byte by byte with this pause
    truncate=True                       carried out, an answer shorter than its Content-Length
    text="..."                          200 with this body (not JSON, or of the wrong shape), not carried out
    huge=BYTES                          200 with a JSON string of that length
    endless=True                        200 with a body that never ends
    header_flood=COUNT                  200 with that many header lines
    nested=DEPTH                        200 with JSON arrays in arrays
    redirect=URL, status=307            Location: URL
    garbage=True                        bytes that are no HTTP
A Retry-After of "date+N" becomes the date N seconds from now.
"""
import argparse
import datetime
import email.utils
import gzip
import http.server
import itertools
import json
import os
import pathlib
import re
import secrets
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402  the one table of columns, and the strict check of the CSV

STRINGS = frozenset(
    "job_name project_name stage_name task_name team env language orchestrator executor external_run_id "
    "container_image command host_id host_hostname host_ip host_server_allocation host_cpu_model host_gpu_model "
    "cloud_vendor_id cloud_account_id cloud_region_id cloud_zone_id cloud_instance_type".split())
INTEGERS = frozenset("host_vcpus host_memory_mib host_gpu_count host_gpu_memory_mib".split())
NUMBERS = frozenset(["host_storage_gb"])
FINISH_COMMON = frozenset("exit_code run_status finished_at data_source".split())
FINISHED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
USER_AGENT = re.compile(r"pillion/[0-9]+\.[0-9]+\.[0-9]+\S*\Z")
OBJECT_URI = re.compile(r"s3://[a-z0-9.-]+/[^\s]+\Z")


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, status, detail):
        super().__init__(status, detail)
        self.status, self.detail = status, detail


def problem(field, message, kind="value_error"):
    return Refused(422, [{"loc": ["body"] + ([field] if isinstance(field, str) else list(field)), "msg": message,
                          "type": kind}])


# ------------------------------------------------------------------------------------------ what may be in a body


def no_twice(pairs):
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise problem(key, "key given twice")
    return dict(pairs)


def refuse_constant(name):
    raise ValueError("%s is not JSON" % name)


def parse_json(raw):
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=no_twice, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(422, [{"loc": ["body", 0], "msg": "JSON decode error: %s" % error, "type": "json_invalid"}])


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def check_command(value):
    try:
        words = json.loads(value)
    except ValueError:
        raise problem("command", "not a JSON array in a string")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise problem("command", "not a JSON array of strings")


def check_tags(value, form):
    if form == "list":
        if not isinstance(value, list) or not all(isinstance(item, str) and "=" in item for item in value):
            raise problem("tags", "Input should be a valid list", "list_type")
        return
    if not isinstance(value, dict):
        raise problem("tags", "Input should be a valid dictionary", "dict_type")
    for key, item in value.items():
        if not isinstance(item, str):
            raise problem(("tags", key), "Input should be a valid string", "string_type")
        if not key:
            raise problem("tags", "empty key")


def check_registration(body, tags_form, refused):
    if not isinstance(body, dict):
        raise problem((), "Input should be a valid dictionary", "model_attributes_type")
    bad = [{"loc": ["body", name], "msg": "refused by the script", "type": "value_error"}
           for name in refused if name in body]
    if bad:
        raise Refused(422, bad)
    for name, value in body.items():
        if name in STRINGS:
            if not isinstance(value, str):
                raise problem(name, "Input should be a valid string", "string_type")
        elif name in INTEGERS:
            if not is_integer(value) or value < 0:
                raise problem(name, "Input should be a valid integer", "int_type")
        elif name in NUMBERS:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise problem(name, "Input should be a valid number", "float_type")
        elif name == "tags":
            check_tags(value, tags_form)
        else:
            raise problem(name, "Extra inputs are not permitted", "extra_forbidden")
    if "command" in body:
        check_command(body["command"])


def check_finished_at(value, tolerance):
    if not isinstance(value, str) or not FINISHED_AT.match(value):
        raise problem("finished_at", "not YYYY-MM-DDTHH:MM:SSZ")
    try:
        then = datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise problem("finished_at", "no such time")
    if abs(then.timestamp() - time.time()) > tolerance:
        raise problem("finished_at", "more than %d s from now" % tolerance)


def check_data(body, prefix):
    """The rows (inline) or the URIs of a finish."""
    source = body.get("data_source")
    if source == "inline":
        wanted, other = "data_csv", "data_uris"
    elif source == "s3":
        wanted, other = "data_uris", "data_csv"
    else:
        raise problem("data_source", "Input should be 'inline' or 's3'", "union_tag_invalid")
    if other in body:
        raise problem(other, "Extra inputs are not permitted", "extra_forbidden")
    value = body.get(wanted)
    if source == "inline":
        if not isinstance(value, str):
            raise problem(wanted, "Input should be a valid string", "string_type")
        try:
            return pillion.check_csv(value)
        except (pillion.CsvError, UnicodeError) as error:
            raise problem(wanted, str(error))
    if not isinstance(value, list) or not value:
        raise problem(wanted, "Input should be a valid list, not empty", "list_type")
    for uri in value:
        if not isinstance(uri, str) or not OBJECT_URI.match(uri) or not uri.startswith(prefix + "/"):
            raise problem(wanted, "not an object of this run: %r" % (uri,))
    return value


def check_finish(body, prefix, tolerance):
    if not isinstance(body, dict):
        raise problem((), "Input should be a valid dictionary", "model_attributes_type")
    for name, value in body.items():
        if name not in FINISH_COMMON | {"data_csv", "data_uris"}:
            raise problem(name, "Extra inputs are not permitted", "extra_forbidden")
        if value is None:
            raise problem(name, "null")
    code = body.get("exit_code")
    if code is not None and (not is_integer(code) or not 0 <= code <= 255):
        raise problem("exit_code", "Input should be an integer from 0 to 255", "int_type")
    if body.get("run_status") not in ("finished", "failed"):
        raise problem("run_status", "Input should be 'finished' or 'failed'", "literal_error")
    if body["run_status"] == "finished" and code not in (None, 0):
        raise problem("run_status", "finished with exit code %d" % code)
    if "finished_at" in body:
        check_finished_at(body["finished_at"], tolerance)
    return check_data(body, prefix)


# --------------------------------------------------------------------------------------------------------- faults


class Fault:
    def __init__(self, endpoint, which="*", **action):
        self.endpoint, self.which, self.action = endpoint, which, action

    def matches(self, endpoint, number):
        if self.endpoint not in ("*", endpoint):
            return False
        if self.which == "*":
            return True
        if isinstance(self.which, str) and self.which.endswith("+"):
            return number >= int(self.which[:-1])
        return number in (self.which if isinstance(self.which, (list, tuple)) else [int(self.which)])


class Request:
    """One request as it came."""

    def __init__(self, **fields):
        self.answer = None  # the status that was sent, None: none
        self.fault = None
        self.raw = b""
        self.body = None
        self.problem = None  # what the strict server found wrong
        self.__dict__.update(fields)

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[0] if values else None

    def as_json(self):
        return {"time": self.time, "method": self.method, "path": self.path, "endpoint": self.endpoint,
                "number": self.number, "headers": self.headers, "body": self.body, "raw_length": len(self.raw),
                "raw": self.raw.decode("utf-8", "replace"), "connection": self.connection, "answer": self.answer,
                "fault": self.fault, "problem": self.problem}

    def __repr__(self):
        return "<%s %s -> %s%s>" % (self.method, self.path, self.answer, " %s" % self.problem if self.problem else "")


# --------------------------------------------------------------------------------------------------------- server


class Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = False
    owner = None
    tls = None

    def server_bind(self):
        """Without http.server's look-up of the host's full name, which may ask a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request, client_address):
        if self.tls is None:
            return super().finish_request(request, client_address)
        try:
            request.settimeout(10)
            with self.tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except (OSError, ValueError):
            self.owner.refused_handshakes += 1

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class SentinelServer:
    def __init__(self, token=None, base="", port=0, host="127.0.0.1", up=True, expiry_key="expires_at",
                 expires_in=3600, region=None, gzip_accepted=False, max_body=None, tags_form="object",
                 refused_fields=(), register_status=201, finished_at_tolerance=60, faults=(), certificate=None,
                 state_file=None, require_agent=True):
        self.token = token or "tok-" + secrets.token_hex(12)
        self.base = "/" + base.strip("/") if base.strip("/") else ""
        self.expiry_key, self.expires_in, self.region = expiry_key, expires_in, region
        self.gzip_accepted, self.max_body, self.tags_form = gzip_accepted, max_body, tags_form
        self.refused_fields, self.register_status = set(refused_fields), register_status
        self.finished_at_tolerance, self.state_file = finished_at_tolerance, state_file
        self.require_agent = require_agent
        self.faults = [fault if isinstance(fault, Fault) else Fault(**fault) for fault in faults]
        self.secret_values = []  # every credential ever given out
        self.requests, self.runs = [], {}
        self.refused_handshakes = 0
        self.stopping = threading.Event()
        self.lock = threading.RLock()
        self.connections = {}
        self.connection_numbers = itertools.count(1)
        self.numbers = {}
        self.thread = None
        self.listener = self._bind(host, port)
        if certificate is not None:
            self.listener.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.listener.tls.load_cert_chain(*certificate)
        self.port = self.listener.server_address[1]
        self.url = "%s://%s:%d%s" % ("https" if certificate else "http", host, self.port, self.base)
        if up:
            self.up()

    def _bind(self, host, port):
        """Bound by number, so that the port stays ours while nobody listens and connections are refused."""
        for _ in range(50):
            listener = Listener((host, port), Handler, bind_and_activate=False)
            listener.owner = self
            listener.allow_reuse_address = port != 0
            if port == 0:
                with socket.socket() as probe:
                    probe.bind((host, 0))
                    listener.server_address = probe.getsockname()
            try:
                listener.server_bind()
                return listener
            except OSError:
                listener.server_close()
                if port:
                    raise
        raise OSError("no free port")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def up(self):
        if self.thread is None:
            self.stopping.clear()
            self.listener.server_activate()
            self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.02,), daemon=True)
            self.thread.start()

    def down(self):
        """From now on connections are refused, and those that are open are cut off."""
        if self.thread is not None:
            self.listener.shutdown()
            self.thread.join()
            self.thread = None
            self.listener.socket.shutdown(socket.SHUT_RD)
            self.stopping.set()
            with self.lock:
                for connection in list(self.connections.values()):
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass

    def stop(self):
        self.down()
        self.stopping.set()
        self.listener.server_close()

    def fault(self, endpoint, which="*", **action):
        self.faults.append(Fault(endpoint, which, **action))
        return self

    def heal(self):
        """No more faults, listening."""
        self.faults = []
        self.tags_form, self.refused_fields, self.max_body = "object", set(), None
        self.up()

    def of(self, endpoint):
        with self.lock:
            return [request for request in self.requests if request.endpoint == endpoint]

    def finished_runs(self):
        with self.lock:
            return [run for run in self.runs.values() if run["finish"] is not None]

    def complaints(self):
        """What a strict server had to refuse although no fault was scripted."""
        with self.lock:
            return [request for request in self.requests if request.problem]

    def env(self, **extra):
        return dict({"SENTINEL_API_URL": self.url, "SENTINEL_API_TOKEN": self.token}, **extra)

    def save(self):
        if self.state_file is None:
            return
        with self.lock:
            text = json.dumps({"url": self.url, "requests": [request.as_json() for request in self.requests],
                               "runs": list(self.runs.values())}, indent=1, default=str)
            temporary = self.state_file + ".new"
            with open(temporary, "w") as file:
                file.write(text)
            os.replace(temporary, self.state_file)

    # ------------------------------------------------------------------------------------- carrying requests out

    def credentials(self):
        expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.expires_in)
        answer = {"access_key": "ASIA" + secrets.token_hex(8).upper(), "secret_key": secrets.token_hex(20),
                  "session_token": secrets.token_hex(60)}
        self.secret_values += answer.values()
        if self.expiry_key:
            answer[self.expiry_key] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.region:
            answer["region"] = self.region
        return answer

    def find(self, run_id):
        run = self.runs.get(run_id)
        if run is None:
            raise Refused(404, "Run not found")
        return run

    def register(self, request):
        check_registration(request.body, self.tags_form, self.refused_fields)
        number = len(self.runs) + 1
        run_id = "run-%d-%s" % (number, secrets.token_hex(4))
        run = {"run_id": run_id, "registration": request.body, "registered_at": request.time, "finish": None,
               "upload_uri_prefix": "s3://bucket/prefix/%s" % run_id, "refreshes": 0, "rows": None}
        self.runs[run_id] = run
        return self.register_status, {"run_id": run_id, "upload_uri_prefix": run["upload_uri_prefix"],
                                      "upload_credentials": self.credentials()}

    def refresh(self, request):
        run = self.find(request.run_id)
        if request.raw:
            raise problem((), "a body where none belongs")
        run["refreshes"] += 1
        return 200, {"upload_credentials": self.credentials()}

    def finish(self, request):
        run = self.find(request.run_id)
        if run["finish"] is not None:
            raise Refused(409, "Run is already finished")
        data = check_finish(request.body, run["upload_uri_prefix"], self.finished_at_tolerance)
        run["finish"] = request.body
        run["finished_at"] = request.time
        inline = request.body["data_source"] == "inline"
        run["rows"] = data if inline else None
        tags = run["registration"].get("tags", {})
        return 200, {
            "run": {"run_id": request.run_id, "created_at": iso(run["registered_at"]), "heartbeat_at": None,
                    "finished_at": request.body.get("finished_at"), "run_status": request.body["run_status"],
                    "tag_count": len(tags), "tags": ["%s=%s" % pair for pair in tags.items()]
                    if isinstance(tags, dict) else tags},
            "processing": {"status": "ok", "rows": len(data) if inline else None,
                           "files": None if inline else len(data), "duration_ms": 1.5, "error": None}}

    def check_headers(self, request):
        names = [name.lower() for name, _ in request.headers]
        for name in names:
            if names.count(name) > 1:
                raise Refused(400, "header %s given twice" % name)
        for name, value in (("Content-Type", "application/json"), ("Accept", "application/json")):
            if request.header(name) != value:
                raise Refused(400, "%s is %r, not %s" % (name, request.header(name), value))
        if self.require_agent and not USER_AGENT.match(request.header("User-Agent") or ""):
            raise Refused(400, "User-Agent is %r" % request.header("User-Agent"))
        if request.header("Content-Length") is None:
            raise Refused(400, "no Content-Length")
        if request.header("Cookie") is not None:
            raise Refused(400, "a cookie")
        if request.header("Authorization") != "Bearer " + self.token:
            raise Refused(401, "Invalid or missing token")

    def decode(self, request):
        raw, encoding = request.raw, request.header("Content-Encoding")
        if self.max_body is not None and len(raw) > self.max_body:
            raise Refused(413, "Request entity too large")
        if encoding is not None:
            if encoding != "gzip":
                raise Refused(400, "Content-Encoding is %r" % encoding)
            if not self.gzip_accepted:
                raise Refused(422, [{"loc": ["body", 0], "msg": "JSON decode error", "type": "json_invalid"}])
            try:
                raw = gzip.decompress(raw)
            except (OSError, EOFError):
                raise Refused(400, "not gzip")
        if request.endpoint != "refresh":
            request.body = parse_json(raw)

    def carry_out(self, request):
        """Status and JSON value of a request that was read."""
        try:
            with self.lock:
                if request.endpoint is None:
                    raise Refused(404, "Not Found")
                if request.method != "POST":
                    raise Refused(405, "Method Not Allowed")
                self.check_headers(request)
                self.decode(request)
                return getattr(self, request.endpoint)(request)
        except Refused as refused:
            request.problem = "%d %s" % (refused.status, refused.detail)
            return refused.status, {"detail": refused.detail}

    def endpoint_of(self, path):
        """register, refresh or finish, and the run's ID."""
        if not path.startswith(self.base + "/"):
            return None, None
        match = re.match(r"/runs(?:/([^/]+)/(refresh-credentials|finish))?\Z", path[len(self.base):])
        if not match:
            return None, None
        return {None: "register", "refresh-credentials": "refresh", "finish": "finish"}[match.group(2)], match.group(1)

    def admit(self, handler):
        """Record a request whose headers have come; find its fault."""
        with self.lock:
            path = handler.requestline.split()[1]  # http.server joins the slashes of handler.path
            endpoint, run_id = self.endpoint_of(path)
            number = self.numbers[endpoint] = self.numbers.get(endpoint, 0) + 1
            request = Request(time=time.time(), monotonic=time.monotonic(), method=handler.command, path=path,
                              headers=[list(pair) for pair in handler.headers.items()], endpoint=endpoint,
                              number=number, run_id=run_id, connection=handler.number)
            self.requests.append(request)
            fault = next((fault for fault in self.faults if fault.matches(endpoint, number)), None)
            request.fault = None if fault is None else sorted(fault.action)
            return request, {} if fault is None else dict(fault.action)


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def setup(self):
        super().setup()
        self.owner = self.server.owner
        self.number = next(self.owner.connection_numbers)
        with self.owner.lock:
            self.owner.connections[self.number] = self.connection

    def finish(self):
        with self.owner.lock:
            self.owner.connections.pop(self.number, None)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass

    def pause(self, seconds):
        self.owner.stopping.wait(seconds)

    def cut_off(self):
        """With a reset, at once."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def read_body(self, request):
        length = request.header("Content-Length")
        if length is not None and length.isdigit():
            request.raw = self.rfile.read(int(length))
        elif (request.header("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                request.raw += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break

    def answer(self, request, status, body, headers=None, length=None, slow=None):
        request.answer = status
        head = ["HTTP/1.1 %d %s" % (status, http.server.BaseHTTPRequestHandler.responses.get(status, ("Status",))[0]),
                "Date: " + email.utils.formatdate(usegmt=True), "Server: strict"]
        headers = dict(headers or {})
        headers.setdefault("Content-Type", "application/json")
        if status not in (204, 304):
            headers["Content-Length"] = str(len(body) if length is None else length)
        else:
            body = b""
        head += ["%s: %s" % pair for pair in headers.items()]
        data = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        self.owner.save()
        if slow is None:
            self.wfile.write(data)
        else:
            for i in range(len(data)):
                if self.owner.stopping.is_set():
                    break
                self.wfile.write(data[i:i + 1])
                self.pause(slow)
        self.wfile.flush()

    def serve(self):
        request, fault = self.owner.admit(self)
        if fault.get("drop"):
            self.owner.save()
            return self.cut_off()
        self.read_body(request)
        request.complete = time.time()
        try:
            request.body = json.loads(request.raw)
        except ValueError:
            pass
        if not fault:
            status, value = self.owner.carry_out(request)
            return self.answer(request, status, json.dumps(value).encode())
        self.misbehave(request, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = serve

    def misbehave(self, request, fault):
        carried = "drop_after slow truncate".split()
        status, value = 200, {}
        if fault.get("process") or any(fault.get(name) for name in carried):
            status, value = self.owner.carry_out(request)
        body = json.dumps(value).encode()
        if fault.get("drop_after"):
            self.owner.save()
            return self.cut_off()
        if "hang" in fault:
            self.owner.save()
            self.pause(fault["hang"])
            return self.cut_off()
        if "slow" in fault:
            return self.answer(request, status, body, slow=fault["slow"])
        if fault.get("truncate"):
            self.answer(request, status, body, length=len(body) + 100)
            self.close_connection = True
            return self.cut_politely()
        if fault.get("garbage"):
            self.wfile.write(b"\x16\x03\x01 this is no HTTP at all\r\n" * 20)
            return self.cut_politely()
        if "redirect" in fault:
            return self.answer(request, fault.get("status", 307), b"{}", {"Location": fault["redirect"]})
        self.answer_oddly(request, fault)

    def cut_politely(self):
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def answer_oddly(self, request, fault):
        if "text" in fault:
            return self.answer(request, fault.get("status", 200), fault["text"].encode())
        if "huge" in fault:
            return self.answer(request, 200, b'{"x":"' + b"a" * fault["huge"] + b'"}')
        if "nested" in fault:
            return self.answer(request, 200, b'{"run_id":"deep","x":' + b"[" * fault["nested"] + b"]" * fault["nested"] + b"}")
        if "header_flood" in fault:
            return self.answer(request, 200, b"{}", {"X-Flood-%d" % i: "f" * 1000 for i in range(fault["header_flood"])})
        if fault.get("endless"):
            request.answer = 200
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"4000\r\n" + b"[" * 0x4000 + b"\r\n"
            while not self.owner.stopping.is_set():
                self.wfile.write(chunk)
            return self.cut_off()
        headers = dict(fault.get("headers", {}))
        retry = headers.get("Retry-After", "")
        if retry.startswith("date+"):
            headers["Retry-After"] = email.utils.formatdate(time.time() + float(retry[5:]), usegmt=True)
        body = fault.get("body", '{"detail":"scripted"}')
        return self.answer(request, fault["status"], body.encode() if isinstance(body, str) else body, headers)


def main():
    parser = argparse.ArgumentParser(description="A strict Sentinel API server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", help="file that is rewritten with all requests and runs")
    parser.add_argument("--faults", default="[]", help='JSON list, e.g. [{"endpoint":"finish","which":1,"status":503}]')
    parser.add_argument("--token", default="test-token")
    parser.add_argument("--base", default="")
    words = parser.parse_args()
    server = SentinelServer(token=words.token, base=words.base, port=words.port, faults=json.loads(words.faults),
                            state_file=words.state)
    server.save()
    print(server.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
