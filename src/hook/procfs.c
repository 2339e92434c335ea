/* The facts of /proc/PID that leadership needs. Source: proc.rst, "stat", "maps", "task". */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/hook.h"

enum {
    STAT_MAX = 512 /* the first 22 fields */,
    NAME_ENDS_BEFORE = 96,
    STATUS_MAX = 1024,
    THREADS_LOOKED_AT = 512,
    FEW_THREADS = 3,
    FEW_NAMES = 144 /* bytes: these, "." and ".." */
};

void procfs_file(char ret[static 64], pid_t pid, const char *file)
{
    struct strbuf path = strbuf_in(ret, 64);
    strbuf_add(&path, "/proc/");
    if (pid)
        strbuf_number(&path, (uint64_t)pid);
    else
        strbuf_add(&path, "self");
    strbuf_add(&path, file);
}

bool procfs_is_mounted(void)
{
    struct statfs info;
    return syscall(SYS_statfs, "/proc", &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

/* The last parenthesis closes the name. Behind it are numbers alone, so it is looked for from where the longest name
 * ends. */
static const char *end_of_name(const char *text, size_t len)
{
    const char *at = text + (len < NAME_ENDS_BEFORE ? len : NAME_ENDS_BEFORE);
    while (at > text && *at != ')')
        at--;
    return at;
}

/* Reads fields 3 (state), 4 (ppid), 20 (num_threads) and 22 (starttime). The name in field 2 may hold spaces and
 * parentheses. */
static int parse_stat(const char *text, size_t len, struct process *ret)
{
    const char *at = text;
    ret->pid = (pid_t)string_number(&at);
    at = end_of_name(text, len);
    if (*at != ')' || at[1] != ' ' || !at[2] || at[3] != ' ')
        return -EBADMSG;
    ret->dead = at[2] == 'Z' || at[2] == 'X';
    at += 4;
    ret->parent = (pid_t)string_number(&at);
    for (int field = 5; field <= 22; field++) {
        while (*at > ' ')
            at++;
        if (*at++ != ' ')
            return -EBADMSG;
        if (field == 20)
            ret->threads = (uint32_t)string_number(&at);
    }
    if (*at < '0' || *at > '9')
        return -EBADMSG;
    ret->start = string_number(&at);
    return 0;
}

/* Asks for the owner, too, if the process has at least `threads_min` threads. */
static int read_process(pid_t pid, uint32_t threads_min, struct process *ret)
{
    char        path[64];
    char        text[STAT_MAX];
    struct stat owner;
    procfs_file(path, pid, "/stat");
    long fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0)
        return (int)fd;
    long n = sys_read((int)fd, text, sizeof text - 1);
    int  error = n < 0 ? (int)n : -ESRCH;
    if (n > 0) {
        text[n] = '\0';
        error = parse_stat(text, (size_t)n, ret);
    }
    if (error == 0 && ret->threads >= threads_min) {
        error = sys_fstat((int)fd, &owner);
        ret->uid = error == 0 ? owner.st_uid : PROCFS_NO_UID;
    }
    sys_close((int)fd);
    /* A /proc of another pid namespace names another process by our number. */
    if (error == 0 && ret->pid != (pid ? pid : (pid_t)sys_pid()))
        return -ESRCH;
    return error;
}

int procfs_read(pid_t pid, struct process *ret)
{
    return read_process(pid, 0, ret);
}

int procfs_read_ancestor(pid_t pid, struct process *ret)
{
    ret->uid = PROCFS_NO_UID;
    return read_process(pid, 2, ret);
}

void procfs_read_owner(struct process *p)
{
    char        path[64];
    struct stat owner;
    procfs_file(path, p->pid, "/stat");
    if (sys_stat(path, &owner) == 0)
        p->uid = owner.st_uid;
}

/* pidfd_info of linux/pidfd.h, its first version. */
struct pidfd_facts {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ids[8];
    int32_t  exit_code;
};
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

pid_t procfs_hidden_parent(pid_t pid)
{
    struct pidfd_facts facts = {.mask = 1};
    int                saved = errno;
    long               fd = syscall(SYS_pidfd_open, pid, 0);
    bool               told = fd >= 0 && syscall(SYS_ioctl, (int)fd, _IOWR(0xff, 11, struct pidfd_facts), &facts) == 0;
    if (fd >= 0)
        sys_close((int)fd);
    errno = saved;
    return told && facts.pid == (uint32_t)pid ? (pid_t)facts.ppid : 0;
}

struct entry {
    uint64_t       inode;
    int64_t        offset;
    unsigned short size;
    unsigned char  type;
    char           name[];
};

/* The link reads "pid:[4026531836]". A stat in its place would have the kernel make an inode for it. */
bool procfs_namespace(pid_t pid, uint64_t *ret)
{
    char link[64];
    char target[64];
    procfs_file(link, pid, "/ns/pid");
    const char *number = target;
    if (sys_readlink(link, target, sizeof target) <= 0)
        return false;
    for (const char *expected = "pid:["; *expected; expected++)
        if (*number++ != *expected)
            return false;
    *ret = string_number(&number);
    return true;
}

int procfs_look_for_hook(pid_t pid)
{
    char maps[64];
    procfs_file(maps, pid, "/maps");
    return mapped_file(maps, "/libpillion.so");
}

bool procfs_maps_hook(pid_t pid)
{
    return procfs_look_for_hook(pid) > 0;
}

bool procfs_is_of_our_user(pid_t pid)
{
    static const char key[] = "\nUid:\t";
    char              path[64];
    char              text[STATUS_MAX];
    procfs_file(path, pid, "/status");
    const char *at = sys_read_file(path, text, sizeof text) > 0 ? strstr(text, key) : NULL;
    if (!at)
        return false;
    at += sizeof key - 1;
    return string_number(&at) == sys_user();
}

/* A single read is enough: a name comes whole. */
static bool is_named_pillion(int tasks, const char *tid)
{
    char          path[32];
    char          name[32];
    struct strbuf w = strbuf_in(path, sizeof path);
    strbuf_add(&w, tid);
    strbuf_add(&w, "/comm");
    long fd = w.cut ? -1 : sys_open_in(tasks, path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    long n = sys_read((int)fd, name, sizeof name - 1);
    sys_close((int)fd);
    name[n > 0 ? n : 0] = '\0';
    return string_equal(name, "pillion\n");
}

bool procfs_has_thread_named_pillion(const struct process *p)
{
    char path[64];
    int  most = THREADS_LOOKED_AT;
    if (p->threads < 2)
        return false;
    /* With many threads every name costs more to read than the few files of a map. Where the map may not be read, the
     * first names will do: our thread is made before main. */
    if (p->threads > FEW_THREADS) {
        procfs_file(path, p->pid, "/maps");
        int mapped = mapped_file(path, "/libpillion-engine.so");
        if (mapped == 0)
            return false;
        most = mapped < 0 ? FEW_THREADS : most;
    }
    procfs_file(path, p->pid, "/task");
    long dir = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return false;
    _Alignas(struct sys_entry) char block[4096];
    bool                            found = false;
    int                             looked_at = 0;
    size_t room = most == FEW_THREADS ? FEW_NAMES : sizeof block; /* each costs the kernel an inode */
    most = p->threads < (uint64_t)most ? (int)p->threads : most;
    for (long n; !found && looked_at < most && (n = sys_list((int)dir, block, room)) > 0;) {
        for (long at = 0; at < n && !found && looked_at < most;) {
            const struct sys_entry *entry = (const void *)(block + at);
            at += entry->size;
            if (entry->name[0] == '.')
                continue;
            const char *tid = entry->name;
            looked_at++;
            if (string_number(&tid) != (uint64_t)p->pid) /* main's thread is the program's */
                found = is_named_pillion((int)dir, entry->name);
        }
    }
    sys_close((int)dir);
    return found;
}

/* A main thread that has left by pthread_exit still counts as a thread until the process ends. */
static __attribute__((noinline)) bool main_has_left(void)
{
    char text[STAT_MAX];
    if (sys_tid() == sys_pid() || sys_read_file("/proc/self/stat", text, sizeof text) <= 0)
        return false;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'Z';
}

/* Counts threads but ours; -1 when it cannot be told. The answer is 0 when ours has just left and is taken off all the
 * same. */
static int64_t count_threads(void)
{
    struct stat task;
    bool        ours = atomic_load(&hook.link.tid) != 0;
    return sys_stat("/proc/self/task", &task) < 0 ? -1 : (int64_t)task.st_nlink - 2 - ours;
}

bool procfs_single(void)
{
    int64_t threads = count_threads();
    return threads == 0 || threads == 1;
}

bool procfs_alone(void)
{
    int64_t threads = count_threads();
    return threads == 0 || threads == 1 || (threads == 2 && main_has_left());
}

bool procfs_has_others(void)
{
    return count_threads() >= 0 && !procfs_alone();
}
