// SPDX-License-Identifier: Apache-2.0
/* All collectors as one. A collector that cannot be opened is left out: its fields stay METRIC_NONE. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/cpu.h"
#include "collect/details.h"
#include "collect/disk.h"
#include "collect/energy.h"
#include "collect/gpu/gpu.h"
#include "collect/memory.h"
#include "collect/net.h"
#include "collect/processes.h"
#include "collect/space.h"
#include "collect/tree/process.h"
#include "collect/tree/process_begin.h"
#include "collect/tree/process_children.h"
#include "collect/tree/process_held.h"
#include "collect/tree/process_others.h"

/* A program with fewer descriptor numbers than this has no room for all that we hold open. Then a subject's files are
 * open only while it is read. */
enum { FEW_NUMBERS = 40 };

/* GPU comes last: its figures of processes are about those that the tree's reading has just found. */
enum subject { CPU, ENERGY, MEMORY, DISK, SPACE, NET, PROCESSES, TREE, GPU, SUBJECTS };

struct collectors {
    struct roots         roots;
    struct process_units units;
    struct scratch       scratch;
    bool                 few_numbers;
    bool                 has[SUBJECTS];
    struct cpu           cpu;
    struct energy        energy;
    struct memory        memory;
    struct disk          disk;
    struct space         space;
    struct net           net;
    struct processes     processes;
    struct process_tree  tree;
    struct gpu           gpu;
    struct details      *details; /* NULL: nobody asks */
};

enum { HELD = 11 };

struct held {
    int         *fd;
    const char  *root, *path;
    enum subject subject;
    int          flags;
};

static void list_held(struct collectors *c, struct held ret[static HELD])
{
    const char       *proc = c->roots.proc;
    const char       *sys = c->roots.sys;
    const struct held all[HELD] = {
        {&c->cpu.fd, proc, "stat", CPU, 0},
        {&c->memory.fd, proc, "meminfo", MEMORY, 0},
        {&c->disk.fd, proc, "diskstats", DISK, 0},
        {&c->disk.block, sys, "block", DISK, O_DIRECTORY},
        {&c->space.fd, proc, "self/mountinfo", SPACE, 0},
        {&c->net.fd, proc, "net/dev", NET, 0},
        {&c->net.classes, sys, "class/net", NET, O_DIRECTORY},
        {&c->processes.fd, proc, ".", PROCESSES, O_DIRECTORY},
        {&c->tree.proc, proc, ".", TREE, O_DIRECTORY},
        {&c->tree.loadavg, proc, "loadavg", TREE, 0},
        {&c->tree.cpus_online, sys, "devices/system/cpu/online", TREE, 0},
    };
    memcpy(ret, all, sizeof all);
}

static void let_go(struct collectors *c, enum subject subject)
{
    struct held held[HELD];
    list_held(c, held);
    for (size_t i = 0; i < HELD; i++)
        if (held[i].subject == subject && c->has[subject])
            file_close(held[i].fd);
    if (subject == GPU && c->has[GPU])
        gpu_suspend(&c->gpu);
    if (subject == TREE && c->has[TREE])
        process_held_drop_all(&c->tree);
}

static void take_up(struct collectors *c, enum subject subject)
{
    struct held held[HELD];
    list_held(c, held);
    for (size_t i = 0; i < HELD; i++)
        if (held[i].subject == subject && c->has[subject])
            *held[i].fd = roots_open(held[i].root, held[i].path, held[i].flags);
    if (subject == TREE && c->has[TREE])
        process_children_check(&c->tree);
    if (subject == SPACE)
        c->space.parsed = false; /* only a held mountinfo tells of changes */
}

static int open_subject(struct collectors *c, enum subject subject, const struct tree *tree)
{
    const struct roots *roots = &c->roots;
    switch (subject) {
    case CPU:
        return cpu_open(&c->cpu, roots);
    case ENERGY:
        return energy_open(&c->energy, roots);
    case MEMORY:
        return memory_open(&c->memory, roots);
    case DISK:
        return disk_open(&c->disk, roots);
    case SPACE:
        return space_open(&c->space, roots);
    case NET:
        return net_open(&c->net, roots);
    case PROCESSES:
        return processes_open(&c->processes, roots);
    case TREE:
        return process_open(&c->tree, roots, tree, &c->units);
    case GPU:
        return gpu_open(&c->gpu, roots);
    case SUBJECTS:
        break;
    }
    return -EINVAL;
}

