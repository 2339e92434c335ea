#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs that stream to S3 at its true name, over TLS: addresses, regions, certificates, proxies.

In a mount and a network namespace of this test's own, whose /etc/hosts has Amazon's names at 127.0.0.1. Nothing leaves
the machine.
"""
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import StreamedTest, pillion  # noqa: E402
from s3_server import S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from certificates import Authority  # noqa: E402
from proxy import Proxy  # noqa: E402

SUFFIXES = ["s3.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"]
SUFFIXES += ["s3.%s.amazonaws.com" % region for region in ("eu-central-1", "eu-west-3", "us-east-1")]
HERE = SUFFIXES + ["bucket." + suffix for suffix in SUFFIXES]
CERTIFIED = SUFFIXES + ["*." + suffix for suffix in SUFFIXES]  # as Amazon's are: one label in front

authority = None


# ------------------------------------------------------------------------------------------------ the namespaces

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), "%s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount(source, target, flags):
    check(libc.mount(str(source).encode(), str(target).encode(), b"none", ctypes.c_ulong(flags), None), "mount")


def become_root_of_a_user_namespace(uid, gid):
    pathlib.Path("/proc/self/setgroups").write_text("deny")
    pathlib.Path("/proc/self/uid_map").write_text("0 %d 1" % uid)
    pathlib.Path("/proc/self/gid_map").write_text("0 %d 1" % gid)


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack("16sH22x", request)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def enter_namespaces():
    """OSError where that is not allowed."""
    uid, gid = os.geteuid(), os.getegid()
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET | (CLONE_NEWUSER if uid else 0)), "unshare")
    if uid:
        become_root_of_a_user_namespace(uid, gid)
    mount("none", "/", MS_REC | MS_PRIVATE)
    raise_loopback()
    hosts = pillion.fresh_folder() / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join("127.0.0.1 %s\n" % name for name in HERE))
    mount(hosts, "/etc/hosts", MS_BIND)


entered = None


def try_namespaces():
    """None, or why there are none. This process enters them."""
    global entered
    if entered is None:
        try:
            enter_namespaces()
            entered = ""
        except OSError as error:
            entered = "no mount and network namespaces on this machine (%s)" % error
    return entered or None


def setUpModule():
    global authority
    problem = try_namespaces()
    if problem:
        raise unittest.SkipTest(problem)
    authority = Authority(pillion.fresh_folder())


# --------------------------------------------------------------------------------------------------------- tests


def command_line(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return None


def uploaded(number):
    return lambda run: run.get("uploaded", 0) >= number


def logged(text):
    return lambda run: text in run.log


class TrueNameTest(StreamedTest):
    region = "eu-central-1"  # of the bucket
    told = "eu-central-1"    # with the credentials
    prefix = "s3://bucket/prefix"
    names = CERTIFIED        # in the certificate

    def setUp(self):
        pillion.PillionTest.setUp(self)
        self.sni = []
        self.s3 = S3Server(port=443, region=self.region, certificate=self.context())
        self.addCleanup(self.s3.stop)
        self.server = SentinelServer(s3=self.s3, region=self.told, prefix=self.prefix)
        self.addCleanup(self.server.stop)

    def context(self, issuer=None, **options):
        context = (issuer or authority).context(*self.names, **options)
        context.sni_callback = lambda _, name, __: self.sni.append(name)
        return context

    def serve(self, context):
        self.s3.listener.tls = context

    def env(self, **extra):
        return super().env(**dict({"PILLION_S3_ENDPOINT": None, "SSL_CERT_FILE": str(authority.path)}, **extra))

    def begin(self, *argv, folder=None, preload=True, **variables):
        """A program that ends when `one_run` lets it."""
        folder = folder or self.dir
        program = self.start(*argv, "cat", stdin=subprocess.PIPE, preload=preload,
                             env=self.env(PILLION_DIR=folder, **variables))
        return program, folder

    def end(self, program, folder, until):
        """Its run, once `until` was true of it."""
        pillion.wait_for(lambda: any(until(run) for run in pillion.runs(folder)), timeout=60, what="a run that went on")
        program.process.stdin.close()
        self.assertSilent(program.wait())
        return pillion.runs(folder)[0]

    def one_run(self, until=uploaded(1), **variables):
        return self.end(*self.begin(**variables), until)

    def assertStreamed(self, run, server=None, least=1):
        return super().assertStreamed(run, server, least)

    def asked(self, endpoint):
        """Method, host and path of the requests to S3."""
        return [(request.method, request.header("Host"), request.path) for request in self.s3.of(endpoint)]

    def assertAddressed(self, one, host, path):
        """Every object went to this host, below this path."""
        run_id = one["run_id"]
        wanted = [("PUT", host, "%s/%s/%04d.csv.gz" % (path, run_id, number + 1)) for number in
                  range(len(one["finish"]["data_uris"]))]
        self.assertEqual(list(dict.fromkeys(put for put in self.asked("put") if put[1] == host)), wanted)
        self.assertIn(host, self.sni)


class Addresses(TrueNameTest):
    def test_the_bucket_is_a_part_of_the_name(self):
        one = self.assertStreamed(self.one_run(uploaded(3)), least=3)
        self.assertAddressed(one, "bucket.s3.eu-central-1.amazonaws.com", "/prefix")
        self.assertEqual(set(self.sni), {"bucket.s3.eu-central-1.amazonaws.com"})
        self.assertEqual(self.s3.of("head"), [])
        self.assertNoComplaints()


    def test_the_same_name_may_be_an_endpoint(self):
        """Then nothing is known of Amazon: path style."""
        one = self.assertStreamed(self.one_run(PILLION_S3_ENDPOINT="https://s3.eu-central-1.amazonaws.com:443/"))
        self.assertAddressed(one, "s3.eu-central-1.amazonaws.com", "/bucket/prefix")
        self.assertNoComplaints()


class NoName(TrueNameTest):
    prefix = "s3://nowhere/prefix"

    def test_a_name_that_nobody_knows_means_a_finish_with_all_rows(self):
        self.assertInline(self.one_run(logged("name not found")))


class NoNameWithoutRegion(NoName):
    told = None


class Encoded(TrueNameTest):
    prefix = "s3://bucket/a=b+c d:e/\u00e4%20~"

    def test_a_key_is_encoded_in_the_path_as_it_is_signed(self):
        one = self.assertStreamed(self.one_run())
        self.assertAddressed(one, "bucket.s3.eu-central-1.amazonaws.com", "/a%3Db%2Bc%20d%3Ae/%C3%A4%2520~")
        self.assertNoComplaints()


class Dots(TrueNameTest):
    prefix = "s3://dotted.bucket.name/prefix"

    def test_a_bucket_with_dots_is_a_part_of_the_path(self):
        one = self.assertStreamed(self.one_run())
        self.assertAddressed(one, "s3.eu-central-1.amazonaws.com", "/dotted.bucket.name/prefix")
        self.assertNoComplaints()


class DotsWithoutRegion(Dots):
    region, told = "eu-west-3", None

    def test_a_bucket_with_dots_is_a_part_of_the_path(self):
        one = self.assertStreamed(self.one_run())
        self.assertEqual(self.asked("head"), [("HEAD", "s3.amazonaws.com", "/dotted.bucket.name")])
        self.assertAddressed(one, "s3.eu-west-3.amazonaws.com", "/dotted.bucket.name/prefix")
        self.assertNoComplaints()


class China(TrueNameTest):
    region = told = "cn-north-1"

    def test_china_has_a_name_of_its_own(self):
        one = self.assertStreamed(self.one_run())
        self.assertAddressed(one, "bucket.s3.cn-north-1.amazonaws.com.cn", "/prefix")
        self.assertNoComplaints()


class UnknownRegion(TrueNameTest):
    region, told = "eu-west-3", None

    def test_the_bucket_is_asked_for_its_region_once(self):
        # The answer is a 403 that names it: that request is not signed.
        one = self.assertStreamed(self.one_run())
        self.assertEqual(self.asked("head"), [("HEAD", "bucket.s3.amazonaws.com", "/")])
        self.assertEqual(self.s3.of("head")[0].answer, 403)
        self.assertIsNone(self.s3.of("head")[0].header("Authorization"))
        self.assertAddressed(one, "bucket.s3.eu-west-3.amazonaws.com", "/prefix")
        self.assertNoComplaints()

    def test_a_redirect_names_the_region_too(self):
        self.s3.fault("head", status=301, headers={"x-amz-bucket-region": "eu-west-3",
                                                   "Location": "https://bucket.s3.us-east-1.amazonaws.com/"})
        one = self.assertStreamed(self.one_run())
        self.assertAddressed(one, "bucket.s3.eu-west-3.amazonaws.com", "/prefix")

    def test_without_an_answer_one_is_tried_and_corrected(self):
        self.s3.fault("head", drop=True)
        one = self.assertStreamed(self.one_run())
        self.assertEqual(self.asked("put")[0][1], "bucket.s3.eu-central-1.amazonaws.com")
        self.assertAddressed(one, "bucket.s3.eu-west-3.amazonaws.com", "/prefix")
        self.assertNoComplaints()


class WrongRegion(TrueNameTest):
    region, told = "eu-west-3", "us-east-1"

    def moves(self, code):
        self.s3.moved = code
        one = self.assertStreamed(self.one_run())
        self.assertEqual([put for put in self.asked("put") if "us-east-1" in put[1]],
                         [("PUT", "bucket.s3.us-east-1.amazonaws.com", "/prefix/%s/0001.csv.gz" % one["run_id"])])
        self.assertAddressed(one, "bucket.s3.eu-west-3.amazonaws.com", "/prefix")
        self.assertEqual(self.s3.of("head"), [])
        self.assertNoComplaints()

    def test_a_malformed_authorization_names_the_region(self):
        self.moves("AuthorizationHeaderMalformed")

    def test_a_permanent_redirect_names_the_region(self):
        self.moves("PermanentRedirect")


class Certificates(TrueNameTest):
    """S3 cannot be trusted: nothing is sent to it, and the API gets all rows."""

    def refused(self, **variables):
        self.assertInline(self.one_run(logged("certificate"), **variables))
        self.assertEqual(self.s3.requests, [])

    def test_of_an_unknown_authority(self):
        self.serve(self.context(Authority(self.tmp, "strangers")))
        self.refused()

    def test_an_authority_that_is_not_in_the_bundle(self):
        self.refused(SSL_CERT_FILE=str(Authority(self.tmp, "strangers").path))

    def test_for_another_name(self):
        self.names = ["bucket.s3.example.org", "s3.eu-central-1.amazonaws.com"]
        self.serve(self.context())
        self.refused()

    def test_that_has_expired(self):
        self.serve(self.context(expired=True))
        self.refused()

    def test_a_run_that_was_killed_meanwhile_is_delivered_when_the_certificate_is_right_again(self):
        self.serve(self.context(expired=True))
        program, _ = self.begin()
        pillion.wait_for(lambda: self.runs() and "certificate" in self.only_run().log, timeout=60, what="the refusal")
        program.signal(signal.SIGKILL)
        program.wait()
        program.process.stdin.close()
        self.assertEqual(self.s3.requests, [])
        self.serve(self.context())
        self.sync()
        self.assertDelivered(self.only_run())
        self.assertNoComplaints()

    def test_a_run_whose_certificate_becomes_right_goes_on_by_objects(self):
        self.serve(self.context(expired=True))
        program, folder = self.begin()
        pillion.wait_for(lambda: self.runs() and "certificate" in self.only_run().log, timeout=60, what="the refusal")
        self.serve(self.context())
        self.assertStreamed(self.end(program, folder, uploaded(1)))
        self.assertNoComplaints()


class Versions(TrueNameTest):
    def test_a_server_may_speak_one_version_of_tls_alone(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.serve(self.context(version=version))
            self.assertStreamed(self.end(*self.begin(folder=pillion.fresh_folder()), uploaded(1)))
        self.assertNoComplaints()


class Proxies(TrueNameTest):
    """The proxy knows the name, this machine does not."""

    prefix = "s3://behind-a-proxy/prefix"
    target = "behind-a-proxy.s3.eu-central-1.amazonaws.com:443"
    password = "pass%21word"  # as it stands in a URL

    def through(self, proxy, until=uploaded(1), **variables):
        self.addCleanup(proxy.stop)
        return self.one_run(until, **dict({"https_proxy": proxy.url}, **variables))

    def assertNoSecrets(self, *more):
        texts = [path.read_bytes() for path in pillion.files_below(self.dir)] + list(more)
        for secret in ("pass%21word", "pass!word", "secret-of-a-proxy", self.server.token) + tuple(
                self.server.secret_values):
            self.assertFalse([text for text in texts if secret.encode() in text], "a secret was written")

    def test_objects_go_through_a_tunnel(self):
        proxy = Proxy()
        self.assertStreamed(self.through(proxy))
        self.assertEqual(set(proxy.targets()), {self.target})
        for line, headers in proxy.requests:
            self.assertFalse({"authorization", "x-amz-security-token", "content-type"} & set(headers), headers)
        self.assertEqual(set(self.sni), {self.target.split(":")[0]})
        self.assertNoComplaints()
        self.assertNoSecrets()

    def test_the_variable_in_capitals_counts_too(self):
        proxy = Proxy()
        self.assertStreamed(self.through(proxy, https_proxy=None, HTTPS_PROXY=proxy.url))

    def test_the_proxy_may_be_named_without_a_scheme(self):
        proxy = Proxy()
        self.assertStreamed(self.through(proxy, https_proxy="127.0.0.1:%d" % proxy.port))

    def test_a_proxy_that_wants_a_password_gets_it_and_nobody_else_does(self):
        proxy = Proxy(password="secret-of-a-proxy")
        self.addCleanup(proxy.stop)
        program, folder = self.begin(pillion.COMMAND, "run", "--quiet", "--", preload=False, https_proxy=proxy.url,
                                     PILLION_LOG_LEVEL="debug")
        pillion.wait_for(lambda: self.s3.of("put"), timeout=60, what="an object")
        arguments = list(filter(None, map(command_line, pathlib.Path("/proc").glob("[0-9]*"))))
        self.assertStreamed(self.end(program, folder, uploaded(1)))
        self.assertNoSecrets(*arguments)
        self.assertNoComplaints()
        for request in self.s3.requests:
            self.assertIsNone(request.header("Proxy-Authorization"))

    def test_a_password_may_be_encoded_in_the_url(self):
        proxy = Proxy(password="pass!word")
        self.assertStreamed(self.through(proxy, https_proxy="http://user:pass%%21word@127.0.0.1:%d" % proxy.port))
        self.assertNoSecrets()

    def test_a_wrong_password_means_a_finish_with_all_rows(self):
        proxy = Proxy(password="another")
        self.assertInline(self.through(proxy, logged("407"), PILLION_LOG_LEVEL="debug",
                                       https_proxy="http://user:pass%%21word@127.0.0.1:%d" % proxy.port))
        self.assertNoSecrets()

    def test_a_proxy_that_refuses_means_a_finish_with_all_rows(self):
        self.assertInline(self.through(Proxy(status=403), logged("403")))
        self.assertEqual(self.s3.requests, [])

    def test_a_proxy_that_is_not_there_means_a_finish_with_all_rows(self):
        proxy = Proxy(password="secret-of-a-proxy")
        proxy.stop()
        self.assertInline(self.one_run(logged("upload"), https_proxy=proxy.url, PILLION_LOG_LEVEL="debug"))
        self.assertNoSecrets()

    def test_the_api_on_loopback_is_not_asked_through_a_proxy(self):
        proxy = Proxy(status=403)
        self.assertInline(self.through(proxy, lambda run: run.csv, http_proxy=proxy.url, TRACKER_UPLOAD_INTERVAL="60"))
        self.assertEqual(proxy.requests, [])


class NoProxy(TrueNameTest):
    def test_a_name_in_no_proxy_is_reached_directly(self):
        proxy = Proxy(status=403)
        self.addCleanup(proxy.stop)
        started = [self.begin(folder=pillion.fresh_folder(), https_proxy=proxy.url, no_proxy=names) for names in (
            ".amazonaws.com", "amazonaws.com", "example.org,bucket.s3.eu-central-1.amazonaws.com", "*")]
        for program, folder in started:
            self.assertStreamed(self.end(program, folder, uploaded(1)))
        self.assertEqual(proxy.requests, [])


if __name__ == "__main__":
    if try_namespaces():
        pillion.leave_out(try_namespaces())
    pillion.main()
