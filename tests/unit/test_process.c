// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "collect/tree/process.h"
#include "collect/tree/process_stat.h"

enum { ROOT = 100, TICK = 10000 };

static struct fixture      f;
static struct scratch      scratch;
static struct process_tree tree;
static struct process_now  now;
static struct sample       s;
static bool                is_open;

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_write(&f, "sys/devices/system/cpu/online", "0-1\n");
    now = (struct process_now){
        .monotonic = CLOCK_SECOND, .boot_ticks = 10000, .machine_processes = METRIC_NONE, .hugetlb = METRIC_NONE};
    is_open = false;
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    if (is_open)
        process_close(&tree);
    scratch_done(&scratch);
    fixture_close(&f);
    return 0;
}

static void open_tree(bool root_is_ours, pid_t main_process)
{
    struct tree          who = {.root = ROOT, .main_process = main_process, .root_is_ours = root_is_ours};
    struct process_units units = {.clock_ticks = 100, .page_bytes = 4096};
    assert_int_equal(process_open(&tree, &f.roots, &who, &units), 0);
    is_open = true;
}

/* A reading one second after the last; its CPU in ticks. */
static void reading(void)
{
    s = (struct sample){.tree_disk_read = METRIC_NONE, .tree_disk_write = METRIC_NONE};
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
    s.tree_user /= TICK;
    s.tree_system /= TICK;
    now.monotonic += CLOCK_SECOND;
    now.boot_ticks += 100;
}

#define put(...) fixture_process(&f, &(struct fake_process){__VA_ARGS__})

static void a_name_with_parentheses_does_not_shift_the_fields(void **state)
{
    (void)state;
    static const char *const names[] = {"my worker", "a) R 1 (b", "((", "x\ny", ")", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct process_stat stat;
        fixture_process(&f, &(struct fake_process){.pid = 7,
                                                   .parent = 3,
                                                   .name = names[i],
                                                   .user = 11,
                                                   .system = 12,
                                                   .child_user = 13,
                                                   .child_system = 14,
                                                   .threads = 5,
                                                   .start = 99,
                                                   .pages = 6,
                                                   .faults = 8,
                                                   .child_faults = 9});
        int proc = open(f.proc, O_RDONLY | O_DIRECTORY);
        assert_int_equal(process_stat_read(proc, 7, &stat), 0);
        close(proc);
        assert_int_equal(stat.state, 'S');
        assert_int_equal(stat.parent, 3);
        assert_int_equal(stat.user, 11);
        assert_int_equal(stat.system, 12);
        assert_int_equal(stat.child_user, 13);
        assert_int_equal(stat.child_system, 14);
        assert_int_equal(stat.threads, 5);
        assert_int_equal(stat.start, 99);
        assert_int_equal(stat.resident_pages, 6);
        assert_int_equal(stat.faults, 8);
        assert_int_equal(stat.child_faults, 9);
    }
}

static void what_is_no_stat_is_refused(void **state)
{
    (void)state;
    struct process_stat stat;
    assert_false(process_stat_parse(text_of(""), &stat));
    assert_false(process_stat_parse(text_of("1 (a"), &stat));
    assert_false(process_stat_parse(text_of("1 (a) S"), &stat));
    assert_false(process_stat_parse(text_of("1 (a) S 99999999999 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0"), &stat));
    assert_false(process_stat_parse(text_of("1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0"), &stat));
    assert_true(process_stat_parse(text_of("1 (a) S 1 1 1 0 -1 0 0 0 0 0 1 2 -3 4 20 0 1 0 0 0 0"), &stat));
    assert_int_equal(stat.child_user, 0);
}

static void the_tree_is_every_descendant(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 10, .read = 5, .children = "101 102 ");
    put(.pid = 101, .parent = ROOT, .user = 20, .system = 1, .children = "103");
    put(.pid = 102, .parent = ROOT, .user = 30, .written = 7);
    put(.pid = 103, .parent = 101, .user = 40, .child_system = 4);
    put(.pid = 900, .parent = 1, .user = 5000);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 3);
    assert_int_equal(s.tree_user, 100);
    assert_int_equal(s.tree_system, 5);
    assert_int_equal(s.tree_disk_read, 5);
    assert_int_equal(s.tree_disk_write, 7);
}

static void no_descendant_is_zero(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 0);
}

