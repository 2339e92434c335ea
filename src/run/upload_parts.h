/* Inside upload*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUN_UPLOAD_PARTS_H
#define PILLION_RUN_UPLOAD_PARTS_H

#include "base/clock.h"
#include "run/upload.h"

#define UPLOAD_REFRESH_PAUSE (60 * CLOCK_SECOND) /* the least between two refreshes that nobody asked for */

/* upload_answer.c */
void        upload_plan_batch(struct upload *u, int64_t now); /* the next one, at the next whole interval */
const char *upload_region(const struct upload *u);            /* "": AWS has to be asked */

#endif
