/* An atexit handler calls exit again with another status: glibc goes on with the handlers that are left. With "worker"
 * another thread is there. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void registered_first(void)
{
    printf("registered first, runs last\n");
}

static void exits_again(void)
{
    printf("exits again\n");
    exit(6);
}

static void *live(void *nothing)
{
    pause();
    return nothing;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    (void)argv;
    if (argc > 1 && pthread_create(&thread, NULL, live, NULL))
        return 99;
    atexit(registered_first);
    atexit(exits_again);
    printf("main returns\n");
    return 1;
}
