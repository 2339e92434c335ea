# SPDX-License-Identifier: Apache-2.0
"""The jobs whose rows process_memory.py holds against the sampler: one line each, and how they are prepared."""
import contextlib
import glob
import os
import pwd
import random
import shutil
import subprocess
import sys

from jobs import JOBS, pillion

HERE = os.path.dirname(os.path.abspath(__file__))
# A beat is what a shape holds an event for: two rows and a half, and no less than what a program needs to move.
BEATS = {0.2: 0.8, 1: 2.6, 5: 11}
HUGE_PAGE_MIB = 2


class LeftOut(Exception):
    """Why this machine cannot run the job: printed, and for a missing package a failure."""


class Job:
    """`argv`: words, with {BEAT} (DOUBLE, THIRD) in ms, {SECONDS} for three beats, {FOLDER} where it runs.
    `prepare(folder, beat)`: what is done before it, unobserved. `around`: a context. `beside`: argv of a program outside
    of the tree. `most`: MiB that the sampler must have found at most, by arithmetic. `needs`: programs. `slow`: at 5 s
    too. `quick`: where it is tried in each build. `modes`: those in which it can be judged.
    `leaves`: some of it outlives the program."""

    def __init__(self, name, *argv, prepare=None, beside=None, around=None, most=None, needs=(), slow=False, quick=(),
                 modes=("preload", "run"), leaves=False):
        self.name, self.argv, self.prepare, self.beside, self.around = name, argv, prepare, beside, around
        self.most, self.needs, self.slow, self.quick = most, needs, slow, quick
        self.modes, self.leaves = modes, leaves

    def words(self, argv, beat, folder):
        values = {"BEAT": "%d" % (beat * 1000), "DOUBLE": "%d" % (beat * 2000), "THIRD": "%d" % (beat * 333),
                  "SECONDS": "%d" % max(2, round(3 * beat)), "FOLDER": str(folder)}
        words = []
        for word in argv:
            for name, value in values.items():
                word = str(word).replace("{%s}" % name, value)
            words.append(word)
        return words

    def check_needs(self):
        for program in self.needs:
            if not shutil.which(program, path=os.environ.get("PATH", "") + ":" + server_folder()):
                raise AssertionError("%s is missing (tools/check installs it)" % program)


def shape(name, mib, count=0, file="", beat="{BEAT}", program=JOBS / "memory_jobs"):
    return [str(program), name, beat, str(mib), str(count)] + ([file] if file else [])


def python(name, mib, count, *how):
    return [sys.executable, HERE + "/memory_jobs.py", name, "{BEAT}", str(mib), str(count)] + list(how)


# Debian's own Python, for what its packages bring.
def debian_python(name, mib, count, *how):
    return ["/usr/bin/python3"] + python(name, mib, count, *how)[1:]


def shell(text, *words):
    return ["/bin/sh", "-c", text, "sh"] + list(words)


def file_of(mib):
    def prepare(folder, _):
        subprocess.run(shape("make_file", mib, 0, str(folder / "file"), beat="0"), check=True)
    return prepare


# A few seconds of each; SECONDS are counted by the shell.
def repeated(text):
    return shell("end=$(($(date +%%s) + {SECONDS})); while [ $(date +%%s) -lt $end ]; do %s; done" % text)


def prepare_text(folder, _):
    chance = random.Random(1)
    with open(folder / "text", "w") as file:
        for _ in range(60):
            file.write("".join("%016x %016x\n" % (chance.getrandbits(64), chance.getrandbits(64)) for _ in range(20000)))


def prepare_sources(folder, beat):
    count = max(4, round(4 * beat))
    function = "int f%d(int a, int b) { return a %% (b | 1) ? a * %d + b : f%d(b, a / 2); }\n"
    body = "".join(function % (i, i, i - 1) for i in range(1, 500))
    for i in range(count):
        (folder / ("source%d.c" % i)).write_text("int f0(int a, int b) { return a - b; }\n" + body)
    (folder / "Makefile").write_text("all: %s\n%%.o: %%.c\n\tcc -O1 -c -o $@ $<\n"
                                     % " ".join("source%d.o" % i for i in range(count)))


def prepare_java(folder, _):
    subprocess.run(["javac", "-d", str(folder), HERE + "/MemoryJobs.java"], check=True)


def server_folder():
    """The folder of initdb and its kin, which Debian does not put into PATH."""
    if shutil.which("initdb"):
        return os.path.dirname(os.path.realpath(shutil.which("initdb")))
    return (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""])[-1]


