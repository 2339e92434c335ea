/* Memory of the tree within a budget.
 *
 * Pss (each shared page divided by the number of its users) is what adds up. But reading it makes the kernel walk the
 * page tables, milliseconds per GiB, under the process's mmap_lock. So it is kept account of by counters
 * (pss_family.h), and each guess in that adds to a doubt. While the doubt of the whole tree is above 3 % (or 5 MiB),
 * readings are bought for it, first the one that settles most for its price. There are four: smaps_rollup of a family
 * (pss_exact.h); a look at some of its pages (pss_survey.h), where that costs too much; a look at the pages of all that
 * have many files; a glance at the files of one process.
 *
 * A purse pays for all of this: 2 ms of CPU for each second, and 20 to 80 ms of it ahead, the more the larger the
 * doubt. No row takes more than 50 ms. A tree that stands still, or that only grows and shrinks, buys nothing.
 * Allocates: see pss_family.h and pss_survey.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PSS_H
#define PILLION_COLLECT_TREE_PSS_H

#include <stddef.h>
#include <stdint.h>

#include "collect/tree/process_table.h"
#include "collect/tree/pss_family.h"

struct pss {
    struct pss_families families;
    uint64_t            page_bytes;
    pid_t               except;
    int64_t             purse;                    /* ns of CPU; may be in debt */
    double              kib, doubt;               /* of the last reading */
    int64_t             read_at;                  /* ns, monotonic */
    double              ns_per_kib;               /* price of an exact reading, as measured */
    double              ns_per_look, ns_per_maps; /* and of a survey */
    unsigned            surveyed_max;             /* processes, in one survey */
    uint32_t            row;                      /* readings so far */
};

/* except: a process whose memory is not the program's; 0: none. */
void pss_init(struct pss *pss, uint64_t page_bytes, pid_t except);
void pss_done(struct pss *pss);

/*   Pss of smaps_rollup, KiB          proc.rst "/proc/PID/smaps_rollup"; RSS of statm, without half of the files, where
 *                                     that may not be read (another user's, kernels before 4.14)
 *   Private_Hugetlb, Shared_Hugetlb   or HugetlbPages of status; both are in no Pss
 * Sum over the live processes of the table. Zombies and kernel threads have no memory. monotonic: ns; hugetlb: KiB of
 * such pages that the machine has, METRIC_NONE: unknown. */
uint64_t pss_read(struct pss *pss, int proc, struct process_table *table, int64_t monotonic, uint64_t hugetlb);

#endif
