#!/bin/sh
# OpenPBS, PBS Professional: qsub pbs.sh
#
# The ranks of mpirun are one run for each node, and are called as the job is. For an array add #PBS -J 0-4; each of its
# tasks is a run then. Torque has other -l lines (nodes=1:ppn=4), and tells the time limit.
#
# To change: the #PBS lines, and the program (./train). With MPICH: mpiexec as in mpich.sh.
#PBS -N nightly
#PBS -l select=1:ncpus=4:mpiprocs=4:mem=512mb
#PBS -l walltime=00:10:00

cd "${PBS_O_WORKDIR:?this is a script for qsub}" || exit
mpirun -n 4 -x LD_PRELOAD=/usr/lib/pillion/libpillion.so ./train
