/* The search for new children: by the numbers that the kernel gave out since, or by asking all. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_children.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/tree/process_stat.h"

/* All are asked once in so many readings, even if nobody seems to be new; where that is dear, only once in a thousand
 * times its cost. A small tree is always asked, which is cheaper than a list of numbers. Between readings that are
 * further apart than LONG_SECONDS the numbers may have come round. */
enum { ALL_AFTER_READINGS = 10, ALL_RARITY = 1000, LONG_SECONDS = 5, FEW_THREADS = 4 };

static bool is_position_of_pid(struct process_tree *tree)
{
    pid_t pid = 0;
    pid_t self = getpid();
    dir_rewind_to_pid(&tree->dir, tree->proc, self, 1);
    for (int i = 0; i < 3 && dir_next_pid(&tree->dir, &pid); i++)
        if (pid == self || pid < self - 2)
            break;
    return pid == self;
}

void process_children_check(struct process_tree *tree)
{
    char        target[16];
    struct stat proc;
    struct stat loadavg;
    struct text t;
    uint64_t    self = 0;
    ssize_t     len = readlinkat(tree->proc, "self", target, sizeof target);
    if (len > 0)
        t = text_span(target, (size_t)len);
    tree->is_foreign = !roots_has_our_numbers(tree->proc);
    tree->own_numbers = len > 0 && text_unsigned(&t, &self) && self == (uint64_t)getpid();
    /* A loadavg that is a file system of its own tells numbers of another namespace, or old ones. */
    tree->counts = fstat(tree->proc, &proc) == 0 && tree->loadavg >= 0 && fstat(tree->loadavg, &loadavg) == 0 &&
                   proc.st_dev == loadavg.st_dev;
    tree->tells = tree->own_numbers && tree->counts && is_position_of_pid(tree);
}

static pid_t last_number(const struct process_tree *tree)
{
    char     content[128];
    size_t   len = 0;
    uint64_t last = 0;
    if (!tree->counts || file_reread(tree->loadavg, content, sizeof content, &len))
        return 0;
    struct text t = text_span(content, len);
    return text_after_last(&t, ' ') && text_unsigned(&t, &last) && last <= INT32_MAX ? (pid_t)last : 0;
}

static bool is_all_due(const struct process_tree *tree, const struct process_now *now)
{
    bool is_affordable = !tree->tells || (now->monotonic - tree->all_at) / ALL_RARITY >= tree->all_cost;
    bool is_long = tree->tells && now->monotonic - tree->read_at > LONG_SECONDS * CLOCK_SECOND;
    return !tree->begun || is_long || (tree->all_after >= ALL_AFTER_READINGS && is_affordable);
}

static bool scan(struct process_tree *tree, struct process_range range)
{
    return process_scan_run(&tree->scan, tree->proc, &tree->dir, range) == 0;
}

static bool is_scan_cheaper(const struct process_tree *tree, const struct process_now *now)
{
    return !tree->has_children || (now->machine_processes != METRIC_NONE && tree->threads > now->machine_processes);
}

static void ask_all(struct process_tree *tree, const struct process_now *now)
{
    int64_t start = clock_thread_cpu();
    tree->all_after = 0;
    tree->all_at = now->monotonic;
    tree->search = is_scan_cheaper(tree, now) && scan(tree, PROCESS_RANGE_ALL) ? SEARCH_SCAN : SEARCH_LISTS;
    tree->all_cost = clock_thread_cpu() - start;
}

void process_children_begin(struct process_tree *tree, const struct process_now *now)
{
    pid_t last = last_number(tree);
    pid_t before = tree->last[0];
    bool  still = last > 0 && last == before;
    /* Each range is looked through twice: a process may have its number before it stands in /proc. */
    struct process_range range = {tree->last[1], last};
    bool                 is_small = tree->has_children && tree->threads <= FEW_THREADS;
    bool                 known = tree->tells && last > 0 && range.after > 0;
    tree->last[1] = before;
    tree->last[0] = last;
    tree->search = SEARCH_NOBODY;
    tree->all_after++;
    bool quiet = known ? last == range.after : still && !tree->suspect;
    if (is_all_due(tree, now) || (!quiet && (!known || is_small)))
        ask_all(tree, now);
    else if (!quiet && scan(tree, range))
        tree->search = SEARCH_SCAN;
}

static int list_thread(struct process_tree *tree, struct scratch *scratch, pid_t pid, pid_t tid)
{
    char        path[PROCESS_PATH_SIZE];
    struct text t;
    uint64_t    child = 0;
    process_path(path, pid, tid, "children");
    int error = scratch_read(scratch, tree->proc, path, &t);
    if (error)
        return error;
    while (text_unsigned(&t, &child))
        if (child > 0 && child <= INT32_MAX && !process_table_find_present(&tree->table, (pid_t)child))
            (void)process_table_add(&tree->table, (pid_t)child);
    return 0;
}

/* Every thread has children of its own. */
static void list_children(struct process_tree *tree, struct scratch *scratch, size_t index)
{
    char     path[PROCESS_PATH_SIZE];
    pid_t    pid = tree->table.list[index].pid;
    pid_t    tid;
    uint64_t threads = tree->table.list[index].threads;
    if (threads <= 1) {
        int error = list_thread(tree, scratch, pid, pid);
        if (error == -ENOENT && pid == tree->who.root)
            tree->has_children = false;
        return;
    }
    process_path(path, pid, 0, "task");
    if (dir_open(&tree->dir, tree->proc, path) < 0)
        return;
    while (dir_next_pid(&tree->dir, &tid)) {
        int error = list_thread(tree, scratch, pid, tid);
        if (error == -ENOENT && pid == tree->who.root && tid == pid)
            tree->has_children = false;
    }
    dir_close(&tree->dir);
}

static void look_up_children(struct process_tree *tree, pid_t pid)
{
    uint32_t at = 0;
    pid_t    child;
    while (process_scan_next_child(&tree->scan, pid, &at, &child))
        if (!process_table_find_present(&tree->table, child))
            (void)process_table_add(&tree->table, child);
}

void process_children_find(struct process_tree *tree, struct scratch *scratch, size_t index, bool quiet)
{
    const struct process *p = &tree->table.list[index];
    pid_t                 pid = p->pid;
    /* A process that has not run gets new children only from below: a descendant's orphans come to a subreaper, or by
     * CLONE_PARENT. */
    bool may_have = !p->gone && !p->dead && (!quiet || p->is_parent);
    if (may_have && tree->search == SEARCH_LISTS && tree->has_children) {
        int64_t start = clock_thread_cpu();
        list_children(tree, scratch, index);
        tree->all_cost += clock_thread_cpu() - start;
    }
    /* The root is read first, and may just have shown that this kernel has no such lists. */
    if (tree->search == SEARCH_LISTS && !tree->has_children)
        tree->search = scan(tree, PROCESS_RANGE_ALL) ? SEARCH_SCAN : SEARCH_NOBODY;
    if (tree->search == SEARCH_SCAN)
        look_up_children(tree, pid);
}
