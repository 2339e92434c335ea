// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>
#include <unistd.h>

#include "collect/cgroup.h"
#include "collect/cgroup_parts.h"

enum { CPUS_MAX = 8192 };

#define NO_MEMORY_LIMIT (UINT64_C(1) << 62) /* version 1 says the largest number of pages there can be */

bool cgroup_up(struct cgroup *cgroup)
{
    struct text above = text_of(cgroup->path + cgroup->top);
    if (!text_after_last(&above, '/'))
        return false;
    cgroup->path[above.at - 1 - cgroup->path] = '\0';
    return true;
}

/* "50000 100000" in version 2, "max 100000" without a limit; two files in version 1, -1 without a limit. */
static double quota_of(const struct cgroup *cgroup)
{
    char        content[CGROUP_FILE_MAX];
    struct text t;
    uint64_t    quota = 0;
    uint64_t    period = 0;
    if (!cgroup_file(cgroup, cgroup->v2 ? "cpu.max" : "cpu.cfs_quota_us", content, &t) || !text_unsigned(&t, &quota))
        return 0;
    if (!cgroup->v2)
        period = cgroup_number(cgroup, "cpu.cfs_period_us");
    else if (!text_unsigned(&t, &period))
        return 0;
    return period > 0 && period != METRIC_NONE ? (double)quota / (double)period : 0;
}

double cgroup_quota(struct cgroup cpu, struct cgroup *ret)
{
    double least = 0;
    *ret = cpu;
    do {
        double cpus = quota_of(&cpu);
        if (cpus > 0 && (least == 0 || cpus < least)) {
            least = cpus;
            *ret = cpu;
        }
    } while (cgroup_up(&cpu));
    return least;
}

/* Version 1 tells the least of all above, also of those that cannot be seen from here. */
static uint64_t hierarchical_limit(const struct cgroup *memory)
{
    char        content[CGROUP_FILE_MAX];
    struct text t;
    uint64_t    limit = METRIC_NONE;
    if (!memory->v2 && cgroup_file(memory, "memory.stat", content, &t))
        (void)cgroup_entry(t, "hierarchical_memory_limit", &limit);
    return limit;
}

static uint64_t memory_limit(struct cgroup memory)
{
    uint64_t least = hierarchical_limit(&memory);
    bool     is_all = least != METRIC_NONE;
    while (!is_all) {
        uint64_t limit = cgroup_number(&memory, memory.v2 ? "memory.max" : "memory.limit_in_bytes");
        least = limit < least ? limit : least;
        is_all = !cgroup_up(&memory);
    }
    return least < NO_MEMORY_LIMIT ? least : METRIC_NONE;
}

static uint64_t allowed(void)
{
    unsigned char mask[CPUS_MAX / 8];
    long          len = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    uint64_t      count = 0;
    for (long i = 0; i < len; i++)
        for (unsigned bits = mask[i]; bits; bits &= bits - 1)
            count++;
    return count > 0 ? count : METRIC_NONE;
}

void cgroup_limits_read(const struct roots *roots, struct cgroup_limits *ret)
{
    struct cgroup cgroup;
    *ret = (struct cgroup_limits){.memory = METRIC_NONE, .cpus_allowed = allowed()};
    if (cgroup_find(roots, "cpu", &cgroup))
        ret->cpus = cgroup_quota(cgroup, &cgroup);
    if (cgroup_find(roots, "memory", &cgroup))
        ret->memory = memory_limit(cgroup);
}
