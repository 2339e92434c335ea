/* Main leaves by C11's thrd_exit; the last worker's end is the process's, and flushes stdio. */
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE 1
#include <stdio.h>
#include <threads.h>
#include <unistd.h>

static int work(void *nothing)
{
    (void)nothing;
    usleep(250 * 1000);
    printf("a worker's buffered line\n");
    return 0;
}

int main(void)
{
    thrd_t thread;

    thrd_create(&thread, work, NULL);
    thrd_exit(0);
}
