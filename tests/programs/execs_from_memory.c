/* Copies a program into memory and executes it there: no path leads to it. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    int from = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    int to = memfd_create("a name\nof two lines", MFD_CLOEXEC);
    if (from < 0 || to < 0)
        return 1;
    while (sendfile(to, from, NULL, 1 << 20) > 0)
        ;
    fexecve(to, argv + 1, environ);
    perror("fexecve");
    return 2;
}
