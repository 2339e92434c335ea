// SPDX-License-Identifier: Apache-2.0
// The public client, call by call, against a scripted server on loopback.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pillion/sentinel.h>

#include "server.h"

#define OK(body)           "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define STATUS(line, body) "HTTP/1.1 " line "\r\nConnection: close\r\n\r\n" body
#define CREDENTIALS \
    "{\"access_key\":\"AK\",\"secret_key\":\"SK\",\"session_token\":\"ST\",\"expires_at\":\"2026-04-01T00:00:00Z\"}"
#define REGISTERED \
    OK("{\"run_id\":\"r1\",\"upload_uri_prefix\":\"s3://bucket/p\",\"upload_credentials\":" CREDENTIALS "}")

static const struct server_reply registered = {REGISTERED, SERVER_CLOSES};

static char url[64];

/* Every test begins with an empty environment and ends with no server. */
static int clear_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"SENTINEL_API_TOKEN", "SENTINEL_API_KEY", "SENTINEL_API_TOKEN_FILE",
                                        "SENTINEL_API_URL",   "http_proxy",       "https_proxy",
                                        "HTTPS_PROXY",        "no_proxy",         "NO_PROXY",
                                        "PILLION_S3_ENDPOINT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    return 0;
}

static struct sentinel_client start(struct server *server, const struct server_reply *replies, size_t count)
{
    assert_true(server_start(server, replies, count));
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/base/", server->port);
    return (struct sentinel_client){.token = "tok-en", .base_url = url, .timeout_ms = 10000};
}

static void a_run_is_registered(void **state)
{
    (void)state;
    struct server                server;
    char                         value[256];
    const char *const            command[] = {"python3", "train.py", NULL};
    struct sentinel_registration r;
    struct sentinel_api_error    error = {99, NULL};
    struct sentinel_client       client = start(&server, &registered, 1);
    assert_int_equal(
        sentinel_register_run(&client, &(struct sentinel_run){.job_name = "j", .command = command}, &r, &error), 0);
    server_stop(&server);
    assert_int_equal(error.status_code, 0);
    assert_null(error.body);
    assert_string_equal(r.run_id, "r1");
    assert_string_equal(r.upload_uri_prefix, "s3://bucket/p");
    assert_string_equal(r.credentials.session_token, "ST");
    assert_null(r.credentials.region);
    assert_int_equal(r.credentials.expires_at, 1775001600);
    assert_int_equal(strncmp(server.requests[0], "POST /base/runs HTTP/1.1\r\n", 26), 0);
    assert_string_equal(server_header(&server, 0, "Authorization", value), "Bearer tok-en");
    assert_string_equal(server_header(&server, 0, "Content-Type", value), "application/json");
    assert_string_equal(server_header(&server, 0, "Accept", value), "application/json");
    assert_string_equal(server_header(&server, 0, "User-Agent", value), "pillion/" PILLION_VERSION);
    assert_string_equal(server_body(&server, 0),
                        "{\"job_name\":\"j\",\"command\":\"[\\\"python3\\\",\\\"train.py\\\"]\"}");
    sentinel_registration_done(&r);
    server_done(&server);
}

static void a_run_of_which_nothing_is_known_can_be_registered(void **state)
{
    (void)state;
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_client       client = start(&server, &registered, 1);
    assert_int_equal(sentinel_register_run(&client, NULL, &r, NULL), 0);
    server_stop(&server);
    assert_string_equal(server_body(&server, 0), "{}");
    sentinel_registration_done(&r);
    server_done(&server);
}

static void one_client_serves_many_calls(void **state)
{
    (void)state;
    struct server          server;
    struct sentinel_client client = start(&server, &registered, 1);
    for (int i = 0; i < 3; i++) {
        struct sentinel_registration r;
        assert_int_equal(sentinel_register_run(&client, NULL, &r, NULL), 0);
        sentinel_registration_done(&r);
    }
    server_stop(&server);
    assert_int_equal(server.request_count, 3);
    server_done(&server);
}

