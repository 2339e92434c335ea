/* The account of the tree's memory. Its counters cost nothing but a look: how much is anonymous (statm's resident pages
 * less the shared ones), how much is of files, and how many faults there were.
 *
 * A family is all processes that were forked from one, and have not executed another program since: stat says the same
 * beginning of code and stack of all of them. Its sum is what counts. A fork conserves the sum of anonymous memory, and
 * growth of a member is its own. Faults beyond that growth are copies on write, or pages that the member had copied
 * already. So a part of them is counted, as learned from readings. Each such guess adds its possible error to a doubt,
 * and readings (pss_exact.h, pss_survey.h) are bought for the doubt alone: a family of one needs none, however it
 * grows.
 *
 * Files and shared memory are kept by process: whom they are shared with has nothing to do with forks.
 * KiB everywhere. Allocates: 96 bytes for each family; gives back when there are few. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PSS_FAMILY_H
#define PILLION_COLLECT_TREE_PSS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/tree/process_table.h"

struct pss_family {
    uint64_t key;          /* 0: free */
    double   anonymous;    /* PSS of its anonymous memory */
    float    doubt;        /* by how much that may be wrong */
    float    copied;       /* the part of unexplained faults that were copies, as learned */
    float    copied_doubt; /* by how much that part may be wrong */
    float    unexplained;  /* faults since the last reading */
    float    mapped;       /* the part of growing files that nobody of the tree had mapped, as learned */
    float    mapped_doubt; /* by how much that part may be wrong */
    float    mapping;      /* growth of files since the last reading */
    float    learned;      /* by how much a survey of files changed their sum */
    float    last;         /* the last exact reading of the member that was left over */
    float    mixed;        /* memory that two groups of members may share, each its own pages, at the same addresses */
    uint32_t first;        /* member, index + 1; the others follow by pss.next */
    uint32_t count;        /* of members that are no aliases */
    uint32_t aliases;
    uint32_t joined_row, elders; /* when somebody joined last, and how many there were before */
    uint32_t read_row;           /* the reading in which it was read, and the one in which a member left last */
    uint32_t left_row;
    float    since_left; /* seconds */
    uint8_t  agreed;     /* readings in a row that said the same of the member that was left over */
    bool     read_exactly;
    bool     is_leaky;     /* one left over of several: a process outside of the tree may share its pages */
    bool     is_unchecked; /* and no reading has told yet */
    bool     is_ambiguous; /* a survey could not tell who shares its pages */
};

/* The sharing of files by programs of one name: so programs of one kind need not be read one by one. */
struct pss_kind {
    uint32_t name;
    float    file, ratio, error;
};

enum { PSS_KINDS = 64, PSS_AGREED_MAX = 6, PSS_HUGE_PAGES = 512 /* pages of a huge one */ };

struct pss_families {
    struct pss_family *list;
    size_t             count, capacity;
    uint32_t          *slots; /* index + 1 by hash of the key, while processes join */
    size_t             slot_count, used;
    struct pss_kind    kinds[PSS_KINDS];
};

/* A reading of the tree. */
struct pss_now {
    int      proc;
    pid_t    except; /* this process's memory does not count; 0: none */
    uint32_t row;
    double   seconds; /* since the last one */
    double   page;    /* KiB of a page */
    bool     hugetlb; /* the machine has such pages */
};

/* The changes since the last reading. */
struct pss_moved {
    double files;   /* KiB of files that came, went, or moved much */
    double growth;  /* KiB, at most, by which the sum can have grown */
    bool   is_left; /* a process ended, or became another program */
};

#define PSS_BIG (8 * 1024.0) /* KiB; more files are surveyed by file, not guessed by program */

void pss_families_done(struct pss_families *families);

/* Takes the changes since the last reading. Afterwards first and next lead through the members. */
void pss_families_update(struct pss_families *families, struct process_table *table, const struct pss_now *now,
                         struct pss_moved *ret_moved);

/* A member that has just been looked into, by a reading that took its time: its counters are read again, or what it
 * touched meanwhile would count by the reading and by them. Returns how much that may have been at most. */
double pss_family_read_again(const struct pss_now *now, struct process *p);

/* A reading found `alone` KiB of anonymous memory that this member alone maps. A forked process shares what it was born
 * with until it or its parent writes there, by a fault for each page, or for per_fault KiB. True if that cannot be, and
 * both have the same memory: they have one address space (CLONE_VM). */
bool pss_family_is_alias(const struct pss_family *family, const struct process_table *table, const struct pss_now *now,
                         const struct process *p, double alone, double per_fault);

/* From now on it does not count. */
void pss_family_make_alias(struct pss_family *family, struct process *p);

/* What a family may have at least and at most: brings its sum and its doubt between those. */
void pss_family_bound(struct pss_family *family, struct process_table *table);

/* Learns from a reading about programs of this name; guesses for a member that was not read. */
void pss_kind_learn(struct pss_families *families, const struct process *p);
void pss_kind_guess(const struct pss_families *families, struct process *p);

/* Goes through the members that count: begin with NULL. NULL at the end. */
struct process *pss_family_next(const struct pss_family *family, struct process_table *table, struct process *p);

#endif
