#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Root and support staff read another user's runs: list, show, report and export with --user, --dir, --all-users. The
owner is hostile: nothing is followed, waited for, written or read without end, and no letter steers the terminal."""
import csv
import ctypes
import io
import json
import os
import pathlib
import resource
import shutil
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_runs  # noqa: E402
from served import LocalTest, pillion  # noqa: E402

ALICE = 20000 + os.getpid() % 40000  # a number that nobody has, and a neighbour's
BOB = ALICE + 40000
SHADOW = "never-to-be-seen"
MEMORY_MAX = 256 << 20  # of addresses
FILES = ("run.jsonl", "metrics.csv", "log", "lock", "commands", "commands.csv", "gpus.csv")
STEERING = r"[\x00-\x08\x0b-\x1f\x7f-\x9f]"
libc = ctypes.CDLL(None, use_errno=True)


def setUpModule():
    if os.geteuid() != 0 and not os.environ.get("CI"):
        raise unittest.SkipTest("only root can be somebody else")


def give(path, uid):
    """All of it becomes that user's."""
    for folder, folders, files in os.walk(path):
        for name in [folder] + [os.path.join(folder, name) for name in folders + files]:
            os.chown(name, uid, uid, follow_symlinks=False)


def become(uid):
    def change():
        limit()
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return change


def limit():
    """What would take more memory than a reader needs fails."""
    if "ASAN_OPTIONS" not in os.environ:  # a sanitizer maps terabytes
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


def picture(folder):
    """All that is below, with contents and times."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        info = path.lstat()
        found[str(path)] = (info.st_mode, info.st_uid, info.st_size, info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)
    return found


def exchange(one, other):
    """Each takes the other's name, in one step."""
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


class ReadersTest(LocalTest):
    """Alice's runs stand where pillion keeps those of a user without a home; root's own place is empty."""

    def setUp(self):
        super().setUp()
        os.chmod(self.tmp, 0o755)
        self.theirs = pathlib.Path("/tmp/pillion-%d" % ALICE)
        self.addCleanup(pillion.remove_folder, self.theirs)
        self.ids = self.gallery(self.theirs)
        self.secret = self.tmp / "secret"
        self.secret.mkdir(mode=0o700)
        (self.secret / "shadow").write_text(SHADOW + "\n")

    def gallery(self, folder, uid=ALICE):
        folder.mkdir(mode=0o700)
        ids = made_runs.gallery(folder)
        give(folder, uid)
        return ids

    def run_of(self, name="trained"):
        return self.theirs / "runs" / self.ids[name]

    def call(self, *words, status=0, quiet=True, preexec_fn=limit, **keywords):
        result = self.pillion(*words, cwd=self.work, preexec_fn=preexec_fn, **keywords)
        told = "%s: %s" % (words, result)
        self.assertEqual(result.status, status, told)
        for text in (result.stdout, result.stderr):
            self.assertNotIn(SHADOW.encode(), text)
            self.assertNotRegex(text.decode(), STEERING, told)
        if quiet and status == 0:
            self.assertEqual(result.stderr, b"", told)
        return result

    def listed(self, *words, **keywords):
        return json.loads(self.call("list", "--json", *words, **keywords).stdout)

    def read_all(self, run="last", quiet=False, whose=None, status=(0, 1)):
        """All that reads: it ends, soon and small, says nothing of what it may not see, and nothing is another."""
        whose = whose or ("--user", str(ALICE))
        output = self.work / "out"
        before = picture(self.theirs)
        for words in (("list",), ("list", "--json"), ("list", "--csv"), ("show", run), ("show", "--json", run),
                      ("show", "--history", "3", run), ("report", "-o", "page.html", run), ("report", "--markdown", run), ("report", "-o", "-", run),
                      ("export", run), ("export", "-o", "out/"), ("list", "--all-users", "--last", "3")):
            wanted = whose if "--all-users" not in words else ()
            result = self.pillion(*words, *wanted, cwd=self.work, preexec_fn=limit)
            told = "%s: %s" % (words, result)
            self.assertIn(result.status, status, told)
            for text in (result.stdout, result.stderr):
                self.assertNotIn(SHADOW.encode(), text, told)
                self.assertNotRegex(text.decode(), STEERING, told)
            if quiet:
                self.assertEqual(result.stderr, b"", told)
        for path in [self.work / "page.html", *output.glob("*/*")]:
            if path.exists():
                self.assertNotIn(SHADOW, path.read_text())
        self.assertEqual({name: info[3:] for name, info in picture(self.theirs).items()},
                         {name: info[3:] for name, info in before.items()}, "times have changed")
        self.assertEqual(picture(self.theirs), before)


