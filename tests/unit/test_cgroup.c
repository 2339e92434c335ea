// SPDX-License-Identifier: Apache-2.0
// Control groups as machines and containers show them: version 1, version 2, both; whole trees and parts of them.
#include "fixture.h"

#include <sched.h>

#include "base/clock.h"
#include "collect/affinity.h"
#include "collect/cgroup/cgroup.h"
#include "engine/cgroup_tags.h"
#include "folder.h"
#include "store/journal_read.h"

static struct fixture       f;
static struct cgroup_limits limits;
static struct cgroup_events events;

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

/* As Debian with systemd has it. */
static void be_version_2(const char *own)
{
    fixture_write(&f, "proc/self/cgroup", "0::%s\n", own);
    fixture_write(&f, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    fixture_write(&f, "sys/fs/cgroup/cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\n");
}

/* As CentOS 7 has it: two controllers in one hierarchy, and links for each. */
static void be_version_1(const char *cpu, const char *memory)
{
    fixture_write(&f, "proc/self/cgroup",
                  "11:blkio:/x\n5:cpuacct,cpu:%s\n4:memory:%s\n1:name=systemd:/user.slice/user-1000.slice\n", cpu,
                  memory);
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/release_agent", "\n");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    fixture_link(&f, "sys/fs/cgroup/cpu", "cpu,cpuacct");
    fixture_write(&f, "sys/fs/cgroup/memory/release_agent", "/agent\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
}

static void read_all(void)
{
    struct cgroup_watch watch;
    cgroup_limits_read(&f.roots, &limits, &watch);
    cgroup_read_throttling(&watch, &events);
    cgroup_read_kills(&watch, &events);
}

static void assert_limits(double cpus, uint64_t memory)
{
    read_all();
    assert_true(limits.cpus > cpus - 1e-9 && limits.cpus < cpus + 1e-9);
    assert_true(limits.memory == memory);
}

static void assert_events(uint64_t periods, uint64_t throttled, uint64_t us, uint64_t kills)
{
    read_all();
    assert_true(events.periods == periods);
    assert_true(events.throttled == throttled);
    assert_true(events.throttled_us == us);
    assert_true(events.oom_kills == kills);
}

static void version_2_tells_the_least_of_all_levels(void **state)
{
    (void)state;
    be_version_2("/kube.slice/pod.slice/box");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/cpu.max", "400000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/memory.max", "max\n");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/pod.slice/cpu.max", "150000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/pod.slice/memory.max", "536870912\n");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/pod.slice/box/cpu.max", "max 100000\n");
    fixture_write(&f, "sys/fs/cgroup/kube.slice/pod.slice/box/memory.max", "1073741824\n");
    assert_limits(1.5, 536870912);
}

static void throttling_is_counted_where_the_least_quota_is_and_kills_in_the_own_cgroup(void **state)
{
    (void)state;
    be_version_2("/pod/box");
    fixture_write(&f, "sys/fs/cgroup/pod/cpu.max", "10000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/pod/cpu.stat",
                  "usage_usec 1\nnr_periods 60\nnr_throttled 40\nthrottled_usec 1234567\nnr_bursts 0\n");
    fixture_write(&f, "sys/fs/cgroup/pod/memory.events", "oom 9\noom_kill 9\n");
    fixture_write(&f, "sys/fs/cgroup/pod/box/cpu.max", "20000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/pod/box/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_usec 1\n");
    fixture_write(&f, "sys/fs/cgroup/pod/box/memory.events",
                  "low 0\nhigh 0\nmax 77\noom 3\noom_kill 2\noom_group_kill 0\n");
    assert_events(60, 40, 1234567, 2);
}

static void a_cgroup_without_the_controller_is_killed_for_in_the_nearest_above_that_has_it(void **state)
{
    (void)state;
    be_version_2("/job/step/task");
    fixture_write(&f, "sys/fs/cgroup/job/memory.events", "oom 9\noom_kill 9\n");
    fixture_write(&f, "sys/fs/cgroup/job/step/memory.max", "67108864\n");
    fixture_write(&f, "sys/fs/cgroup/job/step/memory.events", "oom 3\noom_kill 2\n");
    fixture_write(&f, "sys/fs/cgroup/job/step/task/cpu.stat", "usage_usec 1\nuser_usec 1\nsystem_usec 0\n");
    assert_limits(0, 67108864);
    assert_events(METRIC_NONE, METRIC_NONE, METRIC_NONE, 2);
}

static void without_a_quota_the_own_cgroup_is_watched_as_one_may_come(void **state)
{
    (void)state;
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.max", "max 100000\n");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.stat", "usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    assert_events(0, 0, 0, METRIC_NONE);
    assert_limits(0, METRIC_NONE);
}

static void the_machines_root_limits_and_counts_nothing(void **state)
{
    (void)state;
    be_version_2("/");
    assert_limits(0, METRIC_NONE);
    assert_events(METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE);
    be_version_1("/", "/");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 5\nnr_throttled 4\nthrottled_time 3\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
    assert_limits(0, METRIC_NONE);
    assert_events(METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE);
}

static void version_1_has_other_names(void **state)
{
    (void)state;
    be_version_1("/slurm/uid_1000/job_7", "/slurm/uid_1000/job_7/step_0");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/slurm/uid_1000/job_7/cpu.cfs_quota_us", "250000\n");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/slurm/uid_1000/job_7/cpu.cfs_period_us", "100000\n");
    fixture_write(&f, "sys/fs/cgroup/cpu,cpuacct/slurm/uid_1000/job_7/cpu.stat",
                  "nr_periods 10\nnr_throttled 4\nthrottled_time 5000000999\n");
    fixture_write(&f, "sys/fs/cgroup/memory/slurm/uid_1000/job_7/memory.limit_in_bytes", "4294967296\n");
    fixture_write(&f, "sys/fs/cgroup/memory/slurm/uid_1000/job_7/step_0/memory.limit_in_bytes",
                  "9223372036854771712\n");
    fixture_write(&f, "sys/fs/cgroup/memory/slurm/uid_1000/job_7/step_0/memory.oom_control",
                  "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    assert_limits(2.5, 4294967296);
    assert_events(10, 4, 5000000, 3);
}

static void version_1_tells_of_limits_above_that_cannot_be_seen(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "4:memory:/kubepods/pod1/box\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.stat",
                  "cache 0\nrss 4096\nhierarchical_memory_limit 134217728\nhierarchical_memsw_limit 1\n");
    assert_limits(0, 134217728);
}

