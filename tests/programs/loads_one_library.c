/* Loads the library named by its first argument; with "unload" gives it back before main returns, with "late" in an
 * atexit handler, with "thread" on a thread. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *library;

static void unload(void)
{
    printf("unloading: %d\n", dlclose(library));
}

static void *load(void *path)
{
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *way = argc > 2 ? argv[2] : "";
    pthread_t   thread;

    usleep(120 * 1000);
    printf("loading\n");
    if (strcmp(way, "thread") != 0)
        load(argv[1]);
    else if (pthread_create(&thread, NULL, load, argv[1]) || pthread_join(thread, NULL))
        return 99;
    printf("%s\n", library ? "loaded" : dlerror());
    if (strcmp(way, "unload") == 0)
        unload();
    if (strcmp(way, "late") == 0)
        atexit(unload);
    printf("main returns\n");
    return 47;
}