class Reading(ReadersTest):
    def test_all_four_commands_read_another_users_runs(self):
        listed = self.listed("--user", ALICE)
        self.assertEqual([(run["id"], run["user"]) for run in listed], [(run, str(ALICE)) for run in self.ids.values()])
        shown = json.loads(self.call("show", "--json", "--user", ALICE, "last~1").stdout)
        self.assertEqual((shown["id"], shown["user"]), (self.ids["words"], str(ALICE)))
        text = self.call("show", "--user", ALICE, self.ids["trained"][:15]).stdout.decode()
        self.assertIn("pillion show --user %d last~1" % ALICE, " ".join(text.split()))
        self.call("report", "--user", ALICE, "-o", "page.html", "last", "last~3")
        self.assertEqual((self.work / "page.html").stat().st_uid, 0)
        table = list(csv.DictReader(io.StringIO(self.call("export", "--user", ALICE, "--job", "3").stdout.decode())))
        self.assertEqual({row["run"] for row in table}, {self.ids["refused"]})
        self.call("export", "--user", ALICE, "-o", "out/", "--name", "sweep")
        self.assertEqual([path.stat().st_uid for path in (self.work / "out").glob("*/*")], [0])
        self.assertEqual(json.loads(self.call("list", "--json").stdout), [], "root's own")

    def test_a_folder_is_a_state_directory_or_the_runs_in_it(self):
        for folder in (self.theirs, self.theirs / "runs", str(self.theirs) + "/"):
            for words in (("--dir", folder), ("--user", ALICE, "--dir", folder)):
                self.assertEqual([run["id"] for run in self.listed(*words)], list(self.ids.values()))
                shown = json.loads(self.call("show", "--json", *words).stdout)
                self.assertEqual((shown["id"], shown["user"]), (self.ids["trained"], str(ALICE)))
        self.assertIn(b"a run itself", self.call("list", "--dir", self.run_of(), status=1).stderr)
        self.assertIn(b"a link, or no folder", self.call("list", "--dir", self.run_of() / "run.jsonl", status=1).stderr)
        self.assertIn(b"No such file", self.call("list", "--dir", "/no/such/folder", status=1).stderr)
        self.assertIn(b"not their owner's", self.call("list", "--user", BOB, "--dir", self.theirs, status=1).stderr)

    def test_all_users_have_a_column_and_one_order(self):
        other = pathlib.Path("/dev/shm/pillion-%d" % BOB)
        self.addCleanup(pillion.remove_folder, other)
        theirs = self.gallery(other, BOB)
        mine = made_runs.gallery(self.dir)
        shared = self.tmp / "shared"
        shared.mkdir(mode=0o777)
        for words in ((), ("--last", "1000")):
            runs = [run for run in self.listed("--all-users", *words) if run["id"] in mine.values()]
            self.assertEqual(sorted((run["id"], run["user"]) for run in runs),
                             sorted((run, user) for run in mine.values() for user in (str(ALICE), str(BOB), "root")))
            self.assertEqual([run["id"] for run in runs], sorted(run["id"] for run in runs))
        self.assertEqual(theirs, mine)
        text = self.call("list", "--all-users", "--name", "resnet-baseline").stdout.decode()
        self.assertIn("USER", text.splitlines()[0].split())
        self.assertEqual(len([line for line in text.splitlines() if str(BOB) in line.split()]), 1)
        table = list(csv.DictReader(io.StringIO(self.call("list", "--all-users", "--csv").stdout.decode())))
        self.assertIn(str(BOB), {row["user"] for row in table})
        self.assertNotIn("user", csv.DictReader(io.StringIO(self.call("list", "--csv").stdout.decode())).fieldnames)

    def test_a_home_and_a_shared_place_are_looked_into(self):
        """As the system's list of users says: here one of the test's own, in a mount namespace."""
        shared = self.tmp / "shared"
        shared.mkdir()
        os.chmod(shared, 0o1777)
        self.gallery(shared / str(BOB), BOB)
        home = self.tmp / "alice"
        for path in (home, home / ".local", home / ".local/state"):
            path.mkdir(mode=0o700)
        shutil.move(self.theirs, home / ".local/state/pillion")
        give(home, ALICE)
        self.theirs = home / ".local/state/pillion"
        users = self.work / "passwd"
        users.write_text(pathlib.Path("/etc/passwd").read_text() +
                         "alice-%d:x:%d:%d::%s:/bin/sh\n" % (ALICE, ALICE, ALICE, home))
        name = "alice-%d" % ALICE

        def listed(*words):
            text = 'mount --bind "$0" /etc/passwd && shift 0 && exec "$@"'
            result = self.launch("unshare", "-m", "sh", "-c", text, users, pillion.COMMAND, "list", "--json", *words,
                                 env=self.env(PILLION_DIR=shared), preload=False)
            self.assertEqual(result.status, 0, result)
            return [(run["id"], run["user"]) for run in json.loads(result.stdout)]
        if self.launch("unshare", "-m", "true", preload=False).status != 0:
            self.skipTest(pillion.forbidden("unshare -m"))
        expected = [(run, name) for run in self.ids.values()]
        self.assertEqual(listed("--user", name), expected)
        self.assertEqual(listed("--user", ALICE), expected)
        self.assertEqual(listed("--user", BOB), [(run, str(BOB)) for run in self.ids.values()])
        everybody = listed("--all-users")
        self.assertLessEqual(set(expected) | {(run, str(BOB)) for run in self.ids.values()}, set(everybody))
        (home / ".local").rename(home / "moved")
        (home / ".local").symlink_to(home / "moved")
        self.assertEqual([one for one in listed("--all-users") if one[1] == name], [], "a link was followed")

    def test_running_and_lost_are_told_without_a_touch(self):
        folder = self.tmp / "live"
        folder.mkdir(mode=0o700)
        os.chown(folder, ALICE, ALICE)
        program = self.start("sleep", "60", env=self.env(PILLION_DIR=folder), preexec_fn=become(ALICE), cwd="/")
        pillion.wait_for(lambda: pillion.runs(folder) and pillion.runs(folder)[0].raw_rows, what="a row")
        lock = pillion.runs(folder)[0].path / "lock"
        before = lock.stat()
        self.assertEqual([run["state"] for run in self.listed("--dir", folder)], ["running"])
        program.signal(9)
        program.wait()
        self.assertEqual([run["state"] for run in self.listed("--dir", folder)], ["lost"])
        self.assertIn("Its user's pillion sync", self.call("show", "--dir", folder).stdout.decode())
        after = lock.stat()
        self.assertEqual((after.st_mtime_ns, after.st_ctime_ns), (before.st_mtime_ns, before.st_ctime_ns))

    def test_a_run_of_a_container_is_told_by_the_list_of_locks(self):
        """Of another PID namespace: /proc has no such process, and its lock is not taken to see who holds it."""
        folder = self.tmp / "live"
        folder.mkdir(mode=0o700)
        os.chown(folder, ALICE, ALICE)
        if self.launch("unshare", "--pid", "--fork", "--mount-proc", "true", preload=False).status != 0:
            self.skipTest(pillion.forbidden("unshare --mount-proc"))
        program = self.start("unshare", "--pid", "--fork", "--mount-proc", "setpriv", "--reuid=%d" % ALICE,
                             "--regid=%d" % ALICE, "--clear-groups", "sleep", "60",
                             env=self.env(PILLION_DIR=folder, PILLION_EXCLUDE="unshare:setpriv"))
        pillion.wait_for(lambda: pillion.runs(folder) and pillion.runs(folder)[0].raw_rows, what="a row")
        run = pillion.runs(folder)[0]
        child = int(pathlib.Path("/proc/%d/task/%d/children" % ((program.process.pid,) * 2)).read_text())
        self.assertEqual([run["state"] for run in self.listed("--dir", folder)], ["running"])
        os.kill(child, 9)
        program.wait()
        pillion.wait_for(lambda: not self.holds(run.path / "lock"), what="the end")
        for path in run.path.iterdir():
            os.utime(path, (made_runs.BEGAN, path.stat().st_mtime - 60))
        before = picture(run.path)
        told, = [run["state"] for run in self.listed("--dir", folder)]
        self.assertEqual(picture(run.path), before)
        is_first = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
        self.assertEqual(told, "lost" if is_first else "running")

    def holds(self, lock):
        return any(line.split()[-3].endswith(":%d" % lock.stat().st_ino)
                   for line in pathlib.Path("/proc/locks").read_text().splitlines())

    def test_nothing_is_changed_and_no_time_of_access_moves(self):
        for path in [self.theirs, *self.theirs.rglob("*")]:
            os.utime(path, (1, 1000000000))  # so old that relatime would move it
        (self.run_of() / "metrics.csv").write_bytes((self.run_of() / "metrics.csv").read_bytes() + b"1.000,torn")
        (self.run_of("lost") / "run.jsonl").write_bytes((self.run_of("lost") / "run.jsonl").read_bytes() + b'{"torn')
        self.read_all(status=(0,))

    def test_root_reads_with_the_owners_rights(self):
        """As on a file server that does not trust root: without the capabilities for files, by the user's ID alone."""
        words = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all", "true")
        if self.launch(*words, preload=False).status != 0:
            self.skipTest(pillion.forbidden("setpriv"))
        os.chmod(self.work, 0o700)
        for words in (("list", "--json"), ("show", "--json"), ("report", "-o", "page.html"), ("export", "-o", "out.csv"),
                      ("export", "-o", "out/")):
            result = self.launch("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all",
                                 pillion.COMMAND, *words, "--user", str(ALICE), preload=False)
            self.assertEqual((result.status, result.stderr), (0, b""), result)
        self.assertEqual((self.work / "out.csv").stat().st_uid, 0)

    def test_a_later_format_is_left_alone_with_the_reason(self):
        for name, text in (("trained", '{"format":2}\n'), ("words", '{"format":"x"}\n')):
            with (self.run_of(name) / "run.jsonl").open("a") as file:
                file.write(text)
            told = {run["id"]: run for run in self.listed("--user", ALICE)}[self.ids[name]]
            self.assertEqual((told["state"], told["user"]), ("newer", str(ALICE)))
            self.assertIn("later version", told["reason"])
            self.assertNotIn("name", told)
            self.assertIn(b"later version", self.call("show", "--user", ALICE, self.ids[name], status=1).stderr)
        self.read_all()


