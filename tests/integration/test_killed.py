#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Killed at any of its system calls, a run that streams loses no row, and none arrives twice.

kills_at_call counts the calls of the engine's thread, from one line of run.jsonl to another, and kills the process
before or after one of them; then `pillion sync` delivers. What is on the server has to be what was on disk at that
moment. By default those calls count that disk or server can tell; with PILLION_TEST_ALL_POINTS=1 all of them, and a
table is printed.
"""
import collections
import os
import re
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from own_bucket import BucketServer, BucketTest  # noqa: E402
from served import Cases, S3Server, SentinelServer, StreamedTest, pillion  # noqa: E402

ALL = bool(os.environ.get("PILLION_TEST_ALL_POINTS"))
KILLS = pillion.INTEGRATION / "kills_at_call"
CALLS = "all" if ALL else "write,sendto,connect,recvfrom,unlinkat,ftruncate"

# From which text in what the thread writes, to which; how long the program sleeps; the seconds between batches.
STRETCHES = {
    "registration": ('"registration"', '"sentinel_run_id"', "2.3", "1"),
    "first batch": ('"sealed":1,', '{"uploaded":1,', "2.3", "1"),
    "second batch": ('"sealed":2,', '{"uploaded":2,', "2.3", "1"),
    "end": ('"finished_at"', "end", "2.3", "1"),
    "end inline": ('"finished_at"', "end", "0.6", "60"),
}


class Point:
    """A line of kills_at_call's."""

    def __init__(self, words):
        self.number, self.when = int(words[0]), words[1]
        self.kind = "%s %s" % (words[2], general(words[3]))


class Outcome:
    """What kills_at_call did."""

    def __init__(self, result):
        self.text = result.stdout.decode()
        lines = [line.split(" ") for line in self.text.split("\n")[:-1]]
        self.killed = Point(lines[-1][1:]) if lines[-1][0] == "killed" else None
        self.status = None if self.killed else int(lines[-1][2])
        self.points = [Point(words) for words in lines[:-1]]


def general(name):
    """Without what differs from run to run."""
    name = re.sub(r"\Aapi-[0-9a-f]+-[0-9a-f]+\Z", "MARK", re.sub(r"[0-9]{8}T[0-9]{6}Z-\S*", "RUN", name))
    return re.sub(r"\A[0-9]+\Z", "PID", re.sub(r"\A[0-9]+-[0-9]+-[0-9]+\Z", "MARKER", name))


def whole_lines(path):
    data = path.read_bytes() if path.exists() else b""
    return data[:data.rfind(b"\n") + 1].decode()


class Table:
    """Points tried and rows lost, by stretch and kind of call."""

    def __init__(self):
        self.lock, self.tried, self.lost = threading.Lock(), collections.Counter(), collections.Counter()
        self.rows = 0

    def add(self, stretch, outcome, rows, lost):
        key = (stretch, outcome.killed.kind if outcome.killed else "(ended before)")
        with self.lock:
            self.tried[key] += 1
            self.lost[key] += lost
            self.rows += rows

    def __str__(self):
        line = "%-14s %-28s %7s %9s"
        lines = ["", line % ("stretch", "call", "points", "rows lost")]
        for (stretch, kind), count in sorted(self.tried.items()):
            lines.append(line % (stretch, kind, count, self.lost[stretch, kind]))
        lines.append(line % ("all", "%d rows on disk when killed" % self.rows, sum(self.tried.values()),
                             sum(self.lost.values())))
        return "\n".join(lines)


