# SPDX-License-Identifier: Apache-2.0
"""strace and gdb look at a program with the hook in it: they work, and the program does."""
import re

from compare import NONE, CompareTest, need, pillion, program


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
        pillion.wait_for(lambda: pillion.is_leader(started.pid), 5, "its thread")
        seen = pillion.run([gdb, "-batch", "-nx", "-p", started.pid, "-ex", "info threads", "-ex", "detach"],
                           preload=False, timeout=40)
        self.assertIn(b'"pillion"', seen.stdout, seen)
        self.assertEqual(started.wait(10).status, 3)


if __name__ == "__main__":
    pillion.main()
