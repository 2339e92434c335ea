// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/text.h"
#include "sentinel/answers.h"
#include "sentinel/s3.h"

/* What a code asks for, whatever the status beside it. */
enum kind { BY_STATUS, AGAIN, STALE, ELSEWHERE, SKEWED };

static const struct {
    const char *code;
    enum kind   kind;
} codes[] = {
    {"ExpiredToken", STALE},          {"InvalidToken", STALE},          {"TokenRefreshRequired", STALE},
    {"PermanentRedirect", ELSEWHERE}, {"TemporaryRedirect", ELSEWHERE}, {"AuthorizationHeaderMalformed", ELSEWHERE},
    {"RequestTimeTooSkewed", SKEWED}, {"RequestTimeout", AGAIN},        {"SlowDown", AGAIN},
    {"ServiceUnavailable", AGAIN},    {"InternalError", AGAIN},         {"OperationAborted", AGAIN},
};

static enum kind kind_of(const struct http_answer *answer)
{
    struct text code;
    if (answer_element(text_span(answer->body.data, answer->body.len), "Code>", &code))
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
            if (text_is(code, codes[i].code))
                return codes[i].kind;
    long status = answer->status;
    if (status == 301 || status == 307)
        return ELSEWHERE;
    return status == 408 || status == 429 || (status >= 500 && status <= 599) ? AGAIN : BY_STATUS;
}

/* The region that the answer names, if it is another one. */
static bool other_region(const struct http_answer *answer, const char *region, char ret[static S3_REGION_SIZE])
{
    struct text named = text_of(answer->bucket_region);
    if (text_len(named) == 0)
        (void)answer_element(text_span(answer->body.data, answer->body.len), "Region>", &named);
    if (text_copy(named, ret, S3_REGION_SIZE) && s3_region_is_fine(ret) && strcmp(ret, region) != 0)
        return true;
    ret[0] = '\0';
    return false;
}

enum s3_verdict s3_judge(const struct http_answer *answer, const struct s3_attempts *attempts, const char *region,
                         char ret_region[static S3_REGION_SIZE])
{
    ret_region[0] = '\0';
    if (answer->error != 0)
        return S3_RETRY;
    if (answer->status == 200 || answer->status == 201)
        return S3_STORED;
    if (answer->status >= 200 && answer->status <= 299)
        return S3_RETRY;
    switch (kind_of(answer)) {
    case AGAIN:
        return S3_RETRY;
    case STALE:
        return attempts->refreshed ? S3_RETRY : S3_REFRESH;
    case ELSEWHERE:
        return !attempts->moved && other_region(answer, region, ret_region) ? S3_MOVED : S3_REFUSED;
    case SKEWED:
        return !attempts->clock_set && answer->date > 0 ? S3_SKEWED : S3_REFUSED;
    case BY_STATUS:
        break;
    }
    return answer->status == 403 && !attempts->refreshed ? S3_REFRESH : S3_REFUSED;
}
