#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/recipes/queries.sql by DuckDB, over hundreds of runs: what it says of each is what `pillion list --csv` says, and
its ten answers are those that a few lines of Python give for the same runs. compact.sql too."""
import collections
import csv
import datetime
import io
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import duckdb  # noqa: E402
import made_bucket  # noqa: E402
import made_runs  # noqa: E402
import pillion  # noqa: E402
import rados_gateway  # noqa: E402

RECIPES = pillion.SOURCE / "tools/recipes"
QUERIES = (RECIPES / "queries.sql").read_text()
VIEWS, ASKED = re.split(r"(?=^-- 1\. )", QUERIES, flags=re.M)
LOCAL = "\n".join(line[5:] for line in QUERIES[QUERIES.index("-- Without a bucket"):].splitlines() if line.startswith("--   "))
TEXTS = ("name", "job", "job_name", "task", "partition", "ended_by")
# Digits behind the point in list's CSV: what DuckDB says is rounded to them.
NUMBERS = dict(dict.fromkeys(("asked_s", "duration_s", "cpu_s"), 3), **dict.fromkeys(
    ("asked_memory_mib", "cpu_part", "memory_peak_mib", "memory_limit_mib", "memory_part", "gpu_part"), 4), **dict.fromkeys(
    ("asked_cpus", "asked_gpus", "array_index", "rank", "ranks", "cpus", "gpus", "exit_code", "signal", "oom_kills"), 3))


def variables(place, **more):
    more = dict(dict(place=place, since=made_bucket.SINCE, until=made_bucket.UNTIL), **more)
    return "".join("SET VARIABLE %s = '%s';\n" % item for item in more.items())


# ------------------------------------------------------------------------------------------ the same, without SQL


def tag(found, key):
    return next((tag["value"] for tag in found["registration"].get("tags", ()) if tag["key"] == key), None)


def least(*numbers):
    return min((float(number) for number in numbers if number is not None and float(number) > 0), default=None)


class Told:
    """What a person would say of a run."""

    def __init__(self, found, csv_text):
        given, totals = found.get("allotment", {}), found.get("totals") or {}
        registration = found["registration"]
        self.found, self.id, self.name = found, found["key"], registration["job_name"]
        self.who = tag(found, "user") or registration.get("team") or "?"
        self.date = datetime.date.fromisoformat(found["key_date"])
        self.has_end = "finished_at" in found
        self.took = found.get("duration_s") if self.has_end else None
        self.cpu_s = totals["user_s"] + totals["system_s"] if totals else None
        self.peak = totals["max_rss_kib"] / 1024 if totals else None
        self.asked_cpus, self.asked_mib, self.asked_s = given.get("cpus"), given.get("memory_mib"), given.get("seconds")
        self.cpus = least(self.asked_cpus, tag(found, "cgroup_cpus"), registration["host_vcpus"])
        self.limit = least(self.asked_mib, tag(found, "cgroup_memory_mib"), registration["host_memory_mib"])
        self.gpus = least(given.get("gpus"), registration.get("host_gpu_count"))
        self.code, self.signal = found.get("exit_code"), found.get("signal")
        self.oom = found.get("cgroup", {}).get("oom_kills")
        self.is_limit = self.signal == 15 and self.asked_s is not None and -3 <= self.took - self.asked_s <= 120
        self.rows = list(csv.DictReader(io.StringIO(csv_text)))

    @property
    def failed(self):
        return bool(self.signal or self.code)


def grouped(runs, key):
    found = collections.defaultdict(list)
    for run in runs:
        found[key(run)].append(run)
    return found


def hours(numbers):
    return sum(numbers) / 3600


def wasteful(runs):
    good = [run for run in runs if run.cpu_s is not None and run.took]
    for name, some in grouped(good, lambda run: run.name).items():
        had = sum(run.cpus * run.took for run in some)
        used = sum(run.cpu_s for run in some)
        yield dict(name=name, runs=len(some), core_hours=had / 3600, wasted_core_hours=(had - used) / 3600, used_part=used / had)


def memory_by_user(runs):
    good = [run for run in runs if run.asked_mib and run.peak is not None and run.took is not None]
    for who, some in grouped(good, lambda run: run.who).items():
        yield dict(who=who, runs=len(some), asked_mib=statistics.fmean(run.asked_mib for run in some),
                   used_mib=statistics.fmean(run.peak for run in some), most_mib=max(run.peak for run in some),
                   used_part=statistics.median(run.peak / run.asked_mib for run in some),
                   unused_gib_hours=hours((run.asked_mib - run.peak) / 1024 * run.took for run in some))


def failures(runs):
    def how(run):
        return "out of memory" if run.oom else "time limit" if run.is_limit else "signal %d" % run.signal if run.signal else \
            "exit %d" % run.code
    for (name, ended), some in grouped([run for run in runs if run.failed or run.oom], lambda run: (run.name, how(run))).items():
        yield dict(name=name, how=ended, runs=len(some), core_hours=hours(run.cpus * run.took for run in some if run.took is not None))


def idle_gpus(runs):
    for name, some in grouped([run for run in runs if run.gpus], lambda run: run.name).items():
        had = idle = used = 0
        for run in some:
            rows = [(float(row["timestamp"]), float(row["process_gpu_usage"])) for row in run.rows if row["process_gpu_usage"]]
            for (before, _), (now, usage) in zip(rows, rows[1:]):
                had += run.gpus * (now - before)
                used += usage * (now - before)
                idle += run.gpus * (now - before) * (usage < 0.05)
        yield dict(name=name, runs=len(some), gpu_hours=had / 3600, idle_gpu_hours=idle / 3600, used_part=used / had)


def trend(runs, job):
    for week, some in grouped([run for run in runs if run.name == job],
                              lambda run: run.date - datetime.timedelta(run.date.weekday())).items():
        took, cpu = [run.took for run in some if run.took is not None], [run.cpu_s for run in some if run.cpu_s is not None]
        yield dict(week=str(week), runs=len(some), median_s=statistics.median(took), median_cpu_s=statistics.median(cpu),
                   most_mib=max(run.peak for run in some if run.peak is not None), failed=sum(run.failed for run in some))


def near_the_limit(runs):
    for run in runs:
        part = run.peak / run.limit if run.peak is not None else None
        if (part or 0) > 0.9 or run.oom:
            yield dict(id=run.id, name=run.name, peak_mib=run.peak, limit_mib=run.limit, part=part, oom_kills=run.oom)


def what_to_ask_for(runs):
    def enough(numbers, times=1):
        ordered = sorted(numbers)  # the least that 95 in 100 do not exceed
        return math.ceil(ordered[math.ceil(0.95 * len(ordered)) - 1] * times)
    good = [run for run in runs if run.took and run.cpu_s is not None and run.code == 0]
    for name, some in grouped(good, lambda run: run.name).items():
        if len(some) >= 5:
            most = {key: max((getattr(run, key) for run in some if getattr(run, key) is not None), default=None)
                    for key in ("asked_cpus", "asked_mib", "asked_s")}
            yield dict(most, name=name, runs=len(some), enough_cpus=enough(run.cpu_s / run.took for run in some),
                       enough_mib=enough((run.peak for run in some), 1.2), enough_s=enough(run.took for run in some))


def load(runs):
    cores, who = collections.Counter(), collections.defaultdict(set)
    for run in runs:
        for row in run.rows:
            hour = int(float(row["timestamp"])) // 3600 * 3600
            cores[hour] += float(row["process_utime"]) + float(row["process_stime"])
            who[hour].add(run.id)
    for hour, used in cores.items():
        yield dict(hour=made_runs.stamp(hour, "%Y-%m-%d %H:%M:%S"), runs=len(who[hour]), cores=used / 3600)


def heaviest(runs):
    for name, some in grouped(runs, lambda run: run.name).items():
        read, written = (sum(int(row[column]) for run in some for row in run.rows if row[column])
                         for column in ("process_disk_read_bytes", "process_disk_write_bytes"))
        yield dict(name=name, runs=len(some), read_gb=read / 1e9, written_gb=written / 1e9)


def unfinished(runs):
    for run in runs:
        if not run.has_end:
            yield dict(id=run.id, name=run.name, started_at=run.found["started_at"].replace("T", " ").rstrip("Z"),
                       last_row=float(run.rows[-1]["timestamp"]))


# ------------------------------------------------------------------------------------------------------- the tests


def setUpModule():
    global engine, made, runs, folder, place
    npm = pillion.fresh_folder("pillion-npm-")
    try:
        engine = duckdb.DuckDB(npm)
    except duckdb.Missing as why:
        raise unittest.SkipTest(str(why))
    folder, place = pillion.fresh_folder(), pillion.fresh_folder()
    made = made_bucket.runs()
    made_bucket.write(folder, place, made)
    runs = [Told(*one) for one in made]


def seconds(text):
    return datetime.datetime.fromisoformat(text + "+00:00").timestamp() if text else None


class Engine(pillion.PillionTest):
    def answers(self, views=VIEWS, before=None, asked=ASKED):
        """The tables that the questions give, in their order."""
        told = engine.run((variables(place) if before is None else before) + views + asked)
        return [rows for rows in told if rows is not None][-10:]

    def list(self, env=None):
        """{ID: row}"""
        result = self.pillion("list", "--csv", env=env or self.env(PILLION_DIR=folder))
        self.assertEqual(result.status, 0, result)
        return {row["id"]: row for row in csv.DictReader(io.StringIO(result.stdout.decode()))}

    def assertSameRuns(self, told, listed, keys):
        """DuckDB's runs and those of list; keys: {id there: ID here}."""
        known = collections.Counter()
        self.assertEqual({keys[run["id"]] for run in told}, set(listed))
        self.assertEqual(len(told), len(listed))
        for run in told:
            mine = listed[keys[run["id"]]]
            for key in TEXTS:
                self.assertEqual(run[key] or "", mine[key], (key, mine))
            for key, decimals in NUMBERS.items():
                self.assertNear(run[key], mine[key] or None, decimals, (key, run, mine))
                known[key] += mine[key] != ""
            for key in ("started_at", "finished_at"):
                self.assertEqual(seconds(run[key]), seconds(mine[key].replace("Z", "")), (key, run, mine))
            self.assertEqual(run["state"] == "no end", mine["state"] == "lost")
        self.assertEqual({key for key in NUMBERS if known[key] == 0}, {"rank", "ranks"}, "no run has a figure of these")

    def assertNear(self, told, expected, decimals, what):
        if expected is None or told is None:
            self.assertEqual(told, expected, what)
        else:
            self.assertAlmostEqual(float(told), float(expected), delta=0.501 * 10 ** -decimals, msg=what)

    def assertSame(self, told, expected, *keys, **decimals):
        """The same rows, in whatever order; figures as they are rounded."""
        def by(row):
            return [str(row[key]) for key in keys]
        told, expected = sorted(told, key=by), sorted(expected, key=by)
        self.assertEqual([by(row) for row in told], [by(row) for row in expected])
        for one, other in zip(told, expected):
            self.assertEqual(set(one), set(other))
            for key in set(one) - set(keys):
                self.assertNear(one[key], other[key], decimals.get(key, 0), (key, one, other))


