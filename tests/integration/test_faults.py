#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An API that is down, slow, silent or talks nonsense costs a program nothing but the exit budget, and no row."""
import gzip
import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, Cases, ServedTest, pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

LASTS = 0.5  # seconds that the program takes by itself
PROGRAM = ("sh", "-c", "echo out; echo err >&2; sleep %s; exit 3" % LASTS)
MARGIN = 8.0  # for a busy machine; what hangs does so for a minute
STATUSES = (300, 400, 401, 403, 404, 405, 408, 409, 410, 418, 422, 429, 451, 500, 501, 502, 503, 504, 511, 599)
NONSENSE = {
    "empty": dict(text=""),
    "html": dict(text="<html><body>It works!</body></html>"),
    "array": dict(text="[]"),
    "null": dict(text="null"),
    "number run_id": dict(text='{"run_id": 5}'),
    "odd run_id": dict(text='{"run_id": "../../etc"}'),
    "half a json": dict(text='{"run_id": "x", '),
    "deeply nested": dict(nested=200000),
    "huge": dict(huge=8 << 20),
    "endless": dict(endless=True),
    "header flood": dict(header_flood=1000),
    "no http": dict(garbage=True),
}
BROKEN = {
    "dropped": dict(drop=True),
    "hanging": dict(hang=60),
    "slow": dict(slow=0.2),
}
LOST = {  # carried out, but the answer never arrives whole
    "answer lost": dict(drop_after=True),
    "answer truncated": dict(truncate=True),
    "silent after": dict(hang=60, process=True),
    "answer slow": dict(slow=0.2),
}


class FaultTest(ServedTest):
    exit_timeout = 1.5

    def unharmed(self, folder, server, argv=PROGRAM, lasts=LASTS, hold=None, **variables):
        """Run the program under this server; check that it is as without pillion. Its run."""
        variables = dict({"PILLION_EXIT_TIMEOUT": str(self.exit_timeout)}, **variables)
        result = pillion.run(argv, env=self.env(PILLION_DIR=folder, **server.env(**variables)), timeout=90)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        limit = lasts + (self.exit_timeout if hold is None else hold) + MARGIN
        self.assertLess(result.wall, limit, "held for too long")
        found = pillion.runs(folder)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["exit_code"], 3)
        self.assertGreaterEqual(len(found[0].rows), 2)
        return found[0]

    def sync_once(self, folder, server, status=0):
        """pillion sync against the healed server. The run afterwards."""
        result = pillion.command("sync", env=self.env(PILLION_DIR=folder, **server.env()))
        self.assertEqual(result.status, status, result)
        return pillion.runs(folder)[0]

    def assertDeliveredOnce(self, run, server):
        self.assertEqual(run["state"], "finished", run.describe())
        ended = server.finished_runs()
        self.assertEqual(len(ended), 1, server.requests)
        self.assertEqual(ended[0]["finish"]["data_csv"].encode(), run.csv)
        self.assertEqual((ended[0]["finish"]["exit_code"], ended[0]["finish"]["run_status"]), (3, "failed"))
        return ended[0]

    def check(self, name, endpoint, action, states):
        """One fault for every request to an endpoint; afterwards the API is well again and sync delivers."""
        folder = self.tmp / name
        with SentinelServer() as server, SentinelServer() as other:
            if action.get("redirect"):
                other.token = server.token
                action = dict(action, redirect=other.url + "/runs")
            server.fault(endpoint, "*", **action) if action else server.down()
            run = self.unharmed(folder, server)
            self.assertIn(run["state"], states, run.describe())
            before = run.csv
            server.heal()
            run = self.sync_once(folder, server)
            self.assertEqual(run.csv, before)
            self.assertDeliveredOnce(run, server)
            self.assertEqual(other.requests, [])
            return server


