#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CPU columns for processes that exec, change their user, lose their first thread, or are held by another."""
import os
import platform
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jobs import LEADERS, TruthTest, pillion  # noqa: E402


class Odd(TruthTest):
    def check(self, shape, count, ms, leaders=LEADERS, processes=None):
        for leader in leaders:
            with self.subTest(leader=leader):
                self.assertTrueCpu(self.observe(leader, "odd_jobs", shape, count, ms), processes)

    def test_an_exec_in_place(self):
        self.check("execs_in_place", 1, 150)

    def test_an_exec_in_place_by_another_thread(self):
        self.check("execs_in_place_by_thread", 1, 150)

    def test_children_that_exec(self):
        self.check("execs_below", 3, 50)

    def test_children_whose_second_thread_execs(self):
        self.check("execs_by_thread", 3, 50)

    def test_children_of_vfork(self):
        self.check("vforks", 3, 60)

    def test_a_parent_that_waits_uninterruptibly(self):
        self.check("waits_as_for_a_disk", 2, 100)

    def test_a_process_whose_first_thread_has_left(self):
        self.check("main_thread_leaves", 2, 60)

    def test_threads_by_the_hundred(self):
        self.check("threads_come_and_go", 400, 1)

    def test_children_that_are_stopped_for_a_while(self):
        self.check("stopped", 2, 60)

    def test_children_that_somebody_traces(self):
        self.check("traced", 2, 100)

    @unittest.skipIf(os.geteuid() != 0, "only root changes its user")
    def test_children_that_become_another_user(self):
        self.check("changes_user_below", 3, 80)

    @unittest.skipIf(os.geteuid() != 0, "only root changes its user")
    def test_a_program_that_becomes_another_user(self):
        os.chmod(self.tmp, 0o755)
        self.check("changes_user", 1, 100)


class ReusedNumbers(TruthTest):
    """In a PID namespace with few numbers, so that each goes round within a row."""

    def setUp(self):
        super().setUp()
        release = tuple(int(part) for part in platform.release().split(".")[:2])
        if os.geteuid() != 0 or release < (6, 14):
            self.skipTest("pid_max of a PID namespace of its own: root, and Linux 6.14")
        probe = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                                "echo 400 > /proc/sys/kernel/pid_max"], stderr=subprocess.PIPE)
        if probe.returncode:
            self.skipTest("no PID namespace with a pid_max of its own: %r" % probe.stderr)

    def test_children_by_the_thousand_with_the_same_numbers(self):
        words = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                 'echo 400 > /proc/sys/kernel/pid_max; LD_PRELOAD=%s "$@"; exit $?' % pillion.HOOK, "sh"]
        observed = self.observe("preload", "cpu_jobs", "sequence", 1000, 1, wrap=words)
        # The parent of the leader is in the namespace, so only the records tell.
        self.assertLessEqual(abs(observed.cpu - observed.truth[0]), max(observed.truth[0] / 100, 0.010), observed)


if __name__ == "__main__":
    pillion.main()
