/* Writes its title over all of argv and environ, as postgres and nginx do. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    char *start = argv[0], *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;

    for (char **entry = environ; *entry; entry++)
        end = *entry + strlen(*entry) + 1;
    static char *none[] = {NULL};
    environ = none;
    memset(start, 'x', (size_t)(end - start) - 1);
    argv[0] = NULL;
    printf("now it is called %.5s\n", start);
    usleep(200 * 1000);
    return 23;
}