class Rights(ReadersTest):
    def test_who_is_not_root_hears_what_to_do(self):
        how = dict(preexec_fn=become(BOB), env=self.env(PILLION_DIR=self.tmp / "none"))
        os.chmod(self.work, 0o755)
        for words in (("list",), ("show",), ("report", "-o", "-"), ("export",)):
            told = self.call(*words, "--user", ALICE, status=1, **how).stderr.decode()
            self.assertIn("sudo pillion list --user %d" % ALICE, told)
            self.assertIn("sudo pillion list --dir", self.call(*words, "--dir", self.theirs, status=1, **how).stderr.decode())
        result = self.call("list", "--all-users", "--name", "*", status=1, **how)
        self.assertIn(b"sudo pillion list --all-users", result.stderr)
        self.assertNotIn(self.ids["trained"].encode(), result.stdout)

    def test_a_copy_that_one_owns_is_read_without_root(self):
        copy = self.tmp / "copy"
        shutil.copytree(self.theirs, copy)
        give(copy, BOB)
        how = dict(preexec_fn=become(BOB))
        os.chmod(self.work, 0o755)
        self.assertEqual([run["id"] for run in self.listed("--dir", copy, **how)], list(self.ids.values()))

    def test_what_changes_runs_takes_none_of_others(self):
        for words in (("rm", "last"), ("sync",), ("sync", "last")):
            for whose in (("--user", ALICE), ("--dir", self.theirs), ("--all-users",)):
                told = self.call(*words, *whose, status=2).stderr.decode()
                self.assertIn("the runs of others are only read", told)
                self.assertIn("sudo -u NAME pillion %s" % words[0], told)
        self.assertEqual(len(list((self.theirs / "runs").iterdir())), len(self.ids))

    def test_a_wrong_word_names_the_right_one(self):
        for words, right, status in ((("list", "--usr", "x"), "--user", 2), (("list", "--all-user"), None, 0),
                                     (("list", "--allusers"), "--all-users", 2), (("show", "--dri", "x"), "--dir", 2),
                                     (("list", "--all-users", "--user", "x"), "neither --user nor --dir", 2),
                                     (("list", "--user", "no-such-user"), "no user \"no-such-user\"", 1),
                                     (("show", "--user", ALICE, "/etc/passwd"), "is a path", 1),
                                     (("show", "--user", ALICE, "2999"), "pillion list --user %d" % ALICE, 1),
                                     (("show", self.run_of()), "pillion show --dir FOLDER ID", 1)):
            with self.subTest(words):
                told = self.call(*words, status=status, quiet=False).stderr.decode()
                if right:
                    self.assertIn(right, told)

    def test_help_has_them_with_examples(self):
        for name in ("list", "show", "report", "export"):
            text = self.call("help", name).stdout.decode()
            for word in ("--user NAME", "--dir FOLDER", "--user alice"):
                self.assertIn(word, text, name)
        self.assertIn("--all-users", self.call("help", "list").stdout.decode())
        self.assertIn("--user NAME", self.call("help").stdout.decode())


