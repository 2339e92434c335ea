// SPDX-License-Identifier: Apache-2.0
/* All collectors as one. What cannot be opened is left out: its fields stay METRIC_NONE. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "collect/collect.h"
#include "collect/cpu.h"
#include "collect/disk.h"
#include "collect/memory.h"
#include "collect/net.h"
#include "collect/process.h"
#include "collect/processes.h"
#include "collect/scratch.h"
#include "collect/space.h"

struct collectors {
    struct process_units units;
    struct scratch       scratch;
    bool                 has_cpu, has_memory, has_disk, has_space, has_net, has_processes, has_tree;
    struct cpu           cpu;
    struct memory        memory;
    struct disk          disk;
    struct space         space;
    struct net           net;
    struct processes     processes;
    struct process_tree  tree;
};

int collect_open(const struct roots *roots, const struct tree *tree, struct collectors **ret)
{
    struct collectors *c = calloc(1, sizeof *c);
    if (!c || scratch_init(&c->scratch)) {
        free(c);
        return -ENOMEM;
    }
    c->units.clock_ticks = sysconf(_SC_CLK_TCK);
    c->units.page_bytes = sysconf(_SC_PAGESIZE);
    c->has_cpu = cpu_open(&c->cpu, roots) == 0;
    c->has_memory = memory_open(&c->memory, roots) == 0;
    c->has_disk = disk_open(&c->disk, roots) == 0;
    c->has_space = space_open(&c->space, roots) == 0;
    c->has_net = net_open(&c->net, roots) == 0;
    c->has_processes = processes_open(&c->processes, roots) == 0;
    c->has_tree = process_open(&c->tree, roots, tree, &c->units) == 0;
    *ret = c;
    return 0;
}

static struct sample empty_sample(void)
{
    struct sample s = {.monotonic = clock_monotonic(), .real = clock_real()};
    s.processes = s.memory_free = s.memory_used = s.memory_buffers = s.memory_cached = METRIC_NONE;
    s.memory_active = s.memory_inactive = s.space_total = s.space_used = s.space_free = METRIC_NONE;
    s.cpu_user = s.cpu_system = s.cpu_interrupt = s.disk_read = s.disk_write = METRIC_NONE;
    s.net_recv = s.net_sent = s.tree_processes = s.tree_memory = METRIC_NONE;
    s.tree_user = s.tree_system = s.tree_disk_read = s.tree_disk_write = METRIC_NONE;
    return s;
}

/* Start times of processes are counted by this clock, suspended time included. */
static uint64_t boot_ticks(long per_second)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * (uint64_t)per_second +
           (uint64_t)t.tv_nsec * (uint64_t)per_second / (uint64_t)CLOCK_SECOND;
}

void collect_read(struct collectors *c, struct sample *ret)
{
    *ret = empty_sample();
    if (c->has_cpu)
        (void)cpu_read(&c->cpu, ret);
    if (c->has_memory)
        (void)memory_read(&c->memory, ret);
    if (c->has_disk)
        (void)disk_read(&c->disk, &c->scratch, ret);
    if (c->has_space)
        (void)space_read(&c->space, &c->scratch, ret);
    if (c->has_net)
        (void)net_read(&c->net, &c->scratch, ret);
    if (c->has_processes)
        (void)processes_read(&c->processes, ret);
    if (c->has_tree) {
        struct process_now now = {.monotonic = ret->monotonic,
                                  .boot_ticks = boot_ticks(c->units.clock_ticks),
                                  .machine_processes = ret->processes,
                                  .memory_used = ret->memory_used};
        (void)process_read(&c->tree, &c->scratch, &now, ret);
    }
}

enum { DESCRIPTORS = 11 };

static void list_descriptors(struct collectors *c, int *ret[static DESCRIPTORS])
{
    int *all[DESCRIPTORS] = {&c->cpu.fd,    &c->memory.fd,    &c->disk.fd,         &c->disk.block,
                             &c->space.fd,  &c->net.fd,       &c->net.classes,     &c->processes.fd,
                             &c->tree.proc, &c->tree.loadavg, &c->tree.cpus_online};
    for (size_t i = 0; i < DESCRIPTORS; i++)
        ret[i] = all[i];
}

void collect_suspend(struct collectors *c)
{
    int *fds[DESCRIPTORS];
    list_descriptors(c, fds);
    for (size_t i = 0; i < DESCRIPTORS; i++)
        file_close(fds[i]);
}

int collect_resume(struct collectors *c, const struct roots *roots)
{
    struct collectors *fresh = NULL;
    int               *ours[DESCRIPTORS];
    int               *theirs[DESCRIPTORS];
    if (collect_open(roots, &c->tree.who, &fresh) < 0)
        return -ENOMEM;
    list_descriptors(c, ours);
    list_descriptors(fresh, theirs);
    for (size_t i = 0; i < DESCRIPTORS; i++) {
        *ours[i] = *theirs[i];
        *theirs[i] = -1;
    }
    c->space.parsed = false;
    collect_close(fresh);
    return 0;
}

void collect_set_main_process(struct collectors *c, pid_t main_process)
{
    c->tree.who.main_process = main_process;
}

void collect_close(struct collectors *c)
{
    if (!c)
        return;
    if (c->has_cpu)
        cpu_close(&c->cpu);
    if (c->has_memory)
        memory_close(&c->memory);
    if (c->has_disk)
        disk_close(&c->disk);
    if (c->has_space)
        space_close(&c->space);
    if (c->has_net)
        net_close(&c->net);
    if (c->has_processes)
        processes_close(&c->processes);
    if (c->has_tree)
        process_close(&c->tree);
    scratch_done(&c->scratch);
    free(c);
}
