#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command `pillion`: run, list, show, env, and how it is called."""
import json
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, Cases, LocalTest, ServedTest, pillion  # noqa: E402


def keys_beyond(example, value, path=""):
    """Keys of `value`, at any depth, that the example does not have. What a registration, a result or totals hold
    depends on the machine and the server."""
    if path.rsplit(".", 1)[-1] in ("registration", "result"):
        return []
    if isinstance(value, dict) and isinstance(example, dict):
        found = []
        for key, inner in value.items():
            here = "%s.%s" % (path, key)
            found += keys_beyond(example[key], inner, here) if key in example else [here]
        return found
    if isinstance(value, list) and isinstance(example, list) and example:
        union = {}
        for item in example:
            if isinstance(item, dict):
                union.update(item)
        return [key for item in value for key in keys_beyond(union, item, path + "[]")]
    return []


class Golden:
    def golden(self, name):
        path = pillion.GOLDEN / (name + ".json")
        return json.loads(path.read_text())

    def assertLikeGolden(self, name, value):
        self.assertEqual(keys_beyond(self.golden(name), value), [], "keys that tests/golden/%s.json lacks" % name)


class Run(ServedTest):
    def ride(self, *words, **keywords):
        return self.pillion("run", *words, **keywords)

    def test_a_program_is_run_untouched_and_its_run_is_finished(self):
        result = self.ride("--", "sh", "-c", "cat; echo err >&2; sleep 0.4; exit 3", input=b"in\n")
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"in\n", b"err\n"))
        run = self.only_run()
        self.assertEqual(self.assertDelivered(run)["finish"]["exit_code"], 3)
        self.assertEqual(len(self.server.requests), 2)
        self.assertNoComplaints()
        self.assertGreaterEqual(len(run.rows), 3)

    def test_the_environment_and_the_descriptors_are_the_callers(self):
        text = "env | sort | grep -v '^_='; ls /proc/self/fd | wc -l; ulimit -a; umask; pwd; trap; cat /proc/self/status | " \
               "grep -E '^(Sig(Blk|Ign|Cgt)|NoNewPrivs|Seccomp|Cap)'; ps -o nice= -p $$ 2>/dev/null; true"
        env = self.env()
        plain = self.launch("sh", "-c", text, preload=False, env=env)
        ridden = self.ride("sh", "-c", text, env=env)
        self.assertEqual((ridden.status, ridden.stdout, ridden.stderr), (plain.status, plain.stdout, plain.stderr))

    def test_exit_statuses_are_passed_on(self):
        script = self.work / "not-executable"
        script.write_text("#!/bin/sh\n")
        cases = {
            "0": (("true",), 0), "1": (("false",), 1), "255": (("sh", "-c", "exit 255"), 255),
            "not found": (("no-such-program-at-all",), 127), "no such path": (("/no/such/path",), 127),
            "not executable": ((str(script),), 126), "a folder": ((str(self.work),), 126),
            "KILL": (("sh", "-c", "kill -9 $$"), 137), "TERM": (("sh", "-c", "kill -15 $$"), 143),
            "options are the command's": (("sh", "-c", "exit $1", "sh", "7"), 7),
        }

        def check(name, argv, expected):
            folder = self.tmp / ("dir " + name)
            env = self.env(PILLION_DIR=folder, SENTINEL_API_TOKEN=None)
            result = pillion.command("run", *argv, env=env, cwd=self.work)
            self.assertEqual(result.status, expected, result)
            found = pillion.runs(folder)
            if expected in (126, 127):
                self.assertTrue(result.stderr)
            else:
                self.assertEqual([run["exit_code"] for run in found], [expected])

        Cases(self, workers=3).run(cases, check)

    def test_a_killed_program_is_finished_at_once(self):
        result = self.ride("sh", "-c", "sleep 0.3; kill -9 $$")
        self.assertEqual(result.status, 137)
        run = self.only_run()
        body = self.assertDelivered(run)["finish"]
        self.assertEqual((body["exit_code"], body["run_status"], run["signal"]), (137, "failed", 9))

    def test_signals_are_passed_on(self):
        text = ("import os, signal, sys, time\n"
                "def handler(number, _):\n    os.write(1, b'got %d\\n' % number); sys.exit(40 + number)\n"
                "for number in (1, 2, 10, 12, 15):\n    signal.signal(number, handler)\n"
                "print('ready', flush=True); time.sleep(30)\n")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            with self.subTest(number):
                program = self.start(pillion.COMMAND, "run", PYTHON, "-S", "-c", text, preload=False)
                pillion.wait_for(lambda: b"ready" in program.stdout, what="ready")
                program.signal(number)
                result = program.wait()
                self.assertEqual((result.status, result.stdout), (40 + number, b"ready\ngot %d\n" % number), result)

    def test_the_summary_is_one_line_on_stderr_when_asked_for(self):
        for words, lines in ((("--summary",), 1), (("--quiet",), 0), ((), 0)):
            result = self.ride(*words, "--", "sh", "-c", "sleep 0.2; exit 3")
            self.assertEqual((result.status, result.stdout, result.stderr.count(b"\n")), (3, b"", lines), result)
        before = {run["id"] for run in self.runs()}
        line = self.ride("--summary", "--", "sh", "-c", "sleep 0.2; exit 3").stderr.decode()
        new, = {run["id"] for run in self.runs()} - before # by name the newest of a second need not be the last
        self.assertIn(new, line)
        self.assertIn("delivered", line)
        self.assertIn("3", line)
        line = self.ride("--summary", "true", env=self.env(SENTINEL_API_TOKEN=None)).stderr.decode()
        self.assertIn("local", line)

    @unittest.skipUnless(os.geteuid() == 0, "root is needed for a PID namespace")
    def test_a_proc_of_other_numbers_gives_empty_cells_and_a_sentence(self):
        """Its process 1, 2, … are the machine's: none of them is the run's."""
        burn = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
        result = self.launch("unshare", "--pid", "--fork", pillion.COMMAND, "run", "--summary", "--", PYTHON, "-S", "-c", burn,
                             preload=False)
        self.assertEqual(result.status, 0, result)
        run = self.only_run()
        self.assertGreaterEqual(len(run.rows), 2)
        for row in run.rows:
            found = {name for name, cell in row.items() if name.startswith("process_") and cell is not None}
            self.assertLessEqual(found, {"process_pid"}, row)
        self.assertEqual(run.log.count("another PID namespace"), 1, run.log)
        self.assertGreater(run["totals"]["user_s"] + run["totals"]["system_s"], 0.3)
        self.assertLess(run["totals"]["user_s"] + run["totals"]["system_s"], 0.8)
        self.assertIn(run["id"], result.stderr.decode())
        self.assertDelivered(run)

    def test_the_rows_go_to_a_file_and_the_run_has_a_name(self):
        result = self.ride("-o", "%r.csv", "--name", "nightly", "--", "sleep", "0.3")
        self.assertEqual(result.status, 0)
        run = self.only_run()
        self.assertEqual((self.work / (run["id"] + ".csv")).read_bytes(), run.csv)
        self.assertEqual(self.assertDelivered(run)["registration"]["job_name"], "nightly")

    def test_the_row_tells_of_the_program_and_not_of_the_command(self):
        text = ("import os, time\nprint(os.getpid(), flush=True)\nwhile time.process_time() < 0.5: pass\n"
                "time.sleep(0.2)\n")
        result = self.ride(PYTHON, "-S", "-c", text)
        run = self.only_run()
        self.assertEqual(run.rows[-1]["process_pid"], int(result.stdout))
        used = sum((row["process_utime"] or 0) + (row["process_stime"] or 0) for row in run.rows)
        self.assertGreater(used, 0.45)
        self.assertLess(used, 1.1 * result.cpu + 0.05)
        self.assertEqual(json.loads(run["registration"]["command"])[0], os.path.basename(PYTHON))

    def test_what_it_starts_leads_no_run_even_with_the_preload(self):
        if b"__asan_init" in pathlib.Path(pillion.COMMAND).read_bytes():
            self.skipTest("this command is built with AddressSanitizer, which refuses every preload")
        result = self.ride("sh", "-c", "sleep 0.3; sh -c 'sleep 0.2'", env=pillion.preloaded(self.env()))
        self.assertEqual(result.status, 0)
        self.only_run()
        self.assertEqual(len(self.server.requests), 2)

    def test_disabled_it_runs_the_program_alone(self):
        result = self.ride("sh", "-c", "sleep 0.2; exit 3", env=self.env(PILLION_DISABLE="1"))
        self.assertEqual((result.status, result.stderr), (3, b""))
        self.assertEqual((self.runs(), self.server.requests), ([], []))

    def test_a_dead_api_holds_it_no_longer_than_allowed(self):
        self.server.fault("*", hang=60)
        result = self.ride("sh", "-c", "sleep 0.3; exit 3", env=self.env(PILLION_EXIT_TIMEOUT="2"))
        self.assertEqual(result.status, 3)
        self.assertLess(result.wall, 0.3 + 2 + 15)
        self.assertEqual(self.only_run()["state"], "undelivered")
        self.server.heal()
        self.sync()
        self.assertDelivered(self.only_run())


