# SPDX-License-Identifier: Apache-2.0
"""Room on the machine's disks: the rows against df and statvfs, with mounts of the test's own, in mount namespaces of
the test's own."""
import os
import pathlib
import subprocess
import sys

from machine import MIB, MachineTest, Sampled, Watch, pillion, whole_disk_of

GB = 1e9
TOTAL, USED, FREE = ("system_disk_space_%s_gb" % name for name in ("total", "used", "free"))
CELL = 1.01e-6  # six decimals of a GB, each rounded by itself
# A FUSE server that answers the first words, and the way to `disk`, until it is told to hang.
HANGS = """import ctypes, os, struct, sys, threading
path, sub = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/dev/fuse", os.O_RDWR)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd
if libc.mount(b"hangs", path.encode(), b"fuse", 0, options.encode()) != 0:
    sys.exit("mount: %s" % os.strerror(ctypes.get_errno()))
attributes = struct.pack("<QQQQQQIIIIIIIIII", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
asked = threading.Event()
def serve():
    while True:
        request = os.read(fd, 1 << 17)
        _, code, unique, node = struct.unpack_from("<IIQQ", request)
        if code == 26:  # INIT
            answer = struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, 0, *[0] * 7)
        elif code == 1:  # LOOKUP, valid for no time
            answer = struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + attributes
        elif code == 3:  # GETATTR
            answer = struct.pack("<QII", 0, 0, 0) + attributes
        elif code == 17:  # STATFS
            answer = struct.pack("<QQQQQIIII24x", 1 << 30, 0, 0, 0, 0, 4096, 255, 4096, 0)
        else:
            os.write(fd, struct.pack("<IiQ", 16, -38, unique))
            continue
        if hung:
            print("asked", flush=True)
            continue
        os.write(fd, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
hung = False
threading.Thread(target=serve, daemon=True).start()
print("mounted", flush=True)
for line in sys.stdin:
    hung = True
    print("hung", flush=True)
"""


