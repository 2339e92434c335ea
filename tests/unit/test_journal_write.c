// SPDX-License-Identifier: Apache-2.0
// The lines of run.jsonl: each is one line of valid JSON, whatever the program is called.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cJSON.h>
#include <signal.h>

#include "base/json_write.h"
#include "base/text.h"
#include "folder.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

static struct folder    folder;
static struct state_dir home;
static struct run_dir   run;
static struct config    config;
static struct machine   machine;
static cJSON           *loaded;

static int make(void **state)
{
    (void)state;
    config = (struct config){.interval = 1000000000};
    machine = (struct machine){.host_name = "node7", .boot_id = "boot"};
    loaded = NULL;
    run_dir_init(&run);
    if (!folder_make(&folder))
        return -1;
    home = (struct state_dir){.dir = -1, .runs = folder_open(&folder)};
    return run_dir_create(&home, 0, "m", 1, &run);
}

static int drop(void **state)
{
    (void)state;
    cJSON_Delete(loaded);
    run_dir_close(&run);
    state_dir_close(&home);
    folder_remove(&folder);
    return 0;
}

/* The file's only line, checked, without its end. */
static const char *only_line(void)
{
    char  name[FOLDER_PATH];
    char *text = NULL;
    (void)snprintf(name, sizeof name, "%s/run.jsonl", run.id);
    text = (char *)(uintptr_t)folder_read(&folder, name);
    size_t len = strlen(text);
    assert_true(len > 2);
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    text[len - 1] = '\0';
    assert_int_equal(json_check(text_span(text, len - 1), 100000), 0);
    return text;
}

static const cJSON *load(void)
{
    cJSON_Delete(loaded);
    loaded = NULL;
    assert_int_equal(journal_load(run.dir, &loaded), 0);
    return loaded;
}

static struct journal_begin begin_with(const char *const *arguments)
{
    return (struct journal_begin){.config = &config,
                                  .machine = &machine,
                                  .arguments = arguments,
                                  .executable = "/usr/bin/sort",
                                  .registration = "",
                                  .pid = 42,
                                  .pid_start = 4711,
                                  .pid_namespace = 4026531836,
                                  .started_at = 1795344300250000000,
                                  .baseline = "{}"};
}

static const char *argument(const cJSON *state, int i)
{
    return cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(state, "command"), i));
}

static void a_begin_says_who_runs_where(void **state)
{
    (void)state;
    const char *const    arguments[] = {"sort", "-n", NULL};
    struct journal_begin begin = begin_with(arguments);
    begin.registration = "{\"job_name\":\"sort\"}";
    journal_begin(&run, &begin);
    assert_int_equal(strncmp(only_line(), "{\"format\":1,\"id\":\"", 18), 0);
    const cJSON *s = load();
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(s, "machine");
    assert_string_equal(journal_text(s, "id"), run.id);
    assert_string_equal(journal_text(s, "state"), "running");
    assert_int_equal(journal_number(s, "format", 0), 1);
    assert_string_equal(journal_text(s, "executable"), "/usr/bin/sort");
    assert_string_equal(journal_text(s, "started_at"), "2026-11-22T10:45:00.250Z");
    assert_string_equal(journal_text(place, "boot_id"), "boot");
    assert_string_equal(journal_text(place, "host_name"), "node7");
    assert_true(journal_number(place, "pid_namespace", 0) == 4026531836);
    assert_true(journal_number(s, "pid", 0) == 42);
    assert_true(journal_number(s, "pid_start", 0) == 4711);
    assert_true(journal_number(s, "interval", 0) == 1);
    assert_string_equal(argument(s, 0), "sort");
    assert_string_equal(argument(s, 1), "-n");
    assert_null(argument(s, 2));
    assert_string_equal(journal_text(cJSON_GetObjectItemCaseSensitive(s, "registration"), "job_name"), "sort");
    assert_null(journal_text(s, "api_url"));
    assert_null(journal_text(s, "token_id"));
}

