# SPDX-License-Identifier: Apache-2.0
"""The table of descriptors that our thread believes to be its own, and what stands in it."""
import os
import pathlib
import resource
import signal
import subprocess
import unittest

from compare import HOOK, UnwatchedTest, files_of, pillion, program

import sentinel_server

LINE = b"the user's\n"


def thread_of(process):
    """The folder of its thread `pillion`."""
    return next(task for task in pathlib.Path("/proc/%d/task" % process.pid).iterdir()
                if (task / "comm").read_text() == "pillion\n")


class OneTable(UnwatchedTest):
    """The thread's table becomes the program's, as after CRIU's restore: each number is a file of the program's."""

    def held(self, ready, **env):
        process = self.start(program("holds_files"), env=self.env(PILLION_INTERVAL="0.05", **env))
        pillion.wait_for(lambda: (self.work / "ready").exists() and ready(), what="files and rows")
        before = files_of(self.dir)
        done = subprocess.run([program("gives_one_table"), str(process.pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 77:
            raise unittest.SkipTest(pillion.forbidden("to trace a process"))
        self.assertEqual(done.returncode, 0, done.stdout)
        pillion.wait_for(lambda: not pillion.is_leader(process.pid), what="the thread is gone")
        after = files_of(self.dir)
        for name, what in before.items():  # rows of before the exchange
            if not name.endswith("metrics.csv"):
                self.assertEqual(after[name], what, name)
        return process

    def ends(self, process):
        (self.work / "go").touch()
        result = process.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (7, b"", b""))
        self.assertEqual([path.read_bytes() for path in self.work.glob("held-*")], [LINE * 3] * 30)

    def has_rows(self):
        return self.runs() and self.runs()[0].csv.count(b"\n") > 5

    def test_nothing_is_written_and_the_thread_is_gone(self):
        self.ends(self.held(self.has_rows))
        self.assertEqual(self.only_run()["state"], "running")

    def test_before_the_run_is_made(self):
        self.ends(self.held(lambda: True, PILLION_MIN_SECONDS="600"))
        self.assertEqual(self.runs(), [])

    def test_while_it_waits_for_the_api_and_sync_ends_the_run(self):
        for hangs in (True, False):
            with self.subTest(hangs), sentinel_server.SentinelServer() as server:
                if hangs:
                    server.fault("register", "*", hang=True)
                self.ends(self.held(lambda: self.has_rows() and server.of("register"), **server.env()))
                server.heal()
                self.assertEqual(self.pillion("sync", env=self.env(**server.env())).status, 0)
                self.assertEqual(self.only_run()["state"], "finished")
                self.assertEqual(len(server.finished_runs()), 1)
                for folder in (self.dir, self.work):
                    pillion.remove_folder(folder)
                    folder.mkdir()

    def test_a_signal_ends_the_program_as_ever(self):
        process = self.held(self.has_rows)
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait().status, -signal.SIGTERM)


class Numbers(UnwatchedTest):
    def numbers(self, process):
        """Those of the thread, and where they lead."""
        return {int(path.name): os.readlink(str(path)) for path in (thread_of(process) / "fd").iterdir()}

    def test_stand_above_those_of_programs_once_the_run_is_made(self):
        for limit, floor in ((1024, 256), (300, 150), (64, 32)):
            with self.subTest(limit):
                process = self.start(program("sleeps_for"), 60000, env=self.env(PILLION_INTERVAL="0.05"), preexec_fn=lambda:
                                     resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
                pillion.wait_for(lambda: self.runs() and self.runs()[0].csv.count(b"\n") > 3, what="rows")
                low = {fd: target for fd, target in self.numbers(process).items() if fd < floor}
                self.assertEqual(low, dict.fromkeys(range(floor), "/dev/null"))
                process.kill()
                pillion.remove_folder(self.dir / "runs")

    def test_make_room_when_the_program_lowers_its_limit(self):
        """Rows and delivery go on."""
        code = ("import os, resource, time; time.sleep(0.4); resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); "
                "time.sleep(0.2); [os.fork() or (time.sleep(0.3), os._exit(0)) for _ in range(5)]; time.sleep(0.6)")
        with sentinel_server.SentinelServer() as server:
            way = self.one_way(HOOK, ["python3", "-c", code], env=server.env())
            self.assertEqual(way.result.status, 0, way.result)
            run = self.assertOneRun(way, 0)
            self.assertEqual(run["state"], "finished")
            self.assertEqual(max(row["process_children"] for row in run.rows), 5)


if __name__ == "__main__":
    pillion.main()
