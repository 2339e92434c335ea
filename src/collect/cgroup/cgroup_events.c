// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "collect/cgroup/cgroup.h"
#include "collect/cgroup/cgroup_parts.h"

bool cgroup_entry(struct text entries, const char *name, uint64_t *ret)
{
    struct text line;
    struct text word;
    while (text_line(&entries, &line))
        if (text_word(&line, &word) && text_is(word, name))
            return text_unsigned(&line, ret);
    return false;
}

uint64_t cgroup_id(const char *path)
{
    struct stat info;
    return *path && stat(path, &info) == 0 ? (uint64_t)info.st_ino : METRIC_NONE;
}

/* throttled_usec in version 2, throttled_time in nanoseconds in version 1. */
void cgroup_read_throttling(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    char        content[CGROUP_FILE_MAX];
    struct text t;
    uint64_t    ns = 0;
    ret->periods = ret->throttled = ret->throttled_us = METRIC_NONE;
    if (!cgroup_file(&watch->cpu, "cpu.stat", content, &t))
        return;
    (void)cgroup_entry(t, "nr_periods", &ret->periods);
    (void)cgroup_entry(t, "nr_throttled", &ret->throttled);
    if (!cgroup_entry(t, "throttled_usec", &ret->throttled_us) && cgroup_entry(t, "throttled_time", &ns))
        ret->throttled_us = ns / 1000;
}

/* memory.events counts what happens in the cgroup and all below it; memory.oom_control, in the cgroup alone. */
void cgroup_read_kills(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    char        content[CGROUP_FILE_MAX];
    struct text t;
    ret->oom_kills = METRIC_NONE;
    if (cgroup_file(&watch->memory, watch->memory.v2 ? "memory.events" : "memory.oom_control", content, &t))
        (void)cgroup_entry(t, "oom_kill", &ret->oom_kills);
}

void cgroup_read_peak(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    ret->memory_peak = cgroup_number(&watch->memory, watch->memory.v2 ? "memory.peak" : "memory.max_usage_in_bytes");
}