static void odd_commands_are_still_one_line_of_json(void **state)
{
    (void)state;
    const char *const    arguments[] = {"a\nb", "say \"hi\" \\", "\xff\xfe invalid", "\xc3\xa9",     "\x01\x1f\x7f",
                                        "",     "\xed\xa0\x80",  "\xf0\x9f\x9a\xb2", "cut \xe2\x82", "</script>",
                                        NULL};
    struct journal_begin begin = begin_with(arguments);
    begin.executable = "/tmp/new\nline \"quoted\" \xff";
    (void)snprintf(machine.host_name, sizeof machine.host_name, "h\"\n\xff");
    journal_begin(&run, &begin);
    (void)only_line();
    const cJSON *s = load();
    assert_string_equal(argument(s, 0), "a\nb");
    assert_string_equal(argument(s, 1), "say \"hi\" \\");
    assert_string_equal(argument(s, 2), "\xef\xbf\xbd\xef\xbf\xbd invalid");
    assert_string_equal(argument(s, 3), "\xc3\xa9");
    assert_string_equal(argument(s, 4), "\x01\x1f\x7f");
    assert_string_equal(argument(s, 5), "");
    assert_string_equal(argument(s, 7), "\xf0\x9f\x9a\xb2");
    assert_string_equal(journal_text(s, "executable"), "/tmp/new\nline \"quoted\" \xef\xbf\xbd");
}

static void a_command_without_end_is_cut(void **state)
{
    (void)state;
    static char        piece[1024];
    static const char *arguments[2048];
    memset(piece, 'x', sizeof piece - 1);
    for (size_t i = 0; i + 1 < sizeof arguments / sizeof *arguments; i++)
        arguments[i] = piece;
    struct journal_begin begin = begin_with(arguments);
    journal_begin(&run, &begin);
    const cJSON *s = load();
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(s, "command");
    int          count = cJSON_GetArraySize(command);
    assert_in_range(count, 200, 300);
    assert_string_equal(argument(s, count - 1), "\xe2\x80\xa6");

    static char huge[300 * 1024];
    memset(huge, '\x01', sizeof huge - 1);
    const char *const one[] = {"first", huge, NULL};
    begin.arguments = one;
    journal_begin(&run, &begin);
    s = load();
    assert_string_equal(argument(s, 0), "first");
    assert_string_equal(argument(s, 1), "\xe2\x80\xa6");
}

static void without_arguments_the_command_is_empty(void **state)
{
    (void)state;
    struct journal_begin begin = begin_with(NULL);
    journal_begin(&run, &begin);
    assert_non_null(strstr(only_line(), "\"command\":[],"));
}

static void of_the_token_only_its_fingerprint_is_kept(void **state)
{
    (void)state;
    struct journal_begin begin = begin_with(NULL);
    (void)snprintf(config.token, sizeof config.token, "abc");
    (void)snprintf(config.api_url, sizeof config.api_url, "https://api.example");
    journal_begin(&run, &begin);
    const char *line = only_line();
    assert_non_null(strstr(line, "\"api_url\":\"https://api.example\""));
    assert_non_null(strstr(line, "\"token_id\":\"ba7816bf\"")); /* FIPS 180, the first example */
    assert_null(strstr(line, "abc"));
}

static void a_fingerprint_is_the_start_of_the_hash(void **state)
{
    (void)state;
    char id[9];
    journal_token_id("abc", id);
    assert_string_equal(id, "ba7816bf");
    journal_token_id("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", id);
    assert_string_equal(id, "248d6a61");
}

