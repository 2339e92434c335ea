// SPDX-License-Identifier: Apache-2.0
// One run on its way to a bucket of the user's own: PUT is all that is asked, whatever is answered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "delivery/delivery.h"
#include "folder.h"
#include "server.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define ANSWER(status, headers, body) "HTTP/1.1 " status "\r\n" headers "Connection: close\r\n\r\n" body
#define STORED                                  \
    {                                           \
        ANSWER("200 OK", "", ""), SERVER_CLOSES \
    }
#define REFUSED(status, code)                                                                                \
    {                                                                                                        \
        ANSWER(status, "", "<Error><Code>" code "</Code><Message>so it is</Message></Error>"), SERVER_CLOSES \
    }
#define ROWS "timestamp,cpu\n1.000,2\n"
#define IS(...)                                 \
    (const struct server_reply[]){__VA_ARGS__}, \
        sizeof((const struct server_reply[]){__VA_ARGS__}) / sizeof(struct server_reply)
#define KEY "20261129T161000Z-372c9302-4242-"

static struct folder         folder;
static struct state_dir      home;
static struct run_dir        run;
static struct config         config;
static struct log            said;
static struct network        network;
static struct delivery       d;
static struct server         server;
static struct journal_bucket named;
static char                  prefix[BUCKET_PREFIX_SIZE];
static cJSON                *loaded;

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    loaded = NULL;
    config = (struct config){.s3_uri = "s3://bucket/p", .upload_interval = 60 * CLOCK_SECOND};
    log_init(&said, LOG_DEBUG);
    run_dir_init(&run);
    (void)unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    (void)unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1) != 0 || setenv("AWS_SECRET_ACCESS_KEY", "a-secret-key", 1) != 0)
        return -1;
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0)
        return -1;
    home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (run_dir_create(&home, 0, "m", 1, &run) != 0 || run_dir_append_row(&run, ROWS, strlen(ROWS)) != 0)
        return -1;
    network_init(&network);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(loaded);
    delivery_done(&d);
    network_done(&network);
    server_done(&server);
    log_done(&said);
    run_dir_close(&run);
    state_dir_close(&home);
    folder_remove(&folder);
    return 0;
}

/* The run begins, as the engine lets it. */
static void begin(const struct server_reply *replies, size_t count)
{
    const struct delivery_run it = {
        .started_s = 1795968600, .host_name = "host", .boot_id = "7ed146a0-f43c-4bf6-bd3c-f5db241889d8", .pid = 4242};
    assert_true(server_start(&server, replies, count));
    (void)snprintf(config.s3_endpoint, sizeof config.s3_endpoint, "http://127.0.0.1:%d", server.port);
    delivery_init(&d, &config, &run, &said, &network);
    assert_true(delivery_name(&d, &it, &named, prefix));
    assert_int_equal(journal_bucket(&run, &named), 0);
    delivery_begin(&d);
}

static void stop(void)
{
    delivery_suspend(&d);
    network_close(&network);
    server_stop(&server);
}

