# SPDX-License-Identifier: Apache-2.0
"""Descriptors taken, closed and used up, with a run that is delivered meanwhile; least stacks and address spaces;
arguments and environments at their limits."""
import os
import resource

from compare import HOOK, NONE, UnwatchedTest, compile_source, pillion, program

import sentinel_server
from test_odd_api import Silent
from test_odd_files import root_only
from test_odd_limits import Cgroup


class Delivered(UnwatchedTest):
    def delivered(self, argv, status, **how):
        """The run reaches the API, and nothing differs."""
        with sentinel_server.SentinelServer() as server:
            plain = self.one_way(NONE, argv, **how)
            self.assertEqual(plain.result.status, status, plain.result)
            done = self.one_way(HOOK, argv, env=server.env(PILLION_INTERVAL="0.05"), **how)
            self.assertSame(plain, done)
            self.assertEqual(self.assertOneRun(done, status)["state"], "finished")
            self.assertEqual(server.complaints(), [])
            return done

    def test_user_files_under_numbers_that_were_closed(self):
        for way in ("range", "listed", "loop", "from0", "from3"):
            with self.subTest(way):
                done = self.delivered([program("closes_every_descriptor"), way], 15)
                for number in range(3 if way == "from3" else 0, 40):
                    name = "user-%02d" % number
                    self.assertEqual(done.files[name][3], name.encode())

    def test_one_file_under_every_number(self):
        self.assertEqual(self.delivered([program("dup2_over_all")], 16).files["user"][3], b"only this\n")

    def test_nothing_open_from_the_start(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                self.delivered(["sh", "-c", 'exec "$0" range ' + closed, program("closes_every_descriptor")], 15)

    def test_no_number_left_at_the_end(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        self.delivered([program("runs_out_of_descriptors")], 30, preexec_fn=limit)

    def test_few_numbers_left_at_the_start(self):
        """The program begins with all but so many of its numbers taken: the engine's table is its own."""
        files = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
        try:
            for left in (1, 2, 4):
                with self.subTest(left):
                    def limit():
                        resource.setrlimit(resource.RLIMIT_NOFILE, (max(files) + 1 + left,) * 2)

                    taken = set(files) | {0, 1, 2}
                    holes = [os.open("/dev/null", os.O_RDONLY) for _ in range(max(files) - len(taken) + 1)]
                    files += holes
                    self.delivered([program("runs_out_of_descriptors")], 30, pass_fds=files, preexec_fn=limit)
        finally:
            for file in files:
                os.close(file)

    def test_storm_of_descriptors(self):
        """/dev/full, a file and a pipe under 3, handed over by a shell that goes on with them."""
        script = 'sleep 0.1; exec 3>three; echo a >&3; "$0" 100 >&3; "$0" 50 3>/dev/full >&3; echo b >&3'
        self.delivered(["sh", "-c", script, program("sleeps_for")], 0)


class FewDescriptors(UnwatchedTest):
    @staticmethod
    def empty_cells(way):
        return [name for name, value in way.runs[0].rows[-1].items() if value is None]

    def test_sixteen_numbers(self):
        """Enough for a whole row, and for a run that streams."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

        whole = self.one_way(HOOK, [program("sleeps_for"), 200, 3])
        done = self.compare([program("sleeps_for"), 200, 3], ways=(HOOK,), status=3, preexec_fn=limit, rows=2)
        self.assertEqual(self.empty_cells(done[HOOK]), self.empty_cells(whole))
        with sentinel_server.SentinelServer() as server:
            done = self.one_way(HOOK, [program("sleeps_for"), 200, 3], env=server.env(PILLION_INTERVAL="0.05"),
                                preexec_fn=limit)
            self.assertEqual(self.assertOneRun(done, 3)["state"], "finished")

    def test_every_number_of_numbers(self):
        """Whatever the engine gets or does not get, the program gets all."""
        for count in (3, 4, 5, 7, 9, 10, 11, 12, 13, 15, 17, 24):
            with self.subTest(count):
                def limit():
                    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

                argv = [program("runs_out_of_descriptors")]
                plain = self.one_way(NONE, argv, preexec_fn=limit)
                if count < 4:
                    self.assertEqual(plain.result.status, 127, "below 4 the loader opens nothing: %r" % plain.result)
                else:
                    self.assertSame(plain, self.one_way(HOOK, argv, preexec_fn=limit))


class Stacks(UnwatchedTest):
    def test_handlers_on_the_least_alternate_stack(self):
        for way in ("fork", "jump"):
            with self.subTest(way):
                self.compare([program("handler_on_least_stack"), way, 512], status=56, env={"LD_BIND_NOW": "1"})


class Memory(UnwatchedTest):
    def test_tight_address_space_with_an_api(self):
        with sentinel_server.SentinelServer() as server, Silent() as mute:
            for mib in (6, 8, 12, 16, 24, 48):
                for env in (server.env(PILLION_INTERVAL="0.05"), mute.env()):
                    with self.subTest(mib=mib, url=env["SENTINEL_API_URL"]):
                        def limit():
                            resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))

                        argv = [program("sleeps_for"), 150, 3]
                        plain = self.one_way(NONE, argv, preexec_fn=limit)
                        self.assertEqual(plain.result.status, 3, plain.result)
                        self.assertSame(plain, self.one_way(HOOK, argv, env=env, preexec_fn=limit))

    def test_tight_address_space_while_threads_are_made(self):
        """The program may have less room by the engine's, never fewer threads than it asks for here."""
        for mib in (64, 128):
            with self.subTest(mib):
                def limit():
                    resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))
                    resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))

                self.compare([program("spawns_threads")], ways=(HOOK,), status=38, preexec_fn=limit, runs=False)

    def test_nothing_may_be_locked_nor_data_grow(self):
        for name, value in (("RLIMIT_MEMLOCK", 0), ("RLIMIT_DATA", 1 << 20), ("RLIMIT_SIGPENDING", 0)):
            with self.subTest(name):
                def limit():
                    resource.setrlimit(getattr(resource, name, 11), (value, value))

                self.compare([program("sleeps_for"), 150, 3], ways=(HOOK,), status=3, preexec_fn=limit, runs=False)


