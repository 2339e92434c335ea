#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs that go to a bucket of the user's own: what stands there, under which names, and what does not."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from own_bucket import KEY, BucketTest  # noqa: E402
from own_bucket_faults import ALL_OF_THEM, BucketFaultTest  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from served import PYTHON, Cases, pillion  # noqa: E402
from test_disk import Disk  # noqa: E402


EACH = 20  # of so many faults one is tried here, another each day


class Killed:
    """Programs that leave work for sync."""

    def uploaded(self, number, folder=None):
        pillion.wait_for(lambda: any(run.get("uploaded", 0) >= number for run in pillion.runs(folder or self.dir)),
                         timeout=30, what="%d objects" % number)

    def killed(self, **variables):
        """A run whose program was killed behind its first object, with rows after it."""
        program = self.start("sleep", "600", env=self.env(**variables))
        self.uploaded(1)
        rows = self.only_run().csv.count(b"\n")
        pillion.wait_for(lambda: self.only_run().csv.count(b"\n") > rows + 4, what="rows after the object")
        program.signal(signal.SIGKILL)
        program.wait()
        return self.only_run()


class Layout(Killed, BucketTest):
    def test_a_run_is_there_from_its_start_and_its_rows_follow(self):
        program = self.until_told()
        self.uploaded(2)
        before = self.bucket.runs()[0]
        self.assertIsNone(before.ended)
        self.assertEqual(self.only_run()["state"], "running")
        self.end(program)
        one = self.assertDelivered(self.only_run())
        self.assertEqual(one.started, before.started)
        self.assertEqual(one.ended["exit_code"], 3)
        self.assertGreaterEqual(len(one.objects), 3)
        self.assertEqual(set(self.bucket.numbers), {"put", "start", "end"} |
                         {"put %d" % number for number in range(1, len(one.objects) + 1)})
        self.assertNoComplaints()

    def test_the_end_has_what_a_list_of_runs_needs(self):
        tags = {"TRACKER_TAGS": "a=b", "TRACKER_PROJECT_NAME": "p", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "deep"}
        self.python("import time; time.sleep(0.3)\nwhile time.process_time() < 0.3: pass", env=self.env(**tags))
        run = self.only_run()
        ended = self.assertDelivered(run).ended
        for name in ("started_at", "finished_at", "duration_s", "exit_code", "totals", "cost", "interval", "registration"):
            self.assertEqual(ended[name], run[name], name)
        self.assertEqual(ended["registration"]["project_name"], "p")
        self.assertIn({"key": "job_name", "value": "deep"}, ended["registration"]["tags"])
        self.assertEqual(ended["command"], [os.path.basename(PYTHON)])
        self.assertEqual(ended["id"], run["key"])
        self.assertEqual(ended["cost"]["rows"], len(run.rows))

    def test_of_names_and_arguments_nothing_goes_out(self):
        host, user = socket.gethostname(), "somebody-special"
        names = dict(USER=user, LOGNAME=user, HOSTNAME=host, TRACKER_TAGS="leaked=%s" % self.bucket.key.secret_key)
        self.launch("sh", "-c", "sleep 0.3; : --password=hunter2 %s" % self.bucket.key.secret_key, env=self.env(**names))
        self.assertDelivered(self.only_run())
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        sent = "".join("%s %s" % (key, data.decode() if key.endswith(".json") else "")
                       for key, data in self.bucket.read_all().items())
        for secret in ("hunter2", user, str(self.tmp), boot, self.bucket.key.secret_key, self.bucket.key.access_key):
            self.assertNotIn(secret, sent)
        self.assertNotRegex(sent, r"\b%s\b" % re.escape(host))
        for text in [path.read_bytes() for path in pillion.files_below(self.dir)]:
            self.assertNotIn(self.bucket.key.secret_key.encode(), text)
            self.assertNotIn(self.bucket.key.access_key.encode(), text)

    def test_what_is_shared_goes_out(self):
        self.launch("sh", "-c", "sleep 0.3", env=self.env(PILLION_SHARE="hostname,command"))
        one = self.assertDelivered(self.only_run())
        host = re.sub(r"[^A-Za-z0-9._]", "-", socket.gethostname())
        self.assertIn("-%s-" % host, one.key)
        self.assertEqual(one.ended["machine"]["host_name"], socket.gethostname())
        self.assertEqual(one.ended["command"], ["sh", "-c", "sleep 0.3"])
        self.assertEqual([command["name"] for command in one.ended["commands"]][:1], ["sh"])

    def test_a_short_run_has_one_object_and_a_whole_bucket_may_be_the_place(self):
        with self.another(place="s3://bucket") as bucket:
            self.launch("sleep", "0.3", env=self.env(**bucket.env(PILLION_S3_URI="s3://bucket/")))
            self.assertEqual(len(self.assertDelivered(self.only_run(), bucket).objects), 1)

    def test_a_long_prefix_and_odd_characters_are_a_place_too(self):
        for place in ("s3://bucket/" + "a/" * 100 + "b", "s3://bucket/a+b=c:d~e'(f)", "s3://bucket.with.dots/x"):
            with self.another(place=place) as bucket:
                folder = pillion.fresh_folder()
                self.launch("sleep", "0.2", env=self.env(PILLION_DIR=folder, **bucket.env()))
                self.assertDelivered(pillion.runs(folder)[0], bucket)

    def test_a_run_without_a_disk_is_there_too(self):
        result = self.launch("sleep", "1.4", env=self.env(PILLION_DIR="/proc/nowhere"))
        self.assertEqual(result.status, 0)
        one = self.bucket.runs()[0]
        self.assertEqual((one.ended["exit_code"], one.ended["objects"]), (0, len(one.objects)))
        self.assertGreater(len(one.rows), 20)
        self.assertNoComplaints()

    def test_an_exec_in_place_goes_on_in_the_same_place(self):
        self.launch("sh", "-c", "sleep 1.3; exec sh -c 'sleep 0.7; exec sleep 0.5'")
        one = self.assertDelivered(self.only_run())
        self.assertEqual(self.only_run()["command"], ["sleep", "0.5"])
        self.assertEqual(one.started["command"], one.ended["command"])
        self.assertNoComplaints()

    def test_one_host_name_in_one_second_makes_two_keys(self):
        """Two containers: each has a process of the same number, on a machine of the same name."""
        command = ("unshare", "-rpfu", "--kill-child", "--mount-proc", "sh", "-c",
                   "hostname same; export LD_PRELOAD=%s; exec sh -c 'sleep 1; exit 0'" % pillion.HOOK)
        folders = [pillion.fresh_folder() for _ in range(3)]
        programs = [self.start(*command, preload=False, env=self.env(PILLION_DIR=folder, PILLION_SHARE="hostname"))
                    for folder in folders]
        for program in programs:
            result = program.wait()
            self.assertEqual(result.status, 0, result)
        found = [pillion.runs(folder)[0] for folder in folders]
        self.assertEqual(len(self.bucket.runs()), 3)
        for run in found:
            self.assertDelivered(run)
        self.assertLess(len({run["id"] for run in found}), 3, "all began in seconds of their own: %s" % found)
        self.assertNoComplaints()


