/* A marker, an empty file, says that a process leads. Its path is PIDNS-PID-START in /tmp/.pillion-UID/, or below
 * /dev/shm where /tmp cannot be written. A marker counts only if directory and file belong to the process's owner and
 * are no links. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "hook/hook.h"

static const char *const places[LEADER_MARKER_PLACES] = {"/tmp", "/dev/shm"};

static void directory_name(uid_t uid, const char *place, struct strbuf *ret)
{
    strbuf_add(ret, place);
    strbuf_add(ret, "/.pillion-");
    strbuf_number(ret, uid);
}

void leader_marker_name(uint64_t pid_namespace, const struct process *p, struct strbuf *ret)
{
    strbuf_add(ret, "/");
    strbuf_number(ret, pid_namespace);
    strbuf_add(ret, "-");
    strbuf_number(ret, (uint64_t)p->pid);
    strbuf_add(ret, "-");
    strbuf_number(ret, p->start);
}

static bool is_directory_of(const char *path, uid_t uid)
{
    struct stat info;
    return sys_lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == uid;
}

bool leader_marker_folder(uid_t uid, size_t place, struct strbuf *ret)
{
    static struct folder {
        bool  known, counts;
        uid_t uid;
    } of_root[LEADER_MARKER_PLACES], of_user[LEADER_MARKER_PLACES];
    struct folder *last = uid == 0 ? &of_root[place] : &of_user[place];
    directory_name(uid, places[place], ret);
    if (!last->known || last->uid != uid) {
        last->known = true;
        last->uid = uid;
        last->counts = is_directory_of(ret->text, uid);
    }
    return !ret->cut && last->counts;
}

/* The bit that means nothing for an empty file says that a process below the leader has filtered its system calls. */
enum { FILTERED = S_IXUSR };

static bool last_filtered; /* of the marker that was found last */

static bool is_marker_of(const char *path, uid_t uid)
{
    struct stat info;
    if (sys_lstat(path, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != uid)
        return false;
    last_filtered = info.st_mode & FILTERED;
    return true;
}

bool leader_marker_last_was_filtered(void)
{
    return last_filtered;
}

void leader_marker_filter(const char *path)
{
    if (!last_filtered)
        sys_chmod(path, 0600 | FILTERED);
}

bool leader_marker_exists(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct strbuf path = strbuf_in(ret_path, size);
        if (!leader_marker_folder(p->uid, i, &path))
            continue;
        leader_marker_name(pid_namespace, p, &path);
        if (!path.cut && is_marker_of(ret_path, p->uid))
            return true;
    }
    ret_path[0] = '\0';
    return false;
}

/* The number of this process's user in the user namespace around its own. False where nothing is mapped (yet). */
static bool uid_outside(uid_t uid, uid_t *ret)
{
    char        map[128];
    const char *at = map;
    uint64_t    column[2] = {0};
    *ret = uid;
    long n = sys_read_file("/proc/self/uid_map", map, sizeof map);
    if (n <= 0)
        return n < 0;
    for (int i = 0; i < 2; i++) {
        while (*at == ' ')
            at++;
        column[i] = string_number(&at);
    }
    if (uid >= column[0])
        *ret = (uid_t)(uid - column[0] + column[1]);
    return true;
}

static bool is_marked_in(const char *folder, uint64_t pid_namespace, const struct process *self, char *ret_path,
                         size_t size)
{
    struct strbuf path = strbuf_in(ret_path, size);
    strbuf_add(&path, folder);
    bool ours = !path.cut && is_directory_of(ret_path, self->uid);
    leader_marker_name(pid_namespace, self, &path);
    return ours && !path.cut && is_marker_of(ret_path, self->uid);
}

/* In a user namespace that maps nobody all owners look the same, and none has a number: so each folder is tried. The
 * marker's name has the start of the process, which no other has. */