static void assert_token_sent(const struct sentinel_client *client, struct server *server, const char *token)
{
    struct sentinel_registration r;
    char                         value[256];
    char                         expected[64];
    size_t                       number = server->request_count;
    (void)snprintf(expected, sizeof expected, "Bearer %s", token);
    assert_int_equal(sentinel_register_run(client, NULL, &r, NULL), 0);
    assert_string_equal(server_header(server, number, "Authorization", value), expected);
    sentinel_registration_done(&r);
}

static void write_token_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void what_a_client_does_not_say_comes_from_the_environment(void **state)
{
    (void)state;
    struct server          server;
    struct sentinel_client zeroed = {0};
    char                   path[64];
    (void)start(&server, &registered, 1);
    (void)snprintf(path, sizeof path, "/tmp/pillion-test-%d.token", (int)getpid());
    write_token_file(path, "  from-file \r\nsecond line\n");
    assert_int_equal(setenv("SENTINEL_API_URL", url, 1), 0);
    assert_int_equal(setenv("SENTINEL_API_TOKEN_FILE", path, 1), 0);
    assert_token_sent(NULL, &server, "from-file");
    assert_int_equal(setenv("SENTINEL_API_KEY", "from-key", 1), 0);
    assert_token_sent(&zeroed, &server, "from-key");
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "", 1), 0);
    assert_token_sent(NULL, &server, "from-key");
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "from-token\n", 1), 0);
    assert_token_sent(NULL, &server, "from-token");
    zeroed.token = "given\n";
    assert_token_sent(&zeroed, &server, "given");
    assert_int_equal(unlink(path), 0);
    server_done(&server);
}

static void assert_not_asked(const struct sentinel_client *client, int expected)
{
    struct sentinel_registration r;
    struct sentinel_credentials  c;
    struct sentinel_api_error    error;
    char                        *result = NULL;
    assert_int_equal(sentinel_register_run(client, NULL, &r, &error), expected);
    assert_int_equal(error.status_code, 0);
    assert_non_null(error.body);
    assert_null(strstr(error.body, "hidden"));
    assert_null(r.run_id);
    sentinel_api_error_done(&error);
    assert_int_equal(sentinel_refresh_credentials(client, "r1", &c, &error), expected);
    sentinel_api_error_done(&error);
    assert_int_equal(sentinel_finish_run(client, "r1", NULL, &result, &error), expected);
    sentinel_api_error_done(&error);
    assert_null(result);
}

static void a_client_without_a_usable_token_asks_nothing(void **state)
{
    (void)state;
    struct server server;
    (void)start(&server, &registered, 1);
    assert_int_equal(setenv("SENTINEL_API_URL", url, 1), 0);
    assert_not_asked(NULL, -EINVAL);
    assert_not_asked(&(struct sentinel_client){.token = ""}, -EINVAL);
    assert_not_asked(&(struct sentinel_client){.token = " \t"}, -EINVAL);
    assert_not_asked(&(struct sentinel_client){.token = "hidden\nX: y"}, -EINVAL);
    assert_not_asked(&(struct sentinel_client){.token = "hidden part"}, -EINVAL);
    assert_int_equal(setenv("SENTINEL_API_TOKEN_FILE", "/no/such/file", 1), 0);
    assert_not_asked(NULL, -EINVAL);
    assert_int_equal(setenv("SENTINEL_API_TOKEN_FILE", "/dev/null", 1), 0);
    assert_not_asked(NULL, -EINVAL);
    server_stop(&server);
    assert_int_equal(server.connections, 0);
    server_done(&server);
}

static void a_token_does_not_leave_the_machine_in_the_clear(void **state)
{
    (void)state;
    assert_not_asked(&(struct sentinel_client){.token = "hidden", .base_url = "http://api.example"}, -EACCES);
    assert_not_asked(&(struct sentinel_client){.token = "hidden", .base_url = "ftp://api.example"}, -EINVAL);
    assert_not_asked(&(struct sentinel_client){.token = "t", .base_url = "https://u:hidden@api.example"}, -EINVAL);
}

