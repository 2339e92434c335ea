# SPDX-License-Identifier: Apache-2.0
"""An end waits for no lock that others may hold for ever: not a stream's, not the loader's; and needs hardly any stack."""
from compare import HOOK, NONE, UnwatchedTest, compile_source, pillion, program

import sentinel_server
from test_odd_api import Silent

JOINS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>
#include <unistd.h>
static void *leave(void *nothing)
{
    LEAVE;
    return nothing;
}
__attribute__((constructor)) static void join(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, leave, NULL) == 0)
        pthread_join(thread, NULL);
}
"""


class Waits(UnwatchedTest):
    def test_a_thread_took_the_lock_of_stdout_with_it(self):
        self.compare([program("leaves_stdout_locked")], status=46)

    def test_a_thread_took_the_lock_of_its_own_stream_with_it(self):
        self.compare([program("leaves_file_locked")], status=46)

    def test_threads_that_end_while_a_library_is_loaded(self):
        """The loader's lock is held by who waits for them."""
        for leave, status in (("pthread_exit(0)", 60), ("thrd_exit(0)", 60), ("quick_exit(5)", 5), ("_exit(6)", 6)):
            with self.subTest(leave):
                library = compile_source(JOINS, self.tmp / "joins.so", "-shared", "-fPIC", "-DLEAVE=" + leave)
                self.compare([program("leaves_while_loading"), library], status=status)

    def test__exit_while_threads_are_made(self):
        """A handler may come in the midst of libc's own work on threads. What it needs for that: many tries."""
        env = self.env(PILLION_INTERVAL="0.05")
        for turn in range(20):
            argv = [program("exits_while_making_threads"), "_exit"]
            started = [self.start(*argv, 30000 + 1700 * turn + 431 * i, env=env) for i in range(4)]
            for one in started:
                self.assertEqual(one.wait().status, 61)


class Globals(UnwatchedTest):
    def test_detached_workers_see_globals_while_libc_itself_calls_exit(self):
        """errx and error call it past every wrapper. A hold when the globals are gone crashes every third of them; with
        or without pillion a few in a thousand do, on a busy machine more."""
        env = self.env(PILLION_INTERVAL="0.05")
        results = [self.start(program("detached_workers_use_globals"), 20, "errx", env=env).wait() for _ in range(40)]
        self.assertLessEqual(len([result for result in results if result.status]), 4, results)
        for run in self.runs():
            self.assertEqual((run["state"], run["exit_code"]), ("local", 0), run.describe())

    def test_err_is_delivered(self):
        with sentinel_server.SentinelServer() as server:
            plain = self.one_way(NONE, [program("detached_workers_use_globals"), 20, "errx"])
            done = self.one_way(HOOK, [program("detached_workers_use_globals"), 20, "errx"],
                                env=server.env(PILLION_INTERVAL="0.05"))
            self.assertSame(plain, done)
            self.assertEqual(self.assertOneRun(done, 0)["state"], "finished")


class Stacks(UnwatchedTest):
    def test__exit_on_a_small_stack(self):
        """A kilobyte must do, network or not."""
        argv = [program("handler_on_least_stack"), "_exit", 1024]
        self.compare(argv, status=55, env={"LD_BIND_NOW": "1"})
        with Silent() as api:
            plain = self.one_way(NONE, argv, env={"LD_BIND_NOW": "1"})
            self.assertSame(plain, self.one_way(HOOK, argv, env=api.env(LD_BIND_NOW="1")))


if __name__ == "__main__":
    pillion.main()