static void children_of_threads_are_found(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .threads = 2);
    fixture_write(&f, "proc/100/task/150/children", "200 ");
    put(.pid = 200, .parent = ROOT, .user = 7);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 1);
    assert_int_equal(s.tree_user, 7);
}

static void a_child_reaped_into_its_parent_is_counted_once(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 10, .read = 100, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 50, .system = 5, .faults = 30, .read = 400, .start = 9000);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_user, 60);
    fixture_process_gone(&f, 101);
    put(.pid = ROOT, .parent = 1, .user = 10, .child_user = 55, .child_system = 6, .child_faults = 33, .read = 550);
    reading();
    assert_int_equal(s.tree_user, 65);
    assert_int_equal(s.tree_system, 6);
    assert_int_equal(s.tree_disk_read, 550);
    reading();
    assert_int_equal(s.tree_user, 65);
    assert_int_equal(s.tree_disk_read, 550);
}

static void a_child_reaped_between_two_files_is_neither_lost_nor_counted_twice(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 10, .read = 100, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 50, .faults = 30, .read = 400);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101); /* the parent was read before it was reaped */
    reading();
    assert_int_equal(s.tree_user, 60);
    assert_int_equal(s.tree_disk_read, 500);
    put(.pid = ROOT, .parent = 1, .user = 10, .child_user = 52, .child_faults = 31, .read = 510);
    reading();
    assert_int_equal(s.tree_user, 62);
    assert_int_equal(s.tree_disk_read, 510);
}

static void a_child_that_vanished_unreaped_keeps_its_last_value(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 10, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 50, .system = 5, .faults = 30, .written = 400);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101);
    put(.pid = ROOT, .parent = 1, .user = 11, .written = 900);
    for (int i = 0; i < 4; i++) {
        reading();
        assert_int_equal(s.tree_user, 61);
        assert_int_equal(s.tree_system, 5);
    }
}

static void the_missing_part_of_several_children_is_retained(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101 102");
    put(.pid = 101, .parent = ROOT, .user = 30, .faults = 10);
    put(.pid = 102, .parent = ROOT, .user = 20, .faults = 10);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101);
    fixture_process_gone(&f, 102);
    put(.pid = ROOT, .parent = 1, .child_user = 30, .child_faults = 10);
    reading();
    reading();
    reading();
    assert_int_equal(s.tree_user, 50);
}

static void a_grandchild_that_was_reparented_stays_and_so_do_its_children(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .faults = 3, .children = "102");
    put(.pid = 102, .parent = 101, .user = 20, .start = 9000);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101);
    put(.pid = ROOT, .parent = 1, .child_faults = 3);
    put(.pid = 102, .parent = 1, .user = 40, .start = 9000, .children = "103");
    put(.pid = 103, .parent = 102, .user = 9, .start = 10050);
    reading();
    assert_int_equal(s.tree_processes, 2);
    assert_int_equal(s.tree_user, 49);
    fixture_process_gone(&f, 102); /* reaped by init, outside */
    reading();
    reading();
    assert_int_equal(s.tree_user, 49);
    assert_int_equal(s.tree_processes, 1);
}

static void an_orphan_that_dies_under_a_subreaper_of_the_tree_is_counted_once(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 5, .faults = 3, .children = "102");
    put(.pid = 102, .parent = 101, .user = 20, .faults = 4);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101);
    put(.pid = ROOT, .parent = 1, .child_user = 5, .child_faults = 3, .children = "102");
    put(.pid = 102, .parent = ROOT, .user = 21, .faults = 4);
    reading();
    assert_int_equal(s.tree_user, 26);
    fixture_process_gone(&f, 102);
    put(.pid = ROOT, .parent = 1, .child_user = 27, .child_faults = 7);
    reading();
    reading();
    assert_int_equal(s.tree_user, 27);
}

static void an_orphan_that_comes_to_our_root_and_ends_between_two_readings_is_counted_once(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    fixture_write(&f, "proc/100/task/100/io", "read_bytes: 0\nwrite_bytes: 0\n");
    put(.pid = 101, .parent = ROOT, .user = 1, .children = "102");
    put(.pid = 102, .parent = 101, .user = 5, .faults = 3, .children = "103");
    put(.pid = 103, .parent = 102, .user = 20, .faults = 4, .written = 10);
    open_tree(true, 101);
    reading();
    assert_int_equal(s.tree_user, 26);
    fixture_process_gone(&f, 102);
    fixture_process_gone(&f, 103);
    put(.pid = ROOT, .parent = 1, .child_user = 20, .child_faults = 4, .written = 10);
    put(.pid = 101, .parent = ROOT, .user = 1, .child_user = 5, .child_faults = 3);
    reading();
    reading();
    assert_int_equal(s.tree_user, 26);
    assert_int_equal(s.tree_disk_write, 10);
    reading();
    assert_int_equal(s.tree_user, 26);
}

