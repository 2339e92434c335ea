# SPDX-License-Identifier: Apache-2.0
"""Both commands of the README in an empty Debian 12 with an empty cache, as somebody does who has just cloned the tree. Its
mirror is a server of ours before the one that apt is set up with: whole first, then with a fault in one archive."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("support", "systems")]
import pillion  # noqa: E402
import roots  # noqa: E402
from places import Places  # noqa: E402

SUITE = "bookworm"
TREE = "opt/pillion"
LEFT_OUT = shutil.ignore_patterns(".git", "build", "build-*", "__pycache__")


class Newcomer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("an empty Debian is made by root")
        cls.places = Places()
        cls.addClassCleanup(cls.places.close)
        cls.places.behind = roots.repositories()[0].rsplit("/", 1)[0]
        cls.root = pillion.fresh_folder("pillion-newcomer-")
        done = subprocess.run([roots.need("debootstrap", "debootstrap"), "--variant=minbase", SUITE, str(cls.root),
                               cls.places.url + "/debian"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise unittest.SkipTest("no root of Debian %s: %s" % (SUITE, done.stdout[-500:].decode(errors="replace")))
        shutil.copytree(pillion.SOURCE, cls.root / TREE, ignore=LEFT_OUT)
        os.chmod(cls.root, 0o755)

    def call(self, command, **environment):
        """In the root, which is a mount, as a system's is, and has others of its own as long as the command takes."""
        script = ("mount --make-rprivate / && mount --bind . . && cd \"$PWD\" && mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys && "
                  "exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CI=true %s sh -c 'cd /%s && %s'"
                  % (" ".join("%s=%s" % pair for pair in environment.items()), TREE, command))
        return subprocess.run(["unshare", "--mount", "sh", "-c", script], cwd=str(self.root), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def test_1_quickstart_builds_and_shows_a_run(self):
        self.places.asked.clear()
        done = self.call("tools/quickstart")
        type(self).asked_at_first = list(self.places.asked)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])
        self.assertIn("Done. Next:", done.stdout)

    def archive(self, library):
        """The path on the mirror of the archive that the first call took."""
        asked = [path for path in self.asked_at_first if re.search(r"/pool/.*/%s_[^/]*\.orig\.tar" % library, path)]
        self.assertTrue(asked, "nothing of %s was asked for" % library)
        return asked[-1]

    def test_2_a_mirror_that_has_a_fault_is_passed_over(self):
        for number, (library, fault) in enumerate((("curl", "lacks it"), ("mbedtls", "cuts it short"),
                                                   ("cjson", "has another"), ("zlib", "hangs"))):
            with self.subTest("%s: %s" % (library, fault)):
                self.places.faults = {self.archive(library): fault}
                done = self.call("rm -rf build && tools/quickstart", PILLION_CACHE="/var/cache/fault%d" % number)
                self.assertEqual(done.returncode, 0, done.stdout[-3000:])
                self.assertIn("which comes before it, is at no place now", done.stdout)
                self.assertIn("Done. Next:", done.stdout)

    def test_3_a_mirror_without_any_archive_of_a_library_is_one_clear_message(self):
        self.places.faults = AllThat(re.compile(r"/pool/.*/c-ares_"))
        done = self.call("rm -rf build && tools/quickstart", PILLION_CACHE="/var/cache/none")
        self.places.faults = {}
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout.count("No place has an archive of c-ares"), 1, done.stdout[-3000:])
        self.assertIn("PILLION_ARCHIVES=FOLDER", done.stdout)

    def test_4_check_passes(self):
        done = self.call("tools/check")
        failed = done.stdout.partition("***Failed")[2]
        self.assertEqual(done.returncode, 0, failed[:20000] or done.stdout[-6000:])
        self.assertIn("100% tests passed", done.stdout)


class AllThat(dict):
    """{every path that the pattern finds: lacks it}"""

    def __init__(self, pattern):
        super().__init__()
        self.pattern = pattern

    def get(self, path, default=None):
        return "lacks it" if self.pattern.search(path) else default


if __name__ == "__main__":
    pillion.main()
