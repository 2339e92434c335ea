// SPDX-License-Identifier: Apache-2.0
#include "sentinel/answers.h"

#include <cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/text.h"
#include "sentinel/requests.h"

enum { SECRET_MAX = 8 * 1024, BUCKET_MIN = 3, BUCKET_MAX = 63, PREFIX_MAX = 1024, REGION_MAX = 31 };

/* cJSON would take garbage behind the value, NULs, and any depth up to a thousand. */
static int parse(const char *body, size_t len, cJSON **ret)
{
    if (!body || len > HTTP_ANSWER_MAX || json_check(text_span(body, len), JSON_VALUES_MAX) != 0)
        return -EBADMSG;
    *ret = cJSON_ParseWithLength(body, len);
    return *ret ? 0 : -EBADMSG;
}

/* NULL when there is no such text. */
static const char *member(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Not strdup: what it gives would not come from the allocator that the engine frees with. */
static char *copy(const char *text, size_t len)
{
    char *made = malloc(len + 1);
    if (!made)
        return NULL;
    memcpy(made, text, len);
    made[len] = '\0';
    return made;
}

static bool consists_of(struct text t, const char *alphabet)
{
    for (const char *p = t.at; p < t.end; p++)
        if (*p == '\0' || !strchr(alphabet, *p))
            return false;
    return true;
}

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"

/* "s3://bucket/prefix"; its length without trailing slashes, 0 when it is anything else. */
static size_t measure_prefix(const char *uri)
{
    struct text t = text_of(uri);
    struct text bucket;
    while (text_len(t) > 0 && t.end[-1] == '/')
        t.end--;
    size_t len = text_len(t);
    if (len > PREFIX_MAX || !text_skip(&t, "s3://") || !text_until(&t, '/', &bucket))
        return 0;
    if (text_len(bucket) < BUCKET_MIN || text_len(bucket) > BUCKET_MAX || !consists_of(bucket, LOWER_AND_DIGITS ".-"))
        return 0;
    for (const char *p = t.at; p < t.end; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return 0;
    return text_len(t) > 0 && *t.at != '/' ? len : 0;
}

/* The server has been seen to say `expires_at`, its documentation says `expiration`. What cannot be read counts as
 * expired: the next refresh will tell. */
static int64_t parse_expiry(const cJSON *object)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "expires_at");
    if (!item || cJSON_IsNull(item))
        item = cJSON_GetObjectItemCaseSensitive(object, "expiration");
    if (!item || cJSON_IsNull(item))
        return INT64_MAX;
    const char *text = cJSON_GetStringValue(item);
    int64_t     seconds = 0;
    return text && clock_parse_utc(text, &seconds) == 0 ? seconds : 0;
}

/* Keys and tokens end up in headers. */
static bool is_secret(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return len > 0 && len <= SECRET_MAX;
}

/* 0; -ENODATA when there are none that could be used. */
static int read_credentials(const cJSON *answer, struct sentinel_credentials *ret)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(answer, "upload_credentials");
    const char  *access_key = member(object, "access_key");
    const char  *secret_key = member(object, "secret_key");
    const char  *session_token = member(object, "session_token");
    const char  *region = member(object, "region");
    *ret = (struct sentinel_credentials){0};
    if (!is_secret(access_key) || !is_secret(secret_key) || !is_secret(session_token))
        return -ENODATA;
    ret->access_key = copy(access_key, strlen(access_key));
    ret->secret_key = copy(secret_key, strlen(secret_key));
    ret->session_token = copy(session_token, strlen(session_token));
    ret->expires_at = parse_expiry(object);
    bool complete = ret->access_key && ret->secret_key && ret->session_token;
    if (region && *region && strlen(region) <= REGION_MAX && consists_of(text_of(region), LOWER_AND_DIGITS "-")) {
        ret->region = copy(region, strlen(region));
        complete = complete && ret->region;
    }
    if (complete)
        return 0;
    sentinel_credentials_done(ret);
    return -ENOMEM;
}

/* A run that has an ID is registered, whatever is wrong with the rest: without a prefix or credentials it is finished
 * inline. */
int answer_registration(const char *body, size_t len, struct sentinel_registration *ret)
{
    cJSON *answer = NULL;
    *ret = (struct sentinel_registration){0};
    int error = parse(body, len, &answer);
    if (error != 0)
        return error;
    const char *run_id = member(answer, "run_id");
    const char *prefix = member(answer, "upload_uri_prefix");
    size_t      prefix_len = prefix ? measure_prefix(prefix) : 0;
    error = api_run_id_is_fine(run_id) ? read_credentials(answer, &ret->credentials) : -EBADMSG;
    if (error == 0 || error == -ENODATA) {
        ret->run_id = copy(run_id, strlen(run_id));
        if (prefix_len > 0)
            ret->upload_uri_prefix = copy(prefix, prefix_len);
        error = ret->run_id && (prefix_len == 0 || ret->upload_uri_prefix) ? 0 : -ENOMEM;
    }
    cJSON_Delete(answer);
    if (error != 0)
        sentinel_registration_done(ret);
    return error;
}

int answer_credentials(const char *body, size_t len, struct sentinel_credentials *ret)
{
    cJSON *answer = NULL;
    *ret = (struct sentinel_credentials){0};
    int error = parse(body, len, &answer);
    if (error == 0)
        error = read_credentials(answer, ret);
    cJSON_Delete(answer);
    return error == -ENODATA ? -EBADMSG : error;
}

int answer_result(const char *body, size_t len, struct bytes *ret)
{
    struct text t = text_span(body ? body : "", body ? len : 0);
    bytes_init(ret, (size_t)3 * HTTP_ANSWER_MAX);
    if (text_len(t) == 0)
        t = text_of("{}");
    if (text_len(t) > HTTP_ANSWER_MAX || json_check(t, SIZE_MAX) != 0)
        return -EBADMSG;
    json_minify(t, ret);
    return ret->failed ? -ENOMEM : 0;
}

void sentinel_credentials_done(struct sentinel_credentials *credentials)
{
    free(credentials->access_key);
    free(credentials->secret_key);
    free(credentials->session_token);
    free(credentials->region);
    *credentials = (struct sentinel_credentials){0};
}

void sentinel_registration_done(struct sentinel_registration *registration)
{
    free(registration->run_id);
    free(registration->upload_uri_prefix);
    sentinel_credentials_done(&registration->credentials);
    *registration = (struct sentinel_registration){0};
}
