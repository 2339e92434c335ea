/* The delivery of one run, phase by phase: register, stream batches, flush the last rows, finish. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sentinel/answers.h"
#include "sentinel/requests.h"
#include "sentinel/secrets.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define SPREAD_MAX (30 * CLOCK_SECOND)

enum { CONNECT_MS = 10 * 1000, HELD_CONNECT_MS = 1000, REQUEST_MS = 30 * 1000 };

void delivery_init(struct delivery *d, const struct config *config, struct run_dir *run, struct log *log,
                   struct network *network)
{
    *d = (struct delivery){.config = config,
                           .run = run,
                           .log = log,
                           .network = network,
                           .deadline = INT64_MAX,
                           .last_begin = INT64_MAX,
                           .flush_deadline = INT64_MAX,
                           .retry_after_s = -1};
    bytes_init(&d->registration, DELIVERY_INLINE_MAX);
    bytes_init(&d->finish, (size_t)2 * DELIVERY_SYNC_MAX);
    d->place = &destination_sentinel;
    upload_init(&d->upload, d->place, config, run, log);
}

static void use_bucket(struct delivery *d, struct bucket *bucket)
{
    d->place = &destination_bucket;
    if (d->keys)
        bucket_share_keys(bucket, d->keys);
    upload_use_bucket(&d->upload, d->place, bucket);
}

bool delivery_name(struct delivery *d, const struct delivery_run *named, struct journal_bucket *ret,
                   char prefix[static BUCKET_PREFIX_SIZE])
{
    struct bucket *bucket = d->config->s3_uri[0] && !d->upload.bucket ? bucket_of_config(d->config) : NULL;
    if (bucket) {
        const char *machine = bucket->share & SHARE_HOSTNAME ? named->host_name : NULL;
        object_key_make(named->started_s, machine, named->boot_id, named->pid, &bucket->name);
        bucket->may_correct = true;
        use_bucket(d, bucket);
    }
    if (!d->upload.bucket)
        return false;
    *ret = bucket_for_journal(d->upload.bucket, prefix);
    return true;
}

static void cancel(struct delivery *d)
{
    if (d->call && d->network->http)
        http_cancel(d->network->http, d->call);
    d->call = NULL;
}

void delivery_suspend(struct delivery *d)
{
    d->attempts.unanswered |= d->call && d->phase == DELIVERY_FINISH;
    cancel(d);
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
    const char    *run_id = journal_text(state, "sentinel_run_id");
    struct bucket *bucket = bucket_of_state(d->config, state);
    restore_registration(d, cJSON_GetObjectItemCaseSensitive(state, "registration"));
    if (bucket) {
        use_bucket(d, bucket);
        run_id = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "started")) ? bucket->name.key : NULL;
    }
    if (run_id && strlen(run_id) < sizeof d->run_id)
        memcpy(d->run_id, run_id, strlen(run_id) + 1);
    d->answered |= d->run_id[0] != '\0';
    upload_restore(&d->upload, state);
}

static void set_phase(struct delivery *d, enum delivery_phase phase)
{
    d->phase = phase;
    d->attempts = (struct attempts){0};
    d->next_try = 0;
}

static void give_up(struct delivery *d)
{
    d->last_failure = clock_monotonic();
    d->phase = DELIVERY_REFUSED;
    log_line(d->log, LOG_ERROR, "%s; the run stays on disk for pillion sync", d->reason);
}

/* A random time, over which the registrations of a crowd are spread. */
static int64_t place_in_crowd(const struct delivery *d)
{
    int64_t window = clock_earlier((int64_t)d->config->crowd * 10 * CLOCK_MILLISECOND, SPREAD_MAX);
    return window > 0 ? retry_spread(window) : 0;
}

void delivery_begin(struct delivery *d)
{
    if (!d->config->token[0] && !d->upload.bucket) /* no memory for it, or nothing is set */
        return;
    set_phase(d, d->run_id[0] ? DELIVERY_STREAM : DELIVERY_REGISTER);
    if (d->config->crowd > 0) {
        int64_t place = place_in_crowd(d);
        d->next_try = clock_monotonic() + place;
        upload_later(&d->upload, place); /* or all send their batches in the same second of each minute */
    }
}

