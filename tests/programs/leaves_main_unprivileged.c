/* Sets no_new_privs, starts a worker, and leaves main by pthread_exit: libc's exit runs after the worker. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void at_exit(void)
{
    printf("exit handler\n");
}

static void *work(void *nothing)
{
    usleep(200 * 1000);
    printf("worker\n");
    return nothing;
}

int main(void)
{
    pthread_t thread;

    atexit(at_exit);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (pthread_create(&thread, NULL, work, NULL))
        return 99;
    printf("main leaves\n");
    pthread_exit(NULL);
}
