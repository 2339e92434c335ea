// SPDX-License-Identifier: Apache-2.0
#include "collect/cgroup/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/roots.h"

enum { OWN_MAX = 1024, MOUNT_MAX = 128 };

/* One line of /proc/self/cgroup: "4:cpu,cpuacct:/user.slice" in version 1, "0::/user.slice" in version 2. */
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

/* sys/fs/cgroup, or what is mounted below it: by the controller's name, by all that the hierarchy has, or, beside
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

/* A cgroup that is not below the namespace's root is shown with dots, and is not to be seen from here. */
static bool goes_up(struct text path)
{
    struct text part;
    while (text_until(&path, '/', &part))
        if (text_is(part, ".."))
            return true;
    return false;
}

/* Where a container is told the machine's path, but sees its own part of the tree alone, the front of the path is not
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

bool cgroup_find(const struct roots *roots, const char *controller, struct cgroup *ret)
{
    char        content[CGROUP_FILE_MAX];
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
                 (ret->v2 || !exists(ret->path, "release_agent")); /* which the root alone has */
    if (!found)
        ret->path[0] = '\0';
    return found;
}

bool cgroup_file(const struct cgroup *cgroup, const char *file, char content[static CGROUP_FILE_MAX], struct text *ret)
{
    char   path[CGROUP_PATH_MAX + 64];
    size_t len = 0;
    int    needed = snprintf(path, sizeof path, "%s/%s", cgroup->path, file);
    if (cgroup->path[0] == '\0' || needed < 0 || (size_t)needed >= sizeof path ||
        file_read(AT_FDCWD, path, content, CGROUP_FILE_MAX, &len) < 0)
        return false;
    *ret = text_span(content, len);
    return true;
}

uint64_t cgroup_number(const struct cgroup *cgroup, const char *file)
{
    char        content[CGROUP_FILE_MAX];
    struct text t;
    uint64_t    value = 0;
    return cgroup_file(cgroup, file, content, &t) && text_unsigned(&t, &value) ? value : METRIC_NONE;
}
