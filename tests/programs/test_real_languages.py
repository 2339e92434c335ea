# SPDX-License-Identifier: Apache-2.0
"""Interpreters and virtual machines: python3, perl, node, java, C++."""
import pathlib
import resource
import subprocess

from compare import HOOK, RUN, CompareTest, compile_source, need, pillion

PYTHON = r"""
import os, signal, subprocess, sys, threading, time, multiprocessing, tempfile, queue, concurrent.futures
def work(n):
    return sum(i * i for i in range(n))
def load(tasks, answers):
    for n in iter(tasks.get, None):
        answers.put(work(n))
def main():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(work, [1000, 2000, 3000])))
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(work, [10, 20, 30]))
    context = multiprocessing.get_context("fork")
    tasks, answers = context.Queue(), context.Queue()
    loaders = [context.Process(target=load, args=(tasks, answers), daemon=True) for _ in range(3)]
    for one in loaders:
        one.start()
    for n in [5] * 9 + [None] * 3:
        tasks.put(n)
    print("loaded", sum(answers.get() for _ in range(9)), [one.join() or one.exitcode for one in loaders])
    print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 5"], capture_output=True))
    print(subprocess.run("cat | tr a-z A-Z", shell=True, input=b"upper", capture_output=True).stdout)
    try:
        subprocess.run(["/does/not/exist"])
    except FileNotFoundError as error:
        print(error)
    print(os.system("exit 3"))
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(9)
    print(os.waitpid(pid, 0)[1])
    pid = os.posix_spawn("/bin/true", ["true"], os.environ)
    print(os.waitpid(pid, 0)[1])
    done = queue.Queue()
    threading.Thread(target=lambda: (time.sleep(0.1), done.put("thread"))).start()
    print(done.get())
    print(threading.active_count(), sorted(os.listdir("/proc/self/fd"))[:3])
    sys.exit(43)
if __name__ == "__main__":
    main()
"""

PERL = r"""
use strict; use warnings; use POSIX ();
$| = 0; print "buffered\n"; system("echo from a shell"); my $x = `echo backticks; exit 3`; print $x, $? >> 8, "\n";
my $pid = fork(); if (!$pid) { print "child\n"; POSIX::_exit(4); } waitpid($pid, 0); print $? >> 8, "\n";
open(my $f, "-|", "seq 1 5") or die; print while <$f>; close $f;
local $SIG{ALRM} = sub { print "alarm\n" }; $SIG{TERM} = sub { print "term\n" }; kill 'TERM', $$;
select(undef, undef, undef, 0.15); my %h = map { $_ => $_ ** 2 } 1 .. 1000; print scalar(keys %h), "\n";
END { print "end\n"; } exit 44;
"""

NODE = r"""
const { execSync, spawn, fork } = require('child_process');
const { Worker, isMainThread } = require('worker_threads');
const fs = require('fs');
console.log(execSync('echo sync').toString().trim());
fs.writeFileSync('out.txt', 'written by node'); console.log(fs.readFileSync('out.txt', 'utf8'));
const child = spawn('sh', ['-c', 'echo spawned; exit 3']);
let text = ''; child.stdout.on('data', (data) => text += data);
child.on('close', (code) => {
  console.log(text.trim(), code);
  const worker = new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true });
  worker.on('message', (message) => console.log('worker', message));
  worker.on('exit', () => setTimeout(() => { console.error('late'); process.exitCode = 45; }, 100));
});
process.on('exit', (code) => console.log('exit', code));
"""

JAVA = r"""
import java.io.*;
public class Hello {
    static volatile int sum;
    public static void main(String[] args) throws Exception {
        Thread[] threads = new Thread[4];
        for (int i = 0; i < 4; i++)
            (threads[i] = new Thread(() -> { for (int j = 0; j < 1000; j++) sum += j % 2; })).start();
        for (Thread t : threads) t.join();
        Process p = new ProcessBuilder("sh", "-c", "echo from a shell; exit 3").start();
        BufferedReader lines = new BufferedReader(new InputStreamReader(p.getInputStream()));
        System.out.println(lines.readLine() + " " + p.waitFor());
        try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        System.exit(46);
    }
}
"""

CXX = r"""
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>
struct last { ~last() { std::cout << "gone\n"; } } static at_the_end;
int main()
{
    std::vector<std::future<long>> results;
    for (int i = 0; i < 4; i++)
        results.push_back(std::async(std::launch::async, [i] {
            long s = 0;
            for (long j = 0; j < 1000000; j++)
                s += j % (i + 2);
            return s;
        }));
    std::map<std::string, long> sums;
    for (auto &result : results)
        sums[std::to_string(sums.size())] = result.get();
    for (const auto &[name, value] : sums)
        std::cout << name << " " << value << "\n";
    auto shared = std::make_shared<std::string>("shared");
    try { throw std::runtime_error(*shared); } catch (const std::exception &e) { std::cout << e.what() << "\n"; }
    return 47;
}
"""


