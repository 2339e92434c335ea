// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <sys/sysinfo.h>

#include "collect/memory.h"

static struct sample read_meminfo(const char *content)
{
    struct fixture f;
    struct memory  memory;
    struct sample  s = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/meminfo", "%s", content);
    assert_int_equal(memory_open(&memory, &f.roots), 0);
    assert_int_equal(memory_read(&memory, &s), 0);
    memory_close(&memory);
    fixture_close(&f);
    return s;
}

static void used_is_total_less_available(void **state)
{
    (void)state;
    struct sample s = read_meminfo("MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    9000 kB\n"
                                   "Buffers:          200 kB\nCached:          5000 kB\nSwapCached:       77 kB\n"
                                   "Active:          4000 kB\nInactive:        3000 kB\nActive(anon):    1 kB\n"
                                   "SwapTotal:        4000 kB\nSwapFree:         1500 kB\nSReclaimable:     300 kB\n");
    assert_int_equal(s.memory_free, 1000);
    assert_int_equal(s.memory_used, 7000);
    assert_int_equal(s.memory_buffers, 200);
    assert_int_equal(s.memory_cached, 5300);
    assert_int_equal(s.memory_active, 4000);
    assert_int_equal(s.memory_inactive, 3000);
    assert_int_equal(s.memory_available, 9000);
    assert_true(s.swap_total == 4000 && s.swap_free == 1500);
}

static void an_old_kernel_without_available_is_estimated(void **state)
{
    (void)state;
    struct sample s = read_meminfo("MemTotal: 16000 kB\nMemFree: 1000 kB\nBuffers: 200 kB\nCached: 5000 kB\n"
                                   "Active: 4000 kB\nInactive: 3000 kB\nSReclaimable: 300 kB\n");
    assert_int_equal(s.memory_used, 16000 - 6500);
}

static void what_is_missing_is_none_and_not_zero(void **state)
{
    (void)state;
    struct sample s = read_meminfo("MemTotal: 16000 kB\nMemAvailable: 9000 kB\nCached: 7 kB\n");
    assert_true(s.memory_free == METRIC_NONE);
    assert_true(s.memory_active == METRIC_NONE && s.swap_total == METRIC_NONE && s.swap_free == METRIC_NONE);
    assert_int_equal(s.memory_used, 7000);
    assert_int_equal(s.memory_cached, 7);
    s = read_meminfo("");
    assert_true(s.memory_used == METRIC_NONE);
}

static void more_available_than_there_is_gives_no_negative_use(void **state)
{
    (void)state;
    assert_int_equal(read_meminfo("MemTotal: 100 kB\nMemAvailable: 101 kB\n").memory_used, 0);
}

static void the_real_machine_agrees_with_sysinfo(void **state)
{
    (void)state;
    struct roots   roots = {"/proc", "/sys"};
    struct memory  memory;
    struct sample  s = {0};
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    assert_int_equal(memory_open(&memory, &roots), 0);
    assert_int_equal(memory_read(&memory, &s), 0);
    uint64_t total = (uint64_t)info.totalram * info.mem_unit / 1024;
    assert_int_equal(s.memory_total, total);
    assert_true(s.memory_used > 0 && s.memory_used < total);
    assert_true(s.memory_free > 0 && s.memory_free < total);
    memory_close(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(used_is_total_less_available),
        cmocka_unit_test(an_old_kernel_without_available_is_estimated),
        cmocka_unit_test(what_is_missing_is_none_and_not_zero),
        cmocka_unit_test(more_available_than_there_is_gives_no_negative_use),
        cmocka_unit_test(the_real_machine_agrees_with_sysinfo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
