#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""While a tree stands still: its processes counted, and its memory against the sum of all Pss."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jobs import JOBS, LEADERS, LONG, TruthTest, leader_argv, pillion  # noqa: E402

# Within a budget each process's memory is read anew at least every 30 rows, and estimated in between: from then on,
# rows are looked at until one is right, for so long at most.
ROWS, MOST_ROWS = 10, 100


def below(root):
    """Every process below this one."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parents.setdefault(pillion.process_parent(int(name)), []).append(int(name))
    found, left = [], [root]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def pss(pid):
    """MiB. By a thread that lives: the first may have left."""
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/smaps_rollup" % (pid, thread)) as file:
                for line in file:
                    if line.startswith("Pss:"):
                        return int(line.split()[1]) / 1024
        except OSError:
            pass
    return 0


def is_near(column, truth):
    return abs(column - truth) <= max(truth * 0.02, 1)


class Plateau(TruthTest):
    def stand(self, leader, shape, count, mib, processes):
        """The last row of a tree at rest, and what /proc says of that tree."""
        self.observed += 1
        work = self.work / str(self.observed)
        state = self.tmp / ("state-%d" % self.observed)
        work.mkdir()
        state.mkdir(mode=0o700)
        rows, records = work / "rows", work / "records"
        env = self.env(PILLION_DIR=state, PILLION_INTERVAL="0.05", PILLION_CLOUD="off", PILLION_OUTPUT=rows,
                       JOB_RECORDS=records)
        program = self.start(*leader_argv(leader, [JOBS / "plateau_jobs", shape, count, mib]), env=env, cwd=work,
                             preload=leader != "run")

        def lines(path):
            return path.read_text().count("\n") if path.exists() else 0

        pillion.wait_for(lambda: lines(records) >= processes, 60, "the tree stands")
        there = lines(rows)
        wanted = there + ROWS
        while True:
            pillion.wait_for(lambda: lines(rows) >= wanted, 60, "rows")
            last = pillion.check_csv(rows.read_text().rsplit("\n", 1)[0] + "\n")[-1]
            root = last["process_pid"] if leader == "run" else program.pid
            tree = below(root)
            memory = sum(pss(pid) for pid in tree + [root])
            if is_near(last["process_memory_mib"], memory) or wanted >= there + MOST_ROWS:
                break
            wanted = lines(rows) + 1
        (work / "end").touch()
        result = program.wait(60)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return last, len(tree), memory

    def check(self, shape, count, mib, processes):
        for leader in LEADERS:
            with self.subTest(leader=leader):
                last, children, memory = self.stand(leader, shape, count, mib, processes)
                self.assertEqual(children, processes - 1 + (leader == "shell"))
                self.assertEqual(last["process_children"], children)
                self.assertTrue(is_near(last["process_memory_mib"], memory),
                                "row %s, /proc %.2f" % (last["process_memory_mib"], memory))
                if LONG:
                    print("%s %s: %.2f MiB, truth %.2f" % (shape, leader, last["process_memory_mib"], memory))

    def test_children(self):
        self.check("hold_in_children", 3, 8, 4)

    def test_children_that_share_their_parents_memory(self):
        self.check("share_with_children", 3, 16, 4)

    def test_grandchildren(self):
        self.check("hold_in_grandchildren", 2, 8, 5)

    def test_processes_whose_first_thread_has_left(self):
        self.check("hold_without_first_thread", 2, 8, 5)

    def test_children_of_threads(self):
        self.check("hold_in_children_of_threads", 2, 8, 3)

    def test_zombies(self):
        self.check("keep_zombies", 3, 8, 4)


if __name__ == "__main__":
    pillion.main()
