/* What one row costs, against the smallest C program that opens, reads and closes the same files at the same rate.
 *
 * Both read in one thread of one process, in turns, each after a sweep through memory on every CPU has emptied the
 * caches as a job would, and both are measured by that thread's own CPU clock. The smallest program reads no PSS; our
 * rows do: that is held against what the reference clients do, who read smaps_rollup of each process in each row. On
 * stdout a line for each figure, tab between the columns: name, ratio, budget, against what. Milliseconds, which say
 * more about the machine than about pillion, go to stderr.
 *
 * usage: bench_rows idle|many|pss|scale [SECONDS]
 */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/collect.h"
#include "collect/tree/process.h"
#include "rows.h"

enum { SETTLING_ROWS = 4, ROLLUPS = 5 };

static const char same_files[] = "the smallest C program that opens, reads and closes the same files";

static struct collectors  *collectors;
static struct process_tree walked;
static struct scratch      scratch;
static bool                tree_only;

/* Milliseconds of CPU of one row. */
struct costs {
    double ours, smallest, dearest;
};

static void read_tree(struct sample *ret)
{
    struct process_now now = {
        .monotonic = clock_monotonic(), .machine_processes = METRIC_NONE, .hugetlb = METRIC_NONE};
    (void)process_read(&walked, &scratch, &now, ret);
}

static double measured(bool ours)
{
    struct sample sample;
    empty_caches();
    int64_t start = clock_thread_cpu();
    if (ours && tree_only)
        read_tree(&sample);
    else if (ours)
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
    struct costs         costs = {0};
    struct roots         roots = {"/proc", "/sys"};
    struct tree          tree = {.root = getpid(), .main_process = getpid()};
    int64_t              tick = clock_monotonic();
    struct process_units units = {sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE)};
    if (collect_open(&roots, &tree, &collectors) || process_open(&walked, &roots, &tree, &units) ||
        scratch_init(&scratch))
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
    process_close(&walked);
    scratch_done(&scratch);
    return costs;
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

static char *small_pages(size_t mib)
{
    char *at = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || madvise(at, mib << 20, MADV_NOHUGEPAGE))
        _exit(1);
    return at;
}

static void touch(char *at, size_t size)
{
    for (size_t i = 0; i < size; i += 4096)
        at[i] = 1;
}

/* So many MiB that stay; some of them are given back and taken again all the time, so the RSS changes. */
static void stay(size_t mib, int ready)
{
    char *at = small_pages(mib);
    touch(at, mib << 20);
    (void)!write(ready, "x", 1);
    for (;;) {
        struct timespec t = {0, 10000000};
        madvise(at, (size_t)4096 * 64, MADV_DONTNEED);
        touch(at, (size_t)4096 * 32);
        nanosleep(&t, NULL);
    }
}

/* So many MiB that come and go every five seconds. */
static void come_and_go(size_t mib, int ready)
{
    char *at = small_pages(mib);
    (void)!write(ready, "x", 1);
    for (;;) {
        struct timespec t = {2, 500000000};
        touch(at, mib << 20);
        nanosleep(&t, NULL);
        madvise(at, mib << 20, MADV_DONTNEED);
        nanosleep(&t, NULL);
    }
}

static void start_large(void (*body)(size_t mib, int ready), size_t mib)
{
    int  ends[2];
    char byte = 0;
    if (pipe2(ends, O_CLOEXEC) || (children[child_count] = fork()) < 0)
        fail("no process");
    if (children[child_count++] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(mib, ends[1]);
    }
    own_child_count = child_count;
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        fail("no memory for the large process");
    close(ends[0]);
}

static size_t available_mib(void)
{
    char    content[4096];
    int     fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, content, sizeof content - 1);
    close(fd);
    content[len > 0 ? len : 0] = '\0';
    char *found = strstr(content, "MemAvailable:");
    return found ? strtoull(found + 13, NULL, 10) / 1024 : 0;
}

