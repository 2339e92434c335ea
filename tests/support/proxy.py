# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy for tests that knows CONNECT and nothing else. Standard library only.

    proxy = Proxy(password="secret")        url: http://user:secret@127.0.0.1:PORT
    proxy.requests                          what came: [first line, {header: value}]

Whatever name is asked for, it connects to 127.0.0.1. `status`: it refuses everything with that.
"""
import base64
import select
import socket
import socketserver
import threading


class Proxy:
    def __init__(self, user="user", password=None, status=None):
        self.password, self.status = password, status
        self.requests = []
        self.wanted = None
        if password is not None:
            self.wanted = "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.url = "http://%s127.0.0.1:%d" % ("" if password is None else "%s:%s@" % (user, password), self.port)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def targets(self):
        return [line.split()[1] for line, _ in self.requests]


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    owner = None

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests


class Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self):
        while True:
            line = self.rfile.readline().decode("latin-1").strip()
            if not line:
                return
            headers = {}
            for header in iter(lambda: self.rfile.readline().decode("latin-1").strip(), ""):
                name, _, value = header.partition(":")
                headers[name.lower()] = value.strip()
            self.server.owner.requests.append((line, headers))
            if self.answer(line, headers):
                return

    def answer(self, line, headers):
        """True when the connection is used up."""
        owner = self.server.owner
        method, target = line.split()[:2]
        if owner.status is not None:
            return self.say("%d Refused" % owner.status)
        if owner.wanted is not None and headers.get("proxy-authorization") != owner.wanted:
            return self.say("407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="tests"')
        if method != "CONNECT":
            return self.say("405 Method Not Allowed")
        with socket.create_connection(("127.0.0.1", int(target.rsplit(":", 1)[1]))) as there:
            self.say("200 Connection established", length=False)
            self.pass_on(there)
        return True

    def say(self, status, *headers, length=True):
        headers += ("Content-Length: 0",) if length else ()
        self.wfile.write(("\r\n".join(("HTTP/1.1 " + status,) + headers) + "\r\n\r\n").encode())
        self.wfile.flush()

    def pass_on(self, there):
        ends = {self.connection: there, there: self.connection}
        while True:
            for one in select.select(list(ends), [], [], self.timeout)[0] or [None]:
                data = one.recv(65536) if one is not None else b""
                if not data:
                    return
                ends[one].sendall(data)
