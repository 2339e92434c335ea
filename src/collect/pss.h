/* Memory of the tree within a budget.
 *
 * Pss (each shared page divided by the number of its users) is what adds up, but reading it makes the kernel walk
 * the page tables, milliseconds per GiB, under the process's mmap_lock. So each reading adds 0.3 ms to a purse, and
 * exact figures are bought from it: first of processes never read, then of those whose RSS has changed or whose
 * figure is old, in turns. In between, a process's Pss is its RSS by its last ratio; one never read takes its
 * parent's ratio. A figure that is too dear for now is saved for, with half of the income.
 *
 * A process whose figure costs more than 10 ms, in which its mmap and munmap would have to wait, is estimated from some
 * hundred of its pages instead (pss_sample.h): what it maps alone counts whole, the rest is divided by the number of
 * processes that were forked with it and are about as large. Where that is not possible the figure is bought for up to
 * 50 ms.
 *
 * A process in uninterruptible sleep is not asked: an mmap of a file on a hung NFS server waits with the mmap_lock, for
 * which the reading of its memory would wait too. Of its threads, the first alone is known. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_PSS_H
#define PILLION_COLLECT_PSS_H

#include <stddef.h>
#include <stdint.h>

#include "collect/process_table.h"

struct pss {
    uint64_t page_bytes;
    int64_t  purse;      /* ns of CPU */
    int64_t  sample_ns;  /* price of a sample, as measured */
    double   ns_per_kib; /* price, as measured */
    size_t   turn;       /* where the next round begins */
    uint32_t row;        /* readings so far */
};

void pss_init(struct pss *pss, uint64_t page_bytes);

/*   Pss of smaps_rollup, KiB    proc.rst "/proc/PID/smaps_rollup"
 *   RSS of stat, field 24       where the former may not be read (another user's, kernels before 4.14)
 * Sum over the live processes of the table but `except` (0: none). Zombies and kernel threads have no memory. */
uint64_t pss_read(struct pss *pss, int proc, struct process_table *table, pid_t except);

#endif
