#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of process_memory_mib is judged: what it lets pass, and what not."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jobs import pillion  # noqa: E402
from memory_truth import Looks, check_children, check_memory, judge  # noqa: E402


def looks_of(curve, seconds, step=0.025, count=1, torn=(), floor=None):
    """`curve`: MiB of PSS and of private memory at a time; `torn`: from when to when the looks are."""
    lines = []
    for i in range(int(seconds / step)):
        at = i * step
        pss, private = curve(at)
        is_torn = any(start < at < end for start, end in torn)
        lines.append("%.4f %.4f %.3f %.3f %.3f %d 0.00 %d 0 %.3f" % (
            at, at + 0.002, pss, private, pss, count, is_torn, pss if floor is None else floor))
    return Looks("\n".join(lines))


def rows_of(values, interval=1.0, children=0):
    return [{"timestamp": (i + 1) * interval, "process_memory_mib": value, "process_children": children}
            for i, value in enumerate(values)]


def constant(pss, private):
    return lambda at: (pss, private)


def step_at(when, before, after):
    return lambda at: before if at < when else after


class Judge(unittest.TestCase):
    def judge(self, curve, values, **looks):
        judged = judge(rows_of(values), looks_of(curve, len(values) + 0.5, **looks))
        return "".join("x" if not row.counts else "!" if row.severity > 1 else "." for row in judged)

    def test_steady_memory_counts_in_each_row_whoever_shares_it(self):
        self.assertEqual(self.judge(constant(300, 300), [300, 284, 286, 316, 314]), ".!.!.")
        self.assertEqual(self.judge(constant(300, 10), [300, 284, 286, 316, 314]), ".!.!.")

    def test_little_memory_has_eight_mebibytes(self):
        self.assertEqual(self.judge(constant(20, 20), [20, 27, 29, 13, 11]), "..!.!")

    def test_private_growth_counts_from_its_second_row(self):
        grown = step_at(2.5, (100, 100), (300, 300))
        self.assertEqual(self.judge(grown, [100, 100, 100, 300, 300]), "..x..")
        self.assertEqual(self.judge(grown, [100, 100, 100, 100, 100]), "..x!!")
        slowly = lambda at: (100 + 50 * at, 90 + 50 * at)  # noqa: E731
        self.assertEqual(self.judge(slowly, [150, 200, 250, 100, 100]), "x..!!")

    def test_shared_memory_that_moves_counts_when_two_intervals_were_steady(self):
        copied = step_at(2.5, (300, 5), (600, 600))
        self.assertEqual(self.judge(copied, [300, 300, 300, 300, 300, 600]), "..xx!.")

    def test_a_row_in_the_midst_of_a_fall_may_be_of_either_side(self):
        falls = step_at(3.05, (300, 300), (5, 5))
        self.assertEqual(self.judge(falls, [300, 300, 300, 5, 5]), "...x.")
        judged = judge(rows_of([300, 300, 5, 5]), looks_of(falls, 5))
        self.assertEqual(judged[2].error, 0)

    def test_a_torn_look_excuses_and_tells_nothing_else(self):
        forks = lambda at: (500, 5) if 2.9 < at < 3.1 else (300, 5)  # noqa: E731
        self.assertEqual(self.judge(forks, [300, 300, 550, 300], torn=[(2.9, 3.1)]), "..!.")
        self.assertEqual(self.judge(forks, [300, 300, 500, 300], torn=[(2.9, 3.1)]), "....")
        self.assertEqual(self.judge(forks, [300, 300, 500, 300], torn=[(2.8, 3.2)]), "..x.")
        looks = looks_of(forks, 4.5)
        lines = ["%.4f %.4f %.3f %.3f 0 1 0 0 %d 0" % (
            look.began, look.ended, look.pss, look.private, 3.1 < look.began < 3.13) for look in looks.all]
        self.assertEqual([look.torn for look in Looks("\n".join(lines)).all].count(True), 2)

    def test_a_row_between_two_programs_may_be_of_neither(self):
        self.assertEqual(self.judge(constant(300, 300), [300, 300, 20], floor=2), "...")
        self.assertEqual(self.judge(constant(300, 300), [300, 300, 20]), "..!")

    def test_a_row_that_nobody_looked_at_does_not_count_and_is_told(self):
        looks = looks_of(constant(100, 100), 1.5)
        judged = judge(rows_of([100, 100]), looks)
        self.assertEqual([row.why for row in judged], ["", "unseen"])
        self.assertEqual(len(check_memory(judged)[0]), 1)

    def test_where_looks_are_rare_the_next_on_either_side_stand_for_the_row(self):
        looks = looks_of(step_at(2.02, (300, 300), (5, 5)), 4, step=0.4)
        self.assertEqual([(look.began, look.pss) for look in looks.around(2.01)], [(2.0, 300), (2.4, 5)])
        self.assertEqual(looks.around(0)[0].began, 0)
        self.assertEqual(looks.around(9)[-1].began, 3.6)

    def test_an_empty_cell_is_wrong_where_there_is_a_process(self):
        judged = judge(rows_of([100, None]), looks_of(constant(1, 1), 2.5))
        self.assertIn("row 2.000: None MiB", check_memory(judged)[0][1])
        judged = judge(rows_of([1, None]), looks_of(constant(0, 0), 2.5, count=0))
        self.assertEqual(check_memory(judged)[0], [])

    def test_the_maximum_is_that_of_the_rows_instants(self):
        peak = lambda at: (900, 900) if 1.2 < at < 1.7 else (100, 100)  # noqa: E731
        complaints, most, low, high = check_memory(judge(rows_of([100, 100, 100]), looks_of(peak, 4)))
        self.assertEqual((complaints, most, low, high), ([], 100, 100, 100))
        self.assertIn("maximum", check_memory(judge(rows_of([100, 900, 100]), looks_of(peak, 4)))[0][-1])

    def test_children_are_counted_where_nobody_comes_or_goes(self):
        judged = judge(rows_of([10, 10], children=3), looks_of(constant(10, 10), 3, count=4))
        self.assertEqual(check_children(judged), [])
        judged = judge(rows_of([10, 10], children=2), looks_of(constant(10, 10), 3, count=4))
        self.assertEqual(len(check_children(judged)), 2)

    def test_one_who_lives_between_two_looks_is_in_one_row_at_most(self):
        looks = looks_of(constant(10, 10), 4, count=1)
        judged = judge(rows_of([10, 10, 10]), looks)
        judged[1].children = 1
        self.assertEqual(check_children(judged), [])
        judged[2].children = 1
        self.assertEqual(len(check_children(judged)), 1)


if __name__ == "__main__":
    pillion.main()
