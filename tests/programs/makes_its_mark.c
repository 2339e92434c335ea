/* Leaves its mark in a file after so many milliseconds. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    usleep((useconds_t)(argc > 1 ? atoi(argv[1]) : 100) * 1000);
    int file = open("part", O_CREAT | O_WRONLY, 0600);
    return file < 0 || write(file, "here\n", 5) != 5 || rename("part", "mark");
}
