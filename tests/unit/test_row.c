// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <locale.h>

#include "base/clock.h"
#include "engine/row.h"
#include "pillion/columns.h"

static const struct row_shape shape = {.clock_ticks = 100, .main_process = 4242};

static struct sample none(void)
{
    struct sample s;
    memset(&s, 0xff, sizeof s); /* METRIC_NONE everywhere */
    s.cpu_gap = s.tree_gap = 0;
    s.monotonic = 5 * CLOCK_SECOND;
    s.real = INT64_C(1795346661) * CLOCK_SECOND;
    return s;
}

static struct sample zero(void)
{
    return (struct sample){.monotonic = 5 * CLOCK_SECOND, .real = INT64_C(1795346661) * CLOCK_SECOND};
}

static void encode_is(const struct sample *before, const struct sample *now, const char *expected)
{
    struct bytes out;
    bytes_init(&out, 4096);
    row_encode(&shape, before, now, &out);
    assert_false(out.failed);
    assert_string_equal(out.data, expected);
    int commas = 0;
    for (const char *c = out.data; *c; c++)
        commas += *c == ',';
    assert_int_equal(commas, PILLION_COLUMN_COUNT - 1);
    bytes_done(&out);
}

static void the_header_is_the_32_names(void **state)
{
    (void)state;
    struct bytes out;
    bytes_init(&out, 4096);
    row_header(&out);
    assert_string_equal(out.data,
                        "timestamp,system_processes,system_utime,system_stime,system_cpu_usage,system_memory_free_mib,"
                        "system_memory_used_mib,system_memory_buffers_mib,system_memory_cached_mib,"
                        "system_memory_active_mib,system_memory_inactive_mib,system_disk_read_bytes,"
                        "system_disk_write_bytes,system_disk_space_total_gb,system_disk_space_used_gb,"
                        "system_disk_space_free_gb,system_net_recv_bytes,system_net_sent_bytes,system_gpu_usage,"
                        "system_gpu_vram_mib,system_gpu_utilized,process_pid,process_children,process_utime,"
                        "process_stime,process_cpu_usage,process_memory_mib,process_disk_read_bytes,"
                        "process_disk_write_bytes,process_gpu_usage,process_gpu_vram_mib,process_gpu_utilized\n");
    assert_int_equal(PILLION_COLUMN_COUNT, 32);
    bytes_done(&out);
}

static void each_column_names_the_document_of_its_figure(void **state)
{
    (void)state;
    static const char *const documents[] = {"proc: ", "iostats: ", "statvfs(3): ", "(2)", "NVML"};
    static const char *const sources[] = {
#define COLUMN(name, unit, decimals, kind, source) source,
        PILLION_COLUMNS(COLUMN)
#undef COLUMN
    };
    for (size_t i = 0; i < PILLION_COLUMN_COUNT; i++) {
        bool is_named = false;
        for (size_t k = 0; k < sizeof documents / sizeof *documents; k++)
            is_named = is_named || strstr(sources[i], documents[k]);
        if (!is_named)
            fail_msg("column %zu: \"%s\" names no document", i, sources[i]);
    }
}

static void figures_have_the_units_and_decimals_of_the_table(void **state)
{
    (void)state;
    struct sample before = zero();
    struct sample now = zero();
    now.monotonic += CLOCK_SECOND * 2;
    now.real += 1500 * CLOCK_MILLISECOND;
    now.processes = 80;
    now.cpu_user = 150;
    now.cpu_system = 25;
    now.cpu_interrupt = 5;
    now.memory_free = 1024;
    now.memory_used = 1;
    now.memory_buffers = 512;
    now.memory_cached = 2048;
    now.memory_active = 100;
    now.memory_inactive = 3;
    now.disk_read = 4096;
    now.disk_write = 512;
    now.space_total = UINT64_C(270553174016);
    now.space_used = 1;
    now.space_free = 1500;
    now.net_recv = 7;
    now.net_sent = 8;
    now.tree_processes = 3;
    now.tree_user = 1010000;
    now.tree_system = 20000;
    now.tree_memory = 20480;
    now.tree_disk_read = 9;
    now.tree_disk_write = UINT64_C(1) << 60;
    now.gpu_usage = 17350;
    now.gpu_memory = 1536 * 1024;
    now.gpus_used = 2;
    now.tree_gpu_usage = 1;
    now.tree_gpu_memory = UINT64_C(1) << 37;
    now.tree_gpus_used = 1;
    encode_is(
        &before, &now,
        "1795346662.500,80,1.500000,0.250000,0.9000,1.0000,0.0010,0.5000,2.0000,0.0977,0.0029,4096,512,270.553174,"
        "0.000000,0.000002,7,8,1.7350,1.5000,2,4242,3,1.010000,0.020000,0.5150,20.0000,9,1152921504606846976,"
        "0.0001,131072.0000,1\n");
}

