# SPDX-License-Identifier: Apache-2.0
"""Descriptors, limits, folders: what the program does with them is its own business and ends in its own files."""
import os
import sys
import subprocess
import resource
import unittest

from compare import HOOK, RUN, CompareTest, pillion, program

NOBODY = 65534
ALONE = 61000 + os.getpid() % 4000  # whom nothing else runs as: processes are counted by user, over the whole machine
root_only = unittest.skipUnless(os.geteuid() == 0, "only root can do what this program does")


def may(*argv, uid=None):
    """A chroot, or a container, may forbid namespaces to everybody: then there is nothing to compare."""
    become = None if uid is None else CompareTest.as_user(uid, None)
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=become).returncode == 0


class Descriptors(CompareTest):
    def test_closes_all(self):
        for way in ("range", "listed", "loop"):
            with self.subTest(way):
                done = self.compare([program("closes_every_descriptor"), way], status=15, rows=2)
                for number in range(40):
                    name = "user-%02d" % number
                    self.assertEqual(done[HOOK].files[name][3], name.encode())

    def test_no_descriptor_table_of_its_own(self):
        """Nothing may stay open among the program's descriptors; the run is written at the end."""
        done = self.compare([program("forbids_tables"), program("closes_every_descriptor"), "loop"], status=15)
        for number in range(40):
            name = "user-%02d" % number
            self.assertEqual(done[HOOK].files[name][3], name.encode())

    def test_dup2_over_all(self):
        done = self.compare([program("dup2_over_all")], status=16, rows=2)
        self.assertEqual(done[HOOK].files["user"][3], b"only this\n")

    def test_runs_out(self):
        for count in (16, 64):
            with self.subTest(count):
                def limit():
                    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

                self.compare([program("runs_out_of_descriptors")], ways=(HOOK,), status=30, preexec_fn=limit)

    def test_hardly_any_number_to_begin_with(self):
        """Below 4 not even the loader can open a library, with or without the preload."""
        for count in (4, 5, 6, 8):
            with self.subTest(count):
                def limit():
                    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

                self.compare([program("sleeps_for"), 150, 3], ways=(HOOK,), status=3, preexec_fn=limit, runs=False)

    def test_file_that_the_shell_hands_over(self):
        script = 'sleep 0.2; exec 3>three; echo a >&3; "$0" 100 >&3; echo b >&3'
        self.compare(["sh", "-c", script, program("sleeps_for")], status=0)

    def test_stdin_is_not_read(self):
        self.compare(["sh"], input=b"echo one\nsleep 0.2\nread x\nthis is data\necho got $x\nexit 4\n", status=4)


