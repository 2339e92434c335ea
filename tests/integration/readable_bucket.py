# SPDX-License-Identifier: Apache-2.0
"""A strict S3 that is read too: ListObjectsV2 and GET, and runs that are put into it as programs would. Standard library
only.

    with ReadableServer() as bucket:
        run = bucket.add_run(state, csv, batch=20)
        ... pillion list s3://bucket/fleet, env=bucket.env() ...
        bucket.of("list"), bucket.of("get"), bucket.complaints()

Endpoints for faults: "list" and "get". A page has `page` keys. Objects in `locked`, {URI: code}, are not
given, nor are lists of what begins so. After `meet(N)` none is given before N are asked for at once.
"""
import email.utils
import gzip
import hashlib
import json
import pathlib
import sys
import threading
import time
import urllib.parse

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import made_bucket  # noqa: E402
from s3_server import Grant, Refused, S3Server, amz_date  # noqa: E402, F401
from strict_server import Answer  # noqa: E402


class Reads:
    """For a server whose `objects` are {URI: bytes}."""

    page = 1000
    locked = {}
    met = None

    def meet(self, number):
        self.expected, self.met = number, threading.Event()

    def locate(self, method, path, headers):
        names, fields = super().locate(method, path, headers)
        if method != "GET":
            return names, fields
        fields["asked"] = dict(urllib.parse.parse_qsl(fields["query"], keep_blank_values=True))
        return ["list" if not fields["key"] else "get"], fields

    def admitted(self, request, handler):
        if request.endpoint not in ("get", "list"):
            super().admitted(request, handler)

    def carry_out(self, request):
        if request.endpoint not in ("get", "list"):
            return super().carry_out(request)
        if self.met and request.endpoint == "get":
            with self.lock:
                self.expected -= 1
            if self.expected <= 0:
                self.met.set()
            elif not self.met.wait(20):
                request.complain("nobody asked for so many objects at once")
                self.met.set()
        try:
            with self.lock:
                self.authenticate(request)
                return self.list(request) if request.endpoint == "list" else self.get(request)
        except Refused as refused:
            return self.refuse(request, refused)

    def get(self, request):
        if request.query or request.raw:
            request.complain("a query, or a body")
        if request.uri not in self.objects:
            raise Refused("NoSuchKey", "The specified key does not exist.", met=True)
        if request.uri in self.locked:
            raise Refused(self.locked[request.uri], "scripted", met=True)
        body = self.objects[request.uri]
        return Answer(200, body, {"ETag": '"%s"' % self.etag(request.uri),
                                  "Last-Modified": email.utils.formatdate(self.time_of(request.uri), usegmt=True)})

    def etag(self, uri):
        return hashlib.md5(self.objects[uri]).hexdigest()

    def time_of(self, uri):
        return getattr(self, "times", {}).get(uri, time.time())

    def list(self, request):
        asked = request.asked
        names = [part.partition("=")[0] for part in request.query.split("&")]
        if asked.get("list-type") != "2" or asked.get("encoding-type") != "url" or names != sorted(names):
            request.complain("no list as it should be: %s" % request.query)
        start = "s3://%s/" % request.bucket
        if start + asked.get("prefix", "") in self.locked:
            raise Refused(self.locked[start + asked["prefix"]], "scripted", met=True)
        keys = sorted((uri[len(start):] for uri in self.objects if uri.startswith(start)), key=lambda key: key.encode())
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter")
        token = asked.get("continuation-token")
        after = bytes.fromhex(token[2:]).decode() if token else asked.get("start-after", "")
        found, truncated = [], False
        for key in keys:
            if not key.startswith(prefix):
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if end < 0 else key[:end + 1]
            if name <= after or (found and found[-1][0] == name):
                continue
            if len(found) == self.page:
                truncated = True
                break
            found.append((name, start + key if end < 0 else None))
        quote = urllib.parse.quote_plus
        text = ['<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
                "<Name>%s</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><EncodingType>url</EncodingType>"
                "<IsTruncated>%s</IsTruncated>" % (request.bucket, quote(prefix, safe="/"), len(found), self.page,
                                                   str(truncated).lower())]
        if truncated:
            text.append("<NextContinuationToken>1/%s</NextContinuationToken>" % found[-1][0].encode().hex())
        for name, uri in found:
            if uri is None:
                text.append("<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % quote(name, safe="/"))
            else:
                modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.time_of(uri)))
                text.append("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%d</Size>"
                            "<StorageClass>STANDARD</StorageClass></Contents>"
                            % (quote(name, safe="/"), modified, self.etag(uri), len(self.objects[uri])))
        return Answer(200, "".join(text + ["</ListBucketResult>"]).encode(), {})


class ReadableServer(Reads, S3Server):
    def __init__(self, place="s3://bucket/fleet", **options):
        self.place, self.times, self.locked = place, {}, {}
        super().__init__(**options)
        self.key = Grant(place, 1e9, "AKIA0123456789ABCDEF", "a-secret-of-somebodys-own+/=", None)
        self.grants[self.key.access_key] = self.key

    def env(self, **extra):
        return dict({"PILLION_S3_ENDPOINT": self.url, "AWS_REGION": self.region, "AWS_ACCESS_KEY_ID": self.key.access_key,
                     "AWS_SECRET_ACCESS_KEY": self.key.secret_key}, **extra)

    def put(self, name, data, seconds=None):
        """An object below the place, `seconds` since 1970 old."""
        with self.lock:
            uri = "%s/%s" % (self.place, name)
            self.objects[uri] = data if isinstance(data, bytes) else data.encode()
            self.times[uri] = time.time() if seconds is None else seconds

    def remove(self, name):
        with self.lock:
            del self.objects["%s/%s" % (self.place, name)]

    def add_run(self, found, csv=None, batch=50, ended=True, number=1, last=None, share=()):
        """As a program would put it: `found` is made_runs.state's; its key is returned. `last`: when its last object was
        stored; `share`: as in PILLION_SHARE."""
        began = found["started_at"]
        key = "%s-%s" % (found["id"], "%016x" % number)
        date = "date=%s" % began[:10]
        found = dict(found, key=key)
        self.put("started/%s/%s.json" % (date, key), json.dumps(made_bucket.document(found, False, share)), last)
        parts = batches(csv, batch) if csv else []
        for number, text in enumerate(parts, 1):
            self.put("metrics/%s/run=%s/%04d.csv.gz" % (date, key, number), gzip.compress(text.encode(), mtime=0), last)
        if ended:
            self.put("runs/%s/%s.json" % (date, key), json.dumps(dict(made_bucket.document(found, True, share), objects=len(parts))), last)
        return key


def batches(csv, size):
    """Each with the line of names."""
    header, *rows = csv.splitlines(keepends=True)
    return [header + "".join(rows[at:at + size]) for at in range(0, len(rows), size)]