/* What the reference clients pay for it in each row. */
static double rollup_ms(void)
{
    char    path[64];
    int64_t spent = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", children[0]);
    for (int i = 0; i < ROLLUPS; i++) {
        empty_caches();
        int64_t start = clock_thread_cpu();
        read_file(path);
        spent += clock_thread_cpu() - start;
    }
    return (double)spent / ROLLUPS / 1e6;
}

static void large(const char *name, double without, void (*body)(size_t mib, int ready), size_t mib, int rows)
{
    char told[128];
    if (available_mib() < mib + mib / 8 + 1024) {
        fprintf(stderr, "%s: left out, this machine has only %zu MiB to give\n", name, available_mib());
        return;
    }
    start_large(body, mib);
    double       rollup = rollup_ms();
    struct costs costs = measure(rows, CLOCK_SECOND);
    end_children();
    fprintf(stderr, "%s: a row %.3f ms (dearest %.3f), without it %.3f, smaps_rollup %.3f\n", name, costs.ours,
            costs.dearest, without, rollup);
    snprintf(told, sizeof told, "PSS of %s, a row", name);
    tell(told, costs.ours - without, 1, "1 ms");
    snprintf(told, sizeof told, "PSS of %s, the dearest row", name);
    tell(told, costs.dearest / 50, 1, "50 ms");
    snprintf(told, sizeof told, "PSS of %s, a row, beside the peers'", name);
    tell(told, (costs.ours - without) / rollup, 1, "reading smaps_rollup, as the reference clients do in each row");
}

static void pss(int rows)
{
    start_large(stay, 1);
    double without = measure(rows / 2, CLOCK_SECOND).ours;
    end_children();
    large("1 GiB that stays", without, stay, 1024, rows);
    large("4 GiB that stay", without, stay, 4096, rows);
    large("16 GiB that stay", without, stay, 16384, rows);
    large("1 GiB that comes and goes every 5 s", without, come_and_go, 1024, rows);
}

static double with_fifty(int rows)
{
    start_children(50, 0, false);
    double ours = measure(rows, CLOCK_SECOND / 4).ours;
    end_children();
    return ours;
}

/* They belong to this process; the tree is that of a child of it. */
static void beside_foreign(int rows)
{
    double ours[2] = {with_fifty(rows), 0};
    int    ends[2];
    if (pipe2(ends, O_CLOEXEC))
        fail("no pipe");
    start_children(3000, 0, true);
    pid_t pid = fork();
    if (pid == 0) {
        child_count = 0;
        ours[1] = with_fifty(rows);
        _exit(write(ends[1], &ours[1], sizeof ours[1]) != sizeof ours[1]);
    }
    close(ends[1]);
    if (read(ends[0], &ours[1], sizeof ours[1]) != sizeof ours[1] || waitpid(pid, NULL, 0) != pid)
        fail("no figure from below");
    close(ends[0]);
    fprintf(stderr, "50 processes: %.3f ms, beside %d foreign ones %.3f ms\n", ours[0], child_count, ours[1]);
    end_children();
    tell("tree walking, 50 processes beside 3,000 of others", ours[1] / ours[0], 1.5, "without those");
}

static void scale(int rows)
{
    static const int sizes[] = {100, 1000, 5000};
    double           each[3];
    double           few = measure(rows, CLOCK_SECOND / 4).ours;
    for (int i = 0; i < 3; i++) {
        start_children(sizes[i], 0, true);
        struct costs costs = measure(rows, CLOCK_SECOND / 4);
        end_children();
        each[i] = (costs.ours - few) / sizes[i];
        fprintf(stderr, "%d processes: ours %.3f ms (dearest row %.3f), smallest %.3f ms\n", sizes[i], costs.ours,
                costs.dearest, costs.smallest);
    }
    tell("each of 1,000 processes of the tree", each[1] / each[0], 1.5, "each of 100");
    tell("each of 5,000 processes of the tree", each[2] / each[0], 1.5, "each of 100");
    tree_only = true;
    beside_foreign(rows);
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
        pss(seconds ? seconds * 2 : 60);
    else if (strcmp(argv[1], "scale") == 0)
        scale(seconds ? seconds : 12);
    else
        fail("no such measurement");
    return 0;
}
