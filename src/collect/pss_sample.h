/* Which part of a process's memory is its own, by a look at some of its pages: for those whose page tables are too
 * large to be walked whole. Files: /proc/PID/{maps,pagemap}, opened, read and closed. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_PSS_SAMPLE_H
#define PILLION_COLLECT_PSS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Pages that were found in memory. */
struct pss_sample {
    unsigned own;    /* mapped by this process alone */
    unsigned shared; /* by others too */
    unsigned zeros;  /* read but never written: the kernel's page of zeros, which RSS leaves out */
};

/* pagemap.rst: bit 63 of an entry says present, bit 56 exclusively mapped (Linux 4.2). Some pages in each 256th of
 * all mappings that can hold memory are asked for, chosen by `seed`: each pread holds mmap_lock for a microsecond.
 * is_alone: nobody was forked with it, so what it has in common with others and is of no file are zeros. (Pages that
 * KSM has merged look the same.) 0; -ENODATA if too few of them are in memory to tell; -EFBIG with too many mappings;
 * -ENOENT from kernels without smaps_rollup, which may be without that bit too; or another -errno. */
int pss_sample_read(int proc, pid_t pid, uint64_t page_bytes, uint32_t seed, bool is_alone, struct pss_sample *ret);

#endif
