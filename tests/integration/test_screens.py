#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `show` and `list` look like, of runs that are made: the same figures on every machine.

With PILLION_GOLDEN=write in the environment the pictures in tests/golden/screens are made anew."""
import csv
import io
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_runs  # noqa: E402
from served import LocalTest, pillion  # noqa: E402

WIDTHS = (40, 80, 120, 200)
PLACE = {"TZ": "Europe/Berlin", "LC_ALL": "C.UTF-8"}


class ScreenTest(LocalTest):
    def setUp(self):
        super().setUp()
        self.dir.mkdir(mode=0o700, exist_ok=True)
        self.ids = made_runs.gallery(self.dir)

    def answer(self, *words, status=0, **variables):
        result = self.pillion(*words, env=self.env(**dict(PLACE, **variables)))
        self.assertEqual(result.status, status, result)
        return result.stdout.decode()

    def refused(self, *words):
        result = self.pillion(*words, env=self.env(**PLACE))
        self.assertEqual((result.status, result.stdout), (2, b""), result)
        return result.stderr.decode()

    def names(self, *words):
        return [run["name"] for run in json.loads(self.answer("list", "--json", *words))]


class Pictures(ScreenTest):
    def check(self, name, text, width):
        path = pillion.GOLDEN / "screens" / ("%s-%d.txt" % (name, width))
        if os.environ.get("PILLION_GOLDEN") == "write":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.assertEqual(text, path.read_text(), path.name)
        self.assertLessEqual(max(map(len, text.splitlines())), width, path.name)

    def test_plain_pictures_are_the_golden_ones(self):
        for width in WIDTHS:
            self.check("list", self.answer("list", "--plain", COLUMNS=str(width)), width)
            for name, run in self.ids.items():
                self.check("show-" + name, self.answer("show", "--plain", run, COLUMNS=str(width)), width)

    def test_of_jobs_name_and_number_come_first_then_what_was_asked(self):
        shutil.rmtree(self.dir)
        self.dir.mkdir(mode=0o700)
        ids = made_runs.jobs(self.dir)
        for width in WIDTHS:
            self.check("jobs", self.answer("list", "--plain", COLUMNS=str(width)), width)
        self.check("show-step", self.answer("show", "--plain", ids[3], COLUMNS="80"), 80)
        self.check("show-limit", self.answer("show", "--plain", ids[5], COLUMNS="80"), 80)
        self.assertEqual(self.names("--job", "42"), ["nightly"] * 4)
        self.assertEqual(self.names("--name", "train*"), ["nightly"] * 2)
        self.assertEqual([run.get("ended_by") for run in json.loads(self.answer("list", "--json"))], [None, "time limit", *[None] * 4])

    def test_what_is_wrong_is_the_second_line_with_the_next_command(self):
        for name, words in (("refused", ("HTTP 401", "refused", "pillion doctor", "pillion sync")),
                            ("killed", ("Out of memory", "56.9 MiB of 57.0 MiB")), ("lost", ("pillion sync",))):
            second = self.answer("show", self.ids[name]).splitlines()[1]
            for word in words:
                self.assertIn(word, second)

    def test_words_of_strangers_steer_no_terminal(self):
        for words in (("list",), ("show", self.ids["words"])):
            for width in ("0", "40", "200"):
                self.assertNotRegex(self.answer(*words, COLUMNS=width), r"[\x00-\x09\x0b-\x1f\x7f]")

    def test_the_runs_around_it_have_names(self):
        ids = list(self.ids.values())
        for name, at in (("last", -1), ("last~1", -2), ("last~4", -5), (ids[3] + "~2", 1), (ids[3][:-1] + "~1", 2)):
            self.assertEqual(json.loads(self.answer("show", "--json", name))["id"], ids[at], name)
        self.assertIn("only 4 runs", self.pillion("show", "last~5", env=self.env()).stderr.decode())


class Lists(ScreenTest):
    def test_filters_choose(self):
        for words, expected in (
                (("--last", "2"), ["=cmd|' /C calc'!A0", "resnet-baseline"]),
                (("--failed",), ["etl-nightly", "eats-memory", "sweep"]),
                (("--failed", "--last", "1"), ["sweep"]),
                (("--state", "lost,undelivered"), ["etl-nightly", "sweep"]),
                (("--name", "*e*", "--state", "local"), ["eats-memory"]),
                (("--job", "3"), ["etl-nightly"]), (("--job", "3_4"), ["etl-nightly"]), (("--job", "4"), []),
                (("--since", "2026-11-28T12:39:00Z"), ["sweep", "=cmd|' /C calc'!A0", "resnet-baseline"]),
                (("--since", "2026-11-28T13:42"), ["resnet-baseline"]), (("--since", "2100-01-01"), []),
                (("--sort", "took"), None), (("--sort", "-cpu"), None)):
            if expected is not None:
                self.assertEqual(self.names(*words), expected, words)
        self.assertEqual(self.names("--sort", "took")[-1], "resnet-baseline")
        self.assertEqual(self.names("--sort", "-duration_s")[0], "resnet-baseline")
        self.assertEqual(self.names("--sort", "memory")[-1], self.names("--sort", "-memory_peak_mib")[0])

    def test_json_and_csv_have_the_same_fields(self):
        listed = json.loads(self.answer("list", "--json"))
        table = list(csv.DictReader(io.StringIO(self.answer("list", "--csv"))))
        self.assertEqual([run["id"] for run in listed], [row["id"] for row in table])
        self.assertEqual(set().union(*listed) - set(table[0]), set())
        for run, row in zip(listed, table):
            for key, value in run.items():
                if isinstance(value, (int, float)):
                    self.assertAlmostEqual(float(row[key]), value, places=3, msg=key)
        trained = listed[-1]
        self.assertAlmostEqual(trained["gpu_part"], 3940 / 8040, places=4)
        self.assertAlmostEqual(trained["cpu_part"], 11600 / 8040 / 2, places=4)

    def test_a_cell_of_csv_is_no_formula(self):
        row = list(csv.DictReader(io.StringIO(self.answer("list", "--csv"))))[3]
        self.assertEqual((row["name"], row["job"]), ("'=cmd|' /C calc'!A0", "'@SUM(1)"))


class Words(ScreenTest):
    def test_a_misspelt_word_names_the_right_one(self):
        for words, right in ((("shwo",), '"show"'), (("lsit",), '"list"'), (("doctr",), '"doctor"'),
                             (("show", "--jsno"), "--json"), (("list", "--faild"), "--failed"),
                             (("list", "--sort", "cpu_prt"), "cpu_part"), (("run", "--nmae", "x", "true"), "--name"),
                             (("sync", "--jason"), "--json"), (("run", "--name"), "needs a value"),
                             (("list", "--last"), "needs a value"), (("list", "--json=1"), "takes no value"),
                             (("list", "--since", "soon"), "2h"), (("list", "--last", "x"), "number"),
                             (("help", "shwo"), '"show"')):
            with self.subTest(words):
                self.assertIn(right, self.refused(*words))

    def test_what_is_far_from_all_is_not_guessed(self):
        self.assertNotIn("did you mean", self.refused("frobnicate"))

    def test_help_has_examples_and_is_found_both_ways(self):
        general = self.answer("--help")
        self.assertEqual(self.answer("help"), general)
        commands = [line.split()[0] for line in general.splitlines() if line.startswith("  ") and line.split()[0] != "pillion"]
        for name in commands:
            if name != "help":
                text = self.answer(name, "--help")
                self.assertEqual(self.answer("help", name), text)
                self.assertIn("\nExamples:\n  pillion " if name != "env" else "\nExamples:\n", text)


if __name__ == "__main__":
    pillion.main()
