/* A thread with the smallest stack there is calls _exit. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

static void *leave(void *nothing)
{
    (void)nothing;
    _exit(39);
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_t      thread;

    usleep(150 * 1000);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    if (pthread_create(&thread, &attributes, leave, NULL))
        _exit(99);
    for (;;)
        pause();
}