class Choice(BucketTest):
    def test_a_token_wins_and_the_log_says_so_once(self):
        with SentinelServer() as server:
            self.launch("sleep", "0.4", env=self.env(**server.env()))
            run = self.only_run()
            self.assertEqual((run["state"], len(server.finished_runs())), ("finished", 1))
            self.assertEqual(run.log.count("PILLION_S3_URI is not used"), 1)
            self.assertEqual((self.bucket.requests, run.get("destination")), ([], None))

    def test_a_place_that_is_none_keeps_the_run_here(self):
        for uri in ("s3:/bucket", "https://bucket/x", "s3://B/x", "s3://bucket/a//b", "s3://bucket/a b", "s3://bucket/\u00e4"):
            folder = pillion.fresh_folder()
            self.launch("sleep", "0.2", env=self.env(PILLION_DIR=folder, PILLION_S3_URI=uri))
            run = pillion.runs(folder)[0]
            self.assertEqual(run["state"], "local")
            self.assertIn("PILLION_S3_URI=%s is not valid" % uri, run.log)
        self.assertEqual(self.bucket.requests, [])

    def test_nobody_connects_where_nothing_is_set_and_passengers_never_do(self):
        self.assertTrue(shutil.which("strace"), "strace is missing: apt-get install strace")
        for uri, leaders in (("", 0), (self.bucket.place, 1)):
            path = self.tmp / "trace"
            result = self.launch("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-e", "signal=none", "-o", path,
                                 "-E", "LD_PRELOAD=%s" % pillion.HOOK, "sh", "-c", "sleep 0.3; sh -c 'sleep 0.3'; true",
                                 preload=False, env=self.env(PILLION_S3_URI=uri))
            self.assertEqual(result.status, 0)
            talkers = {line.split()[0] for line in path.read_text().splitlines()
                       if re.search(r" (connect|sendto|sendmsg)\(", line)}
            self.assertEqual(len(talkers), leaders, path.read_text())


