#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Batch scripts under a real Slurm: the runs that pillion(7) says, each finished once.

What is told there comes down to: a step is one run for each of its nodes, whatever the number of ranks; srun, mpirun
and the prolog of a task are none; what the script itself starts is a run each, unless the script is preloaded whole.
"""
import json
import os
import pathlib
import pwd
import re
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import slurm  # noqa: E402
from job_recipes import recipe  # noqa: E402
from served import ServedTest, pillion  # noqa: E402

EXPORT = "export LD_PRELOAD=%s\n" % pillion.HOOK
STEP = "sh -c 'sleep 1; exit 0'"


def setUpModule():
    global cluster
    lacking = slurm.missing()
    if (lacking or os.geteuid() != 0) and not os.environ.get("CI"):
        raise unittest.SkipTest("root, slurmctld, slurmd, slurm-client and munge are needed; missing: %s" % lacking)
    cluster = slurm.Slurm(pillion.fresh_folder()).start()
    unittest.addModuleCleanup(cluster.stop)


def called(run):
    """The program, or a script that Slurm runs: a rank is called as its job is, and the program is its task."""
    return run["registration"].get("task_name", run["registration"]["job_name"])


class SlurmTest(ServedTest):
    def submit(self, script, *options, **extra):
        return cluster.submit(script, self.env(**extra), self.work, options)

    def whole(self, script, *options, **extra):
        """The script itself is preloaded."""
        env = self.env(**extra)
        return cluster.submit(script, env, self.work, ["--export=ALL,LD_PRELOAD=%s" % pillion.HOOK, *options])

    def end(self, job, state="COMPLETED", status=0, timeout=60):
        self.assertEqual((job.wait(timeout), job.exit), (state, status), job.output)

    def registered(self):
        return [called(run) for run in list(self.server.runs.values())]

    def all_ended(self):
        return all(run.get("state") == "finished" for run in self.runs())

    def finished(self, *jobs):
        """The runs of these programs and no others, each finished on the server with the rows that are on disk, and
        two requests each. In the order of the names."""
        found = sorted((called(run), run["run_id"]) for run in self.server.runs.values())
        self.assertEqual([name for name, _ in found], sorted(jobs), "\n".join(run.describe() for run in self.runs()))
        self.assertEqual(len(self.runs()), len(jobs))
        pillion.wait_for(self.all_ended, what="the end of a task, a moment after its job's")
        for run in self.runs():
            self.assertDelivered(run)
        self.assertNoComplaints()
        self.assertEqual(len(self.server.requests), 2 * len(jobs), self.server.requests)
        return [self.server.runs[run_id] for _, run_id in found]

    def ends(self, *jobs):
        """Their names and exit codes as the server has them, sorted."""
        return sorted((called(run), run["finish"].get("exit_code")) for run in self.finished(*jobs))

    def ends_at_last(self):
        """The same where Slurm's SIGKILL may come in the midst of a finish, for the script was faster: then by sync."""
        for _ in range(50):
            if self.all_ended():
                break
            time.sleep(0.1)
        else:
            self.sync()
        return sorted((called(run), run["finish"].get("exit_code")) for run in self.server.runs.values())


