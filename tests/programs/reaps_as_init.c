/* A process 1: starts two children, one of which leaves it an orphan, and tells the status of everything that it reaps. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void in_a_child(void (*work)(void))
{
    if (fork() == 0)
        work();
}

static void end_late(void)
{
    usleep(400 * 1000);
    _exit(5);
}

static void leave_an_orphan(void)
{
    in_a_child(end_late);
    _exit(4);
}

static void end_soon(void)
{
    usleep(200 * 1000);
    _exit(3);
}

int main(void)
{
    int status;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* for when it is not process 1 */
    in_a_child(leave_an_orphan);
    in_a_child(end_soon);
    while (wait(&status) > 0)
        printf("reaped: %d\n", WEXITSTATUS(status));
    return errno == ECHILD ? 37 : 99;
}
