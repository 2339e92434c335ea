/* Threads that fork all the time; the children use what takes locks in libc, then exec or end. None may hang. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, FORKS = 30 };

static int bad;

static void child(int number)
{
    time_t    now = time(NULL);
    struct tm tm;

    free(malloc(3000));
    if (!localtime_r(&now, &tm) || !getenv("PATH") || !dlsym(RTLD_DEFAULT, "printf"))
        _exit(1);
    if (number % 3 == 0)
        execl("/bin/true", "true", (char *)NULL);
    if (number % 3 == 1)
        exit(0);
    _exit(0);
}

static void *storm(void *argument)
{
    for (int number = 0; number < FORKS; number++) {
        int   status = -1;
        pid_t pid = fork();

        if (pid == 0)
            child(number);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
    return argument;
}

int main(void)
{
    pthread_t threads[THREADS];

    alarm(50);
    usleep(100 * 1000);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, storm, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d of %d went wrong\n", bad, THREADS * FORKS);
    return 35;
}