class Runs(Engine):
    def test_of_each_run_it_says_what_list_says(self):
        told = engine.run(variables(place) + VIEWS + "SELECT * FROM runs")[-1]
        self.assertGreater(len(told), 300)
        self.assertSameRuns(told, self.list(), {run.id: run.found["id"] for run in runs})

    def test_the_rows_are_those_of_the_runs(self):
        told = engine.run(variables(place) + VIEWS + "SELECT count(*) AS rows, count(DISTINCT run) AS runs, "
                          "sum(process_utime) AS used FROM metrics")[-1][0]
        self.assertEqual((int(told["rows"]), int(told["runs"])), (sum(len(run.rows) for run in runs), len(runs)))
        self.assertAlmostEqual(told["used"], sum(float(row["process_utime"]) for run in runs for row in run.rows), places=3)


class Gateway(Engine):
    """Objects that pillion itself has put into a RADOS Gateway, with keys that may put and nothing else; DuckDB's package
    has no httpfs, so they are fetched by signed requests."""

    def setUp(self):
        super().setUp()
        if rados_gateway.missing():
            self.skipTest("no S3 by Ceph here: apt-get install openssl radosgw ceph-mon ceph-osd ceph-common")
        self.gateway = rados_gateway.RadosGateway()
        self.gateway.start()
        self.addCleanup(self.gateway.stop)
        keys = self.gateway.credentials("fleet")
        self.keys = {"PILLION_S3_URI": "s3://bucket/fleet", "PILLION_S3_ENDPOINT": self.gateway.url, "AWS_REGION": rados_gateway.REGION,
                     "AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret_key"],
                     "AWS_SESSION_TOKEN": keys["session_token"]}

    def fetched(self):
        """All of it, in a folder; a list has a thousand keys at most, so it is asked for day by day."""
        place, days = pillion.fresh_folder(), {run["started_at"][:10] for run in self.runs()}
        for kind in ("started", "metrics", "runs"):
            for day in days:
                for key in self.gateway.keys("fleet/%s/date=%s/" % (kind, day)):
                    path = place / key.split("/", 1)[1]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self.gateway.read(key))
        return place

    def test_what_pillion_has_put_there_gives_the_same_answers(self):
        for found, rows in made:
            made_runs.write(self.dir, {key: value for key, value in found.items() if key not in ("key", "key_date")}, rows)
        for script in ("sleep 0.3", "sleep 0.2; exit 3", "kill -9 $$"):
            self.launch("sh", "-c", "sleep 0.3; " + script, env=self.env(PILLION_INTERVAL="0.1", TRACKER_TAGS="user=me", **self.keys))
        result = self.pillion("sync", *[run["id"] for run in self.runs()], env=self.env(**self.keys), timeout=300)
        self.assertEqual(result.status, 0, result)
        place = self.fetched()
        keys = {run["key"]: run["id"] for run in self.runs()}
        self.assertEqual(len(keys), len(made) + 3)
        listed = self.list(env=self.env())
        told = engine.run(variables(place, until="2100-01-01") + VIEWS + "SELECT * FROM runs")[-1]
        self.assertSameRuns(told, listed, keys)
        rows = engine.run(variables(place, until="2100-01-01") + VIEWS + "SELECT run, count(*) AS rows FROM metrics GROUP BY run")[-1]
        self.assertEqual({keys[row["run"]]: int(row["rows"]) for row in rows}, {run["id"]: len(run.rows) for run in self.runs()})
        self.assertEqual(len(self.answers(before=variables(place, until="2100-01-01"))), 10)


