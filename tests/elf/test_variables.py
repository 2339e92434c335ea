# SPDX-License-Identifier: Apache-2.0
"""The table of variables (src/config/variables.h) against who reads them, and the manual."""
import re
import unittest

import objects

SOURCES = objects.SOURCE / "src"
TABLE = (SOURCES / "config" / "variables.h").read_text()
ROW = re.compile(r'ROW\((\w+),\s+((?:IN_\w+)(?: \| IN_\w+)*)(?:,\s+(?:\\\n\s*)?("[^"]*"|\w+),\s+"([^"]+)")?\)')
LITERAL = re.compile(r'"(\w+)"')
TEMPLATE = re.compile(r"\{!?([A-Z_0-9]+)")
ASKS = re.compile(r'\b(?:getenv|lookup|environment_value|environment_proxy|word_environment|seconds|choose)\("(\w+)"')
# Read by c-ares: no file of ours names them.
BY_LIBRARIES = {"RES_OPTIONS", "LOCALDOMAIN"}


def read_table():
    """{name: (readers, default, meaning)}; of what others set, default and meaning are None."""
    url = re.search(r'SENTINEL_DEFAULT_URL "(.+)"', (objects.SOURCE / "include/pillion/sentinel.h").read_text())[1]
    return {name: (set(re.findall(r"IN_\w+", readers)),
                   url if default == "SENTINEL_DEFAULT_URL" else default and default.strip('"'), meaning)
            for name, readers, default, meaning in (match.groups() for match in ROW.finditer(TABLE))}


VARIABLES = read_table()
DEFAULTS = {name: default for name, (_, default, _) in VARIABLES.items() if default is not None}


def files_of_readers():
    rooms = {path for path in SOURCES.rglob("*.c") if path.relative_to(SOURCES).parts[0] not in ("hook", "client", "libc")}
    rooms.remove(SOURCES / "config/variables.c")
    linked = re.search(r"add_executable\(pillion-cli(.+?)\)", (SOURCES / "CMakeLists.txt").read_text(), re.S)[1]
    return {
        "IN_HOOK": set(SOURCES.glob("hook/*.c")),
        "IN_ENGINE": rooms,
        "IN_COMMAND": {SOURCES / name for name in re.findall(r"hook/\w+\.c", linked)}
                      | set(objects.SOURCE.glob("tools/pillion/*.c")) | {SOURCES / "store/state_dir.c"},
        "IN_CLIENT": set(SOURCES.glob("client/*.c"))
                     | {SOURCES / "config/credentials.c", SOURCES / "sentinel/http/http_trust.c"},
    }


def named_in(files):
    found = set()
    for path in files:
        text = path.read_text()
        found |= set(LITERAL.findall(text))
        if path.name == "env_metadata_table.c":
            found |= set(TEMPLATE.findall(text))
    return found


def items_of_manual(page):
    """{name: text of its item} of the section ENVIRONMENT."""
    text = (objects.SOURCE / "tools/man" / page).read_text().replace("\\\n", "")
    section = text[text.index(".Sh ENVIRONMENT\n"):]
    found = {}
    for item in section[:section.index("\n.Sh ", 1)].split("\n.It ")[1:]:
        names, _, body = item.partition("\n")
        found.update({name: body for name in re.findall(r"\w{3,}", names)})
    return found


class Variables(unittest.TestCase):
    def test_every_row_of_the_table_is_understood_here(self):
        rows = len(re.findall(r"\bROW\(\w", TABLE))
        self.assertGreater(rows, 100)
        self.assertEqual(len(VARIABLES), rows)

    def test_the_manual_has_every_variable_with_its_default_and_no_other(self):
        told = {name: re.search(r"^Default: ((?:.|\n)+?)\.$", item, re.M) for name, item in items_of_manual("pillion.7").items()}
        self.assertEqual({name: default and default[1].replace("\n", " ") for name, default in told.items()}, DEFAULTS)

    def test_the_clients_manual_has_what_the_client_reads(self):
        self.assertEqual(set(items_of_manual("pillion-sentinel.3")),
                         {name for name in DEFAULTS if "IN_CLIENT" in VARIABLES[name][0]})

    def test_each_is_read_by_those_that_the_table_names(self):
        named = {reader: named_in(files) for reader, files in files_of_readers().items()}
        for name, (readers, _, _) in VARIABLES.items():
            if name not in BY_LIBRARIES:
                self.assertEqual({reader for reader, names in named.items() if name in names}, readers, name)

    def test_what_hook_engine_and_client_ask_for_is_in_the_table(self):
        asked = {name for path in SOURCES.rglob("*.c") for name in ASKS.findall(path.read_text())}
        self.assertGreater(len(asked), 30)
        self.assertEqual(asked - set(VARIABLES), set())
        ours = {name for path in objects.SOURCE.glob("tools/pillion/*.c")
                for name in re.findall(r'"((?:PILLION|SENTINEL|TRACKER)_[A-Z_0-9]+)"', path.read_text())}
        self.assertEqual(ours - set(VARIABLES), set())


if __name__ == "__main__":
    objects.main()
