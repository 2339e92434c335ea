// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "collect/collect.h"
#include "collect/cpu.h"
#include "collect/machine.h"
#include "collect/memory.h"
#include "collect/processes.h"

static struct fixture f;

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

static int describe(const struct roots *roots, struct machine *ret)
{
    struct cpu    cpu;
    struct memory memory;
    struct sample first = {.cpus = METRIC_NONE, .memory_total = METRIC_NONE};
    if (cpu_open(&cpu, roots) == 0)
        (void)cpu_read(&cpu, &first);
    if (memory_open(&memory, roots) == 0)
        (void)memory_read(&memory, &first);
    cpu_close(&cpu);
    memory_close(&memory);
    return machine_read(roots, &first, ret);
}

static void facts_come_from_proc_and_sys(void **state)
{
    (void)state;
    struct machine m;
    fixture_write(&f, "proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    fixture_write(&f, "proc/cpuinfo",
                  "processor\t: 0\nvendor_id\t: X\nmodel name\t: Some CPU @ 2.10GHz \n\nprocessor\t: 1\n");
    fixture_write(&f, "proc/meminfo", "MemTotal: 2097152 kB\n");
    fixture_write(&f, "proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n");
    fixture_write(&f, "sys/block/vda/size", "2048\n");
    fixture_write(&f, "sys/block/loop0/size", "999\n");
    fixture_write(&f, "sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    fixture_write(&f, "sys/class/dmi/id/board_asset_tag", "i-0123456789abcdef0\n");
    assert_int_equal(describe(&f.roots, &m), 0);
    assert_string_equal(m.boot_id, "11111111-2222-3333-4444-555555555555");
    assert_string_equal(m.cpu_model, "Some CPU @ 2.10GHz");
    assert_string_equal(m.id, "i-0123456789abcdef0");
    assert_int_equal(m.memory_mib, 2048);
    assert_int_equal(m.cpus, 2);
    assert_int_equal(m.storage_bytes, 1 << 20);
}

static void an_empty_machine_has_empty_facts(void **state)
{
    (void)state;
    struct machine m;
    assert_int_equal(describe(&f.roots, &m), 0);
    assert_string_equal(m.boot_id, "");
    assert_string_equal(m.cpu_model, "");
    assert_string_equal(m.id, "");
    assert_true(m.cpus == METRIC_NONE && m.memory_mib == METRIC_NONE && m.storage_bytes == METRIC_NONE);
}

static void an_arm_machine_is_named_by_its_core(void **state)
{
    (void)state;
    static const struct {
        const char *implementer, *part, *model;
    } cores[] = {{"0x41", "0xd0c", "Neoverse-N1"}, /* Graviton 2, Ampere Altra, Axion's forebears */
                 {"0x41", "0xd4f", "Neoverse-V2"},
                 {"0xc0", "0xac3", "Ampere-1"},
                 {"0x6d", "0xd49", "Azure-Cobalt-100"},
                 {"0x41", "0xfff", ""},
                 {"0xd0c", "0x41", ""},
                 {"", "", ""}};
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++) {
        struct machine m;
        fixture_write(
            &f, "proc/cpuinfo",
            "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU implementer\t: %s\nCPU architecture: 8\n"
            "CPU variant\t: 0x3\nCPU part\t: %s\nCPU revision\t: 1\n\nprocessor\t: 1\nCPU part\t: 0xd03\n",
            cores[i].implementer, cores[i].part);
        assert_int_equal(describe(&f.roots, &m), 0);
        assert_string_equal(m.cpu_model, cores[i].model);
    }
}

static void a_model_behind_many_features_is_found_whole(void **state)
{
    (void)state;
    char features[1200];
    memset(features, 'f', sizeof features);
    for (int len = 800; len < (int)sizeof features; len++) {
        struct machine m;
        fixture_write(
            &f, "proc/cpuinfo",
            "processor\t: 0\nFeatures\t: %.*s\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\nCPU revision\t: 1\n", len,
            features);
        assert_int_equal(describe(&f.roots, &m), 0);
        assert_string_equal(m.cpu_model, "Neoverse-N1");
        fixture_write(&f, "proc/cpuinfo", "processor\t: 0\nflags\t: %.*s\nmodel name\t: A Model\n", len, features);
        assert_int_equal(describe(&f.roots, &m), 0);
        assert_string_equal(m.cpu_model, "A Model");
    }
}

