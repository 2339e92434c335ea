#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's GPUs without one: programs in a mount namespace that holds a driver's files and a library without a GPU
(tests/support/fake_nvml.c). What the library says, and what it was asked and by whom, stands in a folder of the test."""
import csv
import json
import os
import pathlib
import shutil
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from otlp_receiver import OtlpReceiver  # noqa: E402
from served import PYTHON, LocalTest, ServedTest, pillion  # noqa: E402

FAKE = pillion.BUILD / "fake" / "libnvidia-ml.so.1"
ROOM = "/run/opengl-driver/lib"  # where the library is put: one of the folders that are looked through
LIBRARY = ROOM + "/libnvidia-ml.so.1"
GIB = 1 << 30
CARDS = "count 2\ndevice 0 Card %d %d %d 40\ndevice 1 Card %d %d 0 0\n" % (16 * GIB, GIB, 2 * GIB, 16 * GIB, GIB)

# Runs in the namespace. $1: the folder of the test; $2: nvidia, or anything else for a machine without a driver.
WORLD = r"""
set -e
fake=$1; kind=$2; shift 2
mkdir -p "$fake/dev"
mount -t tmpfs -o mode=755 none "$fake/dev"
for name in null zero full random urandom tty; do
    : > "$fake/dev/$name"; mount --bind "/dev/$name" "$fake/dev/$name"
done
mkdir "$fake/dev/shm" "$fake/dev/nvidia-fake"
chmod 1777 "$fake/dev/shm"
mount --bind "$fake" "$fake/dev/nvidia-fake"
if [ "$kind" = nvidia ]; then
    : > "$fake/dev/nvidiactl"
    mount -t tmpfs none /sys/module; mkdir /sys/module/nvidia
