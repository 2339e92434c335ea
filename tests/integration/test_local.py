#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Without a token: rows on disk, no socket, and what the variables promise."""
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, Cases, LocalTest, pillion  # noqa: E402


class NoNetwork(LocalTest):
    def trace(self, preload, *argv, **variables):
        """The network calls of a program and all below it, as strace tells them."""
        path = self.tmp / "trace"
        words = ["strace", "-f", "-qq", "-e", "trace=%net", "-e", "signal=none", "-o", str(path)]
        if preload:
            words += ["-E", "LD_PRELOAD=%s" % pillion.HOOK]
        result = self.launch(*words + list(argv), preload=False, env=self.env(**variables))
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return [line for line in path.read_text().splitlines() if "+++" not in line]

    def test_without_a_token_there_is_no_socket_at_all(self):
        self.assertTrue(shutil.which("strace"), "strace is missing: apt-get install strace")
        names = {"SENTINEL_API_URL": "http://127.0.0.1:9", "PILLION_CLOUD": "probe", "http_proxy": "http://127.0.0.1:9"}
        for argv in (("sleep", "0.5"), ("sh", "-c", "sleep 0.2; sh -c 'sleep 0.2'"),
                     (PYTHON, "-S", "-c", "import time; time.sleep(0.4)")):
            for variables in ({}, {"SENTINEL_API_TOKEN": "", "SENTINEL_API_KEY": "", "SENTINEL_API_TOKEN_FILE": ""}):
                with self.subTest(argv=argv, variables=variables):
                    before = len(self.runs())
                    plain = self.trace(False, *argv)
                    self.assertEqual(self.trace(True, *argv, **dict(names, **variables)), plain)
                    self.assertEqual(plain, [])
                    self.assertEqual(len(self.runs()), before + 1, "the traced program made no run")


class OnDisk(LocalTest):
    def test_a_run_without_a_token_is_local_and_complete(self):
        result = self.launch("sh", "-c", "echo out; echo err >&2; sleep 0.5; exit 3")
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"]), ("local", 3))
        self.assertGreaterEqual(len(run.rows), 3)
        for key in ("sentinel_run_id", "token_id", "result"):
            self.assertFalse(run.get(key), key)

    def test_the_default_place_is_below_home_or_the_state_home(self):
        state = self.tmp / "xdg"
        state.mkdir()
        self.launch("sleep", "0.2", env=self.env(PILLION_DIR=None))
        self.launch("sleep", "0.2", env=self.env(PILLION_DIR="", XDG_STATE_HOME=state))
        self.assertEqual(len(pillion.runs(self.home / ".local" / "state" / "pillion")), 1)
        self.assertEqual(len(pillion.runs(state / "pillion")), 1)

    def test_every_other_program_has_its_own_run(self):
        programs = [self.start("sleep", "0.3") for _ in range(4)]
        for program in programs:
            self.assertEqual(program.wait().status, 0)
        found = self.runs()
        self.assertEqual(sorted(run["pid"] for run in found), sorted(program.pid for program in programs))
        for run in found:
            self.assertEqual(run["state"], "local")
            run.rows  # strict

    def test_an_exec_in_place_loses_no_cpu_time(self):
        script = self.work / "again.py"
        script.write_text("import os, sys, time\n"
                          "end = time.process_time() + 0.35\n"
                          "while time.process_time() < end: pass\n"
                          "left = int(sys.argv[1])\n"
                          "if left: os.execv(sys.executable, [sys.executable, '-S', sys.argv[0], str(left - 1)])\n")
        self.launch(PYTHON, "-S", script, "4", env=self.env(PILLION_INTERVAL="0.15"))
        run = self.only_run()
        seen = sum(float(row["process_utime"]) + float(row["process_stime"]) for row in run.rows)
        truth = run["totals"]["user_s"] + run["totals"]["system_s"]
        self.assertGreater(truth, 1.5)
        self.assertAlmostEqual(seen, truth, delta=0.1 + 0.02 * truth)  # what came before the load is not in the rows

    def test_a_program_that_ends_on_a_tick_has_rising_timestamps(self):
        for _ in range(2):
            programs = [self.start("sleep", "0.3") for _ in range(8)]
            for program in programs:
                self.assertEqual(program.wait().status, 0)
        for run in self.runs():
            run.rows  # strict

    def test_no_place_anywhere_changes_nothing_for_the_program(self):
        result = self.launch("sh", "-c", "echo out; sleep 0.3; exit 3", env=self.env(PILLION_DIR="/proc/no/such/place"))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b""))

    def test_a_place_that_is_a_file_or_full_changes_nothing(self):
        (self.tmp / "file").write_text("x")
        for place in (self.tmp / "file", "/dev/full", "relative/../place", "x" * 5000):
            with self.subTest(place=str(place)[:40]):
                result = self.launch("sh", "-c", "sleep 0.2; exit 3", env=self.env(PILLION_DIR=place))
                self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))


