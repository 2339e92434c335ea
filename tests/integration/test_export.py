#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`pillion export` and `pillion rm`, of runs that are made."""
import csv
import io
import json
import os
import sqlite3
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_runs  # noqa: E402
from served import LocalTest, pillion  # noqa: E402


class MadeTest(LocalTest):
    def setUp(self):
        super().setUp()
        self.dir.mkdir(mode=0o700, exist_ok=True)
        self.ids = made_runs.gallery(self.dir)

    def call(self, *words, status=0):
        result = self.pillion(*words, env=self.env(), cwd=self.work)
        self.assertEqual(result.status, status, result)
        return result

    def left(self):
        return sorted(run["id"] for run in json.loads(self.call("list", "--json").stdout))

    def rows(self, *names):
        return sum(len(self.csv(name)) for name in names or self.ids)

    def csv(self, name):
        return pillion.check_csv((self.dir / "runs" / self.ids[name] / "metrics.csv").read_bytes())


class Export(MadeTest):
    def test_one_csv_has_all_rows_with_what_tells_them_apart(self):
        text = self.call("export").stdout.decode()
        table = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(text.splitlines()[0], "run,name,job,machine," + pillion.HEADER)
        self.assertEqual(len(table), self.rows())
        words = [row for row in table if row["run"] == self.ids["words"]]
        self.assertEqual({(row["name"], row["job"], row["machine"]) for row in words},
                         {("'=cmd|' /C calc'!A0", "'@SUM(1)", "node7")})

    def test_a_database_reads_it(self):
        self.call("export", "--job", "3", "-o", "rows.csv")
        with open(self.work / "rows.csv", newline="") as file:
            table = list(csv.reader(file))
        base = sqlite3.connect(":memory:")
        base.execute("create table rows (%s)" % ",".join('"%s"' % name for name in table[0]))
        base.executemany("insert into rows values (%s)" % ",".join("?" * len(table[0])), table[1:])
        self.assertEqual(base.execute("select run, max(cast(process_memory_mib as real)), count(*) from rows").fetchone(),
                         (self.ids["refused"], 345.0, self.rows("refused")))

    def test_folders_have_one_file_for_each_run(self):
        self.call("export", "-o", "out/", "last", "last~1")
        self.call("export", "-o", "out", "--state", "lost")
        found = {path.parent.name: path for path in (self.work / "out").glob("*/*.csv")}
        self.assertEqual(set(found), {"run=" + self.ids[name] for name in ("trained", "words", "lost")})
        for name in ("trained", "words", "lost"):
            table = list(csv.DictReader(found["run=" + self.ids[name]].open(newline="")))
            self.assertEqual(({row["run"] for row in table}, len(table)), ({self.ids[name]}, self.rows(name)))

    def test_a_torn_line_and_foreign_columns_are_no_rows(self):
        path = self.dir / "runs" / self.ids["words"] / "metrics.csv"
        path.write_text(path.read_text() + "1.000,2")
        self.assertEqual(self.call("export", "last~1").stdout.count(b"\n"), 6)
        path.write_text("timestamp,other\n1,2\n")
        self.assertIn(b"other columns", self.call("export", "last~1", status=1).stderr)

    def test_what_cannot_be_written_is_status_1(self):
        self.assertIn(b"no/such", self.call("export", "-o", "no/such/place", status=1).stderr)
        self.call("export", "-o", "/dev/full", status=1)
        self.call("export", "no-such-run", status=1)
        self.call("export", "--failed", "last", status=2)


class Remove(MadeTest):
    def test_delivered_and_local_runs_go_without_a_question(self):
        told = self.call("rm", "last", "last~1", "last").stdout.decode()
        self.assertEqual(sorted(told.splitlines()), sorted("removed " + self.ids[name] for name in ("trained", "words")))
        self.assertEqual(self.left(), sorted(self.ids[name] for name in ("refused", "killed", "lost")))

    def test_what_has_not_been_delivered_needs_force(self):
        for name in ("refused", "lost"):
            self.assertIn(b"--force", self.call("rm", self.ids[name], status=1).stderr)
        self.assertEqual(len(self.left()), 5)
        self.call("rm", "--force", self.ids["refused"])
        self.assertEqual(len(self.left()), 4)

    def test_a_run_that_goes_on_stays(self):
        program = self.start("sleep", "30")
        pillion.wait_for(lambda: "running" in [run["state"] for run in self.runs()[5:]], what="a run")
        for words in (("rm", "last"), ("rm", "--force", "last")):
            self.assertIn(b"it goes on", self.call(*words, status=1).stderr)
        program.signal(15)
        program.wait()
        self.assertEqual(len(self.left()), 6)

    def test_filters_choose_and_a_dry_run_removes_nothing(self):
        told = json.loads(self.call("rm", "--json", "--dry-run", "--state", "local").stdout)
        self.assertEqual([one["removed"] for one in told], [False, False])
        self.assertEqual(len(self.left()), 5)
        self.call("rm", "--name", "*memory")
        self.assertNotIn(self.ids["killed"], self.left())

    def test_what_is_no_run_here_is_not_removed(self):
        self.call("rm", status=2)
        self.call("rm", "last", "--failed", status=2)
        copy = self.work / "copy"
        copy.mkdir()
        (copy / "run.jsonl").write_text('{"state":"local"}\n')
        self.call("rm", "copy", status=1)
        self.call("rm", "last", "no-such-run", status=1)
        self.assertTrue((copy / "run.jsonl").exists())
        self.assertEqual(len(self.left()), 5)


if __name__ == "__main__":
    pillion.main()
