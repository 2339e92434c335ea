/* System calls, past libc. A program, or another preload, may export an open, a connect or a clock_gettime of its own,
 * and is not to see ours go by. There are no cancellation points either. */
// SPDX-License-Identifier: Apache-2.0
#include "libc/libc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/registers.h"

enum { KERNEL_SIGSET = 8 }; /* bytes; libc's sigset_t is larger */

/* O_TMPFILE contains O_DIRECTORY, with which alone no mode is passed. */
static bool has_mode(int flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static int openat_again(int dir, const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    while (fd < 0 && libc_frees_descriptors());
    return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    unsigned mode = has_mode(flags) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return openat_again(dir, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    unsigned mode = has_mode(flags) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return openat_again(AT_FDCWD, path, flags, mode);
}

int close(int fd)
{
    return (int)syscall(SYS_close, fd);
}

ssize_t read(int fd, void *data, size_t size)
{
    return syscall(SYS_read, fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
    libc_check_descriptors();
    return syscall(SYS_write, fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return syscall(SYS_pread64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

off_t lseek(int fd, off_t offset, int whence)
{
    return syscall(SYS_lseek, fd, offset, whence);
}

int ftruncate(int fd, off_t size)
{
    libc_check_descriptors();
    return (int)syscall(SYS_ftruncate, fd, size);
}

/* musl declares ioctl with an int in the middle. */
int corner_ioctl(int fd, unsigned long request, ...);
int corner_ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    long argument = va_arg(rest, long);
    va_end(rest);
    return (int)syscall(SYS_ioctl, fd, request, argument);
}
LIBC_NAME(ioctl, corner_ioctl);

int flock(int fd, int operation)
{
    return (int)syscall(SYS_flock, fd, operation);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return (int)syscall(SYS_mkdirat, dir, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int fchmod(int fd, mode_t mode)
{
    return (int)syscall(SYS_fchmod, fd, mode);
}

/* Takes no flags, as faccessat. */
int fchmodat(int dir, const char *path, mode_t mode, int flags)
{
    (void)flags;
    return (int)syscall(SYS_fchmodat, dir, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

ssize_t readlinkat(int dir, const char *path, char *ret, size_t size)
{
    return syscall(SYS_readlinkat, dir, path, ret, size);
}

/* Takes no flags: the first version of the call in the kernel does not know them. */
int faccessat(int dir, const char *path, int mode, int flags)
{
    (void)flags;
    return (int)syscall(SYS_faccessat, dir, path, mode);
}

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
    return (int)syscall(SYS_utimensat, dir, path, times, flags);
}

int futimens(int fd, const struct timespec times[2])
{
    return (int)syscall(SYS_utimensat, fd, NULL, times, 0);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset); // NOLINT(performance-no-int-to-ptr)
}

void *mremap(void *at, size_t old_size, size_t size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    return (void *)syscall(SYS_mremap, at, old_size, size, flags, to); // NOLINT(performance-no-int-to-ptr)
}

int madvise(void *at, size_t size, int advice)
{
    return (int)syscall(SYS_madvise, at, size, advice);
}

int munmap(void *at, size_t size)
{
    return (int)syscall(SYS_munmap, at, size);
}

int socket(int family, int type, int protocol)
{
    int fd;
    do
        fd = (int)syscall(SYS_socket, family, type, protocol);
    while (fd < 0 && libc_frees_descriptors());
    return fd;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return (int)syscall(SYS_connect, fd, address, size);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return (int)syscall(SYS_bind, fd, address, size);
}

int getsockname(int fd, struct sockaddr *ret, socklen_t *size)
{
    return (int)syscall(SYS_getsockname, fd, ret, size);
}

int getsockopt(int fd, int level, int name, void *ret, socklen_t *size)
{
    return (int)syscall(SYS_getsockopt, fd, level, name, ret, size);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

/* A peer that is gone must not raise SIGPIPE, whatever a library asked for. Most of the time in which a request's copy
 * stands in vector registers is the kernel's, here. */
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t to_size)
{
    libc_check_descriptors();
    registers_wipe();
    return syscall(SYS_sendto, fd, data, size, flags | MSG_NOSIGNAL, to, to_size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *from_size)
{
    return syscall(SYS_recvfrom, fd, data, size, flags, from, from_size);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return recvfrom(fd, data, size, flags, NULL, NULL);
}

int poll(struct pollfd *files, nfds_t count, int timeout_ms)
{
    struct timespec limit = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    int count_ready = (int)syscall(SYS_ppoll, files, count, timeout_ms < 0 ? NULL : &limit, NULL, KERNEL_SIGSET);
    libc_check_descriptors();
    return count_ready;
}

int select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout)
{
    struct timespec limit = {0};
    if (timeout)
        limit = (struct timespec){.tv_sec = timeout->tv_sec, .tv_nsec = timeout->tv_usec * 1000};
    int count_ready = (int)syscall(SYS_pselect6, count, readable, writable, exceptional, timeout ? &limit : NULL, NULL);
    libc_check_descriptors();
    return count_ready;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    return (int)syscall(SYS_clock_gettime, clock, ret);
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now = {0};
    (void)zone;
    int error = clock_gettime(CLOCK_REALTIME, &now);
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return error;
}

time_t time(time_t *ret)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int nanosleep(const struct timespec *time, struct timespec *ret_left)
{
    int error = (int)syscall(SYS_nanosleep, time, ret_left);
    libc_check_descriptors();
    return error;
}

int signalfd(int fd, const sigset_t *signals, int flags)
{
    return (int)syscall(SYS_signalfd4, fd, signals, KERNEL_SIGSET, flags);
}

int sigtimedwait(const sigset_t *restrict signals, siginfo_t *restrict ret, const struct timespec *restrict timeout)
{
    return (int)syscall(SYS_rt_sigtimedwait, signals, ret, timeout, KERNEL_SIGSET);
}

pid_t getpid(void)
{
    return (pid_t)syscall(SYS_getpid);
}

uid_t geteuid(void)
{
    return (uid_t)syscall(SYS_geteuid);
}

int uname(struct utsname *ret)
{
    return (int)syscall(SYS_uname, ret);
}
