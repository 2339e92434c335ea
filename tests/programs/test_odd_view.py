# SPDX-License-Identifier: Apache-2.0
"""What a program sees of itself and its surroundings is what it would see without pillion."""
import os
import re
import resource

from compare import HOOK, NONE, RUN, CompareTest, compile_source, need, pillion, program

OWN_ALLOCATOR = r"""
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static _Alignas(16) char heap[64 << 20];
static atomic_size_t used;
static void check(void)
{
    if (syscall(SYS_gettid) != syscall(SYS_getpid) && syscall(SYS_write, 2, "stranger\n", 9) < 0)
        syscall(SYS_exit_group, 77);
}
void *malloc(size_t n)
{
    size_t at = atomic_fetch_add(&used, (n + 31) / 16 * 16);
    check();
    if (at + n + 16 > sizeof heap)
        return NULL;
    memcpy(heap + at, &n, sizeof n);
    return heap + at + 16;
}
void free(void *p) { (void)p; check(); }
void *calloc(size_t a, size_t b) { return malloc(a * b); }
void *realloc(void *p, size_t n)
{
    char *q = malloc(n);
    size_t was = 0;
    if (p && q) {
        memcpy(&was, (char *)p - 16, sizeof was);
        memcpy(q, p, was < n ? was : n);
    }
    return q;
}
"""


class View(CompareTest):
    def test_descriptors(self):
        self.compare([program("lists_descriptors")])

    def test_descriptors_when_the_standard_ones_are_closed(self):
        for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                self.compare(["sh", "-c", 'exec "$0" ' + closed, program("lists_descriptors")])

    def test_environment(self):
        self.compare([program("shows_environment"), "a", ""], env={"EMPTY": "", "SPACES": "a b  c"})

    def test_environment_of_a_grandchild(self):
        self.compare(["sh", "-c", 'sh -c "$0; true"; true', program("shows_environment")])

    def test_signals(self):
        self.compare([program("shows_signals")])

    def test_signals_that_are_ignored_from_outside(self):
        self.compare(["sh", "-c", "trap '' TERM HUP INT URG; exec \"$0\"", program("shows_signals")])
        self.compare(["nohup", program("shows_signals")])

    def test_settings(self):
        for locale in ("C", "C.UTF-8"):
            self.compare([program("shows_settings")], env={"LC_ALL": locale, "TZ": "Asia/Tokyo"})

    def test_threads(self):
        """The leader's own thread is the one thing that shows, and only in the leader."""
        plain = self.one_way(NONE, [program("counts_threads")])
        self.assertEqual(plain.result.stdout, b"1\n")
        leader = self.one_way(HOOK, [program("counts_threads")])
        self.assertEqual(leader.result.stdout, b"2\n")
        passenger = self.one_way(HOOK, ["sh", "-c", '"$0"; true', program("counts_threads")])
        self.assertEqual(passenger.result.stdout, b"1\n")
        below = self.one_way(RUN, [program("counts_threads")])
        self.assertEqual(below.result.stdout, b"1\n")

    def test_thread_is_called_pillion(self):
        started = self.start(program("sleeps_for"), 600)
        pillion.wait_for(lambda: pillion.is_leader(started.pid), what="a thread of that name")
        self.assertEqual(len(pillion.thread_names(started.pid)), 2)
        self.assertEqual(started.wait().status, 0)

    def test_huge_arguments_and_environment(self):
        env = {"HUGE_%d" % i: chr(97 + i) * 100000 for i in range(8)}
        env.update({"PILLION_UNKNOWN": "x" * 100000, "TRACKER_TAGS": "k=" + "v" * 90000})
        self.compare([program("prints_arguments")] + ["argument-%d" % i for i in range(30000)], env=env)

    def test_no_argument_at_all(self):
        compile_source("#include <unistd.h>\nint main(int c, char **v) { char *none[] = {0};"
                       "execv(v[1], none); return c; }", self.tmp / "none")
        self.compare([self.tmp / "none", program("prints_arguments")], status=0)


class Overrides(CompareTest):
    def test_environ_is_gone_at_the_end(self):
        for way in ("clear", "null", "wild"):
            with self.subTest(way):
                self.compare([program("clears_environ"), way], status=22, watch=False)

    def test_argv_and_environ_are_written_over(self):
        self.compare([program("scribbles_argv"), "a", "b"], status=23)

    def test_program_exports_names_of_libc(self):
        done = self.compare([program("overrides_symbols")], status=34, watch=False)
        self.assertEqual(done[HOOK].result.stderr, b"done\n")

    def test_another_allocator_is_preloaded_too(self):
        library = compile_source(OWN_ALLOCATOR, self.tmp / "allocator.so", "-shared", "-fPIC")
        plain = self.one_way(NONE, [program("sleeps_for"), 200, 4], env={"LD_PRELOAD": library})
        self.assertEqual(plain.result.status, 4, plain.result)
        for order in (library, "%s:%s" % (library, pillion.HOOK)):
            way = self.one_way(HOOK if order == library else NONE, [program("sleeps_for"), 200, 4],
                               env={"LD_PRELOAD": order})
            self.assertSame(plain, way)
            self.assertOneRun(way, 4)

    def test_bind_now_and_audit_of_nothing(self):
        self.compare([program("cxx_statics")], env={"LD_BIND_NOW": "1"})

    def test_static_program(self):
        binary = compile_source('#include <stdio.h>\nint main(void) { puts("static"); return 5; }', self.tmp / "static",
                                "-static")
        self.assertInert(binary, 5)

    def test_musl_program(self):
        compiler = need("musl-gcc", "musl-tools")
        binary = compile_source('#include <stdio.h>\n#include <unistd.h>\n'
                                'int main(void) { puts("musl"); usleep(150000); return 6; }',
                                self.tmp / "musl", compiler=compiler)
        done = self.compare([binary], status=6, runs=False)
        self.assertOneRun(done[RUN], 6)

    def test_program_without_libc(self):
        text = ('void _start(void) { __asm__ volatile("mov $60, %eax; mov $7, %edi; syscall"); }'
                if os.uname().machine == "x86_64" else
                'void _start(void) { __asm__ volatile("mov x8, #93; mov x0, #7; svc #0"); }')
        binary = compile_source(text, self.tmp / "nolibc", "-nostdlib", "-pie", "-fPIE",
                                "-Wl,--dynamic-linker=" + self.loader())
        done = self.compare([binary], status=7, runs=False)
        self.assertOneRun(done[RUN], 7)

    def test_loader_and_libc_as_programs(self):
        self.compare([self.loader(), "--version"], runs=False)
        self.compare(["ldd", "/bin/true"], ways=(RUN,), but=lambda data: re.sub(rb"0x[0-9a-f]+", b"", data))

    @staticmethod
    def loader():
        return {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}[os.uname().machine]

    def assertInert(self, binary, status):
        done = self.compare([binary], status=status, runs=False)
        self.assertEqual(done[HOOK].runs, [])
        self.assertOneRun(done[RUN], status)


class Memory(CompareTest):
    def test_small_stack(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_STACK, (64 << 10, 64 << 10))

        self.compare([program("stack_small")], ways=(HOOK,), status=28, preexec_fn=limit)

    def test_tight_address_space(self):
        for mib in (6, 8, 10, 16, 24, 40, 100):
            with self.subTest(mib):
                def limit():
                    resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))

                self.compare([program("sleeps_for"), 150, 3], ways=(HOOK,), status=3, preexec_fn=limit, runs=mib >= 24)


if __name__ == "__main__":
    pillion.main()
