// SPDX-License-Identifier: Apache-2.0
#include "bucket_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/text.h"
#include "output.h"
#include "run_file.h"
#include "store/run_dir.h"

#define CACHE_MAX  (INT64_C(1) << 30) /* bytes, of all places */
#define CACHE_LEFT (CACHE_MAX / 5 * 4)
#define CALL_MAX   (UINT64_C(32) << 30) /* bytes that a call may write */

enum { KEPT_MAX = 512, WAIT_S = 60, RUNS_MAX = 1000 * 1000 };

/* ---------------------------------------------------------------------------------------------------------- folders */

static int open_below(int at, const char *name, int *ret)
{
    int result = dir_make(at, name);
    *ret = -1;
    return result == 0 || result == -EEXIST ? run_file_folder(at, name, geteuid(), ret) : result;
}

/* The folder of caches is this user's; a home may be a link. */
static int open_base(char ret_path[static PATH_MAX], int *ret)
{
    const char *xdg = environment_value("XDG_CACHE_HOME");
    const char *home = environment_value("HOME");
    struct stat info;
    int         parent = -1;
    int         result = 0;
    *ret = -1;
    if (xdg != NULL && xdg[0] == '/') {
        (void)snprintf(ret_path, PATH_MAX, "%.3800s", xdg);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(ret_path, PATH_MAX, "%.3800s/.cache", home);
        if (stat(home, &info) < 0 || info.st_uid != geteuid())
            return -EPERM;
    } else {
        (void)snprintf(ret_path, PATH_MAX, "~/.cache");
        return -ENOENT;
    }
    result = dir_make(AT_FDCWD, ret_path);
    parent = result == 0 || result == -EEXIST ? open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (parent < 0)
        return result < 0 && result != -EEXIST ? result : -errno;
    result = fstat(parent, &info) == 0 && info.st_uid == geteuid() ? open_below(parent, "pillion", ret) : -EPERM;
    file_close(&parent);
    (void)snprintf(ret_path + strlen(ret_path), PATH_MAX - strlen(ret_path), "/pillion");
    return result;
}

static int lock(int fd)
{
    struct timespec pause = {.tv_nsec = 100 * CLOCK_MILLISECOND};
    int64_t         until = clock_monotonic() + WAIT_S * CLOCK_SECOND;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) /* a file system without locks */
            return 0;
        if (clock_monotonic() > until)
            return -EBUSY;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------- room */

/* A run in the cache, as its end is decided. */
struct old {
    char   *place, *id;
    int64_t used, size;
};

struct olds {
    struct old *list;
    size_t      count, room;
    int64_t     size;
};

static int64_t size_of(int runs, const char *id, const char *name)
{
    char        path[RUN_DIR_ID_MAX + 32];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", id, name);
    return fstatat(runs, path, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_size : 0;
}

static bool add_old(struct olds *olds, const char *place, const char *id, int64_t used, int64_t size)
{
    if (olds->count == olds->room) {
        size_t      room = olds->room == 0 ? 256 : 2 * olds->room;
        struct old *more = realloc(olds->list, room * sizeof *more);
        if (more == NULL)
            return false;
        olds->list = more;
        olds->room = room;
    }
    olds->list[olds->count] = (struct old){strdup(place), strdup(id), used, size};
    olds->size += size;
    return olds->list[olds->count++].id != NULL;
}

/* Of one place. Each run has a file in etags/, whose time is that of its last use. */
static void measure_place(int root, const char *place, struct olds *olds)
{
    struct dir  entries;
    struct stat info;
    int         folder = -1;
    int         runs = -1;
    int         etags = -1;
    if (run_file_folder(root, place, geteuid(), &folder) == 0 &&
        run_file_folder(folder, "runs", geteuid(), &runs) == 0 &&
        run_file_folder(folder, "etags", geteuid(), &etags) == 0) {
        dir_rewind(&entries, etags);
        for (const char *id; olds->count < RUNS_MAX && (id = dir_next(&entries)) != NULL;)
            if (strlen(id) < RUN_DIR_ID_MAX && fstatat(etags, id, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                !add_old(olds, place, id, info.st_mtime,
                         info.st_size + size_of(runs, id, RUN_DIR_JOURNAL) + size_of(runs, id, RUN_DIR_ROWS)))
                break;
    }
    file_close(&etags);
    file_close(&runs);
    file_close(&folder);
}

static void remove_old(int root, const struct old *old)
{
    static const char *const files[] = {RUN_DIR_JOURNAL, RUN_DIR_ROWS};
    char                     path[PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/runs/%s/%s", old->place, old->id, files[i]);
        (void)unlinkat(root, path, 0);
    }
    (void)snprintf(path, sizeof path, "%s/runs/%s", old->place, old->id);
    (void)unlinkat(root, path, AT_REMOVEDIR);
    (void)snprintf(path, sizeof path, "%s/etags/%s", old->place, old->id);
    (void)unlinkat(root, path, 0);
}

static int by_use(const void *a, const void *b)
{
    int64_t x = ((const struct old *)a)->used;
    int64_t y = ((const struct old *)b)->used;
    return (x > y) - (x < y);
}

/* What was not used for the longest time goes. */
static void make_room(int root)
{
    struct olds    olds = {0};
    DIR           *dir = fdopendir(dup(root));
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "s3-", 3) == 0)
            measure_place(root, entry->d_name, &olds);
    if (dir != NULL) {
        rewinddir(dir); /* the place in the folder is shared with root */
        closedir(dir);
    }
    if (olds.size > CACHE_MAX)
        qsort(olds.list, olds.count, sizeof *olds.list, by_use);
    for (size_t i = 0; olds.size > CACHE_MAX && i < olds.count; i++) {
        int64_t left = olds.size;
        for (; left > CACHE_LEFT && i < olds.count; i++) {
            remove_old(root, &olds.list[i]);
            left -= olds.list[i].size;
        }
        olds.size = left;
    }
    for (size_t i = 0; i < olds.count; i++) {
        free(olds.list[i].place);
        free(olds.list[i].id);
    }
    free(olds.list);
}

