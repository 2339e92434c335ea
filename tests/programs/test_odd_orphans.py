# SPDX-License-Identifier: Apache-2.0
"""Workers whose parent ends before they are loaded, while their leader lives on: one run, with all of their CPU time.
And the processes of others, which must never be taken for such workers."""
import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import unittest

from compare import compile_source, need, pillion, program

TICKS = os.sysconf("SC_CLK_TCK")
WORK = 0.15  # seconds of CPU time
TICK = 0.015  # and a half: /proc tells of whole ones
WORKER = shlex.join([program("works_for"), str(int(WORK * 1000))])
LATE = "sleep 0.5; exec "  # by then the parent has ended
DONE = " >/dev/null; echo done >done"
LEADER = "%s\nread said <done; sleep 0.1"  # looking for a file is work too, the more the busier the machine is

FORK_TWICE = """
use POSIX; $SIG{CHLD} = "IGNORE";
if (fork() == 0) { %s if (fork() == 0) { select undef, undef, undef, 0.5; exec "/bin/sh", "-c", $ARGV[0]; } %s; }
"""


def shapes():
    """A script for each way in which a worker gets orphaned; {W} is the worker, as a script."""
    quoted = shlex.quote
    worker = LATE.replace("exec ", "") + WORKER + DONE
    into = LATE + "sh -c " + quoted(WORKER + DONE)
    perl = need("perl", "perl")
    return {
        "in the background of dash": "dash -c %s" % quoted("(%s) &" % worker),
        "in the background of bash": "bash -c %s" % quoted("{ %s; } &" % worker),
        "exec in the background of sh": "sh -c %s" % quoted("(%s) &" % into),
        "nohup": "sh -c %s" % quoted("(%snohup sh -c %s) &" % (LATE, quoted(WORKER + DONE))),
        "setsid -f": "setsid -f sh -c %s" % quoted(worker),
        "twice in the background": "((%s) &) &" % worker,
        "perl forks twice and exits": "%s -e %s %s" % (perl, quoted(FORK_TWICE % ("", "exit 0")), quoted(WORKER + DONE)),
        "perl forks twice and calls _exit": "%s -e %s %s" % (
            perl, quoted(FORK_TWICE % ("POSIX::setsid();", "POSIX::_exit(0)")), quoted(WORKER + DONE)),
        "python starts it and goes": "%s -S -c %s %s" % (
            need("python3", "python3"),
            quoted("import subprocess, sys; subprocess.Popen(['sh', '-c', sys.argv[1]], start_new_session=True)"),
            quoted(worker)),
    }


def cpu(run):
    return sum(row["process_utime"] + row["process_stime"] for row in run.rows)


def marks():
    return [path for place in ("/tmp", "/dev/shm")
            for path in pathlib.Path(place).glob(".pillion-%d/below/*/*" % os.geteuid())]


class Leader:
    """A program under the preload with a PILLION_DIR and a working directory of its own. `fifo` is there, held open: what
    is written into it waits for who reads it, and nobody waits for a reader."""

    def __init__(self, *argv, fifo=None, **how):
        self.folder = pillion.fresh_folder()
        self.work = pillion.fresh_folder()
        self.fifo = -1
        if fifo:
            os.mkfifo(self.work / fifo)
            self.fifo = os.open(self.work / fifo, os.O_RDWR | os.O_CLOEXEC)
        env = pillion.clean_env(pillion_dir=self.folder, **how.pop("env", {}))
        self.program = pillion.start([str(word) for word in argv], env=env, cwd=self.work, **how)
        self.pid = self.program.pid

    def runs(self):
        return pillion.runs(self.folder)

    def rows(self):
        return sum(len(run.raw_rows) for run in self.runs())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.program.kill()
        for pipe in (self.program.process.stdout, self.program.process.stderr):
            pipe.close()
        self.close()

    def close(self):
        """Who reads the FIFO is at its end."""
        if self.fifo >= 0:
            os.close(self.fifo)
        self.fifo = -1


def script(text, **how):
    return Leader("sh", "-c", LEADER % text, fifo="done", **how)


def leaves(how, by=None, **options):
    return script("%s %s /bin/sh -c %s" % (shlex.quote(by or program("leaves_orphan")), how, shlex.quote(WORKER + DONE)),
                  **options)


