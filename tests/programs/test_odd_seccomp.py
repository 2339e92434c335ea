# SPDX-License-Identifier: Apache-2.0
"""Programs that forbid themselves system calls. What they forbid they never do; so nothing may kill them.

PILLION_TEST_LONG=1 tries every combination; without it each call and each way is tried, not each with each.
"""
import itertools
import os
import platform
import signal
import struct

from compare import HOOK, NONE, RUN, UnwatchedTest, need, pillion, program

from test_odd_files import may

import sentinel_server

LONG = bool(os.environ.get("PILLION_TEST_LONG"))
CALLS = ["socket", "connect", "clone", "openat", "futex", "tgkill", "getpid", "clock_gettime", "prctl", "sigaction",
         "read", "mmap"]
ACTIONS = ["process", "thread", "trap", "errno"]
ALONE = ["prctl", "seccomp"]  # for the calling thread
UNNEEDED = ["socket", "connect", "clone", "futex", "tgkill", "prctl", "sigaction"]
AT_ONCE = 6  # programs
SOCKET, KILL_PROCESS, ALLOW = (41 if platform.machine() == "x86_64" else 198), 0x80000000, 0x7FFF0000


def some(*lists):
    """All combinations; or as few as have each word of a list with each word of the first."""
    if LONG:
        return list(itertools.product(*lists))
    return [(word,) + tuple(rest[(i + n) % len(rest)] for n, rest in enumerate(lists[1:]))
            for word in lists[0] for i in range(max(len(rest) for rest in lists[1:]))]


class Filters(UnwatchedTest):
    def result_of_each(self, cases, preload=True, **more):
        """Runs forbids_call with the words of each case, some side by side. Pairs of case and result."""
        for first in range(0, len(cases), AT_ONCE):
            started = []
            for words in cases[first:first + AT_ONCE]:
                env = self.env(**{"PILLION_INTERVAL": "0.05", "PILLION_DIR": pillion.fresh_folder(), **more})
                started.append((words, env, self.start(program("forbids_call"), *words, preload=preload, env=env)))
            for words, env, one in started:
                yield words, one.wait()
                runs = pillion.runs(env["PILLION_DIR"])
                self.assertLessEqual(len(runs), 1, words)
                for run in runs:
                    if run.csv and words[0] != "clock_gettime":  # without a clock it is 1970
                        run.rows  # strict

    def assertUnharmed(self, cases, **more):
        harmed = []
        for words, result in self.result_of_each(cases, **more):
            if (result.status, result.stdout, result.stderr) != (52, b"forbidden\ndone\n", b""):
                harmed.append("%s: status %d, %r, %r" % (" ".join(words), result.status, result.stdout, result.stderr))
        self.assertEqual(harmed, [], "%d of %d" % (len(harmed), len(cases)))

    def test_programs_do_nothing_that_they_forbid(self):
        self.assertUnharmed([(call, "process", way, "0") + where
                             for call in CALLS for way in ("prctl", "tsync") for where in ((), ("thread",))],
                            preload=False)

    def test_forbidden_at_once(self):
        self.assertUnharmed([words + ("0",) for words in some(CALLS, ACTIONS, ALONE)])

    def test_forbidden_after_some_rows(self):
        self.assertUnharmed([words + ("150",) for words in some(CALLS, ACTIONS, ALONE)])

    def test_forbidden_by_a_worker(self):
        self.assertUnharmed([words + ("thread",) for words in some(CALLS, ACTIONS, ALONE, ["150", "0"])])

    def test_forbidden_to_all_threads(self):
        """Refused to all, or what neither sampling nor an end without a token needs."""
        self.assertUnharmed([words + ("tsync", delay) + where for words in some(CALLS, ["errno"])
                             for delay in ("0", "150") for where in ((), ("thread",))])
        self.assertUnharmed([words + ("tsync", "150") for words in some(UNNEEDED, ["process", "trap"])])

    def test_forbidden_to_all_threads_that_sample(self):
        """On the closed list: the kernel kills for what the thread does, or main's thread at its end."""
        cases = [("openat", "process", "tsync", "150"), ("read", "trap", "tsync", "150"),
                 ("tgkill", "process", "tsync", "150", "thread")]
        self.assertEqual([result.status for _, result in self.result_of_each(cases)], [-signal.SIGSYS] * len(cases))
        self.compare([program("forbids_call")] + list(cases[0]), ways=(RUN,), status=52)

    def test_forbidden_while_the_run_is_delivered(self):
        with sentinel_server.SentinelServer() as server:
            self.assertUnharmed([words + ("150",) for words in some(CALLS, ["process", "trap"], ALONE)],
                                SENTINEL_API_URL=server.url, SENTINEL_API_TOKEN=server.token)

    def test_forbidden_with_a_second_between_rows(self):
        """The default interval: the filter comes before the first row, or after it."""
        self.assertUnharmed([(call, "process", way, "1500" if LONG or call == "openat" else "300")
                             for call in CALLS for way in ALONE], PILLION_INTERVAL="1")

    def test_filters_from_before_the_start(self):
        """What a filter does cannot be asked. One that refuses is met; a passenger, or who is told to do nothing, needs
        no more than any program. A leader under one that kills is on the closed list."""
        sleeps = [program("sleeps_for"), "200", "3"]
        self.compare([program("allows_only"), "errno"] + sleeps, ways=(HOOK,), status=3, runs=False)
        self.compare([program("allows_only"), "kill"] + sleeps, ways=(HOOK,), status=3, runs=False,
                     env={"PILLION_DISABLE": "1"})
        self.compare(["sh", "-c", 'sleep 0.1; "$@"; exit $?', "sh", program("allows_only"), "kill"] + sleeps, status=3,
                     ways=(HOOK,))
        plain = self.one_way(NONE, [program("allows_only"), "errno", "env"] + sleeps)
        inside = self.one_way(NONE, [program("allows_only"), "errno", "env", "LD_PRELOAD=%s" % pillion.HOOK] + sleeps)
        self.assertSame(plain, inside)

    def test_filter_of_a_librarys_constructor(self):
        """It is there before the hook has its turn: then this process does not lead."""
        library = pillion.PROGRAMS / "preload" / "confines_first.so"
        for way in ALONE if os.geteuid() == 0 else ALONE[1:]:
            with self.subTest(way):
                done = self.compare([program("sleeps_for"), "200", "3"], ways=(HOOK,), status=3, runs=False,
                                    env={"LD_PRELOAD": library, "CONFINES": way})
                self.assertEqual(done[HOOK].runs, [])

    def test_hardened_service(self):
        """The set of calls that a service manager offers to services, less those that change priorities and rights."""
        with sentinel_server.SentinelServer() as server:
            argv = [program("forbids_priorities"), "env", "LD_PRELOAD=%s" % pillion.HOOK, program("sleeps_for")]
            way = self.one_way(NONE, argv + ["200", "3"], env=server.env())
            self.assertEqual((way.result.status, way.result.stdout, way.result.stderr), (3, b"before\nafter\n", b""))
            self.assertEqual(self.assertOneRun(way, 3, rows=2)["state"], "finished")

    def test_strict_mode(self):
        for delay in ("0", "200"):
            with self.subTest(delay):
                self.compare([program("enters_strict_mode"), delay], status=53, runs=False)