bool delivery_is_over(const struct delivery *d)
{
    return d->phase == DELIVERY_DONE || d->phase == DELIVERY_REFUSED || d->phase == DELIVERY_OFF;
}

bool delivery_registers(const struct delivery *d)
{
    return d->place->takes_both_once && d->phase == DELIVERY_REGISTER && d->call && http_has_connected(d->call);
}

static bool fits_inline(const struct delivery *d)
{
    return d->place->takes_rows && d->run->forgotten == 0 && run_dir_rows_size(d->run, true) <= delivery_inline_max(d);
}

/* Fixes the body of the finish: from here on each try sends the same. */
static void begin_finish(struct delivery *d, enum delivery_form form)
{
    cancel(d);
    bytes_done(&d->finish);
    d->form = form;
    int error = d->place->finish_compose(d);
    if (error < 0) {
        (void)snprintf(d->reason, sizeof d->reason, "the finish cannot be composed: %s", strerror(-error));
        give_up(d);
        return;
    }
    set_phase(d, DELIVERY_FINISH);
    d->next_try = d->finish_after;
    d->announced = d->gzip = false; /* the body that was too large had another form */
    d->attempts.unanswered = d->unanswered;
}

static void give_up_rows(struct delivery *d)
{
    const char *why = d->upload.reason[0]   ? d->upload.reason
                      : d->upload.prefix[0] ? "no time is left"
                                            : "the API named no place in S3";
    (void)snprintf(d->reason, sizeof d->reason, "%sthey cannot be uploaded: %.160s",
                   d->place->takes_rows ? "too many rows to go inline, and " : "rows are left, and ", why);
    d->hopeless = !d->upload.prefix[0];
    d->failed |= d->upload.bucket != NULL;
    give_up(d);
}

/* Of beginning or end. */
static void give_up_keys(struct delivery *d)
{
    (void)snprintf(d->reason, sizeof d->reason, "%s", d->upload.reason);
    d->failed = true;
    give_up(d);
}

static void give_up_long_finish(struct delivery *d)
{
    (void)snprintf(d->reason, sizeof d->reason, "its finish, once sent without an answer, is too long to repeat here");
    d->hopeless = true;
    give_up(d);
}

/* A first attempt that may have arrived keeps its form. */
static bool goes_inline(const struct delivery *d)
{
    const struct upload *u = &d->upload;
    if (d->form != DELIVERY_ANY_FORM)
        return d->form == DELIVERY_INLINE;
    return fits_inline(d) && (u->uploaded == 0 || u->silent || !upload_is_possible(u));
}

static void choose_form(struct delivery *d)
{
    if (d->form == DELIVERY_INLINE && run_dir_rows_size(d->run, true) > d->inline_max)
        give_up_long_finish(d);
    else if (goes_inline(d))
        begin_finish(d, DELIVERY_INLINE);
    else if (upload_is_complete(&d->upload))
        begin_finish(d, DELIVERY_S3);
    else if (upload_is_possible(&d->upload))
        set_phase(d, DELIVERY_FLUSH);
    else
        give_up_rows(d);
}

/* Another form after a definite no to the first; false: there is none. */
static bool try_other_form(struct delivery *d)
{
    if (d->other_form || d->attempts.unanswered)
        return false;
    if (d->form == DELIVERY_S3 ? !fits_inline(d) : !upload_is_possible(&d->upload))
        return false;
    d->other_form = true;
    journal_undelivered(d->run, d->reason, false);
    if (d->form == DELIVERY_S3)
        begin_finish(d, DELIVERY_INLINE);
    else
        set_phase(d, DELIVERY_FLUSH);
    return true;
}

