# SPDX-License-Identifier: Apache-2.0
"""Disk traffic of the machine: known bytes, past the page cache, to devices of the test's own, against /proc/diskstats
and iostat. Which bytes count: those of whole disks, each once, at the device that nothing stands below.

PILLION_TEST_DISK=/dev/NAME is a whole disk whose content may be lost: then partitions and what stands on them are tried
on it too."""
import json
import os
import pathlib

from machine import LONG, MIB, MachineTest, Sampled, all_disks, disk_bytes, pillion, total, whole_disk_of

WRITTEN = 32  # MiB
READ, WROTE = "system_disk_read_bytes", "system_disk_write_bytes"


def everything():
    return disk_bytes(all_disks())


class Disk(MachineTest):
    """`Below` is the disk that the test's files lie on."""

    def setUp(self):
        super().setUp()
        self.disks = whole_disk_of(self.tmp)

    def need_disk(self):
        if not self.disks:
            self.skip("%s is on no disk of this machine's" % self.tmp)

    def sample(self, work, rows=3):
        """The rows over a piece of work, and that their sum is what all disks together moved."""
        sampled = Sampled(self, everything)
        sampled.wait_rows(1)
        work()
        sampled.wait_rows(rows)
        sampled.end()
        self.assertSum(sampled, READ, "read")
        self.assertSum(sampled, WROTE, "written")
        return sampled

    def need_mapper(self):
        self.need_root()
        self.need("dmsetup")
        if not self.can("dmsetup", "version") or "device-mapper" not in open("/proc/devices").read():
            self.skip("no device mapper in this kernel")

    def mapped(self, name, table):
        """A device of the device mapper, by a table of one line or more: (its name in /proc/diskstats, its path)."""
        name = "pillion-test-%d-%s" % (os.getpid(), name)
        self.call("dmsetup", "create", name, "--noudevsync", input=table.encode())
        self.undo("dmsetup", "remove", "--noudevsync", "--force", name)
        number = int(self.call("dmsetup", "info", "--columns", "--noheadings", "-o", "minor", name))
        self.node("/dev/dm-%d" % number, "dm-%d" % number)
        return "dm-%d" % number, "/dev/dm-%d" % number

    def linear(self, name, *devices):
        at, lines = 0, []
        for device in devices:
            size = int(self.call("blockdev", "--getsz", device))
            lines.append("%d %d linear %s 0" % (at, size, device))
            at += size
        return self.mapped(name, "\n".join(lines) + "\n")

    def raid(self, level, *devices):
        """An md array that nobody's configuration knows."""
        self.need_root()
        self.need("mdadm")
        if not os.path.exists("/proc/mdstat"):
            self.can("modprobe", "md_mod")
        if not os.path.exists("/proc/mdstat"):
            self.skip("no md in this kernel")
        number = next(n for n in range(900, 1000) if not os.path.exists("/sys/block/md%d" % n))
        path = "/dev/md%d" % number
        if not os.path.exists(path):
            os.mknod(path, 0o60600, os.makedev(9, number))
        words = ["mdadm", "--build", path, "--level=%s" % level, "--raid-devices=%d" % len(devices), "--assume-clean"]
        if level == "0":
            words = [word for word in words if word != "--assume-clean"] + ["--chunk=64"]
        if not self.can(*words, *devices):
            self.skip("no array of level %s: %s" % (level, self.why_not))
        self.undo("mdadm", "--stop", path)
        return "md%d" % number, path


