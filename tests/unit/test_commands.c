// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <string.h>

#include "base/clock.h"
#include "collect/tree/process.h"

enum { ROOT = 100, TICK = 10000 };

static struct fixture      f;
static struct scratch      scratch;
static struct process_tree tree;
static struct process_now  now;

static void open_tree(bool root_is_ours)
{
    struct tree          who = {.root = ROOT, .main_process = ROOT, .root_is_ours = root_is_ours};
    struct process_units units = {.clock_ticks = 100, .page_bytes = 4096};
    assert_int_equal(process_open(&tree, &f.roots, &who, &units), 0);
}

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    fixture_write(&f, "sys/devices/system/cpu/online", "0-7\n");
    now = (struct process_now){
        .monotonic = CLOCK_SECOND, .boot_ticks = 10000, .machine_processes = METRIC_NONE, .hugetlb = METRIC_NONE};
    open_tree(false);
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

/* A process of that name; its image is told by its stack. */
static void put(struct fake_process p)
{
    char path[64];
    p.stack = p.stack ? p.stack : (unsigned)p.pid;
    fixture_process(&f, &p);
    (void)snprintf(path, sizeof path, "proc/%d/comm", p.pid);
    fixture_write(&f, path, "%s\n", p.name);
    (void)snprintf(path, sizeof path, "proc/%d/cmdline", p.pid);
    fixture_write(&f, path, "%s", p.name);
}

#define PUT(...) put((struct fake_process){__VA_ARGS__})

static struct sample reading(void)
{
    struct sample s = {.tree_disk_read = METRIC_NONE, .tree_disk_write = METRIC_NONE};
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
    now.monotonic += CLOCK_SECOND;
    now.boot_ticks += 100;
    return s;
}

static const struct command *command(const char *name)
{
    static const struct command none;
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (strcmp(tree.commands.list[i].name, name) == 0)
            return &tree.commands.list[i];
    return &none;
}

/* In ticks. */
static uint64_t cpu(const char *name)
{
    const struct command *c = command(name);
    return (c->used[COMMAND_USER] + c->used[COMMAND_SYSTEM] + TICK / 2) / TICK;
}

static uint64_t cpu_of_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        sum += tree.commands.list[i].used[COMMAND_USER] + tree.commands.list[i].used[COMMAND_SYSTEM];
    return sum;
}

static void each_process_counts_under_its_name_and_names_add_up(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "make", .children = "101 102 103 ");
    PUT(.pid = 101, .parent = ROOT, .name = "cc1", .start = 9990);
    PUT(.pid = 102, .parent = ROOT, .name = "cc1", .start = 9990);
    PUT(.pid = 103, .parent = ROOT, .name = "ld", .start = 9990);
    struct sample before = reading();
    PUT(.pid = ROOT, .parent = 1, .name = "make", .user = 1, .children = "101 102 103 ");
    PUT(.pid = 101, .parent = ROOT, .name = "cc1", .user = 50, .system = 5, .start = 9990, .written = 7000);
    PUT(.pid = 102, .parent = ROOT, .name = "cc1", .user = 20, .start = 9990, .read = 100);
    PUT(.pid = 103, .parent = ROOT, .name = "ld", .system = 9, .start = 9990);
    struct sample after = reading();
    assert_int_equal(cpu("make"), 1);
    assert_int_equal(cpu("cc1"), 75);
    assert_int_equal(cpu("ld"), 9);
    assert_int_equal(command("cc1")->processes, 2);
    assert_int_equal(command("cc1")->live, 2);
    assert_int_equal(command("cc1")->used[COMMAND_WRITTEN], 7000);
    assert_int_equal(command("cc1")->used[COMMAND_READ], 100);
    assert_int_equal(cpu_of_all(), after.tree_user + after.tree_system - before.tree_user - before.tree_system);
}

static void children_that_nobody_saw_are_their_parents_short_children(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh");
    (void)reading();
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .user = 2, .child_user = 30, .child_system = 10, .child_faults = 9);
    (void)reading();
    assert_int_equal(cpu("sh"), 2);
    assert_int_equal(cpu("sh's short children"), 40);
    assert_int_equal(command("sh's short children")->used[COMMAND_SYSTEM], 10 * TICK);
}

static void the_end_of_a_child_that_was_seen_is_its_own(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .children = "101 ");
    PUT(.pid = 101, .parent = ROOT, .name = "job", .start = 9990, .faults = 5);
    (void)reading();
    PUT(.pid = 101, .parent = ROOT, .name = "job", .user = 90, .start = 9990, .faults = 5);
    (void)reading();
    fixture_process_gone(&f, 101);
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .child_user = 150, .child_faults = 5);
    (void)reading();
    assert_int_equal(cpu("job"), 150);
    assert_int_equal(cpu("sh's short children"), 0);
    assert_int_equal(command("job")->live, 0);
    assert_int_equal(command("job")->processes, 1);
}

static void more_than_a_child_can_have_used_since_is_that_of_others(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .children = "101 ");
    PUT(.pid = 101, .parent = ROOT, .name = "job", .start = 9990, .faults = 5);
    (void)reading();
    PUT(.pid = 101, .parent = ROOT, .name = "job", .user = 10, .start = 9990, .faults = 5);
    (void)reading();
    fixture_process_gone(&f, 101);
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .child_user = 110, .child_faults = 50);
    (void)reading();
    assert_int_equal(cpu("job"), 20); /* a tenth of a core for another second, at most */
    assert_int_equal(cpu("sh's short children"), 90);
}

