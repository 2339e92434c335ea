/* putenv of strings on a stack that is long gone when the program ends, and of one without a value. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __attribute__((noinline)) void put(void)
{
    char strings[3][40] = {"PILLION_INTERVAL=7", "SENTINEL_API_TOKEN=wild", "MINE=on the stack"};

    for (int i = 0; i < 3; i++)
        putenv(strings[i]);
    printf("%s\n", getenv("MINE"));
}

static __attribute__((noinline)) void write_over(int levels)
{
    char room[512];

    memset(room, 0xa5, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    if (levels)
        write_over(levels - 1);
}

int main(void)
{
    usleep(120 * 1000);
    put();
    write_over(20);
    usleep(120 * 1000);
    return 58;
}
