/* The pure parts of the command: what rows add up to, curves, figures, the JSON of `show`. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../tools/pillion/account.c"
#include "../../tools/pillion/output.c"
#include "../../tools/pillion/spark.c"
#include "../../tools/pillion/summary.c"

static const char few_columns[] =
    "timestamp,system_cpu_usage,system_net_recv_bytes,process_utime,process_stime,process_cpu_usage,"
    "process_memory_mib,process_disk_write_bytes\n";

static int read_text(const char *text, struct beginning beginning, struct summary *ret)
{
    char name[] = "/tmp/pillion-test-XXXXXX";
    int  fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    lseek(fd, 0, SEEK_SET);
    int result = summary_read(fd, beginning, ret);
    close(fd);
    return result;
}

static struct summary summary_of(const char *rows, struct beginning beginning)
{
    static struct summary summary;
    char                  text[8192];
    (void)snprintf(text, sizeof text, "%s%s", few_columns, rows);
    assert_int_equal(read_text(text, beginning, &summary), 0);
    return summary;
}

static void nearly(double a, double b)
{
    if (a - b > 1e-6 || b - a > 1e-6)
        fail_msg("%f is not %f", a, b);
}

static void rows_add_up(void **state)
{
    (void)state;
    struct summary s = summary_of("1001.000,1.5,100,0.9,0.1,1.0,50,1000\n"
                                  "1002.000,1.0,100,0.4,0.1,0.5,80,0\n"
                                  "1002.500,2.0,50,0.5,0.25,1.5,70,24\n",
                                  (struct beginning){.at = 1000});
    assert_int_equal(s.rows, 3);
    nearly(summary_duration(&s), 2.5);
    nearly(summary_mean_cores(&s, SUBJECT_PROCESS), 2.25 / 2.5);
    nearly(summary_mean_cores(&s, SUBJECT_SYSTEM), 3.5 / 2.5);
    nearly(s.figures[SUBJECT_PROCESS][MEASURE_CPU].max, 1.5);
    nearly(s.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max, 80);
    nearly(s.figures[SUBJECT_PROCESS][MEASURE_DISK_WRITE].total, 1024);
    nearly(s.figures[SUBJECT_SYSTEM][MEASURE_NET_RECV].total, 250);
    nearly(s.figures[SUBJECT_SYSTEM][MEASURE_NET_RECV].curve[2], 100); /* a second, not a row */
}

static void missing_cells_are_not_zero(void **state)
{
    (void)state;
    struct summary s = summary_of("1001.000,,,0.9,0.1,1.0,,\n1002.000,,,0.9,0.1,1.0,10,\n",
                                  (struct beginning){.at = 1000});
    assert_int_equal(s.figures[SUBJECT_SYSTEM][MEASURE_CPU].known, 0);
    assert_int_equal(s.figures[SUBJECT_PROCESS][MEASURE_MEMORY].known, 1);
    assert_true(s.figures[SUBJECT_PROCESS][MEASURE_MEMORY].curve[0] < 0);
    assert_int_equal(s.figures[SUBJECT_PROCESS][MEASURE_NET_RECV].known, 0);
}

static void a_start_known_to_the_second_is_refined_by_the_first_row(void **state)
{
    (void)state;
    const char      *busy = "1001.700,1,0,1.0,0.0,1.0,1,0\n1002.700,1,0,1.0,0.0,1.0,1,0\n";
    const char      *idle = "1001.700,0,0,0.0,0.0,0.0,1,0\n1002.700,0,0,0.0,0.0,0.0,1,0\n";
    struct beginning whole = {.at = 1000, .within = 1, .interval = 1};
    struct summary   s = summary_of(busy, whole);
    nearly(summary_duration(&s), 2);
    s = summary_of(idle, whole);
    nearly(summary_duration(&s), 2);
    /* never before the second that was written down */
    s = summary_of("1000.200,0,0,0.0,0.0,0.0,1,0\n", whole);
    nearly(summary_duration(&s), 0.2);
    s = summary_of(busy, (struct beginning){0});
    nearly(summary_duration(&s), 2);
}

