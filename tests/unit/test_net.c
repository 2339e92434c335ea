// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/file.h"
#include "collect/net.h"

static struct fixture f;
static struct net     net;
static struct scratch scratch;
static char           lines[256 * 1024];

static int set_up(void **state)
{
    (void)state;
    fixture_open(&f);
    lines[0] = '\0';
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    net_close(&net);
    scratch_done(&scratch);
    fixture_close(&f);
    return 0;
}

/* Adds a line to net/dev; received: its number, sent: ten times that. */
static void line(const char *name, unsigned number)
{
    size_t len = strlen(lines);
    assert_true(len + 128 < sizeof lines);
    (void)snprintf(lines + len, sizeof lines - len, "%6s: %u 1 2 3 4 5 6 7 %llu 1 2 3 4 5 6 7\n", name, number,
                   number * 10ULL);
}

static void publish(void)
{
    fixture_write(&f, "proc/net/dev",
                  "Inter-|   Receive                                                |  Transmit\n"
                  " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n%s", lines);
    lines[0] = '\0';
}

static void interface(const char *name, const char *const *entries)
{
    char path[128];
    (void)snprintf(path, sizeof path, "sys/class/net/%s/type", name);
    fixture_write(&f, path, "1\n");
    for (; entries && *entries; entries++) {
        (void)snprintf(path, sizeof path, "sys/class/net/%s/%s", name, *entries);
        fixture_folder(&f, path);
    }
}

