/* The call of the public library that puts an object into S3. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/text.h"
#include "client/client_session.h"
#include "config/credentials.h"
#include "sentinel/s3.h"

enum { TIMEOUT_MS = 120 * 1000 };

/* An object on its way. */
struct putting {
    const struct sentinel_object *object;
    struct s3_target              target;
    struct s3_attempts            attempts;
    char                          region[S3_REGION_SIZE];
    char                          endpoint[SESSION_URL_MAX];
    int64_t                       clock_difference; /* seconds by which the server's clock is ahead */
};

/* Tries s3_put, so that all its refusals come before anything is sent. */
static int rehearse(const struct putting *putting, struct sentinel_api_error *reterr)
{
    const struct sentinel_object *object = putting->object;
    const struct s3_target        target = {
               object->uri,
        putting->region[0] ? putting->region : S3_DEFAULT_REGION,
               putting->endpoint,
    };
    struct bytes        nothing = {0};
    struct http_request request;
    int                 error = s3_put(&target, object->credentials, object->content_type, 0, &nothing, &request);
    if (error != 0)
        return session_fail(reterr, error,
                            error == -EINVAL ? "credentials, region or content type that S3 would refuse"
                                             : "the request cannot be made");
    http_request_done(&request);
    return 0;
}

static int check(const struct sentinel_client *client, const struct sentinel_object *object, struct putting *ret,
                 struct sentinel_api_error *reterr)
{
    const char *endpoint = client ? client->s3_endpoint : NULL;
    const char *region = object->credentials ? object->credentials->region : NULL;
    if (!endpoint)
        endpoint = environment_value("PILLION_S3_ENDPOINT");
    *ret = (struct putting){.object = object};
    ret->target = (struct s3_target){object->uri, ret->region, ret->endpoint};
    if (s3_check_uri(object->uri) != 0)
        return session_fail(reterr, -EINVAL, "the URI is none of an object: s3://bucket/key");
    if (object->len > S3_OBJECT_MAX || (object->len > 0 && !object->data))
        return session_fail(reterr, -EINVAL, "the object is larger than 64 MiB, or has no data");
    if (endpoint && *endpoint && s3_check_endpoint(endpoint, ret->endpoint, sizeof ret->endpoint) != 0)
        return session_fail(reterr, -EINVAL, "the S3 endpoint is not understood");
    if (region && *region && !text_copy(text_of(region), ret->region, sizeof ret->region))
        return session_fail(reterr, -EINVAL, "the region is not understood");
    return rehearse(ret, reterr);
}

/* Takes the region of the credentials, or of the bucket if AWS tells it. */
static void find_region(struct session *s, struct putting *putting)
{
    struct http_request request;
    struct http_answer  answer = {0};
    if (!putting->region[0] && s3_head_bucket(&putting->target, &request) == 0) {
        (void)session_ask(s, &request, &answer, NULL);
        if (s3_region_is_fine(answer.bucket_region))
            (void)text_copy(text_of(answer.bucket_region), putting->region, sizeof putting->region);
        http_answer_done(&answer);
    }
    if (!putting->region[0])
        (void)text_copy(text_of(S3_DEFAULT_REGION), putting->region, sizeof putting->region);
}

static int put_once(struct session *s, struct putting *putting, struct http_answer *ret,
                    struct sentinel_api_error *reterr)
{
    const struct sentinel_object *object = putting->object;
    struct http_request           request;
    struct bytes                  data;
    int64_t                       now = clock_real() / CLOCK_SECOND + putting->clock_difference;
    bytes_init(&data, object->len);
    bytes_add(&data, object->data, object->len);
    int error = s3_put(&putting->target, object->credentials, object->content_type, now, &data, &request);
    bytes_done(&data);
    if (error != 0)
        return session_fail(reterr, error, "the request cannot be made");
    request.timeout_ms = 0; /* the session's */
    return session_ask(s, &request, ret, reterr);
}

/* True when the answer asks for the same object once more, elsewhere or by another clock. */
static bool repeats(struct putting *putting, const struct http_answer *answer)
{
    char            region[S3_REGION_SIZE];
    enum s3_verdict verdict = s3_judge(answer, &putting->attempts, putting->region, region);
    if (verdict == S3_MOVED) {
        putting->attempts.moved = true;
        memcpy(putting->region, region, sizeof region);
    } else if (verdict == S3_SKEWED) {
        putting->attempts.clock_set = true;
        putting->clock_difference = answer->date - clock_real() / CLOCK_SECOND;
    }
    return verdict == S3_MOVED || verdict == S3_SKEWED;
}

int sentinel_put_object(const struct sentinel_client *client, const struct sentinel_object *object,
                        struct sentinel_api_error *reterr)
{
    static const struct sentinel_object nothing;
    struct session                      s;
    struct putting                      putting;
    struct http_answer                  answer = {0};
    session_begin(client, TIMEOUT_MS, &s, reterr);
    int error = check(client, object ? object : &nothing, &putting, reterr);
    if (error == 0)
        error = session_connect(&s, putting.endpoint[0] ? putting.endpoint : "https:", reterr);
    if (error == 0) {
        find_region(&s, &putting);
        error = put_once(&s, &putting, &answer, reterr);
    }
    while (error == 0 && repeats(&putting, &answer)) {
        http_answer_done(&answer);
        error = put_once(&s, &putting, &answer, reterr);
    }
    if (error == 0 && answer.status != 200 && answer.status != 201)
        error = session_refused(&s, putting.object->credentials, &answer, reterr);
    http_answer_done(&answer);
    session_close(&s);
    return error;
}
