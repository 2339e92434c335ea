# SPDX-License-Identifier: Apache-2.0
"""Runs one command three ways and wants no difference: as it is, with the hook preloaded, and under `pillion run`.

What is compared, byte by byte: stdout, stderr, the wait status, every file left in the working directory (name,
type, mode, owner, content), and what each process of the command saw at its start and had at its end: environment,
descriptors, threads, signals, limits and more (witness.py). Then the runs left on disk are looked at: exactly one that
ended, with the right exit code or signal and rows under the strict check. Each way starts from the same folders under
the same names, emptied in between, so that a program may print where it is. A hang is a failure.

By hand: compare.py [--times N] COMMAND... prints what differs; what differs between two plain runs already is named
and left out. With --times the ways then take turns, N times, and the time that each adds is told as a ratio. Whole test
suites are compared by suites.py.
"""
import argparse
import hashlib
import os
import pathlib
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402
import witness  # noqa: E402

NONE, HOOK, RUN = "none", "hook", "run"
ENDED = ("local", "finished")


def program(name):
    """The path of one of the programs built from this folder."""
    return str(pillion.PROGRAMS / name)


def need(tool, package):
    """The path of a tool, or a failure that tells where it comes from."""
    path = shutil.which(tool)
    if path is None:
        raise AssertionError("%s is missing: install the package %s (tools/check does that)" % (tool, package))
    return path


def files_of(folder):
    """Every path below a folder with type, mode, owner and content."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        info = path.lstat()
        kind = stat.S_IFMT(info.st_mode)
        content = ""
        if kind == stat.S_IFREG:
            data = path.read_bytes()
            content = data if len(data) <= 200 else "%d bytes, %s" % (len(data), hashlib.sha256(data).hexdigest())
        elif kind == stat.S_IFLNK:
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = (oct(info.st_mode), info.st_uid, info.st_gid, content)
    return found


def as_a_shell_says(status):
    """The exit status that stands for a wait status: 128+n for signal n."""
    return status if status >= 0 else 128 - status


class Way:
    """One way of running it, done: the result, the files, where its state was moved to, the environment that it was
    given, and what its processes saw."""

    def __init__(self, how, result, files, state, environment, seen):
        self.how, self.result, self.files, self.state = how, result, files, state
        self.environment, self.seen = environment, seen

    @property
    def runs(self):
        return pillion.runs(self.state)


class CompareTest(pillion.PillionTest):
    interval = "0.05"
    watch = True  # what the processes saw is compared too; not where it is another each time, or the witness disturbs

    def one_way(self, how, argv, env=None, files=True, before=None, after=None, uid=None, watch=None, **popen):
        """Runs argv one way, from empty folders. `before` and `after` are called with the working directory. With
        `uid`, the program is that user's. `watch`: for this command, as for the class."""
        watch = self.watch if watch is None else watch
        for folder in (self.home, self.dir, self.work):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            if uid is not None:
                os.chown(folder, uid, uid)
        if uid is not None:
            os.chmod(self.tmp, 0o755)
            popen["preexec_fn"] = self.as_user(uid, popen.get("preexec_fn"))
        if before:
            before(self.work)
        words = {"PILLION_INTERVAL": self.interval}
        words.update(env or {})
        seen = self.tmp / "seen"
        if watch:
            seen.write_bytes(b"")
            seen.chmod(0o666)
            words["LD_PRELOAD"] = ":".join(str(one) for one in (words.get("LD_PRELOAD"), witness.LIBRARY) if one)
            words["WITNESS"] = seen
        environment = self.env(**words)
        argv = [str(word) for word in argv]
        if how == RUN:
            argv = [str(pillion.COMMAND), "run", "--"] + argv
        result = self.launch(*argv, preload=how == HOOK, env=environment, **popen)
        if after:
            after(self.work)
        kept = files_of(self.work) if files else {}
        state = self.tmp / ("state of " + how)
        shutil.rmtree(state, ignore_errors=True)
        self.dir.rename(state)
        return Way(how, result, kept, state, environment, witness.read(seen) if watch else [])

    def one_way_within(self, seconds, *arguments, **how):
        """The first of three tries of one_way that takes no longer: a busy machine may add a second to one of them, what
        pillion does it does to all."""
        for _ in range(3):
            done = self.one_way(*arguments, **how)
            if done.result.wall < seconds:
                return done
        self.fail("not once within %.1f s: %r" % (seconds, done.result))

    @staticmethod
    def as_user(uid, then):
        def change():
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            if then:
                then()
        return change

    def assertSame(self, plain, other, but=None, varying=()):
        """`but` takes stdout or stderr apart before they are compared; `varying` is left out of what processes saw."""
        but = but or (lambda data: data)
        status = as_a_shell_says(plain.result.status) if other.how == RUN else plain.result.status
        name = "%s, %s: " % (other.how, " ".join(other.result.argv[-4:])[:200])
        self.assertEqual(other.result.status, status, name + "status; %r" % other.result)
        self.assertEqual(but(other.result.stdout), but(plain.result.stdout), name + "stdout")
        self.assertEqual(but(other.result.stderr), but(plain.result.stderr), name + "stderr")
        self.assertEqual(other.files, plain.files, name + "files")
        given = {"env " + key for key, _ in set(plain.environment.items()) ^ set(other.environment.items())}
        seen = witness.differences(plain.seen, other.seen, given.union(varying))
        self.assertEqual(seen, [], name + "what its processes saw:\n" + "\n".join(seen))

    def assertOneRun(self, way, status, rows=1):
        """Exactly one run, ended as `status` (as in subprocess) says. Its Run."""
        runs = way.runs
        told = "%s, %s: " % (way.how, " ".join(way.result.argv[-4:])[:200])
        self.assertEqual(len(runs), 1, told + "one run expected: %s" % runs)
        run = runs[0]
        self.assertIn(run.get("state"), ENDED, told + run.describe())
        if status >= 0:
            self.assertEqual(run.get("exit_code"), status & 255, told + run.describe())
            self.assertIsNone(run.get("signal"), told + run.describe())
        else:
            self.assertEqual(run.get("signal"), -status, told + run.describe())
        self.assertGreaterEqual(len(run.rows), rows, told + run.describe())
        return run

    def compare(self, argv, ways=(HOOK, RUN), status=None, rows=1, runs=True, but=None, varying=(), **how):
        """Runs argv plainly and in the ways given. `status`: what it has to be, if that is known beforehand. `runs`
        False: how many runs there are is looked at elsewhere. Returns the ways by name."""
        plain = self.one_way(NONE, argv, **how)
        if status is not None:
            self.assertEqual(plain.result.status, status, "without pillion: %r" % plain.result)
        self.assertEqual(plain.runs, [], "the plain program left a run")
        done = {NONE: plain}
        for way in ways:
            done[way] = self.one_way(way, argv, **how)
            self.assertSame(plain, done[way], but, varying)
            if runs:
                run = self.assertOneRun(done[way], plain.result.status, rows)
                self.assertLessEqual(witness.leaders(done[way].seen), {run["pid"]}, "pillion's thread in a passenger")
        return done


