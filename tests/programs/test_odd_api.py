# SPDX-License-Identifier: Apache-2.0
"""Odd programs with a token: the API answers, hangs, or is not there, and the program is the same to its user."""
import signal
import socket

from compare import HOOK, NONE, RUN, CompareTest, pillion, program

import sentinel_server

HANG = {"PILLION_INTERVAL": "0.05", "SENTINEL_API_TOKEN": "secret"}


class Silent:
    """A port that takes connections and never says a word, or (up=False) one that nobody listens on."""

    def __init__(self, up=True):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        if up:
            self.socket.listen(128)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def env(self, **more):
        return dict(HANG, SENTINEL_API_URL=self.url, **more)


class Unreachable(Silent):
    """A port whose connections are never taken: its queue is full, and what comes then hangs in connect."""

    def __init__(self):
        super().__init__()
        self.socket.listen(0)
        self.crowd = [socket.socket() for _ in range(4)]
        for one in self.crowd:
            one.setblocking(False)
            one.connect_ex(self.socket.getsockname())

    def __exit__(self, *_):
        for one in self.crowd:
            one.close()
        super().__exit__()


class Answered(CompareTest):
    def delivered(self, argv, status, ways=(HOOK, RUN), **how):
        """One register and one finish with the right status, each way; nothing else differs."""
        for way in ways:
            with sentinel_server.SentinelServer() as server:
                env = server.env(PILLION_INTERVAL="0.05")
                plain = self.one_way(NONE, argv, **how)
                self.assertEqual(plain.result.status, status, plain.result)
                done = self.one_way(way, argv, env=env, **how)
                self.assertSame(plain, done)
                run = self.assertOneRun(done, status)
                self.assertEqual(run["state"], "finished", run.describe())
                self.assertEqual((len(server.of("register")), len(server.of("finish"))), (1, 1), server.requests)
                code = status if status >= 0 else 128 - status
                self.assertEqual(server.of("finish")[0].body["exit_code"], code)
                self.assertEqual(server.complaints(), [])

    def test_ways_to_end(self):
        for name, status in (("returns_7", 7), ("calls__exit", 3), ("calls_Exit", 4), ("quick_exits", 5),
                             ("exits_from_thread", 9), ("exits_in_atexit", 6), ("exits_in_signal_handler", 8),
                             ("main_pthread_exits", 0), ("main_pthread_exits_alone", 0), ("cxx_statics", 20),
                             ("forks_without_exec", 10), ("vforks", 11), ("spawns_threads", 38)):
            with self.subTest(name):
                self.delivered([program(name)], status)

    def test_killed_below_pillion_run(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
            with self.subTest(number.name):
                self.delivered([program("dies_by_signal"), int(number)], -number, ways=(RUN,))

    def test_detached_workers_see_globals_during_the_hold(self):
        """The hold lasts through several looks of the workers, so every program would crash if the globals were gone by
        then. A few of twenty may: they end in whatever moment the answer comes, and have always had some microseconds
        in which a look is fatal, or milliseconds where CPUs are busy."""
        crashed = []
        with sentinel_server.SentinelServer() as server:
            server.fault("finish", "*", held=0.6)
            env = self.env(**server.env(PILLION_INTERVAL="0.05"))
            for _ in range(4):
                started = [self.start(program("detached_workers_use_globals"), 150, env=env) for _ in range(5)]
                for result in [one.wait() for one in started]:
                    self.assertEqual((result.stdout, result.stderr), (b"main returns\n", b""), result)
                    self.assertGreater(result.wall, 0.5, "there was no hold to look at")
                    crashed += [result] if result.status else []
            self.assertLessEqual(len(crashed), 4, crashed)
            self.assertEqual(len(server.of("finish")), 20)


class NotAnswered(CompareTest):
    def test_nobody_listens(self):
        with Silent(up=False) as api:
            for name, status in (("returns_7", 7), ("calls__exit", 3), ("main_pthread_exits", 0)):
                with self.subTest(name):
                    plain = self.one_way(NONE, [program(name)])
                    for way in (HOOK, RUN):
                        done = self.one_way_within(plain.result.wall + 1.5, way, [program(name)], env=api.env())
                        self.assertSame(plain, done)
                        self.assertEqual([run["state"] for run in done.runs], ["undelivered"])
                        self.assertEqual(done.runs[0]["exit_code"], status)
                        self.assertGreaterEqual(len(done.runs[0].rows), 1)

    def test_exit_is_held_for_a_second_at_most(self):
        """No request was ever answered: so the hold ends after one second."""
        with Silent() as api:
            for name, status in (("returns_7", 7), ("calls__exit", 3), ("quick_exits", 5), ("exits_from_thread", 9),
                                 ("cxx_statics", 20)):
                with self.subTest(name):
                    plain = self.one_way(NONE, [program(name)])
                    done = self.one_way_within(plain.result.wall + 1.4, HOOK, [program(name)], env=api.env())
                    self.assertSame(plain, done)
                    self.assertEqual([run["state"] for run in done.runs], ["undelivered"])

    def test_no_hold_at_all(self):
        with Silent() as api:
            plain = self.one_way(NONE, [program("sleeps_for"), 200, 3])
            done = self.one_way_within(plain.result.wall + 0.4, HOOK, [program("sleeps_for"), 200, 3],
                                       env=api.env(PILLION_EXIT_TIMEOUT="0"))
            self.assertSame(plain, done)

    def test_own_handler_runs_during_the_hold(self):
        """A threaded program with a handler for SIGTERM gets it, held or not."""
        with Silent() as api:
            for name, status in (("handles_sigterm", 31), ("sigwaits", 32)):
                self.assertSame(self.one_way(NONE, [program(name)]), self.one_way(HOOK, [program(name)], env=api.env()))

    def test_daemon_does_not_keep_a_pipe_open(self):
        """x=$(daemon): the shell goes on when the daemon has closed its output."""
        with Silent() as api:
            plain = self.one_way(NONE, ["sh", "-c", 'x=$("$0" 0); echo "$x"; sleep 0.1', program("daemonizes")],
                                 after=lambda work: pillion.wait_for((work / "mark").exists, what="the daemon's mark"))
            done = self.one_way_within(plain.result.wall + 0.5, HOOK,
                                       ["sh", "-c", 'x=$("$0" 0); echo "$x"; sleep 0.1', program("daemonizes")],
                                       env=api.env(PILLION_EXIT_TIMEOUT="0"), after=lambda work: pillion.wait_for(
                                           (work / "mark").exists, what="the daemon's mark"))
            self.assertSame(plain, done)

    def test_wall_clock_of_a_passenger(self):
        """Only the leader is ever held."""
        with Silent() as api:
            argv = ["sh", "-c", 'for i in 1 2 3 4 5; do "$0"; done; true', program("returns_7")]
            plain = self.one_way(NONE, argv)
            done = self.one_way_within(plain.result.wall + 1.4, HOOK, argv, env=api.env())
            self.assertSame(plain, done)


class Held(CompareTest):
    """The finish is never answered: the hold would last a minute."""

    def setUp(self):
        super().setUp()
        self.server = sentinel_server.SentinelServer().fault("finish", "*", hang=600)
        self.addCleanup(self.server.stop)
        self.variables = self.server.env(PILLION_INTERVAL="0.05", PILLION_EXIT_TIMEOUT="60")

    def begin(self):
        """A program that is held by now."""
        started = self.start(program("returns_7"), env=self.env(**self.variables))
        pillion.wait_for(lambda: self.server.of("finish"), what="its finish")
        return started

    def test_timeout_during_the_hold(self):
        """The program was done before its time was up: its status, its output. (Without --preserve-status, timeout
        says 124 whatever the program's status is, once it has sent its signal.)"""
        for words, status in ((["holds_stdout_in_pipe"], 27), (["holds_stdout_in_pipe", "_exit"], 27),
                              (["cxx_statics"], 20), (["main_pthread_exits_alone"], 0)):
            with self.subTest(words):
                argv = ["timeout", "--preserve-status", "2", program(words[0])] + words[1:]
                plain = self.one_way(NONE, argv, watch=False)
                self.assertEqual(plain.result.status, status, plain.result)
                done = self.one_way(HOOK, argv, env=self.variables, watch=False)
                self.assertSame(plain, done)
                self.assertLess(done.result.wall, 30)

    def test_signal_during_the_hold_ends_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number.name):
                self.server.requests.clear()
                started = self.begin()
                started.signal(number)
                result = started.wait(30)
                self.assertEqual(result.status, 7, result)

    def test_output_is_there_before_the_hold(self):
        """What lay in stdio's buffer reaches the pipe when the program is done, not when the hold is."""
        started = self.begin()
        pillion.wait_for(lambda: started.stdout, 30, "its output")
        self.assertFalse(started.ended(), "there was no hold to look at")
        started.signal(signal.SIGTERM)
        result = started.wait()
        self.assertEqual((result.status, result.stdout), (7, b"buffered until the end\n"), result)


class NoToken(CompareTest):
    def test_empty_token_is_none(self):
        self.compare([program("sleeps_for"), 150, 3], env={"SENTINEL_API_TOKEN": "", "SENTINEL_API_KEY": ""})

    def test_token_over_plain_http_goes_to_loopback_only(self):
        way = self.one_way_within(1.0, HOOK, [program("sleeps_for"), 150, 3],
                                  env=dict(HANG, SENTINEL_API_URL="http://192.0.2.1:9", PILLION_EXIT_TIMEOUT="2"))
        self.assertEqual((way.result.status, way.result.stderr), (3, b""))
        for run in way.runs:
            self.assertNotIn(b"secret", run.text + run.log.encode())


if __name__ == "__main__":
    pillion.main()
