#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of every job of memory_set.py against the kernel: memory, children, CPU, disk, and what `show` says of it.

    process_memory.py [--quick | --all] [--jobs REGEX] [--modes preload,run] [--intervals 0.2,1,5]
                      [--checks memory,children,cpu,disk,figures] [--load] [--times N] [--once] [--list]

Without --quick or --all: quick, unless PILLION_TEST_LONG is set. --load: beside a busy loop on each CPU. --times: the
whole set so often, preload and run in turns. A job that misses a bound is run again, twice at most, and fails if two of
the three miss; each is printed. --once: it fails at once.

  memory    each row that counts (memory_truth.py) within 5 % or 8 MiB, the largest row too; and the sampler's own
            largest where arithmetic knows it
  children  each row that counts, while nobody comes or goes
  cpu       the rows' sum within 1 % or a tick a process of wait4's; under the preload, and where some outlive the
            program, not less than was used until the last row, for giving back the leader's own memory comes after it
  disk      the rows' sum within 1 % or 512 KiB of wait4's: a run's own files are in it
  figures   rows, totals, `show --json` and `show` agree (agreement.py), and the peak is that of the largest process
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agreement import Agreement, cells, cpu_of  # noqa: E402
from jobs import JOBS, TICK, pillion  # noqa: E402
from memory_set import BEATS, SET, LeftOut, matrix  # noqa: E402
from memory_truth import Looks, bound, check_children, check_memory, judge  # noqa: E402

CHECKS = ("memory", "children", "cpu", "disk", "figures")
DISK_SLACK = 512 * 1024
SERIES = 3
HEADER = ("job", "mode", "s", "rows", "judged", "worst row", "maximum (truth)", "CPU s (truth)",
          "read, written MiB (truth)", "misses")
FORMAT = "%-29s %-7s %-4s %4s %6s  %-21s %-20s %-19s %-27s %s"


class Series:
    """One job, once: what was seen and what is wrong with it, by check."""

    def __init__(self, job, mode, interval):
        self.job, self.mode, self.interval = job, mode, interval
        self.complaints = {}
        self.left_out = None
        self.line = ("",) * 6

    def complain(self, check, complaints):
        if complaints:
            self.complaints.setdefault(check, []).extend(complaints)

    def misses(self, checks):
        return [check for check in self.complaints if check in checks or check not in CHECKS]

    def describe(self, checks):
        if self.left_out:
            last = "left out: %s" % self.left_out
        else:
            last = ", ".join("%s (%d)" % (check, len(self.complaints[check])) for check in self.misses(checks)) or "-"
        return FORMAT % ((self.job.name, self.mode, self.interval) + self.line + (last,))

    def run(self):
        folder = pillion.fresh_folder()
        try:
            with contextlib.ExitStack() as stack:
                if self.job.around:
                    stack.enter_context(self.job.around())
                self.job.check_needs()
                self.observe(folder)
        except LeftOut as why:
            self.left_out = why
        except Exception:
            self.complain("error", [traceback.format_exc()])
        finally:
            if os.environ.get("TEST_KEEP"):
                print("kept: %s" % folder)
            else:
                pillion.remove_folder(folder)
        return self

    def warm(self, argv):
        """What ld.so and the kernel read of a program before the run begins is not the run's: let it be in memory."""
        for word in argv:
            path = shutil.which(str(word))
            if path:
                with open(path, "rb") as file:
                    while file.read(1 << 20):
                        pass

    def observe(self, folder):
        beat = BEATS[self.interval]
        work, state, home = folder / "work", folder / "state", folder / "home"
        for path in (work, state, home):
            path.mkdir(mode=0o700)
        os.chmod(folder, 0o755)
        if self.job.prepare:
            self.job.prepare(work, beat)
        env = pillion.clean_env(home, state, PILLION_INTERVAL=self.interval, PILLION_CLOUD="off")
        leader = [pillion.COMMAND, "run", "--quiet", "--"] if self.mode == "run" else []
        argv = [JOBS / "sampler"] + (["-b"] if leader else ["-p", pillion.HOOK]) + [folder / "looks"] + leader
        argv += self.job.words(self.job.argv, beat, work)
        self.warm(argv)
        beside = None
        if self.job.beside:
            beside = subprocess.Popen(self.job.words(self.job.beside, beat, work), cwd=work, env=env)
        try:
            result = pillion.run(argv, preload=False, env=env, cwd=work, timeout=300)
        finally:
            if beside:
                beside.kill()
                beside.wait()
        truth = dict(word.split("=") for word in result.stdout.decode().splitlines()[-1].split())
        if result.status != 0 or truth["status"] != "0":
            self.complain("error", ["%r" % result])
        runs = pillion.runs(state)
        if len(runs) != 1:
            return self.complain("error", ["not one run: %s" % runs])
        truth = {key: float(value) for key, value in truth.items()}
        self.check(runs[0], Looks((folder / "looks").read_text()), truth, env)

    def check(self, run, looks, truth, env):
        rows = run.rows
        judged = judge(rows, looks)
        complaints, most, low, high = check_memory(judged)
        self.complain("memory", complaints)
        self.complain("memory", self.check_sampler(looks))
        self.complain("children", check_children(judged))
        counting = [row for row in judged if row.counts]
        worst = max(counting, key=lambda row: row.severity, default=None)
        cpu, cpu_truth = self.check_cpu(rows, looks, truth)
        disk = self.check_disk(run, truth)
        processes = int(truth["processes"])
        self.complain("figures", Agreement(run, env, processes).check())
        self.complain("figures", self.check_peak(run, looks, truth["peak"]))
        self.line = (len(rows), len(counting),
                     "-" if not worst else "%.1f %% (%+.1f of %.0f)" % (100 * abs(worst.error) / max(worst.truth, 1),
                                                                       worst.error, worst.truth),
                     "%.1f (%s)" % (most, "%.1f" % low if high - low < 0.1 else "%.0f to %.0f" % (low, high)),
                     "%.2f (%s)" % (cpu, cpu_truth), disk)

    def check_sampler(self, looks):
        """The sampler's own largest, where arithmetic knows it."""
        most = looks.most()
        if self.job.most and abs(most - self.job.most) > bound(self.job.most):
            return ["the sampler's largest is %.1f MiB, by arithmetic it is %d" % (most, self.job.most)]
        return []

    def check_cpu(self, rows, looks, truth):
        cpu, least, most = cpu_of(rows), truth["cpu_least"], truth["cpu_most"]
        if self.mode == "preload" or self.job.leaves:
            least = min(least, looks.cpu_until(rows[-1]["timestamp"]))
        tolerance = max(most / 100, truth["processes"] * TICK)
        if not least - tolerance <= cpu <= most + tolerance:
            told = "rows %.3f s, truth %.3f to %.3f, %d processes" % (cpu, least, most, truth["processes"])
            self.complain("cpu", [told])
        return cpu, "%.2f" % most if most - least < 0.005 else "%.2f to %.2f" % (least, most)

    def check_disk(self, run, truth):
        """What the leader moved before its run began, its own image above all, may be in neither."""
        told = []
        for column, key in (("process_disk_read_bytes", "read"), ("process_disk_write_bytes", "written")):
            moved = sum(cells(run.rows, column))
            before = run.get("baseline", {}).get(key, 0) if self.mode == "preload" else 0
            slack = max(truth[key] / 100, DISK_SLACK)
            if not truth[key] - before - slack <= moved <= truth[key] + slack:
                self.complain("disk", ["%s: rows %d, truth %d, before the run %d" % (key, moved, truth[key], before)])
            told += [moved / 2 ** 20, truth[key] / 2 ** 20]
        return "%.1f, %.1f (%.1f, %.1f)" % (told[0], told[2], told[1], told[3])

    def check_peak(self, run, looks, most):
        """The largest RSS that one process had: what a look saw at least, and no more than wait4 knows of."""
        kib = run.get("totals", {}).get("max_rss_kib")
        least = max(look.largest for look in looks.all)
        if kib is not None and not least - bound(least) <= kib / 1024 <= most + bound(most):
            return ["totals' peak %.1f MiB, the largest process had %.1f to %.1f" % (kib / 1024, least, most)]
        return []


