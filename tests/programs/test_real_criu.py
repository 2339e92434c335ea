# SPDX-License-Identifier: Apache-2.0
"""A leader is dumped and restored by CRIU: what the kernel kept for our thread alone is gone then, and its numbers are
the program's files. The run is what was on disk at the dump, and sync ends it."""
import contextlib
import os
import subprocess
import sys
import time

from compare import CompareTest, files_of, pillion, program

sys.path.insert(0, str(pillion.SOURCE / "tests/support"))
import criu  # noqa: E402
import sentinel_server  # noqa: E402

STATUS = 7
LINE = b"the user's\n"


class Restored(CompareTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.criu = criu.command()

    def call(self, verb, *words):
        """Once more where the number of a thread that has ended is not free yet: the kernel may take a moment for it."""
        log = self.image / (verb + ".log")
        for _ in range(50):
            done = subprocess.run(self.criu + [verb, "-D", str(self.image), "-o", verb + ".log", "-v2", *map(str, words)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = log.read_text() if log.exists() else ""
            if done.returncode == 0 or "Unable to create a thread: -17" not in said:
                break
            time.sleep(0.1)
            with contextlib.suppress(ChildProcessError):  # what there was of the process by then
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        self.assertEqual(done.returncode, 0, (done.stdout, said[-2000:]))

    def dumped(self, ready, preload=True, **env):
        """Its pid; the process is gone, and stands in the image."""
        self.image = self.tmp / "image"
        self.image.mkdir()
        words = self.env(PILLION_INTERVAL="0.05", **env)
        with open(self.tmp / "out", "wb") as out:
            process = subprocess.Popen([program("holds_files")], cwd=str(self.work), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, env=pillion.preloaded(words) if preload else words,
                                       start_new_session=True)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        pillion.wait_for(lambda: (self.work / "ready").exists() and ready(), what="ready to be dumped")
        self.call("dump", "-t", process.pid)
        process.wait()
        return process.pid

    def has_rows(self):
        return self.runs() and self.runs()[0].csv.count(b"\n") > 5

    def restored(self, pid):
        """Its status. What is on disk of the run stays what it was."""
        (self.work / "go").unlink() if (self.work / "go").exists() else None
        for path in self.work.glob("held-*"):
            path.write_bytes(LINE)
        before = files_of(self.dir)
        self.call("restore", "-d", "--restore-sibling")
        pillion.wait_for(lambda: not pillion.is_leader(pid), what="the thread is gone")
        (self.work / "go").touch()
        status = os.WEXITSTATUS(os.waitpid(pid, 0)[1])
        self.assertEqual(files_of(self.dir), before)
        self.assertEqual([path.read_bytes() for path in self.work.glob("held-*")], [LINE * 3] * 30)
        self.assertEqual((self.tmp / "out").read_bytes(), b"")
        return status

    def test_as_without_us(self):
        self.assertEqual(self.restored(self.dumped(lambda: True, preload=False)), STATUS)

    def test_twice_from_one_image(self):
        pid = self.dumped(self.has_rows)
        for _ in range(2):
            self.assertEqual(self.restored(pid), STATUS)
        self.assertEqual(self.only_run()["state"], "running")

    def test_within_its_first_second(self):
        """Before anything is on disk there is no run."""
        pid = self.dumped(lambda: True, PILLION_MIN_SECONDS="600")
        self.assertEqual(self.restored(pid), STATUS)
        self.assertEqual(self.runs(), [])

    def test_the_run_is_one_and_ended_by_sync(self):
        with sentinel_server.SentinelServer() as server:
            pid = self.dumped(lambda: self.has_rows() and server.of("register"), **server.env())
            self.assertEqual(self.restored(pid), STATUS)
            synced = self.pillion("sync", env=self.env(**server.env()))
            self.assertEqual(synced.status, 0, synced)
            self.assertEqual(self.only_run()["state"], "finished")
            self.assertEqual((len(server.of("register")), len(server.finished_runs())), (1, 1))
            self.assertEqual(server.complaints(), [])

    def test_frozen_while_it_waits_for_the_api(self):
        with sentinel_server.SentinelServer() as server:
            server.fault("register", "*", hang=True)
            pid = self.dumped(lambda: self.has_rows() and server.of("register"), **server.env())
            for _ in range(2):
                self.assertEqual(self.restored(pid), STATUS)
            server.heal()
            self.assertEqual(self.pillion("sync", env=self.env(**server.env())).status, 0)
            self.assertEqual(self.only_run()["state"], "finished")
            self.assertEqual(len(server.finished_runs()), 1)

    def test_frozen_while_its_end_is_held(self):
        """Nobody waits for a thread that is gone."""
        with sentinel_server.SentinelServer() as server:
            server.fault("finish", "*", hang=True)

            def held():
                if self.has_rows() and server.of("register"):
                    (self.work / "go").touch()
                return server.of("finish")

            pid = self.dumped(held, **server.env(PILLION_EXIT_TIMEOUT="600"))
            self.call("restore", "-d", "--restore-sibling")
            began = time.monotonic()
            self.assertEqual(os.WEXITSTATUS(os.waitpid(pid, 0)[1]), STATUS)
            self.assertLess(time.monotonic() - began, 60)
            server.heal()
            self.assertEqual(self.pillion("sync", env=self.env(**server.env())).status, 0)
            self.assertEqual(self.only_run()["state"], "finished")
            self.assertEqual(len(server.finished_runs()), 1)


def enter_namespace():
    """Numbers of processes are given out again there only after a long while: those of the image are free."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getpid() == 1 or os.geteuid() != 0:
        return
    if subprocess.run(words + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
        pillion.leave_out(pillion.forbidden("a PID namespace"))
    os.execvp(words[0], words + [sys.executable] + sys.argv)


if __name__ == "__main__":
    enter_namespace()
    pillion.main()
