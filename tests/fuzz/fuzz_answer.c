// SPDX-License-Identifier: Apache-2.0
// What an API, or whoever stands in for it, may answer: what is accepted fits into a URL, the rest is refused.
#include <errno.h>

#include "base/json_write.h"
#include "base/text.h"
#include "fuzz.h"
#include "sentinel/answers.h"
#include "sentinel/requests.h"

#define OURS "{\"job_name\":\"x\",\"team\":\"t\",\"command\":\"[]\",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}"

static void registration(const char *text, size_t size)
{
    struct sentinel_registration r;
    if (answer_registration(text, size, &r) == 0) {
        HOLDS(api_run_id_is_fine(r.run_id));
        HOLDS(!r.upload_uri_prefix || strncmp(r.upload_uri_prefix, "s3://", 5) == 0);
    } else {
        HOLDS(r.run_id == NULL);
    }
    sentinel_registration_done(&r);
}

static void result(const char *text, size_t size)
{
    struct bytes b;
    bytes_init(&b, HTTP_ANSWER_MAX);
    if (answer_result(text, size, &b) == 0) {
        HOLDS(json_check(text_span(b.data, b.len), SIZE_MAX) == 0);
        HOLDS(!memchr(b.data, '\n', b.len));
    }
    bytes_done(&b);
}

static void description(const char *text, size_t size)
{
    char               line[200];
    struct http_answer answer = {.status = 400, .retry_after_s = -1};
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_add(&answer.body, text, size);
    answer_describe(&answer, line, sizeof line);
    HOLDS(strlen(line) < sizeof line);
    for (const char *p = line; *p; p++)
        HOLDS(*p >= ' ' && *p < 0x7f);
    http_answer_done(&answer);
}

static void repair(const char *text)
{
    struct bytes b;
    int          error = request_register_repair(OURS, text, &b);
    if (error == 0)
        HOLDS(json_check(text_span(b.data, b.len), SIZE_MAX) == 0);
    else
        HOLDS(error == -ENODATA || error == -EINVAL || error == -ENOMEM);
    bytes_done(&b);
    error = request_register_renew(text, &b);
    if (error == 0)
        HOLDS(json_check(text_span(b.data, b.len), SIZE_MAX) == 0);
    else
        HOLDS(error == -ENODATA || error == -EINVAL || error == -ENOMEM);
    bytes_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                       *text = fuzz_text(data, size);
    struct sentinel_credentials credentials;
    registration(text, size);
    if (answer_credentials(text, size, &credentials) == 0)
        HOLDS(credentials.access_key);
    sentinel_credentials_done(&credentials);
    result(text, size);
    description(text, size);
    repair(text);
    free(text);
    return 0;
}
