/* The questions that decide whether this process leads, in their order; the first answer stands. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "hook/hook.h"

enum { ANCESTORS_MAX = 128 };
#define INITIAL_NAMESPACE UINT64_C(0xEFFFFFFC) /* PROC_PID_INIT_INO of linux/proc_ns.h: process 1 is the machine's */

/* Wrappers only wait for, or wrap, the program that matters: the lead passes through them. */
static const char wrappers[][STRING_WORD_SIZE] = {
    "sbatch",   "salloc", "ssh",    "docker", "podman", "kubectl", "sudo",    "su",     "runuser", "gdb",
    "valgrind", "strace", "ltrace", "env",    "nice",   "nohup",   "timeout", "setsid", "stdbuf",  "pillion"};

/* What a program is known by: the file that it is, and the names that lead there. A name is a link (python3), or one of
 * the many that a file stands for (busybox). */
struct known {
    const char *executable;
    const char *given;  /* the path that was executed; "": it is not known, or is a script */
    const char *zeroth; /* argument 0; "": not known */
};

static bool is_called_wrapper(const char *path)
{
    const char *name = string_base_name(path);
    return mpi_slurm_is_launcher(path) || string_among(name, wrappers, sizeof wrappers / sizeof *wrappers) ||
           strncmp(name, "valgrind.bin", 12) == 0;
}

static bool is_wrapper(const struct known *known)
{
    return is_called_wrapper(known->executable) || is_called_wrapper(known->given);
}

static bool is_called_in_place(const char *path)
{
    static const char names[][STRING_WORD_SIZE] = {"env", "nice", "nohup", "stdbuf"};
    return string_among(string_base_name(path), names, sizeof names / sizeof *names);
}

/* Some wrappers become the program that they wrap: the lead stays with the process. */
static bool execs_in_place(const struct known *known)
{
    return is_called_in_place(known->executable) || is_called_in_place(known->given);
}

static bool is_in(const char *list, const struct known *known)
{
    return list && *list &&
           (glob_in_list(list, known->executable) || glob_in_list(list, known->given) ||
            glob_in_list(list, known->zeroth));
}

