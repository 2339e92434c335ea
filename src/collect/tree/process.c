/* The figures of the tree: sums over the processes that the walk has read, as counters that never fall. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu_count.h"
#include "base/file.h"
#include "base/number.h"
#include "base/roots.h"
#include "collect/cpu.h"
#include "collect/tree/process_begin.h"
#include "collect/tree/process_children.h"
#include "collect/tree/process_held.h"
#include "collect/tree/process_lost.h"
#include "collect/tree/process_marks.h"
#include "collect/tree/process_walk.h"
#include "collect/tree/pss_share.h"

/* CPUs may be added meanwhile. */
static void count_cpus(struct process_tree *tree)
{
    char   list[1024];
    size_t len = 0;
    if (tree->cpus_online >= 0 && file_reread(tree->cpus_online, list, sizeof list, &len) == 0) {
        unsigned cpus = cpu_count_list(text_span(list, len));
        tree->cpus = cpus > tree->cpus ? cpus : tree->cpus;
    }
}

int process_open(struct process_tree *tree, const struct roots *roots, const struct tree *who,
                 const struct process_units *units)
{
    memset(tree, 0, sizeof *tree);
    tree->loadavg = tree->cpus_online = -1;
    tree->who = *who;
    tree->units = *units;
    tree->has_children = true;
    tree->proc = roots_open(roots->proc, ".", O_DIRECTORY);
    if (tree->proc < 0)
        return tree->proc;
    if (process_table_init(&tree->table)) {
        file_close(&tree->proc);
        return -ENOMEM;
    }
    tree->is_root = tree->who.root == getpid();
    process_scan_init(&tree->scan);
    process_marks_open(tree);
    pss_init(&tree->pss, (uint64_t)units->page_bytes, who->root_is_ours ? who->root : 0);
    tree->loadavg = roots_open(roots->proc, "loadavg", 0);
    tree->cpus_online = roots_open(roots->sys, "devices/system/cpu/online", 0);
    count_cpus(tree);
    if (tree->cpus == 0)
        tree->cpus = cpu_count_online(roots);
    process_children_check(tree);
    tree->held_max = process_held_limit(sysconf(_SC_OPEN_MAX));
    return 0;
}

void process_close(struct process_tree *tree)
{
    file_close(&tree->proc);
    file_close(&tree->loadavg);
    file_close(&tree->cpus_online);
    process_held_drop_all(tree);
    pss_done(&tree->pss);
    process_table_done(&tree->table);
    process_scan_done(&tree->scan);
}

static void sum_up(const struct process_tree *tree, uint64_t ret[static CONSERVED])
{
    for (int k = 0; k < CONSERVED; k++) {
        ret[k] = tree->retained[k];
        for (size_t i = 0; i < tree->table.count; i++) {
            const struct process *p = &tree->table.list[i];
            if (!p->gone)
                ret[k] += p->value[k] + p->owed[k];
        }
        ret[k] -= tree->foreign[k] < ret[k] ? tree->foreign[k] : ret[k];
    }
}

/* In microseconds. */
static uint64_t capacity_of(const struct process_tree *tree, int64_t elapsed)
{
    uint64_t tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    return tree->cpus * ((uint64_t)elapsed / 1000 + tick); /* each CPU may have begun the last tick before */
}

/* The kernel does the same: it knows the sum exactly, and splits it into user and system by where its ticks fell. */
static uint64_t user_part(uint64_t whole, const uint64_t sum[static CONSERVED])
{
    uint64_t ticks = sum[USER] + sum[SYSTEM];
    return ticks > 0 ? (uint64_t)((double)whole * ((double)sum[USER] / (double)ticks)) : whole;
}

/* CPU beyond the machine's capacity stays between the sum and the reported figure: the next reading has it, and the
 * last one that of two intervals. The same holds for user or system alone where one of them would have to fall. The two
 * together are never more than the sum was. */
