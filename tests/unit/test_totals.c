// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <sys/wait.h>
#include <time.h>

#include "collect/collect.h"

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
    struct totals t;
    assert_int_equal(totals_read(&f.roots, &self, &t), 0);
    return t.cgroup_memory_peak;
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

static void reaped_children_are_in_the_totals_and_our_own_root_is_not(void **state)
{
    (void)state;
    struct roots  real = {"/proc", "/sys"};
    struct totals before;
    struct totals all;
    struct totals children;
    assert_int_equal(totals_read(&real, &self, &before), 0);
    pid_t child = fork();
    if (child == 0) {
        burn(0.1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    burn(0.1);
    assert_int_equal(totals_read(&real, &self, &all), 0);
    self.root_is_ours = true;
    assert_int_equal(totals_read(&real, &self, &children), 0);
    uint64_t used = all.user_us + all.system_us - before.user_us - before.system_us;
    assert_in_range(used, 190000, 400000);
    assert_in_range(children.user_us + children.system_us, 95000, 200000);
    assert_true(all.max_rss_kib > 100);
    assert_true(all.minor_faults > 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(cgroup_v2_tells_the_peak_of_the_own_cgroup),
        test(a_container_that_sees_the_hosts_path_finds_its_cgroup_at_the_top),
        test(the_root_cgroup_has_no_peak),
        test(cgroup_v1_tells_the_peak_under_another_name),
        test(without_cgroups_there_is_no_peak),
        test(reaped_children_are_in_the_totals_and_our_own_root_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
