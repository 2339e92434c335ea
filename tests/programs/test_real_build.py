# SPDX-License-Identifier: Apache-2.0
"""Work as it is done every day: git, make with the compiler, tar with gzip, sort with temporary files."""
import gzip
import random

from compare import HOOK, RUN, CompareTest, need, pillion

GIT = r"""
set -e
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c
export GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git init -q -b main repo
cd repo
for i in 1 2 3 4 5; do seq 1 $((i * 100)) > file$i; git add .; git commit -q -m "commit $i"; done
git log --oneline | cat
git checkout -q -b other HEAD~2; echo other > other; git add .; git commit -q -m other
git rebase -q main; git log --format=%s | cat
git gc -q; git fsck --full; git count-objects -v | grep -v size
git clone -q . ../clone; git -C ../clone rev-parse HEAD
git diff --stat main~4 main | tail -1
git show does-not-exist || echo "status $?"
cd ..; rm -rf repo clone
exit 33
"""

MAKEFILE = """
CFLAGS = -O1
OBJECTS = main.o {objects}
program: $(OBJECTS)
\t$(CC) -o $@ $(OBJECTS)
\t./$@
%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<
broken:
\texit 3
"""


def project(work, count=12):
    """A small project of C files that the compiler has something to do with."""
    names = ["part%d" % i for i in range(count)]
    for i, name in enumerate(names):
        (work / (name + ".c")).write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                                          "int %s(int x) { int s = %d; for (int i = 0; i < x; i++) s += i %% %d;"
                                          " return s; }\n"
                                          % (name, i, i + 2))
    (work / "main.c").write_text(
        "#include <stdio.h>\n" + "".join("int %s(int x);\n" % name for name in names) + "int main(void) { long s = 0;\n"
        + "".join("s += %s(1000);\n" % name for name in names) + 'printf("%ld\\n", s); return 0; }\n')
    (work / "Makefile").write_text(MAKEFILE.format(objects=" ".join(name + ".o" for name in names)))


class Build(CompareTest):
    def test_make(self):
        need("cc", "build-essential")
        make = need("make", "make")
        lines = lambda data: sorted(data.split(b"\n"))  # noqa: E731  two jobs end in any order
        done = self.compare([make, "-j2"], status=0, before=project, but=lines, rows=2,
                            varying=("fd 0 0 0", "fd 0 8002 0"))  # the first of two jobs has make's stdin
        for way in (HOOK, RUN):
            run = done[way].runs[0]
            used = sum((row["process_utime"] or 0) + (row["process_stime"] or 0) for row in run.rows)
            outside = self.one_way(way, ["true"]).result.usage  # before the first row and after the last
            usage = done[way].result.usage
            self.assertAlmostEqual(used, usage.ru_utime + usage.ru_stime,
                                   delta=0.02 * used + 0.05 + outside.ru_utime + outside.ru_stime)

    def test_make_fails(self):
        self.compare([need("make", "make"), "broken"], status=2, before=project)

    def test_git(self):
        need("git", "git")
        self.compare(["bash", "-c", GIT], status=33, timeout=100)

    def test_compiler(self):
        self.compare([need("gcc", "gcc"), "-c", "-o", "out.o", "main.c"], status=0, before=project)
        self.compare(["gcc", "-c", "-o", "out.o", "missing.c"], status=1, before=project)


class Files(CompareTest):
    def test_tar_with_gzip(self):
        def fill(work):
            rng = random.Random(1)
            for i in range(40):
                (work / ("file%d" % i)).write_bytes(rng.randbytes(20000) + b"x" * 50000)

        need("tar", "tar")
        script = ("tar --sort=name --mtime=@0 --owner=0 --group=0 -czf out.tar.gz file* && "
                  "tar -tzf out.tar.gz | wc -l && mkdir back && "
                  "tar -xzf out.tar.gz -C back && cat back/* | sha256sum && gzip -t out.tar.gz && "
                  "gzip -dc out.tar.gz | wc -c && rm -rf back file*; tar -tf missing.tar; echo $?")
        self.compare(["sh", "-c", script], before=fill, status=0)
        self.compare(["tar", "-czf", "/dev/null", "."], before=fill, status=0)

    def test_sort_with_temporary_files(self):
        rng = random.Random(2)
        data = b"".join(b"%d some words on a line\n" % rng.randrange(10 ** 9) for _ in range(150000))

        def fill(work):
            (work / "big").write_bytes(data)
            (work / "tmp").mkdir()

        self.compare([need("sort", "coreutils"), "-S", "1M", "-T", "tmp", "--parallel=2", "-n", "-o", "sorted", "big"],
                     before=fill, status=0)

    def test_gzip_alone(self):
        data = gzip.compress(b"text " * 100000, mtime=0)
        done = self.compare([need("gzip", "gzip"), "-dc"], input=data, status=0)
        self.assertEqual(len(done[HOOK].result.stdout), 500000)


if __name__ == "__main__":
    pillion.main()
