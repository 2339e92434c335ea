/* Gets a thousand signals for the process by a timer of its own, as fast as one a millisecond, and handles them all. */
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS = 1000 };

static atomic_int handled;

static void handler(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

int main(void)
{
    struct sigaction  action = {.sa_handler = handler};
    struct sigevent   event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec each = {.it_interval = {.tv_nsec = 1000000}, .it_value = {.tv_nsec = 1000000}};
    timer_t           timer;

    sigaction(SIGRTMIN, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &each, NULL))
        return 95;
    while (atomic_load(&handled) < SIGNALS)
        pause();
    return 46;
}
