#!/bin/sh
# Open MPI: one run for each node, with all its ranks; mpirun itself is none.
#
# To change: the number of ranks, and the program (./train). -x carries the variable to the ranks of all nodes; other
# variables of pillion's (PILLION_DIR, SENTINEL_API_TOKEN) go the same way: -x PILLION_DIR.
exec mpirun -n "${RANKS:-4}" -x LD_PRELOAD=/usr/lib/pillion/libpillion.so ./train
