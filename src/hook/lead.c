/* Who leads: the questions of the design's §6, in its order; the first answer stands. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "hook/hook.h"

enum { ANCESTORS_MAX = 128 };
enum ranks { RANKS_NODE, RANKS_ALL, RANKS_FIRST };

/* Programs that only wait for, or wrap, the one that matters: the lead passes through them. The first kind starts
 * ranks. */
static const char *const launchers[] = {"srun", "slurmstepd", "mpirun", "mpiexec",       "orterun",        "prterun",
                                        "prte", "orted",      "prted",  "mpiexec.hydra", "hydra_pmi_proxy"};
static const char *const wrappers[] = {"sbatch", "salloc",  "ssh",     "docker",   "podman", "kubectl", "sudo",
                                       "su",     "runuser", "gdb",     "valgrind", "strace", "ltrace",  "env",
                                       "nice",   "nohup",   "timeout", "setsid",   "stdbuf", "pillion"};

static bool is_among(const char *executable, const char *const *names, size_t count)
{
    const char *name = word_base_name(executable);
    for (size_t i = 0; i < count; i++)
        if (word_equal(name, names[i]))
            return true;
    return false;
}

static bool is_launcher(const char *executable)
{
    return is_among(executable, launchers, sizeof launchers / sizeof *launchers);
}

static bool is_wrapper(const char *executable)
{
    return is_launcher(executable) || is_among(executable, wrappers, sizeof wrappers / sizeof *wrappers) ||
           strncmp(word_base_name(executable), "valgrind.bin", 12) == 0;
}

/* Those among the wrappers that become what they wrap: the lead stays with the process. */
static bool execs_in_place(const char *executable)
{
    static const char *const names[] = {"env", "nice", "nohup", "stdbuf"};
    return is_among(executable, names, sizeof names / sizeof *names);
}

static bool is_excluded(const char *executable)
{
    const char *include = word_environment("PILLION_INCLUDE");
    if (word_in_patterns(word_environment("PILLION_EXCLUDE"), executable))
        return true;
    if (include && *include && !word_in_patterns(include, executable))
        return true;
    return is_wrapper(executable);
}

static bool read_executable(pid_t pid, char *ret, size_t size)
{
    char        link[64];
    struct word path = word_in(link, sizeof link);
    word_add(&path, "/proc/");
    word_number(&path, (uint64_t)pid);
    word_add(&path, "/exe");
    return call_readlink(link, ret, size) > 0;
}

/* The rank in an MPI or Slurm step, of this node's or of all; -1 outside of one. The launchers' own names go before
 * Slurm's: under mpirun in an allocation Slurm's describe the batch script. */
static int64_t rank_in_step(bool of_all)
{
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_RANK"},
                                           {"MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_RANK"},
                                           {"MPI_LOCALRANKID", "PMI_RANK"},
                                           {"PALS_LOCAL_RANKID", "PALS_RANKID"},
                                           {"FLUX_TASK_LOCAL_ID", "FLUX_TASK_RANK"}};
    const char              *value = NULL;
    for (size_t i = 0; !value && i < sizeof names / sizeof *names; i++)
        if (word_environment(names[i][0]))
            value = word_environment(names[i][of_all]);
    if (!value && word_environment("SLURM_STEP_ID"))
        value = word_environment(of_all ? "SLURM_PROCID" : "SLURM_LOCALID");
    if (!value || *value < '0' || *value > '9')
        return -1;
    return (int64_t)word_parse(&value);
}

/* What PILLION_RANKS says, in a step; RANKS_NODE outside of one. */
static enum ranks which_ranks(void)
{
    const char *given = word_environment("PILLION_RANKS");
    if (!given || rank_in_step(false) < 0)
        return RANKS_NODE;
    return word_equal(given, "all") ? RANKS_ALL : word_equal(given, "first") ? RANKS_FIRST : RANKS_NODE;
}

/* Does this list of a cgroup's processes hold an older one than `entered`? -1: it is not the list of its cgroup. */
static int list_holds_older(const char *file, const struct process *entered)
{
    char           text[2048];
    struct process other;
    bool           is_ours = false;
    bool           older = false;
    long           n = call_read_file(file, text, sizeof text);
    for (const char *at = text; n > 0 && *at >= '0' && *at <= '9'; at += *at == '\n') {
        pid_t pid = (pid_t)word_parse(&at);
        is_ours |= pid == entered->pid;
        older = older ||
                (pid > 0 && pid != entered->pid && process_read(pid, &other) == 0 && other.start < entered->start);
    }
    return is_ours ? older : -1;
}

/* The same of the list at this path of a hierarchy, or at its top: a container finds its cgroup there when it is told
 * the machine's path of it. */
static int hierarchy_holds_older(const char *controllers, const char *path, const struct process *entered)
{
    char file[2048];
    int  older = -1;
    for (int top = 0; older < 0 && top < 2; top++) {
        struct word w = word_in(file, sizeof file);
        word_add(&w, "/sys/fs/cgroup/");
        word_add(&w, controllers);
        word_add(&w, top ? "" : path);
        word_add(&w, "/cgroup.procs");
        older = w.cut ? -1 : list_holds_older(file, entered);
    }
    return older;
}

/* Does the cgroup that this process was put into hold an older one? Then it came in from outside: `docker exec`, a
 * health check. A container that shares another's processes has a cgroup of its own. Unreadable: process 1 of the
 * namespace is older than anybody. */
