/* System calls by number: a program may define a read, open or stat of its own. They go past libc, too: in a process
 * that has just begun or forked, the first use of a page of libc's, or of its errno, costs more than the call itself.
 */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

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
    long result = syscall(call, first, second, third, fourth, 0L);
    return result < 0 ? -errno : result;
#endif
}

/* In a root that is somebody else's, any file may be a FIFO, which O_NONBLOCK does not wait for. */
long sys_open_in(int folder, const char *path, int flags, unsigned mode)
{
    return at_once(SYS_openat, folder, (long)path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
}

long sys_open(const char *path, int flags, unsigned mode)
{
    return sys_open_in(AT_FDCWD, path, flags, mode);
}

long sys_read(int fd, void *data, size_t size)
{
    return at_once(SYS_read, fd, (long)data, (long)size, 0);
}

void sys_close(int fd)
{
    (void)at_once(SYS_close, fd, 0, 0, 0);
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

int sys_mkdir(const char *path, unsigned mode)
{
    return (int)at_once(SYS_mkdirat, AT_FDCWD, (long)path, mode, 0);
}

void sys_chmod(const char *path, unsigned mode)
{
    (void)at_once(SYS_fchmodat, AT_FDCWD, (long)path, mode, 0);
}

void sys_unlink(const char *path)
{
    (void)at_once(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0);
}

long sys_readlink(const char *path, char *ret, size_t size)
{
    long n = at_once(SYS_readlinkat, AT_FDCWD, (long)path, (long)ret, (long)size - 1);
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
    return at_once(SYS_gettid, 0, 0, 0, 0);
}

pid_t sys_session(pid_t pid)
{
    return (pid_t)at_once(SYS_getsid, pid, 0, 0, 0);
}

uid_t sys_user(void)
{
    return (uid_t)at_once(SYS_getuid, 0, 0, 0, 0);
}

uid_t sys_effective_user(void)
{
    return (uid_t)at_once(SYS_geteuid, 0, 0, 0, 0);
}

int sys_stat(const char *path, struct stat *ret)
{
    return (int)at_once(SYS_newfstatat, AT_FDCWD, (long)path, (long)ret, 0);
}

int sys_lstat(const char *path, struct stat *ret)
{
    return (int)at_once(SYS_newfstatat, AT_FDCWD, (long)path, (long)ret, AT_SYMLINK_NOFOLLOW);
}

int sys_fstat(int fd, struct stat *ret)
{
    return (int)at_once(SYS_fstat, fd, (long)ret, 0, 0);
}

long sys_list(int folder, void *block, size_t size)
{
    return at_once(SYS_getdents64, folder, (long)block, (long)size, 0);
}

bool sys_has_child(void)
{
    siginfo_t one; /* the kernel could do without, valgrind complains */
    return at_once(SYS_waitid, P_ALL, 0, (long)&one, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

int64_t sys_monotonic(void)
{
    struct timespec now = {0};
    (void)at_once(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
