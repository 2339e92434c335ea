#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a sick API costs programs at their ends is paid once, and not by each; and what stayed behind goes later, by itself."""
import concurrent.futures
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import moods  # noqa: E402
from served import QUICK, Cases, LocalTest, ServedTest, pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

PROGRAMS = 8
HOLD = "2"  # seconds; the default of 5 costs the tests more
# Of these the programs of a loop make a request or two in ten seconds. moods.py has more.
SICK = ("503", "429, Retry-After 5", "401", "register hangs", "finish hangs", "after 1.5 s", "accept and close", "refused",
        "TCP black hole", "TLS refused")


def run_out(server):
    """As if its time had passed."""
    path = pillion.mark_of(server.url, server.token)
    set_at, until = os.stat(path).st_atime, os.stat(path).st_mtime
    os.utime(path, (set_at - (until - time.time()) - 1, time.time() - 1))


class Loop(LocalTest):
    def test_a_loop_pays_for_a_sick_api_once(self):
        def check(name, mood):
            began = time.monotonic()
            told = moods.measure(mood, PROGRAMS, later=None, PILLION_EXIT_TIMEOUT=HOLD)
            tries = 1 + (time.monotonic() - began) // 9  # the mark runs out after ten seconds
            self.assertLess(told.first_held, float(HOLD) + 1.5)
            self.assertLess(told.held, told.first_held * tries + 3)
            self.assertLessEqual(told.requests, 2 * tries)
            self.assertLessEqual(told.registrations, 1)
            self.assertEqual((told.of, told.lost), (PROGRAMS, 0))

        every = moods.moods()
        Cases(self, workers=10).run({name: (every[name],) for name in SICK}, check)


class Later(ServedTest):
    def short(self, count=1, **variables):
        for _ in range(count):
            self.launch("true", env=self.env(**dict({"PILLION_EXIT_TIMEOUT": "1"}, **variables)))

    def finished(self):
        return len(self.server.finished_runs())

    def test_what_short_programs_left_goes_at_the_ends_of_later_ones_and_once(self):
        self.server.fault("finish", hang=60)
        self.short(12)
        self.assertEqual(self.finished(), 0)
        self.server.heal()
        self.short()
        self.assertEqual(self.finished(), 0)  # the mark stands
        for count in range(20):  # a busy machine delivers less in 0.3 s
            if self.finished() == 13 + count:
                break
            if pillion.mark_of(self.server.url, self.server.token):
                run_out(self.server)
            if (self.dir / "resent").exists():
                os.utime(self.dir / "resent", (1, 1))
            self.short()
        self.assertIsNone(pillion.mark_of(self.server.url, self.server.token))
        self.assertEqual(len(self.server.runs), self.finished())
        for run in self.runs():
            self.assertDelivered(run)
        self.assertNoComplaints()

    def test_the_oldest_go_first_and_one_process_in_ten_seconds_takes_care_of_them(self):
        self.short(3, PILLION_EXIT_TIMEOUT="0")
        self.short()
        self.short(2, PILLION_EXIT_TIMEOUT="0")
        before = self.finished()
        self.short(2)
        self.assertEqual(self.finished(), before + 2)
        order = [run["sentinel_run_id"] for run in self.runs() if run["state"] == "finished"][:3]
        if before == 4:
            self.assertEqual([run["run_id"] for run in self.server.runs.values()][1:4], order)

    def test_an_api_that_is_not_quick_gets_what_was_left_from_programs_that_live_longer(self):
        self.short(PILLION_EXIT_TIMEOUT="0")
        self.server.fault("*", held=0.2)
        self.short()
        self.assertEqual((self.finished(), len(self.server.runs)), (1, 1))

    def test_a_program_that_may_end_in_a_moment_registers_later_while_the_mark_stands(self):
        self.server.down()
        self.short()
        self.server.up()
        self.launch("sleep", "0.5")
        self.assertEqual(self.server.requests, [])

    def test_a_failure_that_is_quick_sets_the_mark_too_and_a_quick_delivery_takes_it_away(self):
        self.server.fault("register", 1, status=503)
        self.short(3)
        self.assertEqual(len(self.server.requests), 1)
        run_out(self.server)
        self.short()
        self.assertIsNone(pillion.mark_of(self.server.url, self.server.token))
        self.short()
        self.assertGreaterEqual(self.finished(), 2)