class Registering(FaultTest):
    def test_whatever_a_registration_meets_the_run_is_kept_and_delivered_later(self):
        cases = {"nobody listens": ("register", {}, ["undelivered"])}
        for name, action in dict(BROKEN, **LOST).items():
            cases["register " + name] = ("register", action, ["undelivered"])
        for name, action in NONSENSE.items():
            cases["register " + name] = ("register", action, ["undelivered"])
        for code in (301, 307, 308):
            cases["register redirect %d" % code] = ("register", {"redirect": True, "status": code}, ["undelivered"])
        Cases(self).run(cases, self.check)

    def test_every_status_to_a_registration_leaves_the_run_for_sync(self):
        Cases(self).run({"register %d" % code: ("register", {"status": code}, ["undelivered"]) for code in STATUSES},
                        self.check)

    def test_a_registration_whose_answer_was_lost_leaves_at_most_empty_orphans(self):
        server = self.check("lost", "register", {"drop_after": True}, ["undelivered"])
        self.assertGreaterEqual(len(server.runs), 2)
        self.assertEqual(len([run for run in server.runs.values() if run["finish"] is None]), len(server.runs) - 1)

    def test_a_registration_is_repeated_until_it_succeeds(self):
        for action in ({"status": 503}, {"drop": True}, {"drop_after": True}, {"status": 429, "headers": {"Retry-After": "1"}}):
            with self.subTest(action):
                pillion.remove_folder(self.dir)
                with SentinelServer() as server:
                    server.fault("register", 1, **action)
                    argv = ("sh", "-c", "echo out; echo err >&2; sleep 3.5; exit 3")
                    run = self.unharmed(self.dir, server, argv, 3.5)
                    self.assertDeliveredOnce(run, server)
                    self.assertEqual(len(server.of("register")), 2)

    def test_retry_after_is_honoured(self):
        def check(name, value):
            with SentinelServer() as server:
                server.fault("register", 1, status=503, headers={"Retry-After": value})
                argv = ("sh", "-c", "echo out; echo err >&2; sleep 4; exit 3")
                run = self.unharmed(self.tmp / name, server, argv, 4)
                self.assertDeliveredOnce(run, server)
                first, second = server.of("register")
                self.assertGreater(second.monotonic - first.monotonic, 1.95)

        Cases(self).run({"seconds": ("2",), "date": ("date+3",)}, check)

    def test_a_422_that_names_tags_is_repaired(self):
        self.server.tags_form = "object"
        run = self.unharmed(self.dir, self.server, TRACKER_TAGS="a=b,c=d")
        one = self.assertDeliveredOnce(run, self.server)
        self.assertEqual(one["registration"]["tags"], {"a": "b", "c": "d"})
        self.assertEqual([request.answer for request in self.server.of("register")], [422, 201])
        self.assertIn("Input should be a valid dictionary", run.log)

    def test_what_the_api_says_against_tags_stands_in_the_log(self):
        detail = [{"type": "model_attributes_type", "loc": ["body", "tags", 0], "msg": "Input should be a valid object"}]
        self.server.fault("register", "1", status=422, body=json.dumps({"detail": detail}))
        run = self.unharmed(self.dir, self.server, TRACKER_TAGS="a=b")
        self.assertIn("model_attributes_type", run.log)
        self.assertNotIn("***", run.log)

    def test_a_422_that_names_optional_fields_is_repaired_without_them(self):
        self.server.refused_fields = {"host_cpu_model", "team"}
        one = self.assertDeliveredOnce(self.unharmed(self.dir, self.server, TRACKER_TEAM="t", TRACKER_ENV="e"), self.server)
        self.assertEqual(one["registration"]["env"], "e")
        self.assertFalse({"host_cpu_model", "team"} & set(one["registration"]))
        self.assertEqual(len(self.server.of("register")), 2)

    def test_a_silent_api_costs_no_row_and_no_start(self):
        self.server.fault("*", hang=60)
        argv = ("sh", "-c", "echo out; echo err >&2; sleep 2; exit 3")
        run = self.unharmed(self.dir, self.server, argv, 2, hold=1)
        self.assertGreaterEqual(len(run.rows), 10)

    def test_an_api_that_comes_up_later_gets_the_run(self):
        self.server.down()
        program = self.start("sh", "-c", "echo out; echo err >&2; sleep 6; exit 3")
        pillion.wait_for(lambda: self.runs() and "cannot connect" in self.runs()[0].log, what="a refused connection")
        self.server.up()
        pillion.wait_for(lambda: self.server.of("register"), what="the registration")
        self.assertEqual(program.wait().status, 3)
        self.assertDeliveredOnce(self.only_run(), self.server)

    def test_an_api_that_fails_is_not_stormed(self):
        def check(name, action, most):
            with SentinelServer() as server:
                server.fault("*", **action)
                argv = ("sh", "-c", "echo out; echo err >&2; sleep 3; exit 3")
                self.unharmed(self.tmp / name, server, argv, 3)
                self.assertLessEqual(len(server.requests), most, server.requests)

        Cases(self).run({"500": ({"status": 500}, 5), "429": ({"status": 429}, 5), "drop": ({"drop": True}, 10),
                         "401": ({"status": 401}, 2), "nonsense": ({"text": "<html>"}, 5)}, check)

    def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(self):
        run = self.unharmed(self.dir, self.server, SENTINEL_API_URL="http://192.0.2.1:8080", hold=0)
        self.assertIn(run["state"], ("undelivered", "local"))
        self.assertIn("SENTINEL_API_URL", run.log)
        self.assertEqual(self.server.requests, [])

    def test_a_run_whose_timestamps_fall_is_delivered_whole_and_stays_as_it_is(self):
        self.server.down()
        run = self.unharmed(self.dir, self.server, ("sh", "-c", "echo out; echo err >&2; sleep 1.2; exit 3"))
        path = run.path / "metrics.csv"
        lines = path.read_text().splitlines(True)
        self.assertGreater(len(lines), 4)
        for number in range(3, len(lines)):  # the clock was set back by an hour
            at, rest = lines[number].split(",", 1)
            lines[number] = "%.3f,%s" % (float(at) - 3600, rest)
        stored = "".join(lines)
        path.write_text(stored)
        self.server.up()
        synced = self.sync_once(self.dir, self.server)
        self.assertEqual(synced["state"], "finished")
        self.assertEqual(path.read_text(), stored)
        sent = self.server.finished_runs()[0]["rows"]
        self.assertEqual(len(sent), len(lines) - 1)
        self.assertEqual([request.answer for request in self.server.of("finish")], [200])
        times = [row["timestamp"] for row in sent]
        self.assertLess(times[-1] - times[0], 3)

    def test_sync_registers_with_what_was_composed_at_the_start(self):
        self.server.down()
        run = self.unharmed(self.dir, self.server, TRACKER_TEAM="early", TRACKER_TAGS="a=b")
        registration = run["registration"]
        self.assertEqual((registration["team"], registration["tags"]), ("early", [{"key": "a", "value": "b"}]))
        self.server.up()
        self.sync_once(self.dir, self.server)
        self.assertEqual(self.server.of("register")[0].body, registration)


