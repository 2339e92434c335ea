// SPDX-License-Identifier: Apache-2.0
// run.jsonl as anything: whatever is loaded is an object, asking whether its process lives is safe, its documents are
// JSON, and a bucket that it names has names that can be in a URL.
#include <fcntl.h>
#include <unistd.h>

#include "base/json_read.h"
#include "delivery/bucket.h"
#include "delivery/run_document.h"
#include "fuzz.h"
#include "store/journal_read.h"

/* A folder of its own for the process, in memory where there is such a place. */
static int folder(void)
{
    static int  dir = -1;
    char        path[] = "/dev/shm/pillion-fuzz-XXXXXX";
    char        other[] = "/tmp/pillion-fuzz-XXXXXX";
    const char *made = NULL;
    if (dir >= 0)
        return dir;
    made = mkdtemp(path);
    if (!made)
        made = mkdtemp(other);
    HOLDS(made);
    dir = open(made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(dir >= 0);
    return dir;
}

/* The folder goes with the file: an open, removed directory takes no files, so only the name is left to remove. */
static void clean(void)
{
    char path[4096];
    char link[64];
    (void)unlinkat(folder(), "run.jsonl", 0);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", folder());
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0) {
        path[n] = '\0';
        (void)rmdir(path);
    }
}

static void document(const cJSON *state)
{
    struct bytes text;
    if (run_document_ended(state, 1, &text) == 0)
        HOLDS(json_check(text_span(text.data, text.len), SIZE_MAX) == 0);
    bytes_done(&text);
}

static void bucket(const cJSON *state)
{
    static struct config config;
    char                 prefix[BUCKET_PREFIX_SIZE];
    char                 uri[BUCKET_PREFIX_SIZE + 16];
    struct bucket       *b = bucket_of_state(&config, state);
    if (!b)
        return;
    const struct journal_bucket said = bucket_for_journal(b, prefix);
    (void)snprintf(uri, sizeof uri, "%s/1", said.prefix);
    HOLDS(s3_check_uri(uri) == 0);
    bucket_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int registered;
    cJSON     *state = NULL;
    if (!registered++)
        HOLDS(atexit(clean) == 0);
    int fd = openat(folder(), "run.jsonl", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    if (journal_load(folder(), &state) == 0) {
        HOLDS(cJSON_IsObject(state) && cJSON_GetArraySize(state) <= 256);
        (void)journal_text(state, "id");
        (void)journal_number(state, "pid", 0);
        (void)journal_liveness(state, folder());
        document(state);
        bucket(state);
        cJSON_Delete(state);
    } else {
        HOLDS(state == NULL);
    }
    return 0;
}
