/* Ends by _exit: what stdio still holds is lost, and has to stay lost. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void unwanted(void)
{
    fputs("an atexit handler ran\n", stderr);
}

int main(int argc, char **argv)
{
    atexit(unwanted);
    printf("flushed\n");
    fflush(stdout);
    printf("never flushed\n");
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    _exit(3);
}
