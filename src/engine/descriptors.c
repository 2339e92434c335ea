/* The descriptor table of the thread `pillion`: made without anything of the program's, and its numbers raised above
 * those that programs have, should the two tables ever be one: libc/libc_descriptors.c. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/text.h"
#include "engine/run.h"
#include "libc/libc.h"

enum { LOW = 256 };

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

/* Descriptors may stand above the limit, which can be lowered, or above what can be tried one by one. */
static void close_listed(int kept)
{
    struct dir  list;
    const char *name = NULL;
    char        path[64];
    uint64_t    fd = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/fd", syscall(SYS_gettid));
    if (dir_open(&list, AT_FDCWD, path) < 0)
        return;
    while ((name = dir_next(&list))) {
        struct text t = text_of(name);
        if (text_unsigned(&t, &fd) && (int)fd != kept && (int)fd != list.fd)
            (void)close((int)fd);
    }
    dir_close(&list);
}

/* Kernels before 5.9 have no close_range: descriptors are closed one by one, in a table that is already ours. */
static bool close_one_by_one(int kept)
{
    long limit = sysconf(_SC_OPEN_MAX);
    if (syscall(SYS_unshare, CLONE_FILES) < 0)
        return false;
    for (int fd = 0; fd < (limit > 0 && limit < 65536 ? limit : 65536); fd++)
        if (fd != kept)
            (void)close(fd);
    close_listed(kept);
    return true;
}

/* 0 to 2 lead nowhere. */
bool descriptors_own(int kept)
{
    bool own = false;
    if (kept < 0)
        own = syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0;
    else
        own = syscall(SYS_close_range, 0U, (unsigned)kept - 1U, CLOSE_RANGE_UNSHARE) == 0 &&
              syscall(SYS_close_range, (unsigned)kept + 1U, ~0U, 0U) == 0;
    if (!own && !close_one_by_one(kept))
        return false;
    if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 && open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
        return false;
    return fcntl(0, F_DUPFD_CLOEXEC, 1) == 1 && fcntl(0, F_DUPFD_CLOEXEC, 2) == 2;
}

/* The kernel lends them since 5.6. Before it, what libc's exit writes on our thread is lost. */
void descriptors_give_back(void)
{
    int program = (int)syscall(SYS_pidfd_open, getpid(), 0);
    for (int fd = 0; program >= 0 && fd < LOW; fd++) {
        int lent = (int)syscall(SYS_pidfd_getfd, program, fd, 0);
        if (lent >= 0 && lent != fd) {
            (void)syscall(SYS_dup3, lent, fd, 0);
            (void)close(lent);
        }
    }
    (void)close(program);
}

static void raise_files(struct run_dir *dir)
{
    int *const files[] = {&dir->dir,  &dir->state,    &dir->rows,          &dir->log,
                          &dir->lock, &dir->commands, &dir->commands_rows, &dir->gpus_rows};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        *files[i] = libc_raise_descriptor(*files[i]);
}

/* What the collectors hold is opened anew: it is so little before the first run. What root made ahead cannot be, nor
 * what the image before an exec has left. */
void descriptors_raise(struct run *run)
{
    if (run->is_raised || run->seat != SEAT_OWN)
        return;
    run->is_raised = true;
    bool holds = run->collectors && run->state == RUN_UNMADE;
    if (holds)
        collect_suspend(run->collectors);
    run->wake = libc_raise_descriptor(run->wake);
    run->asks = libc_raise_descriptor(run->asks);
    run->log.copy = libc_raise_descriptor(run->log.copy);
    run->output.fd = libc_raise_descriptor(run->output.fd);
    run->home.dir = libc_raise_descriptor(run->home.dir);
    run->home.runs = libc_raise_descriptor(run->home.runs);
    raise_files(&run->ahead);
    raise_files(&run->dir);
    if (run->log.file >= 0)
        run->log.file = run->dir.log;
    if (holds)
        (void)collect_resume(run->collectors, &run->roots);
}
