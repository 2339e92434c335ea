# SPDX-License-Identifier: Apache-2.0
"""strace, ltrace, perf and gdb look at a program with the hook in it: they work, and the program does."""
import re

from compare import HOOK, NONE, RUN, CompareTest, UnwatchedTest, compile_source, need, pillion, program

AUDITOR = r"""
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <string.h>
unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie)
{
    (void)space;
    if (!strstr(map->l_name, "libpillion"))
        fprintf(stderr, "opened %s\n", strrchr(map->l_name, '/') ? strrchr(map->l_name, '/') : "the program");
    *cookie = (uintptr_t)map;
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned number, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name)
{
    (void)number, (void)flags;
    if (!strstr(((struct link_map *)*from)->l_name, "libpillion") &&
        !strstr(((struct link_map *)*to)->l_name, "libpillion") && strncmp(name, "put", 3) == 0)
        fprintf(stderr, "%s bound\n", name);
    return symbol->st_value;
}
"""


class Debuggers(CompareTest):
    def preloaded_words(self):
        return "LD_PRELOAD=%s" % pillion.HOOK

    def test_strace_of_a_leader(self):
        need("strace", "strace")
        argv = ["strace", "-f", "-o", "trace", "-E", self.preloaded_words(), program("sleeps_for"), 250, 3]
        way = self.one_way(NONE, argv, files=False)
        self.assertEqual((way.result.status, way.result.stdout, way.result.stderr), (3, b"before\nafter\n", b""))
        self.assertOneRun(way, 3)
        trace = (self.work / "trace").read_text()
        self.assertNotRegex(trace, r"(?m)^\d+ +(\[.*\] )?socket\(", "without a token there is no socket of any kind")
        self.assertNotRegex(trace, r"(?m)^\d+ +(socketpair|connect|sendto|sendmsg)\(")

    def test_strace_of_a_passenger(self):
        """After its decision a passenger does nothing: what it does before main is all there is."""
        need("strace", "strace")
        argv = ["sh", "-c", 'strace -f -o trace "$0" 100 3; echo $?', program("sleeps_for")]
        way = self.one_way("hook", argv, files=False, watch=False)
        self.assertEqual(way.result.stdout, b"before\nafter\n3\n", way.result)
        self.assertOneRun(way, 0)
        trace = (self.work / "trace").read_text()
        self.assertNotRegex(trace, r"libpillion-engine", "a passenger does not load the engine")
        self.assertNotRegex(trace, r"clone3?\(|socket\(")
        after = trace.split('write(1, "before')[1]
        self.assertFalse(re.search(r"open(at)?\(|rt_sig|futex", after), after)

    def test_strace_as_the_command(self):
        self.compare([need("strace", "strace"), "-o", "/dev/null", program("sleeps_for"), 150, 3], status=3)

    def test_gdb(self):
        gdb = need("gdb", "gdb")
        argv = [gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "set startup-with-shell off", "-ex",
                "set environment " + self.preloaded_words().replace("=", " ", 1), "-ex", "break puts", "-ex", "run",
                "-ex", "print 6 * 7", "-ex", "delete", "-ex", "continue", "--args", program("sleeps_for"), "250", "3"]
        way = self.one_way(NONE, argv, files=False, timeout=60)
        self.assertIn(b"$1 = 42", way.result.stdout, way.result)
        self.assertIn(b"exited with code 03", way.result.stdout, way.result)
        self.assertOneRun(way, 3)

    def test_gdb_attaches(self):
        gdb = need("gdb", "gdb")
        started = self.start(program("sleeps_for"), 3000, 3, env=self.env(PILLION_INTERVAL="0.05"))
        pillion.wait_for(lambda: pillion.is_leader(started.pid), what="its thread")
        seen = pillion.run([gdb, "-batch", "-nx", "-p", started.pid, "-ex", "info threads", "-ex", "detach"],
                           preload=False, timeout=40)
        self.assertIn(b'"pillion"', seen.stdout, seen)
        self.assertEqual(started.wait().status, 3)

    def test_gcore_and_the_core_it_makes(self):
        gdb, gcore = need("gdb", "gdb"), need("gcore", "gdb")
        started = self.start(program("sleeps_for"), 6000, 3, env=self.env(PILLION_INTERVAL="0.05"))
        pillion.wait_for(lambda: pillion.is_leader(started.pid), what="its thread")
        made = pillion.run([gcore, "-o", self.tmp / "core", started.pid], preload=False, timeout=60)
        self.assertEqual(made.status, 0, made)
        core = "%s/core.%d" % (self.tmp, started.pid)
        seen = pillion.run([gdb, "-batch", "-nx", "-ex", "bt", "-ex", "info threads", program("sleeps_for"), core],
                           preload=False, timeout=60)
        self.assertRegex(seen.stdout, rb"(?s)#0 .*usleep.*main \(argc=3")
        self.assertRegex(seen.stdout, rb"(?m)^\* 1 .*\n +2 +Thread")
        self.assertEqual(started.wait().status, 3)

    def test_perf(self):
        perf = need("perf", "linux-perf")
        events = ["-e", "task-clock", "-o", "events"]
        for words in (["stat"] + events, ["stat", "-i"] + events, ["record", "-q", "-e", "cpu-clock", "-o", "events"]):
            with self.subTest(words):
                self.compare([perf] + words + ["--", program("sleeps_for"), 150, 3], status=3, files=False)
                way = self.one_way(NONE, [perf] + words + ["--", "env", self.preloaded_words(), program("sleeps_for"),
                                                           150, 3], files=False)
                self.assertEqual((way.result.status, way.result.stdout), (3, b"before\nafter\n"), way.result)
                self.assertOneRun(way, 3)

    def test_ltrace(self):
        ltrace = need("ltrace", "ltrace")
        plain = self.one_way(NONE, [ltrace, "-o", "trace", program("sleeps_for"), 150, 3], files=False)
        self.assertIn("usleep(150000", (self.work / "trace").read_text())
        for way in (HOOK, RUN):
            other = self.one_way(way, [ltrace, "-o", "trace", program("sleeps_for"), 150, 3], files=False)
            self.assertSame(plain, other)
            self.assertOneRun(other, 3 if way == HOOK else plain.result.status)  # its own status is always 0
            self.assertIn("usleep(150000", (self.work / "trace").read_text())


class Loader(UnwatchedTest):
    def test_an_auditor_of_the_loader(self):
        auditor = compile_source(AUDITOR, self.tmp / "auditor.so", "-shared", "-fPIC")
        done = self.compare([program("sleeps_for"), 150, 3], ways=(HOOK,), env={"LD_AUDIT": auditor}, status=3)
        self.assertIn(b"/libc.so.6", done[HOOK].result.stderr)

    def test_the_loader_tells_what_it_does(self):
        """What it tells is long and names our files; what the program says comes through."""
        for words in ({"LD_DEBUG": "all"}, {"LD_DEBUG": "statistics"}, {"LD_DEBUG": "all", "LD_DEBUG_OUTPUT": "told"},
                      {"LD_BIND_NOW": "1"}, {"LD_BIND_NOW": "1", "LD_DEBUG": "statistics"}):
            with self.subTest(words):
                plain = self.one_way(NONE, [program("cxx_statics")], env=words, files=False)
                for way in (HOOK, RUN):
                    other = self.one_way(way, [program("cxx_statics")], env=words, files=False, timeout=120)
                    self.assertSame(plain, other, but=lambda told: re.sub(rb"(?m)^ +\d+:.*\n", b"", told))
                    self.assertOneRun(other, plain.result.status)


if __name__ == "__main__":
    pillion.main()
