# SPDX-License-Identifier: Apache-2.0
"""The odder ends: under locks, in libraries, in handlers that take their time, by libc's own hand, and after main's
thread has gone."""
import os

from compare import HOOK, NONE, RUN, UnwatchedTest, compile_source, need, pillion, program

import sentinel_server
from test_odd_api import Silent, Unreachable
from test_odd_files import ALONE, root_only

LIBRARY = r"""
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void begin(void)
{
    printf("constructor\n");
    if (CONSTRUCTOR)
        exit(CONSTRUCTOR);
}
__attribute__((destructor)) static void end(void)
{
    printf("destructor\n");
    if (DESTRUCTOR)
        exit(DESTRUCTOR);
}
"""


class Locks(UnwatchedTest):
    def test_exit_in_a_handler_that_came_inside_malloc(self):
        for stack in ((), ("stack",)):
            for _ in range(5):
                self.compare([program("exits_under_lock"), "malloc", *stack], ways=(HOOK,), status=45)

    def test_exit_in_a_handler_while_main_has_stdout_locked(self):
        for stack in ((), ("stack",)):
            with self.subTest(stack):
                self.compare([program("exits_under_lock"), "stdio", *stack], status=45)

    def test_exit_in_a_handler_is_delivered(self):
        """The same, held for the network: the handler waits on its small stack, and what it interrupted stays so."""
        for words in (["malloc"], ["malloc", "stack"], ["stdio"]):
            with self.subTest(words), sentinel_server.SentinelServer() as server:
                plain = self.one_way(NONE, [program("exits_under_lock")] + words)
                env = server.env(PILLION_INTERVAL="0.05")
                done = self.one_way(HOOK, [program("exits_under_lock")] + words, env=env)
                self.assertSame(plain, done)
                self.assertEqual(self.assertOneRun(done, 45)["state"], "finished")


class Libraries(UnwatchedTest):
    def library(self, constructor=0, destructor=0):
        return compile_source(LIBRARY, self.tmp / "library.so", "-shared", "-fPIC", "-DCONSTRUCTOR=%d" % constructor,
                              "-DDESTRUCTOR=%d" % destructor)

    def test_exit_in_the_constructor_of_a_library(self):
        library = self.library(constructor=5)
        for way in ((), ("thread",)):
            with self.subTest(way):
                self.compare([program("loads_one_library"), library, *way], status=5)

    def test_exit_in_a_constructor_before_main(self):
        """The hook has not been asked for anything by then: there is no run, and what was printed is not lost."""
        env = {"LD_PRELOAD": self.library(constructor=5)}
        plain = self.one_way(NONE, [program("returns_7")], env=env)
        self.assertEqual((plain.result.status, plain.result.stdout[:12]), (5, b"constructor\n"), plain.result)
        self.assertSame(plain, self.one_way(HOOK, [program("returns_7")], env=env))

    def test_exit_in_the_destructor_of_a_library_that_is_unloaded(self):
        self.compare([program("loads_one_library"), self.library(destructor=6), "unload"], status=6)

    def test_unloaded_by_an_exit_handler(self):
        self.compare([program("loads_one_library"), self.library(), "late"], status=47)

    def test_exit_in_a_destructor_at_the_very_end(self):
        """These run after the last of the exit handlers, where the hold is: the run has main's status. What the program
        does is its own."""
        done = self.compare([program("loads_one_library"), self.library(destructor=6)], status=6, runs=False)
        self.assertOneRun(done[RUN], 6)
        self.assertOneRun(done[HOOK], 47)


class Handlers(UnwatchedTest):
    def test_exit_handlers_take_longer_than_the_hold_may(self):
        """The budget begins with the hold, so a handler before it uses none of it."""
        for words in ([], ["worker"]):
            with self.subTest(words), sentinel_server.SentinelServer() as server:
                env = server.env(PILLION_INTERVAL="0.05", PILLION_EXIT_TIMEOUT="2")
                done = self.one_way(HOOK, [program("waits_in_atexit"), 3000] + words, env=env)
                self.assertEqual(done.result.stdout, b"main returns\nthe handler begins\nthe handler is done\n")
                self.assertEqual(done.result.status, 44)
                self.assertEqual(self.assertOneRun(done, 44)["state"], "finished")

    def test_exit_handlers_do_not_make_the_hold_longer(self):
        with Silent() as api:
            for words in ([], ["worker"]):
                with self.subTest(words):
                    plain = self.one_way(NONE, [program("waits_in_atexit"), 300] + words)
                    done = self.one_way_within(plain.result.wall + 1.4, HOOK,
                                               [program("waits_in_atexit"), 300] + words, env=api.env())
                    self.assertSame(plain, done)

    def test_exit_in_an_atexit_handler_with_another_thread(self):
        """The run was finished at main's return, while the globals stood: it has main's status."""
        done = self.compare([program("exits_in_atexit"), "worker"], status=6, runs=False)
        self.assertOneRun(done[RUN], 6)
        self.assertOneRun(done[HOOK], 1)

    def test_abort_runs_no_exit_handler(self):
        done = self.compare([program("aborts_with_handlers")], status=-6, runs=False)
        self.assertEqual(done[HOOK].result.stderr, b"SIGABRT\n")
        self.assertEqual([run["state"] for run in done[HOOK].runs], ["running"])

    def test_a_handler_jumps_out_of_abort(self):
        self.compare([program("aborts_with_handlers"), "jump"], status=48)