static void the_default_route_with_the_smallest_metric_counts(void **state)
{
    (void)state;
    char        name[IFNAMSIZ];
    static char head[] = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    machine_default_interface(&f.roots, name);
    assert_string_equal(name, "");
    fixture_write(&f, "proc/net/route",
                  "%sdocker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
                  "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
                  "dead0\t00000000\t0101A8C0\t0200\t0\t0\t1\t00000000\t0\t0\t0\n"
                  "eth0\t00000000\t0102000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                  "tun0\t00000000\t0102000A\t0003\t0\t0\t50\t00000080\t0\t0\t0\n",
                  head);
    machine_default_interface(&f.roots, name);
    assert_string_equal(name, "eth0");
    fixture_write(&f, "proc/net/route", "%seth0\t00000000\n\n  \n", head);
    machine_default_interface(&f.roots, name);
    assert_string_equal(name, "");
}

static void the_address_is_that_of_the_way_out(void **state)
{
    (void)state;
    static const struct machine_address list[] = {{"lo", 0x7f000001},   {"docker0", 0xac110001},
                                                  {"eth1", 0xa9fe0102}, {"br-0a1b2c", 0xac120001},
                                                  {"eth0", 0x0a000004}, {"wlan0", 0xc0a80105}};
    assert_int_equal(machine_pick_address(list, 6, "wlan0"), 5);
    assert_int_equal(machine_pick_address(list, 6, ""), 4);
    assert_int_equal(machine_pick_address(list, 6, "eth1"), 4); /* link-local */
    assert_int_equal(machine_pick_address(list, 4, ""), 1);
    assert_int_equal(machine_pick_address(list, 4, "br-0a1b2c"), 3);
    assert_int_equal(machine_pick_address(list, 1, "lo"), 1);
    assert_int_equal(machine_pick_address(list, 0, ""), 0);
}

static void drives_for_media_are_no_storage(void **state)
{
    (void)state;
    struct machine m;
    fixture_write(&f, "sys/block/vda/size", "2048\n");
    fixture_write(&f, "sys/block/sr0/size", "2097151\n");
    fixture_write(&f, "sys/block/fd0/size", "2880\n");
    fixture_write(&f, "sys/block/zram0/size", "4096\n");
    fixture_write(&f, "sys/block/dm-0/size", "2048\n");
    fixture_folder(&f, "sys/block/dm-0/slaves/vda");
    assert_int_equal(describe(&f.roots, &m), 0);
    assert_int_equal(m.storage_bytes, 1 << 20);
}

static void words_in_place_of_an_asset_tag_are_no_id(void **state)
{
    (void)state;
    static const char *const words[] = {"Not Specified", "To Be Filled By O.E.M.", "", "None", "Default string", "  "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct machine m;
        fixture_write(&f, "sys/class/dmi/id/board_asset_tag", "%s\n", words[i]);
        assert_int_equal(describe(&f.roots, &m), 0);
        assert_string_equal(m.id, "");
    }
}

static void the_real_machine_is_described(void **state)
{
    (void)state;
    struct roots   real = {"/proc", "/sys"};
    struct machine m;
    char           name[65] = "";
    char           ip[46] = "";
    assert_int_equal(gethostname(name, sizeof name - 1), 0);
    assert_int_equal(describe(&real, &m), 0);
    assert_string_equal(m.host_name, name);
    assert_int_equal(strlen(m.boot_id), 36);
    assert_int_equal(m.cpus, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(m.memory_mib > 16);
    int error = machine_ip(ip, sizeof ip);
    assert_true(error == -ENODATA || (error == 0 && strchr(ip, '.') && strncmp(ip, "127.", 4) != 0));
}

static void processes_are_the_numeric_entries(void **state)
{
    (void)state;
    static struct processes  processes;
    struct sample            s = {.processes = METRIC_NONE, .monotonic = CLOCK_SECOND};
    static const char *const names[] = {"1", "42", "4194303", "self", "sys", "0", "12a", "bus"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "proc/%s", names[i]);
        fixture_folder(&f, path);
    }
    assert_int_equal(processes_open(&processes, &f.roots), 0);
    assert_int_equal(processes_read(&processes, &s), 0);
    assert_int_equal(s.processes, 3);
    fixture_folder(&f, "proc/77");
    assert_int_equal(processes_read(&processes, &s), 0); /* at once: too early to count again */
    assert_int_equal(s.processes, 3);
    s.monotonic += 100 * CLOCK_SECOND;
    assert_int_equal(processes_read(&processes, &s), 0);
    assert_int_equal(s.processes, 4);
    processes_close(&processes);
}

static void in_the_first_pid_namespace_links_tell_the_count(void **state)
{
    (void)state;
    static struct processes processes;
    struct sample           s = {.processes = METRIC_NONE, .monotonic = CLOCK_SECOND};
    fixture_link(&f, "proc/self/ns/pid", "pid:[4026531836]");
    fixture_folder(&f, "proc/1");
    fixture_folder(&f, "proc/sys");
    assert_int_equal(processes_open(&processes, &f.roots), 0);
    assert_int_equal(processes_read(&processes, &s), 0);
    assert_int_equal(s.processes, 1);
    fixture_folder(&f, "proc/9");
    s.monotonic += 1;
    assert_int_equal(processes_read(&processes, &s), 0);
    struct stat stat;
    if (lstat(f.proc, &stat) == 0 && stat.st_nlink > 2) /* filesystems that count folders as links */
        assert_int_equal(s.processes, 2);
    processes_close(&processes);
}

