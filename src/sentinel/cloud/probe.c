/* Questions go to all vendors at once; the probe is over when nothing could change the result. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/cloud/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define IN_ALL CLOCK_SECOND

enum { URL_MAX = 256 };

static int compose(enum cloud_vendor vendor, size_t question, const struct cloud_told *told, struct http_request *ret)
{
    const struct cloud_service *service = cloud_service(vendor);
    bool                        for_token = service->token_header && question == 0;
    const char                 *header = for_token ? service->token_header : service->header;
    const char                 *value = for_token ? service->token_value : service->value;
    struct bytes                url;
    bytes_init(&url, URL_MAX);
    bytes_text(&url, service->base);
    bytes_text(&url, service->questions[question].path);
    *ret = (struct http_request){.method = for_token ? HTTP_PUT : HTTP_GET,
                                 .url = bytes_take(&url),
                                 .answer_max = CLOUD_ANSWER_MAX,
                                 .no_proxy_at_all = true,
                                 .no_reuse = true};
    return header ? http_request_header(ret, header, value ? value : told->token) : 0;
}

static void ask(struct probe *p, enum cloud_vendor vendor, size_t question, int64_t now)
{
    struct http_request request;
    int64_t             left = (p->deadline - now) / CLOCK_MILLISECOND;
    int                 error = compose(vendor, question, &p->told[vendor], &request);
    request.timeout_ms = request.connect_timeout_ms = left > 1 ? (int)left : 1;
    if (error < 0 || http_start(p->network->http, &request, &p->calls[vendor][question]) < 0)
        http_request_done(&request);
}

/* Asks all questions from here on that may be asked: without a token, where one is needed, only the first. */
static void ask_from(struct probe *p, enum cloud_vendor vendor, size_t first, int64_t now)
{
    for (size_t i = first; i < CLOUD_QUESTIONS_MAX; i++)
        if (cloud_asks(vendor, i, &p->told[vendor]))
            ask(p, vendor, i, now);
}

void probe_begin(struct probe *p, struct network *network, unsigned vendors, bool with_account, int64_t now)
{
    *p = (struct probe){.network = network, .vendors = vendors, .deadline = now + IN_ALL};
    p->under_way = network_open(network, "http:") == 0;
    for (enum cloud_vendor v = CLOUD_AWS; v < CLOUD_VENDORS; v++) {
        p->told[v].with_account = with_account;
        if (p->under_way && (vendors & 1U << v))
            ask_from(p, v, 0, now);
    }
}

/* True when this call has ended, and is gone. */
static bool hear(struct probe *p, enum cloud_vendor vendor, size_t question)
{
    struct http_answer answer = {0};
    if (!http_finished(p->network->http, p->calls[vendor][question], &answer))
        return false;
    p->calls[vendor][question] = NULL;
    const struct cloud_answer said = {.status = answer.error == 0 ? answer.status : 0,
                                      .flavor = answer.metadata_flavor,
                                      .body = text_span(answer.body.data, answer.body.len)};
    (void)cloud_hear(vendor, question, &said, &p->told[vendor]);
    http_answer_done(&answer);
    return true;
}

static bool is_done(const struct probe *p, enum cloud_vendor vendor)
{
    for (size_t i = 0; i < CLOUD_QUESTIONS_MAX; i++)
        if (p->calls[vendor][i])
            return false;
    return true;
}

/* True when no answer that is still to come would change the result. */
static bool is_decided(const struct probe *p)
{
    for (enum cloud_vendor v = CLOUD_AWS; v < CLOUD_VENDORS; v++) {
        if (!is_done(p, v))
            return false;
        if (p->told[v].proven)
            return true;
    }
    return true;
}

void probe_stop(struct probe *p)
{
    for (size_t v = 0; p->under_way && v < CLOUD_VENDORS; v++)
        for (size_t i = 0; i < CLOUD_QUESTIONS_MAX; i++) {
            if (p->calls[v][i])
                http_cancel(p->network->http, p->calls[v][i]);
            p->calls[v][i] = NULL;
        }
    p->under_way = false;
}

bool probe_step(struct probe *p, int64_t now)
{
    for (enum cloud_vendor v = CLOUD_AWS; p->under_way && v < CLOUD_VENDORS; v++)
        for (size_t i = 0; i < CLOUD_QUESTIONS_MAX; i++)
            if (p->calls[v][i] && hear(p, v, i) && i == 0 && cloud_service(v)->token_header)
                ask_from(p, v, 1, now);
    if (p->under_way && (now >= p->deadline || is_decided(p)))
        probe_stop(p);
    return !p->under_way;
}

int64_t probe_due(const struct probe *p)
{
    return p->under_way ? p->deadline : INT64_MAX;
}