LARGE = "x = bytearray(b'x') * (200 << 20); sum(range(10 ** 7))"
BURN = "import time; end = time.process_time() + %s\nwhile time.process_time() < end: pass\n"


class Totals(LocalTest):
    """Of the run alone, and of all of it."""

    def checked(self, run):
        """CPU is that of the rows."""
        seen = sum(row["process_utime"] + row["process_stime"] for row in run.rows)
        self.assertAlmostEqual(run["totals"]["user_s"] + run["totals"]["system_s"], seen, delta=0.01 + 0.01 * seen)
        return run["totals"], seen

    def test_what_the_process_used_before_it_became_the_program_is_not_the_runs(self):
        script = "%s -S -c '%s'; LD_PRELOAD=%s exec sleep 0.5"
        self.launch("sh", "-c", script % (PYTHON, LARGE.replace("'", '"'), pillion.HOOK), preload=False)
        totals, seen = self.checked(self.only_run())
        self.assertLess(seen, 0.1)
        self.assertLess(totals["max_rss_kib"], 50 << 10)
        self.assertTrue(totals["max_rss_exact"])
        self.assertLess(totals["minor_faults"], 5000)
        text = self.pillion("show").stdout.decode()
        self.assertNotIn("since that was made", text)

    def test_what_pillion_run_reaped_before_is_not_the_runs(self):
        script = "%s -S -c '%s'; exec %s run --summary -- %s -S -c '%s'"
        words = (PYTHON, LARGE.replace("'", '"'), pillion.COMMAND, PYTHON, (BURN % 0.2).replace("'", '"'))
        result = self.launch("sh", "-c", script % words, preload=False)
        totals, seen = self.checked(self.only_run())
        self.assertGreater(seen, 0.19)
        self.assertLess(seen, 0.6)
        self.assertLess(totals["max_rss_kib"], 100 << 10)
        self.assertFalse(totals["max_rss_exact"])
        self.assertNotIn(b"peak 2", result.stderr)

    def test_a_child_that_still_runs_at_the_end_is_the_runs(self):
        child = LARGE.replace("200", "60") + "\n" + BURN % 0.4 + "print(flush=True)\ntime.sleep(60)"
        script = ("import subprocess, sys\n"
                  "child = subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]], stdout=subprocess.PIPE)\n"
                  "child.stdout.readline()\n"
                  "import os; os.write(1, b'%d' % child.pid)\n")
        result = self.launch(PYTHON, "-S", "-c", script, child)
        os.kill(int(result.stdout), signal.SIGKILL)
        totals, seen = self.checked(self.only_run())
        self.assertGreater(seen, 0.39)
        self.assertGreater(totals["max_rss_kib"], 60 << 10)
        self.assertGreater(totals["minor_faults"], (60 << 20) // os.sysconf("SC_PAGESIZE"))

    def test_workers_that_somebody_else_reaped_are_the_runs(self):
        script = self.work / "pool.py"
        script.write_text("import multiprocessing, time\n"
                          "def work(seconds):\n"
                          "    end = time.process_time() + seconds\n"
                          "    while time.process_time() < end: pass\n"
                          "if __name__ == '__main__':\n"
                          "    with multiprocessing.get_context('forkserver').Pool(2) as pool:\n"
                          "        pool.map(work, [0.4] * 2)\n")
        self.launch(PYTHON, script, timeout=120)
        totals, seen = self.checked(self.only_run())
        self.assertGreater(seen, 0.75)

    def test_an_exec_in_place_keeps_what_the_image_before_used(self):
        script = "%s -S -c '%s'; sleep 1.2; exec %s -S -c '%s'"
        words = (PYTHON, LARGE.replace("'", '"'), PYTHON, (BURN % 0.3).replace("'", '"'))
        self.launch("sh", "-c", script % words)
        totals, seen = self.checked(self.only_run())
        self.assertGreater(seen, 0.29)
        self.assertGreater(totals["max_rss_kib"], 200 << 10)
        self.assertTrue(totals["max_rss_exact"])


class Ticks(LocalTest):
    def test_no_row_shows_more_cpu_than_the_machine_has(self):
        """The kernel counts in ticks of 10 ms; the last row may be as short as one."""
        cpus = os.sysconf("SC_NPROCESSORS_ONLN")
        burners = [self.start("sh", "-c", "while :; do :; done", preload=False) for _ in range(cpus)]
        try:
            for interval, seconds in (("1", "1.003"), ("0.1", "0.503"), ("0.05", "0.402")):
                for _ in range(3):
                    self.launch("sleep", seconds, env=self.env(PILLION_INTERVAL=interval))
        finally:
            for burner in burners:
                burner.signal(signal.SIGKILL)
                burner.wait()
        runs = self.runs()
        self.assertEqual(len(runs), 9)
        for run in runs:
            for row in run.rows:
                self.assertLessEqual(row["system_cpu_usage"], cpus, row)
                self.assertLessEqual(row["process_cpu_usage"], cpus, row)
            for before, row in zip(run.rows, run.rows[1:]):
                seconds = row["timestamp"] - before["timestamp"] + 0.001
                self.assertLessEqual(row["system_utime"] + row["system_stime"], cpus * seconds + 1e-6, row)
        self.assertGreater(max(row["system_cpu_usage"] for run in runs for row in run.rows), 0.5 * cpus)


class Wakes(LocalTest):
    def look(self, task, rows):
        """When there are so many: how many there are, and how often the thread has gone to sleep."""
        pillion.wait_for(lambda: self.runs() and len(self.only_run().raw_rows) >= rows, what="%d rows" % rows)
        status = (task / "status").read_text()
        return len(self.only_run().raw_rows), int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])

    def test_the_thread_wakes_for_its_rows_and_hardly_ever_else(self):
        program = self.start("sleep", "60", env=self.env(PILLION_INTERVAL="0.7"))
        pillion.wait_for(lambda: pillion.is_leader(program.pid), what="a leader")
        task = next(task for task in pathlib.Path("/proc/%d/task" % program.pid).iterdir()
                    if (task / "comm").read_text() == "pillion\n")
        looks = [self.look(task, rows) for rows in (1, 5, 9)]
        wakes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in zip(looks, looks[1:])]
        self.assertLess(min(wakes), 1.4, looks)  # a busy disk may add to them


