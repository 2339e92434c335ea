#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever S3 and the API do to a run that streams: its program ends as before and in time, and every row that is on
disk arrives, once, with the run or with a later `pillion sync`.

PILLION_TEST_SEEDS: how many random mixtures of faults are tried (12), PILLION_TEST_SEED: the first of them.
"""
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from s3_server import CODES, S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from served import Cases, StreamedTest, pillion  # noqa: E402

LASTS = 3.4  # seconds: three batches and what is left at the end
PROGRAM = ("sh", "-c", "echo out; echo err >&2; sleep %s; exit 3" % LASTS)
EXIT_TIMEOUT = 3
MARGIN = 20.0  # for a busy machine; what hangs does so for a minute
WORKERS = 20  # most of the time all of them sleep
SEEDS = int(os.environ.get("PILLION_TEST_SEEDS", "12"))
FIRST_SEED = int(os.environ.get("PILLION_TEST_SEED", "1"))

POSITIONS = {"first": "put 1", "middle": "put 2", "last": "put 4"}
STATUSES = (202, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 416, 418,
            422, 429, 500, 501, 502, 503, 504, 507, 509, 599)
PUT_FAULTS = {
    "dropped": dict(drop=True),
    "answer lost": dict(drop_after=True),
    "silent": dict(hang=60),
    "silent after": dict(hang=60, process=True),
    "slow answer": dict(slow=0.02),
    "truncated": dict(truncate=True),
    "no http": dict(garbage=True),
    "half an element": dict(text="<Error><Code>Slow"),
    "no xml": dict(text="\x00\xff<<<>>><Code></Code><Region/>&#0;"),
    "elements in elements": dict(text="<Error>" * 5000),
    "html": dict(text="<html><body>503</body></html>", status=503),
    "huge": dict(huge=4 << 20),
    "endless": dict(endless=True),
    "header flood": dict(header_flood=1000),
    "moved without a region": dict(text="<Error><Code>PermanentRedirect</Code></Error>", status=301),
    "moved to nonsense": dict(status=301, body="<Error><Code>PermanentRedirect</Code><Region>../x</Region></Error>"),
    "expired": dict(expire=True),
    "wait": dict(status=503, headers={"Retry-After": "1"}),
    "wait long": dict(status=503, headers={"Retry-After": "600"}),
}
API_FAULTS = {
    "dropped": dict(drop=True),
    "answer lost": dict(drop_after=True),
    "silent": dict(hang=60),
    "silent after": dict(hang=60, process=True),
    "slow": dict(slow=0.02),
    "truncated": dict(truncate=True),
    "no http": dict(garbage=True),
    "huge": dict(huge=4 << 20),
    "endless": dict(endless=True),
    "header flood": dict(header_flood=1000),
    "wait": dict(status=503, headers={"Retry-After": "1"}),
}


def file_name(text):
    return re.sub(r"[^A-Za-z0-9]+", "-", text)


class Unharmed:
    """The program under a server with faults, of Sentinel's or of a bucket; and what sync makes of its run."""

    def unharmed(self, folder, server):
        """The program under these servers is as it is without us. Its run."""
        env = self.env(PILLION_DIR=folder, **server.env(PILLION_EXIT_TIMEOUT=EXIT_TIMEOUT))
        result = pillion.run(PROGRAM, env=env, timeout=90)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        self.assertLess(result.wall, LASTS + EXIT_TIMEOUT + MARGIN, "held for too long")
        found = pillion.runs(folder)
        self.assertEqual(len(found), 1)
        self.assertGreaterEqual(len(found[0].rows), 20)
        return found[0]

    def synced(self, run, server, status=0):
        result = pillion.command("sync", env=self.env(PILLION_DIR=run.path.parent.parent, **server.env()), timeout=200)
        if status is not None:
            self.assertEqual(result.status, status, "%s\n%s" % (result, run.describe()))
        return pillion.Run(run.path)