static void a_continued_run_has_the_new_command(void **state)
{
    (void)state;
    const char *const    first[] = {"sh", NULL};
    const char *const    second[] = {"python3", "x.py", NULL};
    struct journal_begin begin = begin_with(first);
    journal_begin(&run, &begin);
    begin.arguments = second;
    begin.executable = "/usr/bin/python3";
    journal_continue(&run, &begin, true);
    const cJSON *s = load();
    assert_string_equal(argument(s, 1), "x.py");
    assert_string_equal(journal_text(s, "executable"), "/usr/bin/python3");
    assert_string_equal(journal_text(s, "state"), "running");
}

static void a_registration_is_kept(void **state)
{
    (void)state;
    journal_registered(&run, "run-1", "s3://bucket/prefix");
    assert_string_equal(only_line(), "{\"sentinel_run_id\":\"run-1\",\"upload_uri_prefix\":\"s3://bucket/prefix\"}");
    journal_registered(&run, "run-2", NULL);
    assert_string_equal(journal_text(load(), "sentinel_run_id"), "run-2");
    assert_string_equal(journal_text(load(), "upload_uri_prefix"), "s3://bucket/prefix");
}

static struct journal_end end_with(int wait_status)
{
    return (struct journal_end){.finished_at = 1795344361000000000,
                                .wait_status = wait_status,
                                .rows = 61,
                                .cost_cpu = 12345678,
                                .state = "local"};
}

static void an_end_has_the_exit_code(void **state)
{
    (void)state;
    struct journal_end end = end_with(3 << 8);
    journal_end(&run, &end);
    (void)only_line();
    const cJSON *s = load();
    assert_string_equal(journal_text(s, "state"), "local");
    assert_string_equal(journal_text(s, "finished_at"), "2026-11-22T10:46:01.000Z");
    assert_true(journal_number(s, "exit_code", -1) == 3);
    assert_null(cJSON_GetObjectItemCaseSensitive(s, "signal"));
    assert_null(cJSON_GetObjectItemCaseSensitive(s, "totals"));
    const cJSON *cost = cJSON_GetObjectItemCaseSensitive(s, "cost");
    assert_true(journal_number(cost, "rows", 0) == 61);
    assert_true(journal_number(cost, "cpu_s", 0) == 0.012346);
    assert_null(cJSON_GetObjectItemCaseSensitive(cost, "lost_rows"));
}

static void an_end_by_a_signal_has_both(void **state)
{
    (void)state;
    struct journal_end end = end_with(SIGKILL);
    end.lost_rows = 2;
    journal_end(&run, &end);
    const cJSON *s = load();
    assert_true(journal_number(s, "exit_code", -1) == 128 + SIGKILL);
    assert_true(journal_number(s, "signal", -1) == SIGKILL);
    assert_true(journal_number(cJSON_GetObjectItemCaseSensitive(s, "cost"), "lost_rows", 0) == 2);
    end = end_with(SIGSEGV | 0x80); /* with a core */
    journal_end(&run, &end);
    assert_true(journal_number(load(), "signal", -1) == SIGSEGV);
}

static void what_a_batch_system_gave_is_told(void **state)
{
    (void)state;
    struct journal_begin begin = begin_with(NULL);
    config.allotment = (struct allotment){.by = "slurm", .cpus = 4, .seconds = 7200};
    journal_begin(&run, &begin);
    assert_non_null(strstr(only_line(), "\"allotment\":{\"by\":\"slurm\",\"cpus\":4,\"seconds\":7200}"));
}

static void the_time_limit_is_told_by_its_hour(void **state)
{
    (void)state;
    struct journal_begin begin = begin_with(NULL);
    config.allotment = (struct allotment){.by = "slurm", .ends = 1795007200};
    journal_begin(&run, &begin);
    assert_non_null(strstr(only_line(), ",\"time_limit_at\":\"2026-11-18T13:06:40.000Z\""));
}

static void what_the_cgroup_did_is_told_with_its_time(void **state)
{
    (void)state;
    const struct cgroup_events events = {METRIC_NONE, METRIC_NONE, METRIC_NONE, 1, METRIC_NONE};
    journal_cgroup(&run, &events, 5000000000);
    assert_string_equal(only_line(), "{\"cgroup\":{\"oom_kills\":1,\"seen_us\":5000000}}");
}

