# SPDX-License-Identifier: Apache-2.0
"""What bash, zsh and fish complete after each command is what its own table of options has, no more and no less."""
import os
import re
import subprocess
import sys
import pathlib
import shutil
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import made_runs  # noqa: E402

FOLDER = pillion.SOURCE / "tools" / "completions"
TOOLS = pillion.SOURCE / "tools" / "pillion"
ENTRY = re.compile(r'\{[\s\\]*"([a-z-]+)",\s*\w+_argument,')

BASH = """
source "$0"
COMP_WORDS=(pillion "$@") COMP_CWORD=$#
_pillion
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What would be offered, as the functions are told that would offer it.
ZSH = """
_arguments() { print -rl -- "$@" }
_describe() { print -rl -- ${(P)2} }
compdef() { }
words=(pillion "$@") CURRENT=$(($# + 1))
source "$0"
"""
ZSH_RUNS = """
compdef() { }
_arguments() { }
_wanted() { [[ $1 == places ]] && print $PILLION_S3_URI || print -rl -- $ids }
words=(pillion "$@") CURRENT=$(($# + 1))
source "$0"
_pillion_places_and_runs
"""
FISH = "source $argv[1]; complete -C (string join -- ' ' pillion $argv[2..])"


def tables():
    """{command: its long options}, from the tables in the sources, but for those that it takes only to refuse them."""
    sources = {path: path.read_text() for path in TOOLS.glob("*.[ch]")}
    macros = dict(re.findall(r"^#define (\w*OPTIONS\w*)\b((?:.*\\\n)*.*\n)", "".join(sources.values()), re.MULTILINE))
    found = {}
    for name, function in re.findall(r'\{"(\w+)", (command_\w+)\}', sources[TOOLS / "main.c"]):
        source = next(text for path, text in sources.items() if path.suffix == ".c" and re.search(r"^int %s\(" % function, text, re.MULTILINE))
        if "options_read(argc, argv," in source:
            source = sources[TOOLS / "options.c"]
        table = re.search(r"static const struct option\s+options\[\] = \{(.*?)\};", source, re.DOTALL).group(1)
        for macro in re.findall(r"\b\w*OPTIONS\w*\b", table):
            table += macros[macro]
        found[name] = {"--" + option for option in ENTRY.findall(table)}
        if "whose_is_refused(" in source:
            found[name] -= {"--dir", "--user", "--all-users"}
    return found


def words_of(shell, script, *words, **variables):
    """What the shell offers for the last word, of the command line `pillion WORDS`."""
    if shutil.which(shell) is None:
        raise AssertionError("%s is missing: install it (tools/check does that)" % shell)
    argv = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-f", "-c"], "fish": ["fish", "-N", "-c"]}[shell]
    file = FOLDER / {"bash": "pillion.bash", "zsh": "_pillion", "fish": "pillion.fish"}[shell]
    env = dict(pillion.clean_env(**variables), PATH="%s:%s" % (pillion.COMMAND.parent, os.environ["PATH"]))
    done = subprocess.run(argv + [script, str(file), *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0 or done.stderr:
        raise AssertionError("%s, %s: %s%s" % (shell, words, done.stdout, done.stderr))
    return done.stdout.splitlines()


def in_bash(*words, **variables):
    return {line for line in words_of("bash", BASH, *words, **variables) if line}


def in_zsh(*words):
    """The options of _arguments' specifications, of '(-o --output)--output[text]:…', and the first words of lists."""
    found = set()
    for line in words_of("zsh", ZSH, *words):
        line = re.sub(r"^\([^)]*\)", "", line).lstrip("*")  # a star: more than once
        name = re.match(r"(--[a-z-]+?)(?:=-?)?\[", line) or re.match(r"([a-z]+):", line)
        if name and not re.match(r"(run|URL):", line[line.find("["):] if "[" in line else ""):
            found.add(name.group(1))
    return found


def in_fish(*words, **variables):
    return {line.partition("\t")[0] for line in words_of("fish", FISH, *words, **variables)}


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


class Completions(unittest.TestCase):
    def setUp(self):
        self.tables = tables()
        self.assertEqual(sorted(self.tables), ["doctor", "env", "export", "list", "report", "rm", "run", "show", "sync"])
        self.assertTrue(all(len(options) >= 3 for options in self.tables.values()), self.tables)

    def test_the_commands_are_those_of_the_command_itself(self):
        for shell, offered in SHELLS.items():
            with self.subTest(shell):
                self.assertEqual({word for word in offered("") if word[0] != "-"}, set(self.tables) | {"help"})

    def test_each_command_has_the_options_of_its_own_table(self):
        for shell, offered in SHELLS.items():
            for command, options in self.tables.items():
                with self.subTest("%s: %s" % (shell, command)):
                    self.assertEqual({word for word in offered(command, "--") if word.startswith("--")}, options)

    def test_behind_run_stands_another_command(self):
        for shell in ("bash", "fish"):
            for words in (("run", "gzi"), ("run", "--", "gzi"), ("run", "--name", "x", "gzi"), ("doctor", "--", "gzi")):
                with self.subTest("%s: %s" % (shell, words)):
                    self.assertEqual(SHELLS[shell](*words), {"gzip"})
            self.assertFalse({"--name", "--json"} & SHELLS[shell]("run", "--", "gzip", "--"))

    def test_values_and_runs_are_offered(self):
        for shell in ("bash", "fish"):
            with self.subTest(shell):
                self.assertIn("undelivered", SHELLS[shell]("list", "--state", ""))
                self.assertIn("last", SHELLS[shell]("show", ""))
                self.assertNotIn("last", SHELLS[shell]("env", ""))

    def test_behind_a_place_no_run_of_this_machine_is_offered(self):
        with tempfile.TemporaryDirectory() as folder:
            made_runs.write(folder, made_runs.state())
            here = {"pillion_dir": folder, "PILLION_S3_URI": "s3://bucket/fleet"}
            for shell, offered in dict(SHELLS, zsh=lambda *words, **env: set(words_of("zsh", ZSH_RUNS, *words, **env))).items():
                with self.subTest(shell):
                    self.assertEqual(offered("show", "", **here), {"last", "s3://bucket/fleet", made_runs.state()["id"]})
                    self.assertEqual(offered("show", "s3://bucket/fleet", "", **here), {"last"})
            self.assertEqual(in_bash("show", "s3", ":", "//bucket/fleet", "", **here), {"last"})
            for shell in ("bash", "fish"):
                self.assertEqual(SHELLS[shell]("list", "s3://bucket/fleet", "", **here), set())
                self.assertIn("newer", SHELLS[shell]("list", "--state", ""))


if __name__ == "__main__":
    pillion.main()
