# SPDX-License-Identifier: Apache-2.0
"""Installs into a folder, moves it, and builds a user's program from there, as README tells users to."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["PILLION_SOURCE"])
BUILD = pathlib.Path(os.environ["PILLION_BUILD"])
CMAKE = os.environ.get("CMAKE", "cmake")
CC = os.environ.get("CC", "cc")
CONSUMER = pathlib.Path(__file__).with_name("consumer")


def run(*command, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          env=dict(os.environ, **environment))
    if done.returncode != 0:
        raise AssertionError("%s\n%s%s" % (" ".join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pillion-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        run(CMAKE, "--install", BUILD, "--prefix", cls.root / "first")
        # An installed tree may be copied to where it is wanted: nothing in it may know where it was made.
        cls.prefix = cls.root / "moved"
        (cls.root / "first").rename(cls.prefix)

    def test_all_files_are_in_their_places(self):
        for name in ("lib/libpillion.so", "lib/libpillion-engine.so", "bin/pillion", "include/pillion/sentinel.h",
                     "include/pillion/columns.h", "lib/libpillion-sentinel.a", "lib/libpillion-sentinel.so.0",
                     "lib/libpillion-sentinel.so", "lib/pkgconfig/pillion-sentinel.pc",
                     "lib/cmake/pillion/pillion-config.cmake", "share/doc/pillion/LICENSE",
                     "share/doc/pillion/pillion.spdx.json", "share/bash-completion/completions/pillion",
                     "share/zsh/site-functions/_pillion", "share/fish/vendor_completions.d/pillion.fish"):
            self.assertTrue((self.prefix / name).exists(), name)

    def test_every_man_page_is_installed(self):
        for page in (SOURCE / "tools" / "man").glob("*.[1-8]"):
            self.assertTrue((self.prefix / "share/man" / ("man" + page.suffix[1:]) / page.name).exists(), page.name)

    def test_no_file_names_the_folders_it_was_made_in(self):
        folders = [str(self.root / "first").encode(), os.fsencode(BUILD) + b"/", os.fsencode(SOURCE) + b"/"]
        for file in self.prefix.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                self.assertEqual([f for f in folders if f in content], [], file)

    def test_the_bill_of_materials_names_what_the_command_was_built_with(self):
        bill = json.loads((self.prefix / "share/doc/pillion/pillion.spdx.json").read_text())
        named = {package["name"]: package["versionInfo"] for package in bill["packages"]}
        own, libraries = run(self.prefix / "bin/pillion", "--version").splitlines()
        self.assertEqual(own, "pillion " + named.pop("pillion"))
        said = dict(part.split(" ") for part in libraries[len("with "):].split(", "))
        self.assertEqual({name.lower(): version for name, version in said.items()}, named)
        self.assertEqual(sorted(named), ["c-ares", "cjson", "curl", "mbedtls", "zlib"])
        linked = [one["relatedSpdxElement"] for one in bill["relationships"] if one["relationshipType"] == "STATIC_LINK"]
        self.assertEqual(sorted(linked), ["SPDXRef-" + name for name in sorted(named)])
        self.assertEqual(len({package["SPDXID"] for package in bill["packages"]}), len(bill["packages"]))
        lock = json.loads((SOURCE / "tools/cmake/dependencies.lock").read_text())["libraries"]
        for package in bill["packages"][1:]:
            good = {(one["version"], one["sha256"]) for one in lock[package["name"]]["archives"]}
            self.assertTrue(not package["checksums"] or
                            (package["versionInfo"], package["checksums"][0]["checksumValue"]) in good, package)
            self.assertEqual(package["licenseDeclared"], lock[package["name"]]["license"])

    def test_uninstall_leaves_no_trace_and_nothing_while_every_program_is_to_load_it(self):
        """In a folder of its own, by DESTDIR, so that the /etc/ld.so.preload is not this machine's."""
        root, hook = self.root / "system", "/usr/lib/libpillion.so"
        beside = root / "usr/share/doc/other"
        (root / "etc").mkdir(parents=True)
        beside.mkdir(parents=True)
        run(CMAKE, "--install", BUILD, "--prefix", "/usr", DESTDIR=str(root))
        self.assertTrue((root / "usr/bin/pillion").exists())
        preload = root / "etc/ld.so.preload"
        for line in (hook + "\n", "# one\n# %s\n" % hook, "# a comment\n/lib/other.so:%s" % hook, "/usr/lib/link.so /usr/lib/other.so\n"):
            (root / "usr/lib/link.so").unlink(missing_ok=True)
            (root / "usr/lib/link.so").symlink_to("libpillion.so")
            preload.write_text(line)
            with self.assertRaisesRegex(AssertionError, r"take\s+that\s+line\s+out\s+first"):
                run(CMAKE, "--build", BUILD, "--target", "uninstall", DESTDIR=str(root))
            self.assertTrue((root / "usr/lib/libpillion-engine.so").exists(), line)
        (root / "usr/lib/link.so").unlink()
        preload.write_text("# /usr/lib/libpillion-other.so\n")
        run(CMAKE, "--build", BUILD, "--target", "uninstall", DESTDIR=str(root))
        left = [str(path.relative_to(root)) for path in root.rglob("*")]
        self.assertEqual([path for path in left if "pillion" in path], [])
        self.assertTrue(beside.exists())
        with self.assertRaisesRegex(AssertionError, r"Nothing\s+was\s+installed\s+from\s+here"):
            run(CMAKE, "--build", BUILD, "--target", "uninstall")

    def test_a_consumer_is_built_by_find_package_and_runs(self):
        build = self.root / "cmake-build"
        run(CMAKE, "-S", CONSUMER, "-B", build, "-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DCMAKE_C_COMPILER=%s" % CC)
        run(CMAKE, "--build", build)
        self.assertEqual(run(build / "consumer"), "refused\n")
        self.assertEqual(run(build / "consumer-static"), "refused\n")

    def test_a_consumer_is_built_by_pkg_config_and_runs(self):
        self.assertTrue(shutil.which("pkg-config"), "pkg-config is missing: apt-get install pkg-config")
        flags = run("pkg-config", "--cflags", "--libs", "pillion-sentinel",
                    PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig")).split()
        run(CC, "-o", self.root / "consumer", CONSUMER / "main.c", *flags)
        self.assertEqual(run(self.root / "consumer", LD_LIBRARY_PATH=str(self.prefix / "lib")), "refused\n")


if __name__ == "__main__":
    unittest.main()
