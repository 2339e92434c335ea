/* What a receiver answers: ExportMetricsServiceResponse with a 2xx, else Status. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/json_read.h"
#include "base/utf8.h"
#include "otlp/otlp.h"

enum { VALUES_MAX = 256 };

/* A number, or a string with one: both are allowed. */
static uint64_t read_count(struct text value)
{
    uint64_t count = 0;
    (void)text_skip(&value, "\"");
    return text_unsigned(&value, &count) ? count : 0;
}

/* Escapes stay as they are written, and the end of a long text is left out. */
static void read_message(struct text value, struct otlp_answer *ret)
{
    if (!text_skip(&value, "\"") || text_len(value) < 1)
        return;
    value.end--;
    size_t len = text_len(value);
    if (len >= sizeof ret->message)
        len = utf8_cut(value.at, len, sizeof ret->message - 1);
    memcpy(ret->message, value.at, len);
    ret->message[len] = '\0';
}

void otlp_read_answer(struct text body, struct otlp_answer *ret)
{
    struct text part;
    struct text value;
    *ret = (struct otlp_answer){0};
    if (text_len(body) == 0 || json_check(body, VALUES_MAX) < 0)
        return;
    if (json_find(body, "partialSuccess", &part)) {
        if (json_find(part, "rejectedDataPoints", &value))
            ret->refused = read_count(value);
        if (json_find(part, "errorMessage", &value))
            read_message(value, ret);
    } else if (json_find(body, "message", &value)) {
        read_message(value, ret);
    }
}
