# SPDX-License-Identifier: Apache-2.0
"""tools/update-dependencies against a mirror and a list of releases of our own."""
import hashlib
import json
import lzma
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from places import Places, archive  # noqa: E402

TOOL = pillion.SOURCE / "tools/update-dependencies"
PARAGRAPH = """Package: %s
Version: %s-1
Checksums-Sha256:
 %s 1 %s_%s.orig.tar.gz
Directory: pool/main/o/one
"""


class Update(unittest.TestCase):
    def setUp(self):
        self.tmp = pillion.fresh_folder()
        self.places = Places()
        self.addCleanup(self.places.close)
        self.apt = self.places.set_up_apt(self.tmp)
        self.old = {"version": "1.2.0", "name": "one_1.2.0.orig.tar.gz", "sha256": "0" * 64, "places": ["pool/x"]}
        self.lock = {"libraries": {"one": {
            "title": "One", "source": "one", "series": "1", "releases": self.places.url + "/releases",
            "upstream": self.places.url + "/upstream/one-{version}.tar.gz", "archives": [self.old]}}}
        self.index("stable", "1.1.0")
        self.index("testing")
        self.index("unstable", "1.3.0", "2.0.0", "1.4.0~rc1")
        self.places.files["/releases"] = json.dumps([{"tag_name": "v1.3.0"}, {"tag_name": "v9.9.9", "prerelease": True}]).encode()

    def index(self, suite, *versions):
        text = "\n".join(PARAGRAPH % ("one", version, self.digest(version), "one", version) for version in versions)
        self.places.files["/debian/dists/%s/main/source/Sources.xz" % suite] = lzma.compress(text.encode())

    def digest(self, version):
        return hashlib.sha256(archive(version.encode())).hexdigest()

    def serve(self, version, content=None):
        content = content or archive(version.encode())
        self.places.files["/debian/pool/main/o/one/one_%s.orig.tar.gz" % version] = content
        self.places.files["/upstream/one-%s.tar.gz" % version] = content

    def call(self, *words):
        lock = self.tmp / "lock"
        lock.write_text(json.dumps(self.lock))
        done = subprocess.run([sys.executable, str(TOOL), "--lock", str(lock), *words], capture_output=True, text=True,
                              env=pillion.clean_env(APT_CONFIG=self.apt), stdin=subprocess.DEVNULL)
        return done, json.loads(lock.read_text())["libraries"]["one"]["archives"]

    def test_the_newest_release_of_the_series_is_named_and_nothing_is_written(self):
        done, archives = self.call()
        self.assertEqual((done.returncode, archives), (1, [self.old]), done)
        self.assertIn("1.3.0 is newer", done.stdout)
        for other in ("2.0.0", "1.4.0", "9.9.9", "1.1.0"):
            self.assertNotIn(other, done.stdout)

    def test_write_puts_it_before_the_others_with_its_sum_and_places(self):
        self.serve("1.3.0")
        done, archives = self.call("--write")
        self.assertEqual((done.returncode, archives[1:]), (0, [self.old]), done)
        self.assertEqual(archives[0], {
            "version": "1.3.0", "name": "one_1.3.0.orig.tar.gz", "sha256": self.digest("1.3.0"),
            "places": ["pool/main/o/one/one_1.3.0.orig.tar.gz", self.places.url + "/upstream/one-1.3.0.tar.gz"]})
        self.assertIn("tools/check all", done.stdout)
        self.lock["libraries"]["one"]["archives"] = archives
        done, _ = self.call()
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing newer is known", done.stdout)

    def test_a_file_that_is_not_what_the_index_says_is_not_taken(self):
        self.serve("1.3.0", b"something else")
        del self.places.files["/upstream/one-1.3.0.tar.gz"]
        done, archives = self.call("--write")
        self.assertEqual((done.returncode, archives), (2, [self.old]), done)
        self.assertIn("not taken", done.stderr)

    def test_a_release_that_nobody_serves_gives_way_to_the_next(self):
        self.index("unstable", "1.5.0", "1.4.0")
        self.serve("1.4.0")
        done, archives = self.call("--write")
        self.assertEqual((done.returncode, archives[0]["version"]), (0, "1.4.0"), done)

    def test_places_that_do_not_answer_are_named_and_passed_over(self):
        self.places.faults["/releases"] = "lacks it"
        self.places.faults["/debian/dists/stable/main/source/Sources.xz"] = "has another"
        done, _ = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn("1.3.0 is newer", done.stdout)
        self.assertEqual(done.stderr.count("passed over"), 3, done.stderr) # security updates too: there are none here

    def test_an_unknown_library_is_a_wrong_call(self):
        done, _ = self.call("three")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no library three in the lock; it has one", done.stderr)


if __name__ == "__main__":
    pillion.main()
