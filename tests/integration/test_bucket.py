#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""list, show and report of runs in a bucket of one's own: what is shown, what is asked for it, what is kept, and what
strangers may put there."""
import contextlib
import gzip
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_jobs  # noqa: E402
import made_runs  # noqa: E402
from keys_server import WEB_TOKEN, KeysServer  # noqa: E402
from own_bucket import BucketServer, BucketTest  # noqa: E402
from readable_bucket import Reads, ReadableServer  # noqa: E402
from s3_server import Answer  # noqa: E402
from served import LocalTest, pillion  # noqa: E402
from test_disk import Disk  # noqa: E402

DAY = 86400
BEGAN = made_runs.BEGAN
SECRETS = ("a-secret-of-somebodys-own", "AKIA0123456789ABCDEF")


def limit():
    """What would take more memory than a reader needs fails."""
    if "ASAN_OPTIONS" not in os.environ:  # a sanitizer maps terabytes
        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))


class BucketReadTest(LocalTest):
    bucket_options = {}

    def setUp(self):
        super().setUp()
        self.bucket = ReadableServer(**self.bucket_options)
        self.addCleanup(self.bucket.stop)
        self.cache = self.tmp / "cache"
        self.cache.mkdir(mode=0o755)

    def env(self, **extra):
        return super().env(**dict(self.bucket.env(XDG_CACHE_HOME=str(self.cache)), **extra))

    def call(self, *words, status=0, quiet=True, env=None, **keywords):
        result = self.pillion(*words, cwd=self.work, env=self.env() if env is None else env, **keywords)
        told = "%s: %s" % (words, result)
        self.assertEqual(result.status, status, told)
        if quiet and status == 0:
            self.assertEqual(result.stderr, b"", told)
        for secret in SECRETS:
            self.assertNotIn(secret.encode(), result.stdout + result.stderr, told)
        return result

    def listed(self, *words, **keywords):
        return json.loads(self.call("list", self.bucket.place, "--json", *words, **keywords).stdout)

    def ids(self, *words, **keywords):
        return [one["id"] for one in self.listed(*words, **keywords)]

    def shown(self, *words, **keywords):
        return json.loads(self.call("show", "--json", self.bucket.place, *words, **keywords).stdout)

    def run_of(self, number=1, began=BEGAN, rows=100, **more):
        """The state of a run, and its rows."""
        seconds = more.get("seconds", 600.0)
        return made_runs.state(began, 1000 + number, **dict({"seconds": 600.0}, **more)), made_runs.rows(began, seconds, rows)

    def add(self, number=1, began=BEGAN, rows=100, batch=30, ended=True, last=None, **more):
        found, csv = self.run_of(number, began, rows, **more)
        return self.bucket.add_run(found, csv, batch, ended, number, began if last is None else last)

    def asked(self, endpoint):
        """Paths, or what the keys of a list begin with, since the last time."""
        found = [one.asked.get("prefix") if endpoint == "list" else one.key for one in self.bucket.of(endpoint)]
        return found

    def forget(self):
        with self.bucket.lock:
            self.bucket.requests.clear()

    def assertNoComplaints(self):
        self.assertEqual(self.bucket.complaints(), [])


class Screens(BucketReadTest):
    def test_a_run_looks_as_it_does_at_home(self):
        found, csv = self.run_of()
        key = self.bucket.add_run(found, csv, 30, last=BEGAN)
        made_runs.write(self.tmp / "home", found, csv)
        there, here = self.shown(), json.loads(self.call("show", "--json", "--dir", self.tmp / "home").stdout)
        self.assertEqual(there["summary"], here["summary"])
        self.assertEqual((there["id"], there["state"], there["summary"]["rows"]), (key, "finished", 100))
        one, other = self.listed()[0], json.loads(self.call("list", "--json", "--dir", self.tmp / "home").stdout)[0]
        for name in ("name", "duration_s", "cpu_s", "exit_code", "memory_peak_mib"):
            self.assertEqual(one[name], other[name], name)
        self.assertIsNone(one.get("user"))
        page = self.call("show", "--plain", self.bucket.place).stdout.decode()
        self.assertIn("resnet-baseline", page)
        self.assertRegex(page, r"(?m)^bucket +read from %s$" % self.bucket.place)
        self.call("report", self.bucket.place, "-o", self.tmp / "page.html")
        text = (self.tmp / "page.html").read_text()
        self.assertIn("resnet-baseline", text)
        known, = json.loads(re.search(r'id="known">(.*?)</script>', text, re.S).group(1))["runs"]
        self.assertEqual((known["delivery_by"], known["delivery"]), ("Bucket", "read from %s" % self.bucket.place))
        self.assertTrue(self.call("list", self.bucket.place, "--csv").stdout.startswith(b"id,name,"))
        self.assertNoComplaints()

    def test_a_run_is_named_as_at_home(self):
        keys = [self.add(number, BEGAN + (number - 2) * DAY) for number in range(3)]
        self.assertEqual(self.ids(), keys)
        self.assertEqual(self.shown()["id"], keys[2])
        self.assertEqual(self.shown("last~2")["id"], keys[0])
        self.assertEqual(self.shown(keys[1])["id"], keys[1])
        self.assertEqual(self.shown(keys[1][:9])["id"], keys[1])
        for word in ("last~3", "20200101", "nothing"):
            result = self.call("show", self.bucket.place, word, status=1)
            self.assertTrue(result.stderr.startswith(b"pillion: "), result)
        self.call("list", self.bucket.place, "more", status=2)
        self.call("show", self.bucket.place, "--follow", status=2)

    def test_a_wrong_call_is_told_so_before_anything_is_asked(self):
        self.add(1)
        place, job = self.bucket.place, ("--job", "7")
        for words in [("list", wrong) for wrong in ("s3://", "s3://x", "s3:///a", "s3://Bucket/a")] + [
                ("list", place, "--dir", "."), ("list", place, "--all-users"), ("show", place, "--dir", "."), ("show", "s3://"),
                ("report", place, "--dir", "."), ("report", "s3://"), ("report", place, "last", "--failed"),
                ("report", place, "last", *job), ("show", place, "last", *job), ("show", place, "--since", "1h"),
                ("show", place, "a", "b"), ("show", place, "--follow", "--json")]:
            with self.subTest(words):
                self.assertRegex(self.call(*words, status=2).stderr, rb"\Apillion: [^\n]+\n\Z")
        self.assertEqual(self.bucket.requests, [])

    def test_a_run_without_an_end_is_running_while_it_is_young_and_lost_when_it_is_old(self):
        now = time.time()
        young = self.add(1, now - 600, ended=False, last=now - 600)
        goes_on = self.add(2, now - 30 * 3600, ended=False, last=now - 30 * 3600)
        self.bucket.put("metrics/date=%s/run=%s/0005.csv.gz" % (made_runs.stamp(now - 30 * 3600)[:10], goes_on), b"x", now - 60)
        old = self.add(3, now - 20 * 3600, ended=False, last=now - 20 * 3600)
        older = self.add(4, now - 30 * DAY, ended=False, last=now - 30 * DAY)
        states = {one["id"]: one["state"] for one in self.listed()}
        self.assertEqual(states, {young: "running", goes_on: "running", old: "lost", older: "lost"})
        asked = [name for name in self.asked("list") if "metrics" in name]
        self.assertEqual(sorted(name.split("run=")[1] for name in asked), sorted(key + "/" for key in (goes_on, old, older)))
        self.assertEqual(self.ids("--state", "lost"), [older, old])

    def test_a_run_of_weeks_is_running_and_a_lost_one_is_asked_after_once_more(self):
        now = time.time()
        began = {name: now - days * DAY for name, days in (("goes on", 10), ("lost", 30), ("came back", 40))}
        keys = {name: self.add(number, at, ended=False, last=at) for number, (name, at) in enumerate(began.items())}
        folders = {name: "metrics/date=%s/run=%s/" % (made_runs.stamp(at)[:10], keys[name]) for name, at in began.items()}
        self.bucket.put(folders["goes on"] + "0005.csv.gz", b"x", now - 30)
        for asked in (sorted(folders.values()), []):
            self.forget()
            states = {one["id"]: one["state"] for one in self.listed()}
            self.assertEqual(states, {keys["goes on"]: "running", keys["lost"]: "lost", keys["came back"]: "lost"})
            self.assertEqual(sorted(name[name.index("metrics"):] for name in self.asked("list") if "metrics" in name), asked)
        _, csv = self.run_of(0, began["came back"])
        self.bucket.put(folders["came back"] + "0005.csv.gz", gzip.compress(csv.encode()), now - 30)
        self.assertEqual(self.shown(keys["came back"])["summary"]["rows"], 200)
        self.assertEqual(self.ids("--state", "running"), [keys["came back"], keys["goes on"]])

    def test_a_start_becomes_an_end(self):
        found, csv = self.run_of(began=time.time() - 60)
        key = self.bucket.add_run(found, csv, 30, ended=False)
        self.assertEqual(self.listed()[0]["state"], "running")
        self.assertEqual(self.shown()["summary"]["rows"], 100)
        self.bucket.add_run(found, csv + csv.splitlines()[-1].replace(csv.splitlines()[-1].split(".")[0], "1999999999") + "\n", 30)
        self.assertEqual(self.listed()[0]["state"], "finished")
        self.assertEqual(self.shown()["summary"]["rows"], 101)
        self.assertEqual(self.ids(), [key])

    def test_the_whole_of_a_job_is_reported(self):
        for number in range(5):
            found = made_runs.job("77.0", BEGAN + number, 300 + number, "solve", "solve", number, seconds=600.0)
            self.bucket.add_run(found, made_runs.rows(BEGAN + number, 600.0, 40), 20, True, number, BEGAN)
        self.add(9)
        self.assertEqual(len(self.ids("--job", "77")), 5)
        self.forget()
        self.call("report", self.bucket.place, "--job", "77", "-o", self.tmp / "job.html")
        rows = [name for name in self.asked("get") if "metrics/" in name]
        self.assertEqual(len(rows), 10)
        self.assertEqual(len([name for name in self.asked("list") if "metrics/" in name]), 5)
        self.assertTrue((self.tmp / "job.html").stat().st_size > 10000)


class Jobs(BucketReadTest):
    def add_node(self, number, host="n", cores=1.0, seconds=60.0, ended=True, last=BEGAN, share=(), **more):
        found, csv = made_jobs.made("%s%d" % (host, number), lambda t: (cores, 500, None, 10000), seconds, pid=number, interval=5, **more)
        return self.bucket.add_run(found, csv, 50, ended, number, last, share)

    def job(self, job="4711", status=0):
        return json.loads(self.call("show", "--json", self.bucket.place, "--job", job, status=status).stdout)

    def test_nodes_whose_names_nobody_shares_are_told_apart_by_their_boots(self):
        for number in (1, 2, 3):
            self.add_node(number, cores=float(number))
        job = self.job()
        names = [one["name"] for one in job["nodes"]]
        self.assertEqual((len(set(names)), job["machines"]["count"], job["asked"]["cpus"], job["asked"]["cpu_s"]), (3, 3, 12, 720))
        for name in names:
            self.assertRegex(name, "^[0-9a-f]{8}$")
        self.assertEqual(job["nodes"][names.index(job["balance"]["busiest"])]["cpu_mean"], 3)
        listed, = json.loads(self.call("list", "--jobs", "--json", self.bucket.place).stdout)
        self.assertEqual((listed["nodes"], listed["runs"]), (3, 3))
        page = self.call("report", self.bucket.place, "--job", "4711", "-o", "-").stdout.decode()
        runs = json.loads(re.search(r'id="known">(.*?)</script>', page, re.S).group(1))["runs"]
        self.assertEqual(sorted(one["host"] for one in runs), sorted(names))

    def test_pods_of_one_machine_whose_names_are_shared_are_one_job_and_one_machine(self):
        for number in (1, 2):
            pod = "train-%d-x7k2p" % number
            self.add_node(number, pod, job=pod, boot="the same", given=None, orchestrator="kubernetes", share=("hostname", "account"),
                          container={"pod": pod, "namespace": "ml", "index": str(number)})
        job = self.job("train")
        self.assertEqual((job["job"], len(job["nodes"]), job["machines"]["count"]), ("ml/train", 2, 1))

    def test_rows_that_wait_for_their_batch_are_no_silence(self):
        now = time.time()
        for number, ends in ((1, 2), (2, 90), (3, 400)):
            self.add_node(number, "n", seconds=600.0 - ends, began=now - 600 - BEGAN, ended=False, last=now - ends, upload_interval=60, share=("hostname",))
        self.assertEqual({one["name"]: one["word"] for one in self.job()["nodes"]}, {"n1": "running", "n2": "running", "n3": "silent"})

    def test_a_node_whose_clock_is_off_is_not_dead_and_its_clock_is_told(self):
        """By four minutes, which S3 takes, and by an hour: then the name is by S3's clock, and rows are moved."""
        now = time.time()
        for number, off in ((1, 0), (2, -240), (3, 240), (4, -300)):
            self.add_node(number, "n", seconds=200.0, began=now - 220 - BEGAN + off, ended=False, last=now - 15, share=("hostname",),
                          upload_interval=60)
        nodes = {one["name"]: (one["word"], one.get("stored_after_s")) for one in self.job()["nodes"]}
        self.assertEqual({word for word, _ in nodes.values()}, {"running"})
        self.assertEqual([late is not None for _, late in nodes.values()], [False, False, True, True])
        for name, late in (("n3", -235), ("n4", 305)):
            self.assertLessEqual(abs(nodes[name][1] - late), 2)
        said = self.call("show", self.bucket.place, "--job", "4711").stdout.decode()
        self.assertRegex(said, r"stored +n3 3 min 5\d s before, n4 5 min 0\d s after\s+its last row")

    def test_a_node_that_began_long_ago_is_heard_of_by_its_last_object(self):
        now = time.time()
        for number, ago, heard in ((1, 2400, 15), (2, 600, 15), (3, 2400, 900)):
            key = self.add_node(number, "n", seconds=ago - heard, began=now - ago - BEGAN - 240 * (number > 1), ended=False, last=now - heard,
                                share=("hostname",), upload_interval=60)
            with self.bucket.lock:
                self.bucket.times.update({uri: now - ago for uri in self.bucket.times if key in uri and "/started/" in uri})
        self.assertEqual({one["name"]: one["word"] for one in self.job()["nodes"]}, {"n1": "running", "n2": "running", "n3": "silent"})

    def test_rows_of_a_node_whose_clock_s3_has_refused_are_moved(self):
        self.add_node(1, cores=1.0, share=("hostname",))
        found, csv = made_jobs.made("n2", lambda t: (1, 500, None, 10000), 60.0, pid=2, interval=5, began=3600)
        found["id"] = found["id"].replace("T1336", "T1236")
        self.bucket.add_run(found, csv, 50, True, 2, BEGAN, ("hostname",))
        self.add_node(3, clock=-7.5, share=("hostname",))
        job = self.job()
        self.assertEqual((job["duration_s"], [one.get("clock_offset_s") for one in job["nodes"]]), (60, [None, 3600, -7.5]))
        self.assertIn("n2 1 h 00 min ahead of", self.call("show", self.bucket.place, "--job", "4711").stdout.decode())


