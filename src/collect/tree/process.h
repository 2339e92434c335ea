/* The use of the program and all its descendants. Thread: pillion. Allocates: when the tree grows; gives back when it
 * is small again. Files: /proc/PID/{stat,statm,status,schedstat,io,smaps_rollup,maps,pagemap} and
 * /proc/PID/task/TID/children, opened, read and closed; /proc itself, /proc/loadavg and the list of CPUs, held, and
 * stat and io of the busiest processes (process_held.h).
 *
 * When a child is reaped, the kernel adds its times and its I/O to its parent's. So a sum is conserved: that over the
 * live tree, with the reaped children that each process accounts for. Nothing is lost with a child that came and went
 * between two readings, and nothing is counted twice. The kernel does not hand on the figures of a child whose parent
 * ignores SIGCHLD, or of one that was adopted from outside the tree. Their last values are kept here. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_H
#define PILLION_COLLECT_TREE_PROCESS_H

#include <time.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/tree/commands.h"
#include "collect/tree/process_scan.h"
#include "collect/tree/process_table.h"
#include "collect/tree/pss.h"

struct process_units {
    long clock_ticks; /* per second */
    long page_bytes;
};

/* The moment of a reading. */
struct process_now {
    int64_t  monotonic;         /* ns */
    uint64_t boot_ticks;        /* clock ticks since boot, as start times are counted */
    uint64_t machine_processes; /* METRIC_NONE: unknown */
    uint64_t hugetlb;           /* KiB of the machine's hugetlb pages, METRIC_NONE: unknown */
};

/* The marks of orphans, as they were last read: process_marks.h. */
struct process_marks {
    uint64_t        pid_namespace;
    struct timespec changed; /* the folder */
    bool            again;   /* to be read whether it has changed or not */
};

/* How the children are searched for in this reading. */
enum process_search { SEARCH_NOBODY, SEARCH_SCAN, SEARCH_LISTS };

struct process_tree {
    int                  proc;
    int                  loadavg;
    int                  cpus_online; /* sys/devices/system/cpu/online */
    unsigned             cpus;
    struct tree          who;
    struct process_units units;

    struct process_table table;
    struct process_scan  scan;
    struct process_marks marks;
    struct pss           pss;
    struct commands      commands;
    struct dir           dir;
    enum process_search  search;

    int held, held_max; /* descriptors of the processes' own files */

    bool     is_foreign;    /* /proc has other numbers than ours: it would tell of other processes */
    bool     own_numbers;   /* /proc shows the PID namespace that we are in */
    bool     counts;        /* loadavg is of the same /proc: it tells the last number given out */
    bool     tells;         /* and new processes stand in /proc behind it */
    bool     is_root;       /* the root is the process that asks */
    bool     begun;         /* there was a reading */
    bool     has_children;  /* the kernel has task/TID/children */
    bool     io_known;      /* the io of some process could be read */
    bool     suspect;       /* a process went: the lists of children may have been read with gaps */
    unsigned row;           /* readings so far */
    pid_t    last[2];       /* the last number given to a process or thread: last time, and the time before */
    unsigned all_after;     /* readings since all processes were asked for their children */
    int64_t  all_at;        /* ns, monotonic: the time of that */
    int64_t  all_cost;      /* ns of CPU: the price of that */
    uint64_t threads;       /* of the tree */
    int64_t  read_at;       /* ns, monotonic */
    uint64_t spare;         /* us of CPU that the machine could have done more, between the last two readings */
    bool     is_last;       /* no reading is to follow */
    uint64_t boot_ticks[2]; /* of the last reading, and of the one before */

    uint64_t retained[CONSERVED]; /* of processes that are gone and were not reaped in the tree */
    uint64_t foreign[CONSERVED];  /* the use of processes before they were adopted into the tree */
    uint64_t reported[CONSERVED]; /* the samples' figures; they never fall; of CPU, microseconds */
    uint64_t unreported[2];       /* of CPU, user and system: what waits for the next reading */
    uint64_t resident_most;       /* KiB: of the largest process that a reading saw */
};

enum { MICROSECONDS = 1000000 }; /* of a second */

/* 0, -ENOMEM, or -errno without /proc. process_close is only needed after 0. */
int process_open(struct process_tree *tree, const struct roots *roots, const struct tree *who,
                 const struct process_units *units);

/*   ret->tree_processes   count, gauge     descendants of the root            proc.rst "3.7 /proc/<pid>/task/<tid>/
 *                                                                             children"
 *   ret->tree_memory      KiB, gauge       Pss of root and descendants        see pss.h
 *   ret->tree_user        us, counter      utime + cutime                     proc.rst table 1-4 (stat); see
 *   ret->tree_system      us, counter      stime + cstime                     process_exact.h for what ticks leave out
 *   ret->cpus             count            online                             sysfs-devices-system-cpu
 *   ret->tree_disk_read   bytes, counter   read_bytes                         proc.rst "3.3 /proc/<pid>/io"
 *   ret->tree_disk_write  bytes, counter   write_bytes
 *   ret->tree_minor_faults, tree_major_faults   count, counter   minflt + cminflt, majflt + cmajflt
 * More CPU in one reading than the machine could do since the last one (a child that could not be seen before it
 * was reaped) is carried to the next readings; the last has it too, as far as there was room in the one before. I/O
 * stays METRIC_NONE where nobody's can be read. Shape: one value per tree. Returns 0, or -ESRCH without any process,
 * -EXDEV where /proc is another PID namespace's; then every field stays METRIC_NONE. */
int process_read(struct process_tree *tree, struct scratch *scratch, const struct process_now *now, struct sample *ret);

void process_close(struct process_tree *tree);

#endif
