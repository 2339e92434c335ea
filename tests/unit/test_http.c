// SPDX-License-Identifier: Apache-2.0
// The door to the network, against a server that does what servers do on bad days.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sentinel/http/http.h"
#include "server.h"

static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

static struct http *open_http(void)
{
    struct http *http = NULL;
    assert_int_equal(http_open(&(struct http_options){0}, &http), 0);
    assert_non_null(http);
    return http;
}

static struct http_request request_to(int port, enum http_method method, const char *body)
{
    struct http_request request = {.method = method, .url = malloc(64), .timeout_ms = 10000};
    assert_non_null(request.url);
    (void)snprintf(request.url, 64, "http://127.0.0.1:%d/path", port);
    bytes_init(&request.body, 1024 * 1024);
    bytes_text(&request.body, body);
    return request;
}

static struct http_answer ask(struct http *http, int port, int timeout_ms)
{
    struct http_request request = request_to(port, HTTP_POST, "body");
    struct http_answer  answer;
    request.timeout_ms = timeout_ms;
    assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
    return answer;
}

/* One request, one reply. */
static struct http_answer ask_once(const char *reply, enum server_then then, int timeout_ms)
{
    const struct server_reply script = {reply, then};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, &script, 1));
    struct http_answer answer = ask(http, server.port, timeout_ms);
    http_close(http);
    server_done(&server);
    return answer;
}

static void assert_failed(struct http_answer answer, int error, bool sent)
{
    assert_int_equal(answer.error, error);
    assert_int_equal(answer.sent, sent);
    assert_int_equal(answer.step == HTTP_STEP_EXCHANGE, sent);
    assert_int_equal(answer.status, 0);
    assert_int_not_equal(answer.message[0], '\0');
    http_answer_done(&answer);
}

static void a_request_goes_out_with_its_headers_and_no_others(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    char                      value[256];
    assert_true(server_start(&server, &script, 1));
    struct http_request request = request_to(server.port, HTTP_POST, "hello");
    struct http_answer  answer;
    assert_int_equal(http_request_header(&request, "Authorization", "Bearer t"), 0);
    assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
    assert_null(request.url);
    http_close(http);
    server_stop(&server);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.status, 200);
    assert_true(answer.sent);
    assert_string_equal(answer.body.data, "{}");
    assert_int_equal(strncmp(server.requests[0], "POST /path HTTP/1.1\r\n", 21), 0);
    assert_string_equal(server_header(&server, 0, "Authorization", value), "Bearer t");
    assert_string_equal(server_header(&server, 0, "User-Agent", value), "pillion/" PILLION_VERSION);
    assert_string_equal(server_header(&server, 0, "Content-Length", value), "5");
    static const char *const absent[] = {"Expect", "Accept-Encoding",   "Content-Type",
                                         "Cookie", "Transfer-Encoding", "Upgrade"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_string_equal(server_header(&server, 0, absent[i], value), "");
    assert_string_equal(server_body(&server, 0), "hello");
    http_answer_done(&answer);
    server_done(&server);
}

static void every_method_is_itself(void **state)
{
    (void)state;
    static const char *const  names[] = {"GET ", "HEAD ", "POST ", "PUT "};
    static const char *const  lengths[] = {"", "", "0", "4"};
    const struct server_reply script = {"HTTP/1.1 204 No Content\r\n\r\n", SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, &script, 1));
    for (int i = 0; i < 4; i++) {
        struct http_request request = request_to(server.port, (enum http_method)i, i == 3 ? "data" : "");
        struct http_answer  answer;
        assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
        assert_int_equal(answer.error, 0);
        assert_int_equal(answer.status, 204);
        http_answer_done(&answer);
    }
    http_close(http);
    server_stop(&server);
    assert_int_equal(server.connections, 1);
    for (size_t i = 0; i < 4; i++) {
        char value[256];
        assert_int_equal(strncmp(server.requests[i], names[i], strlen(names[i])), 0);
        assert_string_equal(server_header(&server, i, "Content-Length", value), lengths[i]);
    }
    assert_string_equal(server_body(&server, 3), "data");
    server_done(&server);
}