class Output(LocalTest):
    def test_the_csv_is_written_elsewhere_too(self):
        result = self.launch("sleep", "0.35", env=self.env(PILLION_OUTPUT="%p-%h-%r-%%.csv"))
        self.assertSilent(result)
        run = self.only_run()
        path = self.work / ("%d-%s-%s-%%.csv" % (result.pid, socket.gethostname(), run["id"]))
        self.assertEqual([entry.name for entry in self.work.iterdir()], [path.name])
        self.assertEqual(path.read_bytes(), run.csv)

    def test_it_is_truncated_when_a_run_starts_and_appended_to_across_exec(self):
        path = self.work / "rows.csv"
        path.write_text("old " * 10000)
        self.launch("sh", "-c", "sleep 0.4; exec sleep 0.3", env=self.env(PILLION_OUTPUT=path))
        self.assertEqual(path.read_bytes(), self.only_run().csv)
        self.launch("sleep", "0.2", env=self.env(PILLION_OUTPUT=path))
        self.assertEqual(path.read_bytes(), self.runs()[-1].csv)

    def test_rows_from_before_the_minimum_are_in_it_with_one_header(self):
        for script in ("sleep 0.9", "sleep 0.35; exec sleep 0.6", "sleep 0.7; exec sleep 0.3"):
            with self.subTest(script):
                pillion.remove_folder(self.dir)
                self.launch("sh", "-c", script, env=self.env(PILLION_OUTPUT="rows.csv", PILLION_MIN_SECONDS="0.5"))
                run = self.only_run()
                self.assertEqual((self.work / "rows.csv").read_bytes(), run.csv)
                self.assertEqual(run.csv.count(b"timestamp"), 1)
                self.assertEqual(run["cost"]["rows"], len(run.rows))

    def test_the_program_may_go_elsewhere_and_pause_us(self):
        """unshare(CLONE_NEWUSER) works in a process without other threads only: ours steps aside and comes back."""
        text = ("import ctypes, os, time\n"
                "time.sleep(0.25); os.mkdir('other'); os.chdir('other')\n"
                "ctypes.CDLL(None).unshare(0x10000000)\n"
                "time.sleep(0.3)\n")
        self.launch(PYTHON, "-S", "-c", text, env=self.env(PILLION_OUTPUT="rows.csv", PILLION_DIR="state"))
        run = pillion.runs(self.work / "state")[0]
        self.assertEqual((run["state"], run["exit_code"]), ("local", 0))
        self.assertGreaterEqual(len(run.rows), 4)
        self.assertEqual((self.work / "rows.csv").read_bytes(), run.csv)
        self.assertEqual(list((self.work / "other").iterdir()), [])

    def test_the_other_name_counts_when_it_is_unset(self):
        self.launch("sleep", "0.2", env=self.env(TRACKER_OUTPUT="theirs.csv"))
        self.launch("sleep", "0.2", env=self.env(TRACKER_OUTPUT="never.csv", PILLION_OUTPUT="ours.csv"))
        self.assertEqual(sorted(entry.name for entry in self.work.iterdir()), ["ours.csv", "theirs.csv"])

    def test_it_is_relative_to_the_directory_at_load(self):
        self.launch("sh", "-c", "cd /; sleep 0.3", env=self.env(PILLION_OUTPUT="rows.csv"))
        self.assertEqual((self.work / "rows.csv").read_bytes(), self.only_run().csv)

    def test_what_is_no_regular_file_is_left_alone(self):
        fifo = self.work / "fifo"
        os.mkfifo(fifo)
        for number, path in enumerate((fifo, "/dev/full", self.work, "/no/such/folder/rows.csv", "/proc/self/mem"), 1):
            with self.subTest(path=str(path)):
                result = self.launch("sh", "-c", "sleep 0.25; exit 3", env=self.env(PILLION_OUTPUT=path), timeout=20)
                self.assertEqual((result.status, result.stderr), (3, b""))
                found = self.runs()
                self.assertEqual((len(found), found[-1]["state"]), (number, "local"))
                self.assertIn("PILLION_OUTPUT", found[-1].log)


