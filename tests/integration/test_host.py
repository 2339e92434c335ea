# SPDX-License-Identifier: Apache-2.0
"""The host_ fields of a registration, against what the system's own tools say of this machine."""
import json
import os
import pathlib
import re
import subprocess
import unittest

from served import ServedTest
import pillion

PERSONAL = {"host_id", "host_hostname", "host_ip"}


def told_by(*words):
    """The lines that a tool prints, or a skip with its name."""
    if not pillion.have(words[0]):
        raise unittest.SkipTest("%s is not installed" % words[0])
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))
    if done.returncode:
        raise unittest.SkipTest("%s says nothing here" % " ".join(words))
    return done.stdout.decode().splitlines()


class Host(ServedTest):
    def registered(self, **variables):
        result = self.python("pass", env=self.env(**variables))
        self.assertEqual(result.status, 0, result)
        return self.server.of("register")[-1].body

    def test_cpus_are_those_of_lscpu(self):
        online = [line for line in told_by("lscpu", "-p=CPU") if not line.startswith("#")]
        body = self.registered()
        self.assertEqual(body["host_vcpus"], len(online))
        models = {line.split(":", 1)[1].strip() for line in told_by("lscpu") if re.match(r" *Model name:", line)}
        if len(models) == 1 and models != {"-"}:
            self.assertEqual(body.get("host_cpu_model"), models.pop())

    def test_memory_is_that_of_free(self):
        total = [line.split()[1] for line in told_by("free", "-m") if line.startswith("Mem:")][0]
        self.assertAlmostEqual(self.registered()["host_memory_mib"], int(total), delta=1)

    def test_storage_is_that_of_lsblks_disks(self):
        disks = [line.split() for line in told_by("lsblk", "-b", "-d", "-n", "-o", "NAME,TYPE,SIZE")]
        size = sum(int(size) for name, kind, size in disks if kind == "disk" and not re.match(r"zram|ram|nbd|fd", name))
        self.assertAlmostEqual(self.registered().get("host_storage_gb", 0), size / 1e9, places=2)

    def test_the_address_is_the_one_that_the_kernel_would_go_out_with(self):
        routes = json.loads("".join(told_by("ip", "-4", "-j", "route", "get", "192.0.2.200")) or "[]")
        if not routes or "gateway" not in routes[0] and not told_by("ip", "-4", "route", "show", "default"):
            self.skipTest("no default route")
        self.assertEqual(self.registered(PILLION_SHARE="ip").get("host_ip"), routes[0]["prefsrc"])

    def test_what_is_personal_goes_out_only_when_it_is_shared(self):
        self.assertEqual(PERSONAL & set(self.registered()), set())
        for word, field in (("hostname", "host_hostname"), ("ip", "host_ip"), ("host_id", "host_id")):
            self.assertLessEqual(PERSONAL & set(self.registered(PILLION_SHARE=word)), {field})
        body = self.registered(PILLION_SHARE="all")
        self.assertEqual(body["host_hostname"], os.uname().nodename)
        machine_id = pathlib.Path("/etc/machine-id")
        if machine_id.is_file() and not pathlib.Path("/sys/class/dmi/id/board_asset_tag").exists():
            self.assertEqual(body.get("host_id", ""), machine_id.read_text().strip())

    def test_whether_the_server_is_shared_is_not_guessed(self):
        """The vendor's instance type tells; from inside, a quiet neighbour looks like none."""
        self.assertNotIn("host_server_allocation", self.registered(PILLION_SHARE="all"))


if __name__ == "__main__":
    pillion.main()
