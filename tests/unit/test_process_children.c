// SPDX-License-Identifier: Apache-2.0
// How new children are found, who is left unread, and whose files stay open: on real processes, as only the real /proc
// gives out numbers and keeps clocks.
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "collect/tree/process.h"
#include "collect/tree/process_children.h"
#include "collect/tree/process_held.h"

/* More than the few that are always asked for their children. */
enum { SLEEPERS = 6, HIGHEST = 0x3fffff };

static struct scratch      scratch;
static struct process_tree tree;
static struct process_now  now;
static struct sample       s;
static pid_t               children[32];
static int                 child_count;
static int                 commands[2];

static void open_tree(const struct roots *roots, pid_t root)
{
    struct tree          who = {.root = root, .main_process = root};
    struct process_units units = {sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE)};
    assert_int_equal(process_open(&tree, roots, &who, &units), 0);
}

static void reading(void)
{
    now.monotonic += CLOCK_SECOND;
    assert_int_equal(process_read(&tree, &scratch, &now, &s), 0);
}

static void burn(int ms)
{
    int64_t until = clock_thread_cpu() + ms * CLOCK_MILLISECOND;
    while (clock_thread_cpu() < until) {
    }
}

/* Each byte of the command pipe lets one child use 50 ms of CPU; 'f' has it fork as well. */
static void live(void)
{
    char command = 0;
    while (read(commands[0], &command, 1) == 1) {
        if (command == 'f' && fork() == 0)
            for (;;)
                pause();
        burn(50);
    }
    _exit(0);
}

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        live();
    assert_true(pid > 0);
    children[child_count++] = pid;
    return pid;
}

static int set_up(void **state)
{
    (void)state;
    static const struct roots real = {"/proc", "/sys"};
    struct timespec           boot;
    assert_int_equal(scratch_init(&scratch), 0);
    assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
    for (int i = 0; i < SLEEPERS; i++)
        (void)start_child();
    clock_gettime(CLOCK_BOOTTIME, &boot);
    now = (struct process_now){.monotonic = CLOCK_SECOND,
                               .boot_ticks = (uint64_t)(boot.tv_sec * sysconf(_SC_CLK_TCK)),
                               .machine_processes = METRIC_NONE,
                               .hugetlb = METRIC_NONE};
    open_tree(&real, getpid());
    if (!tree.tells)
        print_message("/proc does not tell who is new here: each process is asked for its children\n");
    for (int i = 0; i < 3; i++)
        reading();
    assert_int_equal(s.tree_processes, SLEEPERS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < child_count; i++)
        kill(children[i], SIGKILL);
    child_count = 0;
    while (waitpid(-1, NULL, 0) > 0) { /* orphans too, should this be process 1 */
    }
    close(commands[0]);
    close(commands[1]);
    process_close(&tree);
    scratch_done(&scratch);
    return 0;
}

static const struct process *find(pid_t pid)
{
    return process_table_find_present(&tree.table, pid);
}

static void a_new_child_stands_behind_the_last_number(void **state)
{
    (void)state;
    (void)start_child();
    reading();
    assert_true(!tree.tells || tree.search == SEARCH_SCAN);
    assert_int_equal(s.tree_processes, SLEEPERS + 1);
    (void)start_child();
    (void)start_child();
    reading();
    assert_true(!tree.tells || tree.search == SEARCH_SCAN);
    assert_int_equal(s.tree_processes, SLEEPERS + 3);
}

static void so_does_a_child_whose_number_was_given_out_before_the_last_reading(void **state)
{
    (void)state;
    pid_t pid = start_child();
    tree.last[0] = pid; /* it was not to be seen yet when this was read */
    reading();
    assert_int_equal(s.tree_processes, SLEEPERS + 1);
    assert_non_null(find(pid));
}

static void numbers_that_came_round_are_looked_for_from_the_lowest_on(void **state)
{
    (void)state;
    tree.last[0] = tree.last[1] = HIGHEST;
    pid_t pid = start_child();
    reading();
    assert_non_null(find(pid));
    assert_int_equal(s.tree_processes, SLEEPERS + 1);
}

static void a_grandchild_is_found(void **state)
{
    (void)state;
    assert_int_equal(write(commands[1], "f", 1), 1);
    pid_t   grandchild = 0;
    int64_t give_up = clock_monotonic() + 20 * CLOCK_SECOND;
    while (s.tree_processes == SLEEPERS && clock_monotonic() < give_up)
        reading();
    assert_int_equal(s.tree_processes, SLEEPERS + 1);
    for (size_t i = 0; i < tree.table.count; i++)
        if (tree.table.list[i].parent != getpid() && tree.table.list[i].pid != getpid())
            grandchild = tree.table.list[i].pid;
    assert_true(grandchild > 0);
    kill(grandchild, SIGKILL);
}

static void readings_far_apart_ask_everybody(void **state)
{
    (void)state;
    (void)start_child();
    now.monotonic += 60 * CLOCK_SECOND;
    reading();
    assert_int_equal(tree.search, SEARCH_LISTS);
    assert_int_equal(s.tree_processes, SLEEPERS + 1);
}