class Finishing(FaultTest):
    def test_whatever_a_finish_meets_the_run_is_kept_and_delivered_later(self):
        cases = {}
        for name in BROKEN:
            if name != "slow":  # that one is carried out: among the lost answers
                cases["finish " + name] = ("finish", BROKEN[name], ["undelivered"])
        for name in ("huge", "endless", "header flood", "no http"):
            cases["finish " + name] = ("finish", NONSENSE[name], ["undelivered"])
        cases["finish redirect"] = ("finish", {"redirect": True, "status": 307}, ["undelivered"])
        Cases(self).run(cases, self.check)

    def test_every_status_to_a_finish_leaves_the_run_for_sync(self):
        Cases(self).run({"finish %d" % code: ("finish", {"status": code}, ["undelivered"]) for code in STATUSES}, self.check)

    def test_after_a_lost_answer_a_409_means_that_it_had_arrived(self):
        def check(name, action):
            server = self.check(name, "finish", action, ["undelivered", "finished"])
            self.assertEqual(len(server.runs), 1)
            finishes = server.of("finish")
            self.assertEqual({request.raw for request in finishes}, {finishes[0].raw}, "repeated byte for byte")

        Cases(self).run({"finish " + name: (action,) for name, action in LOST.items()}, check)

    def test_after_a_lost_answer_404_410_and_422_mean_it_too(self):
        def check(name, code):
            folder = self.tmp / name
            with SentinelServer() as server:
                server.fault("finish", 1, drop_after=True)
                if code:
                    server.fault("finish", "2+", status=code)
                run = self.unharmed(folder, server)
                if run["state"] != "finished":
                    run = self.sync_once(folder, server)
                self.assertDeliveredOnce(run, server)

        Cases(self).run({str(code): (code,) for code in (None, 404, 409, 410, 422)}, check)

    def test_a_finish_that_answers_nonsense_with_200_does_not_lose_the_run(self):
        def check(name, action):
            with SentinelServer() as server:
                server.fault("finish", 1, **action)
                run = self.unharmed(self.tmp / name, server)
                self.assertIn(run["state"], ("undelivered", "finished"))
                if run["state"] == "undelivered":
                    self.assertDeliveredOnce(self.sync_once(self.tmp / name, server), server)

        Cases(self).run({name: (NONSENSE[name],) for name in ("html", "empty", "array", "half a json", "deeply nested")},
                        check)

    def test_a_wait_that_the_server_asks_for_does_not_hold_the_exit(self):
        def check(name, value, states):
            with SentinelServer() as server:
                server.fault("finish", 1, status=503, headers={"Retry-After": value})
                run = self.unharmed(self.tmp / name, server)
                self.assertIn(run["state"], states)
                self.assertDeliveredOnce(self.sync_once(self.tmp / name, server), server)

        either = ("undelivered", "finished")
        Cases(self).run({"seconds": ("60", either[:1]), "date": ("date+60", either[:1]), "nonsense": ("soon", either),
                         "past": ("date+-60", either)}, check)

    def test_rows_that_are_too_long_go_packed(self):
        self.server.max_body, self.server.gzip_accepted = 3000, True
        argv = ("sh", "-c", "echo out; echo err >&2; sleep 1.6; exit 3")
        run = self.unharmed(self.dir, self.server, argv, 1.6, PILLION_INTERVAL="0.05")
        self.assertDeliveredOnce(run, self.server)
        first, second = self.server.of("finish")
        self.assertEqual((first.answer, second.header("Content-Encoding")), (413, "gzip"))
        self.assertEqual(gzip.decompress(second.raw), first.raw)


