# SPDX-License-Identifier: Apache-2.0
"""What every Python test of pillion needs: start programs with the preload, read the runs they leave, check rows.

Standard library only, Python 3.9 and newer. CTest sets PILLION_BUILD and PILLION_SOURCE; without them the source
tree is found from this file and the build tree is its `build`, or the first preset's below it.

How the tests stay out of each other's way
    Each test has its own HOME, PILLION_DIR and working directory below one temporary folder, and an environment that
    holds nothing of the caller's but PATH. The folder that leaders put their markers in (in /tmp, one per user) is
    not ours to choose. That is no harm: a marker names one process, so tests side by side never see each other's.
    But a leader among a test's ancestors would make every program of that test a passenger, without a run. So a test
    must never itself run under `pillion run` or below a program with the preload; check_no_leader_above() says so in
    one sentence instead of fifty failures. For the same reason a test sets LD_PRELOAD only for the program under
    test, never for itself.
"""
import atexit
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest


def _find_build(source):
    candidates = [source / "build"] + sorted((source / "build").glob("*"))
    for folder in candidates:
        if (folder / "lib" / "libpillion.so").exists():
            return folder
    return candidates[0]


SOURCE = pathlib.Path(os.environ.get("PILLION_SOURCE") or pathlib.Path(__file__).resolve().parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("PILLION_BUILD") or _find_build(SOURCE)).resolve()
HOOK = BUILD / "lib" / "libpillion.so"
ENGINE = BUILD / "lib" / "libpillion-engine.so"
COMMAND = BUILD / "bin" / "pillion"
PROGRAMS = BUILD / "programs"
INTEGRATION = BUILD / "integration"
GOLDEN = SOURCE / "tests" / "golden"

sys.path.insert(1, str(SOURCE / "tests" / "integration"))  # for `import sentinel_server`


PATIENCE = float(os.environ.get("PILLION_TEST_PATIENCE") or 1)  # an emulated machine takes so many times as long

# ---------------------------------------------------------------------------------------------- the 32 columns


class Column:
    def __init__(self, name, unit, decimals, kind, source):
        self.name, self.unit, self.decimals, self.kind, self.source = name, unit, int(decimals), kind, source
        digits = r"(?:0|[1-9][0-9]*)"
        self.cell = re.compile(digits + (r"\.[0-9]{%d}" % self.decimals if self.decimals else "") + r"\Z")


def _read_columns():
    text = (SOURCE / "include" / "pillion" / "columns.h").read_text()
    found = re.findall(r'COLUMN\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\d+)\s*,\s*(\w+)\s*,\s*"([^"]*)"\s*\)', text)
    if len(found) != 32:
        raise RuntimeError("include/pillion/columns.h: %d columns found, 32 expected" % len(found))
    return [Column(*fields) for fields in found]


COLUMNS = _read_columns()
HEADER = ",".join(column.name for column in COLUMNS)


class CsvError(AssertionError):
    pass


def _check_cells(number, line):
    cells = line.split(",")
    if len(cells) != len(COLUMNS):
        raise CsvError("line %d: %d cells, not %d: %r" % (number, len(cells), len(COLUMNS), line))
    row = {}
    for column, cell in zip(COLUMNS, cells):
        if cell == "":
            if column.name == "timestamp":
                raise CsvError("line %d: timestamp is empty" % number)
            row[column.name] = None
        elif not column.cell.match(cell):
            raise CsvError("line %d: %s is %r, not a non-negative number with %d decimals"
                           % (number, column.name, cell, column.decimals))
        else:
            row[column.name] = int(cell) if column.decimals == 0 else float(cell)
    return row


