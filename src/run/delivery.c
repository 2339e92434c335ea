// SPDX-License-Identifier: Apache-2.0
#include "run/delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "run/delivery_parts.h"
#include "run/record.h"
#include "run/state.h"
#include "sentinel/request.h"

#define API_DOWN         "api-down"
#define API_DOWN_SECONDS 600
#define SPREAD_MAX       (30 * CLOCK_SECOND)

static const char *lookup(const char *name)
{
    return getenv(name);
}

static const char *proxy(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    return value && *value ? value : upper ? getenv(upper) : NULL;
}

void delivery_init(struct delivery *d, const struct config *config, const struct home *home, struct rundir *run,
                   struct log *log)
{
    *d = (struct delivery){.config = config, .home = home, .run = run, .log = log, .deadline = INT64_MAX};
    bytes_init(&d->registration, DELIVERY_INLINE_MAX);
    bytes_init(&d->finish, (size_t)2 * DELIVERY_SYNC_MAX);
    bytes_init(&d->ca_bundle, DELIVERY_INLINE_MAX);
}

void delivery_suspend(struct delivery *d)
{
    d->attempts.unanswered |= d->call && d->phase == DELIVERY_FINISH;
    http_close(d->http);
    d->http = NULL;
    d->call = NULL;
}

void delivery_done(struct delivery *d)
{
    delivery_suspend(d);
    bytes_done(&d->registration);
    bytes_done(&d->finish);
    bytes_done(&d->ca_bundle); /* kept over a pause: the program may have changed its root */
}

/* curl's rule: HTTP_PROXY in capitals is a header of CGI, not a setting. */
static int open_network(struct delivery *d)
{
    if (d->http)
        return 0;
    struct http_options options = {.http_proxy = proxy("http_proxy", NULL),
                                   .https_proxy = proxy("https_proxy", "HTTPS_PROXY"),
                                   .no_proxy = proxy("no_proxy", "NO_PROXY")};
    if (strncmp(d->config->api_url, "https:", 6) == 0 &&
        (d->ca_bundle.len > 0 || http_find_ca_bundle(lookup, &d->ca_bundle) == 0)) {
        options.ca_bundle = d->ca_bundle.data;
        options.ca_bundle_len = d->ca_bundle.len;
    }
    return http_open(&options, &d->http);
}

void delivery_set_phase(struct delivery *d, enum delivery_phase phase)
{
    d->phase = phase;
    d->attempts = (struct attempts){0};
    d->next_try = 0;
}

uint32_t delivery_draw(void)
{
    uint32_t random = 0;
    (void)getrandom(&random, sizeof random, GRND_NONBLOCK);
    return random;
}

int64_t delivery_random_part(int64_t whole)
{
    return (int64_t)((double)whole * delivery_draw() / (double)UINT32_MAX);
}

void delivery_begin(struct delivery *d)
{
    int64_t spread = (int64_t)d->config->crowd * 10 * CLOCK_MILLISECOND;
    delivery_set_phase(d, d->run_id[0] ? DELIVERY_READY : DELIVERY_REGISTER);
    if (spread > 0)
        d->next_try = clock_monotonic() + delivery_random_part(spread < SPREAD_MAX ? spread : SPREAD_MAX);
}

int delivery_finish(struct delivery *d, const cJSON *state, size_t max)
{
    struct bytes rows;
    int64_t      finished_at = 0;
    const char  *when = state_text(state, "finished_at");
    const char  *now = state_text(state, "state");
    double       exit_code = state_number(state, "exit_code", -1);
    if (!(exit_code >= 0 && exit_code <= INT32_MAX))
        exit_code = -1;
    bytes_init(&rows, max);
    int error = rundir_load_rows(d->run, &rows);
    if (error == 0 && rows.len == 0)
        error = -ENODATA;
    if (when)
        (void)clock_parse_utc(when, &finished_at);
    struct sentinel_finish finish = {.exit_code = exit_code >= 0 ? (int)exit_code & 255 : 0,
                                     .exit_code_unknown = exit_code < 0,
                                     .run_status = exit_code == 0 ? SENTINEL_FINISHED : SENTINEL_FAILED,
                                     .data_source = SENTINEL_DATA_INLINE,
                                     .data_csv = rows.data,
                                     .data_csv_len = rows.len,
                                     .finished_at = finished_at};
    bytes_done(&d->finish);
    if (error == 0)
        error = request_finish_body(&finish, &d->finish);
    bytes_done(&rows);
    if (error < 0)
        return error;
    if (d->phase == DELIVERY_READY)
        delivery_set_phase(d, DELIVERY_FINISH);
    d->attempts.unanswered = (now && strcmp(now, "finishing") == 0) ||
                             cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "unanswered"));
    return 0;
}

static int build(struct delivery *d, struct http_request *ret)
{
    struct api api = {.base_url = d->config->api_url, .token = d->config->token};
    if (d->phase == DELIVERY_REGISTER)
        return request_register(&api, d->registration.data, d->registration.len, ret);
    return request_finish(&api, d->run_id, d->finish.data, d->finish.len, d->gzip, ret);
}

static int start_request(struct delivery *d, int64_t now)
{
    struct http_request request = {0};
    int                 error = open_network(d);
    if (error == 0)
        error = build(d, &request);
    if (error < 0)
        return error;
    if (d->deadline != INT64_MAX) {
        int64_t left = (d->deadline - now) / CLOCK_MILLISECOND;
        request.timeout_ms = left < 1 ? 1 : left < 30000 ? (int)left : 30000;
        if (request.timeout_ms < 10000)
            request.connect_timeout_ms = request.timeout_ms;
    }
    if (d->phase == DELIVERY_FINISH && d->attempts.count == 0)
        record_state(d->run, "finishing", NULL);
    error = http_start(d->http, &request, &d->call);
    if (error < 0)
        http_request_done(&request);
    else
        d->attempts.count++;
    return error;
}

bool delivery_api_is_down(const struct home *home)
{
    int64_t age = home_mark_age(home, DELIVERY_API_DOWN);
    return age >= 0 && age < API_DOWN_SECONDS;
}

void delivery_step(struct delivery *d, int64_t now)
{
    bool               wants = d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH;
    struct http_answer answer = {0};
    if (d->call && http_finished(d->http, d->call, &answer)) {
        d->call = NULL;
        delivery_on_answer(d, &answer, now);
        http_answer_done(&answer);
        wants = d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH;
    }
    if (!wants || d->call || now < d->next_try)
        return;
    int error = start_request(d, now);
    if (error < 0)
        delivery_on_no_request(d, error, now);
}

int64_t delivery_due(const struct delivery *d)
{
    bool wants = d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH;
    return wants && !d->call ? d->next_try : INT64_MAX;
}

void delivery_poll(struct delivery *d, struct pollfd *extra, size_t count, int64_t timeout_ns)
{
    /* Up, never down: a tick is not to be early, nor the loop to spin through the last millisecond. */
    int64_t ms = timeout_ns <= 0 ? 0 : (timeout_ns + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
    int     timeout = ms < 3600000 ? (int)ms : 3600000;
    if (!d->http || http_poll(d->http, extra, count, timeout) < 0)
        (void)poll(extra, count, timeout);
}
