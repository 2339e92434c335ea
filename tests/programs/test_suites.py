# SPDX-License-Identifier: Apache-2.0
"""Test suites of other projects give the same results with a leader in every process tree: the two quickest in every
mode, two larger ones without a token and with an API that answers 503. `suites.py all` runs the others too."""
import sys

from compare import pillion
from suite_list import SUITES
from suites import MODES, Suite, compare


class Telltale(Suite):
    """Tests that see the hook, that are another each time, and that are neither."""

    name, kind, part = "telltale", "none", "nothing"
    programs = {"grep": "/bin/grep", "sh": "/bin/sh"}
    scripts = {"sees the hook": ["grep", "-c", "libpillion.so", "/proc/self/maps"],
               "another each time": ["sh", "-c", "cat /proc/sys/kernel/random/uuid"],
               "steady": ["sh", "-c", "echo ok"], "too": ["sh", "-c", "echo ok"]}

    def prepare(self):
        self.bin.mkdir(parents=True)
        self.build_wrappers()

    def cases(self):
        return list(self.scripts)

    def command(self, case, folder):
        return [self.bin / self.scripts[case][0]] + self.scripts[case][1:], folder, {}

    def read(self, case, folder, output):
        return {"output": output.strip()}


class Suites(pillion.PillionTest):
    def compare(self, suite, *modes):
        told = []

        def say(line):
            told.append(line)
            print(line, file=sys.stderr, flush=True)

        return compare(suite, modes or MODES, say=say), told

    def test_what_sees_pillion_is_told_from_what_is_not_steady(self):
        suite = Telltale(self.tmp)
        good, told = self.compare(suite, "local")
        self.assertFalse(good)
        words = "\n".join(told)
        self.assertRegex(words, r"not steady: another each time: output")
        self.assertRegex(words, r"DIFFERENT: sees the hook: output: [1-9], plain 0")
        self.assertRegex(words, r"local +8 tests, 5 same, 2 different, 0 differed once")

    def test_what_fails_plainly_is_left_out_and_told(self):
        suite = Telltale(self.tmp)
        suite.leaves_out_failures = True
        suite.scripts = dict(suite.scripts, fails=["sh", "-c", "exit 3"])
        words = "\n".join(self.compare(suite, "sick")[1])
        self.assertRegex(words, r"plain +10 tests")
        self.assertRegex(words, r"2 cases left out from here on, which fail both times")
        self.assertRegex(words, r"sick +6 tests, 5 same, 0 different, 0 differed once")
        self.assertRegex(words, r"runs: 3 undelivered; [1-9]\d* requests")

    def test_lighttpd(self):
        self.assertTrue(self.compare(SUITES["lighttpd"]())[0])

    def test_make(self):
        self.assertTrue(self.compare(SUITES["make"]())[0])

    def test_node(self):
        self.assertTrue(self.compare(SUITES["node"](), "local", "sick")[0])

    def test_postgres(self):
        self.assertTrue(self.compare(SUITES["postgres"](), "local", "sick")[0])


if __name__ == "__main__":
    pillion.main()