# It refuses to be root's.
SERVER = r"""
PATH=%s:$PATH
as() { if [ $(id -u) = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }
begin() { as postgres -D data -k "$PWD" -c listen_addresses= -c fsync=off -c shared_buffers=128MB >log 2>&1 & server=$!
    until psql -h "$PWD" -U postgres -c 'select 1' postgres >/dev/null 2>&1; do sleep 0.05; done; }
end() { kill -INT $(head -n 1 data/postmaster.pid); wait $server; }
"""


def server(text):
    return shell(SERVER % server_folder() + text)


def prepare_server(folder, _):
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    script = "as initdb -A trust -U postgres --no-sync -D data >log 2>&1 && begin && " \
             "pgbench -q -i -s 5 -h \"$PWD\" -U postgres postgres >/dev/null 2>&1 && end"
    subprocess.run(server(script), check=True, cwd=str(folder))


@contextlib.contextmanager
def huge_pages(mib):
    """As many of them as the job wants, where the machine can give them; given back after it."""
    path, wanted = "/proc/sys/vm/nr_hugepages", mib // HUGE_PAGE_MIB

    def free():
        with open("/proc/meminfo") as file:
            found = dict(line.split()[:2] for line in file)
        return int(found.get("HugePages_Free:", 0)) if found.get("Hugepagesize:") == str(HUGE_PAGE_MIB * 1024) else 0

    def put(count):
        with open(path, "w") as file:
            file.write(str(count))

    before = free()
    with contextlib.ExitStack() as stack:
        if before < wanted and os.geteuid() == 0:
            with open(path) as file:
                had = int(file.read())
            with contextlib.suppress(OSError):
                put(had + wanted - before)
                stack.callback(put, had)
        if free() < wanted:
            raise LeftOut("this machine gives no huge pages")
        yield


RUN, PRELOAD = "run", "preload"
FILE = "{FOLDER}/file"

