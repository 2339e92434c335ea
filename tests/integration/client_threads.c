/* Many threads, each with a client of its own: client_threads THREADS CALLS registers THREADS × CALLS runs with the
 * client of the environment, and fails when one of them was refused. */
// SPDX-License-Identifier: Apache-2.0
#include <pillion/sentinel.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

static int calls;

/* NULL, or anything else when a call failed. */
static void *work(void *unused)
{
    void *failed = NULL;
    (void)unused;
    for (int i = 0; i < calls; i++) {
        struct sentinel_client client = { .connect_timeout_ms = 120 * 1000, .timeout_ms = 120 * 1000 };
        struct sentinel_registration registration = { 0 };
        struct sentinel_api_error error = { 0 };
        int rc = sentinel_register_run(&client, NULL, &registration, &error);
        if (rc != 0) {
            (void)fprintf(stderr, "%d: %s\n", rc, error.body != NULL ? error.body : "");
            failed = &calls;
        }
        sentinel_registration_done(&registration);
        sentinel_api_error_done(&error);
    }
    return failed;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    int count = argc > 1 ? atoi(argv[1]) : 0;
    int failed = 0;
    calls = argc > 2 ? atoi(argv[2]) : 0;
    if (count < 1 || count > THREADS_MAX || calls < 1)
        return 2;
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            return 3;
    for (int i = 0; i < count; i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        failed += result != NULL;
    }
    return failed > 0;
}