/* Returns LEADER_NOTHING_AGAINST when it is not excluded. */
static enum leader_why excluded(const struct known *known)
{
    const char *include = setting_of("PILLION_INCLUDE");
    if (is_in(setting_of("PILLION_EXCLUDE"), known))
        return LEADER_EXCLUDED;
    if (include && *include && !is_in(include, known))
        return LEADER_NOT_INCLUDED;
    return is_wrapper(known) ? LEADER_WRAPPER : LEADER_NOTHING_AGAINST;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first;
    struct stat second;
    return string_equal(a, b) || (sys_stat(a, &first) == 0 && sys_stat(b, &second) == 0 &&
                                  first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

static bool has_patterns(void)
{
    const char *include = setting_of("PILLION_INCLUDE");
    const char *exclude = setting_of("PILLION_EXCLUDE");
    return (include && *include) || (exclude && *exclude);
}

/* The path that was executed: getauxval(3), AT_EXECFN. Of a script it is the script's, which is known by its
 * interpreter; that one's name is argument 0. Files are looked at only where the name could decide. */
static const char *given_name(const char *executable)
{
    const char *given = (const char *)getauxval(AT_EXECFN); // NOLINT(performance-no-int-to-ptr)
    bool        could_decide = given && (has_patterns() || is_called_wrapper(given));
    return could_decide && is_same_file(given, executable) ? given : "";
}

/* Cuts off the kernel's mark behind the name of a file that is gone: patterns, and the run's name, are about the file.
 */
static void forget_deletion(char *path)
{
    static const char mark[] = " (deleted)";
    struct stat       info;
    size_t            len = strlen(path);
    if (len >= sizeof mark && string_equal(path + len - (sizeof mark - 1), mark) && sys_stat(path, &info) < 0)
        path[len - (sizeof mark - 1)] = '\0';
}

static bool read_executable(pid_t pid, char *ret, size_t size)
{
    char link[64];
    procfs_file(link, pid, "/exe");
    if (sys_readlink(link, ret, size) <= 0)
        return false;
    forget_deletion(ret);
    return true;
}

enum looked_for { OLDER_ONE, OUTSIDER };

/* Does this list of a cgroup's processes hold an older one than `entered`, or one from outside of the PID namespace,
 * which is 0 in it? -1: the list is not that of its cgroup. */
static int list_holds(enum looked_for what, const char *file, const struct process *entered)
{
    char           text[2048];
    struct process other;
    bool           is_ours = false;
    bool           older = false;
    long           n = sys_read_file(file, text, sizeof text);
    for (const char *at = text; n > 0 && *at >= '0' && *at <= '9'; at++) {
        pid_t pid = (pid_t)string_number(&at);
        if (*at != '\n') /* the text has no room for the rest of it: it is another process's number */
            break;
        is_ours |= pid == entered->pid;
        if (what == OUTSIDER)
            older = older || pid == 0;
        else
            older = older ||
                    (pid > 0 && pid != entered->pid && procfs_read(pid, &other) == 0 && other.start < entered->start);
    }
    return is_ours ? older : -1;
}

/* The same of the list at this path of a hierarchy, or at its top. A container that is told the machine's path of its
 * cgroup finds that cgroup at the top. */
static int hierarchy_holds(enum looked_for what, const char *controllers, const char *path,
                           const struct process *entered)
{
    char file[2048];
    int  older = -1;
    for (int top = 0; older < 0 && top < (*controllers ? 2 : 3); top++) {
        struct strbuf w = strbuf_in(file, sizeof file);
        strbuf_add(&w, "/sys/fs/cgroup/");
        strbuf_add(&w, top == 2 ? "unified" : controllers); /* where both versions are mounted */
        strbuf_add(&w, top ? "" : path);
        strbuf_add(&w, "/cgroup.procs");
        older = w.cut ? -1 : list_holds(what, file, entered);
    }
    return older;
}

/* The answer of the first list that can be read; -1: none can. Version 1 lists nobody from outside. */
static int cgroup_holds(enum looked_for what, const struct process *entered)
{
    char  text[2048];
    char *line = sys_read_file("/proc/self/cgroup", text, sizeof text) > 0 ? text : NULL;
    while (line && *line) { /* NUMBER:CONTROLLERS:PATH */
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        char *end = path ? strchr(path, '\n') : NULL;
        if (!end)
            break;
        *path++ = *end = '\0';
        controllers += strncmp(controllers, ":name=", 6) == 0 ? 6 : 1;
        int holds = hierarchy_holds(what, controllers, path, entered);
        if (holds > 0 || (holds == 0 && what == OLDER_ONE))
            return holds;
        line = end + 1;
    }
    return -1;
}

/* A process whose cgroup holds an older one came in from outside: `docker exec`, a health check. A container that
 * shares another's processes has a cgroup of its own. Where the list is unreadable, process 1 of the namespace counts
 * as older than anybody. */
static bool cgroup_holds_older(const struct process *entered)
{
    struct process other;
    int            holds = cgroup_holds(OLDER_ONE, entered);
    return holds >= 0 ? holds > 0 : procfs_read(1, &other) == 0 && other.start <= entered->start;
}

/* A process 1 that may not be looked into carries the hook perhaps: a sandbox's, forked from somebody's passenger. That
 * is so if it is of our own user, and hides itself, or if its cgroup holds somebody from outside. A container's, of
 * another user, is neither. */
static bool is_sandboxed_by(const struct process *parent, const struct leader *self)
{
    return parent->pid == 1 && self->pid_namespace != INITIAL_NAMESPACE &&
           (procfs_is_of_our_user(parent->pid) || cgroup_holds(OUTSIDER, &self->self) > 0);
}

/* Of another process the path that was executed is not known, but its argument 0. */
static bool is_excluded(pid_t pid)
{
    char         executable[HOOK_PATH_MAX];
    char         command[HOOK_NAME_MAX];
    char         file[64];
    struct known known = {executable, command, command};
    procfs_file(file, pid, "/cmdline");
    if (!read_executable(pid, executable, sizeof executable))
        return true;
    if (sys_read_file(file, command, sizeof command) <= 0)
        command[0] = '\0';
    return excluded(&known) != LEADER_NOTHING_AGAINST;
}

/* The last look before a new run begins. A leader may have a marker that cannot be seen from here (a chroot, a /tmp of
 * its own). A parent may carry the hook and not lead: its run has ended, and nothing begins again. */
static enum leader_why somebody_else_led(const struct process *ancestors, size_t count, struct leader *ret)
{
    for (size_t i = 0; i < count; i++)
        if (procfs_has_thread_named_pillion(&ancestors[i])) {
            ret->above = ancestors[i];
            return LEADER_BELOW_THREAD;
        }
    int  carries = count == 0 ? 0 : procfs_look_for_hook(ancestors[0].pid);
    bool forbidden = carries == -EACCES || carries == -EPERM;
    if (carries <= 0 && !(forbidden && is_sandboxed_by(&ancestors[0], ret)))
        return LEADER_NOTHING_AGAINST;
    if (carries > 0 && is_excluded(ancestors[0].pid))
        return LEADER_NOTHING_AGAINST;
    ret->above = ancestors[0];
    return LEADER_BELOW_HOOK;
}

static bool starts_ranks(pid_t pid)
{
    char executable[HOOK_PATH_MAX];
    return read_executable(pid, executable, sizeof executable) && mpi_slurm_is_launcher(executable);
}

/* hidepid hides other users' processes: of a hidden ancestor only numbers are known. */
static bool hidden_leads(uint64_t pid_namespace, pid_t pid, struct process *ret)
{
    for (int i = 0; pid > 0 && i < ANCESTORS_MAX; i++, pid = procfs_hidden_parent(pid))
        if (leader_marker_has_number(pid_namespace, pid)) {
            *ret = (struct process){.pid = pid};
            return true;
        }
    return false;
}

/* Looks for markers of the ancestors with one thread. A leader has two, its own and ours, unless ours is away for a
 * moment. */
static bool single_threaded_leads(uint64_t pid_namespace, struct process *ancestors, size_t *count)
{
    char marker[HOOK_NAME_MAX];
    for (size_t i = 0; i < *count; i++) {
        struct process *p = &ancestors[i];
        if (p->uid != PROCFS_NO_UID)
            continue;
        procfs_read_owner(p);
        if (leader_marker_exists(pid_namespace, p, marker, sizeof marker)) {
            *count = i;
            return true;
        }
    }
    return false;
}

/* Walks up to a marker (true; it is that of the ancestor at *ret_count), or to the end; the ancestors seen are kept for
 * a second look. Where every rank leads, the end is the process that started the rank: a leader above it has runs of
 * its own. A parent that can be seen is in our own namespace, and its link is known to the kernel already: looking up
 * ours costs 8 us more. */
static bool ancestor_leads(enum ranks ranks, pid_t parent, uint64_t *ret_namespace, struct process *ret,
                           size_t *ret_count)
{
    char marker[HOOK_NAME_MAX];
    bool is_hidden = false;
    *ret_count = 0;
    *ret_namespace = 0;
    if (parent > 0 && !procfs_namespace(parent, ret_namespace) && !procfs_namespace(0, ret_namespace))
        return false;
    for (; parent > 0 && *ret_count < ANCESTORS_MAX; parent = ret[(*ret_count)++].parent) {
        struct process *p = &ret[*ret_count];
        is_hidden = procfs_read_ancestor(parent, p) < 0;
        if (is_hidden || (ranks == RANKS_ALL && starts_ranks(parent)))
            break;
        if (p->uid != PROCFS_NO_UID && leader_marker_exists(*ret_namespace, p, marker, sizeof marker))
            return true;
    }
    return single_threaded_leads(*ret_namespace, ret, ret_count) ||
           (is_hidden && hidden_leads(*ret_namespace, parent, &ret[*ret_count]));
}

static enum leader_why switched_off(void)
{
    const char *value = setting_of("PILLION_DISABLE");
    if (value && *value && !string_is_no(value))
        return LEADER_DISABLED;
    return getauxval(AT_SECURE) != 0 ? LEADER_SECURE : LEADER_NOTHING_AGAINST;
}

/* True for a process that was put into a container, whose parents end outside; false for the container's own first
 * process. */
static bool was_put_into_a_container(const struct process *ancestors, size_t count, const struct process *self)
{
    const struct process *top = count ? &ancestors[count - 1] : self;
    return top->parent == 0 && top->pid != 1 && cgroup_holds_older(top);
}

/* The one between this process, or an ancestor, and the leader may have ended. Of every rank that leads, what is above
 * is another's. */
static enum leader_why orphaned_below(enum ranks ranks, const struct process *line, size_t count, struct leader *ret)
{
    size_t          orphan = 0;
    enum leader_why why = LEADER_NOTHING_AGAINST;
    if (ranks == RANKS_ALL)
        return why;
    if (orphan_mark_find(ret->pid_namespace, line, count, &ret->above, &orphan))
        why = LEADER_ORPHAN;
    else if (orphan_mark_session(ret->pid_namespace, line, count, &ret->above, &orphan))
        why = LEADER_IN_SESSION;
    ret->orphan = line[orphan];
    return why;
}

/* Judges a process below no marker. Its place in the line is free yet, the `count` ancestors stand behind. */
static enum leader_why judge_itself(const struct known *asked, enum ranks ranks, struct process *line, size_t count,
                                    struct leader *ret)
{
    const struct process *ancestors = line + 1;
    if ((ret->pid_namespace == 0 && !procfs_namespace(0, &ret->pid_namespace)) || procfs_read(0, &ret->self) < 0)
        return LEADER_NO_PROC;
    struct strbuf given = strbuf_in(ret->executable, HOOK_PATH_MAX);
    strbuf_add(&given, asked->executable ? asked->executable : "");
    if (!asked->executable && !read_executable(ret->self.pid, ret->executable, HOOK_PATH_MAX))
        return LEADER_NO_PROC;
    struct known    known = {ret->executable, asked->given ? asked->given : given_name(ret->executable), asked->zeroth};
    enum leader_why why = ret->executable[0] ? excluded(&known) : LEADER_NOTHING_AGAINST;
    if (why) {
        /* The marker is that of a leader which has exec'd into a wrapper: processes that it starts must not take it for
         * a leader's. */
        if (!execs_in_place(&known))
            (void)leader_marker_exists(ret->pid_namespace, &ret->self, ret->marker, sizeof ret->marker);
        return why;
    }
    int64_t rank = mpi_slurm_rank(ranks == RANKS_FIRST);
    bool    has_launcher = ret->self.parent > 0; /* else it is outside of the PID namespace */
    ret->in_step = ranks == RANKS_NODE && rank >= 0 && has_launcher;
    ret->continues = leader_marker_exists(ret->pid_namespace, &ret->self, ret->marker, sizeof ret->marker) ||
                     leader_marker_was_made_outside(ret->pid_namespace, &ret->self, ret->marker, sizeof ret->marker);
    if (ret->continues)
        return LEADER_CONTINUES;
    if (rank > 0 && ranks != RANKS_ALL)
        return LEADER_OTHER_RANK;
    if (mpi_slurm_is_prolog())
        return LEADER_PROLOG;
    line[0] = ret->self;
    why = orphaned_below(ranks, line, count + 1, ret);
    if (why)
        return why;
    if (was_put_into_a_container(ancestors, count, &ret->self))
        return LEADER_FROM_OUTSIDE;
    return somebody_else_led(ancestors, count, ret);
}

static enum role role_of(enum leader_why why)
{
    if (why == LEADER_NOTHING_AGAINST || why == LEADER_CONTINUES)
        return ROLE_LEADER;
    return why >= LEADER_BELOW_MARKER ? ROLE_PASSENGER : ROLE_NONE;
}

/* Judges a process that nobody leads: the site's file comes in here, and may say otherwise than the environment alone.
 */
static enum leader_why judge_with_conf(const struct known *asked, enum ranks ranks, struct process *line, size_t count,
                                       struct leader *ret)
{
    conf_read(CONF_PATH);
    enum leader_why why = switched_off();
    enum ranks      now = mpi_slurm_ranks();
    if (!why && now == RANKS_ALL && now != ranks) /* what is above the launcher does not count any more */
        (void)ancestor_leads(now, ret->parent, &ret->pid_namespace, line + 1, &count);
    return why ? why : judge_itself(asked, now, line, count, ret);
}

/* Most processes are passengers, and pay for this alone. An ancestor's marker decides before anything is read about the
 * process itself: the answer would be the same. */
static void judge(const struct known *asked, struct leader *ret)
{
    struct process line[1 + ANCESTORS_MAX]; /* this process, and its ancestors */
    size_t         count = 0;
    enum ranks     ranks = mpi_slurm_ranks();
    ret->marker[0] = '\0';
    ret->parent = (pid_t)sys_parent();
    ret->why = switched_off();
    if (!ret->why && ancestor_leads(ranks, ret->parent, &ret->pid_namespace, line + 1, &count)) {
        ret->why = LEADER_BELOW_MARKER;
        ret->above = line[1 + count];
    } else if (!ret->why) {
        ret->why = judge_with_conf(asked, ranks, line, count, ret);
    }
    ret->role = role_of(ret->why);
}

void leader_predict(const char *executable, const char *given, struct leader *ret)
{
    const struct known asked = {executable, given, given};
    judge(&asked, ret);
}

void leader_decide(const char *zeroth, struct leader *ret)
{
    const struct known itself = {NULL, NULL, zeroth};
    judge(&itself, ret);
    if (ret->role == ROLE_NONE && ret->marker[0])
        leader_marker_remove(ret->marker);
    /* Who cannot make its mark is not seen by the leader, so it has a run of its own. */
    if (ret->why == LEADER_IN_SESSION) {
        bool marked = orphan_mark_make(ret->pid_namespace, &ret->above, &ret->orphan) == 0;
        ret->why = marked ? LEADER_ORPHAN : LEADER_NOTHING_AGAINST;
        ret->role = role_of(ret->why);
    }
    if (ret->why == LEADER_NOTHING_AGAINST)
        (void)leader_marker_make(ret->pid_namespace, &ret->self, ret->marker, sizeof ret->marker);
}
