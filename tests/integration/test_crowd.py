#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Leaders that start in the same second: their requests are spread, whatever the ranks, and an API that answers 429 or
503 is asked less, not more. Ten thousand are simulated with the delivery that is shipped (tests/stress/crowd.c); as many
processes as are quick to start are real ones. PILLION_TEST_LONG=1: 150 of these, and the curves are printed."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import ServedTest, pillion  # noqa: E402
from strict_server import Fault  # noqa: E402

LONG = bool(os.environ.get("PILLION_TEST_LONG"))
CROWD = pillion.BUILD / "stress" / "crowd"
PROCESSES = 150 if LONG else 24


class Simulated(pillion.PillionTest):
    def crowd(self, *words):
        """Its figures, and its curve: (second, requests, taken)."""
        text = subprocess.run([str(CROWD), *words], check=True, stdout=subprocess.PIPE, timeout=300).stdout.decode()
        if LONG:
            print(" ".join(words), text, sep="\n", flush=True)
        lines = [line.split() for line in text.splitlines()]
        return ({words[0]: int(words[1]) for words in lines if len(words) == 2},
                [tuple(map(int, words)) for words in lines if len(words) == 3])

    def test_ten_thousand_nodes_register_within_half_a_minute_and_no_second_has_more_than_its_share(self):
        figures, curve = self.crowd("--answer", "0", "--curve", "60")
        self.assertEqual((figures["leaders"], figures["registered"], figures["finished"], figures["left_to_sync"]),
                         (10000, 10000, 10000, 0), figures)
        self.assertEqual(figures["requests"], 20000)
        self.assertLess(figures["peak_registering"], 10000 / 30 * 1.3)
        self.assertLessEqual(figures["last_registering_s"], 31)
        self.assertLess(figures["peak_finishing"], 10000 / (4.95 * 0.8) * 1.2)

    def test_ranks_make_no_difference(self):
        one, many = (self.crowd("--nodes", "3000", "--ranks", ranks, "--life", "60") for ranks in ("1", "256"))
        self.assertEqual(one, many)

    def test_fewer_nodes_ask_a_hundred_times_a_second(self):
        for nodes in (20, 200, 2000):
            figures, _ = self.crowd("--nodes", str(nodes), "--answer", "0", "--life", "60")
            self.assertLess(figures["peak_registering"], 160, nodes)
            self.assertEqual(figures["finished"], nodes)

    def test_an_api_that_takes_fewer_is_asked_less_and_less(self):
        """It takes 100 a second: all are registered in the end, and what it has to refuse falls."""
        for words in (("--answer", "429"), ("--answer", "503", "--retry-after", "10")):
            figures, curve = self.crowd("--rate", "100", "--life", "600", "--curve", "300", *words)
            self.assertEqual(figures["registered"], 10000, (words, figures))
            peak = figures["peak_registering"]
            self.assertLess(peak, 1000, (words, figures))  # 1650 where what is refused comes back at once
            refused = [asked - taken for _, asked, taken in curve]
            self.assertLess(sum(refused[60:90]), sum(refused[10:40]), words)
            self.assertLess(figures["requests"], 6 * figures["leaders"], (words, figures))

    def test_a_longer_hold_delivers_them_all(self):
        """A step of thousands asks for it: the finishes are spread over it."""
        figures, _ = self.crowd("--rate", "333", "--exit-timeout", "60")
        self.assertEqual((figures["finished"], figures["left_to_sync"]), (10000, 0), figures)
        self.assertLess(figures["peak_finishing"], 333)

    def test_batches_of_a_crowd_are_spread_as_their_registrations_are(self):
        """Into a bucket of one's own; each minute all of them came in one second."""
        figures, _ = self.crowd("--bucket", "--nodes", "2000", "--answer", "0", "--life", "130")
        self.assertEqual((figures["registered"], figures["finished"], figures["left_to_sync"]), (2000, 2000, 0), figures)
        self.assertGreaterEqual(figures["objects"], 2 * 2000)
        self.assertLess(figures["peak_registering"], 160, figures)

    def test_last_rows_and_ends_are_spread_over_the_hold(self):
        """Two objects each, 4000 in four seconds, where 1500 a second are taken."""
        figures, _ = self.crowd("--bucket", "--nodes", "2000", "--rate", "1500", "--answer", "503", "--life", "130")
        self.assertEqual((figures["finished"], figures["left_to_sync"]), (2000, 0), figures)
        self.assertLess(figures["peak_finishing"], 1300, figures)

    def test_what_an_end_could_not_deliver_is_left_to_sync(self):
        figures, curve = self.crowd("--rate", "100", "--life", "600")
        self.assertEqual(figures["finished"] + figures["left_to_sync"], 10000)
        self.assertGreater(figures["left_to_sync"], 0)
        self.assertLess(sum(asked for second, asked, _ in curve if second >= 600), 10001)  # no back-off is waited for


class Limit(Fault):
    """So many requests a second are taken, and a second's worth at once."""

    def __init__(self, rate):
        super().__init__("*")
        self.rate = self.tokens = rate
        self.at = time.monotonic()

    def strike(self, mishaps):
        now = time.monotonic()
        self.tokens, self.at = min(self.rate, self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1:
            return {"status": 429}
        self.tokens -= 1
        return None


class Processes(ServedTest):
    def test_no_process_of_a_large_step_is_lost_where_the_api_takes_fewer(self):
        nodes = 1000 if LONG else 100  # ten seconds for their registrations, or one
        self.server.faults.append(Limit(PROCESSES * 50 / nodes))
        step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_NODES": str(nodes),
                "SLURM_STEP_NUM_TASKS": str(32 * nodes), "PILLION_EXIT_TIMEOUT": "2",
                "PILLION_INTERVAL": "1"}
        programs = [self.start("sleep", "15" if LONG else "2.5", env=self.env(SLURM_PROCID=str(32 * number), **step))
                    for number in range(PROCESSES)]
        for program in programs:
            self.assertEqual(program.wait().status, 0)
        asked = len(self.server.requests)
        self.server.heal()
        self.sync()
        self.assertEqual(len(self.server.finished_runs()), PROCESSES)
        self.assertLess(len(self.server.runs), PROCESSES * 1.3)  # an answer that came behind the hold registers twice
        self.assertNoComplaints()
        self.assertLess(asked, 6 * PROCESSES)
        if LONG:
            print("%d processes: %d requests until their ends" % (PROCESSES, asked), flush=True)


if __name__ == "__main__":
    pillion.main()