class ReadableBucket(Reads, BucketServer):
    """What programs fill, and somebody else reads."""


class Programs(BucketTest):
    def test_what_programs_put_there_is_read_back(self):
        self.bucket.stop()
        self.bucket = ReadableBucket()
        self.addCleanup(self.bucket.stop)
        env = self.env(XDG_CACHE_HOME=str(self.tmp), PILLION_SHARE="hostname", SLURM_JOB_ID="78", SLURM_JOB_NAME="deep")
        for status in (0, 3):
            self.launch("sh", "-c", "sleep 0.5; exit %d" % status, env=env)
        running = self.start("sleep", "600", env=env)
        pillion.wait_for(lambda: len(self.bucket.runs()) == 3 and self.bucket.runs()[-1].objects, what="the third one's rows")
        here = {run["key"]: run for run in self.runs()}
        there = json.loads(self.pillion("list", self.bucket.place, "--json", "--job", "78", env=env).stdout)
        self.assertEqual({one["id"] for one in there}, set(here))
        for one in there:
            run = here[one["id"]]
            told = json.loads(self.pillion("show", "--json", run["id"], env=env).stdout)
            read = json.loads(self.pillion("show", "--json", self.bucket.place, one["id"], env=env).stdout)
            if one["state"] == "running":
                self.assertEqual(run["state"], "running")
                self.assertGreater(read["summary"]["rows"], 3)
                continue
            self.assertEqual((one["state"], one["exit_code"]), ("finished", run["exit_code"]))
            self.assertEqual(read["summary"], told["summary"])
        self.assertEqual([one["state"] for one in there].count("running"), 1)
        running.signal(15)
        running.wait()
        states = {one["state"] for one in json.loads(self.pillion("list", self.bucket.place, "--json", env=env).stdout)}
        self.assertEqual(states, {"finished"})
        self.assertNoComplaints()


