# SPDX-License-Identifier: Apache-2.0
"""Where configuring gets the libraries' archives, against a mirror and a release address of our own that lack files, cut
them short, send others, hang, or never come to an end. The lock and the archives are made here; apt is the real one."""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from places import Places, archive  # noqa: E402

SCRIPT = pathlib.Path(__file__).with_name("find_archives.cmake")
CMAKE = os.environ.get("CMAKE", "cmake")


class ArchiveTest(unittest.TestCase):
    def setUp(self):
        self.tmp = pillion.fresh_folder()
        self.cache = self.tmp / "cache"
        self.places = Places()
        self.addCleanup(self.places.close)
        self.lock = {"libraries": {}}
        self.apt = self.places.set_up_apt(self.tmp)
        for library in ("one", "two"):
            self.lock["libraries"][library] = {"title": library.title(), "archives": [
                self.archive(library, version) for version in ("2.0", "1.0")]}

    def archive(self, library, version):
        """Served by the mirror and at the release address."""
        content = archive((library + version).encode())
        debian, upstream = "%s_%s.orig.tar.gz" % (library, version), "%s-%s.tar.gz" % (library, version)
        self.places.files["/debian/pool/main/%s/%s" % (library, debian)] = content
        self.places.files["/upstream/" + upstream] = content
        return {"version": version, "name": debian, "sha256": hashlib.sha256(content).hexdigest(),
                "places": ["pool/main/%s/%s" % (library, debian), "%s/upstream/%s" % (self.places.url, upstream)]}

    def find(self, **environment):
        lock = self.tmp / "dependencies.lock"
        lock.write_text(json.dumps(self.lock))
        self.places.asked.clear()
        env = pillion.clean_env(APT_CONFIG=self.apt, **environment)
        return subprocess.run([CMAKE, "-Darchive_lock=%s" % lock, "-DCACHE=%s" % self.cache, "-Darchive_silent_seconds=2",
                               "-P", str(SCRIPT)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def found(self, done):
        """{library: which of the lock's}; what was found is unpacked, and is what the lock says."""
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = {}
        for name, index, digest in re.findall(r"^found (\w+) (\d+) (\w+)$", done.stderr, re.MULTILINE):
            found[name] = int(index)
            named = self.lock["libraries"][name]["archives"][int(index)]
            self.assertEqual(digest, named["sha256"])
            self.assertEqual((self.cache / "unpacked" / name / "text").read_text(), name + named["version"])
        return found

    def break_it(self, fault, place, library="one", versions=("2.0", "1.0")):
        for path in self.places.files:
            if path.startswith(place) and path.endswith(tuple(library + s + v + e for v in versions for s, e in (
                    ("_", ".orig.tar.gz"), ("-", ".tar.gz")))):
                self.places.faults[path] = fault


class Mirror(ArchiveTest):
    def test_the_newest_comes_from_the_mirror_that_apt_is_set_up_with(self):
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})
        self.assertEqual(self.places.asked, ["/debian/pool/main/%s/%s_2.0.orig.tar.gz" % (n, n) for n in ("one", "two")])

    def test_what_only_a_mirror_of_security_updates_has_is_found_there(self):
        content = self.places.files.pop("/debian/pool/main/one/one_2.0.orig.tar.gz")
        self.places.files["/debian-security/pool/updates/main/one/one_2.0.orig.tar.gz"] = content
        self.places.faults["/upstream/one-2.0.tar.gz"] = "lacks it"
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})


class Faults(ArchiveTest):
    FAULTS = ("lacks it", "cuts it short", "has another", "hangs", "is endless")

    def test_a_mirror_that_is_wrong_in_any_way_is_passed_over(self):
        for fault in self.FAULTS:
            with self.subTest(fault):
                pillion.remove_folder(self.cache)
                self.break_it(fault, "/debian/")
                self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})
                self.assertIn("/upstream/one-2.0.tar.gz", self.places.asked)
                self.assertEqual(list(self.cache.glob("archives/*.part*")), [])

    def test_an_older_one_is_taken_when_no_place_has_the_newest(self):
        for fault in self.FAULTS:
            with self.subTest(fault):
                pillion.remove_folder(self.cache)
                self.break_it(fault, "/", versions=["2.0"])
                done = self.find()
                self.assertEqual(self.found(done), {"one": 1, "two": 0})
                self.assertIn("one_2.0.orig.tar.gz, which comes before it, is at no place now", done.stdout)

    def test_when_no_place_has_any_one_message_tells_what_each_place_said(self):
        words = {"lacks it": ("404", "404"), "cuts it short": ("", ""), "has another": ("", "another file"),
                 "hangs": ("", "imeout"), "is endless": ("", "")}
        for fault, (mirror, upstream) in words.items():
            with self.subTest(fault):
                pillion.remove_folder(self.cache)
                self.break_it(fault, "/")
                done = self.find()
                self.assertNotEqual(done.returncode, 0)
                said = re.sub(r"\n +", " ", done.stderr)
                self.assertEqual(said.count("No place has an archive of One"), 1, said)
                for version in ("2.0", "1.0"):
                    self.assertRegex(said, re.escape("/debian/pool/main/one/one_%s.orig.tar.gz: " % version) + ".*" + mirror)
                    self.assertRegex(said, re.escape("/upstream/one-%s.tar.gz: " % version) + ".*" + upstream)
                self.assertIn("PILLION_ARCHIVES=FOLDER", said)
                self.assertEqual([file for file in self.cache.rglob("*") if file.is_file()], [])
                self.places.faults.clear()
                self.assertEqual(self.found(self.find()), {"one": 0, "two": 0}) # the next call asks again

    def test_a_place_out_of_reach_is_passed_over(self):
        (self.tmp / "sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/debian stable main\n")
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})
        self.assertEqual(self.places.asked, ["/upstream/one-2.0.tar.gz", "/upstream/two-2.0.tar.gz"])

    def test_without_apt_the_release_addresses_are_asked(self):
        (self.tmp / "bin").mkdir()
        for tool in (CMAKE, "sh"):
            (self.tmp / "bin" / pathlib.Path(tool).name).symlink_to(pillion.shutil.which(tool))
        self.assertEqual(self.found(self.find(PATH=self.tmp / "bin")), {"one": 0, "two": 0})
        self.assertEqual(self.places.asked, ["/upstream/one-2.0.tar.gz", "/upstream/two-2.0.tar.gz"])