static int count_quiet(void)
{
    int count = 0;
    for (int i = 0; i < SLEEPERS; i++)
        count += find(children[i])->stood;
    return count;
}

/* Clock ticks, by the last reading. */
static uint64_t used_by_children(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < tree.table.count; i++) {
        const struct process *p = &tree.table.list[i];
        sum += p->pid == getpid() ? 0 : p->value[USER] + p->value[SYSTEM];
    }
    return sum;
}

static void what_a_quiet_process_uses_later_is_not_lost(void **state)
{
    (void)state;
    int64_t  give_up = clock_monotonic() + 20 * CLOCK_SECOND;
    uint64_t most = (uint64_t)sysconf(_SC_CLK_TCK) / 10; /* two times 50 ms */
    for (int stood = 0; tree.own_numbers && stood < SLEEPERS; stood = count_quiet()) {
        assert_true(clock_monotonic() < give_up);
        (void)usleep(1000);
        reading();
    }
    uint64_t before = used_by_children();
    assert_int_equal(write(commands[1], "bb", 2), 2);
    do {
        assert_true(clock_monotonic() < give_up);
        (void)usleep(10000);
        reading();
    } while (used_by_children() + 2 < before + most);
}

static void the_files_of_a_busy_process_stay_open_until_it_goes(void **state)
{
    (void)state;
    pid_t   busy = 0;
    int64_t give_up = clock_monotonic() + 20 * CLOCK_SECOND;
    while (!busy && clock_monotonic() < give_up) {
        assert_int_equal(write(commands[1], "b", 1), 1);
        (void)usleep(20000);
        reading();
        for (int i = 0; i < SLEEPERS; i++)
            busy = find(children[i])->stat_fd >= 0 ? children[i] : busy;
        if (!tree.own_numbers)
            break;
    }
    if (!tree.own_numbers)
        skip("/proc does not tell who is new here");
    assert_true(busy > 0);
    uint64_t value = find(busy)->value[USER] + find(busy)->value[SYSTEM];
    kill(busy, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)busy, &info, WEXITED | WNOWAIT), 0);
    reading();
    assert_true(find(busy)->dead); /* read by the open file */
    assert_true(find(busy)->value[USER] + find(busy)->value[SYSTEM] >= value);
    assert_int_equal(waitpid(busy, NULL, 0), busy);
    reading();
    assert_null(find(busy));
    process_held_drop_all(&tree);
    assert_int_equal(tree.held, 0);
    for (size_t i = 0; i < tree.table.count; i++)
        assert_true(tree.table.list[i].stat_fd < 0 && tree.table.list[i].io_fd < 0);
    reading();
}

static void few_descriptors_are_held_of_few(void **state)
{
    (void)state;
    assert_int_equal(process_held_limit(-1), 512);
    assert_int_equal(process_held_limit(1048576), 512);
    assert_int_equal(process_held_limit(1024), 256);
    assert_int_equal(process_held_limit(40), 0);
    struct process_table room;
    assert_int_equal(process_table_init(&room), 0);
    struct process *p = process_table_add(&room, getpid());
    tree.held_max = tree.held + 1;
    process_held_take(&tree, p);
    assert_int_equal(p->stat_fd, -1);
    tree.held_max = tree.held + 2;
    process_held_take(&tree, p);
    assert_true(p->stat_fd >= 0 && p->io_fd >= 0);
    process_held_drop(&tree, p);
    assert_int_equal(p->stat_fd, -1);
    assert_int_equal(tree.held, tree.held_max - 2);
    process_table_done(&room);
}

static void a_loadavg_of_another_file_system_is_not_believed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_link(&f, "proc/loadavg", "/proc/loadavg");
    fixture_process(&f, &(struct fake_process){.pid = 100, .parent = 1});
    process_close(&tree);
    open_tree(&f.roots, 100);
    assert_false(tree.counts || tree.tells || tree.own_numbers);
    reading();
    tree.last[0] = tree.last[1] = 1;
    fixture_process(&f, &(struct fake_process){.pid = 100, .parent = 1, .children = "101"});
    fixture_process(&f, &(struct fake_process){.pid = 101, .parent = 100});
    reading();
    assert_int_equal(s.tree_processes, 1);
    fixture_close(&f);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_new_child_stands_behind_the_last_number),
        test(so_does_a_child_whose_number_was_given_out_before_the_last_reading),
        test(numbers_that_came_round_are_looked_for_from_the_lowest_on),
        test(a_grandchild_is_found),
        test(readings_far_apart_ask_everybody),
        test(what_a_quiet_process_uses_later_is_not_lost),
        test(the_files_of_a_busy_process_stay_open_until_it_goes),
        test(few_descriptors_are_held_of_few),
        test(a_loadavg_of_another_file_system_is_not_believed),
    };
    char self[16] = "";
    if (readlink("/proc/self", self, sizeof self - 1) < 0 || strtol(self, NULL, 10) != getpid())
        return skip_program("/proc is of another PID namespace");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
