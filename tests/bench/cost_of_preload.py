#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What /etc/ld.so.preload costs a program that no leader is above of, with and without /etc/pillion.conf: the start and
end of `true`, as root, in an /etc of its own. `bench_startup` has those below a leader.

usage: cost_of_preload.py [ROUNDS]      medians over the rounds, in each of which all ways take turns in random order"""
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import own_etc  # noqa: E402
import pillion  # noqa: E402

CONF = pillion.SOURCE / "tools" / "recipes" / "pillion.conf"
OFF = {"PILLION_DISABLE": "1"}
OUT = {"PILLION_EXCLUDE": "true"}
# What is told, with the preload, with the file, and what the environment says besides.
WAYS = {
    "nothing preloaded": (False, False, {}),
    "switched off by its environment": (True, False, OFF),
    "switched off by its environment, with the file": (True, True, OFF),
    "excluded": (True, False, OUT),
    "excluded, with the file": (True, True, OUT),
    "a leader that ends within PILLION_MIN_SECONDS": (True, False, {"PILLION_MIN_SECONDS": "5"}),
    "one that ends within them, with the file": (True, True, {"PILLION_MIN_SECONDS": "5"}),
    "a leader that leaves a run": (True, False, {}),
    "a leader that leaves a run, with the file": (True, True, {"PILLION_MIN_SECONDS": "0"}),
}


def put(path, text):
    if text:
        path.write_text(text)
    elif path.exists():
        path.unlink()


def once(preload, conf, extra, state):
    etc = pathlib.Path("/etc")
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PILLION_DIR": state, "PILLION_CLOUD": "off", **extra}
    put(etc / "pillion.conf", conf and CONF.read_text())
    put(etc / "ld.so.preload", preload and "%s\n" % pillion.HOOK)
    began = time.perf_counter_ns()
    pid = os.posix_spawn("/bin/true", ["true"], env)
    usage = os.wait4(pid, 0)[2]
    took = time.perf_counter_ns() - began
    put(etc / "ld.so.preload", None)
    return took / 1000, (usage.ru_utime + usage.ru_stime) * 1e6


def inside(rounds, state):
    with open("/proc/mounts") as mounts:
        if not any(line.split()[1:3] == ["/etc", "tmpfs"] for line in mounts):
            raise SystemExit("this is the machine's own /etc")
    took = {name: [] for name in WAYS}
    for number in range(rounds + 3):
        for name in random.sample(list(WAYS), len(WAYS)):
            both = once(*WAYS[name], state)
            if number >= 3:
                took[name].append(both)
    print("%-50s %20s %22s" % ("", "wall, over nothing", "CPU, over nothing"))
    for name, values in took.items():
        line = "%-50s" % name
        for kind in range(2):
            more = statistics.median(value[kind] - plain[kind] for value, plain in zip(values, took["nothing preloaded"]))
            line += " %8.0f us %+7.0f us" % (statistics.median(value[kind] for value in values), more)
        print(line)


def main():
    if sys.argv[1:2] == ["--inside"]:
        return inside(int(sys.argv[2]), sys.argv[3])
    own_etc.need()
    folder = pillion.fresh_folder()
    state = folder / "state"
    state.mkdir()
    etc = own_etc.OwnEtc(folder / "etc")
    rounds = sys.argv[1] if len(sys.argv) > 1 else "200"
    words = etc.enter(sys.executable, pathlib.Path(__file__).resolve(), "--inside", rounds, state)
    return subprocess.run([str(word) for word in words]).returncode


if __name__ == "__main__":
    sys.exit(main())
