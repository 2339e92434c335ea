/* Rows have timestamps that fall where the wall clock was set back while an older version wrote them. The API refuses
 * such a CSV, so they are sent with timestamps that rise; the file keeps its bytes. Pure: the same rows give the same
 * bytes each time. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RISING_TIMESTAMPS_H
#define PILLION_DELIVERY_RISING_TIMESTAMPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

/* The state between two rows, in ms; all 0 before the first. */
struct rising {
    int64_t last;    /* the time that the row before was sent with */
    int64_t spacing; /* the usual distance of two rows; 0: unknown */
    int64_t shift;   /* the time that is added */
};

/* Goes over whole lines, header included. True: some of them have to be changed. */
bool rising_pass(struct rising *rising, struct text rows);
/* The same, and appends the lines as they are to be sent. */
void rising_put(struct rising *rising, struct text rows, struct bytes *ret);
/* All rows of a run, header first, if any has to be changed. 0, -ENOMEM (then *rows is what it was). */
int rising_mend(struct bytes *rows);

#endif