static void drive_to(enum delivery_phase phase)
{
    int64_t limit = clock_monotonic() + 20 * CLOCK_SECOND;
    while (d.phase != phase && clock_monotonic() < limit) {
        if (!d.call)
            d.next_try = d.upload.next_try = 0;
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
    assert_int_equal(journal_load_run(&run, &loaded), 0);
    return loaded;
}

static void finish_with(int wait_status)
{
    struct journal_end end = {.finished_at = 1795968660 * CLOCK_SECOND,
                              .wait_status = wait_status,
                              .state = "undelivered",
                              .is_needed = true};
    journal_end(&run, &end);
    assert_int_equal(delivery_end(&d, load(), DELIVERY_INLINE_MAX), 0);
}

static void finish(void)
{
    finish_with(3 << 8);
}

static void assert_put(size_t number, const char *path)
{
    char line[512];
    assert_true(number < server.request_count);
    (void)snprintf(line, sizeof line, "PUT /bucket/p/%s", path);
    assert_memory_equal(server.requests[number], line, strlen(line));
}

static void beginning_rows_and_end_are_three_objects(void **state)
{
    (void)state;
    char value[256];
    begin(IS(STORED));
    drive_to(DELIVERY_STREAM);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(load(), "started")));
    assert_string_equal(d.run_id, named.key);
    finish();
    drive_to(DELIVERY_DONE);
    assert_string_equal(journal_text(load(), "state"), "finished");
    stop();
    assert_int_equal(server.request_count, 3);
    assert_put(0, "started/date%3D2026-11-29/" KEY);
    assert_put(1, "metrics/date%3D2026-11-29/run%3D" KEY);
    assert_put(2, "runs/date%3D2026-11-29/" KEY);
    assert_string_equal(server_header(&server, 0, "Content-Type", value), "application/json");
    assert_string_equal(server_header(&server, 1, "Content-Type", value), "application/gzip");
    cJSON *ended = cJSON_Parse(server_body(&server, 2));
    assert_string_equal(journal_text(ended, "id"), named.key);
    assert_true(journal_number(ended, "exit_code", -1) == 3 && journal_number(ended, "objects", -1) == 1);
    cJSON_Delete(ended);
}

static void rows_never_go_with_the_end(void **state)
{
    (void)state;
    begin(IS(STORED, REFUSED("403 no", "AccessDenied")));
    drive_to(DELIVERY_STREAM);
    finish();
    drive_to(DELIVERY_REFUSED);
    assert_non_null(strstr(d.reason, "AccessDenied"));
    assert_true(d.failed);
    assert_false(d.hopeless);
    stop();
    for (size_t i = 0; i < server.request_count; i++)
        assert_null(strstr(server.requests[i], "/runs/"));
}

