#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual and the README against the tree: commands and options, columns, limits and their tests, links, length.
tests/elf/test_variables.py has the variables."""
import re
import subprocess
import unittest

import objects
import pillion

SOURCE = objects.SOURCE
MANUAL = SOURCE / "tools/man"
PAGES = {path.name: path.read_text() for path in MANUAL.glob("*.[1-8]")}
README = (SOURCE / "README.md").read_text()
TOOLS = {path.name: path.read_text() for path in (SOURCE / "tools/pillion").glob("*.[ch]")}
COMMANDS = re.findall(r'\{"(\w+)", command_\w+\}', TOOLS["main.c"])
OPTION = re.compile(r'\{[\s\\]*"([\w-]+)",\s*(?:no|required|optional)_argument,')
LETTERS = re.compile(r'getopt_long\(argc, argv, "([^"]+)"')
# FILTER_OPTIONS, OPTIONS_COMMON and the like.
SHARED = {macro: body for text in TOOLS.values() for macro, body in re.findall(r"#define (\w*OPTIONS\w*)((?:.*\\\n)*.*)", text)}
WORDS_OF_README = 1300
PICTURE_BYTES = 200000


def options_of(command):
    """{"-o", "--output", …}: what getopt_long is told by the file that has the command."""
    text = next(text for name, text in TOOLS.items() if name[-1] == "c" and re.search(r"^int +command_%s\(" % command, text, re.M))
    if not LETTERS.search(text):
        text += TOOLS["options.c"]  # it knows --json alone
    shared = {macro: OPTION.findall(body) for macro, body in SHARED.items() if re.search(r"\b%s\b" % macro, text)}
    if "whose_is_refused(" in text:  # known so that the refusal may say what to do
        text = re.sub(r'\{"all-users".*?\}', "", text)
        del shared["WHOSE_OPTIONS"]
    named = OPTION.findall(text) + sum(shared.values(), [])
    return {"--" + name for name in named} | {"-" + letter for letter in re.sub(r"[+:]", "", LETTERS.search(text)[1])}


def options_in(page):
    """What stands behind Fl. "Fl -", which ends the options, is none."""
    found = set()
    for line in page.splitlines():
        is_option = False
        for word in line.split() if line.startswith(".") else ():
            if word in ("Fl", ".Fl"):
                is_option = True
            elif re.fullmatch(r"\.?[A-Z][a-z]", word):
                is_option = False
            elif is_option and re.fullmatch(r"-?[\w-]*\w", word):
                found.add("-" + word)
    return found


def items_of(page, title, macro):
    """The names that a list has as its items; of Li those in its text too."""
    text = PAGES[page][PAGES[page].index("\n%s\n" % title):]
    lines = text[:text.index("\n.El\n")].splitlines()
    heads = [line for line in lines if line.startswith(".It %s " % macro) or (macro == "Li" and re.match(r"\.(Pq )?Li ", line))]
    return [name for line in heads for name in re.findall(r"\b[a-z_]{2,}\b", line.split(" %s " % macro, 1)[-1].replace(".Li ", ""))]


def limits():
    """[(what cannot be done, why and what instead, [(file, test)])]. The tests stand before the item."""
    found, tests = [], []
    for part in re.split(r'^(?=\.\\" Test: |\.It |\.El)', PAGES["pillion-limits.7"], flags=re.M):
        if part.startswith('.\\" Test: '):
            tests.append(tuple(part.split()[2:4]))
        elif part.startswith(".It "):
            what, _, rest = part.partition("\n.Xc\n")
            found.append((what, rest, tests))
            tests = []
    return found


class Pages(unittest.TestCase):
    def test_every_command_has_a_page_and_every_page_a_command(self):
        self.assertGreater(len(COMMANDS), 8)
        self.assertEqual({page for page in PAGES if page.endswith(".1")},
                         {"pillion.1"} | {"pillion-%s.1" % command for command in COMMANDS})
        for command in COMMANDS:
            self.assertRegex(PAGES["pillion.1"], r"(?m)^\.Xr pillion-%s 1" % command)

    def test_every_option_is_on_the_page_of_its_command_and_no_other(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertEqual(options_in(PAGES["pillion-%s.1" % command]), options_of(command))

    def test_every_page_that_is_named_is_there(self):
        named = {"%s.%s" % pair for text in PAGES.values() for pair in re.findall(r"Xr (pillion[\w-]*) (\d)", text)}
        named |= {page + (".1" if page + ".1" in PAGES else ".7") for page in re.findall(r"man (pillion[\w-]*)", README)}
        self.assertEqual(named - set(PAGES), set())

    def test_help_names_the_manual(self):
        self.assertIn("man pillion", TOOLS["main.c"])

    def test_the_columns_are_those_of_the_header(self):
        told = re.findall(r"^\.It Li (\w+)\n(\w+), (\w+), (\d)\.\n(.+)\.$", PAGES["pillion-columns.7"], re.M)
        self.assertEqual(told, [(column.name, column.unit, column.kind, str(column.decimals), column.source)
                                for column in pillion.COLUMNS])

    def test_the_fields_of_list_are_those_of_its_csv(self):
        for_people = {"ordinal", "asked", "ended"}
        fields = re.findall(r"FIELD\((\w+), \"", TOOLS["fields.h"])
        self.assertGreater(len(fields), 30)
        self.assertEqual(set(items_of("pillion-list.1", ".Sh FIELDS OF A RUN", "Cm")), set(fields) - for_people)

    def test_the_keys_of_a_run_are_those_that_are_written(self):
        text = (SOURCE / "src/store/journal_write.c").read_text()
        values = {"running", "finishing", "undelivered", "true", "false"}
        written = set(re.findall(r'"([a-z_]+)"', text)) | set(re.findall(r'\\"([a-z_]+)\\":', text))
        told = items_of("pillion.7", ".Ss Keys of run.jsonl", "Li")
        self.assertEqual(sorted(written - values), sorted(set(told)))

    def test_mandoc_finds_nothing_wrong(self):
        self.assertTrue(pillion.have("mandoc"), "mandoc is missing: apt-get install mandoc")
        said = subprocess.run(["mandoc", "-Tlint", *map(str, sorted(MANUAL.glob("*.[1-8]")))], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL).stdout
        # Whether the pages that are referred to are installed, and known to its database, is this machine's affair.
        self.assertEqual([line for line in said.splitlines() if "referenced manual not found" not in line and "mandoc.db" not in line], [])


class Limits(unittest.TestCase):
    def test_every_limit_has_its_reason_what_to_do_instead_and_a_test(self):
        self.assertGreater(len(limits()), 45)
        self.assertEqual(len(limits()), PAGES["pillion-limits.7"].count("\n.It"))
        for what, rest, tests in limits():
            with self.subTest(what):
                self.assertTrue(tests, "no test")
                self.assertRegex(rest, r"(?s)^Why:.+\nInstead:")
                for file, test in tests:
                    self.assertRegex((SOURCE / file).read_text(), r"\b(def|void) %s\(" % re.escape(test), file)

    def test_every_test_that_says_so_is_named_there(self):
        named = {test for _, _, tests in limits() for _, test in tests}
        says = {test for path in (SOURCE / "tests").glob("*/test_*.py") if path.name != "test_manual.py"
                for test in re.findall(r'def (test_\w+)\(self\):\n\s+"""[^"]*pillion-limits\(7\)', path.read_text())}
        self.assertGreater(len(says), 5)
        self.assertEqual(says - named, set())


class Readme(unittest.TestCase):
    def test_it_is_short_before_the_c_api(self):
        self.assertLessEqual(len(README[:README.index("\n## The C API\n")].split()), WORDS_OF_README)

    def test_every_link_leads_to_something(self):
        links = re.findall(r"\]\(([^)\s]+)\)", README)
        self.assertGreater(len(links), 10)
        for link in links:
            file, _, anchor = link.partition("#")
            if not link.startswith("https://"):
                self.assertTrue((SOURCE / file).exists(), link)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", (SOURCE / (file or "README.md")).read_text(), re.M)
                self.assertIn(anchor, {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, link)

    def test_its_picture_is_one_and_small(self):
        pictures = re.findall(r"!\[.+\]\((.+)\)", README)
        self.assertTrue(pictures)
        for picture in pictures:
            data = (SOURCE / picture).read_bytes()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            self.assertLess(len(data), PICTURE_BYTES)

    def test_leader_and_passenger_are_explained_where_they_first_stand(self):
        for word in ("leader", "passenger"):
            self.assertEqual(re.search(r"\W*\b%ss?\b\W*" % word, README)[0].strip(" \n.,:")[:2], "**", word)

    def test_what_it_calls_by_name_exists(self):
        variables = set(re.findall(r"ROW\((\w+)", (SOURCE / "src/config/variables.h").read_text()))
        self.assertEqual({name for name in re.findall(r"\b(?:PILLION|SENTINEL|TRACKER)_[A-Z_0-9]+", README)
                          if not name.startswith("SENTINEL_DATA")} - variables - {"PILLION_ARCHIVES"}, set())
        self.assertEqual(set(re.findall(r"(?:`|^)pillion (\w+)", README, re.M)) - set(COMMANDS), set())
        for command, option in re.findall(r"`pillion (\w+) (?:[^`]* )?(--?\w[\w-]*)[ `]", README):
            self.assertIn(option, options_of(command), command)


if __name__ == "__main__":
    objects.main()