class Scripts(SlurmTest):
    def test_one_export_line_makes_a_step_one_run_and_each_command_of_the_script_another(self):
        job = self.submit(EXPORT + "hostname\nsleep 0.3\nsrun -n4 " + STEP)
        self.end(job)
        self.assertEqual(self.ends("dash", "hostname", "sleep"), [("dash", 0), ("hostname", 0), ("sleep", 0)])

    def test_a_preload_for_srun_alone_makes_one_run(self):
        self.end(self.submit("hostname\nLD_PRELOAD=%s srun -n4 %s\nsleep 0.1" % (pillion.HOOK, STEP)))
        self.assertEqual(self.ends("dash"), [("dash", 0)])

    def test_the_run_of_a_step_counts_all_ranks_and_ends_as_its_first(self):
        job = self.submit(EXPORT + "srun -n4 sh -c '%s'" % (
            "if [ $SLURM_LOCALID = 0 ]; then sleep 3; exit 4; fi; if [ $SLURM_LOCALID = 3 ]; then "
            "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times; fi; exit 0"))
        self.end(job, "FAILED", 4)
        run, = self.finished("dash")
        self.assertEqual((run["finish"]["exit_code"], run["finish"]["run_status"]), (4, "failed"))
        minutes, seconds = job.output.split()[0].rstrip("s").split("m")
        burnt = int(minutes) * 60 + float(seconds)
        self.assertGreater(sum(row["process_utime"] or 0 for row in run["rows"]), burnt * 0.9)
        totals = self.only_run()["totals"]
        self.assertAlmostEqual(totals["user_s"] + totals["system_s"],
                               sum(row["process_utime"] + row["process_stime"] for row in self.only_run().rows), delta=0.02)
        self.assertGreater(totals["max_rss_kib"], 500)

    def test_a_script_that_is_preloaded_whole_is_one_run_beside_those_of_its_steps(self):
        self.end(self.whole("hostname\nsleep 1\nsrun -n4 %s\nexit 3" % STEP), "FAILED", 3)
        runs = self.ends("dash", "job-0.sh")
        self.assertEqual(runs, [("dash", 0), ("job-0.sh", 3)])

    def test_a_script_that_is_preloaded_whole_and_has_no_steps_is_one_run(self):
        job = self.whole("hostname\nsleep 1\n(sleep 0.5) | cat", "-J", "nightly")
        self.end(job)
        run, = self.finished("nightly")
        told = run["registration"]
        self.assertEqual((told["orchestrator"], told["external_run_id"]), ("slurm", job.number))
        self.assertNotIn("team", told)

    def test_each_task_of_an_array_is_a_run(self):
        self.end(self.whole("sleep 1; exit 0", "--array=0-3", "-n1"))
        self.assertEqual(self.ends(*["job-0.sh"] * 4), [("job-0.sh", 0)] * 4)
        self.assertEqual(sorted(run["registration"]["external_run_id"].split("_")[1] for run in self.server.runs.values()),
                         list("0123"))

    def test_steps_side_by_side_are_a_run_each(self):
        job = self.submit(EXPORT + "srun --overlap -n4 sh -c 'sleep 1; exit 0' &\n"
                                   "srun --overlap -n2 bash -c 'sleep 1; exit 0' &\nwait")
        self.end(job)
        self.finished("bash", "dash")

    def test_the_prolog_of_a_task_is_obeyed_and_no_run(self):
        self.end(self.submit(EXPORT + "srun -n2 sh -c 'echo $FROM_PROLOG'"))
        self.assertIn("yes\nyes\n", pathlib.Path(self.work / "job-0.out").read_text())
        self.finished("dash")

    def test_mpirun_in_a_script_is_one_run_for_each_node(self):
        """By way of srun, which starts orted, which starts the ranks."""
        shutil.which("mpirun") or self.fail("mpirun is missing: install openmpi-bin (tools/check does that)")
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self.end(self.submit(EXPORT + "mpirun -n 8 " + STEP, "-N2", "-n8", **root))
        self.finished(*["dash"] * 2)

    def test_what_another_user_runs(self):
        nobody = pwd.getpwnam("nobody")
        for folder in (self.tmp, self.home, self.dir, self.work):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        for library in (pillion.HOOK, pillion.ENGINE):
            shutil.copy(library, self.work)
            os.chmod(self.work / library.name, 0o644)
        script = "export LD_PRELOAD=%s/%s\nsrun -n4 %s" % (self.work, pillion.HOOK.name, STEP)
        job = cluster.submit(script, self.env(), self.work,
                             preexec_fn=lambda: (os.setgroups([]), os.setgid(nobody.pw_gid), os.setuid(nobody.pw_uid)))
        self.end(job)
        self.assertEqual(self.ends("dash"), [("dash", 0)])
        self.assertEqual({path.stat().st_uid for path in self.dir.rglob("*")}, {nobody.pw_uid})


class Ranks(SlurmTest):
    def step(self, nodes, ranks, **extra):
        script = EXPORT + "srun -N%d -n%d %s" % (nodes, ranks, STEP)
        self.end(self.submit(script, "-N%d" % nodes, "-n%d" % ranks, **extra))

    def test_requests_grow_with_the_nodes_not_with_the_ranks(self):
        self.step(1, 16)
        self.finished("dash")  # two requests a run
        self.step(3, 3)
        self.finished(*["dash"] * 4)
        self.step(3, 24)
        self.finished(*["dash"] * 7)

    def test_every_rank_may_have_a_run(self):
        self.step(3, 6, PILLION_RANKS="all")
        self.finished(*["dash"] * 6)

    def test_the_first_rank_alone_may_have_a_run(self):
        self.step(3, 6, PILLION_RANKS="first")
        self.finished("dash")


