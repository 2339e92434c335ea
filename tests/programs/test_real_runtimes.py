# SPDX-License-Identifier: Apache-2.0
"""More languages with a runtime of their own: Go, PHP, Ruby, Lua, Tcl, the JVM's stricter modes, and, with
PILLION_TEST_HEAVY set to anything, Erlang and R, whose packages are large."""
import collections
import os
import pathlib
import subprocess
import unittest

from compare import HOOK, NONE, RUN, UnwatchedTest, need, pillion

GO = r"""
package main

%s
import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

%s

func main() {
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGUSR1, syscall.SIGTERM)
	var all sync.WaitGroup
	sums := make([]int, 8)
	for i := range sums {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for j := 0; j < 3000000; j++ {
				sums[i] += j %% (i + 2)
			}
			runtime.GC()
		}(i)
	}
	all.Wait()
	fmt.Println(sums, other())
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		syscall.Kill(syscall.Getpid(), s)
		for got := range caught {
			if got == s {
				fmt.Println("caught", got)
				break
			}
		}
	}
	out, err := exec.Command("sh", "-c", "echo from a shell; exit 3").CombinedOutput()
	fmt.Print(string(out), err, "\n")
	func() {
		defer func() { fmt.Println("recovered", recover() != nil) }()
		var p *int
		*p = 1
	}()
	time.Sleep(150 * time.Millisecond)
	if len(os.Args) > 1 {
		signal.Reset(syscall.SIGTERM)
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		time.Sleep(5 * time.Second)
	}
	os.Exit(48)
}
"""
CGO = ("/*\n#include <stdlib.h>\nstatic int twice(int n) { free(malloc(10)); return 2 * n; }\n*/\nimport \"C\"\n",
       "func other() int { return int(C.twice(21)) }")

PHP = r"""<?php
echo shell_exec("echo from a shell"), "\n";
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function () { echo "caught\n"; });
posix_kill(posix_getpid(), SIGUSR1);
$pid = pcntl_fork();
if ($pid === 0) { echo "child\n"; exit(4); }
pcntl_waitpid($pid, $status);
echo pcntl_wexitstatus($status), "\n";
register_shutdown_function(function () { echo "shutdown\n"; });
usleep(150000);
exit(49);
"""

RUBY = r"""
require 'open3'
at_exit { puts 'end' }
puts 4.times.map { |i| Thread.new { (1..20000).sum { |j| j % (i + 2) } } }.map(&:value).inspect
Signal.trap('USR1') { puts 'caught' }
Process.kill('USR1', Process.pid)
sleep 0.15
puts Open3.capture2e('echo from a shell; exit 3').map(&:to_s)[0]
pid = fork { puts 'child'; exit 4 }
Process.wait(pid)
puts $?.exitstatus
exit 50
"""

TCL = r"""
puts [exec sh -c "echo from a shell"]
set f [open "|seq 1 3" r]; puts [read $f]; close $f
after 150 {set done 1}; vwait done
puts [info patchlevel]
exit 51
"""

JAVA = r"""
import sun.misc.Signal;
public class Strict {
    static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
    static int endless(int n) { return 1 + endless(n + 1); }
    public static void main(String[] args) throws Exception {
        try { endless(0); } catch (StackOverflowError e) { System.out.println("too deep"); }
        try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
        Process p = new ProcessBuilder("sh", "-c", "exit 3").start();
        System.out.println(p.waitFor() + " " + depth(500));
        java.net.ServerSocket socket = new java.net.ServerSocket(0);
        socket.close();
        Signal.handle(new Signal("USR2"), s -> System.out.println("caught"));
        Signal.raise(new Signal("USR2"));
        Thread.sleep(200);
        System.exit(52);
    }
}
"""

ERLANG = ("Self = self(), [spawn(fun() -> Self ! lists:sum(lists:seq(1, 10000 * N)) end) || N <- lists:seq(1, 8)],"
          "io:format(\"~p ~s\", [lists:sort([receive S -> S end || _ <- lists:seq(1, 8)]),"
          "os:cmd(\"echo from a shell\")]),"
          "timer:sleep(150), halt(53).")

R = ("cat(system('echo from a shell', intern = TRUE), '\\n'); cat(unlist(parallel::mclapply(1:4, function(i) sum(1:i),"
     "mc.cores = 2)), '\\n'); x <- solve(matrix(c(2, 1, 1, 3), 2)); print(x); Sys.sleep(0.15);"
     "tryCatch(stop('so'), error = function(e) cat('caught\\n')); quit(status = 54)")

LISTENS = r"""
import os, socket, stat, sys, threading, time
if len(sys.argv) == 1:
    found = [socket.socket(), socket.socket(socket.AF_UNIX)]
    found[0].bind(("127.0.0.1", 0)), found[1].bind("socket"), [one.listen() for one in found]
    copies = [os.dup(one.fileno()) for one in found]
    [os.dup2(copy, 100 + i) for i, copy in enumerate(copies)], [one.close() for one in found]
    [os.dup2(100 + i, 3 + i) for i in range(2)], os.closerange(5, 200)
    os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="tcp:unix")
    os.execv(sys.executable, [sys.executable, __file__, "activated"])
assert os.environ["LISTEN_PID"] == str(os.getpid())
print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:5], os.environ["LISTEN_FDNAMES"])
for fd, family in ((3, socket.AF_INET), (4, socket.AF_UNIX)):
    one = socket.socket(fileno=fd)
    client = socket.socket(one.family)
    client.connect(one.getsockname())
    peer = one.accept()[0]
    client.sendall(b"through"), time.sleep(0.1)
    print(one.family == family, one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), peer.recv(100), peer.fileno())
os.unlink("socket"), sys.exit(57)
"""


