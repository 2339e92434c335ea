/* Its atexit handler takes so many milliseconds, after main has returned; with "worker" another thread lives on. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned milliseconds;

static void *live(void *nothing)
{
    pause();
    return nothing;
}

static void take_long(void)
{
    printf("the handler begins\n");
    for (unsigned i = 0; i < milliseconds; i += 100)
        usleep(100 * 1000);
    printf("the handler is done\n");
}

int main(int argc, char **argv)
{
    pthread_t thread;

    milliseconds = argc > 1 ? (unsigned)atoi(argv[1]) : 300;
    atexit(take_long);
    if (argc > 2 && (pthread_create(&thread, NULL, live, NULL) || pthread_detach(thread)))
        return 99;
    usleep(120 * 1000);
    printf("main returns\n");
    return 44;
}
