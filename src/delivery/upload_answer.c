// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "delivery/upload_parts.h"
#include "sentinel/answers.h"
#include "store/journal_write.h"

#define OLD_ONES_MAY_DO (300 * CLOCK_SECOND) /* after a refresh that was refused */

void upload_plan_batch(struct upload *u, int64_t now)
{
    u->next_batch = u->began + ((now - u->began) / u->interval + 1) * u->interval;
}

/* What S3 itself has said counts more than what came with the credentials. */
const char *upload_region(const struct upload *u)
{
    if (u->region[0])
        return u->region;
    if (u->credentials.region && s3_region_is_fine(u->credentials.region))
        return u->credentials.region;
    return u->endpoint[0] ? S3_DEFAULT_REGION : "";
}

static void explain(struct upload *u, const char *what, const struct http_answer *answer)
{
    char described[200];
    answer_describe(answer, described, sizeof described);
    (void)snprintf(u->reason, sizeof u->reason, "%s: %s", what, described);
}

static int64_t pause_after(const struct http_answer *answer, unsigned tries)
{
    uint32_t random = 0;
    (void)getrandom(&random, sizeof random, GRND_NONBLOCK);
    return answer_retry_delay_ms(answer, tries, random) * CLOCK_MILLISECOND;
}

static void stop(struct upload *u)
{
    u->stopped = true;
    log_line(u->log, LOG_ERROR, "%s; no more is uploaded until the end, the rows stay on disk", u->reason);
}

static void try_again(struct upload *u, const struct http_answer *answer, int64_t now)
{
    int64_t pause = pause_after(answer, ++u->tries);
    u->next_try = now + pause;
    log_line(u->log, LOG_WARN, "%s; attempt %u, the next in %d.%d s", u->reason, u->tries, (int)(pause / CLOCK_SECOND),
             (int)(pause % CLOCK_SECOND / (CLOCK_SECOND / 10)));
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
    record_uploaded(u->run, u->uploaded, u->from, u->to);
    log_line(u->log, LOG_INFO, "object %llu is stored, rows up to byte %llu", (unsigned long long)u->uploaded,
             (unsigned long long)u->to);
    if (u->to - u->from < UPLOAD_BATCH_MAX / 2) /* else it was cut short: the rest follows at once */
        upload_plan_batch(u, now);
}

/* Refused a second time although fresh: not stormed either. */
static void on_retry(struct upload *u, const struct http_answer *answer, int64_t now)
{
    try_again(u, answer, now);
    if (answer->error && u->region_is_guessed)
        u->region[0] = '\0';
    if (!answer->error && u->attempts.refreshed && (answer->status == 400 || answer->status == 403)) {
        u->rejected = true;
        u->next_refresh = now + UPLOAD_REFRESH_PAUSE;
    }
}

static void on_put_answer(struct upload *u, const struct http_answer *answer, int64_t now)
{
    char region[S3_REGION_SIZE] = "";
    explain(u, "upload", answer);
    u->silent = answer->error != 0;
    switch (s3_judge(answer, &u->attempts, upload_region(u), region)) {
    case S3_STORED:
        on_stored(u, now);
        break;
    case S3_RETRY:
        on_retry(u, answer, now);
        break;
    case S3_REFRESH:
        u->attempts.refreshed = true;
        u->rejected = true;
        u->next_refresh = u->next_try = now;
        break;
    case S3_MOVED:
        u->attempts.moved = true;
        u->region_is_guessed = false;
        memcpy(u->region, region, sizeof u->region);
        u->next_try = now;
        break;
    case S3_SKEWED:
        u->attempts.clock_set = true;
        if (answer->date < UPLOAD_LATEST_TIME)
            u->skew = answer->date - clock_real() / CLOCK_SECOND;
        u->next_try = now;
        log_line(u->log, LOG_WARN, "this machine's clock is %lld s off S3's", (long long)-u->skew);
        break;
    case S3_REFUSED:
        stop(u);
        break;
    }
}

/* Without an answer it is a guess, and asked again if the upload fails too. */
static void on_region_answer(struct upload *u, const struct http_answer *answer)
{
    u->silent = answer->error != 0;
    u->region_is_guessed = !s3_region_is_fine(answer->bucket_region);
    (void)snprintf(u->region, sizeof u->region, "%s", u->region_is_guessed ? S3_DEFAULT_REGION : answer->bucket_region);
}

static bool is_no(const struct http_answer *answer)
{
    return !answer->error && answer->status >= 300 && answer->status <= 499 && answer->status != 408 &&
           answer->status != 429;
}

static void on_refresh_answer(struct upload *u, const struct http_answer *answer, int64_t now)
{
    struct sentinel_credentials fresh = {0};
    bool                        without = upload_lacks_credentials(u);
    bool                        yes = !answer->error && answer->status >= 200 && answer->status <= 299;
    explain(u, "refresh of the credentials", answer);
    if (yes && answer_credentials(answer->body.data ? answer->body.data : "", answer->body.len, &fresh) == 0) {
        sentinel_credentials_done(&u->credentials);
        u->credentials = fresh;
        u->rejected = false;
        u->refresh_tries = 0;
        u->reason[0] = '\0';
        u->next_refresh = now + UPLOAD_REFRESH_PAUSE;
        return;
    }
    if (is_no(answer) && without) {
        stop(u);
        return;
    }
    int64_t pause = is_no(answer) ? OLD_ONES_MAY_DO : pause_after(answer, ++u->refresh_tries);
    if (!without && pause < UPLOAD_REFRESH_PAUSE)
        pause = UPLOAD_REFRESH_PAUSE;
    u->next_refresh = now + pause;
    log_line(u->log, LOG_WARN, "%s%s; the next in %d s", u->reason, yes ? ", which makes no sense" : "",
             (int)(pause / CLOCK_SECOND));
}

void upload_answer(struct upload *u, enum upload_step step, const struct http_answer *answer, int64_t now)
{
    if (step == UPLOAD_PUT)
        on_put_answer(u, answer, now);
    else if (step == UPLOAD_REGION)
        on_region_answer(u, answer);
    else if (step == UPLOAD_REFRESH)
        on_refresh_answer(u, answer, now);
}

void upload_failed(struct upload *u, enum upload_step step, int error, int64_t now)
{
    const struct http_answer none = {.error = error, .retry_after_s = -1};
    (void)snprintf(u->reason, sizeof u->reason, "a batch cannot be sent: %s", strerror(-error));
    if (step == UPLOAD_REFRESH)
        u->next_refresh = now + pause_after(&none, ++u->refresh_tries);
    else if (u->ending) /* a disk that takes no line now will not in a moment */
        stop(u);
    else
        try_again(u, &none, now);
}