fi
mount -t tmpfs none /run; mkdir -p /run/opengl-driver/lib
cp "$fake/library" /run/opengl-driver/lib/libnvidia-ml.so.1
mount --rbind "$fake/dev" /dev
exec "$@"
"""

GPU = ["system_gpu_usage", "system_gpu_vram_mib", "system_gpu_utilized",
       "process_gpu_usage", "process_gpu_vram_mib", "process_gpu_utilized"]


class GpuTest(LocalTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest("not root: a driver's files cannot be put into /dev and /sys")
        probe = pillion.run(["unshare", "-m", "--propagation", "private", "mount", "-t", "tmpfs", "none", "/run"],
                            preload=False)
        if probe.status != 0:
            raise (AssertionError if os.environ.get("CI") else unittest.SkipTest)(
                "no mount namespace can be had here: %s" % probe.stderr)

    def setUp(self):
        super().setUp()
        self.fake = self.tmp / "fake"
        self.fake.mkdir(mode=0o755)
        shutil.copy(str(FAKE), str(self.fake / "library"))
        (self.fake / "library").chmod(0o644)
        self.world(CARDS)

    def world(self, text):
        """At once: the library reads it at any moment."""
        (self.fake / "next").write_text(text)
        os.replace(self.fake / "next", self.fake / "world")

    def calls(self):
        """What the library was asked: function, thread, device."""
        path = self.fake / "world.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(words[0], int(words[1]), int(words[2])) for words in map(str.split, lines)]

    def asked(self, function):
        return [call for call in self.calls() if call[0] == function]

    def begin(self, *argv, kind="nvidia", preload=pillion.HOOK, **variables):
        env = self.env(**variables)
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", WORLD, "sh", str(self.fake), kind, "env"]
        words += ["LD_PRELOAD=%s" % preload] if preload else []
        return self.start(*words, *argv, preload=False, env=env)

    def python(self, text, *words, **keywords):
        return self.begin(PYTHON, "-S", "-c", text, *words, **keywords)

    def wait_for(self, function, count=1, seconds=60):
        deadline = time.monotonic() + seconds
        while len(self.asked(function)) < count:
            self.assertLess(time.monotonic(), deadline, "%s was not asked %d times: %s" % (function, count, self.calls()))
            time.sleep(0.02)

    def finish(self, program, status=0, output=b""):
        result = program.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (status, output, b""), result)
        return result

    def assertPrivate(self):
        """Each user of the library met its own descriptors, and nothing forbidden was done."""
        bad = [call for call in self.calls() if call[0].isupper()]
        self.assertEqual(bad, [])

    def cells(self, row):
        return [row[name] for name in GPU]


class Figures(GpuTest):
    def test_rows_say_what_the_driver_says(self):
        program = self.python("import time; time.sleep(0.75)")
        self.finish(program)
        run = self.only_run()
        self.assertGreaterEqual(len(run.rows), 3)
        for row in run.rows:
            self.assertEqual(self.cells(row), [0.4, 2048.0, 1, 0.0, 0.0, 0], run.csv)
        self.assertIn(",0.4000,2048.0000,1,", run.raw_rows[0])
        registration = run["registration"]
        self.assertEqual([registration[key] for key in ("host_gpu_model", "host_gpu_count", "host_gpu_memory_mib")],
                         ["Card", 2, 32768])
        self.assertEqual(len(self.asked("Init")), 1)
        self.assertEqual(self.asked("Shutdown"), [])
        self.assertPrivate()

    def test_a_receiver_of_opentelemetry_is_told_of_each(self):
        with OtlpReceiver() as receiver:
            self.world(CARDS + "power 0 61500\ntemperature 1 41\n")
            self.finish(self.python("import time; time.sleep(0.75)", PILLION_OTLP_ENDPOINT=receiver.url))
            row = pillion.wait_for(receiver.checked, 5, "a row")[-1]
        self.assertEqual({key: told[2] for key, told in row.points.items() if "gpu" in key[0] or key[0][:3] == "hw."}, {
            ("hw.gpu.utilization", "0", "general"): 0.4, ("hw.gpu.utilization", "1", "general"): 0.0,
            ("hw.gpu.memory.usage", "0"): 2 * GIB, ("hw.gpu.memory.usage", "1"): 0.0,
            ("hw.power", "0", "gpu"): 61.5, ("hw.temperature", "1", "gpu"): 41.0,
            ("pillion.hw.gpu.utilization", "0"): 0.0, ("pillion.hw.gpu.utilization", "1"): 0.0,
            ("pillion.hw.gpu.memory.usage", "0"): 0.0, ("pillion.hw.gpu.memory.usage", "1"): 0.0,
            ("pillion.process.gpu.utilization",): 0.0, ("pillion.process.gpu.memory.usage",): 0.0})

    def test_what_the_trees_processes_use_is_theirs(self):
        text = ("import os, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-S', '-c', "
                "'import time; time.sleep(30)']); print(os.getpid(), child.pid, flush=True); sys.stdin.read(); "
                "child.kill(); child.wait()")
        env = self.env()
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", WORLD, "sh", str(self.fake), "nvidia", "env",
                 "LD_PRELOAD=%s" % pillion.HOOK, PYTHON, "-S", "-c", text]
        read, write = os.pipe()
        program = self.start(*words, preload=False, env=env, stdin=read)
        os.close(read)
        self.wait_for("Init")
        pillion.wait_for(lambda: program.stdout.endswith(b"\n"), what="two pids")
        leader, child = [int(word) for word in program.stdout.split()]
        # outside of the first pid namespace a number is believed of a process that has a device open alone
        first = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"
        self.world(CARDS + "process 0 c %d %d\nprocess 0 g %d %d\nprocess 1 c %d %d\nprocess 1 c 1 %d\n"
                   "busy 0 %d 0 30\nbusy 1 %d 0 20\nbusy 1 1 0 70\n"
                   % (leader, GIB, leader, GIB, child, GIB // 2, GIB, leader, child))
        count = len(self.asked("Samples"))
        self.wait_for("Samples", count + 8)
        os.close(write)
        program.wait()
        rows = [self.cells(row)[3:] for row in self.only_run().rows]
        self.assertIn([0.5, 1536.0, 2] if first else [0.0, 0.0, 0], rows)

    def test_each_command_has_its_own_part_of_the_devices(self):
        (self.tmp / "trains.py").write_text("import time; time.sleep(30)")
        (self.tmp / "leads.py").write_text(
            "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-S', sys.argv[1]]); "
            "print(os.getpid(), child.pid, flush=True); sys.stdin.read(); child.kill(); child.wait()")
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", WORLD, "sh", str(self.fake), "nvidia", "env",
                 "LD_PRELOAD=%s" % pillion.HOOK, PYTHON, "-S", str(self.tmp / "leads.py"), str(self.tmp / "trains.py")]
        read, write = os.pipe()
        program = self.start(*words, preload=False, env=self.env(), stdin=read)
        os.close(read)
        self.wait_for("Init")
        pillion.wait_for(lambda: program.stdout.endswith(b"\n"), what="two pids")
        leader, child = [int(word) for word in program.stdout.split()]
        self.world(CARDS + "process 0 c %d %d\nprocess 1 c %d %d\nbusy 0 %d 0 30\nbusy 1 %d 0 20\n"
                   % (leader, GIB, child, GIB, leader, child))
        self.wait_for("Samples", len(self.asked("Samples")) + 12)
        os.close(write)
        program.wait()
        run = self.only_run()
        with open(run.path / "commands.csv", newline="", encoding="utf-8") as file:
            timed = [(row["command"], float(row["gpu_usage"]), float(row["timestamp"])) for row in csv.DictReader(file)]
        rows = [(command, usage) for command, usage, _ in timed]
        used = {one["name"]: one["gpu_s"] for one in run["commands"]}
        # Outside of the first PID namespace a number is believed only of who has the device open.
        if os.readlink("/proc/self/ns/pid") == "pid:[4026531836]":
            self.assertIn(("leads.py", 0.3), rows)
            self.assertIn(("trains.py", 0.2), rows)
            stamps = [float(row["timestamp"]) for row in run.rows]
            length = {now: now - before for before, now in zip(stamps, stamps[1:])}
            for name in ("leads.py", "trains.py"):
                told = sum(usage * length.get(at, 0) for command, usage, at in timed if command == name)
                self.assertGreater(told, 0)
                self.assertAlmostEqual(used[name], told, delta=0.05 * told + 0.002)

    def test_each_gpu_stands_in_a_file_of_its_own_and_in_the_report(self):
        self.world(CARDS + "temperature 0 64\npower 0 250500\ntemperature 1 31\nclock 0 1410\n")
        self.finish(self.python("import time; time.sleep(0.75)", PILLION_OUTPUT=self.work / "rows.jsonl"))
        run = self.only_run()
        with open(run.path / "gpus.csv", newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        for gpu, cells in (("0", ["0.4000", "2048.00", "0.0000", "0.00", "64", "250.5"]), ("1", ["0.0000", "0.00", "0.0000", "0.00", "31", ""])):
            mine = [line for line in lines if line["gpu"] == gpu]
            self.assertEqual([list(line.values())[2:] for line in mine], [cells] * len(mine), lines)
            self.assertEqual(len(mine), 1)  # of ten rows in which nothing changes one
        self.assertIn(lines[0]["timestamp"], [raw.partition(",")[0] for raw in run.raw_rows])
        gpus = json.loads((self.work / "rows.jsonl").read_text().splitlines()[-1])["gpu"]
        self.assertEqual([(gpu["uuid"], gpu["utilization_pct"], gpu["vram_used_bytes"], gpu["temperature_celsius"],
                           gpu["power_watts"], gpu["frequency_mhz"]) for gpu in gpus],
                         [("GPU-0", 40, 2 << 30, 64, 250.5, 1410), ("GPU-1", 0, 0, 31, None, None)])
        page = self.pillion("report", "-o", "-").stdout.decode()
        self.assertIn('{"gpu":0,"usage_mean":0.4,"usage_max":0.4,"memory_mean_mib":2048,"memory_max_mib":2048,"temperature_mean_c":64,'
                      '"temperature_max_c":64,"power_mean_w":250.5,"power_max_w":250.5}', page)
        self.assertIn('{"gpu":1,"usage_mean":0,"usage_max":0,"memory_mean_mib":0', page)

    def test_a_machine_without_a_driver_has_empty_cells_and_is_asked_nothing(self):
        self.finish(self.python("import time; time.sleep(0.45)", kind="none"))
        for row in self.only_run().rows:
            self.assertEqual(self.cells(row), [None] * 6)
        self.assertNotIn("host_gpu_count", self.only_run()["registration"])
        self.assertEqual(self.calls(), [])

    def test_a_program_of_a_moment_does_not_pay_for_the_driver(self):
        self.finish(self.python("pass", PILLION_INTERVAL="30"))
        self.assertEqual(self.calls(), [])
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)

    def test_a_run_whose_interval_is_long_knows_the_devices_when_it_registers(self):
        program = self.python("import sys, time; time.sleep(1.8)", PILLION_INTERVAL="20")
        self.finish(program)
        run = self.only_run()
        self.assertEqual(run["registration"]["host_gpu_count"], 2)
        self.assertEqual(self.cells(run.rows[-1]), [0.4, 2048.0, 1, 0.0, 0.0, 0])

    def test_pillion_run_reads_them_too(self):
        program = self.begin(pillion.COMMAND, "run", "--quiet", "--", "sleep", "0.75", preload=None)
        self.finish(program)
        run = self.only_run()
        self.assertGreaterEqual(len(run.rows), 3)
        sanitized = b"__asan_init" in pathlib.Path(pillion.COMMAND).read_bytes()  # then no second copy is safe
        for row in run.rows[1:]:
            self.assertEqual(self.cells(row), [None] * 6 if sanitized else [0.4, 2048.0, 1, 0.0, 0.0, 0], run.csv)
        if not sanitized:
            self.assertPrivate()


class Registered(GpuTest, ServedTest):
    def test_the_registration_that_is_sent_has_them(self):
        self.finish(self.python("import time; time.sleep(0.6)"))
        run = self.only_run()
        self.assertDelivered(run)
        self.assertEqual(run["registration"]["host_gpu_model"], "Card")
        bodies = [json.dumps(one, default=str) for one in self.server.finished_runs()]
        self.assertIn("host_gpu_count", "".join(bodies) + json.dumps(self.server.runs, default=str))


USES_IT = """
import ctypes, os, time
library = ctypes.CDLL("libnvidia-ml.so.1")
def use():
    value = (ctypes.c_ulonglong * 3)()
    device = ctypes.c_void_p()
    assert library.nvmlInitWithFlags(0) == 0
    assert library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) == 0
    assert library.nvmlDeviceGetMemoryInfo(device, value) == 0 and value[2] == 3 << 30, value[2]
    return device