static void a_large_body_goes_out_without_asking_first(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    char                      value[256];
    assert_true(server_start(&server, &script, 1));
    struct http_request request = request_to(server.port, HTTP_PUT, "");
    for (int i = 0; i < 200000; i++)
        bytes_char(&request.body, (char)('a' + i % 26));
    struct http_answer answer;
    assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
    assert_int_equal(answer.status, 200);
    http_close(http);
    server_stop(&server);
    assert_int_equal(strlen(server_body(&server, 0)), 200000);
    assert_string_equal(server_header(&server, 0, "Expect", value), "");
    http_answer_done(&answer);
    server_done(&server);
}

static void the_second_request_uses_the_first_ones_connection(void **state)
{
    (void)state;
    const struct server_reply script[] = {
        {fine, SERVER_KEEPS}, {"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS}, {fine, SERVER_KEEPS}};
    struct server server;
    struct http  *http = open_http();
    assert_true(server_start(&server, script, 3));
    for (int i = 0; i < 3; i++) {
        struct http_answer answer = ask(http, server.port, 5000);
        assert_int_equal(answer.status, i == 1 ? 500 : 200);
        http_answer_done(&answer);
    }
    http_close(http);
    server_stop(&server);
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.request_count, 3);
    server_done(&server);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    (void)state;
    const struct server_reply script[] = {{fine, SERVER_CLOSES}, {fine, SERVER_KEEPS}};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, script, 2));
    for (int i = 0; i < 2; i++) {
        struct http_answer answer = ask(http, server.port, 5000);
        assert_int_equal(answer.error, 0);
        http_answer_done(&answer);
        (void)usleep(20000);
    }
    http_close(http);
    server_stop(&server);
    assert_int_equal(server.connections, 2);
    server_done(&server);
}

static void a_connection_that_must_not_be_kept_is_not(void **state)
{
    (void)state;
    const struct server_reply script[] = {{fine, SERVER_KEEPS}};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, script, 1));
    for (int i = 0; i < 2; i++) {
        struct http_request request = request_to(server.port, HTTP_GET, "");
        struct http_answer  answer;
        request.no_reuse = true;
        assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
        assert_int_equal(answer.status, 200);
        http_answer_done(&answer);
    }
    http_close(http);
    server_stop(&server);
    assert_int_equal(server.connections, 2);
    server_done(&server);
}

static void a_request_may_allow_less(void **state)
{
    (void)state;
    const struct server_reply script[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678", SERVER_CLOSES}};
    for (size_t most = 7; most <= 8; most++) {
        struct server      server;
        struct http       *http = open_http();
        struct http_answer answer;
        assert_true(server_start(&server, script, 1));
        struct http_request request = request_to(server.port, HTTP_GET, "");
        request.answer_max = most;
        assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
        assert_int_equal(answer.error, most < 8 ? -EMSGSIZE : 0);
        assert_int_equal(answer.body.len, most < 8 ? 0 : 8);
        http_answer_done(&answer);
        http_close(http);
        server_done(&server);
    }
}

static void a_chunked_answer_is_put_together(void **state)
{
    (void)state;
    struct http_answer answer = ask_once(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n5;x=y\r\na\":1}\r\n0\r\n\r\n", SERVER_KEEPS,
        5000);
    assert_int_equal(answer.error, 0);
    assert_string_equal(answer.body.data, "{\"a\":1}");
    http_answer_done(&answer);
}

static void an_answer_until_the_end_of_the_connection_is_taken(void **state)
{
    (void)state;
    struct http_answer answer = ask_once("HTTP/1.0 201 Created\r\n\r\nbody", SERVER_CLOSES, 5000);
    assert_int_equal(answer.error, 0);
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body.data, "body");
    http_answer_done(&answer);
}

