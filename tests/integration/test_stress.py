#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many processes, and a long life: nothing is left behind of either, and nothing grows.

The day is one of a clock that does not wait (tests/stress): the hook and all else are what is shipped. Short forms by
default; PILLION_TEST_STRESS=1 makes it 100,000 processes and 86,400 rows, and figures are printed.
"""
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, StreamedTest, pillion  # noqa: E402
from test_soak import GROWTH, MOST, private_kib  # noqa: E402

LONG = bool(os.environ.get("PILLION_TEST_STRESS"))
PROCESSES = 100000 if LONG else 3000
LEADERS = 2000 if LONG else 100
ROWS = 86400 if LONG else 3600
STARTS = pillion.PROGRAMS / "starts_many"
MARKERS = (pathlib.Path("/tmp/.pillion-%d" % os.geteuid()), pathlib.Path("/dev/shm/.pillion-%d" % os.geteuid()))


def descriptors(pid):
    """How many a process has in all its tables: the program's, and the engine's own beside it."""
    return sum(len(os.listdir(task / "fd")) for task in pathlib.Path("/proc/%d/task" % pid).iterdir())


def markers(pids):
    """Those of these processes, of this pid namespace: what other tests' leaders leave meanwhile is not ours."""
    namespace = re.search(r"\d+", os.readlink("/proc/self/ns/pid")).group()
    names = [name for folder in MARKERS if folder.is_dir() for name in os.listdir(folder)]
    return {name for name in names if name.split("-")[:1] == [namespace] and int(name.split("-")[1]) in pids}


def thirds(values):
    third = len(values) // 3
    return [statistics.median(part) for part in (values[:third], values[third:2 * third], values[2 * third:])]


class Figures:
    """Of a process while it lives."""

    def __init__(self):
        self.memory, self.descriptors = [], []

    def take(self, pid):
        try:
            self.descriptors.append(descriptors(pid))
        except OSError:
            return
        kib = private_kib(pid)
        if kib:
            self.memory.append(kib)

    def check(self, test):
        _, middle, last = thirds(self.memory)
        test.assertLess(last - middle, GROWTH, "memory grows: %s" % self)
        test.assertLess(max(self.memory), MOST, self)
        _, middle, last = thirds(self.descriptors)
        test.assertLess(last - middle, 3, "descriptors grow: %s" % self)  # a file or two may be open at a look

    def __str__(self):
        return "memory %d KiB at most, medians of the thirds %s; descriptors %d at most, medians %s; %d looks" % (
            max(self.memory), thirds(self.memory), max(self.descriptors), thirds(self.descriptors), len(self.memory))


class Processes(LocalTest):
    def assertNothingLeft(self):
        self.assertEqual(markers({run["pid"] for run in self.runs()}), set())
        self.assertEqual([path for path in self.work.rglob("*")], [])

    def test_many_passengers_leave_nothing(self):
        program = self.start(STARTS, PROCESSES, "/bin/true", env=self.env(PILLION_INTERVAL="0.05"))
        figures = Figures()
        while not program.ended():
            figures.take(program.pid)
            time.sleep(0.05)
        result = program.wait(1200)
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"%d\n" % PROCESSES, b""))
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"]), ("local", 0))
        figures.check(self)
        self.assertNothingLeft()
        if LONG:
            print("\n%d processes below one leader, %.0f s, %d rows: %s" % (
                PROCESSES, result.wall, len(run.rows), figures), flush=True)

    def test_many_leaders_leave_one_run_each(self):
        env = self.env(PILLION_INTERVAL="0.05", PILLION_EXCLUDE="starts_many", PILLION_KEEP="%d,1G" % (2 * LEADERS))
        result = self.start(STARTS, LEADERS, "/bin/true", env=env).wait(1200)
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"%d\n" % LEADERS, b""))
        runs = self.runs()
        self.assertEqual((len(runs), {run["state"] for run in runs}), (LEADERS, {"local"}))
        self.assertGreaterEqual(min(len(run.rows) for run in runs), 1)
        # Who lived until its run was made has a log, and who lived for two rows the files by command.
        self.assertEqual({path.name for run in runs for path in run.path.iterdir()} - {"log", "commands", "commands.csv"},
                         {"run.jsonl", "metrics.csv", "lock"})
        self.assertNothingLeft()
        if LONG:
            print("\n%d leaders in %.0f s" % (LEADERS, result.wall), flush=True)