class FaultTest(Unharmed, StreamedTest):
    @staticmethod
    def api(s3, **options):
        return SentinelServer(s3=s3, finished_at_tolerance=900, **options)  # sync may come late

    def check(self, name, faults, forms=("s3", "inline")):
        """One run under these faults, each (server, endpoint, which, action); what it leaves, sync delivers. The run,
        and its state when the program had ended."""
        folder = self.tmp / file_name(name)
        with S3Server() as s3, self.api(s3) as server, SentinelServer(token="other") as other:
            for place, endpoint, which, action in faults:
                action = dict(action, redirect=other.url + "/x") if action.get("redirect") else action
                (s3 if place == "s3" else server).fault(endpoint, which, **action)
            run = self.unharmed(folder, server)
            state, csv = run["state"], run.csv
            if state != "finished":
                s3.heal()
                server.heal()
                run = self.synced(run, server)
                self.assertEqual(run.csv, csv)
            one = self.assertDelivered(run, server)
            self.assertEqual((one["finish"]["exit_code"], one["finish"]["run_status"]), (3, "failed"))
            self.assertIn(one["finish"]["data_source"], forms, run.describe())
            if one["finish"]["data_source"] == "s3":
                self.assertSealed(run, one, server)
            self.assertEqual((s3.complaints(), other.requests), ([], []))
            return run, state

    def check_put(self, name, endpoint, which, action, forms):
        """A fault of S3's is no reason to leave the run for sync."""
        run, state = self.check(name, [("s3", endpoint, which, action)], forms)
        self.assertEqual(state, "finished", run.describe())


def faults_that_pass():
    """{name: (endpoint, which, action, where the rows may be then)}: as objects, or left over by them: inline at Sentinel,
    by a later sync in a bucket of the user's own. So are those that follow."""
    cases = {}
    outlast = "silent", "silent after", "slow answer", "endless", "wait long"  # the program, all of them
    for position, endpoint in POSITIONS.items():
        for name, action in PUT_FAULTS.items():
            refused = name.startswith("moved") and position == "first"  # nothing is there yet
            either = name in outlast or refused or name == "wait" or position == "last"  # no back-off at the end
            forms = ("s3", "inline") if either else ("s3",)
            cases["%s %s" % (position, name)] = (endpoint, 1, action, forms)
    return cases


def faults_that_stay():
    cases = {}
    for position, endpoint in POSITIONS.items():
        for name, action in PUT_FAULTS.items():
            forms = ("s3", "inline") if position == "last" or name in ("truncated", "slow answer") else ("inline",)
            cases["always %s %s" % (position, name)] = (endpoint, "*", action, forms)
    return cases


def statuses():
    cases = {"status %d" % status: ("put 2", 1, dict(status=status), ("s3",)) for status in STATUSES}
    cases.update({"always %d" % status: ("put 2", "*", dict(status=status), ("inline",)) for status in STATUSES})
    return cases


def codes():
    cases = {code: ("put 2", 1, dict(code=code), ("s3",)) for code in CODES}
    cases.update({"always " + code: ("put 2", "*", dict(code=code), ("inline",)) for code in CODES})
    cases.update({"%s with %d" % (code, status): ("put 2", 1, dict(code=code, status=status), ("s3",))
                  for code in ("SlowDown", "ExpiredToken", "AccessDenied") for status in (400, 403, 500)})
    return cases


def redirects():
    return {"redirect %d" % status: ("put 2", which, dict(redirect=True, status=status), ("s3", "inline"))
            for status, which in ((301, 1), (302, "*"), (303, 1), (307, "*"), (308, 1))}


class Uploads(FaultTest):
    def run_cases(self, cases):
        Cases(self, WORKERS).run(cases, self.check_put)

    def test_a_fault_that_passes_costs_nothing(self):
        self.run_cases(faults_that_pass())

    def test_a_fault_that_stays_sends_all_rows_inline(self):
        self.run_cases(faults_that_stay())

    def test_every_status_is_survived(self):
        self.run_cases(statuses())

    def test_every_code_is_survived(self):
        self.run_cases(codes())

    def test_credentials_are_taken_nowhere_else(self):
        self.run_cases(redirects())