class Limits(CompareTest):
    def test_file_size_limit(self):
        for size in (0, 1):
            with self.subTest(size):
                def limit():
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

                done = self.compare([program("writes_beyond_limit")], status=29, runs=False, preexec_fn=limit,
                                    watch=False)
                self.assertLessEqual(len(done[HOOK].runs), 1)
                self.compare([program("sleeps_for"), 200, 3], status=3, runs=False, preexec_fn=limit, watch=False)

    def test_file_size_limit_that_the_program_exceeds(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        self.compare([program("writes_beyond_limit"), "die"], status=-25, runs=False, preexec_fn=limit)

    @root_only
    def test_no_thread_can_be_made(self):
        """The user may have one process: it runs as it would, and the run has its row."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

        plain = self.one_way("none", [program("sleeps_for"), 150, 3], uid=ALONE, preexec_fn=limit)
        self.assertEqual(plain.result.status, 3, plain.result)
        way = self.one_way(HOOK, [program("sleeps_for"), 150, 3], uid=ALONE, preexec_fn=limit)
        self.assertSame(plain, way)
        self.assertOneRun(way, 3)

    def test_cpu_limit(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (1, 3))

        done = self.compare([program("works_for"), 5000], ways=(HOOK,), status=-24, runs=False, preexec_fn=limit)
        self.assertGreaterEqual(len(done[HOOK].runs[0].rows), 10)


class Folders(CompareTest):
    def test_deleted_working_directory(self):
        for delay in (0, 150):
            with self.subTest(delay):
                self.compare([program("deletes_cwd"), delay], status=25, env={"PILLION_OUTPUT": "out.csv"}, files=False)

    @root_only
    def test_chroot_to_an_empty_folder(self):
        for delay in (0, 150):
            with self.subTest(delay):
                done = self.compare([program("chroots_to_empty"), delay], status=24)
                self.assertEqual(done[HOOK].result.stdout, b"chroot 0, chdir 0\n")

    @root_only
    def test_an_end_in_a_root_whose_proc_is_somebodys_waits_for_nobody(self):
        for what in ("fifos", "endless"):
            with self.subTest(what):
                self.compare([program("ends_in_strange_root"), what], ways=(HOOK,), status=47, files=False)

    @root_only
    def test_no_new_privs_without_proc_leaves_errno_alone(self):
        self.compare([program("no_new_privs_in_empty_root")], ways=(HOOK,), status=48, runs=False)

    @root_only
    def test_proc_is_taken_away(self):
        self.compare([program("removes_proc")], status=26)

    @root_only
    def test_a_user_namespace_is_entered_where_proc_has_been_taken_away(self):
        done = self.compare([program("removes_proc"), "user"], ways=(HOOK,), status=26)
        if b"user 0\n" not in done[HOOK].result.stdout:
            self.skipTest(pillion.forbidden("unshare -U"))

    @root_only
    def test_no_proc_from_the_start(self):
        """No readable /proc means no part, and not a word about it."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        plain = ["unshare", "-m", "sh", "-c", 'umount -l /proc && exec env ${HOOK:+LD_PRELOAD=$HOOK} "$0" 150 3',
                 program("sleeps_for")]
        done = self.one_way("none", plain, watch=False)
        self.assertEqual(done.result.status, 3, done.result)
        with_hook = self.one_way("none", plain, env={"HOOK": pillion.HOOK}, watch=False)
        self.assertSame(done, with_hook)

    def test_nowhere_to_write(self):
        """Nothing writable: the program ends as ever, the run was in memory."""
        for place in ("/proc/none", "/dev/null/none"):
            with self.subTest(place):
                self.compare([program("sleeps_for"), 150, 3], status=3, env={"PILLION_DIR": place}, runs=False)

    def test_state_is_removed_under_way(self):
        script = 'sleep 0.15; rm -rf "$PILLION_DIR"/runs; exec "$0" 200 3'
        self.compare(["sh", "-c", script, program("sleeps_for")], status=3, runs=False)

    def test_state_is_truncated_under_way(self):
        script = 'sleep 0.15; for f in "$PILLION_DIR"/runs/*/*; do [ ! -f "$f" ] || : > "$f"; done; exec "$0" 200 3'
        self.compare(["sh", "-c", script, program("sleeps_for")], status=3, runs=False)

    def test_output_file(self):
        way = self.one_way(HOOK, [program("sleeps_for"), 200, 3], env={"PILLION_OUTPUT": "out-%p.csv"})
        run = self.assertOneRun(way, 3, rows=2)
        copies = list(self.work.glob("out-*.csv"))
        self.assertEqual([copy.name for copy in copies], ["out-%d.csv" % run["pid"]])
        self.assertEqual(copies[0].read_bytes(), run.csv)


