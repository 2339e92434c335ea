# SPDX-License-Identifier: Apache-2.0
"""The command and the client's library are packed for systems that are older than the one they are built on."""
import unittest

import objects

COMMAND = objects.BUILD / "bin" / "pillion"


class Command(unittest.TestCase):
    def test_asks_for_no_libc_newer_than_the_floor(self):
        self.assertEqual(objects.too_new(COMMAND), [])

    def test_client_library_asks_for_no_libc_newer_than_the_floor(self):
        self.assertEqual(objects.too_new(objects.CLIENT), [])

    def test_needs_libc_and_its_parts_alone(self):
        self.assertLessEqual(set(objects.needed(COMMAND)), {"libc.so.6", "libm.so.6", "libdl.so.2"})


if __name__ == "__main__":
    objects.main()