class Refreshes(FaultTest):
    def test_whatever_a_refresh_meets_no_row_is_lost(self):
        cases = {}
        expire = ("s3", "put 2", 1, dict(expire=True))
        faults = dict(API_FAULTS, html=dict(text="<html>"), null=dict(text="null"), partly=dict(
            text='{"upload_credentials":{"access_key":"a","secret_key":"b"}}'), redirect=dict(redirect=True))
        faults.update({str(status): dict(status=status) for status in STATUSES})
        for name, action in faults.items():
            cases["once " + name] = ([expire, ("api", "refresh", 1, action)],)
            cases["always " + name] = ([expire, ("api", "refresh", "*", action)], ("inline", "s3"))
        Cases(self, WORKERS).run(cases, self.check)


class Finishes(FaultTest):
    def test_whatever_a_finish_with_objects_meets_it_arrives_once(self):
        cases = {}
        faults = dict(API_FAULTS, redirect=dict(redirect=True))
        faults.update({str(status): dict(status=status) for status in STATUSES if status >= 300})
        for name, action in faults.items():
            for which in (1, "*"):
                cases["%s %s" % ("always" if which == "*" else "once", name)] = ([("api", "finish", which, action)],)
        Cases(self, WORKERS).run(cases, self.check)

    def test_faults_on_both_sides_at_once(self):
        cases = {}
        for upload in ("answer lost", "silent", "no http", "expired", "truncated"):
            for finish in ("answer lost", "silent", "dropped", "truncated"):
                cases["%s, %s" % (upload, finish)] = ([("s3", "put 4", 1, PUT_FAULTS[upload]),
                                                       ("api", "finish", 1, API_FAULTS[finish])],)
        Cases(self, WORKERS).run(cases, self.check)


class Random(FaultTest):
    """Faults by chance on both servers, programs killed by chance, syncs in the middle of it."""

    def start_under(self, folder, server, seconds):
        env = self.env(PILLION_DIR=folder, **server.env(PILLION_EXIT_TIMEOUT=EXIT_TIMEOUT))
        return pillion.start(("sh", "-c", "echo out; echo err >&2; exec sleep %.2f" % seconds), env=env)

    def live(self, program, dice, folder):
        """To its end, or to a sudden one."""
        if dice.random() < 0.4:
            pillion.wait_for(lambda: pillion.runs(folder) and pillion.runs(folder)[0].raw_rows, timeout=30, what="a row")
            time.sleep(dice.uniform(0, 4))
            program.signal(signal.SIGKILL)
            self.assertIn(program.wait(60).status, (0, -signal.SIGKILL))
            return
        result = program.wait(60)
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"out\n", b"err\n"))

    def check_seed(self, name, seed):
        dice, folder = random.Random(seed), self.tmp / name
        lifetime = dice.choice((3600, 300, 4, [2, 3600]))
        with S3Server() as s3, self.api(s3, expires_in=lifetime) as server:
            s3.fault("put", random=dice.choice((0.1, 0.3, 0.6)), seed=seed)
            server.fault("*", random=dice.choice((0, 0.2, 0.5)), seed=seed)
            self.live(self.start_under(folder, server, dice.uniform(1.2, 6)), dice, folder)
            run = pillion.runs(folder)[0]
            for _ in range(dice.randrange(3)):
                run = self.synced(run, server, status=None)
            s3.heal()
            server.heal()
            if run["state"] != "finished":
                run = self.synced(run, server)
            one = self.assertDelivered(run, server)
            if one["finish"]["data_source"] == "s3":
                self.assertSealed(run, one, server)
            self.assertEqual(s3.complaints(), [])

    def test_whatever_comes_together_every_row_arrives_once(self):
        seeds = range(FIRST_SEED, FIRST_SEED + SEEDS)
        Cases(self, WORKERS).run({"seed-%d" % seed: (seed,) for seed in seeds}, self.check_seed)


if __name__ == "__main__":
    pillion.main()