/* 101 is a subreaper, 102 goes on, 103 and 104 end together. */
static void put_a_subreapers_tree(void)
{
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 1, .children = "102");
    put(.pid = 102, .parent = 101, .user = 2, .children = "103");
    put(.pid = 103, .parent = 102, .user = 5, .faults = 3, .children = "104");
    put(.pid = 104, .parent = 103, .user = 20, .faults = 4, .written = 10);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_user, 28);
}

static void is_counted_once(void)
{
    for (int i = 0; i < 3; i++) {
        reading();
        assert_int_equal(s.tree_user, 28);
        assert_int_equal(s.tree_disk_write, 11);
    }
}

/* 103 by 102, and what came to the subreaper by that. */
static void the_end_is_reaped_and_counted_once(void)
{
    put(.pid = 101, .parent = ROOT, .user = 1, .child_user = 20, .child_faults = 5, .written = 11, .children = "102");
    put(.pid = 102, .parent = 101, .user = 2, .child_user = 5, .child_faults = 3);
    is_counted_once();
}

static void an_orphan_that_comes_to_a_subreaper_and_ends_between_two_readings_is_counted_once(void **state)
{
    (void)state;
    put_a_subreapers_tree();
    fixture_process_gone(&f, 103);
    fixture_process_gone(&f, 104);
    the_end_is_reaped_and_counted_once();
}

static void an_orphan_whose_parent_ends_while_the_tree_is_read_is_counted_once(void **state)
{
    (void)state;
    put_a_subreapers_tree();
    fixture_process_gone(&f, 104); /* 103 was read before it ended */
    reading();
    assert_int_equal(s.tree_user, 28);
    fixture_process_gone(&f, 103);
    the_end_is_reaped_and_counted_once();
}

static void an_orphan_of_a_zombie_is_counted_once(void **state)
{
    (void)state;
    put_a_subreapers_tree();
    fixture_process_gone(&f, 104);
    put(.pid = 101, .parent = ROOT, .user = 1, .child_user = 20, .child_faults = 5, .written = 11, .children = "102");
    put(.pid = 103, .parent = 102, .state = 'Z', .user = 5, .faults = 3);
    reading();
    assert_int_equal(s.tree_user, 28);
    fixture_process_gone(&f, 103);
    put(.pid = 102, .parent = 101, .user = 2, .child_user = 5, .child_faults = 3);
    is_counted_once();
}

static void a_child_that_nobody_reaped_is_no_orphan_to_look_for(void **state)
{
    (void)state;
    put_a_subreapers_tree();
    fixture_process_gone(&f, 104); /* 103 ignores SIGCHLD; 101 has reaped others, whom no reading saw */
    put(.pid = 101, .parent = ROOT, .user = 1, .child_user = 30, .child_faults = 9, .children = "102");
    for (int i = 0; i < 3; i++) {
        reading();
        assert_int_equal(s.tree_user, 58);
        assert_int_equal(s.tree_disk_write, 10);
    }
}

static void a_whole_branch_reaped_at_once_is_found_in_the_ancestor(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 5, .faults = 3, .children = "102");
    put(.pid = 102, .parent = 101, .user = 20, .faults = 4, .written = 10);
    open_tree(false, ROOT);
    reading();
    fixture_process_gone(&f, 101);
    fixture_process_gone(&f, 102);
    put(.pid = ROOT, .parent = 1, .child_user = 26, .child_faults = 8, .written = 12);
    reading();
    reading();
    assert_int_equal(s.tree_user, 26);
    assert_int_equal(s.tree_disk_write, 12);
}

static void a_reused_pid_is_another_process(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 50, .faults = 9, .start = 9000);
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .child_user = 50, .child_faults = 9, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 2, .start = 10050);
    reading();
    assert_int_equal(s.tree_user, 52);
    assert_int_equal(s.tree_processes, 1);
    put(.pid = 101, .parent = 1, .user = 4000, .start = 10150); /* now somebody else's */
    put(.pid = ROOT, .parent = 1, .child_user = 52, .child_faults = 9);
    reading();
    assert_int_equal(s.tree_processes, 0);
    assert_int_equal(s.tree_user, 52);
}

