/* Children made without libc's fork: by the bare system call, and by clone with shared memory. Each ends by libc's
 * _exit, the bare exit_group, or exit. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[64 * 1024] __attribute__((aligned(16)));

static int shares_memory(void *argument)
{
    (void)argument;
    _exit(5);
}

static void report(const char *what, pid_t pid)
{
    int status = -1;

    waitpid(pid, &status, __WALL);
    printf("%s: %#x\n", what, (unsigned)status);
    fflush(stdout);
}

int main(void)
{
    usleep(120 * 1000);
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(3);
    report("_exit", pid);

    pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        syscall(SYS_exit_group, 4);
    report("exit_group", pid);

    pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        exit(6);
    report("exit", pid);

    report("shared memory", clone(shares_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
    report("no vfork", clone(shares_memory, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    usleep(120 * 1000);
    return 12;
}
