// SPDX-License-Identifier: Apache-2.0
// Batches on their way to S3: what is sent when, and that whatever happens each row ends up in exactly one object.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "delivery/upload.h"
#include "folder.h"
#include "sentinel/answers.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define HEADER  "timestamp,cpu\n"
#define PREFIX  "s3://bucket/a/run"
#define SECONDS CLOCK_SECOND

enum { OBJECTS_MAX = 1024, OBJECT_SIZE = 2 * UPLOAD_BATCH_MAX, ROWS_MAX = 8 * 1024 * 1024 };

static struct folder       folder;
static struct state_dir    home;
static struct run_dir      run;
static struct config       config;
static struct log          said;
static struct upload       u;
static int64_t             now;
static const struct api    api = {.base_url = "http://127.0.0.1:1", .token = "token"};
static struct bytes        stored[OBJECTS_MAX]; /* what S3 has, gzipped */
static struct bytes        rows;                /* what was appended */
static struct http_request request;

static void open_upload(void)
{
    upload_init(&u, &destination_sentinel, &config, &run, &said);
    u.began = now;
    u.next_batch = now + u.interval;
}

static void give_credentials(int64_t expires_at)
{
    static const char text[] = "{\"run_id\":\"r\",\"upload_uri_prefix\":\"" PREFIX "\",\"upload_credentials\":"
                               "{\"access_key\":\"AK\",\"secret_key\":\"SK\",\"session_token\":\"ST\"}}";
    struct sentinel_registration registration;
    assert_int_equal(answer_registration(text, sizeof text - 1, &registration), 0);
    registration.credentials.expires_at = expires_at;
    upload_registered(&u, &registration, now);
    sentinel_registration_done(&registration);
}

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    config = (struct config){.upload_interval = 60 * SECONDS, .s3_endpoint = "http://127.0.0.1:1"};
    now = 1000 * SECONDS;
    log_init(&said, LOG_ERROR);
    run_dir_init(&run);
    bytes_init(&rows, ROWS_MAX);
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0)
        return -1;
    home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        bytes_init(&stored[i], OBJECT_SIZE);
    if (run_dir_create(&home, 0, "m", 1, &run) != 0)
        return -1;
    open_upload();
    return 0;
}

static int drop(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        bytes_done(&stored[i]);
    http_request_done(&request);
    upload_done(&u);
    log_done(&said);
    bytes_done(&rows);
    run_dir_close(&run);
    state_dir_close(&home);
    folder_remove(&folder);
    return 0;
}

static void add_row(unsigned number, size_t width)
{
    char line[4096];
    int  len = snprintf(line, sizeof line, "%s%u,%0*d\n", rows.len == 0 ? HEADER : "", number, (int)width, 0);
    bytes_add(&rows, line, (size_t)len);
    (void)run_dir_append_row(&run, line, (size_t)len);
}

/* Until the next thing is to be done: which. */
static enum upload_step wait_for_step(void)
{
    for (int i = 0; i < 100; i++) {
        int64_t          due = 0;
        enum upload_step step = upload_next(&u, now, &due);
        if (step != UPLOAD_NOTHING || due == INT64_MAX)
            return step;
        assert_true(due > now);
        now = due;
    }
    fail_msg("nothing is ever due");
    return UPLOAD_NOTHING;
}

static int compose(enum upload_step step)
{
    http_request_done(&request);
    return upload_request(&u, step, &api, "r", &request);
}

static void answer_status(enum upload_step step, long status, const char *body)
{
    struct http_answer answer = {.status = status, .retry_after_s = -1, .date = 4000000000};
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_text(&answer.body, body);
    upload_answer(&u, step, &answer, now);
    http_answer_done(&answer);
}

static void answer_error(enum upload_step step, int error)
{
    const struct http_answer answer = {.error = error, .retry_after_s = -1, .message = "none"};
    upload_answer(&u, step, &answer, now);
}

static void answer_credentials_lasting(const char *expires_at)
{
    char body[512];
    (void)snprintf(
        body, sizeof body,
        "{\"upload_credentials\":{\"access_key\":\"A2\",\"secret_key\":\"S2\",\"session_token\":\"T2\"%s%s%s}}",
        expires_at ? ",\"expires_at\":\"" : "", expires_at ? expires_at : "", expires_at ? "\"" : "");
    answer_status(UPLOAD_REFRESH, 200, body);
}

