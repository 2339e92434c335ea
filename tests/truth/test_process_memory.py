#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The quick ones of process_memory.py, which is to be called by hand for more; PILLION_TEST_LONG=1: all of them."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import process_memory  # noqa: E402
from jobs import pillion  # noqa: E402


class Memory(unittest.TestCase):
    def test_each_row_is_as_the_sampler_saw_the_tree(self):
        self.assertEqual(process_memory.main([]), 0, "the table says which job missed which bound")


if __name__ == "__main__":
    pillion.main()
