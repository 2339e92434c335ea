# SPDX-License-Identifier: Apache-2.0
"""Network traffic of the machine, or of the container: known bytes through interfaces of the test's own, in network
namespaces of the test's own, against /proc/net/dev of that namespace and sysstat.

`outside` is the rest of the world; `box` is where the sampled program is, with an eth0 that leads outside."""
import os
import pathlib
import subprocess
import sys
import time

from machine import MachineTest, Sampled, net_bytes, pillion, total

RECEIVED, SENT = "system_net_recv_bytes", "system_net_sent_bytes"
SYSFS = "mount -t sysfs sysfs /sys"
# to, datagrams, pause: 1000 bytes each; the interface counts 42 more for Ethernet, IP and UDP.
SENDS = """import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(int(sys.argv[2])):
    try:
        s.sendto(b"x" * 1000, (sys.argv[1], 9))
    except ConnectionRefusedError:
        pass
    time.sleep(float(sys.argv[3]))
"""
COUNT, EACH = 2000, 1042


class Net(MachineTest):
    def setUp(self):
        super().setUp()
        self.need_root()
        self.need("ip")

    def space(self):
        """A namespace with its own view of /sys: the pid that holds it."""
        pid = self.holder("--net", "--mount", script=SYSFS)
        self.ip(pid, "link set lo up")
        return pid

    def ip(self, pid, *lines):
        for line in lines:
            self.inside(pid, "ip", *line.split(), namespaces=("--net",))

    def kind(self, pid, line):
        """`ip link add` of a kind that not every kernel has."""
        done = subprocess.run(["nsenter", "-t", str(pid), "--net", "ip", "link", "add"] + line.split(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            self.skip("ip link add %s: %s" % (line, done.stdout.decode().strip()[-200:]))

    def rename(self, pid, name, new):
        """While it is up, where the kernel allows that (6.2 and newer)."""
        if not self.can("nsenter", "-t", pid, "--net", "ip", "link", "set", name, "name", new):
            self.ip(pid, "link set %s down" % name, "link set %s name %s" % (name, new), "link set %s up" % new)

    def veth(self, left, left_name, right, right_name, net=None):
        """Two ends in two namespaces; with a net, 10.NET.0.1 on the left and .2 on the right."""
        self.kind(left, "%s type veth peer name %s netns %d" % (left_name, right_name, right))
        for pid, name, host in ((left, left_name, 1), (right, right_name, 2)):
            if net is not None:
                self.ip(pid, "addr add 10.%d.0.%d/24 dev %s" % (net, host, name))
            self.ip(pid, "link set %s up" % name)

    def box(self):
        outside, box = self.space(), self.space()
        self.veth(outside, "out0", box, "eth0", net=77)
        return outside, box

    def send(self, pid, to, count=COUNT, pause=0):
        self.inside(pid, sys.executable, "-c", SENDS, to, count, pause, namespaces=("--net",))

    def sample(self, pid, *names, namespaces=("--net", "--mount"), **more):
        """The sampled program in a namespace; what is counted by hand are these interfaces."""
        return Sampled(self, lambda: net_bytes(pid, *names), before=("nsenter", "-t", pid) + namespaces, **more)

    def assertRows(self, sampled, received=0, sent=0):
        """Exactly what the interfaces of the bounds counted, and so much at least."""
        self.assertGreaterEqual(self.assertSum(sampled, RECEIVED, "received"), received)
        self.assertGreaterEqual(self.assertSum(sampled, SENT, "sent"), sent)


class Container(Net):
    def test_datagrams_of_known_size_are_counted_both_ways_and_the_loopback_is_not(self):
        outside, box = self.box()
        sampled = self.sample(box, "eth0")
        self.send(box, "10.77.0.1")
        self.send(outside, "10.77.0.2", 2 * COUNT)
        self.send(box, "127.0.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 2 * COUNT * EACH, COUNT * EACH)

    def test_statistics_of_sysfs_say_the_same(self):
        outside, box = self.box()
        folder = pathlib.Path("/proc/%d/root/sys/class/net/eth0/statistics" % box)

        def statistics():
            return {"received": int((folder / "rx_bytes").read_text()), "sent": int((folder / "tx_bytes").read_text())}
        sampled = Sampled(self, statistics, before=("nsenter", "-t", box, "--net", "--mount"))
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_sar_sees_the_same_traffic(self):
        self.need("sar")
        outside, box = self.box()
        sampled = self.sample(box, "eth0")
        sender = subprocess.Popen(["nsenter", "-t", str(box), "--net", sys.executable, "-c", SENDS, "10.77.0.1", "100000",
                                   "0.0005"])
        self.addCleanup(sender.wait)
        self.addCleanup(sender.kill)
        sampled.wait_rows(2)
        began = time.time()
        text = self.inside(box, "env", "LC_ALL=C", "sar", "-n", "DEV", "3", "1")
        ended = time.time()
        sampled.wait_rows(2)
        sampled.end()
        lines = text.splitlines()
        names = next(line for line in lines if "txkB/s" in line).split()
        values = next(line for line in lines if line.startswith("Average:") and " eth0 " in line).split()
        theirs = float(values[names.index("txkB/s") - len(names)]) * 1024 * 3
        rows = [(before["timestamp"], after["timestamp"], after[SENT])
                for before, after in zip(sampled.rows, sampled.rows[1:])]
        # sar reads twice, 3 s apart, somewhere between began and ended.
        low = sum(sent for start, end, sent in rows if start >= ended - 3 and end <= began + 3)
        high = sum(sent for start, end, sent in rows if end >= began and start <= ended)
        self.assertBetween(theirs, low * 0.98, high * 1.02 * (ended - began) / 3, "bytes by sar: %s" % text)
        self.assertGreater(low, 500 * EACH)

    def test_an_inner_bridge_with_inner_containers_adds_nothing(self):
        outside, box = self.box()
        inner = self.space()
        self.kind(box, "br0 type bridge")
        self.veth(box, "veth0", inner, "eth0")
        self.ip(box, "link set veth0 master br0", "addr add 10.78.0.1/24 dev br0", "link set br0 up")
        self.ip(inner, "addr add 10.78.0.2/24 dev eth0", "route add default via 10.78.0.1")
        self.ip(outside, "route add 10.78.0.0/24 via 10.77.0.2")
        self.inside(box, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        sampled = self.sample(box, "eth0")
        self.send(inner, "10.78.0.1")  # stays within the box
        self.send(inner, "10.77.0.1", 2 * COUNT)  # passes eth0 of inner, veth0, br0 and eth0 of the box
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, 2 * COUNT * EACH)

    def test_an_uplink_that_is_the_port_of_a_bridge_is_still_counted(self):
        outside, box = self.space(), self.space()
        self.kind(box, "br0 type bridge")
        self.veth(outside, "out0", box, "eth0")
        self.ip(box, "link set eth0 master br0", "link set br0 up", "addr add 10.77.0.2/24 dev br0")
        self.ip(outside, "addr add 10.77.0.1/24 dev out0")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, (COUNT - 200) * EACH)  # a bridge forwards only after it has learned

    def test_a_bond_is_counted_at_its_members(self):
        outside, box = self.space(), self.space()
        self.kind(box, "bond0 type bond mode active-backup")
        self.kind(outside, "br0 type bridge")
        for n in (0, 1):
            self.veth(outside, "out%d" % n, box, "eth%d" % n)
            self.ip(outside, "link set out%d master br0" % n)
            self.ip(box, "link set eth%d down" % n, "link set eth%d master bond0" % n)
        self.ip(outside, "link set br0 up", "addr add 10.77.0.1/24 dev br0")
        self.ip(box, "link set bond0 up", "addr add 10.77.0.2/24 dev bond0")
        sampled = self.sample(box, "eth0", "eth1")
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, (COUNT - 200) * EACH)

    def test_a_vlan_on_the_uplink_adds_nothing(self):
        outside, box = self.box()
        for pid, name, host in ((outside, "out0", 1), (box, "eth0", 2)):
            self.kind(pid, "link %s name v7 type vlan id 7" % name)
            self.ip(pid, "addr add 10.79.0.%d/24 dev v7" % host, "link set v7 up")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.79.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_a_macvlan_on_the_uplink_adds_nothing(self):
        outside, box = self.box()
        self.kind(box, "link eth0 name mac0 type macvlan mode bridge")
        self.ip(box, "addr add 10.79.0.2/24 dev mac0", "link set mac0 up")
        self.ip(outside, "addr add 10.79.0.1/24 dev out0")
        sampled = self.sample(box, "eth0")
        self.send(outside, "10.79.0.2")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, COUNT * EACH, 0)

    def test_a_macvlan_whose_parent_is_outside_is_the_uplink(self):
        outside, box, world = self.space(), self.space(), self.space()
        self.veth(world, "far0", outside, "out0")
        self.kind(outside, "link out0 name mac0 type macvlan mode bridge")
        self.ip(outside, "link set mac0 netns %d" % box)
        self.ip(box, "link set mac0 name eth0", "link set eth0 up", "addr add 10.77.0.2/24 dev eth0")
        self.ip(world, "addr add 10.77.0.1/24 dev far0")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_dummy_and_ifb_lead_nowhere_and_are_not_counted(self):
        outside, box = self.box()
        self.kind(box, "ifb7 type ifb")
        self.kind(box, "dummy7 type dummy")
        self.ip(box, "link set ifb7 up", "link set dummy7 up", "addr add 10.80.0.1/24 dev dummy7",
                "neigh add 10.80.0.2 lladdr 02:00:00:00:00:02 dev dummy7")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.80.0.2")
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertGreaterEqual(net_bytes(box, "dummy7")["sent"], COUNT * EACH)
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_a_tunnel_is_counted_at_the_uplink_that_carries_it(self):
        outside, box = self.box()
        for pid, host in ((outside, 1), (box, 2)):
            self.kind(pid, "tun7 type gretap local 10.77.0.%d remote 10.77.0.%d" % (host, 3 - host))
            self.ip(pid, "addr add 10.81.0.%d/24 dev tun7" % host, "link set tun7 up")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.81.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_wireguard_is_counted_at_the_uplink_that_carries_it(self):
        self.need("wg")
        outside, box = self.box()
        keys = {pid: self.call("wg", "genkey") for pid in (outside, box)}
        for pid, other, host in ((outside, box, 1), (box, outside, 2)):
            self.kind(pid, "wg7 type wireguard")
            secret = self.tmp / ("key%d" % host)
            secret.write_text(keys[pid])
            self.inside(pid, "wg", "set", "wg7", "listen-port", 51820, "private-key", secret, "peer",
                        self.call("wg", "pubkey", input=keys[other].encode()), "allowed-ips", "10.81.0.0/24", "endpoint",
                        "10.77.0.%d:51820" % (3 - host), namespaces=("--net",))
            self.ip(pid, "addr add 10.81.0.%d/24 dev wg7" % host, "link set wg7 up")
        sampled = self.sample(box, "eth0")
        self.send(box, "10.81.0.1", pause=0.0002)
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def test_a_tap_that_is_the_only_way_out_is_counted(self):
        if not os.path.exists("/dev/net/tun"):
            self.skip("no /dev/net/tun")
        box = self.space()
        self.ip(box, "tuntap add dev tap0 mode tap")
        reads = ("import fcntl, os, struct\nf = os.open('/dev/net/tun', os.O_RDWR)\n"
                 "fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x1002))\nprint('open', flush=True)\n"
                 "while True: os.read(f, 4096)\n")
        reader = subprocess.Popen(["nsenter", "-t", str(box), "--net", sys.executable, "-c", reads], stdout=subprocess.PIPE)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.assertEqual(reader.stdout.readline(), b"open\n")
        self.ip(box, "addr add 10.82.0.2/24 dev tap0", "link set tap0 up",
                "neigh add 10.82.0.1 lladdr 02:00:00:00:00:01 dev tap0")
        sampled = self.sample(box, "tap0")
        self.send(box, "10.82.0.1", pause=0.0001)
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT // 2 * EACH)  # its queue may be full now and then