class Reading(LocalTest, Golden):
    def one(self, code=3):
        pid = self.launch("sh", "-c", "sleep 0.3; exit %d" % code).pid
        return [run for run in self.runs() if run["pid"] == pid][-1]

    def two(self, *codes):
        """In the order of their names, which have seconds, and pids that begin anew after a while."""
        first = self.one(codes[0])
        pillion.next_second()
        return first, self.one(codes[1])

    def answer(self, *words, status=0):
        result = self.pillion(*words)
        self.assertEqual((result.status, result.stderr), (status, b""), result)
        return result.stdout.decode()

    def test_list_names_every_run(self):
        runs = self.two(0, 3)
        text = self.answer("list")
        for run in runs:
            self.assertIn(run["id"], text)
        listed = json.loads(self.answer("list", "--json"))
        self.assertEqual([run["id"] for run in listed], [run["id"] for run in runs])
        self.assertEqual([(run["state"], run["exit_code"]) for run in listed], [("local", 0), ("local", 3)])
        self.assertLikeGolden("list", listed)

    def test_list_without_runs_is_an_empty_list(self):
        self.assertEqual(json.loads(self.pillion("list", "--json").stdout), [])
        self.assertEqual(self.pillion("list").status, 0)

    def test_list_knows_running_and_lost_ones(self):
        program = self.start("sleep", "30")
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        self.assertEqual(json.loads(self.answer("list", "--json"))[0]["state"], "running")
        program.signal(signal.SIGKILL)
        program.wait()
        self.assertEqual(json.loads(self.answer("list", "--json"))[0]["state"], "lost")
        self.assertEqual(self.only_run()["state"], "running")

    def test_show_json_is_the_state_and_a_summary(self):
        run = self.one()
        shown = json.loads(self.answer("show", "--json"))
        summary = shown.pop("summary")
        self.assertEqual(shown, run.state)
        self.assertEqual(summary["rows"], len(run.rows))
        self.assertLess(abs(summary["duration_s"] - 0.35), 5)
        for name in ("process", "system"):
            self.assertGreaterEqual(summary[name]["cpu_max"], 0)
            self.assertGreater(summary[name]["memory_max_mib"], 0)
        self.assertLikeGolden("show", dict(shown, summary=summary))

    def test_show_finds_a_run_by_every_name(self):
        first, last = self.two(3, 4)
        prefix = first["id"][:-1]
        expected = json.loads(self.answer("show", "--json", first["id"]))
        for name in (prefix, first.path, str(first.path) + "/"):
            self.assertEqual(json.loads(self.answer("show", "--json", name)), expected, name)
        self.assertEqual(json.loads(self.answer("show", "--json", "last"))["id"], last["id"])
        self.assertEqual(json.loads(self.answer("show", "--json"))["id"], last["id"])
        from_csv = json.loads(self.answer("show", "--json", first.path / "metrics.csv"))
        self.assertEqual(from_csv["summary"]["rows"], expected["summary"]["rows"])

    def test_show_tells_a_person_what_happened(self):
        run = self.one()
        text = self.answer("show")
        self.assertIn(run["id"], text)
        for word in ("CPU", "emory", "isk", "etwork", "3"):
            self.assertIn(word, text)

    def test_show_of_nothing_is_status_1(self):
        for words in (("show",), ("show", "no-such-run"), ("show", "--json", "no-such-run"), ("show", "/no/such/folder")):
            result = self.pillion(*words)
            self.assertEqual((result.status, result.stdout), (1, b""), result)
            self.assertTrue(result.stderr)

    def test_a_prefix_of_several_runs_is_not_a_run(self):
        self.one(), self.one()
        result = self.pillion("show", self.runs()[0]["id"][:4])
        self.assertEqual((result.status, result.stdout), (1, b""))

    def test_env_tells_how_to_load_it(self):
        text = self.answer("env")
        self.assertIn(str(pillion.HOOK), text)
        self.assertIn("LD_PRELOAD", text)
        told = json.loads(self.answer("env", "--json"))
        self.assertEqual(os.path.realpath(told["hook"]), os.path.realpath(pillion.HOOK))
        self.assertLikeGolden("env", told)

    def test_the_line_for_a_shell_works_and_keeps_another_preload(self):
        line = next(line for line in self.answer("env").splitlines() if line.startswith("export LD_PRELOAD="))
        env = self.env()
        result = self.launch("sh", "-c", "LD_PRELOAD=libm.so.6; %s; echo $LD_PRELOAD; exec sleep 0.2" % line, preload=False,
                             env=env)
        self.assertEqual(result.stdout.decode(), "%s:libm.so.6\n" % pillion.HOOK)
        self.only_run()

    def test_sync_json_is_like_its_example(self):
        result = self.pillion("sync", "--json", self.one()["id"])
        self.assertEqual(result.status, 1)
        self.assertLikeGolden("sync", json.loads(result.stdout))


