/* main ends by pthread_exit while workers go on; the last of them ends the process. All output sits in stdio's buffer
 * until then and belongs to the user. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void last_words(void)
{
    printf("atexit ran\n");
}

static void *worker(void *argument)
{
    uintptr_t number = (uintptr_t)argument;

    usleep((useconds_t)(100 * number) * 1000);
    printf("worker %u is done\n", (unsigned)number);
    return NULL;
}

int main(void)
{
    atexit(last_words);
    printf("main goes first\n");
    for (uintptr_t number = 1; number <= 3; number++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, worker, (void *)number))
            return 99;
        pthread_detach(thread);
    }
    pthread_exit(NULL);
}
