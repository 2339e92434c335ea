#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run's rows, its totals, `show --json` and `show` say the same; and where one of them does not, that is seen."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agreement import Agreement, figures  # noqa: E402
from jobs import LEADERS, leader_argv, pillion  # noqa: E402

SCRIPT = "x = bytearray(40 << 20); open('file', 'wb').write(x); sum(range(10 ** 7))"


class AllFour(pillion.PillionTest):
    def observe(self, leader):
        env = self.env(PILLION_DIR=self.tmp / leader, PILLION_INTERVAL="0.1", PILLION_CLOUD="off")
        os.mkdir(env["PILLION_DIR"], 0o700)
        result = self.launch(*leader_argv(leader, [sys.executable, "-c", SCRIPT]), preload=leader != "run", env=env)
        self.assertEqual(result.status, 0, result)
        return pillion.runs(env["PILLION_DIR"])[0], env

    def test_they_agree_under_each_leader(self):
        for leader in LEADERS:
            with self.subTest(leader=leader):
                run, env = self.observe(leader)
                self.assertEqual(Agreement(run, env, 2).check(), [])

    def test_a_row_that_differs_is_seen(self):
        run, env = self.observe("preload")
        path = run.path / "metrics.csv"
        names = pillion.HEADER.split(",")
        lines = path.read_text().splitlines()
        cells = lines[-1].split(",")
        cells[names.index("process_utime")] = "7.000000"
        path.write_text("\n".join(lines[:-1] + [",".join(cells)]) + "\n")
        self.assertIn("totals' and rows' CPU", "\n".join(Agreement(pillion.Run(run.path), env, 2).check()))
        # The rows were read before the change, the summary after it.
        self.assertIn("summary's mean and rows' sum of CPU", "\n".join(Agreement(run, env, 2).check()))

    def test_figures_of_the_page_are_read_with_the_half_of_their_last_digit(self):
        self.assertEqual(figures("0.374 s (user 0.27 s, system 0.10 s)"),
                         [(0.374, 0.0005), (0.27, 0.005), (0.10, 0.005)])
        self.assertEqual(figures("2 min 05 s"), [(125, 0.5)])
        self.assertEqual(figures("1.0 GiB     92 B"), [(2 ** 30, 0.05 * 2 ** 30), (92, 0.5)])


if __name__ == "__main__":
    pillion.main()
