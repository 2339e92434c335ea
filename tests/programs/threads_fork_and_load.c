/* One thread makes threads, one forks, one loads and unloads a library (its symbols bound to itself, or in a name
 * space of its own), all as fast as they can. Children do what libc allows them: _exit, or exec. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURNS = 100 };

static int bad;

static void *nothing(void *argument)
{
    return argument;
}

static void *make_threads(void *argument)
{
    for (int i = 0; i < 20 * TURNS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
    return argument;
}

static void *fork_children(void *argument)
{
    for (int i = 0; i < TURNS; i++) {
        int   status = -1;
        pid_t pid = fork();
        if (pid == 0 && i % 2)
            execl("/bin/true", "true", (char *)NULL);
        if (pid == 0)
            _exit(0);
        if (waitpid(pid, &status, 0) != pid || status)
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
    return argument;
}

int main(void)
{
    pthread_t threads[2];

    alarm(50);
    pthread_create(&threads[0], NULL, make_threads, NULL);
    pthread_create(&threads[1], NULL, fork_children, NULL);
    for (int i = 0; i < TURNS; i++) {
        void *deep = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
        void *apart = i % 10 ? NULL : dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
        if (!deep || dlclose(deep) || (i % 10 == 0 && (!apart || dlclose(apart))))
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d went wrong\n", bad);
    return 54;
}