static unsigned key_number(void)
{
    const char *slash = strrchr(request.url, '/');
    assert_non_null(slash);
    assert_non_null(strstr(request.url, "/bucket/a/run/"));
    return (unsigned)strtoul(slash + 1, NULL, 10);
}

/* As S3 does: the same key is written over. Ours never changes. */
static void store(void)
{
    unsigned number = key_number();
    assert_in_range(number, 1, OBJECTS_MAX - 1);
    struct bytes *object = &stored[number];
    if (object->len > 0) {
        assert_int_equal(object->len, request.body.len);
        assert_memory_equal(object->data, request.body.data, object->len);
    }
    bytes_clear(object);
    bytes_add(object, request.body.data, request.body.len);
}

static void unpack(const struct bytes *object, struct bytes *ret)
{
    static char block[OBJECT_SIZE];
    z_stream    z = {.next_in = (unsigned char *)object->data, .avail_in = (unsigned)object->len};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = (unsigned char *)block;
    z.avail_out = sizeof block;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    bytes_add(ret, block, sizeof block - z.avail_out);
    (void)inflateEnd(&z);
}

/* The acknowledged objects hold all rows, each once. */
static void assert_all_stored(void)
{
    struct bytes all;
    bytes_init(&all, ROWS_MAX);
    for (uint64_t i = 1; i <= u.uploaded; i++) {
        struct bytes one;
        bytes_init(&one, OBJECT_SIZE);
        unpack(&stored[i], &one);
        assert_int_equal(strncmp(one.data, HEADER, strlen(HEADER)), 0);
        assert_true(one.len > strlen(HEADER));
        size_t skip = i == 1 ? 0 : strlen(HEADER);
        bytes_add(&all, one.data + skip, one.len - skip);
        bytes_done(&one);
    }
    assert_int_equal(all.len, rows.len);
    if (rows.len > 0)
        assert_memory_equal(all.data, rows.data, rows.len);
    bytes_done(&all);
}

static void put_is_stored(void)
{
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    store();
    answer_status(UPLOAD_PUT, 200, "");
}

static void a_batch_goes_out_at_each_interval(void **state)
{
    (void)state;
    int64_t due = 0;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_int_equal(due, now + 60 * SECONDS);
    put_is_stored();
    assert_int_equal(u.uploaded, 1);
    add_row(2, 10);
    add_row(3, 10);
    now += 61 * SECONDS; /* a little late: the next one is on time again */
    put_is_stored();
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_int_equal(due, 1000 * SECONDS + 180 * SECONDS);
    assert_true(upload_is_complete(&u));
    assert_all_stored();
}

static void nothing_new_is_nothing_to_send(void **state)
{
    (void)state;
    int64_t due = 0;
    give_credentials(INT64_MAX);
    now += 3600 * SECONDS;
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_true(due > now);
    upload_end(&u, now, false);
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_true(upload_is_complete(&u));
}

static void without_a_place_nothing_is_sent(void **state)
{
    (void)state;
    int64_t due = 0;
    add_row(1, 10);
    now += 3600 * SECONDS;
    assert_false(upload_is_possible(&u));
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_int_equal(due, INT64_MAX);
}

static void a_batch_is_sealed_on_disk_before_it_is_sent(void **state)
{
    (void)state;
    cJSON *merged = NULL;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    assert_int_equal(journal_load(run.dir, &merged), 0);
    assert_true(journal_number(merged, "sealed", 0) == 1);
    assert_true(journal_number(merged, "uploaded", -1) == 0);
    cJSON_Delete(merged);
    store();
    add_row(2, 10); /* comes too late for it */
    answer_error(UPLOAD_PUT, -ETIMEDOUT);
    assert_true(u.silent);
    put_is_stored(); /* the same bytes */
    put_is_stored();
    assert_all_stored();
}

static void many_rows_become_several_objects_at_once(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    for (unsigned i = 0; rows.len < 5 * UPLOAD_BATCH_MAX / 2; i++)
        add_row(i, 3000);
    put_is_stored();
    int64_t then = now;
    put_is_stored();
    put_is_stored();
    assert_int_equal(now, then);
    assert_int_equal(u.uploaded, 3);
    assert_true(upload_is_complete(&u));
    assert_all_stored();
}

