/* The pass over the tree: each process is read if it has run, and asked for children. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_walk.h"

#include <errno.h>

#include "base/number.h"
#include "collect/tree/process_children.h"
#include "collect/tree/process_exact.h"
#include "collect/tree/process_held.h"
#include "collect/tree/process_marks.h"
#include "collect/tree/process_stat.h"

/* A process that has not run is read anew at one of so many readings: its RSS may have been reclaimed. */
enum { WALK_IDLE_MAX = 16 };

/* So many times in a row make a process busy. */
enum { WALK_BUSY_STREAK = 4 };

struct io {
    int      error;
    uint64_t value[2];
};

static struct io read_io(const struct process_tree *tree, const struct process *p)
{
    struct io io = {.error = p->io_denied ? -EACCES : 0};
    if (!p->io_denied && p->io_fd >= 0)
        io.error = process_io_reread(p->io_fd, &io.value[0], &io.value[1]);
    else if (!p->io_denied)
        io.error = process_io_read(tree->proc, p->pid, 0, &io.value[0], &io.value[1]);
    return io;
}

static int read_stat(const struct process_tree *tree, const struct process *p, struct process_stat *ret)
{
    return p->stat_fd >= 0 ? process_stat_reread(p->stat_fd, ret) : process_stat_read(tree->proc, p->pid, ret);
}

/* The I/O of `pillion run`'s own threads is taken out: it is the root, but not the program. */
static void subtract_own_io(struct process_tree *tree, pid_t pid, struct io *io)
{
    char  path[PROCESS_PATH_SIZE];
    pid_t tid;
    process_path(path, pid, 0, "task");
    if (dir_open(&tree->dir, tree->proc, path) < 0)
        return;
    while (dir_next_pid(&tree->dir, &tid)) {
        uint64_t own[2];
        if (process_io_read(tree->proc, pid, tid, &own[0], &own[1]))
            continue;
        for (int i = 0; i < 2; i++)
            io->value[i] -= own[i] < io->value[i] ? own[i] : io->value[i];
    }
    dir_close(&tree->dir);
}

static void take_io(struct process_tree *tree, struct process *p, struct io *io, uint64_t after[static CONSERVED])
{
    bool is_refused = io->error == -EACCES || io->error == -EPERM;
    if (io->error == 0) {
        if (tree->who.root_is_ours && p->pid == tree->who.root)
            subtract_own_io(tree, p->pid, io);
        p->io_known = tree->io_known = true;
        p->value[READ] = after[READ] = io->value[0];
        p->value[WRITTEN] = after[WRITTEN] = io->value[1];
    } else {
        p->io_denied = p->io_denied || is_refused;
    }
}

/* Only whole ticks are handed on for certain, so `value` has these alone: a child's rest may vanish in its parent's. */
static uint64_t rest_of(const struct process_tree *tree, const struct process *p, const struct process_stat *stat)
{
    bool     is_root = p->pid == tree->who.root;
    bool     with_own = !(is_root && tree->who.root_is_ours);
    uint64_t tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    if (!tree->own_numbers)
        return 0;
    if (is_root && tree->is_root)
        return process_exact_own_rest(with_own, (p->value[USER] + p->value[SYSTEM]) * tick, tick);
    return with_own ? process_exact_rest(p->pid, (stat->user + stat->system) * tick, tick) : 0;
}

/* A process whose first thread has left shows as a zombie, but its other threads still hold the memory. Read it through
 * one of those threads; /proc answers to their numbers too. */
static bool read_thread(struct process_tree *tree, struct process *p, struct process_stat *ret)
{
    char  path[PROCESS_PATH_SIZE];
    pid_t tid;
    bool  found = false;
    if (p->memory_of != p->pid && process_stat_read(tree->proc, p->memory_of, ret) == 0 && ret->resident_pages > 0)
        return true;
    process_path(path, p->pid, 0, "task");
    if (dir_open(&tree->dir, tree->proc, path) < 0)
        return false;
    while (!found && dir_next_pid(&tree->dir, &tid)) {
        p->memory_of = tid;
        found = tid != p->pid && process_stat_read(tree->proc, tid, ret) == 0 && ret->resident_pages > 0;
    }
    dir_close(&tree->dir);
    return found;
}

