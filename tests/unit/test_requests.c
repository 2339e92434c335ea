// SPDX-License-Identifier: Apache-2.0
// What goes out to the Sentinel API: bodies, repairs, whole requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/json_write.h"
#include "base/utf8.h"
#include "sentinel/gzip.h"
#include "sentinel/requests.h"

static void assert_registers_as(const struct sentinel_run *run, const char *expected)
{
    struct bytes body;
    assert_int_equal(request_register_body(run, &body), 0);
    assert_string_equal(body.data, expected);
    assert_int_equal(json_check(text_span(body.data, body.len), JSON_VALUES_MAX), 0);
    bytes_done(&body);
}

static void assert_finishes_as(const struct sentinel_finish *finish, const char *expected)
{
    struct bytes body;
    assert_int_equal(request_finish_body(finish, &body), 0);
    assert_string_equal(body.data, expected);
    assert_int_equal(json_check(text_span(body.data, body.len), JSON_VALUES_MAX), 0);
    bytes_done(&body);
}

static void assert_refused(const struct sentinel_finish *finish)
{
    struct bytes body;
    assert_int_equal(request_finish_body(finish, &body), -EINVAL);
    bytes_done(&body);
}

static void a_run_of_which_nothing_is_known_is_an_empty_object(void **state)
{
    (void)state;
    assert_registers_as(&(struct sentinel_run){0}, "{}");
}

static void every_field_goes_out_under_its_name(void **state)
{
    (void)state;
    const char *const          command[] = {"stress", "--cpu", "4", NULL};
    const struct sentinel_pair tags[] = {{"env", "staging"}, {"owner", "a b"}};
    const struct sentinel_run  run = {.job_name = "j",
                                      .project_name = "p",
                                      .stage_name = "s",
                                      .task_name = "t",
                                      .team = "te",
                                      .env = "e",
                                      .language = "l",
                                      .orchestrator = "o",
                                      .executor = "x",
                                      .external_run_id = "r",
                                      .container_image = "c",
                                      .command = command,
                                      .tags = tags,
                                      .tag_count = 2,
                                      .host_id = "hi",
                                      .host_hostname = "hh",
                                      .host_ip = "10.0.0.1",
                                      .host_server_allocation = "shared",
                                      .host_cpu_model = "cpu",
                                      .host_gpu_model = "gpu",
                                      .host_vcpus = 192,
                                      .host_memory_mib = 16777216,
                                      .host_gpu_count = 8,
                                      .host_gpu_memory_mib = 655360,
                                      .host_storage_gb = 1234.5,
                                      .cloud_vendor_id = "aws",
                                      .cloud_account_id = "1",
                                      .cloud_region_id = "eu",
                                      .cloud_zone_id = "eu-a",
                                      .cloud_instance_type = "m5"};
    assert_registers_as(
        &run, "{\"job_name\":\"j\",\"project_name\":\"p\",\"stage_name\":\"s\",\"task_name\":\"t\",\"team\":\"te\","
              "\"env\":\"e\",\"language\":\"l\",\"orchestrator\":\"o\",\"executor\":\"x\",\"external_run_id\":\"r\","
              "\"container_image\":\"c\",\"command\":\"[\\\"stress\\\",\\\"--cpu\\\",\\\"4\\\"]\","
              "\"tags\":[{\"key\":\"env\",\"value\":\"staging\"},{\"key\":\"owner\",\"value\":\"a "
              "b\"}],\"host_vcpus\":192,\"host_memory_mib\":16777216,"
              "\"host_gpu_count\":8,\"host_gpu_memory_mib\":655360,\"host_storage_gb\":1234.500,\"host_id\":\"hi\","
              "\"host_hostname\":\"hh\",\"host_ip\":\"10.0.0.1\",\"host_server_allocation\":\"shared\","
              "\"host_cpu_model\":\"cpu\",\"host_gpu_model\":\"gpu\",\"cloud_vendor_id\":\"aws\","
              "\"cloud_account_id\":\"1\",\"cloud_region_id\":\"eu\",\"cloud_zone_id\":\"eu-a\","
              "\"cloud_instance_type\":\"m5\"}");
}

