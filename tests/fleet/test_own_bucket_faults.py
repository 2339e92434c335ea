#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fault of S3's that Sentinel's way is tried with, for a bucket of the user's own. CI has a sample of them
(tests/integration/test_own_bucket.py)."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import test_streaming_faults as streaming  # noqa: E402
from own_bucket_faults import BucketFaultTest, faults_of_documents  # noqa: E402
from served import pillion  # noqa: E402


class Faults(BucketFaultTest):
    def test_a_fault_that_passes_costs_nothing(self):
        self.run_cases(streaming.faults_that_pass())

    def test_a_fault_that_stays_leaves_the_run_for_sync(self):
        self.run_cases(streaming.faults_that_stay())

    def test_every_status_is_survived(self):
        self.run_cases(streaming.statuses())

    def test_every_code_is_survived(self):
        self.run_cases(streaming.codes())

    def test_keys_are_taken_nowhere_else(self):
        self.run_cases(streaming.redirects())

    def test_whatever_beginning_and_end_meet_they_are_there_in_the_end(self):
        self.run_cases(faults_of_documents())

    def test_whatever_comes_together_every_row_arrives_once(self):
        self.run_seeds(int(os.environ.get("PILLION_TEST_SEEDS", "40")))


if __name__ == "__main__":
    pillion.main()
