/* Inside upload*.c only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_UPLOAD_PARTS_H
#define PILLION_DELIVERY_UPLOAD_PARTS_H

#include "base/clock.h"
#include "delivery/upload.h"

#define UPLOAD_REFRESH_PAUSE (60 * CLOCK_SECOND) /* the least between two refreshes that nobody asked for */

#define UPLOAD_LATEST_TIME (INT64_C(1) << 33) /* s since 1970: as ns it is still a number */

bool upload_lacks_credentials(const struct upload *u); /* none, or S3 takes them no more */

/* upload_answer.c */
void        upload_plan_batch(struct upload *u, int64_t now); /* the next one, at the next whole interval */
const char *upload_region(const struct upload *u);            /* "": AWS has to be asked */

#endif
