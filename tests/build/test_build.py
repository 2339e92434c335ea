# SPDX-License-Identifier: Apache-2.0
"""The build once more, in another folder, with an empty cache, without any network, from a folder of archives: it works,
and makes the same bytes."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

CMAKE = os.environ.get("CMAKE", "cmake")
SHIPPED = ("lib/libpillion.so", "lib/libpillion-engine.so", "bin/pillion")
LEFT_OUT = shutil.ignore_patterns(".git", "build", "build-*", "__pycache__")


def settings():
    """What the build under test was configured with."""
    text = (pillion.BUILD / "CMakeCache.txt").read_text()
    return dict(re.findall(r"^(\w+):\w+=(.*)$", text, re.MULTILINE))


class Again(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.settings = settings()
        if cls.settings.get("PILLION_DEPS"):
            raise unittest.SkipTest("built from PILLION_DEPS, so there are no archives to build from again")
        cls.tmp = pillion.fresh_folder()
        cls.source, cls.build, cls.archives = cls.tmp / "elsewhere", cls.tmp / "made", cls.tmp / "archives"
        shutil.copytree(pillion.SOURCE, cls.source, ignore=LEFT_OUT)
        cls.archives.mkdir()
        cache = pathlib.Path(cls.settings["PILLION_DEPENDENCY_SOURCES"]).parents[1]
        bill = json.loads((pillion.BUILD / "pillion.spdx.json").read_text())
        wanted = {one["checksumValue"] for package in bill["packages"] for one in package["checksums"]}
        lock = json.loads((pillion.SOURCE / "tools/cmake/dependencies.lock").read_text())["libraries"]
        for library in lock.values():
            for one in library["archives"]:
                if one["sha256"] in wanted:
                    shutil.copy(cache / "archives" / one["sha256"], cls.archives / one["name"])
        cls.env = dict(os.environ, PILLION_ARCHIVES=str(cls.archives), PILLION_CACHE=str(cls.tmp / "cache"))
        cls.env.pop("PILLION_DEPS", None)

    def without_network(self, *command):
        done = subprocess.run(["unshare", "--map-root-user", "--net", *map(str, command)], env=self.env, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        return done.stdout

    def test_it_builds_from_a_folder_without_a_network_and_gives_the_same_bytes(self):
        same = ["-D%s=%s" % (name, self.settings[name]) for name in ("CMAKE_BUILD_TYPE", "PILLION_WERROR")]
        said = self.without_network(CMAKE, "-S", self.source, "-B", self.build, "-DPILLION_TESTS=OFF", *same)
        self.assertEqual(said.count(" from %s: " % self.archives), 5, said)
        self.without_network(CMAKE, "--build", self.build, "--parallel", os.cpu_count(), "--target", "pillion",
                             "pillion-engine", "pillion-cli")
        for name in SHIPPED:
            made = (self.build / name).read_bytes()
            self.assertEqual(made, (pillion.BUILD / name).read_bytes(), name + " differs")
            for folder in (self.tmp, pillion.SOURCE, pillion.BUILD):
                self.assertNotIn(os.fsencode(folder), made, name)


if __name__ == "__main__":
    pillion.main()