class FullDisk(BucketTest):
    def test_rows_that_memory_alone_holds_are_there_in_the_end_and_a_sync_changes_none_of_them(self):
        disk = Disk(self.dir, "size=256k")
        self.addCleanup(disk.close)
        output = self.tmp / "output.csv"
        env = self.env(PILLION_OUTPUT=output, PILLION_EXIT_TIMEOUT="20")
        program = self.start(*disk.enter("sh", "-c", "sleep 4.3; exit 3"), env=env, preload=False)
        pillion.wait_for(lambda: any(run.get("uploaded", 0) >= 1 for run in pillion.runs(disk.inside)), what="an object")
        disk.fill_to_the_brim()
        self.assertEqual(program.wait().status, 3)
        told = "%s\n%s" % (pillion.runs(disk.inside)[0].describe(), self.bucket.requests)
        one, = self.bucket.runs()
        self.assertEqual(one.csv, output.read_text(), told)
        self.assertLess(len(pillion.runs(disk.inside)[0].raw_rows), len(one.rows), "the disk was not full")
        self.assertEqual((one.ended["exit_code"], one.ended["objects"]), (3, len(one.objects)), told)
        disk.make_room()
        self.launch(*disk.enter(pillion.COMMAND, "sync", preload=False), preload=False, env=self.env())
        again, = self.bucket.runs()
        self.assertEqual((again.objects, again.ended), (one.objects, one.ended), self.bucket.requests)


class Clock(Killed, BucketTest):
    def faked(self, seconds, *argv, **variables):
        """Without a library for it: this machine's clock is right, and the server's is wrong."""
        self.bucket.clock_offset = seconds
        return self.launch(*argv, env=self.env(**variables))

    def test_a_wrong_clock_is_corrected_before_the_first_name_is_stored(self):
        self.faked(3 * 86400, "sleep", "1.5")
        run = self.only_run()
        one = self.assertDelivered(run)
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * 86400 - 5))
        self.assertEqual(one.date, day)
        self.assertEqual(one.key[:8], day.replace("-", ""))
        self.assertEqual([request.answer for request in self.bucket.of("put")][:2], [403, 200])
        self.assertEqual(len({request.run for request in self.bucket.requests[1:]}), 1)
        self.assertNoComplaints()

    def test_a_clock_that_goes_wrong_later_changes_no_name(self):
        program = self.until_told()
        self.uploaded(1)
        self.bucket.clock_offset = 5 * 86400
        self.uploaded(3)
        self.end(program)
        one = self.assertDelivered(self.only_run())
        self.assertEqual(one.date, self.only_run()["started_at"][:10])
        self.assertNoComplaints()

    def test_a_run_over_midnight_stays_in_its_first_day(self):
        run = self.killed()
        state = run.path / "run.jsonl"
        text = state.read_text()
        day = run["date"]
        started = [key for key in self.bucket.read_all() if key.startswith("started/")]
        self.assertEqual(started, ["started/date=%s/%s.json" % (day, run["key"])])
        # As if the run had begun before midnight: what stands in run.jsonl counts, and not the day of the sync.
        self.assertEqual(text.count('"date":"%s"' % day), 1)
        state.write_text(text.replace(day, "2026-01-31"))
        self.bucket.acknowledged |= {"s3://bucket/fleet/started/date=2026-01-31/%s.json" % run["key"],
                                     "s3://bucket/fleet/metrics/date=2026-01-31/run=%s/0001.csv.gz" % run["key"]}
        self.sync()
        self.assertIn("runs/date=2026-01-31/%s.json" % run["key"], self.bucket.read_all())


