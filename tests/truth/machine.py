# SPDX-License-Identifier: Apache-2.0
"""A machine that is measured twice: by the rows of a program that runs with the preload, and by the kernel's files, read
here in Python as their documents say, by nothing that pillion has.

Nothing here needs the machine to itself. A counter is read at four instants around a sampled program,

    outer[0]  (the baseline, the first row)  inner[0]  ...  inner[1]  (the last row)  outer[1]

so the sum of the rows lies between inner[1] - inner[0] and outer[1] - outer[0], whatever else runs. Devices, namespaces
and mounts are the test's own, and go with it."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
LONG = bool(os.environ.get("PILLION_TEST_LONG"))
MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


# ------------------------------------------------------------------------------------------- the kernel's files


def cpu_ticks():
    """proc.rst: user nice system idle iowait irq softirq steal guest guest_nice, in ticks."""
    with open("/proc/stat") as file:
        fields = [int(word) for word in file.readline().split()[1:]]
    return {"user": fields[0] + fields[1], "system": fields[2], "interrupt": fields[5] + fields[6],
            "idle": fields[3] + fields[4]}


def meminfo():
    """{"MemFree": KiB, ...}"""
    with open("/proc/meminfo") as file:
        return {line.split(":")[0]: int(line.split()[1]) for line in file}


def disk_bytes(name):
    """iostats.rst: fields 3 and 7 are sectors, and a sector is 512 bytes. Of one disk, or of several: their sum."""
    names = [name] if isinstance(name, str) else list(name)
    read = written = 0
    with open("/proc/diskstats") as file:
        for line in file:
            words = line.split()
            if words[2] in names:
                read += int(words[5]) * 512
                written += int(words[9]) * 512
    return {"read": read, "written": written}


def net_bytes(pid, *names):
    """The interfaces of the network namespace of a process: {name: (received, sent)}, or of some the sums."""
    found = {}
    with open("/proc/%d/net/dev" % pid) as file:
        for line in file.readlines()[2:]:
            name, numbers = line.split(":")
            numbers = numbers.split()
            found[name.strip()] = (int(numbers[0]), int(numbers[8]))
    if not names:
        return found
    return {"received": sum(found[name][0] for name in names), "sent": sum(found[name][1] for name in names)}


def processes():
    return sum(name.isdigit() for name in os.listdir("/proc"))


def whole_disk_of(path):
    """The names of the disks that a folder's bytes end on, followed down through partitions and slaves; [] when that
    is no block device (overlay, tmpfs)."""
    number = os.stat(path).st_dev
    place = pathlib.Path("/sys/dev/block/%d:%d" % (os.major(number), os.minor(number)))
    if not place.exists():
        return []
    return _disks_below(place.resolve())


def _disks_below(place):
    if (place / "partition").exists():
        place = place.parent
    slaves = list((place / "slaves").iterdir()) if (place / "slaves").is_dir() else []
    if not slaves:
        return [place.name]
    return sorted({disk for slave in slaves for disk in _disks_below(slave.resolve())})


def all_disks():
    """Every disk that stands on no other one and is no memory and no file."""
    found = []
    for place in sorted(pathlib.Path("/sys/block").iterdir()):
        if not place.name.startswith(("loop", "ram", "zram", "dm-", "md")) and _disks_below(place) == [place.name]:
            found.append(place.name)
    return found


# ------------------------------------------------------------------------------------------------ the sampled program


class Sampled:
    """`cat` with the preload, one row each `interval` seconds, between two readings of `counters` at its start and two
    at its end. `before`: words put before `env LD_PRELOAD=... cat`, which enter a namespace, say."""

    def __init__(self, test, counters=dict, interval=0.1, before=(), env=None, program=("cat",)):
        self.test, self.counters = test, counters
        words = test.env(PILLION_INTERVAL=interval, LANG="C", **(env or {}))
        hook = (env or {}).get("HOOK") or pillion.HOOK
        self.outer, self.inner = [counters()], []
        self.program = test.start(*before, "env", "LD_PRELOAD=%s" % hook, *program, preload=False, env=words,
                                  stdin=subprocess.PIPE)
        self.say("ready")
        # main does not wait for the baseline, which a machine that is busy may take late: a row says that it is taken.
        pillion.wait_for(lambda: self.rows_now() >= 1, 30, "the first row: %s" % self.program.stderr)
        self.inner.append(counters())

    def say(self, word):
        """Let the program work a little: a word goes in and comes out."""
        self.program.process.stdin.write(word.encode() + b"\n")
        self.program.process.stdin.flush()
        pillion.wait_for(lambda: self.program.stdout.endswith(word.encode() + b"\n"), 30, "cat answers: %s"
                         % self.program.stderr)

    @property
    def pid(self):
        return self.program.pid

    def rows_now(self):
        runs = self.test.runs()
        return len(runs[0].raw_rows) if runs else 0

    def wait_rows(self, more=2, timeout=30):
        """Until so many more rows are written; the first of them may have begun before this call."""
        goal = self.rows_now() + more
        pillion.wait_for(lambda: self.rows_now() >= goal, timeout, "%d rows" % goal)

    def end(self):
        """All rows, with self.outer and self.inner complete."""
        self.inner.append(self.counters())
        self.program.process.stdin.close()
        result = self.program.wait()
        self.outer.append(self.counters())
        self.test.assertEqual(result.status, 0, result)
        self.rows = self.test.only_run().rows
        return self.rows

    def bounds(self, key):
        """What the sum of the rows must lie between."""
        return self.inner[1][key] - self.inner[0][key], self.outer[1][key] - self.outer[0][key]


def total(rows, column):
    return sum(row[column] for row in rows)


class Watch:
    """A thread that takes readings of gauges as fast as `pause` lets it: [(instant, reading), ...]."""

    def __init__(self, read, pause=0.004):
        self.readings, self._read, self._pause, self._stop = [], read, pause, threading.Event()
        self._take()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _take(self):
        began = time.time()
        self.readings.append((began, self._read(), time.time()))

    def _loop(self):
        while not self._stop.wait(self._pause):
            self._take()

    def stop(self):
        """Once more when it is over, so that there is a reading on either side of each row."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join(10)
            self._take()

    def around(self, instant, slack=1.0):
        """The readings from the last one that ended before an instant to the first that began `slack` after it: a row's
        timestamp is when its reading begins, and a busy machine may leave it there for a while."""
        last = [n for n, (_, _, ended) in enumerate(self.readings) if ended < instant]
        first = [n for n, (began, _, _) in enumerate(self.readings) if began > instant + slack]
        return [reading for _, reading, _ in
                self.readings[last[-1] if last else 0:(first[0] if first else len(self.readings)) + 1]]


