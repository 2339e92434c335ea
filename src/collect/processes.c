/* The number of processes, by counting /proc or by its link count. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/roots.h"

/* A count each thousand times its cost is 0.1 % of a core. */
enum { COUNT_RARITY = 1000, CALIBRATION_SECONDS = 30 };

int processes_open(struct processes *processes, const struct roots *roots)
{
    processes->count = processes->extra_links = METRIC_NONE;
    processes->cost = processes->counted_at = 0;
    processes->links_tell = false;
    processes->fd = roots_open(roots->proc, ".", O_DIRECTORY);
    if (processes->fd < 0)
        return processes->fd;
    /* Only the first namespace's /proc has a link for each of its processes and no other. */
    processes->links_tell = roots_is_first_pid_namespace(processes->fd) &&
                            faccessat(processes->fd, "1", F_OK, 0) == 0; /* else hidepid hides what has links */
    return 0;
}

void processes_close(struct processes *processes)
{
    file_close(&processes->fd);
}

static uint64_t links_of(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) == 0 ? (uint64_t)stat.st_nlink : METRIC_NONE;
}

static void count(struct processes *processes, int64_t now)
{
    int64_t  start = clock_thread_cpu();
    uint64_t before = links_of(processes->fd);
    uint64_t n = 0;
    pid_t    pid;
    dir_rewind(&processes->dir, processes->fd);
    while (dir_next_pid(&processes->dir, &pid))
        n++;
    /* A process that came or went meanwhile would spoil the difference. */
    if (before == links_of(processes->fd) && before > n)
        processes->extra_links = before - n;
    processes->count = n;
    processes->counted_at = now;
    processes->cost = clock_thread_cpu() - start;
}

int processes_read(struct processes *processes, struct sample *ret)
{
    int64_t age = ret->monotonic - processes->counted_at;
    bool    calibrated = processes->links_tell && processes->extra_links != METRIC_NONE &&
                      age < CALIBRATION_SECONDS * CLOCK_SECOND;
    uint64_t links = calibrated ? links_of(processes->fd) : METRIC_NONE;
    if (links != METRIC_NONE && links > processes->extra_links)
        processes->count = links - processes->extra_links;
    else if (processes->count == METRIC_NONE || age / COUNT_RARITY >= processes->cost)
        count(processes, ret->monotonic);
    if (processes->count == 0)
        return -ENODATA; /* a /proc that shows nobody, not even us */
    ret->processes = processes->count;
    return 0;
}
