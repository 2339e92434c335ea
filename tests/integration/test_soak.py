#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long run: twenty rows a second, a batch each second, and every tenth request of both servers goes wrong somehow.

400 rows by default; PILLION_TEST_SOAK_ROWS=20000 makes it a quarter of an hour, and figures are printed. Which requests
go wrong, and how, is drawn from PILLION_TEST_SOAK_SEED.
"""
import collections
import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import StreamedTest, pillion  # noqa: E402

ROWS = int(os.environ.get("PILLION_TEST_SOAK_ROWS", "400"))
SEED = int(os.environ.get("PILLION_TEST_SOAK_SEED", "1"))
INTERVAL = 0.05  # seconds
EXIT_TIMEOUT = 5
MARGIN = 15  # seconds, for a busy machine
GROWTH = 128  # KiB that the last third may have more of than the middle one: a page here and there
MOST = 4096  # KiB in all, of the program's own memory too


def private_kib(pid):
    """The process's own memory (not that of files, which others' use of them changes); None: it has ended."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            return sum(int(kib) for kib in re.findall(r"^(?:Anonymous|Swap):\s+(\d+) kB", file.read(), re.MULTILINE))
    except OSError:
        return None


class Soak(StreamedTest):
    def watch(self, program, seconds):
        """The program's memory over its life, in KiB."""
        memory = []
        deadline = time.monotonic() + seconds
        while not program.ended() and time.monotonic() < deadline:
            kib = private_kib(program.pid)
            if kib:
                memory.append(kib)
            time.sleep(0.1)
        return memory

    def thirds(self, memory):
        third = len(memory) // 3
        return [statistics.median(part) for part in (memory[:third], memory[third:2 * third], memory[2 * third:])]

    def report(self, run, one, memory, held):
        faults = collections.Counter(" ".join(request.fault) for server in (self.server, self.s3)
                                     for request in server.requests if request.fault)
        print("\n%d rows, %d objects, %d + %d requests, %d of them went wrong, %d refreshes, finished %s" % (
            len(one["rows"]), len(self.s3.stored(one["upload_uri_prefix"])), len(self.server.requests),
            len(self.s3.requests), sum(faults.values()), one["refreshes"], one["finish"]["data_source"]))
        print("wrong: %s" % ", ".join("%s %d" % pair for pair in faults.most_common()))
        print("private memory, KiB: %d at most; medians of the thirds %s" % (max(memory), self.thirds(memory)))
        print("CPU %.3f ms a row; held at the end for %.2f s" % (run["cost"]["cpu_s"] * 1000 / len(one["rows"]), held),
              flush=True)

    def test_rows_arrive_once_and_memory_stays_flat(self):
        self.server.fault("*", random=0.1, seed=SEED)
        self.s3.fault("*", random=0.1, seed=SEED + 1)
        lasts = ROWS * INTERVAL
        program = self.start("sleep", str(lasts), env=self.env(PILLION_INTERVAL=str(INTERVAL),
                                                               PILLION_EXIT_TIMEOUT=str(EXIT_TIMEOUT)))
        memory = self.watch(program, lasts + EXIT_TIMEOUT + MARGIN)
        result = program.wait()
        self.assertSilent(result)
        self.assertEqual(result.status, 0)
        held = result.wall - lasts
        self.assertLess(held, EXIT_TIMEOUT + MARGIN)
        for _ in range(10):  # a server that stumbles at the end leaves the rest to sync, and may do so again
            if self.only_run()["state"] == "finished":
                break
            self.pillion("sync")
        run = self.only_run()
        one = self.assertDelivered(run)
        if ROWS > 400:
            self.report(run, one, memory, held)
        self.assertGreaterEqual(len(one["rows"]), 0.6 * ROWS)
        self.assertGreaterEqual(len(self.s3.stored(one["upload_uri_prefix"])), ROWS * INTERVAL / 4)
        self.assertTrue([request for request in self.s3.requests if request.fault], "nothing went wrong")
        self.no_complaints()
        _, middle, last = self.thirds(memory)
        self.assertLess(last - middle, GROWTH, "memory grows: %s" % memory)
        self.assertLess(max(memory), MOST, memory)

    def no_complaints(self):
        """A finish whose answer was lost is repeated, and refused: that is as it should be."""
        again = len(self.server.of("finish")) > 1
        complaints = [one for one in self.server.complaints() if not (again and one.problem.startswith("409 "))]
        self.assertEqual(complaints + self.s3.complaints(), [])


if __name__ == "__main__":
    pillion.main()