class Privileges(CompareTest):
    def both_ways(self, argv, status, runs):
        """Before its first row is due nothing of a run is on disk: who changes user by then and may not write to
        PILLION_DIR any more has a run in memory alone (`runs` False)."""
        done = self.compare(argv, status=status, runs=runs)
        if not runs:
            self.assertOneRun(done[RUN], status)
            self.assertLessEqual(len(done[HOOK].runs), 1)
        return done

    @root_only
    def test_changes_user(self):
        for delay in (0, 200):
            with self.subTest(delay):
                self.both_ways([program("changes_user"), delay], 17, delay > 0)

    @root_only
    def test_drops_capabilities_but_one(self):
        for delay in (0, 200):
            with self.subTest(delay):
                done = self.both_ways([program("keepcaps_drop"), delay], 18, delay > 0)
                self.assertIn(b"at the end: effective 400 permitted 400", done[HOOK].result.stdout)

    @root_only
    def test_setpriv(self):
        other = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
        for words in (other, ["--inh-caps=-all", "--bounding-set=-all"], ["--no-new-privs"]):
            with self.subTest(words):
                self.both_ways(["setpriv"] + words + [program("sleeps_for"), 200, 3], 3, words != other)

    @root_only
    def test_setpriv_in_a_shell_that_already_runs(self):
        """The image that goes on as another user cannot go on with root's run."""
        script = 'sleep 0.2; exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" 200 3'
        self.both_ways(["sh", "-c", script, program("sleeps_for")], 3, False)

    @root_only
    def test_su_and_runuser(self):
        for words in (["su", "-s", "/bin/sh", "nobody", "-c"], ["runuser", "-u", "nobody", "--", "sh", "-c"]):
            with self.subTest(words[0]):
                self.compare(words + ["id -u; exit 4"], status=4, runs=False)

    @root_only
    def test_setuid_program_is_left_alone(self):
        """The kernel says that it runs in secure mode: the hook, if loaded at all, takes no part."""
        def place(work):
            target = work.parent / "setuid"
            target.write_bytes(open(program("sleeps_for"), "rb").read())
            target.chmod(0o4755)

        done = self.compare([self.tmp / "setuid", 150, 3], status=3, before=place, uid=NOBODY, runs=False)
        self.assertEqual(done[HOOK].runs, [])
        self.assertOneRun(done[RUN], 3)

    @root_only
    def test_unshare(self):
        for kinds in (["user"], ["pid"], ["mount"], ["net"], ["ipc", "uts"], ["cgroup"], ["time"], ["fs"], ["files"],
                      ["sem"], ["user", "mount", "net"], ["user", "pid"], ["mount", "pid", "net", "ipc", "uts"]):
            with self.subTest(kinds):
                self.compare([program("unshares")] + kinds, status=19)

    def test_unshare_command(self):
        for words in (["-U"], ["-r"], ["-Urm"], ["-Urpf"]):
            with self.subTest(words):
                if not may("unshare", *words, "true"):
                    self.skipTest(pillion.forbidden("unshare %s" % words))
                self.compare(["unshare"] + words + [program("sleeps_for"), 150, 3], status=3)

    def test_an_exec_long_after_a_user_namespace_that_maps_nobody(self):
        """The run has begun by then, and goes on: one run, though its user has no number there."""
        if not may("unshare", "-U", "true"):
            self.skipTest(pillion.forbidden("unshare -U"))
        enters = ("import ctypes, os, sys, time; ctypes.CDLL(None).unshare(0x10000000); time.sleep(0.4);"
                  " os.execv(sys.argv[1], sys.argv[1:])")
        self.compare([sys.executable, "-c", enters, program("sleeps_for"), "150", "3"], status=3)

    @root_only
    def test_first_process_of_a_pid_namespace(self):
        """Under a /proc of its own it is what the first process of a container is: it leads a run of its own."""
        if not may("unshare", "-pf", "--mount-proc", "true"):
            self.skipTest(pillion.forbidden("unshare --mount-proc"))
        self.compare(["unshare", "-pf", program("forks_without_exec")], status=10)
        done = self.compare(["unshare", "-pf", "--mount-proc", program("forks_without_exec")], status=10, runs=False)
        self.assertOneRun(done[RUN], 10)
        self.assertEqual([(run["state"], run["exit_code"]) for run in done[HOOK].runs], [("local", 10)] * 2)

    def test_nobody_without_a_home(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become nobody")
        env = {"HOME": None, "PILLION_DIR": None}
        done = self.compare([program("sleeps_for"), 150, 3], status=3, uid=NOBODY, env=env, runs=False)
        self.assertEqual(done[HOOK].runs, [])


if __name__ == "__main__":
    pillion.main()
