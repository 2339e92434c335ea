#!/bin/sh
# MPICH, Intel MPI and others started by Hydra: one run for each node, with all its ranks; mpiexec itself is none.
#
# To change: the number of ranks, and the program (./train). Hydra hands on the other variables of the environment.
exec mpiexec -n "${RANKS:-4}" -genv LD_PRELOAD /usr/lib/pillion/libpillion.so ./train
