# SPDX-License-Identifier: Apache-2.0
"""All packages, in systems where nothing else of pillion is: an empty Debian 11, 12 and 13, an rpm root, one with musl
alone. Installed, used, replaced under a running leader, removed without a trace, and not removed while
/etc/ld.so.preload names them."""
import hashlib
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
from test_packages import tree_of  # noqa: E402

VERSION = re.search(r"^project\(pillion VERSION ([0-9.]+)", (pillion.SOURCE / "CMakeLists.txt").read_text(), re.M).group(1)
NEWER = "99.0.0"
FIXED = "/usr/lib/pillion/libpillion.so"
MAPS = "grep -o '[^/]*/libpillion[a-z-]*.so' /proc/$$/maps | sort -u"
# What the package managers themselves write down.
THEIRS = ("proc", "dev", "tmp", "state", "pillion", "packages", "var/lib/dpkg", "var/log", "var/lib/rpm", "var/cache",
          "etc/ld.so.cache", "usr/lib/sysimage", "root/.rpmdb")


def make(*words, **environment):
    done = subprocess.run([str(pillion.SOURCE / "tools/package"), *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, CI="true", **environment))
    if done.returncode:
        raise AssertionError("tools/package %s: %s" % (words, done.stdout[-3000:]))
    return done.stdout


def setUpModule():
    global dist, newer
    if os.geteuid() != 0:
        raise unittest.SkipTest("empty systems are made by root")
    dist, newer = pillion.fresh_folder("pillion-dist-"), pillion.fresh_folder("pillion-dist-")
    make(dist)
    make("--arch", "x86_64", "--builds", "build/package", "--version", NEWER, newer)


def only(folder, pattern):
    found = list(folder.glob(pattern))
    assert len(found) == 1, (pattern, found)
    return found[0]


class System:
    """A copy of a root, for as long as a test takes. What is mounted is seen by each call alone."""

    def __init__(self, test, root):
        self.test, self.root = test, test.tmp / "root"
        subprocess.run(["cp", "-a", str(root), str(self.root)], check=True)
        self.state, nothing = test.tmp / "system-state", test.tmp / "nothing"
        nothing.mkdir()
        self.state.mkdir()
        self.enter = roots.entrance(self.root, nothing, self.state)
        (self.root / "packages").mkdir()

    def start(self, *argv, **environment):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "PILLION_DIR": roots.STATE, "PILLION_INTERVAL": "0.1",
               "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        program = pillion.start(argv, preload=False, env=dict(env, **environment), cwd="/", preexec_fn=self.enter)
        self.test.addCleanup(lambda: program.ended() or program.kill())
        return program

    def call(self, *argv, status=0, **environment):
        result = self.start(*argv, **environment).wait(120)
        self.test.assertEqual(result.status, status, result)
        return (result.stdout + result.stderr).decode(errors="replace")

    def take(self, path):
        """A file of ours to be seen there; its path in the root."""
        shutil.copy(path, self.root / "packages")
        return "/packages/" + path.name

    def files(self):
        return tree_of_system(self.root)

    def assertAsBefore(self, before):
        after = self.files()
        self.test.assertEqual({path: (before.get(path), after.get(path)) for path in set(before) | set(after)
                               if before.get(path) != after.get(path)}, {})

    def runs(self):
        return pillion.runs(self.state)


def tree_of_system(root):
    found = {}
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        folders[:] = [name for name in folders if os.path.normpath(os.path.join(below, name)) not in THEIRS]
        for name in folders + files:
            path = os.path.join(folder, name)
            short = os.path.normpath(os.path.join(below, name))
            if short not in THEIRS and "__pycache__" not in short:
                found[short] = os.readlink(path) if os.path.islink(path) else os.stat(path).st_mode
    return found


