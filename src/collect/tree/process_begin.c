/* The tree's use before the first reading: noted before main, so that the first row counts from there. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_begin.h"

#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "collect/tree/process_stat.h"

/* Time asleep is included. */
uint64_t process_begin_boot_ticks(long per_second)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * (uint64_t)per_second +
           (uint64_t)t.tv_nsec * (uint64_t)per_second / (uint64_t)CLOCK_SECOND;
}

void tree_begin(struct tree *tree, struct usage *ret_before)
{
    struct tree_begin *begin = &tree->begin;
    usage_read(tree, ret_before);
    if (tree->root != getpid()) /* in a step the root is the launcher */
        return;
    begin->read = ret_before->read;
    begin->written = ret_before->written;
    begin->cpu = ret_before->user_us + ret_before->system_us;
    begin->minor_faults = ret_before->minor_faults;
    begin->major_faults = ret_before->major_faults;
    begin->boot_ticks = process_begin_boot_ticks((long)getauxval(AT_CLKTCK));
    begin->monotonic = clock_monotonic();
    begin->known = true;
}

struct used {
    uint64_t cpu, read, written, minor_faults, major_faults;
};

static void add_one(const struct process_tree *tree, const struct process *p, struct used *used)
{
    const struct tree_begin *begin = &tree->who.begin;
    uint64_t                 tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    uint64_t                 cpu = (p->value[USER] + p->value[SYSTEM]) * tick + p->value[REST];
    bool                     is_root = p->pid == tree->who.root;
    if (!is_root && p->start < begin->boot_ticks) /* an exec in place: these were the old image's */
        return;
    used->cpu += saturating_subtract(cpu, is_root ? begin->cpu : 0);
    used->minor_faults += saturating_subtract(p->value[FAULTS], is_root ? begin->minor_faults : 0);
    used->major_faults += saturating_subtract(p->value[MAJOR_FAULTS], is_root ? begin->major_faults : 0);
    used->read += saturating_subtract(p->value[READ], is_root ? begin->read : 0);
    used->written += saturating_subtract(p->value[WRITTEN], is_root ? begin->written : 0);
}

void process_begin_settle(struct process_tree *tree)
{
    struct used used = {0};
    uint64_t   *reported = tree->reported;
    if (!tree->who.begin.known)
        return;
    for (size_t i = 0; i < tree->table.count; i++)
        if (!tree->table.list[i].gone)
            add_one(tree, &tree->table.list[i], &used);
    uint64_t both = reported[USER] + reported[SYSTEM];
    uint64_t before = saturating_subtract(both, used.cpu);
    reported[USER] = both > 0 ? (uint64_t)((double)reported[USER] / (double)both * (double)before) : 0;
    reported[SYSTEM] = saturating_subtract(before, reported[USER]);
    reported[READ] = saturating_subtract(reported[READ], used.read);
    reported[WRITTEN] = saturating_subtract(reported[WRITTEN], used.written);
    reported[FAULTS] = saturating_subtract(reported[FAULTS], used.minor_faults);
    reported[MAJOR_FAULTS] = saturating_subtract(reported[MAJOR_FAULTS], used.major_faults);
    tree->read_at = tree->who.begin.monotonic;
}
