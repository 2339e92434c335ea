#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The CPU columns of the process tree against wait4 and getrusage, for each shape that a tree can have."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jobs import LEADERS, LONG, TICK, TruthTest, pillion  # noqa: E402


class Shapes(TruthTest):
    def check(self, shape, count, ms, leaders=LEADERS, long=None):
        count, ms = long if long and LONG else (count, ms)
        for leader in leaders:
            for interval in ("0.2", "1", "0.37") if LONG else ("0.2",):
                with self.subTest(leader=leader, interval=interval):
                    observed = self.observe(leader, "cpu_jobs", shape, count, ms, interval=interval)
                    self.assertTrueCpu(observed)

    def test_a_program_without_children(self):
        self.check("alone", 1, 600, long=(1, 6000))

    def test_children_one_after_the_other(self):
        self.check("sequence", 4, 80, long=(6, 1300))

    def test_many_children_between_two_rows(self):
        self.check("sequence", 60, 5, long=(60, 50))

    def test_children_side_by_side(self):
        self.check("parallel", 4, 80, long=(20, 300))

    def test_children_of_threads(self):
        self.check("by_threads", 2, 120, long=(2, 2000))

    def test_children_reaped_by_another_thread_than_their_forker(self):
        self.check("reaped_by_another_thread", 3, 80)

    def test_children_reaped_late(self):
        self.check("late", 3, 80)

    def test_children_never_waited_for(self):
        self.check("never", 3, 80)

    def test_children_of_a_program_that_ignores_their_ends(self):
        self.check("ignored", 3, 120, long=(6, 600))

    def test_daemons_whose_parent_was_seen(self):
        self.check("daemons", 3, 120, long=(6, 1000))

    def test_daemons_whose_parent_was_never_seen_under_pillion_run(self):
        self.check("daemons_at_once", 3, 80, leaders=("run",))

    def test_orphans_that_come_to_a_subreaper(self):
        self.check("subreaper", 4, 50)
        self.check("subreaper_below", 4, 50)

    def test_orphans_that_end_with_their_parents(self):
        self.check("orphans_end_with_their_parents", 1, 200)

    def test_grandchildren_reaped_in_a_cascade(self):
        self.check("cascade", 6, 40)

    def test_a_chain_whose_upper_end_dies_first(self):
        self.check("chain", 3, 80)

    def test_children_that_signals_kill(self):
        self.check("killed", 4, 50)


class Limits(TruthTest):
    """Who leaves the tree between two rows, and whose use the kernel hands on to nobody in it, is not found. What is
    found is never more than was used."""

    def check(self, shape, leaders):
        for leader in leaders:
            with self.subTest(leader=leader):
                observed = self.observe(leader, "cpu_jobs", shape, 3, 100, interval="1")
                tolerance = (len(observed.records) + 1) * TICK
                self.assertLessEqual(observed.cpu, observed.parent[0] + tolerance, observed)
                self.assertGreaterEqual(observed.cpu, observed.truth[0] - observed.sum_of("free")[0] - tolerance, observed)

    def test_daemons_whose_parent_was_never_seen(self):
        self.check("daemons_at_once", ("preload", "shell"))

    def test_short_children_of_a_program_that_ignores_their_ends(self):
        self.check("ignored_and_short", LEADERS)


if __name__ == "__main__":
    pillion.main()
