# SPDX-License-Identifier: Apache-2.0
"""Children in odder ways: reaped by whoever, spawned with nothing, cloned by hand, forked in storms; and exec."""
import signal

from compare import HOOK, NONE, UnwatchedTest, pillion, program

import sentinel_server
from test_odd_api import Silent, Unreachable
from test_odd_files import may


class Reaping(UnwatchedTest):
    def test_a_subreaper_finds_no_stranger(self):
        done = self.compare([program("reaps_all")], status=50)
        self.assertIn(b"with grandchildren: 6216, No child processes\n", done[HOOK].result.stdout)

    def test_nor_where_children_are_ignored_from_outside(self):
        self.compare([program("reaps_all")], ways=(HOOK,), status=50,
                     preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))

    def test_nor_does_process_one(self):
        if not may("unshare", "-pf", "--mount-proc", "true"):
            self.skipTest(pillion.forbidden("unshare --mount-proc"))
        self.compare(["unshare", "-pf", "--mount-proc", program("reaps_all")], ways=(HOOK,), status=50, runs=False)

    def test_nor_while_the_run_is_delivered(self):
        with sentinel_server.SentinelServer() as server:
            plain = self.one_way(NONE, [program("reaps_all")])
            done = self.one_way(HOOK, [program("reaps_all")], env=server.env(PILLION_INTERVAL="0.05"))
            self.assertSame(plain, done)
            self.assertEqual(self.assertOneRun(done, 50)["state"], "finished")


class Making(UnwatchedTest):
    def test_spawned_with_every_descriptor_closed(self):
        self.compare([program("spawns_closing_all")], status=51, rows=2)

    def test_clone3(self):
        self.compare([program("clones_by_clone3")], status=52, rows=2)

    def test_threads_allocate_while_children_exit(self):
        self.compare([program("mallocs_while_forking")], ways=(HOOK,), status=53, timeout=60)

    def test_threads_forks_and_libraries_at_once(self):
        self.compare([program("threads_fork_and_load")], ways=(HOOK,), status=54, timeout=60)

    def test_storms_while_rows_stream(self):
        with sentinel_server.SentinelServer() as server:
            for name, status in (("fork_storm", 35), ("mallocs_while_forking", 53), ("threads_fork_and_load", 54)):
                with self.subTest(name):
                    done = self.one_way(HOOK, [program(name)], timeout=60,
                                        env=server.env(PILLION_INTERVAL="0.05", TRACKER_UPLOAD_INTERVAL="1"))
                    self.assertEqual(done.result.status, status, done.result)
                    self.assertIn(b"0 ", done.result.stdout)
                    self.assertEqual(self.assertOneRun(done, status)["state"], "finished")
            self.assertEqual(server.complaints(), [])


class Exec(UnwatchedTest):
    def test_the_last_image_is_named(self):
        done = self.compare(["sh", "-c", 'sleep 0.2; exec sh -c \'sleep 0.1; exec "$0" 100 9\' "$0"',
                             program("sleeps_for")], status=9, ways=(HOOK,), rows=2)
        run = done[HOOK].runs[0]
        self.assertEqual(run["command"], [program("sleeps_for"), "100", "9"], run.describe())

    def test_a_thousand_images_are_one_delivered_run(self):
        with sentinel_server.SentinelServer() as server:
            done = self.one_way(HOOK, [program("execs_itself"), 1000], env=server.env(PILLION_INTERVAL="0.05"),
                                timeout=100)
            self.assertEqual(done.result.status, 12, done.result)
            self.assertEqual(self.assertOneRun(done, 12)["state"], "finished")
            self.assertEqual(len(server.of("finish")), 1)

    def test_exec_on_a_thread_while_ours_connects(self):
        """Connections that hang, that are refused, that are taken and never answered."""
        with Silent() as mute, Silent(up=False) as dead, Unreachable() as full:
            for api in (mute, dead, full):
                plain = self.one_way(NONE, [program("execs_in_thread")])
                done = self.one_way_within(plain.result.wall + 1.4, HOOK, [program("execs_in_thread")], env=api.env())
                self.assertSame(plain, done)
                self.assertEqual([(run["state"], run["exit_code"]) for run in done.runs], [("undelivered", 39)])


if __name__ == "__main__":
    pillion.main()
