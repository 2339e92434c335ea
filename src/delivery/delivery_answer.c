// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/json_read.h"
#include "delivery/delivery_parts.h"
#include "sentinel/requests.h"
#include "store/journal_write.h"

static void explain(struct delivery *d, const struct http_answer *answer, const char *what)
{
    char described[200];
    answer_describe(answer, described, sizeof described);
    struct bytes reason = {.data = d->reason, .capacity = sizeof d->reason, .max = sizeof d->reason - 1};
    bytes_text(&reason, what);
    bytes_text(&reason, ": ");
    bytes_text(&reason, described);
}

static void try_again(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    d->last_failure = now;
    d->next_try = now + answer_retry_delay_ms(answer, d->attempts.count, delivery_draw()) * CLOCK_MILLISECOND;
    int64_t pause = (d->next_try - now) / (CLOCK_SECOND / 10);
    log_line(d->log, LOG_WARN, "%s; attempt %u, the next in %d.%d s", d->reason, d->attempts.count, (int)(pause / 10),
             (int)(pause % 10));
}

/* What is wrong is what we say, not who or where we are: it will be the same the next time. */
static bool is_about_content(long status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

/* A page that is no JSON comes from what stands in front of it, which knows nothing of the run. */
static bool is_of_the_api(const struct http_answer *answer)
{
    return answer->body.len == 0 || json_check(text_span(answer->body.data, answer->body.len), JSON_VALUES_MAX) == 0;
}

static void refuse(struct delivery *d, const struct http_answer *answer)
{
    bool run_is_closed = answer->status == 404 || answer->status == 409 || answer->status == 410;
    d->hopeless = is_about_content(answer->status) ||
                  (d->phase == DELIVERY_FINISH && run_is_closed && is_of_the_api(answer));
    delivery_refuse(d);
}

static bool repair_registration(struct delivery *d, const struct http_answer *answer)
{
    struct bytes repaired;
    bytes_init(&repaired, d->registration.max);
    int error = request_register_repair(d->registration.data, answer->body.data ? answer->body.data : "", &repaired);
    if (error < 0 || repaired.failed) {
        bytes_done(&repaired);
        return false;
    }
    bytes_done(&d->registration);
    d->registration = repaired;
    return true;
}

static void on_registered(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    struct sentinel_registration registration = {0};
    int error = answer_registration(answer->body.data ? answer->body.data : "", answer->body.len, &registration);
    if (error == 0 && strlen(registration.run_id) < sizeof d->run_id) {
        memcpy(d->run_id, registration.run_id, strlen(registration.run_id) + 1);
        record_registered(d->run, d->run_id, registration.upload_uri_prefix);
        d->reason[0] = '\0';
        log_line(d->log, LOG_INFO, "registered as %s", d->run_id);
        upload_registered(&d->upload, &registration, now);
        delivery_set_phase(d, DELIVERY_STREAM);
        if (d->ending)
            delivery_choose_form(d);
    } else {
        explain(d, answer, "register: the answer makes no sense");
        try_again(d, answer, now);
    }
    sentinel_registration_done(&registration);
}

static void on_register_answer(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    explain(d, answer, "register");
    switch (answer_judge_register(answer, &d->attempts)) {
    case VERDICT_OK:
        on_registered(d, answer, now);
        break;
    case VERDICT_REPAIR:
        d->attempts.repaired = d->repairs++ > 0; /* tags have two forms to be tried */
        if (repair_registration(d, answer)) {
            log_line(d->log, LOG_WARN, "%s; sent once more without what it names", d->reason);
            d->next_try = now;
        } else {
            refuse(d, answer);
        }
        break;
    case VERDICT_RETRY:
        try_again(d, answer, now);
        break;
    case VERDICT_ARRIVED:
    case VERDICT_REFUSED:
        refuse(d, answer);
        break;
    }
}

static void on_delivered(struct delivery *d, const struct http_answer *answer, bool has_result)
{
    struct bytes result;
    bytes_init(&result, HTTP_ANSWER_MAX);
    if (has_result && answer_result(answer->body.data ? answer->body.data : "", answer->body.len, &result) < 0)
        bytes_clear(&result);
    bool good = result.len > 0 && !result.failed && !strstr(result.data, "secret_key") &&
                !strstr(result.data, "session_token"); /* statistics only: credentials never touch the disk */
    record_state(d->run, "finished", good ? result.data : NULL);
    bytes_done(&result);
    d->phase = DELIVERY_DONE;
    log_line(d->log, LOG_INFO, "finished at the API as %s", d->run_id);
}

static void on_finish_answer(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    explain(d, answer, "finish");
    enum verdict verdict = answer_judge_finish(answer, &d->attempts);
    /* 502 and 504: whoever stands before the API has no answer of it. */
    if ((answer->error && answer->sent) || answer->status == 502 || answer->status == 504)
        d->attempts.unanswered = true;
    switch (verdict) {
    case VERDICT_OK:
        on_delivered(d, answer, true);
        break;
    case VERDICT_ARRIVED:
        if (is_of_the_api(answer))
            on_delivered(d, answer, false);
        else
            try_again(d, answer, now);
        break;
    case VERDICT_REPAIR:
        d->attempts.repaired = d->gzip = true;
        d->next_try = now;
        break;
    case VERDICT_RETRY:
        try_again(d, answer, now);
        break;
    case VERDICT_REFUSED:
        if (!is_about_content(answer->status) || !delivery_try_other_form(d))
            refuse(d, answer);
        break;
    }
}

static void mark_api(const struct delivery *d, bool down)
{
    if (d->home->dir < 0)
        return;
    if (down)
        home_mark(d->home, DELIVERY_API_DOWN);
    else
        home_unmark(d->home, DELIVERY_API_DOWN);
}

/* The API's own answers tell whether it is there; S3's do not. */
static void note_health(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    d->overloaded = !answer->error && (answer->status == 429 || answer->status == 503);
    if (!answer->error) {
        d->last_failure = 0;
        mark_api(d, false);
        return;
    }
    d->last_failure = now;
    if (!answer->sent)
        mark_api(d, true);
}

void delivery_on_answer(struct delivery *d, struct http_answer *answer, int64_t now)
{
    enum upload_step step = d->step;
    answer_hide(&answer->body, d->config->token);
    if (step == UPLOAD_PUT) {
        answer_hide(&answer->body, d->upload.credentials.secret_key);
        answer_hide(&answer->body, d->upload.credentials.session_token);
    }
    d->answered |= !answer->error;
    if (step == UPLOAD_NOTHING || step == UPLOAD_REFRESH)
        note_health(d, answer, now);
    if (step != UPLOAD_NOTHING)
        upload_answer(&d->upload, step, answer, now);
    else if (d->phase == DELIVERY_REGISTER)
        on_register_answer(d, answer, now);
    else if (d->phase == DELIVERY_FINISH)
        on_finish_answer(d, answer, now);
}

void delivery_on_no_request(struct delivery *d, int error, int64_t now)
{
    struct http_answer none = {.error = error, .retry_after_s = -1, .message = "no request could be made"};
    if (d->step != UPLOAD_NOTHING) {
        upload_failed(&d->upload, d->step, error, now);
        return;
    }
    d->attempts.count++;
    explain(d, &none, d->phase == DELIVERY_REGISTER ? "register" : "finish");
    try_again(d, &none, now);
}