class Python(CompareTest):
    python = None

    def setUp(self):
        self.python = need("python3", "python3")
        found = subprocess.run([self.python, "-c", "import sys; print(sys.executable)"], stdout=subprocess.PIPE)
        self.python = found.stdout.decode().strip() or self.python  # not the shim of a version manager

    def script(self, work):
        (work / "script.py").write_text(PYTHON)

    def test_threads_processes_and_pipes(self):
        self.compare([self.python, "script.py"], before=self.script, files=False, status=43)

    def test_os__exit(self):
        script = "import os, time; print('lost'); time.sleep(0.1); os._exit(7)"
        done = self.compare([self.python, "-c", script], status=7)
        self.assertEqual(done[HOOK].result.stdout, b"")

    def test_traceback(self):
        self.compare([self.python, "-c", "raise SystemError('so')"], status=1)

    def test_keyboard_interrupt(self):
        self.compare([self.python, "-c", "import os, signal, time; time.sleep(0.1)\n"
                      "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(1)\n"
                      "except KeyboardInterrupt: print('int')"],
                     status=0)
        self.compare([self.python, "-c", "import os, signal; print(signal.getsignal(2), signal.getsignal(15));"
                      "os.kill(os.getpid(), 15)"], status=-15, runs=False)

    def test_warnings_are_errors(self):
        code = "import os, threading as t; p = os.fork(); p or os._exit(0); os.waitpid(p, 0); print(t.active_count())"
        version = subprocess.run([self.python, "-c", "import sys; print(sys.version_info[:2] >= (3, 12))"],
                                 stdout=subprocess.PIPE).stdout
        if version.strip() == b"True":
            self.skipTest("python 3.12 and newer warn of a fork in a process with threads: on the closed list")
        self.compare([self.python, "-X", "dev", "-W", "error", "-c", code], status=0)

    def test_two_levels_of_python(self):
        self.compare([self.python, "-c", "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', "
                      "'import time; time.sleep(0.1); exit(8)']))"], status=8)

    def test_the_pid_is_that_of_python(self):
        way = self.one_way(HOOK, [self.python, "-c", "import os; print(os.getpid())"])
        self.assertEqual(int(way.result.stdout), way.runs[0]["pid"])


class Perl(CompareTest):
    def test_perl(self):
        self.compare([need("perl", "perl"), "-e", PERL], status=44)

    def test__exit(self):
        self.compare([need("perl", "perl"), "-MPOSIX", "-e", 'print "lost"; POSIX::_exit(9)'], status=9)


class Node(CompareTest):
    def test_node(self):
        self.compare([need("node", "nodejs"), "-e", NODE], status=45)

    def test_throws(self):
        self.compare([need("node", "nodejs"), "-e", "process.exit(6)"], status=6)

    def test_aborts(self):
        """Its crash is its own: only who is outside sees the end."""
        done = self.compare([need("node", "nodejs"), "-e", "setTimeout(() => process.abort(), 150)"], status=-6, runs=False,
                            but=lambda data: b"", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        self.assertOneRun(done[RUN], -6)
        self.assertGreaterEqual(len(done[HOOK].runs[0].rows), 1)


class Java(CompareTest):
    of_java = ("thread own",)  # which of its threads are still there at its end

    def test_java(self):
        java = need("java", "default-jdk-headless")
        need("javac", "default-jdk-headless")
        source = pathlib.Path(self.tmp) / "Hello.java"
        source.write_text(JAVA)
        subprocess.run(["javac", "-d", str(self.tmp), str(source)], check=True, timeout=60)
        self.compare([java, "-cp", self.tmp, "Hello"], status=46, varying=self.of_java)

    def test_java_checks_its_callers(self):
        self.compare([need("java", "default-jdk-headless"), "-Xcheck:jni", "-version"], status=0, varying=self.of_java)

    def test_java_is_ended_by_a_signal(self):
        source = pathlib.Path(self.tmp) / "Sleep.java"
        source.write_text('public class Sleep { public static void main(String[] a) throws Exception {'
                          'Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));'
                          'new ProcessBuilder("sh", "-c", "kill -TERM " + ProcessHandle.current().pid()).start();'
                          'Thread.sleep(20000); } }')
        javac = need("javac", "default-jdk-headless")
        subprocess.run([javac, "-d", str(self.tmp), str(source)], check=True, timeout=60)
        done = self.compare(["java", "-cp", self.tmp, "Sleep"], status=143, watch=False)
        self.assertEqual(done[RUN].result.stdout, b"hook\n")
        done = self.compare(["java", "-Xrs", "-cp", self.tmp, "Sleep"], status=-15)
        self.assertEqual(done[HOOK].result.stdout, b"")


class Cxx(CompareTest):
    def test_program_built_with_the_compiler_that_is_here(self):
        binary = compile_source(CXX, self.tmp / "cxx", "-std=c++17", "-pthread", suffix=".cc",
                                compiler=need("g++", "g++"))
        self.compare([binary], status=47)


if __name__ == "__main__":
    pillion.main()
