# SPDX-License-Identifier: Apache-2.0
"""Signals that end a program: it dies of the very same one, and its run is finished before."""
import os
import resource
import signal
import time
import unittest

from compare import HOOK, NONE, UnwatchedTest, need, pillion, program
from test_odd_api import Silent

import sentinel_server

FOUR = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU)


class Default(UnwatchedTest):
    def finished(self, way, number):
        run = self.assertOneRun(way, -number)
        self.assertEqual((run["state"], run["exit_code"]), ("local", 128 + number), run.describe())

    def dies(self, name, *words, number=signal.SIGTERM, **how):
        plain = self.one_way(NONE, [program(name)] + list(words), **how)
        self.assertEqual(plain.result.status, -number, plain.result)
        way = self.one_way(HOOK, [program(name)] + list(words), **how)
        self.assertSame(plain, way)
        self.finished(way, number)

    def test_each_of_the_four_ends_the_run_and_then_the_program(self):
        for number in FOUR:
            with self.subTest(number.name):
                self.dies("dies_by_signal", int(number), number=number)

    def test_after_a_handler_that_gave_the_default_back(self):
        self.dies("resets_and_raises")
        self.dies("resets_and_raises", "by signal")

    def test_called_with_the_number_alone_by_who_found_it_in_the_kernel(self):
        self.dies("calls_what_it_finds")

    def test_inside_sigsuspend_and_ppoll(self):
        self.dies("suspends_for_signal")
        self.dies("suspends_for_signal", "ppoll")

    def test_on_the_smallest_alternate_stack(self):
        self.dies("dies_on_small_stack")

    def test_cpu_time_limit(self):
        self.dies("burns_its_cpu_limit", number=signal.SIGXCPU)

    def test_a_core_file_is_announced_as_before(self):
        def unlimited():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        told = {}
        for preload in (False, True):
            process = self.start(program("dies_by_signal"), int(signal.SIGXCPU), preload=preload, preexec_fn=unlimited,
                                 env=self.env(PILLION_INTERVAL="0.05"))
            pillion.wait_for(lambda: pillion.process_state(process.pid) in (None, "Z"), what="dead")
            _, status = os.waitpid(process.pid, 0)
            process.process.returncode = -1
            told[preload] = (os.WTERMSIG(status), os.WCOREDUMP(status))
        self.assertEqual(told[True], told[False])

    def test_children_without_exec_die_of_theirs(self):
        self.compare([program("children_die_of_signals")], status=21)

    def test_every_function_shows_what_it_would_have_shown(self):
        self.compare([program("changes_every_way")], status=22)

    def test_every_number_is_set_and_held_as_without_us(self):
        """In a leader, and in a passenger."""
        self.compare([program("sets_every_signal")], ways=(HOOK,), status=26)
        self.compare(["sh", "-c", '"$0"; exit $?', program("sets_every_signal")], ways=(HOOK,), status=26)

    def test_python_after_a_keyboard_interrupt(self):
        code = "import os, signal, time; time.sleep(0.15); os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
        done = self.compare([need("python3", "python3"), "-c", code], ways=(HOOK,), status=-signal.SIGINT, runs=False)
        self.assertIn(b"KeyboardInterrupt", done[NONE].result.stderr)
        self.finished(done[HOOK], signal.SIGINT)

    def test_shells(self):
        for shell, package in (("dash", "dash"), ("bash", "bash")):
            for script in ("kill -TERM $$; sleep 9", "trap 'echo bye; trap - TERM; kill $$' TERM; kill $$; sleep 9",
                           # An image that begins when the leader has gone would lead a run of its own: none does.
                           "(sleep 0.1; kill -HUP $$) & wait; sleep 9"):
                with self.subTest(shell=shell, script=script):
                    argv = [need(shell, package), "-c", "sleep 0.15; " + script]
                    plain = self.one_way(NONE, argv)
                    self.assertLess(plain.result.status, 0)
                    way = self.one_way(HOOK, argv)
                    self.assertSame(plain, way)
                    self.finished(way, -plain.result.status)

    def test_ignored_and_inherited_as_such(self):
        """What nohup and a shell's & leave behind: neither is touched."""
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

        self.compare([program("shows_signals")], ways=(HOOK,), preexec_fn=ignore)

    def test_switched_off(self):
        way = self.one_way(HOOK, [program("dies_by_signal"), int(signal.SIGTERM)], env={"PILLION_SIGNALS": "off"})
        self.assertEqual(way.result.status, -signal.SIGTERM)
        self.assertEqual([run.get("state") for run in way.runs], ["running"])

    def test_a_worker_that_confines_itself_dies_of_its_own(self):
        self.compare([program("confines_its_worker")], ways=(HOOK,), status=23)

    def test_timeout_sends_its_signal_twice(self):
        for _ in range(10):
            way = self.one_way(HOOK, [need("timeout", "coreutils"), "0.6", program("sleeps_for"), 50000])
            self.assertEqual((way.result.status, way.result.stdout, way.result.stderr), (124, b"before\n", b""))
            self.finished(way, signal.SIGTERM)

    def test_main_that_leaves_after_no_new_privs(self):
        self.compare([program("leaves_main_unprivileged")], ways=(HOOK,), status=0, runs=False)

    def test_rights_given_up_one_by_one(self):
        """no_new_privs is also what comes before a filter; what follows here must reach our thread all the same."""
        argv = [need("setpriv", "util-linux"), "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
                "--inh-caps=-all", program("returns_7")]
        for _ in range(10):
            self.compare(argv, ways=(HOOK,), status=7, runs=False)