class Hostile(ReadersTest):
    """What an owner may put there, with root to read it."""

    def plant(self, path, kind):
        path.unlink(missing_ok=True)
        secret = self.secret / path.name
        secret.write_text(self.telling(path.name))
        secret.chmod(0o644)  # the owner could read it, and is shown by root what is another's
        if kind == "link":
            path.symlink_to(secret)
        elif kind == "hard link":
            try:
                os.link(secret, path)
            except OSError:
                shutil.copyfile(secret, path)  # another file system: somebody else's file, then
            return
        elif kind == "fifo":
            os.mkfifo(path, 0o600)
        elif kind == "folder":
            path.mkdir()
        elif kind == "huge":
            path.touch()
            os.truncate(path, 10 << 30)
        os.chown(path, ALICE, ALICE, follow_symlinks=False)

    def telling(self, name):
        """What would be seen on a screen if it were read."""
        state = json.loads((self.run_of("words") / "run.jsonl").read_text())
        state["registration"].update(job_name=SHADOW)
        return {"run.jsonl": json.dumps(state) + "\n", "log": "2026 warn %s\n" % SHADOW,
                "metrics.csv": made_runs.rows(made_runs.BEGAN, 3, 3).replace("14628", "77777"),
                "commands.csv": "%.3f,%s,1,1,1\n" % (made_runs.BEGAN + 201, SHADOW)}.get(
                    name, "name,processes\n%s,1,1,1,1,1,1,1\n" % SHADOW)

    def test_no_file_of_a_run_is_followed_or_waited_for_or_read_without_end(self):
        for name in FILES:
            path = self.run_of("lost") / name
            before = path.read_bytes() if path.exists() else None
            for kind in ("link", "hard link", "fifo", "folder", "huge"):
                with self.subTest(name=name, kind=kind):
                    self.plant(path, kind)
                    for words in (("list", "--state", "lost,damaged"), ("show", self.ids["lost"]),
                                  ("show", "--json", self.ids["lost"]),
                                  ("report", "-o", "-", self.ids["lost"]), ("export", self.ids["lost"])):
                        result = self.pillion(*words, "--user", str(ALICE), cwd=self.work, preexec_fn=limit)
                        told = "%s: %s" % (words, result)
                        self.assertIn(result.status, (0, 1), told)
                        self.assertNotIn(SHADOW.encode(), result.stdout + result.stderr, told)
                        self.assertNotIn(b"77777", result.stdout, told)
                    pillion.remove_folder(path) if kind == "folder" else path.unlink()
            if before is not None:
                path.write_bytes(before)
                os.chown(path, ALICE, ALICE)
        self.read_all(status=(0,))

    def test_rows_that_go_on_behind_a_good_line_have_an_end(self):
        path = self.run_of() / "metrics.csv"
        os.truncate(path, 10 << 30)
        for words in (("show",), ("report", "-o", "-"), ("export",)):
            self.call(*words, "--user", ALICE, status=1)
        self.assertIn(b"damaged", self.call("export", "--user", ALICE, "last", status=1).stderr)

    def test_what_steers_a_terminal_is_shown_as_a_question_mark(self):
        words = "\x1b[2J\x07\x9b31m\r\n\u202e'=x"
        run = self.run_of("words")
        state = json.loads((run / "run.jsonl").read_text())
        state["registration"].update(job_name=words, external_run_id=words, host_cpu_model=words)
        state.update(reason=words, machine={"host_name": words}, state="undelivered", user=words, sentinel_run_id=words,
                     commands=[{"name": words, "user_s": 1.0}])
        (run / "run.jsonl").write_text(json.dumps(state, ensure_ascii=False) + "\n")
        (run / "log").write_text("2026 warn %s\n" % words)
        (run / "commands").write_text("name,processes\n\"%s\",1,1,1,1,1,1,1\n" % words)
        for name in (b"20270101T000000Z-\x1b[2J\x07-1", b"20270101T000001Z-\xc2\x9b2J-1", b"20270101T000002Z-\xff\x9b\n-1"):
            copy = os.fsencode(self.theirs / "runs") + b"/" + name
            shutil.copytree(os.fsencode(run), copy)
        rows = (run / "metrics.csv").read_text().splitlines()
        rows[2] = rows[2].replace("120", "=cmd|' /C calc'!A0")
        rows[3] = rows[3].replace("120", words.replace("\n", ""))
        rows[4] = rows[4] + ",1"
        (run / "metrics.csv").write_text("\n".join(rows) + "\n")
        give(self.theirs, ALICE)
        result = self.call("export", "--user", ALICE, self.ids["words"], status=1)
        self.assertEqual(len(result.stdout.splitlines()), len(rows) - 3)
        self.assertIn(b"no rows", result.stderr)
        self.assertNotIn(b"calc'!A0", result.stdout.split(b"\n", 1)[1].replace(b"\"'=cmd|' /C calc'!A0\"", b""))
        shown = json.loads(self.call("show", "--json", "--user", ALICE, self.ids["words"]).stdout)
        self.assertEqual((shown["user"], shown["reason"]), (str(ALICE), words))
        self.assertEqual(len(self.listed("--user", ALICE)), len(self.ids) + 3)
        self.call("show", "--user", ALICE, self.ids["words"])
        for width in ("0", "40", "200"):
            self.call("list", "--user", ALICE, env=self.env(COLUMNS=width))
        self.read_all(self.ids["words"])
        self.read_all("last~1")

    def test_links_and_folders_of_others_among_the_runs_are_none(self):
        runs = self.theirs / "runs"
        other = self.tmp / "bobs"
        bobs = self.gallery(other, BOB)
        (runs / "20280101T000000Z-link-1").symlink_to(other / "runs" / bobs["trained"])
        shutil.copytree(other / "runs" / bobs["trained"], runs / "20280101T000000Z-bobs-2")
        give(runs / "20280101T000000Z-bobs-2", BOB)
        for path in [runs / "20280101T000000Z-bobs-2", *(runs / "20280101T000000Z-bobs-2").iterdir()]:
            path.chmod(0o755)
        (runs / "20280101T000000Z-empty-3").mkdir()
        os.chown(runs / "20280101T000000Z-empty-3", ALICE, ALICE)
        os.mkfifo(runs / "20280101T000000Z-fifo-4")
        (runs / "20280101T000000Z-file-5").write_text(SHADOW)
        result = self.call("list", "--json", "--user", ALICE, quiet=False)
        self.assertEqual([run["id"] for run in json.loads(result.stdout)], list(self.ids.values()))
        self.assertIn(b"4 entries", result.stderr)
        for name in ("link-1", "bobs-2", "fifo-4", "file-5"):
            self.call("show", "--user", ALICE, "20280101T000000Z-" + name, status=1)
        self.read_all()

    def test_a_link_on_the_way_to_the_runs_is_not_followed(self):
        other = self.tmp / "bobs"
        self.gallery(other, BOB)
        moved = self.tmp / "moved"
        for path, told in ((self.theirs / "runs", b"is a link"), (self.theirs, b"is a link")):
            for target in (other / path.name if path.name == "runs" else other, moved, self.tmp / "nowhere", path):
                os.rename(path, moved)
                path.symlink_to(target)
                os.chown(path, ALICE, ALICE, follow_symlinks=False)
                for words in (("list", "--user", ALICE), ("show", "--user", ALICE), ("list", "--dir", self.theirs),
                              ("list", "--dir", str(self.theirs) + "/")):
                    result = self.call(*words, status=1)
                    self.assertEqual(result.stdout, b"")
                    self.assertIn(told, result.stderr)
                path.unlink()
                os.rename(moved, path)

    def test_a_folder_that_becomes_a_link_under_way_is_not_followed(self):
        """Alice swaps her run, and her folder of runs, for links to what only Bob has, again and again."""
        other = self.tmp / "bobs"
        bobs = self.gallery(other, BOB)
        run = other / "runs" / bobs["trained"]
        state = json.loads((run / "run.jsonl").read_text())
        state["registration"]["job_name"] = SHADOW
        for path in (other / "runs").iterdir():
            (path / "run.jsonl").write_text(json.dumps(state) + "\n")
            (path / "log").write_text("2026 warn %s\n" % SHADOW)
        over = threading.Event()
        pairs = [(self.theirs / "runs", other / "runs"), (self.run_of(), run), (self.run_of() / "run.jsonl", run / "run.jsonl")]
        swaps = [0]

        def swap():
            while not over.is_set():
                for path, _ in pairs:
                    exchange(path, self.tmp / ("link-" + path.name))
                    exchange(path, self.tmp / ("link-" + path.name))
                swaps[0] += 1
        for path, target in pairs:
            (self.tmp / ("link-" + path.name)).symlink_to(target)
            os.chown(self.tmp / ("link-" + path.name), ALICE, ALICE, follow_symlinks=False)
        thread = threading.Thread(target=swap)
        thread.start()
        try:
            seen = set()
            for _ in range(25):
                for words in (("list", "--json"), ("show", "--json", self.ids["trained"])):
                    result = self.pillion(*words, "--user", str(ALICE), cwd=self.work)
                    self.assertNotIn(SHADOW.encode(), result.stdout + result.stderr)
                    seen.add(result.status)
        finally:
            over.set()
            thread.join()
        self.assertGreater(swaps[0], 25)
        self.assertIn(0, seen)

    def test_a_hundred_thousand_folders_are_read_to_a_bound(self):
        many = pathlib.Path("/dev/shm/pillion-test-%d" % ALICE)  # where that takes no minute
        self.addCleanup(self.launch, "rm", "-rf", many, preload=False)
        many.mkdir()
        os.chown(many, ALICE, ALICE)
        made = self.launch("sh", "-c", "seq -f 20260101T000000Z-x-%.0f 100001 | xargs mkdir", cwd=many, preload=False,
                           preexec_fn=become(ALICE))
        self.assertEqual(made.status, 0, made)
        result = self.call("list", "--dir", many, quiet=False)
        self.assertEqual(result.stdout, b"")
        self.assertIn(b"more than 100000 entries", result.stderr)

    def test_a_command_line_and_keys_without_end_have_one(self):
        run = self.run_of()
        with (run / "run.jsonl").open("a") as file:
            for number in range(300):
                file.write('{"key-%d":1}\n' % number)
        self.assertIn(b"damaged", self.call("show", "--user", ALICE, status=1).stderr)
        (run / "run.jsonl").write_text('{"state":"local","command":["%s"]}\n' % ("x" * 3000000))
        os.chown(run / "run.jsonl", ALICE, ALICE)
        self.assertLess(len(self.call("list", "--user", ALICE).stdout), 100000)
        self.read_all()

    def test_a_place_made_by_another_hand_counts_for_nobody(self):
        """Anybody may make /tmp/pillion-UID: it is its owner's, not that user's."""
        self.theirs.rename(self.tmp / "moved")
        fake = self.gallery(self.theirs, BOB)
        result = self.call("list", "--user", ALICE, status=1)
        self.assertIn(b"does not let their user in", result.stderr)
        self.theirs.chmod(0o755)
        result = self.call("list", "--user", ALICE, status=1)
        self.assertIn(b"not their owner's", result.stderr)
        self.assertNotIn(str(ALICE), {run["user"] for run in self.listed("--all-users")})
        self.assertEqual([run["id"] for run in self.listed("--dir", self.theirs)], list(fake.values()))


