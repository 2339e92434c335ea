# SPDX-License-Identifier: Apache-2.0
"""DuckDB by its npm package: scripts of SQL, statement by statement, with the rows of each that has some."""
import json
import subprocess

import pillion

PACKAGE = "@duckdb/node-api@1.5.6-r.1"
SCRIPT = """
const {DuckDBInstance} = require(process.argv[2] + "/node_modules/@duckdb/node-api");
(async () => {
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const found = await connection.extractStatements(require("fs").readFileSync(0, "utf8"));
    const told = [];
    for (let i = 0; i < found.count; i++) {
        const reader = await (await found.prepare(i)).runAndReadAll();
        told.push(reader.columnNames().length && reader.columnNames()[0] !== "Success" && reader.columnNames()[0] !== "Count"
            ? reader.getRowObjectsJson() : null);
    }
    console.log(JSON.stringify(told));
})().catch(error => { console.error(error.message); process.exit(1); });
"""


class Missing(Exception):
    pass


class DuckDB:
    """`folder` gets the package; Missing where npm or it cannot be had."""

    def __init__(self, folder):
        self.folder = folder
        if not pillion.have("npm") or not pillion.have("node"):
            raise Missing("no npm and node: apt-get install npm")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode:
            raise Missing("no DuckDB is to be had from npm: %s" % done.stdout[-300:])
        (folder / "run.js").write_text(SCRIPT)

    def run(self, text):
        """A list of rows, dictionaries, for each statement; None for one that has no answer."""
        done = subprocess.run(["node", str(self.folder / "run.js"), str(self.folder)], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if done.returncode:
            raise RuntimeError("DuckDB: %s" % done.stderr[-2000:])
        return json.loads(done.stdout)
