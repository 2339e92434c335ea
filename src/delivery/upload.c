/* The upload of one run's rows to S3, batch by batch. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/retry.h"
#include "sentinel/answers.h"
#include "sentinel/gzip.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { SHORTEST_ROW = 32 };
enum { HEADER_MAX = 4096, OBJECT_URI_MAX = UPLOAD_PREFIX_SIZE + 32 };

void upload_init(struct upload *u, const struct destination *place, const struct config *config, struct run_dir *run,
                 struct log *log)
{
    *u = (struct upload){.run = run,
                         .log = log,
                         .place = place,
                         .endpoint = config->s3_endpoint,
                         .interval = config->upload_interval,
                         .began = clock_monotonic()};
    u->next_batch = u->began + u->interval;
}

void upload_later(struct upload *u, int64_t later)
{
    u->began += later;
    u->next_batch = u->began + u->interval;
}

void upload_done(struct upload *u)
{
    sentinel_credentials_done(&u->credentials);
    bucket_free(u->bucket);
    u->bucket = NULL;
}

static uint64_t position(const cJSON *value)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : 0;
    return number >= 1 && number < 9e15 ? (uint64_t)number : 0;
}

static void take_prefix(struct upload *u, const char *prefix)
{
    char longest[OBJECT_URI_MAX];
    if (!prefix || strlen(prefix) >= sizeof u->prefix)
        return;
    (void)snprintf(longest, sizeof longest, "%s/%010d.csv.gz", prefix, 0);
    if (s3_check_uri(longest) == 0)
        memcpy(u->prefix, prefix, strlen(prefix) + 1);
}

void upload_rename(struct upload *u, const char *prefix)
{
    u->prefix[0] = '\0';
    take_prefix(u, prefix);
}

void upload_use_bucket(struct upload *u, const struct destination *place, struct bucket *bucket)
{
    char prefix[UPLOAD_PREFIX_SIZE];
    bucket_free(u->bucket);
    u->place = place;
    u->bucket = bucket;
    u->endpoint = bucket->endpoint;
    if (object_key_uri(&bucket->name, OBJECT_METRICS, bucket->uri, prefix, sizeof prefix) == 0)
        upload_rename(u, prefix);
}

void upload_restore(struct upload *u, const cJSON *state)
{
    const cJSON *batch = cJSON_GetObjectItemCaseSensitive(state, "batch");
    if (!u->bucket)
        take_prefix(u, journal_text(state, "upload_uri_prefix"));
    u->uploaded = position(cJSON_GetObjectItemCaseSensitive(state, "uploaded"));
    u->from = position(cJSON_GetArrayItem(batch, 0));
    u->to = position(cJSON_GetArrayItem(batch, 1));
    u->sealed = position(cJSON_GetObjectItemCaseSensitive(state, "sealed")) > u->uploaded && u->to > u->from;
    /* The state is damaged, or the line that names the run found no room: then it cannot be told what is stored, and
     * where. */
    if (u->uploaded > u->to / SHORTEST_ROW || (!u->bucket && !journal_text(state, "sentinel_run_id"))) {
        u->prefix[0] = '\0';
        u->uploaded = u->from = u->to = 0;
        u->sealed = false;
    }
    u->run->safe = u->sealed ? u->from : u->to;
}

const struct sentinel_credentials *upload_credentials(const struct upload *u)
{
    return u->bucket ? &u->bucket->keys->credentials : &u->credentials;
}

int64_t upload_seconds_left(const struct upload *u)
{
    int64_t now = clock_real() / CLOCK_SECOND + u->skew;
    int64_t expires_at = upload_credentials(u)->expires_at;
    return expires_at > INT64_MAX / 2 ? INT64_MAX : expires_at - now;
}

static bool lacks_credentials(const struct upload *u)
{
    return u->place->keys_lack(u);
}

bool upload_has_good_credentials(const struct upload *u)
{
    return !lacks_credentials(u) && upload_seconds_left(u) > 0;
}

static void plan_batch(struct upload *u, int64_t now)
{
    u->next_batch = u->began + ((now - u->began) / u->interval + 1) * u->interval;
}

void upload_registered(struct upload *u, struct sentinel_registration *registration, int64_t now)
{
    take_prefix(u, registration->upload_uri_prefix);
    sentinel_credentials_done(&u->credentials);
    u->credentials = registration->credentials;
    registration->credentials = (struct sentinel_credentials){0};
    bool short_lived = u->credentials.access_key && upload_seconds_left(u) < UPLOAD_REFRESH_BEFORE / CLOCK_SECOND;
    u->next_refresh = short_lived ? now + UPLOAD_REFRESH_PAUSE : now;
}

