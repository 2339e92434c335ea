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
    char        how[64];            /* "exit 3", "by SIGKILL"; all of these may be "" */
    char        whole[96];          /* both: "failed, exit 3", "killed by SIGKILL" */
    char        out_of_memory[200]; /* "killed at 56.9 MiB of 57.0 MiB: 1 process was killed …" */
    char        lost[100];          /* what is to be done */
    char        trouble[ENDING_TEXT_MAX];  /* of its delivery: why not, and the next command */
    char        delivery[ENDING_TEXT_MAX]; /* what Sentinel has of it */
};

void ending_of(const struct show *show, struct ending *ret);

#endif
