# SPDX-License-Identifier: Apache-2.0
"""Runs whole test suites of other projects as they are, and with a leader in every process tree, and compares test by
test. What the suites are stands in suite_list.py.

    suites.py [--mode MODE]... [--jobs N] SUITE...     (without a suite: lists them; "all": each of them)

Sources come from Debian's archive (apt, in a private folder) and are kept, with what is built of them, in
$PILLION_SUITES, by default build/suites. Programs that a suite needs are named when they are missing.

Modes    plain      without pillion: always first, and twice, so that tests that are not steady are known, and named
         local      with the hook, without a token
         streaming  strict Sentinel and S3 servers, a row each 0.05 s, an upload each second
         refused    a token, and an API whose port is closed
         silent     a token, and an API that accepts and never answers
         sick       a token, and an API that answers each request with 503

Who leads: the suite's driver runs without the preload and finds the program under test behind a wrapper,
becomes_another.c, which puts LD_PRELOAD and the settings into the environment and becomes the program. So each program
that the driver starts is the leader of a tree of its own, where a driver with the preload would be the one leader of
all. The wrapper is there in plain runs too, with the same settings but LD_PRELOAD. A test that differs is repeated both
ways, up to three times: a result that the plain program never gives is a difference. Cases that fail in both plain runs
may be left out in the other modes, where they would tell nothing.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import difflib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
from compare import need  # noqa: E402
from s3_server import S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

HOME = pathlib.Path(os.environ.get("PILLION_SUITES") or pillion.SOURCE / "build" / "suites").resolve()
DEBIAN = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MODES = ("local", "streaming", "refused", "silent", "sick")


class Suite:
    """One of suite_list.py: what it needs, and how it is built, run and read."""

    name = source = kind = part = ""
    tools = {}      # {tool: the Debian package that has it}
    programs = {}   # {wrapper: the program behind it}
    jobs = 2        # how many cases side by side; 1 where they share ports or files
    timeout = 600   # seconds for one case
    user = None     # who runs the cases where root is not served
    leaves_out_failures = False  # whether the other modes are without the cases that fail plainly

    def __init__(self, home=HOME):
        self.place = home / self.name
        self.sources = home / "sources" / self.source
        self.tree, self.bin, self.state = self.place / "tree", self.place / "bin", self.place / "state"

    def build(self):
        """Called once, in an empty self.tree."""

    def cases(self):
        """The names of what is run one by one."""

    def command(self, case, folder):
        """(argv, working directory, environment) of a case, which has an empty folder of its own."""

    def read(self, case, folder, output):
        """{test: result} from what a case has printed."""

    def make(self, *words, folder=None):
        done = subprocess.run([str(word) for word in words], cwd=str(folder or self.tree), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError("%s: %s" % (words, done.stdout.decode(errors="replace")[-2000:]))

    def prepare(self):
        for tool, package in self.tools.items():
            need(tool, package)
        if not self.sources.exists():
            self.sources.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.sources.with_name(self.source + ".new")
            self.make("sh", pathlib.Path(__file__).with_name("fetch-sources.sh"), fresh, DEBIAN, KEYRING, self.source,
                      folder=self.sources.parent)
            (fresh / self.source).rename(self.sources)
            fresh.rmdir()
        if not (self.place / "built").exists():
            shutil.rmtree(self.place, ignore_errors=True)
            self.tree.mkdir(parents=True)
            self.build()
            (self.place / "built").touch()
        self.bin.mkdir(exist_ok=True)
        self.build_wrappers()

    def build_wrappers(self):
        for name in self.programs:
            shutil.copy(pillion.PROGRAMS / "becomes_another", self.bin / name)

    def lead(self, settings):
        """Sets what the wrappers put into the environment from now on."""
        lines = "".join("%s=%s\n" % pair for pair in sorted(settings.items()))
        for name, program in self.programs.items():
            (self.bin / (name + ".becomes")).write_text("%s\n%s" % (program, lines))

    def identity(self):
        """What makes a process that of the suite's user."""
        if self.user is None or os.geteuid() != 0:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def hand_over(self, folder):
        """To the suite's user."""
        if self.identity():
            os.chown(str(folder), self.identity()["user"], self.identity()["group"])

    def run(self, case):
        """One case, to its end, with all that it leaves running: {test: result}, and its output."""
        folder = self.place / "cases" / case.replace("/", "-")
        pillion.remove_folder(folder)
        folder.mkdir(parents=True)
        self.hand_over(folder)
        argv, cwd, extra = self.command(case, folder)
        env = pillion.clean_env(home=folder, pillion_dir=self.state, **dict({"TMPDIR": folder}, **extra))
        with open(str(folder) + ".out", "w+b") as file:
            process = subprocess.Popen([str(word) for word in argv], cwd=str(cwd), env=env, stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                                       **self.identity())
            try:
                status = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
                status = "did not end within %d s" % self.timeout
            file.seek(0)
            output = file.read().decode(errors="replace")
        results = {"%s: %s" % (case, test): result for test, result in self.read(case, folder, output).items()}
        results["%s: status" % case] = status
        return results

    def run_all(self, cases, jobs):
        results = {}
        with concurrent.futures.ThreadPoolExecutor(min(jobs or self.jobs, self.jobs)) as pool:
            for one in pool.map(self.run, cases):
                results.update(one)
        return results


