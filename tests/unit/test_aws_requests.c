// SPDX-License-Identifier: Apache-2.0
// What STS, containers and machines are asked, and what of their answers is taken: the answers are the documentation's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentinel/aws/aws_requests.h"

static struct http_request         request;
static struct sentinel_credentials keys;

static int tear_down(void **state)
{
    (void)state;
    http_request_done(&request);
    sentinel_credentials_done(&keys);
    return 0;
}

static const char *header(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request.header_count; i++)
        if (strncmp(request.headers[i], name, len) == 0 && strncmp(request.headers[i] + len, ": ", 2) == 0)
            return request.headers[i] + len + 2;
    return "";
}

static void assert_address(int error, const char *relative, const char *full, const char *expected)
{
    char *url = NULL;
    int   said = aws_container_url(relative, full, &url);
    if (said != error)
        fail_msg("%s: %d", relative ? relative : full, said);
    if (expected)
        assert_string_equal(url, expected);
    else
        assert_null(url);
    free(url);
}

static void a_containers_keys_come_from_this_machine_and_from_aws_alone(void **state)
{
    (void)state;
    static const char *const right[] = {"http://169.254.170.2/v2/x?id=1",
                                        "http://169.254.170.23/v1/credentials",
                                        "http://[fd00:ec2::23]/v1/credentials",
                                        "http://127.0.0.1:8080/get",
                                        "http://127.9.9.9/",
                                        "http://localhost:1/x?y",
                                        "http://[::1]:80/x",
                                        "https://keys.example/x",
                                        "http://169.254.170.2",
                                        "http://169.254.170.2:80/x"};
    static const char *const elsewhere[] = {
        "http://example.com/",          "http://169.254.170.2.example.com/", "http://169.254.170.24/",
        "http://169.254.170.230/",      "http://169.254.169.254/latest/",    "http://10.0.0.1/",
        "http://[fd00:ec2::23:1]/",     "http://localhost.example/",         "http://127.1/",
        "http://example.com/127.0.0.1", "http://[::ffff:127.0.0.1]/"};
    static const char *const wrong[] = {"",
                                        "ftp://127.0.0.1/",
                                        "169.254.170.2/x",
                                        "http://127.0.0.1@example.com/",
                                        "http://169.254.170.2@example.com/",
                                        "http://example.com\\@169.254.170.2/",
                                        "http://169.254.170.2:x/",
                                        "http://169.254.170.2:99999/",
                                        "http://127.0.0.1/a b",
                                        "http://127.0.0.1/\r\nX: y",
                                        "http://127.0.0.1#@example.com/",
                                        "http://127.0.0.1/\xc3\xa9",
                                        "https://",
                                        "http:///x"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_address(0, NULL, right[i], right[i]);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        assert_address(-EACCES, NULL, elsewhere[i], NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_address(-EINVAL, NULL, wrong[i], NULL);
    assert_address(0, "/v2/credentials/4b", "http://example.com/", "http://169.254.170.2/v2/credentials/4b");
    assert_address(-EINVAL, "@example.com/", NULL, NULL);
    assert_address(-EINVAL, ".example.com/", NULL, NULL);
    assert_address(-EINVAL, "/a b", NULL, NULL);
}

static struct aws_source identity(void)
{
    static char role[] = "arn:aws:iam::123456789012:role/a+b";
    static char session[] = "s&t";
    static char url[] = "https://sts.eu-west-1.amazonaws.com/";
    return (struct aws_source){.kind = AWS_WEB_IDENTITY, .role_arn = role, .session = session, .url = url};
}

static void sts_is_asked_by_a_form_that_holds_the_token(void **state)
{
    (void)state;
    struct aws_source source = identity();
    assert_int_equal(aws_web_identity_request(&source, text_of("eyJ.a-b_c/d=\n"), &request), 0);
    assert_int_equal(request.method, HTTP_POST);
    assert_string_equal(request.url, "https://sts.eu-west-1.amazonaws.com/");
    assert_string_equal(header("Content-Type"), "application/x-www-form-urlencoded");
    assert_string_equal(header("Authorization"), "");
    assert_string_equal(request.body.data,
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
                        "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Bb&RoleSessionName=s%26t"
                        "&WebIdentityToken=eyJ.a-b_c%2Fd%3D");
    assert_false(request.no_proxy_at_all);
    http_request_done(&request);
    static const char *const none[] = {"", " \n", "a\nb", "a\x80"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(aws_web_identity_request(&source, text_of(none[i]), &request), -EINVAL);
    assert_null(request.url);
}

static void a_container_is_asked_past_any_proxy(void **state)
{
    (void)state;
    static char       url[] = "http://169.254.170.23/v1/credentials";
    struct aws_source source = {.kind = AWS_CONTAINER, .url = url};
    assert_int_equal(aws_container_request(&source, text_of("Bearer x y\n"), &request), 0);
    assert_int_equal(request.method, HTTP_GET);
    assert_string_equal(request.url, url);
    assert_string_equal(header("Authorization"), "Bearer x y");
    assert_true(request.no_proxy_at_all);
    http_request_done(&request);
    assert_int_equal(aws_container_request(&source, text_of(""), &request), 0);
    assert_string_equal(header("Authorization"), "");
    http_request_done(&request);
    assert_int_equal(aws_container_request(&source, text_of("a\r\nX: y"), &request), -EINVAL);
}

static void a_machine_is_asked_by_version_2_alone(void **state)
{
    (void)state;
    struct aws_machine machine = {0};
    assert_int_equal(aws_machine_request(&machine, &request), 0);
    assert_int_equal(request.method, HTTP_PUT);
    assert_string_equal(request.url, "http://169.254.169.254/latest/api/token");
    assert_string_equal(header("X-aws-ec2-metadata-token-ttl-seconds"), "60");
    http_request_done(&request);
    assert_false(aws_machine_hear(text_of("<html>no</html>"), &machine));
    assert_false(aws_machine_hear(text_of(""), &machine));
    assert_true(aws_machine_hear(text_of("AQAEAGqZ3e-4YkZ1_x+token/Zw=="), &machine));
    assert_int_equal(aws_machine_request(&machine, &request), 0);
    assert_int_equal(request.method, HTTP_GET);
    assert_string_equal(request.url, "http://169.254.169.254/latest/meta-data/iam/security-credentials/");
    assert_string_equal(header("X-aws-ec2-metadata-token"), "AQAEAGqZ3e-4YkZ1_x+token/Zw==");
    http_request_done(&request);
    static const char *const none[] = {"", "..", ".", "a/b", "a b", "<x>", "a?b", "a%2fb"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct aws_machine other = machine;
        assert_false(aws_machine_hear(text_of(none[i]), &other));
    }
    assert_true(aws_machine_hear(text_of("s3access+=,.@-_1\n"), &machine));
    assert_int_equal(aws_machine_request(&machine, &request), 0);
    assert_string_equal(request.url,
                        "http://169.254.169.254/latest/meta-data/iam/security-credentials/s3access+=,.@-_1");
    assert_true(request.no_proxy_at_all);
}

/* AWS STS API reference, AssumeRoleWithWebIdentity, "Sample Response". */
static const char sts[] =
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
    "  <AssumeRoleWithWebIdentityResult>\n"
    "    <SubjectFromWebIdentityToken>amzn1.account.AF6RHO7KZU5XRVQJGXK6HB56KR2A</SubjectFromWebIdentityToken>\n"
    "    <Audience>client.5498841531868486423.1548@apps.example.com</Audience>\n"
    "    <AssumedRoleUser>\n"
    "      <Arn>arn:aws:sts::123456789012:assumed-role/FederatedWebIdentityRole/app1</Arn>\n"
    "      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:app1</AssumedRoleId>\n"
    "    </AssumedRoleUser>\n"
    "    <Credentials>\n"
    "      <SessionToken>AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE</SessionToken>\n"
    "      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>\n"
    "      <Expiration>2014-10-24T23:00:23Z</Expiration>\n"
    "      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>\n"
    "    </Credentials>\n"
    "    <SourceIdentity>SourceIdentityValue</SourceIdentity>\n"
    "    <Provider>www.amazon.com</Provider>\n"
    "  </AssumeRoleWithWebIdentityResult>\n"
    "  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>\n"
    "</AssumeRoleWithWebIdentityResponse>\n";

static void the_keys_of_sts_are_read_from_its_xml(void **state)
{
    (void)state;
    assert_int_equal(aws_sts_answer(text_of(sts), &keys), 0);
    assert_string_equal(keys.access_key, "ASgeIAIOSFODNN7EXAMPLE");
    assert_string_equal(keys.secret_key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY");
    assert_string_equal(keys.session_token, "AQoDYXdzEE0a8ANXXXXXXXXNO1ewxE5TijQyp+IEXAMPLE");
    assert_int_equal(keys.expires_at, 1414191623);
    sentinel_credentials_done(&keys);
    for (size_t len = 0; len < (size_t)(strstr(sts, "</Credentials>") - sts); len += 7)
        assert_int_equal(aws_sts_answer(text_span(sts, len), &keys), -EBADMSG);
}

static void an_error_of_sts_that_may_pass_is_told_from_others(void **state)
{
    (void)state;
    static const char format[] = "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>m</Message></Error>";
    static const char *const passing[] = {"IDPCommunicationError", "ExpiredTokenException", "InvalidIdentityToken"};
    static const char *const others[] = {"AccessDenied", "ValidationError", "PackedPolicyTooLarge", ""};
    char                     text[256];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(text, sizeof text, format, passing[i]);
        assert_true(aws_sts_may_change(text_of(text)));
    }
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(text, sizeof text, format, others[i]);
        assert_false(aws_sts_may_change(text_of(text)));
    }
    assert_false(aws_sts_may_change(text_of("")));
}

/* Amazon ECS developer guide, "Task IAM role"; Amazon EC2 user guide, "Retrieve security credentials from instance
 * metadata". */
static const char ecs[] =
    "{\"AccessKeyId\":\"ASIAIOSFODNN7EXAMPLE\",\"Expiration\":\"2017-05-17T15:09:54Z\","
    "\"RoleArn\":\"arn:aws:iam::1:role/t\",\"SecretAccessKey\":\"wJal\\/K7MDENG\",\"Token\":\"t+\\/=\"}";
static const char imds[] = "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2012-04-26T16:39:16Z\",\n"
                           "  \"Type\" : \"AWS-HMAC\",\n  \"AccessKeyId\" : \"ASIAIOSFODNN7EXAMPLE\",\n"
                           "  \"SecretAccessKey\" : \"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\",\n"
                           "  \"Token\" : \"token\",\n  \"Expiration\" : \"2017-05-17T15:09:54Z\"\n}";

static void the_keys_of_containers_and_machines_are_read_from_their_json(void **state)
{
    (void)state;
    assert_int_equal(aws_json_answer(text_of(ecs), &keys), 0);
    assert_string_equal(keys.secret_key, "wJal/K7MDENG");
    assert_string_equal(keys.session_token, "t+/=");
    assert_int_equal(keys.expires_at, 1495033794);
    sentinel_credentials_done(&keys);
    assert_int_equal(aws_json_answer(text_of(imds), &keys), 0);
    assert_string_equal(keys.access_key, "ASIAIOSFODNN7EXAMPLE");
    sentinel_credentials_done(&keys);
    assert_int_equal(
        aws_json_answer(text_of("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}"), &keys), 0);
    assert_true(keys.expires_at == INT64_MAX);
    sentinel_credentials_done(&keys);
    assert_int_equal(aws_json_answer(text_of("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                                             "\"Expiration\":\"tomorrow\"}"),
                                     &keys),
                     0);
    assert_int_equal(keys.expires_at, 0);
}

static void what_are_no_keys_is_refused(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"Code\":\"Failed\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}",
        "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A b\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\\r\\nX: y\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":1,\"SecretAccessKey\":\"s\",\"Token\":\"t\"}",
        "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"} x",
        "<html></html>",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (aws_json_answer(text_of(none[i]), &keys) != -EBADMSG)
            fail_msg("%s", none[i]);
        assert_null(keys.access_key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_containers_keys_come_from_this_machine_and_from_aws_alone, tear_down),
        cmocka_unit_test_teardown(sts_is_asked_by_a_form_that_holds_the_token, tear_down),
        cmocka_unit_test_teardown(a_container_is_asked_past_any_proxy, tear_down),
        cmocka_unit_test_teardown(a_machine_is_asked_by_version_2_alone, tear_down),
        cmocka_unit_test_teardown(the_keys_of_sts_are_read_from_its_xml, tear_down),
        cmocka_unit_test_teardown(an_error_of_sts_that_may_pass_is_told_from_others, tear_down),
        cmocka_unit_test_teardown(the_keys_of_containers_and_machines_are_read_from_their_json, tear_down),
        cmocka_unit_test_teardown(what_are_no_keys_is_refused, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