class Switches(LocalTest):
    def test_disabled_is_disabled(self):
        cases = {value: (value, 0) for value in ("1", "true", "YES", "on", "On", "anything", " ")}
        cases.update({value or "(empty)": (value, 1) for value in ("", "0", "no", "No", "false", "FALSE", "off")})

        def check(name, value, expected):
            folder = self.tmp / ("dir " + name)
            result = pillion.run(["sleep", "0.2"], env=self.env(PILLION_DISABLE=value, PILLION_DIR=folder))
            self.assertEqual((result.status, result.stderr), (0, b""))
            self.assertEqual(len(pillion.runs(folder)), expected)

        Cases(self).run(cases, check)

    def test_excluded_programs_pass_the_lead_on(self):
        sleep = os.path.realpath(shutil.which("sleep"))
        base = os.path.basename(sleep)
        shell = os.path.basename(os.path.realpath(shutil.which("sh")))
        cases = {
            "excluded by name": ({"PILLION_EXCLUDE": "x:%s:y" % base}, ("sleep", "0.2"), []),
            "excluded by pattern": ({"PILLION_EXCLUDE": base[:3] + "*"}, ("sleep", "0.2"), []),
            "excluded by path": ({"PILLION_EXCLUDE": "/*/" + base}, ("sleep", "0.2"), []),
            "another is excluded": ({"PILLION_EXCLUDE": "x*:/opt/*/" + base}, ("sleep", "0.2"), ["sleep"]),
            "included": ({"PILLION_INCLUDE": base}, ("sleep", "0.2"), ["sleep"]),
            "not included": ({"PILLION_INCLUDE": "x:/opt/*"}, ("sleep", "0.2"), []),
            "exclude wins": ({"PILLION_INCLUDE": base, "PILLION_EXCLUDE": base}, ("sleep", "0.2"), []),
            "the child leads": ({"PILLION_EXCLUDE": shell}, ("sh", "-c", "sleep 0.2; :"), ["sleep"]),
            "the next image leads": ({"PILLION_EXCLUDE": shell}, ("sh", "-c", "exec sleep 0.2"), ["sleep"]),
        }

        def check(name, variables, argv, expected):
            folder = self.tmp / ("dir " + name)
            result = pillion.run(argv, env=self.env(PILLION_DIR=folder, **variables))
            self.assertEqual((result.status, result.stderr), (0, b""))
            commands = [run["registration"]["job_name"] for run in pillion.runs(folder)]
            self.assertEqual(commands, expected)

        Cases(self).run(cases, check)

    def test_patterns_match_each_name_that_leads_to_a_program(self):
        """Links to it, links among the folders above it, the interpreter of a script."""
        tools, real = self.tmp / "tools", self.tmp / "tools-1.2"
        real.mkdir()
        tools.symlink_to(real)
        shutil.copy(shutil.which("sleep"), real / "sleep-9.1")
        (real / "sleep9").symlink_to("sleep-9.1")
        (real / "naps").symlink_to("sleep9")
        shutil.copy(shutil.which("dash"), real / "dash-3.11")
        (real / "dash3").symlink_to("dash-3.11")
        (real / "job").write_text("#!%s\nsleep 0.2\n:\n" % (tools / "dash3"))
        (real / "job").chmod(0o755)
        for wrapper in ("timeout", "env"):
            shutil.copy(shutil.which(wrapper), real / (wrapper + "-tool"))
            (real / wrapper).symlink_to(wrapper + "-tool")
        path = "%s:%s" % (tools, os.environ["PATH"])
        naps, job, dash = str(tools / "naps"), str(tools / "job"), str(tools / "dash3")
        cases = {
            "a link to a link": ({"PILLION_EXCLUDE": "naps"}, (naps, "0.2"), []),
            "its file": ({"PILLION_EXCLUDE": "sleep-9.1"}, (naps, "0.2"), []),
            "a link between, which nobody used": ({"PILLION_EXCLUDE": "sleep9"}, (naps, "0.2"), ["sleep-9.1"]),
            "found by PATH": ({"PILLION_EXCLUDE": "sh:naps"}, ("sh", "-c", 'exec naps "$0"', "0.2"), []),
            "a path through a linked folder": ({"PILLION_EXCLUDE": str(tools) + "/*"}, (naps, "0.2"), []),
            "the path without links": ({"PILLION_EXCLUDE": str(real) + "/*"}, (naps, "0.2"), []),
            "another path": ({"PILLION_EXCLUDE": "/opt/*/naps"}, (naps, "0.2"), ["sleep-9.1"]),
            "included by a link": ({"PILLION_INCLUDE": "naps"}, (naps, "0.2"), ["sleep-9.1"]),
            "not included": ({"PILLION_INCLUDE": "sleep9"}, (naps, "0.2"), []),
            "exclude wins by another name": ({"PILLION_INCLUDE": "naps", "PILLION_EXCLUDE": "sleep-*"}, (naps, "0.2"), []),
            "the interpreter's link": ({"PILLION_EXCLUDE": "dash3"}, (job,), ["sleep"]),
            "a script's own name is none": ({"PILLION_INCLUDE": "job"}, (job,), []),
            "the child of one excluded by a link leads": ({"PILLION_EXCLUDE": "dash3"}, (dash, "-c", "sleep 0.2; :"), ["sleep"]),
            "argument 0": ({"PILLION_EXCLUDE": "bash:worker"}, ("bash", "-c", "exec -a worker sleep 0.2"), []),
            "a wrapper by link, which waits": ({}, (str(tools / "timeout"), "5", naps, "0.2"), ["sleep-9.1"]),
            "a wrapper by link, which execs": ({}, (str(tools / "env"), naps, "0.2"), ["sleep-9.1"]),
        }

        def check(name, variables, argv, expected):
            folder = self.tmp / ("dir " + name)
            pillion.run(argv, env=dict(self.env(PILLION_DIR=folder, **variables), PATH=path))
            self.assertEqual([run["registration"]["job_name"] for run in pillion.runs(folder)], expected)

        Cases(self).run(cases, check)

    def test_those_that_only_wrap_take_no_part(self):
        wrappers = [["nice", "-n", "0"], ["nohup"], ["timeout", "20"], ["env"], ["setsid", "-w"]]
        for number, words in enumerate((words for words in wrappers if shutil.which(words[0])), 1):
            with self.subTest(words):
                self.launch(*words + ["sleep", "0.2"])
                found = self.runs()
                self.assertEqual(len(found), number)
                self.assertEqual(found[-1]["registration"]["job_name"], "sleep")

    def test_a_program_below_the_minimum_leaves_no_run(self):
        self.launch("sleep", "0.3", env=self.env(PILLION_MIN_SECONDS="2"))
        self.assertEqual(self.runs(), [])
        self.launch("sleep", "0.6", env=self.env(PILLION_MIN_SECONDS="0.3"))
        self.assertEqual(self.only_run()["state"], "local")

    def test_signals_can_be_left_alone(self):
        program = self.start("sleep", "30", env=self.env(PILLION_SIGNALS="off"))
        pillion.wait_for(lambda: self.runs() and self.runs()[0].csv, what="a row")
        program.signal(signal.SIGTERM)
        self.assertEqual(program.wait().status, -signal.SIGTERM)
        self.assertEqual(self.only_run()["state"], "running")