static void numbers_of_sixty_four_bits_keep_every_digit(void **state)
{
    (void)state;
    assert_registers_as(&(struct sentinel_run){.host_memory_mib = UINT64_MAX},
                        "{\"host_memory_mib\":18446744073709551615}");
}

static void a_storage_that_is_no_number_is_left_out(void **state)
{
    (void)state;
    assert_registers_as(&(struct sentinel_run){.host_storage_gb = (double)NAN}, "{}");
    assert_registers_as(&(struct sentinel_run){.host_storage_gb = -1}, "{}");
}

static void an_empty_command_is_left_out(void **state)
{
    (void)state;
    const char *const command[] = {NULL};
    assert_registers_as(&(struct sentinel_run){.command = command}, "{}");
}

static void the_command_is_an_array_inside_a_string(void **state)
{
    (void)state;
    const char *const command[] = {"sh", "-c", "echo \"a\\b\"\n", "", NULL};
    assert_registers_as(
        &(struct sentinel_run){.command = command},
        "{\"command\":\"[\\\"sh\\\",\\\"-c\\\",\\\"echo \\\\\\\"a\\\\\\\\b\\\\\\\"\\\\n\\\",\\\"\\\"]\"}");
}

static void a_huge_command_keeps_its_first_arguments(void **state)
{
    (void)state;
    enum { ARGUMENTS = 50000 };
    const char **command = calloc(ARGUMENTS + 1, sizeof *command);
    assert_non_null(command);
    for (size_t i = 0; i < ARGUMENTS; i++)
        command[i] = "\"\x01\\";
    command[0] = "first";
    struct bytes body;
    assert_int_equal(request_register_body(&(struct sentinel_run){.command = command, .team = "t"}, &body), 0);
    assert_in_range(body.len, 1024, 512 * 1024);
    assert_int_equal(json_check(text_span(body.data, body.len), JSON_VALUES_MAX), 0);
    assert_non_null(strstr(body.data, "\"command\":\"[\\\"first\\\","));
    assert_non_null(strstr(body.data, ",\\\"\xe2\x80\xa6\\\"]\"}"));
    bytes_done(&body);
    free(command);
}

static void one_huge_argument_is_cut(void **state)
{
    (void)state;
    char *huge = malloc(200000);
    assert_non_null(huge);
    memset(huge, 'x', 199999);
    huge[199999] = '\0';
    const char *const command[] = {"python3", "-c", huge, "after", NULL};
    struct bytes      body;
    assert_int_equal(request_register_body(&(struct sentinel_run){.command = command}, &body), 0);
    assert_in_range(body.len, 16000, 17000);
    assert_non_null(strstr(body.data, "x\xe2\x80\xa6\\\",\\\"after\\\"]\"}"));
    bytes_done(&body);
    free(huge);
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    enum { UMLAUTS = 40000 };
    char *name = malloc(2 * UMLAUTS + 2);
    assert_non_null(name);
    for (size_t offset = 0; offset < 2; offset++) {
        name[0] = 'x';
        for (size_t i = 0; i < UMLAUTS; i++)
            memcpy(name + offset + 2 * i, "\xc3\xbc", 2);
        name[offset + (size_t)2 * UMLAUTS] = '\0';
        struct bytes body;
        assert_int_equal(request_register_body(&(struct sentinel_run){.job_name = name}, &body), 0);
        assert_in_range(body.len, 65500, 65600);
        assert_null(strstr(body.data, UTF8_REPLACEMENT));
        assert_non_null(strstr(body.data, "\xc3\xbc\xe2\x80\xa6\"}"));
        bytes_done(&body);
    }
    free(name);
}

static void a_body_never_exceeds_a_mebibyte(void **state)
{
    (void)state;
    char *junk = malloc(100000);
    assert_non_null(junk);
    memset(junk, 1, 99999);
    junk[99999] = '\0';
    const char *const    command[] = {junk, junk, junk, junk, junk, junk, NULL};
    struct sentinel_pair tags[300];
    char                 keys[300][8];
    for (size_t i = 0; i < 300; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%zu", i);
        tags[i] = (struct sentinel_pair){keys[i], junk};
    }
    const struct sentinel_run run = {.job_name = junk,
                                     .team = junk,
                                     .env = junk,
                                     .language = junk,
                                     .command = command,
                                     .tags = tags,
                                     .tag_count = 300,
                                     .host_vcpus = 4,
                                     .host_id = junk,
                                     .cloud_vendor_id = "aws"};
    struct bytes              body;
    assert_int_equal(request_register_body(&run, &body), 0);
    assert_in_range(body.len, 500000, 1024 * 1024);
    assert_int_equal(json_check(text_span(body.data, body.len), JSON_VALUES_MAX), 0);
    bytes_done(&body);
    free(junk);
}