static void take_memory(struct process_tree *tree, struct process *p, const struct process_stat *stat)
{
    bool                has_left = stat->state == 'Z' || stat->state == 'X';
    struct process_stat thread;
    p->dead = has_left && stat->threads <= 1;
    p->waits = stat->state == 'D';
    if (!has_left || p->dead)
        p->memory_of = p->pid;
    else if (read_thread(tree, p, &thread))
        stat = &thread;
    p->resident_kib = p->dead ? 0 : stat->resident_pages * ((uint64_t)tree->units.page_bytes / 1024);
    p->size = stat->size;
    p->code = stat->code;
    p->stack = stat->stack;
    p->name = stat->name;
}

static void take_values(struct process_tree *tree, struct process *p, const struct process_stat *stat, struct io *io)
{
    bool     is_ours = tree->who.root_is_ours && p->pid == tree->who.root;
    uint64_t after[CONSERVED] = {[USER] = stat->child_user,          [SYSTEM] = stat->child_system,
                                 [READ] = p->reaped_value[READ],     [WRITTEN] = p->reaped_value[WRITTEN],
                                 [MAJOR_FAULTS] = stat->child_major, [FAULTS] = stat->child_faults};
    p->value[USER] = stat->child_user + (is_ours ? 0 : stat->user);
    p->value[SYSTEM] = stat->child_system + (is_ours ? 0 : stat->system);
    p->value[MAJOR_FAULTS] = stat->child_major + (is_ours ? 0 : stat->major);
    p->value[FAULTS] = stat->child_faults + (is_ours ? 0 : stat->faults);
    p->value[REST] = rest_of(tree, p, stat);
    take_io(tree, p, io, after);
    for (int k = 0; k < CONSERVED; k++) {
        p->rise[k] = p->read_yet ? saturating_subtract(after[k], p->reaped_value[k]) : 0;
        p->reaped_value[k] = after[k];
    }
    p->threads = stat->threads;
    p->faults = stat->faults + stat->major;
    take_memory(tree, p, stat);
}

static void take_parent(struct process_tree *tree, struct process *p, pid_t pid)
{
    struct process *parent = process_table_find_present(&tree->table, pid);
    bool            is_member = parent && parent != p && parent->read_yet;
    if (is_member)
        parent->is_parent = true;
    p->parent = is_member ? pid : 0;
    p->parent_start = is_member ? parent->start : 0;
    p->native = p->native || (is_member && parent->native);
}

static void take_new_parent(struct process_tree *tree, struct process *p)
{
    struct process_stat stat;
    if (process_stat_read(tree->proc, p->pid, &stat) == 0 && stat.start == p->start)
        take_parent(tree, p, stat.parent);
}

/* A process older than the reading before last was adopted: its use before that is not the tree's. (A child that began
 * since then is new, even if the last reading missed it: lists of children may have gaps.) An orphan with a mark, and
 * who is below it, were of the tree as long as the run goes on. */
static void take_past(struct process_tree *tree, struct process *p)
{
    bool is_new = p->start + (uint64_t)tree->units.clock_ticks >= tree->boot_ticks[1];
    if (p->native && tree->who.begin.known)
        is_new = p->start >= tree->who.begin.boot_ticks;
    if (!tree->begun || is_new)
        return;
    p->adopted = true;
    for (int k = 0; k < CONSERVED; k++)
        tree->foreign[k] += p->value[k];
}

/* Another process got the number of a member that went: if that is one of ours too, it is read later. */
static void take_reused(struct process_tree *tree, pid_t pid, pid_t parent)
{
    if (process_table_find_present(&tree->table, parent))
        (void)process_table_add(&tree->table, pid);
}

/* Asks the process's own clock; the main thread's where the numbers in /proc are not ours. */
static int ask_whether_it_ran(struct process_tree *tree, const struct process *p, uint64_t *ran, uint64_t *slices)
{
    if (tree->own_numbers)
        return process_clock_read(p->pid, ran);
    return p->threads <= 1 ? process_ran_read(tree->proc, p->pid, ran, slices) : -ENODATA;
}

static void nothing_rose(struct process *p)
{
    for (int k = 0; k < CONSERVED; k++)
        p->rise[k] = 0;
}

static bool is_owed(const struct process *p)
{
    for (int k = 0; k < CONSERVED; k++)
        if (p->owed[k] > 0)
            return true;
    return false;
}