class Questions(Engine):
    def test_each_answer_is_that_of_a_loop(self):
        tables = self.answers(before=variables(place, job="nightly etl"))
        self.check(tables)

    def check(self, tables):
        self.assertEqual(len(tables), 10)
        self.assertEqual([number for number in re.findall(r"^-- (\d+)\. ", QUERIES, re.M)], [str(n) for n in range(1, 11)])
        self.assertSame(tables[0], wasteful(runs), "name", "runs", core_hours=2, wasted_core_hours=2, used_part=3)
        self.assertSame(tables[1], memory_by_user(runs), "who", "runs", asked_mib=1, used_mib=1, most_mib=1, used_part=3, unused_gib_hours=2)
        self.assertSame(tables[2], failures(runs), "name", "how", "runs", core_hours=2)
        self.assertSame(tables[3], idle_gpus(runs), "name", "runs", gpu_hours=2, idle_gpu_hours=2, used_part=3)
        self.assertSame(tables[4], trend(runs, "nightly etl"), "week", "runs", "failed", median_s=1, median_cpu_s=1, most_mib=1)
        self.assertSame(tables[5], near_the_limit(runs), "id", "name", peak_mib=1, limit_mib=1, part=3)
        self.assertSame(tables[6], what_to_ask_for(runs), "name", "runs")
        self.assertSame(tables[7], load(runs), "hour", "runs", cores=4)
        self.assertSame(tables[8], heaviest(runs), "name", "runs", read_gb=3, written_gb=3)
        for row in tables[9]:
            row["last_row"] = seconds(row["last_row"])
        self.assertSame(tables[9], unfinished(runs), "id", "name", "started_at", last_row=3)
        self.assertTrue(all(tables), "a question that nothing answers")

    def test_the_order_is_that_of_the_title(self):
        tables = self.answers()
        for table, key in ((0, "wasted_core_hours"), (1, "unused_gib_hours"), (2, "runs"), (5, "part")):
            found = [float(row[key]) for row in tables[table] if row[key] is not None]
            self.assertEqual(found, sorted(found, reverse=True), key)
        most = collections.Counter(run.name for run in runs).most_common(1)[0]
        self.assertEqual(sum(int(row["runs"]) for row in tables[4]), most[1])

    def test_days_before_and_after_are_left_out(self):
        told = engine.run(variables(place, since="2026-10-10", until="2026-10-19") + VIEWS + "SELECT id FROM runs; SELECT DISTINCT run FROM metrics")
        wanted = {run.id for run in runs if datetime.date(2026, 10, 10) <= run.date <= datetime.date(2026, 10, 19)}
        self.assertEqual({row["id"] for row in told[-2]}, wanted)
        self.assertEqual({row["run"] for row in told[-1]}, wanted)

    def test_the_same_of_list_and_export(self):
        """Without a bucket; the lines for that are in the file."""
        result = self.pillion("list", "--csv", env=self.env(PILLION_DIR=folder))
        (self.work / "runs.csv").write_bytes(result.stdout)
        result = self.pillion("export", "-o", "week/", env=self.env(PILLION_DIR=folder), cwd=self.work)
        self.assertEqual(result.status, 0, result)
        views = LOCAL.replace("'runs.csv'", "'%s'" % (self.work / "runs.csv")).replace("'week/", "'%s/" % (self.work / "week"))
        tables = self.answers(views + "\n", "", ASKED)
        self.assertEqual(len(tables), 10)
        self.assertSame(tables[0], wasteful(runs), "name", "runs", core_hours=2, wasted_core_hours=2, used_part=3)
        self.assertSame(tables[2], failures(runs), "name", "how", "runs", core_hours=2)
        self.assertSame(tables[7], load(runs), "hour", "runs", cores=4)