static void an_unknown_end_has_no_exit_code(void **state)
{
    (void)state;
    struct journal_end end = end_with(-1);
    journal_end(&run, &end);
    assert_null(cJSON_GetObjectItemCaseSensitive(load(), "exit_code"));
}

static void totals_are_the_kernels(void **state)
{
    (void)state;
    struct totals      totals = {1500000, 1, 2048, 3, 4, 5, 6, METRIC_NONE, true};
    struct journal_end end = end_with(0);
    end.totals = &totals;
    journal_end(&run, &end);
    assert_non_null(strstr(only_line(),
                           "\"totals\":{\"user_s\":1.500000,\"system_s\":0.000001,\"max_rss_kib\":2048,"
                           "\"max_rss_exact\":true,\"minor_faults\":3,\"major_faults\":4,\"voluntary_switches\":5,"
                           "\"involuntary_switches\":6}"));
    totals.cgroup_memory_peak = 7;
    totals.max_rss_kib = totals.voluntary_switches = METRIC_NONE;
    journal_end(&run, &end);
    assert_true(journal_number(cJSON_GetObjectItemCaseSensitive(load(), "totals"), "cgroup_memory_peak", 0) == 7);
}

static void totals_that_are_unknown_are_left_out(void **state)
{
    (void)state;
    struct totals      totals = {1, 1, METRIC_NONE, 3, 4, METRIC_NONE, METRIC_NONE, METRIC_NONE, false};
    struct journal_end end = end_with(0);
    end.totals = &totals;
    journal_end(&run, &end);
    assert_non_null(strstr(only_line(), "\"totals\":{\"user_s\":0.000001,\"system_s\":0.000001,\"minor_faults\":3,"
                                        "\"major_faults\":4}"));
}

static void states_follow_each_other(void **state)
{
    (void)state;
    journal_state(&run, "finishing", NULL);
    assert_string_equal(only_line(), "{\"state\":\"finishing\"}");
    journal_undelivered(&run, "say \"no\"\n", true);
    assert_string_equal(journal_text(load(), "state"), "undelivered");
    assert_string_equal(journal_text(load(), "reason"), "say \"no\"\n");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(load(), "unanswered")));
    journal_undelivered(&run, "x", false);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(load(), "unanswered")));
    journal_state(&run, "finished", "{\"cpu\":1}");
    assert_string_equal(journal_text(load(), "state"), "finished");
    assert_true(journal_number(cJSON_GetObjectItemCaseSensitive(load(), "result"), "cpu", 0) == 1);
}

static void without_a_file_nothing_happens(void **state)
{
    (void)state;
    struct run_dir     memory;
    struct journal_end end = end_with(0);
    run_dir_init(&memory);
    journal_end(&memory, &end);
    journal_state(&memory, "finished", NULL);
    run_dir_close(&memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_begin_says_who_runs_where),
        TEST(odd_commands_are_still_one_line_of_json),
        TEST(a_command_without_end_is_cut),
        TEST(without_arguments_the_command_is_empty),
        TEST(of_the_token_only_its_fingerprint_is_kept),
        TEST(a_fingerprint_is_the_start_of_the_hash),
        TEST(a_continued_run_has_the_new_command),
        TEST(a_registration_is_kept),
        TEST(an_end_has_the_exit_code),
        TEST(an_end_by_a_signal_has_both),
        TEST(what_a_batch_system_gave_is_told),
        TEST(the_time_limit_is_told_by_its_hour),
        TEST(what_the_cgroup_did_is_told_with_its_time),
        TEST(an_unknown_end_has_no_exit_code),
        TEST(totals_are_the_kernels),
        TEST(totals_that_are_unknown_are_left_out),
        TEST(states_follow_each_other),
        TEST(without_a_file_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
