/* The marker that says "this process leads a run", which the hook in every process below looks for. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_MARKER_H
#define PILLION_MARKER_H

#include <limits.h>

struct marker {
    char               path[PATH_MAX]; /* "": there is none */
    unsigned long long start;          /* of this process, clock ticks since boot: proc.rst, stat, field 22 */
};

/* Makes the marker of the calling process. 0 or -errno; `start` is filled in either case if /proc can be read. */
int  marker_make_own(struct marker *ret);
void marker_remove(const struct marker *marker);

#endif