static void counters_that_fall_keep_the_old_sum(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 50, .system = 20, .read = 100);
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .user = 40, .system = 25, .read = 90);
    reading();
    assert_int_equal(s.tree_user, 50);
    assert_int_equal(s.tree_system, 20); /* or the two together would say more than was used */
    assert_int_equal(s.tree_disk_read, 100);
    put(.pid = ROOT, .parent = 1, .user = 53, .system = 25, .read = 110);
    reading();
    assert_int_equal(s.tree_user, 53);
    assert_int_equal(s.tree_disk_read, 110);
}

static void more_than_the_machine_could_do_is_carried_to_the_next_readings(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .child_user = 375, .child_system = 125);
    uint64_t last = 0;
    for (int i = 0; i < 4; i++) {
        reading();
        uint64_t sum = tree.reported[USER] + tree.reported[SYSTEM];
        assert_true(sum - last <= UINT64_C(202) * TICK);
        assert_true(i > 1 || sum - last == UINT64_C(202) * TICK);
        assert_true(s.tree_user >= s.tree_system * 2);
        last = sum;
    }
    assert_int_equal(s.tree_user, 375);
    assert_int_equal(s.tree_system, 125);
}

/* A child that ends while its parent has been read and it has not is in the next reading, which may come at once. */
static void the_last_reading_has_what_the_one_before_had_room_for(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .child_user = 150);
    reading();
    put(.pid = ROOT, .parent = 1, .child_user = 150 + 300);
    tree.is_last = true;
    reading();
    assert_int_equal(s.tree_user, 150 + 202 + 202 - 150);
}

static void before_the_first_reading_there_was_no_room_for_anything(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .child_user = 300);
    tree.is_last = true;
    reading();
    assert_int_equal(s.tree_user, 202);
}

static void what_an_adopted_process_used_before_is_not_the_trees(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 0);
    open_tree(false, ROOT);
    reading();
    reading();
    reading();
    put(.pid = ROOT, .parent = 0, .children = "300 301");
    put(.pid = 300, .parent = ROOT, .user = 100, .start = 500); /* from outside */
    put(.pid = 301, .parent = ROOT, .user = 8, .start = 10250); /* a new child */
    reading();
    assert_int_equal(s.tree_user, 8);
    put(.pid = 300, .parent = ROOT, .user = 103, .start = 500, .faults = 1);
    reading();
    assert_int_equal(s.tree_user, 11);
    fixture_process_gone(&f, 300);
    put(.pid = ROOT, .parent = 0, .child_user = 103, .child_faults = 1, .children = "301");
    reading();
    assert_int_equal(s.tree_user, 11);
}

static void what_was_used_before_a_late_first_reading_is_in_the_second(void **state)
{
    (void)state;
    struct tree          who = {.root = ROOT,
                                .main_process = ROOT,
                                .begin = {.known = true,
                                          .cpu = UINT64_C(10) * TICK,
                                          .read = 100,
                                          .boot_ticks = 9990,
                                          .monotonic = CLOCK_SECOND / 2}};
    struct process_units units = {.clock_ticks = 100, .page_bytes = 4096};
    put(.pid = ROOT, .parent = 1, .user = 30, .read = 150, .children = "101 102");
    put(.pid = 101, .parent = ROOT, .start = 9000, .user = 50, .read = 7); /* the old image's */
    put(.pid = 102, .parent = ROOT, .start = 9995, .user = 5, .read = 8);
    assert_int_equal(process_open(&tree, &f.roots, &who, &units), 0);
    is_open = true;
    reading();
    assert_int_equal(s.tree_user, 60);
    assert_int_equal(s.tree_disk_read, 107);
    reading();
    assert_int_equal(s.tree_user, 85);
    assert_int_equal(s.tree_disk_read, 165);
}

static void a_main_thread_that_ended_before_the_others_still_has_children(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .state = 'Z', .threads = 2);
    fixture_write(&f, "proc/100/task/150/children", "200 ");
    put(.pid = 200, .parent = ROOT, .user = 7);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 1);
    assert_int_equal(tree.threads, 3);
}