static void a_clock_that_s3_refuses_corrects_the_name_once(void **state)
{
    (void)state;
    char before[OBJECT_KEY_SIZE];
    /* 2036-12-01, ten years and two days after what this machine may believe */
    begin(IS({ANSWER("403 no", "Date: Mon, 01 Dec 2036 00:00:00 GMT\r\n",
                     "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
              SERVER_CLOSES},
             STORED));
    (void)snprintf(before, sizeof before, "%s", named.key);
    drive_to(DELIVERY_STREAM);
    const cJSON *written = load();
    const char  *key = journal_text(written, "key");
    assert_string_not_equal(key, before);
    assert_string_equal(key + 16, before + 16);
    assert_memory_equal(d.upload.prefix, "s3://bucket/p/metrics/date=20", 29);
    assert_string_equal(journal_text(written, "upload_uri_prefix"), d.upload.prefix);
    assert_non_null(strstr(d.upload.prefix, journal_text(written, "date")));
    assert_non_null(strstr(d.upload.prefix, key));
    d.upload.skew = 0;
    stop();
}

/* The first request's answer was lost, and the clock is set before the second one: the object may be there. */
static void a_name_under_which_something_may_be_stored_is_not_corrected(void **state)
{
    (void)state;
    begin(IS(REFUSED("503 no", "SlowDown"),
             {ANSWER("403 no", "Date: Mon, 01 Dec 2036 00:00:00 GMT\r\n",
                     "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
              SERVER_CLOSES},
             STORED));
    drive_to(DELIVERY_STREAM);
    assert_string_equal(journal_text(load(), "key"), named.key);
    assert_int_equal(server.request_count, 3);
    d.upload.skew = 0;
    stop();
}

/* Killed between the correction and the first object: the next one's clock is as wrong, and the name is right. */
static void a_name_that_was_corrected_is_not_by_who_goes_on(void **state)
{
    (void)state;
    char before[OBJECT_KEY_SIZE];
    char key[OBJECT_KEY_SIZE];
    begin(IS({ANSWER("403 no", "Date: Mon, 01 Dec 2036 00:00:00 GMT\r\n",
                     "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
              SERVER_CLOSES},
             {ANSWER("503 no", "", ""), SERVER_CLOSES},
             {ANSWER("403 no", "Date: Mon, 01 Dec 2036 00:00:00 GMT\r\n",
                     "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
              SERVER_CLOSES},
             STORED));
    (void)snprintf(before, sizeof before, "%s", named.key);
    for (int i = 0; i < 5000 && server.request_count < 2; i++) {
        delivery_step(&d, clock_monotonic());
        network_poll(&network, NULL, 0, CLOCK_MILLISECOND);
    }
    (void)snprintf(key, sizeof key, "%s", journal_text(load(), "key"));
    assert_string_not_equal(key, before);
    delivery_done(&d);
    delivery_init(&d, &config, &run, &said, &network);
    delivery_restore(&d, load());
    delivery_begin(&d);
    drive_to(DELIVERY_STREAM);
    assert_string_equal(journal_text(load(), "key"), key);
    d.upload.skew = 0;
    stop();
}

static void a_run_that_was_begun_goes_on_under_its_name(void **state)
{
    (void)state;
    char key[OBJECT_KEY_SIZE];
    begin(IS(STORED));
    (void)snprintf(key, sizeof key, "%s", named.key);
    drive_to(DELIVERY_STREAM);
    delivery_done(&d);
    config.s3_uri[0] = config.s3_endpoint[0] = '\0'; /* of who syncs */
    delivery_init(&d, &config, &run, &said, &network);
    delivery_restore(&d, load());
    delivery_begin(&d);
    assert_int_equal(d.phase, DELIVERY_STREAM);
    finish();
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_non_null(strstr(server.requests[2], key));
}

static void a_document_is_the_same_each_time(void **state)
{
    (void)state;
    begin(IS(STORED, STORED, REFUSED("503 no", "SlowDown"), REFUSED("500 no", "InternalError"), STORED));
    drive_to(DELIVERY_STREAM);
    finish();
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 5);
    assert_string_equal(server_body(&server, 2), server_body(&server, 3));
    assert_string_equal(server_body(&server, 2), server_body(&server, 4));
}

/* A program whose disk was full has told its end from memory; run.jsonl knows of none. */
static void an_end_without_an_exit_code_replaces_none(void **state)
{
    (void)state;
    char value[256];
    begin(IS(STORED, STORED, REFUSED("409 no", "ConditionalRequestConflict"), REFUSED("412 no", "PreconditionFailed")));
    drive_to(DELIVERY_STREAM);
    finish_with(-1);
    drive_to(DELIVERY_DONE);
    stop();
    assert_string_equal(journal_text(load(), "state"), "finished");
    assert_string_equal(server_header(&server, 1, "If-None-Match", value), "");
    for (size_t i = 2; i < 4; i++)
        assert_string_equal(server_header(&server, i, "If-None-Match", value), "*");
}

static void it_does_where_the_server_refuses_conditions(const struct server_reply *refused)
{
    char value[256];
    begin(IS(STORED, STORED, *refused, STORED));
    drive_to(DELIVERY_STREAM);
    finish_with(-1);
    drive_to(DELIVERY_DONE);
    stop();
    assert_string_equal(server_header(&server, 2, "If-None-Match", value), "*");
    assert_string_equal(server_header(&server, 3, "If-None-Match", value), "");
}

static void it_does_where_the_server_has_no_conditions(void **state)
{
    (void)state;
    const struct server_reply refused = REFUSED("501 no", "NotImplemented");
    it_does_where_the_server_refuses_conditions(&refused);
}

static void it_does_where_the_server_takes_them_for_nonsense(void **state)
{
    (void)state;
    const struct server_reply refused = REFUSED("400 no", "InvalidArgument");
    it_does_where_the_server_refuses_conditions(&refused);
}

static void what_was_refused_is_tried_once_more_at_the_end(void **state)
{
    (void)state;
    char value[256];
    begin(IS(REFUSED("404 no", "NoSuchBucket"), STORED, STORED, STORED));
    drive_to(DELIVERY_REFUSED);
    delivery_try_bucket_again(&d);
    finish();
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 4);
    assert_string_equal(server_header(&server, 3, "If-None-Match", value), "");
}

/* Whatever form stands beside it. */
static void rows_go_into_objects_after_an_end_without_an_answer(void **state)
{
    (void)state;
    begin(IS(STORED));
    drive_to(DELIVERY_STREAM);
    journal_undelivered(&run, "no answer", true);
    cJSON *said_before = cJSON_Parse("{\"unanswered\":true,\"state\":\"undelivered\",\"exit_code\":3}");
    assert_int_equal(delivery_end(&d, said_before, DELIVERY_INLINE_MAX), 0);
    cJSON_Delete(said_before);
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_put(1, "metrics/date%3D2026-11-29/run%3D" KEY);
}

static void without_keys_nothing_is_asked(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("AWS_ACCESS_KEY_ID"), 0);
    assert_int_equal(setenv("AWS_EC2_METADATA_DISABLED", "true", 1), 0);
    begin(IS(STORED));
    drive_to(DELIVERY_REFUSED);
    assert_non_null(strstr(d.reason, "no keys for the bucket"));
    stop();
    assert_int_equal(server.request_count, 0);
}

static void a_run_without_a_disk_has_its_documents_of_memory(void **state)
{
    (void)state;
    struct run_dir   here = run;
    struct state_dir nowhere = {.dir = -1, .runs = -1};
    run_dir_init(&run);
    assert_int_equal(run_dir_create(&nowhere, 0, "m", 1, &run), -ENOENT);
    run.keeps_facts = true;
    static const char fact[] = "{\"started_at\":\"2026-11-29T16:10:00Z\",\"clock_offset_ms\":-7500}";
    run_dir_append_fact(&run, fact, strlen(fact));
    assert_int_equal(run_dir_append_row(&run, ROWS, strlen(ROWS)), -EBADF);
    begin(IS(STORED));
    drive_to(DELIVERY_STREAM);
    finish();
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 3);
    assert_non_null(strstr(server_body(&server, 0), "\"clock_offset_ms\":-7500"));
    cJSON *ended = cJSON_Parse(server_body(&server, 2));
    assert_true(journal_is(ended, "started_at", "2026-11-29T16:10:00Z") && journal_number(ended, "exit_code", -1) == 3);
    assert_true(journal_number(ended, "clock_offset_ms", 0) == -7500);
    cJSON_Delete(ended);
    run_dir_close(&here);
}