/* Rows are packed tenfold, and a stranger's a thousandfold. */
static uint64_t allowed(int root)
{
    struct statvfs info;
    if (fstatvfs(root, &info) < 0 || info.f_blocks == 0) /* a file system that does not tell */
        return CALL_MAX;
    uint64_t half = (uint64_t)info.f_bavail * info.f_frsize / 2;
    return half < CALL_MAX ? half : CALL_MAX;
}

int bucket_cache_spend(struct bucket_cache *cache, uint64_t bytes)
{
    if (bytes > cache->left)
        return -EDQUOT;
    cache->left -= bytes;
    return 0;
}

bool bucket_cache_tell(const struct bucket_cache *cache, const char *id, int error)
{
    complain("%s/runs/%s cannot be written: %s", cache->path, id,
             error == -EDQUOT ? "a quota of the disk, or half of what it had free, is used up; choose fewer runs, or "
                                "another place by XDG_CACHE_HOME"
                              : strerror(-error));
    return error == -ENOSPC || error == -EDQUOT || error == -EROFS;
}

/* ------------------------------------------------------------------------------------------------------------ places
 */

static int open_place(const char *place, const char *endpoint, struct bucket_cache *ret)
{
    char name[32];
    char hash[SIGV4_HASH_SIZE];
    char whole[2048];
    int  folder = -1;
    (void)snprintf(whole, sizeof whole, "%s %s", endpoint, place);
    int result = sigv4_hash(whole, strlen(whole), hash);
    (void)snprintf(name, sizeof name, "s3-%.16s", hash);
    (void)snprintf(ret->path + strlen(ret->path), sizeof ret->path - strlen(ret->path), "/%s", name);
    if (result == 0)
        result = open_below(ret->root, name, &folder);
    if (result == 0)
        result = open_below(folder, "runs", &ret->runs);
    if (result == 0)
        result = open_below(folder, "etags", &ret->etags);
    file_close(&folder);
    return result;
}

int bucket_cache_open(const char *place, const char *endpoint, struct bucket_cache *ret)
{
    *ret = (struct bucket_cache){.root = -1, .runs = -1, .etags = -1};
    int result = open_base(ret->path, &ret->root);
    if (result == 0)
        result = lock(ret->root);
    if (result == 0) {
        make_room(ret->root);
        ret->left = allowed(ret->root);
        result = open_place(place, endpoint, ret);
    }
    if (result == -EBUSY)
        complain("another pillion is fetching runs, and does not end");
    else if (result < 0)
        complain("%s cannot be used: %s; name another place by XDG_CACHE_HOME", ret->path,
                 result == -EPERM ? "a folder on the way is a link, or another user's" : strerror(-result));
    return result;
}