static void of_two_equal_tags_the_last_stands(void **state)
{
    (void)state;
    const struct sentinel_pair tags[] = {{"a", "1"}, {"b", "2"}, {"a", "3"}, {NULL, "x"}, {"", "y"}, {"c", NULL}};
    assert_registers_as(
        &(struct sentinel_run){.tags = tags, .tag_count = 6},
        "{\"tags\":[{\"key\":\"b\",\"value\":\"2\"},{\"key\":\"a\",\"value\":\"3\"},{\"key\":\"c\",\"value\":\"\"}]}");
}

static void tags_without_keys_are_left_out(void **state)
{
    (void)state;
    const struct sentinel_pair tags[] = {{NULL, "x"}, {"", "y"}};
    assert_registers_as(&(struct sentinel_run){.tags = tags, .tag_count = 2, .team = "t"}, "{\"team\":\"t\"}");
    assert_registers_as(&(struct sentinel_run){.tags = tags, .tag_count = 0}, "{}");
}

static void controls_and_quotes_are_escaped(void **state)
{
    (void)state;
    assert_registers_as(&(struct sentinel_run){.job_name = "q\" b\\ n\n r\r t\t \x01\x1f \x7f/"},
                        "{\"job_name\":\"q\\\" b\\\\ n\\n r\\r t\\t \\u0001\\u001f \x7f/\"}");
}

static void what_is_no_utf8_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\xff\xfe", UTF8_REPLACEMENT UTF8_REPLACEMENT},
        {"a\xc3", "a" UTF8_REPLACEMENT},
        {"\xed\xa0\x80", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT}, /* a surrogate */
        {"\xc0\xaf", UTF8_REPLACEMENT UTF8_REPLACEMENT},                      /* an overlong slash */
        {"\xe0\x80\xaf", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT},
        {"\xf4\x90\x80\x80", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT},
        {"\xf5", UTF8_REPLACEMENT},
        {"\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", "\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b;
        char         expected[64];
        bytes_init(&b, 1024);
        json_string(&b, cases[i].in, strlen(cases[i].in));
        (void)snprintf(expected, sizeof expected, "\"%s\"", cases[i].out);
        assert_string_equal(b.data, expected);
        assert_int_equal(json_string_size(cases[i].in, strlen(cases[i].in)), b.len);
        bytes_done(&b);
    }
}

static void a_zeroed_finish_means_exit_code_zero_finished_and_s3(void **state)
{
    (void)state;
    const char *const uris[] = {"s3://b/p/0002.csv.gz", "s3://b/p/0001.csv.gz"};
    assert_finishes_as(&(struct sentinel_finish){.data_uris = uris, .data_uri_count = 2},
                       "{\"exit_code\":0,\"run_status\":\"finished\",\"data_source\":\"s3\","
                       "\"data_uris\":[\"s3://b/p/0002.csv.gz\",\"s3://b/p/0001.csv.gz\"]}");
}

static void an_inline_finish_carries_the_rows_as_they_are(void **state)
{
    (void)state;
    assert_finishes_as(&(struct sentinel_finish){.exit_code = 137,
                                                 .run_status = SENTINEL_FAILED,
                                                 .finished_at = 951827415,
                                                 .data_source = SENTINEL_DATA_INLINE,
                                                 .data_csv = "timestamp\n1\n"},
                       "{\"exit_code\":137,\"run_status\":\"failed\",\"finished_at\":\"2000-02-29T12:30:15Z\","
                       "\"data_source\":\"inline\",\"data_csv\":\"timestamp\\n1\\n\"}");
}

