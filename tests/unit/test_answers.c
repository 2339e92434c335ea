// SPDX-License-Identifier: Apache-2.0
// What comes back from the Sentinel API: decoding, descriptions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentinel/answers.h"

#define CREDENTIALS "{\"access_key\":\"AK\",\"secret_key\":\"SK\",\"session_token\":\"ST/+=\""
#define REGISTERED(credentials) \
    "{\"run_id\":\"r_1-A\",\"upload_uri_prefix\":\"s3://bucket/a/b/\",\"upload_credentials\":" credentials "}"

static struct sentinel_registration decode(const char *body)
{
    struct sentinel_registration registration;
    assert_int_equal(answer_registration(body, strlen(body), &registration), 0);
    return registration;
}

static void assert_nonsense(const char *body, size_t len)
{
    struct sentinel_registration registration;
    char                        *exact = malloc(len + 1); /* so that a sanitizer sees a byte too far */
    assert_non_null(exact);
    memcpy(exact, body, len);
    assert_int_equal(answer_registration(exact, len, &registration), -EBADMSG);
    assert_null(registration.run_id);
    assert_null(registration.upload_uri_prefix);
    assert_null(registration.credentials.access_key);
    free(exact);
}

static void a_registration_is_decoded(void **state)
{
    (void)state;
    struct sentinel_registration r = decode(
        REGISTERED(CREDENTIALS ",\"expires_at\":\"2026-04-01T00:00:00Z\",\"region\":\"eu-west-1\"}"));
    assert_string_equal(r.run_id, "r_1-A");
    assert_string_equal(r.upload_uri_prefix, "s3://bucket/a/b");
    assert_string_equal(r.credentials.access_key, "AK");
    assert_string_equal(r.credentials.secret_key, "SK");
    assert_string_equal(r.credentials.session_token, "ST/+=");
    assert_string_equal(r.credentials.region, "eu-west-1");
    assert_int_equal(r.credentials.expires_at, 1775001600);
    sentinel_registration_done(&r);
    assert_null(r.run_id);
    sentinel_registration_done(&r);
}

static void the_expiry_has_two_names_and_many_forms(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t     seconds;
    } cases[] = {
        {",\"expires_at\":\"2026-04-01T00:00:00Z\"}", 1775001600},
        {",\"expiration\":\"2026-04-01T00:00:00Z\"}", 1775001600},
        {",\"expires_at\":null,\"expiration\":\"2026-04-01T00:00:00+00:00\"}", 1775001600},
        {",\"expires_at\":\"2026-04-01T02:00:00+02:00\"}", 1775001600},
        {",\"expires_at\":\"2026-03-31T19:00:00.123456-0500\"}", 1775001600},
        {",\"expires_at\":\"2026-04-01T00:00:00.5\"}", 1775001600},
        {",\"expires_at\":\"2000-02-29T12:30:15Z\"}", 951827415},
        {"}", INT64_MAX},
        {",\"expires_at\":null}", INT64_MAX},
        {",\"expires_at\":\"2026-04-01\"}", 0},
        {",\"expires_at\":\"soon\"}", 0},
        {",\"expires_at\":\"\"}", 0},
        {",\"expires_at\":[]}", 0},
        {",\"expires_at\":1775001600}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, REGISTERED(CREDENTIALS "%s"), cases[i].json);
        struct sentinel_registration r = decode(body);
        assert_non_null(r.credentials.access_key);
        assert_int_equal(r.credentials.expires_at, cases[i].seconds);
        sentinel_registration_done(&r);
    }
}

static void a_run_without_a_usable_place_keeps_its_id(void **state)
{
    (void)state;
    static const char *const prefixes[] = {
        "null",
        "5",
        "\"\"",
        "\"s3://\"",
        "\"s3://bucket\"",
        "\"s3://bucket/\"",
        "\"s3://bucket//x\"",
        "\"s3:///x\"",
        "\"https://bucket/x\"",
        "\"s3://Bucket/x\"",
        "\"s3://bu/x\"",
        "\"s3://bu_cket/x\"",
        "\"s3://bucket@evil/x\"",
        "\"s3://bucket/a\\nb\"",
        "\"s3://bucket/\\u007f\"",
        "[\"s3://bucket/x\"]",
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{\"run_id\":\"r\",\"upload_uri_prefix\":%s}", prefixes[i]);
        struct sentinel_registration r = decode(body);
        assert_string_equal(r.run_id, "r");
        assert_null(r.upload_uri_prefix);
        assert_null(r.credentials.access_key);
        sentinel_registration_done(&r);
    }
}

