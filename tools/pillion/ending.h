/* How a run stands or ended, in a word, and why where something is wrong. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENDING_H
#define PILLION_ENDING_H

#include <cJSON.h>

#include "show.h"

struct ending {
    const char *word; /* "finished", "failed", "killed", "out of memory", "lost", "running", "damaged", "" for a file */
    const char *tone; /* "good", "bad", "warn", "live", "plain": a colour of the page */
    char        reason[256];   /* "exit status 3", "killed at 57.0 MiB of 57.0 MiB (its limit)" */
    char        delivery[512]; /* where its rows are, and what to do if they are not where they should be */
};

void ending_of(const struct show *show, struct ending *ret);

#endif