static void an_unknown_exit_code_is_left_out(void **state)
{
    (void)state;
    assert_finishes_as(&(struct sentinel_finish){.exit_code = 999,
                                                 .exit_code_unknown = 1,
                                                 .run_status = SENTINEL_FAILED,
                                                 .data_source = SENTINEL_DATA_INLINE,
                                                 .data_csv = "t\n1",
                                                 .data_csv_len = 1},
                       "{\"run_status\":\"failed\",\"data_source\":\"inline\",\"data_csv\":\"t\"}");
}

static void what_the_api_would_refuse_is_no_body(void **state)
{
    (void)state;
    const char *const https[] = {"https://b/p"};
    const char *const bare[] = {"s3://"};
    const char *const null[] = {NULL};
    assert_refused(&(struct sentinel_finish){0});
    assert_refused(&(struct sentinel_finish){.data_csv = "t\n"});
    assert_refused(&(struct sentinel_finish){.data_uris = https, .data_uri_count = 1});
    assert_refused(&(struct sentinel_finish){.data_uris = bare, .data_uri_count = 1});
    assert_refused(&(struct sentinel_finish){.data_uris = null, .data_uri_count = 1});
    assert_refused(&(struct sentinel_finish){.data_uris = https, .data_uri_count = 0});
    assert_refused(&(struct sentinel_finish){.data_source = SENTINEL_DATA_INLINE});
    assert_refused(&(struct sentinel_finish){.data_source = SENTINEL_DATA_INLINE, .data_csv = ""});
    assert_refused(&(struct sentinel_finish){.data_source = SENTINEL_DATA_INLINE, .data_csv = "t", .exit_code = 256});
    assert_refused(&(struct sentinel_finish){.data_source = SENTINEL_DATA_INLINE, .data_csv = "t", .exit_code = -1});
    assert_refused(&(struct sentinel_finish){.data_source = (enum sentinel_data_source)7, .data_csv = "t"});
    assert_refused(&(struct sentinel_finish){
        .data_source = SENTINEL_DATA_INLINE, .data_csv = "t", .run_status = (enum sentinel_run_status)7});
}

static void many_rows_take_one_allocation_of_their_size(void **state)
{
    (void)state;
    enum { LEN = 8 * 1024 * 1024 };
    char *csv = malloc(LEN + 1);
    assert_non_null(csv);
    for (size_t i = 0; i < LEN; i++)
        csv[i] = "0.25,1\n"[i % 7];
    csv[LEN] = '\0';
    struct bytes body;
    assert_int_equal(
        request_finish_body(&(struct sentinel_finish){.data_source = SENTINEL_DATA_INLINE, .data_csv = csv}, &body), 0);
    assert_int_equal(json_check(text_span(body.data, body.len), JSON_VALUES_MAX), 0);
    assert_int_equal(body.capacity, body.len + 1);
    bytes_done(&body);
    free(csv);
}

#define TAG_LIST   "\"tags\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\\\"\",\"value\":\"x=y\"}]"
#define TAG_OBJECT "\"tags\":{\"a\":\"1\",\"b\\\"\":\"x=y\"}"
#define LISTED     "{\"job_name\":\"j\"," TAG_LIST ",\"env\":\"e\",\"host_vcpus\":4}"
#define MAPPED     "{\"job_name\":\"j\"," TAG_OBJECT ",\"env\":\"e\",\"host_vcpus\":4}"

static void what_is_known_later_is_added(void **state)
{
    (void)state;
    static char               vendor[] = "aws", zone[] = "eu-\"1", job[] = "j";
    struct bytes              body;
    const struct sentinel_run none = {0};
    const struct sentinel_run first = {.job_name = job, .host_vcpus = 2};
    const struct sentinel_run more = {.cloud_vendor_id = vendor, .cloud_zone_id = zone, .host_gpu_count = 3};
    assert_int_equal(request_register_body(&none, &body), 0);
    assert_int_equal(request_register_add(&more, &body), 0);
    assert_string_equal(body.data, "{\"host_gpu_count\":3,\"cloud_vendor_id\":\"aws\",\"cloud_zone_id\":\"eu-\\\"1\"}");
    bytes_done(&body);
    assert_int_equal(request_register_body(&first, &body), 0);
    assert_int_equal(request_register_add(&none, &body), 0);
    assert_string_equal(body.data, "{\"job_name\":\"j\",\"host_vcpus\":2}");
    body.max = body.len + 10; /* no room: it stays what it was */
    assert_int_equal(request_register_add(&more, &body), -ENOMEM);
    assert_string_equal(body.data, "{\"job_name\":\"j\",\"host_vcpus\":2}");
    assert_int_equal(body.len, strlen(body.data));
    body.max = 1000;
    assert_int_equal(request_register_add(&more, &body), 0);
    assert_string_equal(body.data,
                        "{\"job_name\":\"j\",\"host_vcpus\":2,\"host_gpu_count\":3,\"cloud_vendor_id\":\"aws\","
                        "\"cloud_zone_id\":\"eu-\\\"1\"}");
    bytes_clear(&body);
    assert_int_equal(request_register_add(&more, &body), -EINVAL);
    bytes_done(&body);
}

