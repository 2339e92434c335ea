/* The program's own control groups: their places, their limits, and the events in them. Both versions, also mixed on
 * one machine. Thread: any. Allocates: no; nothing is held open.
 *   cpu.max, cpu.stat, memory.max, memory.events        cgroup-v2.rst
 *   cpu.cfs_quota_us, cpu.cfs_period_us, cpu.stat       scheduler/sched-bwc.rst
 *   memory.limit_in_bytes, memory.stat, memory.oom_control   cgroup-v1/memory.rst */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_CGROUP_CGROUP_H
#define PILLION_COLLECT_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "collect/collect.h"

enum { CGROUP_PATH_MAX = 1280 };

/* A directory of one hierarchy; path "" where there is none. */
struct cgroup {
    bool   v2;
    size_t top;                   /* length of the path that is the hierarchy's mount: ancestors end there */
    char   path[CGROUP_PATH_MAX]; /* absolute */
};

/* The most that the program may use: the least limit over its cgroup and those above it that can be seen. */
struct cgroup_limits {
    double   cpus;   /* quota/period, 0: none */
    uint64_t memory; /* bytes, METRIC_NONE: none */
};

/* Counters since the cgroup was made; METRIC_NONE where it does not count that. */
struct cgroup_events {
    uint64_t periods;      /* of CPU bandwidth in which the cgroup ran */
    uint64_t throttled;    /* periods in which it had used its quota up */
    uint64_t throttled_us; /* summed over CPUs */
    uint64_t oom_kills;    /* processes of the cgroup that were killed for memory, by any limit */
    uint64_t memory_peak;  /* bytes: no count, but a maximum since then */
};

/* The places of those counters. Throttling is counted where the least quota is. Kills are counted in the own cgroup,
 * or, if that has no memory controller, in the nearest one above that has it. */
struct cgroup_watch {
    struct cgroup cpu, memory;
    uint64_t      memory_id; /* inode of that directory: another cgroup of the same path has another one */
};

/* Reads the limits, and finds the places to watch. */
void     cgroup_limits_read(const struct roots *roots, struct cgroup_limits *ret, struct cgroup_watch *ret_watch);
uint64_t cgroup_id(const char *path); /* METRIC_NONE: there is none */
/* The path here of the memory cgroup with that id, as a container told it; only root is answered. */
bool cgroup_find(bool v2, uint64_t id, char ret[static CGROUP_PATH_MAX]);

void cgroup_read_throttling(const struct cgroup_watch *watch, struct cgroup_events *ret);
void cgroup_read_kills(const struct cgroup_watch *watch, struct cgroup_events *ret);
/*   memory_peak    memory.peak of cgroup-v2.rst, memory.max_usage_in_bytes of cgroup-v1/memory.rst */
void cgroup_read_peak(const struct cgroup_watch *watch, struct cgroup_events *ret);

#endif
