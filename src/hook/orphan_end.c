/* A process that ends leaves a mark for each of its children; and if it has one itself, says in it what it has used. It
 * may be a forked child, be on any thread, in a handler, in the last moments of exit: system calls alone, and little
 * stack. Most processes have no child then, which one call tells. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { LINE_MAX = 24, THREADS_MAX = 256, CHILDREN_MAX = 256, STACK_LEAST = 16384 };

static bool  asks;
static bool  suspects; /* a filter of system calls, which came before this program */
static pid_t started;  /* the process in which this program was started; another one is forked from it */
static pid_t born_of;  /* its parent then */

/* The mark of that process. */
static struct {
    pid_t pid;
    char  path[HOOK_NAME_MAX];
} own;

void orphan_end_watch(bool whether, pid_t parent)
{
    asks = whether;
    born_of = parent;
    suspects = leader_marker_last_was_filtered();
    started = (pid_t)sys_pid();
}

void orphan_end_keep(uint64_t pid_namespace, const struct process *leader, const struct process *self)
{
    if (orphan_mark_path(pid_namespace, leader, self, own.path, sizeof own.path))
        own.pid = self->pid;
}

/* The CPU time goes into the file's times, which costs no room and can meet no limit of file size. */
static void tell_use(const char *path)
{
    struct rusage   use = {0};
    struct rusage   children = {0};
    struct timespec times[2];
    (void)syscall(SYS_getrusage, RUSAGE_SELF, &use);
    (void)syscall(SYS_getrusage, RUSAGE_CHILDREN, &children);
    int64_t user = (use.ru_utime.tv_sec + children.ru_utime.tv_sec) * INT64_C(1000000) + use.ru_utime.tv_usec +
                   children.ru_utime.tv_usec;
    int64_t system = (use.ru_stime.tv_sec + children.ru_stime.tv_sec) * INT64_C(1000000) + use.ru_stime.tv_usec +
                     children.ru_stime.tv_usec;
    times[0] = (struct timespec){user / 1000000, user % 1000000 * 1000};
    times[1] = (struct timespec){system / 1000000, system % 1000000 * 1000};
    (void)syscall(SYS_utimensat, AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

/* The line from this process upwards; true where it comes to a leader. */
static bool climb(uint64_t pid_namespace, struct process line[static LINE_MAX], size_t *ret_count,
                  struct process *ret_leader)
{
    char marker[HOOK_NAME_MAX];
    *ret_count = 1;
    for (pid_t parent = line[0].parent; parent > 0 && *ret_count < LINE_MAX; parent = line[(*ret_count)++].parent) {
        struct process *p = &line[*ret_count];
        if (procfs_read(parent, p) < 0)
            return false;
        if (leader_marker_exists(pid_namespace, p, marker, sizeof marker)) {
            *ret_leader = *p;
            return true;
        }
    }
    return false;
}

static void mark(uint64_t pid_namespace, const struct process *leader, uint64_t child)
{
    struct process p;
    if (child <= INT32_MAX && procfs_read((pid_t)child, &p) == 0 && !p.dead)
        (void)orphan_mark_make(pid_namespace, leader, &p);
}

/* The list is numbers and blanks; a number may go on in the next block. */
static void mark_children_of(const char *tid, uint64_t pid_namespace, const struct process *leader, int *count)
{
    char          block[256];
    struct strbuf w = strbuf_in(block, sizeof block);
    uint64_t      child = 0;
    strbuf_add(&w, "/proc/self/task/");
    strbuf_add(&w, tid);
    strbuf_add(&w, "/children");
    long fd = w.cut ? -1 : sys_open(block, O_RDONLY, 0);
    if (fd < 0)
        return;
    for (long n; *count < CHILDREN_MAX && (n = sys_read((int)fd, block, sizeof block)) > 0;)
        for (long i = 0; i < n && *count < CHILDREN_MAX; i++) {
            if (block[i] >= '0' && block[i] <= '9') {
                child = child * 10 + (uint64_t)(block[i] - '0');
            } else if (child > 0) {
                mark(pid_namespace, leader, child);
                child = 0;
                ++*count;
            }
        }
    sys_close((int)fd);
}

static void mark_children(uint64_t pid_namespace, const struct process *leader)
{
    int  count = 0;
    int  threads = 0;
    long fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return;
    _Alignas(struct sys_entry) char block[512];
    for (long n; threads < THREADS_MAX && (n = sys_list((int)fd, block, sizeof block)) > 0;)
        for (long at = 0; at < n; threads++) {
            const struct sys_entry *entry = (const void *)(block + at);
            at += entry->size;
            if (entry->name[0] != '.')
                mark_children_of(entry->name, pid_namespace, leader, &count);
        }
    sys_close((int)fd);
}

/* The handler of a signal may stand on a stack that has no room for this. */
static bool has_stack(void)
{
    stack_t stack = {0};
    return syscall(SYS_sigaltstack, NULL, &stack) == 0 &&
           (!(stack.ss_flags & SS_ONSTACK) || stack.ss_size >= STACK_LEAST);
}

/* It may be a vfork child, so nothing of ours is written here; what leader_marker.c remembers is true for both. */
static __attribute__((noinline)) void leave(bool has_children)
{
    struct process line[LINE_MAX];
    struct process leader;
    char           path[HOOK_NAME_MAX];
    uint64_t       pid_namespace = 0;
    size_t         count = 0;
    size_t         orphan = LINE_MAX;
    if (!has_stack() || !procfs_is_mounted() || procfs_read(0, &line[0]) < 0 || !procfs_namespace(0, &pid_namespace) ||
        (!climb(pid_namespace, line, &count, &leader) &&
         !orphan_mark_find(pid_namespace, line, count, &leader, &orphan)))
        return;
    if (has_children)
        mark_children(pid_namespace, &leader);
    if (orphan == 0 && orphan_mark_path(pid_namespace, &leader, &line[0], path, sizeof path))
        tell_use(path);
}

/* What comes after an exec under the filter has to know of it, and no memory is left then: so the leader's marker says
 * it to all. */
static __attribute__((noinline)) void say_filtered(void)
{
    struct process line[LINE_MAX];
    struct process leader;
    char           marker[HOOK_NAME_MAX];
    uint64_t       pid_namespace = 0;
    size_t         count = 0;
    size_t         orphan = 0;
    if (!has_stack() || !procfs_is_mounted() || procfs_read(0, &line[0]) < 0 || !procfs_namespace(0, &pid_namespace))
        return;
    leader = line[0];
    if ((leader_marker_exists(pid_namespace, &line[0], marker, sizeof marker) ||
         climb(pid_namespace, line, &count, &leader) ||
         orphan_mark_find(pid_namespace, line, count, &leader, &orphan)) &&
        leader_marker_exists(pid_namespace, &leader, marker, sizeof marker))
        leader_marker_filter(marker);
}

void orphan_end_filter(void)
{
    int saved = errno;
    if (asks && !suspects && seccomp_confinement() == FREE)
        say_filtered();
    errno = saved;
}

/* Every program may read a file. */
static __attribute__((noinline)) bool is_filtered(void)
{
    char text[2048];
    return sys_read_file("/proc/self/status", text, sizeof text) <= 0 || !strstr(text, "\nSeccomp:\t0\n");
}

void orphan_end(void)
{
    if (!asks || seccomp_confinement() != FREE || hook_leads() || (suspects && is_filtered()))
        return;
    pid_t pid = (pid_t)sys_pid();
    bool  has_children = sys_has_child();
    /* Its parent has ended since, or it is the child of a child: it has not asked for its mark at the start. */
    bool may_be_orphan = sys_parent() != (pid == started ? born_of : started);
    if (!has_children && !may_be_orphan && own.pid != pid)
        return;
    int saved = errno;
    if (has_children || may_be_orphan)
        leave(has_children);
    else
        tell_use(own.path);
    errno = saved;
}
