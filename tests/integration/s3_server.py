# SPDX-License-Identifier: Apache-2.0
"""A strict S3 server for tests, with scripted faults. Standard library only.

In a test:
    with S3Server() as s3, SentinelServer(s3=s3) as server:
        s3.fault("put", 2, status=503).fault("put 3", 1, drop_after=True)
        ... PILLION_S3_ENDPOINT=s3.url ...
        s3.objects, s3.stored("s3://bucket/prefix/run"), s3.requests, s3.of("put"), s3.complaints()

It keeps what is PUT below the prefix of credentials that it knows (`grant`), signed by Signature Version 4, in the order
of a run's objects, and refuses all else with the error document that S3 would send. Path-style addressing under its own
name or number, virtual-host style under any other name. HEAD of a bucket names its region.

Complaints are what no right client does. A refusal that a right client may meet (expired credentials, a clock or a region
that it could not know) is in `refusal` of the request alone.

Faults are those of strict_server.py on the endpoints "put" (all of them, numbered), "put N" (the attempts of the objects
of that number) and "head"; answers of no use have status 500. More actions:
    code="SlowDown", status=503         this error document (status: S3's own for that code)
    expire=True                         ExpiredToken, and the credentials of this request are no good from now on
"""
import datetime
import hashlib
import hmac
import pathlib
import re
import secrets
import sys
import time
import urllib.parse
import zlib

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402  the one table of columns, and the strict check of the CSV
from strict_server import Answer, StrictServer  # noqa: E402

# Amazon S3 API reference, "Error responses": the codes and their status.
CODES = {
    "AccessDenied": 403, "AuthorizationHeaderMalformed": 400, "BadDigest": 400, "EntityTooLarge": 400,
    "ExpiredToken": 400, "IncompleteBody": 400, "InternalError": 500, "InvalidAccessKeyId": 403, "InvalidArgument": 400,
    "InvalidObjectState": 403,
    "InvalidToken": 400, "MethodNotAllowed": 405, "MissingContentLength": 411, "MissingSecurityHeader": 400,
    "NoSuchBucket": 404, "NoSuchKey": 404, "NotImplemented": 501, "OperationAborted": 409, "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403, "RequestTimeTooSkewed": 403, "RequestTimeout": 400, "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403, "SlowDown": 503, "TokenRefreshRequired": 400, "XAmzContentSHA256Mismatch": 400,
}
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/([0-9]{8})/([^/, ]*)/([^/, ]+)/([^/, ]+), ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})\Z")
OBJECT_NAME = re.compile(r"([0-9]{4,})\.csv\.gz\Z")
OBJECT_ROWS_MAX = 256 << 10  # bytes of rows in one object
HERE = ("localhost", "127.0.0.1", "[::1]", "s3.amazonaws.com")


class Refused(Exception):
    """An error document. `met`: a right client may meet this one."""

    def __init__(self, code, message, met=False, headers=None, **elements):
        super().__init__(code, message)
        self.code, self.message, self.met, self.headers, self.elements = code, message, met, headers or {}, elements


# ------------------------------------------------------------------------------------------- Signature Version 4


def encode(text):
    return urllib.parse.quote(text, safe="/-._~")


