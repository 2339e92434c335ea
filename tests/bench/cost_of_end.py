# SPDX-License-Identifier: Apache-2.0
"""How long a leader takes to end when its run is delivered to an API and an S3 on loopback, against a program that
makes the same requests by sentinel.h: from the end of main until it is reaped."""
import gzip
import os
import statistics
import subprocess
import time

from measure import BENCH, QUICK_SECONDS, CannotMeasure, line_of, pillion, rounds_of
from s3_server import S3Server
from sentinel_server import SentinelServer

BUDGET = 50  # ms
PROGRAM = BENCH / "bench_end"
AGAINST = "a program that makes these requests with sentinel.h; %.1f ms of it"


def milliseconds(words, env):
    """From the instant that bench_end tells until it is reaped."""
    process = subprocess.Popen([str(PROGRAM)] + words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    _, status, _ = os.wait4(process.pid, 0)
    ended = time.monotonic_ns()
    process.returncode = status
    told, wrong = process.communicate()
    if status:
        raise CannotMeasure("bench_end %s: %d, %s" % (words, status, wrong.decode(errors="replace")))
    return (ended - int(told)) / 1e6


class Servers:
    """An API and an S3, and one run's rows as files for the program to send."""

    def __init__(self):
        self.s3 = S3Server()
        self.api = SentinelServer(s3=self.s3)
        self.folder, self.state = pillion.fresh_folder(), pillion.fresh_folder()
        self.env = pillion.clean_env(pillion_dir=self.state, PILLION_INTERVAL="0.1", TRACKER_UPLOAD_INTERVAL="1",
                                     PILLION_CLOUD="off", **self.api.env())

    def stop(self):
        self.api.stop()
        self.s3.stop()

    def lead(self, seconds, source):
        """A leader's end; its run has to be finished with this data_source."""
        before = len(self.api.finished_runs())
        took = milliseconds([str(seconds), "--"], pillion.preloaded(self.env))
        finished = self.api.finished_runs()[before:]
        if [run["finish"]["data_source"] for run in finished] != [source]:
            raise CannotMeasure("the leader finished %s, not one run by %s" % (finished, source))
        return took

    def write_rows(self):
        """As the last leader has written them: whole, and in two objects."""
        csv = pillion.runs(self.state)[-1].csv
        header, *rows = csv.decode().splitlines(True)
        (self.folder / "rows").write_bytes(csv)
        for number, part in enumerate((rows[:-1] or rows, rows[-1:]), 1):
            (self.folder / str(number)).write_bytes(gzip.compress((header + "".join(part)).encode()))


def compare(servers, name, seconds, source, start, end, rounds):
    """`start`, `end`: what the program requests before and after its sleep; a leader does the same by itself."""
    def same():
        return milliseconds([str(seconds)] + start + ["--"] + end, servers.env)

    servers.lead(seconds, source)
    servers.write_rows()
    figures = rounds_of({"leader": lambda: servers.lead(seconds, source), "program": same}, *rounds, warm=False)
    beyond = [leader - program for leader, program in zip(figures["leader"], figures["program"])]
    return line_of("end: " + name, beyond, BUDGET, "ms", AGAINST % statistics.median(figures["program"]))


def end(quick):
    if not PROGRAM.exists():
        raise CannotMeasure("%s is not there" % PROGRAM)
    servers, few = Servers(), (5, QUICK_SECONDS) if quick else None
    inline, *objects = [word + str(servers.folder / name) for word, name in
                        (("inline=", "rows"), ("put=", "1"), ("put=", "2"))]
    try:
        return [
            compare(servers, "register, finish inline", 0.02, "inline", [], ["register", inline], few or (50, 17)),
            compare(servers, "finish inline", 0.4, "inline", ["register"], [inline], few or (20, 17)),
            compare(servers, "last object, finish by S3", 1.5, "s3", ["register", objects[0]], [objects[1], "s3"],
                    few or (8, 25))]
    finally:
        servers.stop()
