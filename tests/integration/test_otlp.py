#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PILLION_OTLP_ENDPOINT: each row at a receiver that takes only what is exactly right, and no receiver, in whatever mood,
that costs a row or holds an end."""
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dashboard  # noqa: E402
from otlp_receiver import METRICS, DeafPort, OtlpReceiver  # noqa: E402
from served import PYTHON, Cases, LocalTest, ServedTest, pillion  # noqa: E402
from test_abuse_words import VALUES  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from certificates import Authority  # noqa: E402

WORKS = "import time\nt = time.process_time()\nwhile time.process_time() < t + %g: pass\n"  # CPU seconds
KEY = "k3y/of+the=collector"


def of_row(one):
    """The timestamp of the row that it is."""
    return (one.time + 500_000) // 1_000_000 / 1000


class OtlpTest(LocalTest):
    def receiver(self, mood=None, **options):
        receiver = OtlpReceiver(mood, **options)
        self.addCleanup(receiver.stop)
        return receiver

    def env(self, receiver=None, **extra):
        return super().env(**dict({"PILLION_OTLP_ENDPOINT": receiver.url} if receiver else {}, **extra))

    def counted(self, run):
        """What run.jsonl says became of the rows; all of them."""
        told = run["otlp"]
        self.assertEqual(told["rows"], told["taken"] + told["dropped"] + told["unanswered"], told)
        self.assertEqual(told["rows"], len(run.rows), told)
        return told

    def assertArrived(self, receiver, run, least=0.5):
        """What came is of the run's rows, in order, each with the sums until then; so is the end, but for a row or two that
        found a request under way."""
        timestamps = [row["timestamp"] for row in run.rows]
        came = pillion.wait_for(lambda: len(receiver.rows) >= run["otlp"]["taken"] and receiver.checked(), 5, "the rows")
        self.assertLessEqual({of_row(one) for one in came}, set(timestamps))
        self.assertGreaterEqual(len(came), len(timestamps) * least)
        last = timestamps.index(of_row(came[-1]))
        self.assertGreaterEqual(last, len(timestamps) - 3)
        rows = run.rows[:last + 1]
        for key, column in ((("process.cpu.time", "user"), "process_utime"), (("process.cpu.time", "system"), "process_stime"),
                            (("process.disk.io", "write"), "process_disk_write_bytes"),
                            (("system.disk.io", "read"), "system_disk_read_bytes"),
                            (("system.network.io", "receive"), "system_net_recv_bytes")):
            self.assertAlmostEqual(came[-1][key], sum(row[column] for row in rows), delta=0.001, msg=column)
        # Ticks that a row could not hold are in the next one, and the last may have none.
        self.assertAlmostEqual(came[-1][("system.cpu.time", "user")], sum(row["system_utime"] for row in rows), delta=0.3)
        for key, column, unit in ((("process.memory.usage",), "process_memory_mib", 2**20),
                                  (("system.memory.usage", "used"), "system_memory_used_mib", 2**20),
                                  (("pillion.process.children",), "process_children", 1),
                                  (("system.filesystem.limit",), "system_disk_space_total_gb", 1e9)):
            self.assertAlmostEqual(came[-1][key] / unit, rows[-1][column], places=3, msg=column)
        return came


class Rows(OtlpTest):
    def test_each_row_arrives_as_the_specification_says(self):
        receiver = self.receiver()
        result = self.python(WORKS % 0.35 + "open('file', 'w').write('x' * 100000)", env=self.env(receiver))
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        run = self.only_run()
        self.assertEqual(run["state"], "local")
        came = self.assertArrived(receiver, run)
        self.assertGreater(sum(came[-1][("process.cpu.time", mode)] for mode in ("user", "system")), 0.25)
        told = self.counted(run)
        self.assertEqual((told["instance"], told["refused_points"]), (came[0].resource["service.instance.id"], 0))
        self.assertIn(len(came) - told["taken"], (0, 1))
        self.assertEqual(came[0].resource["process.executable.name"], os.path.basename(PYTHON))
        self.assertTrue(run.log == "" or told["dropped"], run.log)

    def test_a_token_and_a_receiver_are_two_destinations(self):
        receiver = self.receiver()
        served = ServedTest()
        ServedTest.setUp(served)
        self.addCleanup(served.doCleanups)
        self.python(WORKS % 0.3, env=self.env(receiver, **served.server.env()))
        run = self.only_run()
        self.assertEqual(run["state"], "finished")
        self.assertEqual(served.server.complaints(), [])
        self.assertArrived(receiver, run)

    def test_without_the_endpoint_no_variable_of_opentelemetry_counts(self):
        receiver = self.receiver()
        result = self.launch("sh", "-c", "sleep 0.3", env=self.env(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=receiver.url, OTEL_SERVICE_NAME="x",
            OTEL_RESOURCE_ATTRIBUTES="no list", OTEL_EXPORTER_OTLP_HEADERS="no list"))
        self.assertSilent(result)
        run = self.only_run()
        self.assertEqual((receiver.requests, run.log, run.get("otlp")), (0, "", None))

    def test_an_exec_goes_on_with_the_sums(self):
        receiver = self.receiver()
        again = "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-c', sys.argv[1]])"
        self.launch(PYTHON, "-S", "-c", WORKS % 0.3 + "open('a', 'w').write('x' * 50000)\n" + again, WORKS % 0.15,
                    env=self.env(receiver))
        run = self.only_run()
        images = len(run.rows) - run["otlp"]["rows"]
        self.assertGreater(images, 2)
        came = self.assertArrived(receiver, run)
        self.assertGreater(sum(came[-1][("process.cpu.time", mode)] for mode in ("user", "system")), 0.35)
        self.assertIn(("system.cpu.time", "interrupt"), came[0].points)
        self.assertNotIn(("system.cpu.time", "interrupt"), came[-1].points)  # no row had it, so its sum is lost

    def test_a_short_program_is_told_where_the_receiver_is_near(self):
        receiver = self.receiver()
        for number in range(10):
            self.launch("true", env=self.env(receiver))
        pillion.wait_for(lambda: len(receiver.rows) == 10, 5, "ten programs")
        self.assertEqual(receiver.complaints, [])
        self.assertEqual(len({row.resource["service.instance.id"] for row in receiver.rows}), 10)
        receiver.rows.clear()
        self.launch("true", env=self.env(receiver, PILLION_EXIT_TIMEOUT="0"))
        time.sleep(0.1)
        self.assertEqual(receiver.rows, [])
        self.assertEqual(self.counted(self.runs()[-1])["dropped"], 1)

    def test_a_short_program_begins_no_tls(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.launch("true", env=self.env(PILLION_OTLP_ENDPOINT="https://127.0.0.1:%d" % listener.getsockname()[1]))
            self.assertEqual(select.select([listener], [], [], 0)[0], [])
        self.assertEqual(self.counted(self.only_run())["dropped"], 1)


class Resource(OtlpTest):
    def resource(self, **variables):
        receiver = self.receiver()
        self.launch("sleep", "0.15", env=self.env(receiver, **variables))
        return pillion.wait_for(receiver.checked, 5, "a row")[0].resource

    def test_no_host_pod_or_account_is_named_unasked(self):
        cluster = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "pod-of-anna", "POD_NAMESPACE": "annas", "CONTAINER_NAME": "main",
                   "TRACKER_ENV": "prod", "TRACKER_EXTERNAL_RUN_ID": "e-1", "CONTAINER_IMAGE": "registry.anna.org/x/image:3"}
        told = self.resource(**cluster)
        self.assertEqual({key: value for key, value in told.items() if key != "service.instance.id"}, {
            "service.name": "sleep", "process.executable.name": "sleep", "k8s.container.name": "main", "pillion.task_name": "main",
            "container.image.name": "image:3", "deployment.environment.name": "prod", "pillion.external_run_id": "e-1",
            "pillion.orchestrator": "kubernetes"})
        self.assertNotIn(socket.gethostname(), told["service.instance.id"])
        told = self.resource(PILLION_SHARE="hostname,account", **cluster)
        self.assertEqual((told["host.name"], told["k8s.pod.name"], told["k8s.namespace.name"]),
                         (socket.gethostname(), "pod-of-anna", "annas"))

    def test_the_users_words_go_before_ours(self):
        told = self.resource(OTEL_RESOURCE_ATTRIBUTES="service.name=a%2Cb, deployment.environment.name=x%3Dy,k=1,k=2,"
                             "service.instance.id=mine,process.executable.name=p", TRACKER_ENV="prod")
        self.assertEqual((told["service.name"], told["deployment.environment.name"], told["k"], told["process.executable.name"]),
                         ("a,b", "x=y", "2", "p"))
        self.assertNotEqual(told["service.instance.id"], "mine")
        told = self.resource(OTEL_SERVICE_NAME="grüße", OTEL_RESOURCE_ATTRIBUTES="service.name=x", TRACKER_JOB_NAME="job")
        self.assertEqual(told["service.name"], "grüße")

    def test_a_list_that_is_too_long_is_told_and_left_out(self):
        words = ",".join("k%d=%s" % (number, "%01" * 1000) for number in range(12))
        self.assertNotIn("k0", self.resource(OTEL_RESOURCE_ATTRIBUTES=words))
        self.assertEqual(self.only_run().log.count("OTEL_RESOURCE_ATTRIBUTES is left out: it comes to more than 64 KiB"), 1)

    def test_a_list_that_is_none_is_told_and_left_out(self):
        told = self.resource(OTEL_RESOURCE_ATTRIBUTES="a=1,b", TRACKER_JOB_NAME="job")
        self.assertEqual((told["service.name"], told.get("a")), ("job", None))
        self.assertIn("OTEL_RESOURCE_ATTRIBUTES=a=1,b is not valid", self.only_run().log)
        self.launch("sleep", "0.15", env=self.env(PILLION_OTLP_ENDPOINT="collector:4318"))
        self.assertIn("PILLION_OTLP_ENDPOINT=collector:4318 is not valid", self.runs()[-1].log)
        self.assertIsNone(self.runs()[-1].get("otlp"))


class Words(OtlpTest):
    def test_whatever_the_variables_hold_what_is_sent_is_right(self):
        def check(name, value):
            receiver = self.receiver()
            folder = self.tmp / name.replace(" ", "-")
            env = {key.encode(): text.encode() for key, text in self.env(receiver, PILLION_DIR=folder).items()}
            for variable in (b"OTEL_EXPORTER_OTLP_HEADERS", b"OTEL_RESOURCE_ATTRIBUTES", b"OTEL_SERVICE_NAME", b"TRACKER_ENV"):
                env[variable] = value
            env[b"LD_PRELOAD"] = os.fsencode(pillion.HOOK)
            result = subprocess.run(["sleep", "0.15"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((result.returncode, result.stdout), (0, b""), name)
            self.assertGreaterEqual(len(pillion.wait_for(receiver.checked, 5, "a row with " + name)), 1)
            self.assertEqual(self.counted(pillion.runs(folder)[0])["refused_points"], 0)

        pairs = {"pairs": b"a=b,c=%2C" * 14000, "many": b",".join(b"k%d=%d" % (n, n) for n in range(200)), "encoded": b"%00=%ff,%0a=%0d",
                 "no name": b"=", "signs": b"a=%", "cut": b"a=" + b"\xc3\xa4" * 60000}
        Cases(self).run({name: (value,) for name, value in dict(VALUES, **pairs).items()}, check)


class Headers(OtlpTest):
    HEADERS = "Authorization=Bearer%20" + KEY.replace("=", "%3D") + ", x-scope-orgid = team 1"

    def assertNowhere(self, *outputs):
        """No file of the run's, and nothing that was said, has the key."""
        texts = list(outputs) + [path.read_bytes() for path in pillion.files_below(self.tmp)]
        self.assertGreater(len(texts), 4)
        for text in texts:
            self.assertNotIn(KEY.encode(), text)
            self.assertNotIn(b"k3y", text)

    def test_they_are_sent_and_stand_nowhere_else(self):
        def mood(number):
            return (200, {}, b"{}") if number == 0 else (403, {}, json.dumps({"message": "no Bearer %s\nhere" % KEY}).encode())

        receiver = self.receiver(mood)
        env = self.env(receiver, OTEL_EXPORTER_OTLP_HEADERS=self.HEADERS, PILLION_LOG=self.tmp / "log.txt", PILLION_LOG_LEVEL="debug",
                       http_proxy="http://127.0.0.1:9")
        result = self.python("import time; time.sleep(0.5) # %s, and Bearer %s" % (KEY, KEY), env=env)
        self.assertIn("# ***", self.only_run()["command"][-1])
        self.assertEqual(receiver.complaints, [])
        sent = dict(receiver.headers[0])
        self.assertEqual((sent["Authorization"], sent["x-scope-orgid"]), ("Bearer " + KEY, "team 1"))
        self.assertIn("a row is not taken: HTTP 403: no Bearer ***", self.only_run().log)
        doctor = self.pillion("doctor", env=env)
        self.assertIn(b"refuses us (HTTP 403): is OTEL_EXPORTER_OTLP_HEADERS right?", doctor.stdout)
        self.assertNowhere(result.stdout, result.stderr, doctor.stdout, doctor.stderr)
        self.assertEqual(self.counted(self.only_run())["taken"], 1)

    def test_over_plain_http_they_go_to_this_machine_alone(self):
        elsewhere = self.receiver(path="http://collector.example:4318/v1/metrics")
        self.launch("sleep", "0.3", env=self.env(PILLION_OTLP_ENDPOINT="http://collector.example:4318/", http_proxy=elsewhere.url,
                                                 OTEL_EXPORTER_OTLP_HEADERS=self.HEADERS))
        rows = pillion.wait_for(elsewhere.checked, 5, "a row by the proxy")
        self.assertGreaterEqual(len(rows), 1)
        self.assertEqual([name for headers in elsewhere.headers for name, _ in headers if name in ("Authorization", "x-scope-orgid")], [])
        self.assertIn("OTEL_EXPORTER_OTLP_HEADERS is not sent: it would go to PILLION_OTLP_ENDPOINT over plain http", self.only_run().log)
        self.assertNowhere()

    def test_what_would_be_no_header_is_told_without_a_word_of_it(self):
        receiver = self.receiver()
        self.launch("sleep", "0.3", env=self.env(receiver, OTEL_EXPORTER_OTLP_HEADERS="a=%0d%0ab: " + KEY))
        self.assertIn("OTEL_EXPORTER_OTLP_HEADERS=(…) is not valid", self.only_run().log)
        self.assertGreaterEqual(len(receiver.checked()), 1)
        self.assertNowhere()

    def test_https_is_verified(self):
        authority = Authority(self.tmp, "right")
        receiver = self.receiver()
        receiver._server.socket = authority.context("localhost").wrap_socket(receiver._server.socket, server_side=True)
        url = receiver.url.replace("http://127.0.0.1", "https://localhost")
        other = Authority(self.tmp, "wrong").path
        self.launch("sleep", "0.4", env=self.env(PILLION_OTLP_ENDPOINT=url, SSL_CERT_FILE=other))
        self.assertIn("a row is not sent: certificate refused", self.only_run().log)
        self.assertEqual(self.counted(self.only_run())["taken"], 0)
        self.assertEqual(receiver.requests, 0)
        self.launch("sleep", "0.4", env=self.env(PILLION_OTLP_ENDPOINT=url, SSL_CERT_FILE=authority.path,
                                                 OTEL_EXPORTER_OTLP_HEADERS=self.HEADERS))
        self.assertGreaterEqual(self.counted(self.runs()[-1])["taken"], 2)
        self.assertEqual(dict(receiver.headers[0])["Authorization"], "Bearer " + KEY)