class ComesAndGoes(Net):
    def traffic(self, pid, to):
        self.send(pid, to)
        return COUNT * EACH

    def used(self):
        """outside, box, and an eth1 outside with traffic behind it."""
        outside, box = self.box()
        elsewhere = self.space()
        self.veth(elsewhere, "far1", outside, "eth1", net=78)
        self.send(outside, "10.78.0.1", 4 * COUNT)
        return outside, box, elsewhere

    def move(self, source, target, name="eth1", host=2):
        self.ip(source, "link set %s netns %d" % (name, target))
        self.ip(target, "addr add 10.78.0.%d/24 dev %s" % (host, name), "link set %s up" % name)

    def test_an_interface_that_comes_with_a_past_makes_no_jump_and_counts_from_then_on(self):
        outside, box, _ = self.used()
        sampled = self.sample(box, "eth0")
        self.send(box, "10.77.0.1")
        self.move(outside, box)
        arrived = net_bytes(box, "eth1")
        sampled.wait_rows(2)
        seen = net_bytes(box, "eth1")
        self.send(box, "10.78.0.1")
        sampled.wait_rows(2)
        last = net_bytes(box, "eth1")
        sampled.end()
        sent = total(sampled.rows, SENT)
        low, high = sampled.bounds("sent")
        self.assertGreaterEqual(arrived["sent"], 4 * COUNT * EACH)
        # A frame or two may still come (IPv6's discovery) after the last look at it.
        self.assertBetween(sent, low + last["sent"] - seen["sent"], high + last["sent"] - arrived["sent"] + 4096, SENT)

    def test_an_interface_that_goes_takes_nothing_back(self):
        outside, box, _ = self.used()
        self.move(outside, box)
        sampled = self.sample(box, "eth0")
        self.send(box, "10.78.0.1")
        sampled.wait_rows(2)
        self.ip(box, "link set eth1 netns %d" % outside)
        self.send(box, "10.77.0.1")
        sampled.wait_rows(2)
        rows = sampled.end()
        low, _ = sampled.bounds("sent")
        self.assertBetween(total(rows, SENT), low + COUNT * EACH, low + COUNT * EACH + 65536, SENT)

    def test_one_that_is_renamed_makes_no_jump(self):
        outside, box, _ = self.used()
        self.move(outside, box)
        sampled = self.sample(box, "eth0")
        first = net_bytes(box, "eth1")
        for n in range(4):
            self.ip(box, "link set eth1 down", "link set eth1 name lan%d" % n, "link set lan%d name eth1" % n,
                    "link set eth1 up")
            self.rename(box, "eth1", "uplink")
            sampled.wait_rows(1)
            self.rename(box, "uplink", "eth1")
            sampled.wait_rows(1)
        last = net_bytes(box, "eth1")
        sampled.end()
        _, high = sampled.bounds("sent")
        self.assertBetween(total(sampled.rows, SENT), 0, high + last["sent"] - first["sent"] + 4096, SENT)

    def test_one_that_comes_and_goes_all_the_time_makes_no_jump(self):
        outside, box, _ = self.used()
        sampled = self.sample(box, "eth0")
        while sampled.rows_now() < 12:
            self.ip(outside, "link set eth1 netns %d" % box)
            self.ip(box, "link set eth1 netns %d" % outside)
        sampled.end()
        _, high = sampled.bounds("sent")
        self.assertBetween(total(sampled.rows, SENT), 0, high + 65536, SENT)


