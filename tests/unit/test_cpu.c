// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <time.h>

#include "base/cpu_count.h"
#include "collect/cpu.h"

static void user_and_nice_are_one_and_guest_is_not_added(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  s = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  100 20 30 4000 500 6 7 8000 60 15\ncpu0 50 10 15 2000 250 3 3 4000 30 5\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    assert_int_equal(cpu_read(&cpu, &s), 0);
    assert_int_equal(s.cpu_user, 120);
    assert_int_equal(s.cpu_system, 30);
    assert_int_equal(s.cpu_interrupt, 13);
    cpu_close(&cpu);
    fixture_close(&f);
}

static void steal_idle_and_iowait_are_no_use(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  before = {0};
    struct sample  now = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  100 0 30 4000 500 0 0 8000 0 0\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    assert_int_equal(cpu_read(&cpu, &before), 0);
    fixture_write(&f, "proc/stat", "cpu  100 0 30 9000 900 0 0 9000 0 0\n");
    assert_int_equal(cpu_read(&cpu, &now), 0);
    assert_int_equal(now.cpu_user + now.cpu_system + now.cpu_interrupt,
                     before.cpu_user + before.cpu_system + before.cpu_interrupt);
    cpu_close(&cpu);
    fixture_close(&f);
}

static void a_counter_that_runs_backwards_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  s = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  100 0 30 1 1 0 0 0 0 0\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    static const unsigned user[] = {100, 97, 99, 104};
    static const unsigned seen[] = {100, 100, 100, 104};
    for (size_t i = 0; i < 4; i++) {
        fixture_write(&f, "proc/stat", "cpu  %u 0 30 1 1 0 0 0 0 0\n", user[i]);
        assert_int_equal(cpu_read(&cpu, &s), 0);
        assert_int_equal(s.cpu_user, seen[i]);
    }
    cpu_close(&cpu);
    fixture_close(&f);
}

static void counters_that_begin_anew_are_followed(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  s = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  5000000 0 30 1 1 0 0 0 0 0\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    assert_int_equal(cpu_read(&cpu, &s), 0);
    fixture_write(&f, "proc/stat", "cpu  100 0 30 1 1 0 0 0 0 0\n");
    assert_int_equal(cpu_read(&cpu, &s), 0);
    assert_int_equal(s.cpu_user, 5000000);
    fixture_write(&f, "proc/stat", "cpu  150 0 30 1 1 0 0 0 0 0\n");
    assert_int_equal(cpu_read(&cpu, &s), 0);
    assert_int_equal(s.cpu_user, 5000050);
    cpu_close(&cpu);
    fixture_close(&f);
}

/* One core busy after it, a reading a second. The row in which it happens may miss what came before its reading. */
static void a_reset_of_any_size_is_followed_from_the_next_row_on(void **state)
{
    (void)state;
    static const unsigned before[] = {8400, 5000000, 400, 60, 12, 3, 2000};
    static const unsigned after[] = {5, 100, 0, 30, 0, 1, 1500};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        struct fixture f;
        struct cpu     cpu;
        struct sample  s = {0};
        fixture_open(&f);
        fixture_write(&f, "proc/stat", "cpu  %u 0 30 1 1 0 0 0 0 0\n", before[i]);
        assert_int_equal(cpu_open(&cpu, &f.roots), 0);
        assert_int_equal(cpu_read(&cpu, &s), 0);
        for (unsigned row = 0; row < 5; row++) {
            uint64_t last = s.cpu_user;
            fixture_write(&f, "proc/stat", "cpu  %u 0 30 1 1 0 0 0 0 0\n", after[i] + 100 * row);
            assert_int_equal(cpu_read(&cpu, &s), 0);
            assert_in_range(s.cpu_user - last, row == 0 ? 0 : 98, row == 0 ? 0 : 100);
        }
        cpu_close(&cpu);
        fixture_close(&f);
    }
}

static void a_counter_that_stays_below_a_little_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  s = {0};
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "cpu  1000 0 30 1 1 0 0 0 0 0\n");
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    assert_int_equal(cpu_read(&cpu, &s), 0);
    for (unsigned user = 985; user < 995; user++) {
        fixture_write(&f, "proc/stat", "cpu  %u 0 30 1 1 0 0 0 0 0\n", user);
        assert_int_equal(cpu_read(&cpu, &s), 0);
    }
    assert_int_equal(s.cpu_user, 1009);
    cpu_close(&cpu);
    fixture_close(&f);
}

