// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/delivery_parts.h"
#include "delivery/rising_timestamps.h"
#include "sentinel/requests.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { URI_SIZE = UPLOAD_PREFIX_SIZE + 32 };

static void read_facts(struct delivery *d, const cJSON *state)
{
    const char *when = state_text(state, "finished_at");
    double      exit_code = state_number(state, "exit_code", -1);
    int64_t     finished_at = 0;
    if (!(exit_code >= 0 && exit_code <= INT32_MAX))
        exit_code = -1;
    if (when)
        (void)clock_parse_utc(when, &finished_at);
    d->finish_facts = (struct sentinel_finish){.exit_code = exit_code >= 0 ? (int)exit_code & 255 : 0,
                                               .exit_code_unknown = exit_code < 0,
                                               .run_status = exit_code == 0 ? SENTINEL_FINISHED : SENTINEL_FAILED,
                                               .finished_at = finished_at};
    d->unanswered = state_is(state, "state", "finishing") ||
                    cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "unanswered"));
    d->form = !d->unanswered ? DELIVERY_ANY_FORM : state_is(state, "data_source", "s3") ? DELIVERY_S3 : DELIVERY_INLINE;
}

int delivery_end(struct delivery *d, const cJSON *state, size_t inline_max)
{
    uint64_t size = rundir_rows_size(d->run, true);
    read_facts(d, state);
    if (d->run->rows < 0 && d->run->on_disk)
        return -EACCES;
    if (size == 0)
        return -ENODATA;
    d->ending = true;
    d->inline_max = inline_max;
    upload_end(&d->upload, clock_monotonic(), size > inline_max && d->run->memory_rows.len > 0);
    if (d->call && d->step == UPLOAD_REFRESH && upload_has_good_credentials(&d->upload))
        delivery_cancel(d); /* there is no time to wait for better ones */
    if (d->phase == DELIVERY_STREAM)
        delivery_choose_form(d);
    return 0;
}

static size_t inline_max(const struct delivery *d)
{
    return d->upload.prefix[0] && d->inline_max > DELIVERY_INLINE_MAX ? DELIVERY_INLINE_MAX : d->inline_max;
}

static bool fits_inline(const struct delivery *d)
{
    return d->run->forgotten == 0 && rundir_rows_size(d->run, true) <= inline_max(d);
}

static int compose_inline(struct delivery *d)
{
    struct bytes rows;
    bytes_init(&rows, d->unanswered ? DELIVERY_SYNC_MAX : inline_max(d));
    int error = rundir_load_rows(d->run, &rows);
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

/* The body is fixed from here on. */
static void begin_finish(struct delivery *d, enum delivery_form form)
{
    delivery_cancel(d);
    bytes_done(&d->finish);
    d->form = form;
    int error = form == DELIVERY_S3 ? compose_s3(d) : compose_inline(d);
    if (error < 0) {
        (void)snprintf(d->reason, sizeof d->reason, "the finish cannot be composed: %s", strerror(-error));
        delivery_refuse(d);
        return;
    }
    delivery_set_phase(d, DELIVERY_FINISH);
    d->next_try = d->finish_after;
    d->announced = d->gzip = false; /* what was too large is another form's */
    d->attempts.unanswered = d->unanswered;
}

static void give_up_rows(struct delivery *d)
{
    const char *why = d->upload.reason[0]   ? d->upload.reason
                      : d->upload.prefix[0] ? "no time is left"
                                            : "the API named no place in S3";
    (void)snprintf(d->reason, sizeof d->reason, "too many rows to go inline, and they cannot be uploaded: %.160s", why);
    d->hopeless = !d->upload.prefix[0];
    delivery_refuse(d);
}

static void give_up_long_finish(struct delivery *d)
{
    (void)snprintf(d->reason, sizeof d->reason, "its finish, once sent without an answer, is too long to repeat here");
    d->hopeless = true;
    delivery_refuse(d);
}

/* The form of a first attempt that may have arrived stays. */
static bool goes_inline(const struct delivery *d)
{
    const struct upload *u = &d->upload;
    if (d->form != DELIVERY_ANY_FORM)
        return d->form == DELIVERY_INLINE;
    return fits_inline(d) && (u->uploaded == 0 || u->silent || !upload_is_possible(u));
}

void delivery_choose_form(struct delivery *d)
{
    if (d->form == DELIVERY_INLINE && rundir_rows_size(d->run, true) > d->inline_max)
        give_up_long_finish(d);
    else if (goes_inline(d))
        begin_finish(d, DELIVERY_INLINE);
    else if (upload_is_complete(&d->upload))
        begin_finish(d, DELIVERY_S3);
    else if (upload_is_possible(&d->upload))
        delivery_set_phase(d, DELIVERY_FLUSH);
    else
        give_up_rows(d);
}

bool delivery_try_other_form(struct delivery *d)
{
    if (d->other_form || d->attempts.unanswered)
        return false;
    if (d->form == DELIVERY_S3 ? !fits_inline(d) : !upload_is_possible(&d->upload))
        return false;
    d->other_form = true;
    record_undelivered(d->run, d->reason, false);
    if (d->form == DELIVERY_S3)
        begin_finish(d, DELIVERY_INLINE);
    else
        delivery_set_phase(d, DELIVERY_FLUSH);
    return true;
}

/* A next try behind the deadline is none. */
static bool is_out_of_time(struct delivery *d, int64_t now)
{
    int64_t due = INT64_MAX;
    if (d->call)
        return now >= d->flush_deadline;
    if (upload_next(&d->upload, now, &due) != UPLOAD_NOTHING)
        return now >= d->flush_deadline;
    return due >= d->flush_deadline;
}

static void fall_back(struct delivery *d)
{
    log_line(d->log, LOG_WARN, "the last rows could not be uploaded in time%s%s; all go inline",
             d->upload.reason[0] && !d->call ? ": " : "", d->call ? "" : d->upload.reason);
    begin_finish(d, DELIVERY_INLINE);
}

void delivery_end_flush(struct delivery *d, int64_t now)
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
