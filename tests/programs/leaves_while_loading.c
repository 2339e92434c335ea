/* Loads a library whose constructor makes a thread and waits for it, while that ends by pthread_exit, thrd_exit or
 * quick_exit: none of them waits for the loader. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* The first one loads the unwinder, which does wait for the loader. */
static void *leave(void *nothing)
{
    pthread_exit(nothing);
}

int main(int argc, char **argv)
{
    pthread_t thread;

    alarm(20);
    if (argc < 2 || pthread_create(&thread, NULL, leave, NULL) || pthread_join(thread, NULL))
        return 99;
    usleep(120 * 1000);
    printf("%s\n", dlopen(argv[1], RTLD_NOW) ? "loaded" : dlerror());
    return 60;
}
