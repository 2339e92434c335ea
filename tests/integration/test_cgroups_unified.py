#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Control groups of version 2 as a machine of today has them, nested and in namespaces, and one that is frozen.

This wants root and a machine whose controllers are all in version 2; elsewhere that is said. tests/systems has one."""
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, pillion  # noqa: E402
from test_cgroups import BURN, FILLS, MEMORY, CgroupTest  # noqa: E402

ROOT = pathlib.Path("/sys/fs/cgroup")
INTERVAL = 0.1
SPINS = "import sys\nprint('on', flush=True)\nwhile True: pass\n"


def why_not():
    try:
        if not {"cpu", "memory"} <= set((ROOT / "cgroup.controllers").read_text().split()):
            return "cpu and memory are not among the controllers of version 2 here"
    except OSError:
        return "/sys/fs/cgroup is not of version 2"
    return None if os.geteuid() == 0 else "only root makes control groups"


def cpu(row):
    return row["process_utime"] + row["process_stime"]


class Unified(CgroupTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if why_not():
            raise unittest.SkipTest(why_not())

    def make(self, name, above=None, **files):
        """A control group; files: memory_max="64M" and so on. Its parent gives it every controller that it has itself."""
        above = above or ROOT
        for controller in (above / "cgroup.controllers").read_text().split():
            if controller in ("cpu", "memory", "cpuset"):
                (above / "cgroup.subtree_control").write_text("+" + controller)
        return self.bare("%s-%d" % (name, os.getpid()), above, **files)

    def bare(self, name, above, **files):
        path = above / name
        path.mkdir()
        self.addCleanup(self.drop, path)
        for file, value in files.items():
            (path / file.replace("_", ".")).write_text(str(value))
        return path

    @staticmethod
    def drop(path):
        (path / "cgroup.freeze").write_text("0")
        (path / "cgroup.kill").write_text("1")

        def gone():
            try:
                path.rmdir()
                return True
            except OSError:
                return not path.exists()
        pillion.wait_for(gone, 20, "an empty control group")

    def entering(self, path):
        return lambda: (path / "cgroup.procs").write_text(str(os.getpid()))

    def run_in(self, path, script, before=()):
        return self.launch(*before, "sh", "-c", script, preexec_fn=self.entering(path))

    def usage(self, path):
        return dict(line.split() for line in (path / "cpu.stat").read_text().splitlines())


class Nested(Unified):
    SCRIPT = "%s; %s -S -c '%s'; exit 3" % (FILLS, PYTHON, BURN)

    def assertLimits(self, inner, where, limits):
        """The tags, and that throttling is that of `where`, and a kill is found wherever its limit stands."""
        result = self.spared(lambda: self.run_in(inner, self.SCRIPT))
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), limits, run.describe())
        throttled = int(self.usage(where)["nr_throttled"])
        self.assertBetween(run["cgroup"]["cpu_periods_throttled"], 1, throttled)
        text = self.assertKilled(run)
        self.assertRegex(text, r"Throttled +[0-9.]+ m?s of CPU withheld, in [0-9]+ of [0-9]+ periods")
        self.assertDelivered(run)
        self.assertNoComplaints()

    def assertBetween(self, value, low, high):
        self.assertTrue(low <= value <= high, "%r is not from %r to %r" % (value, low, high))

    def test_a_tighter_parent_decides(self):
        outer = self.make("outer", memory_max=MEMORY, memory_swap_max=0, cpu_max="50000 100000")
        inner = self.make("inner", outer, memory_max=4 * MEMORY, cpu_max="150000 100000")
        self.assertLimits(inner, outer, {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"})

    def test_a_tighter_child_decides(self):
        outer = self.make("outer", memory_max=8 * MEMORY, cpu_max="max 100000")
        inner = self.make("inner", outer, memory_max=MEMORY, memory_swap_max=0, cpu_max="50000 100000")
        self.assertLimits(inner, inner, {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"})

    def test_a_child_without_the_controllers_is_its_parents(self):
        """As the leaf that a batch system makes for each task below what it limits."""
        outer = self.make("outer", memory_max=MEMORY, memory_swap_max=0, cpu_max="50000 100000")
        inner = self.bare("task", outer)
        self.assertFalse((inner / "memory.events").exists())
        self.assertLimits(inner, outer, {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"})

    def test_a_group_that_is_killed_whole_is_told_with_all_its_processes(self):
        group = self.make("whole", memory_max=MEMORY, memory_swap_max=0)
        (group / "memory.oom.group").write_text("1")
        result = self.run_in(group, "sleep 2; %s & wait" % FILLS)
        self.assertEqual(result.status, -9, result)
        killed = int(dict(line.split() for line in (group / "memory.events").read_text().splitlines())["oom_kill"])
        self.assertGreaterEqual(killed, 2)
        text, shown = self.show()
        self.assertEqual(shown["cgroup"]["oom_kills"], killed)
        self.assertIn("%d processes were killed for memory in its cgroup\n" % killed, text)

    def test_the_cpus_of_a_cpuset_are_a_tag(self):
        group = self.make("set", cpuset_cpus="0")
        self.assertEqual(self.run_in(group, "sleep 0.3; exit 3").status, 3)
        self.assertEqual(self.tags(), {"cpus_allowed": "1"} if os.cpu_count() > 1 else {})


class Namespaces(Unified):
    def test_a_namespace_that_mounts_its_part_of_the_tree_sees_its_limits(self):
        group = self.make("container", memory_max=MEMORY, memory_swap_max=0, cpu_max="50000 100000")
        enter = "set -e\numount /sys/fs/cgroup\nmount -t cgroup2 cgroup2 /sys/fs/cgroup\nLD_PRELOAD=%s exec sh -c \"$0\"" % pillion.HOOK
        script = "test $(cat /proc/self/cgroup) = 0::/ && %s; %s -S -c '%s'; exit 3" % (FILLS, PYTHON, BURN)
        result = self.spared(lambda: self.launch("unshare", "--cgroup", "--mount", "sh", "-c", enter, script,
                                                 preload=False, preexec_fn=self.entering(group)))
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"}, run.describe())
        self.assertGreaterEqual(run["cgroup"]["cpu_periods_throttled"], 1)
        self.assertGreaterEqual(run["cgroup"]["oom_kills"], 1)

    def test_a_namespace_that_still_sees_the_whole_tree_is_told_nothing_that_is_not_its_own(self):
        group = self.make("alone", memory_max=MEMORY, cpu_max="150000 100000")
        other = self.make("other", memory_max=2 * MEMORY)
        enter = "LD_PRELOAD=%s exec sh -c 'sleep 0.3; exit 3'" % pillion.HOOK
        result = self.launch("unshare", "--cgroup", "sh", "-c", enter, preload=False, preexec_fn=self.entering(group))
        self.assertEqual(result.status, 3, result)
        self.assertEqual(self.tags(), {})
        self.assertNotIn("oom_kills", self.only_run().get("cgroup") or {})
        self.assertTrue(other.exists())

    def test_where_only_one_process_may_be_the_program_ends_as_without(self):
        group = self.make("one")
        (ROOT / "cgroup.subtree_control").write_text("+pids")
        (group / "pids.max").write_text("1")
        result = self.launch(PYTHON, "-S", "-c", "raise SystemExit(3)", preexec_fn=self.entering(group))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))


class Frozen(Unified):
    def frozen(self, path, yes):
        (path / "cgroup.freeze").write_text("1" if yes else "0")
        events = path / "cgroup.events"
        pillion.wait_for(lambda: ("frozen %d" % yes) in events.read_text(), 20, "frozen %d" % yes)

    def rows(self):
        runs = self.runs()
        return len(runs[0].raw_rows) if runs else 0

    def more_rows(self, count):
        goal = self.rows() + count
        pillion.wait_for(lambda: self.rows() >= goal, 60, "%d rows" % goal)

    def test_rows_stop_and_go_on_without_a_jump_or_a_burst(self):
        """No time is made up for: one row covers the pause, and all rows together are what the cgroup used."""
        group = self.make("cold")
        program = self.start(PYTHON, "-S", "-c", SPINS, preexec_fn=self.entering(group))
        self.more_rows(3)
        pauses = []
        for _ in range(2):
            self.frozen(group, True)
            time.sleep(0.5)
            count, began = self.rows(), time.time()
            time.sleep(2)
            self.assertEqual(self.rows(), count)
            pauses.append((began, time.time()))
            self.frozen(group, False)
            self.more_rows(4)
        program.signal(15)
        self.assertEqual(program.wait().status, -15)
        run = self.only_run()
        rows = run.rows
        for began, ended in pauses:
            self.assertEqual([row for row in rows if began < row["timestamp"] < ended], [])
        # A row that comes late is followed by one at its time, and one that was caught in its midst by one at once.
        stamps = [row["timestamp"] for row in rows]
        for first, fourth in zip(stamps, stamps[3:]):
            self.assertGreater(fourth - first, INTERVAL * 0.99)
        for before, after in zip(rows, rows[1:]):
            self.assertLessEqual(cpu(after), after["timestamp"] - before["timestamp"] + 0.5)
        self.assertLessEqual(sum(map(cpu, rows)), int(self.usage(group)["usage_usec"]) / 1e6 + 0.1)
        self.assertDelivered(run)
        self.assertNoComplaints()


if __name__ == "__main__":
    pillion.main()