"""


class Sharing(GpuTest):
    """The program uses NVML itself. The library opens a descriptor a device and looks at each call whether that number
    is still its own: with one instance in two descriptor tables it would not be."""

    def check(self, text, **keywords):
        self.finish(self.python(USES_IT + text, LD_LIBRARY_PATH=ROOM, **keywords), output=b"fine\n")
        run = self.only_run()
        self.assertPrivate()
        threads = {call[1] for call in self.calls()}
        self.assertEqual(len(threads), 2, "the program's thread and ours")
        self.assertEqual(self.cells(run.rows[-1])[:3], [0.4, 2048.0, 1])
        self.assertEqual(len(self.asked("Init")), 2)

    def test_loaded_with_the_program_and_begun_before_us(self):
        self.check("use(); time.sleep(0.6); assert library.nvmlShutdown() == 0; print('fine')",
                   preload="%s:%s" % (pillion.HOOK, LIBRARY))

    def test_loaded_and_begun_after_us(self):
        text = USES_IT.split("library =")[0] + (
            "deadline = time.monotonic() + 60\n"
            "while b'Init' not in (open('/dev/nvidia-fake/world.log', 'rb').read()\n"
            "                      if os.path.exists('/dev/nvidia-fake/world.log') else b''):\n"
            "    assert time.monotonic() < deadline\n    time.sleep(0.02)\n")
        rest = USES_IT.split("import ctypes, os, time\n")[1]
        self.finish(self.python(text + rest + "use(); time.sleep(0.4); assert library.nvmlShutdown() == 0; print('fine')",
                                LD_LIBRARY_PATH=ROOM), output=b"fine\n")
        self.assertPrivate()
        self.assertEqual(len(self.asked("Init")), 2)
        self.assertEqual(self.cells(self.only_run().rows[-1])[:3], [0.4, 2048.0, 1])

    def test_a_program_that_never_shuts_it_down_and_one_that_does_it_at_exit(self):
        self.check("import atexit; use(); atexit.register(library.nvmlShutdown); time.sleep(0.5); print('fine')")

    def test_a_library_that_the_program_loads_from_a_descriptor_is_its_own(self):
        text = ("import ctypes, os, re\n"
                "path = next(line.split()[-1] for line in open('/proc/self/maps') if re.search(r'/libm[.-]', line))\n"
                "data = open(path, 'rb').read()\n"
                "for number in range(3, 12):\n"
                "    fd = os.memfd_create('own'); os.write(fd, data); os.dup2(fd, number)\n"
                "    own = ctypes.CDLL('/proc/self/fd/%d' % number)\n"
                "    assert not hasattr(own, 'nvmlShutdown') and hasattr(own, 'cos')\n")
        self.finish(self.python(text))

    def test_the_librarys_path_leads_to_no_file_of_the_programs(self):
        """Whoever shows a backtrace opens what the list of libraries names: a pipe would keep it waiting."""
        text = ("import ctypes, os\n"
                "libc = ctypes.CDLL(None)\n"
                "opened = [os.open('/dev/null', os.O_RDONLY) for i in range(100)]\n"
                "names = []\n"
                "see = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)\n"
                "def one(info, size, data):\n"
                "    names.append(ctypes.cast(info + ctypes.sizeof(ctypes.c_void_p),"
                " ctypes.POINTER(ctypes.c_char_p))[0].decode())\n"
                "    return 0\n"
                "libc.dl_iterate_phdr(see(one), None)\n"
                "ours = [name for name in names if '/self/fd/' in name]\n"
                "print(len(ours), [os.path.exists(name) for name in ours])\n")
        self.finish(self.python(text), output=b"1 [False]\n")

    def test_a_sanitized_program_is_left_without_these_figures(self):
        """Its malloc and open do not know our thread (ThreadSanitizer crashed), and it dies of RTLD_DEEPBIND."""
        if not shutil.which("clang"):
            self.skipTest("clang is missing: a program with a sanitizer cannot be built")
        (self.work / "sleeps.c").write_text("#include <unistd.h>\nint main(void) { usleep(500000); return 5; }\n")
        for kind in ("thread", "address"):
            built = pillion.run(["clang", "-fsanitize=" + kind, "sleeps.c", "-o", kind], preload=False, cwd=self.work)
            if built.status != 0:
                self.skipTest("no runtime of the %s sanitizer: %s" % (kind, built.stderr))
            if pillion.run([self.work / kind], preload=False).status != 5:
                self.skipTest("the %s sanitizer does not run here" % kind)
            self.finish(self.begin(self.work / kind), status=5)
        for run in self.runs():
            self.assertEqual(self.cells(run.rows[-1]), [None] * 6)
        self.assertEqual(self.calls(), [])

    def test_functions_that_the_program_has_of_the_same_name_are_not_called(self):
        """Its own malloc, open and the like, which say so when another thread calls them."""
        program = self.begin(pillion.PROGRAMS / "overrides_symbols")
        result = program.wait()
        plain = self.launch(pillion.PROGRAMS / "overrides_symbols", preload=False)
        self.assertEqual((result.status, result.stdout, result.stderr), (plain.status, plain.stdout, plain.stderr))


class Undisturbed(GpuTest):
    """Whatever the library does when it is initialised, the program's children, descriptors, handlers and files are
    its own."""

    def setUp(self):
        super().setUp()
        self.world(CARDS + "misbehaves\n")
        (self.fake / "world.keep").write_text("kept")

    def test_children_are_the_programs_alone_while_it_forks(self):
        text = ("import os, signal, time\n"
                "seen = []\n"
                "signal.signal(signal.SIGCHLD, lambda *a: seen.append(1))\n"
                "end = time.monotonic() + 0.8\n"
                "count = 0\n"
                "while time.monotonic() < end or count <= 20:\n"
                "    child = os.fork()\n"
                "    if child == 0:\n"
                "        os._exit(7)\n"
                "    count += 1\n"
                "    assert os.waitpid(-1, 0) == (child, 7 << 8)\n"
                "try:\n"
                "    os.waitpid(-1, 0)\n"
                "    print('another child')\n"
                "except ChildProcessError:\n"
                "    assert len(seen) <= count\n"
                "    print('fine')\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertEqual(len(self.asked("refused")), 1)
        self.assertPrivate()
        self.assertEqual((self.fake / "world.keep").read_text(), "kept")
        pid = self.only_run()["pid"]
        self.assertEqual([call for call in self.calls() if call[1] == pid], [], "on the program's thread")

    def test_a_program_without_children_gets_no_signal(self):
        text = ("import os, signal, time\n"
                "seen = []\n"
                "signal.signal(signal.SIGCHLD, lambda *a: seen.append(1))\n"
                "time.sleep(0.5)\n"
                "assert not seen and 'FAKE_NVML_WAS_HERE' not in os.environ\n"
                "import ctypes; libc = ctypes.CDLL(None); libc.getenv.restype = ctypes.c_char_p\n"
                "assert libc.getenv(b'FAKE_NVML_WAS_HERE') is None\n"
                "print('fine')\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertPrivate()

    def test_the_library_runs_nothing_when_the_program_ends(self):
        """A destructor would close, in the program's table, the numbers that it has in ours."""
        self.finish(self.python("import time; time.sleep(0.4)"))
        self.assertTrue(self.asked("Init"))
        self.assertEqual(self.asked("destructor"), [])

    def test_a_program_that_closes_all_descriptors(self):
        text = ("import os, time\n"
                "kept = os.dup(1)\n"
                "for i in range(8):\n"
                "    os.closerange(3, kept); os.closerange(kept + 1, 1024)\n"
                "    files = [os.open('own%d' % n, os.O_RDWR | os.O_CREAT) for n in range(40)]\n"
                "    time.sleep(0.08)\n"
                "assert all(os.path.getsize('own%d' % n) == 0 for n in range(40))\n"
                "print('fine')\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertPrivate()
        self.assertEqual(self.cells(self.only_run().rows[-1])[:3], [0.4, 2048.0, 1])

    def test_a_program_of_many_threads(self):
        text = ("import threading, time\n"
                "def work():\n"
                "    end = time.monotonic() + 0.7\n"
                "    while time.monotonic() < end:\n"
                "        t = threading.Thread(target=lambda: bytearray(100000)); t.start(); t.join()\n"
                "all = [threading.Thread(target=work) for _ in range(8)]\n"
                "[t.start() for t in all]; [t.join() for t in all]\n"
                "print('fine')\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertPrivate()
        self.assertEqual(self.cells(self.only_run().rows[-1])[:3], [0.4, 2048.0, 1])

    def test_leaving_a_namespace_begins_it_anew_with_other_descriptors(self):
        text = ("import ctypes, os, time\n"
                "libc = ctypes.CDLL(None)\n"
                "time.sleep(0.5)\n"
                "assert libc.unshare(0x10000000) == 0\n"
                "files = [os.open('/', os.O_RDONLY) for n in range(60)]\n"
                "time.sleep(0.6)\n"
                "print('fine')\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertPrivate()
        self.assertEqual([len(self.asked("Init")), len(self.asked("Shutdown"))], [2, 1])
        self.assertEqual(self.cells(self.only_run().rows[-1])[:3], [0.4, 2048.0, 1])

    def test_another_image_in_the_same_process(self):
        text = ("import os, sys, time\n"
                "time.sleep(0.4)\n"
                "os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(0.5); print(\"fine\")'])\n")
        self.finish(self.python(text), output=b"fine\n")
        self.assertPrivate()
        run = self.only_run()
        self.assertEqual(len(self.asked("Init")), 2)
        self.assertEqual(self.cells(run.rows[-1])[:3], [0.4, 2048.0, 1])
        self.assertEqual(run["registration"]["host_gpu_count"], 2)

    def test_main_that_leaves_by_pthread_exit_and_a_last_row_without_a_thread(self):
        program = self.begin(pillion.PROGRAMS / "main_pthread_exits")
        plain = self.launch(pillion.PROGRAMS / "main_pthread_exits", preload=False)
        result = program.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (plain.status, plain.stdout, plain.stderr))
        self.assertPrivate()
        pid = self.only_run()["pid"]
        self.assertEqual([call for call in self.calls() if call[1] == pid], [], "on the program's thread")


class Without(GpuTest):
    """Where the library's descriptors would be in the program's way it is never begun."""

    def test_without_a_descriptor_table_of_our_own(self):
        program = self.begin(pillion.PROGRAMS / "forbids_tables", "env", "LD_PRELOAD=%s" % pillion.HOOK, "sleep", "0.5",
                             preload=None)
        self.finish(program)
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)
        self.assertEqual(self.calls(), [])

    def test_with_few_descriptor_numbers(self):
        program = self.begin("sh", "-c", 'ulimit -n 32; LD_PRELOAD=%s exec sleep 0.5' % pillion.HOOK, preload=None)
        self.finish(program)
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)
        self.assertGreaterEqual(len(self.only_run().rows), 2)
        self.assertEqual(self.calls(), [])

    def test_in_a_forked_child(self):
        text = ("import os, time\ntime.sleep(0.4)\nchild = os.fork()\n"
                "if child == 0:\n    time.sleep(0.4); os._exit(0)\n"
                "print(child, flush=True); os.waitpid(child, 0)")
        result = self.python(text).wait()
        self.assertEqual((result.status, result.stderr), (0, b""))
        self.assertEqual({call[1] for call in self.calls()} & {int(result.stdout), self.only_run()["pid"]}, set())
        self.assertPrivate()