static void master(const char *name, const char *of)
{
    char path[128];
    char target[64];
    (void)snprintf(path, sizeof path, "sys/class/net/%s/master", name);
    (void)snprintf(target, sizeof target, "../%s", of);
    fixture_link(&f, path, target);
    (void)snprintf(path, sizeof path, "sys/class/net/%s/lower_%s", of, name);
    (void)snprintf(target, sizeof target, "../%s", name);
    fixture_link(&f, path, target);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct sample reading(void)
{
    struct sample s = {0};
    assert_int_equal(net_read(&net, &scratch, &s), 0);
    return s;
}

static struct sample first_reading(void)
{
    publish();
    assert_int_equal(net_open(&net, &f.roots), 0);
    return reading();
}

static void the_loopback_is_not_counted(void **state)
{
    (void)state;
    interface("lo", NULL);
    interface("eth0", LIST("device"));
    line("lo", 1000);
    line("eth0", 7);
    struct sample s = first_reading();
    assert_int_equal(s.net_recv, 7);
    assert_int_equal(s.net_sent, 70);
}

static void a_bridge_with_containers_is_counted_at_the_hardware(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    interface("docker0", LIST("bridge"));
    interface("veth12ab", NULL);
    master("veth12ab", "docker0");
    interface("cali77", NULL);
    interface("tun0", LIST("tun_flags"));
    interface("ifb0", NULL);
    line("eth0", 1);
    line("docker0", 10);
    line("veth12ab", 100);
    line("cali77", 1000);
    line("tun0", 10000);
    line("ifb0", 100000);
    assert_int_equal(first_reading().net_recv, 1);
}

static void a_bond_with_a_vlan_on_it_is_counted_at_its_members(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    interface("eth1", LIST("device"));
    interface("bond0", LIST("bonding"));
    master("eth0", "bond0");
    master("eth1", "bond0");
    interface("bond0.100", LIST("lower_bond0"));
    line("eth0", 1);
    line("eth1", 2);
    line("bond0", 3);
    line("bond0.100", 3);
    assert_int_equal(first_reading().net_recv, 3);
}

static void hardware_enslaved_to_hardware_is_counted_at_the_master(void **state)
{
    (void)state;
    interface("eth0", LIST("device")); /* the synthetic one of a virtual machine, with the fast one below it */
    interface("enP1s1", LIST("device"));
    master("enP1s1", "eth0");
    line("eth0", 5);
    line("enP1s1", 4);
    assert_int_equal(first_reading().net_recv, 5);
}

static void ports_of_a_switch_are_counted_at_their_conduit(void **state)
{
    (void)state;
    interface("eth0", LIST("device", "upper_lan1"));
    interface("lan1", LIST("device", "lower_eth0"));
    interface("lan2", LIST("device", "lower_eth0"));
    line("eth0", 5);
    line("lan1", 3);
    line("lan2", 2);
    assert_int_equal(first_reading().net_recv, 5);
}

static void a_container_that_has_only_a_veth_is_counted_by_it(void **state)
{
    (void)state;
    interface("lo", NULL);
    interface("eth0", NULL);
    line("lo", 100);
    line("eth0", 6);
    assert_int_equal(first_reading().net_recv, 6);
}

static void containers_within_a_container_go_out_through_its_eth0(void **state)
{
    (void)state;
    interface("eth0", NULL);
    interface("docker0", LIST("bridge"));
    interface("veth99", NULL);
    master("veth99", "docker0");
    interface("tun0", LIST("tun_flags"));
    line("eth0", 6);
    line("docker0", 10);
    line("veth99", 100);
    line("tun0", 1000);
    assert_int_equal(first_reading().net_recv, 6);
}

static void a_rootless_container_has_only_a_tap(void **state)
{
    (void)state;
    interface("lo", NULL);
    interface("tap0", LIST("tun_flags"));
    line("lo", 100);
    line("tap0", 8);
    assert_int_equal(first_reading().net_recv, 8);
}

static void an_uplink_that_is_the_port_of_a_bridge_is_still_counted(void **state)
{
    (void)state;
    interface("br0", LIST("bridge"));
    interface("eth0", NULL);
    master("eth0", "br0");
    interface("veth1", NULL); /* to an inner container */
    master("veth1", "br0");
    line("br0", 10);
    line("eth0", 6);
    line("veth1", 100);
    assert_int_equal(first_reading().net_recv, 6);
}

static void a_bond_of_a_container_is_counted_at_its_members(void **state)
{
    (void)state;
    interface("bond0", LIST("bonding"));
    interface("veth0", NULL);
    interface("veth1", NULL);
    master("veth0", "bond0");
    master("veth1", "bond0");
    fixture_write(&f, "sys/class/net/bonding_masters", "bond0\n");
    line("bond0", 10);
    line("veth0", 6);
    line("veth1", 4);
    assert_int_equal(first_reading().net_recv, 10);
}

/* `nsenter --net` leaves /sys as it was. */
static void with_the_sysfs_of_another_namespace_names_decide(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    interface("docker0", LIST("bridge"));
    line("lo", 1000);
    line("eth0", 1);
    line("eth1", 2);
    line("tun0", 10);
    assert_int_equal(first_reading().net_recv, 3);
}

static void what_joins_a_bridge_after_it_came_is_noticed_in_a_while(void **state)
{
    (void)state;
    const uint64_t second = 1000000000;
    interface("br0", LIST("bridge"));
    interface("tap0", LIST("tun_flags"));
    interface("veth0", NULL);
    line("br0", 0);
    line("tap0", 1);
    line("veth0", 10);
    assert_int_equal(first_reading().net_recv, 11);
    master("veth0", "br0"); /* no name comes or goes */
    struct sample s = {0};
    uint64_t      seen = 0;
    for (unsigned n = 1; n <= 70; n++) {
        line("br0", 0);
        line("tap0", 1);
        line("veth0", 10 + n);
        publish();
        s = (struct sample){.monotonic = (int64_t)(n * second)};
        assert_int_equal(net_read(&net, &scratch, &s), 0);
        if (n == 65)
            seen = s.net_recv;
    }
    assert_int_equal(s.net_recv, seen);
}

static void another_namespace_under_the_same_names_makes_no_jump(void **state)
{
    (void)state;
    interface("eth0", NULL);
    line("eth0", 1000);
    assert_int_equal(first_reading().net_recv, 1000);
    /* The file is opened again and is another one: it grew in a namespace that the program has entered. */
    char path[512];
    file_close(&net.fd);
    fixture_path(&f, "proc/net/dev", path);
    char other[520];
    (void)snprintf(other, sizeof other, "%s.old", path);
    assert_int_equal(rename(path, other), 0);
    line("eth0", 900000);
    publish();
    net.fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(net.fd >= 0);
    assert_int_equal(reading().net_recv, 1000);
    line("eth0", 900005);
    publish();
    assert_int_equal(reading().net_recv, 1005);
}

static void a_counter_of_32_bits_that_wraps_makes_no_jump(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    line("eth0", 4294967000U);
    (void)first_reading();
    line("eth0", 4294967290U);
    publish();
    assert_int_equal(reading().net_recv, 4294967290U);
    line("eth0", 100);
    publish();
    assert_int_equal(reading().net_recv, 4294967290U);
    line("eth0", 150);
    publish();
    assert_int_equal(reading().net_recv, 4294967340U);
}

static void one_that_is_renamed_makes_no_jump(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    interface("eth1", LIST("device"));
    line("eth0", 10);
    line("eth1", 5000);
    assert_int_equal(first_reading().net_recv, 5010);
    interface("lan0", LIST("device"));
    line("eth0", 11);
    line("lan0", 5001);
    publish();
    assert_int_equal(reading().net_recv, 5011);
    line("eth0", 11);
    line("lan0", 5003);
    publish();
    assert_int_equal(reading().net_recv, 5013);
}

static void without_sys_names_decide(void **state)
{
    (void)state;
    line("lo", 1000);
    line("ens5", 1);
    line("docker0", 10);
    line("br-1234", 100);
    line("veth1", 10);
    line("virbr0", 10);
    line("br0", 10);
    line("ens5.7", 10);
    line("brand0", 2);
    assert_int_equal(first_reading().net_recv, 3);
}

static void an_interface_that_comes_and_goes_makes_no_jump(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    line("eth0", 1000);
    assert_int_equal(first_reading().net_recv, 1000);
    interface("wlan0", LIST("device"));
    line("eth0", 1001);
    line("wlan0", 5000); /* came out of another namespace, with a past */
    publish();
    assert_int_equal(reading().net_recv, 1001);
    line("eth0", 1001);
    line("wlan0", 5002);
    publish();
    assert_int_equal(reading().net_recv, 1003);
    line("eth0", 1002);
    publish();
    assert_int_equal(reading().net_recv, 1004);
    line("wlan0", 3);
    line("eth0", 1003);
    publish();
    assert_int_equal(reading().net_recv, 1005);
}

static void an_interface_for_each_of_many_containers_needs_no_more_memory(void **state)
{
    (void)state;
    interface("eth0", LIST("device"));
    line("eth0", 1);
    (void)first_reading();
    for (unsigned i = 0; i < 500; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "veth%u", i);
        interface(name, NULL);
        line("eth0", 2 + i);
        line(name, 77);
        publish();
        assert_int_equal(reading().net_recv, 2 + i);
    }
    assert_true(net.devices.capacity <= 16);
}