static bool is_marked_by_somebody(const char *place, uint64_t pid_namespace, const struct process *self, char *ret_path,
                                  size_t size)
{
    enum { NAMES_MAX = 4096 };
    _Alignas(struct sys_entry) char block[1024];
    char                            folder[HOOK_NAME_MAX];
    bool                            found = false;
    int                             names = 0;
    long                            fd = sys_open(place, O_RDONLY | O_DIRECTORY, 0);
    for (long n; fd >= 0 && !found && names < NAMES_MAX && (n = sys_list((int)fd, block, sizeof block)) > 0;)
        for (long at = 0; at < n && !found; names++) {
            const struct sys_entry *entry = (const void *)(block + at);
            struct strbuf           w = strbuf_in(folder, sizeof folder);
            at += entry->size;
            strbuf_add(&w, place);
            strbuf_add(&w, "/");
            strbuf_add(&w, entry->name);
            found = !w.cut && strncmp(entry->name, ".pillion-", sizeof ".pillion-" - 1) == 0 &&
                    is_marked_in(folder, pid_namespace, self, ret_path, size);
        }
    if (fd >= 0)
        sys_close((int)fd);
    return found;
}

bool leader_marker_was_made_outside(uint64_t pid_namespace, const struct process *self, char *ret_path, size_t size)
{
    uid_t before;
    bool  is_mapped = uid_outside(self->uid, &before);
    bool  found = false;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        char          folder[HOOK_NAME_MAX];
        struct strbuf w = strbuf_in(folder, sizeof folder);
        directory_name(before, places[i], &w);
        if (is_mapped)
            found = before != self->uid && !w.cut && is_marked_in(folder, pid_namespace, self, ret_path, size);
        else
            found = is_marked_by_somebody(places[i], pid_namespace, self, ret_path, size);
    }
    if (!found)
        ret_path[0] = '\0';
    return found;
}

/* The same path without the start: who may not look at a leader's /proc/PID knows its number alone. The thread of a
 * leader that is root makes the file (engine/marker.c). */
bool leader_marker_has_number(uint64_t pid_namespace, pid_t pid)
{
    char path[HOOK_NAME_MAX];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct strbuf w = strbuf_in(path, sizeof path);
        directory_name(0, places[i], &w);
        if (!is_directory_of(path, 0))
            continue;
        strbuf_add(&w, "/");
        strbuf_number(&w, pid_namespace);
        strbuf_add(&w, "-");
        strbuf_number(&w, (uint64_t)pid);
        if (!w.cut && is_marker_of(path, 0))
            return true;
    }
    return false;
}

void leader_marker_remove(const char *path)
{
    char          number[HOOK_NAME_MAX];
    struct strbuf w = strbuf_in(number, sizeof number);
    strbuf_add(&w, path);
    sys_unlink(path);
    char *start = strrchr(number, '-');
    if (start)
        *start = '\0';
    if (start && !w.cut)
        sys_unlink(number);
}

/* The owner of /proc/PID is root where the program may not be read, or is not dumpable: a folder made for root would be
 * the user's own, and root could have none from then on. */
int leader_marker_make(uint64_t pid_namespace, const struct process *p, char *ret_path, size_t size)
{
    int  error = -EACCES;
    bool is_ours = p->uid == sys_effective_user();
    for (size_t i = 0; is_ours && i < sizeof places / sizeof *places; i++) {
        struct strbuf path = strbuf_in(ret_path, size);
        directory_name(p->uid, places[i], &path);
        /* The mode is 0711 whatever the umask, which is the program's and stays: other users look into it by name. */
        if (!is_directory_of(ret_path, p->uid)) {
            if (sys_mkdir(ret_path, 0711) == 0)
                sys_chmod(ret_path, 0711);
            if (!is_directory_of(ret_path, p->uid))
                continue;
        }
        leader_marker_name(pid_namespace, p, &path);
        long fd = path.cut ? -ENAMETOOLONG : sys_open(ret_path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            sys_close((int)fd);
            return 0;
        }
        error = (int)fd;
    }
    ret_path[0] = '\0';
    return error;
}
