/* A subreaper that reaps whatever comes, by wait3, waitid and a pidfd: its children, and its grandchildren when they
 * are left to it. No stranger is ever among them. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave_a_grandchild(int number)
{
    if (fork() == 0) {
        if (fork() == 0) {
            usleep(60 * 1000);
            _exit(40 + number);
        }
        _exit(30 + number);
    }
}

static void reap_all(const char *when)
{
    int           status, count = 0;
    struct rusage usage;

    while (wait3(&status, 0, &usage) > 0)
        count += 1000 + WEXITSTATUS(status);
    printf("%s: %d, %s\n", when, count, strerror(errno));
}

int main(void)
{
    siginfo_t info = {0};

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    reap_all("at the start");
    usleep(120 * 1000);
    for (int i = 0; i < 3; i++)
        leave_a_grandchild(i);
    reap_all("with grandchildren");
    pid_t pid = fork();
    if (pid == 0) {
        usleep(50 * 1000); /* where SIGCHLD is ignored, it is not to be gone before it has a descriptor */
        _exit(50);
    }
    int file = (int)syscall(SYS_pidfd_open, pid, 0);
    printf("pidfd: %d", waitid(P_PIDFD, (id_t)file, &info, WEXITED));
    printf(" %d %d\n", info.si_pid == pid, info.si_status);
    printf("any: %d %s\n", waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL), strerror(errno));
    return 50;
}
