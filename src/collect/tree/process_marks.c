/* Orphans by their marks. An orphan was of the tree from its birth on, so all that it has used counts, but for what was
 * before the run. A process outside of the tree reaps it, so the kernel hands its last use to nobody of ours: it says
 * that itself, by the times of its mark. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/process_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/number.h"
#include "collect/tree/process_stat.h"

enum { MARKS_MAX = 4096, NAME_SIZE = 64 };

/* Times before this are CPU time, later ones a date. */
enum { DATES_BEGIN = 500000000 }; /* s since 1970: 1985 */

/* The folder has its leader's name, which begins with the PID namespace, as those of the marks do. */
void process_marks_open(struct process_tree *tree)
{
    struct text folder = text_of(tree->who.marks ? tree->who.marks : "");
    if (!text_after_last(&folder, '/') || !text_unsigned(&folder, &tree->marks.pid_namespace))
        tree->who.marks = NULL;
}

static bool read_name(const struct process_tree *tree, const char *name, uint64_t *ret_pid, uint64_t *ret_start)
{
    struct text t = text_of(name);
    uint64_t    pid_namespace = 0;
    return text_unsigned(&t, &pid_namespace) && pid_namespace == tree->marks.pid_namespace && text_skip(&t, "-") &&
           text_unsigned(&t, ret_pid) && *ret_pid > 0 && *ret_pid <= INT32_MAX && text_skip(&t, "-") &&
           text_unsigned(&t, ret_start) && text_len(t) == 0;
}

static void write_name(const struct process_tree *tree, const struct process *p, char ret[static NAME_SIZE])
{
    struct bytes b = {.data = ret, .capacity = NAME_SIZE, .max = NAME_SIZE - 1};
    bytes_unsigned(&b, tree->marks.pid_namespace);
    bytes_text(&b, "-");
    bytes_unsigned(&b, (uint64_t)p->pid);
    bytes_text(&b, "-");
    bytes_unsigned(&b, p->start);
}

static bool is_use(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_sec < DATES_BEGIN;
}

static uint64_t microseconds(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * MICROSECONDS + (uint64_t)t->tv_nsec / 1000;
}

/* False where none was left, or more than all CPUs can have done since the process began. */
static bool read_use(const struct process_tree *tree, const struct process_now *now, int folder, const char *name,
                     uint64_t start, uint64_t ret[static CONSERVED])
{
    struct stat mark;
    uint64_t    tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    uint64_t    most = (saturating_subtract(now->boot_ticks, start) + 1) * tick * (tree->cpus > 0 ? tree->cpus : 1);
    if (fstatat(folder, name, &mark, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(mark.st_mode) || !is_use(&mark.st_atim) ||
        !is_use(&mark.st_mtim))
        return false;
    uint64_t user = microseconds(&mark.st_atim);
    uint64_t system = microseconds(&mark.st_mtim);
    ret[USER] = user / tick;
    ret[SYSTEM] = system / tick;
    ret[REST] = tree->own_numbers ? user % tick + system % tick : 0;
    return user + system <= most;
}

/* It began, ended and was reaped between two readings. Its mark goes first: it must not count twice. */
static void take_gone(struct process_tree *tree, const struct process_now *now, const char *name, uint64_t start)
{
    uint64_t use[CONSERVED] = {0};
    bool     is_ours = !tree->who.begin.known || start >= tree->who.begin.boot_ticks;
    bool     known = read_use(tree, now, tree->dir.fd, name, start, use);
    if (unlinkat(tree->dir.fd, name, 0) == 0 && known && is_ours)
        for (int k = 0; k <= REST; k++)
            tree->retained[k] += use[k];
}

static bool take(struct process_tree *tree, const struct process_now *now, const char *name)
{
    uint64_t            pid = 0;
    uint64_t            start = 0;
    struct process_stat stat;
    if (!read_name(tree, name, &pid, &start))
        return false;
    struct process *p = process_table_find(&tree->table, (pid_t)pid, start);
    if (p) {
        p->marked = true;
        return false;
    }
    int error = process_stat_read(tree->proc, (pid_t)pid, &stat);
    if (error == 0 && stat.start == start)
        p = process_table_add(&tree->table, (pid_t)pid);
    else if (error == 0 || error == -ENOENT || error == -ESRCH)
        take_gone(tree, now, name, start);
    if (!p)
        return false;
    p->start = start;
    p->marked = p->native = true;
    return true;
}

/* A change right behind a reading may have the same time as one before it: so the folder is read once more. */
bool process_marks_find(struct process_tree *tree, const struct process_now *now)
{
    struct process_marks *marks = &tree->marks;
    struct stat           info;
    const char           *name;
    bool                  found = false;
    if (!tree->who.marks || lstat(tree->who.marks, &info) < 0 || !S_ISDIR(info.st_mode))
        return false;
    bool changed = info.st_mtim.tv_sec != marks->changed.tv_sec || info.st_mtim.tv_nsec != marks->changed.tv_nsec;
    if ((!changed && !marks->again) || dir_open(&tree->dir, AT_FDCWD, tree->who.marks) < 0)
        return false;
    marks->again = changed;
    marks->changed = info.st_mtim;
    for (int i = 0; i < MARKS_MAX && (name = dir_next(&tree->dir)); i++)
        found = take(tree, now, name) || found;
    dir_close(&tree->dir);
    return found;
}

static void settle(struct process_tree *tree, const struct process_now *now, int folder, struct process *p)
{
    char     name[NAME_SIZE];
    uint64_t use[CONSERVED];
    uint64_t tick = MICROSECONDS / (uint64_t)tree->units.clock_ticks;
    write_name(tree, p, name);
    if (read_use(tree, now, folder, name, p->start, use) &&
        (use[USER] + use[SYSTEM]) * tick + use[REST] > (p->value[USER] + p->value[SYSTEM]) * tick + p->value[REST])
        for (int k = 0; k <= REST; k++)
            p->value[k] = use[k];
    (void)unlinkat(folder, name, 0);
}

void process_marks_settle(struct process_tree *tree, const struct process_now *now)
{
    int folder = -1;
    for (size_t i = 0; tree->suspect && i < tree->table.count; i++) {
        struct process *p = &tree->table.list[i];
        if (!p->gone || !p->marked)
            continue;
        if (folder < 0)
            folder = open(tree->who.marks, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (p->read_yet && folder >= 0)
            settle(tree, now, folder, p);
        else
            tree->marks.again = true;
    }
    file_close(&folder);
}
