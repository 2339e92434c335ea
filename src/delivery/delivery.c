// SPDX-License-Identifier: Apache-2.0
#include "delivery/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "delivery/delivery_parts.h"
#include "sentinel/requests.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define API_DOWN_SECONDS 600
#define SPREAD_MAX       (30 * CLOCK_SECOND)

enum { CONNECT_MS = 10 * 1000, REQUEST_MS = 30 * 1000 };

void delivery_init(struct delivery *d, const struct config *config, const struct home *home, struct rundir *run,
                   struct log *log, struct network *network)
{
    *d = (struct delivery){.config = config,
                           .home = home,
                           .run = run,
                           .log = log,
                           .network = network,
                           .deadline = INT64_MAX,
                           .flush_deadline = INT64_MAX};
    bytes_init(&d->registration, DELIVERY_INLINE_MAX);
    bytes_init(&d->finish, (size_t)2 * DELIVERY_SYNC_MAX);
    upload_init(&d->upload, config, run, log);
}

void delivery_cancel(struct delivery *d)
{
    if (d->call && d->network->http)
        http_cancel(d->network->http, d->call);
    d->call = NULL;
}

void delivery_suspend(struct delivery *d)
{
    d->attempts.unanswered |= d->call && d->phase == DELIVERY_FINISH;
    delivery_cancel(d);
}

void delivery_done(struct delivery *d)
{
    delivery_suspend(d);
    bytes_done(&d->registration);
    bytes_done(&d->finish);
    upload_done(&d->upload);
}

static void restore_registration(struct delivery *d, const cJSON *registration)
{
    struct bytes renewed;
    char        *text = registration ? cJSON_PrintUnformatted(registration) : NULL;
    if (!text || d->registration.len > 0) {
        free(text);
        return;
    }
    bytes_text(&d->registration, request_register_renew(text, &renewed) == 0 ? renewed.data : text);
    bytes_done(&renewed);
    free(text);
}

void delivery_restore(struct delivery *d, const cJSON *state)
{
    const char *run_id = state_text(state, "sentinel_run_id");
    restore_registration(d, cJSON_GetObjectItemCaseSensitive(state, "registration"));
    if (run_id && strlen(run_id) < sizeof d->run_id)
        memcpy(d->run_id, run_id, strlen(run_id) + 1);
    d->answered |= d->run_id[0] != '\0';
    upload_restore(&d->upload, state);
}

void delivery_set_phase(struct delivery *d, enum delivery_phase phase)
{
    d->phase = phase;
    d->attempts = (struct attempts){0};
    d->next_try = 0;
}

void delivery_refuse(struct delivery *d)
{
    d->last_failure = clock_monotonic();
    d->phase = DELIVERY_REFUSED;
    log_line(d->log, LOG_ERROR, "%s; the run stays on disk for pillion sync", d->reason);
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
    delivery_set_phase(d, d->run_id[0] ? DELIVERY_STREAM : DELIVERY_REGISTER);
    if (spread > 0)
        d->next_try = clock_monotonic() + delivery_random_part(spread < SPREAD_MAX ? spread : SPREAD_MAX);
}

static int build(struct delivery *d, enum upload_step step, struct http_request *ret)
{
    const struct api api = {.base_url = d->config->api_url, .token = d->config->token};
    if (step != UPLOAD_NOTHING)
        return upload_request(&d->upload, step, &api, d->run_id, ret);
    if (d->phase == DELIVERY_REGISTER)
        return request_register(&api, d->registration.data, d->registration.len, ret);
    return request_finish(&api, d->run_id, d->finish.data, d->finish.len, d->gzip, ret);
}

static void limit_time(const struct delivery *d, int64_t now, struct http_request *request)
{
    int64_t deadline = d->deadline;
    if (d->phase == DELIVERY_FLUSH && d->flush_deadline < deadline)
        deadline = d->flush_deadline;
    if (deadline == INT64_MAX)
        return;
    int64_t left = (deadline - now) / CLOCK_MILLISECOND;
    int     longest = request->timeout_ms > 0 ? request->timeout_ms : REQUEST_MS;
    request->timeout_ms = left < 1 ? 1 : left < longest ? (int)left : longest;
    if (request->timeout_ms < CONNECT_MS)
        request->connect_timeout_ms = request->timeout_ms;
}

/* A finish that is not written down could be sent a second time, in another form. Rows that only memory holds are
 * worth that risk: they would be gone. */
static bool announce_finish(struct delivery *d)
{
    int error = d->announced ? 0 : upload_record_finishing(&d->upload, d->form == DELIVERY_S3);
    d->announced = error == 0 || d->run->memory_rows.len > 0;
    if (d->announced)
        return true;
    (void)snprintf(d->reason, sizeof d->reason, "run.jsonl takes no line: %s", strerror(-error));
    delivery_refuse(d);
    return false;
}

static int start_request(struct delivery *d, enum upload_step step, int64_t now)
{
    struct http_request request = {0};
    int                 error = build(d, step, &request);
    if (error < 0)
        return error;
    limit_time(d, now, &request);
    error = network_open(d->network, request.url);
    if (error == 0)
        error = http_start(d->network->http, &request, &d->call);
    if (error < 0)
        http_request_done(&request);
    else if (step == UPLOAD_NOTHING)
        d->attempts.count++;
    return error;
}

bool delivery_api_is_down(const struct home *home)
{
    int64_t age = home_mark_age(home, DELIVERY_API_DOWN);
    return age >= 0 && age < API_DOWN_SECONDS;
}

bool delivery_is_over(const struct delivery *d)
{
    return d->phase == DELIVERY_DONE || d->phase == DELIVERY_REFUSED || d->phase == DELIVERY_OFF;
}

/* When the next request is to be made, which it is. */
static int64_t next_request(struct delivery *d, int64_t now, enum upload_step *ret_step)
{
    int64_t due = INT64_MAX;
    *ret_step = UPLOAD_NOTHING;
    if (d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH)
        return d->next_try;
    if (d->phase == DELIVERY_STREAM || d->phase == DELIVERY_FLUSH)
        *ret_step = upload_next(&d->upload, now, &due);
    return *ret_step != UPLOAD_NOTHING ? now : due;
}

void delivery_step(struct delivery *d, int64_t now)
{
    struct http_answer answer = {0};
    enum upload_step   step = UPLOAD_NOTHING;
    if (d->call && http_finished(d->network->http, d->call, &answer)) {
        d->call = NULL;
        delivery_on_answer(d, &answer, now);
        http_answer_done(&answer);
    }
    if (d->phase == DELIVERY_FLUSH)
        delivery_end_flush(d, now);
    if (now >= d->deadline) /* nothing is begun that cannot be waited for */
        return;
    if (d->call || now < next_request(d, now, &step) || delivery_is_over(d))
        return;
    if (d->phase == DELIVERY_FINISH && !announce_finish(d))
        return;
    d->step = step;
    int error = start_request(d, step, now);
    if (error < 0)
        delivery_on_no_request(d, error, now);
}

int64_t delivery_due(struct delivery *d)
{
    enum upload_step step = UPLOAD_NOTHING;
    if (d->phase == DELIVERY_FLUSH && !d->call && !upload_is_possible(&d->upload))
        return 0; /* what else is to be done is decided by the next step */
    int64_t due = d->call ? INT64_MAX : next_request(d, clock_monotonic(), &step);
    return d->phase == DELIVERY_FLUSH ? clock_earlier(due, d->flush_deadline) : due;
}
