/* Objects are addressed, signed and put; the answers are judged by their codes. */
// SPDX-License-Identifier: Apache-2.0
#include "sentinel/s3.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/text.h"
#include "sentinel/answers.h"
#include "sentinel/requests.h"
#include "sentinel/sigv4.h"

enum {
    KEY_MAX = 1024,
    ENDPOINT_MAX = 4 * 1024,
    URL_MAX = 12 * 1024, /* a key of 1024 bytes may triple */
    AUTHORIZATION_MAX = 16 * 1024,
    PUT_TIMEOUT_MS = 120 * 1000,
    HEAD_CONNECT_TIMEOUT_MS = 5 * 1000,
    HEAD_TIMEOUT_MS = 10 * 1000,
    GET_TIMEOUT_MS = 60 * 1000,
};

static bool parse_uri(const char *uri, char ret_bucket[static S3_BUCKET_MAX + 1], const char **ret_key)
{
    struct text t = text_of(uri ? uri : "");
    struct text bucket;
    if (!text_skip(&t, "s3://") || !text_until(&t, '/', &bucket) || text_len(bucket) < S3_BUCKET_MIN ||
        !text_consists_of(bucket, S3_BUCKET_CHARACTERS) || !text_copy(bucket, ret_bucket, S3_BUCKET_MAX + 1))
        return false;
    for (const char *p = t.at; p < t.end; p++)
        if (ascii_is_control(*p))
            return false;
    *ret_key = t.at;
    return text_len(t) > 0 && text_len(t) <= KEY_MAX;
}

int s3_check_uri(const char *uri)
{
    char        bucket[S3_BUCKET_MAX + 1];
    const char *key = NULL;
    return parse_uri(uri, bucket, &key) ? 0 : -EINVAL;
}

int s3_check_place(const char *uri, char *ret, size_t size)
{
    char        key[S3_PLACE_MAX + sizeof "/k"];
    struct text t = text_of(uri);
    while (text_len(t) > 0 && t.end[-1] == '/')
        t.end--;
    ret[0] = '\0';
    if (text_len(t) > S3_PLACE_MAX || strstr(text_len(t) > 5 ? uri + 5 : uri, "//"))
        return -EINVAL;
    for (const char *p = t.at; p < t.end; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '?' || *p == '#')
            return -EINVAL;
    (void)snprintf(key, sizeof key, "%.*s/k", (int)text_len(t), t.at);
    return s3_check_uri(key) == 0 && text_copy(t, ret, size) ? 0 : -EINVAL;
}

bool s3_region_is_fine(const char *region)
{
    return region && strlen(region) < S3_REGION_SIZE && text_consists_of(text_of(region), S3_REGION_CHARACTERS);
}

int s3_check_endpoint(const char *url, char *ret, size_t size)
{
    /* The text of the URL is signed: a byte that somebody on the way may encode would not be the one that was signed.
     */
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p >= 0x7f)
            return -EINVAL;
    int error = api_check_url(url, ret, size);
    if (error != -EACCES)
        return error;
    /* The URL is plain http to another machine, right in all else. The secret key itself never goes out. */
    struct text t = text_of(url);
    while (t.end[-1] == '/')
        t.end--;
    if (!text_copy(t, ret, size))
        return -EINVAL;
    for (char *p = ret; *p != ':'; p++)
        *p = (char)(*p | 0x20); /* the scheme, all letters, in lower case */
    return 0;
}

/* The place of a request: the parts of its URL, as they are signed. */
struct place {
    const char  *scheme;
    struct bytes host; /* with its port, unless that is the scheme's own */
    struct bytes path; /* encoded */
    bool         no_proxy_at_all;
};

static void place_init(struct place *place)
{
    *place = (struct place){.scheme = "https"};
    bytes_init(&place->host, ENDPOINT_MAX);
    bytes_init(&place->path, URL_MAX);
}

static void place_done(struct place *place)
{
    bytes_done(&place->host);
    bytes_done(&place->path);
}

/* AWS takes the virtual-host style, but for names with dots, for which its certificate does not stand. `region` NULL:
 * the host that knows of all regions. */
static void place_at_aws(const char *bucket, const char *region, struct place *ret)
{
    bool dots = strchr(bucket, '.') != NULL;
    if (!dots) {
        bytes_text(&ret->host, bucket);
        bytes_char(&ret->host, '.');
    }
    bytes_text(&ret->host, "s3.");
    if (region) {
        bytes_text(&ret->host, region);
        bytes_char(&ret->host, '.');
    }
    bytes_text(&ret->host, "amazonaws.com");
    if (region && strncmp(region, "cn-", strlen("cn-")) == 0)
        bytes_text(&ret->host, ".cn");
    bytes_char(&ret->path, '/');
    if (dots)
        bytes_text(&ret->path, bucket);
}