static void assert_repaired(const char *body, const char *answer, const char *expected)
{
    struct bytes repaired;
    assert_int_equal(request_register_repair(body, answer, &repaired), expected ? 0 : -ENODATA);
    if (expected)
        assert_string_equal(repaired.data, expected);
    bytes_done(&repaired);
}

static void refused_tags_become_an_object_and_are_dropped_then(void **state)
{
    (void)state;
    const char *answer = "{\"detail\":[{\"loc\":[\"body\",\"tags\"],\"msg\":\"m\",\"type\":\"t\"}]}";
    assert_repaired(LISTED, answer, MAPPED);
    assert_repaired(MAPPED, answer, "{\"job_name\":\"j\",\"env\":\"e\",\"host_vcpus\":4}");
    assert_repaired("{\"job_name\":\"j\"}", answer, NULL);
    assert_repaired("{\"tags\":[\"a=1\",{\"key\":\"b\"},{\"key\":1,\"value\":\"x\"},{\"value\":\"2\",\"key\":\"c\"}]}",
                    answer, "{\"tags\":{\"c\":\"2\"}}");
}

static void assert_renewed(const char *body, int error, const char *expected)
{
    struct bytes renewed;
    assert_int_equal(request_register_renew(body, &renewed), error);
    if (expected)
        assert_string_equal(renewed.data, expected);
    bytes_done(&renewed);
}

static void a_registration_that_has_waited_gets_the_list(void **state)
{
    (void)state;
    assert_renewed(MAPPED, 0, LISTED);
    assert_renewed("{\"tags\":{}}", 0, "{\"tags\":[]}");
    assert_renewed(LISTED, -ENODATA, NULL);
    assert_renewed("{\"job_name\":\"tags\"}", -ENODATA, NULL);
    assert_renewed("{\"tags\":{", -EINVAL, NULL);
}

static void all_named_fields_are_dropped(void **state)
{
    (void)state;
    assert_repaired(LISTED,
                    "{\"detail\":[{\"loc\":[\"body\",\"host_vcpus\"]},{\"loc\":[\"body\",0,\"env\"]},{\"loc\":[]}]}",
                    "{\"job_name\":\"j\"," TAG_LIST "}");
    assert_repaired("{\"env\":\"e\"}", "{\"detail\":[{\"loc\":[\"env\"]}]}", "{}");
}

static void a_tag_called_like_a_field_is_not_taken_for_it(void **state)
{
    (void)state;
    assert_repaired(LISTED, "{\"detail\":[{\"loc\":[\"body\",\"tags\",0,\"env\"]}]}", MAPPED);
}

static void answers_that_name_nothing_change_nothing(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "",
        "x",
        "{}",
        "[]",
        "null",
        "{\"detail\":\"Unprocessable tags\"}",
        "{\"detail\":{}}",
        "{\"detail\":[]}",
        "{\"detail\":[1,null,\"tags\",[\"tags\"]]}",
        "{\"detail\":[{\"loc\":\"tags\"}]}",
        "{\"detail\":[{\"loc\":[\"body\"]}]}",
        "{\"detail\":[{\"loc\":[1,2]}]}",
        "{\"detail\":[{\"loc\":[\"body\",\"pid\"]}]}",
        "{\"detail\":[{\"loc\":[[\"tags\"]]}]}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_repaired(LISTED, answers[i], NULL);
}