static void credentials_are_refreshed_five_minutes_before_they_expire(void **state)
{
    (void)state;
    int64_t due = 0;
    give_credentials(clock_real() / SECONDS + 400);
    u.next_batch = now + 3600 * SECONDS;
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_in_range(due - now, 98 * SECONDS, 101 * SECONDS);
    u.credentials.expires_at -= 101; /* as if that time had gone */
    now += 101 * SECONDS;
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_REFRESH);
    assert_int_equal(compose(UPLOAD_REFRESH), 0);
    assert_non_null(strstr(request.url, "/runs/r/refresh-credentials"));
    answer_credentials_lasting("2099-01-01T00:00:00Z");
    assert_string_equal(u.credentials.access_key, "A2");
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
}

static void short_lived_credentials_are_refreshed_once_a_minute(void **state)
{
    (void)state;
    unsigned refreshes = 0;
    unsigned puts = 0;
    int64_t  began = now;
    give_credentials(clock_real() / SECONDS + 2);
    config.upload_interval = SECONDS;
    u.interval = SECONDS;
    u.next_batch = now + SECONDS;
    for (unsigned i = 0; now < began + 600 * SECONDS; i++) {
        add_row(i, 10);
        enum upload_step step = wait_for_step();
        refreshes += step == UPLOAD_REFRESH;
        puts += step == UPLOAD_PUT;
        assert_int_equal(compose(step), 0);
        if (step == UPLOAD_REFRESH)
            answer_credentials_lasting("2020-01-01T00:00:00Z"); /* long gone */
        else
            store(), answer_status(UPLOAD_PUT, 200, "");
    }
    assert_in_range(refreshes, 9, 10);
    assert_true(puts > 300);
}

static void a_refresh_that_fails_lets_the_old_credentials_do(void **state)
{
    (void)state;
    static const long statuses[] = {500, 404, 200, 0};
    give_credentials(clock_real() / SECONDS + 100);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        add_row((unsigned)i, 10);
        now += 301 * SECONDS;
        assert_int_equal(wait_for_step(), UPLOAD_REFRESH);
        if (statuses[i])
            answer_status(UPLOAD_REFRESH, statuses[i], "{}");
        else
            answer_error(UPLOAD_REFRESH, -ECONNREFUSED);
        int64_t then = now;
        assert_int_equal(wait_for_step(), UPLOAD_PUT);
        assert_int_equal(now, then);
        put_is_stored();
        assert_string_equal(u.credentials.access_key, "AK");
    }
}

static void expired_tokens_are_replaced_at_once_and_then_once_a_minute(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 400, "<Error><Code>ExpiredToken</Code></Error>");
    int64_t then = now;
    assert_int_equal(wait_for_step(), UPLOAD_REFRESH);
    assert_int_equal(now, then);
    answer_credentials_lasting(NULL);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(now, then);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 400, "<Error><Code>ExpiredToken</Code></Error>");
    assert_int_equal(wait_for_step(), UPLOAD_REFRESH);
    assert_true(now >= then + 60 * SECONDS);
    answer_credentials_lasting(NULL);
    put_is_stored();
    assert_all_stored();
}

static void a_refused_refresh_without_working_credentials_stops_uploads_until_the_end(void **state)
{
    (void)state;
    int64_t due = 0;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 403, "<Error><Code>InvalidToken</Code></Error>");
    assert_int_equal(wait_for_step(), UPLOAD_REFRESH);
    answer_status(UPLOAD_REFRESH, 404, "{}");
    assert_false(upload_is_possible(&u));
    assert_int_equal(upload_next(&u, now + 3600 * SECONDS, &due), UPLOAD_NOTHING);
    assert_int_equal(due, INT64_MAX);
    upload_end(&u, now, false);
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_REFRESH);
}

static void a_definite_no_stops_uploads_until_the_end(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 404, "<Error><Code>NoSuchBucket</Code></Error>");
    assert_false(upload_is_possible(&u));
    assert_non_null(strstr(u.reason, "NoSuchBucket"));
    upload_end(&u, now, false);
    put_is_stored();
    assert_all_stored();
}

static void s3_says_which_region_it_is(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 400,
                  "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>");
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    bool named = false;
    for (size_t i = 0; i < request.header_count; i++)
        named |= strstr(request.headers[i], "/us-west-2/s3/aws4_request") != NULL;
    assert_true(named);
}

static void aws_is_asked_for_the_region(void **state)
{
    (void)state;
    u.endpoint = "";
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_REGION);
    assert_int_equal(compose(UPLOAD_REGION), 0);
    assert_string_equal(request.url, "https://bucket.s3.amazonaws.com/");
    struct http_answer told = {.status = 403, .retry_after_s = -1, .bucket_region = "eu-west-3"};
    upload_answer(&u, UPLOAD_REGION, &told, now);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    assert_string_equal(request.url, "https://bucket.s3.eu-west-3.amazonaws.com/a/run/0001.csv.gz");
}

