/* Two threads call exit at the same moment, with the same status. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void *worker(void *argument)
{
    pthread_barrier_wait(&barrier);
    exit(0);
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    if (pthread_create(&thread, NULL, worker, NULL))
        return 99;
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    pthread_barrier_wait(&barrier);
    exit(0);
}
