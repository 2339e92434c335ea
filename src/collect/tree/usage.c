// SPDX-License-Identifier: Apache-2.0
/* The kernel's account of a process and of the children that it has reaped: getrusage(2). Thread: any. Allocates: no.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "collect/collect.h"
#include "collect/tree/process.h"

enum { SECTOR = 512 /* task_io_get_inblock() in the kernel: read_bytes of /proc/PID/io, in these */ };

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * MICROSECONDS + (uint64_t)t.tv_usec;
}

static void add(const struct rusage *use, struct usage *ret)
{
    ret->user_us += microseconds(use->ru_utime);
    ret->system_us += microseconds(use->ru_stime);
    ret->minor_faults += (uint64_t)use->ru_minflt;
    ret->major_faults += (uint64_t)use->ru_majflt;
    ret->voluntary += (uint64_t)use->ru_nvcsw;
    ret->involuntary += (uint64_t)use->ru_nivcsw;
    ret->read += (uint64_t)use->ru_inblock * SECTOR;
    ret->written += (uint64_t)use->ru_oublock * SECTOR;
}

bool tree_root_is_outside(const struct tree *tree)
{
    return tree->root_is_ours && tree->root == getpid();
}

void usage_read(const struct tree *tree, struct usage *ret)
{
    struct rusage own = {0};
    struct rusage children = {0};
    *ret = (struct usage){0};
    (void)getrusage(RUSAGE_SELF, &own);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    if (!tree_root_is_outside(tree))
        add(&own, ret);
    add(&children, ret);
    ret->child_faults = (uint64_t)children.ru_minflt;
    ret->own_peak = (uint64_t)own.ru_maxrss;
    ret->child_peak = (uint64_t)children.ru_maxrss;
}