static void headers_are_read_and_those_of_interim_answers_forgotten(void **state)
{
    (void)state;
    struct http_answer answer = ask_once(
        "HTTP/1.1 100 Continue\r\nRetry-After: 99\r\nx-amz-bucket-region: us-east-1\r\nMetadata-Flavor: x\r\n\r\n"
        "HTTP/1.1 403 Forbidden\r\nX-Amz-Bucket-Region:  eu-west-1 \r\n"
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n",
        SERVER_KEEPS, 5000);
    assert_int_equal(answer.status, 403);
    assert_int_equal(answer.retry_after_s, -1);
    assert_int_equal(answer.date, 784111777);
    assert_string_equal(answer.bucket_region, "eu-west-1");
    assert_string_equal(answer.metadata_flavor, "");
    http_answer_done(&answer);
    answer = ask_once("HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\nContent-Length: 0\r\n\r\n", SERVER_KEEPS, 5000);
    assert_string_equal(answer.metadata_flavor, "Google");
    http_answer_done(&answer);
    answer = ask_once("HTTP/1.1 200 OK\r\nMetadata-Flavor: 12345678901234567\r\nContent-Length: 0\r\n\r\n",
                      SERVER_KEEPS, 5000);
    assert_string_equal(answer.metadata_flavor, "");
    http_answer_done(&answer);
}

static void a_region_that_is_none_is_ignored(void **state)
{
    (void)state;
    struct http_answer answer = ask_once("HTTP/1.1 200 OK\r\nx-amz-bucket-region: eu/../x\r\nContent-Length: 0\r\n\r\n",
                                         SERVER_KEEPS, 5000);
    assert_string_equal(answer.bucket_region, "");
    http_answer_done(&answer);
}

static void retry_after_comes_in_seconds_or_as_a_date(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int         seconds;
    } cases[] = {
        {"Retry-After: 7\r\n", 7},
        {"retry-after:0\r\n", 0},
        {"Retry-After: 99999999999\r\n", INT32_MAX},
        {"Retry-After: 99999999999999999999999\r\n", -1},
        {"Retry-After: -5\r\n", -1},
        {"Retry-After: soon\r\n", -1},
        {"Retry-After:\r\n", -1},
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 10},
        {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 10},
        {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reply[256];
        (void)snprintf(reply, sizeof reply, "HTTP/1.1 503 No\r\n%sContent-Length: 0\r\n\r\n", cases[i].headers);
        struct http_answer answer = ask_once(reply, SERVER_KEEPS, 5000);
        assert_int_equal(answer.status, 503);
        assert_int_equal(answer.retry_after_s, cases[i].seconds);
        http_answer_done(&answer);
    }
}

static void redirects_are_answers(void **state)
{
    (void)state;
    const struct server_reply script = {"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
                                        SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, &script, 1));
    struct http_answer answer = ask(http, server.port, 5000);
    http_close(http);
    server_stop(&server);
    assert_int_equal(answer.status, 307);
    assert_int_equal(server.request_count, 1);
    http_answer_done(&answer);
    server_done(&server);
}

static void a_port_where_nobody_listens_is_refused_and_nothing_was_sent(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, &script, 1));
    server_stop(&server);
    assert_failed(ask(http, server.port, 5000), -ECONNREFUSED, false);
    http_close(http);
    server_done(&server);
}

