/* How a run stands or ended, in a word, why where something is wrong, and where its rows are. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENDING_H
#define PILLION_ENDING_H

#include <cJSON.h>

#include "show.h"

enum { ENDING_TEXT_MAX = 700 };

struct ending {
    const char *word;               /* "finished", "failed", "killed", "ended", "lost", "running" …; "" for a file */
    const char *tone;               /* "good", "bad", "warn", "live", "plain" */
    char        how[80];            /* "exit 3", "by SIGKILL"; all of these may be "" */
    char        whole[112];         /* both: "failed, exit 3", "killed by SIGTERM at the job's time limit" */
    char        out_of_memory[200]; /* "killed at 56.9 MiB of 57.0 MiB: 1 process was killed …" */
    char        lost[140];          /* what is to be done */
    char        trouble[ENDING_TEXT_MAX];  /* of its delivery: why not, and the next command */
    char        delivery[ENDING_TEXT_MAX]; /* what Sentinel, or a bucket, has of it */
    bool        is_to_bucket;
};

/* Ended the run by the signal that a batch system sends to a job whose time is over, and at that time? */
bool ending_is_time_limit(const cJSON *state);

void ending_of(const struct show *show, struct ending *ret);

#endif
