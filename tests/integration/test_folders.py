#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where a run is kept when its folder is another user's, or its program becomes one: nothing is lost, nobody's files are
touched, and who may not look sees nothing."""
import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from sentinel_server import SentinelServer  # noqa: E402
from served import PYTHON, Cases, ServedTest, pillion  # noqa: E402

KILLS = pillion.INTEGRATION / "kills_at_call"

NOBODY = 65534
OWN_USER = 10000 + os.getpid() % 50000  # nobody, and nobody else leads under that number
GROUP = OWN_USER + 1


def become(uid, gid=None):
    def change():
        os.setgroups([])
        os.setgid(gid or uid)
        os.setuid(uid)
    return change


def setUpModule():
    if os.geteuid() != 0 and not os.environ.get("CI"):
        raise unittest.SkipTest("only root can be somebody else")


def remove_markers():
    for place in ("/tmp", "/dev/shm"):
        pillion.remove_folder(pathlib.Path(place) / (".pillion-%d" % OWN_USER))


class SharedFolder(ServedTest):
    """PILLION_DIR of another owner, as volumes of Kubernetes have it."""

    def setUp(self):
        super().setUp()
        self.addCleanup(remove_markers)
        os.chmod(self.tmp, 0o755)
        os.chmod(self.work, 0o777)

    def local(self, folder):
        return self.env(PILLION_DIR=folder, SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None)

    def test_a_folder_that_its_user_may_write_into_keeps_the_run(self):
        def check(name, mode, owner, group):
            folder = self.tmp / name.replace(" ", "-")
            folder.mkdir()
            os.chown(folder, owner, group)
            os.chmod(folder, mode)
            with SentinelServer() as server:
                env, how = self.env(PILLION_DIR=folder, **server.env()), dict(preexec_fn=become(OWN_USER, GROUP))
                result = self.launch("sh", "-c", "sleep 0.3; exit 3", env=env, **how)
                self.assertEqual(result.status, 3)
                own = folder / str(OWN_USER)
                self.assertEqual([path.name for path in folder.iterdir()], [str(OWN_USER)])
                self.assertEqual((own.stat().st_uid, own.stat().st_mode & 0o777), (OWN_USER, 0o700))
                run, = pillion.runs(own)
                self.assertEqual((run["state"], run["exit_code"]), ("finished", 3), run.describe())
                self.assertEqual(len(server.finished_runs()), 1)
                shown, = json.loads(self.pillion("list", "--json", env=env, **how).stdout)
                self.assertEqual((shown["id"], shown["state"]), (run.directory, "finished"))
                self.assertEqual(server.complaints(), [])
        Cases(self).run({
            "everybody's": (0o777, 0, 0), "sticky": (0o1777, 0, 0), "an emptyDir": (0o2777, 0, 0),
            "a group's": (0o770, 0, GROUP), "of fsGroup": (0o2770, 0, GROUP), "without reading": (0o1733, 0, 0),
            "of a third user": (0o777, NOBODY, NOBODY),
        }, check)

    def test_each_user_of_a_shared_folder_sees_their_own_runs(self):
        os.chmod(self.dir, 0o1777)
        for uid in (0, OWN_USER):
            self.assertEqual(self.launch("sh", "-c", "sleep 0.2", env=self.local(self.dir), preexec_fn=become(uid)).status, 0)
        ids = {}
        for uid in (0, OWN_USER):
            for words in (["list", "--json"], ["show", "--json"]):
                result = self.pillion(*words, env=self.local(self.dir), preexec_fn=become(uid))
                self.assertEqual((result.status, result.stderr), (0, b""), result)
                told = json.loads(result.stdout)
                told = told[0] if isinstance(told, list) and len(told) == 1 else told
                ids.setdefault(uid, set()).add(told["id"])
            result = self.pillion("sync", env=self.local(self.dir), preexec_fn=become(uid))
            self.assertEqual(result.status, 0, result)
        self.assertEqual([len(ids[uid]) for uid in ids], [1, 1])
        self.assertEqual(len(ids[0] | ids[OWN_USER]), 2)

    def test_a_file_of_another_user_is_no_output_and_no_log(self):
        def check(name, mode, uid):
            folder = self.tmp / name
            folder.mkdir()
            folder.chmod(mode)
            theirs = folder / "theirs"
            theirs.write_bytes(b"precious\n")
            theirs.chmod(0o666)
            os.chown(theirs, NOBODY, NOBODY)
            state = folder / "state"
            state.mkdir(mode=0o700)
            os.chown(state, uid, uid)
            for variable in ("PILLION_OUTPUT", "PILLION_LOG"):
                env = dict(self.local(state), PILLION_INTERVAL="soon", **{variable: str(theirs)})
                result = self.launch("sh", "-c", "sleep 0.1; exit 3", env=env, preexec_fn=become(uid))
                self.assertEqual((result.status, theirs.read_bytes()), (3, b"precious\n"))
                self.assertIn(variable, pillion.runs(state)[-1].log)
                shutil.rmtree(state / "runs")
        Cases(self).run({"%o-%d" % (mode, uid): (mode, uid) for mode in (0o1777, 0o777) for uid in (0, OWN_USER)}, check)

    def test_a_neighbour_who_moves_the_folder_away_gets_no_row(self):
        """All is done below the handle of our own folder: what is put in its place stays empty."""
        os.chmod(self.dir, 0o777)
        program = self.until_told(preexec_fn=become(OWN_USER), SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None)
        own = self.dir / str(OWN_USER)
        pillion.wait_for(lambda: pillion.runs(own) and pillion.runs(own)[0].raw_rows, what="a row")
        trap = self.tmp / "trap"
        (trap / "runs").mkdir(parents=True)
        for path in (trap, trap / "runs"):
            os.chown(path, NOBODY, NOBODY)
            path.chmod(0o777)
        own.rename(self.dir / "moved")
        own.symlink_to(trap)
        rows = len(pillion.runs(self.dir / "moved")[0].raw_rows)
        pillion.wait_for(lambda: len(pillion.runs(self.dir / "moved")[0].raw_rows) > rows + 2, what="more rows")
        self.end(program)
        run, = pillion.runs(self.dir / "moved")
        self.assertEqual((run["state"], run["exit_code"]), ("local", 3))
        self.assertEqual(list((trap / "runs").iterdir()), [])

    def test_a_place_that_a_neighbour_has_taken_is_said_in_the_log_and_by_doctor(self):
        os.chmod(self.dir, 0o777)
        own = self.dir / str(OWN_USER)
        own.symlink_to(self.work)
        log = self.work / "log"
        env, how = dict(self.local(self.dir), PILLION_LOG=str(log)), dict(preexec_fn=become(OWN_USER))
        self.assertEqual(self.launch("sh", "-c", "sleep 0.2; exit 3", env=env, **how).status, 3)
        self.assertIn("no run directory in %s" % own, log.read_text())
        told = self.pillion("doctor", env=env, **how)
        self.assertEqual(told.status, 1, told)
        self.assertIn(b"%s cannot be used for runs" % os.fsencode(own), told.stdout)


class ChangeOfUser(ServedTest):
    """Root's folder, which nobody else may enter, and a program that is root no more when its run is made."""

    CHANGES = "import os, sys, time; time.sleep(0.1); os.setgroups([]); os.setgid(%d); os.setuid(%d); " % (NOBODY, NOBODY)

    def setUp(self):
        super().setUp()
        self.addCleanup(remove_markers)

    def private(self, **extra):
        """PILLION_DIR is root's, 0700; the run is made a second after its start."""
        return self.env(PILLION_INTERVAL=None, **extra)

    def test_a_daemon_that_changes_its_user_early_has_its_run_where_it_was_root(self):
        def check(_, variables):
            env = self.private(**variables)
            result = self.launch(PYTHON, "-S", "-c", self.CHANGES + "time.sleep(1.3); sys.exit(3)", env=env)
            self.assertEqual(result.status, 3, result)
            run, = pillion.runs(env.get("PILLION_DIR") or self.home / ".local/state/pillion")
            self.assertEqual((run["state"], run["exit_code"]), ("finished", 3), run.describe())
            self.assertGreaterEqual(len(run.rows), 2)
            self.assertDelivered(run)
            shown, = json.loads(self.pillion("list", "--json", env=env).stdout)
            self.assertEqual((shown["id"], shown["state"]), (run.directory, "finished"))
        Cases(self).run({"named": ({},), "in root's home": ({"PILLION_DIR": None},)}, check)
        self.assertNoComplaints()

    def test_one_that_is_killed_then_is_delivered_by_sync(self):
        program = self.start(PYTHON, "-S", "-c", self.CHANGES + "time.sleep(60)", env=self.private())
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        program.signal(9)
        program.wait()
        self.sync(env=self.private())
        self.assertDelivered(self.only_run())

    def test_an_early_exec_leaves_a_folder_that_is_no_run_and_that_root_sweeps(self):
        env = self.private(SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None)
        words = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "true"]
        self.assertEqual(self.launch(*words, env=env).status, 0)
        left = list((self.dir / "runs").iterdir())
        self.assertEqual(len(left), 1)
        self.assertEqual(json.loads(self.pillion("list", "--json", env=env).stdout), [])
        result = self.pillion("sync", env=env)
        self.assertEqual((result.status, result.stderr), (0, b"pillion: nothing to deliver\n"), result)
        self.assertEqual(self.launch("true", env=env).status, 0)
        pillion.wait_for(lambda: not left[0].exists(), what="a sweep")
        self.only_run()

    def test_an_exec_as_root_leaves_one_run_and_nothing_beside_it(self):
        def check(script):
            env = self.private(PILLION_DIR=pillion.fresh_folder())
            self.assertEqual(self.launch("sh", "-c", script, env=env).status, 3)
            folders = list((pathlib.Path(env["PILLION_DIR"]) / "runs").iterdir())
            self.assertEqual(len(folders), 1, folders)
            self.assertRegex(folders[0].name, r"^[0-9]{8}T[0-9]{6}Z-.*-[0-9]+$")
            self.assertEqual(pillion.Run(folders[0])["exit_code"], 3)
        Cases(self).run(dict.fromkeys(("exec sh -c 'exit 3'", "exec sh -c 'sleep 0.4; exit 3'",
                                       "sleep 1.2; exec sh -c 'sleep 0.3; exit 3'"), ()), check)

    def at_call(self, point, argv, calls="mkdirat,openat,flock"):
        """The run directories after kills_at_call, and its words."""
        env = self.private(PILLION_DIR=pillion.fresh_folder(), SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None)
        words = [KILLS, point, "pillion", "start", "end", calls, "--", "LD_PRELOAD=%s" % pillion.HOOK]
        result = pillion.run(words + argv, preload=False, env=env, cwd=self.work)
        self.assertEqual(result.status, 0, result)
        folder = pathlib.Path(env["PILLION_DIR"]) / "runs"
        return env, list(folder.iterdir()) if folder.exists() else [], [line.split() for line in result.stdout.decode().split("\n")]

    def points_of_making(self, argv):
        """From before the directory of the run is made until its mark is there, which a program that has ended lacks."""
        if not KILLS.exists():
            self.skipTest("kills_at_call is not built: the C client is not part of this build")
        if pillion.run([KILLS, "0", "main", "start", "end", "all", "--", "true"], preload=False).status == 77:
            self.skipTest("one process may not trace another here (ptrace is forbidden, or older than 5.3)")
        told = [words for words in self.at_call("0", argv)[2] if len(words) == 4]
        first = next(i for i, words in enumerate(told) if words[2] == "mkdirat" and words[3][:2] == "20")
        last = next(i for i, words in enumerate(told) if words[1] == "after" and words[3].startswith("ahead-"))
        return range(first + 1, last + 2)

    def test_an_exec_in_the_midst_of_making_the_folder_leaves_one_run_and_nothing_beside_it(self):
        argv = ["sh", "-c", "sleep 0.1; exec sh -c 'exit 3'"]
        points = self.points_of_making(argv)
        self.assertGreater(len(points), 8)
        for point in points:
            with self.subTest(point):
                _, folders, words = self.at_call(-point, argv)
                self.assertEqual(words[-2][2], "3")
                self.assertEqual(len(folders), 1, folders)
                self.assertEqual(pillion.Run(folders[0])["exit_code"], 3)

    def test_a_kill_in_the_midst_of_making_the_folder_leaves_nothing_that_is_taken_for_a_run(self):
        argv = ["sleep", "60"]
        points = self.points_of_making(["sleep", "0.1"])
        for point in points:
            with self.subTest(point):
                env, folders, words = self.at_call(point, argv)
                self.assertEqual(words[-2][0], "killed")
                self.assertLessEqual(len(folders), 1)
                self.assertEqual(json.loads(self.pillion("list", "--json", env=env).stdout), [])
                self.sync(env=env)

    def test_a_program_shorter_than_the_minimum_leaves_nothing(self):
        self.assertEqual(self.launch("true", env=self.private(PILLION_MIN_SECONDS=5)).status, 0)
        self.assertEqual(list((self.dir / "runs").iterdir()), [])


class Kept(ServedTest):
    def test_programs_of_milliseconds_alone_reach_what_is_to_be_kept(self):
        folder = self.dir / "runs"
        for i in range(300):
            old = folder / ("20260101T00%02d%02dZ-m-1" % (i // 60, i % 60))
            old.mkdir(parents=True)
            for name, text in (("run.jsonl", '{"state":"local"}\n'), ("metrics.csv", ""), ("log", ""), ("lock", "")):
                (old / name).write_text(text)
        env = self.env(SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None, PILLION_KEEP="50,1G")

        for count in range(1, 200):
            self.assertEqual(self.launch("true", env=env).status, 0)
            left = sorted(path.name for path in folder.iterdir())
            if len(left) <= 50 + count:
                break
        self.assertLessEqual(len(left), 50 + count)
        self.assertEqual(left[0], "20260101T000%d%02dZ-m-1" % divmod(300 - (len(left) - count), 60))
        self.assertLess(count, 100)


if __name__ == "__main__":
    pillion.main()
