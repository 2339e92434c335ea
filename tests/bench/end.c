/* A program that makes the requests of a run itself, with sentinel.h: what a leader is compared with.
 *
 *     bench_end SECONDS [REQUEST...] -- [REQUEST...]
 *
 * Makes the requests before --, sleeps, writes what CLOCK_MONOTONIC says in nanoseconds to stdout, makes those after
 * it, and ends. Servers and token are in the environment. A request is one of
 *
 *     register | put=FILE (the next object of the run) | inline=FILE (finish, with this CSV) | s3 (finish, with all
 * objects)
 */
// SPDX-License-Identifier: Apache-2.0
#include <pillion/sentinel.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"

enum { OBJECTS_MAX = 16, URI_MAX = 1100, FILE_MAX = 1 << 20 };

static struct sentinel_registration registration;
static char                         uris[OBJECTS_MAX][URI_MAX];
static size_t                       objects;

static bool read_file(const char *path, char *data, size_t *ret_len)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, data, FILE_MAX);

    if (fd >= 0)
        (void)close(fd);
    *ret_len = len < 0 ? 0 : (size_t)len;
    return len > 0;
}

static int put(const void *data, size_t len)
{
    struct sentinel_object object = {
        .uri = uris[objects], .credentials = &registration.credentials, .data = data, .len = len};

    if (objects == OBJECTS_MAX)
        return -1;
    (void)snprintf(uris[objects], URI_MAX, "%s/%04zu.csv.gz", registration.upload_uri_prefix, objects + 1);
    objects++;
    return sentinel_put_object(NULL, &object, NULL);
}

static int finish_s3(void)
{
    const char            *list[OBJECTS_MAX];
    struct sentinel_finish finish = {.data_uris = list, .data_uri_count = objects};

    for (size_t i = 0; i < objects; i++)
        list[i] = uris[i];
    return sentinel_finish_run(NULL, registration.run_id, &finish, NULL, NULL);
}

static int make_request(const char *word)
{
    static char data[FILE_MAX];
    size_t      len = 0;
    const char *file = strchr(word, '=');

    if (file && !read_file(file + 1, data, &len))
        return -1;
    struct sentinel_finish finish = {.data_source = SENTINEL_DATA_INLINE, .data_csv = data, .data_csv_len = len};
    if (strcmp(word, "register") == 0)
        return sentinel_register_run(NULL, &(struct sentinel_run){.job_name = "bench_end"}, &registration, NULL);
    if (strncmp(word, "put=", 4) == 0)
        return put(data, len);
    if (strncmp(word, "inline=", 7) == 0)
        return sentinel_finish_run(NULL, registration.run_id, &finish, NULL, NULL);
    if (strcmp(word, "s3") == 0)
        return finish_s3();
    return -1;
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        char text[32];

        if (strcmp(argv[i], "--") != 0) {
            int error = make_request(argv[i]);

            if (error)
                return fprintf(stderr, "bench_end: %s: %d\n", argv[i], error), 1;
            continue;
        }
        (void)usleep((useconds_t)(atof(argv[1]) * 1e6));
        int len = snprintf(text, sizeof text, "%" PRId64 "\n", now());
        if (write(STDOUT_FILENO, text, (size_t)len) != len)
            return 1;
    }
    return 0;
}
