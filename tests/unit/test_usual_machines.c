// SPDX-License-Identifier: Apache-2.0
// Which disks and which interfaces of usual machines count: each byte once, none left out.
#include "fixture.h"

#include "collect/disk.h"
#include "collect/net.h"

enum { NAMES_MAX = 16, NAME_SIZE = 24, WORDS_SIZE = 512 };

struct usual {
    const char *what, *has, *counted;
};

/* What is listed has 1, 2, 4, 8 ... as its counter, so that a sum says which were added. */
struct names {
    char   name[NAMES_MAX][NAME_SIZE];
    size_t count;
};

static struct fixture f;
static struct scratch scratch;

static int set_up(void **state)
{
    (void)state;
    return scratch_init(&scratch);
}

static int tear_down(void **state)
{
    (void)state;
    scratch_done(&scratch);
    return 0;
}

static uint64_t sum_of(const struct names *names, const char *words)
{
    char     copy[WORDS_SIZE];
    char    *rest = copy;
    uint64_t sum = 0;
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *word; (word = strsep(&rest, " "));) {
        size_t i = 0;
        while (i < names->count && strcmp(names->name[i], word) != 0)
            i++;
        assert_true(i < names->count);
        sum |= 1U << i;
    }
    return sum;
}

static void expect(const struct usual *m, const struct names *names, uint64_t sum)
{
    if (sum == sum_of(names, m->counted))
        return;
    for (size_t i = 0; i < names->count; i++)
        if (sum & 1U << i)
            print_error("%s: %s counts\n", m->what, names->name[i]);
    fail();
}

/* "NAME", ":FILES" where it has some in /sys/class/net, ">MASTER", "^LOWER", in this order. */
static void add_interface(char *word, struct names *names, char *lines)
{
    char  path[128];
    char  target[64];
    char *lower = word;
    char *master = (strsep(&lower, "^"), word);
    char *files = (strsep(&master, ">"), word);
    char *name = strsep(&files, ":");
    (void)snprintf(path, sizeof path, "sys/class/net/%s/type", name);
    fixture_write(&f, path, "%s\n", files && strstr(files, "none") ? "65534" : "1");
    for (char *file; (file = strsep(&files, ","));) {
        (void)snprintf(path, sizeof path, "sys/class/net/%s/%s", name, file);
        fixture_folder(&f, path);
    }
    for (int i = 0; i < 2; i++) {
        const char *below = i ? lower : name;
        const char *above = i ? name : master;
        if (!below || !above)
            continue;
        (void)snprintf(path, sizeof path, "sys/class/net/%s/lower_%s", above, below);
        (void)snprintf(target, sizeof target, "../%s", below);
        fixture_link(&f, path, target);
    }
    if (master) {
        (void)snprintf(path, sizeof path, "sys/class/net/%s/master", name);
        (void)snprintf(target, sizeof target, "../%s", master);
        fixture_link(&f, path, target);
    }
    size_t len = strlen(lines);
    (void)snprintf(lines + len, 4096 - len, "%6s: %u 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7\n", name, 1U << names->count);
    (void)snprintf(names->name[names->count++], NAME_SIZE, "%s", name);
}

static void interfaces_of_usual_machines(void **state)
{
    (void)state;
    static const struct usual machines[] = {
        {"a virtual machine", "lo eth0:device", "eth0"},
        {"Azure, accelerated", "lo eth0:device enP1s1:device>eth0", "eth0"},
        {"a laptop with a VPN", "lo enp2s0:device wlp3s0:device wg0:none tun0:none,tun_flags", "enp2s0 wlp3s0"},
        {"a host of containers", "lo eth0:device docker0:bridge veth1a:x>docker0 br-5f:bridge veth2b:x>br-5f", "eth0"},
        {"a host of virtual machines", "lo eno1:device>br0 br0:bridge vnet0:tun_flags>br0 virbr0:bridge", "eno1"},
        {"bonds with VLANs",
         "lo eno1:device>bond0 eno2:device>bond0 bond0:bonding bond0.7:x^bond0 br7:bridge veth1:x>br7", "eno1 eno2"},
        {"a node of Kubernetes with flannel",
         "lo ens3:device flannel.1:x cni0:bridge vethab:x>cni0 kube-ipvs0:x dummy0:x", "ens3"},
        {"a node with Calico", "lo ens3:device cali12:x cali34:x tunl0:none vxlan.calico:x", "ens3"},
        {"a node of EKS", "lo eth0:device eth1:device eni0123456789a:x eni123456789ab:x", "eth0 eth1"},
        {"a node of GKE", "lo eth0:device gke0123456789a:x gke123456789ab:x", "eth0"},
        {"a node with OVN", "lo ens3:device>ovs-system ovs-system:x br-ex:x ovn-k8s-mp0:x genev_sys_6081:x", "ens3"},
        {"a host of macvlans", "lo eno1:device macvlan0:x^eno1 ipvl0:x^eno1", "eno1"},
        {"WSL 2", "lo eth0:device", "eth0"},
        {"a container", "lo eth0:x", "eth0"},
        {"a container in two networks", "lo eth0:x eth1:x", "eth0 eth1"},
        {"a container on a macvlan", "lo eth0:x", "eth0"},
        {"a pod with a VPN", "lo eth0:x wg0:none tun0:none,tun_flags", "eth0"},
        {"containers in a container", "lo eth0:x docker0:bridge veth9:x>docker0", "eth0"},
        {"a rootless container", "lo tap0:tun_flags", "tap0"},
        {"OpenVZ", "lo venet0:none", "venet0"},
        {"a pod with a virtual function", "lo eth0:x net1:device", "eth0 net1"},
        {"a pod with two functions, for RDMA", "lo eth0:x net1:device net2:device tunl0:none", "eth0 net1 net2"},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct names  names = {.count = 0};
        struct net    net;
        struct sample s = {0};
        char          lines[4096] = "";
        char          copy[WORDS_SIZE];
        char         *rest = copy;
        fixture_open(&f);
        (void)snprintf(copy, sizeof copy, "%s", machines[i].has);
        for (char *word; (word = strsep(&rest, " "));)
            add_interface(word, &names, lines);
        fixture_write(&f, "proc/net/dev", "Inter-|\n face |\n%s", lines);
        assert_int_equal(net_open(&net, &f.roots), 0);
        assert_int_equal(net_read(&net, &scratch, &s), 0);
        expect(&machines[i], &names, s.net_recv);
        net_close(&net);
        fixture_close(&f);
    }
}

