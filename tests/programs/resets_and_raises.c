/* Cleans up in a handler of its own, gives the signal its default back and sends it to itself, as shells do. By sigaction,
 * or with an argument by signal. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static int                   by_signal;

static void handler(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    got = number;
    if (by_signal)
        signal(number, SIG_DFL);
    else
        sigaction(number, &action, NULL);
    kill(getpid(), number);
}

int main(int argc, char **argv)
{
    (void)argv;
    by_signal = argc > 1;
    signal(SIGTERM, handler);
    usleep(150 * 1000);
    printf("cleaning up\n");
    fflush(stdout);
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}