/* timestamp, and a program that uses half a core: the machine an hour ahead, or behind, or both in turn. */
static void steps_of_the_clock_are_no_time(void **state)
{
    (void)state;
    const char *forth =
        "1001.000,0.5,0,0.5,0.0,0.5,1,0\n4602.000,0.5,0,0.5,0.0,0.5,1,0\n4603.000,0.5,0,0.5,0.0,0.5,1,0\n";
    const char *back =
        "9001.000,0.5,0,0.5,0.0,0.5,1,0\n5402.000,0.5,0,0.5,0.0,0.5,1,0\n5403.000,0.5,0,0.5,0.0,0.5,1,0\n";
    const char *first =
        "4601.000,0.5,0,0.5,0.0,0.5,1,0\n4602.000,0.5,0,0.5,0.0,0.5,1,0\n4603.000,0.5,0,0.5,0.0,0.5,1,0\n";
    const char *idle = "1001.000,0,0,0.0,0.0,0.0,1,0\n1002.000,0,0,0.0,0.0,0.0,1,0\n900.000,0,0,0.0,0.0,0.0,1,0\n";
    const char *const busy[] = {forth, back, first};
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++) {
        struct summary s = summary_of(busy[i], (struct beginning){.at = i == 1 ? 9000 : 1000, .interval = 1});
        nearly(summary_duration(&s), 3);
        nearly(summary_mean_cores(&s, SUBJECT_PROCESS), 0.5);
        s = summary_of(busy[i], (struct beginning){0});
        nearly(summary_duration(&s), 3);
    }
    struct summary s = summary_of(idle, (struct beginning){.at = 1000, .interval = 1});
    nearly(summary_duration(&s), 3);
    s = summary_of(idle, (struct beginning){.at = 5000, .interval = 1}); /* set back before the first row */
    nearly(summary_duration(&s), 3);
    /* A row that is long indeed: by its own figures, and where the clock makes no steps. */
    s = summary_of("1001.000,1,0,1,0,1,1,0\n4601.000,1,0,1800,0,0.5,1,0\n",
                   (struct beginning){.at = 1000, .interval = 1});
    nearly(summary_duration(&s), 3601);
    s = summary_of(forth, (struct beginning){.at = 1000, .interval = 1, .is_dated = true});
    nearly(summary_duration(&s), 3603);
}

static void a_torn_last_line_and_foreign_lines_are_no_rows(void **state)
{
    (void)state;
    struct summary s = summary_of("1001.000,1,0,1.0,0.0,1.0,1,0\n\nrubbish\n1002.000,1,0,5.0,0.0,5",
                                  (struct beginning){.at = 1000});
    assert_int_equal(s.rows, 1);
    assert_int_equal(s.bad_rows, 2);
    nearly(s.user_s, 1);
}

static void a_file_that_is_no_csv_is_refused(void **state)
{
    (void)state;
    static struct summary s;
    assert_int_equal(read_text("root:x:0:0\n", (struct beginning){0}, &s), -EBADMSG);
    assert_int_equal(read_text("", (struct beginning){0}, &s), 0);
    assert_int_equal(s.rows, 0);
    nearly(summary_duration(&s), 0);
    nearly(summary_mean_cores(&s, SUBJECT_PROCESS), 0);
}

static void quoted_headers_and_carriage_returns_are_read(void **state)
{
    (void)state;
    static struct summary s;
    assert_int_equal(read_text("\"timestamp\",\"process_memory_mib\"\r\n5.0,7.5\r\n", (struct beginning){0}, &s), 0);
    nearly(s.figures[SUBJECT_PROCESS][MEASURE_MEMORY].max, 7.5);
}

static void curves_of_long_runs_keep_their_shape(void **state)
{
    (void)state;
    static struct summary s;
    summary_init(&s, (struct beginning){.at = 1});
    assert_int_equal(summary_header(&s, text_of("timestamp,process_memory_mib")), 0);
    for (int i = 1; i <= 86400; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "%d.000,%d", i + 1, i <= 43200 ? 10 : 30);
        summary_row(&s, text_of(line));
    }
    summary_close(&s);
    assert_int_equal(s.rows, 86400);
    assert_true(s.buckets > SUMMARY_BUCKETS / 2 - 1 && s.buckets <= SUMMARY_BUCKETS);
    const struct figure *memory = &s.figures[SUBJECT_PROCESS][MEASURE_MEMORY];
    nearly(memory->curve[0], 10);
    nearly(memory->curve[s.buckets - 1], 30);
    uint64_t counted = 0;
    for (size_t i = 0; i < s.buckets; i++)
        counted += memory->in_bucket[i];
    assert_int_equal(counted, 86400);
}

