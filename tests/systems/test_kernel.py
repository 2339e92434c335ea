# SPDX-License-Identifier: Apache-2.0
"""What this machine's kernel may lack, in a virtual machine with Debian's: the device mapper, md, partitions, bonds,
VLANs, tunnels, control groups of version 2, and 32-bit programs, by the tests that skip elsewhere. Inside none of them may.

PILLION_TEST_LONG=1 runs all tests of the machine's disks, networks and space there, and those of a server of NFS that
falls silent, which want nfs-kernel-server."""
import os
import platform
import sys
import unittest

import guest
import kernel
from roots import pillion

LONG = bool(os.environ.get("PILLION_TEST_LONG"))
NET = ["Container.test_" + name for name in ("a_bond_is_counted_at_its_members", "a_vlan_on_the_uplink_adds_nothing",
                                              "a_tunnel_is_counted_at_the_uplink_that_carries_it")]
# Each is folder/file, and of some the classes or tests that are meant.
TESTS = [
    ["truth/test_machine_disks", "Stacked", "SpareDisk"],
    ["truth/test_machine_net"] + NET,
    ["integration/test_cgroups", "Killed"],
    ["integration/test_cgroups_unified"],
    ["programs/test_odd_binaries", "Binaries.test_32_bit_programs"],
]
ALL = [["truth/test_machine_" + name] for name in ("disks", "net", "space", "nfs")] + TESTS[2:]
BEFORE = [["modprobe", "-a", "loop", "zram", "dm-mod", "tun", "fuse"]]  # what nothing loads by itself
SECONDS = 2400 if LONG else 1100
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@unittest.skipUnless(platform.machine() == "x86_64", "the machine that is emulated is an x86-64")
@unittest.skipUnless(os.geteuid() == 0, "only root can hand all of its files to another machine")
class UnderDebiansKernel(pillion.PillionTest):
    def test_what_is_skipped_elsewhere_is_true_there(self):
        job = {"tests": ALL if LONG else TESTS, "before": BEFORE,
               "env": {"PATH": PATH, "HOME": "/disk", "TMPDIR": "/disk/tmp", "LANG": "C.UTF-8", "PILLION_BUILD": str(pillion.BUILD),
                       "PILLION_SOURCE": str(pillion.SOURCE), "PILLION_TEST_DISK": "/dev/vdb", "PILLION_TEST_PATIENCE": "5"}}
        expected = sorted(test.id() for suite in guest.tests_of(job) for test in each(suite))
        machine = kernel.Machine(kernel.debian_kernel(), self.tmp, job, source=pillion.SOURCE, build=pillion.BUILD,
                                 python=os.path.realpath(sys.executable))
        self.addCleanup(machine.end)
        ended = machine.wait(SECONDS)
        told = machine.results()
        for one in told:
            with self.subTest(one["test"]):
                self.assertEqual(one["how"], "passed", one["why"])
        self.assertTrue(ended, "it is still on after %d s: %s" % (SECONDS, machine.last_words()))
        self.assertEqual(sorted(one["test"] for one in told), expected, machine.last_words())
        self.assertGreater(len(told), 20)


def each(suite):
    for test in suite:
        yield from each(test) if isinstance(test, unittest.TestSuite) else [test]


if __name__ == "__main__":
    pillion.main()
