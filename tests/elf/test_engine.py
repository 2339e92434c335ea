# SPDX-License-Identifier: Apache-2.0
"""libpillion-engine.so: loaded into a stranger's process beside that one's own curl, zlib and allocator."""
import ctypes
import os
import unittest

import objects

# All that the engine takes from libc. What is not here allocates, locks, prints, follows the locale or the time zone,
# loads NSS modules, reads the live environment, ends the program, or is a system call that the program may have
# wrapped; src/libc/libc.h says what stands in for it.
ALLOWED = {
    # text and memory, without a locale
    "memchr", "memcmp", "memcpy", "memmem", "memmove", "memrchr", "memset", "stpcpy", "strchr", "strchrnul", "strcmp",
    "strcpy", "strcspn", "strlen", "strncmp", "strncpy", "strnlen", "strpbrk", "strrchr", "strspn", "strstr",
    # the kernel
    "syscall", "__errno_location", "sysconf", "getauxval", "gethostname", "getrusage", "statvfs",
    # addresses and interfaces as numbers
    "inet_ntop", "inet_pton", "if_indextoname", "if_nametoindex", "htonl", "htons", "ntohl", "ntohs",
    # signals, of the calling thread
    "sigemptyset", "sigfillset", "sigaddset", "sigdelset", "sigismember", "sigpending",
    # arithmetic
    "frexp", "ldexp",
}

# Weak, for glibc before 2.34 has them in libraries that the program need not have loaded.
ALLOWED_WEAK = {
    "pthread_create", "pthread_join", "pthread_tryjoin_np", "pthread_timedjoin_np", "pthread_detach", "pthread_kill",
    "pthread_sigmask", "pthread_setname_np", "pthread_attr_setstacksize", "pthread_attr_setstack", "pthread_attr_setguardsize",
    "dlopen", "dlsym", "dlerror", "dladdr", "gnu_get_libc_version",
}

# In libc itself since the first versions.
ALLOWED_THREADS = {"pthread_attr_init", "pthread_attr_destroy", "pthread_attr_setdetachstate", "pthread_self",
                   "pthread_attr_setinheritsched", "pthread_attr_setschedpolicy", "pthread_attr_setschedparam"}


class Engine(unittest.TestCase):
    def test_needs_libc_alone(self):
        self.assertEqual(objects.needed(objects.ENGINE), ["libc.so.6"])

    def test_exports_its_table_and_nothing_else(self):
        self.assertEqual(objects.exports(objects.ENGINE), {"pillion_engine"})

    def test_asks_for_no_libc_newer_than_the_floor(self):
        self.assertEqual(objects.too_new(objects.ENGINE), [])

    def test_imports_are_on_the_list(self):
        found = objects.imports(objects.ENGINE)
        strong = {name for name, symbol in found.items() if not symbol.is_weak}
        weak = {name for name, symbol in found.items() if symbol.is_weak}
        self.assertEqual(strong - ALLOWED - ALLOWED_THREADS, set())
        self.assertEqual(weak - ALLOWED_WEAK, set())

    def test_strong_imports_exist_in_an_installed_musl(self):
        self.assertEqual(objects.lacking_in_musl(objects.ENGINE), set(), "None: apt-get install musl")

    def test_has_no_thread_local_storage(self):
        self.assertNotIn("TLS", [kind for kind, _ in objects.segments(objects.ENGINE)])
        self.assertNotIn("STATIC_TLS", objects.dynamic_section(objects.ENGINE))

    def test_has_no_executable_stack_and_no_writable_code(self):
        self.assertEqual(dict(objects.segments(objects.ENGINE))["GNU_STACK"], "RW")
        self.assertEqual([s for s in objects.segments(objects.ENGINE) if "W" in s[1] and "E" in s[1]], [])
        self.assertNotIn("TEXTREL", objects.dynamic_section(objects.ENGINE))

    def test_binds_all_at_once_and_stays_loaded(self):
        dynamic = objects.dynamic_section(objects.ENGINE)
        for flag in ("BIND_NOW", "NODELETE", "SYMBOLIC"):
            self.assertIn(flag, dynamic)

    def test_has_neither_constructor_nor_destructor(self):
        dynamic = objects.dynamic_section(objects.ENGINE)
        for entry in ("(INIT", "(FINI"):
            self.assertNotIn(entry, dynamic)


class Loading(unittest.TestCase):
    def test_loads_and_shows_its_table(self):
        engine = ctypes.CDLL(str(objects.ENGINE), mode=os.RTLD_NOW | os.RTLD_LOCAL)
        self.assertTrue(ctypes.addressof(ctypes.c_char.in_dll(engine, "pillion_engine")))


if __name__ == "__main__":
    objects.main()
