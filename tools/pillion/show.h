/* What `pillion show` knows of a run, and the page it makes of it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SHOW_H
#define PILLION_SHOW_H

#include <cJSON.h>

#include "advice.h"
#include "runs.h"
#include "summary.h"

enum { SHOW_LABEL_WIDTH = 13 };

struct show {
    const struct run_place *place;
    cJSON                  *state; /* NULL for a CSV file */
    const char             *shown; /* run_state_shown */
    struct summary          summary;
    struct advice           advice;
};

/* The state and the rows as they are now, which `listener` hears: 0, or -errno and a sentence. Free with show_done. */
int  show_load(const struct run_place *place, struct summary_listener listener, struct show *ret);
void show_done(struct show *show);
int  show_page(const struct show *show);
/* The page of a run that goes on, until it ends or somebody leaves: the exit code. */
int show_follow(const char *name);

#endif