/* Under hidepid, /proc has links for those too that it does not show. */
static void where_processes_are_hidden_links_do_not_tell_the_count(void **state)
{
    (void)state;
    static struct processes processes;
    struct sample           s = {.processes = METRIC_NONE, .monotonic = CLOCK_SECOND};
    fixture_link(&f, "proc/self/ns/pid", "pid:[4026531836]");
    fixture_folder(&f, "proc/42");
    assert_int_equal(processes_open(&processes, &f.roots), 0);
    assert_int_equal(processes_read(&processes, &s), 0);
    fixture_folder(&f, "proc/of_others");
    s.monotonic += CLOCK_SECOND;
    assert_int_equal(processes_read(&processes, &s), 0);
    assert_int_equal(s.processes, 1);
    processes_close(&processes);
}

static void the_real_count_stays_right_without_listing(void **state)
{
    (void)state;
    static struct processes processes;
    struct roots            real = {"/proc", "/sys"};
    struct sample           s = {.processes = METRIC_NONE, .monotonic = CLOCK_SECOND};
    bool                    close_by = false;
    assert_int_equal(processes_open(&processes, &real), 0);
    /* Others come and go while we look, on a busy machine by the hundred: once is enough. */
    for (int i = 0; i < 2000 && !close_by; i++) {
        static struct dir dir;
        pid_t             pid;
        uint64_t          listed = 0;
        s.monotonic += CLOCK_MILLISECOND;
        assert_int_equal(processes_read(&processes, &s), 0);
        assert_int_equal(dir_open(&dir, AT_FDCWD, "/proc"), 0);
        while (dir_next_pid(&dir, &pid))
            listed++;
        dir_close(&dir);
        close_by = i > 0 && listed == s.processes;
        (void)usleep(2000);
    }
    assert_true(close_by);
    processes_close(&processes);
}

static void all_collectors_together_read_the_real_machine(void **state)
{
    (void)state;
    struct roots       real = {"/proc", "/sys"};
    struct tree        who = {.root = getpid(), .main_process = getpid()};
    struct collectors *c = NULL;
    struct sample      before;
    struct sample      now;
    assert_int_equal(collect_open(&real, &who, &c), 0);
    collect_read(c, &before);
    (void)usleep(20000);
    collect_read(c, &now);
    assert_true(now.monotonic > before.monotonic);
    assert_true(now.real > INT64_C(1600000000) * CLOCK_SECOND);
    assert_true(now.processes != METRIC_NONE && now.cpu_user != METRIC_NONE && now.memory_used != METRIC_NONE);
    assert_true(now.tree_user >= before.tree_user && now.tree_memory > 0);
    assert_int_equal(now.tree_processes, 0);
    collect_close(c);
}

static void on_a_machine_without_anything_every_figure_is_none(void **state)
{
    (void)state;
    struct roots       nothing = {"/nowhere", "/nowhere"};
    struct tree        who = {.root = 1, .main_process = 1};
    struct collectors *c = NULL;
    struct sample      s;
    assert_int_equal(collect_open(&nothing, &who, &c), 0);
    collect_read(c, &s);
    assert_true(s.processes == METRIC_NONE && s.cpu_user == METRIC_NONE && s.memory_free == METRIC_NONE);
    assert_true(s.space_total == METRIC_NONE && s.disk_read == METRIC_NONE && s.net_recv == METRIC_NONE);
    assert_true(s.tree_processes == METRIC_NONE && s.tree_user == METRIC_NONE && s.tree_memory == METRIC_NONE);
    collect_set_main_process(c, 7);
    collect_close(c);
    collect_close(NULL);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(facts_come_from_proc_and_sys),
        test(an_empty_machine_has_empty_facts),
        test(an_arm_machine_is_named_by_its_core),
        test(a_model_behind_many_features_is_found_whole),
        test(the_default_route_with_the_smallest_metric_counts),
        test(the_address_is_that_of_the_way_out),
        test(drives_for_media_are_no_storage),
        test(words_in_place_of_an_asset_tag_are_no_id),
        test(the_real_machine_is_described),
        test(processes_are_the_numeric_entries),
        test(in_the_first_pid_namespace_links_tell_the_count),
        test(where_processes_are_hidden_links_do_not_tell_the_count),
        test(the_real_count_stays_right_without_listing),
        test(all_collectors_together_read_the_real_machine),
        test(on_a_machine_without_anything_every_figure_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
