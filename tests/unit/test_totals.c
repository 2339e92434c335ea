// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "collect/cgroup/cgroup.h"
#include "collect/collect.h"
#include "collect/tree/process_stat.h"

static struct fixture f;
static struct tree    self;

static int set_up(void **state)
{
    (void)state;
    self = (struct tree){.root = getpid(), .main_process = getpid()};
    fixture_open(&f);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static uint64_t peak(void)
{
    struct cgroup_limits limits;
    struct cgroup_watch  watch;
    struct cgroup_events events;
    cgroup_limits_read(&f.roots, &limits, &watch);
    cgroup_read_peak(&watch, &events);
    return events.memory_peak;
}

static void cgroup_v2_tells_the_peak_of_the_own_cgroup(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "0::/user.slice/a:b\n");
    fixture_write(&f, "sys/fs/cgroup/user.slice/a:b/memory.peak", "123456\n");
    assert_int_equal(peak(), 123456);
}

static void a_container_that_sees_the_hosts_path_finds_its_cgroup_at_the_top(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "0::/docker/0123\n");
    fixture_write(&f, "sys/fs/cgroup/memory.peak", "777\n");
    assert_int_equal(peak(), 777);
}

static void the_root_cgroup_has_no_peak(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "0::/\n");
    fixture_write(&f, "sys/fs/cgroup/cgroup.procs", "1\n");
    assert_true(peak() == METRIC_NONE);
    fixture_write(&f, "proc/self/cgroup", "4:memory:/\n0::/\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.max_usage_in_bytes", "5\n");
    fixture_write(&f, "sys/fs/cgroup/memory/release_agent", "\n");
    assert_true(peak() == METRIC_NONE);
}

static void cgroup_v1_tells_the_peak_under_another_name(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/job/7\n0::/elsewhere\n");
    fixture_write(&f, "sys/fs/cgroup/memory/job/7/memory.max_usage_in_bytes", "4096\n");
    assert_int_equal(peak(), 4096);
}

static void without_cgroups_there_is_no_peak(void **state)
{
    (void)state;
    assert_true(peak() == METRIC_NONE);
    fixture_write(&f, "proc/self/cgroup", "nonsense\n::\n0:\n");
    fixture_folder(&f, "sys/fs/cgroup");
    assert_true(peak() == METRIC_NONE);
}

static void burn(double seconds)
{
    clock_t start = clock();
    while ((double)(clock() - start) / CLOCKS_PER_SEC < seconds) {
    }
}

enum { LARGE_KIB = 256 * 1024 }; /* far more than this process has, also under valgrind */

/* Forks a child that works and has so much memory for a moment; it ends, or says so and stays. */
static pid_t fork_large(bool stays)
{
    int  ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        char *memory = malloc((size_t)LARGE_KIB * 1024);
        for (size_t i = 0; memory && i < (size_t)LARGE_KIB * 1024; i += 4096)
            memory[i] = 1;
        free(memory);
        burn(0.1);
        (void)!write(ready[1], &byte, 1);
        if (stays)
            pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (!stays)
        assert_int_equal(waitpid(child, NULL, 0), child);
    return child;
}

static const struct roots real = {"/proc", "/sys"};

static struct totals read_since(const struct usage *before, struct collectors *collectors)
{
    struct totals ret;
    totals_read(&real, &self, before, USAGE_THIS_IMAGE, collectors, &ret);
    return ret;
}

static void reaped_children_are_in_the_totals_and_our_own_root_is_not(void **state)
{
    (void)state;
    struct usage before;
    struct usage without;
    int64_t      began = clock_monotonic();
    usage_read(&self, &before);
    self.root_is_ours = true;
    usage_read(&self, &without);
    fork_large(false);
    burn(0.1);
    struct totals children = read_since(&without, NULL);
    self.root_is_ours = false;
    struct totals all = read_since(&before, NULL);
    /* One of the two works at any time: together they cannot have more than has passed. A tick is 10 ms at most. */
    int64_t most = (clock_monotonic() - began) / 1000 + 20000;
    assert_in_range(all.user_us + all.system_us, 190000, most);
    assert_in_range(children.user_us + children.system_us, 95000, all.user_us + all.system_us - 95000);
    assert_true(all.max_rss_kib >= LARGE_KIB);
    assert_true(children.max_rss_kib >= LARGE_KIB);
    assert_true(all.minor_faults >= LARGE_KIB / 4096);
}