class LibcsOwn(UnwatchedTest):
    def test_error_and_err(self):
        read, write = os.pipe()
        try:
            for words in (["error"], ["error", "alone"], ["errx", "alone"]):
                with self.subTest(words):
                    self.compare([program("exits_by_err")] + words, status=38, stdin=read)
        finally:
            os.close(read)
            os.close(write)

    def test_output_that_goes_nowhere(self):
        for way, status in (("full", 49), ("closed", 49)):
            with self.subTest(way):
                self.compare([program("prints_into_nothing"), way], status=status)
        done = self.compare([program("prints_into_nothing"), "pipe"], status=-13, runs=False)
        self.assertOneRun(done[RUN], -13)
        self.assertEqual([run["state"] for run in done[HOOK].runs], ["running"])

    def test_reader_of_an_output_that_is_closed_early(self):
        """x=$(program): the shell goes on with the line, not at the program's end, nor at that of its hold."""
        script = 'x=$("$0" 1500 & echo $! >pid); echo "$x"; kill -0 $(cat pid) && echo it lives; wait'
        with Silent() as api:
            plain = self.one_way(NONE, ["sh", "-c", script, program("closes_stdout_and_lives")], files=False)
            self.assertEqual(plain.result.stdout, b"all there is\nit lives\n")
            done = self.one_way(HOOK, ["sh", "-c", script, program("closes_stdout_and_lives")], files=False,
                                env=api.env())
            self.assertSame(plain, done)


class Api(UnwatchedTest):
    """The same ends whatever the API does, held for no longer than it is worth."""
    ends = ((["returns_7"], 7), (["exits_in_signal_handler"], 8), (["exits_under_lock", "malloc", "stack"], 45),
            (["exits_by_err"], 38), (["main_pthread_exits"], 0), (["thrd_exits"], 0), (["forks_after_main_left"], 0))

    def each(self, env, states, longer):
        for words, status in self.ends:
            with self.subTest(words):
                argv = [program(words[0])] + words[1:]
                plain = self.one_way(NONE, argv)
                self.assertEqual(plain.result.status, status, plain.result)
                done = self.one_way_within(plain.result.wall + longer, HOOK, argv, env=env)
                self.assertSame(plain, done)
                self.assertEqual([(run["exit_code"], run["state"] in states) for run in done.runs], [(status, True)])

    def test_it_takes_its_time(self):
        """errx is not kept waiting: libc calls exit itself, and by then the globals are gone."""
        with sentinel_server.SentinelServer() as server:
            server.fault("*", "*", held=0.3)
            self.each(server.env(PILLION_INTERVAL="0.05"), ("finished", "undelivered"), 3)
            self.assertGreaterEqual(len(server.finished_runs()), len(self.ends) - 1)

    def test_it_is_broken(self):
        with sentinel_server.SentinelServer() as server:
            server.fault("*", "*", status=500)
            self.each(server.env(PILLION_INTERVAL="0.05", PILLION_EXIT_TIMEOUT="2"), ("undelivered",), 2.4)

    def test_it_never_answers(self):
        with Silent() as api:
            self.each(api.env(), ("undelivered",), 1.4)

    def test_it_takes_no_connection(self):
        with Unreachable() as api:
            self.each(api.env(), ("undelivered",), 1.4)

    def test_nobody_is_there(self):
        with Silent(up=False) as api:
            self.each(api.env(), ("undelivered",), 1.4)


class AfterMain(UnwatchedTest):
    def test_forks_in_a_worker_when_main_has_left(self):
        self.compare([program("forks_after_main_left")], status=0)

    @root_only
    def test_main_leaves_where_no_thread_can_be_made(self):
        def limit():
            import resource
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

        for name, status in (("main_pthread_exits_alone", 0), ("calls__exit", 3), ("exits_in_atexit", 6),
                             ("exits_in_signal_handler", 8)):
            with self.subTest(name):
                plain = self.one_way(NONE, [program(name)], uid=ALONE, preexec_fn=limit)
                self.assertEqual(plain.result.status, status, plain.result)
                self.assertSame(plain, self.one_way(HOOK, [program(name)], uid=ALONE, preexec_fn=limit))


class Daemons(UnwatchedTest):
    """The run ends with the first process, whatever becomes of the daemon."""

    def daemon(self, name, status, **how):
        done = {}
        for way in (NONE, HOOK, RUN):
            done[way] = self.one_way(way, [program(name)], after=lambda work: pillion.wait_for(
                (work / "mark").exists, what="the daemon's mark"), **how)
            self.assertEqual(done[way].result.status, status, done[way].result)
            self.assertSame(done[NONE], done[way])
        return done

    def test_two_forks_and_a_session(self):
        done = self.daemon("daemonizes", 36)
        self.assertOneRun(done[HOOK], 36)
        self.assertOneRun(done[RUN], 36)

    def test_a_starter_of_daemons(self):
        """It has ended when the daemon begins its image, which may then lead a run of its own."""
        argv = [need("start-stop-daemon", "dpkg"), "--start", "--background", "--make-pidfile", "--pidfile", "pid",
                "--chdir", str(self.work), "--exec", program("makes_its_mark"), "--", "200"]
        for way in (NONE, HOOK):
            done = self.one_way(way, argv, after=lambda work: pillion.wait_for(
                (work / "mark").exists, what="the daemon's mark"))
            self.assertEqual((done.result.status, done.result.stdout, done.result.stderr), (0, b"", b""), done.result)
        self.assertIn("local", [run.get("state") for run in done.runs])

    def test_daemon_of_libc(self):
        """Its _exit is libc's own: the run is whole on disk, and sync ends it."""
        done = self.daemon("calls_daemon", 0)
        self.assertOneRun(done[RUN], 0)
        self.assertEqual([run["state"] for run in done[HOOK].runs], ["running"])
        self.assertGreaterEqual(len(done[HOOK].runs[0].rows), 1)


if __name__ == "__main__":
    pillion.main()
