# SPDX-License-Identifier: Apache-2.0
"""libpillion-sentinel: what a C program links that wants the client alone, maybe beside a curl of its own."""
import re
import unittest

import objects

HEADER = objects.SOURCE / "include" / "pillion" / "sentinel.h"


def declared():
    return set(re.findall(r"^SENTINEL_API[^;(]*?\b(sentinel_\w+)\(", HEADER.read_text(), re.M))


class ClientLibrary(unittest.TestCase):
    def test_header_declares_the_calls_of_the_api(self):
        self.assertLessEqual({"sentinel_register_run", "sentinel_refresh_credentials", "sentinel_finish_run",
                              "sentinel_put_object"}, declared())

    def test_shared_library_exports_what_the_header_declares_and_nothing_else(self):
        self.assertEqual(objects.exports(objects.CLIENT), declared())

    def test_archive_exports_what_the_header_declares_and_nothing_else(self):
        defined, _ = objects.symbols_of([objects.CLIENT_ARCHIVE])[objects.CLIENT_ARCHIVE]
        self.assertEqual(defined, declared())

    def test_archive_leaves_nothing_of_its_dependencies_open(self):
        _, undefined = objects.symbols_of([objects.CLIENT_ARCHIVE])[objects.CLIENT_ARCHIVE]
        self.assertEqual([name for name in sorted(undefined) if re.match(r"curl_|Curl_|ares_|mbedtls_|psa_|cJSON_|deflate|inflate",
                                                                         name)], [])

    def test_shared_library_needs_libc_alone(self):
        self.assertEqual(set(objects.needed(objects.CLIENT)) - {"libm.so.6"}, {"libc.so.6"})

    def test_shared_library_has_its_version_in_its_name(self):
        self.assertRegex(objects.dynamic_section(objects.CLIENT), r"\(SONAME\).*\[libpillion-sentinel\.so\.0\]")

    def test_header_shows_no_type_of_curl_or_cjson(self):
        self.assertNotRegex(HEADER.read_text(), r"#include\s*<(curl|cJSON|zlib|mbedtls)|CURL\b|\bcJSON\b")


if __name__ == "__main__":
    objects.main()
