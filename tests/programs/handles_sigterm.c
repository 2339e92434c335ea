/* Has a SIGTERM handler of its own, set after 100 ms; counts the signals it sends itself and tells by which code. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t count, code = 99;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    count++;
    code = info->si_code;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    (void)argc;
    usleep(100 * 1000);
    sigaction(SIGTERM, &action, NULL);
    raise(SIGTERM);
    kill(getpid(), SIGTERM);
    usleep(100 * 1000);
    printf("%s %d signals, code %d\n", strchr(argv[0], '/') ? "got" : "had", (int)count, (int)code);
    signal(SIGTERM, SIG_IGN);
    kill(getpid(), SIGTERM);
    printf("ignored\n");
    return 31;
}