static void a_silent_server_is_left_in_time(void **state)
{
    (void)state;
    int64_t began = clock_monotonic();
    assert_failed(ask_once(NULL, SERVER_HANGS, 200), -ETIMEDOUT, true);
    assert_failed(ask_once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", SERVER_HANGS, 200), -ETIMEDOUT, true);
    assert_in_range(clock_monotonic() - began, 300 * CLOCK_MILLISECOND, 20 * CLOCK_SECOND);
}

static void a_deadline_ends_a_request_before_its_own_time(void **state)
{
    (void)state;
    const struct server_reply script = {NULL, SERVER_HANGS};
    struct server             server;
    struct http              *http = open_http();
    assert_true(server_start(&server, &script, 1));
    int64_t             began = clock_monotonic();
    struct http_request request = request_to(server.port, HTTP_POST, "body");
    struct http_answer  answer;
    assert_int_equal(http_perform(http, &request, began + 200 * CLOCK_MILLISECOND, &answer), 0);
    assert_in_range(clock_monotonic() - began, 150 * CLOCK_MILLISECOND, 20 * CLOCK_SECOND);
    assert_failed(answer, -ETIMEDOUT, true);
    request = request_to(server.port, HTTP_POST, "body");
    assert_int_equal(http_perform(http, &request, 0, &answer), 0);
    assert_failed(answer, -ETIMEDOUT, false);
    http_close(http);
    server_done(&server);
}

static void connections_that_are_cut_off_are_reset(void **state)
{
    (void)state;
    assert_failed(ask_once(NULL, SERVER_CLOSES, 5000), -ECONNRESET, true);
    assert_failed(ask_once(NULL, SERVER_RESETS, 5000), -ECONNRESET, true);
    assert_failed(ask_once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", SERVER_CLOSES, 5000), -ECONNRESET, true);
    assert_failed(ask_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", SERVER_CLOSES, 5000),
                  -ECONNRESET, true);
}

static void what_is_no_http_is_a_protocol_error(void **state)
{
    (void)state;
    assert_failed(ask_once("\x16\x03\x01 garbage\r\n\r\n", SERVER_CLOSES, 5000), -EPROTO, true);
    assert_failed(ask_once("220 smtp ready\r\n", SERVER_CLOSES, 5000), -EPROTO, true);
}

static void an_endless_body_is_cut(void **state)
{
    (void)state;
    assert_failed(ask_once("HTTP/1.1 200 OK\r\n\r\nx", SERVER_REPEATS, 20000), -EMSGSIZE, true);
}

static void endless_headers_are_cut(void **state)
{
    (void)state;
    assert_failed(ask_once("HTTP/1.1 200 OK\r\nX: y\r\n", SERVER_REPEATS, 20000), -EMSGSIZE, true);
}

static void https_without_certificates_fails_closed(void **state)
{
    (void)state;
    struct http        *http = open_http();
    struct http_request request = request_to(1, HTTP_GET, "");
    struct http_answer  answer;
    (void)snprintf(request.url, 64, "https://127.0.0.1:1/");
    assert_int_equal(http_perform(http, &request, clock_monotonic() + CLOCK_SECOND, &answer), 0);
    assert_failed(answer, -EKEYREJECTED, false);
    http_close(http);
}

static void a_tls_handshake_that_fails_has_sent_nothing(void **state)
{
    (void)state;
    /* Any text stands for a bundle here: the server is none that could show a certificate. */
    const struct server_reply script = {NULL, SERVER_CLOSES};
    struct server             server;
    struct http              *http = NULL;
    struct http_trust        *trust;
    if (http_trust_find((const char *(*)(const char *))getenv, &trust) != 0)
        skip("no bundle of certificates is found here");
    assert_true(server_start(&server, &script, 1));
    assert_int_equal(http_open(&(struct http_options){.trust = trust}, &http), 0);
    struct http_request request = request_to(server.port, HTTP_GET, "");
    struct http_answer  answer;
    (void)snprintf(request.url, 64, "https://127.0.0.1:%d/", server.port);
    request.timeout_ms = 500; /* the server waits for the end of a request that never comes */
    assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
    assert_true(answer.error == -ETIMEDOUT || answer.error == -EPROTO || answer.error == -ECONNRESET);
    assert_false(answer.sent);
    http_answer_done(&answer);
    http_close(http);
    server_done(&server);
    http_trust_close(trust);
}

static void a_bundle_that_is_none_is_told_and_nothing_is_sent(void **state)
{
    (void)state;
    struct bytes       text;
    struct http_trust *trust;
    struct http       *http = NULL;
    bytes_init(&text, 64);
    bytes_text(&text, "-----BEGIN CERTIFICATE-----\nno base64 at all");
    assert_int_equal(http_trust_open(&text, &trust), 0);
    assert_int_equal(http_open(&(struct http_options){.trust = trust}, &http), 0);
    for (int again = 0; again < 2; again++) {
        struct http_request request = request_to(1, HTTP_GET, "");
        struct http_answer  answer;
        (void)snprintf(request.url, 64, "https://127.0.0.1:1/");
        assert_int_equal(http_perform(http, &request, clock_monotonic() + 20 * CLOCK_SECOND, &answer), 0);
        assert_int_equal(answer.error, -EKEYREJECTED);
        assert_non_null(strstr(answer.message, "the CA bundle cannot be read"));
        assert_false(answer.sent);
        http_answer_done(&answer);
    }
    http_close(http);
    http_trust_close(trust);
}

static void only_http_urls_are_asked(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1:1/",
                                       "gopher://127.0.0.1/"};
    struct http             *http = open_http();
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct http_request request = request_to(1, HTTP_GET, "");
        struct http_answer  answer;
        (void)snprintf(request.url, 64, "%s", urls[i]);
        assert_int_equal(http_perform(http, &request, clock_monotonic() + CLOCK_SECOND, &answer), 0);
        assert_int_not_equal(answer.error, 0);
        assert_false(answer.sent);
        http_answer_done(&answer);
    }
    http_close(http);
}