static void a_gone_childs_bytes_stay_its_own(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .children = "101 ");
    PUT(.pid = 101, .parent = ROOT, .name = "dd", .start = 9990, .faults = 5);
    (void)reading();
    PUT(.pid = 101, .parent = ROOT, .name = "dd", .user = 1, .start = 9990, .faults = 5, .written = 5000);
    (void)reading();
    fixture_process_gone(&f, 101);
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .child_user = 1, .child_faults = 5, .written = 5100);
    struct sample s = reading();
    assert_int_equal(command("dd")->used[COMMAND_WRITTEN], 5000);
    assert_int_equal(command("sh")->used[COMMAND_WRITTEN], 100);
    assert_int_equal(s.tree_disk_write, 5100);
}

static void an_exec_counts_under_the_new_name_from_then_on(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh");
    (void)reading();
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .user = 10);
    (void)reading();
    PUT(.pid = ROOT, .parent = 1, .name = "job", .user = 30, .stack = 7);
    (void)reading();
    assert_int_equal(cpu("sh"), 10);
    assert_int_equal(cpu("job"), 20);
    assert_int_equal(command("sh")->live, 0);
}

/* A forked child shares code and stack with its parent: nothing more is read of it. */
static void a_forked_child_has_its_parents_name_without_being_asked(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "pool", .stack = 7, .children = "101 ");
    (void)reading();
    fixture_process(&f, &(struct fake_process){.pid = 101, .parent = ROOT, .name = "pool", .stack = 7, .user = 20});
    fixture_write(&f, "proc/101/comm", "never asked\n");
    (void)reading();
    fixture_process(&f, &(struct fake_process){.pid = 101, .parent = ROOT, .name = "pool", .stack = 7, .user = 30});
    (void)reading();
    assert_int_equal(command("pool")->processes, 2);
    assert_int_equal(command("never asked")->processes, 0);
}

static void the_programs_own_name_is_known_until_it_takes_another(void **state)
{
    (void)state;
    tree.who.comm = "python3";
    tree.who.program = "train.py";
    PUT(.pid = ROOT, .parent = 1, .name = "python3", .stack = 7);
    fixture_write(&f, "proc/100/comm", "never asked\n");
    (void)reading();
    PUT(.pid = ROOT, .parent = 1, .name = "worker 1", .stack = 7, .user = 20);
    (void)reading();
    assert_int_equal(command("train.py")->processes, 1);
    assert_int_equal(command("never asked")->processes, 0);
    assert_int_equal(cpu("worker 1"), 20);
}

static void what_was_there_before_the_tree_is_nobodys(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "old", .user = 500, .child_user = 300, .read = 9000);
    (void)reading();
    PUT(.pid = ROOT, .parent = 1, .name = "old", .user = 510, .child_user = 300, .read = 9500);
    (void)reading();
    assert_int_equal(cpu("old"), 10);
    assert_int_equal(cpu_of_all(), 10 * TICK);
    assert_int_equal(command("old")->used[COMMAND_READ], 500);
}

static void more_names_than_there_is_room_for_are_others(void **state)
{
    (void)state;
    char children[2048] = "";
    PUT(.pid = ROOT, .parent = 1, .name = "root");
    (void)reading();
    for (int i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "name-%d", i);
        PUT(.pid = 200 + i, .parent = ROOT, .name = name, .user = 3, .start = 10050);
        (void)snprintf(children + strlen(children), sizeof children - strlen(children), "%d ", 200 + i);
    }
    PUT(.pid = ROOT, .parent = 1, .name = "root", .children = children);
    (void)reading();
    assert_int_equal(tree.commands.count, COMMANDS_MAX - 1);
    assert_int_equal(cpu_of_all(), 300 * TICK);
    assert_int_equal(cpu("others"), 300 - 3 * (COMMANDS_MAX - 2));
}

static void memory_stands_under_the_names_and_adds_up(void **state)
{
    (void)state;
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .pages = 256, .pss = 1000, .children = "101 ");
    PUT(.pid = 101, .parent = ROOT, .name = "job", .pages = 25600, .pss = 102000, .start = 9990);
    struct sample s = reading();
    uint64_t      sum = command("sh")->memory + command("job")->memory;
    assert_in_range(sum, s.tree_memory - 1, s.tree_memory + 1);
    assert_true(command("job")->memory > 50 * command("sh")->memory);
    fixture_process_gone(&f, 101);
    PUT(.pid = ROOT, .parent = 1, .name = "sh", .pages = 256, .pss = 1000);
    (void)reading();
    assert_int_equal(command("job")->memory, 0);
    assert_true(command("job")->memory_max > 90000);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(each_process_counts_under_its_name_and_names_add_up),
        test(children_that_nobody_saw_are_their_parents_short_children),
        test(the_end_of_a_child_that_was_seen_is_its_own),
        test(more_than_a_child_can_have_used_since_is_that_of_others),
        test(a_gone_childs_bytes_stay_its_own),
        test(an_exec_counts_under_the_new_name_from_then_on),
        test(a_forked_child_has_its_parents_name_without_being_asked),
        test(the_programs_own_name_is_known_until_it_takes_another),
        test(what_was_there_before_the_tree_is_nobodys),
        test(more_names_than_there_is_room_for_are_others),
        test(memory_stands_under_the_names_and_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
