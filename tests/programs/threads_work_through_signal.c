/* A thread prints a line each 10 ms; SIGTERM, which nobody handles, comes to the process. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void *work(void *unused)
{
    for (int i = 0;; i++) {
        printf("%d\n", i);
        fflush(stdout);
        usleep(10 * 1000);
    }
    return unused;
}

int main(void)
{
    pthread_t thread;

    usleep(150 * 1000);
    pthread_create(&thread, NULL, work, NULL);
    usleep(100 * 1000);
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}