/* A next try that is due behind the deadline counts as none, and any back-off while a program waits. */
static bool is_out_of_time(struct delivery *d, int64_t now)
{
    int64_t due = INT64_MAX;
    if (d->call)
        return now >= d->flush_deadline;
    if (upload_next(&d->upload, now, &due) != UPLOAD_NOTHING)
        return now >= d->flush_deadline;
    return d->holds || due >= d->flush_deadline;
}

static void fall_back(struct delivery *d)
{
    log_line(d->log, LOG_WARN, "the last rows could not be uploaded in time%s%s; all go inline",
             d->upload.reason[0] && !d->call ? ": " : "", d->call ? "" : d->upload.reason);
    begin_finish(d, DELIVERY_INLINE);
}

static void end_flush(struct delivery *d, int64_t now)
{
    if (!d->call && upload_is_complete(&d->upload))
        begin_finish(d, DELIVERY_S3);
    else if (upload_is_possible(&d->upload) && !is_out_of_time(d, now))
        return;
    else if (fits_inline(d) && d->form == DELIVERY_ANY_FORM)
        fall_back(d);
    else
        give_up_rows(d);
}

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
    /* What a crowd was refused comes back as thinly as it came: backoffs alone, short at first, pile up. */
    int64_t more = d->phase == DELIVERY_REGISTER ? place_in_crowd(d) : 0;
    d->last_failure = now;
    d->failed = true;
    d->next_try = retry_after(answer, d->attempts.count, more, d->reason, d->log, now);
}

static void refuse(struct delivery *d, const struct http_answer *answer)
{
    bool run_is_closed = answer->status == 404 || answer->status == 409 || answer->status == 410;
    d->hopeless = !d->upload.bucket && (retry_is_about_content(answer->status) ||
                                        (d->phase == DELIVERY_FINISH && run_is_closed && retry_is_of_the_api(answer)));
    d->failed = !d->hopeless;
    give_up(d);
}

static void on_registered(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    if (d->place->registered(d, answer, now) < 0) {
        explain(d, answer, "register: the answer makes no sense");
        try_again(d, answer, now);
        return;
    }
    d->reason[0] = '\0';
    log_line(d->log, LOG_INFO, "registered as %s", d->run_id);
    set_phase(d, DELIVERY_STREAM);
    if (d->ending)
        choose_form(d);
}

