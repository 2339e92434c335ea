#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pillion sync delivers what a killed program could not, once, and leaves alone what is not its business."""
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import ServedTest, pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402


class SyncTest(ServedTest):
    def killed(self, rows=3, **variables):
        """A run whose program was killed; it had these many rows at least."""
        known = {run.directory for run in self.runs()}
        program = self.start("sleep", "60", env=self.env(**variables))

        def new():
            return [run for run in self.runs() if run.directory not in known and run.csv.count(b"\n") > rows]

        pillion.wait_for(new, what="rows")
        program.signal(signal.SIGKILL)
        program.wait()
        return new()[0]

    def undelivered(self, **variables):
        """A run that ended while the API was down."""
        known = {run.directory for run in self.runs()}
        self.server.down()
        self.launch("sh", "-c", "sleep 0.3; exit 3", env=self.env(**variables))
        self.server.up()
        run = next(run for run in self.runs() if run.directory not in known)
        self.assertEqual(run["state"], "undelivered")
        return run

    def listed(self):
        result = self.pillion("list", "--json")
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return {run["id"]: run for run in json.loads(result.stdout)}

    def again(self, run):
        return pillion.Run(run.path)


class Killed(SyncTest):
    def test_a_killed_run_is_lost_in_the_list_and_delivered_by_sync(self):
        run = self.killed()
        pillion.wait_for(lambda: self.server.of("register"), what="registration")
        self.assertEqual(self.again(run)["state"], "running")
        self.assertEqual(self.listed()[run["id"]]["state"], "lost")
        self.sync()
        one = self.assertDelivered(self.again(run))
        self.assertEqual(one["finish"]["run_status"], "failed")
        self.assertNotIn("exit_code", one["finish"])
        self.assertEqual(self.listed()[run["id"]]["state"], "finished")
        self.assertNoComplaints()
        self.assertEqual(len(self.server.of("finish")), 1)

    def test_a_run_killed_before_it_was_registered_is_registered_by_sync(self):
        self.server.down()
        run = self.killed(TRACKER_TEAM="t")
        self.server.up()
        self.sync()
        one = self.assertDelivered(self.again(run))
        self.assertEqual(one["registration"], run["registration"])
        self.assertEqual(one["registration"]["team"], "t")

    def test_half_a_line_at_the_end_is_no_line(self):
        run = self.killed()
        whole = run.csv
        with open(run.path / "metrics.csv", "ab") as file:
            file.write(whole.split(b"\n")[-2][:100])
        with open(run.path / "run.jsonl", "ab") as file:
            file.write(b'{"state":"finished","exit_co')
        self.sync()
        after = self.again(run)
        self.assertEqual(after.csv, whole)
        self.assertDelivered(after)

    def test_a_run_killed_while_it_was_finishing_is_repeated_byte_for_byte(self):
        self.server.fault("finish", 1, hang=60)
        program = self.start("sh", "-c", "sleep 0.3; exit 3", env=self.env(PILLION_EXIT_TIMEOUT="60"))
        pillion.wait_for(lambda: self.server.of("finish") and self.server.of("finish")[0].raw, what="the finish request")
        program.signal(signal.SIGKILL)
        program.wait()
        run = self.only_run()
        self.assertEqual(run["state"], "finishing")
        self.sync()
        one = self.assertDelivered(self.again(run))
        self.assertEqual(one["finish"]["exit_code"], 3)
        first, second = self.server.of("finish")
        self.assertEqual(first.raw, second.raw)

    def test_the_next_program_takes_care_of_it_too_or_leaves_it_whole(self):
        run = self.killed()
        self.launch("sleep", "1")
        self.sync()
        self.assertDelivered(self.again(run))
        self.assertEqual(len(self.server.finished_runs()), 2)


