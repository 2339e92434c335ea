/* GPUs one by one over time, in gpus.csv beside the rows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_GPUS_H
#define PILLION_ENGINE_GPUS_H

#include "base/text.h"
#include "collect/collect.h"

struct run;

enum { GPUS_MAX = 16 }; /* of a machine; those beyond are in the rows' sums alone */

/* What the file last said of each, and how many rows ago. */
struct gpus_told {
    struct gpu_state list[GPUS_MAX];
    unsigned         rows[GPUS_MAX]; /* 0: nothing yet */
};

/* A row has been made, with this timestamp. A GPU whose use and memory are as they were has a line in each tenth row
 * only, for its temperature and power. */
void gpus_note_row(struct run *run, struct text timestamp);

#endif
