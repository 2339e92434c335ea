/* The program's cgroups are found through /proc/self/cgroup, and their files read, in both versions. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/cgroup/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/roots.h"

enum { OWN_MAX = 1024, MOUNT_MAX = 128, FILE_MAX = 8192 };

/* A line of /proc/self/cgroup reads "4:cpu,cpuacct:/user.slice" in version 1, "0::/user.slice" in version 2. */
struct line {
    struct text controllers, path;
};

static bool split(struct text line, struct line *ret)
{
    struct text id;
    const char *colon = NULL;
    if (!text_until(&line, ':', &id) || !(colon = memchr(line.at, ':', text_len(line))))
        return false;
    ret->controllers = (struct text){line.at, colon};
    ret->path = (struct text){colon + 1, line.end};
    return text_starts(ret->path, "/");
}

static bool lists(struct text controllers, const char *controller)
{
    struct text one;
    while (text_until(&controllers, ',', &one))
        if (text_is(one, controller))
            return true;
    return false;
}

/* A controller is in one hierarchy only: of version 1 if that has it, else of version 2. */
static bool find_line(struct text cgroups, const char *controller, struct line *ret)
{
    struct text line;
    struct line parts;
    bool        found = false;
    while (text_line(&cgroups, &line)) {
        if (!split(line, &parts))
            continue;
        if (lists(parts.controllers, controller)) {
            *ret = parts;
            return true;
        }
        if (text_len(parts.controllers) == 0) {
            *ret = parts;
            found = true;
        }
    }
    return found;
}

