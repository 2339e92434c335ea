/* The leader's marker, once the hook has made it: renewed, removed, and swept where its leader is dead. Below it stand
 * the marks of orphans (hook/orphan_mark.c). */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/run.h"
#include "store/journal_read.h"

enum { SWEPT_MAX = 65536 /* many of them may be marks of APIs, or of other PID namespaces */, MARKS_MAX = 65536 };

/* The marker without the start of its process, for users from whom hidepid hides that. Root's alone: whom root leads,
 * it may have made another user. */
static bool marker_of_number(const struct run *run, char ret[static PATH_MAX])
{
    const char *start = run->marker ? strrchr(run->marker, '-') : NULL;
    return start && text_copy(text_span(run->marker, (size_t)(start - run->marker)), ret, PATH_MAX);
}

void marker_make_by_number(struct run *run)
{
    char path[PATH_MAX];
    int  fd = -1;
    if (geteuid() == 0 && !run_is_asked_to_end(run) && marker_of_number(run, path))
        (void)file_make(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &fd);
    file_close(&fd);
}

/* Removes the marks of one leader's orphans; false where it has none. */
static bool remove_marks(int at, const char *folder)
{
    struct dir  list;
    const char *name;
    if (dir_open(&list, at, folder) < 0)
        return false;
    for (int i = 0; i < MARKS_MAX && (name = dir_next(&list)); i++)
        (void)unlinkat(list.fd, name, 0);
    dir_close(&list);
    (void)unlinkat(at, folder, AT_REMOVEDIR);
    return true;
}

/* The marker goes first: without it no more marks are made. */
void marker_remove(struct run *run)
{
    struct text marks = text_of(run->marks ? run->marks : "");
    char        above[PATH_MAX];
    if (run->marker)
        (void)unlink(run->marker);
    if (geteuid() == 0 && marker_of_number(run, above))
        (void)unlink(above);
    if (!text_after_last(&marks, '/') || !remove_marks(AT_FDCWD, run->marks))
        return;
    if (text_copy(text_span(run->marks, (size_t)(marks.at - run->marks)), above, sizeof above))
        (void)unlinkat(AT_FDCWD, above, AT_REMOVEDIR); /* where no other leader has marks */
}

/* A name that begins with our PID namespace and the number of a process that is gone. hidepid hides from /proc who
 * lives, and may not be looked into: another user, or who is not dumpable. */
static bool is_of_a_dead_leader(const struct run *run, const char *name)
{
    struct text rest = text_of(name);
    uint64_t    ns = 0;
    uint64_t    pid = 0;
    if (!text_unsigned(&rest, &ns) || ns != run->pid_namespace || !text_skip(&rest, "-") || !text_unsigned(&rest, &pid))
        return false;
    return pid == 0 || pid > INT32_MAX || (syscall(SYS_kill, (pid_t)pid, 0) < 0 && errno == ESRCH);
}

void marker_sweep_dead(const struct run *run)
{
    char        folder[PATH_MAX];
    struct text path = text_of(run->marker ? run->marker : "");
    struct dir  list;
    const char *name = NULL;
    if (!run->marker || !journal_knows_numbers() || !text_after_last(&path, '/') ||
        !text_copy(text_span(run->marker, (size_t)(path.at - run->marker)), folder, sizeof folder) ||
        dir_open(&list, AT_FDCWD, folder) < 0)
        return;
    for (int i = 0; i < SWEPT_MAX && (name = dir_next(&list)); i++)
        if (is_of_a_dead_leader(run, name))
            (void)unlinkat(list.fd, name, 0);
    struct dir marks;
    if (dir_open(&marks, list.fd, ENGINE_MARKS) == 0) {
        for (int i = 0; i < SWEPT_MAX && (name = dir_next(&marks)); i++)
            if (is_of_a_dead_leader(run, name))
                (void)remove_marks(marks.fd, name);
        dir_close(&marks);
    }
    dir_close(&list);
}

void marker_renew(const struct run *run)
{
    char number[PATH_MAX];
    if (run->marker)
        (void)utimensat(AT_FDCWD, run->marker, NULL, AT_SYMLINK_NOFOLLOW);
    if (geteuid() == 0 && marker_of_number(run, number))
        (void)utimensat(AT_FDCWD, number, NULL, AT_SYMLINK_NOFOLLOW);
}