class Served(UnwatchedTest):
    def started(self, name, *words, **env):
        env = self.env(**dict({"PILLION_INTERVAL": "0.05"}, **env))
        process = self.start(program(name), *words, env=env)
        pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, what="a row")
        return process

    def test_the_api_hears_of_it(self):
        for number in FOUR:
            with self.subTest(number.name), sentinel_server.SentinelServer() as server:
                process = self.started("sleeps_for", 20000, **server.env())
                process.signal(number)
                self.assertEqual(process.wait().status, -number)
                finish = server.of("finish")
                self.assertEqual([one.body["exit_code"] for one in finish], [128 + number])
                self.assertEqual([one.body["run_status"] for one in finish], ["failed"])
                self.assertEqual(self.only_run()["state"], "finished")
                self.assertEqual(server.complaints(), [])
                pillion.remove_folder(self.dir / "runs")

    def test_the_second_signal_ends_it_at_once(self):
        with sentinel_server.SentinelServer() as server:
            server.fault("finish", "*", hang=True)
            process = self.started("sleeps_for", 60000, **server.env(PILLION_EXIT_TIMEOUT="60"))
            pillion.wait_for(lambda: server.of("register"), what="registered")
            process.signal(signal.SIGTERM)
            pillion.wait_for(lambda: server.of("finish"), what="a finish that is not answered")
            self.assertFalse(process.ended())
            process.signal(signal.SIGINT)
            result = process.wait()
            self.assertEqual(result.status, -signal.SIGINT)
            self.assertLess(result.wall, 40)

    def test_with_other_threads_it_is_a_second_at_most(self):
        with sentinel_server.SentinelServer() as server:
            server.fault("finish", "*", hang=True)
            env = self.env(PILLION_INTERVAL="0.05", **server.env(PILLION_EXIT_TIMEOUT="60"))
            result = self.start(program("threads_work_through_signal"), env=env).wait(50)
            self.assertEqual(result.status, -signal.SIGTERM)
            self.assertLess(result.wall, 30)
            self.assertEqual(self.only_run()["signal"], signal.SIGTERM)

    def test_a_silent_api_costs_the_hold_at_most(self):
        """Of a request that is sent the answer is waited for: it may be a registration."""
        with Silent() as api:
            process = self.started("sleeps_for", 60000, **api.env(PILLION_EXIT_TIMEOUT="2"))
            process.signal(signal.SIGTERM)
            result = process.wait(50)
            self.assertEqual(result.status, -signal.SIGTERM)
            self.assertLess(result.wall, 2 + 20)
            self.assertEqual(self.only_run()["state"], "undelivered")


