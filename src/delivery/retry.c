/* Verdicts on the API's answers, the backoff with its log line, and the spread of a crowd. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/retry.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json_read.h"

enum { DELAY_FIRST_MS = 1000, DELAY_MAX_MS = 300 * 1000 };

static enum verdict judge_status(long status)
{
    if (status >= 200 && status <= 299)
        return VERDICT_OK;
    if (status == 408 || status == 429 || (status >= 500 && status <= 599))
        return VERDICT_RETRY;
    return VERDICT_REFUSED;
}

enum verdict retry_judge_register(const struct http_answer *answer, const struct attempts *attempts)
{
    /* An answer that is too large is not the API's. A retry could register a second, empty run. */
    if (answer->error != 0)
        return answer->error == -EMSGSIZE ? VERDICT_REFUSED : VERDICT_RETRY;
    if (answer->status == 422 && !attempts->repaired)
        return VERDICT_REPAIR;
    return judge_status(answer->status);
}

enum verdict retry_judge_finish(const struct http_answer *answer, const struct attempts *attempts)
{
    if (answer->error != 0)
        return VERDICT_RETRY;
    long status = answer->status;
    if (status == 413 && !attempts->repaired)
        return VERDICT_REPAIR;
    if (attempts->unanswered && (status == 404 || status == 409 || status == 410))
        return VERDICT_ARRIVED;
    if (attempts->unanswered && status == 422 && !attempts->repaired) /* else it may be said of the compression */
        return VERDICT_ARRIVED;
    return judge_status(status);
}

int64_t retry_delay_ms(const struct http_answer *answer, unsigned attempts, uint32_t random)
{
    int64_t whole = DELAY_FIRST_MS;
    for (unsigned i = 1; i < attempts && whole < DELAY_MAX_MS; i++)
        whole *= 2;
    if (whole > DELAY_MAX_MS)
        whole = DELAY_MAX_MS;
    int64_t half = whole / 2;
    int64_t delay = half + (int64_t)(((uint64_t)half * random) >> 32);
    int64_t asked = answer->retry_after_s > 0 ? (int64_t)answer->retry_after_s * 1000 : 0;
    if (asked > DELAY_MAX_MS)
        asked = DELAY_MAX_MS;
    return asked > delay ? asked : delay;
}

static uint32_t draw(void)
{
    uint32_t random = 0;
    (void)getrandom(&random, sizeof random, GRND_NONBLOCK);
    return random;
}

int64_t retry_spread(int64_t whole)
{
    return (int64_t)((double)whole * draw() / (double)UINT32_MAX);
}

int64_t retry_pause(const struct http_answer *answer, unsigned attempts)
{
    return retry_delay_ms(answer, attempts, draw()) * CLOCK_MILLISECOND;
}

int64_t retry_after(const struct http_answer *answer, unsigned attempts, int64_t more, const char *reason,
                    struct log *log, int64_t now)
{
    int64_t pause = clock_earlier(retry_pause(answer, attempts) + more, DELAY_MAX_MS * CLOCK_MILLISECOND);
    int     tenths = (int)(pause / (CLOCK_SECOND / 10));
    log_line(log, LOG_WARN, "%s; attempt %u, the next in %d.%d s", reason, attempts, tenths / 10, tenths % 10);
    return now + pause;
}

bool retry_is_about_content(long status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

bool retry_is_of_the_api(const struct http_answer *answer)
{
    return answer->body.len == 0 || json_check(text_span(answer->body.data, answer->body.len), JSON_VALUES_MAX) == 0;
}
