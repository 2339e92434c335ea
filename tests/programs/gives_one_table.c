/* Makes the descriptor table of a process's thread `pillion` what it is after CRIU has restored that process: each
 * number is the program's file, or none. Exit status 77 where tracing is forbidden, or for another machine.
 *
 * usage: gives_one_table PID */
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__) || !defined(SYS_pidfd_getfd)
int main(void)
{
    return 77;
}
#else

enum { NUMBERS = 1024, TRIES = 1000 };

static pid_t                   thread;
static struct user_regs_struct at;

static void check(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(errno == EPERM || errno == EACCES || errno == ENOSYS ? 77 : 1);
}

static pid_t find_thread(pid_t process)
{
    char           path[320];
    char           name[16] = "";
    pid_t          found = 0;
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *tasks = opendir(path);
    while (tasks && !found && (entry = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)process, entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(name, sizeof name, file) && strcmp(name, "pillion\n") == 0)
            found = atoi(entry->d_name);
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return found;
}

static void stop(void)
{
    int status;
    check(ptrace(PTRACE_INTERRUPT, thread, 0, 0) == 0, "interrupt");
    check(waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status), "wait");
    check(ptrace(PTRACE_GETREGS, thread, 0, &at) == 0, "registers");
}

/* In a wait, right behind the instruction that called for it. */
static void stop_in_poll(void)
{
    for (int i = 0; i < TRIES; i++) {
        stop();
        if (at.orig_rax == SYS_ppoll || at.orig_rax == SYS_poll)
            return;
        check(ptrace(PTRACE_CONT, thread, 0, 0) == 0, "continue");
        usleep(3000);
    }
    check(0, "no wait was met");
}

static long call(long number, long a, long b, long c)
{
    struct user_regs_struct now = at;
    int                     status;
    now.rip = at.rip - 2;
    now.rax = (unsigned long long)number;
    now.orig_rax = (unsigned long long)-1;
    now.rdi = (unsigned long long)a;
    now.rsi = (unsigned long long)b;
    now.rdx = (unsigned long long)c;
    check(ptrace(PTRACE_SETREGS, thread, 0, &now) == 0, "set registers");
    check(ptrace(PTRACE_SINGLESTEP, thread, 0, 0) == 0, "step");
    check(waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status), "wait for the step");
    check(ptrace(PTRACE_GETREGS, thread, 0, &now) == 0, "registers after the step");
    return (long)now.rax;
}

int main(int argc, char **argv)
{
    pid_t process = argc > 1 ? atoi(argv[1]) : 0;
    long  program;

    thread = find_thread(process);
    check(thread > 0, "no thread pillion");
    check(ptrace(PTRACE_SEIZE, thread, 0, 0) == 0, "seize");
    stop_in_poll();
    program = call(SYS_pidfd_open, process, 0, 0);
    check(program >= 0, "pidfd_open");
    program = call(SYS_dup3, program, NUMBERS - 1, 0);
    check(program == NUMBERS - 1, "dup3");
    for (int fd = 0; fd < NUMBERS - 1; fd++)
        call(SYS_close, fd, 0, 0);
    for (int fd = 0; fd < NUMBERS - 1; fd++) {
        char path[64];
        char target[256];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)process, fd);
        if (readlink(path, target, sizeof target) < 0)
            continue;
        long lent = call(SYS_pidfd_getfd, program, fd, 0); /* the lowest number that is free: perhaps the right one */
        if (lent >= 0 && lent != fd) {
            call(SYS_dup3, lent, fd, 0);
            call(SYS_close, lent, 0, 0);
        }
    }
    call(SYS_close, program, 0, 0);
    at.rax = (unsigned long long)-EINTR; /* so a restored wait returns */
    at.orig_rax = (unsigned long long)-1;
    check(ptrace(PTRACE_SETREGS, thread, 0, &at) == 0, "the registers as they were");
    check(ptrace(PTRACE_DETACH, thread, 0, 0) == 0, "detach");
    return 0;
}
#endif
