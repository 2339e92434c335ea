/* Uses SIGALRM, SIGPROF and SIGVTALRM timers with handlers that look at who runs them: always the only thread that
 * this program knows of. System calls are interrupted by them and by nothing else. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms, others, strangers;

static void handler(int number)
{
    if (gettid() != getpid())
        strangers++;
    if (number == SIGALRM)
        alarms++;
    else
        others++;
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    int              interrupted = 0;

    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGPROF, &action, NULL);
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_PROF, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    for (clock_t end = clock() + CLOCKS_PER_SEC / 5; clock() < end;)
        ;
    setitimer(ITIMER_PROF, &(struct itimerval){0}, NULL);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
    for (int i = 0; i < 5; i++) {
        setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 20000}}, NULL);
        if (pause() < 0 && errno == EINTR)
            interrupted++;
    }
    struct timespec rest = {0, 200 * 1000 * 1000};
    printf("nanosleep %d\n", nanosleep(&rest, NULL));
    printf("%d alarms, %d interruptions, %s, %d on strange threads\n", (int)alarms, interrupted,
           others > 10 ? "many ticks" : "few ticks", (int)strangers);
    return 33;
}
