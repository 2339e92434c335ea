# SPDX-License-Identifier: Apache-2.0
"""Programs with a zlib, an OpenSSL or a curl of their own, or with broken ones in LD_LIBRARY_PATH: a run is delivered
over TLS all the same, and the program gets what it would have got."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from certificates import Authority  # noqa: E402
from served import PYTHON, ServedTest  # noqa: E402

SONAMES = ("libz.so.1", "libssl.so.3", "libssl.so.1.1", "libcrypto.so.3", "libcrypto.so.1.1", "libcurl.so.4",
           "libcurl-gnutls.so.4", "libcares.so.2", "libmbedtls.so.14", "libmbedcrypto.so.7", "libcjson.so.1")

FAKE = 'const char *zlibVersion(void) { return "not zlib"; }\n'

USER = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
const char *zlibVersion(void);
/* Names of libraries that the engine has inside. */
int deflate(void *a, int b) { (void)a, (void)b; return puts("my deflate"); }
void *curl_easy_init(void) { puts("my curl"); return NULL; }
int mbedtls_ssl_handshake(void *a) { (void)a; return puts("my handshake"); }
void cJSON_Delete(void *a) { (void)a; puts("my JSON"); }
int main(void) { puts(zlibVersion()); usleep(300000); return deflate(NULL, 0) > 0 ? 7 : 8; }
"""

OWN_TLS = r"""
import hashlib, ssl, sys, time, urllib.request, zlib
context = ssl.create_default_context(cafile=sys.argv[2])
for _ in range(3):
    try:
        urllib.request.urlopen(sys.argv[1] + "/nowhere", context=context)
    except urllib.error.HTTPError as error:
        print(error.code)
    time.sleep(0.1)
print(hashlib.sha256(zlib.compress(b"x" * 100000)).hexdigest())
"""


class ForeignLibraries(ServedTest):
    def setUp(self):
        authority = Authority(pillion.fresh_folder())
        self.server_options = {"certificate": authority.certificate("localhost")}
        super().setUp()
        self.bundle = str(authority.path)

    def env(self, **extra):
        url = self.server.env()["SENTINEL_API_URL"].replace("127.0.0.1", "localhost")
        return super().env(**dict({"SENTINEL_API_URL": url, "SSL_CERT_FILE": self.bundle}, **extra))

    def build(self, text, name, *flags):
        source = self.tmp / "source.c"
        source.write_text(text)
        self.assertIsNone(pillion.cc(source, self.tmp / name, *flags))
        return str(self.tmp / name)

    def fakes(self):
        """Libraries that have the names, and next to nothing in them."""
        folder = self.tmp / "fakes"
        folder.mkdir()
        for name in SONAMES:
            self.build(FAKE, "fakes/" + name, "-shared", "-fPIC", "-Wl,-soname," + name)
        return folder

    def launch_delivered(self, *argv, status, **extra):
        result = self.launch(*argv, env=self.env(**extra))
        self.assertEqual(result.status, status, result)
        self.assertDelivered(self.only_run())
        return result

    def test_a_program_that_needs_none_of_them(self):
        folder = self.fakes()
        self.launch_delivered("/bin/sh", "-c", "sleep 0.3; exit 7", status=7, LD_LIBRARY_PATH=folder)

    def test_a_program_that_is_linked_with_them(self):
        folder = self.fakes()
        binary = self.build(USER, "user", "-Wl,--no-as-needed", folder / "libz.so.1", folder / "libcurl.so.4",
                            folder / "libssl.so.3", "-rdynamic")
        result = self.launch_delivered(binary, status=7, LD_LIBRARY_PATH=folder)
        self.assertEqual(result.stdout, b"not zlib\nmy deflate\n")

    def test_a_program_that_speaks_tls_itself(self):
        url = self.env()["SENTINEL_API_URL"]
        plain = subprocess.run([PYTHON, "-c", OWN_TLS, url, self.bundle], stdout=subprocess.PIPE, timeout=60)
        result = self.launch_delivered(PYTHON, "-c", OWN_TLS, url, self.bundle, status=0)
        self.assertEqual((result.stdout, result.stderr), (plain.stdout, b""))


if __name__ == "__main__":
    pillion.main()