static void credentials_that_cannot_be_used_are_none(void **state)
{
    (void)state;
    static const char *const credentials[] = {
        "null",
        "5",
        "[]",
        "{}",
        "{\"access_key\":\"a\"}",
        "{\"access_key\":\"a\",\"secret_key\":\"b\"}",
        "{\"access_key\":\"a\",\"secret_key\":\"b\",\"session_token\":\"\"}",
        "{\"access_key\":\"a\",\"secret_key\":\"b\",\"session_token\":\"c\\r\\nX: y\"}",
        "{\"access_key\":\"a\",\"secret_key\":\"b\",\"session_token\":5}",
        "{\"access_key\":\"a b\",\"secret_key\":\"b\",\"session_token\":\"c\"}",
        "{\"access_key\":\"a\",\"secret_key\":\"\\u00fc\",\"session_token\":\"c\"}",
    };
    for (size_t i = 0; i < sizeof credentials / sizeof *credentials; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, "{\"run_id\":\"r\",\"upload_credentials\":%s}", credentials[i]);
        struct sentinel_registration r = decode(body);
        assert_null(r.credentials.access_key);
        assert_null(r.credentials.session_token);
        sentinel_registration_done(&r);
        struct sentinel_credentials c;
        assert_int_equal(answer_credentials(body, strlen(body), &c), -EBADMSG);
        assert_null(c.access_key);
    }
}

static void a_region_that_is_none_is_ignored(void **state)
{
    (void)state;
    static const char *const regions[] = {"",        "EU",      "eu west",
                                          "eu/../x", "eu.west", "a-region-that-is-much-longer-than-any-of-them"};
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, REGISTERED(CREDENTIALS ",\"region\":\"%s\"}"), regions[i]);
        struct sentinel_registration r = decode(body);
        assert_non_null(r.credentials.access_key);
        assert_null(r.credentials.region);
        sentinel_registration_done(&r);
    }
}

static void an_odd_run_id_is_no_registration(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "null",
        "\"r\"",
        "{\"run_id\":5}",
        "{\"run_id\":\"\"}",
        "{\"run_id\":null}",
        "{\"RUN_ID\":\"r\"}",
        "{\"run_id\":\"../x\"}",
        "{\"run_id\":\"a/b\"}",
        "{\"run_id\":\"a b\"}",
        "{\"run_id\":\"a\\u0000b\"}",
        "{\"run_id\":\"\\u00fc\"}",
        "{\"run_id\":[\"r\"]}",
        "{\"run_id\":\"r\"} trailing",
        "{\"run_id\":\"r\"",
        "<html>",
        "{\"run_id\":\"r\\n\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_nonsense(bodies[i], strlen(bodies[i]));
    char body[200];
    (void)snprintf(body, sizeof body, "{\"run_id\":\"%0129d\"}", 0);
    assert_nonsense(body, strlen(body));
    (void)snprintf(body, sizeof body, "{\"run_id\":\"%0128d\"}", 0);
    struct sentinel_registration r = decode(body);
    sentinel_registration_done(&r);
}

static void an_answer_cut_off_anywhere_is_nonsense(void **state)
{
    (void)state;
    static const char whole[] = REGISTERED(CREDENTIALS ",\"expires_at\":\"2026-04-01T00:00:00.5+02:00\",\"region\":"
                                                       "\"eu-1\",\"later\":[1.5e3,{\"x\":null,\"y\":\"\\u00fc\"}]}");
    for (size_t len = 0; len < sizeof whole - 1; len++)
        assert_nonsense(whole, len);
    struct sentinel_registration r = decode(whole);
    sentinel_registration_done(&r);
}

static void an_answer_with_any_byte_changed_is_decoded_or_refused(void **state)
{
    (void)state;
    static const char whole[] = REGISTERED(CREDENTIALS ",\"expires_at\":\"2026-04-01T00:00:00Z\"}");
    char              body[sizeof whole];
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        for (int value = 0; value < 256; value++) {
            struct sentinel_registration r;
            memcpy(body, whole, sizeof whole);
            body[i] = (char)value;
            int error = answer_registration(body, sizeof whole - 1, &r);
            assert_true(error == -EBADMSG || (error == 0 && r.run_id && *r.run_id));
            sentinel_registration_done(&r);
        }
    }
}

