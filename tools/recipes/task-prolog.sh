#!/bin/sh
# Slurm: every task of every job is observed. For administrators: TaskProlog=/etc/slurm/task-prolog.sh in slurm.conf.
#
# slurmstepd runs this as the user before each task, and obeys what it prints. A step is one run for each of its nodes, a
# batch script is one, too; prolog, srun and slurmstepd are none. A user switches it off by PILLION_DISABLE=1 in the job
# (sbatch --export=ALL,PILLION_DISABLE=1), the site for all by PILLION_DISABLE=yes in /etc/pillion.conf.
#
# To change: nothing. Settings for all stand in /etc/pillion.conf of each node.
library=/usr/lib/pillion/libpillion.so

[ -r "$library" ] || exit 0
case ${LD_PRELOAD-} in
*libpillion.so*) ;;
*) echo "export LD_PRELOAD=$library${LD_PRELOAD:+:$LD_PRELOAD}" ;;
esac
