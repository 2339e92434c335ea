// SPDX-License-Identifier: Apache-2.0
/* sampler [-p HOOK] [-b] [-n MS] OUT CMD...: runs CMD and looks at its tree every MS ms (20), as the ground truth for
 * process_memory_mib. A look is a line of OUT, with the wall clock as the rows have it:
 *
 *   began ended PSS PRIVATE LARGEST COUNT CPU TORN NEW FLOOR
 *
 * in seconds, MiB (sums of Pss and Private_* of smaps_rollup, hugetlb pages included; the largest process's Rss),
 * processes (zombies too) and seconds of CPU. TORN is 1 where who shares with whom changed during the look: then the
 * sum is of no instant. NEW: how many came since the look before; a fork shares its pages before there is a child to be
 * seen. FLOOR: PSS without what images that began since then have of their own: between the two looks it was no more
 * for a moment, where one program follows another. At the end one line on stdout, what the kernel says of the whole
 * tree:
 *
 *   status=S cpu_least=S cpu_most=S read=BYTES written=BYTES peak=MIB processes=N
 *
 * -p HOOK   CMD alone gets it as LD_PRELOAD: a preload here would make this the leader.
 * -b        CMD is a leader that is no part of its tree (`pillion run`): neither its memory nor its CPU counts.
 *
 * Whatever is orphaned comes to us, so nothing leaves the tree and wait4 tells the CPU of all. A look takes turns at
 * the mmap lock of every process, so a look that takes long is followed by a pause as long, 60 ms at most: no instant
 * is more than 40 ms away from a look. An address space shared by CLONE_VM is found by kcmp and counts once. Pages of
 * hugetlbfs that several processes share count for each. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIDS_MAX = 4194304 + 1, PROCESSES_MAX = 65536, PAUSE_MAX_MS = 60, LINGER_MS = 3000 };

/* Sharing that matters, MiB. */
#define SHARED_MIN 4.0

struct process {
    int                pid, threads;
    char               state;
    double             cpu, children_cpu;
    unsigned long long image; /* where its code begins: another one after an exec */
};

struct memory {
    double pss, private, rss;
    bool   known; /* or another's, counted there */
};

struct look {
    struct memory sum;
    double        largest, cpu, floor;
    int           count, fresh;
    bool          torn;
};

static struct process     processes[PROCESSES_MAX];
static int                count;
static int                parent_of[PIDS_MAX]; /* 0: no such process */
static bool               seen[PIDS_MAX];
static unsigned long long image_of[PIDS_MAX]; /* as the look before saw it */
static int                seen_count;

static pid_t  root;
static bool   root_is_outside;
static double reaped_cpu, reaped_read, reaped_written; /* by us: the whole tree in the end */
static double reaped_peak;                             /* MiB: the largest that one of it ever was */
static int    status = -1;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void nap(double ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms * 1e6) % 1000000000};
    (void)nanosleep(&t, NULL);
}

static bool read_text(const char *path, char *ret, size_t size)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, ret, size - 1);
    if (fd >= 0)
        close(fd);
    ret[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static bool read_stat(int pid, struct process *ret, int *ret_parent)
{
    char               path[64], text[1024];
    unsigned long long user, system;
    long long          children_user, children_system;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const char *end = read_text(path, text, sizeof text) ? strrchr(text, ')') : NULL;
    if (!end ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld %*d %*d %d %*d %*u %*u %*d %*u %llu",
               &ret->state, ret_parent, &user, &system, &children_user, &children_system, &ret->threads,
               &ret->image) != 8)
        return false;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    ret->pid = pid;
    ret->cpu = (double)(user + system) * tick;
    ret->children_cpu = (double)(children_user + children_system) * tick;
    return true;
}

static void list(void)
{
    DIR                 *dir = opendir("/proc");
    const struct dirent *entry;
    for (int i = 0; i < count; i++)
        parent_of[processes[i].pid] = 0;
    count = 0;
    while (dir && (entry = readdir(dir)) && count < PROCESSES_MAX) {
        int parent, pid = atoi(entry->d_name);
        if (pid > 0 && pid < PIDS_MAX && read_stat(pid, &processes[count], &parent)) {
            parent_of[pid] = parent;
            count++;
        }
    }
    if (dir)
        closedir(dir);
}

static bool is_ours(int pid)
{
    int self = getpid();
    if (pid == self || (pid == root && root_is_outside))
        return false;
    for (int depth = 0; depth < 4096 && pid > 1 && pid < PIDS_MAX; depth++) {
        if (pid == self)
            return true;
        pid = parent_of[pid];
    }
    return false;
}

static double mib_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? (double)atol(at + strlen(key)) / 1024 : 0;
}

/* A process whose first thread has left has its memory by the others alone. */
static bool read_rollup(const struct process *process, char *ret, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process->pid);
    if (read_text(path, ret, size))
        return true;
    if (process->threads < 2)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/task", process->pid);
    DIR                 *dir = opendir(path);
    const struct dirent *entry;
    bool                 found = false;
    while (dir && !found && (entry = readdir(dir))) {
        (void)snprintf(path, sizeof path, "/proc/%d/task/%d/smaps_rollup", process->pid, atoi(entry->d_name));
        found = atoi(entry->d_name) > 0 && read_text(path, ret, size);
    }
    if (dir)
        closedir(dir);
    return found;
}

static struct memory memory_of(const struct process *process)
{
    char          text[4096];
    struct memory memory = {0};
    int           parent = parent_of[process->pid];
    memory.known = is_ours(parent) && syscall(SYS_kcmp, process->pid, parent, KCMP_VM, 0, 0) == 0;
    if (memory.known || !read_rollup(process, text, sizeof text))
        return memory;
    double huge = mib_of(text, "Private_Hugetlb:");
    memory.pss = mib_of(text, "\nPss:") + huge + mib_of(text, "Shared_Hugetlb:");
    memory.private = mib_of(text, "Private_Clean:") + mib_of(text, "Private_Dirty:") + huge;
    memory.rss = mib_of(text, "\nRss:");
    memory.known = true;
    return memory;
}