static void our_own_root_gives_only_its_reaped_children(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 70, .system = 70, .child_user = 3, .read = 500, .pages = 1000, .pss = 4000,
        .children = "101");
    fixture_write(&f, "proc/100/task/100/io", "read_bytes: 480\nwrite_bytes: 0\n");
    put(.pid = 101, .parent = ROOT, .user = 5, .pages = 5, .pss = 20, .children = "102");
    put(.pid = 102, .parent = 101, .user = 6, .read = 1);
    open_tree(true, 101);
    reading();
    assert_int_equal(s.tree_user, 14);
    assert_int_equal(s.tree_system, 0);
    assert_int_equal(s.tree_processes, 1);
    assert_int_equal(s.tree_memory, 20);
    assert_int_equal(s.tree_disk_read, 21);
}

static void without_lists_of_children_parents_are_looked_up(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    put(.pid = 40, .parent = ROOT, .user = 1);
    put(.pid = 41, .parent = 40, .user = 2);
    put(.pid = 42, .parent = 1, .user = 4);
    fixture_remove(&f, "proc/100/task");
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 2);
    assert_int_equal(s.tree_user, 3);
    put(.pid = 43, .parent = 41, .user = 8, .start = 10050);
    reading();
    assert_int_equal(s.tree_processes, 3);
    assert_int_equal(s.tree_user, 11);
}

static void a_process_whose_first_thread_has_left_still_has_memory_and_children(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .state = 'Z', .threads = 3, .user = 5);
    put(.pid = 151, .parent = ROOT, .pages = 2048, .shared = 8, .pss = 8176); /* a thread: found by its number */
    fixture_write(&f, "proc/101/task/151/children", "102 ");
    put(.pid = 102, .parent = 101, .state = 'Z', .pages = 0);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_processes, 2);
    assert_int_equal(s.tree_memory, 8176);
    put(.pid = 101, .parent = ROOT, .state = 'Z', .user = 5); /* all threads have left */
    fixture_process_gone(&f, 151);
    reading();
    assert_int_equal(s.tree_memory, 0);
}

static void io_that_may_not_be_read_contributes_nothing(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .read = 10, .children = "101");
    put(.pid = 101, .parent = ROOT, .read = 5);
    fixture_remove(&f, "proc/101/io");
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_disk_read, 10);
}

static void without_io_accounting_the_column_is_empty(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    fixture_remove(&f, "proc/100/io");
    open_tree(false, ROOT);
    reading();
    assert_true(s.tree_disk_read == METRIC_NONE);
    assert_true(s.tree_disk_write == METRIC_NONE);
}

static void a_process_that_has_not_run_is_not_read_again(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 5);
    fixture_write(&f, "proc/101/schedstat", "5000 10 3\n");
    open_tree(false, ROOT);
    reading();
    put(.pid = 101, .parent = ROOT, .user = 9);
    now.machine_processes = 3;
    tree.row = 1; /* not the turn of pid 101 */
    reading();
    assert_int_equal(s.tree_user, 5);
    fixture_write(&f, "proc/101/schedstat", "6000 10 4\n");
    reading();
    assert_int_equal(s.tree_user, 9);
    fixture_process_gone(&f, 101);
    reading();
    assert_int_equal(s.tree_processes, 0);
    assert_int_equal(s.tree_user, 9);
}

static void what_went_with_a_child_is_looked_for_in_a_parent_whose_clock_stands(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 5, .children = "102");
    put(.pid = 102, .parent = 101, .user = 50);
    fixture_write(&f, "proc/101/schedstat", "5000 10 3\n");
    open_tree(false, ROOT);
    reading();
    tree.row = 1; /* not the turn of pid 101 */
    fixture_process_gone(&f, 102);
    put(.pid = 101, .parent = ROOT, .user = 5, .child_user = 50);
    for (int i = 0; i < 3; i++) {
        reading();
        assert_int_equal(s.tree_user, 55);
    }
    fixture_write(&f, "proc/101/schedstat", "6000 10 4\n");
    reading();
    assert_int_equal(s.tree_user, 55);
}

static void a_process_that_cannot_be_looked_at_has_not_gone(void **state)
{
    (void)state;
    struct rlimit before;
    put(.pid = ROOT, .parent = 1, .user = 10, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 20);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}), 0);
    reading();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(s.tree_processes, 1);
    assert_int_equal(s.tree_user, 30);
    put(.pid = 101, .parent = ROOT, .user = 60);
    reading();
    assert_int_equal(s.tree_processes, 1);
    assert_int_equal(s.tree_user, 70);
}