static void what_is_missing_is_an_empty_cell(void **state)
{
    (void)state;
    struct sample before = none();
    struct sample now = none();
    now.monotonic += CLOCK_SECOND;
    encode_is(&before, &now, "1795346661.000,,,,,,,,,,,,,,,,,,,,,4242,,,,,,,,,,\n");
}

static void a_counter_known_in_one_sample_only_is_missing(void **state)
{
    (void)state;
    struct sample before = none();
    struct sample now = zero();
    now.monotonic += CLOCK_SECOND;
    encode_is(&before, &now,
              "1795346661.000,0,,,,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,,,0.000000,0.000000,0.000000,,,0.0000,0."
              "0000,0,4242,0,,,,"
              "0.0000,,,0.0000,0.0000,0\n");
}

static void what_could_not_be_read_is_in_the_next_row_that_knows_it(void **state)
{
    (void)state;
    struct sample first = none();
    struct sample gap = none();
    struct sample last = none();
    last.cpus = 64;
    first.cpu_user = first.cpu_system = first.cpu_interrupt = first.net_recv = first.tree_user = first.tree_system =
        1000;
    last.cpu_user = last.cpu_system = last.cpu_interrupt = last.net_recv = 1300;
    last.tree_user = last.tree_system = 1000 + 3000000;
    gap.monotonic += CLOCK_SECOND;
    last.monotonic += 3 * CLOCK_SECOND;
    encode_is(&first, &gap, "1795346661.000,,,,,,,,,,,,,,,,,,,,,4242,,,,,,,,,,\n");
    row_keep(&first, &gap);
    encode_is(&gap, &last,
              "1795346661.000,,3.000000,3.000000,3.0000,,,,,,,,,,,,300,,,,,4242,,3.000000,3.000000,2.0000,,,,,,\n");
}

static void nothing_is_ever_negative_and_no_time_divides_by_zero(void **state)
{
    (void)state;
    struct sample before = zero();
    struct sample now = zero();
    before.cpu_user = before.tree_user = before.net_recv = 50;
    encode_is(
        &before, &now,
        "1795346661.000,0,0.000000,0.000000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0.0000,0,0,0.000000,0.000000,"
        "0.000000,0,0,0.0000,0.0000,0,4242,0,0.000000,0.000000,0.0000,0.0000,0,0,0.0000,0.0000,0\n");
}

static void use_is_over_the_measured_time(void **state)
{
    (void)state;
    struct sample before = none();
    struct sample now = none();
    before.tree_user = before.tree_system = now.tree_system = 0;
    now.tree_user = 1000000;
    now.monotonic += CLOCK_SECOND / 2;
    encode_is(&before, &now, "1795346661.000,,,,,,,,,,,,,,,,,,,,,4242,,1.000000,0.000000,2.0000,,,,,,\n");
}

static void no_row_shows_more_than_the_machine_has(void **state)
{
    (void)state;
    struct sample before = none();
    struct sample now = none();
    before.tree_user = before.tree_system = now.tree_system = 0;
    now.tree_user = 30000;
    now.monotonic += CLOCK_SECOND / 500; /* the last row, just behind a tick */
    now.cpus = 2;
    encode_is(&before, &now, "1795346661.000,,,,,,,,,,,,,,,,,,,,,4242,,0.030000,0.000000,2.0000,,,,,,\n");
    now.cpus = METRIC_NONE;
    encode_is(&before, &now, "1795346661.000,,,,,,,,,,,,,,,,,,,,,4242,,0.030000,0.000000,15.0000,,,,,,\n");
}

struct cpu_cells {
    double user, system, usage;
};

