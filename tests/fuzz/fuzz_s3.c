// SPDX-License-Identifier: Apache-2.0
// What S3, or whoever stands in for it, may answer, and the URIs and endpoints that are handed to us: what is accepted
// is one plain URL on the host that was meant.
#include <errno.h>

#include "fuzz.h"
#include "sentinel/s3.h"

enum { STATUS_COUNT = 12, NOW = 1369353600 };

static char secret[] = "a-secret";

static const struct sentinel_credentials credentials = {secret, secret, secret, NULL, INT64_MAX};

static void answer(const char *text, size_t size)
{
    static const long  statuses[STATUS_COUNT] = {200, 204, 301, 307, 400, 403, 404, 408, 409, 429, 500, 503};
    char               region[S3_REGION_SIZE];
    struct http_answer a = {.retry_after_s = -1, .date = NOW};
    bytes_init(&a.body, HTTP_ANSWER_MAX);
    bytes_add(&a.body, text, size);
    for (unsigned i = 0; i < STATUS_COUNT; i++) {
        const struct s3_attempts attempts = {(i & 1) != 0, (i & 2) != 0, (i & 4) != 0};
        a.status = statuses[i];
        enum s3_verdict verdict = s3_judge(&a, &attempts, "eu-central-1", region);
        HOLDS((verdict == S3_STORED) == (i == 0));
        HOLDS(verdict != S3_REFRESH || !attempts.refreshed);
        HOLDS(verdict != S3_MOVED ||
              (!attempts.moved && s3_region_is_fine(region) && strcmp(region, "eu-central-1") != 0));
        HOLDS(verdict == S3_MOVED || region[0] == '\0');
        HOLDS(verdict != S3_SKEWED || !attempts.clock_set);
    }
    http_answer_done(&a);
}

/* Visible ASCII, and nothing that ends or splits a URL's path. */
static void looks_like_a_url(const char *url, const char *beginning)
{
    HOLDS(strncmp(url, beginning, strlen(beginning)) == 0);
    for (const char *p = url; *p; p++)
        HOLDS(*p > ' ' && *p < 0x7f && !strchr("?#\\\"<>", *p));
}

static void put(const char *uri, const char *endpoint, const char *beginning)
{
    const struct s3_target target = {uri, "eu-central-1", endpoint};
    struct http_request    request;
    struct bytes           data;
    bytes_init(&data, 16);
    bytes_text(&data, "data");
    int error = s3_put(&target, &credentials, NULL, NOW, &data, &request);
    HOLDS(error == 0 || error == -EINVAL || error == -ENOMEM);
    HOLDS((error == 0) == (data.data == NULL) && (error == 0) == (request.url != NULL));
    if (error == 0) {
        looks_like_a_url(request.url, beginning);
        for (size_t i = 0; i < request.header_count; i++)
            HOLDS(!strpbrk(request.headers[i], "\r\n"));
    }
    http_request_done(&request);
    bytes_done(&data);
}

static void uri(const char *text)
{
    struct http_request request;
    bool                fine = s3_check_uri(text) == 0;
    int                 error = s3_head_bucket(&(struct s3_target){.uri = text}, &request);
    HOLDS(fine ? error == 0 : error == -EINVAL);
    if (fine)
        looks_like_a_url(request.url, "https://");
    http_request_done(&request);
    put(text, NULL, "https://");
    put(text, "http://[::1]:9000/base", "http://[::1]:9000/base/");
}

static void endpoint(const char *text)
{
    char checked[256];
    char again[256];
    if (s3_check_endpoint(text, checked, sizeof checked) != 0)
        return;
    looks_like_a_url(checked, "http");
    HOLDS(s3_check_endpoint(checked, again, sizeof again) == 0 && strcmp(checked, again) == 0);
    HOLDS(checked[strlen(checked) - 1] != '/');
    put("s3://bucket/key", text, "http");
}

/* What is taken stays as it is, and makes keys. */
static void place(const char *text)
{
    char checked[S3_PLACE_MAX + 2];
    char again[S3_PLACE_MAX + 2];
    char key[S3_PLACE_MAX + 4];
    if (s3_check_place(text, checked, sizeof checked) != 0)
        return;
    HOLDS(s3_check_place(checked, again, sizeof again) == 0 && strcmp(checked, again) == 0);
    HOLDS(checked[strlen(checked) - 1] != '/');
    (void)snprintf(key, sizeof key, "%s/k", checked);
    HOLDS(s3_check_uri(key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    answer(text, size);
    uri(text);
    endpoint(text);
    place(text);
    (void)s3_region_is_fine(text);
    free(text);
    return 0;
}