static double shared_of(struct memory memory)
{
    return memory.pss - memory.private;
}

/* The sum of the numbers of those in the tree tells whether somebody came or went. */
static double members(void)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += is_ours(processes[i].pid) ? processes[i].pid : 0;
    return sum;
}

/* The CPU of parents was read before that of their children, so what ends meanwhile is missing, never there twice. */
static void look(struct look *ret)
{
    struct memory         first = {0};
    const struct process *sharer = NULL;
    bool                  ends = false;
    *ret = (struct look){.cpu = reaped_cpu};
    list();
    for (int i = 0; i < count; i++) {
        if (!is_ours(processes[i].pid)) {
            if (processes[i].pid == root)
                ret->cpu += processes[i].children_cpu;
            continue;
        }
        ret->count++;
        ret->fresh += !seen[processes[i].pid];
        seen[processes[i].pid] = true;
        ret->cpu += processes[i].cpu + processes[i].children_cpu;
        struct memory memory = memory_of(&processes[i]);
        bool          is_new = image_of[processes[i].pid] != processes[i].image;
        image_of[processes[i].pid] = processes[i].image;
        ret->floor += memory.pss - (is_new ? memory.private : 0);
        ends |= !memory.known && processes[i].state != 'Z';
        ret->sum.pss += memory.pss;
        ret->sum.private += memory.private;
        ret->largest = memory.rss > ret->largest ? memory.rss : ret->largest;
        if (!sharer && shared_of(memory) > SHARED_MIN) {
            sharer = &processes[i];
            first = memory;
        }
    }
    seen_count += ret->fresh;
    if (!sharer)
        return;
    /* The share of the first one read tells what others did to it while they were read. Who is ending has no memory to
     * be seen, and shares it still. */
    double before = members(), moved = shared_of(memory_of(sharer)) - shared_of(first);
    list();
    ret->torn = ends || before != members() || moved > SHARED_MIN || moved < -SHARED_MIN;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* What it had from its children stands apart from its own as long as it is a zombie. */
static double children_of_zombie(pid_t pid)
{
    struct process process;
    int            parent;
    return read_stat(pid, &process, &parent) ? process.children_cpu : 0;
}

static void take(pid_t pid)
{
    struct rusage use;
    int           ended;
    double        children = children_of_zombie(pid);
    if (wait4(pid, &ended, 0, &use) != pid)
        return;
    bool is_outside = pid == root && root_is_outside;
    reaped_cpu += is_outside ? children : seconds_of(use.ru_utime) + seconds_of(use.ru_stime);
    reaped_read += (double)use.ru_inblock * 512;
    reaped_written += (double)use.ru_oublock * 512;
    reaped_peak = (double)use.ru_maxrss / 1024 > reaped_peak ? (double)use.ru_maxrss / 1024 : reaped_peak;
    if (pid == root)
        status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
}

/* All that ended, whether ours or come to us; false: nobody is left. */
static bool reap(void)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
            return false;
        if (info.si_pid == 0)
            return true;
        take(info.si_pid);
    }
}

static double look_and_tell(FILE *out)
{
    struct look at;
    double      began = now();
    look(&at);
    double ended = now();
    (void)fprintf(out, "%.4f %.4f %.3f %.3f %.3f %d %.2f %d %d %.3f\n", began, ended, at.sum.pss, at.sum.private,
                  at.largest, at.count, at.cpu, at.torn, at.fresh, at.floor);
    return (ended - began) * 1000;
}

/* Helpers of the root end a moment after it. */
static void end_the_rest(void)
{
    for (int waited = 0; reap(); waited += 10) {
        list();
        for (int i = 0; i < count && waited >= LINGER_MS; i++)
            if (is_ours(processes[i].pid))
                kill(processes[i].pid, SIGKILL);
        nap(10);
    }
}

static void start(char **argv, const char *hook)
{
    root = fork();
    if (root == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (hook)
            setenv("LD_PRELOAD", hook, 1);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (root < 0) {
        perror("fork");
        exit(2);
    }
    (void)setpriority(PRIO_PROCESS, 0, -10); /* on a busy machine too, a look is near each row */
}

int main(int argc, char **argv)
{
    const char *hook = NULL;
    double      interval = 20;
    for (int option; (option = getopt(argc, argv, "+p:bn:")) >= 0;) {
        if (option == 'p')
            hook = optarg;
        else if (option == 'b')
            root_is_outside = true;
        else if (option == 'n')
            interval = atof(optarg);
        else
            return 2;
    }
    FILE *out = argc - optind < 2 ? NULL : fopen(argv[optind], "we");
    if (!out || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return 2;
    start(argv + optind + 1, hook);
    while (status < 0) {
        double took = look_and_tell(out);
        nap(took > PAUSE_MAX_MS ? PAUSE_MAX_MS : took > interval ? took : interval);
        (void)reap();
    }
    (void)look_and_tell(out);
    end_the_rest();
    double unsure = root_is_outside ? 2.0 / (double)sysconf(_SC_CLK_TCK) : 0; /* user and system, cut off at a tick */
    printf("status=%d cpu_least=%.6f cpu_most=%.6f read=%.0f written=%.0f peak=%.3f processes=%d\n", status,
           reaped_cpu, reaped_cpu + unsure, reaped_read, reaped_written, reaped_peak, seen_count);
    return fclose(out) != 0;
}
