# SPDX-License-Identifier: Apache-2.0
"""The last words of tools/check before ctest's: what took how long, which tests were the slowest, what was left out.

    times.py RECORDS BUILD

RECORDS has `seconds` (a line a stage: seconds, a tab, the name), and of ctest tests.json, as --show-only tells them, and
tests.xml, as --output-junit writes it."""
import collections
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

SLOWEST = 10


def stages(records):
    path = records / "seconds"
    for line in path.read_text().splitlines() if path.exists() else ():
        seconds, name = line.split("\t")
        yield name, float(seconds)


def labels_of(records):
    """{test: its label}"""
    known = json.loads((records / "tests.json").read_text())["tests"]
    return {test["name"]: prop["value"][0] for test in known for prop in test["properties"] if prop["name"] == "LABELS"}


def tests(records):
    """(name, label, seconds) of each test that ran."""
    path = records / "tests.xml"
    if path.exists():
        labels = labels_of(records)
        for case in xml.parse(path).iter("testcase"):
            yield case.get("name"), labels.get(case.get("name"), "no label"), float(case.get("time"))


def left_out(build):
    path = build / "Testing" / "Temporary" / "LastTest.log"
    test, found = "", []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        begun = re.match(r"[0-9]+/[0-9]+ Test(?:ing)?: (.*)", line)
        test = begun.group(1) if begun else test
        if line.startswith(("skipped: ", "not in tests/skips.txt: ")):
            found.append("%s: %s" % (test, line))
    return found


def main(records, build):
    print("== Seconds")
    for name, seconds in stages(records):
        print("%6.0f  %s" % (seconds, name))
    told = list(tests(records))
    labels = collections.Counter()
    for _, label, seconds in told:
        labels[label] += seconds
    for label, seconds in labels.most_common():
        print("%6.0f      %s: all of its %d, one after another" % (seconds, label, sum(one[1] == label for one in told)))
    if told:
        print("== The slowest tests")
        for name, _, seconds in sorted(told, key=lambda one: -one[2])[:SLOWEST]:
            print("%6.1f  %s" % (seconds, name))
        for line in left_out(build):
            print(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
