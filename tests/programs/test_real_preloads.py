# SPDX-License-Identifier: Apache-2.0
"""Other libraries in LD_PRELOAD, before and behind the hook: both do their work, and the program sees no difference."""
import os
import pathlib
import re
import subprocess

from compare import HOOK, NONE, RUN, UnwatchedTest, need, pillion, program

PYTHON = r"""
import os, subprocess, sys, threading, time
print(subprocess.run(["sh", "-c", "echo from a shell; exit 5"], capture_output=True))
threads = [threading.Thread(target=lambda: sorted(str(i) for i in range(20000))) for _ in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
pid = os.fork()
if pid == 0:
    print("child"), sys.exit(9)
print(os.waitpid(pid, 0)[1], len(bytearray(50 << 20)))
time.sleep(0.12)
sys.exit(43)
"""


def library(name, package, folder=""):
    """The path of a shared library that Debian has in the place for this machine."""
    machine = subprocess.run(["cc", "-print-multiarch"], stdout=subprocess.PIPE).stdout.decode().strip()
    path = pathlib.Path("/usr/lib") / machine / folder / name
    if not path.exists():
        raise AssertionError("%s is missing: install the package %s (tools/check does that)" % (path, package))
    return str(path)


class PreloadTest(UnwatchedTest):
    def assertBothOrders(self, other, argv, status=None, env=None, but=None, **how):
        """The hook before the other library, behind it, and the library alone below `pillion run`."""
        env = dict(env or {})
        plain = self.one_way(NONE, argv, env=dict(env, LD_PRELOAD=other), **how)
        if status is not None:
            self.assertEqual(plain.result.status, status, plain.result)
        self.assertEqual(plain.runs, [])
        for order, words in ((HOOK, other), (NONE, "%s:%s" % (other, pillion.HOOK)), (RUN, other)):
            with self.subTest(order=order, preload=words):
                way = self.one_way(order, argv, env=dict(env, LD_PRELOAD=words), **how)
                self.assertSame(plain, way, but)
                self.assertOneRun(way, plain.result.status)
        return plain


class Preloads(PreloadTest):
    def test_allocators(self):
        for name, package in (("libjemalloc.so.2", "libjemalloc2"),
                              ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
                              ("libmimalloc.so.2", "libmimalloc2.0")):
            with self.subTest(name):
                other = library(name, package)
                self.assertBothOrders(other, [program("cxx_statics")], 20)
                self.assertBothOrders(other, [program("fork_storm")], timeout=120)
                self.assertBothOrders(other, [need("python3", "python3"), "-c", PYTHON], 43)

    def test_eatmydata(self):
        """It makes fsync and its like do nothing: for the program, not for what pillion calls."""
        self.assertBothOrders(library("libeatmydata.so", "libeatmydata1"), [need("python3", "python3"), "-c", PYTHON],
                              43)

    def test_stdbuf(self):
        stdbuf = need("stdbuf", "coreutils")
        self.compare([stdbuf, "-oL", program("sleeps_for"), 150, 3], status=3)
        script = r"printf 'a\nb\n'; sleep 0.1; exit 4"
        self.assertBothOrders("/usr/libexec/coreutils/libstdbuf.so", ["sh", "-c", script], 4, env={"_STDBUF_O": "0"})

    def test_nss_wrapper(self):
        """Users and hosts of its own: what the program looks up, and what pillion does not."""
        users = "somebody:x:4242:4242:Some Body:/nowhere:/bin/false\n"
        groups = "somegroup:x:4242:\n"

        def before(work):
            (work / "passwd").write_text(users)
            (work / "group").write_text(groups)

        script = "import pwd, grp, time; print(pwd.getpwnam('somebody'), grp.getgrgid(4242)); time.sleep(0.12)"
        plain = self.assertBothOrders(library("libnss_wrapper.so", "libnss-wrapper"), [need("python3", "python3"), "-c",
                                                                                       script], 0, before=before,
                                      env={"NSS_WRAPPER_PASSWD": "passwd", "NSS_WRAPPER_GROUP": "group"})
        self.assertIn(b"Some Body", plain.result.stdout)

    def test_fakeroot(self):
        """A build as root that is none: also as a user for whom the faked calls are refused by the kernel."""
        fakeroot = need("fakeroot", "fakeroot")
        script = ("id -u; touch f; chown 12:34 f; chmod 4755 f; mknod null c 1 3; stat -c '%u %g %a %F' f null; "
                  "tar cf - f null | tar tvf - | cut -c1-30; sleep 0.15; exit 6")
        for uid in (None, 65534) if os.getuid() == 0 else (None,):
            with self.subTest(uid=uid):
                done = self.compare([fakeroot, "sh", "-c", script], status=6, uid=uid, but=self.without_times,
                                    files=False, timeout=60)
                self.assertIn(b"12 34 4755", done[HOOK].result.stdout)
                self.assertIn(b"1,3", done[HOOK].result.stdout)
                command = [fakeroot, "sh", "-c", "LD_PRELOAD=$LD_PRELOAD:%s; exec sh -c '%s'"
                           % (pillion.HOOK, script.replace("'", "'\\''"))]
                behind = self.one_way(NONE, command, uid=uid, files=False)
                done[NONE].files = {}
                self.assertSame(done[NONE], behind, self.without_times)
                self.assertOneRun(behind, 6)

    @staticmethod
    def without_times(text):
        return re.sub(rb"\d{4}-\d\d-\d\d.*", b"", text)

    def test_profiler(self):
        """SIGPROF at 1000 Hz: our thread has no part in it, and the program's calls are interrupted as often."""
        for argv, status in (([program("cxx_statics")], 20), ([program("works_for"), 300, 3], None)):
            self.assertBothOrders(library("libprofiler.so.0", "libgoogle-perftools4"), argv, status, files=False,
                                  env={"CPUPROFILE": "profile", "CPUPROFILE_FREQUENCY": "1000"},
                                  but=lambda text: re.sub(rb"PROFILE: interrupts/evictions/bytes = .*\n", b"", text))


