#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that another user has planted, damaged, or made huge: a clear word, nothing followed, nothing lost, memory
bounded, and the program none the wiser."""
import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, LocalTest, ServedTest, pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

NOBODY = 65534
OWN_USER = 10000 + os.getpid() % 50000  # nobody, and nobody else leads under that number
PROGRAM = ("sh", "-c", "echo out; echo err >&2; sleep 0.3; exit 3")
# Of a command that reads what is damaged, with a sanitizer's share.
MEMORY_MAX_KIB = 64 * 1024 * (8 if "ASAN_OPTIONS" in os.environ else 1)
GIB = 1 << 30
root_only = unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")


class Victim:
    """A file and a folder that belong to somebody and have to stay as they are."""

    def __init__(self, folder):
        folder.mkdir(mode=0o755)
        self.folder, self.file = folder / "folder", folder / "file"
        self.folder.mkdir(mode=0o777)
        self.file.write_bytes(b"precious\n")
        self.nowhere = folder / "nowhere"

    def check(self, test, told):
        test.assertEqual(self.file.read_bytes(), b"precious\n", told)
        test.assertEqual(list(self.folder.iterdir()), [], told)
        test.assertFalse(os.path.lexists(self.nowhere), told)


def make_hard_link(path, victim):
    try:
        os.link(victim.file, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        path.write_bytes(b"")  # a file of somebody else's, then


def make_socket(path, victim):
    with socket.socket(socket.AF_UNIX) as one:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            one.bind("/proc/self/fd/%d/%s" % (folder, path.name))  # however long the path is
        finally:
            os.close(folder)


PLANTS = {
    "link to a file": lambda path, victim: path.symlink_to(victim.file),
    "link to a folder": lambda path, victim: path.symlink_to(victim.folder),
    "dangling link": lambda path, victim: path.symlink_to(victim.nowhere),
    "link to itself": lambda path, victim: path.symlink_to(path),
    "hard link": make_hard_link,
    "fifo": lambda path, victim: os.mkfifo(path, 0o666),
    "socket": make_socket,
    "device": lambda path, victim: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),  # zeros without end
    "folder": lambda path, victim: path.mkdir(mode=0o777),
}


def plant(path, kind, victim, uid=NOBODY):
    """Whatever was there is gone; what is there now is somebody else's."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    PLANTS[kind](path, victim)
    os.chown(path, uid, uid, follow_symlinks=False)


class AbuseTest(ServedTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.tmp, 0o755)
        self.victim = Victim(self.tmp / "victim")

    def fresh(self):
        """The folder for another case."""
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(mode=0o700)

    def assertUntouched(self, result):
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))

    def local(self, **extra):
        return self.env(SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None, **extra)

    def lost_run(self):
        """A run with a token whose program was killed."""
        program = self.start("sleep", "60")
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        program.signal(signal.SIGKILL)
        program.wait()
        return self.only_run()

    def read_all(self, *runs):
        """list, show and sync: they end, soon, small, and without a crash. Their results."""
        results = []
        for words in (["list"], ["list", "--json"], ["show"] + list(runs)[:1], ["show", "--json"] + list(runs)[:1],
                      ["sync"] + list(runs)):
            result = self.pillion(*words, timeout=60)
            told = "%s: %s" % (words, result)
            self.assertIn(result.status, (0, 1), told)
            self.assertLess(result.usage.ru_maxrss, MEMORY_MAX_KIB, told)
            for text in (result.stdout, result.stderr):
                self.assertNotRegex(text, rb"[^\n\t\x20-\x7e\x80-\xff]", told)
            results.append(result)
        return results


