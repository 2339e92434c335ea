#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs that stream to an S3 that others have made, Ceph's RADOS Gateway, with its own temporary credentials.

What it answers, version 16.2, to credentials that have expired, whose token is another's, or whose role is gone: 403
AccessDenied; to a token that cannot be decrypted: 400 InvalidArgument; to the wrong secret: 403 SignatureDoesNotMatch.
It takes any region.
"""
import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import ServedTest, pillion  # noqa: E402
from sentinel_server import EXPIRY_FORMATS, SentinelServer  # noqa: E402
from own_bucket import BucketTest, GatewayBucket  # noqa: E402
from test_client import find_probe  # noqa: E402
import rados_gateway  # noqa: E402

gateway = rados_gateway.RadosGateway()


def setUpModule():
    if rados_gateway.missing():
        raise unittest.SkipTest(what_is_missing())
    gateway.start()
    unittest.addModuleCleanup(gateway.stop)


def what_is_missing():
    return "no S3 by Ceph here, %s missing: apt-get install openssl radosgw ceph-mon ceph-osd ceph-common" % \
        " ".join(rados_gateway.missing())


class Sentinel(SentinelServer):
    """Hands out credentials of the gateway. `real_lifetimes`: seconds that they are good for, whatever is said of them;
    the last counts for all that follow."""

    real_lifetimes = (3600,)

    def credentials(self, run):
        prefix = run["upload_uri_prefix"].split("/", 3)[3]
        lifetime = self.real_lifetimes[min(len(run["credentials"]), len(self.real_lifetimes) - 1)]
        keys = self.s3.credentials(prefix, lifetime)
        run["credentials"].append({"given_at": time.time(), "lifetime": lifetime, "access_key": keys["access_key"]})
        self.secret_values += keys.values()
        return dict(keys, expires_at=EXPIRY_FORMATS["Z"](time.time() + self.expires_in))


class GatewayTest(ServedTest):
    def setUp(self):
        pillion.PillionTest.setUp(self)
        self.serve()

    def serve(self, **options):
        self.server = Sentinel(s3=gateway, **options)
        self.addCleanup(self.server.stop)

    def env(self, **extra):
        return super().env(**dict({"PILLION_INTERVAL": "0.05", "TRACKER_UPLOAD_INTERVAL": "1"}, **extra))

    def assertStreamed(self, run, server=None, least=2):
        """As objects, at least so many, each whole, and all rows in them."""
        one = self.assertDelivered(run, server)
        self.assertEqual(one["finish"]["data_source"], "s3", run.describe())
        objects = gateway.stored(one["upload_uri_prefix"])
        self.assertEqual(list(objects), one["finish"]["data_uris"])
        self.assertGreaterEqual(len(objects), least)
        rows = []
        for data in objects.values():
            text = gzip.decompress(data).decode()
            self.assertTrue(pillion.check_csv(text))
            rows += text.split("\n")[1:-1]
        self.assertEqual(rows, run.raw_rows)
        return one

    def assertNoSecrets(self, *more):
        texts = [path.read_bytes() for path in pillion.files_below(self.dir)] + list(more)
        for secret in self.server.secret_values + [self.server.token]:
            self.assertFalse([text for text in texts if secret.encode() in text], "a secret was written")

    def begin(self, *argv, folder=None, preload=True):
        """A program that ends when `end` lets it."""
        folder = folder or self.dir
        return self.start(*argv, stdin=subprocess.PIPE, preload=preload, env=self.env(PILLION_DIR=folder)), folder

    def wait(self, folder, until, what):
        pillion.wait_for(lambda: any(until(run) for run in pillion.runs(folder)), timeout=60, what=what)

    def uploaded(self, folder, number):
        self.wait(folder, lambda run: run.get("uploaded", 0) >= number, "%d objects" % number)

    def end(self, program, folder, status=0):
        """Its run."""
        program.process.stdin.close()
        result = program.wait()
        self.assertSilent(result)
        self.assertEqual(result.status, status)
        return pillion.runs(folder)[0]


class TheGateway(unittest.TestCase):
    """The tests' own tools."""

    def test_credentials_put_below_their_prefix_and_do_nothing_else(self):
        keys = gateway.credentials("tools/one")
        self.assertEqual(gateway.put("tools/one/0001.csv.gz", b"rows", keys).status, 200)
        self.assertEqual(gateway.read("tools/one/0001.csv.gz"), b"rows")
        for key in ("tools/two/0001.csv.gz", "tools/one", "0001.csv.gz"):
            self.assertEqual(gateway.put(key, b"rows", keys).status, 403, key)
        self.assertEqual(gateway.get("tools/one/0001.csv.gz", keys).status, 403)
        self.assertEqual(gateway.request("DELETE", "/bucket/tools/one/0001.csv.gz", keys).status, 403)
        self.assertEqual(gateway.request("GET", "/bucket", keys).status, 403)
        self.assertEqual(gateway.keys("tools/one") + gateway.keys("tools/two"), ["tools/one/0001.csv.gz"])

    def test_credentials_expire(self):
        keys = gateway.credentials("tools/brief", 5)
        self.assertEqual(gateway.put("tools/brief/0001.csv.gz", b"", keys).status, 200)
        pillion.wait_for(lambda: gateway.put("tools/brief/0001.csv.gz", b"", keys).status == 403, what="the expiry")

    def test_wrong_credentials_are_refused(self):
        keys, others = gateway.credentials("tools/wrong"), gateway.credentials("tools/wrong")
        for name in keys:
            answer = gateway.put("tools/wrong/0001.csv.gz", b"", dict(keys, **{name: others[name]}))
            self.assertEqual(answer.status, 403, (name, answer))
        self.assertEqual(gateway.keys("tools/wrong"), [])


