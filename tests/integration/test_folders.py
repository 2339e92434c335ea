#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where a run is kept when its folder is another user's, or its program becomes one: nothing is lost, nobody's files are
touched, and who may not look sees nothing."""
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, ServedTest, pillion  # noqa: E402

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
        for name, mode, owner, group in (("everybody's", 0o777, 0, 0), ("sticky", 0o1777, 0, 0), ("an emptyDir", 0o2777, 0, 0),
                                         ("a group's", 0o770, 0, GROUP), ("of fsGroup", 0o2770, 0, GROUP),
                                         ("without reading", 0o1733, 0, 0), ("of a third user", 0o777, NOBODY, NOBODY)):
            with self.subTest(name):
                folder = self.tmp / name.replace(" ", "-")
                folder.mkdir()
                os.chown(folder, owner, group)
                os.chmod(folder, mode)
                before = len(self.server.finished_runs())
                env, how = self.env(PILLION_DIR=folder), dict(preexec_fn=become(OWN_USER, GROUP))
                result = self.launch("sh", "-c", "sleep 0.3; exit 3", env=env, **how)
                self.assertEqual(result.status, 3)
                own = folder / str(OWN_USER)
                self.assertEqual([path.name for path in folder.iterdir()], [str(OWN_USER)])
                self.assertEqual((own.stat().st_uid, own.stat().st_mode & 0o777), (OWN_USER, 0o700))
                run, = pillion.runs(own)
                self.assertEqual((run["state"], run["exit_code"]), ("finished", 3), run.describe())
                self.assertEqual(len(self.server.finished_runs()), before + 1)
                shown, = json.loads(self.pillion("list", "--json", env=env, **how).stdout)
                self.assertEqual((shown["id"], shown["state"]), (run.directory, "finished"))
        self.assertNoComplaints()

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

    def test_a_neighbour_who_moves_the_folder_away_gets_no_row(self):
        """All is done below the handle of our own folder: what is put in its place stays empty."""
        os.chmod(self.dir, 0o777)
        program = self.start("sh", "-c", "sleep 1; exit 3", env=self.local(self.dir), preexec_fn=become(OWN_USER))
        own = self.dir / str(OWN_USER)
        pillion.wait_for(lambda: pillion.runs(own) and pillion.runs(own)[0].raw_rows, what="a row")
        trap = self.tmp / "trap"
        (trap / "runs").mkdir(parents=True)
        for path in (trap, trap / "runs"):
            os.chown(path, NOBODY, NOBODY)
            path.chmod(0o777)
        own.rename(self.dir / "moved")
        own.symlink_to(trap)
        self.assertEqual(program.wait().status, 3)
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


if __name__ == "__main__":
    pillion.main()
