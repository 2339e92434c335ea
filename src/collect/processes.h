/* The number of processes of the machine, or of the container. Thread: pillion. Allocates: no. Files: /proc, held open.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_PROCESSES_H
#define PILLION_COLLECT_PROCESSES_H

#include "base/dir.h"
#include "collect/collect.h"

struct processes {
    int        fd;          /* /proc */
    uint64_t   count;       /* METRIC_NONE before the first */
    int64_t    counted_at;  /* ns, monotonic */
    int64_t    cost;        /* ns of CPU of the last count */
    bool       links_tell;  /* see processes_read */
    uint64_t   extra_links; /* links of /proc that are no processes; METRIC_NONE: unknown */
    struct dir dir;
};

int processes_open(struct processes *processes, const struct roots *roots);

/*   ret->processes  count, gauge   numeric entries of /proc    proc.rst "Process-Specific Subdirectories"
 * The list is counted only while that costs less than 0.1 % of one core on average; between two counts the value is
 * repeated. In the first PID namespace it never is. There the link count of /proc is the number of processes plus that
 * of the kernel's own folders (proc_root_getattr in fs/proc/root.c), which a count calibrates. ret->monotonic must be
 * set. Returns 0, or -errno; on error the field stays METRIC_NONE. */
int processes_read(struct processes *processes, struct sample *ret);

void processes_close(struct processes *processes);

#endif