class OwnFolder(LocalTest):
    """The same of one's own PILLION_DIR, into which somebody else may have written."""

    def setUp(self):
        super().setUp()
        self.dir.mkdir(mode=0o700, exist_ok=True)
        self.ids = made_runs.gallery(self.dir)
        self.path = self.dir / "runs" / self.ids["lost"]
        self.secret = self.tmp / "secret"

    def test_files_beside_the_rows_are_not_followed(self):
        self.secret.write_text("name,p\n%s,1,1,1,1,1,1,1\n2026 warn %s\n" % (SHADOW, SHADOW))
        state = json.loads((self.path / "run.jsonl").read_text())
        (self.path / "run.jsonl").write_text(json.dumps(dict(state, state="undelivered")) + "\n")
        for name in ("log", "commands", "commands.csv", "gpus.csv"):
            (self.path / name).unlink(missing_ok=True)
            (self.path / name).symlink_to(self.secret)
            for words in (("show",), ("show", "--json"), ("report", "-o", "-"), ("report", "--markdown")):
                result = self.pillion(*words, self.ids["lost"], cwd=self.work, preexec_fn=limit)
                self.assertEqual(result.status, 0, result)
                self.assertNotIn(SHADOW.encode(), result.stdout, (name, words))

    def test_large_files_beside_the_rows_are_not_read_into_memory(self):
        for name in ("log", "commands", "commands.csv", "gpus.csv"):
            (self.path / name).touch()
            os.truncate(self.path / name, 10 << 30)
        for words in (("show",), ("report", "-o", "-")):
            result = self.pillion(*words, self.ids["lost"], cwd=self.work)
            self.assertEqual(result.status, 0, result)
            forked = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # what a child begins with
            self.assertLess(result.usage.ru_maxrss, forked + 64 * 1024 * (8 if "ASAN_OPTIONS" in os.environ else 1))

    def test_an_export_of_rows_without_an_end_has_one(self):
        os.truncate(self.path / "metrics.csv", 1 << 30)
        result = self.pillion("export", self.ids["lost"], cwd=self.work, preexec_fn=limit)
        self.assertEqual(result.status, 1, result.stderr)
        self.assertEqual(result.stdout.count(b"\n"), 31)

    def test_an_export_has_rows_alone(self):
        path = self.path / "metrics.csv"
        rows = path.read_text().splitlines()
        rows[2] = rows[2].replace("120", "\x1b[2J")
        rows[3] = rows[3].replace("120", "=cmd|' /C calc'!A0")
        path.write_text("\n".join(rows) + "\n")
        result = self.pillion("export", self.ids["lost"], cwd=self.work, preexec_fn=limit)
        self.assertEqual((result.status, result.stdout.count(b"\n")), (1, 29), result.stderr)
        self.assertNotRegex(result.stdout, rb"[\x1b=]")

    def test_controls_beyond_ascii_steer_no_terminal_either(self):
        state = json.loads((self.path / "run.jsonl").read_text())
        state["registration"]["job_name"] = "a\x9b2Jb\x7fc"
        (self.path / "run.jsonl").write_text(json.dumps(state, ensure_ascii=False) + "\n")
        for words in (("list",), ("list", "--json"), ("list", "--csv"), ("show", self.ids["lost"])):
            text = self.pillion(*words, cwd=self.work).stdout.decode()
            self.assertNotRegex(text, STEERING, words)
        listed = json.loads(self.pillion("list", "--json").stdout)
        self.assertIn("a\x9b2Jb\x7fc", [run["name"] for run in listed])


if __name__ == "__main__":
    pillion.main()
