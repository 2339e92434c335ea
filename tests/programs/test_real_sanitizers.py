# SPDX-License-Identifier: Apache-2.0
"""Programs that gcc and clang have built with a sanitizer: what the sanitizer says of them stays the same."""
import re
import subprocess

from compare import HOOK, NONE, RUN, UnwatchedTest, compile_source, need, pillion

CLEAN = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static long sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *work(void *one)
{
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        sum += *(int *)one;
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void *rest(void *nothing) { pause(); return nothing; }
int main(int argc, char **argv)
{
    pthread_t threads[2], resting;
    int *one = malloc(sizeof *one), status = 0;
    *one = 1;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, work, one);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    fflush(stdout);
    if (fork() == 0)
        _exit(5);
    wait(&status);
    usleep(150000);
    printf("%ld %d\n", sum, WEXITSTATUS(status));
    if (argc > 1 && strcmp(argv[1], "others") == 0) {
        pthread_create(&resting, NULL, rest, NULL);
        pthread_detach(resting);
    }
    free(one);
    return 3;
}
"""

# What each of these does wrong; `after` is where the program has been for some rows.
WRONG = {
    "address": "char *p = malloc(8); free(p); usleep(120000); return p[argc];",
    "leak": "char *volatile p = malloc(77); p = NULL; usleep(120000); return p != NULL;",
    "thread": "pthread_t t; pthread_create(&t, NULL, race, NULL); usleep(120000); racy++; pthread_join(t, NULL);"
              "return 4;",
    "undefined": "volatile int x = 0x7fffffff; x += argc; usleep(120000); return 6;",
    "memory": "int *p = malloc(16); usleep(120000); if (p[argc]) puts(\"set\"); free(p); return 7;",
}
WRONG_PROGRAM = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int racy;
static void *race(void *p) { racy++; return p; }
int main(int argc, char **argv) { (void)argv, (void)race; %s }
"""


def without_numbers(text):
    """A report without what differs from run to run, without the frames below main, and without the neighbours on
    the heap: what the loader allocates for the engine is among them."""
    lines = [line for line in text.decode(errors="replace").splitlines()
             if not re.search(r"leader_main|last_handler|__libc_start|\b_start\b|^(=>|  )0x", line)]
    text = re.sub(r"(==|pid=|tid=|0x)[0-9a-f]+", r"\1N", "\n".join(lines))
    return re.sub(r"(?m)^(\s*)#\d+", r"\1#", text)


class Sanitizers(UnwatchedTest):
    def build(self, compiler, sanitizer, text=CLEAN):
        return compile_source(text, self.tmp / ("%s-%s" % (compiler, sanitizer)), "-g", "-pthread",
                              "-fno-omit-frame-pointer", "-fsanitize=" + sanitizer, compiler=need(compiler, compiler))

    def assertUndisturbed(self, compiler, sanitizer, ways=(HOOK, RUN)):
        binary = self.build(compiler, sanitizer)
        for words in ([], ["others"]):
            self.compare([binary] + words, ways=ways, status=3, timeout=40)

    def assertSameReport(self, compiler, sanitizer, expected, ways=(HOOK, RUN), status=None):
        binary = self.build(compiler, sanitizer, WRONG_PROGRAM % WRONG[sanitizer])
        done = self.compare([binary], ways=ways, status=status, timeout=40, but=without_numbers, runs=False)
        self.assertIn(expected, done[NONE].result.stderr)
        for way in ways:
            self.assertEqual(len(done[way].runs), 1)

    def test_address_sanitizer_of_clang(self):
        self.assertUndisturbed("clang", "address")
        self.assertSameReport("clang", "address", b"heap-use-after-free", status=1)

    def test_leak_sanitizer(self):
        for compiler in ("gcc", "clang"):
            self.assertUndisturbed(compiler, "leak")
            self.assertSameReport(compiler, "leak", b"77 byte(s) leaked in 1 allocation", status=23)

    def test_thread_sanitizer(self):
        for compiler in ("gcc", "clang"):
            self.assertUndisturbed(compiler, "thread")
            self.assertSameReport(compiler, "thread", b"data race", status=66)

    def test_undefined_behaviour_sanitizer(self):
        for compiler in ("gcc", "clang"):
            self.assertUndisturbed(compiler, "undefined")
            self.assertSameReport(compiler, "undefined", b"signed integer overflow", status=6)

    def test_memory_sanitizer(self):
        self.assertUndisturbed("clang", "memory")
        self.assertSameReport("clang", "memory", b"use-of-uninitialized-value", status=1)

    def test_address_sanitizer_of_gcc_wants_to_be_first(self):
        """Its runtime is a library that ends the program when another was loaded before it: any other."""
        binary = self.build("gcc", "address")
        self.assertUndisturbed("gcc", "address", ways=(RUN,))
        refused = self.one_way(HOOK, [binary])
        self.assertEqual((refused.result.status, refused.result.stdout, refused.runs), (1, b"", []), refused.result)
        self.assertIn(b"ASan runtime does not come first", refused.result.stderr)
        runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE, check=True)
        plain = self.one_way(NONE, [binary])
        for words in ({"LD_PRELOAD": "%s:%s" % (runtime.stdout.decode().strip(), pillion.HOOK)},
                      {"LD_PRELOAD": str(pillion.HOOK), "ASAN_OPTIONS": "verify_asan_link_order=0"}):
            way = self.one_way(NONE, [binary], env=words)
            self.assertSame(plain, way)
            self.assertOneRun(way, 3)
        self.assertSameReport("gcc", "address", b"heap-use-after-free", ways=(RUN,), status=1)


if __name__ == "__main__":
    pillion.main()
