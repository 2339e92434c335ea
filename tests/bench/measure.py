# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks have in common: lines of the table, pairs, and the kernel's accounts of time and memory."""
import math
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

PYTHON = os.path.realpath(sys.executable)  # the interpreter itself: a wrapper script would be measured too
BENCH = pillion.BUILD / "bench"
SPREAD = re.compile(r"(-?[0-9.]+) to (-?[0-9.]+), ([0-9]+) pairs\Z")
OLD_CLIENTS = "the reference clients, measured before: "  # constants of a table, not of this run


FEW = 5  # pairs: of fewer nothing is known
QUICK_SECONDS = 2  # for the pairs of one line


class CannotMeasure(Exception):
    """Said in the table, in place of figures."""


class Line:
    """One line of the table; `budget` None: there is none, the figure is only told."""

    def __init__(self, name, value, budget=None, unit="", against="", spread=""):
        self.name, self.value, self.budget, self.unit = name, value, budget, unit
        self.against, self.spread = against, spread

    @property
    def met(self):
        return None if self.budget is None else self.value <= self.budget

    @property
    def noise(self):
        """Half of the interval in which the median of many such runs lies with 95 %; 0: nothing is known of it. Of
        values like these the quartiles are 1.35 standard deviations apart, and a median's error is 1.25 of a mean's."""
        found = SPREAD.match(self.spread)
        if not found:
            return 0
        low, high, count = float(found[1]), float(found[2]), int(found[3])
        if count < FEW:
            return math.inf
        return 1.96 * 1.25 * (high - low) / 1.35 / math.sqrt(count)

    def cells(self):
        budget = "-" if self.budget is None else ("≤ %g %s" % (self.budget, self.unit)).rstrip()
        met = {None: "", True: "yes", False: "NO"}[self.met]
        if met and abs(self.value - self.budget) < self.noise:
            met += " ~"
        return [self.name, ("%.3f %s" % (self.value, self.unit)).rstrip(), budget, met, self.against, self.spread]

    def as_json(self):
        return dict(vars(self), met=self.met, noise=None if math.isinf(self.noise) else self.noise)


def read_lines(text):
    """Of a benchmark in C, as measure.h says."""
    for line in text.splitlines():
        name, value, budget, against, *spread = line.split("\t")
        value, _, unit = value.partition(" ")
        yield Line(name, float(value), None if budget == "-" else float(budget.split()[0]), unit, against,
                   spread[0] if spread else "")


def ended(what, status, told):
    return "%s ended with %d: %s" % (what, status, told.decode(errors="replace")[-500:])


def run_c(name, *words, timeout=300):
    """The lines of build/bench/NAME."""
    program = BENCH / name
    if not program.exists():
        raise CannotMeasure("%s is not there: it is not built, or not written" % name)
    done = subprocess.run([str(program)] + [str(word) for word in words], env=pillion.clean_env(), timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise CannotMeasure(ended(name, done.returncode, done.stderr))
    sys.stderr.write(done.stderr.decode(errors="replace"))  # milliseconds, which say more about the machine
    return list(read_lines(done.stdout.decode()))


# ------------------------------------------------------------------------------------------------------ statistics


def quartiles(values):
    if len(values) < 2:
        return values * 2
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return [low, high]


def spread(values, what="pairs"):
    return "%.3f to %.3f, %d %s" % (*quartiles(values), len(values), what)


def line_of(name, values, budget=None, unit="", against="", what="pairs"):
    return Line(name, statistics.median(values), budget, unit, against, spread(values, what))


def rounds_of(variants, rounds, seconds, warm=True):
    """{name: [figure of each round]}. In each round every variant runs once, in random order. The first of each warms
    caches and does not count. On a slow or busy machine there are fewer rounds: none begins after so many seconds, so
    that all benchmarks together keep their time."""
    figures = {name: [] for name in variants}
    if warm:
        next(iter(variants.values()))()
    until = time.monotonic() + seconds
    for number in range(rounds):
        if number and time.monotonic() > until:
            break
        for name in random.sample(list(variants), len(variants)):
            figures[name].append(variants[name]())
    return figures


def ratios(figures, name, base):
    return [one / other for one, other in zip(figures[name], figures[base])]


# ----------------------------------------------------------------------------------------------- time, memory, rows


def cpu_of(argv, env, cwd=None):
    """User and system time in seconds of a program and all that it reaped, which has to end well."""
    process = subprocess.Popen([str(word) for word in argv], env=env, cwd=cwd and str(cwd), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    told = process.stderr.read()
    process.stderr.close()
    if process.returncode:
        raise CannotMeasure(ended(argv[:3], process.returncode, told))
    return usage.ru_utime + usage.ru_stime


def thread_of(pid):
    """The folder of the thread `pillion`."""
    def found():
        for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
            if (task / "comm").read_text() == "pillion\n":
                return task
        return None
    return pillion.wait_for(found, 10, "a thread pillion in process %d" % pid)


def thread_cpu(task):
    """Nanoseconds of CPU: Documentation/scheduler/sched-stats.rst."""
    return int((task / "schedstat").read_text().split()[0])


def memory_kib(pid, *names):
    """Of Documentation/filesystems/proc.rst, smaps_rollup; None: the process has ended."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            text = file.read()
    except OSError:
        return None
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))
    return sum(int(found[name]) for name in names) if found else None


def own_kib(pid):
    """Memory that is the process's alone and goes with it: no file holds it."""
    return memory_kib(pid, "Anonymous", "Swap")


def count_rows(folder):
    """Rows of the only run below a PILLION_DIR so far."""
    paths = list(pathlib.Path(folder).glob("runs/*/metrics.csv"))
    return max(0, paths[0].read_bytes().count(b"\n") - 1) if paths else 0


def wait_for_rows(folder, rows, timeout):
    pillion.wait_for(lambda: count_rows(folder) >= rows, timeout, "%d rows" % rows)


class Sleeper:
    """A program that stays until it is ended: with Sleeper(...) as pid."""

    def __init__(self, argv, env, preload=None):
        self.argv, self.env, self.preload = [str(word) for word in argv], dict(env), preload
        if preload:
            self.env["LD_PRELOAD"] = str(preload)

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        return self.process.pid

    def __exit__(self, *error):
        """With whatever it has started: a process group of its own."""
        os.killpg(self.process.pid, 15)
        self.process.wait(30)
