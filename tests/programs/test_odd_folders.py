# SPDX-License-Identifier: Apache-2.0
"""What is made beside a program, with which modes, and what its thread keeps of the places where the program was."""
import os
import shutil
import stat

from compare import HOOK, RUN, UnwatchedTest, pillion
from test_odd_files import ALONE, root_only

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
            for mask in (0o077, 0o177, 0o777):
                with self.subTest(how=how, mask=oct(mask)):
                    done = self.runs_of(how, ["sh", "-c", "umask 0; sleep 0.1"], PILLION_OUTPUT="rows.csv",
                                        preexec_fn=lambda: os.umask(mask) and None)
                    run, = pillion.runs(self.home / ".local/state/pillion")
                    self.assertEqual(run["state"], "local")
                    for path, mode in modes_below(self.home).items():
                        self.assertEqual(mode, 0o700 if (self.home / path).is_dir() else 0o600, path)
                    self.assertEqual(done.files["rows.csv"][0], oct(0o100666 & ~mask), "the user's own file")

    def test_a_home_that_is_not_there_is_not_made(self):
        for how in WAYS:
            for name in ("missing", "missing/too"):
                with self.subTest(how=how, home=name):
                    shutil.rmtree(FALLBACK, ignore_errors=True)
                    self.runs_of(how, ["sleep", "0.1"], HOME=self.home / name, XDG_STATE_HOME=self.home / "state")
                    self.assertEqual(modes_below(self.home), {})
                    self.assertEqual([run["state"] for run in pillion.runs(FALLBACK)], ["local"])

    def test_a_state_home_that_is_not_there_gives_way_to_the_home(self):
        self.runs_of(HOOK, ["sleep", "0.1"], XDG_STATE_HOME=self.home / "state")
        self.assertEqual([run["state"] for run in pillion.runs(self.home / ".local/state/pillion")], ["local"])
        self.assertFalse((self.home / "state").exists())


if __name__ == "__main__":
    pillion.main()
