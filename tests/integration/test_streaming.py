#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run that lasts goes to S3 in batches while it lasts, every row once, with credentials that come and go.

What takes minutes is tried with PILLION_TEST_LONG=1 alone; PILLION_TEST_HOLD is for how many seconds S3 is silent (3).
"""
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from s3_server import OBJECT_ROWS_MAX, unpack  # noqa: E402
from sentinel_server import EXPIRY_FORMATS  # noqa: E402
from served import PYTHON, Cases, StreamedTest, pillion  # noqa: E402
from certificates import Authority  # noqa: E402
from test_soak import private_kib  # noqa: E402
from test_sync import SyncTest  # noqa: E402

LONG = unittest.skipUnless(os.environ.get("PILLION_TEST_LONG"), "takes minutes: PILLION_TEST_LONG=1")
HOLD = float(os.environ.get("PILLION_TEST_HOLD", "3"))
WORKERS = 20  # most of the time all of them sleep
ODD_PREFIX = "s3://bucket/p=1+2 \u00fc:x/run"


class LastingTest(StreamedTest):
    def assertOnTime(self, run, interval):
        """Its rows are as many as its time has ticks, but for some that a busy machine makes late or skips; who waited
        for a server would miss them all meanwhile."""
        stamps = [row["timestamp"] for row in run.rows[:-1]]
        ticks = round((stamps[-1] - stamps[0]) / interval) + 1
        self.assertTrue(0.7 * ticks <= len(stamps) <= ticks + 1, "%d ticks: %s" % (ticks, stamps))

    def lasting(self, name, seconds, server, *argv, status=0, **variables):
        """A program of its own folder under this server; its run."""
        folder = self.tmp / name.replace(" ", "-").replace("/", "-")
        argv = argv or ("sleep", str(seconds))
        result = pillion.run(argv, env=self.env(PILLION_DIR=folder, **server.env(**variables)), timeout=seconds + 60)
        self.assertEqual((result.status, result.stdout, result.stderr), (status, b"", b""))
        found = pillion.runs(folder)
        self.assertEqual(len(found), 1)
        return found[0]

    def streamed(self, name, seconds, server, **keywords):
        run = self.lasting(name, seconds, server, **keywords)
        return self.assertStreamed(run, server)


class Batches(LastingTest):
    def test_a_run_that_lasts_goes_out_in_objects_each_with_its_part_of_the_rows(self):
        self.assertSilent(self.launch("sleep", "3.4"))
        run = self.only_run()
        one = self.assertStreamed(run, least=3)
        prefix = one["upload_uri_prefix"]
        count = len(one["finish"]["data_uris"])
        self.assertEqual(one["finish"]["data_uris"], ["%s/%04d.csv.gz" % (prefix, i) for i in range(1, count + 1)])
        self.assertEqual(sum(len(self.object_rows(one, i)) for i in range(1, count + 1)), len(run.rows))
        self.assertEqual((len(self.server.of("register")), len(self.server.of("finish"))), (1, 1))
        self.assertEqual((len(self.s3.requests), len(self.server.of("refresh"))), (count, 0))
        self.assertEqual(run["result"]["processing"]["files"], count)
        self.assertNoComplaints()

    def test_a_run_shorter_than_the_interval_goes_inline(self):
        self.launch("sleep", "0.5")
        self.assertInline(self.only_run())
        self.assertEqual(self.s3.requests, [])
        self.assertNoComplaints()

    def test_the_exit_code_arrives_with_the_objects(self):
        self.assertEqual(self.launch("sh", "-c", "sleep 2.2; exit 3").status, 3)
        body = self.assertStreamed(self.only_run())["finish"]
        self.assertEqual((body["exit_code"], body["run_status"]), (3, "failed"))
        self.assertNoComplaints()

    def test_without_new_rows_there_is_no_object(self):
        self.launch("sleep", "4.6", env=self.env(PILLION_INTERVAL="1.8"))
        run = self.only_run()
        self.assertStreamed(run)
        self.assertLessEqual(len(self.s3.objects), len(run.rows))
        self.assertNoComplaints()

    def test_the_connection_is_kept_from_batch_to_batch(self):
        self.launch("sleep", "4.4")
        self.assertStreamed(self.only_run(), least=4)
        self.assertEqual(len({request.connection for request in self.s3.requests}), 1, self.s3.requests)

    def test_an_upload_that_lasts_longer_than_the_interval_is_the_only_one(self):
        self.s3.fault("put", held=1.7)
        self.launch("sleep", "5", env=self.env(PILLION_EXIT_TIMEOUT="20"))
        self.assertStreamed(self.only_run())
        self.assertLessEqual(len(self.s3.requests), 5)
        self.assertNoComplaints()

    def test_any_character_may_be_in_the_prefix(self):
        def check(name, prefix):
            with self.pair(prefix=prefix) as server:
                one = self.streamed(name, 2.3, server)
                self.assertTrue(one["finish"]["data_uris"][0].startswith(prefix + "/run-1"))

        prefixes = {"odd": ODD_PREFIX, "dots": "s3://my.bucket.of-3/a.b/c", "deep": "s3://b0b/" + "a/" * 60 + "x",
                    "signs": "s3://bucket/~a!*'();&$,@#?%25[]\"<>^`{|}\\"}
        Cases(self, WORKERS).run({name: (prefix,) for name, prefix in prefixes.items()}, check)

    def test_a_run_without_a_place_on_disk_is_streamed_from_memory(self):
        result = self.launch("sh", "-c", "sleep 2.4; exit 3", env=self.env(PILLION_DIR="/proc/no/such/place"))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
        one, = self.server.finished_runs()
        self.assertEqual((one["finish"]["data_source"], one["finish"]["exit_code"]), ("s3", 3))
        self.assertGreaterEqual(len(one["rows"]), 20)
        self.assertNoComplaints()

    def test_no_credential_is_left_anywhere(self):
        self.server.expires_in = [1.5, 3600]
        self.launch("sleep", "3.4", env=self.env(PILLION_LOG=self.tmp / "log.txt", PILLION_LOG_LEVEL="debug"))
        self.assertStreamed(self.only_run())
        self.assertEqual(len(self.server.secret_values), 6)
        for path in pillion.files_below(self.tmp):
            data = path.read_bytes()
            for secret in self.server.secret_values + [self.server.token]:
                self.assertNotIn(secret.encode(), data, path)


class OverTls(LastingTest):
    MOST = 1536  # KiB; twice as much if each connection had the certificates for itself

    def test_the_certificates_are_in_memory_once_and_connections_are_kept(self):
        bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        if not bundle.exists():
            self.skipTest("%s is not there (ca-certificates)" % bundle)
        authority, both = Authority(self.tmp), self.tmp / "bundle.pem"
        both.write_bytes(bundle.read_bytes() + b"\n" + authority.path.read_bytes())
        at = {"host": "localhost", "certificate": authority.certificate("localhost")}
        alone = self.start("sleep", "60", preload=False)
        with self.pair(s3=at, **at) as server:
            program = self.start("sleep", "60", env=self.env(SSL_CERT_FILE=both, **server.env()))
            pillion.wait_for(lambda: len(server.s3.objects) >= 3, timeout=60, what="three objects")
            more = private_kib(program.pid) - private_kib(alone.pid)
            program.signal(signal.SIGTERM)
            self.assertEqual(program.wait(60).status, -signal.SIGTERM)
            self.assertStreamed(self.only_run(), server, least=3)
            self.assertEqual(len({request.connection for request in server.s3.requests}), 1, server.s3.requests)
        alone.kill()
        self.assertLess(more, self.MOST)


class Credentials(LastingTest):
    def test_every_spelling_of_the_expiry_is_understood_or_ignored(self):
        def check(name, key, form):
            with self.pair(expiry_key=key, expiry_format=form, expires_in=3600) as server:
                self.streamed(name, 2.3, server)
                self.assertEqual(server.of("refresh"), [])

        cases = {"expires_at " + form: ("expires_at", form) for form in EXPIRY_FORMATS}
        cases.update({"expiration": ("expiration", "Z"), "none at all": (None, "Z")})
        Cases(self, WORKERS).run(cases, check)

    def test_credentials_that_end_are_refreshed_once_and_no_row_is_lost(self):
        def check(name, options, fault, refreshes):
            with self.pair(**options) as server:
                for which, action in fault.items():
                    server.s3.fault("put", which, **action)
                self.streamed(name, 4.3, server)
                self.assertEqual(len(server.of("refresh")), refreshes, server.requests)

        cases = {"end in the middle": (dict(expires_in=[1.8, 3600]), {}, 1),
                 "no expiry": (dict(expires_in=[1.8, 3600], expiry_key=None), {}, 1),
                 "expired from the first": (dict(expires_in=[-1, 3600], expiry_key=None), {}, 1),
                 "nonsense": (dict(expires_in=[1.8, 3600], expiry_format="nonsense"), {}, 1),
                 "sooner than told": ({}, {2: dict(expire=True)}, 1),
                 "twice": ({}, {2: dict(expire=True), 4: dict(expire=True)}, 2),
                 "403 without a code": ({}, {2: dict(status=403)}, 1)}
        for code in ("ExpiredToken", "InvalidToken", "TokenRefreshRequired"):
            cases[code] = ({}, {2: dict(code=code)}, 1)
            cases[code + " as 403"] = ({}, {2: dict(code=code, status=403)}, 1)
        Cases(self, WORKERS).run(cases, check)

    def test_credentials_of_less_than_five_minutes_are_no_storm(self):
        def check(name, lifetime, most):
            with self.pair(expires_in=lifetime) as server:
                self.streamed(name, 4.3, server)
                self.assertLessEqual(len(server.of("refresh")), most, server.requests)

        cases = {str(lifetime): (lifetime, 1) for lifetime in (301, 300, 20, 6, [0, 3600], [-31536000, 3600])}
        Cases(self, WORKERS).run(cases, check)

    def test_credentials_that_are_never_any_good_are_no_storm(self):
        def check(name, fault):
            with self.pair(expires_in=-60) as server:
                if fault:
                    server.s3.fault("put", **fault)
                run = self.lasting(name, 4.3, server)
                self.assertInline(run, server)
                self.assertLessEqual(len(server.of("refresh")), 3, server.requests)
                self.assertLessEqual(len(server.s3.requests), 5, server.s3.requests)

        faults = {"expired": {}, "InvalidToken": {"code": "InvalidToken"}, "403": {"status": 403}}
        Cases(self, WORKERS).run({name: (fault,) for name, fault in faults.items()}, check)

    def test_a_refresh_that_stumbles_is_asked_for_again(self):
        def check(name, action):
            with self.pair() as server:
                server.s3.fault("put", 2, expire=True)
                server.fault("refresh", 1, **action)
                self.streamed(name, 5, server, PILLION_EXIT_TIMEOUT="20")
                self.assertGreaterEqual(len(server.of("refresh")), 2)

        faults = {"500": {"status": 500}, "503": {"status": 503, "headers": {"Retry-After": "1"}}, "429": {"status": 429},
                  "drop": {"drop": True}, "drop after": {"drop_after": True}, "truncated": {"truncate": True},
                  "html": {"text": "<html>"}, "null": {"text": "null"}, "empty": {"text": ""},
                  "no http": {"garbage": True}, "incomplete": {"text": '{"upload_credentials":{"access_key":"a"}}'}}
        Cases(self, WORKERS).run({name: (fault,) for name, fault in faults.items()}, check)

    def test_a_refresh_that_is_refused_leaves_the_rows_for_the_end(self):
        def check(name, code):
            with self.pair() as server:
                server.s3.fault("put", 2, expire=True)
                server.fault("refresh", status=code)
                self.assertInline(self.lasting(name, 3.4, server), server)
                self.assertLessEqual(len(server.of("refresh")), 3, server.requests)

        Cases(self, WORKERS).run({str(code): (code,) for code in (400, 401, 403, 404, 410)}, check)

    @LONG
    def test_refreshed_five_minutes_before_the_end_at_most_once_a_minute(self):
        def check(name, lifetimes, form, least, most):
            with self.pair(expires_in=lifetimes, expiry_format=form) as server:
                self.streamed(name, 75, server, TRACKER_UPLOAD_INTERVAL="20")
                times = [request.monotonic for request in server.of("register") + server.of("refresh")]
                self.assertTrue(least < len(times) <= most + 1, server.requests)
                self.assertTrue(all(b - a > 59 for a, b in zip(times[1:], times[2:])), times)

        cases = {"expires in 310 s, " + form: ([310, 3600], form, 1, 1) for form in EXPIRY_FORMATS if form != "nonsense"}
        cases.update({"always 200": (200, "Z", 1, 2), "3600": (3600, "Z", 0, 0), "400": (400, "Z", 0, 0)})
        Cases(self, WORKERS).run(cases, check)

    @LONG
    def test_uploads_go_on_with_the_old_ones_while_a_refresh_fails(self):
        def check(name, seconds, action):
            with self.pair(expires_in=301) as server:
                server.fault("refresh", **action)
                run = self.lasting(name, seconds, server, TRACKER_UPLOAD_INTERVAL="5")
                self.assertGreaterEqual(run["uploaded"], 13)
                self.assertIn(len(server.of("refresh")), (1, 2))
                if run["state"] == "undelivered":  # an API that was silent a moment ago is not waited for
                    server.heal()
                    folder = run.path.parent.parent
                    self.sync(env=self.env(PILLION_DIR=folder, **server.env()))
                    run = pillion.Run(run.path)
                self.assertStreamed(run, server)

        cases = {"500": (70, {"status": 500}), "404": (70, {"status": 404}), "silent": (105, {"hang": 600})}
        Cases(self, WORKERS).run(cases, check)


class ClockAndRegion(LastingTest):
    def test_a_clock_that_is_off_is_set_by_the_servers(self):
        def check(name, offset):
            with self.pair() as server:
                server.s3.clock_offset = offset
                self.streamed(name, 3.4, server)
                refused = [request for request in server.s3.requests if request.refusal]
                self.assertEqual([request.refusal for request in refused], ["RequestTimeTooSkewed"])
                self.assertLessEqual(len(server.of("refresh")), 1)  # by that clock the credentials may have expired

        Cases(self, WORKERS).run({"ahead": (3600,), "behind": (-3600,), "years": (86400 * 3000,)}, check)

    def test_a_clock_that_nothing_sets_right_is_no_storm(self):
        with self.pair(s3={"max_skew": -1}) as server:
            server.s3.clock_offset = 1
            self.assertInline(self.lasting("skewed", 3.4, server), server)
            self.assertLessEqual(len(server.s3.requests), 4, server.s3.requests)

    def test_the_region_is_that_of_the_credentials_or_the_one_that_s3_names(self):
        def check(name, of_credentials, of_bucket, moved, refusals):
            with self.pair(s3={"region": of_bucket, "moved": moved}, region=of_credentials) as server:
                self.streamed(name, 3.4, server)
                refused = [request.refusal for request in server.s3.requests if request.refusal]
                self.assertEqual(refused, refusals)
                self.assertEqual(server.s3.of("head"), [])

        malformed, redirect = "AuthorizationHeaderMalformed", "PermanentRedirect"
        cases = {"named": ("us-west-2", "us-west-2", malformed, []),
                 "not named, and the usual": (None, "eu-central-1", malformed, []),
                 "not named": (None, "us-west-2", malformed, [malformed]),
                 "named wrongly": ("us-east-1", "us-west-2", malformed, [malformed]),
                 "redirected": (None, "us-west-2", redirect, [redirect])}
        Cases(self, WORKERS).run(cases, check)


class Held(LastingTest):
    def test_no_tick_is_late_while_s3_is_silent(self):
        self.s3.fault("put 2", "*", hang=HOLD + 60)
        program = self.until_told(PILLION_INTERVAL="0.5", PILLION_EXIT_TIMEOUT="20")
        pillion.wait_for(lambda: self.s3.of("put")[1:], timeout=30, what="the second object")
        time.sleep(HOLD)
        rows = len(self.only_run().raw_rows)
        self.s3.heal()
        pillion.wait_for(lambda: len(self.only_run().raw_rows) > rows + 2, what="rows")
        self.end(program)
        self.assertOnTime(self.only_run(), 0.5)
        self.assertDelivered(self.only_run())

    def test_an_s3_that_is_slow_for_a_while_gets_all_of_it(self):
        self.s3.fault("put", [2, 3], hang=1)
        self.launch("sleep", "7", env=self.env(PILLION_EXIT_TIMEOUT="20"))
        self.assertStreamed(self.only_run(), least=3)
        self.assertNoComplaints()


class Ends(LastingTest):
    def uploaded(self, count):
        pillion.wait_for(lambda: self.runs() and self.only_run().get("uploaded", 0) >= count, what="%d objects" % count)

    def test_more_rows_than_go_inline_are_uploaded_at_the_end(self):
        self.server.fault("finish", "*", text="{}")  # the rows made here are ahead of time: it would refuse them
        program = self.until_told(TRACKER_UPLOAD_INTERVAL="3600", PILLION_EXIT_TIMEOUT="30")
        pillion.wait_for(lambda: self.server.of("register") and self.only_run().csv.count(b"\n") > 2, what="rows")
        pillion.grow(self.only_run(), 9 << 20)
        self.end(program)
        run = self.only_run()
        self.assertEqual(run["state"], "finished")
        data = [unpack(self.s3.objects[key]) for key in sorted(self.s3.objects)]
        header = run.csv.split(b"\n")[0] + b"\n"
        self.assertTrue(all(one.startswith(header) for one in data))
        self.assertEqual(header + b"".join(one[len(header):] for one in data), run.csv)
        self.assertEqual(self.server.of("finish")[0].body["data_source"], "s3")

    def test_an_exec_shortly_before_the_end_delivers_all_the_same(self):
        self.launch("sh", "-c", "sleep 2.5; exec sleep 0.7")
        self.assertStreamed(self.only_run())
        self.assertNoComplaints()

    def test_an_exec_in_place_goes_on_with_the_numbers(self):
        result = self.launch(pillion.PROGRAMS / "execs_itself", "3", "1150")
        self.assertEqual((result.status, result.stderr), (12, b""))
        one = self.assertStreamed(self.only_run(), least=3)
        self.assertEqual(one["finish"]["exit_code"], 12)
        self.assertEqual((len(self.server.of("register")), len(self.server.of("finish"))), (1, 1))
        self.assertNoComplaints()

    def test_an_exec_while_an_object_is_under_way_sends_the_same_object_again(self):
        self.s3.fault("put", 2, hang=60)
        result = self.launch("sh", "-c", "sleep 2.6; exec sh -c 'sleep 2.6; exit 3'")
        self.assertEqual(result.status, 3)
        self.assertStreamed(self.only_run(), least=3)
        self.assertNoComplaints()

    def test_a_program_that_leaves_a_namespace_goes_on_with_the_numbers(self):
        text = ("import ctypes, sys, time\ntime.sleep(2.3)\n"
                "libc = ctypes.CDLL(None, use_errno=True)\n"
                "print(libc.unshare(0x10000000), ctypes.get_errno(), flush=True)\ntime.sleep(2.3)\nsys.exit(3)\n")
        result = self.python(text)
        self.assertEqual((result.status, result.stderr), (3, b""))
        if result.stdout != b"0 0\n":
            self.skipTest("no user namespace may be made here: %r" % result.stdout)
        one = self.assertStreamed(self.only_run(), least=4)
        self.assertEqual(len(self.server.of("register")), 1)
        self.assertGreaterEqual(len(one["rows"]), 40)
        self.assertNoComplaints()

    def test_s3_that_is_down_at_the_end_is_done_without(self):
        def check(name, after, action):
            with self.pair() as server:
                argv = ("sh", "-c", "sleep 3.4; exit 3")
                if action is None:
                    server.s3.down()
                elif action:
                    server.s3.fault("put", "%d+" % after, **action)
                run = self.lasting(name, 3.4, server, *argv, status=3)
                one = self.assertInline(run, server)
                self.assertEqual(one["finish"]["exit_code"], 3)
                self.assertEqual(len(server.s3.objects), run.get("uploaded", 0))

        cases = {"never there": (1, None), "silent": (3, {"hang": 60}), "503": (3, {"status": 503}),
                 "denied": (3, {"code": "AccessDenied"}), "no bucket": (1, {"code": "NoSuchBucket"}),
                 "reset": (2, {"drop": True})}
        Cases(self, WORKERS).run(cases, check)

    def test_s3_that_goes_down_in_the_middle_is_done_without(self):
        program = self.until_told()
        self.uploaded(2)
        self.s3.down()
        known = self.only_run()["uploaded"]
        rows = len(self.only_run().raw_rows)
        pillion.wait_for(lambda: len(self.only_run().raw_rows) > rows + 30, what="rows of more than an interval")
        self.end(program)
        run = self.only_run()
        self.assertInline(run)
        self.assertIn(run["uploaded"], (known, known + 1))  # one may have been on its way

    def test_with_no_time_allowed_there_is_no_network_at_exit(self):
        program = self.start("sh", "-c", "sleep 2.5; exit 3", env=self.env(PILLION_EXIT_TIMEOUT="0"))
        self.assertEqual(program.wait().status, 3)
        before = len(self.s3.requests)
        run = self.only_run()
        self.assertEqual((run["state"], self.server.of("finish")), ("undelivered", []))
        self.assertEqual(run["uploaded"], before)
        self.sync()
        self.assertStreamed(self.only_run(), least=3)
        self.assertNoComplaints()

    def test_an_api_that_is_down_does_not_keep_rows_from_s3(self):
        program = self.until_told()
        pillion.wait_for(lambda: self.runs() and self.only_run().get("sentinel_run_id"), what="the registration")
        self.server.down()
        self.uploaded(2)
        self.end(program)
        run = self.only_run()
        self.assertEqual(run["state"], "undelivered")
        self.assertGreaterEqual(run["uploaded"], 2)
        self.server.up()
        self.sync()
        self.assertStreamed(self.only_run())
        self.assertNoComplaints()

    def test_with_both_down_the_run_waits_for_sync(self):
        program = self.until_told()
        self.uploaded(1)
        self.server.down()
        self.s3.down()
        self.end(program)
        self.assertEqual(self.only_run()["state"], "undelivered")
        self.server.up()
        self.s3.up()
        self.sync()
        self.assertStreamed(self.only_run())
        self.assertNoComplaints()

    def test_a_run_whose_registration_failed_goes_inline_later(self):
        self.server.down()
        self.launch("sleep", "2.4")
        self.server.up()
        self.sync()
        self.assertInline(self.only_run())
        self.assertEqual(self.s3.requests, [])


class Later(StreamedTest, SyncTest):
    """What pillion sync does with runs that had begun to stream."""

    def killed_after(self, objects, **variables):
        program = self.start("sleep", "60", env=self.env(**variables))
        pillion.wait_for(lambda: len(self.s3.objects) >= objects, timeout=30, what="%d objects" % objects)
        time.sleep(0.4)
        program.signal(signal.SIGKILL)
        program.wait()
        return self.only_run()

    def test_a_run_killed_after_some_objects_goes_on_where_it_was(self):
        run = self.killed_after(2)
        before = dict(self.s3.objects)
        self.sync()
        one = self.assertStreamed(self.again(run), least=3)
        self.assertNotIn("exit_code", one["finish"])
        self.assertEqual(dict(list(self.s3.objects.items())[:2]), before)
        self.assertEqual((len(self.server.of("register")), len(self.server.of("refresh"))), (1, 1))
        self.assertNoComplaints()

    def test_one_killed_while_an_object_was_under_way_sends_the_same_again(self):
        self.s3.fault("put 2", 1, hang=60, process=True)
        program = self.start("sleep", "60")
        pillion.wait_for(lambda: len(self.s3.objects) == 2, what="the second object")
        program.signal(signal.SIGKILL)
        program.wait()
        run = self.only_run()
        self.assertEqual(run["uploaded"], 1)
        self.sync()
        self.assertStreamed(self.again(run))
        self.assertEqual([request.object for request in self.s3.of("put")][:3], [1, 2, 2])
        self.assertNoComplaints()

    def test_two_at_once_deliver_once(self):
        run = self.killed_after(2)
        self.s3.fault("put", slow=0.002)
        syncs = [self.start(pillion.COMMAND, "sync", preload=False) for _ in range(3)]
        for sync in syncs:
            self.assertIn(sync.wait().status, (0, 1))
        self.sync()
        self.assertStreamed(self.again(run))
        self.assertEqual(len(self.server.of("finish")), 1)
        self.assertNoComplaints()

    def test_more_rows_than_go_inline_go_in_objects_of_a_quarter_mebibyte(self):
        run = pillion.grow(self.killed(), 9 << 20)
        self.sync()
        one = self.assertStreamed(self.again(run), least=9)
        sizes = [sum(len(row) + 1 for row in self.object_rows(one, number))
                 for number in range(1, len(one["finish"]["data_uris"]) + 1)]
        self.assertLessEqual(max(sizes), OBJECT_ROWS_MAX)
        self.assertLessEqual(len(sizes), 40)
        self.assertNoComplaints()

    def test_more_rows_than_go_inline_wait_for_s3(self):
        run = pillion.grow(self.killed_after(1), 9 << 20)
        self.s3.down()
        self.sync(status=1)
        self.assertEqual((self.again(run)["state"], self.server.of("finish")), ("undelivered", []))
        self.s3.up()
        self.s3.fault("put 4", "*", status=403)
        self.sync(status=1)
        self.assertEqual((self.again(run)["state"], self.again(run)["uploaded"]), ("undelivered", 3))
        self.s3.heal()
        self.sync()
        self.assertStreamed(self.again(run), least=9)
        self.assertNoComplaints()

    def test_a_sync_that_is_killed_is_taken_up_by_the_next(self):
        run = pillion.grow(self.killed(), 9 << 20)
        self.s3.fault("put 5", 1, hang=60)
        program = self.start(pillion.COMMAND, "sync", preload=False)
        pillion.wait_for(lambda: self.s3.of("put")[4:], timeout=30, what="the fifth object")
        program.signal(signal.SIGKILL)
        program.wait()
        self.assertEqual(self.again(run)["uploaded"], 4)
        self.sync()
        self.assertStreamed(self.again(run), least=9)
        self.assertNoComplaints()

    def test_s3_that_is_down_makes_a_smaller_run_go_inline(self):
        run = self.killed_after(2)
        self.s3.down()
        self.sync()
        self.assertInline(self.again(run))

    def test_a_finish_that_nobody_answered_is_repeated_as_it_was(self):
        self.server.fault("finish", 1, drop_after=True)
        self.server.fault("finish", 2, status=503)
        program = self.start("sh", "-c", "sleep 2.4; exit 3", env=self.env(PILLION_EXIT_TIMEOUT="1"))
        self.assertEqual(program.wait().status, 3)
        for _ in range(3):
            if self.only_run()["state"] != "finished":
                self.pillion("sync")
        self.assertStreamed(self.only_run())
        self.assertEqual(len({request.raw for request in self.server.of("finish")}), 1)
        self.assertEqual(self.s3.complaints(), [])


class Background(LastingTest, SyncTest):
    """A leader with time to spare delivers what others left behind."""

    def leader(self, **variables):
        return self.until_told(**dict({"TRACKER_UPLOAD_INTERVAL": "3600"}, **variables))

    def finished(self, run):
        pillion.wait_for(lambda: self.again(run).get("state") == "finished", timeout=40, what="delivery of %s" % run)

    def test_a_run_that_was_killed_is_delivered_by_the_next_leader(self):
        run = self.killed(rows=25)
        program = self.leader()
        self.finished(run)
        self.assertDelivered(self.again(run))
        self.end(program)
        for one in self.runs():
            self.assertDelivered(one)
        self.assertEqual(len(self.server.finished_runs()), 2)
        self.assertNoComplaints()

    def test_runs_that_live_or_are_anothers_are_left_alone(self):
        alive = self.leader()
        pillion.wait_for(lambda: self.runs() and self.runs()[0].get("sentinel_run_id"), what="the registration")
        living = self.runs()[0]
        anothers = self.killed(SENTINEL_API_TOKEN="another-token")
        elsewhere = self.killed(SENTINEL_API_URL="http://127.0.0.1:9")
        pillion.next_second()
        ours = self.killed(rows=25)
        before = {run.path: self.again(run).text for run in (anothers, elsewhere)}
        program = self.leader()
        self.finished(ours)
        self.assertEqual(len(self.server.finished_runs()), 1)
        self.assertEqual(self.again(living)["state"], "running")
        for path, text in before.items():
            self.assertEqual(pillion.Run(path).text, text)
        for one in (alive, program):
            self.end(one)
        self.assertDelivered(self.again(living))
        self.assertEqual(len(self.server.of("finish")), 3)

    def test_it_stops_when_the_program_ends_and_leaves_the_run_whole(self):
        run = pillion.grow(self.killed(), 3 << 20)
        self.s3.fault("put", hang=600)
        program = self.leader(PILLION_EXIT_TIMEOUT="60")
        pillion.wait_for(lambda: self.s3.of("put"), timeout=40, what="an upload in the background")
        began = time.monotonic()
        self.end(program)
        self.assertLess(time.monotonic() - began, 30, "the exit waited for another's run")
        ours = next(one for one in self.runs() if one.path != run.path)
        self.assertInline(ours)
        self.s3.heal()
        self.sync()
        self.assertDelivered(self.again(run))
        self.assertNoComplaints()

    def test_its_own_rows_come_on_time_meanwhile(self):
        run = pillion.grow(self.killed(), 6 << 20)
        self.s3.fault("put", held=0.4)
        program = self.leader(PILLION_INTERVAL="0.5")
        self.finished(run)
        self.end(program)
        ours = next(one for one in self.runs() if one.path != run.path)
        self.assertOnTime(ours, 0.5)
        self.assertDelivered(self.again(run))
        self.assertNoComplaints()


if __name__ == "__main__":
    pillion.main()
