/* Half of bench_rows: processes to be observed, caches to be emptied, and the smallest program that reads the files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_BENCH_ROWS_H
#define PILLION_TESTS_BENCH_ROWS_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_BYTES = 64 << 20, CPUS_AT_MOST = 16, STACK = 16384, CHILDREN_AT_MOST = 20000 };

static char *swept;
static pid_t children[CHILDREN_AT_MOST];
static int   child_count, own_child_count;

static void fail(const char *why)
{
    fprintf(stderr, "bench_rows: %s\n", why);
    exit(1);
}

static void *sweep_one(void *cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)(uintptr_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
    for (size_t i = 0; i < SWEEP_BYTES; i += 64)
        ((volatile char *)swept)[i]++;
    return NULL;
}

static void empty_caches(void)
{
    pthread_t threads[CPUS_AT_MOST];
    long      cpus = sysconf(_SC_NPROCESSORS_ONLN);
    cpus = cpus < CPUS_AT_MOST ? cpus : CPUS_AT_MOST;
    for (long i = 0; i < cpus; i++)
        if (pthread_create(&threads[i], NULL, sweep_one, (void *)(uintptr_t)i))
            fail("no thread");
    for (long i = 0; i < cpus; i++)
        pthread_join(threads[i], NULL);
}

static void read_file(const char *path)
{
    static char content[65536];
    int         fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    while (read(fd, content, sizeof content) == sizeof content) {
    }
    close(fd);
}

static void read_process(pid_t pid)
{
    static const char *const files[] = {"stat", "io"};
    char                     path[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        read_file(path);
    }
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    read_file(path);
}

static void read_smallest(void)
{
    static const char *const files[] = {"/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/net/dev",
                                        "/proc/self/mountinfo"};
    static char              names[8192];
    struct statvfs           space;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        read_file(files[i]);
    (void)statvfs("/", &space);
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (syscall(SYS_getdents64, proc, names, sizeof names) > 0) {
    }
    close(proc);
    read_process(getpid());
    for (int i = 0; i < own_child_count; i++)
        read_process(children[i]);
}

static int live(void *pause_ms)
{
    unsigned ms = (unsigned)(uintptr_t)pause_ms;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
        if (ms)
            syscall(SYS_nanosleep, &t, NULL);
        else
            syscall(SYS_pause);
    }
    return 0;
}

/* Ends itself when the last of its siblings' parent does. Without memory of its own where there are many. */
static void start_children(int count, unsigned pause_ms, bool sharing)
{
    char *stacks = NULL;
    if (sharing)
        stacks = mmap(NULL, (size_t)count * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < count && child_count < CHILDREN_AT_MOST; i++) {
        pid_t pid = sharing
                        ? clone(live, stacks + (size_t)(i + 1) * STACK, CLONE_VM | SIGCHLD, (void *)(uintptr_t)pause_ms)
                        : fork();
        if (pid == 0)
            _exit(live((void *)(uintptr_t)pause_ms));
        if (pid < 0)
            break;
        children[child_count++] = pid;
    }
    own_child_count = child_count;
}

static void end_children(void)
{
    for (int i = 0; i < child_count; i++)
        kill(children[i], SIGKILL);
    for (int i = 0; i < child_count; i++)
        waitpid(children[i], NULL, 0);
    child_count = own_child_count = 0;
}

#endif
