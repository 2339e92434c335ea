#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `show` says to ask for next time, and the servers that it finds for it."""
import contextlib
import http.server
import json
import os
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_runs  # noqa: E402
from served import LocalTest, pillion  # noqa: E402

SERVERS = [{"vendor_id": "hcloud", "server_id": "cx23", "display_name": "cx23", "vcpus": 2, "memory_amount": 4096,
            "min_price_ondemand": 0.0064}, {"vendor_id": "upcloud", "server_id": "\x1b[2Jevil", "vcpus": 2,
                                            "memory_amount": 2048, "min_price_ondemand": 0.01}]


@contextlib.contextmanager
def keeper(status=200, body=None):
    """A Keeper API on loopback: its URL, and what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers))
            data = json.dumps(SERVERS).encode() if body is None else body
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield "http://127.0.0.1:%d/" % server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class AdviceTest(LocalTest):
    def setUp(self):
        super().setUp()
        self.dir.mkdir(mode=0o700, exist_ok=True)

    def make(self, number, most_mib, seconds, **more):
        began = made_runs.BEGAN + 10000 * number
        made_runs.write(self.dir, made_runs.state(began, 200 + number, seconds=seconds, peak_mib=10, **more),
                        made_runs.rows(began, seconds, 40, most_mib=most_mib))

    def advice(self, *words):
        return json.loads(self.pillion("show", "--json", *words).stdout)["summary"]["advice"]


class Advice(AdviceTest):
    def test_a_single_run_gives_memory_cores_and_time_with_reasons(self):
        self.make(0, 1000, 100.0)
        advice = self.advice()
        self.assertEqual((advice["memory_mib"], advice["cpus"], advice["minutes"]), (1200, 2, 3))
        self.assertIn("1000 MiB", advice["memory_why"])
        self.assertIn("one run", advice["caution"])
        self.assertEqual(advice["slurm"], "#SBATCH --mem=1200M --cpus-per-task=2 --time=00:03:00")
        self.assertEqual(advice["kubernetes"],
                         "resources: {requests: {memory: 1200Mi, cpu: 2}, limits: {memory: 1200Mi}}")

    def test_a_peak_of_seconds_in_a_long_run_asks_for_no_more_cores(self):
        """Of 1,000 s 15 at 29 cores are a peak, 100 are its way of working."""
        for number, busy, cores in ((0, 15, 2), (1, 100, 30)):
            began = made_runs.BEGAN + 10000 * number
            calm = made_runs.rows(began, 1000.0 - busy, 1000 - busy, most_mib=100)
            burst = made_runs.rows(began + 1000 - busy, float(busy), busy, most_mib=100, cores=29.5)
            state = made_runs.state(began, 250 + number, seconds=1000.0)
            state["registration"]["host_vcpus"] = 64
            made_runs.write(self.dir, state, calm + burst.split("\n", 1)[1])
            advice = self.advice()
            self.assertEqual(advice["cpus"], cores, advice)
            self.assertIn("at its busiest it used 29.7", advice["cpus_why"])

    def test_gpus_are_those_that_it_used_at_once(self):
        rows = made_runs.rows(made_runs.BEGAN, 100.0, 100, gpu=True)
        made_runs.write(self.dir, made_runs.state(pid=260, seconds=100.0, gpus=4), rows)
        self.assertEqual(self.advice()["gpus"], 1)

    def test_history_is_of_the_same_name_and_of_so_many(self):
        for number, (most, seconds) in enumerate(((4000, 50.0), (2000, 400.0), (1000, 100.0))):
            self.make(number, most, seconds)
        self.make(3, 9000, 5.0, name="another")
        self.make(4, 500, 60.0)
        for count, runs, memory, minutes in ((1, 1, 608, 2), (2, 2, 1200, 3), (3, 3, 2400, 10), (100, 4, 4800, 10)):
            advice = self.advice("--history", str(count))
            self.assertEqual((advice["runs"], advice["memory_mib"], advice["minutes"]), (runs, memory, minutes), count)
        self.assertNotIn("caution", self.advice("--history", "100"))

    def test_too_little_is_said_to_be_too_little(self):
        self.make(0, 100, 2.0)
        self.assertIn("too little", self.advice()["caution"])

    def test_after_a_kill_for_memory_it_is_twice_the_limit(self):
        self.make(0, 57, 30.0, tags={"cgroup_memory_mib": "64"}, cgroup={"oom_kills": 1})
        advice = self.advice()
        self.assertEqual(advice["memory_mib"], 128)
        self.assertIn("killed for memory", advice["memory_why"])


class Servers(AdviceTest):
    def test_the_cheapest_servers_are_asked_for_what_is_needed(self):
        self.make(0, 300, 100.0)
        with keeper() as (url, asked):
            result = self.pillion("show", "--servers=" + url)
            servers = json.loads(self.pillion("show", "--json", "--servers=" + url).stdout)["summary"]["servers"]
        self.assertEqual(result.status, 0, result)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked[0][0]).query))
        self.assertEqual(query, {"vcpus_min": "2", "memory_min": "0.359", "order_by": "min_price_ondemand", "order_dir": "asc",
                                 "limit": "3"})
        self.assertEqual(asked[0][1]["X-Application-ID"], "pillion")
        self.assertNotIn("Authorization", asked[0][1])
        self.assertIn(b"hcloud cx23: 2 vCPUs, 4.0 GiB, 0.0064 USD an hour", result.stdout)
        self.assertNotIn(b"\x1b", result.stdout)
        self.assertEqual(servers[0], {"vendor": "hcloud", "server": "cx23", "vcpus": 2, "memory_mib": 4096,
                                      "usd_per_hour": 0.0064})

    def test_without_an_answer_it_is_one_sentence_and_the_page(self):
        self.make(0, 300, 100.0)
        urls = ["http://127.0.0.1:9"]
        with keeper(status=500) as (sick, _), keeper(body=b"<html>") as (strange, _):
            for url in urls + [sick, strange]:
                result = self.pillion("show", "--servers=" + url)
                self.assertEqual((result.status, result.stderr.count(b"\n")), (1, 1), result)
                self.assertIn(b"no servers", result.stderr)
                self.assertIn(b"ask for", result.stdout)


if __name__ == "__main__":
    pillion.main()