def check_csv(data, min_rows=1):
    """The rows of a CSV as dictionaries (None for an empty cell), or CsvError for the first thing that is not
    exactly as the contract says."""
    text = data.decode("ascii") if isinstance(data, bytes) else data
    if '"' in text or "\r" in text:
        raise CsvError("quotes or carriage returns: %r" % text[:200])
    if not text.endswith("\n"):
        raise CsvError("the last line has no line end: %r" % text[-80:])
    lines = text[:-1].split("\n")
    if lines[0] != HEADER:
        raise CsvError("header is %r" % lines[0])
    rows = [_check_cells(number, line) for number, line in enumerate(lines[1:], 2)]
    for before, after in zip(rows, rows[1:]):
        if not before["timestamp"] < after["timestamp"]:
            raise CsvError("timestamps do not rise: %r, %r" % (before["timestamp"], after["timestamp"]))
    if len(rows) < min_rows:
        raise CsvError("%d rows, at least %d expected" % (len(rows), min_rows))
    return rows


# ------------------------------------------------------------------------------------------------ environments

_folders = []


def fresh_folder(prefix="pillion-test-"):
    """A new folder that goes when the test process ends. Its path holds no link."""
    path = pathlib.Path(os.path.realpath(tempfile.mkdtemp(prefix=prefix)))
    _folders.append(path)
    return path


@atexit.register
def _remove_folders():
    if not os.environ.get("TEST_KEEP"):
        for path in _folders:
            remove_folder(path)


def is_in_chroot():
    """Whether the root is no mount, or only a folder of one. The kernel makes no user namespace in a chroot, and where its
    root is no mount none can be made private."""
    try:
        mounts = [line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    except OSError:
        return False
    return "/" not in [mount[3] for mount in mounts if mount[4] == "/"]


def forbidden(what):
    """Why a test is left out: tests/skips.txt has what a chroot forbids, and nothing else that is forbidden."""
    return ("a chroot forbids %s" if is_in_chroot() else "%s is forbidden here") % what


def remove_folder(path):
    shutil.rmtree(path, ignore_errors=True)


def clean_env(home=None, pillion_dir=None, **extra):
    """A small environment for a program under test: PATH, a HOME and a PILLION_DIR of its own, no proxies, and
    `extra` (None takes a name away again)."""
    env = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": str(home or fresh_folder()),
        "LANG": "C.UTF-8",
        "PILLION_DIR": str(pillion_dir or fresh_folder()),
    }
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "PYENV_VERSION"):
        if name in os.environ:
            env[name] = os.environ[name]
    for name, value in extra.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def preloaded(env):
    """The same environment with the hook put before an LD_PRELOAD that is there already."""
    env = dict(env)
    others = env.get("LD_PRELOAD")
    env["LD_PRELOAD"] = str(HOOK) if not others else "%s:%s" % (HOOK, others)
    return env


# ---------------------------------------------------------------------------------------------------- programs


class Result:
    """How a program ended: status as in subprocess (-n for signal n), stdout and stderr as bytes, wall seconds,
    and the kernel's own account of it and its reaped children (a struct_rusage)."""

    def __init__(self, argv, status, stdout, stderr, wall, usage, pid):
        self.argv, self.status, self.stdout, self.stderr = argv, status, stdout, stderr
        self.wall, self.usage, self.pid = wall, usage, pid

    @property
    def cpu(self):
        return self.usage.ru_utime + self.usage.ru_stime

    def __repr__(self):
        return "<%s: status %d, %.2f s, stdout %r, stderr %r>" % (
            " ".join(map(str, self.argv))[:120], self.status, self.wall, self.stdout[-600:], self.stderr[-600:])


