/* What `pillion show` knows of a run, and the page it makes of it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SHOW_H
#define PILLION_SHOW_H

#include <cJSON.h>

#include "runs.h"
#include "summary.h"

struct show {
    const struct run_place *place;
    cJSON                  *state; /* NULL for a CSV file */
    const char             *shown; /* run_state_shown */
    struct summary          summary;
};

int show_page(const struct show *show);

#endif
