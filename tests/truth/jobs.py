# SPDX-License-Identifier: Apache-2.0
"""Jobs of known cost below each kind of leader, and the kernel's own account of them beside the run's rows."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

JOBS = pillion.BUILD / "truth"
LONG = bool(os.environ.get("PILLION_TEST_LONG"))
CPUS = os.cpu_count()
SLACK = 0.05
TICK = 1 / os.sysconf("SC_CLK_TCK")

# The job leads itself; a shell leads and the job is a passenger; `pillion run` leads, which is no part of its tree.
LEADERS = ("preload", "shell", "run")


def cells(row):
    return {name: cell for name, cell in row.items() if name.startswith(("process_", "time")) and cell is not None}


def leader_argv(leader, argv):
    argv = [str(word) for word in argv]
    if leader == "shell":
        return ["/bin/sh", "-c", '"$@"; exit $?', "sh"] + argv
    if leader == "run":
        return [str(pillion.COMMAND), "run", "--quiet", "--"] + argv
    return argv


class Observed:
    """A finished job. `truth`: what the kernel told its processes; `parent`: what it told us, the leader's parent, with
    those of the job's processes that nobody in its tree reaped."""

    def __init__(self, leader, result, run, records):
        self.leader, self.result, self.run = leader, result, run
        self.rows = run.rows
        kinds = [line.split() for line in records.splitlines()]
        self.records = [(words[0], int(words[1]) / 1e6, int(words[2]) * 512, int(words[3]) * 512) for words in kinds]
        self.truth = self.sum_of("tree", "free")
        free = self.sum_of("free")
        usage = result.usage
        self.parent = (result.cpu + free[0], usage.ru_inblock * 512 + free[1], usage.ru_oublock * 512 + free[2])

    def sum_of(self, *kinds):
        return tuple(sum(record[i] for record in self.records if record[0] in kinds) for i in (1, 2, 3))

    def column(self, name):
        return [row[name] for row in self.rows]

    def sum(self, name):
        return sum(self.column(name))

    @property
    def cpu(self):
        return self.sum("process_utime") + self.sum("process_stime")

    def __repr__(self):
        return "%s: rows %.3f s of CPU, truth %.3f, parent %.3f; read %d (%d), written %d (%d); %d processes, %d rows" % (
            self.leader, self.cpu, self.truth[0], self.parent[0], self.sum("process_disk_read_bytes"), self.truth[1],
            self.sum("process_disk_write_bytes"), self.truth[2], len(self.records), len(self.rows))


class TruthTest(pillion.PillionTest):
    interval = "0.2"
    nothing = None

    def setUp(self):
        self.observed = 0

    def observe(self, leader, program, *words, interval=None, timeout=120, status=(0,), wrap=None, **variables):
        """Run one job to its end below such a leader; `wrap`: the words that start it instead."""
        self.observed += 1
        records = self.work / ("records-%d" % self.observed)
        state = self.tmp / ("state-%d" % self.observed)
        state.mkdir(mode=0o700)
        env = self.env(PILLION_DIR=state, PILLION_INTERVAL=interval or self.interval, PILLION_CLOUD="off",
                       PILLION_OUTPUT=self.work / ("rows-%d" % self.observed), JOB_RECORDS=records, **variables)
        argv = leader_argv(leader, [JOBS / program] + list(words))
        argv = (wrap or []) + argv
        result = self.launch(*argv, preload=leader != "run" and not wrap, env=env, timeout=timeout)
        self.assertIn(result.status, status, result)
        self.assertEqual(result.stderr, b"", result)
        if result.status:
            return None
        runs = pillion.runs(state)
        self.assertEqual(len(runs), 1, runs)
        observed = Observed(leader, result, runs[0], records.read_text())
        if LONG:
            print("%s: %s %r" % (self.id().rsplit(".", 1)[-1], " ".join(map(str, words)), observed))
        self.check_rows(observed)
        return observed

    def outside_rows(self):
        """Seconds of CPU that exec, ld.so, the leader's beginning and its end take here."""
        if TruthTest.nothing is None:
            env = self.env(PILLION_DIR=self.tmp / "state-of-nothing", PILLION_CLOUD="off", JOB_RECORDS=self.work / "nothing")
            TruthTest.nothing = min(self.launch(JOBS / "cpu_jobs", "alone", "1", "0", env=env).cpu for _ in range(3))
        return TruthTest.nothing

    def check_rows(self, observed):
        """What holds for every row of every run."""
        before = None
        room = 0.0  # what the last row may have of the one before: a child that ended while that was taken
        for row in observed.rows:
            cpu = row["process_utime"] + row["process_stime"]
            self.assertLessEqual(row["process_cpu_usage"], CPUS, cells(row))
            if before is not None:
                # Timestamps have milliseconds, and on a busy machine some pass between a row's first reading and its
                # last. A usage is never more than the machine's CPUs.
                seconds = row["timestamp"] - before
                usage = row["process_cpu_usage"]
                room = room if row is observed.rows[-1] else 0.0
                self.assertLessEqual(cpu, CPUS * (seconds + SLACK + TICK) + room, cells(row))
                self.assertGreaterEqual(cpu, max(0, usage - 0.0001) * (seconds - SLACK), cells(row))
                if usage < CPUS:
                    self.assertLessEqual(cpu, (usage + 0.0001) * (seconds + SLACK), cells(row))
            room = max(0.0, CPUS * (row["timestamp"] - before if before else float(self.interval)) - cpu)
            before = row["timestamp"]

    def assertTrueCpu(self, observed, processes=None):
        """Within 1 %, or a clock tick for each process; and what a program that does nothing uses, which is before the first
        row or after the last. User and system are summed: the kernel knows their sum to the nanosecond, but shares it
        between the two by its ticks."""
        processes = len(observed.records) + (observed.leader == "shell") if processes is None else processes
        for name, truth in (("records", observed.truth[0]), ("parent", observed.parent[0])):
            if name == "parent" and observed.leader == "run":
                continue  # has pillion's own in it, which the rows have not
            if name == "records" and observed.leader == "shell":
                continue  # has not the shell's in it, which the rows have
            self.assertLessEqual(abs(observed.cpu - truth), max(truth / 100, processes * TICK) + self.outside_rows(),
                                 "%s: %r" % (name, observed))
