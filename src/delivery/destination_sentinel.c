/* Sentinel: a run is registered, its rows go to the place that the API names, with keys that the API renews, and it is
 * finished, with its rows if that is better. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/delivery.h"
#include "delivery/rising_timestamps.h"
#include "sentinel/answers.h"
#include "sentinel/requests.h"
#include "sentinel/secrets.h"
#include "store/journal_write.h"

/* ---- the beginning ---- */

static struct api api_of(const struct delivery *d)
{
    return (struct api){.base_url = d->config->api_url, .token = d->config->token};
}

static int register_request(struct delivery *d, struct http_request *ret)
{
    const struct api api = api_of(d);
    return request_register(&api, d->registration.data, d->registration.len, ret);
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

static enum verdict register_judge(struct delivery *d, const struct http_answer *answer)
{
    enum verdict verdict = retry_judge_register(answer, &d->attempts);
    if (verdict != VERDICT_REPAIR)
        return verdict;
    d->attempts.repaired = d->repairs++ > 0; /* tags have two forms to be tried */
    if (!repair_registration(d, answer))
        return VERDICT_REFUSED;
    log_line(d->log, LOG_WARN, "%s; sent once more without what it names", d->reason);
    return VERDICT_REPAIR;
}

static bool holds_secret(const struct secrets *secrets, const char *text)
{
    struct bytes copy;
    bytes_init(&copy, HTTP_ANSWER_MAX);
    bytes_text(&copy, text);
    bool found = copy.failed || secrets_hide(secrets, &copy);
    bytes_done(&copy);
    return found;
}

/* The run's name and place stand in run.jsonl. Without a place the run is finished inline. */
static int check_names(const struct delivery *d, struct sentinel_registration *registration)
{
    struct secrets secrets = {0};
    secrets_add(&secrets, d->config->token);
    secrets_add_credentials(&secrets, &registration->credentials);
    if (registration->upload_uri_prefix && holds_secret(&secrets, registration->upload_uri_prefix)) {
        free(registration->upload_uri_prefix);
        registration->upload_uri_prefix = NULL;
    }
    return holds_secret(&secrets, registration->run_id) ? -EBADMSG : 0;
}

static int registered(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    struct sentinel_registration registration = {0};
    int error = answer_registration(answer->body.data ? answer->body.data : "", answer->body.len, &registration);
    if (error == 0)
        error = check_names(d, &registration);
    if (error == 0 && strlen(registration.run_id) >= sizeof d->run_id)
        error = -EBADMSG;
    if (error == 0) {
        memcpy(d->run_id, registration.run_id, strlen(registration.run_id) + 1);
        journal_registered(d->run, d->run_id, registration.upload_uri_prefix);
        upload_registered(&d->upload, &registration, now);
    }
    sentinel_registration_done(&registration);
    return error;
}

/* ---- the keys ---- */

#define OLD_ONES_MAY_DO (300 * CLOCK_SECOND) /* after a refresh that was refused */

enum { EARLY_REFRESH_MS = 10 * 1000 };

static bool keys_lack(const struct upload *u)
{
    return !u->credentials.access_key || u->rejected;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A refresh is due five minutes before the keys expire, and not within a minute of the last one. At the end it is worth
 * its time only when they have expired. */
static int64_t keys_due(struct upload *u, int64_t now, bool wanted)
{
    if (keys_lack(u))
        return wanted ? later(u->next_refresh, u->next_try) : INT64_MAX;
    int64_t before = u->ending ? 0 : UPLOAD_REFRESH_BEFORE;
    if (upload_seconds_left(u) > UPLOAD_LATEST_TIME)
        return INT64_MAX;
    int64_t left = upload_seconds_left(u) * CLOCK_SECOND - before;
    if (u->ending && left > 0)
        return INT64_MAX;
    return later(now + left, u->next_refresh);
}

/* Batches wait no longer than this for new keys while the old ones still serve. */
static int keys_request(struct upload *u, const struct api *api, const char *run_id, struct http_request *ret)
{
    int error = request_refresh(api, run_id, ret);
    if (error == 0 && upload_has_good_credentials(u))
        ret->timeout_ms = EARLY_REFRESH_MS;
    return error;
}

static bool is_no(const struct http_answer *answer)
{
    return !answer->error && answer->status >= 300 && answer->status <= 499 && answer->status != 408 &&
           answer->status != 429;
}

static void take(struct upload *u, const struct sentinel_credentials *fresh, int64_t now)
{
    sentinel_credentials_done(&u->credentials);
    u->credentials = *fresh;
    u->rejected = false;
    u->refresh_tries = 0;
    u->reason[0] = '\0';
    u->next_refresh = now + UPLOAD_REFRESH_PAUSE;
}

static void keys_answer(struct upload *u, const struct http_answer *answer, int64_t now)
{
    char                        described[200];
    struct sentinel_credentials fresh = {0};
    bool                        without = keys_lack(u);
    bool                        yes = !answer->error && answer->status >= 200 && answer->status <= 299;
    answer_describe(answer, described, sizeof described);
    (void)snprintf(u->reason, sizeof u->reason, "refresh of the credentials: %s", described);
    if (yes && answer_credentials(answer->body.data ? answer->body.data : "", answer->body.len, &fresh) == 0) {
        take(u, &fresh, now);
        return;
    }
    if (is_no(answer) && without) {
        upload_stop(u);
        return;
    }
    int64_t pause = is_no(answer) ? OLD_ONES_MAY_DO : retry_pause(answer, ++u->refresh_tries);
    if (!without && pause < UPLOAD_REFRESH_PAUSE)
        pause = UPLOAD_REFRESH_PAUSE;
    u->next_refresh = now + pause;
    log_line(u->log, LOG_WARN, "%s%s; the next in %d s", u->reason, yes ? ", which makes no sense" : "",
             (int)(pause / CLOCK_SECOND));
}

static void keys_failed(struct upload *u, int error, int64_t now)
{
    const struct http_answer none = {.error = error, .retry_after_s = -1};
    u->next_refresh = now + retry_pause(&none, ++u->refresh_tries);
}

static bool keys_rejected(struct upload *u, int64_t now)
{
    u->rejected = true;
    u->next_refresh = now;
    return true;
}

/* ---- the end ---- */

enum { URI_SIZE = UPLOAD_PREFIX_SIZE + 32 };

static int compose_inline(struct delivery *d)
{
    struct bytes rows;
    bytes_init(&rows, d->unanswered ? DELIVERY_SYNC_MAX : delivery_inline_max(d));
    int error = run_dir_load_rows(d->run, &rows);
    if (error == 0 && rows.len == 0)
        error = -ENODATA;
    if (error == 0)
        error = rising_mend(&rows);
    d->finish_facts.data_source = SENTINEL_DATA_INLINE;
    d->finish_facts.data_csv = rows.data;
    d->finish_facts.data_csv_len = rows.len;
    if (error == 0)
        error = request_finish_body(&d->finish_facts, &d->finish);
    d->finish_facts.data_csv = NULL;
    bytes_done(&rows);
    return error;
}

static int compose_s3(struct delivery *d)
{
    size_t count = (size_t)d->upload.uploaded;
    char **uris = calloc(count + 1, sizeof *uris);
    char   uri[URI_SIZE];
    int    error = uris ? 0 : -ENOMEM;
    for (size_t i = 0; error == 0 && i < count; i++) {
        error = upload_uri(&d->upload, i + 1, uri, sizeof uri);
        uris[i] = error == 0 ? strdup(uri) : NULL;
        if (error == 0 && !uris[i])
            error = -ENOMEM;
    }
    d->finish_facts.data_source = SENTINEL_DATA_S3;
    d->finish_facts.data_uris = (const char *const *)uris;
    d->finish_facts.data_uri_count = count;
    if (error == 0)
        error = request_finish_body(&d->finish_facts, &d->finish);
    d->finish_facts.data_uris = NULL;
    for (size_t i = 0; uris && i < count; i++)
        free(uris[i]);
    free(uris);
    return error;
}

static int finish_compose(struct delivery *d)
{
    return d->form == DELIVERY_S3 ? compose_s3(d) : compose_inline(d);
}

static int finish_request(struct delivery *d, struct http_request *ret)
{
    const struct api api = api_of(d);
    return request_finish(&api, d->run_id, d->finish.data, d->finish.len, d->gzip, ret);
}

/* 502 and 504: a server before the API had no answer of it. */
static enum verdict finish_judge(struct delivery *d, const struct http_answer *answer)
{
    enum verdict verdict = retry_judge_finish(answer, &d->attempts);
    if ((answer->error && answer->sent) || answer->status == 502 || answer->status == 504)
        d->attempts.unanswered = true;
    if (verdict == VERDICT_REPAIR)
        d->attempts.repaired = d->gzip = true;
    return verdict == VERDICT_ARRIVED && !retry_is_of_the_api(answer) ? VERDICT_RETRY : verdict;
}

const struct destination destination_sentinel = {
    .takes_rows = true,
    .takes_both_once = true,
    .register_request = register_request,
    .register_judge = register_judge,
    .registered = registered,
    .keys_lack = keys_lack,
    .keys_due = keys_due,
    .keys_request = keys_request,
    .keys_answer = keys_answer,
    .keys_failed = keys_failed,
    .keys_rejected = keys_rejected,
    .finish_compose = finish_compose,
    .finish_request = finish_request,
    .finish_judge = finish_judge,
};
