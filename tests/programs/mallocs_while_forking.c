/* Threads allocate all the time while main forks children that allocate and call exit, some with an atexit handler
 * that prints. None may hang. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, FORKS = 150 };

static atomic_bool done;
static int         handlers;

static void *storm(void *nothing)
{
    for (size_t size = 1; !done; size = (size * 7 + 13) % 70000)
        free(malloc(size));
    return nothing;
}

static void last_words(void)
{
    free(malloc(5000));
    handlers++;
}

int main(void)
{
    pthread_t threads[THREADS];
    int       bad = 0;

    alarm(50);
    atexit(last_words);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, storm, NULL))
            return 99;
    for (int i = 0; i < FORKS; i++) {
        int   status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            free(malloc(100000));
            exit(i % 200);
        }
        bad += waitpid(pid, &status, 0) != pid || status != i % 200 << 8;
    }
    done = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d of %d went wrong\n", bad, FORKS);
    return 53;
}