class Streaming(GatewayTest):
    def test_a_run_is_stored_object_by_object(self):
        program, folder = self.begin("cat")
        self.uploaded(folder, 3)
        self.assertStreamed(self.end(program, folder), least=3)
        self.assertNoComplaints()
        self.assertNoSecrets()

    def test_a_command_is_stored_object_by_object(self):
        program, folder = self.begin(pillion.COMMAND, "run", "--quiet", "--", "sh", "-c", "cat; exit 3", preload=False)
        self.uploaded(folder, 2)
        one = self.assertStreamed(self.end(program, folder, status=3))
        self.assertEqual(one["finish"]["exit_code"], 3)
        self.assertNoComplaints()
        self.assertNoSecrets()

    def test_credentials_that_expire_on_the_way_are_replaced_and_no_row_is_lost(self):
        self.server.real_lifetimes = (2, 2, 3600)
        program, folder = self.begin("cat")
        pillion.wait_for(lambda: len(self.server.of("refresh")) >= 2, timeout=60, what="two refreshes")
        number = pillion.runs(folder)[0].get("uploaded", 0)
        self.uploaded(folder, number + 2)
        self.assertStreamed(self.end(program, folder), least=number + 2)
        self.assertNoComplaints()
        self.assertNoSecrets()

    def test_a_prefix_may_hold_what_is_encoded_in_a_url(self):
        started = []
        for prefix in ("a=b", "a+b", "a b", "a:b", "a%20b", "a;b&c", "\u00e4\u20ac\U0001f600/~*'()!"):
            self.serve(prefix="s3://bucket/" + prefix)
            started.append((self.server, self.begin("cat", folder=pillion.fresh_folder())))
        for server, (program, folder) in started:
            self.uploaded(folder, 1)
            self.assertStreamed(self.end(program, folder), server, least=1)
            self.assertEqual(server.complaints(), [])

    def test_a_role_that_may_do_nothing_any_more_means_a_finish_with_all_rows(self):
        program, folder = self.begin("cat")
        self.uploaded(folder, 1)
        gateway.forbid()
        self.addCleanup(gateway.allow)
        self.wait(folder, lambda run: "403" in run.log, "the refusal")
        run = self.end(program, folder)
        self.assertEqual(self.assertDelivered(run)["finish"]["data_source"], "inline")
        self.assertNoSecrets()

    def test_a_gateway_that_is_away_for_a_while_has_all_rows_in_the_end(self):
        program, folder = self.begin("cat")
        self.uploaded(folder, 1)
        gateway.down()
        try:
            self.wait(folder, lambda run: "upload" in run.log, "an upload that failed")
        finally:
            gateway.up()
        number = pillion.runs(folder)[0]["uploaded"]
        self.uploaded(folder, number + 2)
        self.assertStreamed(self.end(program, folder), least=number + 2)
        self.assertNoComplaints()

    def test_a_gateway_that_hangs_at_the_end_means_a_finish_with_all_rows(self):
        program, folder = self.begin("cat")
        self.uploaded(folder, 1)
        gateway.stall()
        try:
            run = self.end(program, folder)
        finally:
            gateway.go_on()
        self.assertEqual(self.assertDelivered(run)["finish"]["data_source"], "inline")
        self.assertNoComplaints()


