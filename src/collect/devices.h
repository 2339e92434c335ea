/* Counters of devices that come and go: disks and network interfaces.
 *
 * Totals only ever rise. A device seen for the first time gives its counters as a baseline, and one that vanishes gives
 * nothing. A counter that falls (the driver was reset, or counts in 32 bits) is a new baseline: the growth in that one
 * interval is not known.
 * Allocates: when a device appears; 16384 devices at most, further ones are not counted. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_DEVICES_H
#define PILLION_COLLECT_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { DEVICES_MAX = 16384, DEVICE_NAME_SIZE = 32 };

struct device {
    char     name[DEVICE_NAME_SIZE];
    bool     counted;     /* set by the owner when devices->changed says so */
    uint8_t  rank;        /* the owner's, while it decides */
    bool     present;     /* met in this reading */
    bool     was_present; /* met in the last one */
    uint64_t in, out;     /* as last read */
    uint64_t in_before, out_before;
};

struct devices {
    struct device *list;
    size_t         count, capacity;
    size_t         met;     /* in this reading: they stand in front, in the kernel's order */
    bool           changed; /* a name appeared or went: the owner decides again which ones count */
    bool           begun;   /* there was a reading before */
    bool           crowded; /* there were once more than have a place: a device that appears need not be new */
    uint64_t       in_total, out_total;
};

void devices_init(struct devices *devices);
void devices_done(struct devices *devices);

/* A reading is: begin, one add for each device, met, settle. The owner sets `counted` between the last two. */
void devices_begin(struct devices *devices);
void devices_add(struct devices *devices, struct text name, uint64_t in, uint64_t out);
/* Compares the devices met with the last reading and sets `changed`. */
void devices_met(struct devices *devices);
/* Adds the growth of the counted devices. `new_from_zero`: a device that appears after the first reading started
 * its counters at 0 then (disks; an interface may come out of another namespace with a past). */
void devices_settle(struct devices *devices, bool new_from_zero);
/* Tells what a counted device has added to the totals since the reading before the last one. */
void devices_growth(const struct devices *devices, const struct device *device, bool new_from_zero, uint64_t *ret_in,
                    uint64_t *ret_out);

/* The next reading is of other devices, whatever their names: each gives its counters as a baseline. */
void devices_forget(struct devices *devices);

#endif
