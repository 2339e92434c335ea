// SPDX-License-Identifier: Apache-2.0
/* The kernel's own figures at the end of a run. Thread: any. Allocates: no.
 *   CPU, RSS, faults, context switches    getrusage(2)
 *   cgroup_memory_peak                    cgroup-v2.rst memory.peak; cgroup-v1/memory.rst memory.max_usage_in_bytes */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "collect/collect.h"
#include "collect/roots.h"

enum { CGROUP_PATH_MAX = 1024, CGROUP_FILE_MAX = 8192 };

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

static uint64_t read_number(int dir, const char *path)
{
    char        content[64];
    size_t      len = 0;
    uint64_t    value = 0;
    struct text t;
    if (file_read(dir, path, content, sizeof content, &len))
        return METRIC_NONE;
    t = text_span(content, len);
    return text_unsigned(&t, &value) ? value : METRIC_NONE;
}

/* "4:memory:/user.slice" for version 1, "0::/user.slice" for version 2. */
static bool find_own(struct text cgroups, const char *controller, char *ret, size_t size)
{
    struct text line;
    while (text_line(&cgroups, &line)) {
        struct text id;
        struct text controllers;
        struct text one;
        if (!text_until(&line, ':', &id) || line.at == line.end)
            continue;
        if (*line.at == ':') {
            line.at++;
            if (*controller == '\0' && text_copy(line, ret, size))
                return true;
            continue;
        }
        if (!text_until(&line, ':', &controllers))
            continue;
        while (*controller && text_until(&controllers, ',', &one))
            if (text_is(one, controller) && text_copy(line, ret, size))
                return true;
    }
    return false;
}

/* Below sys/fs/cgroup: mount, own path, file. A container that sees the host's path, but has its own cgroup mounted
 * at the top, finds the file there; the root cgroup of the machine is no cgroup of the run's: it has no memory.peak,
 * and in version 1 release_agent, which only the root has, gives it away. */
static uint64_t peak_of(int cgroups, const char *mount, const char *own, const char *file)
{
    char     path[CGROUP_PATH_MAX + 64];
    uint64_t peak = METRIC_NONE;
    if (strcmp(own, "/") != 0) {
        (void)snprintf(path, sizeof path, "%s%s/%s", mount, own, file);
        peak = read_number(cgroups, path);
    }
    (void)snprintf(path, sizeof path, "%s/release_agent", mount);
    if (peak != METRIC_NONE || faccessat(cgroups, path, F_OK, 0) == 0)
        return peak;
    (void)snprintf(path, sizeof path, "%s/%s", mount, file);
    return read_number(cgroups, path);
}

static uint64_t memory_peak(const struct roots *roots)
{
    char     content[CGROUP_FILE_MAX];
    char     own[CGROUP_PATH_MAX];
    size_t   len = 0;
    uint64_t peak = METRIC_NONE;
    int      fd = roots_open(roots->proc, "self/cgroup", 0);
    if (fd < 0)
        return METRIC_NONE;
    int error = file_reread(fd, content, sizeof content, &len);
    close(fd);
    int cgroups = error ? -1 : roots_open(roots->sys, "fs/cgroup", O_DIRECTORY);
    if (cgroups < 0)
        return METRIC_NONE;
    struct text t = text_span(content, len);
    if (find_own(t, "memory", own, sizeof own))
        peak = peak_of(cgroups, "memory", own, "memory.max_usage_in_bytes");
    else if (find_own(t, "", own, sizeof own))
        peak = peak_of(cgroups, ".", own, "memory.peak");
    close(cgroups);
    return peak;
}

int totals_read(const struct roots *roots, const struct tree *tree, struct totals *ret)
{
    *ret = (struct totals){.cgroup_memory_peak = memory_peak(roots)};
    if (!tree->root_is_ours)
        add(RUSAGE_SELF, ret);
    add(RUSAGE_CHILDREN, ret);
    return 0;
}
