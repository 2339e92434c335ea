/* Preloaded into every process of a command, it writes down what the process finds when it starts and has when it
 * exits: one record each, appended to the file $WITNESS by one write. Nothing else is touched. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static char   record[1 << 20]; /* strings, each with its zero; one more ends the record */
static size_t used;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    int n = vsnprintf(record + used, sizeof record - used, format, words);
    va_end(words);
    if (n >= 0 && (size_t)n < sizeof record - used)
        used += (size_t)n + 1;
}

static void say_link(const char *name, const char *path)
{
    char    target[4096];
    ssize_t n = readlink(path, target, sizeof target);
    say("%s=%.*s", name, n < 0 ? 0 : (int)n, target);
}

static void say_environment(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0)
            say("env %s", *entry);
}

/* By number and not by reading the folder, which needs a descriptor. */
static void say_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        char name[32], path[32];
        int  flags = fcntl(fd, F_GETFL);
        if (flags < 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        snprintf(name, sizeof name, "fd %d %x %x", fd, (unsigned)flags, (unsigned)fcntl(fd, F_GETFD));
        say_link(name, path);
    }
}

static void say_signals(void)
{
    static const int restorer = 0x04000000; /* between libc and the kernel: no program asks for it */
    sigset_t         blocked, pending;
    stack_t          stack;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigpending(&pending);
    sigaltstack(NULL, &stack);
    say("signal stack=%d", stack.ss_flags);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action = {0};
        sigaction(i, NULL, &action);
        action.sa_flags &= ~restorer;
        const char *what = action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "own";
        const char *block = sigismember(&blocked, i) == 1 ? ", blocked" : "";
        bool        waits = sigismember(&pending, i) == 1 && i != SIGCHLD; /* children end when they end */
        const char *wait = waits ? ", pending" : "";
        if (*what != 'd' || action.sa_flags || *block || *wait)
            say("signal %d=%s, flags %x%s%s%s", i, what, (unsigned)action.sa_flags,
                sigisemptyset(&action.sa_mask) ? "" : ", mask", block, wait);
    }
}

static void say_limits(void)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit = {0};
        getrlimit((__rlimit_resource_t)i, &limit);
        say("limit %d=%llx %llx", i, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    }
}

static void say_settings(void)
{
    int    subreaper = 0, death = 0;
    mode_t mask = umask(022);
    umask(mask);
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    prctl(PR_GET_PDEATHSIG, &death);
    say("umask=%o", (unsigned)mask);
    say("ids=%d %d %d %d", getuid(), geteuid(), getgid(), getegid());
    say("group and session=%d %d", getpgrp() == getpid(), getsid(0) == getpid());
    say("nice=%d", getpriority(PRIO_PROCESS, 0));
    say("policy=%d", sched_getscheduler(0));
    say("prctl=%d %d dumpable %d keepcaps %d privileges %d slack %d seccomp %d", subreaper, death,
        prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        prctl(PR_GET_TIMERSLACK), prctl(PR_GET_SECCOMP));
    say_link("folder", "/proc/self/cwd");
    say_link("root", "/proc/self/root");
}

static void say_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task = tasks ? readdir(tasks) : NULL; task; task = readdir(tasks)) {
        char path[300], name[32] = "";
        if (*task->d_name == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        int  fd = open(path, O_RDONLY | O_CLOEXEC);
        bool there = fd >= 0 && read(fd, name, sizeof name - 1) > 0; /* it may end in this very moment */
        close(fd);
        name[strcspn(name, "\n")] = '\0';
        if (there)
            say("thread %s=%s", strcmp(name, "pillion") == 0 ? "pillion" : "own", name);
    }
    if (tasks)
        closedir(tasks);
}

static void tell(const char *when)
{
    int         saved = errno;
    const char *file = getenv("WITNESS");
    if (!file)
        return;
    used = 0;
    say("when=%s", when);
    say("pid=%d", getpid());
    say_link("executable", "/proc/self/exe");
    say_environment();
    say_descriptors();
    say_signals();
    say_limits();
    say_settings();
    say_threads();
    record[used++] = '\0';
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, record, used) < 0)
        used = 0;
    close(fd);
    errno = saved;
}

__attribute__((constructor)) static void at_start(void)
{
    tell("start");
}

__attribute__((destructor)) static void at_exit(void)
{
    tell("exit");
}
