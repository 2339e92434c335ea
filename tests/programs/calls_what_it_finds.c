/* Asks the kernel itself for SIGTERM's action, sets one of its own that calls what was there before with the number
 * alone, as for a plain handler, and sends the signal to itself. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef void plain_function(int number, const void *junk, const void *more); /* what the registers happen to hold */

static struct {
    plain_function *handler;
    uint64_t        flags;
    void           *restorer;
    uint64_t        mask;
} found;

static void handler(int number)
{
    static const char said[] = "cleaning up\n";
    (void)!write(STDOUT_FILENO, said, sizeof said - 1);
    if (found.handler)
        found.handler(number, (const void *)INTPTR_MAX, (const void *)0x1001);
    signal(number, SIG_DFL);
    raise(number);
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};

    usleep(150 * 1000);
    if (syscall(SYS_rt_sigaction, SIGTERM, NULL, &found, sizeof found.mask) || sigaction(SIGTERM, &action, NULL))
        return 99;
    raise(SIGTERM);
    printf("alive\n");
    return 1;
}
