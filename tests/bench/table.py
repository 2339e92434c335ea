#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What pillion costs, as one table: budget by budget what was measured, and against what.

    table.py [--quick] [--json FILE] [NAME...]      NAME: a benchmark; without one, all of them. --list names them.

Ratios are medians over interleaved pairs of one run, in random order within a pair, with the quartiles beside them.
All takes a quarter of an hour on two cores; --quick two minutes, and says little. A budget that is not
met is told and is no failure: a busy machine decides nothing. Exit status 1: something could not be measured.
PILLION_BUILD names the build tree. Not to be started below a leader.
"""
import argparse
import json
import signal
import sys
import time
import traceback

import cost_of_end
import cost_of_locks
import cost_of_memory
import cost_of_rows
import cost_of_time
from measure import CannotMeasure, pillion, run_c


def startup(quick):
    return run_c("bench_startup", 40 if quick else 700)


BENCHMARKS = {
    "startup": startup,
    "rows": cost_of_rows.in_c,
    "thread": cost_of_rows.in_a_run,
    "make": cost_of_time.make,
    "programs": cost_of_time.programs,
    "locks": cost_of_locks.locks,
    "end": cost_of_end.end,
    "memory": cost_of_memory.memory,
}
HEADER = ["what", "measured", "budget", "met", "measured against", "quartiles"]


def measure(names, quick):
    """Lines, what could not be measured {name: why}, seconds {name: s}."""
    lines, missing, seconds = [], {}, {}
    for name in names:
        began = time.monotonic()
        try:
            lines += BENCHMARKS[name](quick)
        except CannotMeasure as error:
            missing[name] = str(error)
        except Exception:
            missing[name] = traceback.format_exc()
        seconds[name] = time.monotonic() - began
        print("%s: %.0f s" % (name, seconds[name]), file=sys.stderr, flush=True)
    return lines, missing, seconds


def print_table(lines):
    rows = [HEADER] + [line.cells() for line in lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| %s |" % " | ".join(cell.ljust(width) for cell, width in zip(row, widths)))


def print_summary(lines, missing, seconds):
    budgets = [line for line in lines if line.met is not None]
    unmet = [line.name for line in budgets if not line.met]
    print("\n~: the budget is nearer than the noise, so another run may say the other thing.")
    for name, why in missing.items():
        print("%s could not be measured: %s" % (name, why))
    print("%d budgets, met %d%s; %.0f s" % (len(budgets), len(budgets) - len(unmet),
                                            ", unmet: " + "; ".join(unmet) if unmet else "", sum(seconds.values())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="each benchmark once, with few pairs")
    parser.add_argument("--json", metavar="FILE", help="the lines as JSON too")
    parser.add_argument("--list", action="store_true", help="the names of the benchmarks")
    parser.add_argument("names", nargs="*", choices=[[]] + list(BENCHMARKS), metavar="NAME")
    wanted = parser.parse_args()
    if wanted.list:
        print("\n".join(BENCHMARKS))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started has to end too
    pillion.check_no_leader_above()
    if not pillion.HOOK.exists():
        parser.error("%s is not built; set PILLION_BUILD to the build tree" % pillion.HOOK)
    lines, missing, seconds = measure(wanted.names or list(BENCHMARKS), wanted.quick)
    print_table(lines)
    print_summary(lines, missing, seconds)
    if wanted.json:
        with open(wanted.json, "w") as file:
            json.dump({"quick": wanted.quick, "lines": [line.as_json() for line in lines], "not_measured": missing,
                       "seconds": seconds}, file, indent=1)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
