# SPDX-License-Identifier: Apache-2.0
"""What starts daemons and what reaps orphans: their runs end with them, and no stranger is ever reaped."""
import re

from compare import HOOK, NONE, UnwatchedTest, need, pillion, program

DOUBLE_FORK = """
import os, time
time.sleep(0.2)
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.closerange(0, 65536)
    time.sleep(0.3)
    open("part", "w").write("the daemon was here")
    os.rename("part", "mark")
    os._exit(6)
os.wait()
raise SystemExit(5)
"""


class Daemons(UnwatchedTest):
    @staticmethod
    def mark(work):
        pillion.wait_for((work / "mark").exists, what="the daemon's mark")

    def test_python_forks_twice_and_closes_everything(self):
        self.compare([need("python3", "python3"), "-S", "-c", DOUBLE_FORK], status=5, after=self.mark)

    def test_start_stop_daemon(self):
        """It may have ended, and its run with it, before the daemon's program is loaded: that has its own run then."""
        start = [need("start-stop-daemon", "dpkg"), "--start", "--background", "--pidfile", self.work / "pid"]
        argv = start + ["--chdir", self.work, "--exec", need("sh", "dash"), "--", "-c",
                        "sleep 0.5; echo here > part; mv part mark"]
        done = self.compare(argv, status=0, after=self.mark, runs=False)
        starter, *daemons = done[HOOK].runs
        self.assertEqual((starter["command"][0], starter["state"], starter["exit_code"]), (argv[0], "local", 0))
        self.assertIn([run["command"][0] for run in daemons], [[], [need("sh", "dash")]])

    def test_setsid_leaves_the_lead_to_what_it_starts(self):
        argv = [need("setsid", "util-linux"), "-f", "sh", "-c", "sleep 0.5; echo here > part; mv part mark; exit 7"]
        way = self.one_way(HOOK, argv, after=self.mark)
        self.assertEqual(way.result.status, 0)
        run, = pillion.wait_for(lambda: [one for one in way.runs if one.get("state") == "local"], what="the run")
        self.assertEqual((run["command"][0], run["exit_code"]), ("sh", 7))


class Reapers(UnwatchedTest):
    REAPED = b"reaped: 4\nreaped: 3\nreaped: 5\n"

    def reaps(self, *argv, **how):
        done = self.compare([*argv, program("reaps_as_init")], status=37, **how)
        self.assertEqual(done[NONE].result.stdout, self.REAPED)

    def test_a_subreaper(self):
        self.reaps()

    def test_process_1(self):
        self.reaps(need("unshare", "util-linux"), "-p", "-f", "--mount-proc", env={"PILLION_EXCLUDE": "unshare"})

    def test_below_tini(self):
        self.reaps(need("tini", "tini"), "-s", "--")
        self.reaps(need("unshare", "util-linux"), "-p", "-f", "--mount-proc", need("tini", "tini"), "--",
                   env={"PILLION_EXCLUDE": "unshare"})

    def test_below_dumb_init(self):
        self.reaps(need("dumb-init", "dumb-init"))

    def test_what_tini_tells_of_those_that_it_reaps(self):
        argv = [need("tini", "tini"), "-s", "-vvv", "--", "sh", "-c", "(sleep 0.3; exit 5) & sleep 0.5; exit 3"]
        self.compare(argv, status=3, but=lambda text: re.sub(rb"[0-9]{2,}", b"", text))


if __name__ == "__main__":
    pillion.main()
