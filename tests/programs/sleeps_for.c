/* Sleeps so many milliseconds and ends with the status given; output before and after. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("before\n");
    fflush(stdout);
    usleep((useconds_t)(argc > 1 ? atoi(argv[1]) : 100) * 1000);
    printf("after\n");
    return argc > 2 ? atoi(argv[2]) : 0;
}
