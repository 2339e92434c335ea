# SPDX-License-Identifier: Apache-2.0
"""The faults of test_streaming_faults.py, for runs that go to a bucket of the user's own: a run is finished there, or left
for sync with every row."""
import random
import signal
import time

import test_streaming_faults as streaming
from own_bucket import BucketServer, BucketTest
from served import Cases, pillion
from test_streaming_faults import CODES, EXIT_TIMEOUT, PUT_FAULTS, STATUSES, WORKERS, file_name


def faults_of_documents():
    """Of beginning and end, once and for good."""
    cases = {}
    actions = dict(PUT_FAULTS, **{"status %d" % status: dict(status=status) for status in STATUSES})
    actions.update({code: dict(code=code) for code in CODES})
    for endpoint in ("start", "end"):
        for name, action in actions.items():
            for which in (1, "*"):
                cases["%s %s %s" % (endpoint, "always" if which == "*" else "once", name)] = (
                    endpoint, which, action, ("s3", "inline"))
    return cases


ALL_OF_THEM = (streaming.faults_that_pass, streaming.faults_that_stay, streaming.statuses, streaming.codes,
               streaming.redirects, faults_of_documents)


class BucketFaultTest(streaming.Unharmed, BucketTest):
    @staticmethod
    def heal(bucket):
        bucket.heal()
        bucket.key.dead = None

    def check_put(self, name, endpoint, which, action, forms):
        """One run under this fault; what it leaves, sync delivers."""
        folder = self.tmp / file_name(name)
        with BucketServer() as bucket, BucketServer() as other:
            action = dict(action, redirect=other.url + "/x") if action.get("redirect") else action
            bucket.fault(endpoint, which, **action)
            run = self.unharmed(folder, bucket)
            state, csv = run["state"], run.csv
            self.assertIn(state, ("finished", "undelivered"), run.describe())
            if not action.get("expire"):  # keys that nobody renews stay expired
                self.assertIn({"finished": "s3", "undelivered": "inline"}[state], forms, run.describe())
            if state != "finished":
                self.heal(bucket)
                run = self.synced(run, bucket)
                self.assertEqual(run.csv, csv)
            one = self.assertDelivered(run, bucket)
            self.assertEqual(one.ended["exit_code"], 3)
            self.assertEqual((bucket.complaints(), other.requests), ([], []))

    def check_seed(self, name, seed):
        """Faults by chance, a program killed by chance, syncs in the middle of it."""
        dice, folder = random.Random(seed), self.tmp / name
        with BucketServer() as bucket:
            bucket.fault("put", random=dice.choice((0.1, 0.3, 0.6)), seed=seed)
            env = self.env(PILLION_DIR=folder, **bucket.env(PILLION_EXIT_TIMEOUT=EXIT_TIMEOUT))
            program = pillion.start(("sh", "-c", "echo out; exec sleep %.2f" % dice.uniform(1.2, 6)), env=env)
            if dice.random() < 0.5:
                pillion.wait_for(lambda: pillion.runs(folder) and pillion.runs(folder)[0].raw_rows, timeout=30, what="a row")
                time.sleep(dice.uniform(0, 4))
                program.signal(signal.SIGKILL)
            self.assertIn(program.wait(60).status, (0, -signal.SIGKILL))
            run = pillion.runs(folder)[0]
            for _ in range(dice.randrange(3)):
                bucket.key.dead = None
                run = self.synced(run, bucket, status=None)
            self.heal(bucket)
            if run["state"] != "finished":
                run = self.synced(run, bucket)
            self.assertDelivered(run, bucket)
            self.assertEqual(bucket.complaints(), [])

    def run_cases(self, cases):
        Cases(self, WORKERS).run(cases, self.check_put)

    def run_seeds(self, count):
        Cases(self, WORKERS).run({"seed-%d" % seed: (seed,) for seed in range(1, count + 1)}, self.check_seed)