class Asking(BucketReadTest):
    def test_since_looks_at_no_older_day(self):
        now = time.time()
        keys = [self.add(number, now - number * 5 * DAY) for number in range(6)]
        self.assertEqual(self.ids("--since", "7d"), [keys[1], keys[0]])
        lists = self.asked("list")
        days = {re.search(r"date=([0-9-]+)/", name)[1] for name in lists if re.search(r"date=[0-9]", name)}
        self.assertEqual(days, {made_runs.stamp(now)[:10], made_runs.stamp(now - 5 * DAY)[:10]})
        self.assertEqual(len(self.asked("get")), 2)
        self.forget()
        self.assertEqual(self.ids("--last", "1"), [keys[0]])
        self.assertEqual(self.asked("get"), [])
        self.assertEqual(len(self.asked("list")), 4)  # the days, twice, and the newest of them, twice

    def test_since_chooses_within_its_day(self):
        for self.bucket.place in ("s3://bucket/fleet", "s3://bucket"):
            with self.subTest(self.bucket.place):
                keys = [self.add(number, BEGAN + number * 3600) for number in range(5)]
                self.forget()
                self.assertEqual(self.ids("--since", made_runs.stamp(BEGAN + 2 * 3600)), keys[2:])
                self.assertEqual(len(self.asked("get")), 3)
                self.assertEqual(self.ids("--since", made_runs.stamp(BEGAN + 2 * 3600 + 1), "--last", "9"), keys[3:])
                self.assertEqual(self.ids("--since", made_runs.stamp(BEGAN - DAY)), keys)
        self.assertNoComplaints()

    def test_what_is_here_is_not_fetched_again(self):
        for number in range(4):
            self.add(number, BEGAN - number * DAY)
        self.ids()
        self.assertEqual(len(self.asked("get")), 4)
        self.shown()
        self.assertEqual(len(self.asked("get")), 4 + 4)
        self.forget()
        self.ids()
        self.shown()
        self.assertEqual(self.asked("get"), [])
        self.assertNoComplaints()

    def test_what_is_gone_is_shown_no_more(self):
        keys = [self.add(number, BEGAN + (number - 1) * DAY) for number in range(2)]
        self.assertEqual(self.ids(), keys)
        for name in ("started", "runs"):
            self.bucket.remove("%s/date=%s/%s.json" % (name, made_runs.stamp(BEGAN)[:10], keys[1]))
        self.assertEqual(self.ids(), keys[:1])
        self.assertEqual(self.shown()["id"], keys[0])

    def test_new_objects_alone_are_fetched(self):
        found, csv = self.run_of(began=time.time() - 60, rows=100)
        lines = csv.splitlines(keepends=True)
        self.bucket.add_run(found, "".join(lines[:61]), 30, ended=False)
        self.assertEqual(self.shown()["summary"]["rows"], 60)
        self.forget()
        self.bucket.add_run(found, csv, 30, ended=False)
        self.assertEqual(self.shown()["summary"]["rows"], 100)
        self.assertEqual(sorted(name[-11:] for name in self.asked("get")), ["0003.csv.gz", "0004.csv.gz"])
        kept = next(self.cache.glob("pillion/s3-*/runs/*/metrics.csv"))
        self.assertEqual(kept.read_text(), csv)
        self.forget()
        self.bucket.add_run(found, csv.replace("120", "121"), 30, ended=False)  # somebody has replaced them
        self.assertEqual(self.shown()["summary"]["rows"], 100)
        self.assertEqual(len(self.asked("get")), 4)
        self.assertEqual(kept.read_text(), csv.replace("120", "121"))
        self.bucket.remove(next(uri for uri in self.bucket.objects if uri.endswith("0004.csv.gz"))[len(self.bucket.place) + 1:])
        self.assertEqual(self.shown()["summary"]["rows"], 90)

    def test_lists_of_many_pages_are_read_to_their_ends(self):
        self.bucket.page = 3
        keys = [self.add(number, BEGAN + number, rows=20, batch=2) for number in range(11)]
        self.assertEqual(self.ids(), keys)
        self.assertEqual(self.shown()["summary"]["rows"], 20)
        self.assertNoComplaints()

    def test_many_are_asked_for_at_once(self):
        for number in range(60):
            self.add(number, BEGAN + number, rows=2)
        self.bucket.meet(20)
        self.assertEqual(len(self.ids()), 60)
        self.assertNoComplaints()

    def test_rows_of_many_short_runs_are_asked_for_at_once_and_not_all_are_listed_first(self):
        for number in range(50):
            self.bucket.add_run(made_runs.job("77.%d" % number, BEGAN, 300 + number, "solve", seconds=60.0), made_runs.rows(BEGAN, 60.0, 2), 2,
                                number=number, last=BEGAN)
        self.ids()  # the documents are here
        self.bucket.meet(20)
        self.call("show", self.bucket.place, "--job", "77", "--json")
        self.assertNoComplaints()
        asked = [one.asked.get("prefix") or one.key for one in self.bucket.requests if one.endpoint in ("list", "get")]
        rows = [name.endswith(".csv.gz") for name in asked if "metrics/" in name]
        self.assertEqual((rows.count(True), rows.count(False)), (50, 50))
        self.assertLess(rows.index(True), 50)

    def test_another_region_another_clock_and_a_sick_server_are_met(self):
        self.add(1)
        self.bucket.clock_offset = 7200
        self.bucket.fault("list", 1, code="SlowDown").fault("list", 2, drop=True).fault("get", 1, status=500)
        self.assertEqual(len(self.ids(env=self.env(AWS_REGION="us-west-2"))), 1)

    def test_a_bucket_that_says_no_is_told_so(self):
        self.bucket.fault("list", code="AccessDenied")
        result = self.call("list", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"cannot be listed: HTTP 403 AccessDenied")
        self.assertLessEqual(len(self.bucket.of("list")), 2)  # of starts and of ends, at once: no second try
        self.bucket.heal()
        env = self.env(AWS_SECRET_ACCESS_KEY="another-secret-of-somebodys-own")
        self.assertRegex(self.call("list", self.bucket.place, status=1, env=env).stderr, rb"SignatureDoesNotMatch")
        env = {name: value for name, value in self.env(HOME=str(self.tmp)).items() if not name.startswith("AWS_")}
        result = self.call("list", self.bucket.place, status=1, env=env)
        self.assertRegex(result.stderr, rb"there are no keys in the environment or ~/.aws")
        self.call("list", self.bucket.place, status=1, env=self.env(PILLION_S3_ENDPOINT="nowhere"))

    def test_keys_come_from_a_profile_too(self):
        key = self.add(1)
        (self.tmp / ".aws").mkdir()
        (self.tmp / ".aws/credentials").write_text("[fleet]\naws_access_key_id = %s\naws_secret_access_key = %s\n"
                                                   % (self.bucket.key.access_key, self.bucket.key.secret_key))
        (self.tmp / ".aws/config").write_text("[profile fleet]\nregion = %s\n" % self.bucket.region)
        env = {name: value for name, value in self.env(HOME=str(self.tmp)).items() if not name.startswith("AWS_")}
        self.assertEqual(self.ids(env=dict(env, AWS_PROFILE="fleet")), [key])
        self.assertRegex(self.call("list", self.bucket.place, status=1, env=dict(env, AWS_PROFILE="other")).stderr,
                         rb"AWS_PROFILE=other is in none of the two files")


    def test_keys_that_expire_for_many_at_once_are_renewed_once(self):
        keys = [self.add(number, BEGAN + number, rows=1) for number in range(30)]
        self.bucket.give = lambda access, secret, token, lifetime: self.bucket.grant("s3://bucket/fleet", lifetime, access, secret, token)
        token = self.tmp / "token"
        token.write_text(WEB_TOKEN)
        self.bucket.fault("get", 1, expire=True).fault("get", held=0.1)
        with KeysServer(self.bucket) as server:
            env = {name: value for name, value in self.env(**server.sts_env(token)).items()
                   if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
            self.assertEqual(self.ids(env=env), keys)
            self.assertEqual((len(server.requests), server.complaints), (2, []))


class Strangers(BucketReadTest):
    """Whoever may write into the bucket may write anything."""

    def test_keys_that_are_no_runs_are_left_out(self):
        key = self.add(1)
        for name in ("started/date=2026-11-28/../../../x.json", "runs/date=2026-11-28/..json", "runs/date=2026-11-28/.x.json",
                     "runs/date=2026-11-28/a/b.json", "runs/date=2026-11-28/%s.json" % ("a" * 300),
                     "runs/date=2026-11-28/a b.json", "runs/date=2026-11-28/x.txt", "runs/date=2026-11-28/\u20ac.json",
                     "runs/date=../x.json", "runs/date=2026-1128x/y.json", "runs/other.json"):
            self.bucket.put(name, "{}")
        before = {str(path) for path in self.tmp.rglob("*")}
        result = self.call("list", self.bucket.place, "--json", quiet=False)
        self.assertEqual([one["id"] for one in json.loads(result.stdout)], [key])
        self.assertRegex(result.stderr, rb"keys are no run's, and left out")
        new = {str(path) for path in self.tmp.rglob("*")} - before
        self.assertTrue(all(path.startswith(str(self.cache / "pillion")) for path in new), new)
        for folder in ("runs", "etags"):
            self.assertEqual([path.name for path in self.cache.glob("pillion/s3-*/%s/*" % folder)] +
                             [path.name for path in self.cache.glob("pillion/s3-*/%s/.*" % folder)], [key])

    def test_documents_that_are_none_are_damaged_runs(self):
        for number, text in enumerate(("", "[]", "null", "{", "\0\1\2", '{"a":1}{"b":2}', "[" * 100000, '{"state":7}',
                                       json.dumps({"state": "finished", "format": 99}), "{}\n{}")):
            self.bucket.put("runs/date=2026-11-28/20261128T123600Z-a-1-%016x.json" % number, text)
        states = [one["state"] for one in self.listed()]
        self.assertEqual(sorted(states), ["damaged"] * 9 + ["newer"])
        for number in range(10):
            result = self.pillion("show", self.bucket.place, "20261128T123600Z-a-1-%016x" % number, env=self.env())
            self.assertIn(result.status, (0, 1), result)

    def test_objects_that_are_no_rows_are_left_out(self):
        key = self.add(1, rows=90, batch=10)
        folder = "metrics/date=2026-11-28/run=%s/" % key
        good = self.bucket.objects["%s/%s0002.csv.gz" % (self.bucket.place, folder)]
        bomb = gzip.compress(b"\0" * (40 << 20), 1, mtime=0)
        for data, rows in ((b"", 80), (b"no gzip", 80), (good[:-9], 80), (good + b"x", 80), (bomb, 80),
                           (gzip.compress(b"other,names\n1,2\n"), 80), (gzip.compress(b"no line"), 80), (good, 90)):
            self.bucket.put(folder + "0002.csv.gz", data)
            self.assertEqual(self.shown(status=rows < 90, preexec_fn=limit)["summary"]["rows"], rows, data[:20])
        self.bucket.remove(folder + "0003.csv.gz")
        result = self.call("show", "--json", self.bucket.place, status=1)
        self.assertEqual(json.loads(result.stdout)["summary"]["rows"], 20)
        self.assertRegex(result.stderr, rb"object 3 of its rows is missing, and 6 behind it are left out")

    def test_rows_that_are_missing_at_the_end_are_told_by_the_end(self):
        found = made_runs.job("77.0", BEGAN, 300, "solve", "solve", 0, seconds=600.0)
        key = self.bucket.add_run(found, made_runs.rows(BEGAN, 600.0, 40), 10, last=BEGAN)
        self.ids()
        for number in (2, 3, 4):
            self.bucket.remove("metrics/date=2026-11-28/run=%s/%04d.csv.gz" % (key, number))
        for words in (("show", "--json"), ("show", "--job", "77"), ("report", "-o", "-"), ("report", "--markdown")):
            result = self.call(words[0], self.bucket.place, *words[1:], status=1)
            self.assertRegex(result.stderr, rb": of its rows 1 of 4 objects are there\n\Z")
            self.assertTrue(result.stdout)

    def test_names_that_are_no_objects_of_rows_cut_nothing_off(self):
        key = self.add(1, rows=60, batch=10)
        folder = "metrics/date=2026-11-28/run=%s/" % key
        for name in ("backup/0001.csv.gz", "backup/0003.csv.gz", "00002.csv.gz", "4.csv.gz", " 0005.csv.gz", "0006.csv.gz~"):
            self.bucket.put(folder + name, b"x")
        self.assertEqual(self.shown()["summary"]["rows"], 60)

    def test_days_and_names_of_a_strangers_own_are_no_runs(self):
        key, today = self.add(1), time.time()
        for day, name in (("9999-99-99", "zzz"), ("2026-02-30", "20260230T000000Z-a-1-2"),
                          (made_runs.stamp(today + 3 * DAY)[:10], made_runs.stamp(today + 3 * DAY, "%Y%m%dT%H%M%SZ-a")),
                          (made_runs.stamp(today)[:10], "zzz"), ("2026-11-28", "20261129T000000Z-a-1-2")):
            self.bucket.put("runs/date=%s/%s.json" % (day, name), "{}")
        self.assertEqual(self.shown(quiet=False)["id"], key)
        self.assertRegex(self.call("list", self.bucket.place, quiet=False).stderr, rb": 5 keys are no run's")

    def test_long_keys_of_strangers_fit_into_a_page(self):
        key = self.add(1)
        for number in range(400):
            self.bucket.put("runs/date=2026-11-28/%03d%s" % (number, "\u20ac" * 299), b"")
        result = self.call("list", self.bucket.place, "--json", quiet=False)
        self.assertEqual([one["id"] for one in json.loads(result.stdout)], [key])

    def test_no_answer_takes_more_memory_than_it_may(self):
        self.add(1)
        for endpoint, action in (("list", dict(endless=True)), ("get", dict(endless=True)), ("get", dict(huge=8 << 20)),
                                 ("list", dict(garbage=True))):
            self.bucket.heal()
            self.bucket.fault(endpoint, **action)
            status = 0 if endpoint == "get" else 1  # it is left out
            result = self.call("list", self.bucket.place, status=status, quiet=False, preexec_fn=limit)
            self.assertRegex(result.stderr, rb"larger than allowed|no HTTP|not HTTP")

    def name(self, key):
        return "runs/date=2026-11-28/%s.json" % key

    def test_an_object_that_is_refused_hides_no_other(self):
        keys = [self.add(number, BEGAN + number) for number in range(4)]
        for number, code in enumerate(("InvalidObjectState", "AccessDenied")):  # archived; of another's encryption
            self.bucket.locked["%s/%s" % (self.bucket.place, self.name(keys[number]))] = code
        self.bucket.put(self.name(keys[2]), json.dumps({"state": "x" * (5 << 20)}))
        for _ in range(2):  # then one of them is here already
            result = self.call("list", self.bucket.place, "--json", quiet=False)
            self.assertEqual([one["id"] for one in json.loads(result.stdout)], keys[3:])
            for key, why in zip(keys, ("HTTP 403 InvalidObjectState", "HTTP 403 AccessDenied", ".*larger than allowed")):
                self.assertRegex(result.stderr.decode(), r"%s is left out: %s" % (self.name(key), why))

    def test_an_object_without_an_answer_hides_no_other_and_many_end_it_soon(self):
        keys = [self.add(number, BEGAN + number, rows=1) for number in range(40)]
        self.bucket.locked["%s/%s" % (self.bucket.place, self.name(keys[7]))] = "InternalError"
        for key in keys:
            name = "s3://bucket/down/%s" % self.name(key)
            self.bucket.objects[name], self.bucket.locked[name] = b"{}", "InternalError"
        self.bucket.locked["s3://bucket/sick/started/date="] = "InternalError"
        started = []
        for name in ("fleet", "down", "sick"):
            (self.tmp / name).mkdir()
            env = self.env(XDG_CACHE_HOME=str(self.tmp / name))
            started.append(self.start(pillion.COMMAND, "list", "s3://bucket/%s" % name, "--json", preload=False, env=env))
        one, all_of_them, lists = (each.wait() for each in started)
        self.assertEqual(lists.status, 1, lists)
        self.assertRegex(lists.stderr, rb"cannot be listed: HTTP 500")
        self.assertEqual((one.status, [run["id"] for run in json.loads(one.stdout)]), (0, keys[:7] + keys[8:]), one)
        self.assertRegex(one.stderr.decode(), r"%s is left out: HTTP 500 InternalError" % self.name(keys[7]))
        self.assertEqual(all_of_them.status, 1, all_of_them)
        self.assertRegex(all_of_them.stderr, rb" cannot be read: HTTP 500")
        self.assertLess(len([key for key in self.asked("get") if key.startswith("down/")]), 4 * 32)

    def test_rows_that_are_refused_hide_no_other(self):
        for number in range(3):
            found = made_runs.job("77.0", BEGAN + number, 300 + number, "solve", "solve", number, seconds=600.0)
            key = self.bucket.add_run(found, made_runs.rows(BEGAN + number, 600.0, 40), 20, True, number, BEGAN)
            name = "metrics/date=2026-11-28/run=%s/0001.csv.gz" % key
            if number == 0:
                self.bucket.put(name, b"x" * (9 << 20))
            elif number == 1:
                self.bucket.locked["%s/%s" % (self.bucket.place, name)] = "InvalidObjectState"
        result = self.call("report", self.bucket.place, "--job", "77", "-o", self.tmp / "job.html", status=1)
        self.assertRegex(result.stderr, rb"0001.csv.gz is left out: [^\n]*larger than allowed")
        self.assertRegex(result.stderr, rb"0001.csv.gz is left out: HTTP 403 InvalidObjectState")
        self.assertTrue((self.tmp / "job.html").stat().st_size > 10000)

    def test_many_that_are_refused_are_counted_and_all_are_a_failure(self):
        keys = [self.add(number, BEGAN + number) for number in range(9)]
        names = ["%s/%s" % (self.bucket.place, self.name(key)) for key in keys]
        self.bucket.locked.update(dict.fromkeys(names, "AccessDenied"))
        result = self.call("list", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"cannot be read: none of its objects is given")
        self.assertEqual(result.stderr.count(b"is left out: HTTP 403 AccessDenied"), 5)
        del self.bucket.locked[names[4]]
        result = self.call("list", self.bucket.place, "--json", quiet=False)
        self.assertEqual([one["id"] for one in json.loads(result.stdout)], keys[4:5])
        self.assertRegex(result.stderr, rb"3 more objects are left out")

    def test_what_is_too_much_is_said(self):
        key = self.add(1)
        self.bucket.put("metrics/date=2026-11-28/run=%s/200001.csv.gz" % key, b"x")
        result = self.call("show", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"objects beyond number 200000, which are left out")
        for number in range(10000):
            self.bucket.put("runs/date=%s/x.json" % made_runs.stamp(BEGAN - number * DAY)[:10], b"{}")
        result = self.call("list", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"cannot be listed: there are too many keys; choose by --since")


class CrowdedServer(ReadableServer):
    """A day with 205,000 keys, for which there are no objects."""

    def list(self, request):
        prefix, at = request.asked["prefix"], int(request.asked.get("continuation-token", "0"))
        if "runs/date=2" not in prefix:
            return super().list(request)
        keys = ["%s20261128T123600Z-a-1-%016x.json" % (prefix, number) for number in range(at, min(at + 2500, 205000))]
        text = "".join("<Contents><Key>%s</Key><LastModified>2026-11-28T12:36:00.000Z</LastModified><ETag>&quot;%032x&quot;"
                       "</ETag><Size>1</Size></Contents>" % (key, at) for key in keys)
        more = "<NextContinuationToken>%d</NextContinuationToken>" % (at + 2500) if at + 2500 < 205000 else ""
        return Answer(200, ('<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult><IsTruncated>%s</IsTruncated>%s%s'
                            "</ListBucketResult>" % ("true" if more else "false", more, text)).encode(), {})


class Crowd(BucketReadTest):
    def setUp(self):
        super().setUp()
        self.bucket = CrowdedServer()
        self.addCleanup(self.bucket.stop)

    def test_a_day_of_too_many_keys_is_not_cut_in_silence(self):
        self.add(1)
        result = self.call("list", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"date=2026-11-28/ cannot be listed: there are too many keys; choose by --since")
        self.assertEqual(self.asked("get"), [])


class Cache(BucketReadTest):
    def test_it_is_this_users_alone(self):
        self.add(1)
        self.ids()
        for path in (self.cache / "pillion").rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        self.assertEqual((self.cache / "pillion").stat().st_mode & 0o777, 0o700)
        home = self.tmp / "a home"
        home.mkdir()
        self.assertEqual(len(self.ids(env=self.env(XDG_CACHE_HOME=None, HOME=str(home)))), 1)
        self.assertTrue((home / ".cache/pillion").is_dir())

    def test_a_folder_that_is_none_of_ours_is_not_used(self):
        self.add(1)
        elsewhere = self.tmp / "elsewhere"
        elsewhere.mkdir()
        (self.cache / "pillion").symlink_to(elsewhere)
        result = self.call("list", self.bucket.place, status=1)
        self.assertRegex(result.stderr, rb"cannot be used: a folder on the way is a link, or another user's; name another")
        self.assertEqual(list(elsewhere.iterdir()), [])
        self.call("list", self.bucket.place, status=1, env=self.env(XDG_CACHE_HOME=None, HOME="/proc"))
        if os.geteuid() == 0:
            (self.cache / "pillion").unlink()
            (self.cache / "pillion").mkdir(mode=0o777)
            os.chown(self.cache / "pillion", 4711, 4711)
            self.call("list", self.bucket.place, status=1)

    def test_a_link_in_the_place_of_a_file_is_replaced_or_refused(self):
        key = self.add(1)
        self.ids()
        folder = next(self.cache.glob("pillion/s3-*"))
        victim = self.tmp / "victim"
        victim.write_text("mine")
        (folder / "runs" / key / "metrics.csv").symlink_to(victim)
        self.pillion("show", self.bucket.place, env=self.env())
        (folder / "etags" / key).unlink()
        (folder / "etags" / key).symlink_to(victim)
        self.ids()
        self.assertEqual(victim.read_text(), "mine")

    def test_what_was_not_used_for_long_makes_room(self):
        old, new = self.add(1, BEGAN - DAY), self.add(2)
        self.ids()
        self.shown(old)
        folder = next(self.cache.glob("pillion/s3-*"))
        os.truncate(folder / "runs" / old / "metrics.csv", 3 << 30)
        os.utime(folder / "etags" / old, (BEGAN, BEGAN))
        self.bucket.place, place = "s3://bucket/other", self.bucket.place
        self.ids()
        self.assertFalse((folder / "runs" / old).exists())
        self.assertFalse((folder / "etags" / old).exists())
        self.assertTrue((folder / "runs" / new / "run.jsonl").exists())
        self.bucket.place = place
        self.assertEqual(self.ids(), [old, new])

    def test_a_stranger_does_not_fill_the_disk(self):
        header, row = made_runs.rows(BEGAN, 1.0, 1).splitlines(keepends=True)
        bomb = gzip.compress((header + row * ((6 << 20) // len(row))).encode(), 1, mtime=0)
        for kind, words in (("rows", ("show", self.bucket.place)), ("documents", ("list", self.bucket.place))):
            key = self.add(1)
            for number in range(1, 4):
                if kind == "rows":
                    self.bucket.put("metrics/date=2026-11-28/run=%s/%04d.csv.gz" % (key, number), bomb)
                else:
                    self.bucket.put("runs/date=2026-11-28/20261128T123600Z-a-1-%016x.json" % number,
                                    json.dumps({"state": "x" * (3 << 20)}))
            place = self.tmp / kind
            place.mkdir()
            disk = Disk(place, "size=16m,mode=700")
            self.addCleanup(disk.close)
            result = self.launch(*disk.enter(pillion.COMMAND, *words, preload=False), preload=False, cwd=self.work,
                                 env=self.env(XDG_CACHE_HOME=str(place)))
            self.assertEqual(result.status, 1, (kind, result))
            self.assertEqual(result.stderr.count(b"half of what it had free, is used up"), 1, (kind, result))
            used = sum(path.stat().st_size for path in disk.inside.rglob("*") if path.is_file())
            self.assertLess(used, 8 << 20, kind)

    def blocked(self, *words, **variables):
        """The command, whose answer nobody takes, or whose browser stays."""
        out, into = os.pipe()
        self.addCleanup(os.close, out)
        os.set_blocking(into, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(into, b"x" * 4096)
        os.set_blocking(into, True)
        self.forget()
        program = subprocess.Popen([pillion.COMMAND, *map(str, words)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL if "--open" in words else into, stderr=subprocess.DEVNULL,
                                   env=self.env(**variables), cwd=self.work, start_new_session=True)
        os.close(into)
        self.addCleanup(program.wait)
        self.addCleanup(os.killpg, program.pid, signal.SIGKILL)
        pillion.wait_for(lambda: self.asked("list"), what="its first question")
        return program

    def test_a_pager_or_a_browser_keeps_nobody_waiting(self):
        found = made_runs.job("77.0", BEGAN, 300, "solve", "solve", 0, seconds=600.0)
        self.bucket.add_run(found, made_runs.rows(BEGAN, 600.0, 40), 20, True, 1, BEGAN)
        place, job, browser = self.bucket.place, ("--job", "77"), self.tmp / "browser"
        browser.write_text("#!/bin/sh\nexec sleep 1000 >/dev/null\n")
        browser.chmod(0o700)
        for words in (("list", place), ("list", place, "--json"), ("list", place, "--jobs"), ("show", place),
                      ("show", place, *job), ("report", place, "-o", "-"), ("report", place, "--markdown"),
                      ("report", place, *job, "-o", "-"), ("report", place, "--open", "-o", self.tmp / "page.html")):
            with self.subTest(words):
                program = self.blocked(*words, BROWSER=str(browser))
                self.call("list", place, timeout=20)
                self.assertIsNone(program.poll())

    def test_two_at_a_time_wait_for_each_other(self):
        for number in range(8):
            self.add(number, BEGAN + number)
        self.bucket.fault("get", held=0.1)
        words = (pillion.COMMAND, "show", "--json", self.bucket.place)
        both = [self.start(*words, preload=False, env=self.env()) for _ in range(2)]
        for one in both:
            result = one.wait()
            self.assertEqual((result.status, json.loads(result.stdout)["summary"]["rows"]), (0, 100), result)


if __name__ == "__main__":
    pillion.main()
