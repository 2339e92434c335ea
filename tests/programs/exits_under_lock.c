/* A signal handler calls exit while main is inside malloc ("malloc"), or holds the lock of stdout ("stdio"); a second
 * argument puts the handler on an alternate stack. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static char   stack[64 * 1024];
static void  *kept[64];
static size_t size;

static void leave(int number)
{
    exit(45 + number - SIGALRM);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = leave, .sa_flags = argc > 2 ? SA_ONSTACK : 0};

    if (argc > 2 && sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL))
        return 99;
    printf("buffered\n");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 120 * 1000}}, NULL);
    if (argc > 1 && strcmp(argv[1], "stdio") == 0)
        flockfile(stdout);
    else
        for (size_t i = 0;; i = (i + 1) % 64) {
            free(kept[i]);
            size = (size * 7 + 1117) % 100000;
            kept[i] = malloc(size);
        }
    for (;;)
        pause();
}