static void a_tree_that_was_large_once_gives_its_memory_back(void **state)
{
    (void)state;
    struct process_table table;
    enum { MANY = 3000, LEFT = 10 };
    assert_int_equal(process_table_init(&table), 0);
    size_t first = table.capacity;
    for (pid_t pid = 1; pid <= MANY; pid++)
        process_table_add(&table, pid)->read_yet = true;
    process_table_compact(&table);
    assert_true(table.capacity >= MANY);
    for (size_t i = LEFT; i < MANY; i++)
        table.list[i].gone = true;
    for (int i = 0; i < 20; i++)
        process_table_compact(&table);
    assert_int_equal(table.capacity, first);
    assert_int_equal(table.count, LEFT);
    for (pid_t pid = 1; pid <= LEFT; pid++)
        assert_ptr_equal(process_table_find(&table, pid, 0), &table.list[pid - 1]);
    assert_null(process_table_find_present(&table, LEFT + 1));
    process_table_done(&table);
}

static void a_list_of_the_machines_processes_that_was_long_once_gives_its_memory_back(void **state)
{
    (void)state;
    struct process_scan scan;
    enum { MANY = 300, LEFT = 10 };
    for (pid_t pid = 1; pid <= MANY; pid++)
        put(.pid = pid, .parent = 1);
    int proc = open(f.proc, O_RDONLY | O_DIRECTORY);
    process_scan_init(&scan);
    assert_int_equal(process_scan_run(&scan, proc, &tree.dir, PROCESS_RANGE_ALL), 0);
    assert_int_equal(scan.count, MANY);
    size_t most = scan.capacity;
    for (pid_t pid = LEFT + 1; pid <= MANY; pid++)
        fixture_process_gone(&f, pid);
    for (int i = 0; i < 2; i++)
        assert_int_equal(process_scan_run(&scan, proc, &tree.dir, PROCESS_RANGE_ALL), 0);
    assert_int_equal(scan.count, LEFT);
    assert_true(scan.capacity < most);
    process_scan_done(&scan);
    close(proc);
}

static void without_proc_nothing_is_known(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .user = 10);
    open_tree(false, ROOT);
    reading();
    int proc = tree.proc;
    tree.proc = -ENOENT; /* as after a chroot, when the thread comes back */
    assert_int_equal(process_read(&tree, &scratch, &now, &s), -ENOENT);
    tree.proc = proc;
    put(.pid = ROOT, .parent = 1, .user = 15);
    reading();
    assert_int_equal(s.tree_user, 15);
}

static void while_no_pid_is_given_out_children_are_not_listed(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1);
    fixture_write(&f, "proc/loadavg", "0.00 0.00 0.00 1/90 500\n");
    open_tree(false, ROOT);
    reading();
    put(.pid = ROOT, .parent = 1, .children = "101");
    put(.pid = 101, .parent = ROOT, .start = 10100);
    reading();
    assert_int_equal(s.tree_processes, 0);
    fixture_write(&f, "proc/loadavg", "0.00 0.00 0.00 1/90 501\n");
    reading();
    assert_int_equal(s.tree_processes, 1);
}

static int read_with_self(const char *link)
{
    fixture_link(&f, "proc/self", link);
    open_tree(false, ROOT);
    s = (struct sample){.tree_user = METRIC_NONE, .tree_processes = METRIC_NONE, .tree_memory = METRIC_NONE};
    int error = process_read(&tree, &scratch, &now, &s);
    process_close(&tree);
    is_open = false;
    fixture_remove(&f, "proc/self");
    return error;
}

static void a_proc_of_other_numbers_tells_nothing(void **state)
{
    (void)state;
    static const char *const others[] = {"7", "nowhere"};
    char                     own[16];
    put(.pid = ROOT, .parent = 1, .user = 10, .children = "101");
    put(.pid = 101, .parent = ROOT, .user = 20);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(read_with_self(others[i]), -EXDEV);
        assert_true(s.tree_user == METRIC_NONE);
        assert_true(s.tree_processes == METRIC_NONE);
        assert_true(s.tree_memory == METRIC_NONE);
    }
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    assert_int_equal(read_with_self(own), 0);
    assert_int_equal(s.tree_processes, 1);
}