class Log(LocalTest):
    def test_a_log_can_be_copied_to_a_file(self):
        self.assertSilent(self.launch("sleep", "0.3", env=self.env(PILLION_LOG="log", PILLION_RANKS="wrong")))
        log = self.only_run().log
        self.assertIn("PILLION_RANKS", log)
        self.assertEqual((self.work / "log").read_text(), log)

    def test_a_log_can_be_copied_to_stderr(self):
        result = self.launch("sleep", "0.3", env=self.env(PILLION_LOG="stderr", PILLION_RANKS="wrong"))
        log = self.only_run().log
        self.assertIn("PILLION_RANKS", log)
        self.assertEqual(result.stderr.decode(), log)

    def test_a_log_that_can_not_be_written_changes_nothing(self):
        for path in ("/dev/full", "/no/such/folder/log", self.work):
            self.assertSilent(self.launch("sleep", "0.2", env=self.env(PILLION_LOG=path, PILLION_RANKS="wrong")))
        self.assertEqual([run["state"] for run in self.runs()], ["local"] * 3)

    def test_a_program_of_milliseconds_has_its_warning_in_the_log(self):
        self.assertSilent(self.launch("/bin/true", env=self.env(PILLION_RANKS="wrong")))
        self.assertIn("PILLION_RANKS", self.only_run().log)

    def test_a_quiet_run_has_an_empty_log(self):
        self.assertSilent(self.launch("sleep", "0.3", env=self.env(PILLION_CLOUD=None)))
        self.assertEqual(self.only_run().log, "")

    INVALID = [  # variable, value, a word of what is allowed, the default used instead
        ("PILLION_INTERVAL", "fast", "3600", "1"),
        ("PILLION_INTERVAL", "0.01", "0.05", "1"),
        ("PILLION_INTERVAL", "4000", "3600", "1"),
        ("PILLION_INTERVAL", "1s", "3600", "1"),
        ("PILLION_INTERVAL", "nan", "3600", "1"),
        ("TRACKER_UPLOAD_INTERVAL", "0", "86400", "60"),
        ("PILLION_UPLOAD_INTERVAL", "x", "86400", "60"),
        ("PILLION_EXIT_TIMEOUT", "-1", "0", "5"),
        ("PILLION_KEEP", "many", "", "200"),
        ("PILLION_MIN_SECONDS", "-3", "", "0"),
        ("PILLION_RANKS", "some", "node", "node"),
        ("PILLION_SIGNALS", "maybe", "off", "on"),
        ("PILLION_SHARE", "everything", "hostname", ""),
        ("PILLION_CLOUD", "yes please", "auto", "auto"),
        ("PILLION_LOG_LEVEL", "loud", "debug", "warn"),
        ("PILLION_S3_ENDPOINT", "not a url", "", ""),
        ("PILLION_OTLP_ENDPOINT", "localhost:4318", "http", "unset"),
        ("TRACKER_TAGS", "no equals sign", "", ""),
    ]

    def test_an_invalid_value_is_reported_once_and_its_default_used(self):
        def check(name, variable, value, allowed, default):
            folder = self.tmp / ("dir %s" % name.replace("/", "_"))
            variables = dict({"PILLION_DIR": folder, "PILLION_INTERVAL": None, variable: value})
            result = pillion.run(["sh", "-c", "sleep 0.2; exit 3"], env=self.env(**variables))
            self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
            found = pillion.runs(folder)
            self.assertEqual(len(found), 1)
            lines = [line for line in found[0].log.splitlines() if variable in line]
            self.assertEqual(len(lines), 1, found[0].log)
            for word in (value, allowed, default):
                self.assertIn(word, lines[0])

        Cases(self).run({"%s=%s" % case[:2]: case for case in self.INVALID}, check)

    def test_an_unknown_name_is_reported_with_the_nearest_right_one(self):
        result = self.launch("sleep", "0.2", env=self.env(PILLION_INTERVALL="2", PILLION_OUPUT="x", PILLION_LOGLEVEL="debug",
                                                          PILLIONAIRE="rich"))
        self.assertSilent(result)
        log = self.only_run().log
        for wrong, right in (("PILLION_INTERVALL", "PILLION_INTERVAL"), ("PILLION_OUPUT", "PILLION_OUTPUT"),
                             ("PILLION_LOGLEVEL", "PILLION_LOG_LEVEL")):
            lines = [line for line in log.splitlines() if wrong in line]
            self.assertEqual(len(lines), 1, log)
            self.assertRegex(lines[0], r"\b%s\b" % right)
        self.assertNotIn("PILLIONAIRE", log)

    def test_right_values_are_not_reported(self):
        variables = {"PILLION_INTERVAL": "0.5", "TRACKER_UPLOAD_INTERVAL": "30", "PILLION_KEEP": "10,5M",
                     "PILLION_EXIT_TIMEOUT": "0", "PILLION_RANKS": "node", "PILLION_SIGNALS": "Off",
                     "PILLION_SHARE": "hostname,ip", "PILLION_CLOUD": "auto", "PILLION_LOG_LEVEL": "warn",
                     "TRACKER_TAGS": "a=b", "PILLION_MIN_SECONDS": "0.1", "PILLION_DISABLE": "0"}
        self.assertSilent(self.launch("sleep", "0.3", env=self.env(**variables)))
        log = self.only_run().log
        for name in variables:
            self.assertNotIn(name, log)


