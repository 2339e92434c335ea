/* Retries of requests: whether (to the API; S3's answers are judged by sentinel/s3.h), after which pause, and whose
 * answer counts. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RETRY_H
#define PILLION_DELIVERY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "sentinel/http_message.h"

/* The step after an answer of the API. */
enum verdict {
    VERDICT_OK,      /* 2xx */
    VERDICT_RETRY,   /* network error, 5xx, 408, 429; finish: also an answer beyond measure */
    VERDICT_ARRIVED, /* finish only: 404, 409, 410, and unless it is gzipped 422, after an unanswered attempt */
    VERDICT_REPAIR,  /* register 422, once; finish 413, once: with gzip */
    VERDICT_REFUSED, /* any other 4xx, redirects, nonsense */
};

struct attempts {
    unsigned count;      /* attempts made, this one included */
    bool     unanswered; /* an earlier attempt may have arrived without its answer reaching us */
    bool     repaired;   /* no further repair is wanted: register may be repaired twice, tags have a second form */
};

enum verdict retry_judge_register(const struct http_answer *answer, const struct attempts *attempts);
enum verdict retry_judge_finish(const struct http_answer *answer, const struct attempts *attempts);

/* Delay before the next try in ms: exponential from 1 s with jitter (`random` is any 32 bits), never beyond five
 * minutes, never before Retry-After says (that too at most five minutes). */
int64_t retry_delay_ms(const struct http_answer *answer, unsigned attempts, uint32_t random);

/* Writes down what has failed and when it is tried again: after the pause and `more` (ns), in five minutes at most.
 * Returns that time, ns CLOCK_MONOTONIC like `now`. */
int64_t retry_after(const struct http_answer *answer, unsigned attempts, int64_t more, const char *reason,
                    struct log *log, int64_t now);
int64_t retry_pause(const struct http_answer *answer, unsigned attempts); /* ns */

/* Such a status refuses the content, not us nor the moment: the next try would get the same. */
bool retry_is_about_content(long status);
/* A page that is no JSON comes from a server in front of the API, which knows nothing of the run. */
bool retry_is_of_the_api(const struct http_answer *answer);

/* A random part of `whole`, evenly spread, so that a crowd does not act at once. */
int64_t retry_spread(int64_t whole);

#endif