static void a_proxy_gets_nothing_of_what_is_for_loopback(void **state)
{
    (void)state;
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_client       client = start(&server, &registered, 1);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(sentinel_register_run(&client, NULL, &r, NULL), 0);
    sentinel_registration_done(&r);
    server_done(&server);
}

static void https_goes_through_its_proxy_without_the_token(void **state)
{
    (void)state;
    const struct server_reply    script = {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", SERVER_CLOSES};
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_api_error    error;
    char                         proxy[64];
    (void)start(&server, &script, 1);
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server.port);
    assert_int_equal(setenv("HTTPS_PROXY", proxy, 1), 0);
    const struct sentinel_client client = {.token = "hidden", .base_url = "https://api.invalid", .timeout_ms = 5000};
    int                          rc = sentinel_register_run(&client, NULL, &r, &error);
    server_stop(&server);
    assert_true(rc < 0);
    assert_int_equal(error.status_code, 0);
    if (rc != -EKEYREJECTED) { /* which it is on a machine without CA certificates */
        assert_int_equal(server.request_count, 1);
        assert_int_equal(strncmp(server.requests[0], "CONNECT api.invalid:443 ", 24), 0);
        assert_null(strstr(server.requests[0], "hidden"));
    }
    sentinel_api_error_done(&error);
    server_done(&server);
}

static void a_refusal_comes_with_status_and_body(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        long        status;
        const char *body;
    } cases[] = {
        {STATUS("401 Unauthorized", "{\"detail\":\"no\"}"), 401, "{\"detail\":\"no\"}"},
        {STATUS("500 Oh", "oh"), 500, "oh"},
        {STATUS("307 There", ""), 307, ""},
        {STATUS("422 No", "{\"detail\":\"none of it\"}"), 422, "{\"detail\":\"none of it\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct server_reply    script = {cases[i].reply, SERVER_CLOSES};
        struct server                server;
        struct sentinel_registration r;
        struct sentinel_api_error    error;
        struct sentinel_client       client = start(&server, &script, 1);
        assert_int_equal(sentinel_register_run(&client, NULL, &r, &error), -EREMOTEIO);
        server_stop(&server);
        assert_int_equal(server.request_count, 1);
        assert_int_equal(error.status_code, cases[i].status);
        assert_string_equal(error.body, cases[i].body);
        assert_null(r.run_id);
        sentinel_api_error_done(&error);
        sentinel_api_error_done(&error);
        server_done(&server);
    }
}

static void a_yes_that_makes_no_sense_is_an_error(void **state)
{
    (void)state;
    static const char *const replies[] = {OK(""), OK("{}"), OK("{\"run_id\":\"../x\"}"), OK("<html>"),
                                          OK("{\"run_id\":\"r\"")};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        const struct server_reply    script = {replies[i], SERVER_CLOSES};
        struct server                server;
        struct sentinel_registration r;
        struct sentinel_credentials  c;
        struct sentinel_api_error    error;
        struct sentinel_client       client = start(&server, &script, 1);
        assert_int_equal(sentinel_register_run(&client, NULL, &r, &error), -EBADMSG);
        assert_int_equal(error.status_code, 0);
        assert_non_null(error.body);
        sentinel_api_error_done(&error);
        assert_int_equal(sentinel_refresh_credentials(&client, "r", &c, &error), -EBADMSG);
        sentinel_api_error_done(&error);
        server_done(&server);
    }
}