UNTIL_TOLD = "import os, time\nwhile not os.path.exists('enough'): time.sleep(0.02)"


class Trouble(GpuTest):
    def tell(self, program):
        """It may end when it has rows of the world as it is now."""
        rows = len(self.only_run().raw_rows)
        pillion.wait_for(lambda: len(self.only_run().raw_rows) > rows + 2, what="rows")
        (self.work / "enough").touch()
        self.finish(program)

    def test_a_driver_that_disappears_leaves_empty_cells(self):
        program = self.python(UNTIL_TOLD)
        self.wait_for("Samples", 4)
        self.world(CARDS + "error MemoryInfo_v2 9\nerror Init 9\nerror Samples 9\n")
        self.tell(program)
        cells = [self.cells(row) for row in self.only_run().rows]
        self.assertEqual(cells[0], [0.4, 2048.0, 1, 0.0, 0.0, 0])
        self.assertEqual(cells[-1], [None] * 6)
        self.assertEqual(len(self.asked("Init")), 1, "not again within a minute")

    def test_a_device_that_falls_off_the_bus_leaves_the_other(self):
        program = self.python(UNTIL_TOLD)
        self.wait_for("Samples", 4)
        self.world(CARDS + "error MemoryInfo_v2 15 0\n")
        self.tell(program)
        self.assertEqual(self.cells(self.only_run().rows[-1]), [0.0, 0.0, 0, 0.0, 0.0, 0])

    def test_a_slow_driver_makes_a_row_late_and_no_burst(self):
        self.world(CARDS + "delay Init 700\n")
        self.finish(self.python("import time; time.sleep(1.6)"))
        rows = self.only_run().rows
        stamps = [row["timestamp"] for row in rows]
        self.assertGreater(stamps[1] - stamps[0], 0.65)  # the first was read on time, and written when NVML was there
        self.assertLessEqual(len(rows), (stamps[-1] - stamps[1]) / 0.1 + 4)
        self.assertEqual(self.cells(rows[0]), [0.4, 2048.0, 1, 0.0, 0.0, 0])

    def test_a_driver_that_never_answers_holds_the_end_no_longer_than_agreed(self):
        self.world(CARDS + "delay Init 900000\n")
        program = self.python("import time; time.sleep(0.6); print('fine', flush=True); raise SystemExit(3)",
                              PILLION_EXIT_TIMEOUT="1")
        result = program.wait(timeout=60)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"fine\n", b""))
        run = self.only_run()
        self.assertEqual(run["state"], "running")  # as after a kill: sync ends it

    def test_a_library_that_others_may_write_is_not_loaded(self):
        (self.fake / "library").chmod(0o666)
        world = WORLD.replace('exec "$@"', 'chmod 666 /run/opengl-driver/lib/libnvidia-ml.so.1; exec "$@"')
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", world, "sh", str(self.fake), "nvidia", "env",
                 "LD_PRELOAD=%s" % pillion.HOOK, "sleep", "0.3"]
        result = self.launch(*words, preload=False)
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(self.calls(), [])
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)

    def test_a_library_is_found_where_the_program_would_find_it(self):
        """LD_LIBRARY_PATH, as it was when the program began, after the usual folders; relative ones are left out."""
        world = WORLD.replace("/run/opengl-driver/lib", "/run/elsewhere")
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", world, "sh", str(self.fake), "nvidia", "env",
                 "LD_PRELOAD=%s" % pillion.HOOK,
                 "LD_LIBRARY_PATH=:run/elsewhere:/run/nothing:/run/elsewhere", "sleep", "0.3"]
        result = self.launch(*words, preload=False, cwd="/")
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(self.cells(self.only_run().rows[-1])[:3], [0.4, 2048.0, 1])

    def test_a_limit_on_the_size_of_files_kills_no_program(self):
        """The copy in memory is a file, too: beyond the limit the kernel sends SIGXFSZ."""
        world = WORLD.replace('exec "$@"', 'ulimit -f 8; exec "$@"')
        words = ["unshare", "-m", "--propagation", "private", "sh", "-c", world, "sh", str(self.fake), "nvidia", "env",
                 "LD_PRELOAD=%s" % pillion.HOOK, PYTHON, "-S", "-c",
                 "import signal, time; time.sleep(0.3); print(signal.sigpending(), signal.pthread_sigmask(0, []))"]
        result = self.launch(*words, preload=False)
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"set() set()\n", b""))
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)

    def test_a_library_that_is_none_is_not_loaded(self):
        (self.fake / "library").write_bytes(b"\x7fELF" + bytes(20000))
        self.finish(self.python("import time; time.sleep(0.3)"))
        self.assertEqual(self.cells(self.only_run().rows[-1]), [None] * 6)


if __name__ == "__main__":
    pillion.main()
