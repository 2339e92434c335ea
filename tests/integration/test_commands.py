#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The use by command: each name has what its processes used, as they say themselves, and the names' sum is the run's."""
import csv
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, LocalTest, pillion  # noqa: E402

BURN = "import time\nt = time.process_time\nwhile t() < %s: pass"


class Commands(LocalTest):
    def env(self, **extra):
        return super().env(**dict({"PILLION_INTERVAL": "0.2"}, **extra))

    def script(self, name, text):
        path = self.tmp / name
        path.write_text(text)
        return path

    def led(self, *argv, **variables):
        result = self.launch(*argv, env=self.env(**variables))
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return self.only_run()

    def totals(self, run):
        return {one["name"]: one for one in run["commands"]}

    def assertSums(self, run):
        """The names' sums are the run's figures."""
        totals, commands = run["totals"], run["commands"]
        cpu = totals["user_s"] + totals["system_s"]
        self.assertAlmostEqual(sum(one["user_s"] + one["system_s"] for one in commands), cpu, delta=0.01 * cpu + 1e-4)
        for key, column in (("read_bytes", "process_disk_read_bytes"), ("write_bytes", "process_disk_write_bytes")):
            rows = sum(int(row[column] or 0) for row in run.rows)
            self.assertAlmostEqual(sum(one[key] for one in commands), rows, delta=0.01 * rows + 1)

    def rows(self, run):
        with open(run.path / "commands.csv", newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def test_each_name_has_what_its_processes_used(self):
        one, two = self.script("one.py", BURN % 1.0), self.script("two.py", BURN % 0.5)
        run = self.led("sh", "-c", "%s -S %s & %s -S %s; wait" % (PYTHON, one, PYTHON, two))
        commands = self.totals(run)
        self.assertSums(run)
        for name, used in (("one.py", 1.0), ("two.py", 0.5)):
            told = commands[name]["user_s"] + commands[name]["system_s"]
            self.assertAlmostEqual(told, used, delta=0.05 * used + 0.06) # a row may see it before its exec: that part is sh's
            self.assertEqual(commands[name]["processes"], 1)

    def test_a_pool_and_a_pipeline(self):
        pool = self.script("pool.py", "import os, time\nfor i in range(4):\n  if os.fork() == 0:\n"
                                      "    t = time.process_time\n    while t() < 0.5: pass\n    os._exit(0)\n"
                                      "for i in range(4): os.wait()")
        pipe = "head -c 60000000 /dev/urandom | gzip -9 | sha256sum >/dev/null"
        run = self.led("sh", "-c", "%s -S %s; %s" % (PYTHON, pool, pipe))
        commands = self.totals(run)
        self.assertSums(run)
        self.assertAlmostEqual(commands["pool.py"]["user_s"] + commands["pool.py"]["system_s"], 2.0, delta=0.15)
        self.assertGreaterEqual(commands["pool.py"]["processes"], 5)
        self.assertGreater(commands["gzip"]["user_s"], commands["head"]["user_s"])

    def test_java_with_its_threads(self):
        source = self.script("Burn.java", "import java.lang.management.*;\n"
                             "public class Burn { public static void main(String[] a) throws Exception {\n"
                             "  ThreadMXBean clock = ManagementFactory.getThreadMXBean();\n  Thread[] all = new Thread[3];\n"
                             "  for (int i = 0; i < 3; i++) { all[i] = new Thread(() -> {\n"
                             "    while (clock.getCurrentThreadCpuTime() < 1_000_000_000L); }); all[i].start(); }\n"
                             "  for (Thread t : all) t.join(); } }")
        run = self.led("sh", "-c", "javac -d %s %s && java -cp %s Burn; true" % (self.tmp, source, self.tmp))
        commands = self.totals(run)
        self.assertSums(run)
        self.assertUnderItsName(run, "java", "javac")
        java = commands["java"]
        self.assertGreater(java["user_s"] + java["system_s"], 2.9)

    def test_make_with_its_compilers(self):
        self.script("one.c", "#include <stdio.h>\n" + "".join("int f%d(int x) { return x * %d + printf(\"%%d\", x); }\n" % (i, i)
                                                              for i in range(800)))
        self.script("Makefile", ".PHONY: all\nall: a.o b.o c.o; @:\n%.o: one.c\n\t$(CC) -O2 -c -o $@ one.c\n")
        run = self.led("make", "-s", "-j2", "-C", self.tmp)
        self.assertSums(run)
        self.assertUnderItsName(run, "make", "gcc", "cc", "cc1", "as")

    def assertUnderItsName(self, run, *names):
        """Of processes that live over two rows at least 95 % stands under their own names."""
        commands = self.totals(run)
        cpu = run["totals"]["user_s"] + run["totals"]["system_s"]
        self.assertGreater(sum(commands[name]["user_s"] + commands[name]["system_s"] for name in names if name in commands),
                           0.95 * cpu, commands)

    def test_what_only_a_parents_sum_tells_is_its_short_children(self):
        work = "x = 0\nfor i in range(300000): x += i"
        loop = "i=0; while [ $i -lt 20 ]; do %s -S -c '%s'; i=$((i+1)); done" % (PYTHON, work)
        run = self.led("sh", "-c", loop, PILLION_INTERVAL="10")
        commands = self.totals(run)
        self.assertSums(run)
        # On a machine that is busy a reading may come meanwhile: it sees one of them, and by its name knows others.
        if not any(name.startswith("python") for name in commands):
            self.assertGreater(commands["sh's short children"]["user_s"], 0)
        theirs = sum(one["user_s"] for name, one in commands.items() if name != "sh")
        self.assertGreater(theirs, 0.8 * run["totals"]["user_s"])

    def test_over_time_the_rows_add_up_too(self):
        one = self.script("one.py", BURN % 1.0)
        run = self.led("sh", "-c", "%s -S %s; sleep 0.5" % (PYTHON, one))
        rows = self.rows(run)
        stamps = [float(row["timestamp"]) for row in run.rows]
        self.assertLessEqual({float(row["timestamp"]) for row in rows}, set(stamps))
        length = {now: now - before for before, now in zip(stamps, stamps[1:])}
        mine = [row for row in rows if row["command"] == "one.py"]
        seconds = sum(float(row["cpu_usage"]) * length.get(float(row["timestamp"]), 0.2) for row in mine)
        self.assertAlmostEqual(seconds, 1.0, delta=0.15)
        last = mine[-1]
        self.assertEqual((last["processes"], float(last["memory_mib"])), ("0", 0))

    def test_a_run_that_is_killed_has_them_on_disk(self):
        one = self.script("one.py", BURN % 60)
        program = self.start("sh", "-c", "%s -S %s & sleep 60" % (PYTHON, one), start_new_session=True)

        def told_of():
            files = list(self.dir.glob("runs/*/commands"))
            lines = list(csv.reader(files[0].read_text().splitlines())) if files else [[]]
            return lines[0], {line[0].strip(): float(line[2]) + float(line[3]) for line in lines[1:]}

        pillion.wait_for(lambda: told_of()[1].get("one.py", 0) > 0.5, what="half a second of its work in the totals")
        os.killpg(program.process.pid, signal.SIGKILL)
        program.wait()
        header, told = told_of()
        self.assertEqual(header[:4], ["name", "processes", "user_s", "system_s"])
        cpu = sum(float(row["process_utime"]) + float(row["process_stime"]) for row in self.only_run().rows)
        self.assertGreater(told["one.py"], 0.5)
        self.assertAlmostEqual(sum(told.values()), cpu, delta=0.02 * cpu + 0.02)

    def test_an_exec_goes_on_with_the_totals(self):
        one = self.script("one.py", BURN % 0.6)
        text = "import os, time\nt = time.process_time\nwhile t() < 1.2: pass\nos.execv(%r, [%r, '-S', %r])" % (
            PYTHON, PYTHON, str(one))
        two = self.script("two.py", text)
        run = self.led(PYTHON, "-S", two, PILLION_MIN_LIFE="0.2")
        commands = self.totals(run)
        self.assertSums(run)
        self.assertAlmostEqual(commands["two.py"]["user_s"] + commands["two.py"]["system_s"], 1.2, delta=0.4)
        self.assertGreater(commands["one.py"]["user_s"] + commands["one.py"]["system_s"], 0)

    def test_a_strangers_name_is_a_name(self):
        name = '</script>,"=cmd|\x1b[31m'
        path = self.script("x", BURN % 0.5).rename(self.tmp / name.replace("/", "_"))
        run = self.led(PYTHON, "-S", path)
        expected = name.replace("/", "_").replace("\x1b", "?")
        self.assertIn(expected, self.totals(run))
        self.assertIn(expected, {row["command"] for row in self.rows(run)})

    def test_a_short_run_has_them_in_its_journal_alone(self):
        run = self.led("true", PILLION_INTERVAL="1")
        self.assertFalse((run.path / "commands.csv").exists() or (run.path / "commands").exists())
        self.assertSums(run)


if __name__ == "__main__":
    pillion.main()