/* While the run goes on, rows that the disk has refused wait for the disk. */
static uint64_t rows_size(const struct upload *u)
{
    return run_dir_rows_size(u->run, u->ending || run_dir_is_in_memory(u->run));
}

void upload_end(struct upload *u, int64_t now, bool at_any_price)
{
    u->ending = true;
    u->at_any_price = at_any_price;
    if (u->sealed && rows_size(u) < u->to) { /* rows that waited in memory have gone with their process */
        u->sealed = false;
        u->to = u->from;
    }
    u->stopped = false;
    u->next_try = now;
    if (lacks_credentials(u))
        u->next_refresh = now;
}

bool upload_is_possible(const struct upload *u)
{
    return u->prefix[0] && !u->stopped;
}

bool upload_is_complete(const struct upload *u)
{
    return !u->sealed && rows_size(u) <= u->to;
}

int upload_record_finishing(const struct upload *u, bool s3)
{
    return journal_finishing(u->run, s3 ? "s3" : "inline", s3 ? u->uploaded : 0, u->from, u->to);
}

int upload_uri(const struct upload *u, uint64_t number, char *ret, size_t size)
{
    int len = snprintf(ret, size, "%s/%04llu.csv.gz", u->prefix, (unsigned long long)number);
    return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* True when there is a batch, or rows for one whose time has come. */
static bool wants_to_put(struct upload *u, int64_t now)
{
    if (u->sealed)
        return true;
    if (!u->ending && now < u->next_batch)
        return false;
    if (rows_size(u) > u->to)
        return true;
    plan_batch(u, now);
    return false;
}

/* The region that S3 itself has named counts more than the one of the credentials. */
static const char *region_of(const struct upload *u)
{
    if (u->region[0])
        return u->region;
    if (u->bucket)
        return bucket_region(u->bucket);
    if (u->credentials.region && s3_region_is_fine(u->credentials.region))
        return u->credentials.region;
    return u->endpoint[0] ? S3_DEFAULT_REGION : "";
}

enum upload_step upload_next(struct upload *u, int64_t now, int64_t *ret_due)
{
    *ret_due = INT64_MAX;
    if (!upload_is_possible(u))
        return UPLOAD_NOTHING;
    bool    wants = wants_to_put(u, now);
    int64_t refresh = u->place->keys_due(u, now, wants);
    bool    without = lacks_credentials(u);
    if (u->stopped)
        return UPLOAD_NOTHING;
    if (now >= refresh)
        return UPLOAD_REFRESH;
    int64_t put = wants ? u->next_try : u->ending ? INT64_MAX : later(u->next_batch, u->next_try);
    if (without && wants)
        put = INT64_MAX;
    if (now >= put)
        return *region_of(u) ? UPLOAD_PUT : UPLOAD_REGION;
    *ret_due = clock_earlier(refresh, put);
    return UPLOAD_NOTHING;
}

/* Cuts the rows behind their last whole line, whatever the disk has done to the line behind it. */
static void cut_to_lines(struct bytes *rows)
{
    const char *end = rows->len > 0 ? memrchr(rows->data, '\n', rows->len) : NULL;
    rows->len = end ? (size_t)(end - rows->data) + 1 : 0;
}

/* Reads whole rows from behind the last batch, up to a position. */
static int read_batch(const struct upload *u, uint64_t end, struct bytes *ret)
{
    uint64_t left = end > u->to ? end - u->to : 0;
    bytes_init(ret, UPLOAD_BATCH_MAX);
    int error = run_dir_read_rows(u->run, u->to, left < UPLOAD_BATCH_MAX ? (size_t)left : UPLOAD_BATCH_MAX, ret);
    cut_to_lines(ret);
    return error;
}

/* Seals the rows behind the last batch as the next one. Where no line may tell of it, rows of the disk and rows of
 * memory are not in one object: a sync that knows of neither makes the first anew with the same bytes, and does not
 * come to the second. */
static int seal(struct upload *u)
{
    struct bytes rows;
    int          error = read_batch(u, u->at_any_price ? run_dir_rows_size(u->run, false) : rows_size(u), &rows);
    if (error == 0 && rows.len == 0 && u->at_any_price) {
        bytes_done(&rows);
        error = read_batch(u, rows_size(u), &rows);
    }
    if (error == 0 && rows.len == 0)
        error = -ENODATA;
    if (error == 0) {
        error = journal_batch(u->run, u->uploaded, u->to, u->to + rows.len);
        if (u->at_any_price || run_dir_is_in_memory(u->run))
            error = 0;
    }
    if (error == 0) {
        u->from = u->to;
        u->to += rows.len;
        u->sealed = true;
    }
    bytes_done(&rows);
    return error;
}

/* Every object is a CSV of its own: its header is that of the rows. */
static int add_header(const struct upload *u, struct bytes *ret)
{
    if (u->from == 0)
        return 0;
    int error = run_dir_read_rows(u->run, 0, HEADER_MAX, ret);
    if (error < 0)
        return error;
    const char *end = ret->len > 0 ? memchr(ret->data, '\n', ret->len) : NULL;
    if (!end)
        return -EBADMSG;
    ret->len = (size_t)(end - ret->data) + 1;
    return 0;
}

/* Goes over the rows before the batch, as far as they can be read. Rows that memory has forgotten are this version's,
 * and rise. */
static void pass_rows_before(struct upload *u)
{
    struct bytes rows;
    if (u->rising_at > u->from)
        u->rising_at = 0;
    if (u->rising_at == 0)
        u->rising = (struct rising){0};
    while (u->rising_at < u->from) {
        uint64_t left = u->from - u->rising_at;
        bytes_init(&rows, UPLOAD_BATCH_MAX);
        int error = run_dir_read_rows(u->run, u->rising_at, left < UPLOAD_BATCH_MAX ? (size_t)left : UPLOAD_BATCH_MAX,
                                      &rows);
        cut_to_lines(&rows);
        size_t len = error == 0 ? rows.len : 0;
        if (len > 0)
            (void)rising_pass(&u->rising, text_span(rows.data, len));
        bytes_done(&rows);
        u->rising_at = len > 0 ? u->rising_at + len : u->from;
    }
}

static int make_object(struct upload *u, struct bytes *ret)
{
    struct bytes rows;
    struct bytes sent;
    bytes_init(&rows, UPLOAD_BATCH_MAX + HEADER_MAX);
    bytes_init(&sent, (size_t)2 * (UPLOAD_BATCH_MAX + HEADER_MAX));
    int    error = add_header(u, &rows);
    size_t header = rows.len;
    if (error == 0)
        error = run_dir_read_rows(u->run, u->from, (size_t)(u->to - u->from), &rows);
    if (error == 0 && rows.len - header < u->to - u->from)
        error = -ENODATA;
    if (error == 0) {
        pass_rows_before(u);
        struct rising rising = u->rising;
        rising_put(&rising, text_span(rows.data, rows.len), &sent);
        error = sent.failed ? -ENOMEM : gzip_compress(sent.data, sent.len, ret);
    }
    bytes_done(&sent);
    bytes_done(&rows);
    return error;
}

int upload_put_request(const struct upload *u, const char *uri, const char *content_type, struct bytes *data,
                       struct http_request *ret)
{
    const struct s3_target target = {.uri = uri, .region = region_of(u), .endpoint = u->endpoint};
    return s3_put(&target, upload_credentials(u), content_type, clock_real() / CLOCK_SECOND + u->skew, data, ret);
}

static int put_request(struct upload *u, struct http_request *ret)
{
    char         uri[OBJECT_URI_MAX];
    struct bytes object;
    int          error = u->sealed ? 0 : seal(u);
    if (error < 0)
        return error;
    bytes_init(&object, (size_t)2 * UPLOAD_BATCH_MAX);
    error = upload_uri(u, u->uploaded + 1, uri, sizeof uri);
    if (error == 0)
        error = make_object(u, &object);
    if (error == 0)
        error = upload_put_request(u, uri, NULL, &object, ret);
    if (error < 0)
        bytes_done(&object);
    return error;
}

int upload_request(struct upload *u, enum upload_step step, const struct api *api, const char *run_id,
                   struct http_request *ret)
{
    const struct s3_target target = {.uri = u->prefix, .endpoint = u->endpoint};
    switch (step) {
    case UPLOAD_REFRESH:
        return u->place->keys_request(u, api, run_id, ret);
    case UPLOAD_REGION:
        return s3_head_bucket(&target, ret);
    case UPLOAD_PUT:
        return put_request(u, ret);
    case UPLOAD_NOTHING:
        break;
    }
    return -EINVAL;
}

static void explain(struct upload *u, const char *what, const struct http_answer *answer)
{
    char described[200];
    answer_describe(answer, described, sizeof described);
    (void)snprintf(u->reason, sizeof u->reason, "%s: %s", what, described);
}

void upload_stop(struct upload *u)
{
    u->stopped = true;
    log_line(u->log, LOG_ERROR, "%s; no more is uploaded until the end, the rows stay on disk", u->reason);
}

static void try_again(struct upload *u, const struct http_answer *answer, int64_t now)
{
    u->next_try = retry_after(answer, ++u->tries, 0, u->reason, u->log, now);
}

static void on_stored(struct upload *u, int64_t now)
{
    u->uploaded++;
    u->sealed = false;
    u->run->safe = u->to;
    u->attempts = (struct s3_attempts){0};
    u->tries = 0;
    u->next_try = 0;
    u->reason[0] = '\0';
    journal_uploaded(u->run, u->uploaded, u->from, u->to);
    log_line(u->log, LOG_INFO, "object %llu is stored, rows up to byte %llu", (unsigned long long)u->uploaded,
             (unsigned long long)u->to);
    if (u->to - u->from < UPLOAD_BATCH_MAX / 2) /* else it was cut short: the rest follows at once */
        plan_batch(u, now);
}

static void on_retry(struct upload *u, const struct http_answer *answer, int64_t now)
{
    try_again(u, answer, now);
    if (answer->error && u->region_is_guessed)
        u->region[0] = '\0';
}

/* Fresh keys that S3 refuses too are not asked for anew at once. */
static void on_refused_again(struct upload *u, const struct http_answer *answer, int64_t now)
{
    if (answer->error || !u->attempts.refreshed || (answer->status != 400 && answer->status != 403))
        return;
    (void)u->place->keys_rejected(u, now);
    u->next_refresh = now + UPLOAD_REFRESH_PAUSE;
}

enum verdict upload_judge(struct upload *u, const struct http_answer *answer, int64_t now)
{
    char region[S3_REGION_SIZE] = "";
    switch (s3_judge(answer, &u->attempts, region_of(u), region)) {
    case S3_STORED:
        return VERDICT_OK;
    case S3_RETRY:
        on_refused_again(u, answer, now);
        return VERDICT_RETRY;
    case S3_REFRESH:
        u->attempts.refreshed = true;
        return u->place->keys_rejected(u, now) ? VERDICT_REPAIR : VERDICT_REFUSED;
    case S3_MOVED:
        u->attempts.moved = true;
        u->region_is_guessed = false;
        memcpy(u->region, region, sizeof u->region);
        return VERDICT_REPAIR;
    case S3_SKEWED:
        u->attempts.clock_set = true;
        if (answer->date < UPLOAD_LATEST_TIME)
            u->skew = answer->date - clock_real() / CLOCK_SECOND;
        log_line(u->log, LOG_WARN, "this machine's clock is %lld s off S3's", (long long)-u->skew);
        return VERDICT_REPAIR;
    case S3_REFUSED:
        break;
    }
    return VERDICT_REFUSED;
}

static void on_put_answer(struct upload *u, const struct http_answer *answer, int64_t now)
{
    explain(u, "upload", answer);
    u->silent = answer->error != 0;
    switch (upload_judge(u, answer, now)) {
    case VERDICT_OK:
        on_stored(u, now);
        break;
    case VERDICT_RETRY:
        on_retry(u, answer, now);
        break;
    case VERDICT_REPAIR:
        u->next_try = now;
        break;
    case VERDICT_ARRIVED:
    case VERDICT_REFUSED:
        upload_stop(u);
        break;
    }
}

/* Without an answer the region is a guess, and asked for again if the upload fails too. */
static void on_region_answer(struct upload *u, const struct http_answer *answer)
{
    u->silent = answer->error != 0;
    u->region_is_guessed = !s3_region_is_fine(answer->bucket_region);
    (void)snprintf(u->region, sizeof u->region, "%s", u->region_is_guessed ? S3_DEFAULT_REGION : answer->bucket_region);
}

void upload_answer(struct upload *u, enum upload_step step, const struct http_answer *answer, int64_t now)
{
    if (step == UPLOAD_PUT)
        on_put_answer(u, answer, now);
    else if (step == UPLOAD_REGION)
        on_region_answer(u, answer);
    else if (step == UPLOAD_REFRESH)
        u->place->keys_answer(u, answer, now);
}

void upload_failed(struct upload *u, enum upload_step step, int error, int64_t now)
{
    const struct http_answer none = {.error = error, .retry_after_s = -1};
    (void)snprintf(u->reason, sizeof u->reason, "a batch cannot be sent: %s", strerror(-error));
    if (step == UPLOAD_REFRESH)
        u->place->keys_failed(u, error, now);
    else if (u->ending) /* a disk that takes no line now will not in a moment */
        upload_stop(u);
    else
        try_again(u, &none, now);
}
