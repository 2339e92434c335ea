// SPDX-License-Identifier: Apache-2.0
// S3's requests and answers: what is signed, what goes out, what an answer means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sentinel/http/http.h"
#include "sentinel/s3.h"
#include "server.h"

enum { CHECKED = 1024, NOW = 1369353600 /* 2013-05-24T00:00:00Z */ };

static char access_key[] = "AKIAIOSFODNN7EXAMPLE";
static char secret_key[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
static char session_token[] = "AQoDYXdzEJr//////////token";

static const struct sentinel_credentials credentials = {access_key, secret_key, session_token, NULL, INT64_MAX};

static int put_text(const char *uri, const char *region, const char *endpoint, const char *text,
                    struct http_request *ret)
{
    const struct s3_target target = {uri, region, endpoint};
    struct bytes           data;
    bytes_init(&data, 4096);
    bytes_text(&data, text);
    int error = s3_put(&target, &credentials, "application/gzip", NOW, &data, ret);
    assert_true((error == 0) == (data.data == NULL));
    bytes_done(&data);
    return error;
}

static const char *header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++)
        if (strncmp(request->headers[i], name, len) == 0 && strncmp(request->headers[i] + len, ": ", 2) == 0)
            return request->headers[i] + len + 2;
    return "";
}

static void places_are_told_from_others(void **state)
{
    (void)state;
    static const char *const right[] = {"s3://abc", "s3://a.b-c.9/p", "s3://abc/a/b=c+d", "s3://abc/%41~"};
    static const char *const wrong[] = {"",         "s3://",         "s3://ab",       "S3://abc",     "s3:///abc",
                                        "s3://Abc", "s3://abc//d",   "s3://abc/d e",  "s3://abc/d?e", "s3://abc/d#e",
                                        "abc",      "s3://abc/\x7f", "s3://abc/\xc3", "http://abc/d", "s3://a@b/c"};
    char                     place[CHECKED];
    char                     with_slash[CHECKED];
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_int_equal(s3_check_place(right[i], place, sizeof place), 0);
        assert_string_equal(place, right[i]);
        (void)snprintf(with_slash, sizeof with_slash, "%s/", right[i]);
        assert_int_equal(s3_check_place(with_slash, place, sizeof place), 0);
        assert_string_equal(place, right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(s3_check_place(wrong[i], place, sizeof place), -EINVAL);
    char longest[S3_PLACE_MAX + 2] = "s3://abc/";
    memset(longest + 9, 'x', S3_PLACE_MAX - 9);
    assert_int_equal(s3_check_place(longest, place, sizeof place), 0);
    longest[S3_PLACE_MAX] = 'x';
    assert_int_equal(s3_check_place(longest, place, sizeof place), -EINVAL);
}

static void uris_of_objects_are_told_from_others(void **state)
{
    (void)state;
    static const char *const right[] = {"s3://abc/k",        "s3://a.b-c.9/run 1/0001.csv.gz",
                                        "s3://abc//k",       "s3://abc/../%/~\"",
                                        "s3://abc/\xc3\xa9", "s3://abc/k/"};
    static const char *const wrong[] = {"",
                                        "s3://",
                                        "s3://abc",
                                        "s3://abc/",
                                        "s3:///key",
                                        "s3://ab/key",
                                        "https://abc/key",
                                        "S3://abc/k",
                                        "s3://ABC/k",
                                        "s3://a_c/key",
                                        "s3://a b/key",
                                        "s3://abc/a\nb",
                                        "s3://abc/\x7f",
                                        "s3://abc?/k",
                                        "s3:/abc/k",
                                        " s3://abc/k",
                                        "s3://a%c/key",
                                        "s3://u@abc/k",
                                        "s3://abc:80/key"};
    char                     uri[2048];
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_int_equal(s3_check_uri(right[i]), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(s3_check_uri(wrong[i]), -EINVAL);
    assert_int_equal(s3_check_uri(NULL), -EINVAL);
    (void)snprintf(uri, sizeof uri, "s3://%063d/k", 0);
    assert_int_equal(s3_check_uri(uri), 0);
    (void)snprintf(uri, sizeof uri, "s3://%064d/k", 0);
    assert_int_equal(s3_check_uri(uri), -EINVAL);
    (void)snprintf(uri, sizeof uri, "s3://abc/%01024d", 0);
    assert_int_equal(s3_check_uri(uri), 0);
    (void)snprintf(uri, sizeof uri, "s3://abc/%01025d", 0);
    assert_int_equal(s3_check_uri(uri), -EINVAL);
}

static void regions_are_of_few_characters(void **state)
{
    (void)state;
    assert_true(s3_region_is_fine("eu-central-1"));
    assert_true(s3_region_is_fine("abcdefghijklmnopqrstuvwxyz-1234"));
    assert_false(s3_region_is_fine("abcdefghijklmnopqrstuvwxyz-12345"));
    assert_false(s3_region_is_fine(NULL));
    assert_false(s3_region_is_fine(""));
    assert_false(s3_region_is_fine("EU"));
    assert_false(s3_region_is_fine("evil.com/"));
    assert_false(s3_region_is_fine("a\r\nb"));
}

static void assert_endpoint(const char *url, const char *expected)
{
    char checked[256] = "untouched";
    assert_int_equal(s3_check_endpoint(url, checked, sizeof checked), expected ? 0 : -EINVAL);
    if (expected)
        assert_string_equal(checked, expected);
}

static void endpoints_are_http_urls_without_extras(void **state)
{
    (void)state;
    char small[12];
    assert_endpoint("https://minio.example", "https://minio.example");
    assert_endpoint("HTTPS://minio.example:9000//", "https://minio.example:9000");
    assert_endpoint("http://minio:9000/", "http://minio:9000");
    assert_endpoint("HTTP://10.0.0.1/gate/s3/", "http://10.0.0.1/gate/s3");
    assert_endpoint("http://[2001:db8::1]:9000", "http://[2001:db8::1]:9000");
    assert_endpoint("http://127.0.0.1:9000", "http://127.0.0.1:9000");
    static const char *const wrong[] = {"",
                                        "/",
                                        "minio:9000",
                                        "ftp://minio",
                                        "http://",
                                        "http:///path",
                                        "http://user@minio",
                                        "http://user:word@minio",
                                        "http://minio?x",
                                        "http://minio/#x",
                                        "http://minio:port",
                                        "http://minio:70000",
                                        "http://min io",
                                        "http://minio/a b",
                                        "http://minio/\xc3\xa9",
                                        "http://[::1",
                                        "http://minio\r\nX: y"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_endpoint(wrong[i], NULL);
    assert_int_equal(s3_check_endpoint("http://minio", small, sizeof small), -EINVAL);
    assert_int_equal(s3_check_endpoint("http://mini", small, sizeof small), 0);
}

static void assert_signature(const char *text, const char *signature)
{
    struct http_request request;
    assert_int_equal(put_text("s3://examplebucket/test/object.csv.gz", "us-east-1", NULL, text, &request), 0);
    assert_int_equal(request.method, HTTP_PUT);
    assert_string_equal(request.url, "https://examplebucket.s3.us-east-1.amazonaws.com/test/object.csv.gz");
    assert_string_equal(header(&request, "Host"), "examplebucket.s3.us-east-1.amazonaws.com");
    assert_string_equal(header(&request, "x-amz-date"), "20130524T000000Z");
    assert_string_equal(header(&request, "x-amz-security-token"), session_token);
    assert_string_equal(header(&request, "Content-Type"), "application/gzip");
    const char *authorization = header(&request, "Authorization");
    assert_non_null(strstr(authorization, "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "));
    assert_non_null(
        strstr(authorization, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature="));
    assert_string_equal(authorization + strlen(authorization) - 64, signature);
    assert_string_equal(request.body.data, text);
    assert_false(request.no_proxy_at_all);
    assert_int_equal(request.timeout_ms, 120000);
    http_request_done(&request);
}

static void an_object_is_signed_as_the_reference_client_signs_it(void **state)
{
    (void)state;
    assert_signature("", "9ac10526164cd6357068f985f3af4a5802a3e13797780c382d44d1013356e994");
    assert_signature("hello", "1840af7b2f59a5c883ffa1e80e2e1e4d9fc4f5e205c5cc3523629fb8400353b8");
}

static void keys_that_are_not_temporary_have_no_session_token(void **state)
{
    (void)state;
    const struct s3_target      target = {"s3://examplebucket/test/object.csv.gz", "us-east-1", NULL};
    struct sentinel_credentials lasting = credentials;
    struct http_request         request;
    struct bytes                data;
    bytes_init(&data, 100);
    bytes_text(&data, "hello");
    lasting.session_token = NULL;
    assert_int_equal(s3_put(&target, &lasting, NULL, NOW, &data, &request), 0);
    assert_string_equal(header(&request, "x-amz-security-token"), "");
    assert_non_null(strstr(header(&request, "Authorization"), "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "));
    assert_non_null(strstr(header(&request, "Authorization"),
                           "Signature=739c864dc4870df47e57c879d3f82e4d4894ad63abb32d0f800514856ff75a36"));
    http_request_done(&request);
}

/* The signatures are botocore's (1.43.11, S3SigV4Auth). */
static void assert_got(int error, struct http_request *request, const char *url, const char *signature)
{
    assert_int_equal(error, 0);
    assert_int_equal(request->method, HTTP_GET);
    assert_string_equal(request->url, url);
    const char *authorization = header(request, "Authorization");
    assert_string_equal(authorization + strlen(authorization) - 64, signature);
    http_request_done(request);
}

static void lists_and_objects_are_asked_for_as_the_reference_client_does(void **state)
{
    (void)state;
    struct sentinel_credentials lasting = credentials;
    struct http_request         request;
    lasting.session_token = NULL;
    struct s3_target  target = {"s3://examplebucket/a b/date=", "us-east-1", NULL};
    struct s3_listing days = {.delimiter = "/", .start_after = "a b/date=2013"};
    assert_got(s3_list(&target, &days, &lasting, NOW, &request), &request,
               "https://examplebucket.s3.us-east-1.amazonaws.com/"
               "?delimiter=%2F&encoding-type=url&list-type=2&prefix=a%20b%2Fdate%3D&start-after=a%20b%2Fdate%3D2013",
               "c5cd726cda52a2cb1c3423db901fb1431d17849a081cceec61e87c9c6d6c4730");
    const struct s3_listing on = {.start_after = "not again", .continuation = "1+x=="};
    target.uri = "s3://examplebucket/p";
    assert_got(s3_list(&target, &on, &lasting, NOW, &request), &request,
               "https://examplebucket.s3.us-east-1.amazonaws.com/"
               "?continuation-token=1%2Bx%3D%3D&encoding-type=url&list-type=2&prefix=p",
               "ea08f926fe46b099b163be632180079c62ee9e93d96b73cc9458bdd0871058af");
    target.endpoint = "http://127.0.0.1:9000";
    assert_got(s3_list(&target, &(struct s3_listing){0}, &lasting, NOW, &request), &request,
               "http://127.0.0.1:9000/examplebucket?encoding-type=url&list-type=2&prefix=p",
               "162ef83378a786ac95bf3d00fd477c5bb0a0efdd272b9e20564d37dba3522089");
    target = (struct s3_target){"s3://examplebucket/runs/date=2013-05-24/K.json", "us-east-1", NULL};
    assert_got(s3_get(&target, &lasting, NOW, &request), &request,
               "https://examplebucket.s3.us-east-1.amazonaws.com/runs/date%3D2013-05-24/K.json",
               "ddbc7c2465773050ee1c540860221b4d6d2b8a968b72798ef21c4e907b5c8026");
    target.region = "R";
    assert_int_equal(s3_get(&target, &lasting, NOW, &request), -EINVAL);
    assert_null(request.url);
    target = (struct s3_target){"s3://x", "us-east-1", NULL};
    assert_int_equal(s3_list(&target, &days, &lasting, NOW, &request), -EINVAL);
}

static void assert_url(const char *uri, const char *region, const char *endpoint, const char *url, const char *host)
{
    struct http_request request;
    assert_int_equal(put_text(uri, region, endpoint, "x", &request), 0);
    assert_string_equal(request.url, url);
    assert_string_equal(header(&request, "Host"), host);
    http_request_done(&request);
}

static void buckets_are_addressed_by_host_at_aws_but_for_names_with_dots(void **state)
{
    (void)state;
    assert_url("s3://bucket/k", "eu-central-1", NULL, "https://bucket.s3.eu-central-1.amazonaws.com/k",
               "bucket.s3.eu-central-1.amazonaws.com");
    assert_url("s3://bucket/k", "eu-central-1", "", "https://bucket.s3.eu-central-1.amazonaws.com/k",
               "bucket.s3.eu-central-1.amazonaws.com");
    assert_url("s3://my.bucket/p/k", "eu-central-1", NULL, "https://s3.eu-central-1.amazonaws.com/my.bucket/p/k",
               "s3.eu-central-1.amazonaws.com");
    assert_url("s3://bucket/k", "cn-north-1", NULL, "https://bucket.s3.cn-north-1.amazonaws.com.cn/k",
               "bucket.s3.cn-north-1.amazonaws.com.cn");
    assert_url("s3://my.bucket/k", "cn-north-1", NULL, "https://s3.cn-north-1.amazonaws.com.cn/my.bucket/k",
               "s3.cn-north-1.amazonaws.com.cn");
}

static void buckets_are_addressed_by_path_elsewhere(void **state)
{
    (void)state;
    assert_url("s3://bucket/k", "cn-x", "https://minio.example", "https://minio.example/bucket/k", "minio.example");
    assert_url("s3://a.b.c/k", "r", "https://minio.example:9000/", "https://minio.example:9000/a.b.c/k",
               "minio.example:9000");
    assert_url("s3://bucket/k", "r", "http://[::1]:9000", "http://[::1]:9000/bucket/k", "[::1]:9000");
    assert_url("s3://bucket/k", "r", "http://[::1]", "http://[::1]/bucket/k", "[::1]");
    assert_url("s3://bucket/k", "r", "https://gate.example/s3/v1/", "https://gate.example/s3/v1/bucket/k",
               "gate.example");
    assert_url("s3://bucket/k", "r", "https://minio.example:443", "https://minio.example/bucket/k", "minio.example");
    assert_url("s3://bucket/k", "r", "http://minio:80", "http://minio/bucket/k", "minio");
    assert_url("s3://bucket/k", "r", "http://minio:443", "http://minio:443/bucket/k", "minio:443");
    assert_url("s3://bucket/k", "r", "http://minio:1080", "http://minio:1080/bucket/k", "minio:1080");
}

static void keys_are_encoded_and_keep_their_slashes(void **state)
{
    (void)state;
    assert_url("s3://bucket/run=1+2 3:4/0001.csv.gz", "r", NULL,
               "https://bucket.s3.r.amazonaws.com/run%3D1%2B2%203%3A4/0001.csv.gz", "bucket.s3.r.amazonaws.com");
    assert_url("s3://bucket//a//../~/%41?#\xc3\xa9", "r", NULL,
               "https://bucket.s3.r.amazonaws.com//a//../~/%2541%3F%23%C3%A9", "bucket.s3.r.amazonaws.com");
}

static bool goes_by_no_proxy(const char *endpoint)
{
    struct http_request request;
    assert_int_equal(put_text("s3://bucket/k", "r", endpoint, "x", &request), 0);
    bool result = request.no_proxy_at_all;
    http_request_done(&request);
    return result;
}

static void only_plain_loopback_goes_by_no_proxy(void **state)
{
    (void)state;
    assert_true(goes_by_no_proxy("http://127.0.0.1:9000"));
    assert_true(goes_by_no_proxy("http://localhost/x"));
    assert_false(goes_by_no_proxy("http://minio:9000"));
    assert_false(goes_by_no_proxy("https://127.0.0.1"));
    assert_false(goes_by_no_proxy(NULL));
}

static void what_cannot_be_signed_is_refused_and_the_data_kept(void **state)
{
    (void)state;
    struct http_request         request;
    struct bytes                data;
    const struct s3_target      fine = {"s3://bucket/k", "r", NULL};
    struct sentinel_credentials without = credentials;
    assert_int_equal(put_text("s3://b/k", "r", NULL, "x", &request), -EINVAL);
    assert_int_equal(put_text("s3://bucket/k", "R", NULL, "x", &request), -EINVAL);
    assert_int_equal(put_text("s3://bucket/k", NULL, NULL, "x", &request), -EINVAL);
    assert_int_equal(put_text("s3://bucket/k", "r", "http://u@minio", "x", &request), -EINVAL);
    assert_null(request.url);
    assert_int_equal(request.header_count, 0);
    bytes_init(&data, 100);
    bytes_text(&data, "x");
    assert_int_equal(s3_put(&fine, NULL, NULL, NOW, &data, &request), -EINVAL);
    char broken[] = "to\r\nken";
    without.session_token = broken;
    assert_int_equal(s3_put(&fine, &without, NULL, NOW, &data, &request), -EINVAL);
    assert_int_equal(s3_put(&fine, &credentials, "a\nb", NOW, &data, &request), -EINVAL);
    assert_string_equal(data.data, "x");
    bytes_add(&data, access_key, sizeof access_key);
    data.failed = true;
    assert_int_equal(s3_put(&fine, &credentials, NULL, NOW, &data, &request), -ENOMEM);
    bytes_done(&data);
}

static void the_bucket_is_asked_for_its_region_at_aws_alone(void **state)
{
    (void)state;
    struct http_request request;
    assert_int_equal(s3_head_bucket(&(struct s3_target){"s3://bucket/k", NULL, NULL}, &request), 0);
    assert_int_equal(request.method, HTTP_HEAD);
    assert_string_equal(request.url, "https://bucket.s3.amazonaws.com/");
    assert_int_equal(request.header_count, 0);
    assert_int_equal(request.connect_timeout_ms, 5000);
    assert_int_equal(request.timeout_ms, 10000);
    http_request_done(&request);
    assert_int_equal(s3_head_bucket(&(struct s3_target){"s3://my.bucket/k", NULL, ""}, &request), 0);
    assert_string_equal(request.url, "https://s3.amazonaws.com/my.bucket");
    http_request_done(&request);
    assert_int_equal(s3_head_bucket(&(struct s3_target){"s3://bucket/k", NULL, "http://minio"}, &request), -EINVAL);
    assert_int_equal(s3_head_bucket(&(struct s3_target){"bucket", NULL, NULL}, &request), -EINVAL);
}

/* The verdict on an answer; `region` is what it names ("" for none). */
static enum s3_verdict judge(long status, const char *body, struct s3_attempts attempts, char region[S3_REGION_SIZE])
{
    struct http_answer answer = {.status = status, .retry_after_s = -1, .date = 1369353600};
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_text(&answer.body, body);
    enum s3_verdict verdict = s3_judge(&answer, &attempts, "eu-central-1", region);
    http_answer_done(&answer);
    return verdict;
}

static enum s3_verdict judge_code(long status, const char *code, struct s3_attempts attempts)
{
    char body[512];
    char region[S3_REGION_SIZE];
    (void)snprintf(body, sizeof body,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>m</Message>"
                   "<Region>us-west-2</Region><RequestId>4442587FB7D0A2F9</RequestId></Error>",
                   code);
    return judge(status, body, attempts, region);
}

static void answers_are_judged_by_their_code_first(void **state)
{
    (void)state;
    static const struct {
        const char     *code;
        long            status;
        enum s3_verdict first, again;
    } cases[] = {
        {"ExpiredToken", 400, S3_REFRESH, S3_RETRY},
        {"InvalidToken", 400, S3_REFRESH, S3_RETRY},
        {"TokenRefreshRequired", 400, S3_REFRESH, S3_RETRY},
        {"ExpiredToken", 403, S3_REFRESH, S3_RETRY},
        {"RequestTimeTooSkewed", 403, S3_SKEWED, S3_REFUSED},
        {"PermanentRedirect", 301, S3_MOVED, S3_REFUSED},
        {"TemporaryRedirect", 307, S3_MOVED, S3_REFUSED},
        {"AuthorizationHeaderMalformed", 400, S3_MOVED, S3_REFUSED},
        {"RequestTimeout", 400, S3_RETRY, S3_RETRY},
        {"SlowDown", 503, S3_RETRY, S3_RETRY},
        {"ServiceUnavailable", 503, S3_RETRY, S3_RETRY},
        {"InternalError", 500, S3_RETRY, S3_RETRY},
        {"OperationAborted", 409, S3_RETRY, S3_RETRY},
        {"AccessDenied", 403, S3_REFRESH, S3_REFUSED},
        {"InvalidAccessKeyId", 403, S3_REFRESH, S3_REFUSED},
        {"SignatureDoesNotMatch", 403, S3_REFRESH, S3_REFUSED},
        {"NoSuchBucket", 404, S3_REFUSED, S3_REFUSED},
        {"EntityTooLarge", 400, S3_REFUSED, S3_REFUSED},
        {"Unheard", 502, S3_RETRY, S3_RETRY},
        {"ExpiredTokens", 400, S3_REFUSED, S3_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(judge_code(cases[i].status, cases[i].code, (struct s3_attempts){0}), cases[i].first);
        assert_int_equal(judge_code(cases[i].status, cases[i].code, (struct s3_attempts){true, true, true}),
                         cases[i].again);
    }
}

static void without_a_code_the_status_decides(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",           "<Error>",           "<Code>",        "<Code></Code>",         "no XML at all",
        "<html>oops", "<Error><Code>Slow", "Code>SlowDown", "< Code>SlowDown</Code>"};
    static const struct {
        long            status;
        enum s3_verdict verdict;
    } cases[] = {{200, S3_STORED},  {201, S3_STORED},  {202, S3_RETRY},   {204, S3_RETRY},   {299, S3_RETRY},
                 {301, S3_REFUSED}, {302, S3_REFUSED}, {307, S3_REFUSED}, {400, S3_REFUSED}, {401, S3_REFUSED},
                 {403, S3_REFRESH}, {404, S3_REFUSED}, {408, S3_RETRY},   {413, S3_REFUSED}, {429, S3_RETRY},
                 {500, S3_RETRY},   {599, S3_RETRY},   {600, S3_REFUSED}, {100, S3_REFUSED}};
    char region[S3_REGION_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n < sizeof bodies / sizeof *bodies; n++)
            assert_int_equal(judge(cases[i].status, bodies[n], (struct s3_attempts){0}, region), cases[i].verdict);
    assert_int_equal(judge(403, "", (struct s3_attempts){.refreshed = true}, region), S3_REFUSED);
}

static void an_answer_that_did_not_come_is_tried_for_again(void **state)
{
    (void)state;
    static const int errors[] = {-ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -EKEYREJECTED, -EMSGSIZE, -EIO};
    char             region[S3_REGION_SIZE];
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const struct http_answer answer = {.error = errors[i], .retry_after_s = -1};
        assert_int_equal(s3_judge(&answer, &(struct s3_attempts){0}, "r", region), S3_RETRY);
    }
}

static enum s3_verdict judge_region(const char *of_header, const char *of_body, char ret[S3_REGION_SIZE])
{
    struct http_answer answer = {.status = 301, .retry_after_s = -1};
    (void)snprintf(answer.bucket_region, sizeof answer.bucket_region, "%s", of_header);
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_format(&answer.body, "<Error><Code>\n PermanentRedirect </Code><Endpoint>evil.example</Endpoint>");
    if (*of_body)
        bytes_format(&answer.body, "<Region>%s</Region>", of_body);
    bytes_text(&answer.body, "</Error>");
    enum s3_verdict verdict = s3_judge(&answer, &(struct s3_attempts){0}, "eu-central-1", ret);
    http_answer_done(&answer);
    return verdict;
}

static void a_bucket_has_moved_only_to_another_region_with_a_fine_name(void **state)
{
    (void)state;
    char region[S3_REGION_SIZE];
    assert_int_equal(judge_region("us-west-2", "", region), S3_MOVED);
    assert_string_equal(region, "us-west-2");
    assert_int_equal(judge_region("", " ap-south-1\n", region), S3_MOVED);
    assert_string_equal(region, "ap-south-1");
    assert_int_equal(judge_region("us-west-2", "ap-south-1", region), S3_MOVED);
    assert_string_equal(region, "us-west-2");
    static const char *const others[] = {
        "", "eu-central-1", "US", "evil.example/", "a@b", "&lt;x&gt;", "abcdefghijklmnopqrstuvwxyz-12345"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(judge_region("", others[i], region), S3_REFUSED);
        assert_string_equal(region, "");
    }
}

static void a_skewed_clock_can_be_set_by_a_date_alone(void **state)
{
    (void)state;
    struct http_answer answer = {.status = 403, .retry_after_s = -1};
    char               region[S3_REGION_SIZE];
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_text(&answer.body, "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    assert_int_equal(s3_judge(&answer, &(struct s3_attempts){0}, "r", region), S3_REFUSED);
    answer.date = NOW;
    assert_int_equal(s3_judge(&answer, &(struct s3_attempts){0}, "r", region), S3_SKEWED);
    http_answer_done(&answer);
}

/* The path on the request line, byte for byte the one that was signed. */
static void assert_sent_as_signed(const char *key)
{
    static const struct server_reply stored = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS};
    struct server                    server;
    struct http                     *http = NULL;
    struct http_request              request;
    struct http_answer               answer;
    char                             uri[128];
    char                             endpoint[64];
    char                             line[512];
    char                             value[256];
    assert_true(server_start(&server, &stored, 1));
    (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/base", server.port);
    (void)snprintf(uri, sizeof uri, "s3://bucket/%s", key);
    assert_int_equal(put_text(uri, "r", endpoint, "x", &request), 0);
    (void)snprintf(line, sizeof line, "PUT %s HTTP/1.1\r\n", strstr(request.url, "/base/"));
    assert_int_equal(http_open(&(struct http_options){0}, &http), 0);
    assert_int_equal(http_perform(http, &request, clock_monotonic() + 10 * CLOCK_SECOND, &answer), 0);
    assert_int_equal(answer.status, 200);
    http_answer_done(&answer);
    http_close(http);
    server_stop(&server);
    assert_int_equal(strncmp(server.requests[0], line, strlen(line)), 0);
    (void)snprintf(line, sizeof line, "127.0.0.1:%d", server.port);
    assert_string_equal(server_header(&server, 0, "Host", value), line);
    assert_string_equal(server_header(&server, 0, "Content-Length", value), "1");
    assert_string_equal(server_header(&server, 0, "Content-Type", value), "application/gzip");
    assert_string_equal(server_header(&server, 0, "Expect", value), "");
    assert_string_equal(server_header(&server, 0, "Transfer-Encoding", value), "");
    assert_string_equal(server_body(&server, 0), "x");
    server_done(&server);
}

static void what_goes_out_is_what_was_signed(void **state)
{
    (void)state;
    static const char *const keys[] = {"k",
                                       "/k",
                                       "a//b///c/",
                                       "a/../../b",
                                       "./a/./b/.",
                                       "..",
                                       "100%/%2e%2e/%41",
                                       "~/run=1+2 3:4@5",
                                       "\xc3\xa9/\xf0\x9f\x98\x80",
                                       "a?b#c&d;e",
                                       "[{<\"'`^|\\>}]",
                                       "\xff\xfe"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_sent_as_signed(keys[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_told_from_others),
        cmocka_unit_test(uris_of_objects_are_told_from_others),
        cmocka_unit_test(regions_are_of_few_characters),
        cmocka_unit_test(endpoints_are_http_urls_without_extras),
        cmocka_unit_test(an_object_is_signed_as_the_reference_client_signs_it),
        cmocka_unit_test(keys_that_are_not_temporary_have_no_session_token),
        cmocka_unit_test(lists_and_objects_are_asked_for_as_the_reference_client_does),
        cmocka_unit_test(buckets_are_addressed_by_host_at_aws_but_for_names_with_dots),
        cmocka_unit_test(buckets_are_addressed_by_path_elsewhere),
        cmocka_unit_test(keys_are_encoded_and_keep_their_slashes),
        cmocka_unit_test(only_plain_loopback_goes_by_no_proxy),
        cmocka_unit_test(what_cannot_be_signed_is_refused_and_the_data_kept),
        cmocka_unit_test(the_bucket_is_asked_for_its_region_at_aws_alone),
        cmocka_unit_test(answers_are_judged_by_their_code_first),
        cmocka_unit_test(without_a_code_the_status_decides),
        cmocka_unit_test(an_answer_that_did_not_come_is_tried_for_again),
        cmocka_unit_test(a_bucket_has_moved_only_to_another_region_with_a_fine_name),
        cmocka_unit_test(a_skewed_clock_can_be_set_by_a_date_alone),
        cmocka_unit_test(what_goes_out_is_what_was_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