static void refused_fields_are_left_out_and_tags_tried_as_an_object_first(void **state)
{
    (void)state;
    const char *const         refusal = STATUS("422 No",
                                               "{\"detail\":[{\"loc\":[\"body\",\"tags\"]},{\"loc\":[\"body\",\"team\"]}]}");
    const struct server_reply script[] = {
        {refusal, SERVER_CLOSES}, {refusal, SERVER_CLOSES}, {REGISTERED, SERVER_CLOSES}};
    const struct sentinel_pair   tags[] = {{"a", "b"}};
    const struct sentinel_run    run = {.job_name = "j", .team = "t", .tags = tags, .tag_count = 1};
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_client       client = start(&server, script, 3);
    assert_int_equal(sentinel_register_run(&client, &run, &r, NULL), 0);
    server_stop(&server);
    assert_int_equal(server.request_count, 3);
    assert_string_equal(server_body(&server, 0),
                        "{\"job_name\":\"j\",\"team\":\"t\",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}");
    assert_string_equal(server_body(&server, 1), "{\"job_name\":\"j\",\"tags\":{\"a\":\"b\"}}");
    assert_string_equal(server_body(&server, 2), "{\"job_name\":\"j\"}");
    sentinel_registration_done(&r);
    server_done(&server);
}

static void repairs_come_to_an_end(void **state)
{
    (void)state;
    const struct server_reply script = {
        STATUS("422 No", "{\"detail\":[{\"loc\":[\"job_name\"]},{\"loc\":[\"team\"]}]}"), SERVER_CLOSES};
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_api_error    error;
    struct sentinel_client       client = start(&server, &script, 1);
    assert_int_equal(sentinel_register_run(&client, &(struct sentinel_run){.job_name = "j", .team = "t"}, &r, &error),
                     -EREMOTEIO);
    server_stop(&server);
    assert_int_equal(error.status_code, 422);
    assert_int_equal(server.request_count, 2);
    sentinel_api_error_done(&error);
    server_done(&server);
}

static void credentials_are_refreshed_with_an_empty_body(void **state)
{
    (void)state;
    const struct server_reply   script = {OK("{\"upload_credentials\":" CREDENTIALS "}"), SERVER_CLOSES};
    struct server               server;
    struct sentinel_credentials c;
    char                        value[256];
    struct sentinel_client      client = start(&server, &script, 1);
    assert_int_equal(sentinel_refresh_credentials(&client, "r1", &c, NULL), 0);
    server_stop(&server);
    assert_string_equal(c.access_key, "AK");
    assert_int_equal(strncmp(server.requests[0], "POST /base/runs/r1/refresh-credentials HTTP/1.1\r\n", 49), 0);
    assert_string_equal(server_header(&server, 0, "Content-Length", value), "0");
    assert_string_equal(server_body(&server, 0), "");
    sentinel_credentials_done(&c);
    server_done(&server);
}

static const struct sentinel_finish inline_finish = {.data_source = SENTINEL_DATA_INLINE, .data_csv = "timestamp\n1\n"};

static void a_finish_gives_the_backends_statistics(void **state)
{
    (void)state;
    const struct server_reply script = {OK("{ \"run\": {\"run_id\": \"r1\"},\n \"processing\": {\"rows\": 1} }\n"),
                                        SERVER_CLOSES};
    struct server             server;
    char                     *result = NULL;
    struct sentinel_client    client = start(&server, &script, 1);
    assert_int_equal(sentinel_finish_run(&client, "r1", &inline_finish, &result, NULL), 0);
    assert_string_equal(result, "{\"run\":{\"run_id\":\"r1\"},\"processing\":{\"rows\":1}}");
    assert_int_equal(sentinel_finish_run(&client, "r1", &inline_finish, NULL, NULL), 0);
    server_stop(&server);
    assert_string_equal(
        server_body(&server, 0),
        "{\"exit_code\":0,\"run_status\":\"finished\",\"data_source\":\"inline\",\"data_csv\":\"timestamp\\n1\\n\"}");
    assert_int_equal(strncmp(server.requests[0], "POST /base/runs/r1/finish HTTP/1.1\r\n", 36), 0);
    sentinel_free(result);
    sentinel_free(NULL);
    server_done(&server);
}

static void a_finish_that_the_api_would_refuse_is_not_sent(void **state)
{
    (void)state;
    struct server             server;
    struct sentinel_api_error error;
    struct sentinel_client    client = start(&server, &registered, 1);
    assert_int_equal(sentinel_finish_run(&client, "r1", NULL, NULL, &error), -EINVAL);
    assert_int_equal(error.status_code, 0);
    sentinel_api_error_done(&error);
    assert_int_equal(sentinel_finish_run(&client, "../x", &inline_finish, NULL, NULL), -EINVAL);
    assert_int_equal(sentinel_finish_run(&client, NULL, &inline_finish, NULL, NULL), -EINVAL);
    server_stop(&server);
    assert_int_equal(server.connections, 0);
    server_done(&server);
}

