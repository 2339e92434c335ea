/* Works so many milliseconds of CPU time and ends with the status given; output at the end. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    clock_t       end = clock() + (argc > 1 ? atoi(argv[1]) : 100) * (CLOCKS_PER_SEC / 1000);
    unsigned long steps = 0;

    while (clock() < end)
        steps++;
    printf("%s\n", steps ? "worked" : "idle");
    return argc > 2 ? atoi(argv[2]) : 0;
}