static void memory_that_is_no_files_counts_whole_and_files_by_what_was_read(void **state)
{
    (void)state;
    enum { MIB = 256 }; /* pages */
    put(.pid = ROOT, .parent = 1, .pages = 300 * MIB, .shared = 100 * MIB, .pss = 220 * 1024, .children = "101 102");
    put(.pid = 101, .parent = ROOT, .pages = 1000 * MIB, .shared = 0, .pss = 1);
    put(.pid = 102, .parent = ROOT, .pages = 1000, .state = 'Z', .pss = -1);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_memory, (220 + 1000) * 1024);
    put(.pid = 101, .parent = ROOT, .pages = 2000 * MIB, .shared = 0, .pss = 1);
    reading();
    assert_int_equal(s.tree_memory, (220 + 2000) * 1024);
}

static void a_file_that_others_cannot_be_asked_about_counts_half(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .pages = 30000, .shared = 10000, .pss = -1);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_memory, 25000 * 4);
}

static void a_process_that_waits_uninterruptibly_is_not_asked_for_its_memory(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .state = 'D', .pages = 10240, .shared = 10240, .pss = 1024);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_memory, 5120 * 4);
    put(.pid = ROOT, .parent = 1, .pages = 10240, .shared = 10240, .pss = 1024);
    reading();
    assert_int_equal(s.tree_memory, 1024);
    put(.pid = ROOT, .parent = 1, .state = 'D', .pages = 20480, .shared = 10240, .pss = 512);
    reading();
    assert_int_equal(s.tree_memory, 1024 + 40960);
}

static void memory_is_never_more_than_what_is_resident(void **state)
{
    (void)state;
    put(.pid = ROOT, .parent = 1, .pages = 5120, .shared = 5120, .pss = 99999);
    open_tree(false, ROOT);
    reading();
    assert_int_equal(s.tree_memory, 20480);
}

static void ten_thousand_processes_are_no_square(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    char  *children = malloc((size_t)COUNT * 8);
    size_t len = 0;
    assert_non_null(children);
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        len += (size_t)sprintf(children + len, "%d ", 1000 + i);
        (void)snprintf(path, sizeof path, "proc/%d/stat", 1000 + i);
        fixture_write(&f, path, "%d (a) S %d 1 1 0 -1 0 1 0 0 0 1 0 0 0 20 0 1 0 9000 0 0 0\n", 1000 + i, ROOT);
    }
    put(.pid = ROOT, .parent = 1, .children = children);
    free(children);
    open_tree(false, ROOT);
    int64_t start = clock_thread_cpu();
    reading();
    reading();
    assert_int_equal(s.tree_processes, COUNT);
    assert_int_equal(s.tree_user, COUNT);
    assert_true(clock_thread_cpu() - start < 5 * CLOCK_SECOND);
    assert_int_equal(tree.table.capacity, 16384);
}

static void burn(double seconds)
{
    clock_t start = clock();
    while ((double)(clock() - start) / CLOCKS_PER_SEC < seconds) {
    }
}

static double cpu_of(const struct rusage *use)
{
    return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) +
           (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e6;
}

static void real_children_sum_up_to_what_wait4_says(void **state)
{
    (void)state;
    long                 ticks = sysconf(_SC_CLK_TCK);
    struct roots         real = {"/proc", "/sys"};
    struct tree          who = {.root = getpid(), .main_process = getpid()};
    struct process_units units = {ticks, sysconf(_SC_PAGESIZE)};
    struct rusage        use = {0};
    struct rusage        own[4];
    assert_int_equal(process_open(&tree, &real, &who, &units), 0);
    is_open = true;
    now.monotonic = clock_monotonic();
    assert_int_equal(getrusage(RUSAGE_SELF, &own[0]), 0);
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
    uint64_t before = s.tree_user + s.tree_system;
    assert_int_equal(getrusage(RUSAGE_SELF, &own[1]), 0);
    pid_t child = fork();
    if (child == 0) {
        burn(0.2);
        _exit(0);
    }
    for (int i = 0; i < 10; i++) {
        (void)usleep(20000);
        now.monotonic = clock_monotonic();
        assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
        assert_int_equal(s.tree_processes, 1);
        assert_true(s.tree_memory > 0);
    }
    assert_int_equal(wait4(child, NULL, 0, &use), child);
    assert_int_equal(getrusage(RUSAGE_SELF, &own[2]), 0);
    (void)usleep(20000);
    now.monotonic = clock_monotonic();
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
    assert_int_equal(getrusage(RUSAGE_SELF, &own[3]), 0);
    /* This process's own use lies between what it was around each of the two readings. */
    double seen = (double)(s.tree_user + s.tree_system - before) / 1e6;
    double least = cpu_of(&use) + cpu_of(&own[2]) - cpu_of(&own[1]);
    double most = cpu_of(&use) + cpu_of(&own[3]) - cpu_of(&own[0]);
    assert_true(seen > least - 0.005 && seen < most + 0.005);
    assert_int_equal(s.tree_processes, 0);
}

