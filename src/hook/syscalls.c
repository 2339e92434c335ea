/* System calls by number: a program may define a read, open or stat of its own. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

static long checked(long result)
{
    return result < 0 ? -errno : result;
}

/* The same without libc: in a forked child, the first use of a page of libc's, or of its errno, costs more than the
 * call itself. For calls that each process makes at its end. */
static long at_once(long call, long first, long second, long third, long fourth)
{
#if defined __x86_64__
    long          result = call;
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#elif defined __aarch64__
    register long x8 __asm__("x8") = call;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    register long x2 __asm__("x2") = third;
    register long x3 __asm__("x3") = fourth;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
    return checked(syscall(call, first, second, third, fourth, 0L));
#endif
}

/* In a root that is somebody else's, any file may be a FIFO, which O_NONBLOCK does not wait for. */
long sys_open(const char *path, int flags, unsigned mode)
{
    return checked(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
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
    return at_once(SYS_getpid, 0, 0, 0, 0);
}

long sys_parent(void)
{
    return at_once(SYS_getppid, 0, 0, 0, 0);
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

bool sys_has_child(void)
{
    siginfo_t one; /* the kernel could do without, valgrind complains */
    return at_once(SYS_waitid, P_ALL, 0, (long)&one, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

int64_t sys_monotonic(void)
{
    struct timespec now = {0};
    (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