class Compact(Engine):
    def test_a_bucket_as_parquet_gives_the_same_answers_from_a_few_files(self):
        target = pillion.fresh_folder()
        before = variables(place, target=target, job="nightly etl")
        tables = self.answers(before=before, asked=(RECIPES / "compact.sql").read_text() + ASKED)
        plain = self.answers(before=variables(place, job="nightly etl"))
        self.assertEqual(sorted(map(str, tables[0])), sorted(map(str, plain[0])))
        self.assertEqual(sorted(map(str, tables[7])), sorted(map(str, plain[7])))
        self.assertEqual(sorted(map(str, tables[9])), sorted(map(str, plain[9])))
        files = list(target.rglob("*.parquet"))
        self.assertEqual(len(files), 2 * len({run.date for run in runs}))
        self.assertGreater(len(list(place.rglob("*.gz"))), len(files))


CHECK = """
import {register} from "node:module";
register("./resolve.mjs", import.meta.url);
const parsers = await import("dt-sql-parser");
const [, , dialect, path] = process.argv;
const text = (await import("node:fs")).readFileSync(path, "utf8");
const parser = new parsers[dialect]();
console.log(JSON.stringify({statements: (parser.splitSQLByStatement(text) || []).length, errors: parser.validate(text)}));
"""
# The package's modules name each other without their ends.
RESOLVE = """
export async function resolve(name, context, next) {
    for (const end of ["", ".js", "/index.js"])
        try { return await next(name + end, context); } catch (error) { if (end === "/index.js") throw error; }
}
"""