static void answers_without_measure_are_nonsense(void **state)
{
    (void)state;
    size_t size = (size_t)HTTP_ANSWER_MAX + 1024;
    char  *body = malloc(size);
    assert_non_null(body);
    memset(body, '[', size);
    assert_nonsense(body, 400000);
    memset(body, ' ', size);
    memcpy(body, "{\"run_id\":\"r\"}", 14);
    assert_nonsense(body, size);
    size_t len = 0;
    body[len++] = '[';
    for (int i = 0; i < 100000; i++) {
        body[len++] = '0';
        body[len++] = ',';
    }
    body[len - 1] = ']';
    assert_nonsense(body, len);
    free(body);
}

static void refreshed_credentials_are_decoded(void **state)
{
    (void)state;
    const char *body = "{\"upload_credentials\":" CREDENTIALS ",\"expiration\":\"2026-04-01T00:00:00Z\"}}";
    struct sentinel_credentials c;
    assert_int_equal(answer_credentials(body, strlen(body), &c), 0);
    assert_string_equal(c.secret_key, "SK");
    assert_int_equal(c.expires_at, 1775001600);
    sentinel_credentials_done(&c);
    sentinel_credentials_done(&c);
    assert_int_equal(answer_credentials(NULL, 0, &c), -EBADMSG);
}

static void assert_result(const char *body, const char *expected)
{
    struct bytes result;
    assert_int_equal(answer_result(body, strlen(body), &result), expected ? 0 : -EBADMSG);
    if (expected)
        assert_string_equal(result.data, expected);
    bytes_done(&result);
}

static void a_result_is_one_line_of_json(void **state)
{
    (void)state;
    assert_result("", "{}");
    assert_result("{\n  \"run\" : { \"run_id\" : \"a b\" },\r\n\t\"rows\": 12.50e0\n}\n",
                  "{\"run\":{\"run_id\":\"a b\"},\"rows\":12.50e0}");
    assert_result("{\"a\":\"x\\\" , \\n\xc3\xbc\xff\"}", "{\"a\":\"x\\\" , \\n\xc3\xbc\xef\xbf\xbd\"}");
    assert_result("null", "null");
    assert_result("{\"a\":\"x\ny\"}", NULL);
    assert_result("{", NULL);
    assert_result("ok", NULL);
    struct bytes result;
    assert_int_equal(answer_result(NULL, 0, &result), 0);
    assert_string_equal(result.data, "{}");
    bytes_done(&result);
}

static struct http_answer status(long code)
{
    return (struct http_answer){.status = code, .retry_after_s = -1, .sent = true};
}

static void assert_described(long code, const char *body, size_t size, const char *expected)
{
    struct http_answer answer = status(code);
    char               line[512];
    bytes_init(&answer.body, 1024 * 1024);
    bytes_text(&answer.body, body);
    answer_describe(&answer, line, size);
    assert_string_equal(line, expected);
    http_answer_done(&answer);
}

static void a_description_is_one_printable_line_that_fits(void **state)
{
    (void)state;
    assert_described(503, "", 512, "HTTP 503");
    assert_described(422, "{\"detail\":\"no\nwhere\xff\x1b[1m\"}", 512, "HTTP 422 {\"detail\":\"no where  [1m\"}");
    assert_described(422, "{\"detail\":1}", 12, "HTTP 422 {\"");
    assert_described(422, "{\"detail\":1}", 1, "");
    struct http_answer lost = {.error = -ECONNRESET, .message = "answer cut off"};
    char               line[64];
    answer_describe(&lost, line, sizeof line);
    assert_string_equal(line, "answer cut off");
    answer_describe(&lost, line, 0);
}

static void a_description_keeps_secrets(void **state)
{
    (void)state;
    assert_described(200, "{\"secret_key\":\"short\"}", 512, "HTTP 200");
    assert_described(400, "{\"Authorization\": \"Bearer abc\", \"x\": 1}", 512,
                     "HTTP 400 {\"Authorization\": \"Bearer ***\", \"x\": 1}");
    assert_described(400, "token wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY refused", 512, "HTTP 400 token *** refused");
    assert_described(403,
                     "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>It has expired.</Message>"
                     "<Token-0>abc</Token-0></Error>",
                     512, "HTTP 403 ExpiredToken: It has expired.");
    assert_described(502, "<html><head><title>Bad Gateway</title></head><body>x</body></html>", 512,
                     "HTTP 502 Bad Gateway");
    assert_described(502, "<html>secret", 512, "HTTP 502 ");
    assert_described(400,
                     "AKIAIOSFODNN7EXAMPLE, FwoGZXIvYXdzEBYaDHqa0AP, deadbeefcafe0123456789ab, abcdefghijklmnopqrst",
                     512, "HTTP 400 ***, ***, ***, ***");
    assert_described(400, "tok_live_4eC39HqLyjWDarjtT1zdp7dc or ghp/ABCDefGHijKLmnOPqrST", 512, "HTTP 400 *** or ***");
}

