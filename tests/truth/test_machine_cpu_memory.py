# SPDX-License-Identifier: Apache-2.0
"""CPU, memory and the number of processes of the machine: the rows against /proc and against procps and sysstat."""
import os
import subprocess
import sys
import time

from machine import TICKS, MachineTest, Sampled, Watch, cpu_ticks, meminfo, pillion, processes, steady_load, total

CORES = os.cpu_count()
MIB_IN_KIB = 1024


class Cpu(MachineTest):
    def test_user_and_system_seconds_of_all_rows_are_the_ticks_that_proc_stat_grew_by(self):
        sampled = Sampled(self, cpu_ticks)
        steady_load(self)
        sampled.wait_rows(10)
        sampled.end()
        # A tick counter of an idle CPU may step back by a tick or two.
        slack = 2 * CORES / TICKS
        self.assertSum(sampled, "system_utime", "user", TICKS, slack)
        self.assertSum(sampled, "system_stime", "system", TICKS, slack)
        self.assertGreater(total(sampled.rows, "system_utime"), 0)

    def test_cores_times_seconds_are_user_system_and_interrupts_together(self):
        sampled = Sampled(self, cpu_ticks)
        steady_load(self)
        sampled.wait_rows(2)
        first = cpu_ticks()
        counted = sampled.rows_now()
        sampled.wait_rows(10)
        sampled.end()
        rows = sampled.rows
        used = sum(after["system_cpu_usage"] * (after["timestamp"] - before["timestamp"])
                   for before, after in zip(rows, rows[1:]))
        busy = {name: sampled.inner[1][name] - first[name] for name in first}
        low = (busy["user"] + busy["system"] + busy["interrupt"]) / TICKS
        busy = {name: sampled.outer[1][name] - sampled.inner[0][name] for name in first}
        high = (busy["user"] + busy["system"] + busy["interrupt"]) / TICKS
        self.assertGreaterEqual(counted, 1)  # so all that was used after `first` is in the rows after the first one
        # Timestamps have milliseconds, cores four decimals, counters ticks.
        slack = 2 * CORES / TICKS + len(rows) * (0.001 * CORES + 0.0001)
        self.assertBetween(used, low - slack, high + slack, "core seconds")

    def test_what_the_machine_used_before_a_program_became_another_is_in_the_rows(self):
        """`exec` in an entrypoint: the first row of the new image covers the time since the last one of the old."""
        becomes = "read word; echo $word; sleep 2.6; exec cat"
        sampled = Sampled(self, cpu_ticks, interval=1, program=("sh", "-c", becomes))
        steady_load(self)
        rows = sampled.rows_now()
        since = cpu_ticks()
        pillion.wait_for(lambda: os.readlink("/proc/%d/exe" % sampled.pid).endswith("cat"), 30)
        sampled.wait_rows(2)
        sampled.end()
        for column, name in (("system_utime", "user"), ("system_stime", "system")):
            low = (sampled.inner[1][name] - since[name]) / TICKS
            self.assertBetween(total(sampled.rows[rows:], column), low - 2 * CORES / TICKS,
                               sampled.bounds(name)[1] / TICKS + 2 * CORES / TICKS, column)

    def test_waiting_for_a_disk_is_no_use_of_a_core(self):
        sampled = Sampled(self, cpu_ticks)
        path = self.tmp / "file"
        for _ in range(4):
            self.write_direct(path, 8)
        sampled.wait_rows(4)
        sampled.end()
        self.assertSum(sampled, "system_utime", "user", TICKS, 2 * CORES / TICKS)
        self.assertSum(sampled, "system_stime", "system", TICKS, 2 * CORES / TICKS)

    def test_mpstat_sees_the_same_use_of_a_steady_load(self):
        self.need("mpstat")
        sampled = Sampled(self, cpu_ticks)
        steady_load(self)
        sampled.wait_rows(3)
        began = time.time()
        text = self.call("mpstat", "3", "1", env=dict(os.environ, LC_ALL="C", S_TIME_FORMAT="ISO"))
        ended = time.time()
        sampled.wait_rows(2)
        sampled.end()
        lines = text.splitlines()
        names = next(line for line in lines if "%usr" in line).split()
        values = next(line for line in reversed(lines) if line.startswith("Average:")).split()
        share = dict(zip(names[-len(values) + 1:], values[1:]))
        theirs = sum(float(share[name]) for name in ("%usr", "%nice", "%sys", "%irq", "%soft", "%guest", "%gnice"))
        theirs *= CORES / 100
        ours = self.cores(sampled.rows, began, ended)
        self.assertBetween(ours, theirs - 0.06 * CORES, theirs + 0.06 * CORES, "cores in use, %s" % text)
        self.assertGreater(ours, 0.3)

    def test_sar_sees_the_same_use_of_a_steady_load(self):
        self.need("sar")
        sampled = Sampled(self, cpu_ticks)
        steady_load(self, cores=CORES)
        sampled.wait_rows(3)
        began = time.time()
        text = self.call("sar", "-u", "ALL", "3", "1", env=dict(os.environ, LC_ALL="C"))
        ended = time.time()
        sampled.wait_rows(2)
        sampled.end()
        lines = text.splitlines()
        names = next(line for line in lines if "%usr" in line).split()
        values = next(line for line in lines if line.startswith("Average:")).split()
        share = dict(zip(names[-len(values) + 1:], values[1:]))
        theirs = sum(float(share[name]) for name in ("%usr", "%nice", "%sys", "%irq", "%soft", "%guest", "%gnice"))
        theirs *= CORES / 100
        self.assertBetween(self.cores(sampled.rows, began, ended), theirs - 0.06 * CORES, theirs + 0.06 * CORES,
                           "cores in use, %s" % text)

    def cores(self, rows, began, ended):
        """Mean of the rows that lie in a stretch of time."""
        within = [(after["system_cpu_usage"], after["timestamp"] - before["timestamp"])
                  for before, after in zip(rows, rows[1:]) if before["timestamp"] >= began and after["timestamp"] <= ended]
        self.assertGreater(len(within), 5)
        return sum(cores * seconds for cores, seconds in within) / sum(seconds for _, seconds in within)


