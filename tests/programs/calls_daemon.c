/* Calls libc's daemon: the first process ends by libc's own _exit, which no interposed one sees. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("flushed\n");
    fflush(stdout);
    usleep(150 * 1000);
    if (daemon(1, 0))
        return 99;
    usleep(200 * 1000);
    int file = open("part", O_CREAT | O_WRONLY, 0600);
    if (file < 0 || write(file, "the daemon was here\n", 20) != 20 || rename("part", "mark"))
        return 98;
    return 0;
}