/* An endpoint takes the path style. */
static int place_at_endpoint(const char *bucket, const char *endpoint, struct place *ret)
{
    char checked[ENDPOINT_MAX];
    int  error = s3_check_endpoint(endpoint, checked, sizeof checked);
    if (error != 0)
        return error;
    struct text t = text_of(checked);
    bool        plain = text_skip(&t, "http://");
    if (!plain)
        (void)text_skip(&t, "https://");
    const char *slash = memchr(t.at, '/', text_len(t));
    struct text host = {t.at, slash ? slash : t.end};
    struct text path = {host.end, t.end};
    const char *port = plain ? ":80" : ":443";
    size_t      port_len = strlen(port);
    if (text_len(host) > port_len && memcmp(host.end - port_len, port, port_len) == 0)
        host.end -= port_len;
    ret->scheme = plain ? "http" : "https";
    ret->no_proxy_at_all = plain && api_check_url(endpoint, checked, sizeof checked) == 0;
    bytes_add(&ret->host, host.at, text_len(host));
    bytes_add(&ret->path, path.at, text_len(path));
    bytes_char(&ret->path, '/');
    bytes_text(&ret->path, bucket);
    return 0;
}

/* `query` "": none. */
static int put_url(const struct place *place, const char *query, struct http_request *ret)
{
    struct bytes url;
    bytes_init(&url, ENDPOINT_MAX + 2 * URL_MAX);
    bytes_text(&url, place->scheme);
    bytes_text(&url, "://");
    bytes_add(&url, place->host.data, place->host.len);
    bytes_add(&url, place->path.data, place->path.len);
    if (*query)
        bytes_char(&url, '?');
    bytes_text(&url, query);
    ret->url = place->host.failed || place->path.failed ? NULL : bytes_take(&url);
    ret->no_proxy_at_all = place->no_proxy_at_all;
    bytes_done(&url);
    return ret->url ? 0 : -ENOMEM;
}

static bool credentials_are_fine(const struct sentinel_credentials *credentials)
{
    return credentials && api_token_is_fine(credentials->access_key) && api_token_is_fine(credentials->secret_key) &&
           (!credentials->session_token || api_token_is_fine(credentials->session_token));
}

/* Signed headers go out as they were signed, the host too. */
static int put_headers(const struct s3_target *target, const struct sentinel_credentials *credentials,
                       const struct place *place, const char *query, int64_t now, struct http_request *ret)
{
    char         hash[SIGV4_HASH_SIZE];
    char         when[17];
    struct bytes authorization;
    int          error = sigv4_hash(ret->body.data, ret->body.len, hash);
    clock_format_compact(now, when);
    const struct sigv4_header headers[] = {
        {"host", place->host.data},
        {"x-amz-content-sha256", hash},
        {"x-amz-date", when},
        {"x-amz-security-token", credentials->session_token},
    };
    const struct sigv4 request = {
        .access_key = credentials->access_key,
        .secret_key = credentials->secret_key,
        .region = target->region,
        .service = "s3",
        .when = when,
        .method = ret->method == HTTP_PUT ? "PUT" : "GET",
        .path = place->path.data,
        .query = query,
        .headers = headers,
        .header_count = ARRAY_LENGTH(headers) - !credentials->session_token,
        .payload_hash = hash,
    };
    bytes_init(&authorization, AUTHORIZATION_MAX);
    if (error == 0)
        error = sigv4_authorization(&request, &authorization);
    if (error == 0)
        error = http_request_header(ret, "Host", place->host.data);
    for (size_t i = 1; error == 0 && i < request.header_count; i++)
        error = http_request_header(ret, headers[i].name, headers[i].value);
    if (error == 0)
        error = http_request_header(ret, "Authorization", authorization.data);
    bytes_done(&authorization);
    return error;
}

int s3_put(const struct s3_target *target, const struct sentinel_credentials *credentials, const char *content_type,
           int64_t now, struct bytes *data, struct http_request *ret)
{
    char         bucket[S3_BUCKET_MAX + 1];
    const char  *key = NULL;
    struct place place;
    *ret = (struct http_request){.method = HTTP_PUT, .timeout_ms = PUT_TIMEOUT_MS};
    if (!parse_uri(target->uri, bucket, &key) || !s3_region_is_fine(target->region) ||
        !credentials_are_fine(credentials))
        return -EINVAL;
    if (data->failed)
        return -ENOMEM;
    int error = 0;
    place_init(&place);
    if (target->endpoint && *target->endpoint)
        error = place_at_endpoint(bucket, target->endpoint, &place);
    else
        place_at_aws(bucket, target->region, &place);
    if (error == 0 && place.path.len > 1)
        bytes_char(&place.path, '/');
    sigv4_encode(key, true, &place.path);
    if (error == 0)
        error = put_url(&place, "", ret);
    ret->body = *data;
    if (error == 0)
        error = put_headers(target, credentials, &place, "", now, ret);
    if (error == 0)
        error = http_request_header(ret, "Content-Type", content_type ? content_type : "application/gzip");
    place_done(&place);
    if (error == 0) {
        *data = (struct bytes){.max = data->max};
        return 0;
    }
    ret->body = (struct bytes){0}; /* it stays the caller's */
    http_request_done(ret);
    return error == -E2BIG ? -EINVAL : error;
}

