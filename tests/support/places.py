# SPDX-License-Identifier: Apache-2.0
"""A mirror of Debian's and a library's release address, that do what a test wants of them."""
import gzip
import http.server
import io
import tarfile
import threading
import urllib.request


def archive(text):
    """A tar.gz with one folder that holds one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("folder/text")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(out.getvalue(), mtime=0)


class Places(http.server.ThreadingHTTPServer):
    """Mirror and release address in one: {path: bytes}, and {path: what is wrong with it}."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.faults, self.asked = {}, {}, []
        self.behind = None # a real mirror's address: what is not in files is got there
        self.over = threading.Event()
        self.url = "http://127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def set_up_apt(self, folder):
        """An apt.conf that makes this server's /debian and /debian-security apt's only mirrors."""
        (folder / "sources.list").write_text("deb [trusted=yes] %s/debian stable main\n"
                                             "deb [trusted=yes] %s/debian-security stable-security main\n"
                                             % (self.url, self.url))
        (folder / "apt.conf").write_text('Dir::Etc::SourceList "%s/sources.list";\nDir::Etc::SourceParts "/nonexistent";\n'
                                         % folder)
        return folder / "apt.conf"

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, address):
        """Who has enough of an answer closes the connection."""


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.replace("%2b", "+").replace("%2B", "+")
        self.server.asked.append(path)
        fault, content = self.server.faults.get(path), self.server.files.get(path)
        if content is None and self.server.behind and fault in (None, "cuts it short", "has another"):
            content = self.get_behind()
        if fault == "hangs":
            self.server.over.wait(60)
            self.close_connection = True
            return
        if fault == "is endless":
            self.send_response(200)
            self.end_headers()
            while not self.server.over.is_set():
                self.wfile.write(bytes(1 << 20))
        if fault == "lacks it" or content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "cuts it short":
            self.wfile.write(content[:len(content) // 2])
            self.close_connection = True
        else:
            self.wfile.write(b"x" * len(content) if fault == "has another" else content)

    def get_behind(self):
        try:
            with urllib.request.urlopen(self.server.behind + self.path, timeout=120) as answer:
                return answer.read()
        except OSError:
            return None

    def log_message(self, *words):
        pass
