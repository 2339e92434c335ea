// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
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

/* These functions are newer in glibc than the engine's floor, or take a lock there. */

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    return syscall(SYS_getrandom, buffer, size, flags);
}

/* c-ares seeds this as a last resort, where the kernel has no randomness to give; libc's has a lock. */
static uint64_t random_state = 1;

void srand(unsigned seed)
{
    random_state = seed;
}

int rand(void)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (int)(random_state >> 33);
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

/* Names of services are not looked up: that would load modules of NSS into the program. Ports are numbers here. */
int getservbyname_r(const char *restrict name, const char *restrict protocol, struct servent *restrict entry,
                    char *restrict buffer, size_t size, struct servent **restrict ret)
{
    (void)name, (void)protocol, (void)entry, (void)buffer, (void)size;
    *ret = NULL;
    return ENOENT;
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = a[i];
        a[i] = b[i];
        b[i] = c;
    }
}

/* Lets the element at `root` sink to its place in a heap of `count`. */
static void sink(char *base, size_t root, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
            child++;
        if (compare(base + root * size, base + child * size) >= 0)
            return;
        swap(base + root * size, base + child * size, size);
    }
}

/* A heap sort: in place, never quadratic. libc's qsort takes memory from the program's allocator. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t i = count / 2; i-- > 0;)
        sink(base, i, count, size, compare);
    for (size_t i = count; i-- > 1;) {
        swap(base, (char *)base + i * size, size);
        sink(base, 0, i, size, compare);
    }
}
