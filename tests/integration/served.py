# SPDX-License-Identifier: Apache-2.0
"""A test with a strict Sentinel server, and what the tests of runs have in common."""
import concurrent.futures
import os
import pathlib
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
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
        """This run was finished once on the server, with exactly the rows that are on disk."""
        server = self.server if server is None else server
        text = run.csv.decode()
        rows = run.rows
        mine = [one for one in server.finished_runs() if one["finish"].get("data_csv") == text]
        self.assertEqual(len(mine), 1, "runs finished with these rows; there are %d finished runs of %d; requests %s"
                         % (len(server.finished_runs()), len(server.runs), server.requests))
        self.assertEqual(len(mine[0]["rows"]), len(rows))
        self.assertEqual(run.get("state"), "finished")
        self.assertEqual(run.get("sentinel_run_id"), mine[0]["run_id"])
        return mine[0]

    def assertNoComplaints(self):
        self.assertEqual(self.server.complaints(), [])


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