class Program:
    """A started program whose output is gathered by threads, so that nothing is lost and nothing blocks."""

    def __init__(self, argv, preload=True, env=None, cwd=None, input=None, **popen):
        self.argv = [str(word) for word in argv]
        env = clean_env() if env is None else env
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            self.argv, env=preloaded(env) if preload else dict(env), cwd=None if cwd is None else str(cwd),
            stdin=popen.pop("stdin", subprocess.DEVNULL if input is None else subprocess.PIPE),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        self.pid = self.process.pid
        self._output = {"stdout": b"", "stderr": b""}
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._output]
        for reader in self._readers:
            reader.start()
        if input is not None:
            threading.Thread(target=self._feed, args=(input,), daemon=True).start()

    def _read(self, name):
        stream = getattr(self.process, name)
        while True:
            data = os.read(stream.fileno(), 65536)
            if not data:
                return
            self._output[name] += data

    def _feed(self, data):
        try:
            self.process.stdin.write(data)
            self.process.stdin.close()
        except OSError:
            pass

    @property
    def stdout(self):
        return self._output["stdout"]

    @property
    def stderr(self):
        return self._output["stderr"]

    def ended(self):
        """Without reaping: True when the process is gone or a zombie."""
        if self.process.returncode is not None:
            return True
        state = process_state(self.pid)
        return state is None or state == "Z"

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=60):
        deadline = time.monotonic() + timeout * PATIENCE
        step = 0.001
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError("%s did not end within %s s; stdout %r, stderr %r"
                                     % (self.argv[:4], timeout, self.stdout[-500:], self.stderr[-500:]))
            time.sleep(step)
            step = min(step * 1.5, 0.02)
        wall = time.monotonic() - self.began
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        self.process.returncode = code
        for name, reader in zip(self._output, self._readers):
            reader.join(5)  # something left behind may keep a pipe open: no waiting for it
            if not reader.is_alive():
                getattr(self.process, name).close()
        return Result(self.argv, code, self.stdout, self.stderr, wall, usage, self.pid)

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        self.process.returncode = -signal.SIGKILL


def start(argv, preload=True, env=None, cwd=None, input=None, **popen):
    return Program(argv, preload=preload, env=env, cwd=cwd, input=input, **popen)


def run(argv, preload=True, env=None, timeout=60, cwd=None, input=None, **popen):
    """Run a program to its end: a Result."""
    return start(argv, preload=preload, env=env, cwd=cwd, input=input, **popen).wait(timeout)


def command(*words, env=None, timeout=60, cwd=None, input=None, **popen):
    """Run the command `pillion` (never with the preload)."""
    return run([COMMAND] + list(words), preload=False, env=env, timeout=timeout, cwd=cwd, input=input, **popen)


def have(program):
    return shutil.which(program) is not None