static void a_spark_runs_from_low_to_high(void **state)
{
    (void)state;
    const double values[] = {0, 1, -1, 7};
    char         text[SPARK_TEXT_MAX];
    assert_int_equal(spark_draw(values, 4, 4, true, text), 4);
    assert_string_equal(text, "▁▂ █");
    assert_int_equal(spark_draw(values, 4, 4, false, text), 4);
    assert_string_equal(text, "_. #");
    assert_int_equal(spark_draw(values, 4, 8, false, text), 8); /* few values fill the width */
    assert_string_equal(text, "__..  ##");
    assert_int_equal(spark_draw(values, 0, 4, true, text), 0);
    assert_string_equal(text, "");
    double many[SUMMARY_BUCKETS];
    for (size_t i = 0; i < SUMMARY_BUCKETS; i++)
        many[i] = 0;
    assert_int_equal(spark_draw(many, SUMMARY_BUCKETS, 18, true, text), 18);
}

static void figures_have_the_unit_that_fits(void **state)
{
    (void)state;
    char text[FIGURE_MAX];
    figure_bytes(0, text);
    assert_string_equal(text, "0 B");
    figure_bytes(1023.97, text);
    assert_string_equal(text, "1.0 KiB");
    figure_bytes(1536.0 * 1024, text);
    assert_string_equal(text, "1.5 MiB");
    figure_seconds(0.25, text);
    assert_string_equal(text, "0.250 s");
    figure_seconds(99.96, text);
    assert_string_equal(text, "1 min 40 s");
    figure_seconds(3599.7, text);
    assert_string_equal(text, "1 h 00 min");
    signal_text(SIGKILL, text);
    assert_string_equal(text, "SIGKILL");
    signal_text(SIGRTMIN + 1, text);
    assert_non_null(strstr(text, "signal "));
}

static void the_summary_of_json_leaves_out_what_is_not_known(void **state)
{
    (void)state;
    cJSON         *run = cJSON_Parse("{\"totals\":{\"user_s\":2,\"system_s\":0.5,\"max_rss_kib\":2048}}");
    struct summary s = summary_of("1001.000,1.5,100,0.9,0.1,1.0,50.00004,1000\n", (struct beginning){.at = 1000});
    cJSON         *json = account_json(&s, run);
    char          *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"duration_s\":1,\"rows\":1,"
                              "\"process\":{\"cpu_mean\":1,\"cpu_max\":1,\"memory_mean_mib\":50,\"memory_max_mib\":50,"
                              "\"memory_peak_mib\":2,"
                              "\"disk_write_bytes\":1000},"
                              "\"system\":{\"cpu_mean\":1.5,\"cpu_max\":1.5,\"net_recv_bytes\":100},\"limits\":{}}");
    nearly(account_user_s(&s, run), 2);
    nearly(account_user_s(&s, NULL), 0.9);
    cJSON_free(text);
    cJSON_Delete(json);
    cJSON_Delete(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_add_up),
        cmocka_unit_test(missing_cells_are_not_zero),
        cmocka_unit_test(a_start_known_to_the_second_is_refined_by_the_first_row),
        cmocka_unit_test(steps_of_the_clock_are_no_time),
        cmocka_unit_test(a_torn_last_line_and_foreign_lines_are_no_rows),
        cmocka_unit_test(a_file_that_is_no_csv_is_refused),
        cmocka_unit_test(quoted_headers_and_carriage_returns_are_read),
        cmocka_unit_test(curves_of_long_runs_keep_their_shape),
        cmocka_unit_test(a_spark_runs_from_low_to_high),
        cmocka_unit_test(figures_have_the_unit_that_fits),
        cmocka_unit_test(the_summary_of_json_leaves_out_what_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
