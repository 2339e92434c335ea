# SPDX-License-Identifier: Apache-2.0
"""With CI=true a test that is left out is a failure, unless tests/skips.txt has its reason: in scripts and in the unit
tests' programs, for one test and for all of them."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

import pillion

LISTED = next(line for line in (pillion.SOURCE / "tests/skips.txt").read_text().splitlines() if line and line[0] != "#")
SCRIPT = """
import sys, unittest
sys.path.insert(0, {support!r})
import pillion
class Test(unittest.TestCase):
    def test(self):
        {how}
if {all!r}:
    pillion.leave_out({reason!r})
pillion.main()
"""
PROGRAM = """
static void test(void **state)
{
    (void)state;
    (void)unsetenv("CI");
    skip("%s");
}
int main(int argc, char **argv)
{
    (void)argv;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test)};
    return argc > 1 ? skip_program("%s") : cmocka_run_group_tests(tests, NULL, NULL);
}
"""


class Skips(unittest.TestCase):
    def setUp(self):
        self.folder = pillion.fresh_folder()

    def ends(self, argv, ci):
        env = {name: value for name, value in os.environ.items() if name != "CI"}
        env.update({"PILLION_SOURCE": str(pillion.SOURCE)}, **({"CI": "true"} if ci else {}))
        done = subprocess.run([str(word) for word in argv], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()

    def script(self, reason, how="self.skipTest({reason!r})", all=False, ci=True):
        path = self.folder / "script.py"
        path.write_text(SCRIPT.format(support=str(pillion.SOURCE / "tests/support"), how=how.format(reason=reason),
                                      all=all, reason=reason))
        return self.ends([sys.executable, path], ci)

    def test_a_script_may_leave_out_what_is_listed(self):
        for all in (False, True):
            self.assertEqual(self.script(LISTED + ", at length", all=all)[0], 0)

    def test_a_script_fails_for_another_reason(self):
        for all in (False, True):
            status, said = self.script("because", all=all)
            self.assertEqual(status, 1)
            self.assertRegex(said, r"(?m)^not in tests/skips.txt: .*because$")

    def test_a_part_of_a_test_counts_too(self):
        how = "with self.subTest(1): raise unittest.SkipTest({reason!r})"
        self.assertEqual([self.script(reason, how)[0] for reason in (LISTED, "because")], [0, 1])

    def test_without_ci_anything_may_be_left_out(self):
        for all in (False, True):
            status, said = self.script("because", all=all, ci=False)
            self.assertEqual(status, 0)
            self.assertRegex(said, r"(?m)^skipped: .*because$")

    def test_a_failure_stays_one(self):
        self.assertEqual(self.script("", "self.fail()")[0], 1)
        self.assertEqual(self.script("", "pass")[0], 0)

    def test_unit_tests(self):
        for reason, ci, good in ((LISTED, True, True), ("because", True, False), ("because", False, True)):
            with self.subTest(reason=reason, ci=ci):
                source, program = self.folder / "program.c", self.folder / "program"
                source.write_text(PROGRAM % (reason, reason))
                error = pillion.cc(source, program, "-include", pillion.SOURCE / "tests/unit/skip.h", "-lcmocka")
                self.assertIsNone(error)
                for words in ((), ("all",)):
                    status, said = self.ends((program,) + words, ci)
                    self.assertEqual(status == 0, good, said)
                    self.assertRegex(said, "(?m)^%s: .*: %s$" % ("skipped" if good else "not in tests/skips.txt",
                                                                 re.escape(reason)))

    def test_each_script_ends_by_the_main_that_counts_them(self):
        for path in sorted(pathlib.Path(pillion.SOURCE / "tests").glob("*/test_*.py")):
            with self.subTest(path.name):
                self.assertRegex(path.read_text(), r"(?m)^    (pillion|objects)\.main\(\)$")
                self.assertNotRegex(path.read_text(), r"exit\(77\)")


if __name__ == "__main__":
    pillion.main()
