/* The descriptor table of the engine's thread: is it still the thread's own, and which numbers in it are ours?
 *
 * The kernel keeps a table for each thread that asked for one, and CRIU restores a process with a single one: then our
 * numbers are the program's files. A pipe's end tells, since no other file has its inode. The question costs one fstat,
 * which never leaves the kernel; a run directory's handle would ask a file server. It is put after each wait, and
 * before anything is written. For the moment between question and use the numbers that programs have are not ours:
 * 3 to 255 are /dev/null. So a number of the program's that gets into a handler on our thread leads nowhere, too. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/warm.h"
#include "libc/libc.h"

enum { FIRST = 3, FLOOR = 256, LIMIT_MIN = 64, PIPE_LEAST = 4096 };

static struct {
    void (*lost)(void); /* NULL: the calling thread has no table of its own */
    pid_t tid;
    int   guard;
    dev_t device;
    ino_t inode;
    int   floor; /* numbers below are taken; 0: not yet */
} table WARM;

void corner_own_descriptors(void (*lost)(void))
{
    int         ends[2];
    struct stat info;
    table.lost = NULL;
    table.floor = 0;
    if (!lost || syscall(SYS_pipe2, ends, O_CLOEXEC) < 0)
        return;
    (void)syscall(SYS_close, ends[1]);
    if (fstat(ends[0], &info) < 0)
        return;
    table.guard = ends[0];
    table.device = info.st_dev;
    table.inode = info.st_ino;
    table.tid = (pid_t)syscall(SYS_gettid);
    table.lost = lost;
}

/* valgrind counts what is open at the end among the program's. */
static void close_below(int floor)
{
    if (syscall(SYS_close_range, FIRST, floor - 1, 0) < 0)
        for (int fd = FIRST; fd < floor; fd++)
            (void)syscall(SYS_close, fd);
}

void corner_disown_descriptors(void)
{
    if (table.lost)
        (void)syscall(SYS_close, table.guard);
    if (table.lost && table.floor > FIRST)
        close_below(table.floor);
    table.lost = NULL;
}

static bool is_its_thread(void)
{
    return syscall(SYS_gettid) == table.tid;
}

void libc_check_descriptors(void)
{
    struct stat info;
    int         saved = errno;
    if (!table.lost)
        return;
    bool is_own = fstat(table.guard, &info) == 0 && info.st_ino == table.inode && info.st_dev == table.device;
    if (!is_own && is_its_thread())
        table.lost();
    errno = saved;
}

/* Half of the numbers stay the thread's where there are few. */
static int choose_floor(void)
{
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit < 0 || limit >= 2L * FLOOR)
        return FLOOR;
    return limit < LIMIT_MIN ? FIRST : (int)limit / 2;
}

static void fill(void)
{
    int fd;
    do
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST);
    while (fd >= 0 && fd + 1 < table.floor);
    if (fd >= table.floor)
        (void)syscall(SYS_close, fd);
}

int corner_raise_descriptor(int fd)
{
    if (!table.lost)
        return fd;
    if (table.floor == 0) {
        table.floor = choose_floor();
        if (table.floor > FIRST)
            fill();
        table.guard = corner_raise_descriptor(table.guard);
        (void)fcntl(table.guard, F_SETPIPE_SZ, PIPE_LEAST); /* a user's pipes are counted by their room */
    }
    int up = fd < 0 || fd >= table.floor ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, table.floor);
    if (up < 0 || syscall(SYS_dup3, STDIN_FILENO, fd, O_CLOEXEC) < 0)
        return fd;
    return up;
}

bool libc_frees_descriptors(void)
{
    int floor = table.floor / 2 > FIRST ? table.floor / 2 : FIRST;
    if (errno != EMFILE || !table.lost || table.floor <= FIRST || !is_its_thread())
        return false;
    for (int fd = floor; fd < table.floor; fd++)
        (void)syscall(SYS_close, fd);
    table.floor = floor;
    return true;
}
