# SPDX-License-Identifier: Apache-2.0
"""The pair that was built here, in older and newer systems and beside musl: programs end and say what they would
without it, and where the engine can be had there is a run.

What is older than these is covered by the list of symbols in tests/elf alone."""
import os
import signal
import unittest

import roots
from roots import pillion

SUITES = os.environ.get("PILLION_SUITES", "bullseye bookworm trixie").split()

FORKS = "i=0; while [ $i -lt 150 ]; do /bin/true & i=$((i+1)); done; wait; echo $i"
THREADS = """
import subprocess, sys, threading
seen = []
threads = [threading.Thread(target=lambda n=n: seen.append(n)) for n in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
print(sorted(seen), subprocess.call(["sh", "-c", "exit 4"]))
sys.exit(6)
"""
# name: (command, exit status or -signal)
PROGRAMS = {
    "true": (["true"], 0),
    "sh -c :": (["sh", "-c", ":"], 0),
    "an exit status": (["sh", "-c", "exit 3"], 3),
    "another shell's": (["bash", "-c", "(exit 5); exit $?"], 5),
    "a pipe": (["sh", "-c", "echo abc | cat | wc -c; exec ls /"], 0),
    "SIGTERM": (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
    "SIGKILL below": (["sh", "-c", "sh -c 'kill -KILL $$'; echo $?"], 0),
    "forks": (["sh", "-c", FORKS], 0),
    "perl": (["perl", "-e", "print `id -u`; $p = fork // die; exit 7 unless $p; wait; print $? >> 8; exit 8"], 8),
    "perl with NSS": (["perl", "-e", "print join(',', (getpwuid(0))[0, 7]), qq(\\n)"], 0),
    "python": (["python3", "-c", THREADS], 6),
    "some ticks": (["sh", "-c", "sleep 0.3; exit 2"], 2),
    "bare loader": (["sh", "-c", "exec /lib*/ld-linux-*.so.? --version | head -c 3"], 0),
}
MUSL_SOURCES = {"returns": "int main(void) { return 7; }",
                "writes": '#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\nvoid late(void) { puts("late"); }\n'
                          'int main(void) { atexit(late); printf("now "); usleep(200000); exit(9); }'}
MUSL_FILES = ("calls__exit", "quick_exits", "sleeps_for", "fork_storm", "exits_from_thread", "exits_in_atexit",
              "dies_by_signal", "returns_7", "spawns_threads", "vforks", "main_pthread_exits",
              "changes_user", "two_threads_exit")

# musl calls its own exit there, past the hook: another status than exit was first called with, or none.
UNSEEN = ("exits_in_atexit", "main_pthread_exits")


@unittest.skipUnless(os.geteuid() == 0, "only root can make and enter these systems")
class Matrix(pillion.PillionTest):
    def inside(self, root, argv, hook, also=(), uid=None, preload=roots.PAIR + "/libpillion.so"):
        """Runs argv in the root. The result, and the runs that it left."""
        state = self.tmp / "state"
        pillion.remove_folder(state)
        state.mkdir()
        if uid is not None:
            self.tmp.chmod(0o755)
            os.chown(state, uid, uid)
        env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PILLION_DIR": roots.STATE, "PILLION_INTERVAL": "0.05"}
        if hook:
            env["LD_PRELOAD"] = preload
        result = pillion.run(argv, preload=False, env=env,
                             preexec_fn=roots.entrance(root, pillion.BUILD / "lib", state, also, uid))
        return result, pillion.runs(state)

    def compare(self, root, argv, status=None, seen=True):
        plain, _ = self.inside(root, argv, hook=False)
        if status is not None:
            self.assertEqual(plain.status, status, plain)
        result, runs = self.inside(root, argv, hook=True)
        self.assertEqual((result.status, result.stdout, result.stderr), (plain.status, plain.stdout, plain.stderr))
        if plain.status < 0 or not seen:
            self.assertLessEqual(len(runs), 1, runs)
        else:
            self.assertEqual([(run.get("state"), run.get("exit_code")) for run in runs], [("local", plain.status)])
            self.assertGreaterEqual(len(runs[0].rows), 1)

    def smoke(self, suite):
        root = roots.debian(suite)
        for name, (argv, status) in PROGRAMS.items():
            with self.subTest("%s: %s" % (suite, name)):
                self.compare(root, argv, status)

    def test_musl(self):
        files = {name: pillion.SOURCE / "tests/programs" / (name + ".c") for name in MUSL_FILES}
        root = roots.musl(self.tmp / "root", dict(MUSL_SOURCES, **files))
        for name in tuple(MUSL_SOURCES) + MUSL_FILES:
            with self.subTest("musl: " + name):
                self.compare(root, ["/bin/" + name, "200"], seen=name not in UNSEEN)

    def test_secure_execution(self):
        """A hook that ld.so does load in secure mode, set-user-ID itself in a trusted folder or named by the system's own
        list, takes no part."""
        hook = self.tmp / "libpillion.so"
        hook.write_bytes(pillion.HOOK.read_bytes())
        hook.chmod(0o4755)
        listed = self.tmp / "list"
        listed.write_text(roots.PAIR + "/libpillion.so\n")
        trusted = [(hook, roots.PLACES[1]), (pillion.ENGINE, roots.PLACES[2])]
        for suite in SUITES:
            for how, also, preload in (("trusted", trusted, "libpillion.so"),
                                       ("listed", [(listed, roots.PLACES[0])], "")):
                with self.subTest("%s: %s" % (suite, how)):
                    self.secure(roots.debian(suite), also, preload)

    def secure(self, root, also, preload):
        program = self.tmp / "id"
        program.write_bytes((root / "usr/bin/id").read_bytes())
        program.chmod(0o4755)
        for argv, count in ((["/usr/bin/id", "-u"], 0), (["/usr/bin/uname"], 1)):
            place = [(program, "/usr/bin/id")] + also
            plain, _ = self.inside(root, argv, False, place[:1], uid=65534)
            result, runs = self.inside(root, argv, True, place, uid=65534, preload=preload)
            self.assertEqual((result.status, result.stdout, result.stderr), (0, plain.stdout, plain.stderr), argv)
            self.assertEqual(len(runs), count, runs)


def one_for_each(suite):
    def test(self):
        self.smoke(suite)
    return test


for name in SUITES:
    setattr(Matrix, "test_debian_" + name, one_for_each(name))


if __name__ == "__main__":
    pillion.main()
