/* Who leads: the questions of the design's §6, in its order; the first answer stands. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "hook/hook.h"

enum { ANCESTORS_MAX = 128 };

/* Programs that only wait for, or wrap, the one that matters: the lead passes through them. */
static const char *const wrappers[] = {
    "srun",    "sbatch", "salloc", "slurmstepd",      "mpirun",        "mpiexec",  "orterun", "prterun",
    "prte",    "orted",  "prted",  "hydra_pmi_proxy", "mpiexec.hydra", "ssh",      "docker",  "podman",
    "kubectl", "sudo",   "su",     "runuser",         "gdb",           "valgrind", "strace",  "ltrace",
    "env",     "nice",   "nohup",  "timeout",         "setsid",        "stdbuf",   "pillion"};

static bool is_wrapper(const char *executable)
{
    const char *name = word_base_name(executable);
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (word_equal(name, wrappers[i]))
            return true;
    return strncmp(name, "valgrind.bin", 12) == 0;
}

/* Those among the wrappers that become what they wrap: the lead stays with the process. */
static bool execs_in_place(const char *executable)
{
    static const char *const names[] = {"env", "nice", "nohup", "stdbuf"};
    const char              *name = word_base_name(executable);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (word_equal(name, names[i]))
            return true;
    return false;
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

/* The kernel's mark behind the name of a file that is gone: patterns, and the run's name, are about the file. */
static void forget_deletion(char *path)
{
    static const char mark[] = " (deleted)";
    struct stat       info;
    size_t            len = strlen(path);
    if (len >= sizeof mark && word_equal(path + len - (sizeof mark - 1), mark) && call_stat(path, &info) < 0)
        path[len - (sizeof mark - 1)] = '\0';
}

static bool read_executable(pid_t pid, char *ret, size_t size)
{
    char        link[64];
    struct word path = word_in(link, sizeof link);
    word_add(&path, "/proc/");
    word_number(&path, (uint64_t)pid);
    word_add(&path, "/exe");
    if (call_readlink(link, ret, size) <= 0)
        return false;
    forget_deletion(ret);
    return true;
}

/* The local rank in an MPI or Slurm step; -1 outside of one. The launchers' own names go before Slurm's: under
 * mpirun in an allocation Slurm's describe the batch script. */
static int64_t local_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "PALS_LOCAL_RANKID", "FLUX_TASK_LOCAL_ID"};
    const char              *value = NULL;
    for (size_t i = 0; !value && i < sizeof names / sizeof *names; i++)
        value = word_environment(names[i]);
    if (!value && word_environment("SLURM_STEP_ID"))
        value = word_environment("SLURM_LOCALID");
    if (!value || *value < '0' || *value > '9')
        return -1;
    return (int64_t)word_parse(&value);
}

/* Does the cgroup that this process was put into hold an older one? Then it came in from outside: `docker exec`, a
 * health check. Unreadable: process 1 of the namespace is older than anybody. */
static bool cgroup_holds_older(const struct process *entered)
{
    static const char root[] = "/sys/fs/cgroup";
    char              text[2048];
    char              procs[2048];
    struct process    other;
    const char       *line = call_read_file("/proc/self/cgroup", text, sizeof text) > 0 ? strstr(text, "0::") : NULL;
    if (line) {
        char       *end = strchr(line, '\n');
        struct word path = word_in(procs, sizeof procs);
        if (end)
            *end = '\0';
        word_add(&path, root);
        word_add(&path, line + 3);
        word_add(&path, "/cgroup.procs");
        long n = path.cut ? -1 : call_read_file(procs, text, sizeof text);
        for (const char *at = text; n > 0 && *at >= '0' && *at <= '9'; at += *at == '\n') {
            pid_t pid = (pid_t)word_parse(&at);
            if (pid != entered->pid && process_read(pid, &other) == 0 && other.start < entered->start)
                return true;
        }
        if (n > 0)
            return false;
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

/* Walks up until a marker (true), or the end; the ancestors seen are kept for a second look. */
static bool ancestor_leads(uint64_t pid_namespace, struct process *ret, size_t *ret_count)
{
    char  marker[HOOK_NAME_MAX];
    pid_t parent = (pid_t)call_parent();
    for (*ret_count = 0; parent > 0 && *ret_count < ANCESTORS_MAX; parent = ret[(*ret_count)++].parent) {
        struct process *p = &ret[*ret_count];
        if (process_read(parent, p) < 0)
            return false;
        if (marker_exists(pid_namespace, p, marker, sizeof marker))
            return true;
    }
    return false;
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
    ret->role = ROLE_NONE;
    ret->marker[0] = '\0';
    if (is_disabled() || call_stat("/proc/self/ns/pid", &ns) < 0)
        return;
    if (ancestor_leads(ns.st_ino, ancestors, &count)) {
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
    int64_t rank = local_rank();
    ret->in_step = rank >= 0;
    ret->continues = marker_exists(ns.st_ino, &ret->self, ret->marker, sizeof ret->marker);
    if (ret->continues) {
        ret->role = ROLE_LEADER;
        return;
    }
    if (rank > 0)
        return;
    if (was_put_into_a_container(ancestors, count, &ret->self) || somebody_else_led(ancestors, count)) {
        ret->role = ROLE_PASSENGER;
        return;
    }
    ret->role = ROLE_LEADER;
    (void)marker_make(ns.st_ino, &ret->self, ret->marker, sizeof ret->marker);
}
