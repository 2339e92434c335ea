/* Peaks and context switches of processes that nobody has reaped, from their status files. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_others.h"

#include <unistd.h>

#include "base/file.h"
#include "collect/tree/process_stat.h"

/* So many processes, and threads of one, are asked while the program's end waits; the rest is unknown. */
enum { PROCESSES_ASKED = 512, THREADS_ASKED = 64, STATUS_SIZE = 4096 };

struct status {
    uint64_t peak, voluntary, involuntary;
};

static bool read_status(int proc, const char *path, struct status *ret)
{
    char        content[STATUS_SIZE];
    size_t      len = 0;
    struct text line;
    *ret = (struct status){0};
    if (file_read(proc, path, content, sizeof content, &len) < 0)
        return false;
    struct text t = text_span(content, len);
    while (text_line(&t, &line)) {
        if (text_skip(&line, "VmHWM:\t"))
            (void)text_unsigned(&line, &ret->peak);
        else if (text_skip(&line, "voluntary_ctxt_switches:\t"))
            (void)text_unsigned(&line, &ret->voluntary);
        else if (text_skip(&line, "nonvoluntary_ctxt_switches:\t"))
            (void)text_unsigned(&line, &ret->involuntary);
    }
    return true;
}

static void add_switches(struct process_tree *tree, const struct process *p, struct others *ret)
{
    char          path[PROCESS_PATH_SIZE];
    struct status status;
    pid_t         tid;
    process_path(path, p->pid, 0, "task");
    if (dir_open(&tree->dir, tree->proc, path) < 0)
        return;
    for (int i = 0; i < THREADS_ASKED && dir_next_pid(&tree->dir, &tid); i++) {
        process_path(path, p->pid, tid, "status");
        if (!read_status(tree->proc, path, &status))
            continue;
        ret->voluntary += status.voluntary;
        ret->involuntary += status.involuntary;
    }
    dir_close(&tree->dir);
}

/* False: its own peak, or that of a child that it has reaped, may have gone unseen. */
static bool add_one(struct process_tree *tree, const struct process *p, struct others *ret)
{
    char          path[PROCESS_PATH_SIZE];
    struct status status;
    process_path(path, p->pid, 0, "status");
    if (!read_status(tree->proc, path, &status) || (status.peak == 0 && !p->dead))
        return false;
    ret->peak = status.peak > ret->peak ? status.peak : ret->peak;
    add_switches(tree, p, ret);
    return !p->dead && p->reaped_value[FAULTS] == 0;
}

void process_others_read(struct process_tree *tree, struct others *ret)
{
    unsigned asked = 0;
    pid_t    self = getpid();
    *ret = (struct others){.seen = tree->resident_most, .are_all_known = tree->begun && tree->retained[FAULTS] == 0};
    for (size_t i = 0; i < tree->table.count; i++) {
        const struct process *p = &tree->table.list[i];
        bool                  was_before = tree->who.begin.known && p->start < tree->who.begin.boot_ticks;
        if (p->gone || p->pid == tree->who.root || p->pid == self)
            continue;
        bool is_known = !was_before && tree->proc >= 0 && asked++ < PROCESSES_ASKED && add_one(tree, p, ret);
        ret->are_all_known = ret->are_all_known && is_known;
    }
}