# ------------------------------------------------------------------------------------------------- parts of a machine


class MachineTest(pillion.PillionTest):
    """A test of the machine's columns. What it makes goes when it ends."""

    def skip(self, reason):
        self.skipTest(reason)

    def need(self, *programs):
        for program in programs:
            if not pillion.have(program):
                self.skip("%s is not installed" % program)

    def need_root(self):
        if os.geteuid() != 0:
            self.skip("only root can do this")

    def call(self, *words, check=True, **popen):
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        if check and done.returncode != 0:
            raise AssertionError("%s: %d: %s" % (" ".join(map(str, words)), done.returncode,
                                                 (done.stdout + done.stderr).decode(errors="replace")[-800:]))
        return done.stdout.decode(errors="replace").strip()

    def can(self, *words):
        """Does this succeed here? Its words go to the reason of a skip."""
        if not pillion.have(str(words[0])):
            self.why_not = "%s is not installed" % words[0]
            return False
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.why_not = "%s: %s" % (" ".join(map(str, words)), done.stdout.decode(errors="replace").strip()[-200:])
        return done.returncode == 0

    def undo(self, *words):
        self.addCleanup(lambda: subprocess.run([str(word) for word in words], stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL))

    def assertBetween(self, value, low, high, what=""):
        self.assertTrue(low <= value <= high, "%s: %r is not from %r to %r" % (what, value, low, high))

    def assertSum(self, sampled, column, key, unit=1, slack=0):
        """The rows' sum of a column lies between what the kernel's counter grew by, without and with the two edges."""
        low, high = sampled.bounds(key)
        self.assertBetween(total(sampled.rows, column), low / unit - slack, high / unit + slack, column)
        return low

    def loop_device(self, size, folder=None, sector=512):
        """A loop device of its own on a new file, past the page cache where that is possible: /dev/loopN."""
        self.need_root()
        self.need("losetup")
        self.images = getattr(self, "images", 0) + 1
        image = (folder or self.tmp) / ("image%d" % self.images)
        with open(image, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        words = ["losetup", "--find", "--show", "--sector-size", sector, image]
        if not self.can(*words):
            self.skip("no loop devices: " + self.why_not)
        device = self.call("losetup", "--list", "--noheadings", "--output", "NAME", "--associated", image).split()[0]
        self.addCleanup(self.detach, device, image)
        subprocess.run(["losetup", "--direct-io=on", device], stderr=subprocess.DEVNULL)
        return device

    @staticmethod
    def detach(device, image):
        """If that is still its file: a number that was given back may be another test's by now."""
        file = pathlib.Path("/sys/block/%s/loop/backing_file" % os.path.basename(device))
        if file.exists() and file.read_text().strip() == str(image):
            subprocess.run(["losetup", "--detach", device], stderr=subprocess.DEVNULL)

    def zram_device(self, size):
        """A zram of its own: (name, path)."""
        self.need_root()
        control = pathlib.Path("/sys/class/zram-control")
        if not control.is_dir():
            self.skip("no zram in this kernel")
        number = (control / "hot_add").read_text().strip()
        name = "zram" + number

        def remove():
            subprocess.run(["umount", "/dev/" + name], stderr=subprocess.DEVNULL)
            try:
                pathlib.Path("/sys/block/%s/reset" % name).write_text("1")
                (control / "hot_remove").write_text(number)
            except OSError:
                pass
        self.addCleanup(remove)
        pathlib.Path("/sys/block/%s/disksize" % name).write_text(str(size))
        self.node("/dev/" + name, name)
        return name, "/dev/" + name

    def node(self, path, name):
        """Where nobody makes device nodes, by hand."""
        if not os.path.exists(path):
            major, minor = map(int, pathlib.Path("/sys/class/block/%s/dev" % name).read_text().split(":"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mknod(path, 0o60600, os.makedev(major, minor))
            self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))

    def write_direct(self, path, count, offset=0):
        """`count` MiB with O_DIRECT, of bytes that no compressor likes."""
        self.call("dd", "if=/dev/urandom", "of=%s" % path, "bs=1M", "count=%d" % count, "seek=%d" % offset,
                  "oflag=direct", "conv=notrunc,fsync", "iflag=fullblock")

    def read_direct(self, path, count):
        self.call("dd", "if=%s" % path, "of=/dev/null", "bs=1M", "count=%d" % count, "iflag=direct")

    def holder(self, *unshare, script="", before=()):
        """The pid of a process that keeps namespaces of its own: `unshare` with these words, then the script."""
        self.need_root()
        self.need("unshare", "nsenter")
        process = subprocess.Popen([str(word) for word in before] + ["unshare"] + list(unshare) + ["sh", "-c", "set -e\n%s\necho made\nexec cat" % script],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def end():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
        self.addCleanup(end)
        if b"made\n" not in iter(process.stdout.readline, b""):  # else it is gone
            self.skip("unshare %s is not possible here: %s" % (" ".join(unshare), process.stderr.read().decode()[-300:]))
        return process.pid

    def inside(self, pid, *words, check=True, namespaces=("--net", "--mount")):
        return self.call("nsenter", "-t", pid, *namespaces, *words, check=check)

    def small_root(self, folder):
        """A folder that can be a root: env, cat, mount, umount, what they are linked with, and the pair."""
        for name in ("env", "cat", "mount", "umount"):
            self._copy(folder, pathlib.Path(os.path.realpath(shutil.which(name))), "bin/" + name)
            for word in self.call("ldd", shutil.which(name)).split():
                if word.startswith("/"):
                    self._copy(folder, pathlib.Path(os.path.realpath(word)), word.lstrip("/"))
        for path in (pillion.HOOK, pillion.ENGINE):
            self._copy(folder, path, "pillion/" + path.name)
        for name in ("proc", "sys", "dev", "tmp", "state", "home", "disk", "work"):
            (folder / name).mkdir()

    def _copy(self, folder, source, target):
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(source), str(folder / target))


def steady_load(test, cores=1):
    """Processes that compute, at the lowest priority, until the test ends."""
    for _ in range(cores):
        burner = subprocess.Popen([sys.executable, "-c", "import os\nos.nice(5)\nwhile os.getppid() == %d: pass"
                                   % os.getpid()])
        test.addCleanup(burner.wait)
        test.addCleanup(burner.kill)