def room(path):
    found = os.statvfs(path)
    return {"total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize}


class Space(MachineTest):
    def df(self, *arguments, before=()):
        """[{source, target, fstype, size, used, avail}]: bytes, as df says."""
        names = ["source", "fstype", "size", "used", "avail", "target"]
        text = self.call(*before, "df", "--block-size=1", "--output=%s" % ",".join(names), *arguments)
        return [dict(zip(names, line.split(None, 5))) for line in text.splitlines()[1:]]

    def counted_by_hand(self, before=()):
        """What df shows of filesystems on a block device, each once, and of /."""
        filesystems = {}
        for entry in self.df("--all", before=before):
            device = entry["source"]
            on_block = device.startswith("/dev/") and not device.startswith(("/dev/loop", "/dev/zram", "/dev/ram"))
            image = entry["fstype"] in ("squashfs", "iso9660", "udf", "cramfs", "erofs", "romfs")
            if entry["size"] != "-" and (on_block and not image or entry["target"] == "/"):
                filesystems.setdefault(device if on_block else "/", entry)
        return {name: sum(int(entry[name]) for entry in filesystems.values()) for name in ("size", "avail")}

    def assertRoom(self, rows, total, frees):
        """The total exactly; free as it was at some reading of this time, but for what others write between two."""
        slack = 0.2 if total > 10 * GB else 0.002
        for row in rows:
            self.assertAlmostEqual(row[TOTAL], total / GB, delta=CELL)
            self.assertBetween(row[FREE], min(frees) / GB - slack, max(frees) / GB + slack, FREE)
            self.assertAlmostEqual(row[USED], row[TOTAL] - row[FREE], delta=CELL)

    def local(self):
        """The folder of the tests must be on the filesystem of /, as df sees it."""
        self.need("df", "unshare", "nsenter")
        self.need_root()

    def fuse(self, path, before=("unshare", "--mount")):
        if not os.path.exists("/dev/fuse"):
            self.skip("no /dev/fuse")
        path.mkdir(exist_ok=True)
        server = subprocess.Popen(list(before) + [sys.executable, "-c", HANGS, str(path), "disk"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: [stream.close() for stream in (server.stdin, server.stdout, server.stderr)])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        if server.stdout.readline() != b"mounted\n":
            self.skip("no FUSE here: %s" % server.stderr.read().decode())
        return server, server.pid

    def hang(self, server):
        server.stdin.write(b"hang\n")
        server.stdin.flush()
        pillion.wait_for(lambda: server.stdout.readline() == b"hung\n")


class Root(Space):
    def test_totals_are_those_that_df_shows_of_each_device_once(self):
        self.local()
        frees = [self.counted_by_hand()["avail"]]
        sampled = Sampled(self)
        sampled.wait_rows(3)
        frees.append(self.counted_by_hand()["avail"])
        rows = sampled.end()
        frees.append(self.counted_by_hand()["avail"])
        self.assertRoom(rows, self.counted_by_hand()["size"], frees)

    def test_a_file_of_known_size_takes_its_bytes_from_what_is_free(self):
        self.local()
        watch = Watch(lambda: room(self.tmp)["free"], pause=0.01)
        self.addCleanup(watch.stop)
        sampled = Sampled(self)
        sampled.wait_rows(3)
        with open(self.tmp / "file", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 256 * MIB)
        sampled.wait_rows(15)
        os.unlink(self.tmp / "file")
        rows = sampled.end()
        watch.stop()
        rest = self.counted_by_hand()["avail"] - room(self.tmp)["free"]  # other filesystems, which stand still
        for row in rows:
            around = watch.around(row["timestamp"])
            self.assertBetween(row[FREE], (min(around) + rest) / GB - 0.05, (max(around) + rest) / GB + 0.05, FREE)

    def test_bind_mounts_and_memory_add_nothing(self):
        self.local()
        (self.tmp / "a").mkdir()
        (self.tmp / "b").mkdir()
        pid = self.holder("--mount", script="mount --bind /usr %s/a\nmount -t tmpfs -o size=64m none %s/b\n"
                                            "mount --bind /etc/hostname /etc/hosts" % (self.tmp, self.tmp))
        total = self.counted_by_hand()
        sampled = Sampled(self, before=("nsenter", "-t", pid, "--mount"))
        sampled.wait_rows(3)
        frees = [total["avail"], self.counted_by_hand()["avail"]]
        self.assertRoom(sampled.end(), total["size"], frees)

    def test_filesystems_on_a_loop_device_and_in_zram_add_nothing_while_they_come_and_go(self):
        """Their bytes are those of a file, whose room is counted where it lies, or memory."""
        self.local()
        self.need("mkfs.ext4")
        loop = self.loop_device(32 * MIB)
        _, zram = self.zram_device(32 * MIB)
        total, frees = self.counted_by_hand(), []
        pid = self.holder("--mount", script="mkdir -p %s/a %s/b" % (self.tmp, self.tmp))
        sampled = Sampled(self, before=("nsenter", "-t", pid, "--mount"))
        for device in (loop, zram):
            self.call("mkfs.ext4", "-q", device)
        for _ in range(3):
            for device, place in ((loop, "a"), (zram, "b")):
                self.inside(pid, "mount", device, self.tmp / place, namespaces=("--mount",))
            sampled.wait_rows(2)
            frees.append(self.counted_by_hand()["avail"])
            for place in "ab":
                self.inside(pid, "umount", self.tmp / place, namespaces=("--mount",))
            sampled.wait_rows(1)
            frees.append(self.counted_by_hand()["avail"])
        self.assertRoom(sampled.end(), total["size"], frees)

    def test_a_fuse_filesystem_that_hangs_stops_no_row(self):
        self.local()
        server, pid = self.fuse(self.tmp / "fuse")
        sampled = Sampled(self, before=("nsenter", "-t", pid, "--mount"))
        sampled.wait_rows(2)
        self.hang(server)
        sampled.wait_rows(5)
        rows = sampled.end()
        self.assertRoom(rows, self.counted_by_hand()["size"], [self.counted_by_hand()["avail"]])


class OtherRoots(Space):
    """A root of the test's own: a few files in a folder, on what the test says."""

    TMPFS = "mount -t tmpfs -o size=96m tmpfs {root}\ncp -a {plain}/. {root}/\n"

    def enter(self, script, before=()):
        """The pid of a process whose root it is. {root}: where the script mounts it, {plain}: its files, {tmp}: the
        test's folder."""
        self.local()
        self.need("pivot_root")
        if not whole_disk_of(self.tmp):
            self.skip("%s is on no disk of this machine's" % self.tmp)
        plain, root = self.tmp / "plain", self.tmp / "root"
        for path in (plain, root, self.tmp / "upper", self.tmp / "index", self.tmp / "volume"):
            path.mkdir(exist_ok=True)
        self.small_root(plain)
        script += "mount -t proc proc {root}/proc\nmount -t sysfs sysfs {root}/sys\ncd {root}\nmkdir old\n" \
                  "pivot_root . old\ncd /\numount -l old\n"
        return self.holder("--mount", before=before, script=script.format(root=root, plain=plain, tmp=self.tmp))

    def sampled_in(self, pid):
        """Its rows lie in a folder of that root."""
        self.dir = pathlib.Path("/proc/%d/root/state" % pid)
        env = {"HOOK": "/pillion/libpillion.so", "PATH": "/bin", "HOME": "/home", "PILLION_DIR": "/state"}
        return Sampled(self, before=("nsenter", "-t", pid, "--mount", "--root", "--wd"), env=env)

    def room_in(self, pid, path="/"):
        return room("/proc/%d/root%s" % (pid, path))

    def test_a_root_in_memory_is_counted_for_it_holds_the_root(self):
        pid = self.enter(self.TMPFS)
        sampled = self.sampled_in(pid)
        sampled.wait_rows(3)
        rows = sampled.end()
        self.assertRoom(rows, self.room_in(pid)["total"], [self.room_in(pid)["free"]])

    def test_an_overlay_shows_the_disk_below_it_and_what_is_bound_from_there_adds_nothing(self):
        """As in a container: /etc/hosts and a volume are bind mounts from the disk that holds the layers."""
        pid = self.enter("mount -t overlay overlay -o lowerdir={plain},upperdir={tmp}/upper,workdir={tmp}/index {root}\n"
                         "mkdir -p {root}/etc\n: > {root}/etc/hosts\nmount --bind /etc/hosts {root}/etc/hosts\n"
                         "mount --bind {tmp}/volume {root}/disk\n")
        frees = [room(self.tmp)["free"]]
        sampled = self.sampled_in(pid)
        sampled.wait_rows(3)
        rows = sampled.end()
        frees.append(room(self.tmp)["free"])
        self.assertRoom(rows, room(self.tmp)["total"], frees)

    def test_a_disk_comes_into_view_is_covered_and_goes_while_rows_are_taken(self):
        pid = self.enter(self.TMPFS + "mount --bind {tmp}/volume {root}/disk\n")
        memory, disk = self.room_in(pid)["total"] / GB, room(self.tmp)["total"] / GB
        sampled = self.sampled_in(pid)
        expected = []

        def settle(value):
            """One row may have been taken on the way."""
            sampled.wait_rows(2)
            expected.append((sampled.rows_now() - 1, value))
        settle(memory + disk)
        self.inside(pid, "mount", "-t", "tmpfs", "none", "/disk", namespaces=("--mount", "--root"))
        settle(memory)
        self.inside(pid, "umount", "/disk", namespaces=("--mount", "--root"))
        settle(memory + disk)
        self.inside(pid, "umount", "/disk", namespaces=("--mount", "--root"))
        settle(memory)
        rows = sampled.end()
        for number, value in expected:
            self.assertAlmostEqual(rows[number][TOTAL], value, delta=2 * CELL)
        self.assertEqual(len({row[TOTAL] for row in rows}), 2)

    def test_subvolumes_of_one_btrfs_are_asked_once(self):
        """Two mounts, one device number in mountinfo, though stat says two; on a loop device it is not counted at all."""
        self.need("mkfs.btrfs", "btrfs")
        loop = self.loop_device(128 * MIB)
        self.call("mkfs.btrfs", "-q", loop)
        where = self.tmp / "btrfs"
        where.mkdir()
        if not self.can("unshare", "--mount", "mount", loop, where):
            self.skip("no btrfs: " + self.why_not)
        pid = self.enter("mount {0} {1}\nbtrfs subvolume create {1}/a\nbtrfs subvolume create {1}/b\numount {1}\n"
                         "mount -o subvol=a {0} {1}\n".format(loop, where)
                         + self.TMPFS + "mount -o subvol=b %s {root}/disk\nmount --bind %s {root}/work\n" % (loop, where))
        lines = [line for line in open("/proc/%d/mountinfo" % pid) if " btrfs " in line]
        self.assertEqual((len(lines), len({line.split()[2] for line in lines})), (2, 1), lines)
        self.assertNotEqual(*(os.stat("/proc/%d/root/%s" % (pid, name)).st_dev for name in ("disk", "work")))
        sampled = self.sampled_in(pid)
        sampled.wait_rows(3)
        self.assertRoom(sampled.end(), self.room_in(pid)["total"], [self.room_in(pid)["free"]])

    def test_a_disk_mounted_below_a_fuse_filesystem_that_hangs_stops_no_row(self):
        self.local()
        server, pid = self.fuse(self.tmp / "fuse")
        pid = self.enter(self.TMPFS + "mkdir {root}/fuse\nmount --move {tmp}/fuse {root}/fuse\n"
                         "mount --bind {tmp}/volume {root}/fuse/disk\n", before=("nsenter", "-t", pid, "--mount"))
        self.assertIn("/fuse/disk", open("/proc/%d/mountinfo" % pid).read())
        sampled = self.sampled_in(pid)
        sampled.wait_rows(2)
        self.hang(server)
        sampled.wait_rows(5)
        self.assertRoom(sampled.end(), self.room_in(pid)["total"], [self.room_in(pid)["free"]])


if __name__ == "__main__":
    pillion.main()
