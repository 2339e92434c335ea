/* The search for PILLION_DIR, and its marks. */
// SPDX-License-Identifier: Apache-2.0
#include "store/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"

enum { CLOCK_SKEW = 3600 };      /* s; a file server may be ahead so much */
enum { NAMED = -1, PLACES = 4 }; /* of a run directory; NAMED is PILLION_DIR */
enum {
    PLACE = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
    DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
};

static bool is_ours(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid();
}

/* Opens the next folder of a path, never through a link, and makes it when asked. Takes `parent`. */
static int step(int parent, const char *name, bool create, bool must_be_ours, int *ret)
{
    int error = create ? dir_make(parent, name) : 0;
    int fd = openat(parent, name, DIRECTORY);
    if (fd < 0 && (error == 0 || error == -EEXIST))
        error = errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
    else if (fd >= 0)
        error = 0;
    file_close(&parent);
    if (error == 0 && must_be_ours && !is_ours(fd))
        error = -EPERM;
    if (error < 0)
        file_close(&fd);
    *ret = fd;
    return error;
}

/* Opens all components of `path` below the open directory `fd`. Takes fd. */
static int descend(int fd, const char *path, bool create, bool ours, int *ret)
{
    struct text rest = text_of(path);
    struct text piece;
    char        name[NAME_MAX + 1];
    int         error = 0;
    while (error == 0 && text_until(&rest, '/', &piece)) {
        if (text_len(piece) == 0)
            continue;
        if (!text_copy(piece, name, sizeof name))
            error = -ENAMETOOLONG;
        else
            error = step(fd, name, create, ours, &fd);
    }
    if (error < 0)
        file_close(&fd);
    *ret = fd;
    return error;
}

/* Makes the folders above PILLION_DIR, through links too: the user named them. Only the last component must be no link.
 */
static int make_parents(const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (!text_copy(text_span(path, (size_t)(slash - path)), part, sizeof part))
            return -ENAMETOOLONG;
        int error = dir_make(AT_FDCWD, part);
        if (error < 0 && error != -EEXIST && error != -EROFS && error != -EACCES)
            return error;
    }
    return 0;
}

/* A folder of another owner that lets us in (an emptyDir, a group's, a sticky one) gets a folder of our own, named by
 * our number. Whoever writes there too can rename ours, but not enter it, and all that we do is done below its handle.
 * Root may write anywhere: a folder that its owner alone writes into stays that user's. Takes `folder`. */
static int enter_anothers(int folder, bool create, struct state_dir *ret)
{
    struct stat info;
    char        own[16];
    size_t      len = strlen(ret->path);
    (void)snprintf(own, sizeof own, "%u", (unsigned)geteuid());
    int error = fstat(folder, &info) < 0 ? -errno : 0;
    if (error == 0 && geteuid() == 0 && !(info.st_mode & (S_IWGRP | S_IWOTH)))
        error = -EPERM;
    if (error == 0 && snprintf(ret->path + len, sizeof ret->path - len, "/%s", own) >= (int)(sizeof ret->path - len))
        error = -ENAMETOOLONG;
    if (error == 0)
        return step(folder, own, create, true, &ret->dir);
    file_close(&folder);
    return error;
}

static int try_named(bool create, struct state_dir *ret)
{
    const char *path = ret->path;
    int         fd = open(path, PLACE); /* it need not be readable */
    if (fd < 0 && errno == ENOENT && create) {
        int error = make_parents(path);
        if (error == 0)
            error = dir_make(AT_FDCWD, path);
        if (error < 0 && error != -EEXIST)
            return error;
        fd = open(path, PLACE);
    }
    if (fd < 0)
        return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
    if (!is_ours(fd))
        return enter_anothers(fd, create, ret);
    ret->dir = fd;
    return 0;
}

/* `below` a directory that must be the effective user's (HOME), or may be everybody's (/tmp). One that does not exist
 * is no place, and is not made: nobody asked for it. */
static int try_below(const char *base, const char *below, bool base_is_ours, bool create, struct state_dir *ret)
{
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            ret->path[0] = '\0';
        return -errno;
    }
    if (base_is_ours && !is_ours(fd)) {
        file_close(&fd);
        return -EPERM;
    }
    return descend(fd, below, create, true, &ret->dir);
}

static int try_place(int place, const char *(*lookup)(const char *name), bool create, struct state_dir *ret)
{
    const char *variable = place == 0 ? "XDG_STATE_HOME" : "HOME";
    const char *below = place == 0 ? "pillion" : ".local/state/pillion";
    char        own[32];
    (void)snprintf(own, sizeof own, "pillion-%u", (unsigned)geteuid());
    if (place >= 2) {
        const char *base = place == 2 ? "/tmp" : "/dev/shm";
        (void)snprintf(ret->path, sizeof ret->path, "%s/%s", base, own);
        return try_below(base, own, false, create, ret);
    }
    const char *base = lookup(variable);
    if (!base || *base != '/')
        return -ENOENT;
    int len = snprintf(ret->path, sizeof ret->path, "%s/%s", base, below);
    if (len < 0 || (size_t)len >= sizeof ret->path)
        return -ENAMETOOLONG;
    return try_below(base, below, true, create, ret);
}