class Go(UnwatchedTest):
    def build(self, name, text, **env):
        source = self.tmp / (name + ".go")
        source.write_text(text)
        env = dict(os.environ, GOCACHE=str(self.tmp / "cache"), GOFLAGS="", GO111MODULE="off", **env)
        done = subprocess.run([need("go", "golang-go"), "build", "-o", str(self.tmp / name), str(source)], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace"))
        return str(self.tmp / name)

    def test_without_libc(self):
        """Static: nothing of ours is in it, and what it starts leads instead."""
        binary = self.build("pure", GO % ("", "func other() int { return 0 }"), CGO_ENABLED="0")
        done = self.compare([binary], status=48, runs=False)
        self.assertOneRun(done[RUN], 48)
        self.assertEqual(self.assertOneRun(done[HOOK], 3)["command"][0], "sh")
        self.compare(["sh", "-c", '"$0"; exit $?', binary], status=48)

    def test_with_libc(self):
        """It leads, and ends by a bare system call all the same: a sync says so."""
        binary = self.build("cgo", GO % CGO, CGO_ENABLED="1")
        done = self.compare([binary], status=48, runs=False)
        self.assertOneRun(done[RUN], 48)
        run, = done[HOOK].runs
        self.assertEqual((run["state"], run["command"][0]), ("running", binary))
        self.assertGreaterEqual(len(run.rows), 2)
        self.compare(["sh", "-c", '"$0"; exit $?', binary], status=48)
        plain, hook = (self.one_way(way, [binary, "term"]) for way in (NONE, HOOK))
        self.assertEqual(plain.result.status, -15, plain.result)
        self.assertSame(plain, hook)


class Interpreters(UnwatchedTest):
    def test_php(self):
        self.compare([need("php", "php-cli"), "-r", PHP[5:]], status=49)

    def test_ruby(self):
        self.compare([need("ruby", "ruby"), "-W", "-e", RUBY], status=50)

    def test_lua(self):
        script = ("local f = io.popen('echo from a shell'); print(f:read('a')); f:close(); print(os.execute('exit 3'));"
                  "local t = {}; for i = 1, 1e5 do t[i] = {i} end; collectgarbage(); os.execute('sleep 0.15');"
                  "io.write('buffered'); os.exit(%s)")
        for status, close in ((55, "55, true"), (56, "56, false")):
            self.compare([need("lua5.4", "lua5.4"), "-e", script % close], status=status)

    def test_tcl(self):
        self.compare([need("tclsh", "tcl")], input=TCL.encode(), status=51)

    def test_python_in_development_mode(self):
        script = ("import ssl, hashlib, zlib, socket, time\n"
                  "with socket.socket() as s: s.bind(('127.0.0.1', 0))\n"
                  "ssl.create_default_context(); time.sleep(0.15)\n"
                  "print(hashlib.sha256(zlib.compress(b'x' * 1000)).hexdigest(), ssl.OPENSSL_VERSION)")
        self.compare([need("python3", "python3"), "-X", "dev", "-W", "error", "-c", script], status=0)

    def test_sockets_that_were_handed_over(self):
        """As systemd does it: listening sockets from descriptor 3 on, over an exec."""
        def script(work):
            (work / "listens.py").write_text(LISTENS)

        self.compare([need("python3", "python3"), "listens.py"], before=script, status=57)


class Java(UnwatchedTest):
    def test_strict_modes(self):
        java, javac = need("java", "default-jdk-headless"), need("javac", "default-jdk-headless")
        source = pathlib.Path(self.tmp) / "Strict.java"
        source.write_text(JAVA)
        subprocess.run([javac, "-XDignore.symbol.file", "-nowarn", "-d", str(self.tmp), str(source)], check=True,
                       timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # -Xcheck:jni warns, of the program's own handler, at a moment of its own choice, which may be in the midst of a
        # line of the program's: without pillion too.
        for words in (["-Xcheck:jni"], ["-Xrs"], ["-Xint", "-XX:+UseSerialGC"]):
            with self.subTest(words):
                self.compare([java] + words + ["-cp", self.tmp, "Strict"], status=52, timeout=120,
                             but=collections.Counter)


@unittest.skipUnless(os.environ.get("PILLION_TEST_HEAVY"), "PILLION_TEST_HEAVY is not set")
class Heavy(UnwatchedTest):
    def test_erlang(self):
        self.compare([need("erl", "erlang-base"), "-noshell", "-eval", ERLANG], status=53)

    def test_r(self):
        self.compare([need("Rscript", "r-base-core"), "--vanilla", "-e", R], status=54)


if __name__ == "__main__":
    pillion.main()
