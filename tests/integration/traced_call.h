/* One system call of a traced thread, and how it is told: its name, and the file it is about. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_TRACED_CALL_H
#define PILLION_TESTS_TRACED_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the kernel tells of a call; the C libraries do not agree on a name for it. */
enum { GET_CALL_INFO = 0x420e, CALL_ENTRY = 1, WHAT_MAX = 64 };

struct call_info {
    uint8_t  op;
    uint8_t  padding[3];
    uint32_t architecture;
    uint64_t instruction;
    uint64_t stack;
    uint64_t number; /* of an entry; at the exit, the value returned */
    uint64_t arguments[6];
};

/* Before the kernel carries the call out, or after. */
struct point {
    bool        before;
    const char *name;
    long        number;
    char        what[WHAT_MAX];
};

enum about { NOTHING, DESCRIPTOR, PATH, PATH_AT };

static const struct call {
    long        number;
    enum about  about;
    const char *name;
} calls[] = {
// clang-format off
#define CALL(name, about) {SYS_##name, about, #name}
    CALL(read, DESCRIPTOR), CALL(write, DESCRIPTOR), CALL(pread64, DESCRIPTOR), CALL(pwrite64, DESCRIPTOR),
    CALL(readv, DESCRIPTOR), CALL(writev, DESCRIPTOR), CALL(close, DESCRIPTOR), CALL(lseek, DESCRIPTOR),
    CALL(fstat, DESCRIPTOR), CALL(ftruncate, DESCRIPTOR), CALL(flock, DESCRIPTOR), CALL(fcntl, DESCRIPTOR),
    CALL(getdents64, DESCRIPTOR), CALL(ioctl, DESCRIPTOR), CALL(socket, NOTHING), CALL(connect, DESCRIPTOR),
    CALL(sendto, DESCRIPTOR), CALL(recvfrom, DESCRIPTOR), CALL(sendmsg, DESCRIPTOR), CALL(recvmsg, DESCRIPTOR),
    CALL(setsockopt, DESCRIPTOR), CALL(getsockopt, DESCRIPTOR), CALL(getsockname, DESCRIPTOR),
    CALL(getpeername, DESCRIPTOR), CALL(shutdown, DESCRIPTOR), CALL(bind, DESCRIPTOR), CALL(openat, PATH_AT),
    CALL(mkdirat, PATH_AT), CALL(unlinkat, PATH_AT), CALL(faccessat, PATH_AT), CALL(readlinkat, PATH_AT),
    CALL(statx, PATH_AT), CALL(utimensat, PATH_AT), CALL(statfs, PATH), CALL(execve, PATH), CALL(mmap, NOTHING),
    CALL(munmap, NOTHING), CALL(mremap, NOTHING), CALL(mprotect, NOTHING), CALL(madvise, NOTHING), CALL(brk, NOTHING),
    CALL(futex, NOTHING), CALL(clock_gettime, NOTHING), CALL(clock_nanosleep, NOTHING), CALL(nanosleep, NOTHING),
    CALL(getrandom, NOTHING), CALL(getpid, NOTHING), CALL(gettid, NOTHING), CALL(geteuid, NOTHING),
    CALL(getrusage, NOTHING), CALL(prctl, NOTHING), CALL(ppoll, NOTHING), CALL(rt_sigaction, NOTHING),
    CALL(rt_sigprocmask, NOTHING), CALL(sched_yield, NOTHING), CALL(tgkill, NOTHING), CALL(unshare, NOTHING),
    CALL(signalfd4, NOTHING), CALL(exit, NOTHING), CALL(exit_group, NOTHING),
#ifdef SYS_open
    CALL(open, PATH), CALL(stat, PATH), CALL(lstat, PATH), CALL(poll, NOTHING), CALL(access, PATH),
    CALL(unlink, PATH), CALL(mkdir, PATH), CALL(readlink, PATH),
#endif
#ifdef SYS_newfstatat
    CALL(newfstatat, PATH_AT),
#endif
#undef CALL
    // clang-format on
};

/* What stands at an address of the program's; how much of it could be read. */
static size_t read_memory(pid_t program, uint64_t address, char *ret, size_t len)
{
    struct iovec here = {.iov_base = ret, .iov_len = len};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = len};
    ssize_t      n = process_vm_readv(program, &here, 1, &there, 1, 0);
    return n < 0 ? 0 : (size_t)n;
}

static void read_text(pid_t program, uint64_t address, char *ret, size_t size)
{
    size_t page_rest = 4096 - (size_t)(address & 4095); /* what follows may not be mapped */
    size_t n = read_memory(program, address, ret, size - 1);
    if (n == 0)
        n = read_memory(program, address, ret, page_rest < size - 1 ? page_rest : size - 1);
    ret[n] = '\0';
}

static void base_name(const char *path, char ret[static WHAT_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *base = slash && slash[1] ? slash + 1 : path;
    (void)snprintf(ret, WHAT_MAX, "%.*s", WHAT_MAX - 1, base);
    for (char *c = ret; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '_';
}

/* By the thread's own table, which is not the program's. Numbers of sockets and the like are left out: they change. */
static void name_descriptor(pid_t program, pid_t tid, int fd, char ret[static WHAT_MAX])
{
    char link[64];
    char path[512];
    (void)snprintf(link, sizeof link, "/proc/%d/task/%d/fd/%d", (int)program, (int)tid, fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *number = strstr(path, ":[");
    if (number)
        *number = '\0';
    char *deleted = strstr(path, " (deleted)");
    if (deleted)
        *deleted = '\0';
    base_name(path, ret);
}

static void describe(pid_t program, pid_t tid, const struct call_info *info, struct point *ret)
{
    char               path[512];
    const struct call *call = NULL;
    for (size_t i = 0; !call && i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == (long)info->number)
            call = &calls[i];
    ret->number = (long)info->number;
    ret->name = call ? call->name : NULL;
    ret->what[0] = '\0';
    if (call && call->about == DESCRIPTOR)
        name_descriptor(program, tid, (int)info->arguments[0], ret->what);
    if (call && (call->about == PATH || call->about == PATH_AT)) {
        read_text(program, info->arguments[call->about == PATH ? 0 : 1], path, sizeof path);
        base_name(path, ret->what);
    }
}

static void print_point(const char *word, long position, const struct point *point)
{
    char number[24];
    (void)snprintf(number, sizeof number, "call-%ld", point->number);
    printf("%s%s%ld %s %s %s\n", word, *word ? " " : "", position, point->before ? "before" : "after",
           point->name ? point->name : number, *point->what ? point->what : "-");
}

#endif