static void a_finish_too_large_is_repeated_once_with_gzip(void **state)
{
    (void)state;
    const struct server_reply script[] = {{STATUS("413 Too large", ""), SERVER_CLOSES}, {OK("{}"), SERVER_CLOSES}};
    struct server             server;
    char                      value[256];
    struct sentinel_client    client = start(&server, script, 2);
    assert_int_equal(sentinel_finish_run(&client, "r1", &inline_finish, NULL, NULL), 0);
    server_stop(&server);
    assert_int_equal(server.request_count, 2);
    assert_string_equal(server_header(&server, 0, "Content-Encoding", value), "");
    assert_string_equal(server_header(&server, 1, "Content-Encoding", value), "gzip");
    assert_int_equal(strncmp(server_body(&server, 1), "\x1f\x8b\x08", 3), 0);
    server_done(&server);
    struct sentinel_api_error error;
    client = start(&server, script, 1);
    assert_int_equal(sentinel_finish_run(&client, "r1", &inline_finish, NULL, &error), -EREMOTEIO);
    server_stop(&server);
    assert_int_equal(error.status_code, 413);
    assert_int_equal(server.request_count, 2);
    sentinel_api_error_done(&error);
    server_done(&server);
}

static void what_keeps_the_answer_away_is_told(void **state)
{
    (void)state;
    const struct server_reply    silent = {NULL, SERVER_HANGS};
    const struct server_reply    gone = {NULL, SERVER_CLOSES};
    struct server                server;
    struct sentinel_registration r;
    struct sentinel_api_error    error;
    struct sentinel_client       client = start(&server, &silent, 1);
    client.timeout_ms = 200;
    assert_int_equal(sentinel_register_run(&client, NULL, &r, &error), -ETIMEDOUT);
    assert_int_equal(error.status_code, 0);
    assert_non_null(error.body);
    sentinel_api_error_done(&error);
    server_done(&server);
    client = start(&server, &gone, 1);
    assert_int_equal(sentinel_register_run(&client, NULL, &r, NULL), -ECONNRESET);
    server_done(&server);
    assert_int_equal(sentinel_register_run(&client, NULL, &r, &error), -ECONNREFUSED);
    assert_null(strstr(error.body, "tok-en"));
    sentinel_api_error_done(&error);
}

static char access_key[] = "ASIAEXAMPLEEXAMPLE77";
static char secret_key[] = "never-to-be-seen-0123456789";
static char session_token[] = "given-back-by-s3-0123456789";
static char region[] = "eu-west-1";

static const struct sentinel_credentials credentials = {access_key, secret_key, session_token, region, INT64_MAX};
static const struct sentinel_object      object = {"s3://bucket/p/run=1/0001.csv.gz", &credentials, "rows", 4, NULL};

#define STORED "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define REFUSED(line, headers, body) \
    "HTTP/1.1 " line "\r\n" headers "Connection: close\r\n\r\n<?xml version=\"1.0\"?>\n<Error>" body "</Error>"

/* A client that knows of nothing but this server, as S3. */
static struct sentinel_client start_s3(struct server *server, const struct server_reply *replies, size_t count)
{
    (void)start(server, replies, count);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", server->port);
    return (struct sentinel_client){.timeout_ms = 10000, .s3_endpoint = url};
}

/* What the Authorization of a request has between its date and its service. */
static void assert_signed_for(const struct server *server, size_t number, const char *expected)
{
    char value[256];
    (void)server_header(server, number, "Authorization", value);
    const char *found = strstr(value, expected);
    assert_non_null(found);
    assert_int_equal(strncmp(found + strlen(expected), "/s3/aws4_request, ", 18), 0);
}