class Arguments(UnwatchedTest):
    def test_the_longest_argument_list_is_as_long(self):
        """Nothing is added to what a program hands to its children; LD_PRELOAD itself is the same in both."""
        same = compile_source("", self.tmp / "empty.so", "-shared", "-fPIC", "-nostdlib")
        padding = "x" * max(0, len(str(pillion.HOOK)) - len(same))
        plain = self.one_way(NONE, [program("fills_arguments")], env={"LD_PRELOAD": "%s" % same, "PADDING": padding})
        hooked = self.one_way(HOOK, [program("fills_arguments")], env={"PADDING": "x" * max(
            0, len(same) - len(str(pillion.HOOK)))})
        self.assertEqual(plain.result.status, 57, plain.result)
        self.assertSame(plain, hooked)

    def test_neither_arguments_nor_environment(self):
        self.compare([program("execs_with_nothing")], runs=False, but=lambda data: data.replace(b"\x00", b""))

    def test_environment_on_a_stack_that_is_gone(self):
        done = self.compare([program("puts_stack_strings")], status=58)
        self.assertEqual(done[HOOK].runs[0]["state"], "local")


class Crowds(UnwatchedTest):
    @root_only
    def test_no_thread_by_the_cgroup(self):
        """pids.max of 1: the run has the row of its end."""
        group = Cgroup("pids", {"pids.max": 1})
        self.addCleanup(group.close)

        for name, status in (("calls__exit", 3), ("returns_7", 7), ("exits_in_signal_handler", 8),
                             ("main_pthread_exits_alone", 0)):
            with self.subTest(name):
                self.compare([program(name)], ways=(HOOK,), status=status, preexec_fn=group.enter)


if __name__ == "__main__":
    pillion.main()
