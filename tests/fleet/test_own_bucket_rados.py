#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A bucket of the user's own in a RADOS Gateway, with a role that may put objects and nothing else: killed at each call
that disk or server can tell, and with the gateway away, hanging and slow, every row is there once."""
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import test_killed  # noqa: E402
from own_bucket import BucketTest, GatewayBucket  # noqa: E402
from served import pillion  # noqa: E402
import rados_gateway  # noqa: E402

gateway = rados_gateway.RadosGateway()
ROUNDS = 6


def what_is_missing():
    return "no S3 by Ceph here, %s missing: apt-get install openssl radosgw ceph-mon ceph-osd ceph-common" % \
        " ".join(rados_gateway.missing())


def setUpModule():
    if rados_gateway.missing():
        raise unittest.SkipTest(what_is_missing())
    gateway.start()
    unittest.addModuleCleanup(gateway.stop)


class Killed(test_killed.OwnBucket):
    every = 1
    lock, number = threading.Lock(), 0

    def server(self):
        with self.lock:
            Killed.number += 1
            return GatewayBucket(gateway, "killed/%d" % Killed.number)


class Moods(BucketTest):
    """The gateway itself is the fault."""

    def setUp(self):
        pillion.PillionTest.setUp(self)
        self.bucket = GatewayBucket(gateway, "moods/" + self.id().rsplit(".", 1)[1])

    def uploaded(self, number):
        pillion.wait_for(lambda: any(run.get("uploaded", 0) >= number for run in self.runs()), timeout=90,
                         what="%d objects" % number)

    def settle(self):
        if self.only_run()["state"] != "finished":
            self.sync()
        self.assertDelivered(self.only_run())

    def test_away_for_a_while_it_has_all_rows_in_the_end(self):
        program = self.until_told()
        self.uploaded(1)
        gateway.down()
        time.sleep(3)
        gateway.up()
        self.uploaded(self.only_run()["uploaded"] + 2)
        self.end(program)
        self.settle()

    def test_away_at_the_end_it_has_all_rows_by_sync(self):
        program = self.until_told()
        self.uploaded(1)
        gateway.down()
        try:
            self.end(program)
            self.assertEqual(self.only_run()["state"], "undelivered")
        finally:
            gateway.up()
        self.settle()

    def test_hanging_at_the_end_it_has_all_rows_by_sync(self):
        program = self.until_told()
        self.uploaded(1)
        gateway.stall()
        try:
            self.end(program)
        finally:
            gateway.go_on()
        self.settle()

    def test_stalling_now_and_then_it_has_each_row_once(self):
        program = self.until_told(PILLION_EXIT_TIMEOUT="3")
        self.uploaded(1)
        for _ in range(ROUNDS):
            gateway.stall()
            time.sleep(0.7)
            gateway.go_on()
            time.sleep(0.6)
        self.end(program)
        self.settle()

    def test_a_role_that_is_taken_away_and_given_back_costs_no_row(self):
        program = self.until_told()
        self.uploaded(1)
        gateway.forbid()
        try:
            pillion.wait_for(lambda: "403" in self.only_run().log, timeout=60, what="the refusal")
        finally:
            gateway.allow()
        self.end(program)
        self.settle()


if __name__ == "__main__":
    if rados_gateway.missing():
        pillion.leave_out(what_is_missing())
    pillion.main()
