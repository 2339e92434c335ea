# SPDX-License-Identifier: Apache-2.0
"""What preload/witness.c wrote down of the processes of a command: read, and compared with another time.

A record is what one process found when it started, or had when it exited: environment (all but LD_PRELOAD), open
descriptors with their flags, signal dispositions, mask and pending ones, limits, umask, folder, ids, prctl settings,
names of threads. The leader's own thread is the one thing that is taken out, and counted.
"""
import collections
import difflib
import re

import pillion

LIBRARY = pillion.PROGRAMS / "preload" / "witness.so"
NUMBERED = re.compile(r"((?:pipe|socket|anon_inode):\[|/proc/)\d+")  # these have other numbers each time


class Record:
    def __init__(self, text):
        lines = [NUMBERED.sub(r"\1", line) for line in text.split("\0")]
        values = dict(line.partition("=")[::2] for line in lines)
        self.when, self.pid, self.executable = values["when"], int(values["pid"]), values["executable"]
        self.leads = "thread pillion=pillion" in lines
        self.lines = sorted(line for line in lines if not line.startswith(("when=", "pid=", "thread pillion=")))

    def but(self, names):
        """The lines whose names are not among these."""
        return tuple(line for line in self.lines if line.partition("=")[0] not in names)

    def __str__(self):
        return "%s of %s" % (self.when, self.executable)


def read(path):
    """The records in a file; those of `pillion` itself are no part of the command."""
    text = path.read_bytes().decode(errors="surrogateescape") if path.exists() else ""
    records = [Record(part) for part in text.split("\0\0") if part]
    return [record for record in records if record.executable != str(pillion.COMMAND)]


def leaders(records):
    return {record.pid for record in records if record.leads}


def unmatched(left, right, names=()):
    """The records on each side that the other has not."""
    def count(records):
        return collections.Counter((record.when, record.executable, record.but(names)) for record in records)

    one, two = count(left), count(right)
    return sorted((one - two).elements()), sorted((two - one).elements())


def differences(plain, other, names=()):
    """One paragraph for each process that differs, or that is there only once; names that vary anyway are left out."""
    told = []
    only_plain, only_other = unmatched(plain, other, names)
    for when, executable, lines in only_plain:
        pair = next((one for one in only_other if one[:2] == (when, executable)), None)
        if pair is None:
            told.append("%s of %s: in the plain run only" % (when, executable))
            continue
        only_other.remove(pair)
        told.append("%s of %s:\n  %s" % (when, executable, "\n  ".join(
            line for line in difflib.ndiff(lines, pair[2]) if line[0] in "+-")))
    return told + ["%s of %s: with pillion only" % one[:2] for one in only_other]


def varying(plain, again):
    """The names of what differs between two plain runs."""
    left, right = unmatched(plain, again)
    lines = collections.Counter(line for one in left for line in one[2])
    lines.subtract(line for one in right for line in one[2])
    return {line.partition("=")[0] for line, count in lines.items() if count}