class Ends(SlurmTest):
    def test_the_death_of_another_rank_is_not_the_run_s(self):
        job = self.submit(EXPORT + "srun -n4 sh -c 'sleep 1; [ $SLURM_LOCALID != 2 ] || kill -9 $$; exit 0'")
        self.end(job, "FAILED", 137)
        self.assertEqual(self.ends("dash"), [("dash", 0)])

    def test_what_a_killed_first_rank_left_is_delivered_by_sync(self):
        job = self.submit(EXPORT + "srun -n4 sh -c 'sleep 1; [ $SLURM_LOCALID != 0 ] || kill -9 $$; sleep 1'")
        self.end(job, "FAILED", 137)
        self.assertEqual(self.server.finished_runs(), [])
        self.sync()
        self.finished("dash")

    def test_scancel(self):
        hour = {"SLURM_JOB_START_TIME": str(int(time.time())), "SLURM_JOB_END_TIME": str(int(time.time()) + 3600)}
        job = self.submit(EXPORT + "srun -n4 sleep 60", **hour)
        job.wait(states=["RUNNING"])
        pillion.wait_for(lambda: self.server.runs, timeout=30, what="a registration")
        cluster.call("scancel", job.number)
        self.assertEqual(job.wait(), "CANCELLED", job.output)
        self.assertEqual(self.ends("sleep"), [("sleep", 143)])
        self.assertRegex(self.pillion("show").stdout.decode(), "^job-0.sh  killed by SIGTERM\n")

    def test_a_program_that_minds_sigterm_and_scancel(self):
        job = self.submit(EXPORT + "srun -n1 bash -c 'trap \"exit 6\" TERM; while :; do sleep 0.1; done'")
        job.wait(states=["RUNNING"])
        pillion.wait_for(lambda: self.server.runs, timeout=30, what="a registration")
        cluster.call("scancel", job.number)
        self.assertEqual(job.wait(), "CANCELLED")
        self.assertEqual(self.ends("bash"), [("bash", 6)])

    def test_a_script_its_steps_an_array_and_jobs_at_their_time_limit_stand_on_the_screen(self):
        """The jobs of the recipes are run as they stand. Slurm looks at time limits every half minute; all else is over
        long before."""
        for name in ("prepare", "train", "task"):
            (self.work / name).write_text("#!/bin/sh\nsleep 1\nexit 0\n")
            (self.work / name).chmod(0o755)
        recipes = {name: recipe(self.work, name) for name in ("slurm.sbatch", "slurm-array.sbatch")}
        limit = "scontrol update JobId=$SLURM_JOB_ID EndTime=now+2\nsleep 0.1\n" + "".join(
            line + "\n" for line in recipes["slurm.sbatch"].read_text().splitlines() if re.match(r"when\(\)|export SLURM", line))
        limited = self.submit(limit + "LD_PRELOAD=%s srun -n4 sleep 300" % pillion.HOOK, "--time=10", "-J", "endless")
        # Sent before its script runs, the signal is lost: the script makes the limit near, and the next look sends it.
        before, near = ["--time=10", "--signal=B:TERM@70"], "scontrol update JobId=$SLURM_JOB_ID EndTime=now+100\n"
        told = self.whole("trap 'exit 5' TERM\n" + near + "while :; do sleep 0.5; done", *before)
        default = self.whole(near + "while :; do sleep 0.5; done", *before)
        steps = cluster.submit_file(recipes["slurm.sbatch"], self.env(), self.work,
                                    ["--export=ALL,LD_PRELOAD=%s" % pillion.HOOK, "--gpus=1"])
        array = cluster.submit_file(recipes["slurm-array.sbatch"], self.env(), self.work)
        self.end(steps)
        self.end(array)
        self.end(told, "FAILED", 5, timeout=150)
        self.end(default, "FAILED", 143, timeout=150)
        self.assertIn(limited.wait(150), ("TIMEOUT", "FAILED"))  # the script sees srun fail and ends, mostly too late
        self.assertEqual(self.ends_at_last(), [
            ("job-1.sh", 5), ("job-2.sh", 143), ("nightly", 0), ("prepare", 0), ("sleep", 143), *[("sweep", 0)] * 5,
            ("train", 0)])
        self.assertEqual(len(self.runs()), 11)
        self.look_at_the_screen(steps.number, array.number, limited.number)

    def look_at_the_screen(self, steps, array, limited):
        listed = json.loads(self.pillion("list", "--json").stdout)
        rows = {run["job"]: run for run in listed}
        self.assertEqual({run["state"] for run in listed}, {"finished"})
        names = {steps: "nightly", steps + ".0": "nightly", steps + ".1": "nightly", limited + ".0": "endless",
                 **{"%s_%d" % (array, index): "sweep" for index in range(5)}}
        self.assertEqual({job: rows[job]["name"] for job in names}, names)
        for job, task, cpus, memory, seconds in ((steps + ".0", "prepare", 4, 512, 600), (steps + ".1", "train", 4, 512, 600)):
            row = rows[job]
            self.assertEqual((row["task"], row["asked_cpus"], row["asked_memory_mib"], row["asked_s"], row["rank"],
                              row["ranks"], row["partition"]), (task, cpus, memory, seconds, 0, 4, "all"), row)
        self.assertEqual(rows[steps]["asked_gpus"], 1)
        self.assertEqual([rows["%s_%d" % (array, index)]["array_index"] for index in range(5)], list(range(5)))
        self.assertEqual({rows["%s_%d" % (array, index)]["asked_memory_mib"] for index in range(5)}, {256})
        self.assertEqual([run["job"] for run in listed if run.get("ended_by")], [limited + ".0"])
        screen = self.pillion("list", "--plain", env=self.env(COLUMNS="160")).stdout.decode()
        for job, words in ((steps + ".1", r"nightly +%s.1 +train +4 cores, 512 MiB, 1 GPU, 10 min "),
                           (array + "_3", r"sweep +%s_3 .* 256 MiB"), (limited + ".0", "endless +%s.0 +sleep .* time limit")):
            self.assertRegex(screen, words % job.split(".")[0].split("_")[0])
        run, = (run for run in self.runs() if run["registration"].get("external_run_id") == limited + ".0")
        shown = self.pillion("show", run["id"]).stdout.decode()
        self.assertIn("endless  killed by SIGTERM at the job's time limit", shown)
        self.assertIn("%s.0, sleep, led by rank 0 of 4, partition all" % limited, shown)


if __name__ == "__main__":
    pillion.main()
