// SPDX-License-Identifier: Apache-2.0
// A run's rows on their way to a receiver of OTLP, where memory is short, rows cannot be read again, or the end waits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/run.h"
#include "folder.h"
#include "server.h"

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void  __real_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns);
void  __wrap_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns);

static const struct server_reply takes[] = {{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", SERVER_KEEPS}};
static const struct server_reply hangs[] = {{NULL, SERVER_HANGS}};

static struct folder folder;
static struct server receiver;
static struct run    run;
static struct link   link_words;
static char          url[64];
static char          program[] = "/usr/bin/program";
static bool          no_memory;
static unsigned      polls;

void *__wrap_realloc(void *memory, size_t size)
{
    return no_memory ? NULL : __real_realloc(memory, size);
}

void __wrap_network_poll(struct network *network, struct pollfd *extra, size_t count, int64_t timeout_ns)
{
    polls++;
    __real_network_poll(network, extra, count, timeout_ns);
}

static int make(void **state)
{
    (void)state;
    char path[FOLDER_PATH];
    no_memory = false;
    if (!folder_make(&folder) || mkdir(folder_path(&folder, "runs", path), 0700) != 0 ||
        !server_start(&receiver, takes, 1))
        return -1;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", receiver.port);
    run = (struct run){.link = &link_words, .state = RUN_MADE, .seat = SEAT_OWN, .shape = {.clock_ticks = 100}};
    run.home = (struct state_dir){.dir = folder_open(&folder), .runs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    run.executable = program;
    run.config.otlp = url;
    run.config.exit_timeout = CLOCK_SECOND;
    run.load_real = 1700000000 * CLOCK_SECOND;
    run.last.real = run.load_real + 60 * CLOCK_SECOND;
    log_init(&run.log, LOG_WARN);
    network_init(&run.network);
    run_dir_init(&run.dir);
    delivery_init(&run.delivery, &run.config, &run.dir, &run.log, &run.network);
    return run_dir_create(&run.home, 1700000000, "m", 1, &run.dir);
}

static int drop(void **state)
{
    (void)state;
    otlp_export_drop(&run);
    delivery_done(&run.delivery);
    network_done(&run.network);
    server_done(&receiver);
    log_done(&run.log);
    run_dir_close(&run.dir);
    state_dir_close(&run.home);
    folder_remove(&folder);
    return 0;
}

static void export_row(void)
{
    const struct sample now = {.real = run.last.real + CLOCK_SECOND, .disk_read = run.last.disk_read + 1};
    otlp_export_row(&run, &now);
    run.rows++;
    run.last = now;
}

static void wait_for_request(size_t count)
{
    int64_t until = clock_monotonic() + 10 * CLOCK_SECOND;
    while (receiver.request_count < count && clock_monotonic() < until) {
        network_poll(&run.network, NULL, 0, 10 * CLOCK_MILLISECOND);
        otlp_export_step(&run);
    }
    assert_int_equal(receiver.request_count, count);
}

/* What the end says became of the rows. */
static const char *told(void)
{
    char name[FOLDER_PATH];
    otlp_export_end(&run);
    (void)snprintf(name, sizeof name, "runs/%s/run.jsonl", run.dir.id);
    return folder_read(&folder, name);
}

static void without_memory_a_row_is_dropped_and_the_next_one_goes(void **state)
{
    (void)state;
    char value[256];
    no_memory = true;
    export_row();
    no_memory = false;
    export_row();
    wait_for_request(1);
    assert_string_equal(server_header(&receiver, 0, "Content-Type", value), "application/json");
    assert_non_null(strstr(server_body(&receiver, 0), "service.instance.id"));
    const char *text = told();
    assert_non_null(strstr(text, "\"rows\":2,"));
    assert_non_null(strstr(text, "\"dropped\":1,"));
}

static void without_memory_no_word_of_the_users_is_given_up(void **state)
{
    (void)state;
    run.config.otlp_attributes = "k=v";
    no_memory = true;
    export_row();
    no_memory = false;
    export_row();
    wait_for_request(1);
    assert_non_null(strstr(server_body(&receiver, 0), "{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}"));
    assert_int_equal(run.log.early.len, 0);
}

static void sums_that_begin_at_nothing_begin_then(void **state)
{
    (void)state;
    run.rows = 7; /* of an image before an exec; and this user may not read them */
    file_close(&run.dir.rows);
    run.dir.on_disk = true;
    export_row();
    wait_for_request(1);
    export_row();
    wait_for_request(2);
    for (size_t i = 0; i < 2; i++) {
        const char *body = server_body(&receiver, i);
        const char *io = strstr(body, "system.disk.io");
        assert_non_null(io);
        assert_non_null(strstr(body, "\"startTimeUnixNano\":\"1700000060000000000\""));
        assert_null(strstr(body, "\"startTimeUnixNano\":\"1700000000000000000\""));
        assert_non_null(strstr(io, i == 0 ? "\"asInt\":\"1\"" : "\"asInt\":\"2\""));
    }
}

static void sums_that_go_on_have_begun_with_the_run(void **state)
{
    (void)state;
    static const char rows[] = "h\n1,1,1,1,1,1,1,1,1,1,1,4000,0\n2,1,1,1,1,1,1,1,1,1,1,96,0\n";
    assert_int_equal(write(run.dir.rows, rows, sizeof rows - 1), sizeof rows - 1);
    run.rows = 2;
    export_row(); /* is the second line */
    wait_for_request(1);
    const char *body = server_body(&receiver, 0);
    assert_non_null(strstr(body, "\"startTimeUnixNano\":\"1700000000000000000\""));
    assert_null(strstr(body, "\"startTimeUnixNano\":\"1700000060000000000\""));
    assert_non_null(strstr(strstr(body, "system.disk.io"), "\"asInt\":\"4096\""));
}

/* The cloud does not answer, the receiver has: nobody turns in a circle until the cloud's time is over. */
static void an_answer_wakes_the_wait_for_the_cloud_once(void **state)
{
    (void)state;
    struct server       cloud;
    struct probe       *probe = &run.registration.probe;
    struct http_request request = {.method = HTTP_GET, .url = malloc(64)};
    assert_non_null(request.url);
    assert_true(server_start(&cloud, hangs, 1));
    (void)snprintf(request.url, 64, "http://127.0.0.1:%d/", cloud.port);
    export_row();
    *probe = (struct probe){.network = &run.network, .under_way = true, .deadline = INT64_MAX};
    assert_int_equal(http_start(run.network.http, &request, &probe->calls[CLOUD_AWS][0]), 0);
    run.registration.state = REGISTRATION_UNDER_WAY;
    polls = 0;
    registration_settle(&run, clock_monotonic() + 100 * CLOCK_MILLISECOND);
    assert_int_equal(receiver.request_count, 1);
    assert_in_range(polls, 1, 50);
    assert_non_null(strstr(told(), "\"rows\":1,\"taken\":1,")); /* the answer waited for its time */
    network_done(&run.network);
    server_done(&cloud);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_memory_a_row_is_dropped_and_the_next_one_goes),
        TEST(without_memory_no_word_of_the_users_is_given_up),
        TEST(sums_that_begin_at_nothing_begin_then),
        TEST(sums_that_go_on_have_begun_with_the_run),
        TEST(an_answer_wakes_the_wait_for_the_cloud_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