static void a_proxy_is_used_unless_it_must_not_be(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    for (int which = 0; which < 4; which++) {
        struct server server;
        struct http  *http = NULL;
        char          proxy[64];
        assert_true(server_start(&server, &script, 1));
        (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server.port);
        const struct http_options options = {.http_proxy = which == 3 ? NULL : proxy,
                                             .no_proxy = which == 1 ? "127.0.0.1" : ""};
        assert_int_equal(http_open(&options, &http), 0);
        struct http_request request = request_to(1, HTTP_GET, "");
        request.no_proxy_at_all = which == 2;
        struct http_answer answer;
        assert_int_equal(http_perform(http, &request, clock_monotonic() + 5 * CLOCK_SECOND, &answer), 0);
        assert_int_equal(answer.error, which == 0 ? 0 : -ECONNREFUSED);
        http_answer_done(&answer);
        http_close(http);
        server_stop(&server);
        assert_int_equal(server.request_count, which == 0 ? 1 : 0);
        if (which == 0)
            assert_int_equal(strncmp(server.requests[0], "GET http://127.0.0.1:1/path ", 28), 0);
        server_done(&server);
    }
}

static void the_environment_is_not_asked_for_proxies(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    struct server             server;
    struct http              *http = open_http();
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    assert_true(server_start(&server, &script, 1));
    struct http_answer answer = ask(http, server.port, 5000);
    assert_int_equal(answer.error, 0);
    http_answer_done(&answer);
    http_close(http);
    server_done(&server);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("all_proxy"), 0);
}

static void a_proxys_password_is_in_no_message(void **state)
{
    (void)state;
    static const char *const proxies[] = {"odd://u:hidden@h:1", "http://u:hidden@no-such-host.invalid:1",
                                          "http://u:hidden@:x", "https://u:hidden@127.0.0.1:1"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        struct http *http = NULL;
        assert_int_equal(http_open(&(struct http_options){.http_proxy = proxies[i]}, &http), 0);
        struct http_answer answer = ask(http, 1, 1000);
        assert_int_not_equal(answer.error, 0);
        assert_null(strstr(answer.message, "hidden"));
        http_answer_done(&answer);
        http_close(http);
    }
}

static void a_call_that_has_ended_already_is_not_waited_for(void **state)
{
    (void)state;
    struct http        *http = open_http();
    struct http_request request = {.method = HTTP_GET, .url = strdup("https://127.0.0.1:1/")};
    struct http_call   *call = NULL;
    struct http_answer  answer = {0};
    assert_int_equal(http_start(http, &request, &call), 0); /* there is no CA bundle */
    int64_t before = clock_monotonic();
    assert_int_equal(http_poll(http, NULL, 0, 60000), 0);
    assert_true(clock_monotonic() - before < 30 * CLOCK_SECOND);
    assert_true(http_finished(http, call, &answer));
    assert_int_equal(answer.error, -EKEYREJECTED);
    http_answer_done(&answer);
    http_close(http);
}

