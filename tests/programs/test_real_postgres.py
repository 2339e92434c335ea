# SPDX-License-Identifier: Apache-2.0
"""A whole database server: initdb, start, queries, stop, as a user of its own."""
import glob
import os
import pwd
import re
import shutil

from compare import HOOK, NONE, RUN, CompareTest, pillion

SCRIPT = r"""
set -e
unset LANG; export LC_ALL=C
D=$PWD/data S=$PWD/socket
mkdir "$S"
initdb -A trust -U postgres --no-sync -D "$D" > initdb.log 2>&1
pg_ctl -s -w -t 50 -D "$D" -l server.log -o "-c listen_addresses='' -c unix_socket_directories='$S' -c fsync=off" start
q() { psql -h "$S" -U postgres -X -A -t -c "$1"; }
q "create table t as select g as n, md5(g::text) as m from generate_series(1, 20000) g"
q "create index on t (m)"
q "select count(*), max(m), sum(n) from t"
q "set max_parallel_workers_per_gather = 2; select count(distinct m) from t"
q "select no_such_column from t" || echo "status $?"
q "select pg_terminate_backend(pg_backend_pid())" || echo "status $?"
pg_ctl -s -w -t 50 -m fast -D "$D" stop
grep -cE 'PANIC|abort|crash' server.log || true
exit 12
"""


def find_server():
    """The folder of initdb and its kin, which Debian does not put into PATH."""
    if shutil.which("initdb"):
        return os.path.dirname(os.path.realpath(shutil.which("initdb")))
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    if not found:
        raise AssertionError("initdb is missing: install the package postgresql (tools/check does that)")
    return found[-1]


class Postgres(CompareTest):
    watch = False  # a server by several processes that are in each other's environment, and end when they are told to

    def test_initdb_start_query_stop(self):
        user = {}
        if os.geteuid() == 0:
            try:
                user["uid"] = pwd.getpwnam("postgres").pw_uid
            except KeyError:
                self.fail("the user postgres is missing: install the package postgresql (tools/check does that)")
        path = find_server() + ":" + os.environ.get("PATH", "/usr/bin:/bin")
        told = {}
        for way in (NONE, HOOK, RUN):
            done = self.one_way(way, ["bash", "-c", SCRIPT], env={"PATH": path}, files=False, timeout=100, **user)
            self.assertEqual(done.result.status, 12, done.result)
            told[way] = done
        self.assertIn(b"20000|", told[NONE].result.stdout)
        for way in (HOOK, RUN):
            self.assertSame(told[NONE], told[way])
            self.assertOneRun(told[way], 12, rows=5)


if __name__ == "__main__":
    pillion.main()
