// SPDX-License-Identifier: Apache-2.0
// PILLION_OUTPUT on a disk that is full, and after.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "base/file.h"
#include "engine/run.h"
#include "folder.h"

static struct folder folder;
static struct run    run;
static struct link   link_words;
static char          pattern[FOLDER_PATH];

static int make(void **state)
{
    (void)state;
    if (!folder_make(&folder))
        return -1;
    run = (struct run){.link = &link_words, .seat = SEAT_OWN, .executable = pattern};
    run.output = (struct output){.fd = -1, .pattern = pattern};
    log_init(&run.log, LOG_WARN);
    run_dir_init(&run.dir);
    bytes_init(&run.line, 1024);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    file_close(&run.output.fd);
    free(run.output.path);
    run.output.path = strdup("/dev/null/none"); /* what cannot be opened ends JSON Lines */
    output_open(&run);
    free(run.output.path);
    bytes_done(&run.line);
    run_dir_close(&run.dir);
    log_done(&run.log);
    folder_remove(&folder);
    return 0;
}

static void begin(const char *name)
{
    (void)folder_path(&folder, name, pattern);
    output_prepare(&run);
    output_open(&run);
    assert_true(run.output.fd >= 0);
}

static void put_row(void)
{
    const struct sample now = {.real = 1};
    bytes_clear(&run.line);
    bytes_text(&run.line, run.rows == 0 ? "timestamp,b\n1.000,2\n" : "2.000,3\n");
    output_row(&run, &now);
    run.rows++;
}

/* The disk takes so many more bytes. */
static void put_row_with_room(off_t room)
{
    struct rlimit limit;
    struct stat   info;
    assert_int_equal(fstat(run.output.fd, &info), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {(rlim_t)(info.st_size + room), limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put_row();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(run.output.fd, -1);
    assert_non_null(strstr(run.log.early.data, "no more rows go there"));
}

static void half_a_line_is_taken_back(void **state)
{
    (void)state;
    begin("rows.jsonl");
    put_row();
    char *before = strdup(folder_read(&folder, "rows.jsonl"));
    assert_true(before && strlen(before) > 500);
    put_row_with_room(100);
    assert_string_equal(folder_read(&folder, "rows.jsonl"), before);
    free(before);
}

static void half_a_row_is_taken_back(void **state)
{
    (void)state;
    begin("rows.csv");
    put_row();
    put_row_with_room(3);
    assert_string_equal(folder_read(&folder, "rows.csv"), "timestamp,b\n1.000,2\n");
}

/* After a pause the file is opened again. */
static void lines_go_on_once_there_is_room(void **state)
{
    (void)state;
    begin("rows.jsonl");
    put_row();
    put_row_with_room(0);
    put_row();
    run.dir.on_disk = true;
    output_open(&run);
    put_row();
    const char *text = folder_read(&folder, "rows.jsonl");
    const char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_int_equal(strncmp(second + 1, "{\"timestamp_secs\":2,", 20), 0);
    assert_ptr_equal(strchr(second + 1, '\n'), text + strlen(text) - 1);
}

/* Lines that waited while it was closed: all of them, or none. */
static void what_waited_is_not_torn(void **state)
{
    (void)state;
    struct rlimit limit;
    begin("rows.jsonl");
    put_row();
    size_t len = strlen(folder_read(&folder, "rows.jsonl"));
    file_close(&run.output.fd);
    put_row();
    run.dir.on_disk = true;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {len + 100, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    output_open(&run);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(strlen(folder_read(&folder, "rows.jsonl")), len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(half_a_line_is_taken_back),
        TEST(half_a_row_is_taken_back),
        TEST(lines_go_on_once_there_is_room),
        TEST(what_waited_is_not_torn),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