class Undelivered(SyncTest):
    def test_what_could_not_be_delivered_is_delivered_once(self):
        runs = [self.undelivered() for _ in range(3)]
        self.sync()
        for run in runs:
            self.assertDelivered(self.again(run))
        self.assertEqual((len(self.server.runs), len(self.server.of("finish"))), (3, 3))
        self.assertNoComplaints()
        self.sync()
        self.assertEqual(len(self.server.requests), 6)

    def test_status_1_while_not_all_are_delivered(self):
        run = self.undelivered()
        self.server.down()
        result = self.sync(status=1)
        self.assertTrue(result.stdout + result.stderr)
        self.assertEqual(self.again(run)["state"], "undelivered")
        self.server.up()
        for code in (401, 400):
            self.server.faults = []
            self.server.fault("finish", status=code)
            self.sync(status=1)
            self.assertEqual(self.again(run)["state"], "undelivered")
        self.server.heal()
        self.sync()
        self.assertDelivered(self.again(run))

    def test_a_server_that_stumbles_is_asked_again(self):
        self.server.fault("register", 1, status=503).fault("finish", 1, drop=True)
        run = self.undelivered()
        for _ in range(3):
            if self.again(run)["state"] != "finished":
                self.pillion("sync")
        self.assertDelivered(self.again(run))

    def test_with_nothing_to_do_all_is_well(self):
        self.sync()
        self.launch("sleep", "0.2")
        before = len(self.server.requests)
        self.sync()
        self.assertEqual(len(self.server.requests), before)

    def test_two_at_once_deliver_once(self):
        for _ in range(3):
            self.undelivered()
        self.server.fault("*", slow=0.001)
        syncs = [self.start(pillion.COMMAND, "sync", preload=False) for _ in range(3)]
        for sync in syncs:
            self.assertIn(sync.wait().status, (0, 1))
        self.assertEqual((len(self.server.runs), len(self.server.of("finish"))), (3, 3), self.server.requests)
        self.sync()
        for run in self.runs():
            self.assertDelivered(run)
        self.assertEqual(len(self.server.requests), 6)

    def test_json_tells_what_happened_to_each(self):
        run = self.undelivered()
        told = json.loads(self.sync("--json").stdout)
        self.assertIn(run["id"], json.dumps(told))

    def test_a_run_can_be_named_in_every_way(self):
        for how in ("id", "prefix", "directory", "csv", "last"):
            with self.subTest(how):
                run = self.undelivered()
                other = {"id": run["id"], "prefix": run["id"][:-1], "directory": run.path,
                         "csv": run.path / "metrics.csv", "last": "last"}[how]
                self.sync(other)
                self.assertDelivered(self.again(run))
                pillion.remove_folder(run.path)

    def test_only_what_is_named_is_delivered(self):
        first, second = self.undelivered(), self.undelivered()
        self.sync(first["id"])
        self.assertDelivered(self.again(first))
        self.assertEqual(self.again(second)["state"], "undelivered")

    def test_a_name_that_fits_nothing_is_status_1(self):
        self.undelivered()
        self.assertTrue(self.sync("19990101T000000Z-nobody-1", status=1).stderr)
        self.assertEqual(self.server.requests, [])


class NotItsBusiness(SyncTest):
    def test_a_run_of_another_server_or_token_is_left_with_the_reason(self):
        run = self.undelivered()
        before = run.text
        with SentinelServer(token=self.server.token) as other:
            for name, variables in (("URL", {"SENTINEL_API_URL": other.url}),
                                    ("token", {"SENTINEL_API_TOKEN": "another-token"})):
                with self.subTest(name):
                    result = self.sync(status=1, env=self.env(**variables))
                    said = (result.stdout + result.stderr).decode()
                    self.assertIn(run["id"], said)
                    self.assertRegex(said, r"(?i)" + ("url|server" if name == "URL" else "token"))
                    self.assertNotIn(self.server.token, said)
            self.assertEqual((other.requests, self.server.requests), ([], []))
        self.assertEqual(self.again(run).text, before)
        self.sync()
        self.assertDelivered(self.again(run))

    def test_without_a_token_nothing_is_sent(self):
        run = self.undelivered()
        self.sync(status=1, env=self.env(SENTINEL_API_TOKEN=None))
        self.assertEqual(self.server.requests, [])
        self.assertEqual(self.again(run)["state"], "undelivered")

    def test_a_run_made_without_a_token_is_delivered_only_when_named(self):
        self.launch("sh", "-c", "sleep 0.3; exit 3", env=self.env(SENTINEL_API_TOKEN=None))
        run = self.only_run()
        self.assertEqual(run["state"], "local")
        self.sync()
        self.assertEqual((self.server.requests, self.again(run).text), ([], run.text))
        self.sync(run["id"])
        self.assertEqual(self.assertDelivered(self.again(run))["finish"]["exit_code"], 3)
        self.assertNoComplaints()

    def test_a_running_program_is_left_alone(self):
        program = self.until_told()
        pillion.wait_for(lambda: self.runs() and len(self.runs()[0].raw_rows) > 1 and self.server.of("register"))
        for words in ((), (self.runs()[0]["id"],)):  # whether that is a "no" is not what this is about
            self.assertIn(self.pillion("sync", *words).status, (0, 1))
        self.assertEqual(self.server.of("finish"), [])
        self.end(program)
        self.assertDelivered(self.only_run())
        self.assertEqual(len(self.server.requests), 2)

    def test_a_stopped_program_is_left_alone(self):
        program = self.until_told()
        pillion.wait_for(lambda: self.runs() and len(self.runs()[0].raw_rows) > 1 and self.server.of("register"))
        program.signal(signal.SIGSTOP)
        time.sleep(0.5)
        self.assertIn(self.pillion("sync").status, (0, 1))
        self.assertEqual(self.server.of("finish"), [])
        program.signal(signal.SIGCONT)
        self.end(program)
        self.assertDelivered(self.only_run())

    def test_other_things_in_the_folder_are_no_runs(self):
        run = self.undelivered()
        runs = run.path.parent
        (runs / "a file").write_text("x")
        (runs / "an empty folder").mkdir()
        (runs / "20200101T000000Z-link-1").symlink_to(run.path)
        broken = runs / "20200101T000000Z-broken-2"
        broken.mkdir()
        (broken / "run.jsonl").write_text("no json\n[]\n{\n\x00\n")
        result = self.pillion("sync")
        self.assertIn(result.status, (0, 1), result)
        self.assertDelivered(self.again(run))
        self.assertEqual(len(self.server.runs), 1)
        self.assertEqual(self.pillion("list", "--json").status, 0)


if __name__ == "__main__":
    pillion.main()
