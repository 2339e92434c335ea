# SPDX-License-Identifier: Apache-2.0
"""What the strict servers share: connections, recorded requests, scripted faults. Standard library only.

A fault is (endpoint, which, action). Endpoints are the server's own, or `*`; which is the number of the request to that
endpoint, from 1, a list of numbers, "2+" or "*". Actions, one of:
    status=503, body="", headers={}     answer this; the request is not carried out (process=True: it is)
    drop=True                           cut off before the body is read
    drop_after=True                     carried out, then cut off without an answer
    hang=SECONDS                        read, silent, then cut off (process=True: carried out)
    held=SECONDS                        read, silent, then carried out and answered
    slow=SECONDS                        carried out, the answer comes byte by byte with this pause
    half=SECONDS                        carried out, half of the answer comes, then silence, then cut off
    truncate=True                       carried out, an answer shorter than its Content-Length
    text="..."                          this body (of no use, or of the wrong shape), not carried out
    huge=BYTES                          a JSON string of that length
    endless=True                        a body that never ends
    header_flood=COUNT                  that many header lines
    nested=DEPTH                        JSON arrays in arrays
    redirect=URL, status=307            Location: URL
    garbage=True                        bytes that are no HTTP
    random=SHARE, seed=N                of this share of the requests; without another action one of the server's
                                        `mishaps` each time. The same seed gives the same sequence
A Retry-After of "date+N" becomes the date N seconds from now. The first fault that fits counts.
"""
import collections
import email.utils
import http.server
import itertools
import random
import select
import socket
import socketserver
import ssl
import struct
import threading
import time

Answer = collections.namedtuple("Answer", "status body headers")


class Fault:
    def __init__(self, endpoint, which="*", random=None, seed=0, **action):
        self.endpoint, self.which, self.action = endpoint, which, action
        self.share, self.dice = random, make_dice(seed)

    def matches(self, names):
        """`names`: the request's number under each name of its endpoint, the plain one first."""
        if self.endpoint == "*":
            number = next(iter(names.values()))
        elif self.endpoint in names:
            number = names[self.endpoint]
        else:
            return False
        if self.which == "*":
            return True
        if isinstance(self.which, str) and self.which.endswith("+"):
            return number >= int(self.which[:-1])
        return number in (self.which if isinstance(self.which, (list, tuple)) else [int(self.which)])

    def strike(self, mishaps):
        """What happens to a request that fits; None: nothing this time."""
        if self.share is None:
            return dict(self.action)
        if self.dice.random() >= self.share:
            return None
        return dict(self.action or self.dice.choice(mishaps))


def make_dice(seed):
    return random.Random(seed)


