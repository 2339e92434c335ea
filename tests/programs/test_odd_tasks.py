# SPDX-License-Identifier: Apache-2.0
"""Programs that count our thread among their own: they send a signal to each of their tasks, and wait until its handler
has run in all of them."""
import pathlib
import resource
import signal
import subprocess

from compare import HOOK, UnwatchedTest, pillion, program

import sentinel_server

ASKED = (int(signal.SIGUSR1), int(signal.SIGSYS), 34, -1)


def thread_of(process):
    """The folder of its thread `pillion`."""
    return next(task for task in pathlib.Path("/proc/%d/task" % process.pid).iterdir()
                if (task / "comm").read_text() == "pillion\n")


class Broadcasts(UnwatchedTest):
    def test_are_answered(self):
        for number in ASKED:
            with self.subTest(number):
                self.compare([program("asks_all_tasks"), number, 3], ways=(HOOK,), status=44)

    def test_are_answered_at_once(self):
        """Not by the clock: fifty in a row, with an hour between two rows."""
        result = self.launch(program("asks_all_tasks"), int(signal.SIGUSR1), 50, env=self.env(PILLION_INTERVAL="3600"))
        self.assertEqual((result.status, result.stdout, result.stderr), (44, b"asked\n", b""))
        self.assertLess(result.wall, 30)

    def test_are_answered_while_the_api_is_silent(self):
        with sentinel_server.SentinelServer() as server:
            server.fault("register", "*", hang=True)
            env = dict(server.env(), PILLION_EXIT_TIMEOUT="0")
            self.compare([program("asks_all_tasks"), int(signal.SIGUSR1), 20, "none", 100], ways=(HOOK,), status=44,
                         env=env, runs=False)

    def test_by_a_handler_that_ends_the_program_or_its_thread(self):
        """Before the first row is due, and when the run is made: the run is finished with the program's own status."""
        for how in ("exit", "_exit", "pthread_exit"):
            for ms in (0, 150):
                with self.subTest(how, ms=ms):
                    self.compare([program("asks_all_tasks"), int(signal.SIGUSR1), 1, how, ms], ways=(HOOK,), status=44)

    def test_by_programs_with_few_descriptors(self):
        for limit in (64, 300):
            with self.subTest(limit):
                self.compare([program("asks_all_tasks"), int(signal.SIGUSR1), 2, "none", 120], ways=(HOOK,), status=44,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))

    def test_signals_of_the_process_are_never_taken(self):
        self.compare([program("takes_its_own")], ways=(HOOK,), status=45)

    def test_a_signal_that_stays_pending_keeps_nobody_awake(self):
        """For 15 rows; each is some switches, and who is kept awake makes thousands."""
        process = self.start(program("takes_its_own"), env=self.env(PILLION_INTERVAL="0.05"), stdin=subprocess.PIPE)
        pillion.wait_for(lambda: process.stdout.count(b"\n") == 8, what="the signal that stays")
        rows, woken = self.rows(), self.woken(process)
        pillion.wait_for(lambda: self.rows() >= rows + 15, what="rows beside it")
        woken = self.woken(process) - woken
        rows = self.rows() - rows
        process.process.stdin.close()
        self.assertEqual(process.wait().status, 45)
        self.assertLess(woken, 6 * rows)

    def rows(self):
        return len(self.only_run().raw_rows)

    @staticmethod
    def woken(process):
        """The voluntary switches of its thread."""
        text = (thread_of(process) / "status").read_text()
        return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    def test_a_thousand_signals_a_second_for_the_process_are_not_looked_at_one_by_one(self):
        done = self.one_way(HOOK, [program("gets_many_signals")])
        self.assertEqual((done.result.status, done.result.stdout, done.result.stderr), (46, b"", b""))
        self.assertLess(self.assertOneRun(done, 46)["cost"]["cpu_s"], 1)

    def test_on_the_closed_list_is_the_signal_that_wakes_our_thread(self):
        process = self.start(program("asks_all_tasks"), int(signal.SIGURG), 1)
        with self.assertRaisesRegex(AssertionError, "not within"):
            pillion.wait_for(process.ended, timeout=0.5, what="its end")
        process.kill()


if __name__ == "__main__":
    pillion.main()