class RealDisk(Disk):
    def test_what_is_written_and_read_past_the_page_cache_is_in_the_rows_once(self):
        self.need_disk()
        path = self.tmp / "file"

        def work():
            self.write_direct(path, WRITTEN)
            self.read_direct(path, WRITTEN)
        sampled = self.sample(work)
        self.assertGreaterEqual(total(sampled.rows, WROTE), WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, READ), WRITTEN * MIB)

    def test_iostat_counts_the_same_kibibytes(self):
        self.need_disk()
        self.need("iostat")

        def counters():
            text = self.call("iostat", "-d", "-k", "-o", "JSON", *all_disks())
            disks = json.loads(text)["sysstat"]["hosts"][0]["statistics"][0]["disk"]
            return {"read": sum(disk["kB_read"] for disk in disks), "written": sum(disk["kB_wrtn"] for disk in disks)}
        sampled = Sampled(self, counters)
        self.write_direct(self.tmp / "file", WRITTEN)
        self.read_direct(self.tmp / "file", WRITTEN)
        sampled.wait_rows(2)
        sampled.end()
        # iostat cuts to whole KiB, each disk at each of the four readings.
        self.assertSum(sampled, READ, "read", 1 / 1024, 2048 * len(all_disks()))
        low = self.assertSum(sampled, WROTE, "written", 1 / 1024, 2048 * len(all_disks()))
        self.assertGreaterEqual(low, WRITTEN * 1024 - 1)


class OnFilesAndMemory(Disk):
    def test_a_loop_device_is_counted_at_the_disk_that_its_file_lies_on(self):
        self.need_disk()
        loop = self.loop_device((WRITTEN + 8) * MIB)
        name = os.path.basename(loop)
        before = disk_bytes(name)

        def work():
            self.write_direct(loop, WRITTEN)
            self.read_direct(loop, WRITTEN)
        sampled = self.sample(work)
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), WRITTEN * MIB)

    def test_a_partition_of_a_loop_device_is_not_counted_either(self):
        self.need_disk()
        self.need("sfdisk")
        loop = self.loop_device((WRITTEN + 8) * MIB)
        self.call("sfdisk", "--quiet", loop, input=b"label: gpt\nstart=2048\n")
        if not self.can("partx", "--add", loop) and not os.path.exists("/sys/class/block/%sp1" % os.path.basename(loop)):
            self.skip("no partitions on loop devices: " + self.why_not)
        self.undo("partx", "--delete", loop)
        part = os.path.basename(loop) + "p1"
        self.node("/dev/" + part, part)
        before = disk_bytes(part)
        self.sample(lambda: self.write_direct("/dev/" + part, WRITTEN))
        self.assertGreaterEqual(disk_bytes(part)["written"] - before["written"], WRITTEN * MIB)

    def test_zram_with_sectors_of_4_kib_is_memory_and_not_counted(self):
        name, path = self.zram_device(64 * MIB)
        self.assertEqual(pathlib.Path("/sys/block/%s/queue/hw_sector_size" % name).read_text().strip(), "4096")
        before = disk_bytes(name)

        def work():
            self.write_direct(path, WRITTEN)
            self.read_direct(path, WRITTEN)
        self.sample(work)
        # And a sector of /proc/diskstats is 512 bytes there as well.
        self.assertEqual(disk_bytes(name)["written"] - before["written"], WRITTEN * MIB)

    def test_a_loop_device_and_a_zram_that_come_and_go_make_no_jump(self):
        self.need_disk()
        name, path = self.zram_device(64 * MIB)
        image = self.tmp / "image"
        with open(image, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 16 * MIB)
        sampled = Sampled(self, everything)
        self.write_direct(path, WRITTEN)
        for _ in range(10 if LONG else 3):
            loop = self.call("losetup", "--find", "--show", image)
            self.addCleanup(self.detach, loop, image)
            self.write_direct(loop, 8)
            sampled.wait_rows(1)
            self.call("losetup", "--detach", loop)
            sampled.wait_rows(1)
        pathlib.Path("/sys/block/%s/reset" % name).write_text("1")
        sampled.wait_rows(2)
        sampled.end()
        self.assertSum(sampled, READ, "read")
        self.assertSum(sampled, WROTE, "written")