static void *fork_and_wait(void *unused)
{
    (void)unused;
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    (void)usleep(200000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return NULL;
}

static void a_real_child_of_a_thread_is_seen(void **state)
{
    (void)state;
    struct roots         real = {"/proc", "/sys"};
    struct tree          who = {.root = getpid(), .main_process = getpid()};
    struct process_units units = {sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE)};
    pthread_t            thread;
    assert_int_equal(process_open(&tree, &real, &who, &units), 0);
    is_open = true;
    reading();
    assert_int_equal(s.tree_processes, 0);
    assert_int_equal(pthread_create(&thread, NULL, fork_and_wait, NULL), 0);
    (void)usleep(100000);
    reading();
    assert_int_equal(s.tree_processes, 1);
    pthread_join(thread, NULL);
    reading();
    assert_int_equal(s.tree_processes, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_name_with_parentheses_does_not_shift_the_fields),
        test(what_is_no_stat_is_refused),
        test(the_tree_is_every_descendant),
        test(no_descendant_is_zero),
        test(children_of_threads_are_found),
        test(a_child_reaped_into_its_parent_is_counted_once),
        test(a_child_reaped_between_two_files_is_neither_lost_nor_counted_twice),
        test(a_child_that_vanished_unreaped_keeps_its_last_value),
        test(the_missing_part_of_several_children_is_retained),
        test(a_grandchild_that_was_reparented_stays_and_so_do_its_children),
        test(an_orphan_that_dies_under_a_subreaper_of_the_tree_is_counted_once),
        test(an_orphan_that_comes_to_our_root_and_ends_between_two_readings_is_counted_once),
        test(an_orphan_that_comes_to_a_subreaper_and_ends_between_two_readings_is_counted_once),
        test(an_orphan_whose_parent_ends_while_the_tree_is_read_is_counted_once),
        test(an_orphan_of_a_zombie_is_counted_once),
        test(a_child_that_nobody_reaped_is_no_orphan_to_look_for),
        test(a_whole_branch_reaped_at_once_is_found_in_the_ancestor),
        test(a_reused_pid_is_another_process),
        test(counters_that_fall_keep_the_old_sum),
        test(more_than_the_machine_could_do_is_carried_to_the_next_readings),
        test(the_last_reading_has_what_the_one_before_had_room_for),
        test(before_the_first_reading_there_was_no_room_for_anything),
        test(what_an_adopted_process_used_before_is_not_the_trees),
        test(what_was_used_before_a_late_first_reading_is_in_the_second),
        test(a_main_thread_that_ended_before_the_others_still_has_children),
        test(our_own_root_gives_only_its_reaped_children),
        test(without_lists_of_children_parents_are_looked_up),
        test(a_process_whose_first_thread_has_left_still_has_memory_and_children),
        test(io_that_may_not_be_read_contributes_nothing),
        test(without_io_accounting_the_column_is_empty),
        test(a_process_that_has_not_run_is_not_read_again),
        test(what_went_with_a_child_is_looked_for_in_a_parent_whose_clock_stands),
        test(a_process_that_cannot_be_looked_at_has_not_gone),
        test(a_tree_that_was_large_once_gives_its_memory_back),
        test(a_list_of_the_machines_processes_that_was_long_once_gives_its_memory_back),
        test(without_proc_nothing_is_known),
        test(while_no_pid_is_given_out_children_are_not_listed),
        test(a_proc_of_other_numbers_tells_nothing),
        test(memory_that_is_no_files_counts_whole_and_files_by_what_was_read),
        test(a_file_that_others_cannot_be_asked_about_counts_half),
        test(memory_is_never_more_than_what_is_resident),
        test(a_process_that_waits_uninterruptibly_is_not_asked_for_its_memory),
        test(ten_thousand_processes_are_no_square),
        test(real_children_sum_up_to_what_wait4_says),
        test(a_real_child_of_a_thread_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