class Keep(LocalTest):
    def many(self, count, days_ago=2):
        """Copies of one ended run, older than anything made now."""
        self.launch("sleep", "0.2")
        run = self.only_run()
        now = time.time() - days_ago * 86400
        for number in range(count):
            name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now + number)) + "-node-%d" % (4000 + number)
            path = run.path.with_name(name)
            shutil.copytree(run.path, path)
            text = re.sub(re.escape(run["id"]), name, (path / "run.jsonl").read_text())
            (path / "run.jsonl").write_text(text)
            for entry in list(path.iterdir()) + [path]:
                os.utime(entry, (now + number, now + number))
        pillion.remove_folder(run.path)
        for entry in self.dir.iterdir():
            if entry.name != "runs":  # whatever says when it was pruned last
                entry.unlink() if entry.is_file() else pillion.remove_folder(entry)

    def test_the_oldest_ended_runs_go_when_there_are_too_many(self):
        self.many(8)
        before = [run.directory for run in self.runs()]
        self.assertEqual(len(before), 8)
        left = before
        for _ in range(20):  # on time that nobody waits for: a busy machine may end the program before it is done
            self.assertSilent(self.launch("sleep", "0.2", env=self.env(PILLION_KEEP="3,1G")))
            left = [run.directory for run in self.runs()]
            if len(left) <= 4:
                break
            (self.dir / "pruned").unlink()
            pillion.remove_folder(self.dir / "runs" / left[-1])
        self.assertIn(len(left), (3, 4), "ended runs kept, with or without the new one: %s" % left)
        self.assertEqual(left[:-1], before[-(len(left) - 1):], "the newest ones are kept")

    def test_on_a_slow_disk_no_end_waits_for_many_of_them_to_go(self):
        """Each file takes a fifth of a second to go."""
        self.many(30)
        for _ in range(2):
            words = ["strace", "-f", "-qq", "-e", "trace=unlinkat", "-e", "signal=none", "-e",
                     "inject=unlinkat:delay_enter=200000", "-o", self.tmp / "trace", "-E", "LD_PRELOAD=%s" % pillion.HOOK]
            before = len(self.runs())
            result = self.launch(*words + ["sleep", "0.2"], preload=False, env=self.env(PILLION_KEEP="3,1G"))
            self.assertEqual((result.status, result.stdout), (0, b""), result)  # strace may have something to say
            self.assertLessEqual(before + 1 - len(self.runs()), 2, "runs that went while the program was held")

    def test_within_the_limits_nothing_goes(self):
        self.many(4)
        self.launch("sleep", "1.2", env=self.env(PILLION_KEEP="50,1G"))
        self.assertEqual(len(self.runs()), 5)


if __name__ == "__main__":
    pillion.main()
