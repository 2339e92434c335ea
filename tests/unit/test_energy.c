// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <errno.h>

#include "collect/energy.h"

static struct fixture f;
static struct energy  energy;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static void zone(const char *name, const char *kind, const char *value, const char *range)
{
    char path[128];
    (void)snprintf(path, sizeof path, "sys/class/powercap/%s/name", name);
    fixture_write(&f, path, "%s\n", kind);
    (void)snprintf(path, sizeof path, "sys/class/powercap/%s/energy_uj", name);
    fixture_write(&f, path, "%s\n", value);
    (void)snprintf(path, sizeof path, "sys/class/powercap/%s/max_energy_range_uj", name);
    fixture_write(&f, path, "%s\n", range);
}

static uint64_t reading(void)
{
    struct sample s = {.cpu_energy = METRIC_NONE};
    (void)energy_read(&energy, &s);
    return s.cpu_energy;
}

static void packages_add_up_and_their_parts_do_not(void **state)
{
    (void)state;
    zone("intel-rapl:0", "package-0", "1000", "262143328850");
    zone("intel-rapl:1", "package-1", "500", "262143328850");
    zone("intel-rapl:0:0", "core", "900", "262143328850");
    zone("intel-rapl:0:1", "dram", "70", "262143328850");
    zone("intel-rapl:2", "psys", "9000", "262143328850");
    zone("intel-rapl-mmio:0", "package-0", "1000", "262143328850");
    assert_int_equal(energy_open(&energy, &f.roots), 0);
    assert_string_equal(energy.source, "powercap");
    assert_int_equal(energy.count, 2);
    assert_int_equal(reading(), 0);
    zone("intel-rapl:0", "package-0", "4000", "262143328850");
    zone("intel-rapl:1", "package-1", "700", "262143328850");
    assert_int_equal(reading(), 3200);
}

static void a_counter_that_begins_anew_goes_on(void **state)
{
    (void)state;
    zone("intel-rapl:0", "package-0", "9990", "10000");
    assert_int_equal(energy_open(&energy, &f.roots), 0);
    assert_int_equal(reading(), 0);
    zone("intel-rapl:0", "package-0", "20", "10000");
    assert_int_equal(reading(), 30);
}

static void a_package_that_is_silent_for_a_while_is_made_up_for(void **state)
{
    (void)state;
    zone("intel-rapl:0", "package-0", "100", "10000");
    assert_int_equal(energy_open(&energy, &f.roots), 0);
    assert_int_equal(reading(), 0);
    fixture_remove(&f, "sys/class/powercap/intel-rapl:0/energy_uj");
    assert_true(reading() == METRIC_NONE);
    zone("intel-rapl:0", "package-0", "250", "10000");
    assert_int_equal(reading(), 150);
}

static void a_crays_counter_is_in_joules(void **state)
{
    (void)state;
    fixture_write(&f, "sys/cray/pm_counters/cpu_energy", "41268 J 1466005214000000 us\n");
    assert_int_equal(energy_open(&energy, &f.roots), 0);
    assert_string_equal(energy.source, "pm_counters");
    assert_int_equal(reading(), 0);
    fixture_write(&f, "sys/cray/pm_counters/cpu_energy", "41270 J 1466005215000000 us\n");
    assert_int_equal(reading(), 2000000);
}

static void where_nobody_tells_there_is_no_figure(void **state)
{
    (void)state;
    assert_int_equal(energy_open(&energy, &f.roots), -ENODEV);
    zone("intel-rapl:0", "package-0", "nonsense", "10000");
    assert_int_equal(energy_open(&energy, &f.roots), -ENODEV);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(packages_add_up_and_their_parts_do_not),
        test(a_counter_that_begins_anew_goes_on),
        test(a_package_that_is_silent_for_a_while_is_made_up_for),
        test(a_crays_counter_is_in_joules),
        test(where_nobody_tells_there_is_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