static void a_body_that_is_none_is_not_repaired(void **state)
{
    (void)state;
    struct bytes repaired;
    assert_int_equal(request_register_repair("{\"tags\"", "{\"detail\":[{\"loc\":[\"tags\"]}]}", &repaired), -EINVAL);
    bytes_done(&repaired);
    assert_repaired("[\"tags\"]", "{\"detail\":[{\"loc\":[\"tags\"]}]}", NULL);
}

static void assert_url(const char *url, int error, const char *expected)
{
    char ret[128] = "";
    assert_int_equal(api_check_url(url, ret, sizeof ret), error);
    if (error == 0)
        assert_string_equal(ret, expected);
}

static void a_base_url_keeps_its_path_and_loses_its_slashes(void **state)
{
    (void)state;
    assert_url("https://api.sentinel.sparecores.net", 0, "https://api.sentinel.sparecores.net");
    assert_url("https://h/a/b///", 0, "https://h/a/b");
    assert_url("https://h:8443/", 0, "https://h:8443");
    assert_url("HTTPS://h", 0, "https://h");
    assert_url("https://[2001:db8::1]:443/x", 0, "https://[2001:db8::1]:443/x");
}

static void plain_http_is_for_loopback_only(void **state)
{
    (void)state;
    static const char *const allowed[] = {"http://localhost", "http://LOCALHOST:80", "http://127.0.0.1:8080/api",
                                          "http://127.255.255.254", "http://[::1]:1"};
    static const char *const refused[] = {"http://example.com", "http://127.0.0.1.evil.example",
                                          "http://127.1",       "http://localhost.evil",
                                          "http://128.0.0.1",   "http://127.0.0.256",
                                          "http://[::2]",       "http://1270.0.0.1",
                                          "http://127.0.0.1.",  "http://10.0.0.1"};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        char ret[128];
        assert_int_equal(api_check_url(allowed[i], ret, sizeof ret), 0);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_url(refused[i], -EACCES, NULL);
}

static void what_is_no_base_url_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "/",
        "https",
        "https:",
        "https://",
        "https:///",
        "https:///path",
        "ftp://h",
        "file:///etc/passwd",
        "h",
        "//h",
        "https://user@h",
        "https://user:pw@h",
        "https://h:port",
        "https://h:",
        "https://h:0",
        "https://h:65536",
        "https://h: 1",
        "https://h:99999999999999999999",
        "https://h?x",
        "https://h#x",
        "https://h/a b",
        "https://h/a\nb",
        "https://h/\x7f",
        "https://h/\xc3\xbc",
        "https://h\\x",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://[h]",
        "https://h@127.0.0.1",
        "http://127.0.0.1@h",
        "https://%41",
        " https://h",
        "https://a-host-with-a-name-longer-than-the-place-that-was-given/and-a-path-that-makes-it-longer-still/and-on/"
        "and-on/and-on-and-on-and-on",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_url(urls[i], -EINVAL, NULL);
}

static const struct api api = {"https://h/base", "token"};

static const char *header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++)
        if (strncmp(request->headers[i], name, len) == 0 && request->headers[i][len] == ':')
            return request->headers[i] + len + 2;
    return "";
}

static void requests_have_their_urls_and_headers(void **state)
{
    (void)state;
    struct http_request requests[3];
    assert_int_equal(request_register(&api, "{}", 2, &requests[0]), 0);
    assert_int_equal(request_refresh(&api, "r-1_A", &requests[1]), 0);
    assert_int_equal(request_finish(&api, "r-1_A", "{}", 2, false, &requests[2]), 0);
    assert_string_equal(requests[0].url, "https://h/base/runs");
    assert_string_equal(requests[1].url, "https://h/base/runs/r-1_A/refresh-credentials");
    assert_string_equal(requests[2].url, "https://h/base/runs/r-1_A/finish");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(requests[i].method, HTTP_POST);
        assert_int_equal(requests[i].header_count, 3);
        assert_string_equal(header(&requests[i], "Authorization"), "Bearer token");
        assert_string_equal(header(&requests[i], "Content-Type"), "application/json");
        assert_string_equal(header(&requests[i], "Accept"), "application/json");
        assert_int_equal(requests[i].body.len, i == 1 ? 0 : 2);
        assert_false(requests[i].no_proxy_at_all);
        http_request_done(&requests[i]);
    }
}

