# SPDX-License-Identifier: Apache-2.0
"""Files that ld.so cannot preload into, or would not: the hook is inert, and says nothing but ld.so's own line."""
import errno
import os
import re
import shutil
import unittest

from compare import HOOK, RUN, UnwatchedTest, compile_source, need, pillion, program
from test_odd_files import NOBODY, root_only

X86 = os.uname().machine == "x86_64"
LOADER = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}[os.uname().machine]
IGNORED = re.compile(rb"ERROR: ld\.so: object '[^']*libpillion\.so' from LD_PRELOAD cannot be preloaded \([^)]*\): ignored\.\n")
BARE = """
static long call(long number, long a, long b)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return result;
}
static char block[256];
void _start(void)
{
    call(158, 0x1002, (long)block); /* arch_prctl(ARCH_SET_FS): as Go's runtime takes the register for itself */
    call(%d, 7, 0);
}
"""


class Binaries(UnwatchedTest):
    def assertInert(self, argv, status, **how):
        done = self.compare(argv, status=status, runs=False, **how)
        self.assertEqual(done[HOOK].runs, [])
        self.assertOneRun(done[RUN], status)

    def test_static_programs(self):
        for flags in (["-static"], ["-static-pie", "-fPIE"], ["-static", "-pthread"]):
            with self.subTest(flags):
                self.assertInert([compile_source('#include <stdio.h>\nint main(void) { puts("static"); return 5; }',
                                                 self.tmp / "static", *flags)], 5)

    @unittest.skipUnless(X86, "the program is written for x86-64")
    def test_position_independent_programs_without_libc(self):
        for name, number in (("exit", 60), ("exit_group", 231)):
            with self.subTest(name):
                self.assertInert([compile_source(BARE % number, self.tmp / name, "-nostdlib", "-pie", "-fPIE",
                                                 "-fno-stack-protector", "-Wl,--dynamic-linker=" + LOADER)], 7)

    def test_go(self):
        source = self.work.parent / "main.go"
        source.write_text('package main\n\nimport (\n\t"fmt"\n\t"os"\n\t"time"\n)\n\nfunc main() {\n\tdone := make(chan int)\n'
                          '\tfor i := 0; i < 8; i++ {\n\t\tgo func(i int) { done <- i }(i)\n\t}\n\tsum := 0\n'
                          '\tfor i := 0; i < 8; i++ {\n\t\tsum += <-done\n\t}\n\ttime.Sleep(100 * time.Millisecond)\n'
                          '\tfmt.Println(sum)\n\tos.Exit(6)\n}\n')
        for mode in ("exe", "pie"):
            with self.subTest(mode):
                built = pillion.run([need("go", "golang-go"), "build", "-buildmode=" + mode, "-o", self.tmp / mode, source],
                                    preload=False, timeout=300, cwd=self.tmp,
                                    env=self.env(CGO_ENABLED="0", GOFLAGS="-mod=mod", GOCACHE=self.tmp / "go",
                                                 GO111MODULE="off"))
                self.assertEqual(built.status, 0, built)
                self.assertInert([self.tmp / mode], 6)

    @unittest.skipUnless(X86, "there is no other word size to try")
    def test_32_bit_programs(self):
        """ld.so's one line, for each of them."""
        library = next((path for path in ("/lib32/libc.so.6", "/usr/lib32/libc.so.6") if os.path.exists(path)), None)
        self.assertIsNotNone(library, "libc6-i386 is missing (tools/check installs it)")
        small = compile_source('int puts(const char *); void exit(int); void _start(void) { puts("small"); exit(5); }',
                               self.tmp / "small", "-m32", "-nostdlib", "-fno-pie", "-no-pie", "-fno-builtin",
                               "-mstackrealign", library, "-Wl,--dynamic-linker=/lib/ld-linux.so.2")
        try:
            pillion.run([small], preload=False)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            self.skipTest("this kernel runs no 32-bit programs")
        for argv, lines, ways in (([small], 1, (HOOK,)), (["sh", "-c", '"$0"; "$0"', small], 2, (HOOK,)),
                                  ([small], 0, (RUN,))):
            with self.subTest(argv[0]):
                plain = self.one_way("none", argv)
                self.assertEqual((plain.result.status, plain.result.stderr), (5, b""))
                for way in ways:
                    done = self.one_way(way, argv)
                    self.assertEqual(IGNORED.sub(b"", done.result.stderr), b"")
                    self.assertEqual(len(IGNORED.findall(done.result.stderr)), lines, done.result)
                    self.assertSame(plain, done, lambda data: IGNORED.sub(b"", data))
                    self.assertEqual(len(done.runs), 0 if way == HOOK and len(argv) == 1 else 1)

    def test_loader_and_libc_as_programs(self):
        listed = pillion.run(["ldd", "/bin/true"], preload=False).stdout.decode()
        library = re.search(r"libc\.so\.6 => (\S+)", listed)[1]
        for argv in ([LOADER, "--version"], [LOADER, "--list", "/bin/true"], [library], [LOADER, "/bin/sh", "-c", "exit 3"]):
            with self.subTest(argv):
                self.compare(argv, runs=False, but=self.without_addresses)

    def test_ldd_shows_the_hook_and_nothing_else(self):
        self.compare(["ldd", "/bin/true"], but=self.without_addresses)

    @staticmethod
    def without_addresses(data):
        data = re.sub(rb"\t\S*libpillion\.so .*\n", b"", data)
        return re.sub(rb"0x[0-9a-f]+", b"", data)


@root_only
class Privileged(UnwatchedTest):
    def privileged(self, then):
        target = self.tmp / "privileged"

        def place(work):
            shutil.copy(program("sleeps_for"), str(target))
            then(target)

        done = self.compare([target, 150, 3], status=3, before=place, uid=NOBODY, runs=False)
        self.assertEqual(done[HOOK].runs, [])
        self.assertOneRun(done[RUN], 3)

    def test_setuid_and_setgid(self):
        for mode in (0o4755, 0o2755, 0o6755):
            with self.subTest(oct(mode)):
                self.privileged(lambda target: target.chmod(mode))

    def test_file_capabilities(self):
        def give(target):
            target.chmod(0o755)
            done = pillion.run([need("setcap", "libcap2-bin"), "cap_net_raw+ep", target], preload=False)
            self.assertEqual(done.status, 0, done)

        self.privileged(give)

    def test_sudo_and_su(self):
        """The command below has no hook any more, and is counted by the leader above all the same."""
        for argv in (["sudo", "-n", "sh", "-c", "exit 4"], ["su", "-c", "exit 4"], ["sudo", "-n", "-u", "nobody", "id", "-u"]):
            with self.subTest(argv):
                need(argv[0], argv[0])
                self.compare(["sh", "-c", 'sleep 0.1; "$@"; exit $?', "sh"] + argv)
                self.compare(argv, runs=False)


if __name__ == "__main__":
    pillion.main()