class Namespaces(Net):
    def test_with_the_sysfs_of_another_namespace_names_decide(self):
        """`unshare --net`, or `nsenter --net`, leaves /sys as it was: the interfaces there are others."""
        outside, box = self.box()
        self.veth(outside, "out1", box, "eth1", net=78)
        other = self.space()  # whose /sys shows an eth0 on a bridge
        self.kind(other, "br0 type bridge")
        self.kind(other, "eth0 type veth peer name far0")
        self.kind(other, "eth1 type veth peer name far1")
        self.ip(other, "link set eth0 master br0", "link set eth1 master br0")
        sampled = Sampled(self, lambda: net_bytes(box, "eth0", "eth1"),
                          before=("nsenter", "-t", other, "--mount", "nsenter", "--net=/proc/%d/ns/net" % box))
        self.send(box, "10.78.0.1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 0, COUNT * EACH)

    def leaves(self, call):
        """A program that goes into another network namespace in mid-run: its rows."""
        outside, box = self.box()
        moves = ("import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                 "for line in sys.stdin:\n    if line == 'go\\n':\n        assert %s == 0, ctypes.get_errno()\n"
                 "    print(line, end='', flush=True)\n" % call)
        sampled = self.sample(box, "eth0", program=(sys.executable, "-c", moves))
        self.send(outside, "10.77.0.2")
        sampled.wait_rows(2)
        sampled.say("go")
        self.assertNotEqual(os.readlink("/proc/%d/ns/net" % sampled.pid), os.readlink("/proc/%d/ns/net" % box))
        sampled.wait_rows(2)
        return outside, box, sampled

    def test_a_program_that_unshares_its_network_still_has_rows_of_the_namespace_that_it_was_started_in(self):
        outside, box, sampled = self.leaves("libc.unshare(0x40000000)")
        self.send(outside, "10.77.0.2")
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled, 2 * COUNT * EACH, 0)

    def test_a_program_that_unshares_user_and_network_at_once_makes_no_jump(self):
        outside, box, sampled = self.leaves("libc.unshare(0x50000000)")
        sampled.wait_rows(2)
        sampled.end()
        self.assertBetween(total(sampled.rows, RECEIVED), COUNT * EACH, sampled.bounds("received")[1], RECEIVED)

    def test_a_program_that_enters_a_used_namespace_makes_no_jump(self):
        used = self.space()
        self.veth(self.space(), "far0", used, "eth0", net=79)
        self.send(used, "10.79.0.1", 4 * COUNT)
        outside, box, sampled = self.leaves("libc.setns(os.open('/proc/%d/ns/net', 0), 0)" % used)
        sampled.end()
        self.assertRows(sampled, COUNT * EACH, 0)

    def test_with_few_descriptors_it_makes_no_jump_either(self):
        """Then the files are opened anew for each row."""
        used = self.space()
        self.veth(self.space(), "far0", used, "eth0", net=79)
        self.send(used, "10.79.0.1", 4 * COUNT)
        outside, box = self.box()
        moves = ("import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                 "for line in sys.stdin:\n    if line == 'go\\n':\n        assert libc.setns(os.open('/proc/%d/ns/net', 0), 0) == 0\n"
                 "    print(line, end='', flush=True)\n" % used)
        sampled = self.sample(box, "eth0", program=("sh", "-c", 'ulimit -n 30; exec "$@"', "sh", sys.executable, "-c",
                                                    moves))
        self.send(outside, "10.77.0.2")
        sampled.wait_rows(2)
        sampled.say("go")
        sampled.wait_rows(2)
        sampled.end()
        self.assertBetween(total(sampled.rows, SENT), 0, 65536, SENT)


class Machine(Net):
    def test_hardware_alone_counts_where_there_is_some(self):
        hardware = [name for name in net_bytes(os.getpid()) if os.path.exists("/sys/class/net/%s/device" % name)]
        if not hardware or any(os.path.exists("/sys/class/net/%s/master" % name) for name in hardware):
            self.skip("no hardware of its own in this namespace")
        sampled = Sampled(self, lambda: net_bytes(os.getpid(), *hardware))
        subprocess.run([sys.executable, "-c", SENDS, "127.0.0.1", str(COUNT), "0"], check=True)
        sampled.wait_rows(2)
        sampled.end()
        self.assertRows(sampled)


if __name__ == "__main__":
    pillion.main()