static void plain_http_never_meets_a_proxy(void **state)
{
    (void)state;
    struct http_request request;
    const struct api    local = {"http://127.0.0.1:1", "token"};
    assert_int_equal(request_refresh(&local, "r", &request), 0);
    assert_true(request.no_proxy_at_all);
    http_request_done(&request);
}

static void tokens_and_run_ids_that_would_change_the_request_are_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = {"", "a b", "a\nX: y", "a\r", "t\x01", "\x7f", "\xc3\xbc", "a\t"};
    static const char *const ids[] = {"", "../x", "a/b", "a?b", "a b", "a\nb", "%2e", "\xc3\xbc"};
    struct http_request      request;
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        const struct api bad = {"https://h", tokens[i]};
        assert_int_equal(request_register(&bad, "{}", 2, &request), -EINVAL);
        assert_null(request.url);
    }
    assert_int_equal(request_register(&(struct api){"https://h", NULL}, "{}", 2, &request), -EINVAL);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(request_refresh(&api, ids[i], &request), -EINVAL);
        assert_int_equal(request_finish(&api, ids[i], "{}", 2, false, &request), -EINVAL);
    }
    assert_int_equal(request_refresh(&api, NULL, &request), -EINVAL);
    char id[130];
    memset(id, 'a', 129);
    id[129] = '\0';
    assert_int_equal(request_refresh(&api, id, &request), -EINVAL);
    id[128] = '\0';
    assert_int_equal(request_refresh(&api, id, &request), 0);
    http_request_done(&request);
}

static void headers_are_bounded_and_cannot_be_broken_out_of(void **state)
{
    (void)state;
    struct http_request request = {0};
    assert_int_equal(http_request_header(&request, "X", "a\r\nY: b"), -EINVAL);
    char *huge = malloc(40000);
    assert_non_null(huge);
    memset(huge, 'x', 39999);
    huge[39999] = '\0';
    assert_int_equal(http_request_header(&request, "X", huge), -E2BIG);
    free(huge);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        assert_int_equal(http_request_header(&request, "X", "y"), 0);
    assert_int_equal(http_request_header(&request, "X", "y"), -E2BIG);
    http_request_done(&request);
}

static char *gunzip(const struct bytes *data, size_t size)
{
    char    *text = calloc(1, size + 1);
    z_stream z = {.next_in = (Bytef *)data->data,
                  .avail_in = (uInt)data->len,
                  .next_out = (Bytef *)text,
                  .avail_out = (uInt)size};
    assert_non_null(text);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, size);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(inflateEnd(&z), Z_OK);
    return text;
}

static void a_gzipped_finish_holds_the_same_body(void **state)
{
    (void)state;
    enum { LEN = 300000 };
    char *body = malloc(LEN);
    assert_non_null(body);
    for (size_t i = 0; i < LEN; i++)
        body[i] = (char)('a' + (i * i / 7) % 26);
    struct http_request request;
    assert_int_equal(request_finish(&api, "r", body, LEN, true, &request), 0);
    assert_string_equal(header(&request, "Content-Encoding"), "gzip");
    char *text = gunzip(&request.body, LEN);
    assert_memory_equal(text, body, LEN);
    free(text);
    free(body);
    http_request_done(&request);
}

static void gzip_gives_the_same_bytes_again_and_keeps_to_its_maximum(void **state)
{
    (void)state;
    struct bytes first;
    struct bytes second;
    bytes_init(&first, 1024);
    bytes_init(&second, 1024);
    assert_int_equal(gzip_compress("abc", 3, &first), 0);
    assert_int_equal(gzip_compress("abc", 3, &second), 0);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    bytes_done(&second);
    bytes_init(&second, 10);
    assert_int_equal(gzip_compress("abc", 3, &second), -EFBIG);
    bytes_done(&second);
    bytes_clear(&first);
    assert_int_equal(gzip_compress("", 0, &first), 0);
    free(gunzip(&first, 0));
    bytes_done(&first);
}

