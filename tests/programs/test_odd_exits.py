# SPDX-License-Identifier: Apache-2.0
"""Every way to end: returns, _exit and its kin, threads, handlers, signals, and the bare system calls."""
import json
import os
import signal
import time

from compare import HOOK, NONE, RUN, CompareTest, pillion, program


class Ends(CompareTest):
    def test_main_returns(self):
        self.compare([program("returns_7")], status=7)

    def test__exit_keeps_its_status_and_loses_its_buffer(self):
        done = self.compare([program("calls__exit")], status=3)
        self.assertEqual(done[HOOK].result.stdout, b"flushed\n")

    def test__exit_after_some_ticks(self):
        self.compare([program("calls__exit"), 200], status=3, rows=2)

    def test__Exit(self):
        self.compare([program("calls_Exit")], status=4)

    def test_quick_exit(self):
        done = self.compare([program("quick_exits")], status=5)
        self.assertEqual(done[HOOK].result.stdout, b"first handler\nsecond handler\n")

    def test_exit_on_another_thread(self):
        self.compare([program("exits_from_thread")], status=9, rows=2)

    def test_exit_in_an_atexit_handler(self):
        self.compare([program("exits_in_atexit")], status=6)

    def test_exit_in_a_signal_handler(self):
        self.compare([program("exits_in_signal_handler")], status=8)

    def test__exit_in_a_signal_handler_on_a_small_stack(self):
        self.compare([program("exits_in_signal_handler"), "_exit", "small"], status=8)

    def test_libcs_own_exit_with_a_worker_in_stdin(self):
        """stdin is a pipe that stays open: who waits for the worker's lock on it waits for ever."""
        read, write = os.pipe()
        try:
            self.compare([program("exits_by_err")], status=38, stdin=read)
        finally:
            os.close(read)
            os.close(write)

    def test_main_leaves_by_thrd_exit(self):
        done = self.compare([program("thrd_exits")], status=0)
        self.assertEqual(done[HOOK].result.stdout, b"a worker's buffered line\n")

    def test__exit_on_a_thread_with_a_small_stack(self):
        self.compare([program("exits_in_small_thread")], status=39)

    def test_main_and_a_worker_end_at_once(self):
        for delay in (900, 1000, 1100, 1150, 1200, 1300, 1500):
            with self.subTest(delay):
                self.compare([program("ends_twice_at_once"), delay], status=40, watch=False)

    def test_cxx_statics_are_destroyed_in_order(self):
        self.compare([program("cxx_statics")], status=20)

    def test_ends_before_the_first_tick(self):
        done = self.compare(["/bin/true"], status=0, env={"PILLION_INTERVAL": "1"})
        for way in (HOOK, RUN):
            self.assertEqual(len(done[way].runs[0].rows), 1)

    def test_status_is_the_low_byte(self):
        self.compare([program("sleeps_for"), 0, 259], status=3)

    def test_exec_image_is_missing(self):
        result = self.one_way(RUN, ["/does/not/exist"]).result
        self.assertEqual(result.status, 127, result)
        result = self.one_way(RUN, ["/etc/passwd"]).result
        self.assertEqual(result.status, 126, result)


class Threads(CompareTest):
    def test_main_ends_by_pthread_exit_while_workers_go_on(self):
        done = self.compare([program("main_pthread_exits")], status=0)
        self.assertIn(b"worker 3 is done\natexit ran\n", done[HOOK].result.stdout)

    def test_main_ends_by_pthread_exit_alone(self):
        self.compare([program("main_pthread_exits_alone")], status=0)

    def test_main_ends_by_pthread_exit_alone_after_some_ticks(self):
        self.compare([program("main_pthread_exits_alone"), 200], status=0)

    def test_main_ends_by_the_bare_exit_call(self):
        """libc never hears of it, so what is promised is only that the process ends, as it would have."""
        self.compare([program("main_raw_exits")], status=14, runs=False)

    def test_two_threads_exit_at_once(self):
        for delay in (0, 60):
            plain = self.one_way(NONE, [program("two_threads_exit"), delay], watch=False)
            for _ in range(10):
                way = self.one_way(HOOK, [program("two_threads_exit"), delay], watch=False)
                self.assertSame(plain, way)
                self.assertOneRun(way, 0)

    def test_threads_that_are_left(self):
        self.compare([program("spawns_threads")], status=38)

    def test_detached_workers_see_globals_while_main_exits(self):
        name = program("detached_workers_use_globals")
        env = self.env(PILLION_INTERVAL="0.05")
        # One after the other: with more of them than CPUs a main may be preempted between its destructors and its exit,
        # where its workers look at what is gone. That is rare, with pillion and without: a few of them may.
        results = [self.start(name, env=env).wait() for _ in range(50)]
        self.assertLessEqual(len([result for result in results if result.status]), 4, results)
        self.assertEqual({(result.stdout, result.stderr) for result in results}, {(b"main returns\n", b"")})
        self.assertEqual(len(self.runs()), 50)
        for run in self.runs():
            self.assertEqual((run["state"], run["exit_code"]), ("local", 0), run.describe())