class Stacked(Disk):
    def test_a_mapped_device_on_a_loop_device_is_counted_at_the_disk_below_both(self):
        self.need_disk()
        self.need_mapper()
        loop = self.loop_device((WRITTEN + 8) * MIB)
        name, path = self.linear("on-loop", loop)
        before = disk_bytes(name)
        sampled = self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), WRITTEN * MIB)

    def test_a_mapped_device_on_memory_is_not_counted(self):
        self.need_mapper()
        _, zram = self.zram_device(64 * MIB)
        name, path = self.linear("on-zram", zram)
        self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(disk_bytes(name)["written"], WRITTEN * MIB)

    def test_a_mapped_device_that_comes_and_goes_makes_no_jump(self):
        self.need_disk()
        self.need_mapper()
        loop = self.loop_device(16 * MIB)
        sampled = Sampled(self, everything)
        for n in range(3):
            name, path = self.linear("comes-%d" % n, loop)
            self.write_direct(path, 8)
            sampled.wait_rows(1)
            self.call("dmsetup", "remove", "--noudevsync", "pillion-test-%d-comes-%d" % (os.getpid(), n))
            sampled.wait_rows(1)
        sampled.end()
        self.assertSum(sampled, READ, "read")
        self.assertSum(sampled, WROTE, "written")

    def test_a_mirror_counts_what_its_members_write(self):
        self.need_disk()
        name, path = self.raid("1", self.loop_device((WRITTEN + 8) * MIB), self.loop_device((WRITTEN + 8) * MIB))
        before = disk_bytes(name)
        sampled = self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), 2 * WRITTEN * MIB)

    def test_a_striped_array_counts_each_byte_once(self):
        self.need_disk()
        _, path = self.raid("0", self.loop_device(WRITTEN * MIB), self.loop_device(WRITTEN * MIB))
        sampled = self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(total(sampled.rows, WROTE), WRITTEN * MIB)

    def test_a_mapped_device_on_an_array_counts_each_byte_once(self):
        self.need_disk()
        self.need_mapper()
        _, array = self.raid("0", self.loop_device(WRITTEN * MIB), self.loop_device(WRITTEN * MIB))
        _, path = self.linear("on-array", array)
        sampled = self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(total(sampled.rows, WROTE), WRITTEN * MIB)


class SpareDisk(Disk):
    def spare(self):
        path = os.environ.get("PILLION_TEST_DISK")
        if not path:
            self.skip("PILLION_TEST_DISK names no disk whose content may be lost")
        self.need_root()
        self.need("sfdisk", "partx", "blockdev")
        self.call("sfdisk", "--quiet", "--wipe=always", path, input=b"label: gpt\nsize=96MiB\nsize=96MiB\n")
        self.can("partx", "--update", path)
        self.undo("sfdisk", "--delete", path)
        name = os.path.basename(path)
        parts = [name + ("p" if name[-1].isdigit() else "") + str(n) for n in (1, 2)]
        for part in parts:
            pillion.wait_for(lambda: os.path.exists("/sys/class/block/" + part), what=part)
            self.node("/dev/" + part, part)
        return name, ["/dev/" + part for part in parts]

    def test_a_partition_is_counted_with_its_disk(self):
        name, parts = self.spare()
        before = disk_bytes(name)
        sampled = self.sample(lambda: [self.write_direct(part, WRITTEN) for part in parts])
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], 2 * WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), 2 * WRITTEN * MIB)

    def test_a_mapped_device_over_two_partitions_is_counted_at_their_disk(self):
        self.need_mapper()
        name, parts = self.spare()
        _, path = self.linear("on-parts", *parts)
        before = disk_bytes(name)
        sampled = self.sample(lambda: self.write_direct(path, 128))
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], 128 * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), 128 * MIB)

    def test_a_mapped_device_on_a_mirror_of_two_partitions_is_counted_at_their_disk(self):
        self.need_mapper()
        name, parts = self.spare()
        _, array = self.raid("1", *parts)
        _, path = self.linear("on-mirror", array)
        before = disk_bytes(name)
        sampled = self.sample(lambda: self.write_direct(path, WRITTEN))
        self.assertGreaterEqual(disk_bytes(name)["written"] - before["written"], 2 * WRITTEN * MIB)
        self.assertGreaterEqual(total(sampled.rows, WROTE), 2 * WRITTEN * MIB)


if __name__ == "__main__":
    pillion.main()
