/* Ends by libc's own call of exit, which no interposed exit sees, while a worker waits in stdin, holding its lock. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *read_for_ever(void *nothing)
{
    char line[99];

    while (fgets(line, sizeof line, stdin))
        ;
    return nothing;
}

int main(void)
{
    pthread_t thread;

    printf("this is buffered\n");
    pthread_create(&thread, NULL, read_for_ever, NULL);
    usleep(150 * 1000);
    errx(38, "libc ends it");
}
