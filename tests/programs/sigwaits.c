/* Blocks every signal in main before it makes threads and takes them with sigwait, as postgres and java do. A thread
 * that was there before must never be the one to get them. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void *sender(void *argument)
{
    static const int numbers[] = {SIGUSR1, SIGTERM, SIGINT,  SIGHUP,  SIGALRM,
                                  SIGCHLD, SIGURG,  SIGXCPU, SIGPROF, SIGQUIT};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kill(getpid(), numbers[i]);
        usleep(15 * 1000);
    }
    kill(getpid(), SIGUSR2);
    return argument;
}

int main(void)
{
    pthread_t thread;
    sigset_t  all;
    int       number = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    usleep(100 * 1000);
    if (pthread_create(&thread, NULL, sender, NULL))
        return 99;
    while (number != SIGUSR2 && sigwait(&all, &number) == 0)
        printf("signal %d\n", number);
    pthread_join(thread, NULL);
    return 32;
}