@root_only
class Planted(AbuseTest):
    def test_an_output_that_somebody_planted_is_left_alone(self):
        for kind in PLANTS:
            with self.subTest(kind):
                self.fresh()
                output = self.work / "out.csv"
                plant(output, kind, self.victim)
                self.assertUntouched(self.launch(*PROGRAM, env=self.local(PILLION_OUTPUT=output)))
                self.victim.check(self, kind)
                self.assertIn("PILLION_OUTPUT", self.only_run().log)
                self.assertEqual(len(self.only_run().rows), self.only_run()["cost"]["rows"])

    def test_a_log_that_somebody_planted_makes_nothing_wait(self):
        for kind in ("fifo", "socket", "device", "folder", "link to itself", "link to a folder"):
            with self.subTest(kind):
                self.fresh()
                log = self.work / "log"
                plant(log, kind, self.victim)
                env = self.local(PILLION_LOG=log, PILLION_LOG_LEVEL="debug", PILLION_NONSENSE="x")
                self.assertUntouched(self.launch(*PROGRAM, env=env))
                self.victim.check(self, kind)
                self.assertGreaterEqual(len(self.only_run().rows), 1)

    def test_a_place_for_runs_that_is_somebody_elses_is_not_used(self):
        """PILLION_DIR, or `runs` in it: the run is then in memory, and is delivered from there."""
        for kind in PLANTS:
            for below in ("", "runs"):
                with self.subTest(kind=kind, below=below):
                    self.fresh()
                    plant(self.dir / below if below else self.dir, kind, self.victim)
                    before = len(self.server.finished_runs())
                    self.assertUntouched(self.launch(*PROGRAM))
                    self.victim.check(self, kind)
                    self.assertEqual(len(self.server.finished_runs()), before + 1)
                    result = self.pillion("list")
                    self.assertEqual((result.status, result.stdout), (1, b""), result)
                    self.assertIn(b"pillion: ", result.stderr)
                    plant(self.dir, "folder", self.victim, uid=0)
        self.assertNoComplaints()

    def test_a_place_that_everybody_writes_to_holds_nothing_of_anybody_else(self):
        """A sticky PILLION_DIR of ours with other users' runs and links in it."""
        os.chmod(self.dir, 0o1777)
        mine = self.lost_run()
        other = mine.path.parent / "20200101T000000Z-other-1"
        shutil.copytree(mine.path, other)
        for path in [other] + list(other.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        (mine.path.parent / "20200102T000000Z-link-1").symlink_to(mine.path)
        (mine.path.parent / "20200103T000000Z-link-2").symlink_to(other)
        listed = json.loads(self.pillion("list", "--json").stdout)
        self.assertEqual([run["id"] for run in listed], [mine.directory])
        shown = self.pillion("show", str(other))
        self.assertEqual((shown.status, shown.stdout), (1, b""), shown)
        self.assertIn(b"another user", shown.stderr)
        self.pillion("sync")
        self.assertEqual(len(self.server.finished_runs()), 1)
        self.assertDelivered(pillion.Run(mine.path))
        self.assertEqual(pillion.Run(other).text, mine.text)

    def test_markers_that_somebody_planted_hide_nobody(self):
        uid = OWN_USER
        places = [pathlib.Path(place) / (".pillion-%d" % uid) for place in ("/tmp", "/dev/shm")]
        for path in (self.dir, self.work, self.home):
            os.chown(path, uid, uid)
        for kind in PLANTS:
            with self.subTest(kind):
                try:
                    for place in places:
                        plant(place, kind, self.victim)
                    result = self.launch(*PROGRAM, env=self.local(), preexec_fn=lambda: become(uid))
                    self.assertUntouched(result)
                    self.victim.check(self, kind)
                    self.assertEqual(self.only_run()["state"], "local")
                finally:
                    for place in places:
                        remove(place)
                    shutil.rmtree(self.dir / "runs")

    def test_the_default_places_that_somebody_planted_are_not_used(self):
        uid = OWN_USER
        places = [pathlib.Path(place) / ("pillion-%d" % uid) for place in ("/tmp", "/dev/shm")]
        os.chown(self.work, uid, uid)
        self.addCleanup(remove, pathlib.Path("/tmp/.pillion-%d" % uid))
        for kind in PLANTS:
            with self.subTest(kind):
                try:
                    for place in places:
                        plant(place, kind, self.victim)
                    env = self.env(PILLION_DIR=None, HOME="/", XDG_STATE_HOME=None)
                    before = len(self.server.finished_runs())
                    self.assertUntouched(self.launch(*PROGRAM, env=env, preexec_fn=lambda: become(uid)))
                    self.victim.check(self, kind)
                    self.assertEqual(len(self.server.finished_runs()), before + 1, "it was not delivered from memory")
                finally:
                    for place in places:
                        remove(place)


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@root_only
class Replaced(AbuseTest):
    def test_a_file_of_a_run_that_was_replaced_is_not_read_and_nothing_is_lost(self):
        run = self.lost_run()
        aside = self.tmp / "aside"
        for name in ("run.jsonl", "metrics.csv", "log", "lock"):
            for kind in PLANTS:
                with self.subTest(name=name, kind=kind):
                    os.rename(run.path / name, aside)
                    plant(run.path / name, kind, self.victim)
                    synced = self.read_all(run.directory)[-1]
                    self.assertEqual(synced.status, 1, synced)
                    self.assertRegex(synced.stdout + synced.stderr, rb"\w+: \w+", "no reason is given")
                    self.victim.check(self, kind)
                    self.assertEqual(self.server.finished_runs(), [])
                    remove(run.path / name)
                    os.rename(aside, run.path / name)
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertDelivered(pillion.Run(run.path))

    def test_a_run_directory_that_becomes_a_link_under_way_is_not_followed(self):
        program = self.start("sh", "-c", "echo out; echo err >&2; sleep 1.5; exit 3")
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        path = self.only_run().path
        moved = self.tmp / "moved"
        path.rename(moved)
        path.symlink_to(self.victim.folder)
        self.assertUntouched(program.wait())
        self.victim.check(self, "after the end")
        self.assertDelivered(pillion.Run(moved))
        result = self.pillion("show", path.name)
        self.assertEqual((result.status, result.stdout), (1, b""), result)
        self.pillion("sync")
        self.victim.check(self, "after sync")

    def test_nor_when_the_thread_comes_back_from_a_pause(self):
        """unshare(CLONE_NEWUSER) makes it close and open everything. What was on disk stays there, for sync."""
        text = ("import ctypes, os, sys, time; libc = ctypes.CDLL(None); time.sleep(0.5); print('now', flush=True); "
                "sys.stdin.read(); assert libc.unshare(0x10000000) == 0; time.sleep(0.5); os._exit(3)")
        program = self.start(PYTHON, "-S", "-c", text, stdin=-1)
        pillion.wait_for(lambda: program.stdout, what="the program's word")
        path = self.only_run().path
        moved = self.tmp / "moved"
        path.rename(moved)
        path.symlink_to(self.victim.folder)
        program.process.stdin.close()
        self.assertEqual(program.wait().status, 3)
        self.victim.check(self, "after the end")
        path.unlink()
        moved.rename(path)
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertGreaterEqual(len(self.assertDelivered(pillion.Run(path))["rows"]), 2)


class Held(AbuseTest):
    def test_a_lock_that_is_never_given_back_costs_a_word(self):
        run = self.lost_run()
        with open(run.path / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            synced = self.read_all(run.directory)[-1]
            self.assertEqual(synced.status, 1)
            self.assertIn(b"somebody works on it", synced.stdout)
            self.assertEqual(self.server.finished_runs(), [])
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertDelivered(pillion.Run(run.path))


class Huge(AbuseTest):
    def stretch(self, path, size=10 * GIB):
        """A tail of nothing, which takes no room on the disk."""
        before = path.read_bytes()
        os.truncate(path, size)
        self.addCleanup(os.truncate, path, len(before))
        return before

    def test_ten_gibibytes_without_a_line_are_not_read(self):
        run = self.lost_run()
        for name in ("metrics.csv", "run.jsonl", "log", "lock"):
            with self.subTest(name):
                before = self.stretch(run.path / name)
                synced = self.read_all(run.directory)[-1]
                os.truncate(run.path / name, len(before))
                if name in ("metrics.csv", "run.jsonl"):
                    self.assertEqual(synced.status, 1, synced)
                    self.assertIn(b"damaged" if name == "metrics.csv" else b"File too large", synced.stdout)
                    self.assertEqual(self.server.finished_runs(), [])
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertDelivered(pillion.Run(run.path), self.server)

    def test_nor_by_a_program_that_comes_along(self):
        run = self.lost_run()
        self.stretch(run.path / "metrics.csv", GIB)  # what is larger than 2 GiB is not kept for long
        result = self.launch("sh", "-c", "sleep 7; exit 3")
        self.assertEqual(result.status, 3)
        self.assertLess(result.usage.ru_maxrss, MEMORY_MAX_KIB)
        self.assertEqual(len(self.server.finished_runs()), 1)
        os.truncate(run.path / "metrics.csv", len(run.csv))
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertDelivered(pillion.Run(run.path))

    def test_a_state_of_ever_new_keys_has_an_end(self):
        run = self.lost_run()
        with open(run.path / "run.jsonl", "a") as file:
            for number in range(300000):
                file.write('{"key%d":"%s"}\n' % (number, "x" * 100))
        synced = self.read_all(run.directory)[-1]
        self.assertEqual(synced.status, 1, synced)
        os.truncate(run.path / "run.jsonl", len(run.text))
        self.assertEqual(self.pillion("sync").status, 0)
        self.assertDelivered(pillion.Run(run.path))

    def test_files_that_grow_while_they_are_read_are_read_to_where_they_were(self):
        run = self.lost_run()
        for file in ("metrics.csv", "run.jsonl"):
            self.addCleanup(os.truncate, run.path / file, 0)
        stop = threading.Event()
        row = run.raw_rows[-1].encode() + b"\n"

        def grow(name, data):
            with open(run.path / name, "ab", buffering=0) as file:
                while not stop.is_set() and file.tell() < GIB / 64:
                    file.write(data)

        writers = [threading.Thread(target=grow, args=pair) for pair in
                   (("metrics.csv", row * 200), ("run.jsonl", b'{"interval":0.1}\n' * 500))]
        for writer in writers:
            writer.start()
        try:
            for words in (["list"], ["show", run.directory], ["show", "--json", run.directory]):
                result = self.pillion(*words, timeout=60)
                self.assertEqual(result.status, 0, result)
                self.assertLess(result.usage.ru_maxrss, MEMORY_MAX_KIB)
        finally:
            stop.set()
            for writer in writers:
                writer.join()


@root_only
class TokenFiles(AbuseTest):
    def check(self, path, word, **popen):
        """It is no token: the run stays here, and its log says why."""
        self.fresh()
        os.chown(self.dir, popen.pop("uid", 0), -1)
        env = self.env(SENTINEL_API_TOKEN=None, SENTINEL_API_TOKEN_FILE=path)
        result = self.launch(*PROGRAM, env=env, **popen)
        self.assertUntouched(result)
        self.assertLess(result.usage.ru_maxrss, MEMORY_MAX_KIB)
        self.assertEqual(self.server.requests, [])
        run = self.only_run()
        self.assertEqual(run["state"], "local")
        self.assertRegex(run.log, word, "no reason is given")

    def test_what_is_no_token_file_is_told(self):
        path = self.tmp / "token"
        for kind in ("fifo", "socket", "device", "folder", "dangling link", "link to itself"):
            with self.subTest(kind):
                plant(path, kind, self.victim, uid=0)
                self.check(path, "SENTINEL_API_TOKEN_FILE|the API token")
                remove(path)

    def test_what_is_no_token_is_told(self):
        path = self.tmp / "token"
        for name, data in {"binary": b"\x7fELF\x02\x01\x01\0\0\0", "nul": b"tok\0en\n", "long": b"t" * 8193,
                           "longer": b"t" * 100000, "spaces": b"my token\n", "escapes": b"to\x1b[2Jken\n"}.items():
            with self.subTest(name):
                path.write_bytes(data)
                self.check(path, "SENTINEL_API_TOKEN_FILE|the API token")
        os.truncate(path, 10 * GIB)
        self.check(path, "SENTINEL_API_TOKEN_FILE|the API token")

    def test_one_that_may_not_be_read_is_told(self):
        path = self.tmp / "token"
        path.write_text(self.server.token + "\n")
        path.chmod(0o600)
        for folder in (self.work, self.home):
            os.chown(folder, NOBODY, NOBODY)
        self.check(path, "Permission denied", uid=NOBODY, preexec_fn=lambda: become(NOBODY))

    def test_a_token_without_a_line_end_that_all_can_read_is_one(self):
        path = self.tmp / "token"
        path.write_text(self.server.token)
        path.chmod(0o644)
        env = self.env(SENTINEL_API_TOKEN=None, SENTINEL_API_TOKEN_FILE=path)
        self.assertUntouched(self.launch(*PROGRAM, env=env))
        self.assertDelivered(self.only_run())


if __name__ == "__main__":
    pillion.main()
