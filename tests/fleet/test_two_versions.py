#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The version of before and this one in one PILLION_DIR: an exec in place from one to the other, and a sync of what the
other's killed programs left, lose and double nothing. The one of before is built from the history."""
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from own_bucket import BucketTest  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from served import ServedTest, StreamedTest, pillion  # noqa: E402

BEFORE = "06e9926f19af76d1eb25b6d2484cee0f551b8b5c"  # the last one that knows no bucket of one's own

before = None


def setUpModule():
    global before
    if os.environ.get("PILLION_BEFORE"):  # its build tree, made before
        before = pathlib.Path(os.environ["PILLION_BEFORE"])
        return
    folder = pillion.fresh_folder()
    archive = subprocess.run(["git", "-C", str(pillion.SOURCE), "archive", BEFORE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if archive.returncode != 0:
        raise unittest.SkipTest("skipped: all of it: no history here: %s" % archive.stderr.decode())
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    log = folder / "build.log"
    with open(log, "wb") as output:
        for words in (["cmake", "--preset", "ci", "-DPILLION_TESTS=OFF"], ["cmake", "--build", "build/ci", "-j2"]):
            if subprocess.run(words, cwd=folder, stdout=output, stderr=output).returncode != 0:
                raise RuntimeError("the version of before does not build:\n" + log.read_text()[-4000:])
    before = folder / "build" / "ci"


class Version:
    def __init__(self, build):
        self.hook, self.command = build / "lib" / "libpillion.so", build / "bin" / "pillion"


class Both:
    """The tests of each destination; `delivered(run)` is the destination's."""

    def versions(self):
        now, then = Version(pillion.BUILD), Version(before)
        return {"an old one's, by the new one": (then, now), "a new one's, by the old one": (now, then)}

    def each(self):
        for name, (first, second) in self.versions().items():
            with self.subTest(name):
                self.known = {run.directory for run in self.runs()}
                yield first, second

    def fresh(self):
        return [run for run in self.runs() if run.directory not in self.known]

    def start_with(self, version, *argv, **variables):
        return self.start(*argv, preload=False, env=self.env(LD_PRELOAD=version.hook, **variables))

    def sync_with(self, version, *words):
        return pillion.run([version.command, "sync", *words], preload=False, env=self.env())

    def killed(self, version, **variables):
        program = self.start_with(version, "sleep", "60", **variables)
        pillion.wait_for(lambda: self.fresh() and self.enough(self.fresh()[0]), what="rows")
        program.signal(signal.SIGKILL)
        program.wait()
        return self.fresh()[0]

    def enough(self, run):
        return run.csv.count(b"\n") > 5

    def test_an_exec_in_place_goes_on_with_the_run(self):
        for first, second in self.each():
            script = "sleep 1.3; LD_PRELOAD=%s exec sh -c 'sleep 1.3; exit 3'" % second.hook
            self.assertEqual(self.start_with(first, "sh", "-c", script).wait().status, 3)
            runs = self.fresh()
            self.assertEqual(len(runs), 1, runs)
            self.settle(runs[0])
            run = pillion.Run(runs[0].path)
            rows = run.rows
            self.assertGreaterEqual(rows[-1]["timestamp"] - rows[0]["timestamp"], 2.0)
            self.assertEqual(run["exit_code"], 3)
            self.assertThere(run)

    def settle(self, run):
        """What is not delivered by the other, because it does not know how, is by this one."""


class Synced(Both):
    def hang(self):
        self.asked = len(self.server.of("finish"))
        self.server.fault("finish", self.asked + 1, hang=60)

    def is_hung(self):
        return len(self.server.of("finish")) > self.asked and self.server.of("finish")[-1].raw

    def test_a_killed_run_is_delivered_by_a_sync_of_the_other(self):
        for first, second in self.each():
            run = self.killed(first)
            self.sync_with(second)
            self.settle(run)
            self.assertThere(pillion.Run(run.path))

    def test_a_sync_that_is_done_by_both_does_nothing_twice(self):
        for first, second in self.each():
            run = self.killed(first)
            for version in (second, first, second):
                self.sync_with(version)
            self.assertThere(pillion.Run(run.path))

    def test_a_sync_that_is_killed_is_done_by_the_other(self):
        for first, second in self.each():
            run = self.killed(first)
            self.hang()
            program = pillion.start([first.command, "sync"], preload=False, env=self.env())
            pillion.wait_for(self.is_hung, what="the request that hangs")
            program.signal(signal.SIGKILL)
            program.wait()
            self.sync_with(second)
            self.settle(run)
            self.assertThere(pillion.Run(run.path))


class Local(Both, ServedTest):
    """Without a token: rows and end on this machine, and both lists show them."""

    def env(self, **extra):
        return super().env(**dict({"SENTINEL_API_TOKEN": None}, **extra))

    def assertThere(self, run):
        self.assertEqual(run["state"], "local")
        for version in (Version(before), Version(pillion.BUILD)):
            result = pillion.run([version.command, "show", run.directory], preload=False, env=self.env())
            self.assertIn("finished" if run["exit_code"] == 0 else "exit 3", result.stdout.decode(), result)
        self.assertEqual(self.server.requests, [])


class Inline(Synced, ServedTest):
    def assertThere(self, run):
        self.assertDelivered(run)
        self.assertNoComplaints()


class Streamed(Synced, StreamedTest):
    def enough(self, run):
        return run.state.get("uploaded", 0) >= 1

    def assertThere(self, run):
        self.assertStreamed(run, least=1)
        self.assertNoComplaints()


class Bucket(Both, BucketTest):
    """The one of before does not know where such a run goes: it leaves it whole, and this one delivers it."""

    def enough(self, run):
        return run.state.get("uploaded", 0) >= 1

    def settle(self, run):
        result = self.sync_with(Version(pillion.BUILD))
        self.assertEqual(result.status, 0, result)

    def assertThere(self, run):
        self.assertDelivered(run)
        self.assertNoComplaints()

    def test_a_killed_run_is_left_alone_by_the_one_of_before_whatever_token_it_has(self):
        self.known = set()
        run = self.killed(Version(pillion.BUILD))
        asked = len(self.bucket.requests)
        with SentinelServer() as sentinel:
            env = {**self.env(), **sentinel.env()}
            for words in ((), (run.directory,)):
                pillion.run([Version(before).command, "sync", *words], preload=False, env=env)
            self.assertEqual(sentinel.requests, [])
        self.assertEqual(len(self.bucket.requests), asked)
        self.settle(run)
        self.assertThere(pillion.Run(run.path))


if __name__ == "__main__":
    pillion.main()