class Judgement:
    """A job until two of its series agree."""

    def __init__(self, job, mode, interval, checks, most):
        self.series = []
        self.checks = checks
        missed = held = 0
        while max(missed, held) * 2 <= most and not (held and not missed):
            series = Series(job, mode, interval).run()
            self.series.append(series)
            print(series.describe(checks), flush=True)
            if series.misses(checks):
                missed += 1
                self.print_complaints(series)
            else:
                held += 1
        self.failed = missed * 2 > most

    def print_complaints(self, series):
        for check in series.misses(self.checks):
            for complaint in series.complaints[check][:6]:
                print("    %s: %s" % (check, complaint), flush=True)


@contextlib.contextmanager
def busy(load):
    """One loop on each CPU."""
    loops = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() if load else 0)]
    try:
        yield
    finally:
        for loop in loops:
            loop.send_signal(signal.SIGKILL)
            loop.wait()


def read_arguments(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--jobs", default="")
    parser.add_argument("--modes", default="preload,run")
    parser.add_argument("--intervals", default="0.2,1,5")
    parser.add_argument("--checks", default=",".join(CHECKS))
    arguments = parser.parse_args(words)
    arguments.checks = arguments.checks.split(",")
    arguments.quick = arguments.quick or not (arguments.all or arguments.jobs or os.environ.get("PILLION_TEST_LONG"))
    return arguments


def chosen(arguments, turn=0):
    intervals = [float(word) for word in arguments.intervals.split(",")]
    return [(job, mode, interval) for job, mode, interval in matrix(arguments.quick, turn)
            if re.search(arguments.jobs, job.name) and mode in arguments.modes.split(",") and interval in intervals]


def main(words):
    arguments = read_arguments(words)
    combinations = chosen(arguments)
    if arguments.list:
        for job, mode, interval in combinations:
            print(FORMAT % (job.name, mode, interval, "", "", "", "", "", "", ""))
        return 0
    pillion.check_no_leader_above()
    print("%d jobs, %d of them chosen: %d combinations" % (len(SET), len({job.name for job, _, _ in combinations}),
                                                           len(combinations)))
    print(FORMAT % HEADER, flush=True)
    judgements, began = [], time.monotonic()
    with busy(arguments.load):
        for turn in range(arguments.times):
            judgements += [Judgement(*combination, arguments.checks, 1 if arguments.once else SERIES)
                           for combination in chosen(arguments, turn)]
    failed = [judgement for judgement in judgements if judgement.failed]
    series = [one for judgement in judgements for one in judgement.series]
    print("\n" + FORMAT % HEADER)
    for one in series:
        print(one.describe(arguments.checks))
    print("\n%d combinations, %d series, %d that missed a bound, %d left out; %d combinations failed; %.0f s" % (
        len(judgements), len(series), sum(bool(one.misses(arguments.checks)) for one in series),
        sum(bool(one.left_out) for one in series), len(failed), time.monotonic() - began))
    return 1 if failed or not judgements else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