static void an_object_is_put_by_a_client_without_a_token(void **state)
{
    (void)state;
    const struct server_reply stored = {STORED, SERVER_KEEPS};
    struct server             server;
    struct sentinel_api_error error = {99, NULL};
    char                      value[256];
    struct sentinel_client    client = start_s3(&server, &stored, 1);
    assert_int_equal(sentinel_put_object(&client, &object, &error), 0);
    assert_int_equal(error.status_code, 0);
    assert_null(error.body);
    struct sentinel_object empty = {.uri = "s3://bucket/k", .credentials = &credentials, .content_type = "text/csv"};
    assert_int_equal(setenv("PILLION_S3_ENDPOINT", url, 1), 0);
    assert_int_equal(sentinel_put_object(NULL, &empty, NULL), 0);
    server_stop(&server);
    assert_int_equal(strncmp(server.requests[0], "PUT /bucket/p/run%3D1/0001.csv.gz HTTP/1.1\r\n", 44), 0);
    assert_string_equal(server_header(&server, 0, "Content-Type", value), "application/gzip");
    assert_string_equal(server_header(&server, 0, "x-amz-security-token", value), session_token);
    assert_signed_for(&server, 0, "/eu-west-1");
    assert_string_equal(server_body(&server, 0), "rows");
    assert_string_equal(server_header(&server, 1, "Content-Length", value), "0");
    assert_string_equal(server_header(&server, 1, "Content-Type", value), "text/csv");
    for (size_t i = 0; i < server.request_count; i++)
        assert_null(strstr(server.requests[i], secret_key));
    server_done(&server);
}

static void an_endpoint_without_a_region_gets_the_default_one(void **state)
{
    (void)state;
    const struct server_reply   stored = {STORED, SERVER_KEEPS};
    struct server               server;
    struct sentinel_client      client = start_s3(&server, &stored, 1);
    struct sentinel_credentials nowhere = credentials;
    struct sentinel_object      placeless = object;
    nowhere.region = NULL;
    placeless.credentials = &nowhere;
    assert_int_equal(sentinel_put_object(&client, &placeless, NULL), 0);
    server_stop(&server);
    assert_int_equal(server.request_count, 1);
    assert_signed_for(&server, 0, "/eu-central-1");
    server_done(&server);
}

static void an_object_follows_its_bucket_once(void **state)
{
    (void)state;
    const struct server_reply script[] = {
        {REFUSED("301 Moved", "x-amz-bucket-region: us-west-2\r\n", "<Code>PermanentRedirect</Code>"), SERVER_CLOSES},
        {REFUSED("400 Bad", "", "<Code>AuthorizationHeaderMalformed</Code><Region>ap-south-1</Region>"), SERVER_CLOSES},
    };
    struct server             server;
    struct sentinel_api_error error;
    struct sentinel_client    client = start_s3(&server, script, 2);
    assert_int_equal(sentinel_put_object(&client, &object, &error), -EREMOTEIO);
    server_stop(&server);
    assert_int_equal(error.status_code, 400);
    assert_non_null(strstr(error.body, "<Region>ap-south-1</Region>"));
    sentinel_api_error_done(&error);
    assert_int_equal(server.request_count, 2);
    assert_signed_for(&server, 0, "/eu-west-1");
    assert_signed_for(&server, 1, "/us-west-2");
    assert_string_equal(server_body(&server, 1), "rows");
    server_done(&server);
}

static void an_object_is_signed_again_by_the_servers_clock_once(void **state)
{
    (void)state;
    static const char         skewed[] = REFUSED("403 Forbidden", "Date: Thu, 01 Mar 2012 00:00:00 GMT\r\n",
                                                 "<Code>RequestTimeTooSkewed</Code>");
    const struct server_reply script[] = {{skewed, SERVER_CLOSES}, {STORED, SERVER_KEEPS}};
    struct server             server;
    char                      value[256];
    struct sentinel_client    client = start_s3(&server, script, 2);
    assert_int_equal(sentinel_put_object(&client, &object, NULL), 0);
    server_stop(&server);
    assert_int_equal(strncmp(server_header(&server, 1, "x-amz-date", value), "20120301T00", 11), 0);
    assert_signed_for(&server, 1, "/20120301/eu-west-1");
    server_done(&server);
    client = start_s3(&server, script, 1);
    assert_int_equal(sentinel_put_object(&client, &object, NULL), -EREMOTEIO);
    server_stop(&server);
    assert_int_equal(server.request_count, 2);
    server_done(&server);
}

