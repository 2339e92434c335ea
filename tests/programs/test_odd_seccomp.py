# SPDX-License-Identifier: Apache-2.0
"""Programs that forbid themselves system calls. What they forbid they never do; so nothing may kill them.

PILLION_TEST_LONG=1 tries every combination; without it each call and each way is tried, not each with each.
"""
import itertools
import os

from compare import RUN, CompareTest, pillion, program

import sentinel_server

LONG = bool(os.environ.get("PILLION_TEST_LONG"))
CALLS = ["socket", "connect", "clone", "openat", "futex", "tgkill", "getpid", "clock_gettime", "prctl", "sigaction",
         "read", "mmap"]
ACTIONS = ["process", "thread", "trap", "errno"]
WAYS = ["prctl", "seccomp", "tsync"]
AT_ONCE = 6  # programs


def some(*lists):
    """All combinations; or as few as have each word of a list with each word of the first."""
    if LONG:
        return list(itertools.product(*lists))
    return [(word,) + tuple(rest[i % len(rest)] for rest in lists[1:])
            for word in lists[0] for i in range(max(len(rest) for rest in lists[1:]))]


class Filters(CompareTest):
    def result_of_each(self, cases, preload=True, **more):
        """Runs forbids_call with the words of each case, some side by side. Pairs of case and result."""
        for first in range(0, len(cases), AT_ONCE):
            started = []
            for number, words in enumerate(cases[first:first + AT_ONCE], first):
                env = self.env(**{"PILLION_INTERVAL": "0.05", **more})
                env["PILLION_DIR"] = str(self.tmp / ("state-%d" % number))
                started.append((words, self.start(program("forbids_call"), *words, preload=preload, env=env)))
            for words, one in started:
                yield words, one.wait(30)

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
        self.assertUnharmed([words[:3] + ("0",) for words in some(CALLS, ACTIONS, WAYS)])

    def test_forbidden_after_some_rows(self):
        self.assertUnharmed([words[:3] + ("150",) for words in some(CALLS, ACTIONS, WAYS)])

    def test_forbidden_by_a_worker(self):
        self.assertUnharmed([words + ("thread",)
                             for words in some(CALLS, ["process", "thread", "trap"], WAYS, ["150", "0"])])

    def test_forbidden_while_the_run_is_delivered(self):
        with sentinel_server.SentinelServer() as server:
            self.assertUnharmed([words + ("150",) for words in some(CALLS, ["process", "trap"], ["tsync", "prctl"])],
                                SENTINEL_API_URL=server.url, SENTINEL_API_TOKEN=server.token)

    def test_forbidden_with_a_second_between_rows(self):
        """The default interval: the filter comes before the first row, or after it."""
        self.assertUnharmed([(call, "process", way, "1500" if LONG or call == "openat" else "300")
                             for call in CALLS for way in ("prctl", "tsync")], PILLION_INTERVAL="1")

    def test_not_loaded_below_pillion_run(self):
        self.compare([program("forbids_call"), "openat", "process", "tsync", "0"], ways=(RUN,), status=52)

    def test_strict_mode(self):
        for delay in ("0", "200"):
            with self.subTest(delay):
                self.compare([program("enters_strict_mode"), delay], status=53, runs=False)


if __name__ == "__main__":
    pillion.main()
