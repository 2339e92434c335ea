// SPDX-License-Identifier: Apache-2.0
#include "collect/cgroup/cgroup.h"
#include "collect/cgroup/cgroup_parts.h"

#define NO_MEMORY_LIMIT (UINT64_C(1) << 62) /* version 1 says the largest number of pages there can be */

/* To the one above; false, and unmoved, at the mount. */
static bool go_up(struct cgroup *cgroup)
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

/* The least quota from this cgroup upwards, in CPUs, and *cgroup becomes the one that has it; 0: there is none. */
static double least_quota(struct cgroup *cgroup)
{
    struct cgroup at = *cgroup;
    double        least = 0;
    do {
        double cpus = quota_of(&at);
        if (cpus > 0 && (least == 0 || cpus < least)) {
            least = cpus;
            *cgroup = at;
        }
    } while (go_up(&at));
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
        is_all = !go_up(&memory);
    }
    return least < NO_MEMORY_LIMIT ? least : METRIC_NONE;
}

/* Memory of a cgroup without the controller is charged to the nearest one above that has it, and killed for there. */
static void find_charged(struct cgroup *memory)
{
    struct cgroup at = *memory;
    char          content[CGROUP_FILE_MAX];
    struct text   t;
    if (!memory->v2)
        return;
    do {
        if (cgroup_file(&at, "memory.events", content, &t)) {
            *memory = at;
            return;
        }
    } while (go_up(&at));
}

void cgroup_limits_read(const struct roots *roots, struct cgroup_limits *ret, struct cgroup_watch *ret_watch)
{
    *ret = (struct cgroup_limits){.memory = METRIC_NONE};
    if (cgroup_find(roots, "cpu", &ret_watch->cpu))
        ret->cpus = least_quota(&ret_watch->cpu);
    if (cgroup_find(roots, "memory", &ret_watch->memory)) {
        ret->memory = memory_limit(ret_watch->memory);
        find_charged(&ret_watch->memory);
    }
    ret_watch->memory_id = cgroup_id(ret_watch->memory.path);
}
