#!/bin/sh
# Slurm: what a job's nodes could not deliver goes to Sentinel when it ends, and what still does not is told in the system
# log. For administrators: Epilog=/etc/slurm/epilog.sh in slurm.conf, so that root runs this on each node of a job.
#
# Runs of killed jobs are finished here. It is done as the job's user, with that user's HOME and with the token that
# SENTINEL_API_TOKEN_FILE in /etc/pillion.conf names: the job's own environment is gone. A node is not drained whatever
# happens, and waits for 60 seconds at most.
#
# To change: the seconds, and where it is told.
PATH=/usr/lib/pillion:/usr/local/bin:/usr/bin:/bin
seconds=60
tell() { logger -t pillion -- "job $SLURM_JOB_ID of $SLURM_JOB_USER on $(uname -n): $1"; }

[ -n "${SLURM_JOB_USER-}" ] && command -v pillion >/dev/null || exit 0
group=$(id -g "$SLURM_JOB_USER") || exit 0
left=$(timeout -k 5 "$seconds" setpriv --reuid="$SLURM_JOB_USER" --regid="$group" --init-groups --reset-env \
    env PATH="$PATH" pillion sync 2>&1)
status=$?
case $status in
0) ;; # nothing is left
124 | 137) tell "not all runs were delivered within $seconds s; the next job, or pillion sync, goes on" ;;
*) printf '%s\n' "$left" | grep -v -e ' delivered$' -e ' still running$' | while IFS= read -r line; do tell "$line"; done ;;
esac
exit 0
