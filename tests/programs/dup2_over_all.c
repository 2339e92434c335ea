/* Puts one user file on every descriptor number below 1024, beside it nothing. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 2048 ? limit.rlim_max : 2048;
    setrlimit(RLIMIT_NOFILE, &limit);
    usleep(150 * 1000);
    int file = open("user", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    for (int number = 0; number < 1024; number++)
        if (number != file && dup2(file, number) != number)
            return 99;
    if (write(1023, "only this\n", 10) != 10)
        return 98;
    usleep(200 * 1000);
    return 16;
}