class Keys(Killed, BucketTest):
    def test_keys_that_expire_on_the_way_stop_nothing_that_sync_does_not_mend(self):
        old = self.bucket.give("ASIAOLD0000000000000", "an-old-secret", "an-old-session")
        program = self.start("sh", "-c", "cat; exit 3", env=dict(self.env(), **self.bucket.env(old)), stdin=-1)
        self.uploaded(1)
        old.dead = "ExpiredToken"
        pillion.wait_for(lambda: "ExpiredToken" in self.only_run().log, what="the refusal")
        self.end(program)
        run = self.only_run()
        self.assertEqual(run["state"], "undelivered")
        self.assertIn("ExpiredToken", run["reason"])
        fresh = self.bucket.give("ASIANEW0000000000000", "a-new-secret", "a-new-session")
        self.sync(env=dict(self.env(), **self.bucket.env(fresh)))
        self.assertDelivered(self.only_run())
        self.assertNoComplaints()

    def test_access_that_is_denied_is_told_and_the_run_stays(self):
        self.bucket.fault("put", "*", code="AccessDenied")
        self.launch("sleep", "0.5")
        run = self.only_run()
        self.assertEqual(run["state"], "undelivered")
        self.assertIn("AccessDenied", run["reason"])
        self.assertLessEqual(len(self.bucket.requests), 3)
        self.bucket.heal()
        self.sync()
        self.assertDelivered(self.only_run())

    def test_without_keys_nothing_is_asked_and_the_run_waits(self):
        self.launch("sleep", "0.5", env=self.env(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""))
        run = self.only_run()
        self.assertEqual((run["state"], self.bucket.requests), ("undelivered", []))
        self.assertIn("no keys for the bucket", run["reason"])
        self.sync()
        self.assertDelivered(self.only_run())

    def test_the_region_is_learnt_from_a_refusal(self):
        for moved in ("AuthorizationHeaderMalformed", "PermanentRedirect"):
            with self.another(region="us-west-2", moved=moved) as bucket:
                folder = pillion.fresh_folder()
                self.launch("sleep", "0.3", env=self.env(PILLION_DIR=folder, **bucket.env(AWS_REGION="")))
                self.assertDelivered(pillion.runs(folder)[0], bucket)

    def test_the_names_of_the_aws_tools_name_the_server(self):
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
            folder = pillion.fresh_folder()
            words = {"PILLION_S3_ENDPOINT": "", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_REGION": "", name: self.bucket.url}
            self.launch("sleep", "0.2", env=self.env(PILLION_DIR=folder, **words))
            self.assertDelivered(pillion.runs(folder)[0])
        self.assertNoComplaints()


class Sync(Killed, BucketTest):
    def test_a_killed_run_is_completed_where_its_journal_says(self):
        run = self.killed()
        self.assertEqual((run["state"], run["destination"]), ("running", self.bucket.place))
        names = self.bucket.env()
        self.sync(env=self.env(PILLION_S3_URI="", PILLION_S3_ENDPOINT="", AWS_REGION=names["AWS_REGION"]))
        one = self.assertDelivered(self.only_run())
        self.assertNotIn("exit_code", one.ended)
        self.assertEqual(one.ended["finished_at"], self.only_run()["finished_at"])
        self.assertNoComplaints()

    def test_a_local_run_that_is_named_goes_to_the_bucket(self):
        self.launch("sleep", "0.4", env=self.env(PILLION_S3_URI=""))
        self.assertEqual((self.only_run()["state"], self.bucket.requests), ("local", []))
        self.sync()
        self.assertEqual(self.only_run()["state"], "local")
        self.sync("last")
        self.assertDelivered(self.only_run())
        self.assertNoComplaints()

    def test_a_run_of_sentinels_is_left_and_so_is_one_of_a_bucket_by_sentinels_leaders(self):
        with SentinelServer() as server:
            server.fault("register", "*", status=503)
            self.launch("sleep", "0.4", env=self.env(**server.env(PILLION_S3_URI="", PILLION_EXIT_TIMEOUT="1")))
            result = self.pillion("sync", env=self.env())
            self.assertEqual((result.status, self.bucket.requests), (1, []), result)
            self.assertIn(b"no API token", result.stdout)

    def test_a_leader_delivers_on_its_way_what_others_of_its_bucket_left(self):
        run = self.killed()
        program = self.start("sleep", "600")
        pillion.wait_for(lambda: [one for one in self.runs() if one["id"] == run["id"]][0]["state"] == "finished",
                         timeout=30, what="the delivery of the killed run")
        program.signal(signal.SIGKILL)
        program.wait()
        self.assertDelivered([one for one in self.runs() if one["id"] == run["id"]][0])
        self.assertNoComplaints()

    def test_list_and_show_say_where_it_went(self):
        self.launch("sleep", "0.4", env=self.env(PILLION_EXIT_TIMEOUT="0"))
        waits = self.pillion("show", "last", env=self.env()).stdout.decode()
        self.assertIn("waits for sync", waits)
        self.sync()
        sent = self.pillion("show", "last", env=self.env()).stdout.decode()
        self.assertIn("sent to %s" % self.bucket.place, sent)
        listed = json.loads(self.pillion("list", "--json", env=self.env()).stdout)
        self.assertEqual(listed[0]["destination"], self.bucket.place)


class Doctor(BucketTest):
    def ask(self, **variables):
        """{check: (outcome, sentence)}, of the checks that are about the bucket."""
        result = self.pillion("doctor", "--json", env=self.env(**variables))
        found = {one["check"]: (one["outcome"], one["sentence"]) for one in json.loads(result.stdout)}
        return {check: found.get(check, (None, "")) for check in ("variables", "destination", "keys", "s3", "token", "api")}

    def test_it_names_the_bucket_and_where_the_keys_come_from(self):
        found = self.ask()
        self.assertEqual(found["destination"], ("ok", "runs go to %s at %s" % (self.bucket.place, self.bucket.url)))
        self.assertEqual((found["keys"][0], found["s3"][0], found["token"][0]), ("ok", "ok", None))
        self.assertIn("AWS_ACCESS_KEY_ID", found["keys"][1])
        for _, sentence in found.values():
            self.assertNotIn(self.bucket.key.secret_key, sentence)
        self.assertEqual((self.bucket.objects, self.runs()), ({}, []))

    def test_it_names_what_is_missing(self):
        found = self.ask(AWS_ACCESS_KEY_ID="")
        self.assertEqual(found["keys"][0], "cause")
        self.bucket.down()
        self.assertEqual(self.ask()["s3"][0], "cause")
        found = self.ask(PILLION_S3_URI="bucket/x")
        self.assertEqual((found["variables"][0], found["destination"][0], found["token"][0]), ("cause", None, "note"))
        self.assertIn("PILLION_S3_URI=bucket/x", found["variables"][1])


class Hold(BucketTest):
    """The end waits as for Sentinel: never longer than it may, and not again for a place that is sick."""

    def took(self, **variables):
        result = self.launch("sleep", "0.2", env=self.env(PILLION_EXIT_TIMEOUT="2", **variables))
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        return result.wall

    def test_a_server_that_hangs_holds_one_program_and_not_the_next(self):
        self.bucket.fault("put", "*", hang=60)
        self.assertLess(self.took(), 3.5)
        before = len(self.bucket.requests)
        self.assertLess(self.took(), 1.5)
        self.assertEqual(len(self.bucket.requests), before, "asked again while its mark stands")
        self.assertEqual({run["state"] for run in self.runs()}, {"undelivered"})

    def test_a_server_that_is_slow_has_it_all_by_sync(self):
        self.bucket.fault("put", "*", slow=0.2)
        self.assertLess(self.took(), 3.5)
        self.bucket.heal()
        self.sync()
        self.assertDelivered(self.only_run())

    def test_nobody_there_costs_no_second(self):
        self.bucket.down()
        self.assertLess(self.took(), 1.2)
        self.bucket.up()
        self.sync()
        self.assertDelivered(self.only_run())


class Faults(BucketFaultTest):
    def test_a_sample_of_all_faults_costs_no_row(self):
        """All of them: tests/fleet/test_own_bucket_faults.py."""
        cases = {name: case for family in ALL_OF_THEM for name, case in family().items()}
        day = int(time.time()) // 86400
        names = sorted(cases)[day % EACH::EACH]
        self.run_cases({name: cases[name] for name in names})

    def test_faults_by_chance_cost_no_row(self):
        self.run_seeds(4)


if __name__ == "__main__":
    pillion.main()
