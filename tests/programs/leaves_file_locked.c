/* A thread takes the lock of a stream of its own with it when it ends; main, alone again, returns. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static FILE *file;

static void *take_lock(void *nothing)
{
    flockfile(file);
    return nothing;
}

int main(void)
{
    pthread_t thread;

    alarm(20);
    printf("buffered\n");
    file = fopen("/dev/null", "w");
    if (!file || pthread_create(&thread, NULL, take_lock, NULL))
        return 99;
    pthread_join(thread, NULL);
    usleep(120 * 1000);
    return 46;
}
