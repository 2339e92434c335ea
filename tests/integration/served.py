# SPDX-License-Identifier: Apache-2.0
"""Tests with the strict servers, and what the tests of runs have in common."""
import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from s3_server import S3Server, unpack  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

PYTHON = os.path.realpath(sys.executable)  # the interpreter itself: a wrapper script would be the program

# What every program here needs to be quick about it; a test says otherwise where it matters.
QUICK = {"PILLION_INTERVAL": "0.1", "PILLION_CLOUD": "off"}


class LocalTest(pillion.PillionTest):
    """Runs without a token."""

    def env(self, **extra):
        return super().env(**dict(QUICK, **extra))

    def python(self, text, **keywords):
        """Run Python code with the preload."""
        return self.launch(PYTHON, "-S", "-c", text, **keywords)

    def until_told(self, preexec_fn=None, **variables):
        """A program that ends with status 3 when end() says so."""
        return self.start("sh", "-c", "cat; exit 3", env=self.env(**variables), stdin=subprocess.PIPE, preexec_fn=preexec_fn)

    def end(self, program):
        program.process.stdin.close()
        self.assertEqual(program.wait().status, 3)

    def sync(self, *words, status=0, env=None):
        result = self.pillion("sync", *words, env=self.env() if env is None else env)
        self.assertEqual(result.status, status, result)
        return result


class ServedTest(LocalTest):
    """Runs with a token, against self.server."""

    server_options = {}

    def setUp(self):
        super().setUp()
        self.server = SentinelServer(**self.server_options)
        self.addCleanup(self.server.stop)

    def env(self, **extra):
        return super().env(**dict(self.server.env(), **extra))

    def assertDelivered(self, run, server=None):
        """This run was finished once on the server, with exactly the rows that are on disk, inline or as objects."""
        server = self.server if server is None else server
        text = run.csv.decode()
        rows = run.rows
        mine = [one for one in server.finished_runs() if one["csv"] == text]
        self.assertEqual(len(mine), 1, "runs finished with these rows; there are %d finished runs of %d; requests %s"
                         % (len(server.finished_runs()), len(server.runs), server.requests))
        self.assertEqual(len(mine[0]["rows"]), len(rows))
        self.assertEqual(run.get("state"), "finished")
        self.assertEqual(run.get("sentinel_run_id"), mine[0]["run_id"])
        if mine[0]["finish"]["data_source"] == "s3":
            self.assertEqual(run.get("uploaded"), len(mine[0]["finish"]["data_uris"]))
        return mine[0]

    def assertNoComplaints(self):
        self.assertEqual(self.server.complaints(), [])


class StreamedTest(ServedTest):
    """Runs with a token that stream, against self.server and self.s3."""

    s3_options = {}

    def setUp(self):
        pillion.PillionTest.setUp(self)
        self.s3 = S3Server(**self.s3_options)
        self.addCleanup(self.s3.stop)
        self.server = SentinelServer(s3=self.s3, **self.server_options)
        self.addCleanup(self.server.stop)

    def env(self, **extra):
        return super().env(**dict({"TRACKER_UPLOAD_INTERVAL": "1", "PILLION_INTERVAL": "0.05"}, **extra))

    @contextlib.contextmanager
    def pair(self, s3=None, **options):
        """A Sentinel server with an S3 server of its own; afterwards neither has anything to complain of."""
        with S3Server(**(s3 or {})) as store, SentinelServer(s3=store, **options) as server:
            yield server
            self.assertEqual(server.complaints() + store.complaints(), [])

    def assertStreamed(self, run, server=None, least=2):
        """Delivered as objects, at least so many."""
        one = self.assertDelivered(run, server)
        self.assertEqual(one["finish"]["data_source"], "s3", run.describe())
        self.assertGreaterEqual(len(one["finish"]["data_uris"]), least)
        self.assertSealed(run, one, server)
        return one

    def assertSealed(self, run, one, server=None):
        """What run.jsonl says of each batch is what its object holds."""
        sealed = [line for line in run.lines if "batch" in line]
        self.assertEqual(sorted({line["sealed"] for line in sealed}), list(range(1, run["uploaded"] + 1)))
        for line in sealed:
            first, last = line["batch"]
            rows = run.csv[first:last].decode().split("\n")[0 if first else 1:-1]
            self.assertEqual(self.object_rows(one, line["sealed"], server), rows, "object %d" % line["sealed"])

    def assertInline(self, run, server=None):
        one = self.assertDelivered(run, server)
        self.assertEqual(one["finish"]["data_source"], "inline", run.describe())
        return one

    def assertNoComplaints(self):
        super().assertNoComplaints()
        self.assertEqual(self.s3.complaints(), [])

    def object_rows(self, one, number, server=None):
        """The lines of an object of this run of the server's, without the header."""
        s3 = (self.server if server is None else server).s3
        return unpack(s3.objects["%s/%04d.csv.gz" % (one["upload_uri_prefix"], number)]).decode().split("\n")[1:-1]


class Cases:
    """Independent cases side by side; each gets a folder and a server of its own. Failures are gathered."""

    def __init__(self, test, workers=6):
        self.test, self.workers, self.failures = test, workers, []

    def run(self, cases, check):
        """check(name, *arguments) for each of {name: arguments}."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            waiting = {name: pool.submit(check, name, *arguments) for name, arguments in cases.items()}
            for name, future in waiting.items():
                try:
                    future.result()
                except Exception:
                    self.failures.append("%s:\n%s" % (name, traceback.format_exc()))
        if self.failures:
            self.test.fail("%d of %d cases failed\n\n%s" % (len(self.failures), len(cases), "\n".join(self.failures)))