static void a_refusal_of_an_object_has_no_credentials_in_it(void **state)
{
    (void)state;
    const struct server_reply script = {
        REFUSED(
            "400 Bad Request", "",
            "<Code>ExpiredToken</Code><Token-0>given-back-by-s3-0123456789</Token-0><X>never-to-be-seen-0123456789</X>"
            "<AWSAccessKeyId>ASIAEXAMPLEEXAMPLE77</AWSAccessKeyId>"),
        SERVER_CLOSES};
    struct server             server;
    struct sentinel_api_error error;
    struct sentinel_client    client = start_s3(&server, &script, 1);
    assert_int_equal(sentinel_put_object(&client, &object, &error), -EREMOTEIO);
    server_stop(&server);
    assert_int_equal(server.request_count, 1);
    assert_int_equal(error.status_code, 400);
    assert_non_null(strstr(error.body, "<Code>ExpiredToken</Code><Token-0>*****"));
    assert_null(strstr(error.body, session_token));
    assert_null(strstr(error.body, secret_key));
    assert_null(strstr(error.body, access_key));
    sentinel_api_error_done(&error);
    server_done(&server);
}

static void assert_not_put(const char *endpoint, const struct sentinel_object *odd)
{
    const struct sentinel_client client = {.timeout_ms = 10000, .s3_endpoint = endpoint};
    struct sentinel_api_error    error;
    assert_int_equal(sentinel_put_object(&client, odd, &error), -EINVAL);
    assert_int_equal(error.status_code, 0);
    assert_non_null(error.body);
    assert_null(strstr(error.body, secret_key));
    sentinel_api_error_done(&error);
}

static void an_object_that_s3_would_refuse_is_not_put(void **state)
{
    (void)state;
    const struct server_reply   stored = {STORED, SERVER_KEEPS};
    struct server               server;
    struct sentinel_object      odd = object;
    struct sentinel_credentials lacking = credentials;
    char                        outlandish[] = "elsewhere.example/";
    char                        long_region[] = "a-region-of-more-than-31-characters";
    (void)start_s3(&server, &stored, 1);
    assert_not_put(url, NULL);
    odd.uri = "https://bucket/k";
    assert_not_put(url, &odd);
    odd.uri = NULL;
    assert_not_put(url, &odd);
    odd = object;
    odd.credentials = NULL;
    assert_not_put(url, &odd);
    odd.credentials = &lacking;
    lacking.secret_key = NULL;
    assert_not_put(url, &odd);
    lacking = credentials;
    lacking.region = outlandish;
    assert_not_put(url, &odd);
    lacking.region = long_region;
    assert_not_put(url, &odd);
    odd = object;
    odd.len = (size_t)64 * 1024 * 1024 + 1;
    assert_not_put(url, &odd);
    odd = object;
    odd.data = NULL;
    assert_not_put(url, &odd);
    odd = object;
    odd.content_type = "a\r\nb: c";
    assert_not_put(url, &odd);
    assert_not_put("ftp://minio", &object);
    assert_not_put("http://user:word@minio", &object);
    server_stop(&server);
    assert_int_equal(server.connections, 0);
    server_done(&server);
}

