/* The doctor's question to a receiver of OpenTelemetry: a request without rows, which is answered as one with them. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "engine/examination.h"
#include "engine/otlp_export.h"
#include "sentinel/http/network.h"

#define PATIENCE (15 * CLOCK_SECOND)

static void judge(const struct engine_examination *e, const struct config *config, const char *url,
                  const struct http_answer *answer)
{
    struct otlp_answer said;
    struct bytes       words;
    long               status = answer->status;
    otlp_read_answer(text_span(answer->body.data, answer->body.len), &said);
    bytes_init(&words, sizeof said.message);
    bytes_text(&words, said.message);
    otlp_hide_headers(config, &words);
    const char *more = words.data ? words.data : "";
    if (status >= 200 && status <= 299)
        examination_tell(e, "otlp", ENGINE_FINE, "%s is reached, and takes rows", url);
    else if (status == 401 || status == 403)
        examination_tell(e, "otlp", ENGINE_CAUSE, "%s refuses us (HTTP %ld): %s", url, status,
                         config->otlp_headers ? "is OTEL_EXPORTER_OTLP_HEADERS right?"
                                              : "it wants a header in OTEL_EXPORTER_OTLP_HEADERS");
    else if (status == 404 || status == 405 || (status >= 300 && status < 400))
        examination_tell(e, "otlp", ENGINE_CAUSE,
                         "%s is no place for metrics (HTTP %ld): is PILLION_OTLP_ENDPOINT right? /v1/metrics is added "
                         "to it, and redirects are not followed",
                         url, status);
    else if (status == 400 || status == 415)
        examination_tell(e, "otlp", ENGINE_CAUSE,
                         "%s does not take OTLP as JSON (HTTP %ld)%s%s: put a collector before it", url, status,
                         *more ? ", " : "", more);
    else
        examination_tell(e, "otlp", ENGINE_CAUSE, "%s is in trouble (HTTP %ld)%s%s: rows are not sent for a while", url,
                         status, *more ? ": " : "", more);
    bytes_done(&words);
}

void doctor_otlp(const struct engine_examination *e, const struct config *config)
{
    char                url[OTLP_URL_SIZE];
    struct network      network;
    struct bytes        body;
    struct http_request request = {0};
    struct http_answer  answer = {0};
    otlp_url(config, url);
    network_init(&network);
    bytes_init(&body, OTLP_BODY_MAX);
    bytes_text(&body, "{\"resourceMetrics\":[]}");
    int error = network_open(&network, url);
    if (error == 0)
        error = otlp_request(config, &body, &request);
    if (error == 0)
        error = http_perform(network.http, &request, clock_monotonic() + PATIENCE, &answer);
    if (error < 0 || answer.error < 0)
        examination_tell(e, "otlp", ENGINE_CAUSE, "%s cannot be reached: %s", url,
                         error < 0 ? strerror(-error) : answer.message);
    else
        judge(e, config, url, &answer);
    http_request_done(&request);
    http_answer_done(&answer);
    bytes_done(&body);
    network_done(&network);
}