static int open_runs(bool create, struct state_dir *ret)
{
    int error = create ? dir_make(ret->dir, "runs") : 0;
    if (error < 0 && error != -EEXIST)
        return error;
    ret->runs = openat(ret->dir, "runs", DIRECTORY);
    if (ret->runs < 0)
        return -errno;
    if (!is_ours(ret->runs))
        return -EPERM;
    return create && faccessat(ret->runs, ".", W_OK, 0) < 0 ? -errno : 0;
}

/* A slash at the end would follow a link. */
static struct text without_slashes(const char *path)
{
    struct text t = text_of(path);
    while (text_len(t) > 1 && t.end[-1] == '/')
        t.end--;
    return t;
}

static int try(int place, const char *(*lookup)(const char *name), bool create, struct state_dir *ret)
{
    const char *named = lookup("PILLION_DIR");
    char        path[PATH_MAX];
    int         error = -ENAMETOOLONG;
    *ret = (struct state_dir){.dir = -1, .runs = -1};
    if (place >= 0)
        error = try_place(place, lookup, create, ret);
    else if (text_copy(without_slashes(named), ret->path, sizeof ret->path))
        error = try_named(create, ret);
    if (error == 0)
        error = dir_absolute(ret->path, path);
    if (error == 0) {
        memcpy(ret->path, path, sizeof ret->path);
        error = open_runs(create, ret);
    }
    if (error < 0)
        state_dir_close(ret);
    return error;
}

/* PILLION_DIR is the first place when it is set, and then the only one. */
static int first_place(const char *(*lookup)(const char *name))
{
    const char *named = lookup("PILLION_DIR");
    return named && *named ? NAMED : 0;
}

int state_dir_open(const char *(*lookup)(const char *name), bool create, struct state_dir *ret)
{
    int first = -ENOENT;
    for (int place = first_place(lookup); place < PLACES; place++) {
        int error = try(place, lookup, create, ret);
        if (error == 0)
            return 0;
        if (first == -ENOENT)
            first = error;
        if (place == NAMED)
            break;
    }
    return first;
}

/* The part of a path that exists has to be writable, for the rest to be made. */
static int could_be_made(const char *path)
{
    char part[PATH_MAX];
    (void)text_copy(text_of(path), part, sizeof part);
    while (faccessat(AT_FDCWD, part[0] ? part : ".", F_OK, 0) < 0 && errno == ENOENT && part[0]) {
        char *slash = strrchr(part, '/');
        if (slash && slash == part && part[1])
            part[1] = '\0';
        else
            *(slash ? slash : part) = '\0';
    }
    const char   *last = part[0] ? part : ".";
    struct statfs fs;
    if (syscall(SYS_statfs, last, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC))
        return -EROFS; /* root may write there, and nobody can make a folder */
    return faccessat(AT_FDCWD, last, W_OK | X_OK, 0) < 0 ? -errno : 0;
}

int state_dir_predict(const char *(*lookup)(const char *name), struct state_dir *ret, int *ret_refused)
{
    *ret_refused = 0;
    for (int place = first_place(lookup); place < PLACES; place++) {
        int error = try(place, lookup, false, ret);
        if (error == 0 && faccessat(ret->runs, ".", W_OK, 0) < 0)
            error = -errno;
        if (error == -ENOENT && ret->path[0])
            error = could_be_made(ret->path);
        if (error == 0)
            return 0;
        state_dir_close(ret);
        if (ret->path[0] && *ret_refused == 0)
            *ret_refused = error;
        if (place == NAMED)
            break;
    }
    return *ret_refused ? *ret_refused : -ENOENT;
}

int state_dir_reopen(struct state_dir *home)
{
    home->dir = open(home->path, DIRECTORY);
    if (home->dir < 0)
        return -errno;
    int error = is_ours(home->dir) ? open_runs(false, home) : -EPERM;
    if (error < 0)
        state_dir_close(home);
    return error;
}

void state_dir_close(struct state_dir *home)
{
    file_close(&home->dir);
    file_close(&home->runs);
}

void state_dir_mark(const struct state_dir *home, const char *name)
{
    int fd = -1;
    if (file_make(home->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &fd) == 0)
        (void)futimens(fd, NULL);
    file_close(&fd);
}

int64_t state_dir_mark_age(const struct state_dir *home, const char *name)
{
    struct stat info;
    if (home->dir < 0 || fstatat(home->dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    int64_t age = clock_real() / CLOCK_SECOND - info.st_mtime;
    return age < -CLOCK_SKEW ? -1 : age < 0 ? 0 : age;
}

bool state_dir_claim(const struct state_dir *home, const char *name, int64_t seconds)
{
    int64_t age = state_dir_mark_age(home, name);
    if (home->dir < 0 || (age >= 0 && age < seconds))
        return false;
    state_dir_mark(home, name);
    return state_dir_mark_age(home, name) >= 0;
}
