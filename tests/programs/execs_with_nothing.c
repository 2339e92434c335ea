/* Execs a program with neither arguments nor environment, not even empty lists of them. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int status = -1;

    usleep(120 * 1000);
    pid_t pid = fork();
    if (pid == 0) {
        syscall(SYS_execve, argc > 1 ? argv[1] : "/bin/pwd", NULL, NULL);
        _exit(127);
    }
    waitpid(pid, &status, 0);
    printf("%#x\n", (unsigned)status);
    fflush(stdout);
    syscall(SYS_execve, argc > 1 ? argv[1] : "/bin/pwd", NULL, NULL);
    return 99;
}