static void what_keeps_s3s_answer_away_is_told(void **state)
{
    (void)state;
    const struct server_reply silent = {NULL, SERVER_HANGS};
    const struct server_reply gone = {NULL, SERVER_RESETS};
    struct server             server;
    struct sentinel_api_error error;
    struct sentinel_client    client = start_s3(&server, &silent, 1);
    client.timeout_ms = 200;
    assert_int_equal(sentinel_put_object(&client, &object, &error), -ETIMEDOUT);
    assert_int_equal(error.status_code, 0);
    assert_non_null(error.body);
    sentinel_api_error_done(&error);
    server_done(&server);
    client = start_s3(&server, &gone, 1);
    assert_int_equal(sentinel_put_object(&client, &object, NULL), -ECONNRESET);
    server_done(&server);
    assert_int_equal(sentinel_put_object(&client, &object, NULL), -ECONNREFUSED);
}

static void an_endpoint_elsewhere_is_reached_through_the_proxy(void **state)
{
    (void)state;
    const struct server_reply stored = {STORED, SERVER_KEEPS};
    struct server             server;
    struct sentinel_object    odd = object;
    char                      value[256];
    struct sentinel_client    client = start_s3(&server, &stored, 1);
    odd.uri = "s3://bucket/a//../%2e/~=+ \xc3\xa9";
    client.s3_endpoint = "http://minio.invalid:9000/gate";
    assert_int_equal(setenv("http_proxy", url, 1), 0);
    assert_int_equal(sentinel_put_object(&client, &odd, NULL), 0);
    server_stop(&server);
    static const char line[] = "PUT http://minio.invalid:9000/gate/bucket/a//../%252e/~%3D%2B%20%C3%A9 HTTP/1.1\r\n";
    assert_int_equal(strncmp(server.requests[0], line, sizeof line - 1), 0);
    assert_string_equal(server_header(&server, 0, "Host", value), "minio.invalid:9000");
    server_done(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_run_is_registered, clear_environment),
        cmocka_unit_test_setup(a_run_of_which_nothing_is_known_can_be_registered, clear_environment),
        cmocka_unit_test_setup(one_client_serves_many_calls, clear_environment),
        cmocka_unit_test_setup(what_a_client_does_not_say_comes_from_the_environment, clear_environment),
        cmocka_unit_test_setup(a_client_without_a_usable_token_asks_nothing, clear_environment),
        cmocka_unit_test_setup(a_token_does_not_leave_the_machine_in_the_clear, clear_environment),
        cmocka_unit_test_setup(a_proxy_gets_nothing_of_what_is_for_loopback, clear_environment),
        cmocka_unit_test_setup(https_goes_through_its_proxy_without_the_token, clear_environment),
        cmocka_unit_test_setup(a_refusal_comes_with_status_and_body, clear_environment),
        cmocka_unit_test_setup(a_yes_that_makes_no_sense_is_an_error, clear_environment),
        cmocka_unit_test_setup(refused_fields_are_left_out_and_tags_tried_as_an_object_first, clear_environment),
        cmocka_unit_test_setup(repairs_come_to_an_end, clear_environment),
        cmocka_unit_test_setup(credentials_are_refreshed_with_an_empty_body, clear_environment),
        cmocka_unit_test_setup(a_finish_gives_the_backends_statistics, clear_environment),
        cmocka_unit_test_setup(a_finish_that_the_api_would_refuse_is_not_sent, clear_environment),
        cmocka_unit_test_setup(a_finish_too_large_is_repeated_once_with_gzip, clear_environment),
        cmocka_unit_test_setup(what_keeps_the_answer_away_is_told, clear_environment),
        cmocka_unit_test_setup(an_object_is_put_by_a_client_without_a_token, clear_environment),
        cmocka_unit_test_setup(an_endpoint_without_a_region_gets_the_default_one, clear_environment),
        cmocka_unit_test_setup(an_object_follows_its_bucket_once, clear_environment),
        cmocka_unit_test_setup(an_object_is_signed_again_by_the_servers_clock_once, clear_environment),
        cmocka_unit_test_setup(a_refusal_of_an_object_has_no_credentials_in_it, clear_environment),
        cmocka_unit_test_setup(an_object_that_s3_would_refuse_is_not_put, clear_environment),
        cmocka_unit_test_setup(what_keeps_s3s_answer_away_is_told, clear_environment),
        cmocka_unit_test_setup(an_endpoint_elsewhere_is_reached_through_the_proxy, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
