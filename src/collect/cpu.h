/* CPU time of the machine. Thread: pillion. Allocates: no. Files: /proc/stat, held open. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_CPU_H
#define PILLION_COLLECT_CPU_H

#include "base/text.h"
#include "collect/collect.h"

enum { CPU_USER, CPU_SYSTEM, CPU_INTERRUPT, CPU_KINDS };

struct cpu {
    int                 fd;
    const struct roots *roots;
    unsigned            cpus;    /* online; 0: unknown */
    int64_t             read_at; /* ns, monotonic */
    uint64_t            all;     /* of the sums, at that time */

    uint64_t last[CPU_KINDS];   /* the highest reading since the last reset */
    uint64_t lowest[CPU_KINDS]; /* since the counter fell below that */
    unsigned waits[CPU_KINDS];  /* readings since it did */
    uint64_t sum[CPU_KINDS];    /* the samples' figures */
};

/* Opens the file; `roots` has to stay. 0, or -errno when this machine has no such file: then cpu_read leaves every
 * field METRIC_NONE. */
int cpu_open(struct cpu *cpu, const struct roots *roots);

/*   ret->cpu_user       ticks, counter   user + nice      proc.rst "Miscellaneous kernel statistics in /proc/stat"
 *   ret->cpu_system     ticks, counter   system
 *   ret->cpu_interrupt  ticks, counter   irq + softirq
 *   ret->cpus            count            online           see cpu_count_online; again when more was used
 * Time of guests is part of user and nice already. idle, iowait and steal (the time of other machines) are not
 * used. Shape: one value per machine. Returns 0, or -errno; on error every field stays METRIC_NONE. */
int cpu_read(struct cpu *cpu, struct sample *ret);

void cpu_close(struct cpu *cpu);

#endif
