// SPDX-License-Identifier: Apache-2.0
#include "run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "bucket.h"
#include "store/journal_read.h"
#include "store/run_dir.h"

enum { READ = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };
enum { STATES_MAX = 512 * 1024 * 1024 };

/* Only the owner, and root, may leave the time of access alone. */
static int open_quietly(int at, const char *name, int flags)
{
    int fd = openat(at, name, READ | O_NOATIME | flags);
    if (fd < 0 && errno == EPERM)
        fd = openat(at, name, READ | flags);
    return fd < 0 ? -errno : fd;
}

int run_file_open(int dir, const char *name, int *ret)
{
    struct stat folder, info;
    int         fd = open_quietly(dir, name, 0);
    *ret = -1;
    if (fd < 0)
        return fd == -ELOOP || fd == -ENXIO ? -EPERM : fd; /* a link, a socket */
    if (fstat(dir, &folder) < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != folder.st_uid) {
        file_close(&fd);
        return -EPERM;
    }
    *ret = fd;
    return 0;
}

int run_file_load(int dir, const char *name, struct bytes *ret)
{
    struct stat info;
    int         fd = -1;
    int         result = run_file_open(dir, name, &fd);
    if (result == 0 && (fstat(fd, &info) < 0 || info.st_size > (off_t)ret->max))
        result = -EFBIG;
    if (result == 0)
        result = file_load_held(fd, ret);
    file_close(&fd);
    return result;
}

static off_t left = -1; /* bytes of states that may still be read; -1: any */

void run_file_limit(void)
{
    left = bucket_is_read() ? -1 : STATES_MAX; /* of a bucket's the disk was the end */
}

/* Takes the file's size off what is left. */
static int take(int fd)
{
    struct stat info;
    if (left < 0)
        return 0;
    if (fstat(fd, &info) < 0 || info.st_size > left)
        return -EFBIG;
    left -= info.st_size;
    return 0;
}

int run_file_state(int dir, cJSON **ret)
{
    cJSON *state = NULL;
    int    fd = -1;
    int    result = run_file_open(dir, RUN_DIR_JOURNAL, &fd);
    if (result == 0)
        result = take(fd);
    if (result == 0)
        result = journal_load_held(fd, &state);
    if (result == 0 && journal_is_newer(state))
        result = -ENOTSUP;
    file_close(&fd);
    if (result == 0)
        *ret = state;
    else
        cJSON_Delete(state);
    return result;
}

double run_file_heard(int dir)
{
    uint64_t bytes;
    int64_t  changed;
    run_dir_measure(dir, &bytes, &changed);
    return (double)changed;
}

int run_file_folder(int at, const char *name, uid_t owner, int *ret)
{
    struct stat info;
    int         fd = open_quietly(at, name, O_DIRECTORY);
    *ret = -1;
    if (fd < 0)
        return fd == -ELOOP || fd == -ENOTDIR ? -EPERM : fd;
    if (fstat(fd, &info) < 0 || info.st_uid != owner) {
        file_close(&fd);
        return -EPERM;
    }
    *ret = fd;
    return 0;
}