class KillsTest(pillion.PillionTest):
    """What does not depend on where the rows go."""

    table = None
    every = 0  # 1: each point of all, and a table

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not KILLS.exists():
            raise unittest.SkipTest("kills_at_call is not built: the C client is not part of this build")
        if pillion.run([KILLS, "0", "main", "start", "end", "all", "--", "true"], preload=False).status == 77:
            raise unittest.SkipTest("one process may not trace another here (ptrace is forbidden, or older than 5.3)")
        cls.table = Table()

    @classmethod
    def tearDownClass(cls):
        if (ALL or cls.every == 1) and cls.table is not None:
            print(cls.table, flush=True)
        super().tearDownClass()

    def folder(self, name):
        """The PILLION_DIR of a case."""
        path = self.tmp / name.replace(" ", "-") / "state"
        path.mkdir(mode=0o700, parents=True)
        return path

    def kill_at(self, point, thread, stretch, argv, env, preload):
        words = ["LD_PRELOAD=%s" % pillion.HOOK] if preload else []
        result = pillion.run([KILLS, point, thread, *stretch, CALLS, "--"] + words + list(argv), preload=False, env=env,
                             cwd=self.work)
        self.assertEqual(result.status, 0, result)
        return Outcome(result)

    def chosen(self, points):
        """All of them, and some more, as no two runs are the same."""
        last = points[-1].number
        self.assertGreater(last, 6, "hardly a call was seen")
        return range(1, last + last // 10 + 2)


class KilledTest(KillsTest, StreamedTest):
    def case_env(self, folder, server, **extra):
        return self.env(PILLION_DIR=folder, **dict(server.env(), **dict(server.s3.env(), **extra)))

    def no_complaints(self, server):
        """A finish whose answer nobody took is repeated, and refused: that is as it should be."""
        expected = "409 Run is already finished" if len(server.of("finish")) > 1 else None
        complaints = [one for one in server.complaints() if one.problem != expected]
        self.assertEqual(complaints + server.s3.complaints(), [])

    def check_delivered(self, stretch, outcome, folder, server, lines):
        """One run, finished once, with exactly these lines."""
        runs = pillion.runs(folder)
        self.assertEqual(len(runs), 1, runs)
        told = "%s\n%s\n%s" % (runs[0].describe(), server.requests, server.s3.requests)
        ended = server.finished_runs()
        arrived = set("".join(run["csv"] for run in ended).split("\n"))
        self.table.add(stretch, outcome, lines.count("\n") - 1, len(set(lines.split("\n")) - arrived))
        self.assertEqual(len(ended), 1, told)
        self.assertEqual(ended[0]["csv"], lines, told)
        self.assertEqual((runs[0].get("state"), runs[0].get("sentinel_run_id")), ("finished", ended[0]["run_id"]), told)
        self.no_complaints(server)

    def deliver(self, folder, server):
        result = pillion.command("sync", env=self.case_env(folder, server))
        told = "\n".join(run.describe() for run in pillion.runs(folder))
        self.assertEqual(result.status, 0, "%s\n%s\n%s\n%s" % (result, told, server.requests, server.s3.requests))


class Program(KilledTest):
    def kill_and_sync(self, name, stretch, point):
        """Of kill_at; the points of a run that nothing happens to when none is to be killed."""
        folder = self.folder(name)
        with S3Server() as s3, SentinelServer(s3=s3) as server:
            begin, end, lasts, interval = STRETCHES[stretch]
            outcome = self.kill_at(point, "pillion", (begin, end), ["sleep", lasts],
                                   self.case_env(folder, server, TRACKER_UPLOAD_INTERVAL=interval), True)
            found = pillion.runs(folder)
            lines = whole_lines(found[0].path / "metrics.csv") if found else ""
            if outcome.killed and not lines:
                self.table.add(stretch, outcome, 0, 0)  # not a row yet: nothing is to be delivered
                return outcome
            if not outcome.killed:
                self.assertEqual(outcome.status, 0, outcome.text)
            self.deliver(folder, server)
            self.check_delivered(stretch, outcome, folder, server, lines)
        return outcome

    def try_stretch(self, stretch):
        points = self.kill_and_sync("count " + stretch, stretch, 0).points
        Cases(self).run({"%s %d" % (stretch, point): (stretch, point) for point in self.chosen(points)},
                        self.kill_and_sync)

    def test_while_it_is_registered(self):
        self.try_stretch("registration")

    def test_while_the_first_batch_is_on_its_way(self):
        self.try_stretch("first batch")

    def test_while_a_later_batch_is_on_its_way(self):
        self.try_stretch("second batch")

    def test_while_the_run_is_finished(self):
        self.try_stretch("end")

    def test_while_a_short_run_is_finished(self):
        self.try_stretch("end inline")


class Sync(KilledTest):
    """pillion sync is killed too, and called again."""

    def lost_run(self, name):
        """A folder and servers, left by a program that was killed after its first batch."""
        folder = self.folder(name)
        s3 = S3Server()
        server = SentinelServer(s3=s3)
        program = pillion.start(["sleep", "60"], env=self.case_env(folder, server))
        try:
            pillion.wait_for(lambda: [run for run in pillion.runs(folder) if run.get("uploaded") == 1
                                      and run.csv.count(b"\n") > 24], timeout=30, what="a batch and rows after it")
        finally:
            program.signal(signal.SIGKILL)
            program.wait()
        return folder, server

    def kill_twice(self, name, point):
        folder, server = self.lost_run(name)
        with server.s3, server:
            lines = whole_lines(pillion.runs(folder)[0].path / "metrics.csv")
            outcome = self.kill_at(point, "main", ('"finished_at"', "end"), [pillion.COMMAND, "sync"],
                                   self.case_env(folder, server), False)
            if not outcome.killed:
                self.assertEqual(outcome.status, 0, outcome.text)
            self.deliver(folder, server)
            self.check_delivered("sync", outcome, folder, server, lines)
        return outcome

    def test_sync_that_is_killed_is_done_by_the_next(self):
        points = self.chosen(self.kill_twice("count", 0).points)
        Cases(self).run({"sync %d" % point: (point,) for point in points}, self.kill_twice)


class OwnBucket(KillsTest, BucketTest):
    """A bucket of the user's own; each point of all in tests/fleet/test_own_bucket_killed.py."""

    stretches = {
        "beginning": ('"destination"', '"started":true', "1.3", "1"),
        "first batch": ('"sealed":1,', '"uploaded":1,', "1.6", "1"),
        "second batch": ('"sealed":2,', '"uploaded":2,', "2.4", "1"),
        "end": ('"finished_at"', "end", "1.3", "1"),
        "end of a short run": ('"started"', "end", "0.4", "60"),
    }
    every = 1 if ALL else 6

    def chosen(self, points):
        return list(super().chosen(points))[int(time.time()) // 86400 % self.every::self.every]

    def server(self):
        return BucketServer()

    def check_delivered(self, stretch, outcome, folder, bucket, lines):
        found = pillion.runs(folder)
        self.assertEqual(len(found), 1, found)
        arrived = set("".join(one.csv for one in bucket.runs()).split("\n"))
        self.table.add(stretch, outcome, lines.count("\n") - 1, len(set(lines.split("\n")) - arrived))
        self.assertEqual(self.assertDelivered(found[0], bucket).csv, lines)
        self.assertEqual((len(bucket.runs()), bucket.complaints()), (1, []))

    def kill_and_sync(self, name, stretch, point):
        folder = self.folder(name)
        with self.server() as bucket:
            begin, end, lasts, interval = self.stretches[stretch]
            env = self.env(PILLION_DIR=folder, **bucket.env(TRACKER_UPLOAD_INTERVAL=interval))
            outcome = self.kill_at(point, "pillion", (begin, end), ["sleep", lasts], env, True)
            found = pillion.runs(folder)
            lines = whole_lines(found[0].path / "metrics.csv") if found else ""
            if outcome.killed and not lines:
                self.table.add(stretch, outcome, 0, 0)  # not a row yet: nothing is to be delivered
                return outcome
            if not outcome.killed:
                self.assertEqual(outcome.status, 0, outcome.text)
            result = pillion.command("sync", env=env)
            self.assertEqual(result.status, 0, "%s\n%s" % (result, found[0].describe()))
            self.check_delivered(stretch, outcome, folder, bucket, lines)
        return outcome

    def test_wherever_it_is_killed_each_row_is_there_once(self):
        counted = Cases(self)
        points = {}

        def count(name, stretch):
            points[stretch] = self.kill_and_sync(name, stretch, 0).points

        counted.run({"count %s" % stretch: (stretch,) for stretch in self.stretches}, count)
        Cases(self).run({"%s %d" % (stretch, point): (stretch, point) for stretch in self.stretches
                         for point in self.chosen(points[stretch])}, self.kill_and_sync)


if __name__ == "__main__":
    pillion.main()
