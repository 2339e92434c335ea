#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keys for a bucket of one's own by each of the ways that AWS has: a run is delivered by it, nobody else is asked, what is
secret stands nowhere, and without a bucket nothing of it is looked at."""
import ctypes
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import own_machine  # noqa: E402
from keys_server import ECS, EKS, POD_TOKEN, ROLE, WEB_TOKEN, KeysServer  # noqa: E402, F401
from metadata_server import LINK_LOCAL  # noqa: E402
from own_bucket import BucketTest  # noqa: E402
from served import pillion  # noqa: E402

EC2 = dict(sys_vendor="Amazon EC2", product_name="c7i.2xlarge", bios_version="1.0")
HOME = dict(sys_vendor="Dell Inc.", product_name="Latitude 7490")
IN_OPEN = 0x20
libc = ctypes.CDLL(None, use_errno=True)


def setUpModule():
    reason = own_machine.enter(LINK_LOCAL, ECS, EKS)
    if reason:
        raise unittest.SkipTest(reason)


class Openings:
    """Which files of a folder are opened meanwhile."""

    def __init__(self, folder):
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.fd, os.fsencode(folder), IN_OPEN)

    def names(self):
        found = []
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return found
        while data:
            _, _, _, size = struct.unpack_from("iIII", data)
            found.append(data[16:16 + size].rstrip(b"\0").decode())
            data = data[16 + size:]
        return [name for name in found if name]


class KeysTest(BucketTest):
    def setUp(self):
        super().setUp()
        own_machine.set_dmi(**HOME)
        self.aws = self.tmp / "home" / ".aws"
        self.aws.mkdir(parents=True, exist_ok=True)
        self.keys = KeysServer(self.bucket, 3600, ECS, EKS, LINK_LOCAL)
        self.addCleanup(self.keys.stop)
        self.token = self.tmp / "token"

    def env(self, **extra):
        """Without keys."""
        words = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "PILLION_CLOUD": "auto"}
        return super().env(**dict(words, **dict({"HOME": str(self.tmp / "home")}, **extra)))

    def run_of(self, *words, **variables):
        """The run that comes of this program."""
        before = {run["id"] for run in self.runs()}
        self.assertSilent(self.launch(*words, env=self.env(**variables)))
        new = [run for run in self.runs() if run["id"] not in before]
        self.assertEqual(len(new), 1)
        return new[0]

    def delivered(self, *asked, seconds="0.4", **variables):
        """A run is delivered by these requests for keys, and by no others."""
        before = len(self.keys.requests)
        run = self.run_of("sleep", seconds, **variables)
        self.assertDelivered(run)
        self.assertEqual(tuple(self.keys.requests[before:]), asked)
        self.assertEqual(self.keys.complaints, [])
        self.assertNoComplaints()
        self.assertNothingTold()
        return run

    def assertNothingTold(self):
        told = [WEB_TOKEN, POD_TOKEN, "a-secret-of-the-profile"]
        for grant in self.keys.given:
            told += [grant.access_key, grant.secret_key, grant.session_token]
        for path in pillion.files_below(self.dir):
            text = path.read_bytes()
            for secret in told:
                self.assertNotIn(secret.encode(), text, path)

    def undelivered(self, reason, **variables):
        run = self.run_of("sleep", "0.3", **variables)
        self.assertEqual(run["state"], "undelivered", run.describe())
        self.assertRegex(run["reason"] + run.log, reason)
        self.assertEqual(self.bucket.runs(), [])
        return run


class Sources(KeysTest):
    def test_the_profile_of_the_files(self):
        self.bucket.give("AKIAPROFILE", "a-secret-of-the-profile")
        (self.aws / "credentials").write_text("[work]\naws_access_key_id=AKIAPROFILE\n"
                                              "aws_secret_access_key=a-secret-of-the-profile\n")
        (self.aws / "config").write_text("[profile work]\nregion=%s\n" % self.bucket.region)
        openings = Openings(self.aws)
        self.delivered(AWS_PROFILE="work", AWS_REGION=None)
        self.assertEqual(sorted(openings.names()), ["config", "credentials"])

    def test_a_web_identity(self):
        self.token.write_text(WEB_TOKEN + "\n")
        self.delivered(("127.0.0.1", "POST", "/"), **self.keys.sts_env(self.token))

    def test_a_web_identity_whose_token_is_replaced(self):
        self.token.write_text("a-token-of-yesterday")
        program = self.start("sleep", "600", env=self.env(**self.keys.sts_env(self.token)))
        pillion.wait_for(lambda: self.keys.requests, what="a question")
        self.token.write_text(WEB_TOKEN)
        pillion.wait_for(lambda: self.bucket.acknowledged, what="an object")
        self.bucket.revoke()
        before = len(self.bucket.acknowledged)
        pillion.wait_for(lambda: len(self.bucket.acknowledged) > before + 1, what="objects by new keys", timeout=20)
        self.assertGreaterEqual(len(self.keys.given), 2)
        program.signal(15)
        program.wait()
        self.assertDelivered(self.only_run())
        self.assertNothingTold()

    def test_a_task_of_ecs(self):
        self.delivered((ECS, "GET", "/v2/credentials/4b1c"), AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/credentials/4b1c",
                       http_proxy="http://127.0.0.1:1")

    def test_a_pod_identity_of_eks(self):
        self.token.write_text(POD_TOKEN)
        self.delivered((EKS, "GET", "/v1/credentials"),
                       AWS_CONTAINER_CREDENTIALS_FULL_URI="http://169.254.170.23/v1/credentials",
                       AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(self.token))

    def test_the_role_of_an_ec2_machine(self):
        own_machine.set_dmi(**EC2)
        folder = "/latest/meta-data/iam/security-credentials/"
        self.delivered((LINK_LOCAL, "PUT", "/latest/api/token"), (LINK_LOCAL, "GET", folder),
                       (LINK_LOCAL, "GET", folder + "writes-runs"))

    def test_what_others_left_goes_by_the_same_keys(self):
        left = self.undelivered("this machine is none of EC2's")
        own_machine.set_dmi(**EC2)
        folder = "/latest/meta-data/iam/security-credentials/"
        for _ in range(3):  # on a busy machine the own end takes all the time that there is
            self.delivered((LINK_LOCAL, "PUT", "/latest/api/token"), (LINK_LOCAL, "GET", folder),
                           (LINK_LOCAL, "GET", folder + "writes-runs"))
            states = {run["id"]: run["state"] for run in self.runs()}
            if states[left["id"]] == "finished":
                return
        self.fail("never delivered")

    def test_keys_of_the_environment_are_hidden_in_arguments(self):
        words = dict(access_key="AKIAENVIRONMENT", secret_key="a-secret-of-the-environment",
                     session_token="a-session-of-the-environment")
        self.bucket.give(**words)
        run = self.run_of("sh", "-c", "sleep 0.3", "--", *words.values(), PILLION_SHARE="command",
                          AWS_ACCESS_KEY_ID=words["access_key"], AWS_SECRET_ACCESS_KEY=words["secret_key"],
                          AWS_SESSION_TOKEN=words["session_token"])
        self.assertDelivered(run)
        sent = b"".join(data for key, data in self.bucket.read_all().items() if key.endswith(".json"))
        for text in [sent] + [path.read_bytes() for path in pillion.files_below(self.dir)]:
            self.assertNotIn(words["secret_key"].encode(), text)
            self.assertNotIn(words["session_token"].encode(), text)


class Refusals(KeysTest):
    def test_a_machine_is_not_asked_where_it_is_none_or_nobody_wants_it(self):
        self.undelivered("this machine is none of EC2's")
        own_machine.set_dmi(**EC2)
        self.undelivered("PILLION_CLOUD is off", PILLION_CLOUD="off")
        self.undelivered("AWS_EC2_METADATA_DISABLED", AWS_EC2_METADATA_DISABLED="true")
        self.assertEqual(self.keys.requests, [])

    def test_what_is_never_done_is_named_and_nothing_is_started(self):
        started = self.tmp / "started"
        (self.aws / "config").write_text("[default]\ncredential_process = touch %s\n" % started)
        self.undelivered("credential_process, which is another program")
        (self.aws / "config").write_text("[default]\nrole_arn = %s\nsource_profile = other\n" % ROLE)
        self.undelivered("a role with a source_profile")
        self.assertFalse(started.exists())
        self.assertEqual(self.keys.requests, [])

    def test_a_server_elsewhere_is_not_asked_by_http(self):
        self.undelivered("gets nothing by plain http", AWS_CONTAINER_CREDENTIALS_FULL_URI="http://192.0.2.1/x",
                         AWS_CONTAINER_AUTHORIZATION_TOKEN=POD_TOKEN)
        self.assertNothingTold()

    def test_what_could_not_be_delivered_is_by_sync_once_there_are_keys(self):
        self.keys.status = 403
        name = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
        self.undelivered("no keys", **{name: "/v2/credentials/4b1c"})
        self.keys.status = None
        self.sync(env=self.env(**{name: "/v2/credentials/4b1c"}))
        self.assertDelivered(self.only_run())

    def test_without_a_bucket_nothing_of_it_is_looked_at(self):
        own_machine.set_dmi(**EC2)
        (self.aws / "credentials").write_text("[default]\naws_access_key_id=A\naws_secret_access_key=s\n")
        (self.aws / "config").write_text("[default]\n")
        self.token.write_text(WEB_TOKEN)
        openings, tokens = Openings(self.aws), Openings(self.tmp)
        result = self.launch("sleep", "0.3", env=self.env(PILLION_S3_URI=None, **self.keys.sts_env(self.token)))
        self.assertSilent(result)
        self.assertEqual(self.only_run()["state"], "local")
        self.assertEqual((openings.names(), "token" in tokens.names()), ([], False))
        self.assertEqual((self.keys.requests, self.bucket.requests), ([], []))


if __name__ == "__main__":
    pillion.main()
