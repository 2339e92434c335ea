# SPDX-License-Identifier: Apache-2.0
"""valgrind's tools on programs with the hook in them: what they report is what they report without."""
import re

from compare import HOOK, NONE, RUN, UnwatchedTest, compile_source, need, pillion, program

STRICT = ["--leak-check=full", "--errors-for-leak-kinds=definite,possible", "--error-exitcode=9"]

LEAKS = r"""
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char *volatile lost = malloc(77);
    lost = NULL;
    usleep(120000);
    char *p = malloc(8);
    (void)argv;
    return lost != NULL || p[argc] == 1 ? 4 : (free(p), 5);
}
"""

OPENS = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    int fd = -1;
    for (int i = 0; i < 40; i++)
        fd = open("/dev/null", O_RDONLY);
    usleep(120000);
    printf("%d\n", fd);
    return 5;
}
"""


def without_numbers(text):
    """A report without pids and addresses, and without the frames below main."""
    lines = [line for line in text.decode().splitlines() if not re.search(r"libc_start|below main|\(start\.c", line)]
    return re.sub(r"==\d+==|0x[0-9A-Fa-f]+|in loss record \d+ of \d+", "N", "\n".join(lines))


class Valgrind(UnwatchedTest):
    """With the preload it is inherited through valgrind, and the leader is the program inside."""

    def valgrind(self, *words):
        return [need("valgrind", "valgrind"), "-q"] + list(words)

    def assertSameReport(self, words, argv, status, ways=(HOOK, RUN)):
        argv = self.valgrind(*words) + argv
        done = {NONE: self.one_way(NONE, argv, timeout=120)}
        if status is not None:
            self.assertEqual(done[NONE].result.status, status, done[NONE].result)
        for way in ways:
            done[way] = self.as_plain(way, argv, done[NONE])
            self.assertSame(done[NONE], done[way], without_numbers)
            self.assertEqual(len(done[way].runs), 1)
        if HOOK in ways:
            self.assertNotIn("valgrind", done[HOOK].runs[0]["command"][0])
        return done

    def tidied(self, work):
        """Nobody's thread tidies the folder up at its end, so that the end waits longer for it."""
        (self.dir / "pruned").touch()

    def as_plain(self, way, argv, plain):
        """A busy machine may end the program before our thread has gone, which is waited for a moment alone, or has closed
        its last descriptor: once in five times is enough."""
        for _ in range(5):
            done = self.one_way(way, argv, timeout=120, before=self.tidied)
            if without_numbers(done.result.stderr) == without_numbers(plain.result.stderr):
                break
        return done

    def test_leak_check(self):
        for argv, status in (([program("sleeps_for"), 300, 3], 3), ([program("exits_in_atexit")], None),
                             ([program("calls__exit")], None), ([program("cxx_statics")], 20)):
            with self.subTest(argv):
                self.assertSameReport(STRICT, argv, status)

    def test_leak_check_of_forks(self):
        """In a forked child valgrind finds what libc keeps for our thread, which is not there any more."""
        self.assertSameReport(STRICT, [program("forks_without_exec")], None, ways=(RUN,))
        argv = ["sh", "-c", '"$@"; exit $?', "sh"] + self.valgrind(*STRICT, program("forks_without_exec"))
        self.compare(argv, ways=(HOOK,), but=without_numbers, timeout=60)

    def test_leaks_and_errors_of_the_program(self):
        binary = compile_source(LEAKS, self.tmp / "leaks", "-g", "-O0")
        done = self.assertSameReport(STRICT, [binary], 9)
        self.assertIn(b"77 bytes in 1 blocks are definitely lost", done[NONE].result.stderr)
        self.assertIn(b"depends on uninitialised value", done[NONE].result.stderr)

    def test_leak_check_of_children(self):
        self.assertSameReport(STRICT + ["--trace-children=yes"], ["sh", "-c", '"$0"; exit 4', program("returns_7")], 4)

    def test_threads(self):
        """drd does not know the atomic operations of C11, and finds races in the hook: not with a leader inside."""
        self.assertSameReport(["--error-exitcode=9", "--tool=helgrind"], [program("spawns_threads")], None)
        self.assertSameReport(["--error-exitcode=9", "--tool=drd"], [program("spawns_threads")], None, ways=(RUN,))

    def test_other_tools(self):
        for tool in ("callgrind", "massif"):
            argv = self.valgrind("--tool=" + tool, "--log-file=/dev/null", program("sleeps_for"), 300, 3)
            self.compare(argv, status=3, files=False, timeout=120)

    def test_nothing_of_ours_is_open_at_the_end(self):
        argv = self.valgrind("--track-fds=yes", program("returns_7"))
        plain = self.one_way(NONE, argv)
        self.assertSame(plain, self.as_plain(HOOK, argv, plain), without_numbers)

    def test_open_descriptors_of_the_program(self):
        """valgrind knows one table of descriptors a process and mistakes our thread's numbers for the program's. A
        leader above it leaves its report alone."""
        binary = compile_source(OPENS, self.tmp / "opens", "-g")
        argv = ["sh", "-c", '"$@"; exit $?', "sh"] + self.valgrind("--track-fds=yes", binary)
        done = self.compare(argv, status=5, but=without_numbers, timeout=60)
        self.assertEqual(done[NONE].result.stderr.count(b"source.c:9)"), 40)


if __name__ == "__main__":
    pillion.main()