class Sync(GatewayTest):
    def killed(self):
        program = self.start("sleep", "600")
        self.uploaded(self.dir, 1)
        rows = self.only_run().csv.count(b"\n")
        pillion.wait_for(lambda: self.only_run().csv.count(b"\n") > rows + 4, what="rows after the object")
        program.signal(signal.SIGKILL)
        program.wait()
        return self.only_run()

    def test_a_killed_run_is_completed_with_fresh_credentials(self):
        run = self.killed()
        self.assertEqual(run["state"], "running")
        self.sync()
        one = self.assertStreamed(self.only_run())
        self.assertGreaterEqual(one["refreshes"], 1)
        self.assertEqual(one["finish"]["run_status"], "failed")
        self.assertNoComplaints()
        self.assertNoSecrets()

    def test_a_killed_run_whose_role_is_gone_is_finished_with_all_rows(self):
        self.killed()
        gateway.forbid()
        self.addCleanup(gateway.allow)
        self.sync()
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["data_source"], "inline")


class OwnBucket(BucketTest):
    """A bucket of the user's own, and keys of a role that may put objects and nothing else. Killed at each write there:
    tests/fleet/test_own_bucket_rados.py."""

    def setUp(self):
        pillion.PillionTest.setUp(self)
        self.bucket = GatewayBucket(gateway, "own/" + self.id().rsplit(".", 1)[1])

    def uploaded(self, number):
        pillion.wait_for(lambda: any(run.get("uploaded", 0) >= number for run in self.runs()), timeout=60,
                         what="%d objects" % number)

    def test_the_keys_may_put_and_do_nothing_else(self):
        self.launch("sleep", "0.3")
        if self.only_run()["state"] != "finished":  # the mark of a test before this one stands
            self.sync()
        one = self.assertDelivered(self.only_run())
        key = "%s/runs/date=%s/%s.json" % (self.bucket.prefix, one.date, one.key)
        self.assertEqual(gateway.get(key, self.bucket.keys).status, 403)
        self.assertEqual(gateway.request("GET", "/bucket", self.bucket.keys).status, 403)

    def test_a_run_is_stored_object_by_object_and_a_killed_one_by_sync(self):
        program = self.until_told()
        self.uploaded(2)
        self.end(program)
        self.assertGreaterEqual(len(self.assertDelivered(self.only_run()).objects), 2)
        killed = self.start("sleep", "600", env=self.env(PILLION_DIR=self.tmp / "other"))
        pillion.wait_for(lambda: any(run.get("uploaded") for run in pillion.runs(self.tmp / "other")), timeout=60, what="1")
        killed.signal(signal.SIGKILL)
        killed.wait()
        self.sync(env=self.env(PILLION_DIR=self.tmp / "other"))
        self.assertDelivered(pillion.runs(self.tmp / "other")[0])

    def test_keys_that_expire_and_a_role_that_is_gone_leave_the_run_for_sync(self):
        self.bucket.renew(4)
        program = self.until_told()
        self.uploaded(1)
        pillion.wait_for(lambda: "403" in self.only_run().log, timeout=60, what="the refusal")
        self.end(program)
        run = self.only_run()
        self.assertEqual(run["state"], "undelivered")
        self.bucket.renew()
        gateway.forbid()
        try:
            self.sync(status=1)
        finally:
            gateway.allow()
        self.sync()
        self.assertDelivered(self.only_run())


class Client(pillion.PillionTest):
    """sentinel_put_object"""

    def put(self, key, data, keys, endpoint=None):
        path = self.tmp / "data"
        path.write_bytes(data)
        words = dict(keys, uri="s3://bucket/" + key, data_file=path, s3_endpoint=endpoint or gateway.url)
        result = self.launch(find_probe(), "put", *["%s=%s" % pair for pair in words.items()], preload=False)
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        return json.loads(result.stdout)

    def test_an_object_of_any_size_is_stored_as_it_is(self):
        keys = gateway.credentials("client/sizes")
        for size in (0, 1, 5 << 20):
            key, data = "client/sizes/%d" % size, os.urandom(size)
            self.assertEqual(self.put(key, data, keys)["rc"], 0)
            self.assertEqual(gateway.read(key), data)

    def test_the_endpoint_may_be_a_name_and_end_in_a_slash(self):
        keys = gateway.credentials("client/name")
        answer = self.put("client/name/1", b"x", keys, "http://localhost:%d/" % gateway.port)
        self.assertEqual((answer["rc"], gateway.read("client/name/1")), (0, b"x"), answer)

    def test_a_refusal_is_told(self):
        keys = gateway.credentials("client/refused")
        answer = self.put("client/elsewhere/1", b"x", keys)
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 403), answer)
        self.assertIn("<Code>AccessDenied</Code>", answer["body"])
        answer = self.put("client/refused/1", b"x", dict(keys, secret_key="another"))
        self.assertEqual((answer["rc"], answer["status_code"]), (-errno.EREMOTEIO, 403), answer)
        self.assertIn("<Code>SignatureDoesNotMatch</Code>", answer["body"])


if __name__ == "__main__":
    if rados_gateway.missing():
        pillion.leave_out(what_is_missing())
    pillion.main()
