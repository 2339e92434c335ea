/* Uses most of a small stack and nests calls in it, at the end too. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int deep(int levels)
{
    char room[256];

    memset(room, levels, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    return levels ? deep(levels - 1) + room[1] - room[2] : 0;
}

static void at_exit(void)
{
    printf("at exit: %d\n", deep(60));
}

int main(void)
{
    atexit(at_exit);
    printf("main: %d\n", deep(60));
    usleep(150 * 1000);
    return 28;
}