SET = [
    # One process alone: what it maps is its own, whatever it had before.
    Job("allocates", *shape("allocates", 300, 3), most=301, slow=True, quick=[(PRELOAD, 0.2)]),
    Job("allocates late", *shape("allocates", 300, 12), most=301),
    Job("six programs in a row", most=302, slow=True,
        *shell('for i in 1 2 3 4 5 6; do "$@"; done', *shape("allocates", 300, 0, beat="{THIRD}"))),
    Job("grows and shrinks", *shape("grows_and_shrinks", 300), most=301, quick=[(RUN, 0.2)]),
    Job("grows and shrinks at once", *shape("grows_and_shrinks_at_once", 250, 3), most=251, slow=True),
    Job("allocates in threads", *shape("allocates_in_threads", 240), most=242),
    Job("becomes another program", *shape("becomes_another", 240), most=241),
    Job("python", *python("holds", 300, 0), most=308),
    Job("three pythons", *shell('"$@" & sleep 0.3; "$@" & sleep 0.3; "$@"; wait', *python("holds", 100, 0)), most=322,
        quick=[(RUN, 0.2)]),
    Job("java G1", "java", "-XX:+UseG1GC", "-Xmx400m", "-cp", "{FOLDER}", "MemoryJobs", "{BEAT}", "200",
        prepare=prepare_java, needs=("java", "javac"), slow=True),
    Job("node worker_threads", "node", HERE + "/memory_jobs.js", "{BEAT}", "100", "4", needs=("node",)),
    Job("four nodes", *shell('for i in 1 2 3; do "$@" & done; "$@"; wait', "node", HERE + "/memory_jobs.js", "{BEAT}",
                             "60", "0"), needs=("node",)),
    # Families: a fork, a copy, an end change who shares what, and RSS stays as it is.
    Job("family that only sleeps", *shape("family_that_only_sleeps", 300, 4), most=302, slow=True,
        quick=[(PRELOAD, 0.2)]),
    Job("families one after the other", *shape("families_one_after_the_other", 300, 4), most=302,
        quick=[(RUN, 0.2)]),
    Job("children copy", *shape("children_copy", 120, 3), most=482, slow=True, quick=[(PRELOAD, 1)]),
    Job("children copy at once", *shape("children_copy_at_once", 120, 3), most=482),
    Job("parent copies", *shape("parent_copies", 150, 2), most=302),
    Job("children write at random", *shape("children_write_at_random", 200, 5)),
    Job("python copies", *python("copies_slowly", 100, 3), most=408),
    Job("reference counts", *python("reference_counts", 200, 3)),
    Job("pool by fork", *python("pool", 200, 4, "fork"), slow=True),
    Job("pool by spawn", *python("pool", 60, 4, "spawn"), leaves=True, quick=[(PRELOAD, 0.2)]),
    Job("pool by forkserver", *python("pool", 60, 4, "forkserver"), leaves=True),
    Job("numpy pool by fork", *debian_python("numpy_pool", 200, 4, "fork"), slow=True),
    Job("numpy pool by spawn", *debian_python("numpy_pool", 120, 3, "spawn"), leaves=True),
    Job("numpy pool by forkserver", *debian_python("numpy_pool", 120, 3, "forkserver"), leaves=True),
    Job("loky", *debian_python("loky", 160, 3), leaves=True),
    Job("R mclapply", "Rscript", HERE + "/memory_jobs.R", "{BEAT}", "120", "4", needs=("Rscript",)),
    Job("orphans at once", *shape("generations", 240)),
    Job("orphans a beat later", *shape("generations", 240, 1)),
    Job("members free", *shape("members_free", 240), quick=[(RUN, 0.2)]),
    Job("members move", *shape("members_move", 150, 3)),
    Job("zero pages", *shape("zero_pages", 120, 3)),
    Job("large pages", *shape("large_pages", 200, 3)),
    # Who comes, who goes, who becomes another.
    Job("children become others", *shape("children_become_others", 240, 3), quick=[(PRELOAD, 0.2)]),
    Job("children end one by one", *shape("children_end_one_by_one", 320, 4), most=322),
    Job("programs one after the other", *shape("programs_one_after_the_other", 240), most=242),
    Job("zombies", *shape("zombies", 120, 3), most=122),
    Job("first threads leave", *shape("first_threads_leave", 120, 2), most=122, quick=[(RUN, 0.2)]),
    Job("threads fork", *shape("threads_fork", 120, 2), most=122),
    Job("family beside 150 idle", *shape("family_beside_idle", 200, 4)),
    Job("shares its address space", *shape("shares_its_address_space", 120), most=241, quick=[(PRELOAD, 0.2)]),
    # Files and shared memory: page cache is the program's as long as it maps it.
    Job("maps a file", *shape("maps_file", 500, 0, FILE), prepare=file_of(500), most=501, slow=True,
        quick=[(PRELOAD, 0.2)]),
    Job("maps a file slowly", *shape("maps_file_slowly", 500, 0, FILE), prepare=file_of(500), most=501),
    Job("one file in programs", *shape("one_file_in_programs", 400, 3, FILE), prepare=file_of(400), most=402),
    Job("one file in a family", *shape("one_file_in_a_family", 160, 2, FILE), prepare=file_of(160)),
    Job("one file with an outsider", *shape("joins_file", 300, 0, FILE, beat="{DOUBLE}"), prepare=file_of(300),
        beside=shape("joins_file", 300, 0, FILE), most=301),
    Job("shares a memfd", *shape("shares_memfd", 200, 3), most=202),
    Job("fills shared memory", *shape("fills_shared_memory", 240, 4), most=242, quick=[(RUN, 0.2)]),
    Job("huge pages", *shape("huge_pages", 80), around=lambda: huge_pages(80), most=161),
    # Programs that people run.
    Job("make -j2", "make", "-j2", "-s", prepare=prepare_sources, needs=("make", "cc")),
    Job("sort", *repeated("sort -S 100M --parallel=2 -o sorted text"), prepare=prepare_text, slow=True),
    Job("gzip", *repeated("gzip -c text >text.gz"), prepare=prepare_text),
    Job("pipeline", *repeated("cat text | sort -S 60M | uniq | gzip -1 | wc -c >size"), prepare=prepare_text),
    Job("writes a file", *shape("writes_file", 60, 0, FILE), quick=[(RUN, 0.2)]),
    Job("postgres under pgbench", prepare=prepare_server,
        *server('begin; pgbench -n -c 4 -T {SECONDS} -h "$PWD" -U postgres postgres >/dev/null 2>&1; end'),
        needs=("initdb", "pgbench", "setpriv"), slow=True),
]


def matrix(quick, turn=0):
    """(job, mode, interval): each at 1 s in one mode and at 0.2 s in the other, some at 5 s too; the modes change places
    with each turn."""
    for i, job in enumerate(SET):
        modes = (job.modes * 3)[(i + turn + 1) % 2:]
        if quick:
            yield from ((job, mode, interval) for mode, interval in job.quick)
            continue
        yield job, modes[0], 1
        yield job, modes[1], 0.2
        if job.slow:
            yield job, modes[(i // 2) % 2], 5
