// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PRIVATE = 0600 };

void file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_open_own(const char *path, mode_t permissions, int *ret)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW };
    struct stat info;
    int         fd = open(path, FLAGS, permissions);
    *ret = -1;
    if (fd < 0)
        return errno == ELOOP ? -EPERM : -errno;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
        info.st_nlink > 1) { /* some file servers say 0 */
        file_close(&fd);
        return -EPERM;
    }
    *ret = fd;
    return 0;
}

int file_make(int dir, const char *path, int flags, int *ret)
{
    struct stat info;
    int         fd = openat(dir, path, flags | O_CREAT | O_EXCL, PRIVATE);
    if (fd >= 0 && fstat(fd, &info) == 0 && (info.st_mode & 0777) != PRIVATE)
        (void)fchmod(fd, PRIVATE);
    else if (fd < 0 && errno == EEXIST)
        fd = openat(dir, path, flags);
    *ret = fd;
    return fd < 0 ? -errno : 0;
}

int file_reread(int fd, char *ret, size_t size, size_t *ret_len)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = pread(fd, ret + len, size - len, (off_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        len += (size_t)n;
        if (len == size)
            return -EFBIG;
        if (n == 0)
            break;
    }
    ret[len] = '\0';
    *ret_len = len;
    return 0;
}

int file_read(int dir, const char *path, char *ret, size_t size, size_t *ret_len)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = file_reread(fd, ret, size, ret_len);
    close(fd);
    return error;
}

/* Reads from offset `at` on; at -1, from where a file without offsets stands. */
static int load(int fd, off_t at, struct bytes *ret)
{
    char block[16384];
    for (;;) {
        ssize_t n = at < 0 ? read(fd, block, sizeof block) : pread(fd, block, sizeof block, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        at += at < 0 ? 0 : n;
        bytes_add(ret, block, (size_t)n);
        if (ret->failed)
            return -EFBIG;
    }
}

int file_load_held(int fd, struct bytes *ret)
{
    return load(fd, 0, ret);
}

int file_load(int dir, const char *path, struct bytes *ret)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int error = load(fd, -1, ret);
    close(fd);
    return error;
}

int file_write(int fd, const void *data, size_t len, size_t *ret_written)
{
    size_t done = 0;
    int    error = 0;
    while (done < len) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            error = n < 0 ? -errno : -EIO;
            break;
        }
        done += (size_t)n;
    }
    if (ret_written)
        *ret_written = done;
    return error;
}

int file_append(int fd, const void *data, size_t len)
{
    size_t      written = 0;
    struct stat info;
    int         error = file_write(fd, data, len, &written);
    if (error < 0 && written > 0 && fstat(fd, &info) == 0 && info.st_size == lseek(fd, 0, SEEK_CUR))
        (void)ftruncate(fd, info.st_size - (off_t)written);
    return error;
}