static bool cgroup_holds_older(const struct process *entered)
{
    char           text[2048];
    struct process other;
    char          *line = call_read_file("/proc/self/cgroup", text, sizeof text) > 0 ? text : NULL;
    while (line && *line) { /* NUMBER:CONTROLLERS:PATH */
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        char *end = path ? strchr(path, '\n') : NULL;
        if (!end)
            break;
        *path++ = *end = '\0';
        controllers += strncmp(controllers, ":name=", 6) == 0 ? 6 : 1;
        int older = hierarchy_holds_older(controllers, path, entered);
        if (older >= 0)
            return older;
        line = end + 1;
    }
    return process_read(1, &other) == 0 && other.start <= entered->start;
}

/* The last look before a new run begins: a leader whose marker cannot be seen from here (a chroot, a /tmp of its
 * own), or a parent that carries the hook and does not lead: its run has ended, and nothing begins again. */
static bool somebody_else_led(const struct process *ancestors, size_t count)
{
    char executable[HOOK_PATH_MAX];
    for (size_t i = 0; i < count; i++)
        if (process_has_thread_named_pillion(&ancestors[i]))
            return true;
    if (count == 0 || !process_maps_hook(ancestors[0].pid))
        return false;
    return read_executable(ancestors[0].pid, executable, sizeof executable) && !is_excluded(executable);
}

static bool starts_ranks(pid_t pid)
{
    char executable[HOOK_PATH_MAX];
    return read_executable(pid, executable, sizeof executable) && is_launcher(executable);
}

/* Walks up until a marker (true), or the end; the ancestors seen are kept for a second look. Where every rank leads,
 * the end is what started the rank: a leader above that has runs of its own. */
static bool ancestor_leads(uint64_t pid_namespace, enum ranks ranks, struct process *ret, size_t *ret_count)
{
    char  marker[HOOK_NAME_MAX];
    pid_t parent = (pid_t)call_parent();
    for (*ret_count = 0; parent > 0 && *ret_count < ANCESTORS_MAX; parent = ret[(*ret_count)++].parent) {
        struct process *p = &ret[*ret_count];
        if (process_read(parent, p) < 0)
            return false;
        if (ranks == RANKS_ALL && starts_ranks(parent))
            return false;
        if (marker_exists(pid_namespace, p, marker, sizeof marker))
            return true;
    }
    return false;
}

/* Slurm's prologs and epilogs of a task have its environment, and a child of slurmstepd's for a parent. Only a task is
 * itself the process that SLURM_TASK_PID names. */
static bool is_prolog_of_a_task(void)
{
    char        path[64];
    char        name[32];
    const char *task = word_environment("SLURM_TASK_PID");
    if (!word_environment("SLURM_JOB_ID") || (task && word_parse(&task) == (uint64_t)call_pid()))
        return false;
    struct word file = word_in(path, sizeof path);
    word_add(&file, "/proc/");
    word_number(&file, (uint64_t)call_parent());
    word_add(&file, "/comm");
    return call_read_file(path, name, sizeof name) > 0 && word_equal(name, "slurmstepd\n");
}

static bool is_disabled(void)
{
    const char *value = word_environment("PILLION_DISABLE");
    return (value && *value && !word_is_no(value)) || getauxval(AT_SECURE) != 0;
}

/* Not only the first process of a container, but one that was put into it: its parents end outside. */
static bool was_put_into_a_container(const struct process *ancestors, size_t count, const struct process *self)
{
    const struct process *top = count ? &ancestors[count - 1] : self;
    return top->parent == 0 && top->pid != 1 && cgroup_holds_older(top);
}

/* Most processes are passengers, and this is all that they pay. An ancestor's marker decides before anything is read
 * about the process itself: the answer would be the same. */
void lead_decide(struct lead *ret)
{
    struct process ancestors[ANCESTORS_MAX];
    size_t         count = 0;
    struct stat    ns;
    enum ranks     ranks = which_ranks();
    ret->role = ROLE_NONE;
    ret->marker[0] = '\0';
    if (is_disabled() || call_stat("/proc/self/ns/pid", &ns) < 0)
        return;
    if (ancestor_leads(ns.st_ino, ranks, ancestors, &count)) {
        ret->role = ROLE_PASSENGER;
        return;
    }
    if (process_read(0, &ret->self) < 0 || !read_executable(ret->self.pid, ret->executable, sizeof ret->executable))
        return;
    if (is_excluded(ret->executable)) {
        /* A leader that exec'd into it: what it starts must not take its marker for a leader's. */
        if (!execs_in_place(ret->executable) && marker_exists(ns.st_ino, &ret->self, ret->marker, sizeof ret->marker))
            call_unlink(ret->marker);
        return;
    }
    int64_t rank = rank_in_step(ranks == RANKS_FIRST);
    ret->in_step = ranks == RANKS_NODE && rank >= 0;
    ret->continues = marker_exists(ns.st_ino, &ret->self, ret->marker, sizeof ret->marker);
    if (ret->continues) {
        ret->role = ROLE_LEADER;
        return;
    }
    if ((rank > 0 && ranks != RANKS_ALL) || is_prolog_of_a_task())
        return;
    if (was_put_into_a_container(ancestors, count, &ret->self) || somebody_else_led(ancestors, count)) {
        ret->role = ROLE_PASSENGER;
        return;
    }
    ret->role = ROLE_LEADER;
    (void)marker_make(ns.st_ino, &ret->self, ret->marker, sizeof ret->marker);
}