# ------------------------------------------------------------------------------------------------------- the modes


@contextlib.contextmanager
def api(mode):
    """The settings of a mode, while its servers are there; then what they have to complain of."""
    told = []
    if mode == "streaming":
        with S3Server() as s3, SentinelServer(s3=s3) as server:
            yield dict(server.env(), TRACKER_UPLOAD_INTERVAL="1", PILLION_INTERVAL="0.05"), told
            told += server.complaints() + s3.complaints()
            told.append("%d runs on the server, %d finished" % (len(server.runs), len(server.finished_runs())))
    elif mode == "sick":
        with SentinelServer() as server:
            server.fault("*", status=503)
            yield server.env(PILLION_INTERVAL="0.05"), told
            told.append("%d requests" % len(server.requests))
    elif mode in ("refused", "silent"):
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))  # bound alone, nobody else gets the port, and whoever knocks is refused
            numbers = []
            if mode == "silent":
                door.listen(4096)
                threading.Thread(target=accept_for_ever, args=(door, numbers), daemon=True).start()
            yield {"SENTINEL_API_TOKEN": "token", "PILLION_INTERVAL": "0.05",
                   "SENTINEL_API_URL": "http://127.0.0.1:%d" % door.getsockname()[1]}, told
            if mode == "silent":
                door.shutdown(socket.SHUT_RDWR)  # wakes the other thread
                told.append("%d connections" % len(numbers))
    else:
        yield {"PILLION_INTERVAL": "0.05"}, told


def accept_for_ever(door, numbers):
    """Accepts, and never answers; `numbers` grows by one each time."""
    kept = collections.deque()
    with contextlib.suppress(OSError):
        while True:
            kept.append(door.accept()[0])
            numbers.append(len(numbers))
            if len(kept) > 500:
                kept.popleft().close()
    for connection in kept:
        connection.close()


def left_behind(suite):
    """The names of the suite's processes that are still there, after a moment in which they may go."""
    def look():
        names = collections.Counter()
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if ("PILLION_DIR=%s\0" % suite.state).encode() in path.read_bytes():
                    names[path.with_name("comm").read_text().strip()] += 1
        return names

    deadline = time.monotonic() + 10
    while look() and time.monotonic() < deadline:
        time.sleep(0.2)
    return look()


class Outcome:
    """What a suite gave in one mode."""

    def __init__(self, suite, mode, jobs=None, cases=None):
        self.mode = mode
        shutil.rmtree(suite.state, ignore_errors=True)
        suite.state.mkdir(mode=0o700)
        suite.hand_over(suite.state)
        with api(mode) as (settings, self.told):
            settings.update(PILLION_CLOUD="off", PILLION_DIR=suite.state)
            if mode == "silent":
                settings["PILLION_EXIT_TIMEOUT"] = "0.2"
            if mode != "plain":
                settings["LD_PRELOAD"] = pillion.HOOK
            suite.lead(settings)
            began = time.monotonic()
            self.results = suite.run_all(cases or list(suite.cases()), jobs)
            self.seconds = time.monotonic() - began
            self.left = left_behind(suite)
        self.states = collections.Counter(run.get("state") or "without a state" for run in pillion.runs(suite.state))

    def leave_out(self, cases):
        self.results = {test: result for test, result in self.results.items() if test.split(": ")[0] not in cases}

    def differs_from(self, *plain):
        """The tests whose result none of the plain outcomes has."""
        tests = sorted(set(self.results).union(*(one.results for one in plain)))
        return [test for test in tests
                if self.results.get(test) not in [one.results.get(test) for one in plain]]