int s3_head_bucket(const struct s3_target *target, struct http_request *ret)
{
    char         bucket[S3_BUCKET_MAX + 1];
    const char  *key = NULL;
    struct place place;
    *ret = (struct http_request){
        .method = HTTP_HEAD,
        .connect_timeout_ms = HEAD_CONNECT_TIMEOUT_MS,
        .timeout_ms = HEAD_TIMEOUT_MS,
    };
    if (!parse_uri(target->uri, bucket, &key) || (target->endpoint && *target->endpoint))
        return -EINVAL;
    place_init(&place);
    place_at_aws(bucket, NULL, &place);
    int error = put_url(&place, "", ret);
    place_done(&place);
    return error;
}

/* `key` NULL: the bucket itself. */
static int compose_get(const struct s3_target *target, const char *bucket, const char *key,
                       const struct sentinel_credentials *credentials, const char *query, int64_t now,
                       struct http_request *ret)
{
    struct place place;
    *ret = (struct http_request){.method = HTTP_GET, .timeout_ms = GET_TIMEOUT_MS};
    if (!s3_region_is_fine(target->region) || !credentials_are_fine(credentials))
        return -EINVAL;
    int error = 0;
    place_init(&place);
    if (target->endpoint && *target->endpoint)
        error = place_at_endpoint(bucket, target->endpoint, &place);
    else
        place_at_aws(bucket, target->region, &place);
    if (error == 0 && key && place.path.len > 1)
        bytes_char(&place.path, '/');
    if (key)
        sigv4_encode(key, true, &place.path);
    if (error == 0)
        error = put_url(&place, query, ret);
    if (error == 0)
        error = put_headers(target, credentials, &place, query, now, ret);
    place_done(&place);
    if (error < 0)
        http_request_done(ret);
    return error == -E2BIG ? -EINVAL : error;
}

int s3_get(const struct s3_target *target, const struct sentinel_credentials *credentials, int64_t now,
           struct http_request *ret)
{
    char        bucket[S3_BUCKET_MAX + 1];
    const char *key = NULL;
    *ret = (struct http_request){0};
    return parse_uri(target->uri, bucket, &key) ? compose_get(target, bucket, key, credentials, "", now, ret) : -EINVAL;
}

static void put_parameter(const char *name, const char *value, struct bytes *query)
{
    if (!value)
        return;
    if (query->len > 0)
        bytes_char(query, '&');
    bytes_text(query, name);
    bytes_char(query, '=');
    sigv4_encode(value, false, query);
}

int s3_list(const struct s3_target *target, const struct s3_listing *listing,
            const struct sentinel_credentials *credentials, int64_t now, struct http_request *ret)
{
    char         bucket[S3_BUCKET_MAX + 1];
    const char  *prefix = NULL;
    struct bytes query;
    *ret = (struct http_request){0};
    if (!parse_uri(target->uri, bucket, &prefix))
        return -EINVAL;
    bytes_init(&query, URL_MAX);
    put_parameter("continuation-token", listing->continuation, &query); /* in the order of their names */
    put_parameter("delimiter", listing->delimiter, &query);
    put_parameter("encoding-type", "url", &query);
    put_parameter("list-type", "2", &query);
    put_parameter("prefix", prefix, &query);
    put_parameter("start-after", listing->continuation ? NULL : listing->start_after, &query);
    int error = query.failed ? -EINVAL
                             : compose_get(target, bucket, NULL, credentials, query.data ? query.data : "", now, ret);
    bytes_done(&query);
    return error;
}

/* A code's meaning, whatever the status beside it. */
enum kind { BY_STATUS, AGAIN, STALE, ELSEWHERE, SKEWED };

static const struct {
    char      code[32];
    enum kind kind;
} codes[] = {
    {"ExpiredToken", STALE},          {"InvalidToken", STALE},          {"TokenRefreshRequired", STALE},
    {"PermanentRedirect", ELSEWHERE}, {"TemporaryRedirect", ELSEWHERE}, {"AuthorizationHeaderMalformed", ELSEWHERE},
    {"RequestTimeTooSkewed", SKEWED}, {"RequestTimeout", AGAIN},        {"SlowDown", AGAIN},
    {"ServiceUnavailable", AGAIN},    {"InternalError", AGAIN},         {"OperationAborted", AGAIN},
    {"ConditionalRequestConflict", AGAIN},
};

static enum kind kind_of(const struct http_answer *answer)
{
    struct text code;
    if (answer_element(text_span(answer->body.data, answer->body.len), "Code>", &code))
        for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
            if (text_is(code, codes[i].code))
                return codes[i].kind;
    long status = answer->status;
    if (status == 301 || status == 307)
        return ELSEWHERE;
    return status == 408 || status == 429 || (status >= 500 && status <= 599) ? AGAIN : BY_STATUS;
}

/* True when the answer names a region, and it is another one. */
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