/* `more` is appended after a slash, unless it is empty. */
static bool exists(const char *folder, const char *more)
{
    char path[CGROUP_PATH_MAX + 64];
    int  len = snprintf(path, sizeof path, "%s%s%s", folder, *more ? "/" : "", more);
    return len > 0 && (size_t)len < sizeof path && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

/* The mount is sys/fs/cgroup, or stands below it: by the controller's name, by all that the hierarchy has, or, beside
 * version 1, "unified". */
static bool find_mount(const struct roots *roots, const struct line *line, const char *controller, struct cgroup *ret)
{
    char name[MOUNT_MAX] = "";
    ret->v2 = text_len(line->controllers) == 0;
    int len = snprintf(ret->path, sizeof ret->path, "%s/fs/cgroup", roots->sys);
    if (len < 0 || (size_t)len >= sizeof ret->path - MOUNT_MAX || !exists(ret->path, ""))
        return false;
    if (ret->v2 && exists(ret->path, "unified/cgroup.controllers"))
        (void)snprintf(name, sizeof name, "/unified");
    else if (!ret->v2 && exists(ret->path, controller))
        (void)snprintf(name, sizeof name, "/%s", controller);
    else if (!ret->v2 && text_len(line->controllers) < sizeof name - 1)
        (void)snprintf(name, sizeof name, "/%.*s", (int)text_len(line->controllers), line->controllers.at);
    memcpy(ret->path + len, name, strlen(name) + 1);
    ret->top = strlen(ret->path);
    return exists(ret->path, "");
}

/* A cgroup that is not below the namespace's root is shown with dots, and cannot be seen from here. */
static bool goes_up(struct text path)
{
    struct text part;
    while (text_until(&path, '/', &part))
        if (text_is(part, ".."))
            return true;
    return false;
}

/* A container may be told the machine's path, but see its own part of the tree alone. Then the front of the path is not
 * there: it is left out part by part, down to nothing. */
static bool find_folder(struct text own, struct cgroup *ret)
{
    if (goes_up(own) || text_len(own) >= OWN_MAX || ret->top + text_len(own) >= sizeof ret->path)
        return false;
    while (text_len(own) > 0 && own.end[-1] == '/')
        own.end--;
    for (;;) {
        (void)text_copy(own, ret->path + ret->top, sizeof ret->path - ret->top);
        if (exists(ret->path, ""))
            return true;
        if (text_len(own) == 0)
            return false;
        const char *slash = memchr(own.at + 1, '/', text_len(own) - 1);
        own.at = slash ? slash : own.end;
    }
}

/* Finds the program's own cgroup in the hierarchy of this controller. False, and no path: there is none, it is not
 * visible, or it is the root of the machine, which is no cgroup of the program's. */
static bool find_own(const struct roots *roots, const char *controller, struct cgroup *ret)
{
    char        content[FILE_MAX];
    size_t      len = 0;
    struct line line;
    ret->v2 = false;
    ret->top = 0;
    ret->path[0] = '\0';
    int fd = roots_open(roots->proc, "self/cgroup", 0);
    if (fd < 0)
        return false;
    int error = file_reread(fd, content, sizeof content, &len);
    close(fd);
    bool found = error == 0 && find_line(text_span(content, len), controller, &line) &&
                 find_mount(roots, &line, controller, ret) && find_folder(line.path, ret) &&
                 (ret->v2 || !exists(ret->path, "release_agent")); /* only the root has it */
    if (!found)
        ret->path[0] = '\0';
    return found;
}

static bool read_whole(const struct cgroup *cgroup, const char *file, char content[static FILE_MAX], struct text *ret)
{
    char   path[CGROUP_PATH_MAX + 64];
    size_t len = 0;
    int    needed = snprintf(path, sizeof path, "%s/%s", cgroup->path, file);
    if (cgroup->path[0] == '\0' || needed < 0 || (size_t)needed >= sizeof path ||
        file_read(AT_FDCWD, path, content, FILE_MAX, &len) < 0)
        return false;
    *ret = text_span(content, len);
    return true;
}

/* Reads a file that is one number, else METRIC_NONE. */
static uint64_t read_number(const struct cgroup *cgroup, const char *file)
{
    char        content[FILE_MAX];
    struct text t;
    uint64_t    value = 0;
    return read_whole(cgroup, file, content, &t) && text_unsigned(&t, &value) ? value : METRIC_NONE;
}

/* Finds the number behind a name in a file of "name number" lines; untouched and false when it is not there. */
static bool entry(struct text entries, const char *name, uint64_t *ret)
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

/* The kernel opens a cgroup by its id (open_by_handle_at(2); FILEID_KERNFS of linux/exportfs.h). */
static int open_by_id(const char *mounted, uint64_t id)
{
    enum { FILEID_KERNFS = 0xfe };
    struct {
        unsigned bytes;
        int      type;
        uint64_t id;
    } handle = {.bytes = sizeof handle.id, .type = FILEID_KERNFS, .id = id};
    int mount = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int found = mount < 0 ? -1 : (int)syscall(SYS_open_by_handle_at, mount, &handle, O_PATH | O_CLOEXEC);
    file_close(&mount);
    return found;
}

bool cgroup_find(bool v2, uint64_t id, char ret[static CGROUP_PATH_MAX])
{
    static const char *const places[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char                     link[64];
    bool                     found = false;
    for (size_t i = v2; !found && i < (v2 ? ARRAY_LENGTH(places) : 1); i++) {
        int     fd = open_by_id(places[i], id);
        ssize_t n = -1;
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (fd >= 0)
            n = readlinkat(AT_FDCWD, link, ret, CGROUP_PATH_MAX - 1);
        ret[n > 0 ? n : 0] = '\0';
        found = n > 0 && cgroup_id(ret) == id;
        file_close(&fd);
    }
    return found;
}

/* The key is throttled_usec in version 2, throttled_time in nanoseconds in version 1. */
void cgroup_read_throttling(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    char        content[FILE_MAX];
    struct text t;
    uint64_t    ns = 0;
    ret->periods = ret->throttled = ret->throttled_us = METRIC_NONE;
    if (!read_whole(&watch->cpu, "cpu.stat", content, &t))
        return;
    (void)entry(t, "nr_periods", &ret->periods);
    (void)entry(t, "nr_throttled", &ret->throttled);
    if (!entry(t, "throttled_usec", &ret->throttled_us) && entry(t, "throttled_time", &ns))
        ret->throttled_us = ns / 1000;
}

/* memory.events counts events in the cgroup and all below it; memory.oom_control, in the cgroup alone. */
void cgroup_read_kills(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    char        content[FILE_MAX];
    struct text t;
    ret->oom_kills = METRIC_NONE;
    if (read_whole(&watch->memory, watch->memory.v2 ? "memory.events" : "memory.oom_control", content, &t))
        (void)entry(t, "oom_kill", &ret->oom_kills);
}

void cgroup_read_peak(const struct cgroup_watch *watch, struct cgroup_events *ret)
{
    ret->memory_peak = read_number(&watch->memory, watch->memory.v2 ? "memory.peak" : "memory.max_usage_in_bytes");
}

#define NO_MEMORY_LIMIT (UINT64_C(1) << 62) /* version 1 says the largest number of pages there can be */

/* Goes to the cgroup above; false, and unmoved, at the mount. */
static bool go_up(struct cgroup *cgroup)
{
    struct text above = text_of(cgroup->path + cgroup->top);
    if (!text_after_last(&above, '/'))
        return false;
    cgroup->path[above.at - 1 - cgroup->path] = '\0';
    return true;
}

/* The quota reads "50000 100000" in version 2, "max 100000" without a limit; version 1 has two files, -1 without a
 * limit. */
static double quota_of(const struct cgroup *cgroup)
{
    char        content[FILE_MAX];
    struct text t;
    uint64_t    quota = 0;
    uint64_t    period = 0;
    if (!read_whole(cgroup, cgroup->v2 ? "cpu.max" : "cpu.cfs_quota_us", content, &t) || !text_unsigned(&t, &quota))
        return 0;
    if (!cgroup->v2)
        period = read_number(cgroup, "cpu.cfs_period_us");
    else if (!text_unsigned(&t, &period))
        return 0;
    return period > 0 && period != METRIC_NONE ? (double)quota / (double)period : 0;
}

/* The least quota from this cgroup upwards, in CPUs; *cgroup becomes the one that has it. 0: there is none. */
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

/* Version 1 tells the least limit of all above, also of those that cannot be seen from here. */
static uint64_t hierarchical_limit(const struct cgroup *memory)
{
    char        content[FILE_MAX];
    struct text t;
    uint64_t    limit = METRIC_NONE;
    if (!memory->v2 && read_whole(memory, "memory.stat", content, &t))
        (void)entry(t, "hierarchical_memory_limit", &limit);
    return limit;
}

static uint64_t memory_limit(struct cgroup memory)
{
    uint64_t least = hierarchical_limit(&memory);
    bool     is_all = least != METRIC_NONE;
    while (!is_all) {
        uint64_t limit = read_number(&memory, memory.v2 ? "memory.max" : "memory.limit_in_bytes");
        least = limit < least ? limit : least;
        is_all = !go_up(&memory);
    }
    return least < NO_MEMORY_LIMIT ? least : METRIC_NONE;
}

/* Finds the cgroup that is charged: without the memory controller, it is the nearest one above that has it, and
 * processes are killed for its limit. */
static void find_charged(struct cgroup *memory)
{
    struct cgroup at = *memory;
    char          content[FILE_MAX];
    struct text   t;
    if (!memory->v2)
        return;
    do {
        if (read_whole(&at, "memory.events", content, &t)) {
            *memory = at;
            return;
        }
    } while (go_up(&at));
}

void cgroup_limits_read(const struct roots *roots, struct cgroup_limits *ret, struct cgroup_watch *ret_watch)
{
    *ret = (struct cgroup_limits){.memory = METRIC_NONE};
    if (find_own(roots, "cpu", &ret_watch->cpu))
        ret->cpus = least_quota(&ret_watch->cpu);
    if (find_own(roots, "memory", &ret_watch->memory)) {
        ret->memory = memory_limit(ret_watch->memory);
        find_charged(&ret_watch->memory);
    }
    ret_watch->memory_id = cgroup_id(ret_watch->memory.path);
}
