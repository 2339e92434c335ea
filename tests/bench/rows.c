/* What one row costs, against the smallest C program that opens, reads and closes the same files at the same rate.
 *
 * Both read in one thread of one process, in turns, each after a sweep through memory on every CPU has emptied the
 * caches as a job would, and both are measured by that thread's own CPU clock. The smallest program reads no PSS; our
 * rows do. On stdout a line for each figure, tab between the columns: name, ratio, budget, against what. Milliseconds,
 * which say more about the machine than about pillion, go to stderr.
 *
 * usage: bench_rows idle|many|pss|scale [SECONDS]
 */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/collect.h"

enum { SWEEP_BYTES = 64 << 20, CPUS_AT_MOST = 16, STACK = 16384, CHILDREN_AT_MOST = 20000, SETTLING_ROWS = 4 };

static const char same_files[] = "the smallest C program that opens, reads and closes the same files";

static char              *swept;
static pid_t              children[CHILDREN_AT_MOST];
static int                child_count, own_child_count;
static struct collectors *collectors;

/* Milliseconds of CPU of one row. */
struct costs {
    double ours, smallest, dearest;
};

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

static double measured(bool ours)
{
    struct sample sample;
    empty_caches();
    int64_t start = clock_thread_cpu();
    if (ours)
        collect_read(collectors, &sample);
    else
        read_smallest();
    return (double)(clock_thread_cpu() - start) / 1e6;
}

static void wait_until(int64_t at)
{
    struct timespec t = {at / CLOCK_SECOND, at % CLOCK_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {
    }
}

/* Mean of so many rows, `interval` ns apart; the first few, in which all is new, are left out. */
static struct costs measure(int rows, int64_t interval)
{
    struct costs costs = {0};
    struct roots roots = {"/proc", "/sys"};
    struct tree  tree = {.root = getpid(), .main_process = getpid()};
    int64_t      tick = clock_monotonic();
    if (collect_open(&roots, &tree, &collectors))
        fail("no memory");
    for (int row = -SETTLING_ROWS; row < rows; row++) {
        wait_until(tick += interval / 2);
        double ours = measured(true);
        wait_until(tick += interval / 2);
        double smallest = measured(false);
        if (row < 0)
            continue;
        costs.ours += ours / rows;
        costs.smallest += smallest / rows;
        costs.dearest = ours > costs.dearest ? ours : costs.dearest;
    }
    collect_close(collectors);
    return costs;
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

static void tell(const char *name, double ratio, double budget, const char *against)
{
    printf("%s\t%.3f\t%.2f\t%s\n", name, ratio, budget, against);
    fflush(stdout);
}

static void tell_costs(const char *name, struct costs costs)
{
    fprintf(stderr, "%s: ours %.3f ms (dearest row %.3f), smallest %.3f ms\n", name, costs.ours, costs.dearest,
            costs.smallest);
    tell(name, costs.ours / costs.smallest, 0.9, same_files);
}

static void idle(int seconds)
{
    tell_costs("one row, idle tree", measure(seconds, CLOCK_SECOND));
}

static void many(int seconds)
{
    start_children(200, 0, false);
    tell_costs("one row, 200 processes asleep", measure(seconds / 2, CLOCK_SECOND));
    end_children();
    start_children(200, 100, false);
    tell_costs("one row, 200 processes that wake ten times a second", measure(seconds / 2, CLOCK_SECOND));
    end_children();
}

/* A child with so many MiB of small pages, which writes to some of them all the time: its RSS changes. */
static void start_large(size_t mib)
{
    int  ends[2];
    char byte = 0;
    if (pipe2(ends, O_CLOEXEC) || (children[child_count] = fork()) < 0)
        fail("no process");
    if (children[child_count++] == 0) {
        size_t size = mib << 20;
        char  *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (at == MAP_FAILED || madvise(at, size, MADV_NOHUGEPAGE))
            _exit(1);
        for (size_t i = 0; i < size; i += 4096)
            at[i] = 1;
        (void)!write(ends[1], "x", 1);
        for (;;) {
            struct timespec t = {0, 10000000};
            madvise(at, (size_t)4096 * 64, MADV_DONTNEED);
            for (size_t i = 0; i < (size_t)4096 * 32; i += 4096)
                at[i] = 1;
            nanosleep(&t, NULL);
        }
    }
    own_child_count = child_count;
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        fail("no memory for the large process");
    close(ends[0]);
}

static void pss(int rows)
{
    start_large(1);
    struct costs small = measure(rows, CLOCK_SECOND / 8);
    end_children();
    start_large(2048);
    struct costs large = measure(rows, CLOCK_SECOND / 8);
    end_children();
    fprintf(stderr, "a row: with a child of 1 MiB %.3f ms, of 2 GiB %.3f ms (dearest %.3f)\n", small.ours, large.ours,
            large.dearest);
    tell("PSS of a process of 2 GiB, each row", (large.ours - small.ours) / 0.3, 1, "0.3 ms");
    tell("PSS of a process of 2 GiB, the dearest row", large.dearest / 50, 1, "50 ms");
}

static void scale(int rows)
{
    static const int sizes[] = {100, 1000};
    double           each[2];
    double           few = measure(rows, CLOCK_SECOND / 4).ours;
    for (int i = 0; i < 2; i++) {
        start_children(sizes[i], 0, true);
        struct costs costs = measure(rows, CLOCK_SECOND / 4);
        end_children();
        each[i] = (costs.ours - few) / sizes[i];
        fprintf(stderr, "%d processes: ours %.3f ms, smallest %.3f ms\n", sizes[i], costs.ours, costs.smallest);
    }
    tell("each of 1,000 processes of the tree", each[1] / each[0], 1.5, "each of 100");
}

int main(int argc, char **argv)
{
    int seconds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    swept = mmap(NULL, SWEEP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (swept == MAP_FAILED || argc < 2 || seconds < 0)
        fail("usage: bench_rows idle|many|pss|scale [SECONDS]");
    if (strcmp(argv[1], "idle") == 0)
        idle(seconds ? seconds : 16);
    else if (strcmp(argv[1], "many") == 0)
        many(seconds ? seconds : 32);
    else if (strcmp(argv[1], "pss") == 0)
        pss(seconds ? seconds * 4 : 60);
    else if (strcmp(argv[1], "scale") == 0)
        scale(seconds ? seconds : 12);
    else
        fail("no such measurement");
    return 0;
}
