/* Ends by libc's own call of exit, which no interposed exit sees, in errx or ("error") in error, while a worker waits
 * in stdin, holding its lock; with a second argument there is none. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <err.h>
#include <error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *read_for_ever(void *nothing)
{
    char line[99];

    while (fgets(line, sizeof line, stdin))
        ;
    return nothing;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    printf("this is buffered\n");
    if (argc < 3 && pthread_create(&thread, NULL, read_for_ever, NULL))
        return 99;
    usleep(150 * 1000);
    if (argc > 1 && strcmp(argv[1], "error") == 0)
        error(38, 0, "libc ends it");
    errx(38, "libc ends it");
}
