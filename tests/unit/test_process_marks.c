// SPDX-License-Identifier: Apache-2.0
// Orphans that the tree knows by their marks alone: taken, counted whole and once, and forgotten with their marks.
#include "fixture.h"

#include <fcntl.h>

#include "base/clock.h"
#include "collect/tree/process.h"

enum { ROOT = 100, TICK = 10000, BEGAN = 5000 };
#define FOLDER "marks/77-100-1"

static struct fixture      f;
static struct scratch      scratch;
static struct process_tree tree;
static struct process_now  now;
static struct sample       s;
static char                folder[512];

static void open_tree(void)
{
    struct tree          who = {.root = ROOT, .main_process = ROOT, .marks = folder};
    struct process_units units = {.clock_ticks = 100, .page_bytes = 4096};
    who.begin = (struct tree_begin){.known = true, .boot_ticks = BEGAN, .monotonic = CLOCK_SECOND};
    assert_int_equal(process_open(&tree, &f.roots, &who, &units), 0);
}

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_write(&f, "sys/devices/system/cpu/online", "0-1\n");
    fixture_path(&f, FOLDER, folder);
    now = (struct process_now){
        .monotonic = CLOCK_SECOND, .boot_ticks = 10000, .machine_processes = METRIC_NONE, .hugetlb = METRIC_NONE};
    fixture_process(&f, &(struct fake_process){.pid = ROOT, .parent = 1, .start = 1});
    open_tree();
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    process_close(&tree);
    scratch_done(&scratch);
    fixture_close(&f);
    return 0;
}

static void reading(void)
{
    s = (struct sample){.tree_disk_read = METRIC_NONE, .tree_disk_write = METRIC_NONE};
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
    now.monotonic += CLOCK_SECOND;
    now.boot_ticks += 100;
}

static void user_is(unsigned ticks)
{
    for (int i = 0; i < 3; i++) {
        reading();
        assert_int_equal(s.tree_user / TICK, ticks);
    }
}

#define put(...) fixture_process(&f, &(struct fake_process){__VA_ARGS__})

static void mark(const char *name)
{
    char path[128];
    assert_true(snprintf(path, sizeof path, FOLDER "/%s", name) < (int)sizeof path);
    fixture_write_bytes(&f, path, "", 0);
}

static bool has_mark(const char *name)
{
    char path[600];
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    return access(path, F_OK) == 0;
}

/* What a process with a mark does at its end. */
static void tell(const char *name, long user_us, long system_us)
{
    char            path[600];
    struct timespec times[2] = {{user_us / 1000000, user_us % 1000000 * 1000},
                                {system_us / 1000000, system_us % 1000000 * 1000}};
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void an_orphan_with_a_mark_and_what_is_below_it_are_of_the_tree(void **state)
{
    (void)state;
    reading();
    put(.pid = 200, .parent = 1, .start = 6000, .user = 30, .pages = 10, .children = "201");
    put(.pid = 201, .parent = 200, .start = 10050, .user = 5);
    put(.pid = 300, .parent = 1, .start = 6000, .user = 4000); /* somebody else's */
    user_is(0);
    mark("77-200-6000");
    user_is(35);
    assert_int_equal(s.tree_processes, 2);
    assert_true(has_mark("77-200-6000"));
}

static void its_use_before_the_run_does_not_count(void **state)
{
    (void)state;
    reading();
    put(.pid = 200, .parent = 1, .start = BEGAN - 1, .user = 30);
    mark("77-200-4999");
    user_is(0);
    put(.pid = 200, .parent = 1, .start = BEGAN - 1, .user = 37);
    user_is(7);
}

static void one_that_a_reading_knows_is_not_counted_again(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .start = 1, .children = "200");
    put(.pid = 200, .parent = ROOT, .start = 9950, .user = 30);
    reading();
    put(.pid = ROOT, .parent = 1, .start = 1);
    put(.pid = 200, .parent = 1, .start = 9950, .user = 31);
    mark("77-200-9950");
    user_is(31);
    assert_int_equal(s.tree_processes, 1);
}