class Day(StreamedTest):
    s3_options = {"max_skew": 10 ** 9}
    server_options = {"expires_in": 10 ** 7, "finished_at_tolerance": 10 ** 7}

    def test_a_long_life_is_flat(self):
        env = self.env(PILLION_INTERVAL="1", TRACKER_UPLOAD_INTERVAL="60", TRACKER_TEST_CLOCK_SECONDS=str(ROWS),
                       LD_PRELOAD=str(pillion.BUILD / "stress" / "libpillion.so"))
        program = self.start("sleep", "3600", preload=False, env=env)
        figures = Figures()
        pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, 30, "a row")
        rows = self.only_run().path / "metrics.csv"
        least = ROWS * 100  # bytes: a row is longer
        while not program.ended() and (rows.stat().st_size < least or self.count(rows) < ROWS):
            figures.take(program.pid)
            time.sleep(0.05)
        program.signal(signal.SIGTERM)
        result = program.wait(60)
        self.assertSilent(result)
        self.assertEqual(result.status, -signal.SIGTERM)
        figures.check(self)
        self.pillion("sync")
        run = self.only_run()
        one = self.assertDelivered(run)
        self.assertGreaterEqual(len(one["rows"]), ROWS)
        self.assertEqual(self.server.complaints() + self.s3.complaints(), [])
        self.assertEqual({path.name for path in run.path.iterdir()},
                         {"run.jsonl", "metrics.csv", "commands", "commands.csv", "log", "lock"})
        self.assertEqual(markers({program.pid}), set())
        if LONG:
            print("\n%d rows in %d objects, %.0f s, %.3f ms of CPU a row: %s" % (
                len(one["rows"]), run["uploaded"], result.wall, run["cost"]["cpu_s"] * 1000 / len(one["rows"]),
                figures), flush=True)

    def test_a_clock_that_is_set_forth_and_back_dates_no_row(self):
        """An hour ahead for half a second, then an hour behind."""
        for upload, hours in (("60", 1), ("1", 1), ("60", -1)):
            with self.subTest(upload=upload, hours=hours):
                self.server.heal()
                before = {run["id"] for run in self.runs()}
                env = self.env(PILLION_INTERVAL="0.2", TRACKER_UPLOAD_INTERVAL=upload,
                               TRACKER_TEST_CLOCK_STEP=str(hours * 3600),
                               LD_PRELOAD=str(pillion.BUILD / "stress" / "libpillion.so"))
                result = self.launch("sh", "-c", "sleep 1.5; exec sleep 0.8", preload=False, env=env)
                self.assertEqual(result.status, 0, result)
                run, = [run for run in self.runs() if run["id"] not in before]
                self.assertEqual(run["state"], "finished", run.describe())
                times = [row["timestamp"] for row in run.rows]  # strict: they rise
                self.assertLess(times[-1] - times[0], result.wall)
                self.assertGreater(times[-1] - times[0], 1.8)
                self.assertGreater(run["duration_s"], 2.2)
                self.assertLess(run["duration_s"], result.wall)
                shown = json.loads(self.pillion("show", "--json", run["id"]).stdout)
                self.assertAlmostEqual(shown["summary"]["duration_s"], run["duration_s"], delta=0.01)
                listed, = [one for one in json.loads(self.pillion("list", "--json").stdout) if one["id"] == run["id"]]
                self.assertAlmostEqual(listed["duration_s"], run["duration_s"], delta=0.01)
        self.assertEqual(self.server.complaints(), [])

    @staticmethod
    def count(path):
        return path.read_bytes().count(b"\n") - 1


if __name__ == "__main__":
    pillion.main()
