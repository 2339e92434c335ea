// SPDX-License-Identifier: Apache-2.0
// The headers of an answer, a line each, and its body behind an empty one: what is taken from them is in its range.
#include <errno.h>

#include "fuzz.h"
#include "sentinel/http/http_call.h"
#include "sentinel/s3.h"

static void check(const struct http_call *call)
{
    HOLDS(call->answer.retry_after_s >= -1);
    HOLDS(call->answer.date >= 0 && call->retry_date >= 0);
    HOLDS(memchr(call->answer.bucket_region, 0, sizeof call->answer.bucket_region));
    HOLDS(!call->answer.bucket_region[0] || s3_region_is_fine(call->answer.bucket_region));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_call call = {.answer.retry_after_s = -1};
    char            *text = fuzz_text(data, size);
    size_t           at = 0;
    bytes_init(&call.answer.body, HTTP_ANSWER_MAX);
    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t      len = end ? (size_t)(end - text) - at + 1 : size - at;
        size_t      taken = http_answer_header(text + at, 1, len, &call);
        HOLDS(taken == len || (taken == 0 && call.refused == -EMSGSIZE));
        check(&call);
        at += len;
        if (len == 1)
            break;
    }
    HOLDS(http_answer_body(text + at, 1, size - at, &call) == (call.refused ? 0 : size - at));
    HOLDS(call.answer.body.len <= HTTP_ANSWER_MAX);
    bytes_done(&call.answer.body);
    free(text);
    return 0;
}