def cc(source, target, *flags):
    """Compile one C file; None, or the compiler's words."""
    compiler = os.environ.get("CC") or next((name for name in ("cc", "gcc", "clang") if have(name)), None)
    if compiler is None:
        return "no C compiler"
    done = subprocess.run([compiler, "-O1", "-g", "-std=gnu11", "-o", str(target), str(source)] + list(map(str, flags)),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def free_ports(count=1):
    """The first of so many ports in a row that nobody has on loopback; below those that the kernel gives to whoever asks
    for any, so that none of them is gone when a server of ours comes to take it."""
    for _ in range(1000):
        first = random.randrange(10000, 32000 - count)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        stack.enter_context(socket.socket(type=kind)).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise OSError("no %d free ports in a row" % count)


# ---------------------------------------------------------------------------------------------------- waiting


def wait_for(condition, timeout=60, what=None, step=0.01):
    """The first true value of condition(), or AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %s s: %s" % (timeout, what or getattr(condition, "__doc__", None) or
                                                          condition))
        time.sleep(step)


def next_second():
    """Waits for it: runs are named by the second."""
    time.sleep(1.02 - time.time() % 1)


def mark_of(url, token):
    """The mark of that API, wherever this user's marks are; None."""
    name = "api-%s-%s" % tuple(hashlib.sha256(text.encode()).hexdigest()[:8] for text in (url, token))
    paths = [pathlib.Path("%s/.pillion-%d/%s" % (folder, os.geteuid(), name)) for folder in ("/tmp", "/dev/shm")]
    return next((path for path in paths if path.exists()), None)


def process_state(pid):
    """The letter of /proc/PID/stat, None when there is no such process."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[0].decode()
    except (OSError, IndexError):
        return None


def process_parent(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def thread_names(pid):
    names = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/comm" % (pid, task)) as file:
                names.append(file.read().rstrip("\n"))
    except OSError:
        pass
    return names


def is_leader(pid):
    return "pillion" in thread_names(pid)


def check_no_leader_above():
    """RuntimeError when this test process itself runs below a leader (see the top of this file)."""
    if "libpillion" in os.environ.get("LD_PRELOAD", ""):
        raise RuntimeError("the tests must not be started with the preload: unset LD_PRELOAD")
    pid = os.getpid()
    while pid > 1:
        if is_leader(pid):
            raise RuntimeError("process %d, which leads a run, is above this test: its programs would be passengers; "
                               "start the tests without pillion" % pid)
        pid = process_parent(pid)


# ------------------------------------------------------------------------------------------------------- runs


class Run:
    """A run directory, as it is now. `state`: the last value of each key over the lines of run.jsonl."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.directory = self.path.name
        self.text = _read(self.path / "run.jsonl")
        self.csv = _read(self.path / "metrics.csv")
        self.log = _read(self.path / "log").decode(errors="replace")
        self.lines = [json.loads(line) for line in self.text.split(b"\n")[:-1]]
        self.state = {}
        for line in self.lines:
            if not isinstance(line, dict):
                raise AssertionError("%s: a line that is no object: %r" % (self.path, line))
            self.state.update(line)

    @property
    def rows(self):
        """Rows under the strict check; CsvError when they are not exactly right."""
        return check_csv(self.csv)

    @property
    def raw_rows(self):
        return self.csv.decode().split("\n")[1:-1]

    def describe(self):
        return "%s\n  run.jsonl:\n    %s\n  metrics.csv: %d bytes\n  log:\n    %s" % (
            self.path, self.text.decode(errors="replace").replace("\n", "\n    ")[:6000], len(self.csv),
            self.log.replace("\n", "\n    ")[-6000:])

    def __getitem__(self, key):
        return self.state[key]

    def get(self, key, default=None):
        return self.state.get(key, default)

    def __repr__(self):
        return "<Run %s %s>" % (self.directory, self.state.get("state"))


def _read(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def by_age(path):
    """The second in its name, and in one when its lock was made, which is never written to: pids begin anew after a
    while, soon where there are 32768 of them."""
    try:
        made = (path / "lock").stat().st_mtime_ns
    except OSError:
        made = 0
    return path.name[:16], made, path.name


def runs(pillion_dir):
    """The runs below a PILLION_DIR, oldest first. A folder in which no line stands is none: an exec in the midst of a
    run's making leaves one, which goes when it is an hour old."""
    folder = pathlib.Path(pillion_dir) / "runs"
    if not folder.is_dir():
        return []
    found = [Run(path) for path in sorted(folder.iterdir(), key=by_age) if path.is_dir()]
    return [run for run in found if run.text]


def grow(run, size):
    """More rows like its last one for a run whose program is gone, up to this many bytes of metrics.csv."""
    last = run.raw_rows[-1].split(",")
    stamp = round(float(last[0]) * 1000)
    with open(run.path / "metrics.csv", "ab") as file:
        while file.tell() < size:
            stamp += 50
            row = ["%d.%03d" % divmod(stamp, 1000)] + last[1:]
            file.write((",".join(row) + "\n").encode())
    return Run(run.path)


def files_below(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


# -------------------------------------------------------------------------------------------------- base class


class PillionTest(unittest.TestCase):
    """A test with its own folders: self.tmp, self.home, self.dir (PILLION_DIR), self.work (a working directory).
    When it fails, the state and the log of every run below self.tmp are printed. TEST_KEEP=1 keeps the folders."""

    needs_build = True
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.needs_build:
            for path in (HOOK, ENGINE):
                if not path.exists():
                    raise RuntimeError("%s is not built; set PILLION_BUILD to the build tree" % path)
            check_no_leader_above()

    def run(self, result=None):
        result = self.defaultTestResult() if result is None else result
        self.tmp = pathlib.Path(os.path.realpath(tempfile.mkdtemp(prefix="pillion-test-")))
        self.home, self.dir, self.work = self.tmp / "home", self.tmp / "state", self.tmp / "work"
        for path in (self.home, self.dir, self.work):
            path.mkdir(mode=0o700)
        bad = len(result.failures) + len(result.errors)
        try:
            return super().run(result)
        finally:
            if len(result.failures) + len(result.errors) > bad:
                self._print_runs()
            if os.environ.get("TEST_KEEP"):
                print("\nkept: %s" % self.tmp, file=sys.stderr)
            else:
                remove_folder(self.tmp)

    def _print_runs(self):
        for folder in sorted({path.parent for path in self.tmp.rglob("run.jsonl")})[:20]:
            try:
                print("\n--- %s: %s" % (self.id(), Run(folder).describe()), file=sys.stderr)
            except Exception as error:  # a torn run is one more thing to show, not to hide the failure behind
                print("\n--- %s: %s cannot be read: %s" % (self.id(), folder, error), file=sys.stderr)

    def env(self, **extra):
        return clean_env(home=self.home, pillion_dir=self.dir, **extra)

    def start(self, *argv, preload=True, env=None, **popen):
        popen.setdefault("cwd", self.work)
        program = start(argv, preload=preload, env=self.env() if env is None else env, **popen)
        self.addCleanup(lambda: program.ended() or program.kill())
        return program

    def launch(self, *argv, preload=True, env=None, timeout=60, **popen):
        """Run a program with the preload to its end."""
        return self.start(*argv, preload=preload, env=env, **popen).wait(timeout)

    def pillion(self, *words, env=None, timeout=60, **popen):
        """Run the command `pillion`."""
        return self.launch(COMMAND, *words, preload=False, env=env, timeout=timeout, **popen)

    def runs(self):
        return runs(self.dir)

    def only_run(self):
        found = self.runs()
        self.assertEqual(len(found), 1, "exactly one run expected: %s" % found)
        return found[0]

    def assertSilent(self, result):
        self.assertEqual((result.stdout, result.stderr), (b"", b""), result)


def peak_rss_kib():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


# ------------------------------------------------------------------------------------------------------- skips


def may_be_left_out(reason):
    """Whether a test may be skipped for this: with CI only what tests/skips.txt has, whole or as its beginning."""
    if not os.environ.get("CI"):
        return True
    lines = (SOURCE / "tests" / "skips.txt").read_text().splitlines()
    return any(reason.startswith(line) for line in lines if line and not line.startswith("#"))


def leave_out(reason):
    """Ends a script, all of whose tests cannot be run here. ctest knows the words."""
    may = may_be_left_out(reason)
    print("%s: %s" % ("skipped: all of it" if may else "not in tests/skips.txt", reason), flush=True)
    sys.exit(0 if may else 1)


def main():
    """As unittest's. Says what was skipped, and fails when it may not be."""
    program = unittest.main(exit=False, verbosity=2 if "-v" in sys.argv or os.environ.get("CTEST_INTERACTIVE_DEBUG_MODE") else 1)
    skipped = program.result.skipped
    for test, reason in skipped:
        may = may_be_left_out(reason)
        print("%s: %s: %s" % ("skipped" if may else "not in tests/skips.txt", test.id(), " ".join(reason.split())), flush=True)
    bad = [reason for _, reason in skipped if not may_be_left_out(reason)]
    nothing = not program.result.testsRun and not skipped
    sys.exit(1 if bad or nothing or not program.result.wasSuccessful() else 0)