def signing_key(secret_key, date, region, service):
    key = ("AWS4" + secret_key).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def signature(secret_key, when, region, method, path, headers, payload_hash, query="", service="s3"):
    """`path` and `query` as on the wire; `headers`: those that are signed, by lower-case name."""
    canonical = "\n".join(
        [method, path, query] + ["%s:%s" % (name, " ".join(headers[name].split())) for name in sorted(headers)] +
        ["", ";".join(sorted(headers)), payload_hash])
    scope = "/".join((when[:8], region, service, "aws4_request"))
    text = "\n".join(("AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canonical.encode("utf-8")).hexdigest()))
    return hmac.new(signing_key(secret_key, when[:8], region, service), text.encode(), hashlib.sha256).hexdigest()


def amz_date(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def seconds_of(when):
    try:
        return datetime.datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError:
        raise Refused("AccessDenied", "x-amz-date is %r" % when)


def unpack(data):
    """Of one gzip member and nothing else; None."""
    inflate = zlib.decompressobj(31)
    try:
        text = inflate.decompress(data)
        return text if inflate.eof and not inflate.unused_data else None
    except zlib.error:
        return None


# --------------------------------------------------------------------------------------------------------- server


class Grant:
    """Temporary credentials, good for what lies below one prefix."""

    def __init__(self, prefix, lifetime, access_key, secret_key, session_token):
        self.prefix, self.expires = prefix, time.time() + lifetime
        self.access_key, self.secret_key, self.session_token = access_key, secret_key, session_token
        self.dead = None  # the code that says so


class S3Server(StrictServer):
    """max_skew: seconds that a request's time may be off `clock_offset`. moved: the code of the answer to a request for
    another region, AuthorizationHeaderMalformed or PermanentRedirect."""

    content_type = "application/xml"
    odd_status = 500
    mishaps = (dict(status=500), dict(code="SlowDown"), dict(code="InternalError"), dict(code="RequestTimeout"),
               dict(drop=True), dict(drop_after=True), dict(truncate=True), dict(garbage=True), dict(hang=0.3),
               dict(slow=0.001), dict(text="<Error><Code>Slow"), dict(expire=True))

    def __init__(self, region="eu-central-1", host="127.0.0.1", port=0, up=True, certificate=None, faults=(),
                 max_skew=900, moved="AuthorizationHeaderMalformed"):
        self.region, self.max_skew, self.moved = region, max_skew, moved
        self.grants = {}
        self.objects = {}  # URI -> bytes, in the order in which they were first stored
        self.attempted = {}  # URI -> hash of the bytes that first came for it
        self.acknowledged = set()  # URIs whose 200 was sent
        self.closed = set()  # prefixes whose run is finished
        self.under_way = []  # (request, handler) of PUTs that are not settled
        super().__init__(host, port, up, certificate, faults)

    def env(self, **extra):
        return dict({"PILLION_S3_ENDPOINT": self.url}, **extra)

    def grant(self, prefix, lifetime=3600, access_key=None, secret_key=None, session_token=None):
        grant = Grant(prefix, lifetime, access_key or "ASIA" + secrets.token_hex(8).upper(),
                      secret_key or secrets.token_hex(20), session_token or secrets.token_hex(60))
        with self.lock:
            self.grants[grant.access_key] = grant
        return grant

    def revoke(self, code="ExpiredToken"):
        with self.lock:
            for grant in self.grants.values():
                grant.dead = code

    def close(self, prefix):
        """Nothing is to come below this prefix any more."""
        with self.lock:
            self.closed.add(prefix)

    def stored(self, prefix):
        """The objects of one run: {URI: bytes} in the order of their numbers."""
        with self.lock:
            mine = [uri for uri in self.objects if uri.rsplit("/", 1)[0] == prefix]
            return {uri: self.objects[uri] for uri in sorted(mine, key=lambda uri: (len(uri), uri))}

    # ------------------------------------------------------------------------------------------ what a request is

    def locate(self, method, path, headers):
        host = next((value for name, value in headers if name.lower() == "host"), "")
        name = re.sub(r":[0-9]+\Z", "", host)
        plain, _, query = path.partition("?")
        rest = urllib.parse.unquote(plain[1:], errors="replace")
        if name in HERE or re.match(r"s3[.-][a-z0-9-]+\.amazonaws\.com\Z", name):
            bucket, _, key = rest.partition("/")
        else:
            bucket, key = re.sub(r"\.s3[.-].*", "", name), rest
        fields = {"bucket": bucket, "key": key, "plain_path": plain, "query": query, "uri": "s3://%s/%s" % (bucket, key),
                  "refusal": None, "grant": None, "object": None}
        if method == "PUT" and key:
            match = OBJECT_NAME.match(key.rsplit("/", 1)[-1])
            fields["object"] = int(match.group(1)) if match else None
            return ["put", "put %s" % fields["object"]], fields
        return ["head" if method == "HEAD" and not key else None], fields

    def admitted(self, request, handler):
        if request.endpoint != "put":
            return
        prefix = request.uri.rsplit("/", 1)[0]
        for other, its_handler in self.under_way:
            if other.uri.rsplit("/", 1)[0] == prefix and not its_handler.peer_left():
                request.complain("a PUT while that of %s is under way" % other.uri)
        self.under_way.append((request, handler))
        if prefix in self.closed and not handler.peer_left():  # else it was given up before, and is seen late
            request.complain("a PUT after the run was finished")
        self.check_order(request, prefix)

    def check_order(self, request, prefix):
        """Each object after the one before it was acknowledged, and none again once the next is there."""
        number = request.object
        name = "%04d.csv.gz" % (number or 0)
        if not number or not request.uri.endswith("/" + name):
            return request.complain("no object of a run: %s" % request.uri)
        if number > 1 and "%s/%04d.csv.gz" % (prefix, number - 1) not in self.acknowledged:
            request.complain("object %d before %d was acknowledged" % (number, number - 1))
        if "%s/%04d.csv.gz" % (prefix, number + 1) in self.attempted:
            request.complain("object %d again after %d" % (number, number + 1))

    def read(self, request):
        if request.endpoint != "put" or request.header("If-None-Match"):
            return
        digest = hashlib.sha256(request.raw).hexdigest()
        with self.lock:
            if self.attempted.setdefault(request.uri, digest) != digest:
                request.complain("other bytes for %s than before" % request.uri)

    def settled(self, request):
        with self.lock:
            self.under_way = [pair for pair in self.under_way if pair[0] is not request]
            if request.endpoint == "put" and request.answer in (200, 201):
                self.acknowledged.add(request.uri)

    # ------------------------------------------------------------------------------------- carrying requests out

    def carry_out(self, request):
        try:
            with self.lock:
                if request.endpoint == "head":
                    raise Refused("AccessDenied", "anonymous", met=True, headers={"x-amz-bucket-region": self.region})
                if request.endpoint != "put":
                    raise Refused("MethodNotAllowed", "The specified method is not allowed against this resource.")
                self.authenticate(request)
                self.check_request(request)
                self.check_object(request)
                if request.header("If-None-Match") == "*" and request.uri in self.objects:
                    raise Refused("PreconditionFailed", "A precondition that you specified did not hold.", met=True)
                self.objects[request.uri] = request.raw
                return Answer(200, b"", {"ETag": '"%s"' % hashlib.md5(request.raw).hexdigest(),
                                         "x-amz-request-id": secrets.token_hex(8).upper()})
        except Refused as refused:
            return self.refuse(request, refused)

    def refuse(self, request, refused):
        request.refusal = refused.code
        if not refused.met:
            request.complain("%s: %s" % (refused.code, refused.message))
        elements = dict({"Code": refused.code, "Message": refused.message}, **refused.elements)
        elements.update(RequestId=secrets.token_hex(8).upper(), HostId=secrets.token_hex(28))
        escape = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
        text = "".join("<%s>%s</%s>" % (name, "".join(escape.get(c, c) for c in str(value)), name)
                       for name, value in elements.items())
        return Answer(CODES[refused.code], ('<?xml version="1.0" encoding="UTF-8"?>\n<Error>%s</Error>' % text).encode(),
                      refused.headers)

    def script(self, request, fault):
        if fault.get("expire"):
            match = AUTHORIZATION.match(request.header("Authorization") or "")
            grant = self.grants.get(match.group(1)) if match else None
            if grant is not None:
                grant.dead = "ExpiredToken"
            fault = {"code": "ExpiredToken"}
        if "code" not in fault:
            return None
        answer = self.refuse(request, Refused(fault["code"], "scripted", met=True))
        return answer._replace(status=fault.get("status", answer.status), headers=fault.get("headers", {}))

    def authenticate(self, request):
        for name, _ in request.headers:
            if len(request.all_headers(name)) > 1:
                raise Refused("InvalidArgument", "header %s given twice" % name)
        match = AUTHORIZATION.match(request.header("Authorization") or "")
        if not match:
            raise Refused("AccessDenied", "Authorization is %r" % request.header("Authorization"))
        access_key, date, region, service, last, names, given = match.groups()
        if (service, last) != ("s3", "aws4_request"):
            raise Refused("AuthorizationHeaderMalformed", "scope ends in %s/%s" % (service, last))
        self.check_region(region)
        when = request.header("x-amz-date") or ""
        self.check_clock(when)
        if when[:8] != date:
            raise Refused("AuthorizationHeaderMalformed", "x-amz-date is of another day than the scope")
        grant = request.grant = self.find_grant(access_key, request.header("x-amz-security-token"))
        signed = self.signed_headers(request, names)
        payload_hash = hashlib.sha256(request.raw).hexdigest()
        if request.header("x-amz-content-sha256") != payload_hash:
            raise Refused("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match.")
        right = signature(grant.secret_key, when, region, request.method, request.plain_path, signed, payload_hash,
                          request.query)
        if not hmac.compare_digest(right, given) or encode(urllib.parse.unquote(request.plain_path)) != request.plain_path:
            raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not match.")

    def check_region(self, region):
        if region == self.region:
            return
        message = "the region '%s' is wrong; expecting '%s'" % (region, self.region)
        if self.moved == "PermanentRedirect":
            raise Refused(self.moved, message, met=True, headers={"x-amz-bucket-region": self.region})
        raise Refused(self.moved, message, met=True, Region=self.region)

    def check_clock(self, when):
        if abs(seconds_of(when) - self.now()) > self.max_skew:
            raise Refused("RequestTimeTooSkewed", "The difference between the request time and the current time is too "
                          "large.", met=self.clock_offset != 0, RequestTime=when, ServerTime=amz_date(self.now()),
                          MaxAllowedSkewMilliseconds=self.max_skew * 1000)

    def find_grant(self, access_key, token):
        grant = self.grants.get(access_key)
        if grant is None:
            raise Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if token != grant.session_token:
            raise Refused("InvalidToken", "The provided token is malformed or otherwise invalid.")
        if grant.dead or time.time() >= grant.expires:
            raise Refused(grant.dead or "ExpiredToken", "The provided token has expired.", met=True)
        return grant

    @staticmethod
    def signed_headers(request, names):
        names = names.split(";")
        if names != sorted(set(names)):
            raise Refused("AuthorizationHeaderMalformed", "SignedHeaders are not in order")
        present = {name.lower(): value for name, value in request.headers}
        unsigned = [name for name in present if name.startswith("x-amz-") and name not in names]
        if "host" not in names or unsigned or not set(names) <= set(present):
            raise Refused("AccessDenied", "There were headers present in the request which were not signed: %s" % unsigned)
        return {name: present[name] for name in names}

    def check_request(self, request):
        if request.query:
            raise Refused("InvalidArgument", "a query")
        if request.header("Transfer-Encoding") is not None:
            raise Refused("NotImplemented", "Transfer-Encoding")
        if request.header("Content-Length") is None:
            raise Refused("MissingContentLength", "You must provide the Content-Length HTTP header.")
        if request.header("Content-Type") != "application/gzip":
            raise Refused("InvalidArgument", "Content-Type is %r" % request.header("Content-Type"))
        for name in ("Content-Encoding", "Cookie"):
            if request.header(name) is not None:
                raise Refused("InvalidArgument", "a %s" % name)
        if not request.uri.startswith(request.grant.prefix + "/"):
            raise Refused("AccessDenied", "%s is not below %s" % (request.uri, request.grant.prefix))

    @staticmethod
    def check_object(request):
        """S3 itself would take whatever it is: complaints, no refusals."""
        text = unpack(request.raw)
        if text is None:
            return request.complain("not gzip")
        try:
            pillion.check_csv(text)
        except (pillion.CsvError, UnicodeError) as error:
            return request.complain("no CSV: %s" % error)
        if len(text) - len(pillion.HEADER) - 1 > OBJECT_ROWS_MAX:
            request.complain("%d bytes of rows" % len(text))