static void a_description_undoes_escapes_that_cut_a_key(void **state)
{
    (void)state;
    assert_described(400, "x wJalrXUtnFEMI\\/K7MDENG\\u002fbPxRfi%43YEXAMPLEKEY&#x2b; y", 512, "HTTP 400 x *** y");
    assert_described(400, "{\"secretKey\":\"ab-cd.ef\",\"x\":1}", 512,
                     "HTTP 400 {\"secretKey\":\"***-***.***\",\"x\":1}");
    assert_described(400, "token=ab-cd&rows=1", 512, "HTTP 400 token=***-***&rows=1");
    assert_described(303, "{\"uploadCredentials\":{\"accessKey\":\"AK\"}}", 512, "HTTP 303 ");
    assert_described(301, "<Error><Code>PermanentRedirect</Code></Error>", 512, "HTTP 301 PermanentRedirect");
}

static void assert_kept(const char *result, const char *expected)
{
    struct bytes kept;
    answer_keep(text_of(result), &kept);
    assert_string_equal(kept.data, expected);
    bytes_done(&kept);
}

static void a_result_is_kept_without_keys(void **state)
{
    (void)state;
    static const char *const same[] = {"{}", "[]", "null", "-1.5e3",
                                       "{\"a\":[1,true,null,{\"b\":\"c \\n d\"}],\"tokens\":12}"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_kept(same[i], same[i]);
    assert_kept("{\"uploadCredentials\":{\"accessKey\":\"a\"},\"x\":[\"AKIAIOSFODNN7EXAMPLE\",2]}",
                "{\"uploadCredentials\":\"***\",\"x\":[\"***\",2]}");
    assert_kept("{\"secret\\u005fkey\":\"a\",\"AKIAIOSFODNN7EXAMPLE\":1}", "{\"secret\\u005fkey\":\"***\",\"***\":1}");
    assert_kept("\"wJalrXUtnFEMI\\/K7MDENG\"", "\"***\"");
}

static void the_servers_own_words_are_no_secrets(void **state)
{
    (void)state;
    static const char *const words[] = {
        "{\"detail\":[{\"type\":\"model_attributes_type\",\"loc\":[\"body\",\"tags\",0]}]}",
        "authorization_header_malformed",
        "REQUEST_BODY_TOO_LARGE_422",
        "https://errors.example.org/2.11/v/value_error_str_too_long",
        "upload_uri_prefix=required/refresh-credentials",
    };
    char expected[256];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        snprintf(expected, sizeof expected, "HTTP 422 %s", words[i]);
        assert_described(422, words[i], 512, expected);
    }
    assert_described(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message></Error>", 512,
                     "HTTP 400 AuthorizationHeaderMalformed: x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_decoded),
        cmocka_unit_test(the_expiry_has_two_names_and_many_forms),
        cmocka_unit_test(a_run_without_a_usable_place_keeps_its_id),
        cmocka_unit_test(credentials_that_cannot_be_used_are_none),
        cmocka_unit_test(a_region_that_is_none_is_ignored),
        cmocka_unit_test(an_odd_run_id_is_no_registration),
        cmocka_unit_test(an_answer_cut_off_anywhere_is_nonsense),
        cmocka_unit_test(an_answer_with_any_byte_changed_is_decoded_or_refused),
        cmocka_unit_test(answers_without_measure_are_nonsense),
        cmocka_unit_test(refreshed_credentials_are_decoded),
        cmocka_unit_test(a_result_is_one_line_of_json),
        cmocka_unit_test(a_description_is_one_printable_line_that_fits),
        cmocka_unit_test(a_description_keeps_secrets),
        cmocka_unit_test(a_description_undoes_escapes_that_cut_a_key),
        cmocka_unit_test(a_result_is_kept_without_keys),
        cmocka_unit_test(the_servers_own_words_are_no_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
