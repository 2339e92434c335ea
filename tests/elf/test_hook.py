# SPDX-License-Identifier: Apache-2.0
"""libpillion.so: every program of a tree dies if this one cannot be loaded, so nothing about it is left to chance."""
import re
import unittest

import objects

EXPORTS = {"pillion_hook_1", "__libc_start_main", "exit", "_exit", "_Exit", "quick_exit", "pthread_exit", "thrd_exit",
           "unshare", "setns", "capset", "prctl",
           "sigaction", "__sigaction", "signal", "bsd_signal", "ssignal", "sysv_signal", "__sysv_signal", "sigset"}

# Every name the hook may ask the program's libc for. All of them are in glibc 2.17 and in musl; none allocates, takes
# a lock or prints, but for fflush, which the hold has to call, and what asks whether that may wait.
IMPORTS = {
    "__errno_location", "__environ", "environ", "getauxval", "dl_iterate_phdr", "syscall", "mmap", "munmap", "madvise",
    "fflush", "ftrylockfile", "funlockfile", "getpid", "getppid", "getuid", "geteuid", "open", "openat",
    "read", "close", "readlink", "clock_gettime", "memchr", "memcmp", "memcpy", "memmem", "memmove", "memrchr",
    "memset", "strchr", "strcmp", "strlen", "strncmp", "strnlen", "strrchr", "strstr",
}


class Hook(unittest.TestCase):
    def test_needs_libc_alone(self):
        self.assertEqual(objects.needed(objects.HOOK), ["libc.so.6"])

    def test_exports_what_it_wraps_and_nothing_else(self):
        self.assertEqual(objects.exports(objects.HOOK), EXPORTS)

    def test_exports_carry_no_version(self):
        versions = {s.name: s.version for s in objects.dynamic_symbols(objects.HOOK) if not s.is_import and s.version}
        self.assertEqual(versions, {})

    def test_asks_for_no_libc_newer_than_the_floor(self):
        self.assertEqual(objects.too_new(objects.HOOK), [])

    def test_imports_are_on_the_list(self):
        self.assertEqual(set(objects.imports(objects.HOOK)) - IMPORTS, set(), "not known to exist everywhere")

    def test_imports_exist_in_an_installed_musl(self):
        self.assertEqual(objects.lacking_in_musl(objects.HOOK), set(), "None: apt-get install musl")

    def test_has_no_thread_local_storage(self):
        self.assertNotIn("TLS", [kind for kind, _ in objects.segments(objects.HOOK)])

    def test_has_no_executable_stack_and_no_writable_code(self):
        flags = dict(objects.segments(objects.HOOK))
        self.assertEqual(flags["GNU_STACK"], "RW")
        self.assertEqual([s for s in objects.segments(objects.HOOK) if "W" in s[1] and "E" in s[1]], [])
        self.assertNotIn("TEXTREL", objects.dynamic_section(objects.HOOK))

    def test_maps_two_segments_and_binds_lazily(self):
        self.assertEqual([kind for kind, _ in objects.segments(objects.HOOK)].count("LOAD"), 2)
        self.assertNotIn("BIND_NOW", objects.dynamic_section(objects.HOOK))

    def test_what_the_loader_and_a_passenger_write_to_is_one_page(self):
        """Each page that is written to is a fault and a copy in every process, and making some of it read-only a call."""
        self.assertNotIn("GNU_RELRO", [kind for kind, _ in objects.segments(objects.HOOK)])
        first, size = objects.section(objects.HOOK, ".dynamic"), objects.section(objects.HOOK, ".bss")
        self.assertEqual(first[0] // 4096, (size[0] + size[1] - 1) // 4096)

    def test_has_no_hole_between_its_segments(self):
        """The loader would close it, by a call and a mapping more in every process."""
        (code, code_size, _), (data, _, _) = objects.loaded(objects.HOOK)
        self.assertEqual(-(-(code + code_size) // 4096), data // 4096)

    def test_few_names_are_looked_up_and_few_addresses_relocated_at_each_start(self):
        relocations = objects.output("readelf", "-Wr", objects.HOOK)
        names = set(re.findall(r"_GLOB_DA\S* +\S+ ([^@ ]+)", relocations))
        self.assertEqual(names, {"environ", "pillion_hook_1"})
        self.assertLessEqual(len(re.findall(r"_RELATIVE?\b", relocations)), 8)

    def test_has_no_destructor(self):
        self.assertNotIn("(FINI", objects.dynamic_section(objects.HOOK))


if __name__ == "__main__":
    objects.main()