/* One that somebody else is to take must not make a loop spin. */
static void an_answer_that_nobody_takes_shortens_one_wait_alone(void **state)
{
    (void)state;
    static const struct server_reply silent = {"", SERVER_HANGS};
    struct server                    server;
    struct http                     *http = open_http();
    struct http_request              none = {.method = HTTP_GET, .url = strdup("https://127.0.0.1:1/")};
    struct http_call                *ended = NULL;
    struct http_call                *call = NULL;
    unsigned                         polls = 0;
    assert_true(server_start(&server, &silent, 1));
    struct http_request request = request_to(server.port, HTTP_POST, "body");
    assert_int_equal(http_start(http, &none, &ended), 0); /* there is no CA bundle */
    assert_int_equal(http_start(http, &request, &call), 0);
    for (int64_t until = clock_monotonic() + CLOCK_SECOND / 4; clock_monotonic() < until; polls++)
        assert_int_equal(http_poll(http, NULL, 0, 100), 0);
    assert_true(polls < 50);
    http_close(http);
    server_done(&server);
}

static void extra_descriptors_end_the_wait(void **state)
{
    (void)state;
    const struct server_reply script = {NULL, SERVER_HANGS};
    struct server             server;
    struct http              *http = open_http();
    int                       ends[2];
    struct pollfd             extra[2];
    assert_true(server_start(&server, &script, 1));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int event = eventfd(0, EFD_CLOEXEC);
    assert_true(event >= 0);
    extra[0] = (struct pollfd){.fd = event, .events = POLLIN};
    extra[1] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    for (int with_call = 0; with_call < 2; with_call++) {
        struct http_call   *call = NULL;
        struct http_request request = request_to(server.port, HTTP_POST, "x");
        if (with_call)
            assert_int_equal(http_start(http, &request, &call), 0);
        int64_t began = clock_monotonic();
        for (int i = 0; i < 5; i++)
            assert_int_equal(http_poll(http, extra, 2, 40), 0);
        assert_int_equal(extra[0].revents, 0);
        assert_true(clock_monotonic() - began >= 30 * CLOCK_MILLISECOND);
        assert_int_equal(eventfd_write(event, 1), 0);
        began = clock_monotonic();
        do
            assert_int_equal(http_poll(http, extra, 2, 10000), 0);
        while (extra[0].revents == 0 && clock_monotonic() - began < 9 * CLOCK_SECOND);
        assert_int_equal(extra[0].revents, POLLIN);
        assert_int_equal(extra[1].revents, 0);
        eventfd_t value;
        assert_int_equal(eventfd_read(event, &value), 0);
        if (with_call)
            http_cancel(http, call);
        http_request_done(&request);
    }
    close(ends[1]);
    assert_int_equal(http_poll(http, extra, 2, 10000), 0);
    assert_int_equal(extra[1].revents, POLLHUP);
    assert_int_equal(http_poll(http, extra, 17, 0), -EINVAL);
    close(ends[0]);
    close(event);
    http_close(http);
    server_done(&server);
}

static void several_calls_are_under_way_at_once(void **state)
{
    (void)state;
    enum { CALLS = 3 };
    const struct server_reply script = {fine, SERVER_CLOSES};
    struct server             servers[CALLS];
    struct http              *http = open_http();
    struct http_call         *calls[CALLS];
    for (int i = 0; i < CALLS; i++) {
        assert_true(server_start(&servers[i], &script, 1));
        struct http_request request = request_to(servers[i].port, HTTP_POST, "x");
        assert_int_equal(http_start(http, &request, &calls[i]), 0);
    }
    int     left = CALLS;
    int64_t began = clock_monotonic();
    while (left > 0 && clock_monotonic() - began < 10 * CLOCK_SECOND) {
        assert_int_equal(http_poll(http, NULL, 0, 100), 0);
        for (int i = 0; i < CALLS; i++) {
            struct http_answer answer;
            if (!calls[i] || !http_finished(http, calls[i], &answer))
                continue;
            assert_int_equal(answer.status, 200);
            http_answer_done(&answer);
            calls[i] = NULL;
            left--;
        }
    }
    assert_int_equal(left, 0);
    http_close(http);
    for (int i = 0; i < CALLS; i++)
        server_done(&servers[i]);
}

