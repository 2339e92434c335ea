/* What glibc got after the floor (base/floor.h), or renamed. The command and the client have these too: packages are
 * for systems that are older than the one they are built on. */
// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int corner_fstatat(int directory, const char *path, struct stat *ret, int flags);
int corner_stat(const char *path, struct stat *ret);
int corner_lstat(const char *path, struct stat *ret);
int corner_fstat(int fd, struct stat *ret);
int corner_fcntl(int fd, int command, ...);

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    return syscall(SYS_getrandom, buffer, size, flags);
}

void explicit_bzero(void *memory, size_t size)
{
    memset(memory, 0, size);
    __asm__ volatile("" : : "r"(memory) : "memory"); /* seen as read, so it cannot be optimized away */
}

int corner_fstatat(int directory, const char *path, struct stat *ret, int flags)
{
    return (int)syscall(SYS_newfstatat, directory, path, ret, flags);
}
LIBC_NAME(fstatat, corner_fstatat);
LIBC_NAME(fstatat64, corner_fstatat);

int corner_stat(const char *path, struct stat *ret)
{
    return corner_fstatat(AT_FDCWD, path, ret, 0);
}
LIBC_NAME(stat, corner_stat);
LIBC_NAME(stat64, corner_stat);

int corner_lstat(const char *path, struct stat *ret)
{
    return corner_fstatat(AT_FDCWD, path, ret, AT_SYMLINK_NOFOLLOW);
}
LIBC_NAME(lstat, corner_lstat);
LIBC_NAME(lstat64, corner_lstat);

int corner_fstat(int fd, struct stat *ret)
{
    return (int)syscall(SYS_fstat, fd, ret);
}
LIBC_NAME(fstat, corner_fstat);
LIBC_NAME(fstat64, corner_fstat);

/* <fcntl.h> makes fcntl64 of fcntl where files may be large. */
int corner_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)syscall(SYS_fcntl, fd, command, argument);
}
LIBC_NAME(fcntl, corner_fcntl);
LIBC_NAME(fcntl64, corner_fcntl);
