# SPDX-License-Identifier: Apache-2.0
"""mpirun -n 4: one run per node and step, whatever the number of ranks."""
import os

from compare import HOOK, NONE, RUN, CompareTest, compile_source, need, pillion

PROGRAM = r"""
#include <mpi.h>
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
    int mine = rank + 1;
    MPI_Reduce(&mine, &sum, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%d ranks, sum %d\n", size, sum);
    MPI_Finalize();
    return argc > 1 && rank == 0 ? atoi(argv[1]) : 0;
}
"""


class Mpi(CompareTest):
    interval = "0.1"
    watch = False  # MPI tells its ranks ports and numbers of processes

    def mpirun(self, *words):
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        return [need("mpirun", "openmpi-bin"), *root, "--oversubscribe", "-n", "4", *words]

    def build(self):
        return compile_source(PROGRAM, self.tmp / "ranks", compiler=need("mpicc", "libopenmpi-dev"))

    def test_four_ranks_are_one_run(self):
        ranks = self.build()
        env = {"OMPI_MCA_btl": "self,vader", "OMPI_MCA_plm": "isolated",
               "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
        done = self.compare(self.mpirun(ranks), status=0, env=env, rows=2, files=False)
        self.assertEqual(done[NONE].result.stdout, b"4 ranks, sum 10\n")
        self.assertEqual(done[RUN].runs[0]["exit_code"], 0)

    def test_programs_that_know_nothing_of_mpi(self):
        env = {"OMPI_MCA_plm": "isolated"}
        done = self.compare(self.mpirun("sh", "-c", "sleep 0.3"), status=0, env=env, files=False)
        self.assertEqual(len(done[HOOK].runs), 1)


if __name__ == "__main__":
    pillion.main()