class Dialects(unittest.TestCase):
    """The files that no engine here can run."""

    def test_other_engines_parsers_take_them(self):
        tools = pillion.fresh_folder("pillion-npm-")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(tools), "dt-sql-parser@4.5.1"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout)
        (tools / "check.mjs").write_text(CHECK)
        (tools / "resolve.mjs").write_text(RESOLVE)

        def parse(dialect, path):
            return json.loads(subprocess.run(["node", "check.mjs", dialect, str(path)], cwd=tools, check=True, text=True,
                                             stdout=subprocess.PIPE, timeout=120).stdout)
        for name, dialect, count in (("athena", "HiveSQL", 3), ("trino", "TrinoSQL", 7), ("spark", "SparkSQL", 4)):
            with self.subTest(name):
                path = RECIPES / (name + ".sql")
                self.assertEqual(parse(dialect, path), {"statements": count, "errors": []})
                (tools / "broken.sql").write_text(re.sub(r"(?i)\bduration_s double", "duration_s double double", path.read_text()))
                self.assertTrue(parse(dialect, tools / "broken.sql")["errors"])

    def test_the_columns_are_all_of_them(self):
        for name in ("queries", "athena", "trino"):
            text = (RECIPES / (name + ".sql")).read_text()
            for column in pillion.COLUMNS:
                self.assertRegex(text, r"\b%s\b" % column.name, name)


CLICKHOUSE = """<yandex><logger><level>warning</level><console>1</console></logger><tcp_port>%d</tcp_port>
<listen_host>127.0.0.1</listen_host><path>%s/data/</path><tmp_path>%s/tmp/</tmp_path><mark_cache_size>5368709</mark_cache_size>
<users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database></yandex>"""
CLICKHOUSE_USERS = """<yandex><profiles><default/></profiles><users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users><quotas><default/></quotas></yandex>"""


