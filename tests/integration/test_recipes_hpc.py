#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes of batch systems that cannot be had here: their scripts run with the variables that these systems set, by
their own documentation (qsub(1B), "Environment variables set for job execution" of LSF, flux-environment(7)). Recipes of
Slurm: test_slurm.py; of Open MPI and MPICH: tests/programs/test_real_mpi.py."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, pillion  # noqa: E402
from job_recipes import RECIPES, recipe  # noqa: E402, of tests/support

MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_plm": "isolated"}

# What flux run does for a job of one node, as far as its tasks see it.
FLUX = r"""#!/bin/sh
[ "$1" = run ] || exit 2
shift
for word; do
    case $word in
    --ntasks=*) tasks=${word#*=} ;;
    --env=*) export "${word#*=}" ;;
    --*) ;;
    *) break ;;
    esac
    shift
done
rank=0
while [ $rank -lt $tasks ]; do
    FLUX_JOB_ID=f2uzsjmtHyj FLUX_JOB_SIZE=$tasks FLUX_JOB_NNODES=1 FLUX_TASK_RANK=$rank FLUX_TASK_LOCAL_ID=$rank "$@" &
    rank=$((rank + 1))
done
wait
"""


class Recipes(LocalTest):
    def listed(self, name, **variables):
        """The one run of it, as list --json has it."""
        (self.work / "train").write_text("#!/bin/sh\nsleep 0.3\n")
        (self.work / "train").chmod(0o755)
        script = recipe(self.tmp, name)
        subprocess.run(["sh", "-n", script], check=True)
        result = self.launch("sh", script, preload=False, env=self.env(**dict(MPI, **variables)))
        self.assertEqual((result.status, result.stdout), (0, b""), result)
        run, = json.loads(self.pillion("list", "--json").stdout)
        self.assertEqual((run["state"], run["exit_code"], run["name"]), ("local", 0, "nightly"), run)
        return run

    def seen(self, run, *keys):
        return tuple(run.get(key) for key in keys)

    def test_pbs(self):
        shutil.which("mpirun") or self.fail("mpirun is missing: install openmpi-bin (tools/check does that)")
        run = self.listed("pbs.sh", PBS_JOBID="1234.head.cluster", PBS_JOBNAME="nightly", PBS_QUEUE="workq", NCPUS="4",
                          PBS_O_WORKDIR=str(self.work), PBS_ENVIRONMENT="PBS_BATCH", PBS_O_QUEUE="workq")
        self.assertEqual(self.seen(run, "job", "task", "partition", "rank", "ranks", "asked_cpus"),
                         ("1234", "train", "workq", 0, 4, 4), run)
        self.assertIn("PBS gave     4 cores\n", self.pillion("show").stdout.decode())

    def test_lsf(self):
        run = self.listed("lsf.sh", LSB_JOBID="1234", LSB_JOBINDEX="3", LSB_JOBNAME="nightly[1-5]", LSB_QUEUE="normal",
                          LSB_MCPU_HOSTS="node7 4 ", LSB_DJOB_NUMPROC="4", LSB_HOSTS="node7 node7 node7 node7")
        self.assertEqual(self.seen(run, "job", "task", "partition", "array_index", "rank", "ranks", "asked_cpus"),
                         ("1234[3]", "train", "normal", 3, 0, 4, 4), run)

    def test_flux(self):
        (self.tmp / "bin").mkdir()
        (self.tmp / "bin" / "flux").write_text(FLUX)
        (self.tmp / "bin" / "flux").chmod(0o755)
        run = self.listed("flux.sh", PATH="%s:%s" % (self.tmp / "bin", os.environ["PATH"]))
        self.assertEqual(self.seen(run, "job", "task", "rank", "ranks"), ("f2uzsjmtHyj", "train", 0, 4), run)

    def test_what_only_the_system_reads_has_the_words_of_its_documentation(self):
        for name, prefix, lines in (("pbs.sh", "#PBS", {"-N nightly", "-l select=1:ncpus=4:mpiprocs=4:mem=512mb", "-l walltime=00:10:00"}),
                                    ("lsf.sh", "#BSUB", {"-J nightly", "-n 4", "-R \"span[hosts=1] rusage[mem=512MB]\"", "-W 10"})):
            found = re.findall("^%s (.+)$" % prefix, (RECIPES / name).read_text(), re.M)
            self.assertEqual(set(found), lines, name)


class TimeLimit(LocalTest):
    def test_a_signal_is_a_time_limit_only_where_the_system_tells_that_it_was_then(self):
        """A limit that is over for minutes has been raised since: the variables are of the job's start."""
        programs = []
        now = int(time.time())

        def slurm(start, end):
            return {"SLURM_JOB_ID": "7", "SLURM_JOB_START_TIME": str(now + start), "SLURM_JOB_END_TIME": str(now + end)}

        for expected, variables in (
                ("time limit", slurm(-600, 0)), ("time limit", slurm(-600, -31)), (None, slurm(-600, 600)),
                (None, slurm(-600, -3000)), (None, slurm(-7200, -600)), (None, {"SLURM_JOB_ID": "7"}),
                ("time limit", {"PBS_JOBID": "7", "PBS_WALLTIME": "1"}), (None, {"PBS_JOBID": "7", "PBS_WALLTIME": "600"}),
                (None, {})):
            program = self.start("sleep", "60", env=self.env(**variables))
            programs.append((program, expected, variables))
        time.sleep(0.5)
        for program, _, _ in programs:
            program.process.terminate()
            program.wait()
        listed = {int(run["id"].split("-")[-1]): run for run in json.loads(self.pillion("list", "--json").stdout)}
        for program, expected, variables in programs:
            run = listed[program.process.pid]
            shown = self.pillion("show", run["id"]).stdout.decode().splitlines()[0]
            self.assertEqual(run.get("ended_by"), expected, variables)
            self.assertEqual("at the job's time limit" in shown, expected is not None, (shown, variables))


if __name__ == "__main__":
    pillion.main()
