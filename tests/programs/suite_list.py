# SPDX-License-Identifier: Apache-2.0
"""The suites that suites.py runs: one class each, with the part of it that is run and why."""
import pathlib
import re
import shutil
import xml.etree.ElementTree

from suites import Suite

TAP = re.compile(r"^(ok|not ok) (\d+)(?: - )?(.*?)(?: *# *(SKIP|TODO).*)?$", re.I | re.M)


def read_tap(output):
    """{number and name: ok, not ok, skip, todo} of the Test Anything Protocol."""
    return {"%s %s" % (number, name.strip()): (word or result).lower() for result, number, name, word in
            TAP.findall(output)}


class Bash(Suite):
    name, source, kind = "bash", "bash", "a shell"
    part = "its tests/run-*: each prints how bash's output differs from the right one, which is compared in full"
    tools = {"bash": "bash", "diff": "diffutils", "cc": "gcc"}
    programs = {"bash": "/bin/bash"}
    wrong = ("run-all", "run-minimal", "run-gprof")  # these call the others

    def build(self):
        shutil.copytree(self.sources / "tests", self.tree / "tests")
        for helper in ("recho", "zecho", "printenv", "xcase"):
            self.make("cc", "-w", "-include", "string.h", "-I", self.sources / "include", "-I", self.sources, "-o",
                      self.tree / "tests" / helper, self.sources / "support" / (helper + ".c"))

    def cases(self):
        return sorted(path.name for path in (self.tree / "tests").glob("run-*") if path.name not in self.wrong)

    def command(self, case, folder):
        return ["sh", case], self.tree / "tests", {
            "THIS_SH": self.bin / "bash", "BUILD_DIR": self.tree, "BASH_TSTOUT": folder / "out",
            "PATH": ".:%s:/usr/bin:/bin" % self.bin}

    def read(self, case, folder, output):
        output = re.sub(r"group \(\d+\)", "group (PID)", output)
        return {"output": "ok" if not output.strip() else output}


class Make(Suite):
    name, source, kind = "make", "make-dfsg", "a build tool"
    part = "all of tests/: one result for each script, with its number of passed tests"
    tools = {"perl": "perl", "make": "make", "cc": "gcc"}
    programs = {"make": "/usr/bin/make"}
    jobs = 4  # they sleep most of the time, to have files of different ages
    line = re.compile(r"^(\w+/\S+) \.+ (.*)$", re.M)

    def build(self):
        shutil.copytree(self.sources / "tests", self.tree / "tests")
        flags = (self.sources / "tests/config-flags.pm.in").read_text()
        (self.tree / "tests/config-flags.pm").write_text(re.sub(r"@\w+@", "", flags))

    def cases(self):
        return sorted(path.name for path in (self.tree / "tests/scripts").iterdir() if path.is_dir())

    def command(self, case, folder):
        """Each in a copy of its own, where it works."""
        shutil.copytree(self.tree / "tests", folder / "tests")
        scripts = sorted("%s/%s" % (case, path.name) for path in (folder / "tests/scripts" / case).iterdir())
        return ["perl", "run_make_tests.pl", "-make", self.bin / "make"] + scripts, folder / "tests", {}

    def read(self, case, folder, output):
        return {script: "ok" if result.startswith("ok") else result for script, result in
                self.line.findall(output)}