void collect_prepare(const struct roots *roots)
{
    gpu_nvml_prepare(roots);
}

int collect_open(const struct roots *roots, const struct tree *tree, struct collectors **ret)
{
    struct collectors *c = calloc(1, sizeof *c);
    if (!c || scratch_init(&c->scratch)) {
        free(c);
        return -ENOMEM;
    }
    long numbers = sysconf(_SC_OPEN_MAX);
    c->few_numbers = numbers >= 0 && numbers < FEW_NUMBERS;
    c->roots = *roots;
    c->units.clock_ticks = sysconf(_SC_CLK_TCK);
    c->units.page_bytes = sysconf(_SC_PAGESIZE);
    for (enum subject subject = 0; subject < SUBJECTS; subject++) {
        c->has[subject] = open_subject(c, subject, tree) == 0;
        if (c->few_numbers)
            let_go(c, subject);
    }
    *ret = c;
    return 0;
}

static struct sample empty_sample(void)
{
    struct sample s = {.monotonic = clock_monotonic(), .real = clock_real()};
    s.processes = s.memory_total = s.memory_free = s.memory_used = s.memory_buffers = s.memory_cached = METRIC_NONE;
    s.memory_available = s.swap_total = s.swap_free = METRIC_NONE;
    s.memory_active = s.memory_inactive = s.memory_hugetlb = s.space_total = s.space_used = s.space_free = METRIC_NONE;
    s.cpu_user = s.cpu_system = s.cpu_interrupt = s.disk_read = s.disk_write = METRIC_NONE;
    s.cpu_energy = s.gpu_energy = METRIC_NONE;
    s.net_recv = s.net_sent = s.tree_processes = s.tree_memory = METRIC_NONE;
    s.cpus = METRIC_NONE;
    s.tree_minor_faults = s.tree_major_faults = METRIC_NONE;
    s.tree_user = s.tree_system = s.tree_disk_read = s.tree_disk_write = METRIC_NONE;
    s.gpu_usage = s.gpu_memory = s.gpus_used = METRIC_NONE;
    s.tree_gpu_usage = s.tree_gpu_memory = s.tree_gpus_used = METRIC_NONE;
    return s;
}

static void read_tree(struct collectors *c, struct sample *ret)
{
    struct process_now now = {.monotonic = clock_monotonic(), /* the readings before may have taken a while */
                              .boot_ticks = process_begin_boot_ticks(c->units.clock_ticks),
                              .machine_processes = ret->processes,
                              .hugetlb = ret->memory_hugetlb};
    (void)process_read(&c->tree, &c->scratch, &now, ret);
    c->tree.is_last = false; /* process 1 may go on in another run */
}

static void read_gpus(struct collectors *c, struct sample *ret)
{
    bool has_tree = c->has[TREE] && !c->tree.is_foreign;
    (void)gpu_read(&c->gpu, has_tree ? &c->tree : NULL, ret);
    if (has_tree)
        commands_read_gpu(&c->tree.commands, &c->tree, ret->tree_gpu_usage == METRIC_NONE ? 0 : ret->tree_gpu_usage);
}

static void read_subject(struct collectors *c, enum subject subject, struct sample *ret)
{
    if (subject == CPU)
        (void)cpu_read(&c->cpu, ret);
    else if (subject == ENERGY)
        (void)energy_read(&c->energy, ret);
    else if (subject == MEMORY)
        (void)memory_read(&c->memory, ret);
    else if (subject == DISK)
        (void)disk_read(&c->disk, &c->scratch, ret);
    else if (subject == SPACE)
        (void)space_read(&c->space, &c->scratch, ret);
    else if (subject == NET)
        (void)net_read(&c->net, &c->scratch, ret);
    else if (subject == PROCESSES)
        (void)processes_read(&c->processes, ret);
    else if (subject == TREE)
        read_tree(c, ret);
    else if (subject == GPU)
        read_gpus(c, ret);
}

