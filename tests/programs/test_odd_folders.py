# SPDX-License-Identifier: Apache-2.0
"""What is made beside a program, with which modes, and what its thread keeps of the places where the program was."""
import errno
import fcntl
import os
import pathlib
import shutil
import stat
import subprocess
import threading
import time

from compare import HOOK, NONE, RUN, UnwatchedTest, need, pillion, program
from test_odd_files import ALONE, may, root_only

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
WAYS = (HOOK, RUN)
FALLBACK = "/tmp/pillion-%d" % ALONE


def modes_below(folder):
    """{path: mode} of all that stands below, set-group-ID left out."""
    return {path.relative_to(folder).as_posix(): stat.S_IMODE(path.lstat().st_mode) & 0o777
            for path in sorted(folder.rglob("*"))}


@root_only
class Made(UnwatchedTest):
    """By a user: root may enter any folder."""

    def setUp(self):
        for place in (FALLBACK, FALLBACK.replace("/tmp", "/dev/shm"), "/tmp/.pillion-%d" % ALONE):
            self.addCleanup(shutil.rmtree, place, ignore_errors=True)

    def runs_of(self, how, argv, preexec_fn=None, **env):
        env = dict({"PILLION_DIR": None, "XDG_STATE_HOME": None}, **env)
        done = self.one_way(how, argv, uid=ALONE, env=env, preexec_fn=preexec_fn)
        self.assertEqual((done.result.status, done.result.stderr), (0, b""), done.result)
        return done

    def test_no_umask_decides_over_modes(self):
        for how in WAYS:
            for mask in (0o177, 0o777):
                with self.subTest(how=how, mask=oct(mask)):
                    done = self.runs_of(how, ["sh", "-c", "umask 0; sleep 0.1"], PILLION_OUTPUT="rows.csv",
                                        preexec_fn=lambda: os.umask(mask) and None)
                    run, = pillion.runs(self.home / ".local/state/pillion")
                    self.assertEqual(run["state"], "local")
                    for path, mode in modes_below(self.home).items():
                        self.assertEqual(mode, 0o700 if (self.home / path).is_dir() else 0o600, path)
                    self.assertEqual(done.files["rows.csv"][0], oct(0o100666 & ~mask), "the user's own file")

    def test_a_home_that_is_not_there_is_not_made(self):
        for how, name in ((HOOK, "missing"), (HOOK, "missing/too"), (RUN, "missing/too")):
            with self.subTest(how=how, home=name):
                shutil.rmtree(FALLBACK, ignore_errors=True)
                self.runs_of(how, ["sleep", "0.1"], HOME=self.home / name, XDG_STATE_HOME=self.home / "state")
                self.assertEqual(modes_below(self.home), {})
                self.assertEqual([run["state"] for run in pillion.runs(FALLBACK)], ["local"])

    def test_a_state_home_that_is_not_there_gives_way_to_the_home(self):
        self.runs_of(HOOK, ["sleep", "0.1"], XDG_STATE_HOME=self.home / "state")
        self.assertEqual([run["state"] for run in pillion.runs(self.home / ".local/state/pillion")], ["local"])
        self.assertFalse((self.home / "state").exists())


@root_only
class Left(UnwatchedTest):
    """A mount that the program was in, or had files of, can be unmounted once it has left."""

    def leaves(self, script, redirections="", **env):
        """`script` is the program's, and begins in the mount $0."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        place = self.tmp / "place"
        place.mkdir(exist_ok=True)
        for way in ("", "env LD_PRELOAD=$HOOK", "$COMMAND run --"):
            with self.subTest(way):
                shell = 'mount -t tmpfs none "$0" && cd "$0" && exec %s sh -c \'%s\' "$0" %s' % (way, script, redirections)
                done = self.one_way(NONE, ["unshare", "-m", "sh", "-c", shell, place],
                                    env=dict({"HOOK": pillion.HOOK, "COMMAND": pillion.COMMAND}, **env))
                self.assertEqual((done.result.status, done.result.stdout, done.result.stderr), (0, b"", b""), done.result)
                if way:
                    self.assertOneRun(done, 0)

    def test_the_folder_where_it_began(self):
        self.leaves('cd /; sleep 0.1; umount "$0"')

    def test_before_the_first_row(self):
        self.leaves('cd /; umount "$0"', PILLION_INTERVAL="1")

    def test_files_and_pipes_that_were_handed_to_it(self):
        self.leaves('cd /; exec </dev/null >/dev/null 3>&-; sleep 0.1; umount "$0"', "<>in >out 3>more")

    def test_files_that_are_named_from_that_folder_are_found_there(self):
        """Who names one there wants it there."""
        for how in WAYS:
            with self.subTest(how=how):
                script = "cd /; sleep 0.2"
                done = self.one_way(how, ["sh", "-c", script],
                                    env={"PILLION_DIR": "state", "PILLION_OUTPUT": "rows", "PILLION_LOG": "log"})
                self.assertEqual((done.result.status, done.result.stderr), (0, b""), done.result)
                run, = pillion.runs(self.work / "state")
                self.assertEqual((self.work / "rows").read_bytes(), run.csv)
                self.assertTrue((self.work / "log").exists())

    def test_a_namespace_that_it_has_left_is_still_the_threads(self):
        """In pillion-limits(7): the run is delivered from there."""
        if not may("unshare", "-nm", "true"):
            self.skipTest(pillion.forbidden("unshare -nm"))
        process = self.start(program("unshares_when_told"), CLONE_NEWNS | CLONE_NEWNET, stdin=subprocess.PIPE,
                             env=self.env(PILLION_INTERVAL="0.05"))
        process.process.stdin.write(b"u")
        process.process.stdin.flush()
        tasks = pathlib.Path("/proc/%d/task" % process.pid)
        pillion.wait_for(lambda: process.stdout or process.ended(), 10, "its answer")
        spaces = {(task / "comm").read_text(): [os.readlink(task / "ns" / kind) for kind in ("net", "mnt")]
                  for task in tasks.iterdir()}
        self.assertEqual(spaces.pop("pillion\n"), [os.readlink("/proc/self/ns/%s" % kind) for kind in ("net", "mnt")])
        self.assertNotIn(os.readlink("/proc/self/ns/net"), spaces.popitem()[1])
        process.process.stdin.close()
        self.assertEqual(process.wait().status, 27)
        self.assertEqual(self.only_run()["state"], "local")

    def test_proc_is_busy_but_may_be_left_lazily(self):
        """In pillion-limits(7)."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        script = 'mount -t proc proc /proc; exec %s sh -c "sleep 0.1; umount /proc 2>&- && echo gone; umount %s /proc"'
        for how, options, gone in (("", "-l", b"gone\n"), ("env LD_PRELOAD=$HOOK", "-l", b"")):
            done = self.one_way(NONE, ["unshare", "-m", "sh", "-c", script % (how, options)], env={"HOOK": pillion.HOOK})
            self.assertEqual((done.result.status, done.result.stdout), (0, gone), done.result)


