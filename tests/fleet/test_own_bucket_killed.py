#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Killed at each of its system calls that disk or server can tell, a run that goes to a bucket of the user's own loses no
row, and none is there twice. CI tries some of them (tests/integration/test_killed.py)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import test_killed  # noqa: E402
from served import pillion  # noqa: E402


class OwnBucket(test_killed.OwnBucket):
    every = 1


if __name__ == "__main__":
    pillion.main()