static void marks_that_fit_nobody_take_nobody(void **state)
{
    (void)state;
    static const char *const foreign[] = {"78-200-6000",  "notes",     "77-200",          "77-200-6000x",
                                          "77--200-6000", "77-0-6000", "77-9999999999-1", "-77-200-6000",
                                          "77-200-",      "77200-6000"};
    reading();
    put(.pid = 200, .parent = 1, .start = 6000, .user = 30);
    mark("77-200-6001"); /* another one had the number */
    mark("77-250-6000"); /* gone */
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        mark(foreign[i]);
    user_is(0);
    assert_int_equal(s.tree_processes, 0);
    assert_false(has_mark("77-200-6001"));
    assert_false(has_mark("77-250-6000"));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_true(has_mark(foreign[i]));
}

static void what_it_used_after_the_last_row_is_in_its_mark(void **state)
{
    (void)state;
    reading();
    put(.pid = 200, .parent = 1, .start = 9990, .user = 30);
    mark("77-200-9990");
    user_is(30);
    tell("77-200-9990", 42 * TICK, 3 * TICK);
    fixture_process_gone(&f, 200);
    user_is(42);
    assert_int_equal(s.tree_system / TICK, 3);
    assert_int_equal(s.tree_processes, 0);
    assert_false(has_mark("77-200-9990"));
}

static void one_that_ended_without_a_word_keeps_its_last_value(void **state)
{
    (void)state;
    reading();
    put(.pid = 200, .parent = 1, .start = 9990, .user = 30);
    mark("77-200-9990");
    user_is(30);
    fixture_process_gone(&f, 200);
    user_is(30);
    assert_false(has_mark("77-200-9990"));
}

static void one_that_no_row_saw_counts_by_its_mark_once(void **state)
{
    (void)state;
    reading();
    mark("77-200-10010");
    tell("77-200-10010", 50 * TICK, 0);
    mark("77-201-4000"); /* older than the run: what of it is the run's is not known */
    tell("77-201-4000", 50 * TICK, 0);
    user_is(50);
    assert_false(has_mark("77-200-10010"));
}

static void more_than_a_process_can_have_used_is_not_believed(void **state)
{
    (void)state;
    reading();
    mark("77-200-10010");
    tell("77-200-10010", 5000L * TICK, 0);
    user_is(0);
}

static void one_reaped_by_a_subreaper_of_the_tree_is_counted_once(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .start = 1);
    reading();
    put(.pid = ROOT, .parent = 1, .start = 1, .children = "200");
    put(.pid = 200, .parent = ROOT, .start = 9990, .user = 30, .faults = 5);
    mark("77-200-9990");
    user_is(30);
    tell("77-200-9990", 42 * TICK, 0);
    fixture_process_gone(&f, 200);
    put(.pid = ROOT, .parent = 1, .start = 1, .child_user = 43, .child_faults = 6);
    user_is(43);
}

static void without_a_folder_nothing_changes(void **state)
{
    (void)state;
    reading();
    put(.pid = ROOT, .parent = 1, .start = 1, .user = 4);
    user_is(4);
    put(.pid = ROOT, .parent = 1, .start = 1, .user = 9);
    user_is(9);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(an_orphan_with_a_mark_and_what_is_below_it_are_of_the_tree),
        test(its_use_before_the_run_does_not_count),
        test(one_that_a_reading_knows_is_not_counted_again),
        test(marks_that_fit_nobody_take_nobody),
        test(what_it_used_after_the_last_row_is_in_its_mark),
        test(one_that_ended_without_a_word_keeps_its_last_value),
        test(one_that_no_row_saw_counts_by_its_mark_once),
        test(more_than_a_process_can_have_used_is_not_believed),
        test(one_reaped_by_a_subreaper_of_the_tree_is_counted_once),
        test(without_a_folder_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
