# SPDX-License-Identifier: Apache-2.0
"""Who may call whom in src/, read from the object files: a rule that only prose states does not last."""
import re
import unittest

import objects

MAY_CALL = {
    "hook": {"hook"},
    "engine": {"engine", "config", "store", "delivery", "otlp", "sentinel", "sentinel/aws", "sentinel/http", "sentinel/cloud",
               "collect", "collect/tree", "collect/gpu", "collect/cgroup", "base", "libc"},
    "delivery": {"delivery", "store", "sentinel", "sentinel/aws", "sentinel/http", "sentinel/cloud", "base"},
    "sentinel/aws": {"sentinel/aws", "sentinel", "base"},
    "sentinel/cloud": {"sentinel/cloud", "sentinel", "sentinel/http", "base"},
    "sentinel/http": {"sentinel/http", "sentinel", "base"},
    "sentinel": {"sentinel", "base"},
    "client": {"client", "config", "sentinel", "sentinel/http", "base"},
    "config": {"config", "sentinel", "base"},
    "otlp": {"otlp", "base"},
    "store": {"store", "base"},
    "collect": {"collect", "base"},
    "collect/gpu": {"collect/gpu", "collect/tree", "base"},
    "collect/tree": {"collect/tree", "base"},
    "collect/cgroup": {"collect/cgroup", "base"},
    "base": {"base"},
    "libc": {"libc"},
}
# Those that hold the collectors together.
MAY_CALL_MORE = {name: {"collect/tree", "collect/gpu", "collect/cgroup"}
                 for name in ("collect/collectors.c", "collect/totals.c")}
# What is still to be cut. A list that only gets shorter: what stands here and is no offence any more fails too.
KNOTS = set()

KNOTS_OF_INCLUDES = set()
# Beside those: headers without code (what hook and engine agree on, what users include), and data that is handed on.
# A name with .h is that header alone.
MAY_INCLUDE = {room: {"pillion"} for room in MAY_CALL}
MAY_INCLUDE["hook"] = {"link"}
MAY_INCLUDE["engine"] |= {"link", "libc", "collect/tree", "collect/gpu", "collect/cgroup"}
MAY_INCLUDE["config"] |= {"link/conf.h"}  # the form of /etc/pillion.conf
MAY_INCLUDE["delivery"] |= {"link", "config"}
MAY_INCLUDE["store"] |= {"config", "collect", "collect/cgroup"}
MAY_CALL_MORE["libc/libc_calls.c"] = {"base"}  # registers.c: a request's copy
MAY_INCLUDE["libc"] |= {"config/variables.h", "base/warm.h"}  # which variables the snapshot takes: a table; a word for places
MAY_INCLUDE["collect/tree"] |= {"collect"}
MAY_INCLUDE["collect/gpu"] |= {"collect"}
MAY_INCLUDE["collect/cgroup"] |= {"collect"}
PARSING = r"(base|sentinel|store|delivery|engine|config|client)/"
INCLUDE = re.compile(r'^#include "(.+)"', re.M)
SOURCES = objects.SOURCE / "src"

OBJECTS = objects.room_objects()
SYMBOLS = objects.symbols_of([path for paths in OBJECTS.values() for path in paths])


def users(pattern):
    """The source files that use a name which matches."""
    return {objects.source_name(path) for path, (_, undefined) in SYMBOLS.items()
            if any(re.match(pattern, name) for name in undefined)}


def homes_of_names():
    """{name: the rooms that define it}; hook and engine are linked apart, so a name may live in both."""
    homes = {}
    for room, paths in OBJECTS.items():
        for path in paths:
            for name in SYMBOLS[path][0]:
                homes.setdefault(name, set()).add(room)
    return homes


def may_call(room, source):
    return MAY_CALL[room] | MAY_CALL_MORE.get(source, set())