/* "NAME", or "DISK/PARTITION"; ">BELOW" for each slave. */
static void add_disk(char *word, struct names *names, char *lines)
{
    char  path[128];
    char *below = word;
    char *part = (strsep(&below, ">"), word);
    char *name = strsep(&part, "/");
    (void)snprintf(path, sizeof path, "sys/block/%s/slaves", name);
    fixture_folder(&f, path);
    for (char *one; (one = strsep(&below, ">"));) {
        (void)snprintf(path, sizeof path, "sys/block/%s/slaves/%s", name, one);
        fixture_link(&f, path, "../..");
    }
    name = part ? part : name;
    size_t len = strlen(lines);
    (void)snprintf(lines + len, 4096 - len, " 8 0 %s 1 0 %u 0 1 0 0 0 0 0 0\n", name, 1U << names->count);
    (void)snprintf(names->name[names->count++], NAME_SIZE, "%s", name);
}

static void disks_of_usual_machines(void **state)
{
    (void)state;
    static const struct usual machines[] = {
        {"AWS", "nvme0n1 nvme0n1/nvme0n1p1 nvme0n1/nvme0n1p128 nvme1n1", "nvme0n1 nvme1n1"},
        {"AWS on Xen", "xvda xvda/xvda1 xvdb", "xvda xvdb"},
        {"AWS on Xen, partitions alone", "xvda1 xvdb", "xvda1 xvdb"},
        {"Google", "sda sda/sda1 sda/sda15 sdb nvme0n1", "sda sdb nvme0n1"},
        {"Azure", "sda sda/sda1 sdb sdb/sdb1 sr0", "sda sdb sr0"},
        {"a root on LVM", "sda sda/sda1 sda/sda2 dm-0>sda2 dm-1>sda2", "sda"},
        {"a root on LUKS and LVM", "nvme0n1 nvme0n1/nvme0n1p3 dm-0>nvme0n1p3 dm-1>dm-0", "nvme0n1"},
        {"arrays", "sda sda/sda1 sdb sdb/sdb1 md0>sda1>sdb1 md127", "sda sdb"},
        {"ZFS", "sda sda/sda1 sdb sdb/sdb1 zd0 zd16", "sda sdb"},
        {"Ceph", "vda vda/vda1 rbd0 rbd0/rbd0p1", "vda rbd0"},
        {"multipath", "sda sdb dm-0>sda>sdb dm-1>dm-0", "sda sdb"},
        {"NVMe multipath", "nvme0n1 nvme0c0n1 nvme0c1n1", "nvme0c0n1 nvme0c1n1"},
        {"DRBD on LVM", "sda dm-0>sda drbd0", "sda"},
        {"a cache", "sda nvme0n1 bcache0>sda>nvme0n1", "sda nvme0n1"},
        {"snaps and swap in memory", "vda loop0 loop1 zram0 ram0", "vda"},
        {"a small board", "mmcblk0 mmcblk0/mmcblk0p1 mmcblk0boot0", "mmcblk0 mmcblk0boot0"},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        struct names  names = {.count = 0};
        struct disk   disk;
        struct sample s = {0};
        char          lines[4096] = "";
        char          copy[WORDS_SIZE];
        char         *rest = copy;
        fixture_open(&f);
        (void)snprintf(copy, sizeof copy, "%s", machines[i].has);
        for (char *word; (word = strsep(&rest, " "));)
            add_disk(word, &names, lines);
        fixture_write(&f, "proc/diskstats", "%s", lines);
        assert_int_equal(disk_open(&disk, &f.roots), 0);
        assert_int_equal(disk_read(&disk, &scratch, &s), 0);
        expect(&machines[i], &names, s.disk_read / 512);
        disk_close(&disk);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(interfaces_of_usual_machines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disks_of_usual_machines, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
