# SPDX-License-Identifier: Apache-2.0
"""Host names are resolved without the machine's name services, and a DNS that is silent keeps nobody waiting."""
import os
import re
import socket

from compare import NONE, UnwatchedTest, need, pillion, program
from test_odd_files import may, root_only

import sentinel_server

HOLE = "127.%d.%d.153" % (os.getpid() >> 8 & 127, os.getpid() & 255)  # of the machine itself, and nobody's


class Names(UnwatchedTest):
    def traced(self, *argv):
        return [need("strace", "strace"), "-f", "-qq", "-o", "trace", "-e", "trace=open,openat,connect", "-e",
                "signal=none", "-E", "LD_PRELOAD=%s" % pillion.HOOK] + list(argv)

    def assertNoForeignName(self, trace):
        for word in ("libnss", "libresolv", "/etc/passwd", "/etc/group", "nscd", "sss", "ldap", "AF_UNIX"):
            self.assertFalse(re.search(word, trace), "%s in %s" % (word, trace))

    def test_no_module_of_nss_is_opened(self):
        with sentinel_server.SentinelServer() as server:
            env = server.env(SENTINEL_API_URL="http://localhost:%d" % server.port, PILLION_SHARE="all")
            way = self.one_way(NONE, self.traced(program("sleeps_for"), "300", "3"), env=env, files=False)
            self.assertEqual((way.result.status, way.result.stderr), (3, b""), way.result)
            self.assertEqual(len(server.finished_runs()), 1)
        self.assertNoForeignName((self.work / "trace").read_text())

    @root_only
    def test_dns_that_never_answers(self):
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        resolver = self.tmp / "resolv.conf"
        resolver.write_text("nameserver %s\noptions timeout:30 attempts:5\n" % HOLE)
        argv = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver]
        sleeps = [program("sleeps_for"), "700", "3"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
            hole.bind((HOLE, 53))
            hole.settimeout(5)
            plain = self.one_way(NONE, argv + sleeps)
            # The hold is one second, as nothing was ever answered; it may be twenty.
            way = self.one_way_within(plain.result.wall + 5, NONE, argv + self.traced(*sleeps), files=False, env={
                "SENTINEL_API_TOKEN": "secret", "SENTINEL_API_URL": "https://api.pillion.test",
                "PILLION_EXIT_TIMEOUT": "20"})
            self.assertIn(b"\x03api\x07pillion\x04test", hole.recv(512))
        trace = (self.work / "trace").read_text()
        self.assertIn(HOLE, trace)
        self.assertNoForeignName(trace)
        self.assertEqual((way.result.status, way.result.stdout, way.result.stderr), (3, plain.result.stdout, b""))
        self.assertEqual([run["state"] for run in way.runs], ["undelivered"])
        self.assertGreaterEqual(len(way.runs[0].rows), 4)


if __name__ == "__main__":
    pillion.main()