/* So that a row takes no longer for all that came and went before it. */
static void the_list_keeps_the_order_of_the_kernel(void **state)
{
    (void)state;
    static const char *const readings[][5] = {{"lo", "eth0", "eth1", "eth2"},
                                              {"lo", "new", "eth0", "eth1", "eth2"},
                                              {"lo", "eth1", "eth2"},
                                              {"eth2", "lo", "eth0", "eth1", "new"}};
    for (unsigned i = 0; i < sizeof readings / sizeof *readings; i++) {
        size_t count = 0;
        for (; count < 5 && readings[i][count]; count++)
            line(readings[i][count], i);
        publish();
        if (i == 0)
            assert_int_equal(net_open(&net, &f.roots), 0);
        (void)reading();
        assert_int_equal(net.devices.met, count);
        for (size_t n = 0; n < count; n++)
            assert_string_equal(net.devices.list[n].name, readings[i][n]);
    }
}

static void the_way_out_behind_three_thousand_others_is_counted(void **state)
{
    (void)state;
    for (unsigned reading_number = 0; reading_number < 2; reading_number++) {
        for (unsigned i = 0; i < 3000; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "veth%u", i);
            line(name, 1);
        }
        line("eth0", 5 + reading_number);
        if (reading_number == 0)
            assert_int_equal(first_reading().net_recv, 5);
    }
    publish();
    assert_int_equal(reading().net_recv, 6);
}

static void nonsense_is_no_interface(void **state)
{
    (void)state;
    fixture_write(&f, "proc/net/dev", "x\neth0\neth0:\neth0: 1 2\n:\n");
    assert_int_equal(net_open(&net, &f.roots), 0);
    assert_int_equal(reading().net_recv, 0);
    assert_int_equal(net.devices.count, 0);
}

static void the_real_machine_never_counts_the_loopback(void **state)
{
    (void)state;
    struct roots real = {"/proc", "/sys"};
    static char  block[32 * 1024];
    assert_int_equal(net_open(&net, &real), 0);
    struct sample      before = reading();
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 1000; i++)
        (void)!sendto(fd, block, sizeof block, 0, (struct sockaddr *)&to, sizeof to);
    close(fd);
    struct sample now = reading();
    assert_true(now.net_sent >= before.net_sent);
    assert_true(now.net_sent - before.net_sent < 1000 * sizeof block);
    for (size_t i = 0; i < net.devices.count; i++)
        assert_false(net.devices.list[i].counted && strcmp(net.devices.list[i].name, "lo") == 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_loopback_is_not_counted),
        test(a_bridge_with_containers_is_counted_at_the_hardware),
        test(a_bond_with_a_vlan_on_it_is_counted_at_its_members),
        test(hardware_enslaved_to_hardware_is_counted_at_the_master),
        test(ports_of_a_switch_are_counted_at_their_conduit),
        test(a_container_that_has_only_a_veth_is_counted_by_it),
        test(containers_within_a_container_go_out_through_its_eth0),
        test(a_rootless_container_has_only_a_tap),
        test(an_uplink_that_is_the_port_of_a_bridge_is_still_counted),
        test(a_bond_of_a_container_is_counted_at_its_members),
        test(with_the_sysfs_of_another_namespace_names_decide),
        test(what_joins_a_bridge_after_it_came_is_noticed_in_a_while),
        test(another_namespace_under_the_same_names_makes_no_jump),
        test(a_counter_of_32_bits_that_wraps_makes_no_jump),
        test(one_that_is_renamed_makes_no_jump),
        test(without_sys_names_decide),
        test(an_interface_that_comes_and_goes_makes_no_jump),
        test(an_interface_for_each_of_many_containers_needs_no_more_memory),
        test(the_list_keeps_the_order_of_the_kernel),
        test(the_way_out_behind_three_thousand_others_is_counted),
        test(nonsense_is_no_interface),
        test(the_real_machine_never_counts_the_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