static void a_hierarchy_without_a_link_is_found_by_all_its_controllers(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "5:cpuacct,cpu:/a\n");
    fixture_write(&f, "sys/fs/cgroup/cpuacct,cpu/a/cpu.cfs_quota_us", "50000\n");
    fixture_write(&f, "sys/fs/cgroup/cpuacct,cpu/a/cpu.cfs_period_us", "100000\n");
    assert_limits(0.5, METRIC_NONE);
}

static void a_mixed_machine_has_each_controller_in_one_version(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "4:memory:/job\n0::/unit\n");
    fixture_write(&f, "sys/fs/cgroup/unified/cgroup.controllers", "cpu\n");
    fixture_write(&f, "sys/fs/cgroup/unified/unit/cpu.max", "75000 50000\n");
    fixture_write(&f, "sys/fs/cgroup/unified/unit/memory.max", "1\n");
    fixture_write(&f, "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1048576\n");
    assert_limits(1.5, 1048576);
}

static void a_container_that_is_told_the_machines_path_finds_its_own_part(void **state)
{
    (void)state;
    fixture_write(&f, "proc/self/cgroup", "5:cpu:/docker/0123\n4:memory:/docker/0123/inner\n");
    fixture_write(&f, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    fixture_write(&f, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    fixture_write(&f, "sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n");
    fixture_write(&f, "sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "1048576\n");
    assert_limits(2, 1048576);
}

static void a_container_with_a_namespace_finds_all_at_the_top(void **state)
{
    (void)state;
    be_version_2("/");
    fixture_write(&f, "sys/fs/cgroup/cpu.max", "30000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/memory.max", "67108864\n");
    fixture_write(&f, "sys/fs/cgroup/memory.events", "oom_kill 1\n");
    fixture_write(&f, "sys/fs/cgroup/cpu.stat", "usage_usec 1\nnr_periods 2\nnr_throttled 1\nthrottled_usec 3\n");
    assert_limits(0.3, 67108864);
    assert_events(2, 1, 3, 1);
}

static void a_cgroup_outside_of_the_namespace_is_not_seen(void **state)
{
    (void)state;
    be_version_2("/../other");
    fixture_write(&f, "sys/fs/cgroup/cpu.max", "30000 100000\n");
    fixture_write(&f, "sys/fs/other/cpu.max", "10000 100000\n");
    assert_limits(0, METRIC_NONE);
}

static void hidden_or_broken_files_are_no_limits(void **state)
{
    (void)state;
    static const char *const broken[] = {"", "\n", "max\n", "100\n", "100 0\n", "x 100000\n", "-5 100000\n"};
    assert_limits(0, METRIC_NONE);
    fixture_write(&f, "proc/self/cgroup", "0::/a\n5:cpu:/a\n4:memory:/a\n");
    assert_limits(0, METRIC_NONE);
    be_version_2("/a");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        fixture_write(&f, "sys/fs/cgroup/a/cpu.max", "%s", broken[i]);
        fixture_write(&f, "sys/fs/cgroup/a/memory.max", "%s", i == 2 ? "max" : "x");
        assert_limits(0, METRIC_NONE);
    }
    fixture_write(&f, "proc/self/cgroup", "nonsense\n::\n0:\n0::\n4:memory\n4:memory:relative\n");
    assert_limits(0, METRIC_NONE);
}

static void a_path_beyond_all_bounds_is_no_cgroup(void **state)
{
    (void)state;
    char path[4096];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    be_version_2(path);
    assert_limits(0, METRIC_NONE);
}

static void affinity_counts_those_of_the_allowed_cpus_that_are_online(void **state)
{
    (void)state;
    static const struct {
        const char *allowed, *online;
        uint64_t    count;
    } cases[] = {
        {"0-127", "0-3", 4},
        {"2", "0-3", 1},
        {"0,2-3,64", "0-3", 3},
        {"1-2,5-9", "0,2-6", 3},
        {"4-7", "0-3", METRIC_NONE},
        {"", "0-3", METRIC_NONE},
        {"0-3", "", METRIC_NONE},
        {"x", "0-3", METRIC_NONE},
        {"0-", "0-3", METRIC_NONE},
        {"3-0", "0-3", METRIC_NONE},
        {"0-18446744073709551615", "0-3", METRIC_NONE},
    };
    assert_true(affinity_count(&f.roots) == METRIC_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write(&f, "proc/thread-self/status", "Name:\ta\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems:\t1\n",
                      cases[i].allowed);
        fixture_write(&f, "sys/devices/system/cpu/online", "%s\n", cases[i].online);
        assert_true(affinity_count(&f.roots) == cases[i].count);
    }
}

static void affinity_is_the_kernels(void **state)
{
    (void)state;
    const struct roots real = {"/proc", "/sys"};
    cpu_set_t          all;
    cpu_set_t          one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(affinity_count(&real), CPU_COUNT(&all));
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    uint64_t count = affinity_count(&real);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(count, 1);
}

/* ---- what a run makes of it ---- */

static struct config      config;
static struct cgroup_tags run;

static void begin(void)
{
    static const struct machine machine = {.cpus = 100000};
    run = (struct cgroup_tags){0};
    cgroup_tags_begin(&run, &f.roots, &machine, &config);
}

static const char *tag(const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < config.metadata.tag_count; i++)
        if (strcmp(config.metadata.tags[i].key, key) == 0) {
            assert_null(found);
            found = config.metadata.tags[i].value;
        }
    return found;
}

static void cgroup_tags_are_tags_as_short_as_they_can_be(void **state)
{
    (void)state;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.max", "33333 100000\n");
    fixture_write(&f, "sys/fs/cgroup/a/memory.max", "536870912\n");
    fixture_write(&f, "proc/thread-self/status", "Cpus_allowed_list:\t0-2\n");
    fixture_write(&f, "sys/devices/system/cpu/online", "0-99999\n");
    begin();
    assert_string_equal(tag("cgroup_cpus"), "0.333");
    assert_string_equal(tag("cgroup_memory_mib"), "512");
    assert_string_equal(tag("cpus_allowed"), "3");
}

static void without_limits_there_are_no_tags(void **state)
{
    (void)state;
    static const struct machine machine = {.cpus = 1};
    config = (struct config){0};
    cgroup_tags_begin(&run, &f.roots, &machine, &config);
    assert_int_equal(config.metadata.tag_count, 0);
    assert_null(config.metadata.tags);
}

static void a_tag_of_the_users_stands_and_their_number_has_an_end(void **state)
{
    (void)state;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    fixture_write(&f, "sys/fs/cgroup/a/memory.max", "1572864\n");
    fixture_write(&f, "proc/thread-self/status", "Cpus_allowed_list:\t0-2\n");
    fixture_write(&f, "sys/devices/system/cpu/online", "0-99999\n");
    for (size_t i = 0; i < CONFIG_TAGS_MAX; i++)
        config.tags[i] = (struct sentinel_pair){"key", "value"};
    config.tags[CONFIG_TAGS_MAX - 1] = (struct sentinel_pair){"cgroup_cpus", "mine"};
    config.metadata.tags = config.tags;
    config.metadata.tag_count = CONFIG_TAGS_MAX;
    begin();
    assert_int_equal(config.metadata.tag_count, CONFIG_TAGS_MAX + 2);
    config.tags[0] = config.tags[CONFIG_TAGS_MAX - 1];
    config.metadata.tags = config.tags + CONFIG_TAGS_MAX - 1;
    config.metadata.tag_count -= CONFIG_TAGS_MAX - 1;
    assert_string_equal(tag("cgroup_cpus"), "mine");
    assert_string_equal(tag("cgroup_memory_mib"), "1.5");
    config.metadata.tag_count = CONFIG_TAGS_MAX + CONFIG_OWN_TAGS_MAX - 1;
    assert_true(config_own_tag(&config, "last", "1"));
    assert_false(config_own_tag(&config, "one too many", "2"));
    assert_int_equal(config.metadata.tag_count, CONFIG_TAGS_MAX + CONFIG_OWN_TAGS_MAX);
}

static void write_kills(unsigned kills)
{
    fixture_write(&f, "sys/fs/cgroup/a/memory.events", "oom_kill %u\n", kills);
}

static void only_what_happened_since_the_beginning_counts(void **state)
{
    (void)state;
    struct cgroup_events end;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.stat", "nr_periods 10\nnr_throttled 5\nthrottled_usec 1000\n");
    write_kills(4);
    begin();
    fixture_write(&f, "sys/fs/cgroup/a/cpu.stat", "nr_periods 30\nnr_throttled 6\nthrottled_usec 1500\n");
    write_kills(5);
    cgroup_tags_end(&run, &end);
    assert_true(end.periods == 20 && end.throttled == 1 && end.throttled_us == 500 && end.oom_kills == 1);
    write_kills(3); /* another cgroup of that name */
    cgroup_tags_end(&run, &end);
    assert_true(end.oom_kills == 0);
    cgroup_tags_again(&run);
    write_kills(7);
    cgroup_tags_end(&run, &end);
    assert_true(end.throttled == 0 && end.oom_kills == 4);
}

static size_t lines_of(const struct folder *folder)
{
    size_t lines = 0;
    for (const char *p = folder_read(folder, "run.jsonl"); *p; p++)
        lines += *p == '\n';
    return lines;
}

static void kills_are_told_during_the_run_and_never_in_too_many_lines(void **state)
{
    (void)state;
    struct folder  folder;
    struct run_dir dir;
    cJSON         *told = NULL;
    config = (struct config){0};
    be_version_2("/a");
    write_kills(0);
    begin();
    assert_true(folder_make(&folder));
    run_dir_init(&dir);
    dir.dir = folder_open(&folder);
    dir.state = openat(dir.dir, "run.jsonl", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (unsigned look = 0; look <= 10000; look++) {
        write_kills(look);
        cgroup_tags_look(&run, &dir, (int64_t)look * 2 * CLOCK_SECOND);
        if (look == 1)
            assert_int_equal(lines_of(&folder), 1);
    }
    assert_in_range(lines_of(&folder), 16, 30);
    assert_int_equal(journal_load(dir.dir, &told), 0);
    const cJSON *cgroup = cJSON_GetObjectItemCaseSensitive(told, "cgroup");
    assert_in_range((int)journal_number(cgroup, "oom_kills", 0), 5000, 10000);
    assert_true(journal_number(cgroup, "cpu_periods", -1) < 0);
    cJSON_Delete(told);
    run_dir_close(&dir);
    folder_remove(&folder);
}

/* What an image before said of the cgroup with this inode at the place of that which is watched. */
static cJSON *said_before(uint64_t id)
{
    char text[2 * CGROUP_PATH_MAX];
    snprintf(text, sizeof text,
             "{\"cgroup_before\":{\"memory\":\"%s\",\"memory_id\":%llu,\"cpu_periods\":1,"
             "\"cpu_periods_throttled\":\"x\",\"cpu_throttled_s\":0.0015,\"oom_kills\":2},"
             "\"cgroup\":{\"oom_kills\":6}}",
             run.watch.memory.path, (unsigned long long)id);
    return cJSON_Parse(text);
}

static void an_image_that_follows_goes_on_from_the_first_ones_beginning(void **state)
{
    (void)state;
    struct cgroup_events end;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.stat", "nr_periods 10\nnr_throttled 5\nthrottled_usec 2000\n");
    write_kills(9);
    begin();
    cJSON *said = said_before(run.watch.memory_id);
    cgroup_tags_carry_on(&run, said);
    cgroup_tags_end(&run, &end);
    assert_true(end.periods == 9 && end.throttled == METRIC_NONE && end.throttled_us == 500 && end.oom_kills == 7);
    assert_true(run.told.oom_kills == 6);
    cJSON_Delete(said);
}

static void an_image_in_another_cgroup_counts_from_its_own_beginning(void **state)
{
    (void)state;
    struct cgroup_events end;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/cpu.stat", "nr_periods 10\nnr_throttled 5\nthrottled_usec 2000\n");
    write_kills(9);
    begin();
    cJSON *said = said_before(run.watch.memory_id + 1);
    cgroup_tags_carry_on(&run, said);
    write_kills(10);
    cgroup_tags_end(&run, &end);
    assert_true(end.periods == 0 && end.throttled == 0 && end.throttled_us == 0 && end.oom_kills == 1);
    assert_true(run.told.oom_kills == 0);
    cJSON_Delete(said);
}

static uint64_t peak_of_run(void)
{
    struct cgroup_events end;
    cgroup_tags_end(&run, &end);
    return end.memory_peak;
}

static void a_memory_peak_from_before_the_run_is_not_the_runs(void **state)
{
    (void)state;
    config = (struct config){0};
    be_version_2("/a");
    fixture_write(&f, "sys/fs/cgroup/a/memory.peak", "948000000\n");
    begin();
    assert_true(peak_of_run() == METRIC_NONE);
    fixture_write(&f, "sys/fs/cgroup/a/memory.peak", "948000001\n");
    assert_true(peak_of_run() == 948000001);
    cgroup_tags_again(&run);
    assert_true(peak_of_run() == METRIC_NONE);
    cJSON *said = cJSON_Parse("{\"cgroup_before\":{\"memory_peak\":5}}");
    (void)cJSON_AddStringToObject(cJSON_GetObjectItem(said, "cgroup_before"), "memory", run.watch.memory.path);
    (void)cJSON_AddNumberToObject(cJSON_GetObjectItem(said, "cgroup_before"), "memory_id", (double)run.watch.memory_id);
    cgroup_tags_carry_on(&run, said); /* the image before began with 5 */
    assert_true(peak_of_run() == 948000001);
    cJSON_Delete(said);
}

static void a_lost_run_says_what_it_had_told_whatever_stands_there(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t    kills;
    } cases[] = {
        {"{}", METRIC_NONE},
        {"{\"cgroup\":7,\"cgroup_before\":[]}", METRIC_NONE},
        {"{\"cgroup\":{\"oom_kills\":-1}}", METRIC_NONE},
        {"{\"cgroup\":{\"oom_kills\":1e300}}", METRIC_NONE},
        {"{\"cgroup\":{\"oom_kills\":3},\"cgroup_before\":{\"memory\":\"/etc/passwd\",\"memory_id\":1}}", 3},
        {"{\"cgroup\":{\"oom_kills\":3},\"cgroup_before\":{\"memory\":\"/sys/fs/cgroup/no such\"}}", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *said = cJSON_Parse(cases[i].text);
        cgroup_tags_of_lost(said, &events);
        cJSON_Delete(said);
        assert_true(events.oom_kills == cases[i].kills);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(version_2_tells_the_least_of_all_levels),
        test(throttling_is_counted_where_the_least_quota_is_and_kills_in_the_own_cgroup),
        test(a_cgroup_without_the_controller_is_killed_for_in_the_nearest_above_that_has_it),
        test(without_a_quota_the_own_cgroup_is_watched_as_one_may_come),
        test(the_machines_root_limits_and_counts_nothing),
        test(version_1_has_other_names),
        test(version_1_tells_of_limits_above_that_cannot_be_seen),
        test(a_hierarchy_without_a_link_is_found_by_all_its_controllers),
        test(a_mixed_machine_has_each_controller_in_one_version),
        test(a_container_that_is_told_the_machines_path_finds_its_own_part),
        test(a_container_with_a_namespace_finds_all_at_the_top),
        test(a_cgroup_outside_of_the_namespace_is_not_seen),
        test(hidden_or_broken_files_are_no_limits),
        test(a_path_beyond_all_bounds_is_no_cgroup),
        test(affinity_counts_those_of_the_allowed_cpus_that_are_online),
        test(affinity_is_the_kernels),
        test(cgroup_tags_are_tags_as_short_as_they_can_be),
        test(without_limits_there_are_no_tags),
        test(a_tag_of_the_users_stands_and_their_number_has_an_end),
        test(only_what_happened_since_the_beginning_counts),
        test(kills_are_told_during_the_run_and_never_in_too_many_lines),
        test(an_image_that_follows_goes_on_from_the_first_ones_beginning),
        test(an_image_in_another_cgroup_counts_from_its_own_beginning),
        test(a_memory_peak_from_before_the_run_is_not_the_runs),
        test(a_lost_run_says_what_it_had_told_whatever_stands_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