static void closing_cancels_what_is_under_way(void **state)
{
    (void)state;
    const struct server_reply script = {NULL, SERVER_HANGS};
    struct server             server;
    struct http              *http = open_http();
    struct http_call         *call = NULL;
    assert_true(server_start(&server, &script, 1));
    struct http_request request = request_to(server.port, HTTP_POST, "x");
    assert_int_equal(http_start(http, &request, &call), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(http_poll(http, NULL, 0, 10), 0);
    http_close(http);
    http_close(NULL);
    server_done(&server);
}

static void a_request_that_cannot_start_stays_the_callers(void **state)
{
    (void)state;
    struct http        *http = open_http();
    struct http_call   *call = NULL;
    struct http_request request = request_to(1, HTTP_POST, "x");
    request.body.failed = true;
    assert_int_equal(http_start(http, &request, &call), -EINVAL);
    assert_non_null(request.url);
    assert_null(call);
    http_request_done(&request);
    assert_int_equal(http_start(http, &request, &call), -EINVAL);
    http_close(http);
}

static volatile sig_atomic_t pipe_signals;

static void count_signal(int number)
{
    (void)number;
    pipe_signals = pipe_signals + 1;
}

static void the_signal_dispositions_stay_as_they_are(void **state)
{
    (void)state;
    struct sigaction mine = {.sa_handler = count_signal};
    struct sigaction now;
    assert_int_equal(sigaction(SIGPIPE, &mine, NULL), 0);
    struct http *idle = open_http();
    assert_int_equal(http_poll(idle, NULL, 0, 0), 0);
    http_close(idle);
    struct http_answer answer = ask_once(fine, SERVER_RESETS, 5000);
    http_answer_done(&answer);
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, count_signal);
    assert_int_equal(pipe_signals, 0);
    mine.sa_handler = SIG_DFL;
    assert_int_equal(sigaction(SIGPIPE, &mine, NULL), 0);
}

/* In a process of its own, which has only its exit status to speak with. */
static int ask_with_closed_streams(int port)
{
    struct http_request request = request_to(port, HTTP_POST, "body");
    struct http        *http = NULL;
    struct http_answer  answer;
    struct stat         stat;
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    if (http_open(&(struct http_options){0}, &http) != 0)
        return 1;
    struct http_call *call = NULL;
    if (http_start(http, &request, &call) != 0)
        return 2;
    while (!http_finished(http, call, &answer)) {
        if (http_poll(http, NULL, 0, 100) != 0)
            return 3;
        for (int fd = 0; fd < 3; fd++)
            if (fstat(fd, &stat) == 0)
                return 10 + fd;
        for (int fd = 3; fd < 64; fd++)
            if (fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
                return 20 + fd;
    }
    int status = answer.status == 200 ? 0 : 4;
    http_answer_done(&answer);
    http_close(http);
    return status;
}

static void closed_standard_streams_stay_closed(void **state)
{
    (void)state;
    const struct server_reply script = {fine, SERVER_KEEPS};
    struct server             server;
    int                       result[2];
    unsigned char             status = 99;
    assert_int_equal(pipe(result), 0);
    assert_int_equal(fcntl(result[1], F_DUPFD_CLOEXEC, 100), 100);
    assert_true(server_start(&server, &script, 1));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* Killed, not ended: a leak checker would find what the server's thread, which is not here, had allocated. */
        status = (unsigned char)ask_with_closed_streams(server.port);
        (void)!write(100, &status, 1);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read(result[0], &status, 1), 1);
    assert_int_equal(status, 0);
    close(100);
    close(result[0]);
    close(result[1]);
    server_done(&server);
}

