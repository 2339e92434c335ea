/* Keeps SIGTERM blocked, but for the moment in which it waits in sigsuspend (or, with an argument, in ppoll): as event loops
 * do it. The default action ends it there. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    sigset_t blocked, open;

    (void)argv;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &open);
    usleep(150 * 1000);
    printf("waits\n");
    fflush(stdout);
    kill(getpid(), SIGTERM);
    usleep(50 * 1000);
    printf("still here\n");
    fflush(stdout);
    for (;;) {
        if (argc > 1)
            ppoll(NULL, 0, NULL, &open);
        else
            sigsuspend(&open);
    }
}
