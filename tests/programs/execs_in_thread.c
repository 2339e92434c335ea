/* A thread other than main's execs: the new image has the process's own number again. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char **arguments;

static void *worker(void *argument)
{
    char pid[16];

    usleep(150 * 1000);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    execl(arguments[0], arguments[0], pid, (char *)NULL);
    return argument;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc > 1) {
        printf("%s\n", atoi(argv[1]) == getpid() ? "the same process" : "another process");
        usleep(150 * 1000);
        return 39;
    }
    arguments = argv;
    if (pthread_create(&thread, NULL, worker, NULL))
        return 99;
    pthread_join(thread, NULL);
    return 98;
}