static void a_guessed_region_is_asked_for_again(void **state)
{
    (void)state;
    u.endpoint = "";
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_REGION);
    answer_error(UPLOAD_REGION, -EHOSTUNREACH);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    assert_non_null(strstr(request.url, "bucket.s3." S3_DEFAULT_REGION));
    answer_error(UPLOAD_PUT, -EHOSTUNREACH);
    assert_int_equal(wait_for_step(), UPLOAD_REGION);
}

static void a_wrong_clock_is_corrected_by_the_servers(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    answer_status(UPLOAD_PUT, 403, "<Error><Code>RequestTimeTooSkewed</Code></Error>"); /* it says 2096 */
    int64_t then = now;
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(now, then);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    bool said_so = false;
    for (size_t i = 0; i < request.header_count; i++)
        said_so |= strstr(request.headers[i], "2096") != NULL;
    assert_true(said_so);
    answer_status(UPLOAD_PUT, 403, "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    assert_false(upload_is_possible(&u));
}

static void pauses_grow_to_five_minutes(void **state)
{
    (void)state;
    int64_t longest = 0;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wait_for_step(), UPLOAD_PUT);
        int64_t then = now;
        assert_int_equal(compose(UPLOAD_PUT), 0);
        answer_status(UPLOAD_PUT, 503, "<Error><Code>SlowDown</Code></Error>");
        (void)wait_for_step();
        longest = now - then > longest ? now - then : longest;
        assert_true(now - then <= 300 * SECONDS);
    }
    assert_true(longest >= 150 * SECONDS);
}

static void a_batch_that_cannot_be_sealed_is_not_sent(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    int kept = run.state;
    run.state = -1; /* as on a full disk */
    int error = compose(UPLOAD_PUT);
    assert_true(error < 0);
    assert_false(u.sealed);
    upload_failed(&u, UPLOAD_PUT, error, now);
    run.state = kept;
    put_is_stored();
    assert_all_stored();
}

static void a_run_in_memory_streams_too_and_forgets_what_is_safe(void **state)
{
    (void)state;
    run_dir_close(&run);
    run_dir_init(&run);
    run.memory_rows.max = 64 * 1024;
    give_credentials(INT64_MAX);
    for (unsigned i = 0; i < 2000; i++) {
        add_row(i, 100);
        if (i % 100 == 99)
            put_is_stored();
    }
    assert_int_equal(run.lost_rows, 0);
    assert_true(run.memory_rows.len <= 64 * 1024);
    upload_end(&u, now, true);
    assert_true(upload_is_complete(&u));
    assert_all_stored();
    struct bytes all;
    bytes_init(&all, ROWS_MAX);
    assert_int_equal(run_dir_load_rows(&run, &all), -EFBIG); /* not all of them are here any more */
    bytes_done(&all);
}

static void what_the_disk_refuses_waits_and_goes_at_the_end(void **state)
{
    (void)state;
    give_credentials(INT64_MAX);
    add_row(1, 10);
    put_is_stored();
    int kept = run.rows;
    run.rows = open("/dev/full", O_RDWR | O_CLOEXEC);
    add_row(2, 10);
    (void)close(run.rows);
    run.rows = kept;
    assert_true(run.memory_rows.len > 0);
    int64_t due = 0;
    now += 60 * SECONDS;
    assert_int_equal(upload_next(&u, now, &due), UPLOAD_NOTHING);
    assert_false(upload_is_complete(&u) && u.ending);
    upload_end(&u, now, false);
    put_is_stored();
    assert_true(upload_is_complete(&u));
    assert_all_stored();
}

static void what_is_stored_is_told_whole_although_its_seal_was_not(void **state)
{
    (void)state;
    cJSON *merged = NULL;
    give_credentials(INT64_MAX);
    journal_registered(&run, "r", PREFIX);
    for (unsigned i = 0; i < 30; i++)
        add_row(i, 100);
    upload_end(&u, now, true);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    int kept = run.state;
    run.state = -1; /* full at that moment */
    assert_int_equal(compose(UPLOAD_PUT), 0);
    run.state = kept;
    store();
    answer_status(UPLOAD_PUT, 200, "");
    uint64_t to = u.to;
    upload_done(&u);
    open_upload();
    assert_int_equal(journal_load(run.dir, &merged), 0);
    upload_restore(&u, merged);
    cJSON_Delete(merged);
    assert_int_equal(u.uploaded, 1);
    assert_int_equal(u.to, to);
    assert_true(upload_is_complete(&u));
}

