#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lines of the README as they stand there: the first run, and its rows in pandas, DuckDB, R and SQLite. The lines of
pillion-columns(7) too. DuckDB comes from npm, with a command of ours around it, for Debian has no package of it."""
import csv
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

README = (pillion.SOURCE / "README.md").read_text()
COLUMNS = (pillion.SOURCE / "tools/man/pillion-columns.7").read_text()
DUCKDB = "@duckdb/node-api@1.5.6-r.1"
DUCKDB_COMMAND = """#!/usr/bin/env node
const {DuckDBInstance} = require("%s/node_modules/@duckdb/node-api");
(async () => {
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    for (const row of (await connection.runAndReadAll(process.argv[3])).getRowsJson())
        console.log(row.join(","));
})();
"""


def section(title):
    return README[README.index("\n## %s\n" % title):].split("\n## ")[1]


def blocks(language, text):
    return re.findall(r"^```%s\n(.+?)^```" % language, text, re.M | re.S)


class Lines(pillion.PillionTest):
    def setUp(self):
        self.bin = self.tmp / "bin"
        self.bin.mkdir()
        # Debian's python has Debian's pandas.
        self.all = self.env(PATH="%s:%s:/usr/bin:/bin:%s" % (self.bin, pillion.COMMAND.parent, os.environ["PATH"]), PILLION_INTERVAL="0.1")

    def call(self, *argv):
        result = self.launch(*argv, preload=False, env=self.all, timeout=300)
        self.assertEqual(result.status, 0, result)
        return result.stdout.decode()

    def need(self, program, package):
        self.assertTrue(pillion.have(program), "%s is missing: apt-get install %s" % (program, package))

    def test_the_first_run(self):
        (self.work / "Makefile").write_text("all: a b\na b:\n\tsleep 0.3\n")
        said = self.call("sh", "-ec", *blocks("sh", section("The first run")))
        self.assertIn("make -j2", said)
        self.assertIn("exit 0", said)
        self.assertEqual(len(self.runs()), 1)

    def two_runs(self):
        """{ID: the largest process_memory_mib}, from the files themselves."""
        for size in (4000000, 9000000):  # it grows, so that the largest is not the smallest too
            grows = "sleep 0.3; x=$(head -c %d /dev/zero | tr '\\0' x); sleep 0.3" % size
            self.call("pillion", "run", "--quiet", "--", "sh", "-c", grows)
        self.call("sh", "-ec", re.search(r"`(pillion export .+?/)`", section("Load it"))[1])
        largest = {}
        for run in self.runs():
            with open(self.work / ("week/run=%s/metrics.csv" % run.directory), newline="") as file:
                largest[run.directory] = max(float(row["process_memory_mib"] or 0) for row in csv.DictReader(file))
        self.assertEqual(len(largest), 2)
        return largest

    def assertTold(self, said, largest):
        for run, value in largest.items():
            line = next((line for line in said.splitlines() if run in line), "")
            told = [float(number) for number in re.findall(r"\d+\.\d+", line.replace(run, ""))]
            self.assertTrue(any(abs(number - value) < 0.001 for number in told), "%s %s: %s" % (run, value, said))

    def test_pandas(self):
        largest = self.two_runs()
        for lines in blocks("python", section("Load it")):
            self.assertTold(self.call("/usr/bin/python3", "-c", lines), largest)

    def test_r(self):
        self.need("Rscript", "r-base-core")
        largest = self.two_runs()
        for lines in blocks("r", section("Load it")):
            self.assertTold(self.call("Rscript", "-e", lines), largest)

    def test_sqlite(self):
        self.need("sqlite3", "sqlite3")
        largest = self.two_runs()
        for lines in blocks("sh", section("Load it")):
            self.assertTold(self.call("sh", "-ec", lines), largest)

    def add_duckdb(self):
        self.need("npm", "npm")
        if not hasattr(Lines, "npm"):
            Lines.npm = pillion.fresh_folder("pillion-npm-")
            done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(Lines.npm), DUCKDB], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
            Lines.npm_said = done.returncode and done.stdout[-300:]
        if Lines.npm_said:
            self.skipTest("no DuckDB is to be had from npm: %s" % Lines.npm_said)
        (self.bin / "duckdb").write_text(DUCKDB_COMMAND % Lines.npm)
        (self.bin / "duckdb").chmod(0o755)

    def test_duckdb(self):
        self.add_duckdb()
        largest = self.two_runs()
        for lines in blocks("sql", section("Load it")):
            self.assertTold(self.call("duckdb", "-c", lines), largest)

    def test_the_lines_of_the_manual(self):
        self.need("Rscript", "r-base-core")
        self.add_duckdb()
        largest = self.two_runs()
        examples = COLUMNS[COLUMNS.index(".Sh EXAMPLES"):]
        lines = [line.replace("\\e", "\\") for line in examples[:examples.index(".Ed")].splitlines()
                 if line.startswith(("duckdb", "pillion", "sqlite3", "python3", "Rscript"))]
        self.assertEqual(len(lines), 5)
        for line in lines:
            said = self.call("sh", "-ec", line)
            if not line.startswith("pillion"):
                self.assertTold(said, largest)


if __name__ == "__main__":
    pillion.main()