class Layers(unittest.TestCase):
    def test_every_room_was_found(self):
        self.assertEqual([room for room, paths in OBJECTS.items() if not paths], [])

    def test_no_room_calls_one_on_its_left(self):
        homes = homes_of_names()
        offences = {"%s uses %s" % (objects.source_name(path), name)
                    for room, paths in OBJECTS.items() for path in paths for name in SYMBOLS[path][1]
                    if name in homes and name not in LIBC_NAMES
                    and not homes[name] & may_call(room, objects.source_name(path))}
        self.assertEqual(sorted(offences ^ KNOTS), [])

    def test_no_room_includes_one_on_its_left(self):
        offences = set()
        for room in MAY_CALL:
            for path in sorted((SOURCES / room).glob("*.[ch]")):
                source = "%s/%s" % (room, path.name)
                rooms = may_call(room, source) | MAY_INCLUDE.get(room, set())
                offences |= {"%s includes %s" % (source, header) for header in INCLUDE.findall(path.read_text())
                             if not {header, header.rpartition("/")[0]} & rooms}
        self.assertEqual(sorted(offences ^ KNOTS_OF_INCLUDES), [])

    def test_no_name_is_defined_twice(self):
        seen, twice = {}, []
        for path, (defined, _) in SYMBOLS.items():
            for name in defined:
                if name in seen and "hook" not in (objects.room_of(seen[name]), objects.room_of(path)):
                    twice.append("%s in %s and %s" % (name, objects.source_name(seen[name]), objects.source_name(path)))
                seen[name] = path
        self.assertEqual(twice, [])

    def test_no_two_files_call_each_other(self):
        for linked in ([room for room in OBJECTS if room != "hook"], ["hook"]):
            paths = [path for room in linked for path in OBJECTS[room]]
            homes = {name: path for path in paths for name in SYMBOLS[path][0]}
            calls = {path: {homes[name] for name in SYMBOLS[path][1] if name in homes} - {path} for path in paths}
            self.assertEqual([(objects.source_name(a), objects.source_name(b))
                              for a in paths for b in calls[a] if a in calls[b]], [])
            self.assertTrue(any(calls.values()))

    def test_curl_is_used_in_one_place(self):
        self.assertEqual({name for name in users(r"curl_") if not name.startswith("sentinel/http/")}, set())
        self.assertNotEqual(users(r"curl_"), set())

    def test_json_is_used_by_sentinel_and_run_alone(self):
        self.assertEqual({name for name in users(r"cJSON_") if not re.match(PARSING, name)}, set())
        self.assertNotEqual(users(r"cJSON_"), set())

    def test_compression_is_used_in_one_file(self):
        self.assertEqual(len(users(r"(deflate|inflate)")), 1)

    def test_cryptography_is_used_by_sentinel_and_run_alone(self):
        self.assertEqual({name for name in users(r"(mbedtls|psa)_") if not re.match(PARSING, name)}, set())

    def test_hook_neither_allocates_nor_locks_nor_prints(self):
        forbidden = (r"(malloc|calloc|realloc|reallocarray|free|strn?dup|posix_memalign|aligned_alloc"
                     r"|pthread_(mutex|cond|rwlock|spin|once|key)\w*|sem_\w+"
                     r"|v?[sdf]?n?printf|v?asprintf|puts|putchar|fputs|fputc|putc|fwrite|fread|fopen(64)?|fdopen|fclose|fgets"
                     r"|getline|perror|setvbuf|opendir|readdir|getenv|secure_getenv|setenv|putenv|unsetenv)$")
        self.assertEqual({name for name in users(forbidden) if name.startswith("hook/")}, set())

    def test_nothing_shipped_can_end_the_program(self):
        deadly = r"(abort|__assert_fail|__stack_chk_fail|__fortify_fail|\w+_chk|err|errx|_ZSt9terminatev|raise)$"
        self.assertEqual(users(deadly), set())


# The hook's wrappers and the corner's stand-ins bear names of libc: to use one of these is to call libc.
LIBC_NAMES = set(re.findall(r"^\s+(\w+);", (objects.SOURCE / "src" / "hook" / "hook.map").read_text(), re.M))
LIBC_NAMES |= {name for path in OBJECTS["libc"] for name in SYMBOLS[path][0]
               if not re.match(r"(libc|heap|corner)_", name)}


if __name__ == "__main__":
    objects.main()