class Clocks(PreloadTest):
    """Time is the kernel's for pillion, whatever the program is made to believe."""

    DATES = ("import time, datetime; print(datetime.datetime.now().isoformat(' ', 'seconds')[:%d]);"
             "time.sleep(0.3); print(time.time() < 1e9); exit(5)")

    def assertTrueTime(self, way):
        run = way.runs[0]
        self.assertRegex(run["started_at"], r"^20[2-9]\d-")
        self.assertGreater(run.rows[0]["timestamp"], 1.7e9)
        self.assertLess(run.rows[-1]["timestamp"] - run.rows[0]["timestamp"], 60)

    def test_faketime(self):
        python = need("python3", "python3")
        for name, fake in (("libfaketime.so.1", "2001-02-03 04:05:06"), ("libfaketimeMT.so.1", "@2001-02-03 04:05:06"),
                           ("libfaketime.so.1", "@2001-02-03 04:05:06 x50")):
            with self.subTest(name=name, fake=fake):
                plain = self.assertBothOrders(library(name, "libfaketime", "faketime"), [python, "-c", self.DATES % 15],
                                              5, env={"FAKETIME": fake, "TZ": "UTC"})
                self.assertEqual(plain.result.stdout, b"2001-02-03 04:0\nTrue\n")
        self.assertTrueTime(self.one_way(HOOK, [python, "-c", self.DATES % 15],
                                         env={"LD_PRELOAD": library("libfaketime.so.1", "libfaketime", "faketime"),
                                              "FAKETIME": "@2001-02-03 04:05:06", "TZ": "UTC"}))

    def test_faketime_jumps(self):
        """Back and forth while the program runs: the file that it follows is rewritten."""
        script = ("import os, time\nfor stamp in ('+0', '-3000d', '+3000d', '-1d'):\n"
                  "    open('new', 'w').write(stamp), os.replace('new', 'clock'), time.sleep(0.1)\nprint('done')")
        env = {"FAKETIME_TIMESTAMP_FILE": "clock", "FAKETIME_NO_CACHE": "1"}
        self.assertBothOrders(library("libfaketime.so.1", "libfaketime", "faketime"),
                              [need("python3", "python3"), "-c", script], 0, env=env)

    def test_the_command_faketime(self):
        self.compare([need("faketime", "faketime"), "-f", "@2001-02-03 04:05:06", "sh", "-c",
                      "date -u +%Y; sleep 0.12"],
                     status=0)

    def test_namespace_of_time(self):
        """The clocks since boot are other ones below: processes are still told apart, there is one run."""
        if os.getuid() != 0:
            self.skipTest("needs root")
        unshare = [need("unshare", "util-linux"), "-T", "--boottime", "1000000", "--monotonic", "1000000"]
        script = 'sh -c "exit 3"; "$0" 250 4; exit $?'
        for words in ([], ["--fork"]):
            with self.subTest(words):
                self.compare(unshare + words + ["sh", "-c", script, program("sleeps_for")], status=4)
                self.compare(["sh", "-c", '"$@"; exit $?', "sh"] + unshare + words +
                             ["sh", "-c", script, program("sleeps_for")], status=4)


if __name__ == "__main__":
    pillion.main()