static void report_cpu(struct process_tree *tree, const uint64_t sum[static CONSERVED], int64_t elapsed)
{
    uint64_t tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    uint64_t all = (sum[USER] + sum[SYSTEM]) * tick + sum[REST];
    uint64_t both = saturating_subtract(all, tree->reported[USER] + tree->reported[SYSTEM]);
    uint64_t user = saturating_subtract(sum[USER] * tick + user_part(sum[REST], sum), tree->reported[USER]);
    uint64_t system = saturating_subtract(sum[SYSTEM] * tick + sum[REST] - user_part(sum[REST], sum),
                                          tree->reported[SYSTEM]);
    if (tree->begun && both > capacity_of(tree, elapsed))
        count_cpus(tree);
    uint64_t capacity = capacity_of(tree, elapsed) + (tree->is_last ? tree->spare : 0);
    both = tree->begun && tree->cpus > 0 && both > capacity ? capacity : both;
    if (user + system > both) {
        user = (uint64_t)((double)user / (double)(user + system) * (double)both);
        user = user < both ? user : both;
    }
    tree->spare = tree->begun ? saturating_subtract(capacity, both) : 0; /* before the first reading there was no row */
    tree->reported[USER] += user;
    tree->reported[SYSTEM] += both - user;
    tree->unreported[USER] = saturating_subtract(sum[USER] * tick + user_part(sum[REST], sum), tree->reported[USER]);
    tree->unreported[SYSTEM] = saturating_subtract(all, tree->reported[USER] + tree->reported[SYSTEM]);
    tree->unreported[SYSTEM] = saturating_subtract(tree->unreported[SYSTEM], tree->unreported[USER]);
}

static void report(struct process_tree *tree, const struct process_now *now)
{
    uint64_t sum[CONSERVED];
    sum_up(tree, sum);
    report_cpu(tree, sum, now->monotonic > tree->read_at ? now->monotonic - tree->read_at : 0);
    for (int k = READ; k < CONSERVED; k++)
        tree->reported[k] += saturating_subtract(sum[k], tree->reported[k]);
    tree->read_at = now->monotonic;
    if (!tree->begun)
        process_begin_settle(tree);
    tree->begun = true;
    tree->boot_ticks[1] = tree->boot_ticks[0];
    tree->boot_ticks[0] = now->boot_ticks;
}

static bool is_descendant(const struct process_tree *tree, pid_t pid)
{
    return pid != tree->who.root && !(tree->who.root_is_ours && pid == tree->who.main_process);
}

static bool is_ours(const struct process_tree *tree, pid_t pid)
{
    return tree->who.root_is_ours && pid == tree->who.root;
}

/* Returns the number of processes read; *ret_descendants does not count the program itself. */
static uint64_t count(struct process_tree *tree, uint64_t *ret_descendants)
{
    uint64_t members = 0;
    *ret_descendants = tree->threads = 0;
    for (size_t i = 0; i < tree->table.count; i++) {
        const struct process *p = &tree->table.list[i];
        if (p->gone)
            continue;
        members++;
        if (!is_ours(tree, p->pid) && p->resident_kib > tree->resident_most)
            tree->resident_most = p->resident_kib;
        *ret_descendants += is_descendant(tree, p->pid);
        tree->threads += p->threads;
    }
    return members;
}

int process_read(struct process_tree *tree, struct scratch *scratch, const struct process_now *now, struct sample *ret)
{
    uint64_t descendants = 0;
    if (tree->proc < 0)
        return tree->proc;
    if (tree->is_foreign)
        return -EXDEV;
    process_walk(tree, scratch, now);
    process_lost_settle(&tree->table, tree->retained);
    uint64_t members = count(tree, &descendants);
    if (members == 0 && !tree->begun) {
        process_table_compact(&tree->table);
        return -ESRCH;
    }
    int64_t elapsed = tree->begun && now->monotonic > tree->read_at ? now->monotonic - tree->read_at : 0;
    report(tree, now);
    commands_read(&tree->commands, tree, elapsed);
    ret->tree_processes = descendants;
    ret->tree_user = tree->reported[USER];
    ret->tree_system = tree->reported[SYSTEM];
    ret->tree_minor_faults = tree->reported[FAULTS];
    ret->tree_major_faults = tree->reported[MAJOR_FAULTS];
    if (ret->cpus == METRIC_NONE || ret->cpus < tree->cpus)
        ret->cpus = tree->cpus;
    if (tree->io_known) {
        ret->tree_disk_read = tree->reported[READ];
        ret->tree_disk_write = tree->reported[WRITTEN];
    }
    uint64_t memory = pss_read(&tree->pss, tree->proc, &tree->table, now->monotonic, now->hugetlb);
    pss_share(&tree->pss, &tree->table);
    commands_read_memory(&tree->commands, tree, memory);
    if (members > tree->who.root_is_ours) /* with nobody left to ask, there is no figure: not 0 */
        ret->tree_memory = memory;
    process_table_compact(&tree->table);
    return 0;
}