/* A process that has not been on a CPU has used nothing, has reaped nobody and has forked nobody: its figures are those
 * of the last look. A clock may stand still for a tick while its process runs, so it has to be seen standing twice.
 * Without a tick (nohz_full) it stands longer, so the values of a lost child are looked for in its parent whatever the
 * clock says. */
static bool has_not_run(struct process_tree *tree, struct process *p)
{
    uint64_t ran = 0;
    uint64_t slices = 0;
    /* The clock is asked before the files are read, so that events in between show the next time. In the root, we run.
     */
    bool known = p->pid != tree->who.root && ask_whether_it_ran(tree, p, &ran, &slices) == 0;
    bool same = known && p->read_yet && ran == p->ran && slices == p->slices;
    bool still = same && (p->stood || !tree->own_numbers) && !is_owed(p);
    p->ran = known ? ran : 0;
    p->slices = slices;
    p->stood = same;
    p->streak = same ? 0 : (uint8_t)(p->streak + (p->streak < WALK_BUSY_STREAK));
    /* The program's own files are opened while it still may: a program that changes its user may read them, but not
     * open them. */
    bool is_self = tree->is_root && p->pid == tree->who.root;
    if (tree->own_numbers && (is_self || p->streak >= WALK_BUSY_STREAK))
        process_held_take(tree, p);
    else if (still)
        process_held_drop(tree, p);
    if (!still || (tree->row + (unsigned)p->pid) % WALK_IDLE_MAX == 0)
        return false;
    nothing_rose(p);
    return true;
}

/* A process out of reach cannot be looked at now, which says nothing of it. The program may have lowered its limit of
 * descriptors below the numbers that are held: they make room, for good. A new process may have been missed, so next
 * time all are asked. */
static bool is_out_of_reach(struct process_tree *tree, int error)
{
    bool is_full = error == -EMFILE || error == -ENFILE;
    if (!is_full && error != -ENOMEM)
        return false;
    if (is_full) {
        process_held_drop_all(tree);
        tree->held_max = 0;
    }
    tree->last[0] = tree->last[1] = 0;
    return true;
}

static void look(struct process_tree *tree, size_t index)
{
    struct process     *p = &tree->table.list[index];
    struct process_stat stat;
    /* I/O comes first: a child reaped between the two is then missing for a moment, instead of being there twice. */
    struct io io = read_io(tree, p);
    int       error = read_stat(tree, p, &stat);
    bool      is_other = error == 0 && (p->read_yet || p->marked) && stat.start != p->start;
    if (is_out_of_reach(tree, error) && p->read_yet) {
        nothing_rose(p);
        return;
    }
    if (error || is_other) {
        p->gone = true;
        process_held_drop(tree, p);
        tree->suspect = true;
        if (is_other)
            take_reused(tree, p->pid, stat.parent);
        return;
    }
    bool is_new = !p->read_yet;
    take_values(tree, p, &stat, &io);
    take_parent(tree, p, stat.parent);
    p->start = stat.start;
    p->read_yet = true;
    if (is_new)
        take_past(tree, p);
}

/* An orphan has another parent now, without having run: that one may be of the tree. */
static void look_at_orphans(struct process_tree *tree)
{
    for (size_t i = 0; i < tree->table.count; i++) {
        struct process *p = &tree->table.list[i];
        if (p->gone || !p->read_yet || p->parent == 0)
            continue;
        const struct process *parent = process_table_find(&tree->table, p->parent, p->parent_start);
        if (!parent || parent->gone)
            take_new_parent(tree, p);
    }
}

/* The table grows while it is read. */
static void look_at_all(struct process_tree *tree, struct scratch *scratch, size_t first)
{
    for (size_t i = first; i < tree->table.count; i++) {
        bool quiet = has_not_run(tree, &tree->table.list[i]);
        if (!quiet)
            look(tree, i);
        process_children_find(tree, scratch, i, quiet);
    }
}

void process_walk(struct process_tree *tree, struct scratch *scratch, const struct process_now *now)
{
    process_children_begin(tree, now);
    tree->suspect = false;
    if (tree->table.count == 0)
        (void)process_table_add(&tree->table, tree->who.root);
    look_at_all(tree, scratch, 0);
    size_t known = tree->table.count;
    if (process_marks_find(tree, now)) {
        tree->search = SEARCH_LISTS; /* their children may be as old as they are */
        look_at_all(tree, scratch, known);
    }
    if (tree->suspect)
        look_at_orphans(tree);
    process_marks_settle(tree, now);
    tree->row++;
}
