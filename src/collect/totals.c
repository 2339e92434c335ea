// SPDX-License-Identifier: Apache-2.0
/* The kernel's own figures at the end of a run. Thread: any. Allocates: no.
 *   CPU, RSS, faults, context switches    getrusage(2)
 *   cgroup_memory_peak                    cgroup-v2.rst memory.peak; cgroup-v1/memory.rst memory.max_usage_in_bytes */
#include <sys/resource.h>

#include "collect/cgroup.h"
#include "collect/collect.h"

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void add(int who, struct totals *ret)
{
    struct rusage use;
    if (getrusage(who, &use) != 0)
        return;
    ret->user_us += microseconds(use.ru_utime);
    ret->system_us += microseconds(use.ru_stime);
    ret->max_rss_kib = ret->max_rss_kib > (uint64_t)use.ru_maxrss ? ret->max_rss_kib : (uint64_t)use.ru_maxrss;
    ret->minor_faults += (uint64_t)use.ru_minflt;
    ret->major_faults += (uint64_t)use.ru_majflt;
    ret->voluntary_switches += (uint64_t)use.ru_nvcsw;
    ret->involuntary_switches += (uint64_t)use.ru_nivcsw;
}

static uint64_t memory_peak(const struct roots *roots)
{
    struct cgroup memory;
    if (!cgroup_find(roots, "memory", &memory))
        return METRIC_NONE;
    return cgroup_number(&memory, memory.v2 ? "memory.peak" : "memory.max_usage_in_bytes");
}

int totals_read(const struct roots *roots, const struct tree *tree, struct totals *ret)
{
    *ret = (struct totals){.cgroup_memory_peak = memory_peak(roots)};
    if (!tree->root_is_ours)
        add(RUSAGE_SELF, ret);
    add(RUSAGE_CHILDREN, ret);
    return 0;
}
