// SPDX-License-Identifier: Apache-2.0
// One run on its way to the API: what is sent, what is made of the answers, what stands on disk meanwhile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "base/clock.h"
#include "delivery/delivery.h"
#include "folder.h"
#include "server.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define REGISTERED                                                                                              \
    ANSWER("200 OK", "{\"run_id\":\"r_1-A\",\"upload_uri_prefix\":\"s3://bucket/a\",\"upload_credentials\":"    \
                     "{\"access_key\":\"AKsecret\",\"secret_key\":\"SKsecret\",\"session_token\":\"STsecret\"," \
                     "\"expires_at\":\"2027-04-01T00:00:00Z\"}}")
#define FINISHED ANSWER("200 OK", "{\"statistics\": {\n\"cpu\": 1.5}}")
#define BODY \
    "{\"job_name\":\"x\",\"team\":\"t\",\"command\":\"[\\\"x\\\"]\",\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]}"
#define TOKEN "token-of-somebody"
#define ROWS  "timestamp,cpu\n1.000,2\n"
#define IS(...)                                 \
    (const struct server_reply[]){__VA_ARGS__}, \
        sizeof((const struct server_reply[]){__VA_ARGS__}) / sizeof(struct server_reply)

static struct folder    folder;
static struct state_dir home;
static struct run_dir   run;
static struct config    config;
static struct log       said;
static struct network   network;
static struct delivery  d;
static struct server    server;
static bool             serving;
static cJSON           *loaded;

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    serving = false;
    loaded = NULL;
    config = (struct config){.token = TOKEN, .api_url = "http://127.0.0.1:1", .upload_interval = 60 * CLOCK_SECOND};
    log_init(&said, LOG_DEBUG);
    run_dir_init(&run);
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0)
        return -1;
    home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (run_dir_create(&home, 0, "m", 1, &run) != 0 || run_dir_append_row(&run, ROWS, strlen(ROWS)) != 0)
        return -1;
    network_init(&network);
    delivery_init(&d, &config, &run, &said, &network);
    bytes_text(&d.registration, BODY);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(loaded);
    delivery_done(&d);
    network_done(&network);
    if (serving)
        server_done(&server);
    log_done(&said);
    run_dir_close(&run);
    state_dir_close(&home);
    folder_remove(&folder);
    return 0;
}

static void serve(const struct server_reply *replies, size_t count)
{
    assert_true(server_start(&server, replies, count));
    serving = true;
    (void)snprintf(config.api_url, sizeof config.api_url, "http://127.0.0.1:%d/base", server.port);
}

/* Closes the client's side, so that what was asked can be read. */
static void stop(void)
{
    delivery_suspend(&d);
    network_close(&network);
    server_stop(&server);
}

/* One request, until it is answered or cannot be; what follows from it has not begun then. */
static void drive_one(void)
{
    int64_t limit = clock_monotonic() + 20 * CLOCK_SECOND;
    int64_t now = clock_monotonic();
    delivery_step(&d, now);
    unsigned attempt = d.attempts.count;
    while (d.call && d.attempts.count == attempt && clock_monotonic() < limit) {
        network_poll(&network, NULL, 0, CLOCK_SECOND);
        delivery_step(&d, now); /* of then: nothing that is due later begins */
    }
    assert_true(clock_monotonic() < limit);
}

/* Until it has reached the phase, without the pauses between two tries. */
static void drive_to(enum delivery_phase phase)
{
    int64_t limit = clock_monotonic() + 20 * CLOCK_SECOND;
    while (d.phase != phase && clock_monotonic() < limit) {
        if (!d.call)
            d.next_try = 0;
        delivery_step(&d, clock_monotonic());
        if (d.call)
            network_poll(&network, NULL, 0, CLOCK_SECOND / 10);
    }
    assert_int_equal(d.phase, phase);
}

static const cJSON *load(void)
{
    cJSON_Delete(loaded);
    loaded = NULL;
    assert_int_equal(journal_load(run.dir, &loaded), 0);
    return loaded;
}

