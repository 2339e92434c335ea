#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C client of the Sentinel API (pillion/sentinel.h) against the strict server."""
import calendar
import errno
import gzip
import json
import os
import pathlib
import shutil
import ssl
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from s3_server import S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from served import Cases  # noqa: E402
from test_server_is_strict import csv  # noqa: E402

NEVER = 2 ** 63 - 1
CUT_OFF = (-errno.ECONNRESET, -errno.EPROTO, -errno.EBADMSG, -errno.EIO)
NOT_ALLOWED = (-errno.EINVAL, -errno.EACCES)


def find_probe():
    """The probe that CMake built; else one made here."""
    built = pillion.INTEGRATION / "client_probe"
    if built.exists():
        return built
    target = pillion.fresh_folder() / "client_probe"
    library = pillion.BUILD / "lib"
    problem = pillion.cc(pathlib.Path(__file__).with_name("client_probe.c"), target, "-I%s" % (pillion.SOURCE / "include"),
                         "-L%s" % library, "-Wl,-rpath,%s" % library, "-lpillion-sentinel")
    if problem:
        raise RuntimeError("client_probe cannot be built: " + problem)
    return target


class Recorder(threading.Thread):
    """Listens, notes the first line of what comes, answers 403."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lines = []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                data = connection.recv(65536)
                self.lines.append(data.split(b"\r\n")[0].decode("latin-1"))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Tunnel(threading.Thread):
    """A proxy for https: notes the first line, and whatever was asked for, connects to one port of this machine. With
    `tls`, a server's context, it is asked by https itself."""

    def __init__(self, port, tls=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target, self.tls = port, tls
        self.url = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.listener.getsockname()[1])
        self.lines = []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        if self.tls:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError: # it was not trusted
                return
        with connection, socket.create_connection(("127.0.0.1", self.target)) as other:
            self.lines.append(connection.recv(65536).split(b"\r\n")[0].decode("latin-1"))
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=self.pump, args=(other, connection), daemon=True)
            back.start()
            self.pump(connection, other)
            back.join()

    @staticmethod
    def pump(source, sink):
        try:
            for data in iter(lambda: source.recv(65536), b""):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def make_certificate(folder, names):
    """The files of a certificate and its key."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
                    "subjectAltName=" + names, "-keyout", str(key), "-out", str(certificate)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(certificate), str(key)


class ClientTest(pillion.PillionTest):
    needs_build = False
    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.probe = find_probe()

    def setUp(self):
        self.server = SentinelServer(**self.options)
        self.addCleanup(self.server.stop)

    def call(self, what, *words, variables=None, server=None, timeout=60, **fields):
        """What the probe prints. The client comes from the environment unless fields say otherwise."""
        environment = self.env(**(self.server if server is None else server).env())
        for name, value in (variables or {}).items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
        argv = [self.probe, what] + list(words) + ["%s=%s" % pair for pair in fields.items()]
        result = self.launch(*argv, preload=False, env=environment, timeout=timeout)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return json.loads(result.stdout)

    def register(self, *words, **keywords):
        return self.call("register", *words, **keywords)

    def new_run(self):
        answer = self.register(job_name="x")
        self.assertEqual(answer["rc"], 0, answer)
        return answer["run_id"]

    def finish(self, *words, run=None, **fields):
        return self.call("finish", *words, run_id=run or self.new_run(), **fields)

    def assertUnanswered(self, answer, *errors):
        self.assertIn(answer["rc"], errors, answer)
        self.assertEqual(answer["status_code"], 0, answer)
        self.assertTrue(answer["body"], "no reason given: %s" % answer)

    def assertNothingSent(self, answer, *errors):
        self.assertIn(answer["rc"], errors or (-errno.EINVAL,), answer)
        self.assertEqual(answer["status_code"], 0, answer)
        self.assertEqual(self.server.requests, [])


class Registering(ClientTest):
    def test_every_field_goes_out_flat_with_its_type(self):
        strings = {name: "%s of ours" % name for name in (
            "job_name project_name stage_name task_name team env language orchestrator executor external_run_id "
            "container_image host_id host_hostname host_ip host_server_allocation host_cpu_model host_gpu_model "
            "cloud_vendor_id cloud_account_id cloud_region_id cloud_zone_id cloud_instance_type").split()}
        numbers = {"host_vcpus": 192, "host_memory_mib": 16777216, "host_gpu_count": 8, "host_gpu_memory_mib": 655360}
        answer = self.register("command=python3", "command=train.py", "command=a \"b\" c", "tag=a=b", "tag=c=d=e",
                               host_storage_gb="1234.5", **strings, **numbers)
        self.assertEqual(answer["rc"], 0, answer)
        sent = self.server.requests[0].body
        expected = dict(strings, tags=[{"key": "a", "value": "b"}, {"key": "c", "value": "d=e"}], host_storage_gb=1234.5, **numbers)
        self.assertEqual({name: value for name, value in sent.items() if name != "command"}, expected)
        self.assertEqual(json.loads(sent["command"]), ["python3", "train.py", 'a "b" c'])
        self.assertEqual(len(self.server.requests), 1)

    def test_what_is_not_known_is_left_out(self):
        self.assertEqual(self.register()["rc"], 0)
        self.assertEqual(self.server.requests[0].body, {})

    def test_the_answer_is_decoded(self):
        answer = self.register(job_name="x")
        run = self.server.runs[answer["run_id"]]
        self.assertEqual((answer["rc"], answer["upload_uri_prefix"], answer["status_code"]),
                         (0, run["upload_uri_prefix"], answer["status_code"]))
        for name in ("access_key", "secret_key", "session_token"):
            self.assertIn(answer[name], self.server.secret_values)
        self.assertLess(abs(answer["expires_at"] - (time.time() + 3600)), 30)
        self.assertIsNone(answer["region"])

    def test_text_of_any_bytes_becomes_right_json(self):
        name = 'q"uote \\ back\nslash \x01 \x7f \u00fc \u20ac \U0001f600 end'
        self.assertEqual(self.register(job_name=name)["rc"], 0)
        self.assertEqual(self.server.requests[0].body["job_name"], name)
        for raw in (b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"):
            argv = [os.fsencode(self.probe), b"register", b"job_name=x" + raw + b"y"]
            done = subprocess.run(argv, env=self.env(**self.server.env()), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(json.loads(done.stdout)["rc"], 0, raw)
            text = self.server.requests[-1].body["job_name"]
            self.assertTrue(text.startswith("x") and text.endswith("y"), text)

    def test_both_names_of_the_expiry_and_a_missing_one(self):
        for body, expected in (
                ({"expires_at": "2026-04-01T00:00:00Z"}, calendar.timegm((2026, 4, 1, 0, 0, 0))),
                ({"expiration": "2026-04-01T00:00:00Z"}, calendar.timegm((2026, 4, 1, 0, 0, 0))),
                ({"expires_at": "2000-02-29T12:30:15+00:00"}, calendar.timegm((2000, 2, 29, 12, 30, 15))),
                ({"expires_at": "2026-04-01T02:00:00+02:00"}, calendar.timegm((2026, 4, 1, 0, 0, 0))),
                ({"expires_at": "2026-04-01T00:00:00.123456Z"}, calendar.timegm((2026, 4, 1, 0, 0, 0))),
                ({}, NEVER)):
            with self.subTest(body):
                server = SentinelServer()
                self.addCleanup(server.stop)
                body = dict({"access_key": "a", "secret_key": "b", "session_token": "c", "region": "eu-west-1"}, **body)
                server.fault("register", text=json.dumps({"run_id": "r_1-A", "upload_uri_prefix": "s3://bucket/p/",
                                                          "upload_credentials": body, "later": [1, {"x": None}]}))
                answer = self.register(server=server)
                self.assertEqual((answer["rc"], answer["expires_at"], answer["region"]), (0, expected, "eu-west-1"))
                self.assertEqual((answer["run_id"], answer["upload_uri_prefix"]), ("r_1-A", "s3://bucket/p"))

    def test_an_answer_without_credentials_is_still_a_registration(self):
        self.server.fault("register", text='{"run_id": "r1"}')
        answer = self.register()
        self.assertEqual((answer["rc"], answer["run_id"], answer["access_key"], answer["upload_uri_prefix"]),
                         (0, "r1", None, None))

    def test_answers_that_make_no_sense_are_ebadmsg(self):
        good = '{"run_id":"r","upload_uri_prefix":"s3://bucket/p","upload_credentials":{"access_key":"a","secret_key":"b",' \
               '"session_token":"c"}}'
        wrong = ["", "<html>", "{", "[]", "null", "5", '"run"', "{}", '{"run_id":5}', '{"run_id":null}', '{"run_id":""}',
                 '{"run_id":"a/b"}', '{"run_id":"../x"}', '{"run_id":"a b"}', '{"run_id":"a\\nb"}', '{"run_id":"a?b"}',
                 '{"run_id":"a\\u0000b"}', good + good, good[:-2]]
        for number, text in enumerate(wrong, 1):
            self.server.fault("register", number, text=text)
        for text in wrong:
            with self.subTest(text):
                answer = self.register()
                self.assertEqual(answer["rc"], -errno.EBADMSG, answer)
                self.assertIsNone(answer["run_id"])

    def test_a_422_that_names_tags_is_repaired_with_an_object(self):
        self.server.tags_form = "object"
        answer = self.register("tag=a=b", "tag=c=d", job_name="x")
        self.assertEqual(answer["rc"], 0, answer)
        self.assertEqual([request.answer for request in self.server.requests], [422, 201])
        self.assertEqual(self.server.requests[1].body, {"job_name": "x", "tags": {"a": "b", "c": "d"}})

    def test_a_422_that_names_optional_fields_is_repaired_without_them(self):
        self.server.refused_fields = {"team", "host_ip"}
        answer = self.register(job_name="x", team="t", host_ip="10.0.0.1", env="e")
        self.assertEqual(answer["rc"], 0, answer)
        self.assertEqual(self.server.requests[1].body, {"job_name": "x", "env": "e"})
        self.assertEqual(len(self.server.requests), 2)

    def test_a_422_that_names_nothing_of_ours_is_not_repeated(self):
        self.server.fault("register", status=422, body='{"detail":[{"loc":["body","other"],"msg":"m","type":"t"}]}')
        answer = self.register(job_name="x")
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 422))
        self.assertEqual(len(self.server.requests), 1)


class Addressing(ClientTest):
    def test_the_url_comes_from_the_environment_and_the_struct_wins(self):
        other = SentinelServer(token=self.server.token)
        self.addCleanup(other.stop)
        self.assertEqual(self.register()["rc"], 0)
        self.assertEqual(self.register(base_url=other.url)["rc"], 0)
        self.assertEqual((len(self.server.requests), len(other.requests)), (1, 1))

    def test_no_client_at_all_means_the_environment(self):
        self.assertEqual(self.register(client="null")["rc"], 0)

    def test_a_base_path_is_kept_and_trailing_slashes_are_not(self):
        server = SentinelServer(base="/api/v1")
        self.addCleanup(server.stop)
        for url in (server.url, server.url + "/", server.url + "///"):
            answer = self.register(server=server, variables={"SENTINEL_API_URL": url})
            self.assertEqual(answer["rc"], 0, url)
        run = answer["run_id"]
        self.assertEqual(self.call("refresh", server=server, run_id=run)["rc"], 0)
        self.assertEqual(self.call("finish", server=server, run_id=run, data_source="inline", data_csv=csv())["rc"], 0)
        self.assertEqual([request.path for request in server.requests],
                         ["/api/v1/runs"] * 3 + ["/api/v1/runs/%s/refresh-credentials" % run,
                                                 "/api/v1/runs/%s/finish" % run])
        self.assertEqual(self.register(variables={"SENTINEL_API_URL": self.server.url + "//"})["rc"], 0)

    def test_an_unset_or_empty_url_is_the_public_one(self):
        for url in (None, ""):
            proxy = Recorder()
            self.addCleanup(proxy.stop)
            answer = self.register(variables={"SENTINEL_API_URL": url, "https_proxy": "http://127.0.0.1:%d" % proxy.port})
            self.assertLess(answer["rc"], 0)
            self.assertEqual(proxy.lines[0], "CONNECT api.sentinel.sparecores.net:443 HTTP/1.1")

    def test_a_token_in_the_clear_is_handed_to_no_proxy(self):
        proxy = Recorder()
        self.addCleanup(proxy.stop)
        url = "http://127.0.0.1:%d" % proxy.port
        self.assertEqual(self.register(variables={"http_proxy": url, "https_proxy": url, "all_proxy": url})["rc"], 0)
        self.assertEqual((proxy.lines, len(self.server.requests)), ([], 1))

    def test_plain_http_goes_to_loopback_only(self):
        proxy = Recorder()  # would see any attempt
        self.addCleanup(proxy.stop)
        for url in ("http://example.com", "http://10.1.2.3:8080", "http://127.0.0.1.example.com", "http://0.0.0.0:1",
                    "http://127.0.0.1@example.com/", "http://localhost.example.com", "HTTP://EXAMPLE.COM",
                    "http://example.com#@127.0.0.1", "http://example.com?127.0.0.1", "http://[::2]:1/"):
            with self.subTest(url):
                answer = self.register(variables={"SENTINEL_API_URL": url, "http_proxy": "http://127.0.0.1:%d" % proxy.port})
                self.assertNothingSent(answer, *NOT_ALLOWED)
        self.assertEqual(proxy.lines, [])

    def test_what_is_no_http_url_is_refused(self):
        for url in ("ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:%d" % self.server.port, "http://", "https://",
                    "https:///runs", "x", "http://127.0.0.1:%d /" % self.server.port,
                    "http://127.0.0.1:%d\r\nX: y/" % self.server.port):
            with self.subTest(url):
                self.assertNothingSent(self.register(variables={"SENTINEL_API_URL": url}), *NOT_ALLOWED)

    def test_loopback_has_several_names(self):
        answer = self.register(variables={"SENTINEL_API_URL": "http://localhost:%d" % self.server.port})
        self.assertEqual(answer["rc"], 0, answer)
        self.assertUnanswered(self.register(variables={"SENTINEL_API_URL": "http://127.0.0.2:%d" % self.server.port}),
                              -errno.ECONNREFUSED)


class Tokens(ClientTest):
    def test_the_first_token_found_is_used(self):
        path = self.tmp / "token"
        path.write_text("from-file\nsecond line\n")
        names = {"SENTINEL_API_TOKEN": "from-token", "SENTINEL_API_KEY": "from-key", "SENTINEL_API_TOKEN_FILE": str(path)}
        for without, expected in (((), "from-token"), (("SENTINEL_API_TOKEN",), "from-key"),
                                  (("SENTINEL_API_TOKEN", "SENTINEL_API_KEY"), "from-file")):
            for empty in (None, ""):
                self.server.token = expected
                answer = self.register(variables=dict(names, **{name: empty for name in without}))
                self.assertEqual(answer["rc"], 0, (without, empty, answer))
        self.server.token = "from-struct"
        self.assertEqual(self.register(token="from-struct", variables=names)["rc"], 0)

    GOOD = {"alone": b"%s", "line end": b"%s\n", "CRLF": b"%s\r\n", "blank behind": b"%s \n", "blanks": b" \t%s\t \n",
            "feeds": b"\v\f%s\f\v\r\n", "second line": b"%s\nno token\n", "BOM": b"\xef\xbb\xbf%s\r\n", "CR": b"%s\r"}
    BAD = {"empty": b"", "empty line": b"\n%s\n", "blank line": b" \t\r\n%s\n", "blank within": b"%s x\n", "no-break space": b"%s\xc2\xa0\n",
           "NUL": b"%s\0\n", "BOM alone": b"\xef\xbb\xbf\n", "UTF-16": None}

    def told(self, name, data, good):
        """What client, shim, sync and doctor make of the same file."""
        with SentinelServer() as server:
            path, folder = self.tmp / (name + ".token"), self.tmp / (name + ".state")
            token = server.token.encode()
            path.write_bytes(server.token.encode("utf-16") if data is None else data.replace(b"%s", token))
            env = pillion.clean_env(home=self.tmp, pillion_dir=folder, SENTINEL_API_TOKEN_FILE=path, SENTINEL_API_URL=server.url,
                                    PILLION_INTERVAL="0.1", PILLION_CLOUD="off", PILLION_EXIT_TIMEOUT="0")
            words = json.loads(pillion.run([self.probe, "register"], preload=False, env=env).stdout)
            self.assertEqual(words["rc"] == 0, good, "the client: %s" % words)
            pillion.run(["sleep", "0.2"], env=env)
            run = pillion.runs(folder)[0]
            self.assertEqual(run["state"], "undelivered" if good else "local", run.log)
            loose = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
            doctor = pillion.command("doctor", env=dict(env, LD_PRELOAD=str(pillion.HOOK), ASAN_OPTIONS=loose))
            self.assertEqual(doctor.status == 0, good, doctor)
            synced = pillion.command("sync", run.directory, env=env)
            self.assertEqual((synced.status == 0, len(server.finished_runs())), (good, int(good)), synced)
            self.assertEqual({request.header("Authorization") for request in server.requests},
                             {"Bearer " + server.token} if good else set())

    def test_all_readers_take_the_same_from_a_file(self):
        Cases(self, 4).run({**{name: (data, True) for name, data in self.GOOD.items()},
                            **{name: (data, False) for name, data in self.BAD.items()}}, self.told)

    def test_without_a_token_nothing_is_sent(self):
        self.assertNothingSent(self.register(variables={"SENTINEL_API_TOKEN": None}))
        self.assertNothingSent(self.register(variables={"SENTINEL_API_TOKEN": ""}))
        self.assertNothingSent(self.register(variables={"SENTINEL_API_TOKEN": None, "SENTINEL_API_TOKEN_FILE": "/nowhere"}))
        self.assertNothingSent(self.call("refresh", run_id="r", variables={"SENTINEL_API_TOKEN": None}))
        self.assertNothingSent(self.call("finish", run_id="r", data_source="inline", data_csv=csv(),
                                         variables={"SENTINEL_API_TOKEN": None}))

    def test_a_token_can_not_add_headers(self):
        self.register(token="a\r\nX-Injected: yes")
        for request in self.server.requests:
            self.assertIsNone(request.header("X-Injected"))

    def test_the_token_is_in_no_error_text(self):
        self.server.token = "another"
        answer = self.register(token="very-secret-token")
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 401))
        self.server.stop()
        refused = self.register(token="very-secret-token")
        self.assertNotIn("very-secret-token", json.dumps([answer, refused]))


class Errors(ClientTest):
    def test_every_status_that_is_no_success_carries_status_and_body(self):
        codes = [300, 301, 302, 303, 304, 307, 308] + list(range(400, 600))
        for number, code in enumerate(codes, 1):
            self.server.fault("register", number, status=code, body='{"detail":"code %d"}' % code)
        for number, code in enumerate(codes, 1):
            answer = self.register(job_name="x")
            self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, code), answer)
            if code != 304:
                self.assertEqual(answer["body"], '{"detail":"code %d"}' % code)
            self.assertIsNone(answer["run_id"])
        self.assertEqual(len(self.server.requests), len(codes))

    def test_any_2xx_is_success(self):
        for number, code in enumerate((200, 201, 202, 203, 206), 1):
            self.server.fault("register", number, status=code, body='{"run_id":"r%d"}' % code)
            self.assertEqual(self.register()["run_id"], "r%d" % code)

    def test_finish_and_refresh_carry_status_and_body_too(self):
        self.server.fault("finish", status=500, body="oh").fault("refresh", status=403, body="no")
        answer = self.finish(data_source="inline", data_csv=csv())
        self.assertEqual((answer["rc"], answer["status_code"], answer["body"], answer["result"]),
                         (-errno.EREMOTEIO, 500, "oh", None))
        answer = self.call("refresh", run_id="r")
        self.assertEqual((answer["rc"], answer["status_code"], answer["body"]), (-errno.EREMOTEIO, 403, "no"))

    def test_a_redirect_is_not_followed_and_the_token_stays_here(self):
        other = SentinelServer(token=self.server.token)
        self.addCleanup(other.stop)
        codes = (301, 302, 303, 307, 308)
        for number, code in enumerate(codes, 1):
            self.server.fault("register", number, redirect=other.url + "/runs", status=code)
        for code in codes:
            answer = self.register()
            self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, code))
        self.assertEqual(other.requests, [])
        self.assertEqual(len(self.server.requests), len(codes))

    def test_nobody_listening_is_econnrefused(self):
        self.server.down()
        self.assertUnanswered(self.register(), -errno.ECONNREFUSED)

    def test_a_name_that_does_not_resolve_is_an_error_and_no_hang(self):
        answer = self.register(variables={"SENTINEL_API_URL": "https://no-such-host.invalid"}, timeout_ms=3000)
        self.assertLess(answer["rc"], 0)
        self.assertEqual(answer["status_code"], 0)

    def test_a_hanging_server_is_etimedout(self):
        self.server.fault("*", hang=20)
        began = time.monotonic()
        self.assertUnanswered(self.register(timeout_ms=300), -errno.ETIMEDOUT)
        self.assertLess(time.monotonic() - began, 10)

    def test_a_time_limit_holds_for_the_whole_answer(self):
        self.server.fault("register", slow=0.05)
        self.assertUnanswered(self.register(timeout_ms=500), -errno.ETIMEDOUT)

    def test_a_slow_answer_within_the_limit_is_an_answer(self):
        self.server.fault("register", slow=0.0005)
        self.assertEqual(self.register()["rc"], 0)

    def test_a_connection_that_is_cut_off_is_an_error(self):
        self.server.fault("register", 1, drop=True).fault("register", 2, drop_after=True)
        self.server.fault("register", 3, truncate=True).fault("register", 4, garbage=True)
        for number in range(1, 5):
            self.assertUnanswered(self.register(), *CUT_OFF)
            self.assertEqual(len(self.server.requests), number)

    def test_answers_without_measure_do_not_exhaust_anything(self):
        self.server.fault("register", 1, huge=8 << 20).fault("register", 2, endless=True)
        self.server.fault("register", 3, nested=400000).fault("register", 4, header_flood=2000)
        for number in range(1, 5):
            with self.subTest(number):
                began = time.monotonic()
                answer = self.register(timeout_ms=15000)
                self.assertLess(answer["rc"], 0, answer["rc"])
                self.assertNotEqual(answer["rc"], -errno.ETIMEDOUT)
                self.assertLess(time.monotonic() - began, 14)


class Finishing(ClientTest):
    def test_rows_go_out_as_they_are(self):
        run = self.new_run()
        text = csv(3)
        when = int(time.time())
        answer = self.finish(run=run, data_source="inline", data_csv=text, finished_at=when)
        self.assertEqual(answer["rc"], 0, answer)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
        self.assertEqual(self.server.requests[-1].body, {
            "exit_code": 0, "run_status": "finished", "finished_at": stamp, "data_source": "inline", "data_csv": text})
        result = json.loads(answer["result"])
        self.assertEqual((result["run"]["run_id"], result["processing"]["rows"]), (run, 3))

    def test_the_zeroed_struct_means_the_reference_clients_defaults(self):
        run = self.new_run()
        uris = ["s3://bucket/prefix/%s/%04d.csv.gz" % (run, number) for number in (2, 1, 3)]
        answer = self.finish(*["data_uri=" + uri for uri in uris], run=run)
        self.assertEqual(answer["rc"], 0, answer)
        self.assertEqual(self.server.requests[-1].body,
                         {"exit_code": 0, "run_status": "finished", "data_source": "s3", "data_uris": uris})

    def test_exit_codes_and_statuses(self):
        for code in (0, 1, 2, 127, 130, 255):
            with self.subTest(code):
                status = "failed" if code else "finished"
                answer = self.finish(exit_code=code, run_status=status, data_source="inline", data_csv=csv())
                self.assertEqual(answer["rc"], 0, answer)
                body = self.server.requests[-1].body
                self.assertEqual((body["exit_code"], body["run_status"]), (code, status))

    def test_an_unknown_exit_code_is_left_out(self):
        self.assertEqual(self.finish(exit_code_unknown=1, run_status="failed", data_source="inline", data_csv=csv())["rc"], 0)
        self.assertNotIn("exit_code", self.server.requests[-1].body)

    def test_a_length_cuts_the_text(self):
        text = csv(2)
        self.assertEqual(self.finish(data_source="inline", data_csv=text + "not ours", data_csv_len=len(text))["rc"], 0)
        self.assertEqual(self.server.requests[-1].body["data_csv"], text)

    def test_the_result_may_be_unwanted_and_an_empty_answer_is_an_empty_object(self):
        self.assertEqual(self.finish(data_source="inline", data_csv=csv(), no_result=1)["rc"], 0)
        self.server.fault("finish", 2, status=204, body="").fault("finish", 3, status=200, body="")
        for _ in range(2):
            answer = self.finish(run="r", data_source="inline", data_csv=csv())
            self.assertEqual((answer["rc"], answer["result"]), (0, "{}"))

    def test_what_the_api_would_refuse_is_not_sent(self):
        for fields in ({}, {"data_source": "inline"}, {"data_source": "s3", "data_csv": csv()},
                       {"data_source": "inline", "data_csv": csv(), "exit_code": 256, "run_status": "failed"},
                       {"data_source": "inline", "data_csv": csv(), "exit_code": -1, "run_status": "failed"}):
            with self.subTest(fields):
                self.assertNothingSent(self.call("finish", run_id="r1", **fields))

    def test_a_run_id_that_would_change_the_url_is_not_sent(self):
        for run in ("", "../x", "a/b", "a?b", "a b", "a\nb", "%2e"):
            with self.subTest(run):
                self.assertNothingSent(self.call("finish", run_id=run, data_source="inline", data_csv=csv()))
                self.assertNothingSent(self.call("refresh", run_id=run))
        self.assertNothingSent(self.call("refresh"))

    def test_a_413_is_repeated_once_with_gzip(self):
        self.server.max_body, self.server.gzip_accepted = 6000, True
        run = self.new_run()
        text = csv(900)
        path = self.tmp / "rows.csv"
        path.write_text(text)
        answer = self.finish(run=run, data_source="inline", data_csv_file=str(path))
        self.assertEqual(answer["rc"], 0, (answer["rc"], answer["status_code"]))
        first, second = self.server.of("finish")
        self.assertEqual((first.answer, first.header("Content-Encoding")), (413, None))
        self.assertEqual((second.answer, second.header("Content-Encoding")), (200, "gzip"))
        self.assertEqual(gzip.decompress(second.raw), first.raw)
        self.assertEqual(self.server.runs[run]["finish"]["data_csv"], text)

    def test_a_second_413_is_final(self):
        self.server.fault("finish", status=413)
        answer = self.finish(data_source="inline", data_csv=csv())
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 413))
        self.assertEqual(len(self.server.of("finish")), 2)

    def test_megabytes_of_rows_arrive(self):
        lines = csv(1000).split("\n", 1)
        count = 20
        text = lines[0] + "\n" + "".join(
            lines[1].replace("1795346661.", "%d." % (1795346661 + number)) for number in range(count))
        path = self.tmp / "rows.csv"
        path.write_text(text)
        answer = self.finish(data_source="inline", data_csv_file=str(path))
        self.assertEqual(answer["rc"], 0, answer)
        self.assertEqual(json.loads(answer["result"])["processing"]["rows"], 1000 * count)


class Refreshing(ClientTest):
    def test_new_credentials_come_with_an_empty_body(self):
        run = self.new_run()
        answer = self.call("refresh", run_id=run)
        self.assertEqual(answer["rc"], 0, answer)
        self.assertIn(answer["secret_key"], self.server.secret_values)
        request = self.server.requests[-1]
        self.assertEqual((request.raw, request.header("Content-Length")), (b"", "0"))

    def test_both_names_of_the_expiry(self):
        for key in ("expires_at", "expiration"):
            self.server.expiry_key = key
            answer = self.call("refresh", run_id=self.new_run())
            self.assertLess(abs(answer["expires_at"] - time.time() - 3600), 30, key)

    def test_an_unknown_run_and_nonsense(self):
        answer = self.call("refresh", run_id="unknown")
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 404))
        for number, text in enumerate(("", "{}", '{"upload_credentials":5}',
                                       '{"upload_credentials":{"access_key":"a"}}'), 2):
            self.server.fault("refresh", number, text=text)
            self.assertEqual(self.call("refresh", run_id="r")["rc"], -errno.EBADMSG, text)


class PutTest(ClientTest):
    prefix = "s3://bucket/runs/r1"

    def setUp(self):
        super().setUp()
        self.s3 = S3Server()
        self.addCleanup(self.s3.stop)

    def put(self, data=b"", uri=None, s3=None, variables=None, region=None, lifetime=3600, **fields):
        """What the probe says after one PUT, without a token, with good credentials for the folder of the object."""
        s3, uri = s3 or self.s3, uri or self.prefix + "/0001.csv.gz"
        self.grant = s3.grant(uri.rsplit("/", 1)[0], lifetime)
        path = self.tmp / "data"
        path.write_bytes(data)
        for name in ("access_key", "secret_key", "session_token"):
            fields.setdefault(name, getattr(self.grant, name))
        if region:
            fields["region"] = region
        variables = dict({"SENTINEL_API_TOKEN": None, "PILLION_S3_ENDPOINT": s3.url}, **variables or {})
        return self.call("put", uri=uri, data_file=path, variables=variables, **fields)

    def assertStored(self, answer, data, uri=None, s3=None):
        self.assertEqual((answer["rc"], answer["status_code"], answer["body"]), (0, 0, None), answer)
        self.assertEqual((s3 or self.s3).objects[uri or self.prefix + "/0001.csv.gz"], data)


class Putting(PutTest):
    def test_an_object_arrives_as_it_is(self):
        data = gzip.compress(csv().encode())
        self.assertStored(self.put(data), data)
        self.assertEqual(self.s3.complaints(), [])
        self.assertEqual(self.server.requests, [])
        request = self.s3.requests[0]
        self.assertEqual((request.header("Content-Type"), request.header("Expect")), ("application/gzip", None))
        self.assertIn("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,",
                      request.header("Authorization"))

    def test_all_bytes_and_no_bytes_are_data(self):
        for data in (bytes(range(256)) * 3, b"\0", b"", b"\0" * (8 << 20)):
            with self.subTest(len(data)):
                self.assertStored(self.put(data), data)

    def test_keys_of_odd_characters_are_encoded_as_s3_does(self):
        for folder in ("run=1+2 3:4@5", "\u00fc/\u20ac/\U0001f600", "~-._", "!*'()", "100%25%41", "a?b#c&d;e,$", "a//b", "x/../y",
                       "\"<>[]{}|\\^`"):
            with self.subTest(folder):
                uri = "s3://my.bucket-1/%s/0001.csv.gz" % folder
                self.assertStored(self.put(b"x", uri), b"x", uri)

    def test_the_endpoint_of_the_struct_wins_and_may_end_in_slashes(self):
        self.assertStored(self.put(b"x", s3_endpoint=self.s3.url + "//", variables={"PILLION_S3_ENDPOINT": "http://127.0.0.1:1"}),
                          b"x")

    def test_an_object_follows_its_bucket_to_another_region(self):
        for code in ("AuthorizationHeaderMalformed", "PermanentRedirect"):
            for region in (None, "us-west-2"):
                with self.subTest((code, region)):
                    s3 = S3Server(region="ap-south-1", moved=code)
                    self.addCleanup(s3.stop)
                    self.assertStored(self.put(b"x", s3=s3, region=region), b"x", s3=s3)
                    self.assertEqual([request.refusal for request in s3.requests], [code, None])

    def test_an_object_is_signed_again_by_the_servers_clock(self):
        for offset in (86400, -86400):
            self.s3.clock_offset = offset
            self.assertStored(self.put(b"x"), b"x")
            self.assertEqual([request.refusal for request in self.s3.requests[-2:]], ["RequestTimeTooSkewed", None])

    def test_what_is_no_object_is_not_sent(self):
        for fields in ({"uri": "https://bucket/k"}, {"uri": "s3://bucket/"}, {"uri": "s3://b/k"}, {"uri": "s3://Bucket/k"},
                       {"session_token": "a\r\nX-Injected: yes"}, {"access_key": ""}, {"region": "evil.example/"},
                       {"no_credentials": "1"}, {"content_type": "a\nb"}, {"s3_endpoint": "ftp://127.0.0.1"},
                       {"s3_endpoint": "http://u:p@127.0.0.1"}):
            with self.subTest(fields):
                answer = self.put(b"x", **fields)
                self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EINVAL, 0), answer)
                self.assertTrue(answer["body"])
        self.assertEqual(self.s3.requests, [])

    def test_what_s3_says_is_told_without_the_credentials(self):
        self.s3.fault("put", status=403, body="<Error><Code>AccessDenied</Code></Error>")
        answer = self.put(b"x")
        self.assertEqual((answer["rc"], answer["status_code"], answer["body"]),
                         (-errno.EREMOTEIO, 403, "<Error><Code>AccessDenied</Code></Error>"))
        self.s3.heal()
        token = "very-secret-session-token-0123456789"
        self.s3.fault("put", status=400, body="<Error><Code>ExpiredToken</Code><Token-0>%s</Token-0></Error>" % token)
        answer = self.put(b"x", session_token=token)
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 400))
        self.assertNotIn(token, answer["body"])
        self.assertIn("<Code>ExpiredToken</Code>", answer["body"])

    def test_nothing_is_tried_twice_but_what_s3_asks_for(self):
        for number, code in enumerate(("SlowDown", "InternalError", "OperationAborted", "ExpiredToken", "RequestTimeout",
                                       "NoSuchBucket", "SignatureDoesNotMatch"), 1):
            self.s3.fault("put", number, code=code)
            answer = self.put(b"x")
            self.assertEqual(answer["rc"], -errno.EREMOTEIO)
            self.assertIn("<Code>%s</Code>" % code, answer["body"])
            self.assertEqual(len(self.s3.requests), number)

    def test_a_connection_that_is_cut_off_is_an_error(self):
        self.s3.fault("put", 1, drop=True).fault("put", 2, drop_after=True)
        self.s3.fault("put", 3, truncate=True).fault("put", 4, garbage=True)
        for number in range(1, 4):
            answer = self.put(b"x" * 300000)
            if answer["rc"] != 0:  # the cut-off answer to a PUT has nothing that is missed
                self.assertUnanswered(answer, *CUT_OFF)
        self.assertUnanswered(self.put(b"x"), *CUT_OFF)
        self.s3.down()
        self.assertUnanswered(self.put(b"x"), -errno.ECONNREFUSED)

    def test_a_hanging_server_is_etimedout(self):
        self.s3.fault("put", hang=20)
        self.assertUnanswered(self.put(b"x", timeout_ms=300), -errno.ETIMEDOUT)

    def test_a_redirect_is_not_followed_and_the_credentials_stay_here(self):
        other = S3Server()
        self.addCleanup(other.stop)
        for number, code in enumerate((301, 302, 303, 307, 308), 1):
            self.s3.fault("put", number, redirect=other.url + "/bucket/x", status=code)
            answer = self.put(b"x")
            self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, code))
        self.assertEqual(other.requests, [])


class PuttingAtAws(PutTest):
    """AWS is a proxy away: it is the strict server, with a certificate for AWS's names."""

    def setUp(self):
        self.assertTrue(shutil.which("openssl"), "openssl is missing: apt-get install openssl")
        super().setUp()
        self.certificate = make_certificate(self.tmp, ",".join("DNS:" + name for name in (
            "*.s3.amazonaws.com", "s3.amazonaws.com", "*.s3.ap-south-1.amazonaws.com", "s3.ap-south-1.amazonaws.com",
            "*.s3.eu-central-1.amazonaws.com")))

    def put_at_aws(self, aws, uri, **fields):
        self.tunnel = Tunnel(aws.port)
        self.addCleanup(self.tunnel.stop)
        return self.put(b"x", uri, aws, variables={
            "PILLION_S3_ENDPOINT": None, "https_proxy": self.tunnel.url, "AWS_CA_BUNDLE": self.certificate[0]}, **fields)

    def aws(self, **options):
        server = S3Server(certificate=self.certificate, **options)
        self.addCleanup(server.stop)
        return server

    def asked(self, aws):
        return [(request.method, request.path, request.header("Host")) for request in aws.requests]

    def test_the_bucket_is_asked_for_its_region(self):
        aws = self.aws(region="ap-south-1")
        uri = "s3://bucket/runs/0001.csv.gz"
        self.assertStored(self.put_at_aws(aws, uri), b"x", uri, aws)
        self.assertEqual(self.asked(aws), [("HEAD", "/", "bucket.s3.amazonaws.com"),
                                           ("PUT", "/runs/0001.csv.gz", "bucket.s3.ap-south-1.amazonaws.com")])
        self.assertEqual(self.tunnel.lines, ["CONNECT bucket.s3.amazonaws.com:443 HTTP/1.1",
                                             "CONNECT bucket.s3.ap-south-1.amazonaws.com:443 HTTP/1.1"])
        self.assertIsNone(aws.requests[0].header("Authorization"))
        self.assertIsNone(aws.requests[0].header("x-amz-security-token"))

    def test_a_bucket_with_dots_is_addressed_by_path(self):
        aws = self.aws(region="ap-south-1")
        uri = "s3://my.bucket/runs/0001.csv.gz"
        self.assertStored(self.put_at_aws(aws, uri), b"x", uri, aws)
        self.assertEqual(self.asked(aws)[1:], [("PUT", "/my.bucket/runs/0001.csv.gz", "s3.ap-south-1.amazonaws.com")])
        self.assertEqual(self.asked(aws)[0], ("HEAD", "/my.bucket", "s3.amazonaws.com"))

    def test_credentials_with_a_region_ask_nobody(self):
        aws = self.aws(region="ap-south-1")
        uri = "s3://bucket/runs/0001.csv.gz"
        self.assertStored(self.put_at_aws(aws, uri, region="ap-south-1"), b"x", uri, aws)
        self.assertEqual([request.method for request in aws.requests], ["PUT"])

    def test_a_bucket_that_does_not_tell_is_taken_to_be_in_europe_and_followed(self):
        aws = self.aws(region="ap-south-1", moved="PermanentRedirect").fault("head", drop=True)
        uri = "s3://bucket/runs/0001.csv.gz"
        self.assertStored(self.put_at_aws(aws, uri), b"x", uri, aws)
        self.assertEqual([host for _, _, host in self.asked(aws)],
                         ["bucket.s3.amazonaws.com", "bucket.s3.eu-central-1.amazonaws.com",
                          "bucket.s3.ap-south-1.amazonaws.com"])

    def test_a_certificate_of_another_is_refused_and_nothing_handed_over(self):
        self.certificate = make_certificate(self.tmp, "DNS:bucket.s3.example")
        aws = self.aws()
        self.assertUnanswered(self.put_at_aws(aws, "s3://bucket/runs/0001.csv.gz"), -errno.EKEYREJECTED)
        self.assertEqual(aws.requests, [])