static void read_details(struct collectors *c, enum subject subject, const struct sample *ret)
{
    if (subject == CPU)
        details_read_cpus(c->details, &c->cpu, &c->scratch, ret->monotonic);
    else if (subject == DISK)
        details_read_disks(c->details, &c->disk, ret);
    else if (subject == SPACE)
        details_read_mounts(c->details, &c->space, &c->roots, ret);
    else if (subject == NET)
        details_read_interfaces(c->details, &c->net, ret);
}

void collect_read(struct collectors *c, struct sample *ret)
{
    *ret = empty_sample();
    for (enum subject subject = 0; subject < SUBJECTS; subject++) {
        if (!c->has[subject])
            continue;
        if (c->few_numbers)
            take_up(c, subject);
        read_subject(c, subject, ret);
        if (c->details)
            read_details(c, subject, ret);
        if (c->few_numbers)
            let_go(c, subject);
    }
}

void collect_suspend(struct collectors *c)
{
    for (enum subject subject = 0; subject < SUBJECTS; subject++)
        let_go(c, subject);
}

int collect_resume(struct collectors *c, const struct roots *roots)
{
    c->roots = *roots;
    for (enum subject subject = 0; subject < SUBJECTS && !c->few_numbers; subject++)
        take_up(c, subject);
    return 0;
}

void collect_allow_drivers(struct collectors *c)
{
    if (c->has[GPU] && !c->few_numbers)
        gpu_allow(&c->gpu);
}

void collect_leave_drivers(struct collectors *c)
{
    if (c->has[GPU])
        gpu_leave(&c->gpu);
}

void collect_gpus(struct collectors *c, struct machine *ret)
{
    if (c->has[GPU])
        gpu_facts(&c->gpu, ret);
}

void collect_before_last(struct collectors *c)
{
    c->tree.is_last = true;
}

bool collect_is_foreign(const struct collectors *c)
{
    return c->has[TREE] && c->tree.is_foreign;
}

void collect_begin_again(struct collectors *c)
{
    c->tree.resident_most = 0;
    commands_begin_again(&c->tree.commands);
}

unsigned collect_gpu_states(const struct collectors *c, struct gpu_state *ret, unsigned max)
{
    return c && c->has[GPU] ? gpu_states(&c->gpu, ret, max) : 0;
}

void collect_gpu_details(struct collectors *c, struct gpu_detail *ret, unsigned count)
{
    if (c && c->has[GPU])
        gpu_details(&c->gpu, ret, count);
}

bool collect_keep_details(struct collectors *c)
{
    if (c->details)
        return true;
    c->details = calloc(1, sizeof *c->details);
    if (!c->details)
        return false;
    c->space.mounts.has_details = true;
    c->space.parsed = false;
    if (c->has[GPU])
        gpu_keep_details(&c->gpu);
    return true;
}

const struct details *collect_details(const struct collectors *c)
{
    return c ? c->details : NULL;
}

const char *collect_energy_source(const struct collectors *c)
{
    return c && c->has[ENERGY] ? c->energy.source : NULL;
}

const char *collect_gpu_energy_source(const struct collectors *c)
{
    return c && c->has[GPU] ? gpu_energy_source(&c->gpu) : NULL;
}

struct commands *collect_commands(struct collectors *c)
{
    return c && c->has[TREE] && !c->tree.is_foreign ? &c->tree.commands : NULL;
}

void collect_others(struct collectors *c, struct others *ret)
{
    *ret = (struct others){.are_all_known = false};
    if (c->has[TREE] && !c->tree.is_foreign)
        process_others_read(&c->tree, ret);
}

void collect_set_main_process(struct collectors *c, pid_t main_process)
{
    c->tree.who.main_process = main_process;
}

void collect_close(struct collectors *c)
{
    if (!c)
        return;
    if (c->has[CPU])
        cpu_close(&c->cpu);
    if (c->has[MEMORY])
        memory_close(&c->memory);
    if (c->has[DISK])
        disk_close(&c->disk);
    if (c->has[SPACE])
        space_close(&c->space);
    if (c->has[NET])
        net_close(&c->net);
    if (c->has[PROCESSES])
        processes_close(&c->processes);
    if (c->has[TREE])
        process_close(&c->tree);
    if (c->has[GPU])
        gpu_close(&c->gpu);
    if (c->details)
        details_done(c->details);
    free(c->details);
    scratch_done(&c->scratch);
    free(c);
}
