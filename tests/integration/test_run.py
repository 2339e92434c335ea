#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program with the preload and a token: one register, one finish, exact rows, the right end, no secret left behind."""
import datetime
import fcntl
import hashlib
import json
import os
import platform
import re
import signal
import socket
import stat
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, ServedTest, pillion  # noqa: E402

PRIVATE = {"host_hostname", "host_ip", "host_id", "cloud_account_id"}
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[^/]+-([0-9]+)(-[0-9]+)?\Z")


class OneRun(ServedTest):
    def test_a_program_is_registered_once_and_finished_once_with_exact_rows(self):
        result = self.launch("sleep", "0.45")
        self.assertSilent(result)
        self.assertEqual(result.status, 0)
        run = self.only_run()
        one = self.assertDelivered(run)
        self.assertNoComplaints()
        self.assertEqual((len(self.server.of("register")), len(self.server.of("finish"))), (1, 1))
        self.assertEqual(one["finish"]["data_csv"].encode(), run.csv)
        self.assertEqual((one["finish"]["exit_code"], one["finish"]["run_status"]), (0, "finished"))
        self.assertIn("finished_at", one["finish"])
        self.assertGreaterEqual(len(run.rows), 3)

    def test_a_program_shorter_than_the_interval_has_its_run_with_one_row(self):
        self.assertSilent(self.launch("sleep", "0.1", env=self.env(PILLION_INTERVAL="1")))
        run = self.only_run()
        self.assertDelivered(run)
        self.assertEqual(len(run.rows), 1)
        self.assertNoComplaints()

    def test_the_state_ends_as_finished_with_the_servers_result(self):
        self.launch("sleep", "0.3")
        run = self.only_run()
        self.assertEqual(run["state"], "finished")
        states = [line["state"] for line in run.lines if "state" in line]
        self.assertEqual((states[0], states[-2:]), ("running", ["finishing", "finished"]))
        self.assertEqual(run["result"]["processing"]["rows"], len(run.rows))
        self.assertEqual(run["result"]["run"]["run_id"], run["sentinel_run_id"])
        self.assertEqual(run["upload_uri_prefix"], "s3://bucket/prefix/" + run["sentinel_run_id"])
        self.assertIsInstance(run["totals"], dict)
        self.assertIsInstance(run["cost"], dict)

    def test_the_run_directory_says_who_what_and_where(self):
        result = self.launch("sleep", "0.25")
        run = self.only_run()
        self.assertEqual(run["id"], run.directory)
        self.assertEqual(RUN_ID.match(run.directory).group(1), str(result.pid))
        self.assertEqual(run["pid"], result.pid)
        self.assertIsInstance(run["pid_start"], int)
        self.assertEqual(sorted(run["machine"]), ["boot_id", "host_name", "pid_namespace"])
        self.assertEqual(run["machine"]["host_name"], socket.gethostname())
        with open("/proc/sys/kernel/random/boot_id") as file:
            self.assertEqual(run["machine"]["boot_id"], file.read().strip())
        self.assertEqual(run["api_url"], self.server.url)
        self.assertEqual(run["token_id"], hashlib.sha256(self.server.token.encode()).hexdigest()[:8])
        self.assertEqual(run["registration"], self.server.of("register")[0].body)
        for key in ("started_at", "finished_at"):
            when = datetime.datetime.strptime(run[key][:19], "%Y-%m-%dT%H:%M:%S")
            self.assertLess(abs((datetime.datetime.utcnow() - when).total_seconds()), 60)

    def test_the_run_directory_is_private(self):
        result = self.launch("sh", "-c", "umask 000; sleep 0.3")
        self.assertEqual(result.status, 0)
        run = self.only_run()
        self.assertEqual(sorted(path.name for path in run.path.iterdir()), ["commands", "commands.csv", "lock", "log", "metrics.csv", "run.jsonl"])
        self.assertEqual(stat.S_IMODE(run.path.stat().st_mode), 0o700)
        for path in run.path.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    def test_the_token_may_be_a_key_or_in_a_file(self):
        path = self.tmp / "token"
        path.write_text(self.server.token + "\nnot this\n")
        self.launch("sleep", "0.2", env=self.env(SENTINEL_API_TOKEN=None, SENTINEL_API_KEY=self.server.token))
        self.launch("sleep", "0.2", env=self.env(SENTINEL_API_TOKEN="", SENTINEL_API_TOKEN_FILE=path))
        self.assertEqual(len(self.server.finished_runs()), 2)
        self.assertNoComplaints()

    def test_the_log_tells_more_when_it_is_asked_to(self):
        self.assertSilent(self.launch("sleep", "0.3", env=self.env(PILLION_LOG_LEVEL="debug", PILLION_CLOUD=None)))
        run = self.only_run()
        self.assertIn(run["sentinel_run_id"], run.log)

    def test_a_base_path_and_slashes_in_the_url(self):
        self.launch("sleep", "0.2", env=self.env(SENTINEL_API_URL=self.server.url + "//"))
        self.assertDelivered(self.only_run())

    def test_what_the_program_starts_belongs_to_its_run(self):
        result = self.launch("sh", "-c", "sh -c 'sleep 0.3; exit 9'; sleep 0.3; exit 4")
        self.assertEqual(result.status, 4)
        run = self.only_run()
        self.assertEqual(self.assertDelivered(run)["finish"]["exit_code"], 4)
        self.assertEqual(len(self.server.requests), 2)
        self.assertGreaterEqual(max(row["process_children"] for row in run.rows), 1)

    def test_a_forked_child_finishes_nothing(self):
        text = ("import os, sys, time\n"
                "pid = os.fork()\n"
                "if pid == 0:\n    time.sleep(0.3); sys.exit(7)\n"
                "os.waitpid(pid, 0); time.sleep(0.2); sys.exit(2)\n")
        self.assertEqual(self.python(text).status, 2)
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 2)
        self.assertEqual(len(self.server.requests), 2)

    def test_a_program_with_other_threads_is_finished_too(self):
        text = ("import threading, time, sys\n"
                "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
                "time.sleep(0.3); print('done'); sys.exit(6)\n")
        result = self.python(text)
        self.assertEqual((result.status, result.stdout, result.stderr), (6, b"done\n", b""))
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 6)

    def test_a_run_that_has_no_place_on_disk_is_delivered_from_memory(self):
        result = self.launch("sh", "-c", "sleep 0.3; exit 3", env=self.env(PILLION_DIR="/proc/no/such/place"))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
        self.assertEqual([run["finish"]["exit_code"] for run in self.server.finished_runs()], [3])
        self.assertNoComplaints()


    def test_a_run_whose_folder_disappears_is_delivered_all_the_same(self):
        program = self.start("sh", "-c", "sleep 1; exit 3")
        pillion.wait_for(lambda: self.runs() and len(self.runs()[0].raw_rows) > 2, what="rows")
        pillion.remove_folder(self.dir)
        self.assertEqual(program.wait().status, 3)
        self.assertEqual([run["finish"]["exit_code"] for run in self.server.finished_runs()], [3])
        self.assertGreaterEqual(len(self.server.finished_runs()[0]["rows"]), 5)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_a_program_that_becomes_another_user_is_delivered_all_the_same(self):
        text = "import os, sys, time; time.sleep(.4); os.setgid(65534); os.setuid(65534); time.sleep(.4); sys.exit(3)"
        result = self.python(text)
        self.assertEqual((result.status, result.stderr), (3, b""))
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 3)
        self.assertGreaterEqual(len(self.only_run().rows), 5)

    @unittest.skipUnless(os.geteuid() == 0, "only root can change its root")
    def test_a_program_that_changes_its_root_is_delivered_all_the_same(self):
        empty = self.tmp / "empty"
        empty.mkdir()
        text = "import os, sys, time; time.sleep(.4); os.chroot(%r); os.chdir('/'); time.sleep(.4); sys.exit(3)" % str(empty)
        result = self.python(text)
        self.assertEqual((result.status, result.stderr), (3, b""))
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 3)

    def test_a_limit_on_file_sizes_ends_neither_program_nor_run(self):
        result = self.launch("sh", "-c", "ulimit -f 1; sleep 0.6; exit 3", env=self.env(PILLION_INTERVAL="0.05"))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
        self.assertEqual([run["finish"]["exit_code"] for run in self.server.finished_runs()], [3])
        self.assertGreaterEqual(len(self.server.finished_runs()[0]["rows"]), 4)

    def test_a_running_run_is_locked(self):
        program = self.start("sleep", "30")
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        with open(self.only_run().path / "lock", "rb") as file:
            with self.assertRaises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            program.signal(signal.SIGKILL)
            program.wait()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Ends(ServedTest):
    def end(self, expected, *argv):
        result = self.launch(*argv)
        self.assertEqual(result.status, expected, result)
        return self.only_run()

    def assertFinished(self, code, run):
        body = self.assertDelivered(run)["finish"]
        self.assertEqual((body["exit_code"], body["run_status"]), (code, "failed" if code else "finished"))
        self.assertEqual(run["exit_code"], code)
        self.assertNoComplaints()

    def test_exit_codes_arrive(self):
        for code in (0, 1, 3, 255):
            with self.subTest(code):
                pillion.remove_folder(self.dir)
                self.assertFinished(code, self.end(code, "sh", "-c", "sleep 0.2; exit %d" % code))

    def test_an_exit_code_is_taken_as_the_kernel_takes_it(self):
        self.assertFinished(44, self.end(44, PYTHON, "-S", "-c", "import sys, time; time.sleep(0.2); sys.exit(300)"))

    def test__exit_finishes_as_exit_does(self):
        self.assertFinished(5, self.end(5, PYTHON, "-S", "-c", "import os, time; time.sleep(0.2); os._exit(5)"))

    def test_an_early_end_is_an_end(self):
        self.assertFinished(1, self.end(1, "false"))
        self.assertEqual(len(self.server.requests), 2)

    def test_terminating_signals_end_the_program_as_before(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
            with self.subTest(number):
                pillion.remove_folder(self.dir)
                program = self.start("sh", "-c", "ulimit -c 0; exec sleep 30")
                pillion.wait_for(lambda: self.runs() and self.runs()[0].csv.count(b"\n") > 2, what="rows")
                program.signal(number)
                self.assertEqual(program.wait().status, -number)
                self.assertGreaterEqual(len(self.only_run().rows), 2)

    def test_a_programs_own_handler_decides(self):
        text = ("import signal, sys, time\n"
                "signal.signal(signal.SIGTERM, lambda *_: sys.exit(12))\n"
                "print('ready', flush=True); time.sleep(30)\n")
        program = self.start(PYTHON, "-S", "-c", text)
        pillion.wait_for(lambda: program.stdout, what="ready")
        time.sleep(0.3)
        program.signal(signal.SIGTERM)
        self.assertEqual(program.wait().status, 12)
        self.assertFinished(12, self.only_run())

    def test_a_crash_leaves_the_run_for_sync(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(number):
                pillion.remove_folder(self.dir)
                finishes = len(self.server.of("finish"))
                result = self.launch("sh", "-c", "ulimit -c 0; sleep 0.4; kill -%d $$" % number)
                self.assertEqual(result.status, -number)
                run = self.only_run()
                self.assertEqual(run["state"], "running")
                self.assertGreaterEqual(len(run.rows), 1)
                self.assertEqual(len(self.server.of("finish")), finishes)


class Registration(ServedTest):
    def registered(self, *argv, **variables):
        self.launch(*(argv or ("sleep", "0.2")), env=self.env(**variables))
        self.assertNoComplaints()
        return self.server.of("register")[-1].body

    def test_what_nobody_shared_does_not_go_out(self):
        body = self.registered("sh", "-c", "sleep 0.2; : a-very-private-argument")
        self.assertEqual(PRIVATE & set(body), set())
        words = json.loads(body["command"])
        self.assertEqual(len(words), 1)
        self.assertIn(words[0], ("sh", os.path.basename(os.path.realpath("/bin/sh"))))
        for request in self.server.requests:
            for secret in ("a-very-private-argument", socket.gethostname(), str(self.tmp)):
                self.assertNotIn(secret.encode(), request.raw)

    def test_the_machine_is_described(self):
        body = self.registered()
        self.assertEqual((body["job_name"], json.loads(body["command"])), ("sleep", ["sleep"]))
        with open("/proc/meminfo") as file:
            total = int(re.search(r"MemTotal:\s+(\d+) kB", file.read()).group(1))
        self.assertEqual(body["host_memory_mib"], total // 1024)
        self.assertEqual(body["host_vcpus"], os.cpu_count())
        if platform.machine() == "x86_64":
            with open("/proc/cpuinfo") as file:
                self.assertEqual(body["host_cpu_model"], re.search(r"model name\s*:\s*(.*)", file.read()).group(1).strip())

    def test_shared_means_shared(self):
        body = self.registered("sh", "-c", "sleep 0.2; : an argument", PILLION_SHARE="all")
        self.assertEqual(json.loads(body["command"]), ["sh", "-c", "sleep 0.2; : an argument"])
        self.assertEqual(body["host_hostname"], socket.gethostname())
        if os.path.exists("/etc/machine-id") and os.path.getsize("/etc/machine-id") > 0:  # a bare container has none
            self.assertIn("host_id", body)

    def test_shared_means_only_that(self):
        body = self.registered(PILLION_SHARE="command,hostname")
        self.assertEqual(json.loads(body["command"]), ["sleep", "0.2"])
        self.assertEqual(PRIVATE & set(body), {"host_hostname"})

    def test_metadata_comes_from_the_environment(self):
        names = ("job_name project_name stage_name task_name team env language orchestrator executor external_run_id "
                 "container_image").split()
        body = self.registered(**{"TRACKER_" + name.upper(): "the %s, \u00fc" % name for name in names})
        self.assertEqual({name: body[name] for name in names}, {name: "the %s, \u00fc" % name for name in names})

    def test_tags_come_from_the_environment(self):
        self.assertEqual(self.registered(TRACKER_TAGS="a=b,key2=value2,c=d=e")["tags"],
                         [{"key": "a", "value": "b"}, {"key": "key2", "value": "value2"},
                          {"key": "c", "value": "d=e"}])

    def test_without_tags_there_is_no_tags(self):
        self.assertNotIn("tags", self.registered())
        self.assertNotIn("tags", self.registered(TRACKER_TAGS=""))

    def test_an_interpreters_job_is_named_after_its_script(self):
        script = self.work / "nightly report.py"
        script.write_text("import time; time.sleep(0.2)\n")
        self.assertEqual(self.registered(PYTHON, "-S", str(script), "an-argument")["job_name"], "nightly report.py")
        script = self.work / "job.sh"
        script.write_text("#!/bin/sh\nsleep 0.2\n")
        script.chmod(0o755)
        self.assertEqual(self.registered(str(script))["job_name"], "job.sh")

    def test_the_environment_that_the_program_changes_later_does_not_count(self):
        text = "import os, time; os.environ['TRACKER_TEAM'] = 'late'; os.environ['SENTINEL_API_TOKEN'] = 'x'; time.sleep(.3)"
        body = self.registered(PYTHON, "-S", "-c", text, TRACKER_TEAM="early")
        self.assertEqual(body["team"], "early")
        self.assertEqual(len(self.server.finished_runs()), 1)


class Rows(ServedTest):
    def test_rows_come_on_absolute_ticks(self):
        self.launch("sleep", "2.05")
        stamps = [row["timestamp"] for row in self.only_run().rows]
        self.assertGreaterEqual(len(stamps), 10)
        self.assertLessEqual(len(stamps), 22)
        ticks = stamps[:-1]  # on a busy machine any of them is late, the first too: most are where one of them says
        agreeing = [sum(abs((one - tick + 0.05) % 0.1 - 0.05) < 0.02 for one in ticks) for tick in ticks]
        self.assertGreater(max(agreeing), len(ticks) / 2, "rows drift: %s" % stamps)

    def test_the_rows_add_up_to_what_the_program_used(self):
        work = "import time\nwhile time.process_time() < %s: pass\n"
        text = ("import subprocess, sys\n" + work % 0.4 +
                "subprocess.run([sys.executable, '-S', '-c', %r])\n" % (work % 0.5) + "subprocess.run(['sleep', '0.2'])\n")
        result = self.python(text)
        rows = self.only_run().rows
        used = sum((row["process_utime"] or 0) + (row["process_stime"] or 0) for row in rows)
        self.assertGreater(used, 0.85)
        self.assertLess(abs(used - result.cpu), 0.05 * result.cpu + 0.04, "rows %s, wait4 %s" % (used, result.cpu))
        self.assertTrue(all(row["process_pid"] == result.pid for row in rows))

    def test_a_machine_has_its_figures_in_every_row(self):
        self.launch("sleep", "0.35")
        for row in self.only_run().rows:
            for name in ("system_processes", "system_memory_free_mib", "system_memory_used_mib", "process_pid",
                         "process_children", "process_utime", "process_stime", "process_cpu_usage", "system_utime",
                         "system_cpu_usage", "system_disk_space_total_gb", "system_net_recv_bytes"):
                self.assertIsNotNone(row[name], name)
            self.assertIsNone(row["process_gpu_usage"])

    def test_a_comma_locale_changes_nothing(self):
        self.launch("sleep", "0.25", env=self.env(LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8"))
        self.assertDelivered(self.only_run())


class BeforeTheFirstRow(ServedTest):
    def test_nothing_is_made_or_sent_before_the_first_row_is_due(self):
        """Root makes its folder at once, which is no run yet: it might become another user."""
        program = self.start("sleep", "30", env=self.env(PILLION_INTERVAL="3600"))
        pillion.wait_for(lambda: pillion.is_leader(program.pid), what="the thread")
        time.sleep(0.3)
        made = [path for path in self.dir.rglob("*") if os.geteuid() or path.is_file() and path.stat().st_size
                and path.name != "lock"]
        sent = list(self.server.requests)
        if time.monotonic() - program.began < 0.9:
            self.assertEqual((made, sent), ([], []))
        pillion.wait_for(lambda: self.runs() and self.server.of("register"), what="the run after a second")
        program.signal(signal.SIGTERM)
        program.wait()

    def test_an_exec_within_that_time_leaves_one_run(self):
        result = self.launch("sh", "-c", "sleep 0.1; exec sh -c 'sleep 0.1; exec sleep 0.3'",
                             env=self.env(PILLION_INTERVAL="1"))
        self.assertEqual(result.status, 0)
        run = self.only_run()
        self.assertDelivered(run)
        self.assertEqual(len(self.server.requests), 2)
        self.assertEqual(json.loads(self.server.of("register")[0].body["command"]), ["sleep"])

    def test_an_exec_in_place_later_goes_on_with_the_same_run(self):
        result = self.launch("sh", "-c", "sleep 0.5; exec sh -c 'sleep 0.5; exit 3'")
        self.assertEqual(result.status, 3)
        run = self.only_run()
        self.assertEqual(self.assertDelivered(run)["finish"]["exit_code"], 3)
        self.assertEqual((len(self.server.of("register")), len(self.server.of("finish"))), (1, 1))
        self.assertGreaterEqual(len(run.rows), 5)

    def test_a_program_below_the_minimum_leaves_no_run(self):
        self.assertSilent(self.launch("sleep", "0.5", env=self.env(PILLION_MIN_SECONDS="5")))
        self.assertEqual((self.runs(), self.server.requests), ([], []))


class Secrets(ServedTest):
    def search(self, extra=()):
        secrets = [self.server.token] + self.server.secret_values + list(extra)
        self.assertGreaterEqual(len(secrets), 1)
        for path in pillion.files_below(self.tmp):
            if path.name == "token":
                continue
            data = path.read_bytes()
            for secret in secrets:
                self.assertNotIn(secret.encode(), data, "in %s" % path)

    def test_no_token_and_no_credential_is_left_on_disk(self):
        log = self.tmp / "log.txt"
        self.launch("sleep", "0.5", env=self.env(PILLION_LOG=log, PILLION_LOG_LEVEL="debug", PILLION_RANKS="wrong",
                                                 PILLION_OUTPUT=self.tmp / "rows"))
        self.assertDelivered(self.only_run())
        self.assertTrue(self.server.secret_values)
        self.search()

    def test_nor_when_the_server_repeats_the_token(self):
        said = "no such token: %s" % self.server.token
        self.server.fault("register", status=401, body=json.dumps({"detail": said}))
        self.launch("sleep", "0.5", env=self.env(PILLION_LOG=self.tmp / "log.txt", PILLION_LOG_LEVEL="debug"))
        result = self.pillion("sync")
        self.assertEqual(result.status, 1)
        self.assertNotIn(self.server.token.encode(), result.stdout + result.stderr)
        for words in (("list",), ("show",), ("show", "--json"), ("list", "--json"), ("env",)):
            shown = self.pillion(*words)
            self.assertNotIn(self.server.token.encode(), shown.stdout + shown.stderr, words)
        self.search()

    def test_nor_in_what_other_users_see_of_the_process(self):
        program = self.start("sleep", "30")
        pillion.wait_for(lambda: self.server.of("register"), what="the registration")
        with open("/proc/%d/cmdline" % program.pid, "rb") as file:
            self.assertEqual(file.read(), b"sleep\x0030\x00")
        self.assertEqual(sorted(set(pillion.thread_names(program.pid))), ["pillion", "sleep"])
        program.signal(signal.SIGTERM)
        program.wait()


if __name__ == "__main__":
    pillion.main()