void bucket_cache_close(struct bucket_cache *cache)
{
    file_close(&cache->etags);
    file_close(&cache->runs);
    file_close(&cache->root);
}

void bucket_cache_kept(const struct bucket_cache *cache, const char *id, struct bucket_kept *ret)
{
    struct bytes file;
    struct text  line;
    struct text  word;
    *ret = (struct bucket_kept){.state = ""};
    bytes_init(&file, KEPT_MAX);
    struct text rest = {NULL, NULL};
    if (run_file_load(cache->etags, id, &file) == 0 && file.data != NULL)
        rest = text_span(file.data, file.len);
    if (text_len(rest) > 0 && text_line(&rest, &line) && text_skip(&line, "state "))
        (void)text_copy(line, ret->state, sizeof ret->state);
    if (text_len(rest) > 0 && text_line(&rest, &line) && text_skip(&line, "rows ") &&
        text_unsigned(&line, &ret->objects) && text_unsigned(&line, &ret->rows_size) && text_word(&line, &word))
        (void)text_copy(word, ret->hash, sizeof ret->hash);
    if (text_len(rest) > 0 && text_line(&rest, &line) && text_skip(&line, "settled "))
        (void)text_unsigned(&line, &ret->settled);
    bytes_done(&file);
}

/* Whole, or not at all. */
static int replace(int dir, const char *name, const void *data, size_t len)
{
    char draft[RUN_DIR_ID_MAX + 8];
    int  fd = -1;
    (void)snprintf(draft, sizeof draft, ".%s", name);
    (void)unlinkat(dir, draft, 0);
    int result = file_make(dir, draft, O_WRONLY | O_EXCL | O_CLOEXEC | O_NOFOLLOW, &fd);
    if (result == 0)
        result = file_write(fd, data, len, NULL);
    file_close(&fd);
    if (result == 0 && renameat(dir, draft, dir, name) < 0)
        result = -errno;
    return result;
}

int bucket_cache_note(const struct bucket_cache *cache, const char *id, const struct bucket_kept *kept)
{
    char text[KEPT_MAX];
    int  len = snprintf(text, sizeof text, "state %s\nrows %llu %llu %s\nsettled %llu\n", kept->state,
                        (unsigned long long)kept->objects, (unsigned long long)kept->rows_size, kept->hash,
                        (unsigned long long)kept->settled);
    return len > 0 && (size_t)len < sizeof text ? replace(cache->etags, id, text, (size_t)len) : -EINVAL;
}

void bucket_cache_touch(const struct bucket_cache *cache, const char *id)
{
    (void)utimensat(cache->etags, id, NULL, AT_SYMLINK_NOFOLLOW);
}

int bucket_cache_write(struct bucket_cache *cache, const char *id, const char *name, const void *data, size_t len)
{
    int folder = -1;
    int result = bucket_cache_spend(cache, len);
    if (result == 0)
        result = open_below(cache->runs, id, &folder);
    if (result == 0)
        result = replace(folder, name, data, len);
    file_close(&folder);
    return result;
}

int bucket_cache_cut(const struct bucket_cache *cache, const char *id, const char *name, uint64_t offset)
{
    struct stat info;
    int         folder = -1;
    int         fd = -1;
    int         result = open_below(cache->runs, id, &folder);
    if (result == 0)
        result = file_make(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &fd);
    file_close(&folder);
    if (result == 0 &&
        (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || (uint64_t)info.st_size < offset))
        result = -EPERM;
    if (result == 0 && (ftruncate(fd, (off_t)offset) < 0 || lseek(fd, 0, SEEK_END) < 0))
        result = -errno;
    if (result < 0)
        file_close(&fd);
    return result < 0 ? result : fd;
}

static void path_of(const char *id, const char *name, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/%s", id, name);
}

int64_t bucket_cache_time(const struct bucket_cache *cache, const char *id, const char *name)
{
    char        path[PATH_MAX];
    struct stat info;
    path_of(id, name, path);
    return fstatat(cache->runs, path, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mtime : 0;
}

void bucket_cache_set_time(const struct bucket_cache *cache, const char *id, const char *name, int64_t seconds)
{
    char                  path[PATH_MAX];
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};
    path_of(id, name, path);
    (void)utimensat(cache->runs, path, times, AT_SYMLINK_NOFOLLOW);
}
