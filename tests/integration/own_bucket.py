# SPDX-License-Identifier: Apache-2.0
"""A bucket of the user's own for tests: a strict S3 whose keys may put objects below one place and do nothing else, and
what stands in it afterwards. Standard library only.

    with BucketServer() as bucket:
        ... env=bucket.env() ...
        bucket.runs()[0].csv, .started, .ended, .key
        bucket.complaints()

Endpoints for faults beside those of s3_server.py: "start" and "end", the two documents of a run; "put N" are the objects
with its rows, and "put" is all of them. Whatever is no PUT of such an object is a complaint.
"""
import collections
import contextlib
import json
import pathlib
import re
import sys

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from s3_server import Grant, Refused, S3Server, unpack  # noqa: E402
from served import LocalTest  # noqa: E402

KEY = r"[0-9]{8}T[0-9]{6}Z-[A-Za-z0-9._-]+-[0-9]+-[0-9a-f]{16}"
DATE = r"date=([0-9]{4}-[0-9]{2}-[0-9]{2})"
OBJECT = re.compile(r"metrics/%s/run=(%s)/([0-9]{4,})\.csv\.gz\Z" % (DATE, KEY))
DOCUMENT = re.compile(r"(started|runs)/%s/(%s)\.json\Z" % (DATE, KEY))
ENDPOINTS = {"started": "start", "runs": "end"}

Stored = collections.namedtuple("Stored", "key date started ended objects csv rows")


class BucketServer(S3Server):
    def __init__(self, place="s3://bucket/fleet", session_token=None, **options):
        self.place = place
        super().__init__(**options)
        self.key = self.give("AKIA0123456789ABCDEF", "a-secret-of-somebodys-own+/=", session_token)

    def give(self, access_key, secret_key, session_token=None, lifetime=1e9):
        """Keys that may put objects, and nothing else."""
        grant = Grant(self.place, lifetime, access_key, secret_key, session_token)
        with self.lock:
            self.grants[access_key] = grant
        return grant

    def env(self, grant=None, **extra):
        grant = grant or self.key
        words = {"PILLION_S3_URI": self.place, "PILLION_S3_ENDPOINT": self.url, "AWS_REGION": self.region,
                 "AWS_ACCESS_KEY_ID": grant.access_key, "AWS_SECRET_ACCESS_KEY": grant.secret_key}
        if grant.session_token:
            words["AWS_SESSION_TOKEN"] = grant.session_token
        return dict(words, **extra)

    # ------------------------------------------------------------------------------------------ what a request is

    def locate(self, method, path, headers):
        _, fields = super().locate(method, path, headers)
        below = fields["uri"][len(self.place) + 1:] if fields["uri"].startswith(self.place + "/") else ""
        rows, document = OBJECT.match(below), DOCUMENT.match(below)
        fields.update(object=int(rows.group(3)) if rows else None, document=document.group(1) if document else None,
                      run=rows.group(2) if rows else document.group(3) if document else None)
        if method != "PUT" or not (rows or document):
            return [None], fields
        return ["put", "put %d" % fields["object"] if rows else ENDPOINTS[fields["document"]]], fields

    def admitted(self, request, handler):
        if request.endpoint != "put":
            return request.complain("%s %s is no object of a run" % (request.method, request.uri))
        for other, its_handler in self.under_way:
            if other.run == request.run and not its_handler.peer_left():
                request.complain("a PUT while that of %s is under way" % other.uri)
        self.under_way.append((request, handler))
        acknowledged = {uri.rsplit("/", 1)[1].replace(".json", "") for uri in self.acknowledged if "/started/" in uri}
        if request.document != "started" and request.run not in acknowledged:
            request.complain("before the run's beginning is there")
        if request.document == "runs":
            return
        if request.run in self.closed and not handler.peer_left():
            request.complain("a PUT after the end is there")
        if request.object:
            self.check_order(request, request.uri.rsplit("/", 1)[0])

    def settled(self, request):
        super().settled(request)
        with self.lock:
            if request.endpoint == "put" and request.document == "runs" and request.answer == 200:
                self.closed.add(request.run)

    def check_request(self, request):
        if request.document is None:
            return super().check_request(request)
        if request.header("Content-Type") != "application/json":
            raise Refused("InvalidArgument", "Content-Type is %r" % request.header("Content-Type"))
        request.headers = [[name, "application/gzip" if name.lower() == "content-type" else value]
                           for name, value in request.headers]
        super().check_request(request)

    def check_object(self, request):
        if request.document is None:
            return super().check_object(request)
        try:
            document = json.loads(request.raw)
        except ValueError as error:
            return request.complain("no JSON: %s" % error)
        if document.get("id") != request.run:
            request.complain("a document of %r" % document.get("id"))

    # ---------------------------------------------------------------------------------------------- what is there

    def read_all(self):
        """{key below the place: bytes}"""
        with self.lock:
            return {uri[len(self.place) + 1:]: data for uri, data in self.objects.items()}

    def runs(self):
        return stored_runs(self.read_all())

    def finished_runs(self):
        return [run for run in self.runs() if run.ended is not None]