class Request:
    """One request as it came."""

    def __init__(self, **fields):
        self.answer = None  # the status that was sent, None: none
        self.fault = None
        self.raw = b""
        self.body = None
        self.problem = None  # what the strict server found wrong
        self.complete = None  # when all of its body was there
        self.__dict__.update(fields)

    def header(self, name):
        values = self.all_headers(name)
        return values[0] if values else None

    def all_headers(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def complain(self, text):
        self.problem = text if self.problem is None else "%s; %s" % (self.problem, text)

    def as_json(self):
        return {"time": self.time, "method": self.method, "path": self.path, "endpoint": self.endpoint,
                "number": self.number, "headers": self.headers, "body": self.body, "raw_length": len(self.raw),
                "raw": self.raw.decode("utf-8", "replace"), "connection": self.connection, "answer": self.answer,
                "fault": self.fault, "problem": self.problem}

    def __repr__(self):
        return "<%s %s -> %s%s%s>" % (self.method, self.path, self.answer, " %s" % self.fault if self.fault else "",
                                      " %s" % self.problem if self.problem else "")


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
            request.settimeout(60)
            with self.tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except (OSError, ValueError):
            self.owner.refused_handshakes += 1

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class StrictServer:
    """A server's life, its record and its faults. Who inherits says what the requests are."""

    content_type = "application/json"
    odd_status = 200  # of the answers that are of no use
    scripted_body = b""  # of a scripted status
    mishaps = ()

    def __init__(self, host="127.0.0.1", port=0, up=True, certificate=None, faults=()):
        """certificate: a pair of files, or a ready ssl.SSLContext."""
        self.faults = [fault if isinstance(fault, Fault) else Fault(**fault) for fault in faults]
        self.requests = []
        self.refused_handshakes = 0
        self.clock_offset = 0  # seconds that this server's clock is ahead
        self.stopping = threading.Event()
        self.lock = threading.RLock()
        self.connections = {}
        self.connection_numbers = itertools.count(1)
        self.numbers = {}
        self.thread = None
        self.listener = self._bind(host, port)
        if isinstance(certificate, ssl.SSLContext):
            self.listener.tls = certificate
        elif certificate is not None:
            self.listener.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.listener.tls.load_cert_chain(*certificate)
        self.port = self.listener.server_address[1]
        self.url = "%s://%s:%d" % ("https" if certificate else "http", host, self.port)
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
                # From here on what is left of old connections does not keep us from listening once more.
                listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
        self.up()

    def of(self, endpoint):
        with self.lock:
            return [request for request in self.requests if request.endpoint == endpoint]

    def complaints(self):
        """The requests that no right client makes, whether they were refused or not."""
        with self.lock:
            return [request for request in self.requests if request.problem]

    def now(self):
        return time.time() + self.clock_offset

    # -------------------------------------------------------------------------- what the one who inherits says

    def locate(self, method, path, headers):
        """The names of the endpoint, the plain one (or None) first, and what else to note of the request."""
        raise NotImplementedError

    def admitted(self, request, handler):
        """The headers have come."""

    def read(self, request):
        """The body has come."""

    def carry_out(self, request):
        """The Answer to a request that was read."""
        raise NotImplementedError

    def script(self, request, fault):
        """The Answer to an action of the server's own; None: it has none such."""

    def settled(self, request):
        """Answered, or cut off. May come twice."""

    def save(self):
        """Something has happened that may be written down."""

    def admit(self, handler):
        """Record a request whose headers have come; find its fault."""
        with self.lock:
            path = handler.requestline.split()[1]  # http.server joins the slashes of handler.path
            headers = [list(pair) for pair in handler.headers.items()]
            names, fields = self.locate(handler.command, path, headers)
            for name in names:
                self.numbers[name] = self.numbers.get(name, 0) + 1
            numbers = {name: self.numbers[name] for name in names}
            request = Request(time=time.time(), monotonic=time.monotonic(), method=handler.command, path=path,
                              headers=headers, endpoint=names[0], number=numbers[names[0]], connection=handler.number,
                              **fields)
            self.requests.append(request)
            self.admitted(request, handler)
            for fault in self.faults:
                action = fault.strike(self.mishaps) if fault.matches(numbers) else None
                if action is not None:
                    request.fault = sorted(action)
                    return request, action
            return request, {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 150

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

    def peer_left(self):
        try:
            poll = select.poll()
            poll.register(self.connection, select.POLLRDHUP)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def pause(self, seconds):
        """Until the server stops, or the client is tired of it."""
        deadline = time.monotonic() + seconds
        while not self.owner.stopping.wait(max(0, min(0.05, deadline - time.monotonic()))):
            if time.monotonic() >= deadline or self.peer_left():
                break

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
            if len(request.raw) < int(length):
                raise ConnectionError("the client left")
        elif (request.header("Transfer-Encoding") or "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                request.raw += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    break
        request.complete = time.time()

    def answer(self, request, status, body, headers=None, length=None, slow=None):
        request.answer = status
        head = ["HTTP/1.1 %d %s" % (status, http.server.BaseHTTPRequestHandler.responses.get(status, ("Status",))[0]),
                "Date: " + email.utils.formatdate(self.owner.now(), usegmt=True), "Server: strict"]
        headers = dict(headers or {})
        headers.setdefault("Content-Type", self.owner.content_type)
        if status not in (204, 304):
            headers["Content-Length"] = str(len(body) if length is None else length)
        if status in (204, 304) or request.method == "HEAD":
            body = b""
        head += ["%s: %s" % pair for pair in headers.items()]
        data = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        self.owner.save()
        if slow is None:
            self.owner.settled(request)  # before the client can know it and go on
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
        try:
            if fault.get("drop"):
                self.owner.save()
                return self.cut_off()
            self.read_body(request)
            self.owner.read(request)
            if "held" in fault:
                self.pause(fault.pop("held"))
            if fault:
                self.misbehave(request, fault)
            else:
                self.answer(request, *self.owner.carry_out(request))
        finally:
            self.owner.settled(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = serve

    def misbehave(self, request, fault):
        status, body, headers = 200, b"{}", {}
        if fault.get("process") or any(fault.get(name) for name in ("drop_after", "slow", "half", "truncate")):
            status, body, headers = self.owner.carry_out(request)
        if fault.get("drop_after"):
            self.owner.save()
            return self.cut_off()
        if "hang" in fault:
            self.owner.save()
            self.pause(fault["hang"])
            return self.cut_off()
        if "slow" in fault:
            return self.answer(request, status, body, headers, slow=fault["slow"])
        if "half" in fault:
            self.answer(request, status, body[:len(body) // 2], headers, length=len(body))
            self.pause(fault["half"])
            return self.cut_off()
        if fault.get("truncate"):
            self.answer(request, status, body, headers, length=len(body) + 100)
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
        status = fault.get("status", self.owner.odd_status)
        if "text" in fault:
            return self.answer(request, status, fault["text"].encode())
        if "huge" in fault:
            return self.answer(request, status, b'{"x":"' + b"a" * fault["huge"] + b'"}')
        if "nested" in fault:
            deep = b"[" * fault["nested"] + b"]" * fault["nested"]
            return self.answer(request, status, b'{"run_id":"deep","x":' + deep + b"}")
        if "header_flood" in fault:
            flood = {"X-Flood-%d" % i: "f" * 1000 for i in range(fault["header_flood"])}
            return self.answer(request, status, b"{}", flood)
        if fault.get("endless"):
            return self.answer_endlessly(request, status)
        scripted = self.owner.script(request, fault)
        if scripted is not None:
            return self.answer(request, *scripted)
        headers = dict(fault.get("headers", {}))
        retry = headers.get("Retry-After", "")
        if retry.startswith("date+"):
            headers["Retry-After"] = email.utils.formatdate(self.owner.now() + float(retry[5:]), usegmt=True)
        body = fault.get("body", self.owner.scripted_body)
        return self.answer(request, fault["status"], body.encode() if isinstance(body, str) else body, headers)

    def answer_endlessly(self, request, status):
        request.answer = status
        self.wfile.write(b"HTTP/1.1 %d Endless\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                         % status)
        chunk = b"4000\r\n" + b"[" * 0x4000 + b"\r\n"
        while not self.owner.stopping.is_set():
            self.wfile.write(chunk)
        self.cut_off()
