/* Prints its arguments, environment and what the kernel says of it, all but the preload's own variable, at the start
 * and later; and that the strings stay where the kernel put them. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static void show(const char *when)
{
    printf("%s\n", when);
    for (char **entry = environ; *entry; entry++)
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0)
            printf("%s\n", *entry);
}

int main(int argc, char **argv, char **environment)
{
    char **before = environ;
    char  *first = environ[0];

    for (int i = 0; i < argc; i++)
        printf("argument %s\n", i ? argv[i] : "0");
    show("at start");
    usleep(150 * 1000);
    show("later");
    printf("moved: %d %d\n", environ != before || environ != environment, environ[0] != first);
    printf("right after argv: %d\n", environ == argv + argc + 1);
    return 0;
}