static void two_hundred_and_fifty_six_cpus_are_read_and_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct cpu     cpu;
    struct sample  s = {0};
    static char    content[64 * 1024];
    size_t         len = (size_t)sprintf(content, "cpu  25600 0 512 1 1 0 0 0 0 0\n");
    for (int i = 0; i < 256; i++)
        len += (size_t)sprintf(content + len, "cpu%d 100 0 2 123456789 1 0 0 0 0 0\n", i);
    len += (size_t)sprintf(content + len, "intr 1 2 3\nctxt 5\n");
    fixture_open(&f);
    fixture_write_bytes(&f, "proc/stat", content, len);
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    assert_int_equal(cpu_read(&cpu, &s), 0);
    assert_int_equal(s.cpu_user, 25600);
    assert_int_equal(cpu_count_online(&f.roots), 256);
    fixture_write(&f, "sys/devices/system/cpu/online", "0-127,192\n");
    assert_int_equal(cpu_count_online(&f.roots), 129);
    cpu_close(&cpu);
    fixture_close(&f);
}

static void lists_of_cpus_are_counted(void **state)
{
    (void)state;
    assert_int_equal(cpu_count_list(text_of("0-1\n")), 2);
    assert_int_equal(cpu_count_list(text_of("0\n")), 1);
    assert_int_equal(cpu_count_list(text_of("0-3,8,10-11\n")), 7);
    assert_int_equal(cpu_count_list(text_of("\n")), 0);
    assert_int_equal(cpu_count_list(text_of("")), 0);
}

static void nonsense_leaves_the_sample_alone(void **state)
{
    (void)state;
    static const char *const contents[] = {"",
                                           "cpu",
                                           "cpu  1 2",
                                           "cpu  -1 0 0 0 0",
                                           "intr 5\n",
                                           "cpu0 1 2 3 4 5 6 7\n",
                                           "cpu  0 0 0 0 0 0 0 0 0 0\n" /* where nobody counts */};
    struct fixture           f;
    fixture_open(&f);
    fixture_write(&f, "proc/stat", "x");
    struct cpu cpu;
    assert_int_equal(cpu_open(&cpu, &f.roots), 0);
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct sample s = {.cpu_user = METRIC_NONE};
        fixture_write(&f, "proc/stat", "%s", contents[i]);
        assert_true(cpu_read(&cpu, &s) < 0);
        assert_true(s.cpu_user == METRIC_NONE);
    }
    cpu_close(&cpu);
    fixture_remove(&f, "proc/stat");
    assert_int_equal(cpu_open(&cpu, &f.roots), -2);
    cpu_close(&cpu);
    fixture_close(&f);
}

static void the_real_machine_counts_what_we_burn(void **state)
{
    (void)state;
    struct roots  roots = {"/proc", "/sys"};
    struct cpu    cpu;
    struct sample before = {0};
    struct sample now = {0};
    assert_int_equal(cpu_open(&cpu, &roots), 0);
    assert_int_equal(cpu_read(&cpu, &before), 0);
    clock_t start = clock();
    while (clock() - start < CLOCKS_PER_SEC / 5) {
    }
    assert_int_equal(cpu_read(&cpu, &now), 0);
    uint64_t ticks = now.cpu_user + now.cpu_system - before.cpu_user - before.cpu_system;
    assert_true(ticks >= (uint64_t)sysconf(_SC_CLK_TCK) / 5 - 3);
    assert_int_equal(cpu_count_online(&roots), sysconf(_SC_NPROCESSORS_ONLN));
    cpu_close(&cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_and_nice_are_one_and_guest_is_not_added),
        cmocka_unit_test(steal_idle_and_iowait_are_no_use),
        cmocka_unit_test(a_counter_that_runs_backwards_is_waited_for),
        cmocka_unit_test(counters_that_begin_anew_are_followed),
        cmocka_unit_test(a_reset_of_any_size_is_followed_from_the_next_row_on),
        cmocka_unit_test(a_counter_that_stays_below_a_little_is_not_waited_for_for_ever),
        cmocka_unit_test(two_hundred_and_fifty_six_cpus_are_read_and_counted),
        cmocka_unit_test(lists_of_cpus_are_counted),
        cmocka_unit_test(nonsense_leaves_the_sample_alone),
        cmocka_unit_test(the_real_machine_counts_what_we_burn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