MEMORY = {
    "system_memory_free_mib": lambda m: m["MemFree"],
    "system_memory_used_mib": lambda m: m["MemTotal"] - m["MemAvailable"],
    "system_memory_buffers_mib": lambda m: m["Buffers"],
    "system_memory_cached_mib": lambda m: m["Cached"] + m["SReclaimable"],
    "system_memory_active_mib": lambda m: m["Active"],
    "system_memory_inactive_mib": lambda m: m["Inactive"],
}
GROWS = """import mmap, sys, time
kept = []
for n in range(60):
    m = mmap.mmap(-1, 8 << 20)
    for at in range(0, 8 << 20, 4096):
        m[at] = 1
    kept.append(m)
    time.sleep(0.02)
print("full", flush=True)
sys.stdin.read()
"""


class Memory(MachineTest):
    def test_each_row_lies_between_the_readings_of_meminfo_around_it_while_memory_is_taken_and_given_back(self):
        watch = Watch(meminfo)
        self.addCleanup(watch.stop)
        sampled = Sampled(self)
        grower = subprocess.Popen([sys.executable, "-c", GROWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(lambda: [stream.close() for stream in (grower.stdin, grower.stdout)])
        self.addCleanup(grower.wait)
        self.addCleanup(grower.kill)
        self.assertEqual(grower.stdout.readline(), b"full\n")  # 480 MiB
        sampled.wait_rows(2)
        grower.kill()
        sampled.wait_rows(3)
        sampled.end()
        watch.stop()
        for row in sampled.rows:
            around = watch.around(row["timestamp"])
            self.assertGreaterEqual(len(around), 2)
            for column, formula in MEMORY.items():
                seen = [formula(reading) / MIB_IN_KIB for reading in around]
                # Between two readings of ours it may have been elsewhere for a moment.
                slack = 4 + (max(seen) - min(seen)) / 2
                self.assertBetween(row[column], min(seen) - slack, max(seen) + slack, column)
        used = [row["system_memory_used_mib"] for row in sampled.rows]
        moved = max(used) - min(used)
        self.assertGreater(moved, 100, "the memory that was taken shows: %s" % used)

    def test_the_columns_are_those_of_free(self):
        """free(1): used = total - available (procps 4; total - free - buffers - cache before it), available as it
        stands, buff/cache = Buffers + Cached + SReclaimable."""
        self.need("free")
        sampled = Sampled(self)
        sampled.wait_rows(3)
        text = self.call("free", "-k", "-w", env=dict(os.environ, LC_ALL="C"))
        sampled.wait_rows(1)
        sampled.end()
        names, values = text.splitlines()[0].split(), text.splitlines()[1].split()[1:]
        theirs = {name: int(value) / MIB_IN_KIB for name, value in zip(names, values)}
        slack = {"free": 128, "buffers": 16, "cache": 128, "used": 128}  # what others do in a tenth of a second
        ours = sampled.rows
        for name, column in (("free", "free"), ("buffers", "buffers"), ("cache", "cached")):
            seen = [row["system_memory_%s_mib" % column] for row in ours]
            self.assertBetween(theirs[name], min(seen) - slack[name], max(seen) + slack[name], name)
        seen = [row["system_memory_used_mib"] for row in ours]
        self.assertBetween(theirs["total"] - theirs["available"], min(seen) - 128, max(seen) + 128, "total - available")


class Processes(MachineTest):
    def test_the_number_of_processes_is_that_of_the_folders_in_proc(self):
        watch = Watch(processes, pause=0.01)
        self.addCleanup(watch.stop)
        sampled = Sampled(self)
        sleepers = []
        for _ in range(60):  # the count rises while it is looked at
            sleepers.append(subprocess.Popen(["sleep", "60"]))
            time.sleep(0.01)
        self.addCleanup(lambda: [(sleeper.kill(), sleeper.wait()) for sleeper in sleepers])
        sampled.wait_rows(5)
        sampled.end()
        watch.stop()
        # Counted anew only as often as a thousandth of a core pays for: so within the last second, not to the tick.
        for row in sampled.rows:
            seen = [reading for began, reading, _ in watch.readings
                    if row["timestamp"] - 3 < began < row["timestamp"] + 0.3]
            self.assertTrue(seen)
            self.assertBetween(row["system_processes"], min(seen) - 5, max(seen) + 5, "processes")
        last = [reading for began, reading, _ in watch.readings if began > sampled.rows[-1]["timestamp"] - 0.5]
        self.assertGreater(sampled.rows[-1]["system_processes"], min(last) - 30)

    def test_in_a_pid_namespace_it_is_the_number_of_its_processes(self):
        self.need_root()
        self.need("unshare")
        if not self.can("unshare", "--pid", "--fork", "--mount-proc", "true"):
            self.skip(self.why_not)
        sampled = Sampled(self, before=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
                                        'sleep 60 & sleep 60 & exec "$@"', "sh"))
        sampled.wait_rows(4)
        rows = sampled.end()
        self.assertEqual({row["system_processes"] for row in rows}, {3})  # the two, and the sampled program


if __name__ == "__main__":
    pillion.main()
