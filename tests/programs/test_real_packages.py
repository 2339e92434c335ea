# SPDX-License-Identifier: Apache-2.0
"""What builds and installs software: cmake with ninja, a configure script and its make, git bisect, packages."""
import pathlib
import re
import shutil

from compare import HOOK, UnwatchedTest, need, pillion
from test_real_build import project

CMAKE = """cmake_minimum_required(VERSION 3.18)
project(parts C)
file(GLOB sources *.c)
add_executable(program ${sources})
enable_testing()
add_test(NAME runs COMMAND program)
"""

BISECT = r"""
set -e
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c
export GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git init -q -b main repo
cd repo
for i in $(seq 1 12); do echo $i > n; git add n; git commit -q -m "commit $i"; done
git bisect start HEAD HEAD~11
git bisect run sh -c 'test $(cat n) -lt 8; exit $?'
git bisect log
cd ..; rm -rf repo
exit 34
"""

PACKAGE = r"""
set -e
mkdir -p p/DEBIAN p/usr/share/made "$PWD/admin/updates" "$PWD/admin/info" "$PWD/root"
: > admin/status; : > admin/available
printf '%s\n' 'Package: made' 'Version: 1.0' 'Architecture: all' 'Maintainer: a <a@example.org>' > p/DEBIAN/control
echo 'Description: made here' >> p/DEBIAN/control
printf '#!/bin/sh\necho "$0 $*" | sed "s,.*/,,"; ls /does/not/exist; exit 0\n' > p/DEBIAN/postinst
cp p/DEBIAN/postinst p/DEBIAN/prerm; chmod 755 p/DEBIAN/p*
seq 10000 > p/usr/share/made/numbers
touch -d @0 p/usr/share/made/numbers
fakeroot sh -c 'chown -R 12:34 p/usr; stat -c %u:%g p/usr/share/made/numbers; dpkg-deb -Zgzip -b p made.deb'
dpkg-deb -c made.deb | awk '{print $1, $2, $3, $6}'
d="dpkg --instdir=$PWD/root --admindir=$PWD/admin --force-script-chrootless --force-not-root --log=/dev/null"
$d -i made.deb
$d -L made
wc -l root/usr/share/made/numbers
$d -r made
$d -i /does/not/exist.deb || echo "status $?"
rm -rf p made.deb admin root
exit 35
"""


class Build(UnwatchedTest):
    def test_cmake_with_ninja(self):
        need("cc", "build-essential")

        def before(work):
            project(work, 4)
            (work / "CMakeLists.txt").write_text(CMAKE)

        def lines(data):
            return sorted(re.sub(rb"[0-9.]+ *s(ec)?\b|\[[0-9/]+\]", b"", data).split(b"\n"))

        script = "cmake -G Ninja -S . -B build && ninja -C build -j 2 && ctest --test-dir build && build/program"
        need("cmake", "cmake")
        need("ninja", "ninja-build")
        self.compare(["sh", "-c", script], before=before, status=0, files=False, timeout=200, but=lines)

    def test_configure_and_make(self):
        """Of zlib, whose sources the build has."""
        told = re.search("^PILLION_DEPENDENCY_SOURCES:.*=(.*)$", (pillion.BUILD / "CMakeCache.txt").read_text(), re.M)
        self.assertIsNotNone(told, "the build tree does not say where zlib's sources are: configure it again")
        source = pathlib.Path(told.group(1), "zlib")
        self.assertTrue((source / "configure").exists(), source)
        script = "./configure --static && make -s libz.a example minigzip && ./example && ./minigzip < zlib.h | wc -c"
        self.compare(["sh", "-c", script], before=lambda work: shutil.copytree(source, work, dirs_exist_ok=True),
                     status=0, files=False, timeout=200, rows=5)

    def test_git_bisect(self):
        need("git", "git")
        self.compare(["bash", "-c", BISECT], status=34, timeout=100)


class Packages(UnwatchedTest):
    def test_a_package_is_made_installed_and_removed(self):
        need("dpkg-deb", "dpkg")
        need("fakeroot", "fakeroot")
        done = self.compare(["sh", "-c", PACKAGE], status=35, timeout=100)
        self.assertIn(b"12:34\n", done[HOOK].result.stdout)


if __name__ == "__main__":
    pillion.main()
