# SPDX-License-Identifier: Apache-2.0
"""Who may call whom in src/, read from the object files: a rule that only prose states does not last."""
import re
import unittest

import objects

MAY_CALL = {
    "base": {"base"},
    "collect": {"collect", "base"},
    "sentinel": {"sentinel", "base"},
    "run": {"run", "collect", "sentinel", "base"},
    "hook": {"hook"},
}

OBJECTS = objects.layer_objects()
SYMBOLS = {path: objects.object_symbols(path) for paths in OBJECTS.values() for path in paths}


def users(pattern):
    """The source files that use a name which matches."""
    return {objects.source_name(path) for path, (_, undefined) in SYMBOLS.items()
            if any(re.match(pattern, name) for name in undefined)}


class Layers(unittest.TestCase):
    def test_every_layer_was_found(self):
        self.assertEqual([layer for layer, paths in OBJECTS.items() if not paths], [])

    def test_no_layer_calls_one_on_its_left(self):
        homes = {}  # hook and engine are linked apart, so a name may live in both
        for layer, paths in OBJECTS.items():
            for path in paths:
                for name in SYMBOLS[path][0]:
                    homes.setdefault(name, set()).add(layer)
        offences = ["%s uses %s of %s/" % (objects.source_name(path), name, "/, ".join(sorted(homes[name])))
                    for layer, paths in OBJECTS.items() for path in paths for name in sorted(SYMBOLS[path][1])
                    if name in homes and not homes[name] & MAY_CALL[layer] and name not in LIBC_NAMES]
        self.assertEqual(offences, [])

    def test_no_name_is_defined_twice(self):
        seen, twice = {}, []
        for path, (defined, _) in SYMBOLS.items():
            for name in defined:
                if name in seen and seen[name].parent.name != "hook" and path.parent.name != "hook":
                    twice.append("%s in %s and %s" % (name, objects.source_name(seen[name]), objects.source_name(path)))
                seen[name] = path
        self.assertEqual(twice, [])

    def test_curl_is_used_in_one_place(self):
        self.assertEqual({name for name in users(r"curl_") if not re.match(r"sentinel/http\w*\.c$", name)}, set())
        self.assertNotEqual(users(r"curl_"), set())

    def test_json_is_used_by_sentinel_and_run_alone(self):
        self.assertEqual({name for name in users(r"cJSON_") if not re.match(r"(sentinel|run)/", name)}, set())
        self.assertNotEqual(users(r"cJSON_"), set())

    def test_compression_is_used_in_one_file(self):
        self.assertEqual(len(users(r"(deflate|inflate)")), 1)

    def test_cryptography_is_used_by_sentinel_and_run_alone(self):
        self.assertEqual({name for name in users(r"(mbedtls|psa)_") if not re.match(r"(sentinel|run)/", name)}, set())

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
LIBC_NAMES |= {name for path in OBJECTS["base"] if re.match(r"(libc|heap)", path.name) for name in SYMBOLS[path][0]
               if not re.match(r"(libc|heap|corner)_", name)}


if __name__ == "__main__":
    objects.main()
