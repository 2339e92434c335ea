/* For each byte of stdin, leaves the user namespace, or those of the flags in its argument, tells what came of it, and
 * after how many milliseconds. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    int  flags = argc > 1 ? atoi(argv[1]) : CLONE_NEWUSER;
    char byte;

    while (read(STDIN_FILENO, &byte, 1) == 1) {
        long began = milliseconds();
        int  got = unshare(flags);

        printf("%d %d %ld\n", got, got < 0 ? errno : 0, milliseconds() - began);
        fflush(stdout);
    }
    return 27;
}