class Holding(FaultTest):
    def test_with_no_time_allowed_there_is_no_network_at_exit(self):
        self.exit_timeout = 0
        run = self.unharmed(self.dir, self.server)
        self.assertEqual(run["state"], "undelivered")
        self.assertEqual((len(self.server.of("register")), self.server.of("finish")), (1, []))
        short = self.tmp / "short"
        argv = ("sh", "-c", "echo out; echo err >&2; exit 3")
        result = pillion.run(argv, env=self.env(PILLION_DIR=short, PILLION_INTERVAL="1", PILLION_EXIT_TIMEOUT="0"))
        self.assertEqual(result.status, 3)
        self.assertEqual(len(self.server.requests), 1)
        self.assertEqual(pillion.runs(short)[0]["state"], "undelivered")
        self.assertDeliveredOnce(self.sync_once(self.dir, self.server), self.server)

    def test_a_server_that_has_the_whole_request_is_waited_for_as_long_as_the_budget_allows(self):
        self.exit_timeout = 2.5
        for endpoint in ("register", "finish"):
            with self.subTest(endpoint), SentinelServer() as server:
                server.fault(endpoint, hang=60)
                began = time.monotonic()
                run = self.unharmed(self.tmp / endpoint, server)
                self.assertGreater(time.monotonic() - began, LASTS + 2)
                self.assertEqual(run["state"], "undelivered")

    def test_every_connection_refused_holds_nothing_long(self):
        self.exit_timeout = 20
        self.server.down()
        self.unharmed(self.dir, self.server, hold=1)

    def quickest(self, setup, count=3, **variables):
        """The shortest wall time of some programs of 0.3 s under a server that never answers."""
        walls = []
        for number in range(count):
            folder = pathlib.Path(tempfile.mkdtemp(dir=self.tmp))
            with SentinelServer() as server:
                setup(server, folder)
                result = pillion.run(["sleep", "0.3"], env=self.env(PILLION_DIR=folder, **server.env(**variables)))
                self.assertEqual((result.status, result.stderr), (0, b""))
                self.assertEqual(pillion.runs(folder)[0]["state"], "undelivered")
            walls.append(result.wall)
        return min(walls)

    def test_after_a_failed_attempt_less_than_a_minute_ago_nothing_is_held(self):
        def setup(server, _):
            server.fault("register", 1, status=503).fault("register", "2+", hang=60)

        self.assertLess(self.quickest(setup), 0.9)

    def test_a_network_that_swallows_everything_is_bounded(self):
        with socket.socket() as hole:  # its queue is full: connections are neither taken nor refused
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            plugs = []
            for _ in range(4):
                plug = socket.socket()
                plug.setblocking(False)
                plug.connect_ex(hole.getsockname())
                plugs.append(plug)
            self.exit_timeout = 20
            run = self.unharmed(self.dir, self.server, hold=1, SENTINEL_API_URL="http://127.0.0.1:%d" % hole.getsockname()[1])
            self.assertEqual(run["state"], "undelivered")
            for plug in plugs:
                plug.close()

    def test_a_terminating_signal_ends_the_hold_with_the_status_that_was_there(self):
        self.server.fault("finish", hang=60)
        program = self.start(*PROGRAM, env=self.env(PILLION_EXIT_TIMEOUT="30"))
        pillion.wait_for(lambda: self.server.of("finish"), what="the finish request")
        began = time.monotonic()
        program.signal(signal.SIGTERM)
        result = program.wait()
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        self.assertEqual(self.only_run()["exit_code"], 3)

    def test_a_program_with_other_threads_is_held_no_longer(self):
        self.server.fault("finish", hang=60)
        text = ("import os, sys, threading, time\n"
                "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
                "print('out', flush=True); print('err', file=sys.stderr, flush=True); time.sleep(%s); sys.exit(3)\n" % LASTS)
        run = self.unharmed(self.dir, self.server, (PYTHON, "-S", "-c", text), LASTS + 0.2)
        self.assertEqual(run["state"], "undelivered")

    def test_output_is_there_before_the_hold(self):
        self.server.fault("finish", hang=60)
        text = "import sys, time; sys.stdout.write('buffered'); time.sleep(0.3)"
        program = self.start(PYTHON, "-S", "-c", text, env=self.env(PILLION_EXIT_TIMEOUT="30"))
        pillion.wait_for(lambda: self.server.of("finish"), what="the finish request")
        pillion.wait_for(lambda: program.stdout == b"buffered", what="the output")
        program.signal(signal.SIGTERM)
        self.assertEqual(program.wait().status, 0)


if __name__ == "__main__":
    pillion.main()