class Signals(CompareTest):
    def state_in_list(self):
        result = self.pillion("list", "--json")
        self.assertEqual(result.status, 0, result)
        listed = json.loads(result.stdout)
        runs = listed if isinstance(listed, list) else listed["runs"]
        self.assertEqual(len(runs), 1, listed)
        return runs[0]["state"]

    def dies(self, number):
        return self.compare([program("dies_by_signal"), int(number)], status=-int(number), runs=False)

    def test_a_signal_leaves_a_run_that_is_lost_until_sync(self):
        """`pillion run` finishes it; the hook has it on disk up to the last tick."""
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGQUIT, signal.SIGALRM):
            with self.subTest(number.name):
                done = self.dies(number)
                self.assertOneRun(done[RUN], -number)
                runs = done[HOOK].runs
                self.assertEqual([run.get("state") for run in runs], ["running"], runs)
                self.assertGreaterEqual(len(runs[0].rows), 1)
                done[HOOK].state.rename(self.dir)
                self.assertEqual(self.state_in_list(), "lost")

    def test_exit_group_leaves_a_lost_run(self):
        done = self.compare([program("group_raw_exits")], status=13, runs=False)
        self.assertOneRun(done[RUN], 13)
        self.assertEqual(len(done[HOOK].runs), 1)

    def test_signals_from_outside(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGPIPE, signal.SIGUSR1):
            with self.subTest(number.name):
                started = self.start(program("sleeps_for"), 50000, env=self.env(PILLION_INTERVAL="0.05"))
                pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, what="a row")
                time.sleep(0.1)
                started.signal(number)
                result = started.wait()
                self.assertEqual((result.status, result.stdout, result.stderr), (-number, b"before\n", b""), result)
                self.assertGreaterEqual(len(self.only_run().rows), 1)
                pillion.remove_folder(self.dir / "runs")

    def test_own_handler_for_sigterm(self):
        self.compare([program("handles_sigterm")], status=31)

    def test_sigwait_in_main(self):
        self.compare([program("sigwaits")], status=32)

    def test_interval_timers(self):
        self.compare([program("interval_timers")], status=33)

    def test_calls_that_a_signal_could_interrupt(self):
        self.compare([program("waits_in_every_way")], status=36, rows=3)

    def test_stopped_and_continued(self):
        started = self.start(program("sleeps_for"), 1500, 5, env=self.env(PILLION_INTERVAL="0.05"))
        pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, what="a row")
        started.signal(signal.SIGSTOP)
        pillion.wait_for(lambda: pillion.process_state(started.pid) == "T", what="stopped")
        time.sleep(0.3)
        started.signal(signal.SIGCONT)
        result = started.wait()
        self.assertEqual((result.status, result.stdout), (5, b"before\nafter\n"), result)
        self.assertEqual(self.only_run()["exit_code"], 5)

    def test_pillion_run_passes_signals_on(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            with self.subTest(number.name):
                started = self.start(pillion.COMMAND, "run", "--", program("sleeps_for"), 50000, preload=False,
                                     env=self.env(PILLION_INTERVAL="0.05"))
                pillion.wait_for(lambda: started.stdout, what="the program's first line")
                time.sleep(0.15)
                started.signal(number)
                result = started.wait()
                self.assertEqual((result.status, result.stdout, result.stderr), (128 + number, b"before\n", b""))
                run = self.only_run()
                self.assertEqual((run["state"], run.get("signal")), ("local", number), run.describe())
                pillion.remove_folder(self.dir / "runs")


if __name__ == "__main__":
    pillion.main()