class Kept(unittest.TestCase):
    """The files themselves."""

    maxDiff = None

    def test_the_same_commit_gives_the_same_bytes(self):
        again = pillion.fresh_folder("pillion-dist-")
        make("--builds", "build/package", again, TMPDIR=str(again.parent))
        self.assertEqual(tree_of(again), tree_of(dist))
        self.assertEqual(len(list(dist.iterdir())), 9)

    def test_lintian_has_nothing_to_say(self):
        for package in dist.glob("*.deb"):
            done = subprocess.run([roots.need("lintian", "lintian"), "--allow-root", "--fail-on", "error,warning", str(package)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), package.name)

    def test_the_sums_are_signed_where_a_key_is_given(self):
        home = pillion.fresh_folder("pillion-gpg-")
        env = dict(os.environ, GNUPGHOME=str(home))
        who = "Release <release@example.org>"
        subprocess.run([roots.need("gpg", "gpg"), "--batch", "--passphrase", "", "--quick-generate-key", who, "ed25519", "sign"], env=env, check=True,
                       stderr=subprocess.DEVNULL)
        signed = pillion.fresh_folder("pillion-dist-")
        make("--arch", "x86_64", "--builds", "build/package", signed, GNUPGHOME=str(home), PILLION_SIGNING_KEY=who)
        for content, status in ((None, 0), ("another\n", 1)):
            if content:
                (signed / "SHA256SUMS").write_text(content)
            done = subprocess.run(["gpg", "--batch", "--verify", "SHA256SUMS.asc", "SHA256SUMS"], cwd=signed, env=env, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, status, done.stderr)
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)

    def test_each_machine_has_its_own_and_arm_is_arm(self):
        for arch, machine in (("x86_64", "X86-64"), ("aarch64", "AArch64")):
            folder = pillion.fresh_folder("pillion-arch-")
            subprocess.run(["tar", "-xzf", str(only(dist, "*-%s.tar.gz" % arch)), "-C", str(folder)], check=True)
            for name in ("pillion", "libpillion.so", "libpillion-engine.so"):
                file = only(folder, "*/lib/pillion/*/" + name)
                head = subprocess.run(["readelf", "-h", str(file)], stdout=subprocess.PIPE, check=True, text=True).stdout
                self.assertIn(machine, head, file)
            if arch == "aarch64":
                done = subprocess.run([roots.need("qemu-aarch64-static", "qemu-user-static"), "-L", "/usr/aarch64-linux-gnu",
                                       str(only(folder, "*/lib/pillion/*/pillion")), "--version"], stdout=subprocess.PIPE, text=True)
                self.assertIn("pillion " + VERSION, done.stdout)

    def test_the_client_of_each_package_is_found_by_pkg_config_and_linked(self):
        for name, unpack, lib in (("*_amd64.deb", "dpkg-deb -x %s .", "lib"), ("*.x86_64.rpm", "rpm2cpio %s | cpio -id --quiet", "lib64")):
            folder = pillion.fresh_folder("pillion-client-")
            subprocess.run(unpack % only(dist, name), shell=True, cwd=folder, check=True)
            env = dict(os.environ, PKG_CONFIG_PATH="%s/usr/%s/pkgconfig" % (folder, lib), LD_LIBRARY_PATH="%s/usr/%s" % (folder, lib))
            flags = subprocess.run([roots.need("pkg-config", "pkg-config"), "--cflags", "--libs", "pillion-sentinel"], env=env, check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.split()
            self.assertIn("-L%s/usr/%s" % (folder, lib), [os.path.normpath(flag) if flag[:2] != "-L" else "-L" + os.path.normpath(flag[2:]) for flag in flags])
            subprocess.run(["cc", "-o", "consumer", str(pillion.SOURCE / "tests/install/consumer/main.c"), *flags], cwd=folder, check=True)
            self.assertEqual(subprocess.run([folder / "consumer"], env=env, stdout=subprocess.PIPE).stdout, b"refused\n")
            config = (folder / ("usr/%s/cmake/pillion/pillion-targets-release.cmake" % lib)).read_text()
            for path in re.findall(r'"\$\{_IMPORT_PREFIX\}(/[^"]+)"', config):
                self.assertTrue((folder / "usr" / path[1:]).exists(), path)


class Installed(pillion.PillionTest):
    needs_build = False

    def use(self, system):
        """From the package to a page of an own program's run, in two commands; and a program with the preload."""
        pillion.remove_folder(system.state)
        system.state.mkdir()
        self.assertIn("exit 4", system.call("pillion", "run", "--summary", "--", "sh", "-c", "sleep 0.3; exit 4", status=4))
        self.assertIn("page.html", system.call("pillion", "report", "-o", "/state/page.html"))
        self.assertIn("<html", (system.state / "page.html").read_text())
        self.assertEqual(system.call("sh", "-c", "sleep 0.2; exit 3", status=3, LD_PRELOAD=FIXED), "")
        self.assertEqual([run["exit_code"] for run in system.runs()], [4, 3])
        self.assertIn("LD_PRELOAD=%s$" % FIXED, system.call("pillion", "env"))
        self.assertIn("ok", system.call("pillion", "doctor", LD_PRELOAD=FIXED))

    def replace(self, system, command, to_newer):
        """Under a running leader, and beside programs that begin and end all the time."""
        pillion.remove_folder(system.state)
        system.state.mkdir()
        old, new = self.folders(system), None
        go = "while [ ! -e /state/go ]; do sleep 0.05; done"
        script = "%s; sh -c \"$1; exit\"; %s; echo own; exec sh -c \"$1; sleep 0.2; exit 3\"" % (go, MAPS)
        leader = system.start("sh", "-c", script, "sh", MAPS, LD_PRELOAD=FIXED)
        pillion.wait_for(lambda: pillion.is_leader(leader.pid), what="a leader")
        loop = system.start("sh", "-c", "n=0; while [ ! -e /state/go ]; do LD_PRELOAD=%s /bin/true || exit 9; n=$((n+1)); done; echo $n"
                            % FIXED, PILLION_DIR="/state/loop")
        system.call(*command)
        (system.state / "go").write_text("")
        ended, looped = leader.wait(), loop.wait()
        self.assertEqual((ended.status, ended.stderr), (3, b""), ended)
        self.assertEqual((looped.status, looped.stderr), (0, b""), looped)
        new = self.folders(system)
        self.assertEqual((len(old), len(new)), (1, 1), (old, new))
        self.assertTrue((new if to_newer else old)[0].startswith(NEWER), (old, new))
        self.assertEqual(ended.stdout.decode().split(),
                         [new[0] + "/libpillion.so", old[0] + "/libpillion-engine.so", old[0] + "/libpillion.so", "own",
                          new[0] + "/libpillion-engine.so", new[0] + "/libpillion.so"])
        self.assertEqual([(run["state"], run["exit_code"]) for run in system.runs()], [("local", 3)])
        runs = pillion.runs(system.state / "loop")
        self.assertEqual((len(runs), {run["state"] for run in runs}), (int(looped.stdout), {"local"}))
        self.assertEqual(os.readlink(system.root / FIXED[1:]), new[0] + "/libpillion.so")

    def folders(self, system):
        return [path.name for path in (system.root / "usr/lib/pillion").iterdir() if path.is_dir()]

    def refuse(self, system, *command):
        """While every program is to load it, whatever name the list has for it, nothing is removed."""
        preload = system.root / "etc/ld.so.preload"
        (system.root / "usr/lib/site.so").symlink_to(FIXED)
        before = system.files()
        for line in (FIXED + "\n", "# ours\n/usr/lib/site.so\n", "/lib/none.so:%s # end" % FIXED, "# one\n# %s\n" % FIXED):
            preload.write_text(line)
            result = system.start(*command).wait(120)
            self.assertNotEqual(result.status, 0, result)
            self.assertIn(b"/etc/ld.so.preload names", result.stdout + result.stderr)
            self.assertIn(b"Take that line out first; nothing was removed.", result.stdout + result.stderr)
        preload.write_text("")
        self.assertEqual({path for path in before if "pillion" in path}, {path for path in system.files() if "pillion" in path})
        preload.unlink()
        (system.root / "usr/lib/site.so").unlink()

    def debian(self, suite):
        system = System(self, roots.debian(suite))
        (system.root / "etc/ld.so.preload").unlink(missing_ok=True)  # a place that roots.py prepares
        for name in ("libpillion.so", "libpillion-engine.so"):
            (system.root / "usr/lib" / name).unlink(missing_ok=True)
        before = system.files()
        one, two = system.take(only(dist, "*_amd64.deb")), system.take(only(newer, "*_amd64.deb"))
        system.call("dpkg", "-i", one)
        self.use(system)
        self.assertEqual(system.call("dpkg", "-V", "pillion"), "")
        self.replace(system, ("dpkg", "-i", two), True)
        self.replace(system, ("dpkg", "-i", "--force-downgrade", one), False)
        system.call("dpkg", "-i", one)  # the same once more
        self.use(system)
        self.refuse(system, "dpkg", "-r", "pillion")
        self.use(system)
        system.call("dpkg", "--purge", "pillion")
        system.assertAsBefore(before)

    def test_a_deb_on_debian_11(self):
        self.debian("bullseye")

    def test_a_deb_on_debian_12(self):
        self.debian("bookworm")

    def test_a_deb_on_debian_13(self):
        self.debian("trixie")

    def test_an_upgrade_with_every_program_preloaded(self):
        """dpkg and its scripts too: not one of them complains."""
        system = System(self, roots.debian("bookworm"))
        system.call("dpkg", "-i", system.take(only(dist, "*_amd64.deb")))
        (system.root / "etc/ld.so.preload").write_text(FIXED + "\n")
        for package in (only(newer, "*_amd64.deb"), only(dist, "*_amd64.deb")):
            self.assertNotIn("ld.so", system.call("dpkg", "-i", "--force-downgrade", system.take(package)))
        self.assertGreaterEqual(len(system.runs()), 2)
        self.assertEqual({run["state"] for run in system.runs()}, {"local"})

    def rpm(self, system):
        return [roots.need("rpm", "rpm"), "--root", str(system.root), "--dbpath", "/var/lib/rpm", "--nodeps"]

    def outside(self, system):
        """rpm itself is this machine's, and goes into the root by itself."""
        outside = System.__new__(System)
        outside.test, outside.root, outside.state, outside.enter = self, system.root, system.state, roots.apart
        return outside

    def test_an_rpm(self):
        system = System(self, roots.debian("bookworm"))
        (system.root / "etc/ld.so.preload").unlink(missing_ok=True)
        for name in ("libpillion.so", "libpillion-engine.so"):
            (system.root / "usr/lib" / name).unlink(missing_ok=True)
        rpm, outside, before = self.rpm(system), self.outside(system), system.files()

        def call(*words):
            outside.call(*rpm, *words)
        call("-i", str(only(dist, "*.x86_64.rpm")))
        self.use(system)
        self.hand_over(system, outside, (*rpm, "-U", str(only(newer, "*.x86_64.rpm"))), True)
        self.hand_over(system, outside, (*rpm, "-U", "--oldpackage", str(only(dist, "*.x86_64.rpm"))), False)
        self.use(system)
        self.refuse_outside(system, outside, (*rpm, "-e", "pillion"))
        call("-e", "pillion")
        system.assertAsBefore(before)

    def hand_over(self, system, outside, command, to_newer):
        call, system.call = system.call, outside.call
        try:
            self.replace(system, command, to_newer)
        finally:
            system.call = call

    def refuse_outside(self, system, outside, command):
        start, system.start = system.start, outside.start
        try:
            self.refuse(system, *command)
        finally:
            system.start = start

    def unpack(self, system, folder):
        subprocess.run(["tar", "-xzf", str(only(folder, "*-x86_64.tar.gz")), "-C", str(system.root / "packages")], check=True)
        return "/packages/pillion-%s-x86_64/install.sh" % (NEWER if folder == newer else VERSION)

    def test_an_archive_on_debian_12(self):
        system = System(self, roots.debian("bookworm"))
        (system.root / "etc/ld.so.preload").unlink(missing_ok=True)
        before = system.files()
        one, two = self.unpack(system, dist), self.unpack(system, newer)
        system.call(one)
        self.use(system)
        self.replace(system, (two,), True)
        self.replace(system, (one,), False)
        self.refuse(system, "sh", "/usr/lib/pillion/install.sh", "--uninstall")
        system.call("sh", "/usr/lib/pillion/install.sh", "--uninstall")
        system.assertAsBefore(before)

    def test_an_archive_where_a_package_is_and_the_other_way_round(self):
        system = System(self, roots.debian("bookworm"))
        system.call("dpkg", "-i", system.take(only(dist, "*_amd64.deb")))
        self.assertIn("remove that package first", system.call(self.unpack(system, newer), status=1))
        self.use(system)
        system.call("dpkg", "--purge", "pillion")
        system.call(self.unpack(system, newer))
        self.assertIn("install.sh --uninstall", system.call("dpkg", "-i", system.take(only(dist, "*_amd64.deb")), status=1))
        self.use(system)
        outside = self.outside(system)
        self.assertIn("install.sh --uninstall", outside.call(*self.rpm(system), "-i", str(only(dist, "*.x86_64.rpm")), status=1))
        self.use(system)

    def musl_root(self):
        root = roots.musl(self.tmp / "musl", {"sleeps": "#include <unistd.h>\nint main(void) { usleep(300000); return 5; }"})
        shutil.copy(roots.need("busybox", "busybox-static"), root / "bin/busybox")
        for folder in ("usr/lib", "usr/bin"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name in subprocess.run([root / "bin/busybox", "--list"], stdout=subprocess.PIPE, text=True).stdout.split():
            if not (root / "bin" / name).exists():
                (root / "bin" / name).symlink_to("busybox")
        return root

    def test_an_archive_and_a_layer_where_musl_is_alone(self):
        system = System(self, self.musl_root())
        before = system.files()
        one, two = self.unpack(system, dist), self.unpack(system, newer)
        system.call("sh", one)
        self.assertIn("pillion " + VERSION, system.call("pillion", "--version"))
        self.assertEqual(system.call("/bin/sleeps", status=5, LD_PRELOAD=FIXED), "")
        self.assertEqual(system.call("pillion", "run", "--", "/bin/sleeps", status=5), "")
        self.assertEqual([run["exit_code"] for run in system.runs()], [5, 5])
        self.assertIn("exit 5", system.call("pillion", "show"))
        system.call("sh", two)
        self.assertTrue(self.folders(system)[0].startswith(NEWER))
        self.assertEqual(system.call("/bin/sleeps", status=5, LD_PRELOAD=FIXED), "")
        system.call("sh", "/usr/lib/pillion/install.sh", "--uninstall")
        system.assertAsBefore(before)
        subprocess.run(["tar", "-xzf", str(only(dist, "*-layer-amd64.tar.gz")), "-C", str(system.root)], check=True)
        self.assertEqual(system.call("/bin/sleeps", status=5, LD_PRELOAD=FIXED), "")
        self.assertEqual(system.call("pillion", "run", "--", "/bin/sleeps", status=5), "")
        system.call("mkdir", "/volume")  # what an init container does
        system.call("cp", "-R", "/usr/lib/pillion/.", "/volume/")
        self.assertEqual(system.call("/bin/sleeps", status=5, LD_PRELOAD="/volume/libpillion.so"), "")
        self.assertEqual([run["exit_code"] for run in system.runs()], [5] * 6)

    def test_the_layer_in_debian_13(self):
        system = System(self, roots.debian("trixie"))
        subprocess.run(["tar", "-xzf", str(only(dist, "*-layer-amd64.tar.gz")), "-C", str(system.root)], check=True)
        self.use(system)

    def test_an_archive_on_debian_11(self):
        system = System(self, roots.debian("bullseye"))
        before = system.files()
        system.call(self.unpack(system, dist))
        self.use(system)
        system.call("sh", "/usr/lib/pillion/install.sh", "--uninstall")
        system.assertAsBefore(before)


if __name__ == "__main__":
    pillion.main()
