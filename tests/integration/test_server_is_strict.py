#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The strict servers refuse what the contract forbids, and their faults are the faults that they say."""
import concurrent.futures
import datetime
import gzip
import hashlib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from s3_server import CODES, S3Server, amz_date, encode, signature  # noqa: E402
from sentinel_server import EXPIRY_FORMATS, SentinelServer  # noqa: E402

ZERO = ["0" if column.decimals == 0 else "0." + "0" * column.decimals for column in pillion.COLUMNS]


def csv(rows=1, **cells):
    """A right CSV, with some cells of the last row replaced."""
    lines = [pillion.HEADER]
    for number in range(rows):
        row = list(ZERO)
        row[0] = "1795346661.%03d" % number
        if number == rows - 1:
            for name, value in cells.items():
                row[[column.name for column in pillion.COLUMNS].index(name)] = value
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def now(offset=0):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def finish(**changes):
    body = {"exit_code": 0, "run_status": "finished", "finished_at": now(), "data_source": "inline", "data_csv": csv()}
    for name, value in changes.items():
        if value is LEFT_OUT:
            del body[name]
        else:
            body[name] = value
    return body


LEFT_OUT = object()


class Caller(unittest.TestCase):
    options = {}

    def setUp(self):
        self.server = SentinelServer(**self.options)
        self.addCleanup(self.server.stop)

    def call(self, path, body=b"", headers=None, method="POST", drop=()):
        """Status and decoded answer."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"Authorization": "Bearer " + self.server.token, "Content-Type": "application/json",
                "Accept": "application/json", "User-Agent": "pillion/0.1.0", "Content-Length": str(len(body))}
        sent.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in sent.items():
                if name not in drop:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def register(self, body=None, **keywords):
        return self.call(self.server.base + "/runs", {} if body is None else body, **keywords)

    def new_run(self):
        status, answer = self.register({"job_name": "x"})
        self.assertEqual(status, 201)
        return answer["run_id"]

    def finish(self, body, run=None, **keywords):
        return self.call("%s/runs/%s/finish" % (self.server.base, run or self.new_run()), body, **keywords)

    def assertRefuses(self, outcome, *loc):
        status, answer = outcome
        self.assertEqual(status, 422, answer)
        detail = answer["detail"][0]
        self.assertEqual(sorted(detail), ["loc", "msg", "type"])
        self.assertEqual(detail["loc"][:1 + len(loc)], ["body"] + list(loc), detail)


class Registration(Caller):
    def test_a_right_registration_is_answered_as_the_api_does(self):
        status, answer = self.register({
            "job_name": "train", "command": '["python3","train.py"]', "tags": {"a": "b"}, "host_vcpus": 2,
            "host_memory_mib": 4096, "host_storage_gb": 12.5, "host_cpu_model": "x", "cloud_vendor_id": "aws"})
        self.assertEqual(status, 201)
        self.assertEqual(answer["upload_uri_prefix"], "s3://bucket/prefix/" + answer["run_id"])
        self.assertEqual(sorted(answer["upload_credentials"]),
                         ["access_key", "expires_at", "secret_key", "session_token"])
        self.assertEqual(self.server.runs[answer["run_id"]]["registration"]["job_name"], "train")

    def test_an_empty_registration_is_right(self):
        self.assertEqual(self.register({})[0], 201)

    def test_fields_that_the_api_does_not_know_are_refused(self):
        for name in ("pid", "run_id", "host_name", "host_gpu_vram_mib", "Job_name", ""):
            with self.subTest(name):
                self.assertRefuses(self.register({name: 5}), name)

    def test_null_and_wrong_types_are_refused(self):
        for name, value in (("job_name", None), ("job_name", 5), ("job_name", ["x"]), ("host_vcpus", "2"),
                            ("host_vcpus", 2.5), ("host_vcpus", True), ("host_vcpus", -1), ("host_vcpus", None),
                            ("host_storage_gb", "1"), ("host_storage_gb", None), ("host_storage_gb", False),
                            ("cloud_vendor_id", {}), ("tags", None), ("tags", ["a=b"]), ("tags", "a=b"),
                            ("tags", {"a": 1}), ("tags", {"a": None}), ("tags", {"": "x"})):
            with self.subTest(name=name, value=value):
                self.assertRefuses(self.register({name: value}), name)

    def test_a_command_is_a_json_array_of_strings_in_a_string(self):
        for value in (["sleep", "1"], "sleep 1", "[]", "[1]", '{"a":1}', '"sleep"', "", None):
            with self.subTest(value):
                self.assertRefuses(self.register({"command": value}), "command")

    def test_what_is_no_json_object_is_refused(self):
        for raw in (b"", b"{", b"[]", b"null", b"5", b'{"a":NaN}', b'\xff{}', b'{"job_name":"a","job_name":"b"}',
                    b'{"host_storage_gb":Infinity}', b"{} {}"):
            with self.subTest(raw):
                self.assertRefuses(self.call("/runs", raw))

    def test_headers_are_checked(self):
        cases = [({"Content-Type": "text/plain"}, (), 400), ({"Content-Type": "application/json; charset=utf-8"}, (), 400),
                 ({}, ("Content-Type",), 400), ({"Accept": "*/*"}, (), 400), ({}, ("Accept",), 400),
                 ({"User-Agent": "curl/8"}, (), 400), ({}, ("User-Agent",), 400), ({"Cookie": "a=b"}, (), 400),
                 ({"Authorization": "Bearer wrong"}, (), 401), ({}, ("Authorization",), 401),
                 ({"Authorization": "bearer " + self.server.token}, (), 401),
                 ({"Authorization": "Bearer  " + self.server.token}, (), 401),
                 ({"Content-Encoding": "deflate"}, (), 400)]
        for headers, drop, expected in cases:
            with self.subTest(headers=headers, drop=drop):
                self.assertEqual(self.register(headers=headers, drop=drop)[0], expected)
        self.assertEqual(self.server.runs, {})

    def test_other_paths_and_methods_are_refused(self):
        for method, path, expected in (("GET", "/runs", 405), ("PUT", "/runs", 405), ("POST", "/", 404),
                                       ("POST", "//runs", 404), ("POST", "/runs/", 404), ("POST", "/runs?x=1", 404),
                                       ("POST", "/api/runs", 404), ("POST", "/runs/x/credentials/refresh", 404)):
            with self.subTest(method=method, path=path):
                self.assertEqual(self.call(path, {}, method=method)[0], expected)

    def test_a_scripted_refusal_names_the_fields(self):
        self.server.refused_fields = {"tags", "host_ip"}
        status, answer = self.register({"job_name": "x", "tags": {"a": "b"}})
        self.assertEqual(status, 422)
        self.assertEqual([detail["loc"] for detail in answer["detail"]], [["body", "tags"]])
        self.server.refused_fields, self.server.tags_form = set(), "list"
        self.assertRefuses(self.register({"tags": {"a": "b"}}), "tags")
        self.assertEqual(self.register({"tags": ["a=b"]})[0], 201)

    def test_bodies_longer_than_allowed_are_413_and_gzip_is_taken_only_when_allowed(self):
        body = json.dumps({"job_name": "x" * 5000}).encode()
        packed = gzip.compress(body)
        self.server.max_body = 1000
        self.assertEqual(self.call("/runs", body)[0], 413)
        self.assertRefuses(self.call("/runs", packed, headers={"Content-Encoding": "gzip"}))
        self.server.gzip_accepted = True
        self.assertEqual(self.call("/runs", packed, headers={"Content-Encoding": "gzip"})[0], 201)
        self.assertRefuses(self.call("/runs", packed))
        self.assertEqual(self.call("/runs", b"{}", headers={"Content-Encoding": "gzip"})[0], 400)


class Finish(Caller):
    def test_a_right_finish_gives_run_and_statistics(self):
        run = self.new_run()
        status, answer = self.finish(finish(data_csv=csv(3), exit_code=130, run_status="failed"), run)
        self.assertEqual((status, answer["processing"]["rows"]), (200, 3))
        self.assertEqual((answer["run"]["run_id"], answer["run"]["run_status"]), (run, "failed"))
        self.assertEqual(len(self.server.runs[run]["rows"]), 3)
        self.assertEqual(len(self.server.finished_runs()), 1)

    def test_a_finish_with_objects_is_right(self):
        run = self.new_run()
        uris = ["s3://bucket/prefix/%s/%04d.csv.gz" % (run, number) for number in (1, 2)]
        status, answer = self.finish(finish(data_source="s3", data_uris=uris, data_csv=LEFT_OUT), run)
        self.assertEqual((status, answer["processing"]["files"]), (200, 2))
        for wrong in ([], None, "s3://bucket/prefix/%s/1" % run, [5], ["https://x/y"], ["s3://other/prefix/1.csv.gz"]):
            with self.subTest(wrong):
                self.assertRefuses(self.finish(finish(data_source="s3", data_uris=wrong, data_csv=LEFT_OUT)),
                                   "data_uris")

    def test_optional_fields_may_be_left_out(self):
        self.assertEqual(self.finish(finish(exit_code=LEFT_OUT, finished_at=LEFT_OUT))[0], 200)
        self.assertEqual(self.finish(finish(data_csv=csv(process_pid="")))[0], 200)

    def test_a_second_finish_and_an_unknown_run_are_refused(self):
        run = self.new_run()
        self.assertEqual(self.finish(finish(), run)[0], 200)
        self.assertEqual(self.finish(finish(), run)[0], 409)
        self.assertEqual(self.finish(finish(), "no-such-run")[0], 404)
        self.assertEqual(self.call("/runs/no-such-run/refresh-credentials")[0], 404)

    def test_wrong_fields_are_refused(self):
        for name, changes in (
                ("run_id", {"run_id": "x"}), ("pid", {"pid": 1}), ("tags", {"tags": {}}),
                ("exit_code", {"exit_code": None}), ("exit_code", {"exit_code": 256, "run_status": "failed"}),
                ("exit_code", {"exit_code": -1, "run_status": "failed"}), ("exit_code", {"exit_code": "0"}),
                ("exit_code", {"exit_code": True}), ("exit_code", {"exit_code": 0.0}),
                ("run_status", {"run_status": "success"}), ("run_status", {"run_status": LEFT_OUT}),
                ("run_status", {"run_status": "finished", "exit_code": 2}),
                ("finished_at", {"finished_at": None}), ("finished_at", {"finished_at": now().replace("Z", "+00:00")}),
                ("finished_at", {"finished_at": now().replace("T", " ")}), ("finished_at", {"finished_at": now(-90)}),
                ("finished_at", {"finished_at": now(90)}), ("finished_at", {"finished_at": int(time.time())}),
                ("finished_at", {"finished_at": "2026-13-01T00:00:00Z"}),
                ("data_source", {"data_source": LEFT_OUT}), ("data_source", {"data_source": "local"}),
                ("data_uris", {"data_uris": []}), ("data_csv", {"data_source": "s3", "data_uris": ["s3://b/k"]}),
                ("data_uris", {"data_source": "s3", "data_csv": LEFT_OUT}), ("data_csv", {"data_csv": LEFT_OUT}),
                ("data_csv", {"data_csv": ["x"]}), ("data_csv", {"data_csv": ""})):
            with self.subTest(name=name, changes=str(changes)):
                self.assertRefuses(self.finish(finish(**changes)), name)
        self.assertEqual(self.server.finished_runs(), [])

    def test_csv_that_is_not_exactly_right_is_refused(self):
        header = pillion.HEADER + "\n"
        row = csv()[len(header):]
        wrong = {
            "no row": header,
            "header only, no line end": header[:-1],
            "no header": row,
            "no last line end": csv()[:-1],
            "carriage returns": csv().replace("\n", "\r\n"),
            "quoted header": '"' + header[:-1].replace(",", '","') + '"\n' + row,
            "quoted cell": csv(system_processes='"1"'),
            "31 columns": "\n".join(line.rsplit(",", 1)[0] for line in csv().split("\n")[:-1]) + "\n",
            "33 columns": csv().replace("\n", ",x\n"),
            "31 cells": header + row.rsplit(",", 1)[0] + "\n",
            "other order": csv().replace("system_utime,system_stime", "system_stime,system_utime"),
            "empty line": csv() + "\n",
            "a second header": csv() + csv(),
            "empty timestamp": csv(timestamp=""),
            "timestamp with 2 decimals": csv(timestamp="1795346661.00"),
            "timestamp without decimals": csv(timestamp="1795346661"),
            "same timestamp twice": csv() + row,
            "falling timestamps": csv(timestamp="1795346661.500") + row,
            "nan": csv(system_cpu_usage="nan"),
            "inf": csv(system_cpu_usage="inf"),
            "text": csv(system_processes="many"),
            "blank": csv(system_processes=" "),
            "leading blank": csv(system_processes=" 1"),
            "negative": csv(system_processes="-1"),
            "minus zero": csv(system_gpu_usage="-0.0000"),
            "minus zero, integer": csv(process_children="-0"),
            "plus": csv(system_processes="+1"),
            "exponent": csv(system_net_recv_bytes="1e9"),
            "hexadecimal": csv(system_net_recv_bytes="0x1"),
            "decimals where none belong": csv(system_net_recv_bytes="1.0"),
            "3 decimals for 6": csv(system_utime="0.000"),
            "none for 4": csv(process_memory_mib="1"),
            "decimal comma": csv(process_memory_mib="1,0000"),
            "thousands": csv(system_net_recv_bytes="1_000"),
            "leading zero": csv(system_processes="01"),
            "not ASCII": csv(system_processes="\u0663"),
        }
        for name, text in wrong.items():
            with self.subTest(name):
                self.assertRefuses(self.finish(finish(data_csv=text)), "data_csv")
        for column in pillion.COLUMNS[1:]:
            self.assertEqual(self.finish(finish(data_csv=csv(**{column.name: ""})))[0], 200, column.name)

    def test_refresh_takes_no_body_and_gives_new_credentials(self):
        run = self.new_run()
        status, answer = self.call("/runs/%s/refresh-credentials" % run)
        self.assertEqual((status, list(answer)), (200, ["upload_credentials"]))
        self.assertRefuses(self.call("/runs/%s/refresh-credentials" % run, {}))
        self.assertEqual(self.server.runs[run]["refreshes"], 1)


class BasePath(Caller):
    options = {"base": "/api/v1/", "expiry_key": "expiration", "region": "eu-west-1"}

    def test_a_base_path_belongs_to_every_call(self):
        self.assertTrue(self.server.url.endswith("/api/v1"))
        status, answer = self.register()
        self.assertEqual((status, sorted(answer["upload_credentials"])),
                         (201, ["access_key", "expiration", "region", "secret_key", "session_token"]))
        self.assertEqual(self.call("/runs", {})[0], 404)
        self.assertEqual(self.call("/api/v1//runs", {})[0], 404)


class Faults(Caller):
    def expect_broken(self, kind=(OSError, http.client.HTTPException)):
        with self.assertRaises(kind):
            self.register()

    def test_a_fault_hits_its_endpoint_and_number_only(self):
        self.server.fault("register", [2, 4], status=503, body="later", headers={"Retry-After": "2"})
        connection_statuses = []
        for _ in range(4):
            try:
                connection_statuses.append(self.register()[0])
            except ValueError:  # "later" is no JSON
                connection_statuses.append(self.server.requests[-1].answer)
        self.assertEqual(connection_statuses, [201, 503, 201, 503])
        self.assertEqual(len(self.server.runs), 2)

    def test_a_drop_carries_nothing_out_and_a_drop_after_does(self):
        self.server.fault("register", 1, drop=True).fault("register", 2, drop_after=True)
        self.expect_broken()
        self.assertEqual(len(self.server.runs), 0)
        self.expect_broken()
        self.assertEqual(len(self.server.runs), 1)
        self.assertEqual([request.answer for request in self.server.requests], [None, None])

    def test_a_hang_ends_after_its_time_or_with_the_server(self):
        self.server.fault("register", 1, hang=0.2).fault("register", 2, hang=60)
        self.expect_broken()
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            pillion.wait_for(lambda: len(self.server.requests) == 2)
            began = time.monotonic()
            self.server.stop()
            self.assertLess(time.monotonic() - began, 10)

    def test_slow_and_truncated_answers(self):
        self.server.fault("register", 1, slow=0.001).fault("register", 2, truncate=True)
        self.assertEqual(self.register()[0], 201)
        self.expect_broken(http.client.IncompleteRead)

    def test_wrong_answers(self):
        self.server.fault("register", 1, text="<html>").fault("register", 2, nested=50).fault("register", 3, huge=100000)
        self.server.fault("register", 4, header_flood=500).fault("register", 5, garbage=True)
        with self.assertRaises(ValueError):
            self.register()
        self.assertEqual(self.register()[1]["run_id"], "deep")
        self.assertEqual(len(self.register()[1]["x"]), 100000)
        self.expect_broken()
        self.expect_broken()

    def test_an_endless_answer_does_not_end(self):
        self.server.fault("register", 1, endless=True)
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(b"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            taken = 0
            while taken < 3000000:
                data = connection.recv(1 << 20)
                self.assertTrue(data)
                taken += len(data)

    def test_a_redirect_names_the_other_server(self):
        self.server.fault("register", 1, redirect="http://127.0.0.1:9/runs", status=302)
        self.assertEqual(self.register()[0], 302)

    def test_a_server_that_is_down_refuses_and_keeps_its_port(self):
        port = self.server.port
        self.assertEqual(self.register()[0], 201)
        for _ in range(2):
            self.server.down()
            with self.assertRaises(ConnectionRefusedError):
                self.register()
            self.server.up()
            self.assertEqual(self.server.port, port)
            self.assertEqual(self.register()[0], 201)

    def test_every_request_is_recorded(self):
        run = self.new_run()
        self.finish({"x": 1}, run)
        self.call("/nowhere", b"abc")
        first, second, third = self.server.requests
        self.assertEqual((first.endpoint, first.number, first.answer, first.problem), ("register", 1, 201, None))
        self.assertEqual((second.endpoint, second.run_id, second.answer, second.body), ("finish", run, 422, {"x": 1}))
        self.assertEqual((third.endpoint, third.raw), (None, b"abc"))
        self.assertEqual(len({request.connection for request in self.server.requests}), 3)
        self.assertEqual(self.server.complaints(), [second, third])


class S3Caller(unittest.TestCase):
    options = {}
    prefix = "s3://bucket/p=1+2 \u00fc:x/run"

    def setUp(self):
        self.s3 = S3Server(**self.options)
        self.addCleanup(self.s3.stop)
        self.grant = self.s3.grant(self.prefix)

    def uri(self, number):
        return "%s/%04d.csv.gz" % (self.prefix, number)

    def put(self, number=1, body=None, uri=None, path=None, when=None, region="eu-central-1", host=None, headers=None,
            unsigned=None, drop=(), secret=None, method="PUT", scope=None, grant=None, authorization=None):
        """Status, <Code>, and the text of the answer to a request that is right but for what is asked here."""
        body = gzip.compress(csv(2).encode(), mtime=0) if body is None else body
        grant = grant or self.grant
        bucket, key = (uri or self.uri(number))[5:].split("/", 1)
        host = host or "127.0.0.1:%d" % self.s3.port
        path = path or "/" + encode("%s/%s" % (bucket, key) if host[0] == "1" else key)
        when = when or amz_date(self.s3.now())
        signed = {"host": host, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": when,
                  "x-amz-security-token": grant.session_token}
        signed.update(headers or {})
        for name in drop:
            signed.pop(name, None)
        plain, _, query = path.partition("?")
        made = signature(secret or grant.secret_key, when, region, method, plain, signed,
                         hashlib.sha256(body).hexdigest(), query)
        if authorization is None:
            authorization = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
                grant.access_key, scope or "%s/%s/s3/aws4_request" % (when[:8], region), ";".join(sorted(signed)), made)
        sent = dict(signed, **{"content-type": "application/gzip", "content-length": str(len(body)),
                               "authorization": authorization})
        sent.update(unsigned or {})
        return self.send(method, path, [pair for pair in sent.items() if pair[0] not in drop], body)

    def send(self, method, path, headers, body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.s3.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True, skip_host=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            self.answer_headers = dict(answer.getheaders())
            text = answer.read().decode()
            code = re.search("<Code>(.*)</Code>", text)
            return answer.status, code.group(1) if code else None, text
        finally:
            connection.close()

    def assertRefused(self, code, **changes):
        status, got, text = self.put(**changes)
        self.assertEqual((status, got), (CODES[code], code), text)
        self.assertNotIn(self.uri(1), list(self.s3.objects))
        return text

    def assertStored(self, number=1, **changes):
        self.assertEqual(self.put(number, **changes)[:2], (200, None))
        self.assertIn(changes.get("uri") or self.uri(number), self.s3.objects)

    def complaints(self):
        return [request.problem for request in self.s3.complaints()]


class Signing(S3Caller):
    def test_the_signature_is_that_of_the_published_examples(self):
        secret, empty = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", hashlib.sha256(b"").hexdigest()
        common = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
        got = signature(secret, "20130524T000000Z", "us-east-1", "GET", "/test.txt",
                        dict(common, range="bytes=0-9", **{"x-amz-content-sha256": empty}), empty)
        self.assertEqual(got, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        hashed = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
        got = signature(secret, "20130524T000000Z", "us-east-1", "PUT", "/test%24file.text",
                        dict(common, date="Fri, 24 May 2013 00:00:00 GMT", **{
                            "x-amz-content-sha256": hashed, "x-amz-storage-class": "REDUCED_REDUNDANCY"}), hashed)
        self.assertEqual(got, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")

    def test_what_is_right_is_stored(self):
        body = gzip.compress(csv(3).encode())
        self.assertStored(1, body=body)
        self.assertStored(2)
        self.assertStored(3, headers={"content-type": "application/gzip"})
        self.assertEqual(self.s3.objects[self.uri(1)], body)
        self.assertEqual(list(self.s3.stored(self.prefix)), [self.uri(number) for number in (1, 2, 3)])
        self.assertEqual(self.complaints(), [])

    def test_a_bucket_may_be_in_the_hosts_name(self):
        self.assertStored(host="bucket.s3.eu-central-1.amazonaws.com")
        self.assertStored(2, host="bucket.s3.eu-central-1.amazonaws.com:443")
        self.assertEqual(self.complaints(), [])

    def test_a_wrong_signature_is_refused(self):
        path = encode("/bucket/p=1+2 \u00fc:x/run/0001.csv.gz")
        for name, changes in {
                "another secret": dict(secret="x" * 40), "another body": dict(unsigned={
                    "x-amz-content-sha256": hashlib.sha256(b"x").hexdigest()}),
                "another time": dict(unsigned={"x-amz-date": amz_date(time.time() - 5)}),
                "another host": dict(unsigned={"host": "localhost"}),
                "= as it is": dict(path=path.replace("%3D", "=")), ": as it is": dict(path=path.replace("%3A", ":")),
                "+ for a blank": dict(path=path.replace("%20", "+")), "small digits": dict(path=path.replace("%3A", "%3a")),
                "a letter encoded": dict(path=path.replace("run", "%72un"))}.items():
            with self.subTest(name):
                code = "XAmzContentSHA256Mismatch" if name == "another body" else "SignatureDoesNotMatch"
                self.assertRefused(code, **changes)
        self.assertEqual(len(self.complaints()), 9)

    def test_a_wrong_authorization_is_refused(self):
        good = "AWS4-HMAC-SHA256 Credential=%s/%s/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=" % (
            self.grant.access_key, amz_date(time.time())[:8])
        for value in ("", "Bearer x", good, good + "0" * 63, good + "G" * 64, good.replace("HMAC", "RSA") + "0" * 64):
            with self.subTest(value):
                self.assertRefused("AccessDenied", authorization=value)
        self.assertRefused("AccessDenied", authorization=good + "0" * 64)  # x-amz-date is not among the signed
        self.assertRefused("AccessDenied", unsigned={"x-amz-acl": "private"})
        self.assertRefused("AccessDenied", drop=["authorization"])
        self.assertRefused("AuthorizationHeaderMalformed", scope=amz_date(time.time())[:8] + "/eu-central-1/sqs/aws4_request")
        self.assertRefused("AuthorizationHeaderMalformed", scope="20130524/eu-central-1/s3/aws4_request")
        for name in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
            with self.subTest(name):
                self.assertNotEqual(self.put(drop=[name])[0], 200)

    def test_credentials_are_known_alive_and_for_this_prefix(self):
        stranger = type(self.grant)(self.prefix, 60, "ASIASTRANGER", "s" * 40, "t" * 40)
        self.assertRefused("InvalidAccessKeyId", grant=stranger)
        self.assertRefused("InvalidToken", headers={"x-amz-security-token": "another"})
        self.assertRefused("AccessDenied", grant=self.s3.grant("s3://bucket/other/run"))
        self.assertRefused("AccessDenied", uri="s3://other/p=1+2 \u00fc:x/run/0001.csv.gz")
        self.assertRefused("AccessDenied", uri=self.prefix + "-2/0001.csv.gz")
        self.assertEqual(len(self.complaints()), 5)
        self.assertRefused("ExpiredToken", grant=self.s3.grant(self.prefix, -1))
        self.s3.revoke()
        self.assertRefused("ExpiredToken")
        self.s3.revoke("InvalidToken")
        self.assertRefused("InvalidToken")
        self.assertEqual(len(self.complaints()), 5, "a right client may meet these")
        self.assertStored(grant=self.s3.grant(self.prefix))

    def test_a_clock_that_is_off_is_told_the_right_time(self):
        self.assertRefused("RequestTimeTooSkewed", when=amz_date(time.time() - 1000))
        self.assertRefused("RequestTimeTooSkewed", when=amz_date(time.time() + 1000))
        self.assertEqual(len(self.complaints()), 2)
        self.assertStored(when=amz_date(time.time() - 800))
        self.s3.objects.clear()
        self.s3.clock_offset = 3600
        self.assertRefused("RequestTimeTooSkewed", when=amz_date(time.time()))
        self.assertEqual(len(self.complaints()), 2)
        date = datetime.datetime.strptime(self.answer_headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
        self.assertGreater((date - datetime.datetime.utcnow()).total_seconds(), 3500)
        self.assertStored()

    def test_another_region_is_told_the_right_one(self):
        text = self.assertRefused("AuthorizationHeaderMalformed", region="us-east-1")
        self.assertIn("<Region>eu-central-1</Region>", text)
        self.s3.moved = "PermanentRedirect"
        self.assertRefused("PermanentRedirect", region="us-east-1")
        self.assertEqual(self.answer_headers["x-amz-bucket-region"], "eu-central-1")
        self.assertEqual(self.complaints(), [])

    def test_the_head_of_a_bucket_names_its_region(self):
        for path, host in (("/bucket", "127.0.0.1"), ("/bucket/", "localhost:1"), ("/", "bucket.s3.amazonaws.com")):
            with self.subTest(path=path, host=host):
                self.assertEqual(self.send("HEAD", path, [("Host", host)]), (403, None, ""))
                self.assertEqual(self.answer_headers["x-amz-bucket-region"], "eu-central-1")
        self.assertEqual((len(self.s3.of("head")), self.complaints()), (3, []))
        self.assertEqual(self.send("GET", "/bucket/x", [("Host", "localhost")])[:2], (405, "MethodNotAllowed"))
        self.assertEqual(len(self.complaints()), 1)


class Objects(S3Caller):
    def test_headers_that_do_not_belong_are_refused(self):
        for code, changes in (
                ("InvalidArgument", dict(unsigned={"content-type": "text/csv"})), ("InvalidArgument", dict(drop=["content-type"])),
                ("InvalidArgument", dict(unsigned={"content-encoding": "gzip"})), ("InvalidArgument", dict(unsigned={"Cookie": "a"})),
                ("InvalidArgument", dict(path=encode(self.uri(1)[4:]) + "?x=1")),
                ("MissingContentLength", dict(drop=["content-length"], body=b""))):
            with self.subTest(changes):
                self.assertRefused(code, **changes)

    def test_what_is_no_object_of_a_run_is_complained_of(self):
        many = csv(6000)
        for name, body in {"no gzip": csv().encode(), "cut gzip": gzip.compress(csv().encode())[:-1],
                           "two members": gzip.compress(csv().encode()) * 2, "more behind": gzip.compress(csv().encode()) + b"x",
                           "no header": csv(2).split("\n", 1)[1], "no row": pillion.HEADER + "\n", "empty": "",
                           "31 columns": csv(2).replace(",0\n", "\n"), "no line end": csv(2)[:-1], "\\r\\n": csv(2).replace(
                               "\n", "\r\n"), "header twice": csv() + csv(), "more than 1 MiB of rows": many}.items():
            with self.subTest(name):
                self.s3.attempted.clear()
                before = len(self.complaints())
                self.assertStored(body=body if isinstance(body, bytes) else gzip.compress(body.encode()))
                self.assertEqual(len(self.complaints()), before + 1, self.s3.requests[-1])

    def test_an_object_keeps_its_bytes_also_over_attempts_that_failed(self):
        self.s3.fault("put", 1, status=503)
        self.assertEqual(self.put()[0], 503)
        self.assertStored()
        self.assertStored()
        self.assertEqual(self.complaints(), [])
        self.assertStored(body=gzip.compress(csv(3).encode()))
        self.assertIn("other bytes", self.complaints()[0])

    def test_objects_come_in_order_each_after_the_one_before_was_acknowledged(self):
        self.s3.fault("put 1", 1, drop_after=True)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.put(1)
        self.assertIn(self.uri(1), self.s3.objects)
        self.assertStored(2)
        self.assertIn("before 1 was acknowledged", self.complaints()[0])
        self.assertStored(1)
        self.assertIn("again after 2", self.complaints()[1])
        for name in ("1.csv.gz", "00001.csv.gz", "0000.csv.gz", "0001.csv", "x/0005.csv.gz"):
            with self.subTest(name):
                before = len(self.complaints())
                self.assertStored(uri="%s/%s" % (self.prefix, name))
                self.assertEqual(len(self.complaints()), before + 1)

    def test_one_at_a_time_and_none_after_the_end(self):
        self.s3.fault("put", 1, held=1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = pool.submit(self.put)
            pillion.wait_for(lambda: self.s3.requests)
            self.put()
            first.result()
        self.assertIn("under way", self.complaints()[0])
        other = self.s3.grant("s3://bucket/other")
        self.assertStored(uri="s3://bucket/other/0001.csv.gz", grant=other)
        self.s3.close("s3://bucket/other")
        self.assertStored(uri="s3://bucket/other/0002.csv.gz", grant=other)
        self.assertEqual(len(self.complaints()), 2)
        self.assertIn("after the run was finished", self.complaints()[1])

    def test_one_whose_client_gave_it_up_is_not_under_way(self):
        self.s3.fault("put", 1, hang=60)
        with socket.create_connection(("127.0.0.1", self.s3.port)) as connection:
            connection.sendall(b"PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" %
                               encode(self.uri(1)[4:]).encode())
            pillion.wait_for(lambda: self.s3.requests and self.s3.requests[0].complete)
        self.s3.attempted.clear()
        self.assertStored()
        self.assertEqual(self.complaints(), [])


class S3Faults(S3Caller):
    def test_scripted_codes_are_the_documents_that_s3_sends(self):
        self.s3.fault("put", 1, code="SlowDown").fault("put", 2, code="InternalError", status=200)
        self.s3.fault("put", 3, status=500).fault("put", 4, text="<Error><Code>Sl").fault("put", 5, garbage=True)
        self.assertEqual([self.put()[:2] for _ in range(4)],
                         [(503, "SlowDown"), (200, "InternalError"), (500, None), (500, None)])
        with self.assertRaises(http.client.HTTPException):
            self.put()
        self.assertEqual((self.s3.objects, self.complaints()), ({}, []))

    def test_credentials_that_are_made_to_expire_stay_so(self):
        self.s3.fault("put", 1, expire=True)
        self.assertRefused("ExpiredToken")
        self.assertRefused("ExpiredToken")
        self.assertStored(grant=self.s3.grant(self.prefix))

    def test_faults_may_belong_to_one_object(self):
        self.s3.fault("put 2", 1, status=503).fault("put 2", 2, drop=True)
        self.assertEqual([self.put(1)[0], self.put(2)[0]], [200, 503])
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.put(2)
        self.assertEqual([self.put(2)[0], self.put(3)[0]], [200, 200])

    def test_random_faults_come_in_the_share_that_was_asked_for_and_again_with_the_seed(self):
        outcomes = []
        for seed in (1, 1, 2):
            self.s3.heal()
            self.s3.fault("put", "*", random=0.5, seed=seed, status=503)
            outcomes.append([self.put()[0] for _ in range(40)])
        self.assertEqual(outcomes[0], outcomes[1])
        self.assertNotEqual(outcomes[0], outcomes[2])
        self.assertTrue(8 < outcomes[0].count(503) < 32, outcomes[0])
        self.s3.heal()
        self.s3.fault("put", "*", random=1, seed=3)
        for _ in range(15):
            try:
                self.put()
            except (OSError, http.client.HTTPException):
                pass
        self.assertGreater(len({str(request.fault) for request in self.s3.requests[-15:]}), 4)


class Together(Caller):
    """Both servers: credentials and what a finish is held against."""

    def setUp(self):
        self.s3 = S3Server()
        self.addCleanup(self.s3.stop)
        self.server = SentinelServer(s3=self.s3, **self.options)
        self.addCleanup(self.server.stop)

    def store(self, run, number, text, expected=(200, None)):
        caller = S3Caller()
        caller.s3, caller.prefix = self.s3, self.server.runs[run]["upload_uri_prefix"]
        grant = self.s3.grants[self.server.runs[run]["credentials"][-1]["access_key"]]
        self.assertEqual(caller.put(number, body=gzip.compress(text.encode()), grant=grant)[:2], expected)
        return caller.uri(number)

    def finish_with(self, run, *uris):
        return self.finish(finish(data_source="s3", data_uris=list(uris), data_csv=LEFT_OUT), run)

    def test_the_rows_of_a_run_are_those_of_its_objects(self):
        run = self.new_run()
        later = csv(2).replace("1795346661", "1795346662")
        uris = [self.store(run, 1, csv(3)), self.store(run, 2, later)]
        status, answer = self.finish_with(run, *uris)
        self.assertEqual((status, answer["processing"]["rows"], answer["processing"]["files"]), (200, 5, 2))
        self.assertEqual(self.server.runs[run]["csv"], csv(3) + later.split("\n", 1)[1])
        self.assertEqual(self.server.complaints() + self.s3.complaints(), [])

    def test_objects_that_are_missing_in_disorder_or_told_twice_are_refused(self):
        run = self.new_run()
        one, two = self.store(run, 1, csv(3)), self.store(run, 2, csv(2).replace("1795346661", "1795346662"))
        three = one.replace("0001", "0003")
        for wrong in ([two], [two, one], [one, one], [one, two, three], [one, three], [one.replace(run, "x")],
                      [one, two.replace("0002", "2")]):
            with self.subTest(wrong):
                self.assertRefuses(self.finish_with(run, *wrong), "data_uris")
        self.assertEqual(len(self.server.complaints()), 7)
        self.assertEqual(self.finish_with(run, one)[0], 200)
        self.assertIn("not listed", self.server.complaints()[-1].problem)

    def test_rows_told_twice_are_refused(self):
        run = self.new_run()
        self.assertRefuses(self.finish_with(run, self.store(run, 1, csv(3)), self.store(run, 2, csv(2))), "data_uris")

    def test_what_was_stored_does_not_matter_to_an_inline_finish(self):
        run = self.new_run()
        self.store(run, 1, csv(3))
        self.assertEqual(self.finish(finish(data_csv=csv(4)), run)[0], 200)
        self.assertEqual((len(self.server.runs[run]["rows"]), self.server.complaints()), (4, []))
        self.assertRefuses(self.finish(finish(data_csv=csv(1) + "x" * (8 << 20))), "data_csv")

    def test_a_refresh_gives_new_credentials_and_the_old_ones_stay_good_until_revoked(self):
        run = self.new_run()
        self.store(run, 1, csv(1))
        self.call("/runs/%s/refresh-credentials" % run)
        first, second = self.server.runs[run]["credentials"]
        self.assertNotEqual(first["access_key"], second["access_key"])
        self.server.runs[run]["credentials"].append(first)
        self.store(run, 2, csv(1))
        self.server.revoke()
        self.store(run, 3, csv(1), (400, "ExpiredToken"))

    def test_lifetimes_and_the_spellings_of_an_expiry(self):
        self.server.expires_in = [7200, 600]
        for name, write in EXPIRY_FORMATS.items():
            with self.subTest(name):
                self.server.expiry_format = name
                _, answer = self.register({})
                expiry = answer["upload_credentials"]["expires_at"]
                if name == "nonsense":
                    continue
                match = re.match(r"(....-..-..T..:..:..)(\.\d+)?(Z|[+-]\d\d:?\d\d)\Z", expiry)
                zone = match.group(3).replace("Z", "+00:00").replace(":", "")
                when = datetime.datetime.strptime(match.group(1) + zone, "%Y-%m-%dT%H:%M:%S%z").timestamp()
                self.assertLess(abs(when - time.time() - 7200), 30)
        self.server.expiry_format, self.server.expiry_key = "Z", None
        self.assertEqual(sorted(self.call("/runs/%s/refresh-credentials" % answer["run_id"])[1]["upload_credentials"]),
                         ["access_key", "secret_key", "session_token"])
        self.assertEqual([one["lifetime"] for one in self.server.runs[answer["run_id"]]["credentials"]], [7200, 600])


class Script(unittest.TestCase):
    def test_the_script_prints_its_url_and_writes_what_it_saw(self):
        folder = pillion.fresh_folder()
        state = folder / "state.json"
        process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("sentinel_server.py")), "--state", str(state), "--token",
             "t", "--base", "v2", "--faults", '[{"endpoint": "register", "which": 2, "status": 500}]'],
            stdout=subprocess.PIPE, text=True)
        try:
            url = process.stdout.readline().strip()
            self.assertTrue(url.startswith("http://127.0.0.1:") and url.endswith("/v2"), url)
            port = int(url.split(":")[2].split("/")[0])
            statuses = []
            for _ in range(2):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("POST", "/v2/runs", b"{}", {
                    "Authorization": "Bearer t", "Content-Type": "application/json", "Accept": "application/json",
                    "Accept-Encoding": "identity", "User-Agent": "pillion/0.1.0"})
                statuses.append(connection.getresponse().status)
                connection.close()
            self.assertEqual(statuses, [201, 500])
            saved = json.loads(state.read_text())
            self.assertEqual(([request["answer"] for request in saved["requests"]], len(saved["runs"])), ([201, 500], 1))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


if __name__ == "__main__":
    pillion.main()