static const char *no_variable(const char *name)
{
    (void)name;
    return NULL;
}

static char bundle_path[64];

static const char *named_bundle(const char *name)
{
    return strcmp(name, "AWS_CA_BUNDLE") == 0    ? "/no/such/bundle"
           : strcmp(name, "CURL_CA_BUNDLE") == 0 ? bundle_path
                                                 : "";
}

static void the_ca_bundle_is_the_first_that_can_be_read(void **state)
{
    (void)state;
    struct bytes bundle;
    (void)snprintf(bundle_path, sizeof bundle_path, "/tmp/pillion-test-%d.pem", (int)getpid());
    int fd = open(bundle_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "mine\n", 5), 5);
    close(fd);
    assert_int_equal(http_find_ca_bundle(named_bundle, &bundle), 0);
    assert_string_equal(bundle.data, "mine\n");
    bytes_done(&bundle);
    assert_int_equal(unlink(bundle_path), 0);
    int found = http_find_ca_bundle(no_variable, &bundle);
    assert_true(found == -ENOENT || (found == 0 && strstr(bundle.data, "BEGIN CERTIFICATE")));
    bytes_done(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_out_with_its_headers_and_no_others),
        cmocka_unit_test(every_method_is_itself),
        cmocka_unit_test(a_large_body_goes_out_without_asking_first),
        cmocka_unit_test(the_second_request_uses_the_first_ones_connection),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_replaced),
        cmocka_unit_test(a_connection_that_must_not_be_kept_is_not),
        cmocka_unit_test(a_request_may_allow_less),
        cmocka_unit_test(a_chunked_answer_is_put_together),
        cmocka_unit_test(an_answer_until_the_end_of_the_connection_is_taken),
        cmocka_unit_test(headers_are_read_and_those_of_interim_answers_forgotten),
        cmocka_unit_test(a_region_that_is_none_is_ignored),
        cmocka_unit_test(retry_after_comes_in_seconds_or_as_a_date),
        cmocka_unit_test(redirects_are_answers),
        cmocka_unit_test(a_port_where_nobody_listens_is_refused_and_nothing_was_sent),
        cmocka_unit_test(a_silent_server_is_left_in_time),
        cmocka_unit_test(a_deadline_ends_a_request_before_its_own_time),
        cmocka_unit_test(connections_that_are_cut_off_are_reset),
        cmocka_unit_test(what_is_no_http_is_a_protocol_error),
        cmocka_unit_test(an_endless_body_is_cut),
        cmocka_unit_test(endless_headers_are_cut),
        cmocka_unit_test(https_without_certificates_fails_closed),
        cmocka_unit_test(a_tls_handshake_that_fails_has_sent_nothing),
        cmocka_unit_test(only_http_urls_are_asked),
        cmocka_unit_test(a_proxy_is_used_unless_it_must_not_be),
        cmocka_unit_test(the_environment_is_not_asked_for_proxies),
        cmocka_unit_test(a_proxys_password_is_in_no_message),
        cmocka_unit_test(a_call_that_has_ended_already_is_not_waited_for),
        cmocka_unit_test(an_answer_that_nobody_takes_shortens_one_wait_alone),
        cmocka_unit_test(extra_descriptors_end_the_wait),
        cmocka_unit_test(several_calls_are_under_way_at_once),
        cmocka_unit_test(closing_cancels_what_is_under_way),
        cmocka_unit_test(a_request_that_cannot_start_stays_the_callers),
        cmocka_unit_test(the_signal_dispositions_stay_as_they_are),
        cmocka_unit_test(closed_standard_streams_stay_closed),
        cmocka_unit_test(the_ca_bundle_is_the_first_that_can_be_read),
        cmocka_unit_test(a_bundle_that_is_none_is_told_and_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
