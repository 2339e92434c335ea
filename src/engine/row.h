/* A line of the CSV: the difference of two samples, in the units and decimals of pillion/columns.h. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_ROW_H
#define PILLION_ENGINE_ROW_H

#include "base/bytes.h"
#include "collect/collect.h"

/* Facts that stay the same over a run's rows. */
struct row_shape {
    long  clock_ticks; /* per second, sysconf(_SC_CLK_TCK) */
    pid_t main_process;
    bool  is_last; /* nothing can be carried to a later row */
};

void row_header(struct bytes *ret); /* the 32 names and \n */
/* A counter that could not be read keeps its last value, so that its next reading shows what passed meanwhile. `before`
 * is the sample before, and `now` has been encoded. */
void     row_keep(const struct sample *before, struct sample *now);
uint64_t row_delta(uint64_t before, uint64_t now); /* of a counter; 0 where one of the two is unknown */
/* Owes to the next row what this one cannot hold: the machine's CPU is counted in ticks, and a row may be as short as
 * one. `now` has been encoded. */
void row_carry(const struct row_shape *shape, const struct sample *before, struct sample *now);
void row_encode(const struct row_shape *shape, const struct sample *before, const struct sample *now,
                struct bytes *ret);

#endif
