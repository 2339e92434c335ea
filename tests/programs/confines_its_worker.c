/* Forks a worker, which forbids itself all but a few system calls, kills included, and is ended by SIGTERM. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void work(int told)
{
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                 ALLOW(SYS_write),
                                 ALLOW(SYS_pause),
                                 ALLOW(SYS_rt_sigreturn),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog  filter = {sizeof code / sizeof *code, code};

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
    write(told, "x", 1);
    for (;;)
        syscall(SYS_pause);
}

int main(void)
{
    int   told[2], status = 0;
    char  byte;
    pid_t child;

    usleep(120 * 1000);
    if (pipe(told) || (child = fork()) < 0)
        return 99;
    if (child == 0)
        work(told[1]);
    if (read(told[0], &byte, 1) != 1)
        return 98;
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    printf("the worker: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 23;
}
