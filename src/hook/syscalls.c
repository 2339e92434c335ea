/* System calls by number: a program may define a read, open or stat of its own. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

static long checked(long result)
{
    return result < 0 ? -errno : result;
}

long sys_open(const char *path, int flags, unsigned mode)
{
    return checked(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY, mode));
}

long sys_read(int fd, void *data, size_t size)
{
    return checked(syscall(SYS_read, fd, data, size));
}

void sys_close(int fd)
{
    (void)syscall(SYS_close, fd);
}

long sys_read_file(const char *path, char *ret, size_t size)
{
    long fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    size_t len = 0;
    long   n = 0;
    while (len < size - 1 && (n = sys_read((int)fd, ret + len, size - 1 - len)) > 0)
        len += (size_t)n;
    sys_close((int)fd);
    if (n < 0 && len == 0)
        return n;
    ret[len] = '\0';
    return (long)len;
}

void sys_unlink(const char *path)
{
    (void)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

long sys_readlink(const char *path, char *ret, size_t size)
{
    long n = checked(syscall(SYS_readlinkat, AT_FDCWD, path, ret, size - 1));
    ret[n > 0 ? n : 0] = '\0';
    return n;
}

long sys_pid(void)
{
    return syscall(SYS_getpid);
}

long sys_parent(void)
{
    return syscall(SYS_getppid);
}

long sys_tid(void)
{
    return syscall(SYS_gettid);
}

int sys_stat(const char *path, struct stat *ret)
{
    return (int)checked(syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0));
}

int sys_lstat(const char *path, struct stat *ret)
{
    return (int)checked(syscall(SYS_newfstatat, AT_FDCWD, path, ret, AT_SYMLINK_NOFOLLOW));
}

long sys_list(int folder, void *block, size_t size)
{
    return checked(syscall(SYS_getdents64, folder, block, size));
}

int64_t sys_monotonic(void)
{
    struct timespec now = {0};
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
