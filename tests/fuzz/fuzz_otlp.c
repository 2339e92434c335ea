// SPDX-License-Identifier: Apache-2.0
// What a receiver of OTLP may answer, and the lists that OpenTelemetry's variables hold: what becomes a header is one
// line, what becomes an attribute is JSON.
#include "base/json_read.h"
#include "config/otel.h"
#include "fuzz.h"
#include "otlp/otlp.h"
#include "sentinel/http_message.h"

static void answer(const char *text, size_t size)
{
    struct otlp_answer said;
    otlp_read_answer(text_span(text, size), &said);
    HOLDS(memchr(said.message, '\0', sizeof said.message));
    HOLDS(size > 0 || (said.refused == 0 && said.message[0] == '\0'));
    for (const char *p = said.message; *p; p++) /* as it goes into the log */
        HOLDS((unsigned char)*p >= ' ');
}

static void headers(const char *text)
{
    struct text         list = text_of(text);
    struct text         key;
    struct text         value;
    struct http_request request = {0};
    if (!otel_headers_are_fine(text))
        return;
    while (otel_pair(&list, &key, &value)) {
        struct bytes decoded;
        char         name[256];
        bytes_init(&decoded, 4096);
        otel_decode(value, &decoded);
        HOLDS(decoded.failed || strlen(decoded.data ? decoded.data : "") == decoded.len);
        if (text_copy(key, name, sizeof name) && !decoded.failed)
            HOLDS(http_request_header(&request, name, decoded.data ? decoded.data : "") == 0);
        bytes_done(&decoded);
    }
    for (size_t i = 0; i < request.header_count; i++)
        HOLDS(!strpbrk(request.headers[i], "\r\n") && strchr(request.headers[i], ':'));
    http_request_done(&request);
}

static void attributes(const char *text)
{
    struct text           list = text_of(text);
    struct text           key;
    struct text           value;
    struct bytes          all;
    struct bytes          body;
    struct otlp_figures   figures = {0};
    const struct otlp_row row = {1, 2, &figures, NULL, 0};
    if (!otel_attributes_are_fine(text))
        return;
    bytes_init(&all, OTLP_BODY_MAX / 2);
    bytes_text(&all, "");
    while (otel_pair(&list, &key, &value)) {
        struct bytes names[2];
        bytes_init(&names[0], 4096);
        bytes_init(&names[1], 4096);
        otel_decode(key, &names[0]);
        otel_decode(value, &names[1]);
        if (!names[0].failed && !names[1].failed)
            otlp_attribute(&all, names[0].data, names[1].data ? names[1].data : "");
        bytes_done(&names[0]);
        bytes_done(&names[1]);
    }
    if (!all.failed) {
        HOLDS(otlp_body(all.data ? all.data : "", &row, &body) == sizeof figures / sizeof(uint64_t));
        HOLDS(body.failed || json_check(text_span(body.data, body.len), JSON_VALUES_MAX) == 0);
        bytes_done(&body);
    }
    bytes_done(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    answer(text, size);
    headers(text);
    attributes(text);
    free(text);
    return 0;
}
