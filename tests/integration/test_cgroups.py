#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real control groups: what they allow is told when a run is registered, and what they do to it is in the run.

Version 1 or 2, whichever this machine has for a controller; where none can be made, that is said.
"""
import contextlib
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, ServedTest, pillion  # noqa: E402
import bundle  # noqa: E402

MIB = 1 << 20
MEMORY = 64 * MIB
BURN = "import time\nwhile time.process_time() < 0.15: pass\n"
FILL = "x = bytearray(%d)" % (4 * MEMORY)


def hierarchy(controller):
    """The directory of this process's own cgroup that has this controller, and whether it is version 2."""
    found = None
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        root = pathlib.Path("/sys/fs/cgroup")
        if controller in kinds.split(","):
            tops = [root / controller / path.lstrip("/"), root / controller, root / kinds / path.lstrip("/"), root / kinds]
            return next((top for top in tops if top.is_dir()), None), False
        if kinds == "":
            tops = [root / path.lstrip("/"), root]
            found = next((top for top in tops if (top / "cgroup.controllers").exists()), None)
    return found, True


class Group:
    """Cgroups of one name, one for each controller that is limited. `cpus`: a quota; `memory`: bytes."""

    def __init__(self, cpus=None, memory=None):
        self.paths = []
        try:
            if cpus:
                self.limit("cpu", self.cpu_files(cpus))
            if memory:
                self.limit("memory", self.memory_files(memory))
        except (OSError, TypeError) as error:
            self.remove()
            raise unittest.SkipTest("no control group with limits can be made here: %s" % error)

    @staticmethod
    def cpu_files(cpus):
        quota = str(int(cpus * 100000))
        return {False: {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": quota}, True: {"cpu.max": quota + " 100000"}}

    @staticmethod
    def memory_files(memory):
        return {False: {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes?": memory},
                True: {"memory.max": memory, "memory.swap.max?": 0}}

    def limit(self, controller, files):
        above, second = hierarchy(controller)
        path = above / ("pillion-test-%d" % os.getpid())
        if second and controller not in (above / "cgroup.subtree_control").read_text().split():
            (above / "cgroup.subtree_control").write_text("+" + controller)
        if path not in self.paths:
            path.mkdir()
            self.paths.append(path)
        for name, value in files[second].items():
            with contextlib.suppress(FileNotFoundError) if name.endswith("?") else contextlib.nullcontext():
                with open(path / name.rstrip("?"), "r+") as file:
                    file.write(str(value))

    def enter(self):
        """In the child, before its program."""
        for path in self.paths:
            (path / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        for path in self.paths:
            pillion.wait_for(lambda: self.removed(path), 10, "an empty control group")
        self.paths = []

    @staticmethod
    def removed(path):
        try:
            path.rmdir()
            return True
        except OSError:
            return False


class CgroupTest(ServedTest):
    def group(self, **limits):
        made = Group(**limits)
        self.addCleanup(made.remove)
        return made

    def show(self):
        text = self.pillion("show", env=self.env()).stdout.decode()
        return text, json.loads(self.pillion("show", "--json", env=self.env()).stdout)

    def tags(self):
        run, = self.server.runs.values()
        return run["registration"].get("tags", {})


class Limited(CgroupTest):
    def test_limits_are_tags_and_throttling_and_kills_are_in_the_run(self):
        group = self.group(cpus=0.1, memory=MEMORY)
        script = "%s -S -c '%s'; %s -S -c '%s'; exit 3" % (PYTHON, FILL, PYTHON, BURN)
        result = self.launch("sh", "-c", script, preexec_fn=group.enter)
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), {"cgroup_cpus": "0.1", "cgroup_memory_mib": "64"}, run.describe())
        self.assertDelivered(run)
        self.assertEqual(run["cgroup"]["oom_kills"], 1, run.describe())
        self.assertGreaterEqual(run["cgroup"]["cpu_periods"], run["cgroup"]["cpu_periods_throttled"])
        self.assertGreaterEqual(run["cgroup"]["cpu_periods_throttled"], 1, run.describe())
        self.assertGreater(run["cgroup"]["cpu_throttled_s"], 0)
        text, shown = self.show()
        self.assertEqual(shown["cgroup"], run["cgroup"])
        self.assertIn("1 process was killed for memory in its cgroup\n", text)
        self.assertRegex(text, r"Throttled +[0-9.]+ m?s of CPU withheld, in [0-9]+ of [0-9]+ periods")
        self.assertNoComplaints()

    def test_what_happened_in_the_cgroup_before_the_run_is_not_the_runs(self):
        group = self.group(memory=MEMORY)
        before = self.launch(PYTHON, "-S", "-c", FILL, preload=False, preexec_fn=group.enter)
        self.assertEqual(before.status, -9, before)
        self.assertEqual(self.launch("sleep", "0.3", preexec_fn=group.enter).status, 0)
        self.assertEqual(self.only_run()["cgroup"]["oom_kills"], 0)
        self.assertNotIn("killed for memory", self.show()[0])

    def test_an_image_that_follows_counts_from_the_first_ones_beginning(self):
        group = self.group(memory=MEMORY)
        script = "sleep 1.3; %s -S -c '%s'; exec sh -c 'sleep 0.5; exit 4'" % (PYTHON, FILL)
        self.assertEqual(self.launch("sh", "-c", script, preexec_fn=group.enter).status, 4)
        self.assertEqual(self.only_run()["cgroup"]["oom_kills"], 1, self.only_run().describe())

    def test_the_users_tags_win(self):
        group = self.group(memory=MEMORY)
        env = self.env(TRACKER_TAGS="cgroup_memory_mib=mine,other=x")
        self.assertEqual(self.launch("sleep", "0.3", env=env, preexec_fn=group.enter).status, 0)
        self.assertEqual(self.tags(), {"cgroup_memory_mib": "mine", "other": "x"})

    def test_fewer_cpus_than_the_machine_has_are_a_tag(self):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2 or len(cpus) < os.cpu_count():
            self.skipTest("only %d of %d CPUs may be used here" % (len(cpus), os.cpu_count()))
        self.launch("sleep", "0.3", preexec_fn=lambda: os.sched_setaffinity(0, cpus[1:2]))
        self.assertEqual(self.tags().get("cpus_allowed"), "1")


class Killed(CgroupTest):
    def test_a_leader_that_is_killed_for_memory_is_said_to_be(self):
        group = self.group(memory=MEMORY)
        result = self.launch(PYTHON, "-S", "-c", "import time; time.sleep(1.5); " + FILL, preexec_fn=group.enter)
        self.assertEqual(result.status, -9, result)
        text, shown = self.show()
        self.assertIn("1 process was killed for memory in its cgroup\n", text)
        self.assertEqual(shown["cgroup"]["oom_kills"], 1)
        self.sync()
        group.remove()
        self.assertEqual(self.only_run()["cgroup"]["oom_kills"], 1, self.only_run().describe())
        self.assertIn("1 process was killed for memory in its cgroup\n", self.show()[0])

    def test_a_kill_is_written_down_while_the_run_goes_on(self):
        group = self.group(memory=MEMORY)
        program = self.start("sh", "-c", "sleep 1.2; %s -S -c '%s'; sleep 60" % (PYTHON, FILL), preexec_fn=group.enter)
        pillion.wait_for(lambda: self.runs() and self.only_run().get("cgroup"), 30, "a line on the kill")
        program.kill()
        for pid in [int(pid) for path in group.paths for pid in (path / "cgroup.procs").read_text().split()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        group.remove()
        text, shown = self.show()
        self.assertIn("unknown: the program is gone", text)
        self.assertIn("1 process was killed for memory in its cgroup\n", text)
        self.assertEqual(shown["cgroup"]["oom_kills"], 1)


@unittest.skipUnless(pillion.have("runc") and os.geteuid() == 0, "runc, and root, are needed for a container")
class Contained(CgroupTest):
    def test_a_container_with_limits(self):
        """It is told the machine's path of its cgroups, and sees its own part of them alone."""
        made = bundle.Bundle(self.tmp / "limited")
        self.tmp.chmod(0o755)
        made.add("sh", "sleep", "tail", "yes")
        env = dict(self.server.env(), PATH="/bin", PILLION_INTERVAL="0.1", PILLION_DIR="/data", LD_PRELOAD=made.preload())
        limits = {"memory": {"limit": MEMORY}, "cpu": {"quota": 50000, "period": 100000}}
        script = "yes 0123456789 | tail -c 1000000000 > /dev/null; sleep 0.5; exit 3"
        container = made.start(["sh", "-c", script], env, binds={"/data": self.dir}, resources=limits)
        self.addCleanup(container.remove)
        result = container.wait()
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"}, run.describe())
        self.assertEqual(run["cgroup"]["oom_kills"], 1, run.describe())


if __name__ == "__main__":
    pillion.main()
