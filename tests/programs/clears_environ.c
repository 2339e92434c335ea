/* Has no environment any more when it ends: cleared, NULL, or pointing at freed memory. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "clear";

    usleep(120 * 1000);
    if (strcmp(way, "clear") == 0)
        clearenv();
    else if (strcmp(way, "null") == 0)
        environ = NULL;
    else {
        char **wild = malloc(2 * sizeof *wild);

        if (wild) {
            wild[0] = (char *)16;
            wild[1] = NULL;
            environ = wild;
        }
    }
    printf("%s\n", way);
    usleep(120 * 1000);
    return 22;
}