def shown(result, plain):
    """A result beside the plain one; of long ones, the lines that differ."""
    if max(len(str(result)), len(str(plain))) < 80:
        return "%s, plain %s" % (result, plain)
    lines = difflib.unified_diff(str(plain).splitlines(), str(result).splitlines(), "plain", "other", "", "", 0, "")
    return "".join("\n              " + line for line in list(lines)[2:20])


def confirmed(suite, mode, different, plain, jobs):
    """Those of the different tests that stay so: (still different, differed once)."""
    steady = list(different)
    for _ in range(3):
        cases = sorted({test.split(": ")[0] for test in steady})
        if not cases:
            break
        plain.append(Outcome(suite, "plain", jobs, cases))
        again = Outcome(suite, mode, jobs, cases)
        still = again.differs_from(*plain)
        steady = [test for test in steady if test in still]
    return steady, [test for test in different if test not in steady]


def compare(suite, modes=MODES, jobs=None, say=print):
    """Runs a suite in all modes; True if there is no difference, runs were made, and most of it works here at all."""
    suite.prepare()
    plain = [Outcome(suite, "plain", jobs) for _ in range(2)]
    unsteady = plain[1].differs_from(plain[0])
    passed = sum(str(result) in ("ok", "0") for result in plain[0].results.values())
    say("%s (%s): %s" % (suite.name, suite.kind, suite.part))
    good = passed * 2 > len(plain[0].results)
    say("  %-9s %5d tests, %d of them ok, %d not steady; %.0f and %.0f s" % (
        "plain", len(plain[0].results), passed, len(unsteady), plain[0].seconds, plain[1].seconds))
    for test in unsteady:
        say("            not steady: %s: %s" % (test, shown(*[one.results.get(test) for one in plain])))
    cases = list(suite.cases())
    if suite.leaves_out_failures:
        failed = [case for case in cases if all(one.results["%s: status" % case] != 0 for one in plain)]
        cases = [case for case in cases if case not in failed]
        for one in plain:
            one.leave_out(failed)
        say("            %d cases left out from here on, which fail both times" % len(failed))
    for mode in modes:
        one = Outcome(suite, mode, jobs, cases)
        differing = one.differs_from(*plain)
        different, by_chance = confirmed(suite, mode, [test for test in differing if test not in unsteady],
                                         list(plain), jobs)
        say("  %-9s %5d tests, %d same, %d different, %d differed once; %.0f s; runs: %s%s" % (
            mode, len(one.results), len(set(one.results).difference(differing)), len(different), len(by_chance),
            one.seconds, ", ".join("%d %s" % (n, state) for state, n in sorted(one.states.items())),
            "".join("; " + str(word) for word in one.told)))
        for word, tests in (("DIFFERENT", different), ("differed once", by_chance)):
            for test in tests:
                say("            %s: %s: %s" % (word, test, shown(one.results.get(test), plain[0].results.get(test))))
        left = one.left - plain[0].left - plain[1].left
        if left:
            say("            LEFT BEHIND: %s" % dict(left))
        good = good and not different and not left and bool(one.states)
    return good


def main(words):
    from suite_list import SUITES
    parser = argparse.ArgumentParser(description="Compare test suites of other projects with and without pillion.")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this one, beside plain")
    parser.add_argument("--jobs", type=int, help="at most so many cases side by side")
    parser.add_argument("suites", nargs="*")
    options = parser.parse_args(words)
    names = list(SUITES) if options.suites == ["all"] else options.suites
    if not names:
        for name, suite in SUITES.items():
            print("%-10s %s: %s" % (name, suite.kind, suite.part))
    pillion.check_no_leader_above()
    return 0 if all([compare(SUITES[name](), options.mode or MODES, options.jobs,
                             lambda *line: print(*line, flush=True)) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
