# SPDX-License-Identifier: Apache-2.0
"""Little memory, few processes, small files, nowhere to put them: what the program is refused it would have been
refused anyway, and what pillion is refused the program does not hear of."""
import os
import pathlib
import resource
import unittest

from compare import HOOK, NONE, UnwatchedTest, pillion, program
from test_odd_files import ALONE, NOBODY, may, root_only

import sentinel_server

KIB, MIB = 1 << 10, 1 << 20


def limited(what, soft, hard=None):
    return lambda: resource.setrlimit(what, (soft, soft if hard is None else hard))


class Cgroup:
    """A control group of its own for one kind of limit, below the one that the test is in. Version 1, or 2 where the
    parent hands the controller on."""

    def __init__(self, controller, limits):
        self.path = None
        for parent in self.parents(controller):
            path = parent / ("pillion-test-%d" % os.getpid())
            try:
                path.mkdir()
            except OSError:
                continue
            self.path = path
            name = next((name for name in limits if (path / name).exists()), None)
            try:
                (path / name).write_text(str(limits[name]))
                return
            except (OSError, TypeError):
                self.close()
        raise unittest.SkipTest("no control group for %s can be made here" % controller)

    @staticmethod
    def parents(controller):
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds in (controller, ""):
                root = pathlib.Path("/sys/fs/cgroup") / kinds
                yield from (root / path.lstrip("/"), root)

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def close(self):
        if self.path:
            pillion.wait_for(self.removed, what="an empty control group")
            self.path = None

    def removed(self):
        try:
            self.path.rmdir()
            return True
        except OSError:
            return False


class Memory(UnwatchedTest):
    def test_tight_address_space_and_a_run_to_deliver(self):
        """From 50 MB on it is delivered; below, as far as there is room."""
        for kib in (20000, 30000, 50000, 100000, 200000):
            with self.subTest(kib), sentinel_server.SentinelServer() as server:
                done = self.compare([program("sleeps_for"), 200, 3], ways=(HOOK,), status=3, env=server.env(),
                                    runs=False, preexec_fn=limited(resource.RLIMIT_AS, kib * KIB))
                self.assertLessEqual(len(server.finished_runs()), 1)
                if kib >= 50000:
                    self.assertEqual(self.assertOneRun(done[HOOK], 3)["state"], "finished")

    def test_no_address_space_is_left(self):
        for mib in (40, 100):
            for token in (False, True):
                with self.subTest(mib, token=token), sentinel_server.SentinelServer() as server:
                    self.compare([program("fills_memory")], ways=(HOOK,), status=54,
                                 env=server.env() if token else None,
                                 preexec_fn=limited(resource.RLIMIT_AS, mib * MIB))

    def test_stack_of_any_size(self):
        for size in (64 * KIB, 1 * MIB, resource.RLIM_INFINITY):
            with self.subTest(size):
                self.compare([program("spawns_threads")], ways=(HOOK,), status=38,
                             preexec_fn=limited(resource.RLIMIT_STACK, size))

    def test_locked_memory(self):
        """Without a limit, and with one of nothing; the sizes in between are on the closed list."""
        for delay in (0, 150):
            with self.subTest(delay):
                self.compare([program("locks_memory"), delay], ways=(HOOK,), status=55)
        if os.geteuid() == 0:
            self.compare([program("locks_memory"), 150], ways=(HOOK,), status=55, uid=NOBODY,
                         preexec_fn=limited(resource.RLIMIT_MEMLOCK, 0))

    def test_data_and_resident_set(self):
        for what in (resource.RLIMIT_DATA, resource.RLIMIT_RSS):
            for size in (1 * MIB, 4 * MIB):
                with self.subTest(what, size=size):
                    self.compare([program("sleeps_for"), 150, 3], ways=(HOOK,), status=3, runs=False,
                                 preexec_fn=limited(what, size))

    @root_only
    def test_tight_control_group(self):
        group = Cgroup("memory", {"memory.limit_in_bytes": 6 * MIB, "memory.max": 6 * MIB})
        self.addCleanup(group.close)
        for argv, status in (([program("sleeps_for"), 200, 3], 3), ([program("works_for"), 200, 3], 3)):
            self.compare(argv, ways=(HOOK,), status=status, preexec_fn=group.enter)
        with sentinel_server.SentinelServer() as server:
            done = self.compare([program("sleeps_for"), 300, 3], ways=(HOOK,), status=3, preexec_fn=group.enter,
                                env=server.env())
            self.assertEqual(done[HOOK].runs[0]["state"], "finished")


