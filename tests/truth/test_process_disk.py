#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The disk columns of the process tree against the blocks of wait4 and getrusage, and against what the job moved."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from jobs import LEADERS, LONG, TruthTest, pillion  # noqa: E402

# A run's own files, and metadata that the filesystem counts for whoever comes along.
SLACK = 512 * 1024


class Disk(TruthTest):
    def check(self, shape, count, kib, read, written, leaders=LEADERS):
        """`read`, `written`: how often each process moves its part."""
        count, kib = (count, kib * 20) if LONG else (count, kib)
        for leader in leaders:
            with self.subTest(leader=leader):
                observed = self.observe(leader, "io_jobs", shape, count, kib, status=(0, 77))
                if observed is None:
                    self.skipTest("this filesystem has no O_DIRECT")
                if observed.truth[2] < written * count * kib * 1024:
                    self.skipTest("this filesystem's writes are not counted: %r" % observed)
                for column, truth, moved in ((observed.sum("process_disk_read_bytes"), observed.truth[1], read),
                                             (observed.sum("process_disk_write_bytes"), observed.truth[2], written)):
                    self.assertGreaterEqual(column, moved * count * kib * 1024, observed)
                    self.assertLessEqual(abs(column - truth), max(truth / 100, SLACK), observed)

    def test_children_that_write_past_the_cache(self):
        self.check("writes_direct", 2, 16384, 0, 1)

    def test_children_that_write_through_the_cache(self):
        self.check("writes_through_cache", 2, 16384, 0, 1)

    def test_children_that_read(self):
        self.check("reads_direct", 2, 16384, 1, 1)

    def test_a_program_that_writes_and_reads(self):
        self.check("writes_and_reads_alone", 1, 16384, 2, 1)

    def test_children_that_nobody_waits_for(self):
        self.check("writes_ignored", 2, 16384, 0, 1)

    def test_what_is_truncated_before_it_is_written_back_counts_as_write_bytes_does(self):
        self.check("truncates", 1, 16384, 0, 1)

    @unittest.skipIf(os.geteuid() != 0, "only root changes its user")
    def test_a_program_that_becomes_another_user(self):
        self.check("becomes_another_and_writes", 1, 16384, 0, 1)


if __name__ == "__main__":
    pillion.main()
