#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lets each fuzzer of a build tree run for some seconds from its corpus, which stays as it is, some side by side. What one
# finds is kept in found/ beside it, and printed, for a machine may be gone when its words are read.
#
#   fuzz.sh FOLDER SECONDS JOBS
set -eu
folder=$(cd "$1" && pwd) seconds=$2 jobs=$3
cd "$(dirname "$0")"
work=$(mktemp -d /dev/shm/pillion-fuzzing-XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
export folder seconds work

for file in fuzz_*.c; do
    echo "${file%.c}"
done | xargs -P "$jobs" -n 1 sh -c '
    name=${1#fuzz_}
    mkdir -p "$work/$name" "$folder/found"
    if "$folder/$1" -max_total_time="$seconds" -timeout=60 -malloc_limit_mb=64 -artifact_prefix="$folder/found/$1-" \
        "$work/$name" "corpus/$name" >"$work/$name.log" 2>&1 && runs=$(grep "^Done [0-9]* runs" "$work/$name.log"); then
        echo "$1: $runs"
    else
        tail -n 60 "$work/$name.log"
        for found in "$folder/found/$1-"*; do
            [ ! -f "$found" ] || { echo "$found, by base64:"; base64 "$found"; }
        done
        echo "$1 does not survive"
        exit 1
    fi' sh