static void be_in_a_container(int port)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/keys", port);
    assert_int_equal(unsetenv("AWS_ACCESS_KEY_ID"), 0);
    assert_int_equal(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1), 0);
}

static void what_was_sent_for_keys_stands_in_no_reason(void **state)
{
    (void)state;
    begin(IS({ANSWER("401 no", "", "unknown word hunter2hunter2"), SERVER_CLOSES}));
    be_in_a_container(server.port);
    assert_int_equal(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2hunter2", 1), 0);
    drive_to(DELIVERY_REFUSED);
    stop();
    assert_int_equal(server.request_count, 1);
    assert_non_null(strstr(server.requests[0], "Authorization: hunter2hunter2"));
    assert_non_null(strstr(d.reason, "unknown word ***"));
    assert_null(strstr(d.reason, "hunter2"));
    assert_null(strstr(said.early.data, "hunter2"));
}

#define KEYS                                                                                          \
    {                                                                                                 \
        ANSWER("200 OK", "",                                                                          \
               "{\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"secret\",\"Token\":\"token\"," \
               "\"Expiration\":\"2036-01-01T00:00:00Z\"}"),                                           \
            SERVER_CLOSES                                                                             \
    }

static void keys_that_were_not_to_be_had_are_asked_for_once_more_at_the_end(void **state)
{
    (void)state;
    begin(IS({ANSWER("404 no", "", "not yet"), SERVER_CLOSES}, KEYS, STORED, STORED, STORED));
    be_in_a_container(server.port);
    drive_to(DELIVERY_REFUSED);
    delivery_try_bucket_again(&d);
    finish();
    drive_to(DELIVERY_DONE);
    stop();
    assert_int_equal(server.request_count, 5);
}

/* Who gives out keys is no sign of how the bucket's server is. */
static void keys_that_fail_are_no_failure_of_the_server(void **state)
{
    (void)state;
    begin(IS({ANSWER("500 no", "", ""), SERVER_CLOSES}));
    be_in_a_container(server.port);
    for (int i = 0; i < 5000 && d.upload.refresh_tries == 0; i++) {
        delivery_step(&d, clock_monotonic());
        network_poll(&network, NULL, 0, CLOCK_MILLISECOND);
    }
    assert_int_equal(d.upload.refresh_tries, 1);
    assert_false(d.failed);
    assert_int_equal(d.last_failure, 0);
    stop();
}

/* The second of two runs that a sync delivers: the first has had the keys renewed, in vain. */
static void new_keys_that_are_denied_are_not_waited_for_at_the_end(void **state)
{
    (void)state;
    begin(IS(KEYS, STORED, REFUSED("403 no", "AccessDenied"), KEYS, REFUSED("403 no", "AccessDenied"),
             REFUSED("403 no", "AccessDenied")));
    be_in_a_container(server.port);
    drive_to(DELIVERY_STREAM);
    finish();
    drive_to(DELIVERY_REFUSED);
    d.upload.attempts = (struct s3_attempts){0}; /* as another run's */
    delivery_try_bucket_again(&d);
    assert_int_equal(delivery_end(&d, load(), DELIVERY_INLINE_MAX), 0);
    drive_to(DELIVERY_REFUSED); /* which waits for 20 seconds; the keys would be renewed after a minute */
    stop();
    assert_int_equal(server.request_count, 6);
}

static void of_runs_with_the_same_keys_one_asks_for_them(void **state)
{
    (void)state;
    const struct delivery_run other_run = {.boot_id = ""};
    struct own_credentials   *keys = NULL;
    struct http_request       request;
    struct delivery           other;
    int64_t                   now = clock_monotonic();
    begin(IS(STORED));
    stop();
    be_in_a_container(1);
    delivery_init(&other, &config, &run, &said, &network);
    assert_true(delivery_name(&other, &other_run, &named, prefix));
    bucket_share_keys(d.upload.bucket, &keys);
    bucket_share_keys(other.upload.bucket, &keys);
    assert_true(destination_bucket.keys_due(&d.upload, now, true) <= now);
    assert_int_equal(destination_bucket.keys_request(&d.upload, NULL, "", &request), 0);
    http_request_done(&request);
    assert_true(destination_bucket.keys_due(&other.upload, now, true) == INT64_MAX);
    delivery_done(&d); /* and nobody hears the answer */
    assert_true(destination_bucket.keys_due(&other.upload, now, true) <= now);
    delivery_done(&other);
    bucket_keys_free(keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(beginning_rows_and_end_are_three_objects),
        TEST(rows_never_go_with_the_end),
        TEST(a_clock_that_s3_refuses_corrects_the_name_once),
        TEST(a_name_under_which_something_may_be_stored_is_not_corrected),
        TEST(a_name_that_was_corrected_is_not_by_who_goes_on),
        TEST(a_run_that_was_begun_goes_on_under_its_name),
        TEST(a_document_is_the_same_each_time),
        TEST(an_end_without_an_exit_code_replaces_none),
        TEST(it_does_where_the_server_has_no_conditions),
        TEST(it_does_where_the_server_takes_them_for_nonsense),
        TEST(what_was_refused_is_tried_once_more_at_the_end),
        TEST(rows_go_into_objects_after_an_end_without_an_answer),
        TEST(without_keys_nothing_is_asked),
        TEST(a_run_without_a_disk_has_its_documents_of_memory),
        TEST(what_was_sent_for_keys_stands_in_no_reason),
        TEST(keys_that_were_not_to_be_had_are_asked_for_once_more_at_the_end),
        TEST(keys_that_fail_are_no_failure_of_the_server),
        TEST(new_keys_that_are_denied_are_not_waited_for_at_the_end),
        TEST(of_runs_with_the_same_keys_one_asks_for_them),
    };
    (void)clearenv();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
