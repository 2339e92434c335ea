/* Makes and ends threads as fast as it can, ends with some still there. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *nothing(void *argument)
{
    return argument;
}

static void *sleeper(void *argument)
{
    pause();
    return argument;
}

int main(void)
{
    int made = 0;

    for (int round = 0; round < 2000; round++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, nothing, NULL))
            return 99;
        pthread_join(thread, NULL);
        made++;
    }
    for (int i = 0; i < 20; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, sleeper, NULL))
            return 98;
        pthread_detach(thread);
    }
    usleep(100 * 1000);
    printf("%d made\n", made);
    return 38;
}
