# SPDX-License-Identifier: Apache-2.0
"""Every row of a run held against the sampler's looks (sampler.c): which rows count, and how far each is off.

A row is off by its distance to the range of the looks within AROUND of it: the row is of some milliseconds and so is a
look, and where memory moves fast the two are not of the same instant. Where a program is ending, its PSS falls during
tens of milliseconds while its counters still stand; that too is inside this range. So is what the tree had between two
looks when one program ended and the next began. Of memory that stands still the range is a point.

A look during which sharing changed, or that took too long, is torn: its sum is of no instant. So are the two looks
before a process appears in a tree that shares memory: a fork in progress shares pages with a child that nobody can see
yet. Such a look excuses a row, and tells nothing else.

A row counts if the memory was steady in its own interval and the one before. It counts too if what moved was private
memory, from the second row of that: only who shares what with whom may need a row more. It does not count without a
look within NEAR of it; more than UNSEEN_MAX of such rows is a failure of its own. Nor does it count if all around it are
torn: then sharing moves at this very instant.
"""
import bisect

AROUND, NEAR = 0.150, 0.040
SHARE, MIB = 0.05, 8.0
UNSEEN_MAX = 0.02
SHARED_MIN = 4.0
LOOKS_MIN = 4  # so many around a row tell that nobody came or went


def bound(truth):
    return max(SHARE * truth, MIB)


class Look:
    def __init__(self, line):
        fields = line.split()
        self.began, self.ended, self.pss, self.private, self.largest = map(float, fields[:5])
        self.count, self.cpu = int(fields[5]), float(fields[6])
        self.torn, self.new = fields[7] == "1" or self.ended - self.began > 2 * NEAR, int(fields[8])
        self.floor = float(fields[9])
        self.shares = self.pss - self.private > SHARED_MIN


def whole(looks):
    return [look for look in looks if not look.torn]


class Looks:
    def __init__(self, text):
        self.all = [Look(line) for line in text.splitlines()]
        self.began = [look.began for look in self.all]
        self.ended = [look.ended for look in self.all]
        for look, *later in zip(self.all, self.all[1:], self.all[2:] + self.all[-1:]):
            look.torn |= look.shares and any(other.new for other in later)

    def within(self, start, end):
        """Those that overlap with this time; they rise in both of their ends."""
        return self.all[bisect.bisect_left(self.ended, start):bisect.bisect_right(self.began, end)]

    def around(self, at):
        """Those within AROUND, and where they are rare the last before and the first after."""
        first = min(bisect.bisect_left(self.ended, at - AROUND), max(0, bisect.bisect_right(self.ended, at) - 1))
        last = max(bisect.bisect_right(self.began, at + AROUND), bisect.bisect_left(self.began, at) + 1)
        return self.all[first:last]

    def spanning(self, start, end):
        """Those from start to end, with the nearest before and after where none begins at once."""
        first = max(0, bisect.bisect_right(self.began, start) - 1)
        return self.all[first:max(first + 1, bisect.bisect_left(self.ended, end) + 1)]

    def most(self):
        return max(look.pss for look in whole(self.all))

    def cpu_until(self, at):
        return max([look.cpu for look in self.all[:bisect.bisect_right(self.ended, at)]], default=0)


class Judged:
    """A row beside the truth: `low` to `high` MiB; `error` with its sign, 0 inside; `counts`, or `why` not."""

    def __init__(self, row, looks, counts, why):
        self.at, self.value = row["timestamp"], row["process_memory_mib"]
        self.counts, self.why = counts, why
        self.low = min([look.floor for look in looks], default=0.0)
        self.high = max([look.pss for look in looks], default=0.0)
        self.least = min([look.pss for look in whole(looks)], default=0.0)
        self.processes = {look.count for look in looks} if len(looks) >= LOOKS_MIN else set()
        self.children = row["process_children"]
        value = 0 if self.value is None else self.value
        self.error = value - self.high if value > self.high else min(0, value - self.low)
        self.truth = self.high if self.error > 0 else self.low
        self.severity = abs(self.error) / bound(self.truth)

    def __repr__(self):
        return "%.3f: %s MiB, truth %.1f to %.1f%s" % (self.at, self.value, self.low, self.high,
                                                      "" if self.counts else " (does not count: %s)" % self.why)


def moved(values):
    return max(values) - min(values)


def steady(looks):
    """Nothing moved; or what moved was private alone, which leaves the rest of PSS as it was."""
    looks = whole(looks) or looks
    limit = bound(max(look.pss for look in looks))
    if moved([look.pss for look in looks]) < limit:
        return "all"
    return "shared" if moved([look.pss - look.private for look in looks]) < limit else ""


def why_not(own, before):
    """`own`, `before`: what steady() says of the row's interval and the one before; None: there is none before."""
    if own == "all" and before in ("all", None):
        return ""
    if "" in (own, before):
        return "sharing moved"
    return "the first row of a change" if before in ("all", None) else ""


def judge(rows, looks):
    """Each row as Judged."""
    result = []
    times = [looks.began[0]] + [row["timestamp"] for row in rows]
    states = [steady(looks.spanning(start, end)) for start, end in zip(times, times[1:])]
    for i, row in enumerate(rows):
        at = row["timestamp"]
        why = why_not(states[i], states[i - 1] if i else None)
        around = looks.around(at)
        if not looks.within(at - NEAR, at + NEAR):
            why = "unseen"
        elif not whole(around):
            why = "torn"
        elif row["process_memory_mib"] is None and min(look.count for look in around) == 0:
            why = "no process"
        result.append(Judged(row, around, not why, why))
    return result


def check_memory(judged):
    """Complaints, and the run's largest row beside the largest truth at the rows' instants."""
    complaints = ["row %r" % row for row in judged if row.counts and (row.severity > 1 or row.value is None)]
    unseen = [row for row in judged if row.why == "unseen"]
    if len(unseen) > UNSEEN_MAX * len(judged):
        complaints.append("%d of %d rows have no look within %.0f ms, at %s" % (
            len(unseen), len(judged), NEAR * 1000, ", ".join("%.3f" % row.at for row in unseen[:4])))
    seen = [row for row in judged if row.why not in ("unseen", "torn")]
    most = max([row.value or 0 for row in seen], default=0)
    low, high = (max([getattr(row, name) for row in seen], default=0) for name in ("least", "high"))
    error = most - high if most > high else min(0, most - low)
    if abs(error) > bound(high if error > 0 else low):
        complaints.append("maximum %.1f MiB, truth %.1f to %.1f" % (most, low, high))
    return complaints, most, low, high


def check_children(judged):
    """Whoever is there before and after a row is in it, zombies too; the root of the tree is no child. Who lives between
    two looks alone may be in one row, not in the next one too."""
    complaints, was_more = [], False
    for row in judged:
        if not row.counts or len(row.processes) != 1 or row.processes == {0}:
            continue
        truth, is_more = min(row.processes) - 1, row.children > min(row.processes) - 1
        if row.children < truth or (is_more and was_more):
            complaints.append("row %r: %s children, truth %d" % (row, row.children, truth))
        was_more = is_more
    return complaints