def stored_runs(objects):
    """The runs among such objects, by their keys."""
    found = {}
    for name in sorted(objects, key=lambda name: (len(name), name)):
        rows, document = OBJECT.match(name), DOCUMENT.match(name)
        if not rows and not document:
            raise AssertionError("no object of a run: %s" % name)
        date, key = (rows.group(1), rows.group(2)) if rows else (document.group(2), document.group(3))
        run = found.setdefault((key, date), {"started": None, "runs": None, "objects": []})
        if rows:
            run["objects"].append(unpack(objects[name]).decode())
        else:
            run[document.group(1)] = json.loads(objects[name])
    stored = []
    for (key, date), run in sorted(found.items()):
        lines = [line for text in run["objects"] for line in text.split("\n")[1:-1]]
        csv = "".join(line + "\n" for line in [pillion.HEADER] + lines)
        stored.append(Stored(key, date, run["started"], run["runs"], run["objects"], csv, lines))
    return stored


class GatewayBucket:
    """The same interface to a place in a RADOS Gateway's bucket, for keys of a role that may put objects below it and do
    nothing else."""

    requests = ()

    def __init__(self, gateway, prefix, seconds=3600):
        self.gateway, self.prefix = gateway, prefix
        self.place = "s3://%s/%s" % (gateway.bucket, prefix)
        self.renew(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def renew(self, seconds=3600):
        self.keys = self.gateway.credentials(self.prefix, seconds)

    def env(self, **extra):
        return dict({"PILLION_S3_URI": self.place, "PILLION_S3_ENDPOINT": "", "AWS_ENDPOINT_URL_S3": self.gateway.url,
                     "AWS_ACCESS_KEY_ID": self.keys["access_key"], "AWS_SECRET_ACCESS_KEY": self.keys["secret_key"],
                     "AWS_SESSION_TOKEN": self.keys["session_token"]}, **extra)

    def read_all(self):
        return {key[len(self.prefix) + 1:]: self.gateway.read(key) for key in self.gateway.keys(self.prefix + "/")}

    def runs(self):
        return stored_runs(self.read_all())

    @staticmethod
    def complaints():
        return []


class BucketTest(LocalTest):
    """Runs that go to self.bucket."""

    bucket_options = {}

    def setUp(self):
        super().setUp()
        self.bucket = BucketServer(**self.bucket_options)
        self.addCleanup(self.bucket.stop)

    def env(self, **extra):
        return super().env(**dict(self.bucket.env(), **dict({"TRACKER_UPLOAD_INTERVAL": "1", "PILLION_INTERVAL": "0.05"},
                                                             **extra)))

    @contextlib.contextmanager
    def another(self, **options):
        with BucketServer(**options) as bucket:
            yield bucket
            self.assertEqual(bucket.complaints(), [])

    def assertDelivered(self, run, bucket=None):
        """This run is there once, with its beginning, its end and exactly the rows that are on disk."""
        bucket = self.bucket if bucket is None else bucket
        told = "%s\n%s" % (run.describe(), bucket.requests)
        mine = [one for one in bucket.runs() if one.key == run.get("key")]
        self.assertEqual(len(mine), 1, told)
        one = mine[0]
        self.assertEqual(run.get("state"), "finished", told)
        self.assertEqual(one.csv, run.csv.decode(), told)
        self.assertIsNotNone(one.started, told)
        self.assertIsNotNone(one.ended, told)
        self.assertEqual((one.date, one.ended["objects"]), (run.get("date"), len(one.objects)), told)
        self.assertEqual((one.started["state"], one.ended["state"]), ("running", "finished"))
        for name in ("started_at", "registration"):
            self.assertEqual(one.started[name], one.ended[name])
        return one

    def assertNoComplaints(self):
        self.assertEqual(self.bucket.complaints(), [])