def twice_slow(held, seconds):
    """Two programs, the second while the mark stands."""
    with SentinelServer() as server:
        server.fault("register", "*", held=held)
        env = slow_env(server, PILLION_EXIT_TIMEOUT="6")
        ends = [pillion.run(["sleep", seconds], env=env).status for _ in range(2)]
        return ends + registered_once(server, env)


def on_the_way(held):
    """A leader that delivers another's run along its way, in its sixth second, ends while the API registers that."""
    with SentinelServer() as server:
        env = slow_env(server)
        ends = [pillion.run(["true"], env=dict(env, PILLION_EXIT_TIMEOUT="0")).status]
        server.fault("register", "2+", held=held)
        program = pillion.start(["cat"], env=env, stdin=subprocess.PIPE)
        pillion.wait_for(lambda: len(server.of("register")) == 2, what="the registration of the other")
        program.process.stdin.close()
        return ends + [program.wait().status] + registered_once(server, env)


def slow_env(server, **extra):
    return pillion.clean_env(**dict(QUICK, **server.env(**extra)))


def registered_once(server, env):
    """The status of sync, and what the server has had by then."""
    server.heal()
    return [pillion.command("sync", env=env).status, len(server.of("register")), len(server.finished_runs()), server.requests]


class Registrations(ServedTest):
    """These wait most of the time, beside the other tests."""

    def test_a_run_is_registered_once_wherever_the_api_is_merely_slow(self):
        def check(name):
            *ends, requests = slow[name].result()
            self.assertEqual(ends, [0, 0, 0, 2, 2], requests)
        Cases(self).run({name: () for name in slow}, check)


slow = {}  # {name: the future of what became of it}


def setUpModule():
    pool = concurrent.futures.ThreadPoolExecutor(7)
    unittest.addModuleCleanup(pool.shutdown)
    slow["another's"] = pool.submit(on_the_way, 1.5)
    for held in (0.6, 1.5, 2.5):
        for seconds in ("0", "0.3"):  # at 0.3 s it is on its way
            slow["%s s, a program of %s s" % (held, seconds)] = pool.submit(twice_slow, held, seconds)


class Apis(ServedTest):
    def test_one_program_with_a_refused_url_stops_no_other_api_of_that_folder(self):
        self.launch("true", env=self.env(SENTINEL_API_URL="http://127.0.0.1:1"))
        self.launch("true", env=self.env(SENTINEL_API_TOKEN="nobody's"))
        self.launch("true")
        self.assertEqual(len(self.server.finished_runs()), 1)

    def test_the_mark_counts_for_all_folders_and_for_runs_in_memory(self):
        nowhere = self.tmp / "file"
        nowhere.write_text("no folder")
        self.server.fault("register", hang=60)
        for folder in (self.tmp / "one", self.tmp / "other", nowhere, nowhere):
            self.launch("true", env=self.env(PILLION_DIR=folder, PILLION_EXIT_TIMEOUT="1"))
        self.assertEqual(len(self.server.requests), 1)

    def test_a_run_in_memory_is_not_delivered_while_the_mark_stands_and_one_in_a_folder_is_later(self):
        """It is in pillion-limits(7)."""
        nowhere = self.tmp / "file"
        nowhere.write_text("no folder")
        self.server.fault("register", hang=60)
        self.launch("true", env=self.env(PILLION_DIR=nowhere, PILLION_EXIT_TIMEOUT="1"))
        self.server.heal()
        self.launch("true", env=self.env(PILLION_DIR=nowhere))
        self.launch("true")
        self.assertEqual(len(self.server.requests), 1)
        self.sync()
        self.assertEqual(len(self.server.finished_runs()), 1)

    def test_where_no_mark_can_be_made_each_end_waits_for_itself(self):
        if self.launch("unshare", "-m", "true", preload=False).status:
            self.skipTest(pillion.forbidden("unshare -m"))
        self.server.fault("register", hang=60)
        script = ("for i in /tmp /dev/shm; do mount --bind $i $i && mount -o remount,bind,ro $i || exit; done; "
                  'for i in 1 2; do LD_PRELOAD=$0 /bin/true; done')
        done = self.launch("unshare", "-m", "sh", "-c", script, pillion.HOOK, preload=False,
                           env=self.env(PILLION_DIR="/proc/nothing", PILLION_EXIT_TIMEOUT="1"))
        self.assertEqual(done.status, 0, done)
        self.assertEqual(len(self.server.requests), 2)


if __name__ == "__main__":
    pillion.main()