class TlsTest(ClientTest):
    def setUp(self):
        self.assertTrue(shutil.which("openssl"), "openssl is missing: apt-get install openssl")
        super().setUp()
        self.certificate, self.key = make_certificate(self.tmp, "IP:127.0.0.1")
        self.tls = SentinelServer(certificate=(self.certificate, self.key))
        self.addCleanup(self.tls.stop)


class Tls(TlsTest):
    def test_a_certificate_of_the_bundle_is_trusted_and_no_other(self):
        for name in ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            answer = self.register(server=self.tls, variables={name: self.certificate})
            self.assertEqual(answer["rc"], 0, (name, answer))
        seen = len(self.tls.requests)
        answer = self.register(server=self.tls)
        self.assertUnanswered(answer, -errno.EKEYREJECTED)
        self.assertEqual(len(self.tls.requests), seen)

    def test_a_server_may_speak_one_version_of_tls_alone(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.tls.listener.tls.minimum_version = ssl.TLSVersion.TLSv1_2
            self.tls.listener.tls.maximum_version = version
            self.tls.listener.tls.minimum_version = version
            answer = self.register(server=self.tls, variables={"SSL_CERT_FILE": self.certificate})
            self.assertEqual(answer["rc"], 0, (version, answer))

    def test_a_proxy_is_honoured_and_so_is_no_proxy(self):
        proxy = Recorder()
        self.addCleanup(proxy.stop)
        variables = {"https_proxy": "http://127.0.0.1:%d" % proxy.port, "SSL_CERT_FILE": self.certificate}
        answer = self.register(server=self.tls, variables=variables)
        self.assertLess(answer["rc"], 0)
        self.assertEqual(proxy.lines, ["CONNECT 127.0.0.1:%d HTTP/1.1" % self.tls.port])
        self.assertEqual(self.tls.requests, [])
        for without in ("127.0.0.1", "localhost,127.0.0.1", "*"):
            self.assertEqual(self.register(server=self.tls, variables=dict(variables, no_proxy=without))["rc"], 0, without)
        self.assertEqual(len(proxy.lines), 1)

    def test_a_proxy_may_be_asked_by_https_and_is_trusted_no_more_than_a_server(self):
        other = self.tmp / "other"
        other.mkdir()
        stranger, _ = make_certificate(other, "IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        proxy = Tunnel(self.tls.port, context)
        self.addCleanup(proxy.stop)
        variables = {"https_proxy": proxy.url, "AWS_CA_BUNDLE": stranger}
        self.assertUnanswered(self.register(server=self.tls, variables=variables), -errno.EKEYREJECTED)
        self.assertEqual((proxy.lines, self.tls.requests), ([], []))
        answer = self.register(server=self.tls, variables=dict(variables, AWS_CA_BUNDLE=self.certificate))
        self.assertEqual(answer["rc"], 0, answer)
        self.assertEqual(proxy.lines, ["CONNECT 127.0.0.1:%d HTTP/1.1" % self.tls.port])

    def test_a_server_that_asks_for_a_certificate_gets_none_and_may_go_on(self):
        self.tls.listener.tls.load_verify_locations(self.certificate)
        for demand in (ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED):
            self.tls.listener.tls.verify_mode = demand
            answer = self.register(server=self.tls, variables={"AWS_CA_BUNDLE": self.certificate})
            self.assertEqual((answer["rc"] == 0, len(self.tls.requests)), (demand == ssl.CERT_OPTIONAL, 1), answer)

    def test_another_name_than_the_certificates_is_refused(self):
        answer = self.register(variables={"SENTINEL_API_URL": "https://localhost:%d" % self.tls.port,
                                    "SSL_CERT_FILE": self.certificate, "SENTINEL_API_TOKEN": self.tls.token})
        self.assertUnanswered(answer, -errno.EKEYREJECTED)
        self.assertEqual(self.tls.requests, [])


class Threads(TlsTest):
    """Each with a client of its own. What TLS 1.3 needs of keys and of chance, mbedTLS keeps in one place for all."""

    def start_threads(self, count, calls, *before):
        environment = dict(self.env(**self.tls.env()), AWS_CA_BUNDLE=self.certificate)
        program = subprocess.Popen([*before, str(pillion.INTEGRATION / "client_threads"), str(count), str(calls)],
                                   env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return program

    def test_many_register_at_once(self):
        program = self.start_threads(8, 3)
        said = program.communicate(timeout=120)[0].decode()
        self.assertEqual((program.returncode, len(self.tls.requests)), (0, 24), said)

    def test_one_that_waits_for_its_server_keeps_nobody_from_theirs(self):
        self.tls.fault("register", 1, hang=25)
        self.start_threads(4, 1)
        pillion.wait_for(lambda: len(self.tls.requests) == 4, 20, "the requests of the three others")

    def test_none_meets_another_inside_the_library(self):
        if not pillion.have("valgrind"):
            self.skipTest("valgrind is missing: apt-get install valgrind")
        if b"__asan_init" in (pillion.INTEGRATION / "client_threads").read_bytes():
            self.skipTest("built with a sanitizer, which valgrind does not run")
        program = self.start_threads(2, 1, "valgrind", "--tool=helgrind", "-q")
        said = program.communicate(timeout=300)[0].decode()
        self.assertEqual((program.returncode, len(self.tls.requests)), (0, 2), said[-4000:])
        self.assertNotIn("libpillion-sentinel", said)


if __name__ == "__main__":
    pillion.main()
