/* Memory of the tree within a budget.
 *
 * Pss (each shared page divided by the number of its users) is what adds up, but reading it makes the kernel walk
 * the page tables, milliseconds per GiB, under the process's mmap_lock. So each reading adds 0.3 ms to a purse, and
 * exact figures are bought from it: first of processes never read, then of those whose RSS has changed or whose
 * figure is old, in turns. In between, a process's Pss is its RSS by its last ratio; one never read takes its
 * parent's ratio. A figure that is too dear for now is saved for, with half of the income; none is bought for more
 * than 50 ms. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_PSS_H
#define PILLION_COLLECT_PSS_H

#include <stddef.h>
#include <stdint.h>

#include "collect/process_table.h"

struct pss {
    int64_t  purse;      /* ns of CPU */
    double   ns_per_kib; /* price, as measured */
    size_t   turn;       /* where the next round begins */
    uint32_t row;        /* readings so far */
};

void pss_init(struct pss *pss);

/*   Pss of smaps_rollup, KiB    proc.rst "/proc/PID/smaps_rollup"
 *   RSS of stat, field 24       where the former may not be read (another user's, kernels before 4.14)
 * Sum over the live processes of the table but `except` (0: none). Zombies and kernel threads have no memory. */
uint64_t pss_read(struct pss *pss, int proc, struct process_table *table, pid_t except);

#endif
