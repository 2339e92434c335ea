/* Energy of the machine's processors, where it is told to everybody. Thread: pillion. Allocates: no. Files: opened,
 * read and closed at each reading.
 *
 *   powercap   class/powercap/intel-rapl:N/energy_uj   microjoules of a package, from 0 to max_energy_range_uj
 *                                                      (power/powercap/powercap.rst); root's alone since Linux 5.10
 *   Cray       cray/pm_counters/cpu_energy             joules, for everybody
 *
 * What is not told is never guessed from a type's wattage. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_ENERGY_H
#define PILLION_COLLECT_ENERGY_H

#include "collect/collect.h"

enum { ENERGY_PACKAGES_MAX = 16, ENERGY_PATH_SIZE = 64 };

struct energy_package {
    char     path[ENERGY_PATH_SIZE]; /* of its counter, below /sys */
    uint64_t unit;                   /* microjoules */
    uint64_t range;                  /* the largest value, in its own unit; 0: it does not wrap */
    uint64_t last;                   /* METRIC_NONE before the first */
};

struct energy {
    const char           *sys;
    const char           *source; /* "powercap", "pm_counters" */
    struct energy_package packages[ENERGY_PACKAGES_MAX];
    unsigned              count;
    uint64_t              total; /* microjoules since the first reading */
};

/* Looks for counters that can be read. 0, or -ENODEV. */
int energy_open(struct energy *energy, const struct roots *roots);
/*   ret->cpu_energy   microjoules, counter   the sum over all packages
 * A package that cannot be read adds nothing now, and its whole rise later. 0, or -ENODATA where none can be read: the
 * field stays METRIC_NONE. */
int energy_read(struct energy *energy, struct sample *ret);

#endif
