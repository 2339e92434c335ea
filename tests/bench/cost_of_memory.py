# SPDX-License-Identifier: Apache-2.0
"""Memory that a leader has for itself: while it samples, during TLS with the system's certificates, and over a long
life.

Counted is what no file holds (Anonymous and Swap of smaps_rollup): pages of the engine's file that only one process
maps are Private_Clean, come from the page cache and go when the machine wants them; they are told apart."""
import pathlib
import statistics
import time

from certificates import Authority
from measure import CannotMeasure, Line, Sleeper, count_rows, memory_kib, own_kib, pillion, quartiles, wait_for_rows
from s3_server import S3Server
from sentinel_server import SentinelServer

BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
WITHOUT = "the same program without a preload"
SLEEP = ["sleep", "1000"]


def without():
    """KiB of the program alone."""
    with Sleeper(SLEEP, pillion.clean_env()) as pid:
        time.sleep(0.3)
        return own_kib(pid), memory_kib(pid, "Private_Clean")


def span(values, what):
    return "%.3f to %.3f MiB, %d %s" % (*[one / 1024 for one in quartiles(values)], len(values), what)


def sampling(quick):
    alone, alone_clean = without()
    state = pillion.fresh_folder()
    env = pillion.clean_env(pillion_dir=state, PILLION_INTERVAL="0.1")
    with Sleeper(SLEEP, env, pillion.HOOK) as pid:
        wait_for_rows(state, 5, 20)
        figures = []
        for _ in range(10 if quick else 50):
            figures.append(own_kib(pid) - alone)
            time.sleep(0.1)
        clean = memory_kib(pid, "Private_Clean") - alone_clean
    return [Line("memory while sampling: private, in no file", max(figures) / 1024, 1, "MiB", WITHOUT,
                 span(figures, "looks")),
            Line("pages of files that it alone maps (reclaimable)", clean / 1024, None, "MiB", WITHOUT, "1 look")]


def looks_at(argv, env, seconds):
    """KiB of a leader from its first instant on, looked at without a pause."""
    figures = []
    with Sleeper(argv, env, pillion.HOOK) as pid:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            kib = own_kib(pid)
            if kib:
                figures.append(kib)
    return figures


def bundle_with(authority, path):
    """The system's bundle with our own authority's certificate at its end: all of it has to be read. How many."""
    bundle = next((pathlib.Path(name) for name in BUNDLES if pathlib.Path(name).exists()), None)
    if bundle is None:
        raise CannotMeasure("this machine has no bundle of certificates")
    path.write_bytes(bundle.read_bytes() + b"\n" + authority.path.read_bytes())
    return path.read_bytes().count(b"BEGIN CERTIFICATE")


def tls(quick):
    """API and S3 over TLS, an object each second: the most, and what is usual between the requests."""
    folder, state = pillion.fresh_folder(), pillion.fresh_folder()
    authority, ours = Authority(folder), folder / "bundle.pem"
    count = bundle_with(authority, ours)
    certificate = authority.certificate("localhost")
    alone, _ = without()
    with S3Server(certificate=certificate, host="localhost") as s3, \
            SentinelServer(certificate=certificate, host="localhost", s3=s3) as server:
        env = pillion.clean_env(pillion_dir=state, PILLION_INTERVAL="0.2", TRACKER_UPLOAD_INTERVAL="1",
                                PILLION_CLOUD="off", SSL_CERT_FILE=ours, **server.env())
        figures = [kib - alone for kib in looks_at(SLEEP, env, 3.5 if quick else 10)]
        if not s3.objects:
            raise CannotMeasure("nothing was uploaded over TLS: %s" % server.requests)
        told = "%d looks, %d objects, %d certificates" % (len(figures), len(s3.objects), count)
    usual = statistics.median(figures[len(figures) // 2:])
    return [Line("memory during TLS with the API and S3, the most", max(figures) / 1024, 4, "MiB", WITHOUT, told),
            Line("memory while sampling, between requests by TLS", usual / 1024, 1, "MiB", WITHOUT, told)]


def flat(quick):
    """By the engine of tests/stress, whose clock does not wait: a batch each 60 rows. The last third against the first
    of all rows but the first hundred."""
    rows = 600 if quick else 3600
    state, figures = pillion.fresh_folder(), []
    with S3Server(max_skew=10 ** 9) as s3, \
            SentinelServer(s3=s3, expires_in=10 ** 7, finished_at_tolerance=10 ** 7) as server:
        env = pillion.clean_env(pillion_dir=state, PILLION_INTERVAL="1", TRACKER_UPLOAD_INTERVAL="60",
                                TRACKER_TEST_CLOCK_SECONDS=rows, PILLION_CLOUD="off", **server.env())
        with Sleeper(SLEEP, env, pillion.BUILD / "stress" / "libpillion.so") as pid:
            wait_for_rows(state, 100, 60)
            deadline = time.monotonic() + 120
            while count_rows(state) < rows * 0.98:
                figures.append(own_kib(pid))
                time.sleep(0.005)
                if time.monotonic() > deadline:
                    raise CannotMeasure("%d rows of %d in two minutes" % (count_rows(state), rows))
    return figures, rows


def growth(quick):
    figures, rows = flat(quick)
    third = max(1, len(figures) // 3)
    grown = statistics.median(figures[-third:]) - statistics.median(figures[:third])
    return [Line("memory over %d rows: last third less first" % rows, grown, 128, "KiB", "its own first third",
                 "%d to %d KiB in all, %d looks" % (min(figures), max(figures), len(figures)))]


def memory(quick):
    return sampling(quick) + tls(quick) + growth(quick)
