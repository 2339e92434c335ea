/* Main leaves by pthread_exit while a worker calls exit, so many microseconds later. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *leave(void *delay)
{
    usleep((useconds_t)atoi(delay));
    exit(40);
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, leave, argc > 1 ? argv[1] : "1000"))
        return 99;
    usleep(1000);
    pthread_exit(NULL);
}
