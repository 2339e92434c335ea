#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A strict Sentinel API server for tests, with scripted faults. Standard library only.

In a test:
    with SentinelServer() as server:
        server.fault("finish", 1, status=503, headers={"Retry-After": "1"})
        ... SENTINEL_API_URL=server.url SENTINEL_API_TOKEN=server.token ...
        server.runs, server.requests, server.of("finish")

As a script: sentinel_server.py [--port 0] [--state FILE] [--faults JSON] [--token T] [--base PATH] prints its URL, serves
until it is ended, and rewrites FILE with everything it saw after each request.

It accepts only what the contract allows; everything else is refused with the status that tells what was wrong:
400 a header, 401 the token, 404 no such run or path, 405 the method, 409 finished already, 413 too long, 422 the body.

Faults are those of strict_server.py; the endpoints are register, refresh and finish.

With s3=S3Server(...) the credentials of each run are good there, for its own prefix, until they expire or are revoked, and
a finish with data_source s3 is held against what is stored there.
"""
import argparse
import datetime
import gzip
import json
import os
import pathlib
import re
import secrets
import sys
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402  the one table of columns, and the strict check of the CSV
from strict_server import Answer, StrictServer  # noqa: E402

STRINGS = frozenset(
    "job_name project_name stage_name task_name team env language orchestrator executor external_run_id "
    "container_image command host_id host_hostname host_ip host_server_allocation host_cpu_model host_gpu_model "
    "cloud_vendor_id cloud_account_id cloud_region_id cloud_zone_id cloud_instance_type".split())
INTEGERS = frozenset("host_vcpus host_memory_mib host_gpu_count host_gpu_memory_mib".split())
NUMBERS = frozenset(["host_storage_gb"])
FINISH_COMMON = frozenset("exit_code run_status finished_at data_source".split())
FINISHED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
USER_AGENT = re.compile(r"pillion/[0-9]+\.[0-9]+\.[0-9]+\S*\Z")
INLINE_MAX = 8 << 20  # bytes of CSV


def in_zone(text, hours, minutes=0):
    """Seconds since 1970 as a time of that zone, whose name is `text`."""
    zone = datetime.timezone(datetime.timedelta(hours=hours, minutes=minutes))
    return lambda t: datetime.datetime.fromtimestamp(t, zone).strftime("%Y-%m-%dT%H:%M:%S") + text


# How the time of expiry may be written.
EXPIRY_FORMATS = {
    "Z": in_zone("Z", 0),
    "milliseconds": in_zone(".125Z", 0),
    "microseconds": in_zone(".125000+00:00", 0),
    "nanoseconds": in_zone(".123456789Z", 0),
    "zero offset": in_zone("+00:00", 0),
    "offset": in_zone("+05:30", 5, 30),
    "negative offset": in_zone("-08:00", -8),
    "offset without colon": in_zone("-0330", -3, -30),
    "fraction and offset": in_zone(".5+14:00", 14),
    "nonsense": lambda t: "in an hour or so",
}


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, status, detail):
        super().__init__(status, detail)
        self.status, self.detail = status, detail


def problem(field, message, kind="value_error"):
    return Refused(422, [{"loc": ["body"] + ([field] if isinstance(field, str) else list(field)), "msg": message,
                          "type": kind}])


# ------------------------------------------------------------------------------------------ what may be in a body


def no_twice(pairs):
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise problem(key, "key given twice")
    return dict(pairs)


def refuse_constant(name):
    raise ValueError("%s is not JSON" % name)


def parse_json(raw):
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=no_twice, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(422, [{"loc": ["body", 0], "msg": "JSON decode error: %s" % error, "type": "json_invalid"}])


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def check_command(value):
    try:
        words = json.loads(value)
    except ValueError:
        raise problem("command", "not a JSON array in a string")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise problem("command", "not a JSON array of strings")


def check_tags(value, form):
    """A list of {"key", "value"}, as the API takes them; form "object": a server that wants {key: value} instead."""
    if form == "object":
        if not isinstance(value, dict):
            raise problem("tags", "Input should be a valid dictionary", "dict_type")
        pairs = list(value.items())
    else:
        if not isinstance(value, list):
            raise problem("tags", "Input should be a valid list", "list_type")
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                raise problem(("tags", number), "Input should be a valid dictionary or object to extract fields from",
                              "model_attributes_type")
            if set(item) != {"key", "value"}:
                raise problem(("tags", number), "Field required, or not permitted", "missing")
        pairs = [(item["key"], item["value"]) for item in value]
    for number, (key, item) in enumerate(pairs):
        if not isinstance(key, str) or not isinstance(item, str):
            raise problem(("tags", number), "Input should be a valid string", "string_type")
        if not key:
            raise problem("tags", "empty key")
    if len({key for key, _ in pairs}) < len(pairs):
        raise problem("tags", "a key given twice")


def tag_pairs(tags):
    return list(tags.items()) if isinstance(tags, dict) else [(tag["key"], tag["value"]) for tag in tags]


def check_registration(body, tags_form, refused):
    if not isinstance(body, dict):
        raise problem((), "Input should be a valid dictionary", "model_attributes_type")
    bad = [{"loc": ["body", name], "msg": "refused by the script", "type": "value_error"}
           for name in refused if name in body]
    if bad:
        raise Refused(422, bad)
    for name, value in body.items():
        if name in STRINGS:
            if not isinstance(value, str):
                raise problem(name, "Input should be a valid string", "string_type")
        elif name in INTEGERS:
            if not is_integer(value) or value < 0:
                raise problem(name, "Input should be a valid integer", "int_type")
        elif name in NUMBERS:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise problem(name, "Input should be a valid number", "float_type")
        elif name == "tags":
            check_tags(value, tags_form)
        else:
            raise problem(name, "Extra inputs are not permitted", "extra_forbidden")
    if "command" in body:
        check_command(body["command"])


def check_finished_at(value, tolerance):
    if not isinstance(value, str) or not FINISHED_AT.match(value):
        raise problem("finished_at", "not YYYY-MM-DDTHH:MM:SSZ")
    try:
        then = datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise problem("finished_at", "no such time")
    if abs(then.timestamp() - time.time()) > tolerance:
        raise problem("finished_at", "more than %d s from now" % tolerance)


def check_data(body, prefix):
    """What a finish brings: the CSV (inline) or the URIs."""
    source = body.get("data_source")
    if source == "inline":
        wanted, other = "data_csv", "data_uris"
    elif source == "s3":
        wanted, other = "data_uris", "data_csv"
    else:
        raise problem("data_source", "Input should be 'inline' or 's3'", "union_tag_invalid")
    if other in body:
        raise problem(other, "Extra inputs are not permitted", "extra_forbidden")
    value = body.get(wanted)
    if source == "inline":
        if not isinstance(value, str):
            raise problem(wanted, "Input should be a valid string", "string_type")
    elif not isinstance(value, list) or not value:
        raise problem(wanted, "Input should be a valid list, not empty", "list_type")
    else:
        for uri in value:
            if not isinstance(uri, str) or not uri.startswith(prefix + "/"):
                raise problem(wanted, "not an object of this run: %r" % (uri,))
    return value


def check_rows(text, field):
    try:
        return pillion.check_csv(text)
    except (pillion.CsvError, UnicodeError) as error:
        raise problem(field, str(error))


def check_finish(body, prefix, tolerance):
    if not isinstance(body, dict):
        raise problem((), "Input should be a valid dictionary", "model_attributes_type")
    for name, value in body.items():
        if name not in FINISH_COMMON | {"data_csv", "data_uris"}:
            raise problem(name, "Extra inputs are not permitted", "extra_forbidden")
        if value is None:
            raise problem(name, "null")
    code = body.get("exit_code")
    if code is not None and (not is_integer(code) or not 0 <= code <= 255):
        raise problem("exit_code", "Input should be an integer from 0 to 255", "int_type")
    if body.get("run_status") not in ("finished", "failed"):
        raise problem("run_status", "Input should be 'finished' or 'failed'", "literal_error")
    if body["run_status"] == "finished" and code not in (None, 0):
        raise problem("run_status", "finished with exit code %d" % code)
    if "finished_at" in body:
        check_finished_at(body["finished_at"], tolerance)
    return check_data(body, prefix)


# --------------------------------------------------------------------------------------------------------- server


class SentinelServer(StrictServer):
    """expires_in: seconds, or a list of them, one for each credentials of a run, the last for all others."""

    scripted_body = b'{"detail":"scripted"}'
    mishaps = (dict(status=500), dict(status=503), dict(status=503, headers={"Retry-After": "1"}), dict(status=429),
               dict(drop=True), dict(drop_after=True), dict(truncate=True), dict(garbage=True), dict(hang=0.3),
               dict(slow=0.001))

    def __init__(self, token=None, base="", port=0, host="127.0.0.1", up=True, expiry_key="expires_at",
                 expires_in=3600, region=None, gzip_accepted=False, max_body=None, tags_form="list",
                 refused_fields=(), register_status=201, finished_at_tolerance=60, faults=(), certificate=None,
                 state_file=None, require_agent=True, s3=None, prefix="s3://bucket/prefix", expiry_format="Z"):
        self.token = token or "tok-" + secrets.token_hex(12)
        self.base = "/" + base.strip("/") if base.strip("/") else ""
        self.expiry_key, self.expires_in, self.region = expiry_key, expires_in, region
        self.s3, self.prefix, self.expiry_format = s3, prefix, expiry_format
        self.gzip_accepted, self.max_body, self.tags_form = gzip_accepted, max_body, tags_form
        self.refused_fields, self.register_status = set(refused_fields), register_status
        self.finished_at_tolerance, self.state_file = finished_at_tolerance, state_file
        self.require_agent = require_agent
        self.secret_values = []  # every credential ever given out
        self.runs = {}
        super().__init__(host, port, up, certificate, faults)
        self.url += self.base

    def heal(self):
        """No more faults, listening."""
        self.tags_form, self.refused_fields, self.max_body = "list", set(), None
        super().heal()

    def stop(self):
        super().stop()
        mark = pillion.mark_of(self.url, self.token)  # of an API that is gone
        if mark is not None:
            mark.unlink(missing_ok=True)

    def finished_runs(self):
        with self.lock:
            return [run for run in self.runs.values() if run["finish"] is not None]

    def env(self, **extra):
        variables = {} if self.s3 is None else self.s3.env()
        variables.update(SENTINEL_API_URL=self.url, SENTINEL_API_TOKEN=self.token)
        return dict(variables, **extra)

    def save(self):
        if self.state_file is None:
            return
        with self.lock:
            text = json.dumps({"url": self.url, "requests": [request.as_json() for request in self.requests],
                               "runs": list(self.runs.values())}, indent=1, default=str)
            temporary = self.state_file + ".new"
            with open(temporary, "w") as file:
                file.write(text)
            os.replace(temporary, self.state_file)

    # ------------------------------------------------------------------------------------- carrying requests out

    def credentials(self, run):
        """New ones for this run. Those from before stay good."""
        lifetimes = self.expires_in if isinstance(self.expires_in, (list, tuple)) else [self.expires_in]
        lifetime = lifetimes[min(len(run["credentials"]), len(lifetimes) - 1)]
        answer = {"access_key": "ASIA" + secrets.token_hex(8).upper(), "secret_key": secrets.token_hex(20),
                  "session_token": secrets.token_hex(60) + "/+=="}
        self.secret_values += answer.values()
        run["credentials"].append({"given_at": time.time(), "lifetime": lifetime, "access_key": answer["access_key"]})
        if self.s3 is not None:
            self.s3.grant(run["upload_uri_prefix"], lifetime, **answer)
        if self.expiry_key:
            answer[self.expiry_key] = EXPIRY_FORMATS[self.expiry_format](self.now() + lifetime)
        if self.region:
            answer["region"] = self.region
        return answer

    def revoke(self, code="ExpiredToken"):
        """No credentials given out up to now are good any more."""
        self.s3.revoke(code)

    def find(self, run_id):
        run = self.runs.get(run_id)
        if run is None:
            raise Refused(404, "Run not found")
        return run

    def register(self, request):
        check_registration(request.body, self.tags_form, self.refused_fields)
        number = len(self.runs) + 1
        run_id = "run-%d-%s" % (number, secrets.token_hex(4))
        run = {"run_id": run_id, "registration": request.body, "registered_at": request.time, "finish": None,
               "upload_uri_prefix": "%s/%s" % (self.prefix, run_id), "refreshes": 0, "credentials": [], "csv": None,
               "rows": None}
        self.runs[run_id] = run
        return self.register_status, {"run_id": run_id, "upload_uri_prefix": run["upload_uri_prefix"],
                                      "upload_credentials": self.credentials(run)}

    def refresh(self, request):
        run = self.find(request.run_id)
        if request.raw:
            raise problem((), "a body where none belongs")
        run["refreshes"] += 1
        return 200, {"upload_credentials": self.credentials(run)}

    def delivered(self, request, run, data):
        """The CSV that this finish stands for; None where the objects are not known here."""
        prefix = run["upload_uri_prefix"]
        if request.body["data_source"] == "inline":
            if len(data) > INLINE_MAX:
                raise problem("data_csv", "%d bytes" % len(data))
            return data
        if self.s3 is None:
            return None
        for number, uri in enumerate(data, 1):
            if uri != "%s/%04d.csv.gz" % (prefix, number):
                raise problem("data_uris", "not object %d of this run: %r" % (number, uri))
        stored = self.s3.stored(prefix)
        missing = [uri for uri in data if uri not in stored]
        if missing:
            raise problem("data_uris", "not stored: %s" % missing)
        left_out = [uri for uri in stored if uri not in data]
        if left_out:
            request.complain("stored, but not listed: %s" % left_out)
        texts = [gzip.decompress(stored[uri]).decode("ascii") for uri in data]
        return texts[0] + "".join(text.split("\n", 1)[1] for text in texts[1:])

    def finish(self, request):
        run = self.find(request.run_id)
        if run["finish"] is not None:
            raise Refused(409, "Run is already finished")
        data = check_finish(request.body, run["upload_uri_prefix"], self.finished_at_tolerance)
        inline = request.body["data_source"] == "inline"
        text = self.delivered(request, run, data)
        rows = None if text is None else check_rows(text, "data_csv" if inline else "data_uris")
        run.update(finish=request.body, finished_at=request.time, csv=text, rows=rows)
        if self.s3 is not None:
            self.s3.close(run["upload_uri_prefix"])
        tags = tag_pairs(run["registration"].get("tags", []))
        return 200, {
            "run": {"run_id": request.run_id, "created_at": iso(run["registered_at"]), "heartbeat_at": None,
                    "finished_at": request.body.get("finished_at"), "run_status": request.body["run_status"],
                    "tag_count": len(tags), "tags": ["%s=%s" % pair for pair in tags]},
            "processing": {"status": "ok", "rows": None if rows is None else len(rows),
                           "files": None if inline else len(data), "duration_ms": 1.5, "error": None}}

    def check_headers(self, request):
        names = [name.lower() for name, _ in request.headers]
        for name in names:
            if names.count(name) > 1:
                raise Refused(400, "header %s given twice" % name)
        for name, value in (("Content-Type", "application/json"), ("Accept", "application/json")):
            if request.header(name) != value:
                raise Refused(400, "%s is %r, not %s" % (name, request.header(name), value))
        if self.require_agent and not USER_AGENT.match(request.header("User-Agent") or ""):
            raise Refused(400, "User-Agent is %r" % request.header("User-Agent"))
        if request.header("Content-Length") is None:
            raise Refused(400, "no Content-Length")
        if request.header("Cookie") is not None:
            raise Refused(400, "a cookie")
        if request.header("Authorization") != "Bearer " + self.token:
            raise Refused(401, "Invalid or missing token")

    def decode(self, request):
        raw, encoding = request.raw, request.header("Content-Encoding")
        if self.max_body is not None and len(raw) > self.max_body:
            raise Refused(413, "Request entity too large")
        if encoding is not None:
            if encoding != "gzip":
                raise Refused(400, "Content-Encoding is %r" % encoding)
            if not self.gzip_accepted:
                raise Refused(422, [{"loc": ["body", 0], "msg": "JSON decode error", "type": "json_invalid"}])
            try:
                raw = gzip.decompress(raw)
            except (OSError, EOFError):
                raise Refused(400, "not gzip")
        if request.endpoint != "refresh":
            request.body = parse_json(raw)

    def read(self, request):
        try:
            request.body = json.loads(request.raw)
        except (ValueError, RecursionError):
            pass

    def carry_out(self, request):
        status, value = self.judge(request)
        return Answer(status, json.dumps(value).encode(), {})

    def judge(self, request):
        """Status and JSON value."""
        try:
            with self.lock:
                if request.endpoint is None:
                    raise Refused(404, "Not Found")
                if request.method != "POST":
                    raise Refused(405, "Method Not Allowed")
                self.check_headers(request)
                self.decode(request)
                return getattr(self, request.endpoint)(request)
        except Refused as refused:
            request.complain("%d %s" % (refused.status, refused.detail))
            return refused.status, {"detail": refused.detail}

    def locate(self, method, path, headers):
        """register, refresh or finish, and the run's ID."""
        match = None
        if path.startswith(self.base + "/"):
            match = re.match(r"/runs(?:/([^/]+)/(refresh-credentials|finish))?\Z", path[len(self.base):])
        if not match:
            return [None], {"run_id": None}
        names = {None: "register", "refresh-credentials": "refresh", "finish": "finish"}
        return [names[match.group(2)]], {"run_id": match.group(1)}


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    parser = argparse.ArgumentParser(description="A strict Sentinel API server for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", help="file that is rewritten with all requests and runs")
    parser.add_argument("--faults", default="[]", help='JSON list, e.g. [{"endpoint":"finish","which":1,"status":503}]')
    parser.add_argument("--token", default="test-token")
    parser.add_argument("--base", default="")
    words = parser.parse_args()
    server = SentinelServer(token=words.token, base=words.base, port=words.port, faults=json.loads(words.faults),
                            state_file=words.state)
    server.save()
    print(server.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