PARTIAL = json.dumps({"partialSuccess": {"rejectedDataPoints": "2", "errorMessage": "too many"}}).encode()

# {name: (mood, at least so many rows are taken, at most so many, at most so many requests)} of a program of 0.8 s at 10 Hz.
MOODS = {
    "hangs": ("hang", 0, 0, 1),
    "is slow": (0.25, 1, 4, 4),
    "closes": ("close", 0, 0, 3),
    "answers garbage": ("garbage", 0, 0, 3),
    "answers without end": ("endless", 0, 0, 3),
    "answers with a page": ("nonsense", 4, 10, 10),
    "is in trouble": ((500, {}, b"oops"), 0, 0, 3),
    "is overloaded": ((429, {"Retry-After": "100"}, b""), 0, 0, 1),
    "restarts": ((503, {"Retry-After": "Fri, 31 Dec 2038 23:59:59 GMT"}, b""), 0, 0, 1),
    "forbids": ((401, {}, b""), 0, 0, 3),
    "takes a part": ((200, {"Content-Type": "application/json"}, PARTIAL), 4, 10, 10),
    "is ill once": (lambda number: (502, {}, b"") if number == 0 else None, 0, 6, 7),
}


class Moods(OtlpTest):
    PROGRAM = "import time; time.sleep(0.75); print(time.monotonic())"

    def case(self, name, url):
        """The run of a program with a folder of its own, and the seconds that its end took."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix=name.replace(" ", "-"), dir=self.tmp))
        env = self.env(PILLION_DIR=folder, **({"PILLION_OTLP_ENDPOINT": url} if url else {}))
        result = pillion.run([PYTHON, "-S", "-c", self.PROGRAM], env=env, cwd=self.work)
        took = time.monotonic() - float(result.stdout)
        self.assertEqual((result.status, result.stderr), (0, b""), name)
        (run,) = pillion.runs(folder)
        self.assertEqual(run["state"], "local")
        self.assertGreaterEqual(len(run.rows), 5, name)
        return run, took

    def assertNotHeld(self, name, url, took):
        """On a busy machine a program may end late; one that is held always does."""
        for _ in range(3):
            if took < 0.3:
                return
            took = min(took, self.case(name, url)[1] - self.case("without", None)[1])
        self.fail("%s: the end took %.2f s" % (name, took))

    def check(self, name, mood, least, most, requests):
        receiver = self.receiver(mood)
        run, took = self.case(name, receiver.url)
        told = self.counted(run)
        self.assertTrue(least <= told["taken"] <= most, "%s: %s" % (name, told))
        self.assertLessEqual(receiver.requests, requests, name)
        self.assertEqual(receiver.complaints, [], name)
        if told["taken"] == 0:
            self.assertRegex(run.log, r"a row is not (sent|taken)|of [0-9]+ rows 0 were taken", name)
        if name == "takes a part":
            self.assertEqual(told["refused_points"], 2 * told["taken"])
            self.assertIn("data points: 2: too many", run.log)
        self.assertNotHeld(name, receiver.url, took)

    def test_no_mood_costs_a_row_or_holds_an_end(self):
        deaf, nobody = DeafPort(True), DeafPort(False)
        self.addCleanup(deaf.stop)
        self.addCleanup(nobody.stop)

        def silent(name, url):
            run, took = self.case(name, url)
            self.assertEqual(self.counted(run)["taken"], 0, name)
            self.assertNotHeld(name, url, took)

        nowhere = {"is deaf": (silent, deaf.url), "is not there": (silent, nobody.url), "has no such name": (silent, "http://nowhere.invalid:4318")}
        moods = {name: (self.check, *mood) for name, mood in MOODS.items()}
        Cases(self, 5).run(dict(moods, **nowhere), lambda name, check, *mood: check(name, *mood))

    def test_a_receiver_that_dies_and_comes_again_misses_nothing_but_points(self):
        receiver = self.receiver()
        program = self.until_told(PILLION_OTLP_ENDPOINT=receiver.url)
        pillion.wait_for(lambda: len(receiver.rows) >= 2, 5, "rows")
        receiver.mood = lambda number: "close"
        pillion.wait_for(lambda: receiver.requests > len(receiver.rows), 5, "a request that fails")
        receiver.mood = lambda number: None
        taken = len(receiver.rows)
        pillion.wait_for(lambda: len(receiver.rows) >= taken + 2, 8, "rows again")
        self.end(program)
        run = self.only_run()
        self.assertArrived(receiver, run, least=0.3)
        told = self.counted(run)
        self.assertGreaterEqual(told["dropped"] + told["unanswered"], 1)

    def test_a_redirect_is_not_followed(self):
        other = self.receiver()
        receiver = self.receiver((307, {"Location": other.url + "/v1/metrics"}, b""))
        self.launch("sleep", "0.3", env=self.env(receiver))
        self.assertGreaterEqual(receiver.requests, 1)
        self.assertEqual((other.requests, self.counted(self.only_run())["taken"]), (0, 0))

    def test_two_requests_are_never_under_way(self):
        most, now = [], []

        def mood(number):
            now.append(number)
            most.append(len(now))
            time.sleep(0.12)
            now.remove(number)

        self.launch("sleep", "1", env=self.env(self.receiver(mood)))
        self.assertGreaterEqual(len(most), 3)
        self.assertEqual(max(most), 1)


class Doctor(OtlpTest):
    def found(self, url, **variables):
        result = self.pillion("doctor", "--json", env=self.env(PILLION_OTLP_ENDPOINT=url, **variables))
        return [(one["outcome"], one["sentence"]) for one in json.loads(result.stdout) if one["check"] in ("otlp", "variables")]

    def test_it_says_whether_rows_would_be_taken(self):
        receiver = self.receiver()
        self.assertIn(("ok", receiver.url + "/v1/metrics is reached, and takes rows"), self.found(receiver.url + "/"))
        self.assertEqual((receiver.empty, receiver.complaints), (1, []))
        cases = {(401, b""): "it wants a header in OTEL_EXPORTER_OTLP_HEADERS", (404, b""): "/v1/metrics is added",
                 (307, b""): "redirects are not followed", (400, b'{"message": "use protobuf"}'): "HTTP 400), use protobuf: put a collector",
                 (503, b""): "is in trouble (HTTP 503)"}
        for (status, body), words in cases.items():
            (found,) = [one for one in self.found(self.receiver((status, {}, body)).url) if one[0] == "cause"]
            self.assertIn(words, found[1])
        self.assertIn("cannot be reached: cannot connect", str(self.found("http://127.0.0.1:1")))
        self.assertIn(("cause", "PILLION_OTLP_ENDPOINT=ftp://x is not valid: an http or https URL, to which /v1/metrics is added; "
                       "unset is used"), self.found("ftp://x"))
        self.assertIn("PILLION_OTLP_ENDPOINT=(…) is not valid", str(self.found("http://user:pass@x")))


class Names(unittest.TestCase):
    def test_the_receiver_knows_what_is_sent_and_no_more(self):
        table = re.findall(r'^    \{"([a-z.]+)", "([^"]+)",.*?, (COUNTER|LEVEL|GAUGE), (\w+)\},', (pillion.SOURCE / "src/otlp/metrics.c").read_text(), re.M)
        kinds = {"COUNTER": "counter", "LEVEL": "updowncounter", "GAUGE": "gauge"}
        self.assertEqual({name: (kinds[kind], unit, "asInt" if divisor == "WHOLE" else "asDouble") for name, unit, kind, divisor in table},
                         {name: told[:3] for name, told in METRICS.items()})

    def test_the_manual_names_them_all(self):
        manual = (pillion.SOURCE / "tools/man/pillion.7").read_text()
        section = manual[manual.index(".Sh OPENTELEMETRY"):manual.index(".Sh PROMISES")]
        told = set(re.findall(r"^\.Li ((?:system|process|hw|pillion)\.[a-z._]+)", section, re.M))
        self.assertEqual(told - {"hw.id"}, set(METRICS))

    def test_the_dashboard_asks_for_what_is_sent(self):
        asked = dashboard.metrics()
        self.assertGreater(len(asked), 12)
        self.assertEqual(asked - {dashboard.name(*key) for key in ((name, *METRICS[name][:2]) for name in METRICS)}, set())
        labels = {re.sub(r"[^a-z]", "_", key) for _, _, _, attributes in METRICS.values() for key in attributes}
        self.assertEqual(dashboard.labels() - labels - {"$job_label", "$run_label"}, set())


if __name__ == "__main__":
    pillion.main()