class Kept(ArchiveTest):
    def test_what_the_cache_has_is_not_asked_for_again(self):
        self.found(self.find())
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})
        self.assertEqual(self.places.asked, [])

    def test_a_file_in_the_cache_that_is_not_what_its_name_says_is_fetched_again(self):
        self.found(self.find())
        digest = self.lock["libraries"]["one"]["archives"][0]["sha256"]
        (self.cache / "archives" / digest).write_bytes(b"spoiled")
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})
        self.assertEqual(self.places.asked, ["/debian/pool/main/one/one_2.0.orig.tar.gz"])

    def test_what_no_place_has_is_asked_for_once_a_day(self):
        self.break_it("lacks it", "/", versions=["2.0"])
        self.found(self.find())
        self.assertEqual(self.found(self.find()), {"one": 1, "two": 0})
        self.assertEqual(self.places.asked, [])
        self.places.faults.clear()
        mark = self.cache / "archives" / (self.lock["libraries"]["one"]["archives"][0]["sha256"] + ".absent")
        os.utime(mark, (mark.stat().st_mtime - 86401,) * 2)
        self.assertEqual(self.found(self.find()), {"one": 0, "two": 0})


class Folder(ArchiveTest):
    def setUp(self):
        super().setUp()
        self.folder = self.tmp / "archives"
        self.folder.mkdir()

    def put(self, name, served):
        (self.folder / name).write_bytes(self.places.files[served])

    def test_what_the_folder_has_is_taken_under_either_name_and_nobody_is_asked(self):
        self.put("one_1.0.orig.tar.gz", "/upstream/one-1.0.tar.gz")
        self.put("two-2.0.tar.gz", "/upstream/two-2.0.tar.gz")
        self.assertEqual(self.found(self.find(PILLION_ARCHIVES=self.folder)), {"one": 1, "two": 0})
        self.assertEqual(self.places.asked, [])

    def test_a_file_in_the_folder_with_another_content_is_passed_over(self):
        self.put("one_2.0.orig.tar.gz", "/upstream/two-2.0.tar.gz")
        self.assertEqual(self.found(self.find(PILLION_ARCHIVES=self.folder)), {"one": 0, "two": 0})
        self.break_it("lacks it", "/")
        pillion.remove_folder(self.cache)
        done = self.find(PILLION_ARCHIVES=self.folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("one_2.0.orig.tar.gz there has another SHA-256", re.sub(r"\n +", " ", done.stderr))

    def test_a_folder_that_is_not_there_is_said_and_the_other_places_are_asked(self):
        self.assertEqual(self.found(self.find(PILLION_ARCHIVES=self.tmp / "nothing")), {"one": 0, "two": 0})


class Lock(unittest.TestCase):
    """The one in the tree."""

    def test_each_library_has_good_archives_and_one_that_a_pool_serves(self):
        lock = json.loads((pillion.SOURCE / "tools/cmake/dependencies.lock").read_text())["libraries"]
        self.assertEqual(sorted(lock), ["c-ares", "cjson", "curl", "mbedtls", "zlib"])
        digests = [one["sha256"] for library in lock.values() for one in library["archives"]]
        self.assertEqual(len(digests), len(set(digests)))
        for name, library in lock.items():
            versions = [tuple(map(int, one["version"].split("."))) for one in library["archives"]]
            self.assertEqual(versions, sorted(versions, reverse=True), name)
            self.assertTrue(any(place.startswith("pool/") for one in library["archives"] for place in one["places"]), name)
            for one in library["archives"]:
                self.assertRegex(one["sha256"], r"\A[0-9a-f]{64}\Z")
                for place in one["places"]:
                    self.assertRegex(place, r"\A(pool/main/|https://)[^ ;]*%s" % re.escape(one["version"]))


if __name__ == "__main__":
    pillion.main()