static int finish_as(const char *json)
{
    cJSON *ended = cJSON_Parse(json);
    assert_non_null(ended);
    int error = delivery_end(&d, ended, DELIVERY_INLINE_MAX);
    cJSON_Delete(ended);
    return error;
}

#define ENDED "{\"state\":\"undelivered\",\"finished_at\":\"2026-11-22T10:45:00Z\",\"exit_code\":0}"

/* Registered already, and ended. */
static void begin_finish(const char *json)
{
    (void)snprintf(d.run_id, sizeof d.run_id, "known");
    delivery_begin(&d);
    assert_int_equal(d.phase, DELIVERY_STREAM);
    assert_int_equal(finish_as(json), 0);
    assert_int_equal(d.phase, DELIVERY_FINISH);
}

static void assert_request(size_t number, const char *line)
{
    assert_true(number < server.request_count);
    assert_int_equal(strncmp(server.requests[number], line, strlen(line)), 0);
}

static const char *said_text(void)
{
    return said.early.data ? said.early.data : "";
}

static void a_run_is_registered_and_finished(void **state)
{
    (void)state;
    char value[256];
    serve(IS({REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    assert_int_equal(delivery_due(&d), INT64_MAX);
    delivery_step(&d, clock_monotonic()); /* off: nothing happens */
    assert_null(d.call);
    delivery_begin(&d);
    assert_true(delivery_due(&d) <= clock_monotonic());
    drive_to(DELIVERY_STREAM);
    assert_true(d.answered);
    assert_int_equal(delivery_due(&d), d.upload.next_batch);
    assert_string_equal(d.run_id, "r_1-A");
    assert_string_equal(journal_text(load(), "sentinel_run_id"), "r_1-A");
    assert_string_equal(journal_text(load(), "upload_uri_prefix"), "s3://bucket/a");
    assert_int_equal(finish_as(ENDED), 0);
    drive_to(DELIVERY_DONE);
    assert_string_equal(journal_text(load(), "state"), "finished");
    assert_non_null(cJSON_GetObjectItemCaseSensitive(load(), "result"));
    stop();
    assert_int_equal(server.request_count, 2);
    assert_request(0, "POST /base/runs HTTP/1.1\r\n");
    assert_request(1, "POST /base/runs/r_1-A/finish HTTP/1.1\r\n");
    assert_string_equal(server_body(&server, 0), BODY);
    assert_string_equal(server_header(&server, 0, "Authorization", value), "Bearer " TOKEN);
    assert_string_equal(server_header(&server, 1, "Content-Type", value), "application/json");
    cJSON *body = cJSON_Parse(server_body(&server, 1));
    assert_string_equal(journal_text(body, "data_csv"), ROWS);
    assert_string_equal(journal_text(body, "data_source"), "inline");
    assert_string_equal(journal_text(body, "run_status"), "finished");
    assert_string_equal(journal_text(body, "finished_at"), "2026-11-22T10:45:00Z");
    assert_true(journal_number(body, "exit_code", -1) == 0);
    assert_int_equal(cJSON_GetArraySize(body), 5);
    cJSON_Delete(body);
}

static void an_odd_result_does_not_undo_the_delivery(void **state)
{
    (void)state;
    static const char *const results[] = {
        ANSWER("200 OK", "{\"half a pair\":\"\\ud800\"}"),
        ANSWER("200 OK", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), /* as deep as allowed */
        ANSWER("200 OK", "<html>fine</html>"),
        ANSWER("200 OK", ""),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        serve(IS({results[i], SERVER_CLOSES}));
        begin_finish(ENDED);
        drive_to(DELIVERY_DONE);
        assert_string_equal(journal_text(load(), "state"), "finished");
        stop();
        server_done(&server);
        serving = false;
    }
}

static void no_secret_is_left_behind(void **state)
{
    (void)state;
    char name[FOLDER_PATH];
    serve(IS({REGISTERED, SERVER_CLOSES}, {ANSWER("403 no", "{\"detail\":\"" TOKEN "\"}"), SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    assert_int_equal(finish_as(ENDED), 0);
    drive_to(DELIVERY_REFUSED);
    stop();
    log_attach(&said, run.log);
    static const char *const files[] = {"run.jsonl", "log", "metrics.csv"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "runs/%s/%s", run.id, files[i]);
        assert_null(strstr(folder_read(&folder, name), "secret"));
        assert_null(strstr(folder_read(&folder, name), "Bearer"));
    }
}

static void what_s3_gives_back_of_the_credentials_stays_out(void **state)
{
    (void)state;
    serve(
        IS({ANSWER("201 Created",
                   "{\"run_id\":\"r1\",\"upload_uri_prefix\":\"s3://bucket/a\",\"upload_credentials\":{\"access_key\":"
                   "\"AK\",\"secret_key\":\"sec-ret.key\",\"session_token\":\"eyJ-abc.def-ghi\"}}"),
            SERVER_CLOSES},
           {ANSWER("404 no", "<Error><Code>NoSuchBucket</Code><Message>eyJ-abc.def-ghi sec-ret.key</Message></Error>"),
            SERVER_CLOSES}));
    (void)snprintf(config.s3_endpoint, sizeof config.s3_endpoint, "http://127.0.0.1:%d", server.port);
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    d.upload.next_batch = 0;
    for (int i = 0; i < 100 && !d.upload.stopped; i++) {
        delivery_step(&d, clock_monotonic());
        network_poll(&network, NULL, 0, CLOCK_SECOND / 10);
    }
    assert_true(d.upload.stopped);
    assert_non_null(strstr(d.upload.reason, "NoSuchBucket"));
    assert_null(strstr(d.upload.reason, "abc"));
    assert_null(strstr(said_text(), "abc"));
    assert_null(strstr(said_text(), "ret.key"));
    stop();
}

static void a_batch_that_cannot_be_sealed_at_the_end_is_not_waited_for(void **state)
{
    (void)state;
    serve(IS({REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    (void)snprintf(config.s3_endpoint, sizeof config.s3_endpoint, "http://127.0.0.1:1");
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    d.upload.uploaded = 1;
    bytes_text(&run.memory_rows, "2.000,3\n"); /* the disk took no more */
    int kept = run.state;
    run.state = -1;
    assert_int_equal(finish_as(ENDED), 0);
    assert_int_equal(d.phase, DELIVERY_FLUSH);
    int64_t now = clock_monotonic();
    delivery_step(&d, now);
    assert_true(delivery_due(&d) <= now);
    drive_to(DELIVERY_DONE);
    run.state = kept;
    stop();
    assert_non_null(strstr(server_body(&server, 1), "2.000,3"));
}

static void a_finish_that_cannot_be_written_down_is_not_sent(void **state)
{
    (void)state;
    serve(IS({FINISHED, SERVER_CLOSES}));
    begin_finish(ENDED);
    int kept = run.state;
    run.state = -1;
    delivery_step(&d, clock_monotonic());
    assert_null(d.call);
    assert_int_equal(d.phase, DELIVERY_REFUSED); /* at once: the program is not held for it */
    assert_non_null(strstr(d.reason, "run.jsonl takes no line"));
    run.state = kept;
    stop();
    assert_int_equal(server.request_count, 0);
}

static void nothing_is_begun_behind_the_deadline(void **state)
{
    (void)state;
    serve(IS({REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    assert_int_equal(finish_as(ENDED), 0);
    delivery_step(&d, clock_monotonic());
    assert_non_null(d.call);
    d.deadline = clock_monotonic() + CLOCK_SECOND / 2;
    for (int i = 0; i < 100 && d.phase == DELIVERY_REGISTER; i++) {
        network_poll(&network, NULL, 0, CLOCK_SECOND / 10);
        delivery_step(&d, d.deadline); /* as after a long sleep of the machine */
    }
    assert_int_equal(d.phase, DELIVERY_FINISH);
    assert_null(d.call);
    assert_null(journal_text(load(), "state"));
    stop();
    assert_int_equal(server.request_count, 1);
}

static void a_busy_server_is_asked_again_later(void **state)
{
    (void)state;
    serve(IS({ANSWER("503 busy", ""), SERVER_CLOSES}, {ANSWER("500 broken", ""), SERVER_CLOSES},
             {REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    int64_t before = clock_monotonic();
    drive_one();
    assert_int_equal(d.phase, DELIVERY_REGISTER);
    assert_int_equal(d.attempts.count, 1);
    assert_true(d.answered);
    assert_true(d.last_failure >= before);
    assert_in_range(delivery_due(&d) - before, CLOCK_SECOND / 2, 3 * CLOCK_SECOND);
    assert_non_null(strstr(d.reason, "HTTP 503"));
    assert_non_null(strstr(said_text(), "HTTP 503"));
    delivery_step(&d, clock_monotonic()); /* too early: nothing */
    assert_null(d.call);
    drive_to(DELIVERY_STREAM);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_string_equal(server_body(&server, 2), BODY);
}

static void the_server_says_how_much_later(void **state)
{
    (void)state;
    serve(IS({"HTTP/1.1 429 slow\r\nRetry-After: 120\r\nConnection: close\r\n\r\n", SERVER_CLOSES}));
    delivery_begin(&d);
    int64_t before = clock_monotonic();
    drive_one();
    assert_in_range(delivery_due(&d) - before, 119 * CLOCK_SECOND, 125 * CLOCK_SECOND);
    stop();
}

static void a_refusal_is_final(void **state)
{
    (void)state;
    serve(IS({ANSWER("401 who are you", "{\"detail\":\"no such token\"}"), SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_REFUSED);
    assert_non_null(strstr(d.reason, "HTTP 401"));
    assert_non_null(strstr(d.reason, "no such"));
    assert_int_equal(delivery_due(&d), INT64_MAX);
    delivery_step(&d, clock_monotonic() + 3600 * CLOCK_SECOND);
    assert_null(d.call);
    stop();
    assert_int_equal(server.request_count, 1);
}

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    serve(IS({"HTTP/1.1 302 there\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n", SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 1);
}

static void rows_that_fall_are_sent_so_that_they_rise(void **state)
{
    (void)state;
    char name[FOLDER_PATH];
    serve(IS({FINISHED, SERVER_CLOSES}));
    assert_int_equal(run_dir_append_row(&run, "0.500,3\n", 8), 0);
    begin_finish(ENDED);
    drive_to(DELIVERY_DONE);
    stop();
    assert_non_null(strstr(server_body(&server, 0), "\\n1.000,2\\n2.000,3\\n"));
    (void)snprintf(name, sizeof name, "runs/%s/metrics.csv", run.id);
    assert_non_null(strstr(folder_read(&folder, name), "\n1.000,2\n0.500,3\n"));
}

#define NAMES_TEAM ANSWER("422 no", "{\"detail\":[{\"loc\":[\"body\",\"team\"],\"msg\":\"x\"}]}")

static void a_registration_is_repaired_once(void **state)
{
    (void)state;
    serve(IS({NAMES_TEAM, SERVER_CLOSES}, {REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    drive_one();
    assert_int_equal(d.attempts.count, 2); /* at once */
    drive_to(DELIVERY_STREAM);
    stop();
    assert_non_null(strstr(server_body(&server, 0), "\"team\""));
    assert_null(strstr(server_body(&server, 1), "\"team\""));
    assert_non_null(strstr(server_body(&server, 1), "\"job_name\":\"x\""));
}

#define NAMES_TAGS ANSWER("422 no", "{\"detail\":[{\"loc\":[\"body\",\"tags\"],\"msg\":\"x\"}]}")

static void tags_have_two_forms_to_be_tried(void **state)
{
    (void)state;
    serve(IS({NAMES_TAGS, SERVER_CLOSES}, {NAMES_TAGS, SERVER_CLOSES}, {REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_non_null(strstr(server_body(&server, 0), "\"tags\":[{\"key\":\"a\",\"value\":\"b\"}]"));
    assert_non_null(strstr(server_body(&server, 1), "\"tags\":{\"a\":\"b\"}"));
    assert_null(strstr(server_body(&server, 2), "\"tags\""));
}

static void repairs_come_to_an_end(void **state)
{
    (void)state;
    serve(IS({NAMES_TAGS, SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 3);
}

static void a_second_complaint_is_a_refusal(void **state)
{
    (void)state;
    serve(IS({NAMES_TEAM, SERVER_CLOSES}, {NAMES_TEAM, SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 2);
}

static void a_complaint_about_nothing_is_a_refusal(void **state)
{
    (void)state;
    serve(IS({ANSWER("422 no", "{\"detail\":\"nothing\"}"), SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 1);
}

static void a_finish_that_is_too_large_goes_once_more_compressed(void **state)
{
    (void)state;
    char value[256];
    serve(IS({ANSWER("413 large", ""), SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    begin_finish(ENDED);
    drive_to(DELIVERY_DONE);
    stop();
    assert_string_equal(server_header(&server, 0, "Content-Encoding", value), "");
    assert_string_equal(server_header(&server, 1, "Content-Encoding", value), "gzip");
    assert_int_equal((unsigned char)server_body(&server, 1)[0], 0x1f);
    assert_int_equal((unsigned char)server_body(&server, 1)[1], 0x8b);
}

static void too_large_even_compressed_is_a_refusal(void **state)
{
    (void)state;
    serve(IS({ANSWER("413 large", ""), SERVER_CLOSES}));
    begin_finish(ENDED);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 2);
}

/* It may have been the compression that was not understood: the rows stay. */
static void a_complaint_about_what_was_compressed_is_no_proof_of_arrival(void **state)
{
    (void)state;
    serve(IS({ANSWER("413 large", ""), SERVER_CLOSES}, {ANSWER("422 odd", "{}"), SERVER_CLOSES}));
    begin_finish("{\"state\":\"finishing\",\"finished_at\":\"2026-11-22T10:45:00Z\",\"exit_code\":0}");
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 2);
    assert_true(d.attempts.unanswered);
}

/* No API is known to take what is compressed: the other form is not to suffer for it. */
static void too_large_and_not_to_be_compressed_is_sent_in_objects_and_plain(void **state)
{
    (void)state;
    char value[256];
    serve(IS({REGISTERED, SERVER_CLOSES}, {ANSWER("413 large", ""), SERVER_CLOSES},
             {ANSWER("422 odd", "{}"), SERVER_CLOSES}, {ANSWER("200 OK", ""), SERVER_CLOSES},
             {FINISHED, SERVER_CLOSES}));
    (void)snprintf(config.s3_endpoint, sizeof config.s3_endpoint, "http://127.0.0.1:%d", server.port);
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    assert_int_equal(finish_as(ENDED), 0);
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 5);
    assert_string_equal(server_header(&server, 2, "Content-Encoding", value), "gzip");
    assert_request(3, "PUT /bucket/a/0001.csv.gz");
    assert_string_equal(server_header(&server, 4, "Content-Encoding", value), "");
    assert_non_null(strstr(server_body(&server, 4), "\"data_source\":\"s3\""));
}

static void a_finish_whose_answer_was_lost_had_arrived(void **state)
{
    (void)state;
    static const char *const conflicts[] = {ANSWER("409 twice", ""), ANSWER("404 gone", ""), ANSWER("410 gone", ""),
                                            ANSWER("422 ended", "")};
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++) {
        const struct server_reply script[] = {{NULL, SERVER_RESETS}, {conflicts[i], SERVER_CLOSES}};
        serve(script, 2);
        begin_finish(ENDED);
        drive_one();
        assert_int_equal(d.phase, DELIVERY_FINISH);
        assert_true(d.attempts.unanswered);
        assert_string_equal(journal_text(load(), "state"), "finishing");
        drive_to(DELIVERY_DONE);
        assert_string_equal(journal_text(load(), "state"), "finished");
        stop();
        assert_string_equal(server_body(&server, 0), server_body(&server, 1));
        server_done(&server);
        serving = false;
    }
}

static void a_page_of_whatever_stands_before_the_api_is_no_proof_of_it(void **state)
{
    (void)state;
    serve(IS({ANSWER("404 Not Found", "default backend - 404"), SERVER_CLOSES},
             {ANSWER("410 Gone", "<html>gone</html>"), SERVER_CLOSES},
             {ANSWER("409 Conflict", "{\"detail\":\"finished\"}"), SERVER_CLOSES}));
    begin_finish("{\"state\":\"finishing\",\"finished_at\":\"2026-11-22T10:45:00Z\",\"exit_code\":0}");
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 3);
}

static void a_page_of_whatever_stands_before_the_api_ends_no_hope(void **state)
{
    (void)state;
    serve(IS({ANSWER("404 Not Found", "default backend - 404"), SERVER_CLOSES}));
    begin_finish(ENDED);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_false(d.hopeless);
}

static void the_same_answer_to_a_first_attempt_is_a_refusal(void **state)
{
    (void)state;
    serve(IS({ANSWER("409 no", ""), SERVER_CLOSES}));
    begin_finish(ENDED);
    drive_to(DELIVERY_REFUSED);
    assert_string_equal(journal_text(load(), "state"), "finishing");
    stop();
}

static void an_earlier_attempt_may_have_arrived_too(void **state)
{
    (void)state;
    static const char *const states[] = {
        "{\"state\":\"finishing\",\"finished_at\":\"2026-11-22T10:45:00Z\"}",
        "{\"state\":\"undelivered\",\"unanswered\":true,\"finished_at\":\"2026-11-22T10:45:00Z\"}"};
    for (size_t i = 0; i < 2; i++) {
        serve(IS({ANSWER("409 twice", ""), SERVER_CLOSES}));
        begin_finish(states[i]);
        drive_to(DELIVERY_DONE);
        stop();
        server_done(&server);
        serving = false;
    }
}

static void a_finish_is_repeated_byte_for_byte(void **state)
{
    (void)state;
    serve(IS({ANSWER("503 busy", ""), SERVER_CLOSES}, {NULL, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    begin_finish(ENDED);
    drive_one();
    assert_int_equal(run_dir_append_row(&run, "late\n", 5), 0);
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_string_equal(server_body(&server, 0), server_body(&server, 1));
    assert_string_equal(server_body(&server, 0), server_body(&server, 2));
}

static void a_registration_without_an_answer_or_sense_is_tried_again(void **state)
{
    (void)state;
    serve(IS({NULL, SERVER_RESETS}, {ANSWER("200 OK", "{}"), SERVER_CLOSES},
             {ANSWER("200 OK", "{\"run_id\":\"../x\"}"), SERVER_CLOSES}, {REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    assert_string_equal(d.run_id, "r_1-A");
    stop();
    assert_int_equal(server.request_count, 4);
}

static void a_run_that_ends_before_it_is_registered_does_both(void **state)
{
    (void)state;
    serve(IS({REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    delivery_begin(&d);
    assert_int_equal(finish_as(ENDED), 0);
    assert_int_equal(d.phase, DELIVERY_REGISTER);
    drive_to(DELIVERY_DONE);
    stop();
    assert_request(0, "POST /base/runs HTTP");
    assert_request(1, "POST /base/runs/r_1-A/finish HTTP");
}

static void a_server_that_hangs_is_left_at_the_deadline(void **state)
{
    (void)state;
    serve(IS({NULL, SERVER_HANGS}));
    begin_finish(ENDED);
    int64_t before = clock_monotonic();
    d.deadline = before + 300 * CLOCK_MILLISECOND;
    drive_one();
    assert_in_range(clock_monotonic() - before, 200 * CLOCK_MILLISECOND, 15 * CLOCK_SECOND);
    assert_int_equal(d.phase, DELIVERY_FINISH);
    assert_true(d.attempts.unanswered);
    assert_false(d.answered);
    stop();
}

static void what_was_suspended_goes_on(void **state)
{
    (void)state;
    serve(IS({NULL, SERVER_HANGS}, {REGISTERED, SERVER_CLOSES}));
    delivery_begin(&d);
    delivery_step(&d, clock_monotonic());
    assert_non_null(d.call);
    for (int i = 0; i < 200 && server.request_count == 0; i++)
        network_poll(&network, NULL, 0, 10 * CLOCK_MILLISECOND);
    delivery_suspend(&d);
    assert_null(d.call);
    assert_int_equal(d.phase, DELIVERY_REGISTER);
    drive_to(DELIVERY_STREAM);
    stop();
}

static void a_registration_is_on_its_way_once_its_connection_stands(void **state)
{
    (void)state;
    serve(IS({NULL, SERVER_HANGS}));
    delivery_begin(&d);
    assert_false(delivery_registers(&d));
    delivery_step(&d, clock_monotonic());
    assert_false(delivery_registers(&d));
    for (int i = 0; i < 200 && server.request_count == 0; i++)
        network_poll(&network, NULL, 0, 10 * CLOCK_MILLISECOND);
    assert_true(delivery_registers(&d));
    stop();
    assert_false(delivery_registers(&d));
}

static void what_the_next_program_would_meet_too_is_told_from_what_is_the_runs_own(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int         retry_after_s;
        bool        failed;
    } cases[] = {{ANSWER("503 busy", ""), -1, true},
                 {"HTTP/1.1 429 busy\r\nConnection: close\r\nRetry-After: 70\r\n\r\n", 70, true},
                 {ANSWER("401 no", ""), -1, true},
                 {ANSWER("307 elsewhere", ""), -1, true},
                 {ANSWER("200 OK", "<html>"), -1, true},
                 {NULL, -1, true},
                 {ANSWER("400 what", "{}"), -1, false},
                 {REGISTERED, -1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        delivery_done(&d);
        delivery_init(&d, &config, &run, &said, &network);
        bytes_text(&d.registration, BODY);
        serve(IS({cases[i].answer, SERVER_CLOSES}));
        delivery_begin(&d);
        drive_one();
        assert_int_equal(d.failed, cases[i].failed);
        assert_int_equal(d.retry_after_s, cases[i].retry_after_s);
        stop();
        server_done(&server);
        serving = false;
    }
}

static void behind_the_last_beginning_an_answer_is_heard_and_nothing_follows_it(void **state)
{
    (void)state;
    serve(IS({REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    delivery_begin(&d);
    assert_int_equal(finish_as(ENDED), 0);
    d.last_begin = clock_monotonic() + 1000 * CLOCK_SECOND;
    delivery_step(&d, clock_monotonic());
    assert_non_null(d.call);
    d.last_begin = clock_monotonic();
    for (int i = 0; i < 500 && d.phase == DELIVERY_REGISTER; i++) {
        network_poll(&network, NULL, 0, 10 * CLOCK_MILLISECOND);
        delivery_step(&d, clock_monotonic());
    }
    assert_string_equal(d.run_id, "r_1-A");
    delivery_step(&d, clock_monotonic());
    assert_null(d.call);
    stop();
    assert_int_equal(server.request_count, 1);
}

static void an_exit_code_says_how_it_ended(void **state)
{
    (void)state;
    static const struct {
        const char *state, *status;
        int         code;
    } ends[] = {{"{\"exit_code\":3}", "failed", 3},
                {"{\"exit_code\":137}", "failed", 137},
                {"{}", "failed", -1},
                {"{\"exit_code\":256}", "failed", 0},
                {"{\"exit_code\":\"0\"}", "failed", -1},
                {"{\"exit_code\":1e300}", "failed", -1}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        d.phase = DELIVERY_OFF;
        begin_finish(ends[i].state);
        cJSON *body = cJSON_Parse(d.finish.data);
        assert_string_equal(journal_text(body, "run_status"), ends[i].status);
        assert_true(journal_number(body, "exit_code", -1) == ends[i].code);
        cJSON_Delete(body);
    }
}

static void what_cannot_go_inline_is_told(void **state)
{
    (void)state;
    cJSON *ended = cJSON_Parse(ENDED);
    (void)snprintf(d.run_id, sizeof d.run_id, "known");
    delivery_begin(&d);
    assert_int_equal(delivery_end(&d, ended, 5), 0);
    assert_int_equal(d.phase, DELIVERY_REFUSED);
    assert_non_null(strstr(d.reason, "too many rows to go inline"));
    assert_non_null(strstr(d.reason, "no place in S3"));
    assert_int_equal(ftruncate(run.rows, 0), 0);
    assert_int_equal(delivery_end(&d, ended, 5), -ENODATA);
    cJSON_Delete(ended);
}

static void a_run_in_memory_is_delivered_too(void **state)
{
    (void)state;
    run_dir_close(&run);
    run_dir_init(&run);
    state_dir_close(&home);
    (void)run_dir_append_row(&run, ROWS, strlen(ROWS));
    serve(IS({REGISTERED, SERVER_CLOSES}, {FINISHED, SERVER_CLOSES}));
    delivery_begin(&d);
    assert_int_equal(finish_as(ENDED), 0);
    drive_to(DELIVERY_DONE);
    stop();
    assert_non_null(strstr(server_body(&server, 1), "1.000,2\\n"));
}

static void a_token_that_fits_no_header_fails_without_a_request(void **state)
{
    (void)state;
    (void)snprintf(config.token, sizeof config.token, "a b");
    delivery_begin(&d);
    drive_one();
    assert_int_equal(d.phase, DELIVERY_REGISTER);
    assert_int_equal(d.attempts.count, 1);
    assert_true(delivery_due(&d) > clock_monotonic());
    assert_null(strstr(said_text(), "a b"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_registered_and_finished),
        TEST(an_odd_result_does_not_undo_the_delivery),
        TEST(no_secret_is_left_behind),
        TEST(what_s3_gives_back_of_the_credentials_stays_out),
        TEST(a_batch_that_cannot_be_sealed_at_the_end_is_not_waited_for),
        TEST(a_finish_that_cannot_be_written_down_is_not_sent),
        TEST(nothing_is_begun_behind_the_deadline),
        TEST(a_busy_server_is_asked_again_later),
        TEST(the_server_says_how_much_later),
        TEST(a_refusal_is_final),
        TEST(a_redirect_is_not_followed),
        TEST(rows_that_fall_are_sent_so_that_they_rise),
        TEST(a_registration_is_repaired_once),
        TEST(tags_have_two_forms_to_be_tried),
        TEST(repairs_come_to_an_end),
        TEST(a_second_complaint_is_a_refusal),
        TEST(a_complaint_about_nothing_is_a_refusal),
        TEST(a_finish_that_is_too_large_goes_once_more_compressed),
        TEST(too_large_even_compressed_is_a_refusal),
        TEST(a_complaint_about_what_was_compressed_is_no_proof_of_arrival),
        TEST(too_large_and_not_to_be_compressed_is_sent_in_objects_and_plain),
        TEST(a_finish_whose_answer_was_lost_had_arrived),
        TEST(a_page_of_whatever_stands_before_the_api_is_no_proof_of_it),
        TEST(a_page_of_whatever_stands_before_the_api_ends_no_hope),
        TEST(the_same_answer_to_a_first_attempt_is_a_refusal),
        TEST(an_earlier_attempt_may_have_arrived_too),
        TEST(a_finish_is_repeated_byte_for_byte),
        TEST(a_registration_without_an_answer_or_sense_is_tried_again),
        TEST(a_run_that_ends_before_it_is_registered_does_both),
        TEST(a_server_that_hangs_is_left_at_the_deadline),
        TEST(what_was_suspended_goes_on),
        TEST(a_registration_is_on_its_way_once_its_connection_stands),
        TEST(what_the_next_program_would_meet_too_is_told_from_what_is_the_runs_own),
        TEST(behind_the_last_beginning_an_answer_is_heard_and_nothing_follows_it),
        TEST(an_exit_code_says_how_it_ended),
        TEST(what_cannot_go_inline_is_told),
        TEST(a_run_in_memory_is_delivered_too),
        TEST(a_token_that_fits_no_header_fails_without_a_request),
    };
    (void)clearenv();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
