/* Writes a user file up to the limit on file sizes and beyond; by default the signal is ignored here, so that the
 * error shows. With "die" it is not. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1)
        signal(SIGXFSZ, SIG_IGN);
    usleep(200 * 1000);
    int     file = open("big", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ssize_t first = write(file, "0123456789", 10);
    int     error = errno;
    printf("%zd %s\n", first, first < 0 ? strerror(error) : "written");
    fflush(stdout);
    if (argc > 1)
        for (int i = 0; i < 1000; i++)
            if (write(file, "0123456789", 10) < 0)
                return 98;
    usleep(100 * 1000);
    return 29;
}