class ProcessOne(UnwatchedTest):
    """A default SIGTERM does not end process 1 of a pid namespace: its SIGKILL comes later, or never."""

    unshare = ["unshare", "-p", "-f", "--mount-proc", "--kill-child"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        need("unshare", "util-linux")
        if pillion.run(cls.unshare + ["true"], preload=False).status:
            raise unittest.SkipTest(pillion.forbidden("unshare -p --mount-proc"))

    def begun(self, *argv, **env):
        argv = self.unshare + list(argv)
        env = dict({"PILLION_INTERVAL": "0.05", "PILLION_EXCLUDE": "unshare"}, **env)
        process = self.start(*argv, env=self.env(**env))
        self.one = pillion.wait_for(lambda: self.child_of(process.pid), what="process 1")
        pillion.wait_for(lambda: pillion.is_leader(self.one), what="a leader")
        return process

    def started(self, *argv, **env):
        process = self.begun(*argv, **env)
        pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, what="a row")
        return process

    @staticmethod
    def child_of(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return int((file.read().split() or ["0"])[0])

    def test_a_steps_rank_is_its_own_tree_for_its_launcher_is_outside(self):
        """A site's plugin may start each task in a namespace of its own."""
        step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
        process = self.begun("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 7", **step)
        self.assertEqual(process.wait().status, 7)
        run = self.only_run()
        self.assertTrue(all(row["process_memory_mib"] for row in run.rows), run.describe())
        self.assertGreater(sum(float(row["process_utime"] or 0) for row in run.rows), 0.02)

    def test_the_run_is_finished_and_the_program_lives(self):
        with sentinel_server.SentinelServer() as server:
            process = self.started("sh", "-c", "sleep 100; exit 7", **server.env())
            os.kill(self.one, signal.SIGTERM)
            pillion.wait_for(lambda: self.only_run()["state"] == "finished", what="finished")
            self.assertEqual(server.of("finish")[0].body["exit_code"], 143)
            os.kill(self.one, signal.SIGTERM)
            time.sleep(0.3)
            self.assertFalse(process.ended())
            os.kill(self.one, signal.SIGKILL)
            process.wait()
            self.assertEqual(self.only_run()["state"], "finished")
            self.assertEqual((len(server.of("register")), len(server.of("finish"))), (1, 1))
            self.assertEqual(server.complaints(), [])

    def test_half_a_minute_later_another_run_goes_on_from_its_last_row(self):
        """So does PILLION_OUTPUT: the first run's rows stay, and there is one header."""
        output = self.tmp / "rows.csv"
        with sentinel_server.SentinelServer() as server:
            stop = self.tmp / "stop"
            process = self.started("sh", "-c", "until [ -e %s ]; do sleep 0.1; done; exit 7" % stop,
                                   **server.env(PILLION_OUTPUT=output))
            os.kill(self.one, signal.SIGTERM)
            pillion.wait_for(lambda: self.runs()[1:] and self.runs()[1].csv.count(b"\n") > 8, 90, "rows of the second run")
            stop.touch()
            result = process.wait()
            self.assertEqual((result.status, result.stdout, result.stderr), (7, b"", b""))
            first, second = self.runs()
            self.assertEqual([run["state"] for run in (first, second)], ["finished", "finished"], second.describe())
            self.assertEqual(second["continues"], first["id"])
            self.assertEqual((first["signal"], second["exit_code"]), (signal.SIGTERM, 7))
            self.assertEqual(server.of("register")[1].body["tags"],
                             [{"key": "continues", "value": first["sentinel_run_id"]}])
            self.assertGreater(second.rows[0]["timestamp"] - first.rows[-1]["timestamp"], 25)
            self.assertGreater(len(second.rows), 5)
            self.assertEqual(output.read_bytes(), first.csv + second.csv.split(b"\n", 1)[1])
            self.assertEqual(server.complaints(), [])

    def test_before_its_least_seconds_nothing_ends(self):
        process = self.begun("sh", "-c", "sleep 2; exit 7", PILLION_MIN_SECONDS="1")
        os.kill(self.one, signal.SIGTERM)
        self.assertEqual(process.wait().status, 7)
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"], run.get("signal")), ("local", 7, None), run.describe())
        self.assertGreater(len(run.rows), 10)

    def test_what_lives_in_memory_alone_is_delivered_when_the_api_is_back(self):
        with sentinel_server.SentinelServer(up=False) as server:
            process = self.begun("sh", "-c", "sleep 100", **server.env(PILLION_DIR="/proc/nowhere"))
            time.sleep(0.5)
            os.kill(self.one, signal.SIGTERM)
            time.sleep(1)
            server.heal()
            pillion.wait_for(lambda: server.of("finish"), 60, "a finish")
            self.assertEqual(server.of("finish")[0].body["exit_code"], 143)
            os.kill(self.one, signal.SIGKILL)
            process.wait()

    def test_a_wait_is_cut_short_by_sigterm_alone(self):
        """In pillion-limits(7): the price of the finished run."""
        process = self.started(program("polls_once"))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
            os.kill(self.one, number)
        time.sleep(0.3)
        self.assertEqual(process.stdout, b"polls\n")
        os.kill(self.one, signal.SIGTERM)
        self.assertEqual(process.wait().stdout, b"polls\nInterrupted system call\n")

    def test_switched_off_nothing_is_cut_short(self):
        process = self.started(program("polls_once"), PILLION_SIGNALS="off")
        os.kill(self.one, signal.SIGTERM)
        time.sleep(0.3)
        self.assertEqual(process.stdout, b"polls\n")
        os.kill(self.one, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    pillion.main()