class Calling(LocalTest):
    def test_help_and_version_are_everywhere(self):
        version = self.pillion("--version")
        self.assertEqual(version.status, 0)
        number = r"[0-9]+\.[0-9]+\.[0-9]+"
        libraries = ", ".join(name + " " + number for name in ("curl", "c-ares", "mbedTLS", "cJSON", "zlib"))
        self.assertRegex(version.stdout.decode(), r"\Apillion %s\nwith %s\n\Z" % (number, libraries))
        self.assertIn(b"run", self.pillion("--help").stdout)
        for word in ("run", "list", "show", "report", "export", "rm", "sync", "doctor", "env"):
            help_text = self.pillion(word, "--help")
            self.assertEqual((help_text.status, help_text.stderr), (0, b""), help_text)
            self.assertIn(b"pillion " + word.encode(), help_text.stdout)
            self.assertEqual(self.pillion(word, "--version").stdout, version.stdout)

    def test_wrong_calls_are_status_2_with_a_sentence(self):
        for words in ((), ("unknown",), ("--unknown",), ("list", "--unknown"), ("list", "operand"), ("show", "a", "b"),
                      ("env", "operand"), ("run",), ("run", "--"), ("run", "--unknown", "true"), ("run", "--name"),
                      ("sync", "--unknown"), ("doctor", "--unknown"), ("run", "--summary", "--quiet", "true")):
            with self.subTest(words):
                result = self.pillion(*words)
                self.assertEqual((result.status, result.stdout), (2, b""), result)
                self.assertTrue(result.stderr.startswith(b"pillion: "), result)
        self.assertEqual(self.runs(), [])

    def test_an_answer_that_can_not_be_written_is_status_1(self):
        self.launch("sleep", "0.2")
        for words in ("list", "show", "env", "doctor", "list --json", "--help"):
            result = self.launch("sh", "-c", "exec %s %s >/dev/full" % (pillion.COMMAND, words), preload=False)
            self.assertEqual(result.status, 1, (words, result))

    def test_it_needs_no_place_and_no_home(self):
        for words, status in ((("list",), 0), (("show",), 1), (("sync",), 0), (("env",), 0)):
            result = self.pillion(*words, env=self.env(HOME=None, PILLION_DIR=self.tmp / "nothing" / "here"))
            self.assertEqual(result.status, status, result)
        self.assertFalse((self.tmp / "nothing").exists(), "reading makes nothing")

    def test_reading_makes_no_network_call_and_changes_nothing(self):
        self.launch("sleep", "0.3")
        before = {path: path.read_bytes() for path in pillion.files_below(self.dir)}
        env = self.env(SENTINEL_API_TOKEN="x", SENTINEL_API_URL="http://127.0.0.1:9")
        for words in (("list",), ("show",), ("env",), ("list", "--json"), ("show", "--json")):
            self.assertEqual(self.pillion(*words, env=env).status, 0)
        self.assertEqual({path: path.read_bytes() for path in pillion.files_below(self.dir)}, before)


if __name__ == "__main__":
    pillion.main()
