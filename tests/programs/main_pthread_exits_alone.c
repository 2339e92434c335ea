/* main ends by pthread_exit and there is no other thread: the process ends with status 0. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void last_words(void)
{
    printf("atexit ran\n");
}

int main(int argc, char **argv)
{
    atexit(last_words);
    printf("main is alone\n");
    if (argc > 1)
        usleep((useconds_t)atoi(argv[1]) * 1000);
    pthread_exit(NULL);
}