static void on_register_answer(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    explain(d, answer, "register");
    switch (d->place->register_judge(d, answer)) {
    case VERDICT_OK:
        on_registered(d, answer, now);
        break;
    case VERDICT_REPAIR:
        d->next_try = now;
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

/* What must not be written down of an answer's words. */
static struct secrets secrets_of(const struct delivery *d)
{
    struct secrets secrets = {0};
    secrets_add(&secrets, d->config->token);
    secrets_add_credentials(&secrets, upload_credentials(&d->upload));
    if (d->upload.bucket) {
        secrets_add(&secrets, d->upload.bucket->keys->sent);
        secrets_add(&secrets, d->upload.bucket->keys->machine.token);
    }
    return secrets;
}

/* Statistics only: token and credentials never touch the disk, whatever an answer has of them. */
static void keep_result(struct delivery *d, const struct bytes *result)
{
    const struct secrets secrets = secrets_of(d);
    struct bytes         kept = {0};
    if (result->len > 0 && !result->failed)
        answer_keep(text_span(result->data, result->len), &kept);
    bool good = kept.len > 0 && !kept.failed && !secrets_hide(&secrets, &kept);
    journal_state(d->run, "finished", good ? kept.data : NULL);
    bytes_done(&kept);
}

static void on_delivered(struct delivery *d, const struct http_answer *answer, bool has_result)
{
    struct bytes result;
    bytes_init(&result, HTTP_ANSWER_MAX);
    if (has_result && answer_result(answer->body.data ? answer->body.data : "", answer->body.len, &result) < 0)
        bytes_clear(&result);
    keep_result(d, &result);
    bytes_done(&result);
    d->phase = DELIVERY_DONE;
    log_line(d->log, LOG_INFO, "finished as %s", d->run_id);
}

static void on_finish_answer(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    explain(d, answer, "finish");
    switch (d->place->finish_judge(d, answer)) {
    case VERDICT_OK:
        on_delivered(d, answer, d->place->takes_rows);
        break;
    case VERDICT_ARRIVED:
        on_delivered(d, answer, false);
        break;
    case VERDICT_REPAIR:
        d->next_try = now;
        break;
    case VERDICT_RETRY:
        try_again(d, answer, now);
        break;
    case VERDICT_REFUSED:
        if (!retry_is_about_content(answer->status) || !try_other_form(d))
            refuse(d, answer);
        break;
    }
}

/* The API's own answers tell whether it is there, those of S3 do not; of a bucket those to its objects, and none of who
 * gives out keys. */
static void note_health(struct delivery *d, const struct http_answer *answer, int64_t now)
{
    d->failed = answer->error || answer->status == 429 || answer->status >= 500;
    d->retry_after_s = answer->retry_after_s;
    d->last_failure = answer->error ? now : 0;
}

/* A refusal is described in log and journal. A success brings credentials, which may be those that are known. */
static void hide_secrets(const struct delivery *d, struct http_answer *answer)
{
    const struct secrets secrets = secrets_of(d);
    struct bytes         message = {.data = answer->message, .len = strlen(answer->message)};
    if (answer->status < 200 || answer->status > 299)
        (void)secrets_hide(&secrets, &answer->body);
    (void)secrets_hide(&secrets, &message);
}

static void on_answer(struct delivery *d, struct http_answer *answer, int64_t now)
{
    enum upload_step step = d->step;
    hide_secrets(d, answer);
    d->answered |= !answer->error;
    if (step == UPLOAD_NOTHING || step == (d->upload.bucket ? UPLOAD_PUT : UPLOAD_REFRESH))
        note_health(d, answer, now);
    if (step != UPLOAD_NOTHING)
        upload_answer(&d->upload, step, answer, now);
    else if (d->phase == DELIVERY_REGISTER)
        on_register_answer(d, answer, now);
    else if (d->phase == DELIVERY_FINISH)
        on_finish_answer(d, answer, now);
}

static void on_no_request(struct delivery *d, int error, int64_t now)
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

static int build(struct delivery *d, enum upload_step step, struct http_request *ret)
{
    const struct api api = {.base_url = d->config->api_url, .token = d->config->token};
    if (step != UPLOAD_NOTHING)
        return upload_request(&d->upload, step, &api, d->run_id, ret);
    return d->phase == DELIVERY_REGISTER ? d->place->register_request(d, ret) : d->place->finish_request(d, ret);
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
    int connect = request->connect_timeout_ms > 0 ? request->connect_timeout_ms : CONNECT_MS;
    if (d->holds && connect > HELD_CONNECT_MS)
        connect = HELD_CONNECT_MS;
    request->connect_timeout_ms = request->timeout_ms < connect ? request->timeout_ms : connect;
}

/* A finish that is not written down could be sent a second time, in another form. Rows that only memory holds are worth
 * that risk: they would be gone. */
static bool announce_finish(struct delivery *d)
{
    int error = d->announced ? 0 : upload_record_finishing(&d->upload, d->form == DELIVERY_S3);
    d->announced = error == 0 || d->run->memory_rows.len > 0;
    if (d->announced)
        return true;
    (void)snprintf(d->reason, sizeof d->reason, "run.jsonl takes no line: %s", strerror(-error));
    give_up(d);
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

/* Beginning and end in a bucket are objects too: they cannot be put without keys, which are looked for when their time
 * has come. */
static int64_t document_due(struct delivery *d, int64_t now, enum upload_step *ret_step)
{
    if (!d->upload.bucket || now < d->next_try)
        return d->next_try;
    int64_t keys = d->place->keys_due(&d->upload, now, true);
    if (now >= keys)
        *ret_step = UPLOAD_REFRESH;
    return now >= keys || d->upload.stopped || !d->place->keys_lack(&d->upload) ? now : keys;
}

/* Returns when the next request is to be made, and in *ret_step which. */
static int64_t next_request(struct delivery *d, int64_t now, enum upload_step *ret_step)
{
    int64_t due = INT64_MAX;
    *ret_step = UPLOAD_NOTHING;
    if (d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH)
        return document_due(d, now, ret_step);
    if (d->phase == DELIVERY_FLUSH && !d->place->takes_rows && now < d->finish_after)
        return d->finish_after; /* all of a crowd have last rows, in the same second */
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
        on_answer(d, &answer, now);
        http_answer_done(&answer);
    }
    if (d->phase == DELIVERY_FLUSH)
        end_flush(d, now);
    if (now >= d->deadline || now >= d->last_begin) /* nothing is begun that cannot be waited for */
        return;
    if (d->call || now < next_request(d, now, &step) || delivery_is_over(d))
        return;
    if (d->upload.bucket && d->upload.stopped && (d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH)) {
        give_up_keys(d);
        return;
    }
    if (d->phase == DELIVERY_FINISH && step == UPLOAD_NOTHING && !announce_finish(d))
        return;
    d->step = step;
    d->begun = now;
    int error = start_request(d, step, now);
    if (error < 0)
        on_no_request(d, error, now);
}

int64_t delivery_due(struct delivery *d)
{
    enum upload_step step = UPLOAD_NOTHING;
    if (d->phase == DELIVERY_FLUSH && !d->call && !upload_is_possible(&d->upload))
        return 0; /* the next step decides what else is to be done */
    int64_t due = d->call ? INT64_MAX : next_request(d, clock_monotonic(), &step);
    return d->phase == DELIVERY_FLUSH ? clock_earlier(due, d->flush_deadline) : due;
}

static void read_facts(struct delivery *d, const cJSON *state)
{
    const char *when = journal_text(state, "finished_at");
    double      exit_code = journal_number(state, "exit_code", -1);
    int64_t     finished_at = 0;
    if (!(exit_code >= 0 && exit_code <= INT32_MAX))
        exit_code = -1;
    if (when)
        (void)clock_parse_utc(when, &finished_at);
    d->finish_facts = (struct sentinel_finish){.exit_code = exit_code >= 0 ? (int)exit_code & 255 : 0,
                                               .exit_code_unknown = exit_code < 0,
                                               .run_status = exit_code == 0 ? SENTINEL_FINISHED : SENTINEL_FAILED,
                                               .finished_at = finished_at};
    d->unanswered = journal_is(state, "state", "finishing") ||
                    cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "unanswered"));
    d->form = !d->unanswered                                                    ? DELIVERY_ANY_FORM
              : !d->place->takes_rows || journal_is(state, "data_source", "s3") ? DELIVERY_S3
                                                                                : DELIVERY_INLINE;
}

void delivery_try_bucket_again(struct delivery *d)
{
    if (!d->upload.bucket)
        return;
    own_credentials_try_again(d->upload.bucket->keys);
    if (d->phase == DELIVERY_REFUSED)
        set_phase(d, d->run_id[0] ? DELIVERY_STREAM : DELIVERY_REGISTER);
}

int delivery_end(struct delivery *d, const cJSON *state, size_t inline_max)
{
    uint64_t size = run_dir_rows_size(d->run, true);
    bool     goes_inline = d->place->takes_rows && size <= inline_max;
    read_facts(d, state);
    if (d->run->rows < 0 && d->run->on_disk)
        return -EACCES;
    if (size == 0)
        return -ENODATA;
    d->ending = true;
    d->inline_max = inline_max;
    upload_end(&d->upload, clock_monotonic(), !goes_inline && d->run->memory_rows.len > 0);
    if (d->call && d->step == UPLOAD_REFRESH && upload_has_good_credentials(&d->upload))
        cancel(d); /* there is no time to wait for better ones */
    if (d->phase == DELIVERY_STREAM)
        choose_form(d);
    return 0;
}
