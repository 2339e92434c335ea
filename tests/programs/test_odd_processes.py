# SPDX-License-Identifier: Apache-2.0
"""Processes made and replaced in every way: fork, vfork, clone, exec, daemons. It stays one run, and no stranger is
ever among the program's children."""
import time

from compare import HOOK, NONE, RUN, CompareTest, pillion, program


class Children(CompareTest):
    def test_forks_without_exec(self):
        self.compare([program("forks_without_exec")], status=10)

    def test_forks_and_never_waits(self):
        done = self.compare([program("forks_and_never_waits")], status=2, runs=False)
        self.assertEqual(done[NONE].result.stdout, b"parent\nchild\n")
        for way in (HOOK, RUN):
            self.assertOneRun(done[way], 2)

    def test_vfork_and_posix_spawn(self):
        self.compare([program("vforks")], status=11, rows=2)

    def test_clone(self):
        self.compare([program("clones_raw")], status=12, rows=2)

    def test_waits_for_any_child(self):
        self.compare([program("waits_any")], status=21)

    def test_fork_storm(self):
        self.compare([program("fork_storm")], status=35, timeout=60)

    def test_daemon(self):
        def mark(work):
            pillion.wait_for((work / "mark").exists, what="the daemon's mark")

        self.compare([program("daemonizes")], status=36, after=mark, watch=False)

    def test_the_daemon_is_silent(self):
        way = self.one_way(HOOK, [program("daemonizes")], after=lambda work: time.sleep(0.6))
        before = [run.text for run in way.runs]
        time.sleep(0.3)
        self.assertEqual([run.text for run in way.runs], before)
        self.assertOneRun(way, 36)

    def test_counts_children(self):
        self.compare([program("counts_children")], status=0)

    def test_loads_libraries(self):
        self.compare([program("loads_libraries")], status=37)


class Exec(CompareTest):
    def test_execs_itself_a_thousand_times(self):
        done = self.compare([program("execs_itself"), 1000], status=12, timeout=100)
        self.assertIn("execs_itself", str(done[HOOK].runs[0].get("command")))

    def test_execs_itself_with_ticks_in_between(self):
        self.compare([program("execs_itself"), 5, 110], status=12, rows=4)

    def test_exec_on_another_thread(self):
        self.compare([program("execs_in_thread")], status=39, rows=2)

    def test_shell_execs_a_program(self):
        self.compare(["sh", "-c", 'sleep 0.2; exec "$0" 100 9', program("sleeps_for")], status=9, rows=2)

    def test_exec_without_an_environment(self):
        """The new image has no preload, so the hook's run is left for sync; the program sees no difference."""
        done = self.compare(["sh", "-c", 'sleep 0.2; exec env -i "$0" 200 9', program("sleeps_for")], status=9,
                            runs=False)
        self.assertOneRun(done[RUN], 9)
        self.assertLessEqual(len(done[HOOK].runs), 1)


if __name__ == "__main__":
    pillion.main()