static void what_was_used_before_the_run_is_not_in_its_totals(void **state)
{
    (void)state;
    struct usage before;
    struct usage whole = {0};
    fork_large(false);
    burn(0.1);
    usage_read(&self, &before);
    struct totals t = read_since(&before, NULL);
    struct totals all = read_since(&whole, NULL);
    assert_true(t.user_us + t.system_us < 50000);
    assert_true(t.max_rss_kib < LARGE_KIB / 2);
    assert_true(t.voluntary_switches + t.involuntary_switches < all.voluntary_switches + all.involuntary_switches);
    assert_true(t.minor_faults < all.minor_faults / 2);
    /* A child of the run below that maximum: how large it was, nobody knows. */
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    t = read_since(&before, NULL);
    assert_true(t.max_rss_kib < LARGE_KIB / 2);
    assert_false(t.max_rss_exact);
}

static void a_child_that_lives_on_is_in_the_totals(void **state)
{
    (void)state;
    struct collectors *collectors;
    struct sample      begin;
    struct sample      end;
    struct usage       before;
    assert_int_equal(collect_open(&real, &self, &collectors), 0);
    collect_read(collectors, &begin);
    usage_read(&self, &before);
    struct totals nobody = read_since(&before, collectors);
    assert_true(nobody.max_rss_exact);
    pid_t child = fork_large(true);
    collect_read(collectors, &end);
    struct totals t = read_since(&before, collectors);
    assert_true(t.max_rss_kib >= LARGE_KIB);
    assert_true(end.tree_minor_faults - begin.tree_minor_faults >= LARGE_KIB / 4096);
    assert_true(t.voluntary_switches > 0);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    collect_close(collectors);
}

static void of_a_step_nobody_knows_the_switches_and_the_exact_peak(void **state)
{
    (void)state;
    struct usage before;
    usage_read(&self, &before);
    self.root = getppid();
    self.root_is_ours = true;
    struct totals t = read_since(&before, NULL);
    assert_true(t.voluntary_switches == METRIC_NONE);
    assert_true(t.max_rss_kib != METRIC_NONE);
    assert_false(t.max_rss_exact);
}

static void the_memory_of_pillion_run_itself_is_nobodys_of_the_run(void **state)
{
    (void)state;
    struct usage before;
    self.root_is_ours = true;
    usage_read(&self, &before);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(read_since(&before, NULL).max_rss_kib == METRIC_NONE);
}

/* Where nothing reaches a disk (tmpfs), both are the same all the same. */
static void the_kernels_account_has_the_bytes_of_proc_io(void **state)
{
    (void)state;
    enum { SECTOR = 512 };
    struct usage before;
    struct usage after;
    uint64_t     read_bytes = 0;
    uint64_t     written_bytes = 0;
    fixture_write(&f, "some", "text that reaches a disk");
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    usage_read(&self, &before);
    assert_int_equal(process_io_read(proc, getpid(), 0, &read_bytes, &written_bytes), 0);
    usage_read(&self, &after); /* code may have been read in between */
    close(proc);
    assert_in_range(read_bytes, before.read, after.read + SECTOR - 1);
    assert_in_range(written_bytes, before.written, after.written + SECTOR - 1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_kernels_account_has_the_bytes_of_proc_io),
        test(cgroup_v2_tells_the_peak_of_the_own_cgroup),
        test(a_container_that_sees_the_hosts_path_finds_its_cgroup_at_the_top),
        test(the_root_cgroup_has_no_peak),
        test(cgroup_v1_tells_the_peak_under_another_name),
        test(without_cgroups_there_is_no_peak),
        test(the_memory_of_pillion_run_itself_is_nobodys_of_the_run),
        test(reaped_children_are_in_the_totals_and_our_own_root_is_not),
        test(what_was_used_before_the_run_is_not_in_its_totals),
        test(a_child_that_lives_on_is_in_the_totals),
        test(of_a_step_nobody_knows_the_switches_and_the_exact_peak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
