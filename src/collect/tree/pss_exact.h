/* smaps_rollup of a whole family. The kernel walks the page tables for it, under mmap_lock: 0.1 ms, and 6 to 25 ms a
 * GiB. A process in uninterruptible sleep is not asked: an mmap of a file on a hung NFS server waits with the
 * mmap_lock, for which the reading would wait too. Of its threads, only the first one's sleep is known. Allocates: no.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PSS_EXACT_H
#define PILLION_COLLECT_TREE_PSS_EXACT_H

#include "collect/tree/pss_family.h"

/* May its memory be asked for now? */
bool pss_exact_is_readable(const struct process *p);

/* The sums of one reading, over members that could be read. */
struct pss_exact {
    double   anonymous; /* sum of their PSS */
    double   resident;  /* and of their RSS, of anonymous memory */
    double   unread;    /* of members that could not be read */
    unsigned count;
    int64_t  nanoseconds; /* of CPU */
    double   walked;      /* KiB of RSS */
    double   touched;     /* KiB, at most, in the meantime */
};

/* Reads all members that can be read, and notes the memory that each has alone. The sum is left to the caller. */
void pss_exact_read(struct pss_families *families, struct pss_family *family, struct process_table *table,
                    const struct pss_now *now, struct pss_exact *ret);

#endif