static struct cpu_cells machine_cpu(const struct row_shape *of, const struct sample *before, struct sample *now)
{
    struct bytes     out;
    struct cpu_cells ret;
    bytes_init(&out, 4096);
    row_encode(of, before, now, &out);
    assert_int_equal(sscanf(out.data, "%*f,%*d,%lf,%lf,%lf,", &ret.user, &ret.system, &ret.usage), 3);
    bytes_done(&out);
    row_carry(of, before, now);
    return ret;
}

static void what_a_short_row_cannot_hold_of_the_machines_cpu_is_in_the_next(void **state)
{
    (void)state;
    static const unsigned ticks[] = {11, 9, 12, 8, 10, 0, 3};
    struct sample         before = zero();
    struct sample         now = zero();
    double                sum = 0;
    before.cpus = now.cpus = 2;
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        now.cpu_user = before.cpu_user + ticks[i];
        now.monotonic = before.monotonic + CLOCK_SECOND / 20;
        struct cpu_cells c = machine_cpu(&shape, &before, &now);
        assert_true(c.usage <= 2);
        assert_true(c.user + c.system <= 0.1 + 1e-9);
        sum += c.user;
        before = now;
    }
    assert_true(sum > 0.5299 && sum < 0.5301);
}

static void a_last_row_that_follows_at_once_has_the_mean_of_both(void **state)
{
    (void)state;
    static const struct row_shape last = {.clock_ticks = 100, .main_process = 4242, .is_last = true};
    struct sample                 before = zero();
    struct sample                 now = zero();
    struct sample                 end = zero();
    before.cpus = now.cpus = end.cpus = 2;
    now.monotonic += CLOCK_SECOND;
    now.cpu_user = 120;
    now.cpu_system = 20;
    struct cpu_cells c = machine_cpu(&shape, &before, &now);
    assert_true(c.usage > 1.39 && c.usage < 1.41);
    end.monotonic = now.monotonic + 3 * CLOCK_MILLISECOND;
    end.cpu_user = 122;
    end.cpu_system = 20;
    c = machine_cpu(&last, &now, &end); /* 0.02 s in 0.003 */
    assert_true(c.usage > 1.41 && c.usage < 1.42);
    assert_true(c.user > 0.0036 && c.user < 0.0037);
    end.monotonic = now.monotonic + CLOCK_SECOND / 5;
    c = machine_cpu(&last, &now, &end);
    assert_true(c.usage > 0.09 && c.usage < 0.11);
}

/* Debian without the locales package has no such locale, so one is made: the test never rests on what is there. */
static void use_decimal_comma(void)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8"))
        return;
    static char folder[] = "/tmp/pillion-locale-XXXXXX";
    char        command[256];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 --no-archive %s/de_DE.UTF-8 >/dev/null 2>&1",
                   folder);
    int status = system(command);
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    const char *name = setlocale(LC_ALL, "de_DE.UTF-8");
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)!system(command);
    if (!name)
        print_error("localedef (package locales) is missing: status %d\n", status);
    assert_non_null(name);
}

static void a_locale_with_a_decimal_comma_changes_nothing(void **state)
{
    (void)state;
    char text[16];
    use_decimal_comma();
    (void)snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5");
    figures_have_the_units_and_decimals_of_the_table(NULL);
    assert_non_null(setlocale(LC_ALL, "C"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_the_32_names),
        cmocka_unit_test(each_column_names_the_document_of_its_figure),
        cmocka_unit_test(figures_have_the_units_and_decimals_of_the_table),
        cmocka_unit_test(what_is_missing_is_an_empty_cell),
        cmocka_unit_test(a_counter_known_in_one_sample_only_is_missing),
        cmocka_unit_test(what_could_not_be_read_is_in_the_next_row_that_knows_it),
        cmocka_unit_test(nothing_is_ever_negative_and_no_time_divides_by_zero),
        cmocka_unit_test(use_is_over_the_measured_time),
        cmocka_unit_test(no_row_shows_more_than_the_machine_has),
        cmocka_unit_test(what_a_short_row_cannot_hold_of_the_machines_cpu_is_in_the_next),
        cmocka_unit_test(a_last_row_that_follows_at_once_has_the_mean_of_both),
        cmocka_unit_test(a_locale_with_a_decimal_comma_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
