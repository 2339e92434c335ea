/* What stands out in a run, by rows that are made up: each rule's clear case, and a case beside it that is none. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/pillion/curves.c"
#include "../../tools/pillion/findings.c"

struct made {
    double cores, gpu, memory, read; /* negative: not known */
};

static const char asked[] = "{\"registration\":{\"host_vcpus\":64,\"host_memory_mib\":262144,\"tags\":["
                            "{\"key\":\"cgroup_cpus\",\"value\":\"8\"},"
                            "{\"key\":\"cgroup_memory_mib\",\"value\":\"8192\"}]}}";
static const char machine[] = "{\"registration\":{\"host_vcpus\":8,\"host_memory_mib\":8192}}";

static struct curves   curves;
static struct summary  summary;
static struct findings found;

static void note(enum measure measure, double value)
{
    struct figure *figure = &summary.figures[SUBJECT_PROCESS][measure];
    figure->known += value >= 0;
    figure->max = value > figure->max ? value : figure->max;
}

/* A row of a second. */
static void add_row(struct made row)
{
    double value[PILLION_COLUMN_COUNT] = {0};
    bool   known[PILLION_COLUMN_COUNT] = {false};
    double at = (double)curves.rows + 1;
    value[PILLION_COLUMN_timestamp] = 1795000000 + at;
    value[PILLION_COLUMN_process_utime] = row.cores;
    value[PILLION_COLUMN_process_gpu_usage] = row.gpu;
    value[PILLION_COLUMN_process_memory_mib] = row.memory;
    value[PILLION_COLUMN_process_disk_read_bytes] = row.read;
    known[PILLION_COLUMN_timestamp] = true;
    known[PILLION_COLUMN_process_utime] = row.cores >= 0;
    known[PILLION_COLUMN_process_gpu_usage] = row.gpu >= 0;
    known[PILLION_COLUMN_process_memory_mib] = row.memory >= 0;
    known[PILLION_COLUMN_process_disk_read_bytes] = row.read >= 0;
    curves_row(&curves, value, known, 1, at);
    note(MEASURE_GPU, row.gpu);
    note(MEASURE_MEMORY, row.memory);
    summary.user_s += row.cores;
    summary.elapsed = at;
}

static void add_rows(int count, struct made row)
{
    for (int i = 0; i < count; i++)
        add_row(row);
}

/* Judges what was added, and forgets it. */
static const struct finding *judge(const char *kind, const char *state_text)
{
    const struct finding *ret = NULL;
    cJSON                *state = cJSON_Parse(state_text);
    curves_close(&curves);
    findings_of(&curves, &summary, state, &found);
    for (size_t i = 0; i < found.count; i++)
        if (strcmp(found.list[i].kind, kind) == 0)
            ret = &found.list[i];
    cJSON_Delete(state);
    curves_done(&curves);
    summary = (struct summary){.rows = 0};
    return ret;
}

static void a_gpu_that_idles_while_a_core_is_full_perhaps_waits(void **state)
{
    (void)state;
    add_rows(100, (struct made){0.5, 0.9, 100, 0});
    add_rows(15, (struct made){1, 0.02, 100, 0});
    add_rows(1, (struct made){1, 0.5, 100, 0}); /* a look up */
    add_rows(15, (struct made){1, 0.02, 100, 0});
    add_rows(100, (struct made){0.5, 0.9, 100, 0});
    const struct finding *waits = judge("gpu_waits", "{}");
    assert_non_null(waits);
    assert_true(waits->from == 100 && waits->to == 131);
    assert_string_equal(waits->text, "The GPU was idle for 30.0 s while a core was full: it perhaps waits for data.");

    add_rows(100, (struct made){0.5, 0.9, 100, 0});
    add_rows(30, (struct made){0.3, 0.02, 100, 0}); /* nobody works */
    assert_null(judge("gpu_waits", "{}"));
    add_rows(100, (struct made){1, 0, 100, 0});
    assert_non_null(judge("gpu_idle", "{}"));
    add_rows(100, (struct made){1, -1, 100, 0}); /* no GPU there */
    assert_null(judge("gpu_idle", "{}"));
}

static void memory_that_grows_to_the_end_is_told_and_growth_of_a_start_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        add_row((struct made){1, -1, 100 + i, 0});
    const struct finding *grows = judge("memory_grows", "{}");
    assert_non_null(grows);
    assert_string_equal(grows->text, "Memory still grew at the end, by 60.0 MiB a minute: perhaps it has no end.");
    for (int i = 0; i < 300; i++)
        add_row((struct made){1, -1, i < 140 ? i : 140, 0});
    assert_null(judge("memory_grows", "{}"));
    for (int i = 0; i < 300; i++) /* a saw */
        add_row((struct made){1, -1, 100 + i % 50, 0});
    assert_null(judge("memory_grows", "{}"));
}

static void a_run_that_waits_for_disks_is_told(void **state)
{
    (void)state;
    add_rows(30, (struct made){1, -1, 100, 0});
    add_rows(20, (struct made){0.05, -1, 100, 80e6});
    const struct finding *waits = judge("disk_waits", "{}");
    assert_non_null(waits);
    assert_true(waits->from == 30 && waits->to == 50);
    add_rows(50, (struct made){1, -1, 100, 80e6}); /* it works on what it reads */
    assert_null(judge("disk_waits", "{}"));
}

static void throttling_is_told_from_one_period_in_twenty(void **state)
{
    (void)state;
    add_rows(10, (struct made){1, -1, 100, 0});
    assert_non_null(
        judge("throttled", "{\"cgroup\":{\"cpu_periods\":100,\"cpu_periods_throttled\":5,\"cpu_throttled_s\":2}}"));
    add_rows(10, (struct made){1, -1, 100, 0});
    assert_null(
        judge("throttled", "{\"cgroup\":{\"cpu_periods\":100,\"cpu_periods_throttled\":4,\"cpu_throttled_s\":2}}"));
    add_rows(10, (struct made){1, -1, 100, 0});
    assert_null(judge("throttled", "{}"));
}

static void little_use_is_told_of_what_was_asked_for_alone(void **state)
{
    (void)state;
    add_rows(100, (struct made){1, -1, 100, 0});
    const struct finding *little = judge("little_cpu", asked);
    assert_non_null(little);
    assert_string_equal(little->text, "Of 8 cores it used 1.00 in the mean: ask for fewer.");
    add_rows(100, (struct made){1, -1, 100, 0});
    assert_non_null(judge("little_memory", asked));
    add_rows(100, (struct made){1, -1, 100, 0});
    assert_null(judge("little_cpu", machine));
    add_rows(20, (struct made){1, -1, 100, 0}); /* a trial */
    assert_null(judge("little_memory", asked));
}

static void no_rows_and_one_row_have_nothing_that_stands_out(void **state)
{
    (void)state;
    assert_null(judge("", "{}"));
    assert_int_equal(found.count, 0);
    add_rows(1, (struct made){1, 0, 100, 1e9});
    assert_null(judge("", "{}"));
    assert_int_equal(found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gpu_that_idles_while_a_core_is_full_perhaps_waits),
        cmocka_unit_test(memory_that_grows_to_the_end_is_told_and_growth_of_a_start_is_not),
        cmocka_unit_test(a_run_that_waits_for_disks_is_told),
        cmocka_unit_test(throttling_is_told_from_one_period_in_twenty),
        cmocka_unit_test(little_use_is_told_of_what_was_asked_for_alone),
        cmocka_unit_test(no_rows_and_one_row_have_nothing_that_stands_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