static void json_is_checked_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",  "[]",     "0", "-0", "1.5e+3", "\"\"", " [ 1 , {\"a\" : null} ] ", "true", "\"\\u00fc\\n\\\"\"",
        "1E5", "[[],{}]"};
    static const char *const bad[] = {"",         " ",          "{",           "}",        "[1,]",  "{\"a\"}",
                                      "{\"a\":}", "{\"a\":1,}", "{a:1}",       "01",       "1.",    ".5",
                                      "1e",       "-",          "+1",          "nul",      "tru",   "\"",
                                      "\"\\x\"",  "\"\\u12\"",  "\"\\u00g0\"", "\"a\nb\"", "1 2",   "{}{}",
                                      "[1 2]",    "NaN",        "\"\\u0000\"", "\"\\",     "//x\n1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(json_check(text_of(good[i]), 100), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (json_check(text_of(bad[i]), 100) != -EBADMSG)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(json_check(text_span("{}\0", 3), 100), -EBADMSG);
    assert_int_equal(json_check(text_span("\"\0\"", 3), 100), -EBADMSG);
    assert_int_equal(json_check(text_of("[1,2]"), 3), 0);
    assert_int_equal(json_check(text_of("[1,2,3]"), 3), -EBADMSG);
}

static void json_is_no_deeper_than_allowed(void **state)
{
    (void)state;
    char deep[200001];
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    deep[200000] = '\0';
    assert_int_equal(json_check(text_of(deep), SIZE_MAX), -EBADMSG);
    assert_int_equal(json_check(text_span(deep + 100000 - JSON_DEPTH_MAX, (size_t)2 * JSON_DEPTH_MAX), SIZE_MAX), 0);
    assert_int_equal(json_check(text_span(deep + 99999 - JSON_DEPTH_MAX, (size_t)2 * JSON_DEPTH_MAX + 2), SIZE_MAX),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_of_which_nothing_is_known_is_an_empty_object),
        cmocka_unit_test(every_field_goes_out_under_its_name),
        cmocka_unit_test(numbers_of_sixty_four_bits_keep_every_digit),
        cmocka_unit_test(a_storage_that_is_no_number_is_left_out),
        cmocka_unit_test(an_empty_command_is_left_out),
        cmocka_unit_test(the_command_is_an_array_inside_a_string),
        cmocka_unit_test(a_huge_command_keeps_its_first_arguments),
        cmocka_unit_test(one_huge_argument_is_cut),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(a_body_never_exceeds_a_mebibyte),
        cmocka_unit_test(of_two_equal_tags_the_last_stands),
        cmocka_unit_test(tags_without_keys_are_left_out),
        cmocka_unit_test(controls_and_quotes_are_escaped),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(a_zeroed_finish_means_exit_code_zero_finished_and_s3),
        cmocka_unit_test(an_inline_finish_carries_the_rows_as_they_are),
        cmocka_unit_test(an_unknown_exit_code_is_left_out),
        cmocka_unit_test(what_the_api_would_refuse_is_no_body),
        cmocka_unit_test(what_is_known_later_is_added),
        cmocka_unit_test(many_rows_take_one_allocation_of_their_size),
        cmocka_unit_test(refused_tags_become_an_object_and_are_dropped_then),
        cmocka_unit_test(a_registration_that_has_waited_gets_the_list),
        cmocka_unit_test(all_named_fields_are_dropped),
        cmocka_unit_test(a_tag_called_like_a_field_is_not_taken_for_it),
        cmocka_unit_test(answers_that_name_nothing_change_nothing),
        cmocka_unit_test(a_body_that_is_none_is_not_repaired),
        cmocka_unit_test(a_base_url_keeps_its_path_and_loses_its_slashes),
        cmocka_unit_test(plain_http_is_for_loopback_only),
        cmocka_unit_test(what_is_no_base_url_is_refused),
        cmocka_unit_test(requests_have_their_urls_and_headers),
        cmocka_unit_test(plain_http_never_meets_a_proxy),
        cmocka_unit_test(tokens_and_run_ids_that_would_change_the_request_are_refused),
        cmocka_unit_test(headers_are_bounded_and_cannot_be_broken_out_of),
        cmocka_unit_test(a_gzipped_finish_holds_the_same_body),
        cmocka_unit_test(gzip_gives_the_same_bytes_again_and_keeps_to_its_maximum),
        cmocka_unit_test(json_is_checked_strictly),
        cmocka_unit_test(json_is_no_deeper_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
