/* The processes of the tree, known by pid and start time, in the order in which they were found. A parent always stands
 * before its children, which makes the table the order of reading too.
 * Allocates: when the tree grows; 65,536 processes at most. A tree that has become small gives back. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_TABLE_H
#define PILLION_COLLECT_TREE_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESSES_MAX = 65536 };

/* Counters that the kernel adds to the parent's when a child is reaped: so they are conserved over the tree. */
enum conserved {
    USER,
    SYSTEM,
    REST, /* microseconds beyond the whole ticks of those two; a parent that reaps gets them too, but hides them again
           */
    READ,
    WRITTEN,
    MAJOR_FAULTS,
    FAULTS, /* minor */
    CONSERVED
};

/* The known part of one process in the memory of the tree: see pss_family.h. KiB, where nothing else is said. */
struct pss_member {
    uint64_t anonymous, file; /* parts of its RSS; file: shared memory too */
    uint64_t old_anonymous, old_file;
    uint64_t faults, size, resident; /* as they were when that was asked */
    uint64_t elder_faults;           /* those of its parent, before it was forked */
    uint64_t hugetlb, own_hugetlb;   /* all, and the part believed to be mapped by it alone */
    float    own;                    /* anonymous memory believed to be mapped by it alone */
    float    forked;                 /* the memory that a child which is new in this row was born with */
    float    file_pss, file_doubt;   /* PSS of `file`, and by how much it may be wrong */
    float    hugetlb_doubt;
    float    outside;    /* weight of a page of a file that others than the tree's map too; 0: unknown */
    float    guess;      /* and the one that the last survey gave it */
    float    vague;      /* the part of such pages, in the last survey */
    float    share;      /* KiB: its part of the tree's memory */
    float    file_own;   /* of the last look: the part of the pages of files that nobody else maps; below 0: unknown */
    uint32_t family;     /* index + 1, 0: none */
    uint32_t next;       /* index + 1 of the next member */
    uint32_t file_row;   /* the reading in which file_pss was read */
    uint8_t  age;        /* readings, as far as they matter */
    bool     is_there;   /* it has memory, which counts */
    bool     moved;      /* its counters were read in this reading */
    bool     is_alias;   /* shares its address space with another member (CLONE_VM), which counts */
    bool     file_known; /* file_pss was read */
    bool     guessed;    /* by the figures of others with its name */
    bool     has_huge;   /* much of it is in huge pages, of which samples tell nothing */
    bool     denied;
};

struct process {
    pid_t    pid;
    pid_t    parent; /* 0: not in the tree (any more) */
    uint64_t start;  /* clock ticks since boot: with the pid, the identity */
    uint64_t parent_start;

    bool  read_yet;  /* a candidate that a parent named is not read yet */
    bool  gone;      /* not there in this reading */
    bool  marked;    /* an orphan that has a mark */
    bool  native;    /* that, or below one: it was of the tree before a reading saw it */
    bool  is_parent; /* has had children in the tree */
    bool  dead;      /* a zombie: counts, has no memory */
    bool  waits;     /* uninterruptibly, perhaps for a server, and with its mmap_lock: its memory is not asked for */
    pid_t memory_of; /* the number by which its memory is read: a thread's, when the first thread has left */
    bool  io_denied; /* once refused, never asked again */
    bool  io_known;

    uint64_t value[CONSERVED];        /* the process and its reaped children */
    uint64_t reaped_value[CONSERVED]; /* the part of its reaped children; for I/O, `value` again: it is one number */
    uint64_t rise[CONSERVED];         /* of reaped_value, since the last reading */
    uint64_t lost[CONSERVED];         /* last values of descendants that are gone since the last reading */
    uint64_t owed[CONSERVED];         /* the part of `lost` that the next reading must find in reaped_value */
    uint64_t threads;
    uint64_t ran;     /* ns on a CPU when last asked; 0: unknown */
    uint64_t slices;  /* and how often */
    bool     stood;   /* it had not run since the time before */
    uint8_t  streak;  /* times in a row that it had run */
    uint8_t  orphans; /* readings for which `owed` or `lost` may be those of orphans */

    int stat_fd, io_fd; /* held open, or -1 */

    uint64_t          resident_kib;
    uint64_t          size;        /* bytes of all mappings */
    uint64_t          code, stack; /* where they begin: the same after a fork, others after an exec; stack 0: unknown */
    uint64_t          faults;      /* of its own, minor and major */
    uint32_t          name;        /* a hash of it */
    struct pss_member pss;

    /* commands.c: the use by command. */
    uint64_t counted[4];   /* of its own, up to the last reading: enum command_use */
    uint64_t heirloom[2];  /* bytes read and written by gone children, which its own I/O may have by now */
    uint64_t tails;        /* us that gone children can have used since they were seen last */
    uint64_t named;        /* the image that its name is of; 0: none */
    float    pace;         /* cores that it used */
    float    gpu;          /* ten-thousandths of devices that it used, as the drivers said in this reading */
    float    reaped_tails; /* the part of `tails` that was found, and the part of that in user mode */
    float    reaped_user;
    uint16_t command; /* index + 1, 0: none */
    bool     counted_yet;
    bool     adopted; /* what it had used when it came into the tree is not the tree's */
};

struct process_table {
    struct process *list;
    size_t          count, capacity;
    uint32_t       *slots; /* index + 1 by hash of the pid, 0: free */
    size_t          slot_count;
};

int  process_table_init(struct process_table *table); /* 0 or -ENOMEM */
void process_table_done(struct process_table *table);

/* Finds a process. All pointers into the table are valid until the next add or compact. */
struct process *process_table_find(const struct process_table *table, pid_t pid, uint64_t start);
/* Finds the process with this pid that is not gone. */
struct process *process_table_find_present(const struct process_table *table, pid_t pid);
/* Adds a candidate at the end; NULL when the table is full or without memory. */
struct process *process_table_add(struct process_table *table, pid_t pid);
/* Forgets processes that are gone, and gives back room; the order stays. */
void process_table_compact(struct process_table *table);

#endif
