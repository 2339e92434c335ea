/* A thread other than main's calls exit while main waits for it. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void last_words(void)
{
    printf("atexit on %s thread\n", getpid() == gettid() ? "the main" : "another");
}

static void *worker(void *argument)
{
    (void)argument;
    usleep(150 * 1000);
    printf("worker exits\n");
    exit(9);
}

int main(void)
{
    pthread_t thread;

    atexit(last_words);
    if (pthread_create(&thread, NULL, worker, NULL))
        return 99;
    pthread_join(thread, NULL);
    return 98;
}
