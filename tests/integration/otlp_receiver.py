# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP over HTTP that takes a request only if it is exactly what the specification says, and that may be in
any mood. What is exact is written down here by hand, from opentelemetry-proto (metrics.proto, common.proto,
resource.proto, docs/specification.md, "JSON Protobuf Encoding") and semantic-conventions 1.44."""
import http.server
import json
import re
import socket
import threading
import time

# Messages: {member of the JSON mapping: type}; a list is a repeated field. Members of a oneof stand in ONEOF.
MESSAGES = {
    "ExportMetricsServiceRequest": {"resourceMetrics": ["ResourceMetrics"]},
    "ResourceMetrics": {"resource": "Resource", "scopeMetrics": ["ScopeMetrics"], "schemaUrl": "string"},
    "Resource": {"attributes": ["KeyValue"], "droppedAttributesCount": "uint32"},
    "ScopeMetrics": {"scope": "InstrumentationScope", "metrics": ["Metric"], "schemaUrl": "string"},
    "InstrumentationScope": {"name": "string", "version": "string", "attributes": ["KeyValue"]},
    "KeyValue": {"key": "string", "value": "AnyValue"},
    "AnyValue": {"stringValue": "string", "boolValue": "bool", "intValue": "int64", "doubleValue": "double"},
    "Metric": {"name": "string", "description": "string", "unit": "string", "gauge": "Gauge", "sum": "Sum"},
    "Gauge": {"dataPoints": ["NumberDataPoint"]},
    "Sum": {"dataPoints": ["NumberDataPoint"], "aggregationTemporality": "enum", "isMonotonic": "bool"},
    "NumberDataPoint": {"attributes": ["KeyValue"], "startTimeUnixNano": "fixed64", "timeUnixNano": "fixed64",
                        "asDouble": "double", "asInt": "int64", "flags": "uint32"},
}
ONEOF = {"AnyValue": {"stringValue", "boolValue", "intValue", "doubleValue"}, "Metric": {"gauge", "sum"},
         "NumberDataPoint": {"asDouble", "asInt"}}
NEEDED = {"ResourceMetrics": {"resource", "scopeMetrics"}, "KeyValue": {"key", "value"}, "Metric": {"name", "unit"},
          "ScopeMetrics": {"scope", "metrics"}, "InstrumentationScope": {"name"}, "Gauge": {"dataPoints"},
          "Sum": {"dataPoints", "aggregationTemporality", "isMonotonic"}, "NumberDataPoint": {"timeUnixNano"}}
INTEGERS = {"int64": (-2**63, 2**63 - 1), "fixed64": (0, 2**64 - 1)}
MODES, DISK, NET = {"user", "system", "interrupt"}, {"read", "write"}, {"receive", "transmit"}

# Metrics: {name: (kind, unit, value, attributes with their values; None: any)}. Those of the conventions, and our own.
METRICS = {
    "process.cpu.time": ("counter", "s", "asDouble", {"cpu.mode": MODES}),
    "process.memory.usage": ("updowncounter", "By", "asInt", {}),
    "process.disk.io": ("counter", "By", "asInt", {"disk.io.direction": DISK}),
    "system.cpu.time": ("counter", "s", "asDouble", {"cpu.mode": MODES}),
    "system.cpu.logical.count": ("updowncounter", "{cpu}", "asInt", {}),
    "system.memory.usage": ("updowncounter", "By", "asInt", {"system.memory.state": {"used", "free", "buffers", "cached"}}),
    "system.memory.limit": ("updowncounter", "By", "asInt", {}),
    "system.disk.io": ("counter", "By", "asInt", {"disk.io.direction": DISK}),
    "system.filesystem.usage": ("updowncounter", "By", "asInt", {"system.filesystem.state": {"used", "free"}}),
    "system.filesystem.limit": ("updowncounter", "By", "asInt", {}),
    "system.network.io": ("counter", "By", "asInt", {"network.io.direction": NET}),
    "system.process.count": ("updowncounter", "{process}", "asInt", {}),
    "hw.gpu.utilization": ("gauge", "1", "asDouble", {"hw.id": None, "hw.gpu.task": {"general"}}),
    "hw.gpu.memory.usage": ("updowncounter", "By", "asInt", {"hw.id": None}),
    "hw.power": ("gauge", "W", "asDouble", {"hw.id": None, "hw.type": {"gpu"}}),
    "hw.temperature": ("gauge", "Cel", "asInt", {"hw.id": None, "hw.type": {"gpu"}}),
    "pillion.process.children": ("updowncounter", "{process}", "asInt", {}),
    "pillion.process.gpu.utilization": ("gauge", "1", "asDouble", {}),
    "pillion.process.gpu.memory.usage": ("updowncounter", "By", "asInt", {}),
    "pillion.hw.gpu.utilization": ("gauge", "1", "asDouble", {"hw.id": None}),
    "pillion.hw.gpu.memory.usage": ("updowncounter", "By", "asInt", {"hw.id": None}),
}
CUMULATIVE = 2


class Wrong(Exception):
    pass


def check(value, kind, where):
    """A value of a message by the JSON mapping."""
    if isinstance(kind, list):
        if not isinstance(value, list):
            raise Wrong("%s is no list" % where)
        for number, one in enumerate(value):
            check(one, kind[0], "%s[%d]" % (where, number))
    elif kind in MESSAGES:
        check_message(value, kind, where)
    elif kind in INTEGERS:
        if not isinstance(value, str) or not re.fullmatch(r"0|-?[1-9][0-9]*", value):
            raise Wrong("%s: a 64-bit integer is a decimal string, not %r" % (where, value))
        if not INTEGERS[kind][0] <= int(value) <= INTEGERS[kind][1]:
            raise Wrong("%s: %s does not fit" % (where, value))
    elif kind in ("uint32", "enum"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Wrong("%s: %r is no %s" % (where, value, kind))
    elif not isinstance(value, {"string": str, "bool": bool, "double": float}[kind]):
        raise Wrong("%s: %r is no %s" % (where, value, kind))


def check_message(value, kind, where):
    if not isinstance(value, dict):
        raise Wrong("%s is no object" % where)
    if value.keys() - MESSAGES[kind].keys():
        raise Wrong("%s has %s, which no %s has" % (where, sorted(value.keys() - MESSAGES[kind].keys()), kind))
    if NEEDED.get(kind, set()) - value.keys():
        raise Wrong("%s lacks %s" % (where, sorted(NEEDED[kind] - value.keys())))
    if kind in ONEOF and len(ONEOF[kind] & value.keys()) != 1:
        raise Wrong("%s: exactly one of %s" % (where, sorted(ONEOF[kind])))
    for name, one in value.items():
        check(one, MESSAGES[kind][name], "%s.%s" % (where, name))


def attributes_of(pairs, where):
    names = [pair["key"] for pair in pairs]
    if len(set(names)) != len(names) or "" in names:
        raise Wrong("%s: attribute keys are unique, and not empty: %s" % (where, names))
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


def check_metric(metric):
    """{(name, attribute values): (start, time, value)} of its points."""
    name, found = metric["name"], {}
    if name not in METRICS:
        raise Wrong("no metric is called %s" % name)
    kind, unit, value, attributes = METRICS[name]
    data = metric.get("sum") or metric.get("gauge")
    if ("gauge" in metric) != (kind == "gauge") or metric["unit"] != unit:
        raise Wrong("%s is a %s in %s" % (name, kind, unit))
    if "sum" in metric and (data["aggregationTemporality"] != CUMULATIVE or data["isMonotonic"] != (kind == "counter")):
        raise Wrong("%s: a %s is cumulative, and %s" % (name, kind, data))
    if not data["dataPoints"]:
        raise Wrong("%s has no data point" % name)
    for point in data["dataPoints"]:
        told = attributes_of(point["attributes"], name)
        if told.keys() != attributes.keys() or any(allowed and told[key] not in allowed for key, allowed in attributes.items()):
            raise Wrong("%s has %s" % (name, told))
        if value not in point or ("startTimeUnixNano" in point) != (kind != "gauge"):
            raise Wrong("%s has %s" % (name, point))
        start, now = int(point.get("startTimeUnixNano", 0)), int(point["timeUnixNano"])
        if not start < now:
            raise Wrong("%s begins at %d and is of %d" % (name, start, now))
        key = (name,) + tuple(told.values())
        if key in found:
            raise Wrong("%s twice" % (key,))
        found[key] = (start, now, float(point[value]))
    return found


class Row:
    """A request that was taken: the resource, and {(metric, attribute values): (start, time, value)}."""

    def __init__(self, text):
        message = json.loads(text)
        check(message, "ExportMetricsServiceRequest", "request")
        self.is_empty = message["resourceMetrics"] == []
        if self.is_empty:
            return
        (resource,) = message["resourceMetrics"]
        (scope,) = resource["scopeMetrics"]
        self.resource = attributes_of(resource["resource"]["attributes"], "resource")
        for name in ("service.name", "service.instance.id"):
            if not self.resource.get(name):
                raise Wrong("the resource has no %s" % name)
        self.scope, self.points, names = scope["scope"], {}, [metric["name"] for metric in scope["metrics"]]
        if len(set(names)) != len(names):
            raise Wrong("a metric stands there twice: %s" % names)
        for metric in scope["metrics"]:
            self.points.update(check_metric(metric))
        times = {now for _, now, _ in self.points.values()}
        if len(times) != 1:
            raise Wrong("a row is of one moment, not of %s" % times)
        (self.time,) = times

    def __getitem__(self, key):
        return self.points[key][2]


def check_order(rows):
    """Rows of one run: times rise, counters do not fall, their beginning stays."""
    for before, after in zip(rows, rows[1:]):
        if not before.time < after.time:
            raise Wrong("times do not rise: %d, %d" % (before.time, after.time))
        if before.resource != after.resource:
            raise Wrong("another resource: %s, %s" % (before.resource, after.resource))
        for key, (start, _, value) in after.points.items():
            old = before.points.get(key)
            if old and old[0] != start:
                raise Wrong("%s begins at %d, before at %d" % (key, start, old[0]))
            if old and METRICS[key[0]][0] == "counter" and value < old[2]:
                raise Wrong("%s falls from %r to %r" % (key, old[2], value))


class OtlpReceiver:
    """`mood(number)` is asked with the number of the request, from 0, and returns None to take it, seconds to wait before
    that, or a status with headers and body; "hang", "close", "garbage" and "refuse" say themselves."""

    def __init__(self, mood=None, path="/v1/metrics"):
        self.mood = mood if callable(mood) else lambda number: mood
        self.path, self.rows, self.complaints, self.headers, self.requests = path, [], [], [], 0
        self.empty = 0
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # programs that end cut connections off
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self._server.server_port

    def stop(self):
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def checked(self):
        """The rows of one run, in order; Wrong if anything was."""
        if self.complaints:
            raise Wrong("\n".join(self.complaints))
        check_order(self.rows)
        return self.rows

    def take(self, handler, text):
        """What is answered: (status, headers, body); None: the connection is closed."""
        with self._lock:
            number, self.requests = self.requests, self.requests + 1
            self.headers.append(list(handler.headers.items()))
        mood = self.mood(number)
        if isinstance(mood, (int, float)):
            self._stop.wait(mood)
            mood = None
        if mood == "hang":
            self._stop.wait(60)
            return None
        if mood == "close":
            return None
        if mood == "garbage":
            handler.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            return None
        if mood == "nonsense":
            return 200, {"Content-Type": "text/html"}, b"<html>" + b"x" * 1000
        if mood == "endless":
            return 200, {"Content-Type": "application/json"}, b" " * 1_000_000
        with self._lock:
            try:
                if (handler.command, handler.path) != ("POST", self.path):
                    raise Wrong("%s %s" % (handler.command, handler.path))
                if handler.headers.get_all("Content-Type") != ["application/json"]:
                    raise Wrong("Content-Type: %s" % handler.headers.get_all("Content-Type"))
                row = Row(text)
                if row.is_empty:
                    self.empty += 1
                elif mood is None or mood[0] < 300:
                    self.rows.append(row)
            except (Wrong, ValueError, KeyError) as error:
                self.complaints.append("%s: %s" % (type(error).__name__, error))
                return 400, {"Content-Type": "application/json"}, json.dumps({"message": str(error)[:100]}).encode()
        return mood or (200, {"Content-Type": "application/json"}, b"{}")

    def _handler(receiver):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver.take(self, text)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        return Handler


class DeafPort:
    """A port on which nobody listens ("refuse"), or whose connections are never taken ("deaf")."""

    def __init__(self, listens):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._fill = []
        if listens:
            self._socket.listen(0)
            for _ in range(3):  # the queue is full: what comes now gets no answer to its SYN
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(self._socket.getsockname())
                self._fill.append(one)
            time.sleep(0.05)
        self.url = "http://127.0.0.1:%d" % self._socket.getsockname()[1]

    def stop(self):
        for one in self._fill + [self._socket]:
            one.close()