@root_only
class Frozen(UnwatchedTest):
    """PILLION_DIR on a disk that takes no writes for a while, as one does for a snapshot: the thread can wait for it and
    for nothing else meanwhile, not even for its end."""

    def setUp(self):
        if pillion.is_in_chroot():
            self.skipTest(pillion.forbidden("loop mounts"))
        self.disk = self.tmp / "disk"
        self.disk.mkdir()
        image = self.tmp / "image"
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        self.call(need("mkfs.ext4", "e2fsprogs"), "-q", image)
        self.call("mount", "-o", "loop", image, self.disk)
        self.addCleanup(self.call, "umount", "-l", self.disk)
        self.disk.chmod(0o700)

    def call(self, *argv):
        done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, "%s: %s" % (argv, done.stdout))

    def thaw(self):
        """At once: a command that is started for it may be late on a busy machine."""
        if self.held is not None:
            fcntl.ioctl(self.held, FITHAW, 0)
            os.close(self.held)
            self.held = None

    def freeze(self):
        self.held = os.open(self.disk, os.O_RDONLY)
        self.addCleanup(self.thaw)
        fcntl.ioctl(self.held, FIFREEZE, 0)

    def rows(self):
        found = pillion.runs(self.disk)
        return len(found[0].raw_rows) if found else 0

    def begin(self, interval):
        env = self.env(PILLION_DIR=self.disk, PILLION_INTERVAL=interval, PILLION_LOG=self.tmp / "log",
                       SENTINEL_API_TOKEN="token", SENTINEL_API_URL="http://127.0.0.1:%d" % pillion.free_ports(),
                       PILLION_EXIT_TIMEOUT="1")
        process = self.start(pillion.PROGRAMS / "unshares_when_told", env=env, stdin=subprocess.PIPE)
        pillion.wait_for(lambda: self.rows() > 0, 10, "a row")
        return process

    def ask(self, process):
        said = len(process.stdout)
        process.process.stdin.write(b"u")
        process.process.stdin.flush()
        pillion.wait_for(lambda: len(process.stdout) > said, 30, "an answer")
        return [int(word) for word in process.stdout[said:].split()]

    def end(self, process):
        process.process.stdin.close()
        result = process.wait(20)
        self.assertEqual((result.status, result.stderr), (27, b""), result)
        run, = pillion.runs(self.disk)
        self.assertEqual(run["state"], "undelivered", run.describe())
        return run

    def test_unshare_waits_until_the_disk_answers(self):
        process = self.begin("0.05")
        self.freeze()
        time.sleep(0.2)
        timer = threading.Timer(0.4, self.thaw)
        timer.start()
        self.assertEqual(self.ask(process)[:2], [0, 0])
        timer.join()
        rows = self.rows()
        pillion.wait_for(lambda: self.rows() > rows + 1, 10, "more rows")
        self.end(process)

    def test_a_disk_that_never_answers_fails_unshare_and_changes_nothing_else(self):
        """In pillion-limits(7)."""
        process = self.begin("0.5")
        self.freeze()
        got, error, took = self.ask(process)
        self.assertEqual((got, error), (-1, errno.EINVAL))
        self.assertLess(took, 10000)
        log, rows = (self.tmp / "log").read_bytes(), self.rows()
        self.thaw()
        pillion.wait_for(lambda: self.rows() > rows, 10, "more rows")
        self.end(process)
        self.assertGreater(len((self.tmp / "log").read_bytes()), len(log), "PILLION_LOG was closed for good")


if __name__ == "__main__":
    pillion.main()
