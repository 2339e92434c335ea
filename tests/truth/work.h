/* What the jobs of the truth tests are made of: CPU used up by the process's own clock, so that the machine's load does
 * not matter; records of what the kernel says that a process has used (getrusage); and waiting for rows. What goes
 * wrong ends the job with status 9. Header-only. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_TRUTH_WORK_H
#define PILLION_TESTS_TRUTH_WORK_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 60 };

#define HELPER __attribute__((unused)) static

static int    records = -1;
static char **self; /* argv */

HELPER void need(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    _exit(9);
}

HELPER void work_begin(char **argv)
{
    const char *path = getenv("JOB_RECORDS");
    self = argv;
    /* Held from the start: a process that changes user could not open it. It survives an exec. */
    records = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;
    need(records >= 0, "JOB_RECORDS");
}

HELPER int64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Half of it in the kernel. */
HELPER void burn_by(clockid_t clock, long ms)
{
    int64_t  end = clock_ns(clock) + ms * 1000000LL;
    unsigned x = 1;
    char     zeros[4096];
    int      fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (int turn = 0; clock_ns(clock) < end; turn++) {
        for (int i = 0; i < 20000 && turn % 2; i++)
            x = x * 1664525U + 1013904223U;
        for (int i = 0; i < 20 && turn % 2 == 0; i++)
            (void)!read(fd, zeros, sizeof zeros);
    }
    close(fd);
    (void)*(volatile unsigned *)&x;
}

HELPER void burn(long ms)
{
    burn_by(CLOCK_PROCESS_CPUTIME_ID, ms);
}

HELPER void nap(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

HELPER void add_usage(int who, long long sums[static 3])
{
    struct rusage u;
    need(getrusage(who, &u) == 0, "getrusage");
    sums[0] += (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
    sums[1] += u.ru_inblock;
    sums[2] += u.ru_oublock;
}

/* "tree": the process with what it reaped. "own": one that is reaped in the tree, alone. "free": one that nobody in
 * the tree reaps. Each: microseconds of CPU, blocks of 512 bytes read and written. */
HELPER void record(const char *kind)
{
    long long sums[3] = {0};
    char      line[128];
    add_usage(RUSAGE_SELF, sums);
    if (strcmp(kind, "tree") == 0)
        add_usage(RUSAGE_CHILDREN, sums);
    int len = snprintf(line, sizeof line, "%s %lld %lld %lld\n", kind, sums[0], sums[1], sums[2]);
    need(write(records, line, (size_t)len) == len, "record");
}

HELPER void finish(const char *kind)
{
    record(kind);
    _exit(0);
}

HELPER long count_lines(const char *path)
{
    char    part[65536];
    long    lines = 0;
    ssize_t n;
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while ((n = read(fd, part, sizeof part)) > 0)
        for (ssize_t i = 0; i < n; i++)
            lines += part[i] == '\n';
    close(fd);
    return lines;
}

HELPER void await_lines(const char *path, long count)
{
    int64_t end = clock_ns(CLOCK_MONOTONIC) + WAIT_SECONDS * 1000000000LL;
    while (count_lines(path) < count) {
        need(clock_ns(CLOCK_MONOTONIC) < end, path);
        nap(5);
    }
}

/* Until a row that began after this call is written. */
HELPER void await_row(void)
{
    const char *path = getenv("PILLION_OUTPUT");
    need(path != NULL, "PILLION_OUTPUT");
    long now = count_lines(path);
    await_lines(path, (now > 0 ? now : 1) + 2);
}

/* Until so many processes have written a record. */
HELPER void await_records(long count)
{
    const char *path = getenv("JOB_RECORDS");
    need(path != NULL, "JOB_RECORDS");
    await_lines(path, count);
}

HELPER void reap(int count)
{
    for (int status = 0; count > 0; count--) {
        need(waitpid(-1, &status, __WALL) > 0, "waitpid");
        need(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "child");
    }
}

HELPER long argument(int i)
{
    need(self[1] && (i < 3 || self[i - 1]) && self[i], "argument");
    return atol(self[i]);
}

struct job {
    const char *name;
    void (*run)(void);
};

HELPER int work(char **argv, const struct job *jobs)
{
    work_begin(argv);
    for (; jobs->name; jobs++) {
        if (!argv[1] || strcmp(argv[1], jobs->name) != 0)
            continue;
        jobs->run();
        record("tree");
        return 0;
    }
    return 9;
}

#endif