class ClickHouse(unittest.TestCase):
    """Debian's server, unpacked into a folder: installed it would start."""

    def setUp(self):
        self.folder = pillion.fresh_folder("pillion-clickhouse-")
        wanted = subprocess.run(["apt-get", "-s", "install", "--no-install-recommends", "clickhouse-server", "clickhouse-client"],
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        names = re.findall(r"(?m)^Inst (\S+)", wanted)
        done = subprocess.run(["apt-get", "download", *names], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if names else None
        if done is None or done.returncode:
            self.skipTest("no ClickHouse is to be had from Debian")
        for package in self.folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), "root"], cwd=self.folder, check=True)
        self.port = pillion.free_ports(1)
        for name in ("data", "tmp"):
            (self.folder / name).mkdir()
        (self.folder / "config.xml").write_text(CLICKHOUSE % (self.port, self.folder, self.folder))
        (self.folder / "users.xml").write_text(CLICKHOUSE_USERS)
        libraries = self.folder / "root/usr/lib/x86_64-linux-gnu"
        self.env = dict(os.environ, LD_LIBRARY_PATH="%s:%s/libmariadb3" % (libraries, libraries))
        log = (self.folder / "log").open("w")
        self.addCleanup(log.close)
        server = subprocess.Popen([str(self.folder / "root/usr/sbin/clickhouse-server"), "--config-file=config.xml"], cwd=self.folder, env=self.env,
                                  stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        pillion.wait_for(lambda: self.ask("SELECT 1")[0] == 0, timeout=60, what="ClickHouse: %s" % self.folder)

    def ask(self, text, data=None):
        done = subprocess.run([str(self.folder / "root/usr/bin/clickhouse-client"), "--port", str(self.port), "-q", text], env=self.env, text=True,
                              input=data or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.returncode, done.stdout

    def test_it_makes_the_table_and_answers_the_question(self):
        text = re.sub(r"(?m)^--.*$", "", (RECIPES / "clickhouse.sql").read_text())
        view, table, insert, question = [one.strip() for one in text.split(";") if one.strip()]
        self.assertEqual(self.ask("SELECT a FROM s3('x'")[0], 62)  # a syntax error
        self.assertEqual(self.ask(table), (0, ""))
        for statement in (view, insert):
            status, said = self.ask(statement)
            self.assertEqual(status, 46, said)  # it is well formed; the function is unknown
        self.assertEqual(self.ask("CREATE TABLE pillion_runs (date Date, name String, duration_s Nullable(Float64), cpu_s Nullable(Float64), "
                                  "asked_cpus Nullable(Float64), host_vcpus Nullable(Float64)) ENGINE = Memory"), (0, ""))
        some = [run for run in runs if run.date >= datetime.date(2026, 11, 1)]
        lines = ["\t".join("\\N" if cell is None else str(cell) for cell in (
            run.date, run.name, run.took, run.cpu_s, run.asked_cpus, run.found["registration"]["host_vcpus"])) for run in some]
        self.assertEqual(self.ask("INSERT INTO pillion_runs FORMAT TabSeparated", "\n".join(lines) + "\n"), (0, ""))
        status, said = self.ask(question)
        self.assertEqual(status, 0, said)
        told = {name: (int(count), float(wasted)) for name, count, wasted in (line.split("\t") for line in said.splitlines())}
        self.assertEqual(set(told), {run.name for run in some})
        for name, mine in grouped(some, lambda run: run.name).items():
            wasted = hours((run.asked_cpus or run.found["registration"]["host_vcpus"]) * run.took - run.cpu_s for run in mine
                           if run.took is not None and run.cpu_s is not None)
            self.assertEqual(told[name][0], len(mine))
            self.assertAlmostEqual(told[name][1], wasted, delta=0.0051)


class Fleet(unittest.TestCase):
    def test_its_tables_are_those_of_the_model(self):
        told = subprocess.run([sys.executable, str(pillion.SOURCE / "tests/stress/fleet.py")], text=True, check=True, stdout=subprocess.PIPE).stdout
        for table in told.strip().split("\n\n"):
            self.assertIn(table, (RECIPES / "fleet.md").read_text())

    def test_its_crowds_are_those_of_the_simulation(self):
        text = (RECIPES / "fleet.md").read_text()
        for words in ([], ["--exit-timeout", "8"], ["--strangers"]):
            told = subprocess.run([str(pillion.BUILD / "stress" / "crowd"), "--bucket", "--rate", "3500", "--answer", "503", "--life", "130", *words],
                                  text=True, check=True, stdout=subprocess.PIPE, timeout=300).stdout
            figures = dict(line.split() for line in told.splitlines() if len(line.split()) == 2)
            row = "| %s | %s | %s |" % (figures["peak_registering"], figures["peak_finishing"], figures["left_to_sync"])
            self.assertIn(row, text, words)


if __name__ == "__main__":
    pillion.main()
