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
                                        "HTTPS_PROXY",        "no_proxy",         "NO_PROXY"};
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
    assert_int_equal(setenv("SENTINEL_API_TOKEN", "from-token", 1), 0);
    assert_token_sent(NULL, &server, "from-token");
    zeroed.token = "given";
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

static void refused_fields_are_left_out_and_tags_tried_as_a_list_first(void **state)
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
    assert_string_equal(server_body(&server, 0), "{\"job_name\":\"j\",\"team\":\"t\",\"tags\":{\"a\":\"b\"}}");
    assert_string_equal(server_body(&server, 1), "{\"job_name\":\"j\",\"tags\":[\"a=b\"]}");
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
        cmocka_unit_test_setup(refused_fields_are_left_out_and_tags_tried_as_a_list_first, clear_environment),
        cmocka_unit_test_setup(repairs_come_to_an_end, clear_environment),
        cmocka_unit_test_setup(credentials_are_refreshed_with_an_empty_body, clear_environment),
        cmocka_unit_test_setup(a_finish_gives_the_backends_statistics, clear_environment),
        cmocka_unit_test_setup(a_finish_that_the_api_would_refuse_is_not_sent, clear_environment),
        cmocka_unit_test_setup(a_finish_too_large_is_repeated_once_with_gzip, clear_environment),
        cmocka_unit_test_setup(what_keeps_the_answer_away_is_told, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