static void a_finish_tells_its_objects_although_their_lines_were_lost(void **state)
{
    (void)state;
    cJSON *merged = NULL;
    give_credentials(INT64_MAX);
    journal_registered(&run, "r", PREFIX);
    for (unsigned i = 0; i < 30; i++)
        add_row(i, 100);
    upload_end(&u, now, true);
    int kept = run.state;
    run.state = -1;
    put_is_stored();
    run.state = kept;
    assert_int_equal(upload_record_finishing(&u, true), 0);
    assert_int_equal(journal_load(run.dir, &merged), 0);
    assert_string_equal(journal_text(merged, "data_source"), "s3");
    assert_true(journal_number(merged, "uploaded", 0) == 1);
    uint64_t to = u.to;
    upload_done(&u);
    open_upload();
    upload_restore(&u, merged);
    cJSON_Delete(merged);
    assert_true(u.uploaded == 1 && u.to == to && !u.sealed);
}

static void a_server_of_the_year_9999_is_not_believed(void **state)
{
    (void)state;
    give_credentials(clock_real() / SECONDS + 1000);
    add_row(1, 10);
    assert_int_equal(wait_for_step(), UPLOAD_PUT);
    assert_int_equal(compose(UPLOAD_PUT), 0);
    struct http_answer answer = {.status = 403, .retry_after_s = -1, .date = 253402300799};
    bytes_init(&answer.body, HTTP_ANSWER_MAX);
    bytes_text(&answer.body, "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    upload_answer(&u, UPLOAD_PUT, &answer, now);
    http_answer_done(&answer);
    assert_int_equal(u.skew, 0);
}

static void a_damaged_number_of_objects_costs_nothing(void **state)
{
    (void)state;
    add_row(1, 100);
    cJSON *damaged = cJSON_Parse("{\"upload_uri_prefix\":\"" PREFIX "\",\"uploaded\":3000000,\"sealed\":3000000,"
                                 "\"sentinel_run_id\":\"r\",\"batch\":[0,100]}");
    upload_restore(&u, damaged);
    cJSON_Delete(damaged);
    assert_int_equal(u.uploaded, 0);
    assert_false(upload_is_possible(&u)); /* what is there cannot be told: all goes inline */
}

static void objects_of_a_run_without_a_name_are_not_counted(void **state)
{
    (void)state;
    add_row(1, 100);
    cJSON *nameless = cJSON_Parse("{\"uploaded\":1,\"sealed\":2,\"batch\":[50,100]}");
    upload_restore(&u, nameless);
    cJSON_Delete(nameless);
    assert_int_equal(u.uploaded, 0); /* they are another one's: it is registered anew */
    assert_true(u.from == 0 && u.to == 0 && !u.sealed);
}

/* ---- whatever happens ---- */

static uint32_t random_state;

static unsigned draw(unsigned below)
{
    random_state = random_state * 1664525U + 1013904223U;
    return (random_state >> 8) % below;
}

/* The process is killed; what is on disk is taken up by another. */
static void die_and_come_back(void)
{
    char   id[RUN_DIR_ID_MAX];
    cJSON *merged = NULL;
    memcpy(id, run.id, sizeof id);
    if (draw(3) == 0)
        (void)!write(run.state, "{\"uploaded\":9", 13); /* torn */
    upload_done(&u);
    run_dir_close(&run);
    run_dir_init(&run);
    assert_int_equal(run_dir_open(&home, id, &run), 0);
    open_upload();
    if (journal_load(run.dir, &merged) == 0)
        upload_restore(&u, merged);
    cJSON_Delete(merged);
    u.next_refresh = now;
}

static void answer_put_somehow(void)
{
    static const char *const codes[] = {"ExpiredToken",
                                        "InvalidToken",
                                        "TokenRefreshRequired",
                                        "RequestTimeout",
                                        "SlowDown",
                                        "InternalError",
                                        "OperationAborted",
                                        "PermanentRedirect",
                                        "AccessDenied",
                                        "SignatureDoesNotMatch",
                                        "RequestTimeTooSkewed",
                                        "NoSuchBucket",
                                        "AuthorizationHeaderMalformed",
                                        ""};
    char                     body[200];
    if (draw(2) == 0) {
        store();
        if (draw(4) > 0)
            answer_status(UPLOAD_PUT, draw(2) ? 200 : 201, "");
        else
            answer_error(UPLOAD_PUT, -ECONNRESET); /* the answer was lost */
        return;
    }
    if (draw(3) == 0) {
        answer_error(UPLOAD_PUT, draw(2) ? -ETIMEDOUT : -ECONNREFUSED);
        return;
    }
    (void)snprintf(body, sizeof body, "<Error><Code>%s</Code><Region>r-%u</Region></Error>",
                   codes[draw(sizeof codes / sizeof *codes)], draw(9));
    answer_status(UPLOAD_PUT, 300 + draw(220), body);
}

static void answer_refresh_somehow(void)
{
    static const char *const times[] = {NULL, "2099-01-01T00:00:00Z", "2020-01-01T00:00:00.5+01:00", "soon"};
    if (draw(3) > 0)
        answer_credentials_lasting(times[draw(4)]);
    else if (draw(2))
        answer_error(UPLOAD_REFRESH, -ECONNREFUSED);
    else
        answer_status(UPLOAD_REFRESH, 200 + draw(400), "{}");
}

static void do_something(void)
{
    int64_t          due = 0;
    enum upload_step step = upload_next(&u, now, &due);
    if (step == UPLOAD_NOTHING) {
        now += (int64_t)draw(120) * SECONDS;
        return;
    }
    int error = compose(step);
    if (error < 0)
        upload_failed(&u, step, error, now);
    else if (step == UPLOAD_PUT)
        answer_put_somehow();
    else
        answer_refresh_somehow();
}

static void play(unsigned seed)
{
    unsigned row = 0;
    random_state = seed;
    give_credentials(draw(2) ? INT64_MAX : clock_real() / SECONDS + draw(1000));
    journal_registered(&run, "r", PREFIX);
    for (unsigned i = 0; i < 150; i++) {
        for (unsigned n = draw(4); n > 0; n--)
            add_row(row++, 1 + draw(3000));
        do_something();
        if (draw(20) == 0)
            die_and_come_back();
    }
    upload_end(&u, now, false);
    for (unsigned i = 0; i < 1000 && !upload_is_complete(&u); i++) {
        if (!upload_is_possible(&u))
            upload_end(&u, now, false); /* the next sync */
        if (draw(30) == 0) {
            die_and_come_back();
            upload_end(&u, now, false);
        }
        do_something();
    }
    assert_true(upload_is_complete(&u));
    assert_all_stored();
}

static void whatever_happens_each_row_is_in_exactly_one_object(void **state)
{
    for (unsigned seed = 1; seed <= 150; seed++) {
        play(seed);
        assert_int_equal(drop(state), 0);
        assert_int_equal(make(state), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_goes_out_at_each_interval),
        TEST(nothing_new_is_nothing_to_send),
        TEST(without_a_place_nothing_is_sent),
        TEST(a_batch_is_sealed_on_disk_before_it_is_sent),
        TEST(many_rows_become_several_objects_at_once),
        TEST(credentials_are_refreshed_five_minutes_before_they_expire),
        TEST(short_lived_credentials_are_refreshed_once_a_minute),
        TEST(a_refresh_that_fails_lets_the_old_credentials_do),
        TEST(expired_tokens_are_replaced_at_once_and_then_once_a_minute),
        TEST(a_refused_refresh_without_working_credentials_stops_uploads_until_the_end),
        TEST(a_definite_no_stops_uploads_until_the_end),
        TEST(s3_says_which_region_it_is),
        TEST(aws_is_asked_for_the_region),
        TEST(a_guessed_region_is_asked_for_again),
        TEST(a_wrong_clock_is_corrected_by_the_servers),
        TEST(pauses_grow_to_five_minutes),
        TEST(a_batch_that_cannot_be_sealed_is_not_sent),
        TEST(a_run_in_memory_streams_too_and_forgets_what_is_safe),
        TEST(what_the_disk_refuses_waits_and_goes_at_the_end),
        TEST(what_is_stored_is_told_whole_although_its_seal_was_not),
        TEST(a_finish_tells_its_objects_although_their_lines_were_lost),
        TEST(a_server_of_the_year_9999_is_not_believed),
        TEST(a_damaged_number_of_objects_costs_nothing),
        TEST(objects_of_a_run_without_a_name_are_not_counted),
        TEST(whatever_happens_each_row_is_in_exactly_one_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
