# SPDX-License-Identifier: Apache-2.0
"""What tools/package makes of the build under test: its files, and install.sh, which installs, replaces under a running
leader, and removes. Whole systems with these packages are test_installed's."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

MACHINE = os.uname().machine
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}[MACHINE]
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/root")}


def call(*words, status=0, **environment):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", env=dict(ENV, **environment))
    if done.returncode != status:
        raise AssertionError("%s: status %d\n%s" % (" ".join(map(str, words)), done.returncode, done.stdout[-3000:]))
    return done.stdout


def tree_of(folder):
    """{path: mode and content, or where a link leads}"""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = "-> " + os.readlink(path)
        else:
            content = b"" if path.is_dir() else path.read_bytes()
            found[str(path.relative_to(folder))] = "%o %s" % (path.stat().st_mode, hashlib.sha256(content).hexdigest())
    return found


class Packages(pillion.PillionTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pillion.fresh_folder("pillion-packages-")
        cls.dist = cls.folder / "dist"
        builds = cls.folder / "builds"
        builds.mkdir()
        (builds / MACHINE).symlink_to(pillion.BUILD)
        if MACHINE == "x86_64":  # the command for musl; where it is not built, the other stands for it
            musl = pillion.SOURCE / "build/for/musl"
            (builds / "x86_64-musl").symlink_to(musl if (musl / "bin/pillion").exists() else pillion.BUILD)
        call(pillion.SOURCE / "tools/package", "--arch", MACHINE, "--builds", builds, "--version", "7.8.9", cls.dist, CI="true",
             SOURCE_DATE_EPOCH="1795344300")
        cls.archive = cls.dist / ("pillion-7.8.9-%s.tar.gz" % MACHINE)
        with tarfile.open(cls.archive) as archive:
            archive.extractall(cls.folder / "one")
        cls.one = next((cls.folder / "one").iterdir())
        cls.name = next((cls.one / "lib/pillion").iterdir()).name
        cls.two, cls.other_name = cls.folder / "two", "8.0.0-0badcafe"
        shutil.copytree(cls.one, cls.two, symlinks=True)
        (cls.two / "lib/pillion" / cls.name).rename(cls.two / "lib/pillion" / cls.other_name)
        (cls.two / "share/doc/pillion/LICENSE").rename(cls.two / "share/doc/pillion/COPYING")
        script = cls.two / "install.sh"
        script.write_text(script.read_text().replace(cls.name, cls.other_name).replace("7.8.9", "8.0.0"))

    def setUp(self):
        super().setUp()
        self.prefix = self.tmp / "prefix"
        self.hook = self.prefix / "lib/pillion/libpillion.so"

    def install(self, tree, *words, status=0):
        return call(tree / "install.sh", "--prefix", self.prefix, *words, status=status)

    def test_each_kind_is_there_and_has_its_sum(self):
        names = {"pillion_7.8.9_%s.deb" % DEBIAN, "pillion-7.8.9-1.%s.rpm" % MACHINE, self.archive.name,
                 "pillion-7.8.9-layer-%s.tar.gz" % DEBIAN, "SHA256SUMS"}
        self.assertEqual({path.name for path in self.dist.iterdir()}, names)
        for line in (self.dist / "SHA256SUMS").read_text().splitlines():
            total, name = line.split()
            names.remove(name)
            self.assertEqual(hashlib.sha256((self.dist / name).read_bytes()).hexdigest(), total)
        self.assertEqual(names, {"SHA256SUMS"})

    def test_the_layer_is_the_command_and_the_folder_and_nothing_else(self):
        with tarfile.open(self.dist / ("pillion-7.8.9-layer-%s.tar.gz" % DEBIAN)) as archive:
            members = {member.name: member for member in archive}
        for name, member in members.items():
            self.assertTrue(name == "usr/bin/pillion" or name == "usr/lib/pillion" or name.startswith("usr/lib/pillion/"), name)
            self.assertEqual((member.uid, member.gid, member.mtime), (0, 0, 1795344300), name)
        self.assertEqual(members["usr/lib/pillion/libpillion.so"].linkname, self.name + "/libpillion.so")
        self.assertEqual(members["usr/bin/pillion"].linkname, "../lib/pillion/pillion")
        self.assertTrue(members["usr/lib/pillion/" + members["usr/lib/pillion/pillion"].linkname].isreg())
        for name in ("libpillion.so", "libpillion-engine.so", "pillion"):
            self.assertTrue(members["usr/lib/pillion/%s/%s" % (self.name, name)].isreg(), name)

    def test_deb_and_rpm_have_the_same_files_in_their_own_places(self):
        listed = call("dpkg-deb", "--contents", self.dist / ("pillion_7.8.9_%s.deb" % DEBIAN)).splitlines()
        deb = {line.split()[5][1:] for line in listed if line[0] != "d"}
        rpm = set(call("rpm", "-qpl", "--noghost", self.dist / ("pillion-7.8.9-1.%s.rpm" % MACHINE)).split())
        for files in (deb, rpm):
            pages = {path.name for path in (pillion.SOURCE / "tools/man").glob("*.[1-8]")}
            self.assertEqual({path.rsplit("/", 1)[1][:-3] for path in files if "/share/man/" in path and path.endswith(".gz")}, pages)
            for name in ("/usr/bin/pillion", "/usr/lib/pillion/%s/libpillion.so" % self.name, "/usr/include/pillion/sentinel.h",
                         "/usr/lib/pillion/%s/libpillion-engine.so" % self.name, "/usr/share/doc/pillion/pillion.spdx.json",
                         "/usr/share/bash-completion/completions/pillion", "/usr/share/fish/vendor_completions.d/pillion.fish"):
                self.assertIn(name, files)
            # The names that stay are made by the packages' scripts, once what they lead to is there.
            self.assertFalse({"/usr/lib/pillion/libpillion.so", "/usr/lib/pillion/pillion"} & files)
        self.assertIn("/usr/lib/libpillion-sentinel.so.0", deb)
        self.assertIn("/usr/lib64/libpillion-sentinel.so.0", rpm)

    def test_the_pair_is_as_it_was_built_but_for_its_symbols(self):
        """By the same rules as the build's own."""
        tree = self.tmp / "build"
        (tree / "lib").mkdir(parents=True)
        for name in ("libpillion.so", "libpillion-engine.so"):
            shutil.copy(self.one / "lib/pillion" / self.name / name, tree / "lib")
        done = subprocess.run([sys.executable, "-m", "unittest", "test_hook.Hook"], cwd=pillion.SOURCE / "tests/elf", text=True,
                              env=dict(ENV, PILLION_BUILD=str(tree), PILLION_SOURCE=str(pillion.SOURCE)), stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_installed_makes_a_run_and_shows_it(self):
        self.assertIn("%s/bin/pillion run" % self.prefix, self.install(self.one))
        result = self.launch("sh", "-c", "sleep 0.1; exit 3", preload=False, env=self.env(LD_PRELOAD=str(self.hook)))
        self.assertEqual((result.status, result.stderr), (3, b""))
        self.assertEqual(self.only_run()["exit_code"], 3)
        command = self.prefix / "bin/pillion"
        self.assertEqual(self.launch(command, "run", "--", "sh", "-c", "exit 4", preload=False, env=self.env()).status, 4)
        self.assertIn(b"exit 4", self.launch(command, "show", "last", preload=False, env=self.env()).stdout)
        self.assertIn(b"LD_PRELOAD=%s$" % str(self.hook).encode(), self.launch(command, "env", preload=False, env=self.env()).stdout)

    def test_uninstall_leaves_no_trace_and_nothing_of_others(self):
        (self.prefix / "share/doc").mkdir(parents=True)
        (self.prefix / "share/doc/other").write_text("theirs")
        before = tree_of(self.prefix)
        self.install(self.one)
        call("sh", self.prefix / "lib/pillion/install.sh", "--uninstall")
        self.assertEqual(tree_of(self.prefix), before)
        self.assertIn("nothing was installed in", self.install(self.one, "--uninstall", status=1))

    def test_a_folder_of_another_package_is_left_alone(self):
        (self.prefix / "lib/pillion").mkdir(parents=True)
        self.hook.write_text("theirs")
        self.assertIn("remove that package first", self.install(self.one, status=1))
        self.assertEqual(len(tree_of(self.prefix)), 3)

    def test_another_version_takes_the_place_of_the_one_before(self):
        self.install(self.two)
        fresh = tree_of(self.prefix)
        self.install(self.one)
        self.assertEqual(os.readlink(self.hook), self.name + "/libpillion.so")
        self.assertFalse((self.prefix / "lib/pillion" / self.other_name).exists())
        self.install(self.two)
        self.assertEqual(tree_of(self.prefix), fresh)
        self.install(self.two)
        self.assertEqual(tree_of(self.prefix), fresh)

    def test_upgrade_and_downgrade_under_a_running_leader(self):
        """It goes on with what it has loaded, what it starts is its passenger, and its exec in place loads the new pair.
        Whatever else is started meanwhile, with the preload, has a run and not a word on stderr."""
        self.install(self.one)
        maps = "grep -o '[^/]*/libpillion[a-z-]*.so' /proc/$$/maps | sort -u"
        go = 'while [ ! -e "$HOME/go" ]; do sleep 0.05; done'
        script = "%s; sh -c \"$1; exit\"; %s; echo own; exec sh -c \"$1; sleep 0.2; exit 3\"" % (go, maps)
        for tree, old, new in ((self.two, self.name, self.other_name), (self.one, self.other_name, self.name)):
            with self.subTest(new):
                pillion.remove_folder(self.dir)
                (self.home / "go").unlink(missing_ok=True)
                env = self.env(LD_PRELOAD=str(self.hook), PILLION_INTERVAL="0.1")
                leader = self.start("sh", "-c", script, "sh", maps, preload=False, env=env)
                pillion.wait_for(lambda: pillion.is_leader(leader.pid), what="a leader")
                loop = self.start("sh", "-c", 'n=0; while [ ! -e "$HOME/go" ]; do LD_PRELOAD=%s /bin/true || exit 9; n=$((n+1)); done; echo $n'
                                  % self.hook, preload=False, env=self.env(PILLION_DIR=str(self.tmp / "loop")))
                self.install(tree)
                (self.home / "go").write_text("")
                ended, looped = leader.wait(), loop.wait()
                self.assertEqual((ended.status, ended.stderr), (3, b""), ended)
                self.assertEqual((looped.status, looped.stderr), (0, b""), looped)
                self.assertEqual(ended.stdout.decode().split(),
                                 [new + "/libpillion.so", old + "/libpillion-engine.so", old + "/libpillion.so", "own",
                                  new + "/libpillion-engine.so", new + "/libpillion.so"])
                self.assertEqual((self.only_run()["state"], self.only_run()["exit_code"]), ("local", 3))
                runs = pillion.runs(self.tmp / "loop")
                self.assertEqual(len(runs), int(looped.stdout))
                self.assertEqual({run["state"] for run in runs}, {"local"})
                pillion.remove_folder(self.tmp / "loop")

    def test_install_says_in_a_sentence_what_is_wrong(self):
        self.assertIn("--prefix needs a folder", call(self.one / "install.sh", "--prefix", status=1))
        self.assertIn("Install pillion 7.8.9", call(self.one / "install.sh", "--help"))
        bare = self.tmp / "bare"
        bare.mkdir()
        shutil.copy(self.one / "install.sh", bare)
        self.assertIn("unpack the archive anew", call(bare / "install.sh", "--prefix", self.prefix, status=1))
        script = bare / "install.sh"
        shutil.copytree(self.one / "lib", bare / "lib", symlinks=True)
        script.write_text(re.sub("arch=%s" % MACHINE, "arch=sparc", script.read_text()))
        self.assertIn("this is for sparc", call(script, "--prefix", self.prefix, status=1))
        self.assertFalse(self.prefix.exists())
        none = self.tmp / "none"
        shutil.copytree(self.one, none, symlinks=True)
        for command in none.glob("lib/pillion/*/**/pillion"):
            command.write_text("#!/nonexistent\n")
        self.assertIn("the command pillion does not run here", self.install(none))
        self.assertEqual(self.launch("sh", "-c", "exit 3", preload=False, env=self.env(LD_PRELOAD=str(self.hook))).status, 3)
        self.assertEqual(self.only_run()["exit_code"], 3)


if __name__ == "__main__":
    pillion.main()
