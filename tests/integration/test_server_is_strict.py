#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The strict server refuses what the contract forbids, and its faults are the faults that they say."""
import datetime
import gzip
import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

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
    unittest.main()
