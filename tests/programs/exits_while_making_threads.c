/* A signal handler calls _exit ("_exit") or exit, so many microseconds after the start, while main makes and joins
 * threads all the time. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static int underscore;

static void leave(int number)
{
    if (underscore)
        _exit(61 + number - SIGALRM);
    exit(61 + number - SIGALRM);
}

static void *nothing(void *argument)
{
    return argument;
}

int main(int argc, char **argv)
{
    struct itimerval delay = {.it_value = {.tv_usec = argc > 2 ? atoi(argv[2]) : 100000}};
    pthread_t        thread;

    underscore = argc > 1 && strcmp(argv[1], "_exit") == 0;
    signal(SIGALRM, leave);
    setitimer(ITIMER_REAL, &delay, NULL);
    for (;;)
        if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
            return 99;
}
