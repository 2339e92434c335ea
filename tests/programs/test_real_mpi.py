# SPDX-License-Identifier: Apache-2.0
"""mpirun: one run per node and step, whatever the number of ranks and however they end."""
import os
import shutil

from compare import HOOK, NONE, RUN, CompareTest, compile_source, need, pillion
import job_recipes  # of tests/support

PROGRAM = r"""
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int rank, size, sum = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    usleep(300 * 1000);
    if (argc > 2 && rank == atoi(argv[1]))
        argv[2][0] == 'a' ? MPI_Abort(MPI_COMM_WORLD, 38) : raise(SIGKILL);
    int mine = rank + 1;
    MPI_Reduce(&mine, &sum, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%d ranks, sum %d\n", size, sum);
    MPI_Finalize();
    return argc == 2 && rank == 0 ? atoi(argv[1]) : 0;
}
"""


class Mpi(CompareTest):
    interval = "0.1"
    watch = False  # MPI tells its ranks ports and numbers of processes

    env_of_mpi = {"OMPI_MCA_btl": "self,vader", "OMPI_MCA_plm": "isolated",
                  "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}

    env_of_recipe = dict(env_of_mpi, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_ALLOW_RUN_AS_ROOT="1",
                         OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    def mpirun(self, *words, ranks=4):
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        return [need("mpirun", "openmpi-bin"), *root, "--oversubscribe", "-n", str(ranks), *words]

    def build(self):
        return compile_source(PROGRAM, self.tmp / "ranks", compiler=need("mpicc", "libopenmpi-dev"))

    def test_four_ranks_are_one_run(self):
        ranks = self.build()
        done = self.compare(self.mpirun(ranks), status=0, env=self.env_of_mpi, rows=2, files=False)
        self.assertEqual(done[NONE].result.stdout, b"4 ranks, sum 10\n")
        self.assertEqual(done[RUN].runs[0]["exit_code"], 0)

    def test_the_totals_of_a_step_are_those_of_its_ranks(self):
        burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 0.5"
        done = self.compare(self.mpirun("sh", "-c", burn, ranks=2), ways=(HOOK,), status=0, env=self.env_of_mpi, files=False)
        run = done[HOOK].runs[0]
        seen = sum(row["process_utime"] + row["process_stime"] for row in run.rows)
        self.assertGreater(seen, 0.1)
        self.assertAlmostEqual(run["totals"]["user_s"] + run["totals"]["system_s"], seen, delta=0.01 + 0.01 * seen)
        self.assertGreater(run["totals"]["max_rss_kib"], 500)
        self.assertFalse(run["totals"]["max_rss_exact"])
        self.assertNotIn("voluntary_switches", run["totals"])

    def test_one_or_eight_ranks_are_one_run(self):
        for number, total in ((1, 1), (8, 36)):
            argv = self.mpirun(self.build(), ranks=number)
            done = self.compare(argv, ways=(HOOK,), status=0, env=self.env_of_mpi, files=False)
            self.assertEqual(done[NONE].result.stdout, b"%d ranks, sum %d\n" % (number, total))

    def test_32_ranks_on_two_cores_are_one_run_which_knows_how_many_they_are(self):
        done = self.one_way(HOOK, self.mpirun(self.build(), ranks=32), env=self.env_of_mpi, files=False)
        self.assertEqual((done.result.status, done.result.stdout), (0, b"32 ranks, sum 528\n"), done.result)
        run, = done.runs
        self.assertEqual((run["state"], run["exit_code"]), ("local", 0), run.describe())
        self.assertRanks(run, 32)

    def assertRanks(self, run, ranks):
        tags = {tag["key"]: tag["value"] for tag in run["registration"]["tags"]}
        self.assertEqual((tags["job_rank"], tags["job_ranks"]), ("0", str(ranks)))

    recipe = "openmpi.sh"

    def test_the_recipe_as_it_stands_makes_one_run(self):
        """Of four ranks; mpirun and the shell before it are none."""
        ranks = self.build()
        script = job_recipes.recipe(self.tmp, self.recipe)
        done = self.one_way(NONE, [need("sh", "dash"), script], env=self.env_of_recipe, files=False,
                            before=lambda folder: shutil.copy(ranks, folder / "train"))
        self.assertEqual((done.result.status, done.result.stdout), (0, b"4 ranks, sum 10\n"), done.result)
        run, = done.runs
        self.assertEqual((run["state"], run["exit_code"]), ("local", 0), run.describe())
        self.assertRanks(run, 4)

    def test_every_rank_or_the_first_may_have_a_run(self):
        argv = self.mpirun(self.build())
        for word, number in (("all", 4), ("first", 1)):
            env = dict(self.env_of_mpi, PILLION_RANKS=word)
            done = self.compare(argv, ways=(HOOK,), status=0, env=env, files=False, runs=False)
            self.assertEqual([run["state"] for run in done[HOOK].runs], ["local"] * number)

    def run_of_rank(self, rank, how):
        """The one run of ranks of which this one aborts or is killed, which ends the others. mpirun's own end differs
        from time to time, without us too: about one in forty waits for itself for ever, in PMIx_server_finalize, when
        all ranks have gone."""
        within = [need("timeout", "coreutils"), "--signal=KILL", "40"]
        argv = within + self.mpirun(self.build(), str(rank), how)
        way = self.one_way(HOOK, argv, env=self.env_of_mpi, files=False)
        self.assertNotEqual(way.result.status, 0, way.result)
        run, = way.runs
        return run

    def test_an_abort_of_the_first_rank_ends_its_run(self):
        run = self.run_of_rank(0, "abort")
        self.assertEqual((run["state"], run["exit_code"]), ("local", 38), run.describe())

    def test_however_a_rank_ends_the_others_the_rows_of_the_run_are_there(self):
        """mpirun sends a SIGTERM and, a millisecond later, the SIGKILL: sometimes there is time for the end."""
        for rank, how in ((2, "abort"), (2, "kill"), (0, "kill")):
            run = self.run_of_rank(rank, how)
            self.assertIn((run.get("state"), run.get("signal")), [("local", 15), ("running", None)], run.describe())
            self.assertGreaterEqual(len(run.rows), 1)

    def test_programs_that_know_nothing_of_mpi(self):
        env = {"OMPI_MCA_plm": "isolated"}
        done = self.compare(self.mpirun("sh", "-c", "sleep 0.3"), status=0, env=env, files=False)
        self.assertEqual(len(done[HOOK].runs), 1)


class Mpich(CompareTest):
    """The same with Hydra, whose proxies start the ranks."""

    interval = "0.1"
    watch = False
    env_of_mpi = env_of_recipe = {}
    recipe = "mpich.sh"
    assertRanks = Mpi.assertRanks
    test_32_ranks_on_two_cores_are_one_run_which_knows_how_many_they_are = (
        Mpi.test_32_ranks_on_two_cores_are_one_run_which_knows_how_many_they_are)

    def mpirun(self, *words, ranks=4):
        return [need("mpiexec.mpich", "mpich"), "-n", str(ranks), *words]

    def build(self):
        return compile_source(PROGRAM, self.tmp / "ranks", compiler=need("mpicc.mpich", "libmpich-dev"))

    def test_every_rank_may_have_a_run(self):
        done = self.one_way(HOOK, self.mpirun(self.build()), env={"PILLION_RANKS": "all"}, files=False)
        ranks = sorted(tag["value"] for run in done.runs for tag in run["registration"]["tags"] if tag["key"] == "job_rank")
        self.assertEqual(ranks, ["0", "1", "2", "3"])

    def test_the_recipe_as_it_stands_makes_one_run(self):
        """Where Open MPI is installed too, Debian calls MPICH's mpiexec by another name."""
        (self.tmp / "bin").mkdir()
        (self.tmp / "bin" / "mpiexec").write_text("#!/bin/sh\nexec %s \"$@\"\n" % need("mpiexec.mpich", "mpich"))
        (self.tmp / "bin" / "mpiexec").chmod(0o755)
        self.env_of_recipe = {"PATH": "%s:%s" % (self.tmp / "bin", os.environ["PATH"])}
        Mpi.test_the_recipe_as_it_stands_makes_one_run(self)


if __name__ == "__main__":
    pillion.main()
