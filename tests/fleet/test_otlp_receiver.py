#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PILLION_OTLP_ENDPOINT against programs that others have made: Google's reader of protobuf as JSON with the published
proto files, as a collector, and VictoriaMetrics behind it, asked back by its query API. It takes protobuf alone, and
Debian's Prometheus is built without OTLP."""
import contextlib
import http.server
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import newer  # noqa: E402
import pillion  # noqa: E402
import dashboard  # noqa: E402
from test_gpu import CARDS, GpuTest  # noqa: E402

PACKAGES = ["victoria-metrics", "libc6", "libzstd1", "python3-protobuf", "python3-opentelemetry-proto"]
LABELS = "service_name", "service_instance_id"
INTERVAL = 0.5
WORKS = ("import os, sys, time\nt = time.time()\nwhile time.time() < t + float(sys.argv[1]):\n    sum(range(10000))\n"
         "    with open('file', 'w') as file:\n        file.write('x' * 10000)\n        file.flush()\n        os.fsync(file)\n")


class VictoriaMetrics:
    def __init__(self, root, folder):
        self.url = "http://127.0.0.1:%d" % pillion.free_ports()
        self.log = open(folder / "victoria.log", "wb")
        self.process = subprocess.Popen(newer.command(root, "usr/bin/victoria-metrics") + [
            "-storageDataPath=%s" % (folder / "victoria"), "-httpListenAddr=%s" % self.url[7:], "-memory.allowedBytes=128MB",
            "-retentionPeriod=1d", "-search.latencyOffset=0s", "-opentelemetry.usePrometheusNaming"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        pillion.wait_for(self.is_ready, 60, "VictoriaMetrics")

    def is_ready(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(self.url + "/health", timeout=5).read() == b"OK"

    def ask(self, query):
        """{labels: value} now."""
        urllib.request.urlopen(self.url + "/internal/force_flush", timeout=10).read()
        url = self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": query, "nocache": 1})
        answer = json.load(urllib.request.urlopen(url, timeout=10))
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.log.close()


class Collector:
    """Takes OTLP as JSON, by Google's reader, which knows the fields of the proto files and no others, and hands it on as
    protobuf."""

    def __init__(self, root, target):
        os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
        packages = str(root / "usr/lib/python3/dist-packages")
        if packages not in sys.path:
            sys.path.insert(0, packages)
        self.reader = importlib.import_module("google.protobuf.json_format")
        self.message = importlib.import_module("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2").ExportMetricsServiceRequest
        self.target, self.complaints, self.rows = target, [], 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads, self.server.handle_error = True, lambda *_: None
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_port

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def hand_on(self, text):
        try:
            message = self.reader.Parse(text, self.message())
        except self.reader.ParseError as error:
            self.complaints.append(str(error))
            return 400
        request = urllib.request.Request(self.target + "/opentelemetry/v1/metrics", message.SerializeToString(),
                                         {"Content-Type": "application/x-protobuf"})
        with contextlib.suppress(OSError):
            status = urllib.request.urlopen(request, timeout=60).status
            self.rows += status < 300
            return status
        return 503

    def handler(collector):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                status = collector.hand_on(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200 if status == 204 else status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        return Handler


class Receiver(GpuTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = newer.unpacked("VictoriaMetrics", PACKAGES)

    def setUp(self):
        super().setUp()
        self.store = VictoriaMetrics(self.root, self.tmp)
        self.addCleanup(self.store.stop)
        self.collector = Collector(self.root, self.store.url)
        self.addCleanup(self.collector.stop)

    def env(self, **extra):
        return super().env(**dict({"PILLION_OTLP_ENDPOINT": self.collector.url, "PILLION_INTERVAL": INTERVAL}, **extra))

    def works(self, seconds, **variables):
        """The run of a program that works so long, and its wall time."""
        folder = self.tmp / ("runs-%d" % time.monotonic_ns())
        folder.mkdir()
        result = self.launch(sys.executable, "-S", "-c", WORKS, str(seconds), env=self.env(PILLION_DIR=folder, **variables))
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        (run,) = pillion.runs(folder)
        return run, result.wall

    def test_the_store_has_the_cpu_seconds_of_the_rows(self):
        runs = [self.works(seconds, TRACKER_JOB_NAME="job-%d" % seconds)[0] for seconds in (2, 3, 4)]
        self.assertEqual(self.collector.complaints, [])
        for run in runs:
            where = '{service_instance_id="%s"}' % run["otlp"]["instance"]
            for mode, column in (("user", "process_utime"), ("system", "process_stime")):
                cells = [row[column] for row in run.rows]

                least = sum(cells[:-1]) - 0.001  # but for the last interval

                def told():
                    query = 'last_over_time(process_cpu_time_seconds_total{cpu_mode="%s",%s[5m])' % (mode, where[1:])
                    return [one for one in self.store.ask(query) if one[1] >= least]

                ((labels, value),) = pillion.wait_for(told, 10, "%s s of %s" % (least, run.describe()))
                self.assertLessEqual(value, sum(cells) + 0.001)
            self.assertEqual(labels["service_name"], run["registration"]["job_name"])
            ((_, count),) = self.store.ask("count_over_time(process_memory_usage_bytes%s[5m])" % where)
            self.assertGreaterEqual(count, len(run.rows) - 2)
            self.assertEqual(run["otlp"]["refused_points"], 0)

    def test_every_query_of_the_dashboard_answers(self):
        program = self.begin(sys.executable, "-S", "-c", WORKS, "8")
        self.world(CARDS + "power 0 61500\npower 1 20000\n")
        unanswered = dict(dashboard.queries())

        def all_answered():
            for key, text in list(unanswered.items()):
                if self.store.ask(dashboard.ready(text, *LABELS)):
                    del unanswered[key]
            return not unanswered

        try:
            pillion.wait_for(all_answered, 15, step=0.5)
        except AssertionError:
            self.fail("no answer to %s" % unanswered)
        program.wait()
        self.assertEqual(self.collector.complaints, [])
        ((_, cores),) = self.store.ask(dashboard.ready(dashboard.queries()["CPU of each run", "A"], *LABELS, seconds=10))
        self.assertTrue(0.02 < cores < 2, cores)
        for text in dashboard.asked()[-2:]:
            url = self.store.url + "/api/v1/label/%s/values" % dashboard.ready(text, *LABELS).rstrip(")").rpartition(", ")[2]
            self.assertTrue(json.load(urllib.request.urlopen(url, timeout=10))["data"])

    def test_a_store_that_hangs_is_slow_or_dies_costs_no_row_and_holds_no_end(self):
        walls = [self.works(2, PILLION_OTLP_ENDPOINT="")[1]]
        cases = {"hung": lambda: self.store.process.send_signal(signal.SIGSTOP), "killed": self.store.process.kill,
                 "gone": self.collector.stop}
        run, wall = self.works(2)
        walls.append(wall)
        self.assertGreaterEqual(run["otlp"]["taken"], 3)
        for name, harm in cases.items():
            harm()
            run, wall = self.works(2)
            self.assertEqual(run["otlp"]["taken"], 0, name)
            self.assertEqual(run["otlp"]["rows"], len(run.rows), name)
            self.assertGreaterEqual(len(run.rows), 4, name)
            self.assertLess(wall, max(walls) + 0.5, name)
            self.store.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    pillion.main()
