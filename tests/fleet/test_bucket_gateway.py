#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""list and show of runs in a bucket of an S3 that others have made, Ceph's RADOS Gateway: its lists, their pages, odd
prefixes, and its way to say no."""
import gzip
import json
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import made_runs  # noqa: E402
from readable_bucket import ReadableServer  # noqa: E402
from served import LocalTest, pillion  # noqa: E402
import rados_gateway  # noqa: E402

gateway = rados_gateway.RadosGateway()


def setUpModule():
    if rados_gateway.missing():
        raise unittest.SkipTest("no S3 by Ceph here, %s missing: apt-get install openssl radosgw ceph-mon ceph-osd ceph-common"
                                % " ".join(rados_gateway.missing()))
    gateway.start()
    unittest.addModuleCleanup(gateway.stop)


class Filler(ReadableServer):
    """Where the runs go that a ReadableServer would keep."""

    def put(self, name, data, seconds=None):
        answer = gateway.put("%s/%s" % (self.place.split("/", 3)[3], name), data if isinstance(data, bytes) else data.encode())
        assert answer.status == 200, answer


class GatewayTest(LocalTest):
    place = "s3://bucket/fleet"

    def setUp(self):
        super().setUp()
        self.filler = Filler(place=self.place, up=False)
        self.addCleanup(self.filler.listener.server_close)

    def env(self, **extra):
        keys = rados_gateway.OWNER
        return super().env(**dict({"PILLION_S3_ENDPOINT": gateway.url, "AWS_ACCESS_KEY_ID": keys["access_key"],
                                   "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "AWS_REGION": rados_gateway.REGION,
                                   "XDG_CACHE_HOME": str(self.tmp)}, **extra))

    def call(self, *words, status=0, **variables):
        result = self.pillion(*words, env=self.env(**variables), timeout=120)
        self.assertEqual(result.status, status, result)
        return result

    def add(self, number, rows=100, began=made_runs.BEGAN, **more):
        found = made_runs.state(began, 1000 + number, seconds=600.0)
        return self.filler.add_run(found, made_runs.rows(began, 600.0, rows), 30, True, number, **more)


class Lists(GatewayTest):
    def test_runs_are_listed_and_shown_under_odd_prefixes(self):
        for place in ("s3://bucket/fleet", "s3://bucket/a&b+c=d/<e>'f\"", "s3://bucket/100%25/x~y"):
            with self.subTest(place):
                self.filler.place = place
                keys = [self.add(number, began=made_runs.BEGAN + (number - 2) * 86400) for number in range(3)]
                listed = json.loads(self.call("list", place, "--json").stdout)
                self.assertEqual([one["id"] for one in listed], keys)
                self.assertEqual([one["id"] for one in json.loads(self.call("list", place, "--json", "--last", "1").stdout)],
                                 keys[2:])
                shown = json.loads(self.call("show", "--json", place, "last~1").stdout)
                self.assertEqual((shown["id"], shown["summary"]["rows"]), (keys[1], 100))

    def test_lists_of_more_than_a_page_are_whole(self):
        place = self.filler.place = "s3://bucket/many&more"
        document = made_runs.state()
        for number in range(1100):
            key = "20261128T123600Z-node-%d-%016x" % (number, number)
            self.filler.put("runs/date=2026-11-28/%s.json" % key, json.dumps(dict(document, id=key)))
        began = time.monotonic()
        self.assertEqual(len(json.loads(self.call("list", place, "--json").stdout)), 1100)
        first = time.monotonic() - began
        began = time.monotonic()
        self.assertEqual(len(json.loads(self.call("list", place, "--json").stdout)), 1100)
        print("1100 runs: %.1f s, and %.1f s with what is here" % (first, time.monotonic() - began), file=sys.stderr)

    def test_new_rows_alone_are_fetched(self):
        self.filler.place = place = "s3://bucket/growing"
        key = self.add(1, rows=60)
        self.assertEqual(json.loads(self.call("show", "--json", place).stdout)["summary"]["rows"], 60)
        text = made_runs.rows(made_runs.BEGAN + 600, 300.0, 30)
        self.filler.put("metrics/date=2026-11-28/run=%s/0003.csv.gz" % key, gzip.compress(text.encode()))
        self.assertEqual(json.loads(self.call("show", "--json", place).stdout)["summary"]["rows"], 90)

    def test_who_may_only_write_is_told_so(self):
        self.add(1)
        keys = gateway.credentials("fleet")
        result = self.call("list", self.place, status=1, AWS_ACCESS_KEY_ID=keys["access_key"],
                           AWS_SECRET_ACCESS_KEY=keys["secret_key"], AWS_SESSION_TOKEN=keys["session_token"])
        self.assertRegex(result.stderr, rb"cannot be listed: HTTP 403 AccessDenied")
        result = self.call("list", self.place, status=1, AWS_SECRET_ACCESS_KEY="wrong-secret-of-somebody")
        self.assertRegex(result.stderr, rb"cannot be listed: HTTP 403 ")
        result = self.call("list", "s3://nobodys-bucket/x", status=1)
        self.assertRegex(result.stderr, rb"cannot be listed: HTTP 404 NoSuchBucket")


if __name__ == "__main__":
    pillion.main()
