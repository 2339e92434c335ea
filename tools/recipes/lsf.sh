#!/bin/sh
# IBM Spectrum LSF: bsub < lsf.sh
#
# The ranks of mpirun are one run for each node. LSF calls a job without a name by its whole command line, which may have
# secrets in it, so pillion does not take it: TRACKER_JOB_NAME does. For an array: #BSUB -J "nightly[1-5]".
#
# To change: the #BSUB lines, and the program (./train).
#BSUB -J nightly
#BSUB -n 4
#BSUB -R "span[hosts=1] rusage[mem=512MB]"
#BSUB -W 10

export TRACKER_JOB_NAME=nightly
mpirun -n 4 -x LD_PRELOAD=/usr/lib/pillion/libpillion.so -x TRACKER_JOB_NAME ./train
