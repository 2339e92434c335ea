#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real control groups: what they allow is told when a run is registered, and what they do to it is in the run.

Version 1 or 2, whichever this machine has for a controller; where none can be made, that is said.
"""
import contextlib
import json
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sentinel_server import tag_pairs  # noqa: E402
from served import PYTHON, ServedTest, pillion  # noqa: E402
import bundle  # noqa: E402

MIB = 1 << 20
MEMORY = 64 * MIB
BURN = "import time\nwhile time.process_time() < 0.15: pass\n"
FILL = "x = bytearray(%d)" % (4 * MEMORY)
FILLS = "(echo 1000 > /proc/self/oom_score_adj; exec %s -S -c '%s')" % (PYTHON, FILL)


def hierarchies(controller):
    """Directories that may have a child with this controller, the process's own cgroup first, and whether they are of
    version 2."""
    root = pathlib.Path("/sys/fs/cgroup")
    lines = [line.split(":", 2) for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()]
    for _, kinds, path in lines:
        if controller in kinds.split(","):
            tops = [root / controller / path.lstrip("/"), root / kinds / path.lstrip("/"), root / controller, root / kinds]
            return [top for top in tops if top.is_dir()], False
    tops = [root / path.lstrip("/") for _, kinds, path in lines if kinds == ""] + [root]
    return [top for top in tops if controller in words(top / "cgroup.controllers")], True


def words(path):
    return path.read_text().split() if path.exists() else []


class Group:
    """Cgroups of one name, one for each controller that is limited. `cpus`: a quota; `memory`: bytes."""

    def __init__(self, cpus=None, memory=None, name="pillion-test"):
        self.name = "%s-%d" % (name, os.getpid())
        self.paths = []
        try:
            if cpus:
                self.limit("cpu", self.cpu_files(cpus))
            if memory:
                self.limit("memory", self.memory_files(memory))
        except OSError as error:
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
        tops, second = hierarchies(controller)
        error = OSError("no hierarchy has %s" % controller)
        for top in tops:
            try:
                return self.limit_below(top, second, controller, files[second])
            except OSError as refused:
                error = refused
        raise error

    def limit_below(self, top, second, controller, files):
        path = top / self.name
        if second and controller not in words(top / "cgroup.subtree_control"):
            (top / "cgroup.subtree_control").write_text("+" + controller)
        if path not in self.paths:
            path.mkdir()
            self.paths.append(path)
        for name, value in files.items():
            with contextlib.suppress(FileNotFoundError) if name.endswith("?") else contextlib.nullcontext():
                with open(path / name.rstrip("?"), "r+") as file:
                    file.write(str(value))

    def enter(self):
        """In the child, before its program."""
        for path in self.paths:
            (path / "cgroup.procs").write_text(str(os.getpid()))

    def kill(self):
        """Whatever a leader has left behind in it."""
        for pid in {pid for path in self.paths for pid in words(path / "cgroup.procs")}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def remove(self):
        self.kill()
        for path in self.paths:
            pillion.wait_for(lambda: self.removed(path), what="an empty control group")
        self.paths = []

    @staticmethod
    def removed(path):
        try:
            path.rmdir()
            return True
        except OSError:
            return False


class CgroupTest(ServedTest):
    def group(self, **options):
        made = Group(**options)
        self.addCleanup(made.remove)
        return made

    def spared(self, begin):
        """begin() ends with the result of a leader below which memory ran out. Where CPUs are busy the kernel may come
        back for the leader too, and nobody but root of the machine can forbid it: then once more."""
        for _ in range(5):
            result = begin()
            if result.status not in (-9, 137):
                return result
            for path in (self.dir / "runs").iterdir():
                pillion.remove_folder(path)
            self.server.runs.clear()
        raise AssertionError("the kernel killed the leader each time: %s" % result)

    def assertKilled(self, run):
        """So many processes, at least one, and show says so too."""
        kills = run["cgroup"]["oom_kills"]
        self.assertGreaterEqual(kills, 1, run.describe())
        text, shown = self.show()
        self.assertEqual(shown["cgroup"], run["cgroup"])
        self.assertIn("%d process%s killed for memory in its cgroup\n" % (kills, " was" if kills == 1 else "es were"), text)
        return text

    def show(self):
        text = self.pillion("show", env=self.env()).stdout.decode()
        return text, json.loads(self.pillion("show", "--json", env=self.env()).stdout)

    def tags(self):
        run, = self.server.runs.values()
        return dict(tag_pairs(run["registration"].get("tags", [])))


class Limited(CgroupTest):
    def test_limits_are_tags_and_throttling_and_kills_are_in_the_run(self):
        group = self.group(cpus=0.1, memory=MEMORY)
        script = "%s; %s -S -c '%s'; exit 3" % (FILLS, PYTHON, BURN)
        result = self.spared(lambda: self.launch("sh", "-c", script, preexec_fn=group.enter))
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), {"cgroup_cpus": "0.1", "cgroup_memory_mib": "64"}, run.describe())
        self.assertDelivered(run)
        text = self.assertKilled(run)
        self.assertGreaterEqual(run["cgroup"]["cpu_periods"], run["cgroup"]["cpu_periods_throttled"])
        self.assertGreaterEqual(run["cgroup"]["cpu_periods_throttled"], 1, run.describe())
        self.assertGreater(run["cgroup"]["cpu_throttled_s"], 0)
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
        script = "sleep 1.3; %s; exec sh -c 'sleep 0.5; exit 4'" % FILLS
        self.assertEqual(self.spared(lambda: self.launch("sh", "-c", script, preexec_fn=group.enter)).status, 4)
        self.assertKilled(self.only_run())

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

    def test_a_leader_that_is_killed_in_the_cgroup_which_it_entered_before_its_exec(self):
        """As the command of `systemd-run --scope` is."""
        first, second = self.group(memory=MEMORY), self.group(memory=MEMORY, name="pillion-test-second")
        enter = "".join("echo $$ > %s/cgroup.procs; " % path for path in second.paths)
        for _ in range(2):
            before = self.launch(PYTHON, "-S", "-c", FILL, preload=False, preexec_fn=second.enter)
            self.assertEqual(before.status, -9, before)
        script = "sleep 1.3; %sexec %s -S -c 'import time; time.sleep(0.3); %s'" % (enter, PYTHON, FILL)
        result = self.launch("sh", "-c", script, preexec_fn=first.enter)
        self.assertEqual(result.status, -9, result)
        self.assertEqual(self.show()[1]["cgroup"]["oom_kills"], 1)

    def test_a_kill_is_written_down_while_the_run_goes_on(self):
        """The leader is killed when that is written; its cgroup is gone when the run is looked at."""
        def begin():
            program = self.start("sh", "-c", "sleep 1.2; %s; sleep 60" % FILLS, preexec_fn=group.enter)
            pillion.wait_for(lambda: program.ended() or self.told(), 30, "a line on the kill")
            if not program.ended():
                program.signal(signal.SIGKILL)
            result = program.wait()
            if self.told():
                result.status = 0
            return result
        group = self.group(memory=MEMORY)
        self.spared(begin)
        group.kill()
        group.remove()
        self.assertIn("Lost: the program is gone", self.assertKilled(self.only_run()))

    def told(self):
        return self.runs() and self.only_run().get("cgroup")


@unittest.skipUnless(pillion.have("runc") and os.geteuid() == 0, "runc, and root, are needed for a container")
class Contained(CgroupTest):
    def test_a_container_with_limits(self):
        """It is told the machine's path of its cgroups, and sees its own part of them alone."""
        made = bundle.Bundle(self.tmp / "limited")
        self.tmp.chmod(0o755)
        made.add("sh", "sleep", "tail", "yes")
        env = dict(self.server.env(), PATH="/bin", PILLION_INTERVAL="0.1", PILLION_DIR="/data", LD_PRELOAD=made.preload())
        limits = {"memory": {"limit": MEMORY}, "cpu": {"quota": 50000, "period": 100000}}
        script = "yes 0123456789 | (echo 1000 > /proc/self/oom_score_adj; exec tail -c 1000000000) > /dev/null; exit 3"
        def begin():
            container = made.start(["sh", "-c", script], env, binds={"/data": self.dir}, resources=limits)
            self.addCleanup(container.remove)
            return container.wait()
        result = self.spared(begin)
        self.assertEqual(result.status, 3, result)
        run = self.only_run()
        self.assertEqual(self.tags(), {"cgroup_cpus": "0.5", "cgroup_memory_mib": "64"}, run.describe())
        self.assertGreaterEqual(run["cgroup"]["oom_kills"], 1, run.describe())


if __name__ == "__main__":
    pillion.main()
