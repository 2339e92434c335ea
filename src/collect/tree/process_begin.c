/* The tree's use before the first reading: noted before main, so that the first row counts from there. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_begin.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/roots.h"
#include "collect/tree/process_stat.h"

/* Time asleep is included. */
uint64_t process_begin_boot_ticks(long per_second)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * (uint64_t)per_second +
           (uint64_t)t.tv_nsec * (uint64_t)per_second / (uint64_t)CLOCK_SECOND;
}

void tree_begin(const struct roots *roots, struct tree *tree)
{
    struct tree_begin *begin = &tree->begin;
    uint64_t           own[2] = {0};
    if (tree->root != getpid()) /* in a step the root is the launcher */
        return;
    int proc = open(roots->proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    begin->io_known = proc >= 0 && roots_has_our_numbers(proc) &&
                      process_io_read(proc, tree->root, 0, &begin->read, &begin->written) == 0;
    if (begin->io_known && tree->root_is_ours && process_io_read(proc, tree->root, tree->root, &own[0], &own[1]) == 0) {
        begin->read -= own[0] < begin->read ? own[0] : begin->read;
        begin->written -= own[1] < begin->written ? own[1] : begin->written;
    }
    file_close(&proc);
    struct usage usage;
    usage_read(tree, &usage);
    begin->cpu = usage.user_us + usage.system_us;
    begin->minor_faults = usage.minor_faults;
    begin->major_faults = usage.major_faults;
    begin->boot_ticks = process_begin_boot_ticks(sysconf(_SC_CLK_TCK));
    begin->monotonic = clock_monotonic();
    begin->known = true;
}

static uint64_t more(uint64_t than, uint64_t value)
{
    return value > than ? value - than : 0;
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
    used->cpu += more(is_root ? begin->cpu : 0, cpu);
    used->minor_faults += more(is_root ? begin->minor_faults : 0, p->value[FAULTS]);
    used->major_faults += more(is_root ? begin->major_faults : 0, p->value[MAJOR_FAULTS]);
    if (is_root && !begin->io_known)
        return;
    used->read += more(is_root ? begin->read : 0, p->value[READ]);
    used->written += more(is_root ? begin->written : 0, p->value[WRITTEN]);
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
    uint64_t before = more(used.cpu, both);
    reported[USER] = both > 0 ? (uint64_t)((double)reported[USER] / (double)both * (double)before) : 0;
    reported[SYSTEM] = more(reported[USER], before);
    reported[READ] = more(used.read, reported[READ]);
    reported[WRITTEN] = more(used.written, reported[WRITTEN]);
    reported[FAULTS] = more(used.minor_faults, reported[FAULTS]);
    reported[MAJOR_FAULTS] = more(used.major_faults, reported[MAJOR_FAULTS]);
    tree->read_at = tree->who.begin.monotonic;
}
