/* Forbids itself one system call, by a filter: forbids_call CALL ACTION prctl|seccomp|tsync MILLISECONDS [thread]. What
 * it does afterwards needs write, clock_nanosleep and exit_group alone. Ends with 52. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned    first, second, what; /* two calls to forbid, or one and what to do */
} words[] = {
    {"socket", SYS_socket, SYS_socketpair, 0},
    {"connect", SYS_connect, SYS_sendto, 0},
    {"clone", SYS_clone, SYS_clone3, 0},
    {"openat", SYS_openat, SYS_openat, 0},
    {"futex", SYS_futex, SYS_futex, 0},
    {"tgkill", SYS_tgkill, SYS_tkill, 0},
    {"getpid", SYS_getpid, SYS_gettid, 0},
    {"clock_gettime", SYS_clock_gettime, SYS_gettimeofday, 0},
    {"prctl", SYS_prctl, SYS_seccomp, 0},
    {"sigaction", SYS_rt_sigaction, SYS_rt_sigprocmask, 0},
    {"read", SYS_read, SYS_pread64, 0},
    {"mmap", SYS_mmap, SYS_munmap, 0},
    {"process", 0, 0, SECCOMP_RET_KILL_PROCESS},
    {"thread", 0, 0, SECCOMP_RET_KILL_THREAD},
    {"trap", 0, 0, SECCOMP_RET_TRAP},
    {"errno", 0, 0, SECCOMP_RET_ERRNO | 1},
};
static char       **wanted;
static volatile int done, created;

static int find(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, name) == 0)
            return (int)i;
    _exit(99);
}

static void *forbid(void *nothing)
{
    int                call = find(wanted[1]), action = find(wanted[2]);
    struct sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, words[call].first, 1, 0),
                                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, words[call].second, 0, 1),
                                  BPF_STMT(BPF_RET | BPF_K, words[action].what),
                                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog  filter = {.len = 5, .filter = rules};
    unsigned           flags = strcmp(wanted[3], "tsync") == 0 ? SECCOMP_FILTER_FLAG_TSYNC : 0;

    while (nothing && !created) /* pthread_create puts the signals' mask back after the clone */
        usleep(100);
    long got = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

    if (got == 0 && strcmp(wanted[3], "prctl") == 0)
        got = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    else if (got == 0)
        got = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    done = got == 0 ? 1 : 2;
    while (nothing) /* a worker in its sandbox, to the end of the process */
        usleep(10 * 1000);
    return nothing;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc < 5)
        return 98;
    wanted = argv;
    usleep((useconds_t)atoi(argv[4]) * 1000);
    if (argc == 5)
        forbid(NULL);
    else if (pthread_create(&thread, NULL, forbid, wanted))
        return 97;
    created = 1;
    while (!done)
        usleep(1000);
    const char *text = done == 1 ? "forbidden\n" : "no filter\n";
    ssize_t     n = write(1, text, 10);
    usleep(250 * 1000);
    n += write(1, "done\n", 5);
    return n == 15 ? 52 : 96;
}