def static():
    path = pillion.fresh_folder() / "static"
    source = pillion.SOURCE / "tests" / "programs" / "leaves_orphan.c"
    compile_source(source.read_text(), path, "-D_GNU_SOURCE", "-static", "-pthread")
    return str(path)


class Orphans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """All leaders at once: most of their time they wait."""
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        unseen = static()
        orphan = "sh -c %s" % shlex.quote("(%ssh -c %s) &" % (LATE, shlex.quote(WORKER + DONE)))
        scripts = {"shape": shapes(), "confined": {"behind a filter": "%s --no-new-privs true; %s" % (
            need("setpriv", "util-linux"), shapes()["twice in the background"])},
            "orphans": {"twice": "sh -c %s" % shlex.quote("(%s%s) &" % (LATE, orphan))}}
        worker = "echo $$ >loaded; read said <gone; " + WORKER + DONE
        between = "sh -c %s & read pid <loaded; echo $pid >pid" % shlex.quote(worker)
        loaded = "mkfifo loaded gone; sh -c %s; echo >gone; read said <done; read pid <pid; " \
                 "while [ -e /proc/$pid ]; do sleep 0.3; done; echo done >done &" % shlex.quote(between)
        if os.geteuid() == 0:
            late = "(%s%s --reuid 65534 --clear-groups %s; echo done >done) &" % (
                LATE.replace("exec ", ""), need("setpriv", "util-linux"), WORKER)
            scripts["user"] = {"another user": "sh -c %s" % shlex.quote(late)}
        ways = ["return", "exit", "_exit", "_Exit", "quick_exit", "pthread_exit", "thread"]
        cls.leaders = {kind: {what: cls.begin(script, text) for what, text in texts.items()}
                       for kind, texts in scripts.items()}
        cls.leaders["loaded"] = {"before": cls.begin(script, loaded, env={"PILLION_INTERVAL": "60"})}
        cls.leaders["end"] = {how: cls.begin(leaves, how) for how in ways}
        cls.leaders["unseen"] = {how: cls.begin(leaves, how, by) for how, by in (
            ("killed", None), ("raw", None), ("exit", unseen))}
        cls.leaders["session"] = {how: cls.begin(leaves, how, start_new_session=True) for how in ("killed", "raw")}

    @classmethod
    def begin(cls, make, *words, **how):
        return cls.stack.enter_context(make(*words, **how))

    def assertHaveAll(self, kind):
        """Each leader of that kind has one run, with all of its worker's CPU time, and once."""
        for what, leader in self.leaders[kind].items():
            with self.subTest(what):
                result = leader.program.wait()
                self.assertEqual(result.status, 0, "%s: %r" % (what, result))
                runs = leader.runs()
                self.assertEqual(len(runs), 1, "%s: %s" % (what, [run.get("command") for run in runs]))
                self.assertGreater(cpu(runs[0]), WORK - TICK, what)
                self.assertLess(cpu(runs[0]), WORK * 1.95, what)

    def test_in_every_shape_it_is_one_run_with_the_workers_cpu_time(self):
        self.assertHaveAll("shape")

    def test_however_the_one_between_ends(self):
        self.assertHaveAll("end")

    def test_what_it_has_used_since_the_last_row_counts_also_where_it_was_loaded_before_its_parent_ended(self):
        self.assertHaveAll("loaded")

    def test_one_whose_parent_ends_unseen_has_a_run_of_its_own(self):
        """The closed list: killed, by a bare system call, or static; and nothing is counted twice."""
        for how, leader in self.leaders["unseen"].items():
            with self.subTest(how):
                self.assertEqual(leader.program.wait().status, 0)
                pillion.wait_for(lambda: all(run.get("state") == "local" for run in leader.runs()), what="the worker's run")
                runs = leader.runs()
                self.assertEqual(len(runs), 2, how)
                self.assertLess(sum(cpu(run) for run in runs), WORK * 2, how)

    def test_in_the_leaders_own_session_it_is_one_run_however_the_one_between_ended(self):
        self.assertHaveAll("session")

    def test_after_somebody_in_the_tree_has_confined_itself(self):
        self.assertHaveAll("confined")

    def test_an_orphans_orphan_belongs_to_the_same_run(self):
        self.assertHaveAll("orphans")

    def test_one_that_became_another_user_belongs_to_it(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        self.assertHaveAll("user")

    def test_marks_go_with_their_processes_and_the_rest_with_the_leader(self):
        text = "umask 777; sh -c '(sleep 0.3; exec head -n 1 told) &'; " \
               "sh -c '(sleep 0.2; exec sleep 60 >/dev/null 2>&1) & echo $! >pid'; until [ -e go ]; do sleep 0.1; done"
        with Leader("sh", "-c", text, fifo="told", env={"PILLION_INTERVAL": "0.1"}) as leader:
            def mine():
                return [path for path in marks() if "-%d-" % leader.pid in path.parent.name]
            pillion.wait_for(lambda: len(mine()) == 2, what="two marks")
            os.write(leader.fifo, b"\n")
            pillion.wait_for(lambda: len(mine()) == 1, what="the mark of the one that has ended to go")
            (leader.work / "go").touch()
            self.assertEqual(leader.program.wait(20).status, 0)
            self.assertEqual(mine(), [])
            run, = leader.runs()
            self.assertGreaterEqual(run.rows[-1]["process_children"], 1)
            os.kill(int((leader.work / "pid").read_text()), signal.SIGKILL)


class Strangers(unittest.TestCase):
    """A process of somebody else's job, taken for one's own, is the worse fault."""

    def test_of_two_leaders_in_one_session_each_has_its_own(self):
        with contextlib.ExitStack() as stack:
            leaders = []
            for work in (0.2, 0.5):
                worker = shlex.join([program("works_for"), str(int(work * 1000))]) + DONE
                text = "sh -c %s" % shlex.quote("(%ssh -c %s) &" % (LATE, shlex.quote(worker)))
                leaders.append((work, stack.enter_context(script(text))))
            for work, leader in leaders:
                self.assertEqual(leader.program.wait().status, 0)
                runs = leader.runs()
                self.assertEqual(len(runs), 1)
                self.assertTrue(work - TICK < cpu(runs[0]) < work + 0.25, (work, cpu(runs[0])))

    def test_an_orphan_beside_a_leader_in_its_group_and_session_is_not_its(self):
        """A shell without the hook starts a leader and, beside it, a worker that gets orphaned."""
        folder = pillion.fresh_folder()
        beside = "(%sLD_PRELOAD=%s %s; echo done >done) &" % (LATE.replace("exec ", ""), pillion.HOOK, WORKER)
        work = pillion.fresh_folder()
        os.mkfifo(work / "done")
        text = "LD_PRELOAD=%s cat done & sh -c %s; wait" % (pillion.HOOK, shlex.quote(beside))
        result = pillion.run(["sh", "-c", text], preload=False, env=pillion.clean_env(pillion_dir=folder), cwd=work)
        self.assertEqual(result.status, 0, result)
        runs = {pathlib.Path(run["command"][0]).name: run for run in pillion.runs(folder)}
        self.assertEqual(set(runs), {"cat", "works_for"})
        self.assertLess(cpu(runs["cat"]), WORK / 2)
        self.assertGreater(cpu(runs["works_for"]), WORK - TICK)

    def test_the_orphan_of_a_leader_that_was_killed_has_a_run_of_its_own(self):
        worker = shlex.quote(WORKER + DONE)
        late = shlex.quote("(read said <go; exec sh -c %s) >/dev/null 2>&1 &" % worker)
        with Leader("sh", "-c", "sh -c %s; sleep 0.2; kill -9 $$" % late, fifo="go", env={"PILLION_INTERVAL": "0.1"}) as leader:
            leader.program.wait()
            os.write(leader.fifo, b"go\n")
            pillion.wait_for((leader.work / "done").exists, what="the worker's end")
            ended = pillion.wait_for(lambda: [run for run in leader.runs() if run.get("state") == "local"],
                                     what="the worker's run")
            self.assertEqual(len(ended), 1)
            self.assertGreater(cpu(ended[0]), WORK - TICK)
            self.addCleanup(self.remove_marks_of, leader.pid)

    @staticmethod
    def remove_marks_of(pid):
        """Another leader, of a test beside this one, may sweep them at the same time."""
        for path in marks():
            if "-%d-" % pid in path.parent.name:
                path.unlink(missing_ok=True)
        for place in ("/tmp", "/dev/shm"):
            for path in pathlib.Path(place).glob(".pillion-%d/below/*-%d-*" % (os.geteuid(), pid)):
                with contextlib.suppress(FileNotFoundError):
                    path.rmdir()
            with contextlib.suppress(OSError):
                (pathlib.Path(place) / (".pillion-%d" % os.geteuid()) / "below").rmdir()

    def test_marks_that_fit_no_process_take_none(self):
        """The number of a stranger with another start; one of another PID namespace; a link; another user's file."""
        with Leader("cat", "told", fifo="told", env={"PILLION_INTERVAL": "0.1"}) as leader, contextlib.ExitStack() as stack:
            pillion.wait_for(lambda: pillion.is_leader(leader.pid), what="a leader")
            stranger = stack.enter_context(Stranger())
            start = start_of(stranger.pid)
            name = "%d-%d-%d" % (os.stat("/proc/self/ns/pid").st_ino, leader.pid, start_of(leader.pid))
            place = pathlib.Path("/tmp/.pillion-%d/below" % os.geteuid()) / name
            place.mkdir(parents=True)
            ns = name.split("-")[0]
            (place / ("%s-%d-%d" % (ns, stranger.pid, start + 1))).touch()
            (place / ("1-%d-%d" % (stranger.pid, start))).touch()
            (place / ("%s-%d-%dx" % (ns, stranger.pid, start))).touch()
            rows, used = leader.rows(), stranger.used()
            pillion.wait_for(lambda: stranger.used() > used + WORK * 2 and leader.rows() > rows + 5,
                             what="rows while the stranger works")
            leader.close()
            self.assertEqual(leader.program.wait().status, 0)
            self.assertFalse(place.exists())
            run, = leader.runs()
            self.assertLess(cpu(run), WORK)
            self.assertEqual({row["process_children"] for row in run.rows}, {0})

    def test_a_mark_in_the_middle_of_another_users_folder_hides_nobody(self):
        """Somebody else says in his own folder that a process of ours is below his leader."""
        if os.geteuid() != 0:
            self.skipTest("only root can be two users")
        uid = 65533
        with contextlib.ExitStack() as stack:
            leader = stack.enter_context(Leader("sleep", "3", preexec_fn=lambda: os.setresuid(uid, uid, uid),
                                                env={"PILLION_DIR": "/nonexistent", "PILLION_INTERVAL": "0.2"}))
            pillion.wait_for(lambda: pillion.is_leader(leader.pid), what="a leader")
            folder = pathlib.Path("/tmp/.pillion-%d" % uid)
            name = "%d-%d-%d" % (os.stat("/proc/self/ns/pid").st_ino, leader.pid, start_of(leader.pid))
            place = folder / "below" / name
            place.mkdir(parents=True)
            stack.callback(subprocess.run, ["rm", "-rf", str(folder)])
            ours = stack.enter_context(Leader("sh", "-c", "kill -STOP $$; exec sleep 0.3"))
            mark = place / ("%s-%d-%d" % (name.split("-")[0], ours.pid, start_of(ours.pid)))
            mark.touch()
            for path in (folder / "below", place, mark):
                os.chown(path, uid, uid)
            pillion.wait_for(lambda: pillion.process_state(ours.pid) == "T", what="it to stop")
            os.kill(ours.pid, signal.SIGCONT)
            ours.program.wait()
            self.assertEqual(len(ours.runs()), 1)


def stat_of(pid):
    """From the state on."""
    return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()


def start_of(pid):
    return int(stat_of(pid)[19])


class Stranger:
    """A process that burns CPU time, and has nothing to do with anybody's run."""

    def __enter__(self):
        self.process = subprocess.Popen(["sh", "-c", "while :; do :; done"])
        self.pid = self.process.pid
        return self

    def used(self):
        return sum(map(int, stat_of(self.pid)[11:13])) / TICKS

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    pillion.main()