class Processes(UnwatchedTest):
    @root_only
    def test_one_process_in_its_control_group(self):
        """No thread can be made: the run has its row at the end."""
        group = Cgroup("pids", {"pids.max": 1})
        self.addCleanup(group.close)
        done = self.compare([program("forks_once")], ways=(HOOK,), status=56, preexec_fn=group.enter)
        self.assertIn(b"fork: Resource temporarily unavailable", done[HOOK].result.stdout)

    @root_only
    def test_the_thread_counts_as_one(self):
        """On the closed list: who has room for exactly its own processes needs room for one more."""
        told = []
        for count, how in ((2, NONE), (2, HOOK), (3, HOOK)):
            group = Cgroup("pids", {"pids.max": count})
            way = self.one_way(how, [program("forks_once")], preexec_fn=group.enter)
            group.close()
            self.assertEqual(way.result.status, 56, way.result)
            told.append(way.result.stdout)
        self.assertEqual(told, [b"fork: done\n", b"fork: Resource temporarily unavailable\n", b"fork: done\n"])

    @root_only
    def test_no_process_for_its_user_and_a_run_to_deliver(self):
        with sentinel_server.SentinelServer() as server:
            done = self.compare([program("sleeps_for"), 200, 3], ways=(HOOK,), status=3, uid=ALONE, env=server.env(),
                                preexec_fn=limited(resource.RLIMIT_NPROC, 1), runs=False)
            self.assertEqual([run["exit_code"] for run in done[HOOK].runs], [3])
            self.assertEqual([run["state"] for run in done[HOOK].runs], ["undelivered"])


class Files(UnwatchedTest):
    def test_file_size_limit_that_the_rows_exceed(self):
        """They wait in memory, and go with the finish."""
        for size in (1 * KIB, 100 * KIB):
            with self.subTest(size), sentinel_server.SentinelServer() as server:
                self.compare([program("sleeps_for"), 1200, 3], ways=(HOOK,), status=3, runs=False, env=server.env(),
                             preexec_fn=limited(resource.RLIMIT_FSIZE, size))
                self.assertGreaterEqual(len(server.finished_runs()[0]["rows"]), 8)  # a KiB holds two

    def test_state_is_changed_under_way_by_a_cleaner(self):
        for harm in (": > $f", "rm $f", "chmod 0 $f", "rm $f; mkdir $f", "rm $f; mkfifo $f", "mv $f $f.old"):
            with self.subTest(harm):
                script = 'sleep 0.15; for f in "$PILLION_DIR"/runs/*/*; do [ ! -f "$f" ] || { %s; }; done; ' % harm
                self.compare(["sh", "-c", script + "sleep 0.15; exit 3"], ways=(HOOK,), status=3, runs=False)

    def test_homes_that_are_none(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become nobody")
        for home in (None, "", "/", "/proc", "/does/not/exist", "relative", "/root"):
            with self.subTest(home):
                self.compare([program("sleeps_for"), 120, 3], ways=(HOOK,), status=3, uid=NOBODY, runs=False,
                             env={"HOME": home, "TMPDIR": home, "XDG_STATE_HOME": home, "PILLION_DIR": None})

    @root_only
    def test_a_file_server_that_takes_requests_and_answers_none(self):
        """In pillion-limits(7): the kernel lets no thread go that waits for it. All else of the program's end is
        as ever, and so is its status once the server has gone."""
        if not may("unshare", "-m", "true") or not os.access("/dev/fuse", os.R_OK | os.W_OK):
            self.skipTest(pillion.forbidden("FUSE mounts"))
        if pillion.is_in_chroot():
            self.skipTest(pillion.forbidden("nsenter -m, which leaves it"))
        place = self.tmp / "served"
        place.mkdir()
        server = self.start(program("serves_no_answer"), place, preload=False)
        pillion.wait_for(lambda: server.stdout or server.ended(), 10, "a mount")
        if not server.stdout:
            self.skipTest("%s: %r" % (pillion.forbidden("FUSE mounts"), server.wait(10)))
        env = self.env(PILLION_DIR=place / "pillion", PILLION_INTERVAL="0.05", PILLION_EXIT_TIMEOUT="0")
        process = self.start("nsenter", "-t", server.pid, "-m", "env", "LD_PRELOAD=%s" % pillion.HOOK,
                             program("sleeps_for"), 200, 3, env=env, preload=False)
        pillion.wait_for(lambda: pillion.process_state(process.pid) == "Z", 20, "the end of main's thread")
        server.signal(9)
        server.wait(10)
        result = process.wait(20)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"before\nafter\n", b""))

    @root_only
    def test_nothing_can_be_written_anywhere(self):
        """No marker either: yet the children know that they are below a leader, and the run comes from memory."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        script = ('for f in / /tmp /dev/shm; do mount --bind $f $f && mount -o remount,bind,ro $f; done 2>&-\n'
                  'cd /; exec env ${HOOK:+LD_PRELOAD=$HOOK} sh -c \'sleep 0.2; "$0" 90 3; "$0" 90 4; touch /x\' "$0"')
        with sentinel_server.SentinelServer() as server:
            argv = ["unshare", "-m", "sh", "-c", script, program("sleeps_for")]
            plain = self.one_way(NONE, argv)
            with_hook = self.one_way(NONE, argv, env=server.env(HOOK=pillion.HOOK))
            self.assertIn(b"Read-only file system", plain.result.stderr)
            self.assertSame(plain, with_hook)
            self.assertEqual([run["finish"]["exit_code"] for run in server.finished_runs()], [1])
            self.assertEqual(len(server.of("register")), 1)


if __name__ == "__main__":
    pillion.main()
