/* Execs itself in place N times; the process stays the same and so has its run to. With a second number it sleeps
 * that many milliseconds in each image. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int  left = argc > 1 ? atoi(argv[1]) : 0;
    char number[16], pid[16];

    if (argc > 3 && atoi(argv[3]) != getpid())
        return 98;
    if (argc > 2)
        usleep((useconds_t)atoi(argv[2]) * 1000);
    if (left == 0) {
        printf("the last image\n");
        return 12;
    }
    snprintf(number, sizeof number, "%d", left - 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    execl(argv[0], argv[0], number, argc > 2 ? argv[2] : "0", pid, (char *)NULL);
    return 99;
}