def take_turns(test, argv, times):
    """Prints what each way takes, as a ratio to the plain one. The machine is what it is: nothing is asserted."""
    took = {how: [] for how in (NONE, HOOK, RUN)}
    for _ in range(times):
        for how, walls in took.items():
            walls.append(test.one_way(how, argv, watch=False, timeout=600).result.wall)
    plain = statistics.median(took[NONE])
    for how, walls in took.items():
        print("%-5s %.4f s (median of %d, least %.4f): %.3f of plain" % (
            how, statistics.median(walls), times, min(walls), statistics.median(walls) / plain))


class UnwatchedTest(CompareTest):
    """For programs at limits, in sandboxes and below other tools: another library and its file are one too many there."""
    watch = False


def by_hand(words):
    parser = argparse.ArgumentParser(description="Compare a command with and without pillion.")
    parser.add_argument("--times", type=int, default=0, help="then measure the added time, so many times each")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(words)

    class Once(CompareTest):
        def test(self):
            twice = [self.one_way(NONE, options.command, timeout=600).seen for _ in range(2)]
            varying = witness.varying(*twice)
            if varying:
                print("left out, as two plain runs differ in it: %s" % ", ".join(sorted(varying)))
            done = self.compare(options.command, timeout=600, varying=varying)
            print("no difference: status %d, %d and %d rows, %d processes seen" % (
                done[NONE].result.status, len(done[HOOK].runs[0].rows), len(done[RUN].runs[0].rows),
                len({record.pid for record in done[HOOK].seen})))
            if options.times:
                take_turns(self, options.command, options.times)

    import unittest
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(Once))
    return 0 if result.wasSuccessful() else 1


def compile_source(text, target, *flags, suffix=".c", compiler=None):
    """Builds a program or library at test time; a failure is one with the compiler's words."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=str(pathlib.Path(target).parent)))
    source = folder / ("source" + suffix)
    source.write_text(text)
    compiler = compiler or need("c++" if suffix == ".cc" else "cc", "build-essential")
    done = subprocess.run([compiler, "-O1", "-o", str(target), str(source)] + list(flags),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError("%s: %s" % (" ".join(done.args), done.stdout.decode(errors="replace")))
    shutil.rmtree(folder)
    return str(target)


if __name__ == "__main__":
    sys.exit(by_hand(sys.argv[1:]))
