// SPDX-License-Identifier: Apache-2.0
#include "store/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum { SAME_NAME_TRIES = 1000, LOOK_BACK_MAX = 64 * 1024 * 1024 };
enum { FILE_FLAGS = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

void rundir_init(struct rundir *run)
{
    *run = (struct rundir){.dir = -1, .state = -1, .rows = -1, .log = -1, .lock = -1};
    bytes_init(&run->memory_rows, RUNDIR_MEMORY_MAX);
    bytes_init(&run->facts, RUNDIR_STATE_MAX);
}

void rundir_suspend(struct rundir *run)
{
    file_close(&run->state);
    file_close(&run->rows);
    file_close(&run->log);
    file_close(&run->lock);
    file_close(&run->dir);
}

void rundir_close(struct rundir *run)
{
    rundir_suspend(run);
    bytes_done(&run->memory_rows);
    bytes_done(&run->facts);
}

/* Where the last line that has its \n ends, looking back from `size`; -errno. No line of ours is as long as the look.
 */
static off_t end_of_whole_lines(int fd, off_t size)
{
    char  block[4096];
    off_t farthest = size > LOOK_BACK_MAX ? size - LOOK_BACK_MAX : 0;
    for (off_t end = size; end > farthest;) {
        off_t   start = end > (off_t)sizeof block ? end - (off_t)sizeof block : 0;
        ssize_t n = pread(fd, block, (size_t)(end - start), start);
        if (n < end - start)
            return n < 0 ? -errno : -EIO;
        const char *newline = memrchr(block, '\n', (size_t)n);
        if (newline)
            return start + (newline - block) + 1;
        end = start;
    }
    return farthest > 0 ? -EBADMSG : 0;
}

/* A torn last line, from a writer that was killed, is no line: the next one must not stick to it. */
static int cut_torn_line(int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    off_t end = end_of_whole_lines(fd, info.st_size);
    if (end < 0)
        return (int)end;
    return end == info.st_size || ftruncate(fd, end) == 0 ? 0 : -errno;
}

static int open_file(int dir, const char *name, bool create, int *ret)
{
    struct stat info;
    int         fd = openat(dir, name, FILE_FLAGS | (create ? O_CREAT : 0), 0600);
    if (fd < 0)
        return errno == ELOOP ? -EPERM : -errno;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1) {
        file_close(&fd);
        return -EPERM;
    }
    *ret = fd;
    return 0;
}

static int open_files(struct rundir *run)
{
    int error = open_file(run->dir, "lock", true, &run->lock);
    int locked = 0;
    if (error == 0 && flock(run->lock, LOCK_EX | LOCK_NB) < 0) {
        locked = errno == EWOULDBLOCK ? -EBUSY : -ENOLCK;
        if (locked == -EBUSY)
            error = locked;
    }
    if (error == 0)
        error = open_file(run->dir, "run.jsonl", true, &run->state);
    if (error == 0)
        error = open_file(run->dir, "metrics.csv", true, &run->rows);
    if (error == 0)
        error = open_file(run->dir, "log", true, &run->log);
    if (error == 0)
        error = cut_torn_line(run->state);
    if (error == 0)
        error = cut_torn_line(run->rows);
    if (error == 0)
        run->on_disk |= lseek(run->rows, 0, SEEK_END) > 0;
    if (error < 0)
        rundir_suspend(run);
    return error < 0 ? error : locked;
}

/* One that was just made too: another may stand in its place by now. */
static int open_folder(const struct home *home, struct rundir *run)
{
    struct stat info;
    run->dir = openat(home->runs, run->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (run->dir < 0)
        return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
    if (fstat(run->dir, &info) < 0 || info.st_uid != geteuid()) {
        rundir_suspend(run);
        return -EPERM;
    }
    return open_files(run);
}

/* A machine's name becomes part of a path. */
static void clean_name(const char *machine, char ret[static 48])
{
    size_t n = 0;
    for (; machine[n] && n < 47; n++) {
        char c = machine[n];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
        ret[n] = plain && !(n == 0 && c == '.') ? c : '-';
    }
    if (n == 0)
        ret[n++] = '-';
    ret[n] = '\0';
}

int rundir_create(const struct home *home, int64_t started_s, const char *machine, pid_t pid, struct rundir *ret)
{
    char when[17];
    char name[48];
    clock_format_compact(started_s, when);
    clean_name(machine, name);
    for (int i = 1; i <= SAME_NAME_TRIES; i++) {
        if (i == 1)
            (void)snprintf(ret->id, sizeof ret->id, "%s-%s-%d", when, name, (int)pid);
        else
            (void)snprintf(ret->id, sizeof ret->id, "%s-%s-%d-%d", when, name, (int)pid, i);
        if (home->runs < 0)
            return -ENOENT; /* the ID is wanted all the same */
        if (mkdirat(home->runs, ret->id, 0700) == 0) {
            return open_folder(home, ret);
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

int rundir_open(const struct home *home, const char *id, struct rundir *ret)
{
    if (strlen(id) >= sizeof ret->id || strchr(id, '/') || id[0] == '.')
        return -EINVAL;
    memmove(ret->id, id, strlen(id) + 1);
    return open_folder(home, ret);
}
