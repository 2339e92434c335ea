/* A mark, an empty file, says that a process stands below a leader although its parents cannot tell it any more: the
 * one between has ended. That one makes the mark, at its end, while the orphan is still its child; so the proof was
 * there before the tie was gone. Neither session nor process group would do: both are shared with other jobs.
 *
 * The mark of the orphan PIDNS-PID-START is /tmp/.pillion-UID/below/LEADER/PIDNS-PID-START, beside the marker LEADER.
 * Only who has the leader's user makes one there, so a mark counts for processes of that user; root's for all. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "hook/hook.h"

enum { LEADERS_MAX = 1024 };

#define NOBODY ((uid_t)-1)

static bool read_name(const char *name, uint64_t pid_namespace, struct process *ret)
{
    if (*name < '0' || *name > '9' || string_number(&name) != pid_namespace || *name++ != '-')
        return false;
    ret->pid = (pid_t)string_number(&name);
    if (ret->pid <= 0 || *name++ != '-')
        return false;
    ret->start = string_number(&name);
    return *name == '\0';
}

static bool is_of(const char *path, uid_t uid, mode_t kind)
{
    struct stat info;
    return sys_lstat(path, &info) == 0 && (info.st_mode & S_IFMT) == kind && info.st_uid == uid;
}

/* ---- making ---- */

static bool make_folder(const char *path, uid_t uid)
{
    if (is_of(path, uid, S_IFDIR))
        return true;
    if (sys_mkdir(path, 0755) == 0)
        sys_chmod(path, 0755);
    return is_of(path, uid, S_IFDIR);
}

/* DIRECTORY/below/LEADER, where DIRECTORY/LEADER is the leader's marker. `uid` makes what is not there; -1: nobody. */
static bool folder_of(uint64_t pid_namespace, const struct process *leader, uid_t uid, struct strbuf *ret)
{
    char marker[HOOK_NAME_MAX];
    if (!leader_marker_exists(pid_namespace, leader, marker, sizeof marker))
        return false;
    const char *name = string_base_name(marker);
    strbuf_add(ret, marker);
    ret->len = (size_t)(name - marker);
    ret->text[ret->len] = '\0';
    strbuf_add(ret, ENGINE_MARKS);
    if (ret->cut || (uid != NOBODY && !make_folder(ret->text, uid)))
        return false;
    strbuf_add(ret, "/");
    strbuf_add(ret, name);
    return !ret->cut && (uid == NOBODY || make_folder(ret->text, uid));
}

static bool path_of(uint64_t pid_namespace, const struct process *leader, const struct process *orphan, uid_t uid,
                    struct strbuf *ret)
{
    if (!folder_of(pid_namespace, leader, uid, ret))
        return false;
    leader_marker_name(pid_namespace, orphan, ret);
    return !ret->cut;
}

bool orphan_mark_path(uint64_t pid_namespace, const struct process *leader, const struct process *orphan, char *ret,
                      size_t size)
{
    struct strbuf w = strbuf_in(ret, size);
    return path_of(pid_namespace, leader, orphan, NOBODY, &w);
}

int orphan_mark_make(uint64_t pid_namespace, const struct process *leader, const struct process *orphan)
{
    uid_t uid = sys_effective_user();
    long  fd = -EACCES;
    for (int i = 0; leader->uid == uid && fd < 0 && i < 2; i++) { /* a leader that ends removes what is empty */
        char          path[HOOK_NAME_MAX];
        struct strbuf w = strbuf_in(path, sizeof path);
        if (!path_of(pid_namespace, leader, orphan, uid, &w))
            continue;
        fd = sys_open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
        if (fd == -EEXIST)
            return 0;
    }
    if (fd >= 0)
        sys_close((int)fd);
    return fd < 0 ? (int)fd : 0;
}

/* ---- looking ---- */

/* Does the leader that a folder is named after live, and is it a leader still? */
static bool leads(uint64_t pid_namespace, uid_t uid, struct process *leader)
{
    char     marker[HOOK_NAME_MAX];
    uint64_t start = leader->start;
    return procfs_read(leader->pid, leader) == 0 && leader->start == start && leader->uid == uid &&
           leader_marker_exists(pid_namespace, leader, marker, sizeof marker);
}

static bool has_mark(const char *folder, const char *leader, uid_t uid, uint64_t pid_namespace, const struct process *p)
{
    char          path[HOOK_NAME_MAX];
    struct strbuf w = strbuf_in(path, sizeof path);
    if (p->uid != uid && uid != 0)
        return false;
    strbuf_add(&w, folder);
    strbuf_add(&w, "/");
    strbuf_add(&w, leader);
    if (w.cut || !is_of(path, uid, S_IFDIR))
        return false;
    leader_marker_name(pid_namespace, p, &w);
    return !w.cut && is_of(path, uid, S_IFREG);
}

struct search {
    uint64_t              pid_namespace;
    const struct process *line;
    size_t                count;
    struct process       *leader;
    size_t               *marked;
};

static bool search_leader(const struct search *s, const char *folder, uid_t uid, const char *name)
{
    if (!read_name(name, s->pid_namespace, s->leader))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (has_mark(folder, name, uid, s->pid_namespace, &s->line[i]) && leads(s->pid_namespace, uid, s->leader)) {
            *s->marked = i;
            return true;
        }
    return false;
}

static bool search_folder(const struct search *s, size_t place, uid_t uid)
{
    char          folder[64];
    struct strbuf w = strbuf_in(folder, sizeof folder);
    if (!leader_marker_folder(uid, place, &w))
        return false;
    strbuf_add(&w, "/" ENGINE_MARKS);
    long fd = sys_open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return false; /* nearly always */
    bool                            found = false;
    bool                            counts = is_of(folder, uid, S_IFDIR);
    _Alignas(struct sys_entry) char block[512];
    int                             looked_at = 0;
    for (long n; counts && !found && looked_at < LEADERS_MAX && (n = sys_list((int)fd, block, sizeof block)) > 0;)
        for (long at = 0; at < n && !found; looked_at++) {
            const struct sys_entry *entry = (const void *)(block + at);
            at += entry->size;
            found = search_leader(s, folder, uid, entry->name);
        }
    sys_close((int)fd);
    return found;
}

static bool is_first_with_uid(const struct process *line, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (line[k].uid == line[i].uid)
            return false;
    return line[i].uid != 0;
}

bool orphan_mark_find(uint64_t pid_namespace, const struct process *line, size_t count, struct process *ret_leader,
                      size_t *ret_orphan)
{
    const struct search s = {pid_namespace, line, count, ret_leader, ret_orphan};
    for (size_t place = 0; place < LEADER_MARKER_PLACES; place++) {
        if (search_folder(&s, place, 0))
            return true;
        for (size_t i = 0; i < count; i++)
            if (is_first_with_uid(line, i) && search_folder(&s, place, line[i].uid))
                return true;
    }
    return false;
}

bool orphan_mark_session(uint64_t pid_namespace, const struct process *line, size_t count, struct process *ret_leader,
                         size_t *ret_orphan)
{
    char  marker[HOOK_NAME_MAX];
    pid_t session = sys_session(0);
    for (size_t i = 0; i < count; i++)
        if (line[i].pid == session)
            return false; /* nearly always; its marker was looked for among the ancestors' */
    if (session <= 0 || procfs_read(session, ret_leader) < 0 ||
        !leader_marker_exists(pid_namespace, ret_leader, marker, sizeof marker))
        return false;
    *ret_orphan = 0;
    while (*ret_orphan + 1 < count && sys_session(line[*ret_orphan + 1].pid) == session)
        ++*ret_orphan;
    return true;
}