class Sandboxed(UnwatchedTest):
    """Real programs that confine themselves."""

    def test_file(self):
        self.compare([need("file", "file"), "/bin/sh", "/etc/passwd", "/does/not/exist"], ways=(HOOK,), status=0)
        self.compare(["sh", "-c", 'sleep 0.15; exec file "$0"', "/etc/passwd"], ways=(HOOK,), status=0)

    def test_man(self):
        need("man", "man-db")

        def page(work):
            (work / "page.1").write_text(".TH PAGE 1\n.SH NAME\npage \\- a page\n.SH TEXT\n" + "Words, words. " * 2000)
            for folder in (self.tmp, work):
                folder.chmod(0o755)

        script = "sleep 0.15; man -l ./page.1 | tail -5; man -l ./no-page.1"
        self.compare(["sh", "-c", script], before=page, ways=(HOOK,))
        self.compare(["man", "-l", "./page.1"], before=page, ways=(HOOK,), status=0)

    def test_bwrap_with_a_filter(self):
        bwrap = need("bwrap", "bubblewrap")
        if not may(bwrap, "--bind", "/", "/", "--unshare-all", "true"):
            self.skipTest(pillion.forbidden("bwrap"))

        rules = (0x20, 0, 0, 0, 0x15, 0, 1, SOCKET, 0x06, 0, 0, KILL_PROCESS, 0x06, 0, 0, ALLOW)
        argv = [bwrap, "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--seccomp", "9"]
        script = 'exec 9<filter; exec "$@"'

        def write_filter(work):
            (work / "filter").write_bytes(struct.pack("HBBI" * 4, *rules))

        words = ["sh", "-c", script, "sh"] + argv
        sleeps = [program("sleeps_for"), "200", "3"]
        self.compare(words + sleeps, before=write_filter, ways=(HOOK,), status=3, runs=False)
        way = self.one_way(NONE, words + ["env", "LD_PRELOAD=%s" % pillion.HOOK] + sleeps, before=write_filter)
        self.assertEqual((way.result.status, way.result.stdout, way.result.stderr), (3, b"before\nafter\n", b""))
        self.assertOneRun(way, 3)


if __name__ == "__main__":
    pillion.main()
