#!/bin/sh
# Flux, in a batch script or an allocation: flux batch -n4 flux.sh
#
# The tasks of flux run are one run for each node. Flux tells its tasks no name of the job: TRACKER_JOB_NAME does.
#
# To change: the number of tasks and cores, the time, and the program (./train).
flux run --ntasks=4 --cores-per-task=1 --time-limit=10m --env=LD_PRELOAD=/usr/lib/pillion/libpillion.so \
    --env=TRACKER_JOB_NAME=nightly ./train