class Python(Suite):
    """A module of tests is a process, and leads; what it starts are passengers."""

    name, source, kind = "python", "python3.11", "an interpreter"
    part = "the test modules on processes, signals, threads and the operating system, by Debian's own python3.11"
    tools = {"python3.11": "python3.11"}
    programs = {"python3.11": "/usr/bin/python3.11"}
    modules = """test_atexit test_faulthandler test_fcntl test_fork1 test_os test_popen test_posix test_pty
        test_resource test_signal test_subprocess test_threading test_threadsignals test_wait3 test_wait4""".split()

    def build(self):
        """A virtual environment: it is there in isolated mode too, which some tests start."""
        shutil.copytree(self.sources / "Lib/test", self.tree / "test")
        (self.place / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        packages = self.place / "lib/python3.11/site-packages"
        packages.mkdir(parents=True)
        (packages / "first.pth").write_text("import sys; sys.path.insert(0, %r)\n" % str(self.tree))

    def cases(self):
        return self.modules

    def command(self, case, folder):
        return [self.bin / "python3.11", "-m", "test", "--timeout", "500", "--junit-xml", folder / "results.xml",
                case], folder, {"PYTHONDONTWRITEBYTECODE": "1"}

    def read(self, case, folder, output):
        path = pathlib.Path(folder) / "results.xml"
        if not path.exists():
            return {"output": output[-500:]}
        return {test.get("name"): next((one.tag for one in test if one.tag != "system-out"), "ok")
                for test in xml.etree.ElementTree.parse(path).iter("testcase")}


class Redis(Suite):
    """The driver starts a server for each block of tests, stops, kills and crashes it."""

    name, source, kind = "redis", "redis", "a database server"
    part = "the units on shutdown, crashes, persistence by forked children, replication and the client"
    tools = {"tclsh": "tcl", "redis-server": "redis-tools"}
    programs = {name: "/usr/bin/" + name for name in ("redis-server", "redis-cli", "redis-benchmark",
                                                      "redis-check-rdb", "redis-check-aof")}
    jobs = 1
    units = """unit/info unit/introspection unit/limits unit/multi unit/networking unit/oom-score-adj unit/other
        unit/pubsub unit/quit unit/shutdown integration/aof integration/aof-multi-part integration/logging
        integration/rdb integration/redis-cli integration/shutdown""".split()
    line = re.compile(r"^\[(ok|err|exception|ignore|skip|timeout)\]:? (.*?)(?: \(\d+ ms\))?$", re.M)

    def build(self):
        shutil.copytree(self.sources / "tests", self.tree / "tests")
        shutil.copytree(self.sources / "utils", self.tree / "utils")
        for name in ("redis.conf", "sentinel.conf"):
            shutil.copy(self.sources / name, self.tree)
        (self.tree / "src").mkdir()

    def prepare(self):
        super().prepare()
        for name in self.programs:
            link = self.tree / "src" / name
            if not link.exists():
                link.symlink_to(self.bin / name)

    def cases(self):
        return self.units

    def command(self, case, folder):
        return ["tclsh", "tests/test_helper.tcl", "--clients", "1", "--single", case], self.tree, {}

    def read(self, case, folder, output):
        plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
        found = {}
        for result, name in self.line.findall(plain):
            name = re.sub(r"\d+", "N", name)  # some tell ports and times
            number = sum(1 for key in found if key.partition("#")[0] == name)
            found["%s#%d" % (name, number)] = result
        return found


class Sqlite(Suite):
    name, source, kind = "sqlite", "sqlite3", "a database library"
    part = "scripts on locks, a crash, journals, threads, errors of the system and the shell"
    tools = {"tclsh": "tcl", "make": "make", "cc": "gcc"}
    patterns = """crash8 lock lock[2-7] thread00[1-5] thread[12] journal[1-3] shared shared[2-9] interrupt2 unixexcl
        superlock shell[1-6] exclusive2 oserror symlink select[1-9] savepoint tempdb pager1 attach""".split()
    line = re.compile(r"^\.*(?:! )?(\w\S*)\.\.\. ?(.*)$", re.M)  # dots tell that threads go on

    @property
    def programs(self):
        return {"testfixture": self.tree / "testfixture"}

    def build(self):
        shutil.rmtree(self.tree)
        shutil.copytree(self.sources, self.tree, symlinks=True)
        self.make("./configure", "-q", "--with-tcl=/usr/lib/tcl8.6", "CFLAGS=-O1")
        self.make("make", "-s", "-j2", "testfixture", "sqlite3")

    def cases(self):
        return sorted({path.stem for pattern in self.patterns for path in
                       (self.tree / "test").glob(pattern + ".test")})

    def command(self, case, folder):
        return [self.bin / "testfixture", self.tree / "test" / (case + ".test")], folder, {
            "PATH": "%s:/usr/bin:/bin" % self.tree}

    def read(self, case, folder, output):
        return {test: result.strip().lower() for test, result in self.line.findall(output)}


class Lighttpd(Suite):
    name, source, kind = "lighttpd", "lighttpd", "a web server"
    part = "all of tests/*.t: requests, conditions, FastCGI and SCGI programs that it starts"
    tools = {"perl": "perl", "prove": "perl", "make": "make", "cc": "gcc"}
    jobs = 1

    @property
    def programs(self):
        return {"lighttpd": self.tree / "src/lighttpd.real"}

    def build(self):
        shutil.rmtree(self.tree)
        shutil.copytree(self.sources, self.tree, symlinks=True)
        self.make("./configure", "-q", "--without-pcre", "--without-pcre2", "--without-zlib", "--without-bzip2",
                  "CFLAGS=-O0")
        self.make("make", "-s", "-j2")
        self.make("make", "-s", "-C", "tests", "check", "TESTS=")
        server = self.tree / "src/lighttpd"
        server.rename(str(server) + ".real")
        server.symlink_to(self.bin / "lighttpd")

    def cases(self):
        return sorted(path.name for path in (self.tree / "tests").glob("*.t"))

    def command(self, case, folder):
        return ["sh", "-c", "sh ./prepare.sh && exec perl -I. " + case], self.tree / "tests", {
            "srcdir": ".", "top_builddir": ".."}

    def read(self, case, folder, output):
        return read_tap(output)


class Git(Suite):
    """Every git that a script calls leads; git's own helpers and hooks below it are passengers."""

    name, source, kind = "git", "git", "a version control system"
    part = "the scripts on signals, running commands, filters, daemons, sockets, pruning, bisect, gc and pagers"
    tools = {"git": "git", "make": "make", "cc": "gcc"}
    programs = {name: "/usr/bin/" + name for name in ("git", "git-upload-pack", "git-receive-pack", "git-shell",
                                                      "git-upload-archive")}
    scripts = "t0005 t0021 t0052 t0061 t0301 t5304 t5570 t6030 t6500 t7006".split()

    def build(self):
        shutil.rmtree(self.tree)
        shutil.copytree(self.sources, self.tree, symlinks=True)
        without = ["NO_%s=1" % name for name in ("GETTEXT", "CURL", "EXPAT", "TCLTK", "OPENSSL", "PERL", "PYTHON")]
        self.make("make", "-s", "-j2", "CFLAGS=-O0", *without, "t/helper/test-tool", "GIT-BUILD-OPTIONS")
        self.make("make", "-s", "-C", "templates", *without)

    def cases(self):
        return sorted(path.stem for number in self.scripts for path in (self.tree / "t").glob(number + "-*.sh"))

    def command(self, case, folder):
        return ["sh", case + ".sh", "--root=%s" % folder], self.tree / "t", {
            "GIT_TEST_INSTALLED": self.bin, "GIT_TEST_EXEC_PATH": "/usr/lib/git-core", "TERM": "dumb"}

    def read(self, case, folder, output):
        return read_tap(output)


class Node(Suite):
    """A script of tests is a process, and leads; what it starts are passengers."""

    name, source, kind = "node", "nodejs", "a runtime"
    part = "the scripts of test/parallel on processes, clusters, workers, signals, pipes and the standard streams"
    tools = {"node": "nodejs"}
    programs = {"node": "/usr/bin/node"}
    timeout = 60
    leaves_out_failures = True
    subjects = "abort child-process cluster fs-watch os pipe process signal stdin stdio stdout uv worker".split()
    flags = re.compile(r"^// Flags: *(.*)$", re.M)

    def build(self):
        for name in ("common", "fixtures", "parallel"):
            shutil.copytree(self.sources / "test" / name, self.tree / "test" / name, symlinks=True)

    def cases(self):
        patterns = ["test-" + subject + rest for subject in self.subjects for rest in (".*js", "-*.*js")]
        return sorted({path.name for pattern in patterns for path in (self.tree / "test/parallel").glob(pattern)})

    def command(self, case, folder):
        script = self.tree / "test/parallel" / case
        flags = [word for line in self.flags.findall(script.read_text()) for word in line.split()]
        return [self.bin / "node"] + flags + [script], self.tree / "test", {"NODE_TEST_DIR": folder}

    def read(self, case, folder, output):
        return {}


class Postgres(Suite):
    """The server leads, each psql, and initdb; what the server forks are parts of its tree."""

    name, source, kind = "postgres", "postgresql-15", "a database server"
    part = "the whole schedule of make check, by Debian's own server, with up to twenty clients side by side"
    server = "/usr/lib/postgresql/15"
    driver = server + "/lib/pgxs/src/test/regress/pg_regress"
    tools = {"pg_config": "libpq-dev", "cc": "gcc", "diff": "diffutils", driver: "postgresql-15"}
    programs = {name: "/usr/lib/postgresql/15/bin/" + name for name in ("initdb", "pg_ctl", "postgres", "psql")}
    user = "nobody"  # it does not serve root
    timeout = 1200
    line = re.compile(r"^(?:test| ) +(\S+) +\.\.\. (.*?) +\d+ ms$", re.M)

    def build(self):
        """The one library that is not in the packages. Of what it includes, some is made when the server is built, and
        lies where that was made."""
        regress, libraries = self.sources / "src/test/regress", self.tree / "libraries"
        for name in ("sql", "expected", "data"):
            shutil.copytree(regress / name, self.tree / name)
        for name in ("parallel_schedule", "resultmap"):
            shutil.copy(regress / name, self.tree)
        (self.place / "lib").symlink_to(self.server + "/lib")  # found beside the wrappers' folder
        libraries.mkdir()
        for name in ("refint.so", "autoinc.so"):
            shutil.copy("%s/lib/%s" % (self.server, name), libraries)
        made = self.tree / "include"
        made.mkdir()
        (made / "storage").symlink_to(self.sources / "src/backend/storage/lmgr")
        folders = [regress, self.sources / "src/include", self.sources / "src/backend", made, "/usr/include/postgresql"]
        self.make("cc", "-O1", "-w", "-shared", "-fPIC", "-D_GNU_SOURCE", *["-I%s" % folder for folder in folders],
                  "-o", libraries / "regress.so", regress / "regress.c")

    def cases(self):
        return ["parallel_schedule"]

    def command(self, case, folder):
        """Its socket's name has to be short, so that lies in /tmp."""
        options = {"bindir": self.bin, "dlpath": self.tree / "libraries", "inputdir": self.tree, "outputdir": folder,
                   "temp-instance": folder / "instance", "schedule": self.tree / case, "max-concurrent-tests": 20}
        return [self.driver] + ["--%s=%s" % pair for pair in options.items()], folder, {"TMPDIR": "/tmp"}

    def read(self, case, folder, output):
        return dict(self.line.findall(output))


SUITES = {suite.name: suite for suite in (Bash, Make, Python, Redis, Sqlite, Lighttpd, Git, Node, Postgres)}
