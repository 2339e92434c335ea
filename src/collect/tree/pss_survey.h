/* Users of a process's pages, by a look at some of them: for processes whose page tables are too large to be walked
 * whole, and for files. pagemap.rst: bit 63 of an entry says present, bit 61 of a file or shared memory, bit 56 mapped
 * by this process alone (Linux 4.2). Each window of eight pages is one pread, which holds mmap_lock for a microsecond.
 * A page that is not this process's alone is looked for in some others, which tells by how many to divide it.
 *
 * Two things are not seen. A user outside of the tree (such a page is `vague`); and a huge page, whose 512 entries all
 * say what is true of the first. Files: /proc/PID/{maps,pagemap}, opened, read and closed. Allocates: 40 bytes for each
 * mapping while it looks, 8,192 of them at most. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PSS_SURVEY_H
#define PILLION_COLLECT_TREE_PSS_SURVEY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PSS_SURVEYED_MAX = 64 };

/* The pages of one kind that were found in memory. */
struct pss_share {
    double ratio;   /* PSS / RSS */
    double error;   /* standard error of that */
    double own;     /* part that this process alone maps */
    double vague;   /* part that is shared, but with nobody who was asked */
    double guess;   /* mean weight that the vague pages were given */
    double pages;   /* found */
    double present; /* KiB in memory, by the pages found among those that were looked at */
};

struct pss_surveyed {
    double           weight;  /* KiB: the larger, the more windows */
    double           outside; /* weight of a page of a file that is vague, if that is known; 0: it is not */
    struct pss_share anonymous, file;
    pid_t            pid;
    int              error; /* -errno: could not be looked at */
};

struct pss_survey {
    int      proc;
    uint64_t page_bytes;
    uint32_t seed;
    unsigned windows;      /* windows in all, about */
    unsigned members;      /* of the family, when not all members are in the list */
    bool     by_file;      /* files only, shared by all that map the same place of the same file; else by address */
    bool     no_anonymous; /* only mappings of files */
    unsigned looks;        /* returned: the number of preads */
};

/* 0, or -ENOMEM; -EFBIG where there are too many mappings. */
int pss_survey_run(struct pss_survey *survey, struct pss_surveyed *list, unsigned count);

#endif
