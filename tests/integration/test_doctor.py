#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`pillion doctor`: every cause that it can name, provoked, and what then really happens where that can be seen."""
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, LocalTest, ServedTest, pillion  # noqa: E402
from s3_server import S3Server  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402
from certificates import Authority  # noqa: E402

SANITIZED = b"__asan_init" in pathlib.Path(pillion.COMMAND).read_bytes()
root_only = unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
NOBODY = 65534
AS_NOBODY = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")

RETURNS_3 = "int main(void) { return 3; }\n"
STARTS_ITSELF = "void _start(void) { for (;;); }\n"
OLD_LIBC = "int puts(const char *s) { (void)s; return 0; }\nint printf(const char *s, ...) { (void)s; return 0; }\n"
OLD_LIBC_MAP = "GLIBC_2.2.5 { global: puts; };\nGLIBC_2.12 { global: printf; } GLIBC_2.2.5;\n"
OTHER_ENGINE = "#include <stdint.h>\nstruct { uint32_t version; } const pillion_engine = {99};\n"
NSS_MODULE = r"""
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <string.h>
#include <sys/socket.h>
enum nss_status _nss_pilliontest_gethostbyname2_r(const char *name, int family, struct hostent *ret, char *buffer,
                                                  size_t size, int *error, int *resolver_error)
{
    if (family != AF_INET || strcmp(name, "known-to.invalid") != 0 || size < 64) {
        *error = ENOENT;
        *resolver_error = HOST_NOT_FOUND;
        return NSS_STATUS_NOTFOUND;
    }
    char **list = (char **)(((unsigned long)buffer + 15) & ~15UL);
    memcpy(list + 3, "\177\0\0\1", 4);
    list[0] = (char *)(list + 3);
    list[1] = list[2] = NULL;
    *ret = (struct hostent){(char *)name, list + 2, AF_INET, 4, list};
    return NSS_STATUS_SUCCESS;
}
"""


class Doctor:
    def setUp(self):
        super().setUp()
        self.tmp.chmod(0o755)

    def need_mounts(self):
        if self.launch("unshare", "-m", "true", preload=False).status != 0:
            self.skipTest(pillion.forbidden("unshare -m"))

    def env(self, **extra):
        if SANITIZED: # it says so where its order is looked at
            extra.setdefault("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        return super().env(**extra)

    def ask(self, *words, env=None, hook=pillion.HOOK, before=()):
        """Everything that it finds, and its exit status."""
        env = self.env() if env is None else env
        words = ("--",) + words if words else ()
        preload = () if hook is None else ("env", "LD_PRELOAD=%s" % hook) # not of what goes before
        result = self.launch(*before, *preload, pillion.COMMAND, "doctor", "--json", *words, preload=False, env=env)
        self.assertIn(result.status, (0, 1), result)
        found = json.loads(result.stdout)
        for one in found:
            self.assertEqual(sorted(one), ["check", "outcome", "sentence"])
            self.assertIn(one["outcome"], ("ok", "cause", "note"))
        self.assertEqual(result.status, int(any(one["outcome"] == "cause" for one in found)), result)
        return found

    def assertCause(self, check, pattern, *words, **keywords):
        """There is exactly this cause."""
        found = self.ask(*words, **keywords)
        causes = [one for one in found if one["outcome"] == "cause"]
        self.assertEqual([one["check"] for one in causes], [check], found)
        self.assertRegex(causes[0]["sentence"], pattern)
        return found

    def assertNoCause(self, *words, **keywords):
        found = self.ask(*words, **keywords)
        self.assertEqual([one for one in found if one["outcome"] == "cause"], [], found)
        return found

    def compiled(self, name, text, *flags, compiler=None):
        source, target = self.tmp / (name + ".c"), self.tmp / name
        source.write_text(text)
        before = os.environ.get("CC")
        try:
            if compiler:
                os.environ["CC"] = compiler
            words = pillion.cc(source, target, *flags)
        finally:
            os.environ.pop("CC", None)
            if before is not None:
                os.environ["CC"] = before
        self.assertIsNone(words, words)
        return target

    def assertLeavesRuns(self, count, program, status=3):
        self.assertEqual(self.launch(program, env=self.env(SENTINEL_API_TOKEN=None)).status, status)
        self.assertEqual(len(self.runs()), count, self.runs())


class Programs(Doctor, LocalTest):
    def test_nothing_is_wrong_with_an_ordinary_program(self):
        program = self.compiled("ordinary", RETURNS_3)
        self.assertNoCause(program)
        self.assertEqual(pillion.files_below(self.dir), [], "looking makes nothing")
        self.assertLeavesRuns(1, program)

    def test_a_static_program(self):
        for flag in ("-static", "-static-pie"):
            with self.subTest(flag):
                program = self.compiled("static", RETURNS_3, flag)
                self.assertCause("program", "linked statically", program)
                self.assertLeavesRuns(0, program)

    def test_a_program_of_another_libc(self):
        program = self.compiled("musl", RETURNS_3, compiler="musl-gcc")
        self.assertNoCause(program)
        self.assertLeavesRuns(1, program)

    def test_a_program_of_an_older_libc(self):
        folder = self.tmp / "old"
        folder.mkdir()
        (self.tmp / "map").write_text(OLD_LIBC_MAP)
        self.compiled("old/libc.so.6", OLD_LIBC, "-shared", "-nostdlib", "-fno-builtin", "-fPIC",
                      "-Wl,-soname,libc.so.6", "-Wl,--version-script=%s" % (self.tmp / "map"))
        loader = folder / "ld-linux.so.2"
        loader.write_bytes(b"")
        program = self.compiled("program", RETURNS_3, "-Wl,--dynamic-linker=%s" % loader)
        self.assertCause("program", r"glibc 2\.12.*2\.17", program)

    def test_a_program_of_32_bits(self):
        program = self.compiled("small", STARTS_ITSELF, "-m32", "-nostdlib", "-ffreestanding", "-fno-stack-protector",
                                "-pie", "-Wl,-dynamic-linker,/lib/ld-linux.so.2")
        self.assertCause("program", "32 bits for i386.*64 bits", program)

    def test_a_program_of_another_architecture(self):
        program = self.compiled("foreign", RETURNS_3)
        data = bytearray(program.read_bytes())
        data[18:20] = struct.pack("<H", 183)
        program.write_bytes(data)
        self.assertCause("program", "aarch64", program)

    @unittest.skipIf(SANITIZED, "this command needs the very option that mends it")
    def test_a_program_with_address_sanitizer(self):
        program = self.compiled("sanitized", RETURNS_3, "-fsanitize=address")
        self.assertCause("program", "AddressSanitizer", program)
        self.assertLeavesRuns(0, program, status=1)
        self.assertNoCause(program, env=self.env(ASAN_OPTIONS="verify_asan_link_order=0"))

    def prepare_for_nobody(self, program):
        folder = self.tmp / "nobody"
        folder.mkdir(mode=0o700)
        os.chown(folder, NOBODY, NOBODY)
        return self.env(PILLION_DIR=folder, HOME="/nonexistent"), folder

    @root_only
    def test_a_setuid_or_setgid_program(self):
        program = self.compiled("raised", RETURNS_3)
        env, folder = self.prepare_for_nobody(program)
        for mode, word in ((0o4755, "setuid"), (0o2755, "setgid")):
            with self.subTest(word):
                os.chmod(program, mode)
                self.assertCause("program", word + r".*AT_SECURE", program, env=dict(env), before=AS_NOBODY)
                result = self.launch(*AS_NOBODY, program, env=env)
                self.assertEqual((result.status, pillion.runs(folder)), (3, []), result)
                if mode == 0o4755:
                    self.assertNoCause(program, env=self.env())
        os.chmod(program, 0o755)
        self.assertNoCause(program, env=env, before=AS_NOBODY)
        self.launch(*AS_NOBODY, program, env=env)
        self.assertEqual(len(pillion.runs(folder)), 1)

    @root_only
    def test_a_program_with_file_capabilities(self):
        program = self.compiled("capable", RETURNS_3)
        env, folder = self.prepare_for_nobody(program)
        # capability.h, struct vfs_cap_data: revision 2, effective; CAP_NET_RAW
        os.setxattr(program, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
        self.assertCause("program", "file capabilities", program, env=dict(env), before=AS_NOBODY)
        result = self.launch(*AS_NOBODY, program, env=env)
        self.assertEqual((result.status, pillion.runs(folder)), (3, []), result)
        self.assertNoCause(program, env=env, before=AS_NOBODY + ("--no-new-privs",))

    def test_a_script_is_matched_by_its_interpreter(self):
        script = self.work / "script"
        script.write_text("#! /bin/sh -e\nexit 3\n")
        script.chmod(0o755)
        shell = os.path.realpath("/bin/sh")
        found = self.assertNoCause(script)
        self.assertIn(["note", "program"], [[one["outcome"], one["check"]] for one in found])
        self.assertCause("lead", re.escape(shell) + ".*PILLION_EXCLUDE", script,
                         env=self.env(PILLION_EXCLUDE=os.path.basename(shell)))
        self.assertCause("lead", "PILLION_INCLUDE=script", script, env=self.env(PILLION_INCLUDE="script"))

    def test_a_script_of_env_is_matched_by_what_env_finds(self):
        script = self.work / "script"
        script.write_text("#!/usr/bin/env sh\nexit 3\n")
        script.chmod(0o755)
        self.assertCause("lead", "PILLION_EXCLUDE", script,
                         env=self.env(PILLION_EXCLUDE=os.path.basename(os.path.realpath("/bin/sh"))))

    def test_what_cannot_be_executed(self):
        missing = self.work / "lost"
        missing.write_text("#!/no/such/interpreter\n")
        missing.chmod(0o755)
        plain = self.work / "plain"
        plain.write_text("text\n")
        damaged = self.work / "damaged"
        damaged.write_bytes(pathlib.Path(shutil.which("sleep")).read_bytes()[:70])
        damaged.chmod(0o755)
        looped = self.work / "looped"
        looped.write_text("#!%s\n" % looped)
        looped.chmod(0o755)
        for name, pattern in ((missing, "/no/such/interpreter"), (plain, "ermission"), (damaged, "damaged"),
                              (looped, "script of a script"), ("no-such-program", "command not found"),
                              ("/no/such/program", "No such file")):
            with self.subTest(name):
                self.assertCause("program", pattern, name)


def of_the_machine(one):
    """A note on leaders that other tests have killed."""
    return one["outcome"] == "note" and "of the last ten minutes began under the preload" in one["sentence"]


class Surroundings(Doctor, LocalTest):
    def test_its_text_is_one_line_a_check(self):
        result = self.launch(pillion.COMMAND, "doctor", env=self.env())
        self.assertEqual((result.status, result.stderr), (0, b""), result)
        for line in result.stdout.decode().splitlines():
            self.assertRegex(line, r"\A(ok|note|cause) +\S.*")

    def test_its_json_is_like_its_example(self):
        example = json.loads((pillion.GOLDEN / "doctor.json").read_text())
        found = self.ask(env=self.env(PILLION_DISABLE="1"))
        found = [one for one in found if not of_the_machine(one)]
        self.assertEqual({tuple(one) for one in example}, {tuple(one) for one in found})
        self.assertLessEqual({(one["check"], one["outcome"]) for one in found},
                             {(one["check"], one["outcome"]) for one in example})

    def test_disabled(self):
        self.assertCause("lead", "PILLION_DISABLE=yes", env=self.env(PILLION_DISABLE="yes"))

    def test_excluded_by_name_path_or_absence(self):
        name = os.path.basename(os.path.realpath(shutil.which("sleep")))
        for variable, value in (("PILLION_EXCLUDE", "x:" + name), ("PILLION_EXCLUDE", "/*"), ("PILLION_INCLUDE", "x")):
            with self.subTest(value):
                self.assertCause("lead", variable, "sleep", env=self.env(**{variable: value}))
        (self.work / "naps").symlink_to(shutil.which("sleep"))
        self.assertCause("lead", "PILLION_EXCLUDE", self.work / "naps", env=self.env(PILLION_EXCLUDE="naps"))
        self.assertNoCause(self.work / "naps", env=self.env(PILLION_INCLUDE="naps"))
        self.assertNoCause("sleep", env=self.env(PILLION_INCLUDE=name))
        self.assertNoCause(env=self.env(PILLION_INCLUDE=name))

    def test_programs_that_wrap_another(self):
        found = self.assertNoCause("env")
        self.assertIn("that one leads", str(found))
        for name in ("ssh", "sudo"):
            shutil.copy(shutil.which("sleep"), self.work / name)
            self.assertCause("lead", name + " makes no run", self.work / name)

    def replaced(self, **env):
        """A program that becomes another one without the preload at once, and lives."""
        code = ("import os; os.execve('/bin/sh', ['sh', '-c', 'echo; sleep 60'], "
                "{k: v for k, v in os.environ.items() if k != 'LD_PRELOAD'})")
        program = self.start(PYTHON, "-S", "-c", code, env=self.env(**env))
        pillion.wait_for(lambda: program.stdout, what="the second image")
        self.assertEqual(self.runs(), [])
        return program, code

    @root_only
    def test_a_folder_of_markers_that_is_another_users_says_nothing(self):
        """Anybody may have made it first, and have put in it what he likes."""
        uid = 54399
        folder = self.tmp / "of_a_user"
        folder.mkdir()
        os.chown(folder, uid, uid)
        self.tmp.chmod(0o755)
        env = self.env(PILLION_DIR=folder, HOME="/nonexistent")
        as_user = ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups")
        program = self.start(*as_user, "sh", "-c", "echo; exec sleep 60", preload=False, env=env)
        pillion.wait_for(lambda: program.stdout, what="the program")
        pillion.wait_for(lambda: pathlib.Path("/proc/%d/comm" % program.pid).read_text() == "sleep\n", what="its last image")
        start = pathlib.Path("/proc/%d/stat" % program.pid).read_text().rsplit(")", 1)[1].split()[19]
        markers = pathlib.Path("/tmp/.pillion-%d" % uid)
        marker = markers / ("%d-%d-%s" % (os.stat("/proc/self/ns/pid").st_ino, program.pid, start))
        for owner in (0, uid):
            with self.subTest(owner=owner):
                markers.mkdir(mode=0o755)
                self.addCleanup(shutil.rmtree, markers, ignore_errors=True)
                for i in range(10000):
                    (markers / ("1-%d-1" % i)).touch()  # of another PID namespace
                marker.touch()
                os.chown(markers, owner, owner)
                found = str(self.ask(env=env, before=as_user))
                self.assertEqual("process %d " % program.pid in found, owner == uid, found)
                shutil.rmtree(markers)
        program.kill()

    def test_a_program_that_execs_without_the_preload_in_its_first_second(self):
        program, code = self.replaced(PILLION_INTERVAL="1")
        self.assertCause("lead", r"process %d \(sh\) began under the preload and became another" % program.pid)
        elsewhere = self.ask(env=self.env(PILLION_DIR=self.work))
        self.assertNotIn("process %d " % program.pid, str(elsewhere), "its run would have been kept in another place")
        for _ in range(10):  # its marker may be swept between these two, by any leader of this user's
            program.kill()
            notes = [one["sentence"] for one in self.assertNoCause() if one["outcome"] == "note"]
            if "began under the preload and left no run here" in str(notes):
                break
            program, code = self.replaced(PILLION_INTERVAL="1")
        else:
            self.fail(notes)
        self.assertRegex(str(self.assertNoCause(PYTHON, "-S", "-c", code)), r"without LD_PRELOAD in its first second")

    def test_one_that_does_so_later_has_its_run(self):
        text = "import os, time; time.sleep(0.6); os.execve('/bin/sleep', ['sleep', '60'], {'PILLION_DIR': os.environ['PILLION_DIR']})"
        program = self.start(PYTHON, "-S", "-c", text)
        pillion.wait_for(lambda: pathlib.Path("/proc/%d/comm" % program.pid).read_text() == "sleep\n", what="the second image")
        self.assertEqual(len(self.runs()), 1)
        self.assertNoCause()

    def test_an_env_that_takes_the_preload_away(self):
        for words in (("-i", "sleep", "1"), ("-", "sleep"), ("A=b", "-u", "LD_PRELOAD", "sleep"), ("-uLD_PRELOAD", "sleep"),
                      ("--unset=LD_PRELOAD", "sleep"), ("LD_PRELOAD=", "sleep")):
            with self.subTest(words):
                self.assertCause("program", "takes LD_PRELOAD away", "env", *words)
        for words in (("sleep", "-i"), ("A=b", "sleep", "-u", "LD_PRELOAD="), ("-u", "HOME", "sleep")):
            with self.subTest(words):
                self.assertNotIn("takes LD_PRELOAD away", str(self.ask("env", *words)))

    def test_programs_that_are_known_to_mind(self):
        """They are in pillion-limits(7), with the tests of tests/programs/test_odd_minded.py."""
        for name in ("keyctl", "deno"):
            shutil.copy(shutil.which("sleep"), self.work / name)
        rust = self.compiled("rust", '#include <stdio.h>\nint main(void) { puts("The system\'s UTC offset could not be determined"); }\n')
        for pattern, words in (("keyring", (self.work / "keyctl", "new_session")),
                               ("keyring", ("sh", "-c", "keyctl new_session; make")),
                               ("--allow-run", (self.work / "deno", "run", "--allow-run=git,ls", "x.ts")),
                               ("time crate", (rust,))):
            with self.subTest(words):
                self.assertRegex(str(self.assertNoCause(*words)), pattern)
        for words in ((self.work / "keyctl", "show"), (self.work / "deno", "run", "--allow-run", "x.ts"), ("sleep", "1")):
            with self.subTest(words):
                self.assertNotRegex(str(self.assertNoCause(*words)), "keyring|--allow-run|time crate")

    def test_another_rank(self):
        self.assertCause("lead", "ranks", env=self.env(OMPI_COMM_WORLD_LOCAL_RANK="1"))
        self.assertNoCause(env=self.env(OMPI_COMM_WORLD_LOCAL_RANK="0"))

    def asked_below(self, *leader, preload=True, script="sleep 0.5"):
        """What is found below a leader, and the leader's pid."""
        words = leader + ("sh", "-c", 'echo $$; %s; LD_PRELOAD=$1 "$0" doctor --json; :' % script, pillion.COMMAND,
                          pillion.HOOK)
        result = self.launch(*words, preload=preload)
        pid, _, text = result.stdout.partition(b"\n")
        return int(pid), [one for one in json.loads(text) if one["outcome"] == "cause"]

    def test_a_leader_above(self):
        pid, causes = self.asked_below()
        self.assertEqual([one["check"] for one in causes], ["lead"], causes)
        self.assertRegex(causes[0]["sentence"], r"process %d \(sh\), run %s:" % (pid, self.only_run()["id"]))

    def test_the_command_above(self):
        _, causes = self.asked_below(pillion.COMMAND, "run", "--", preload=False)
        self.assertEqual([one["check"] for one in causes], ["lead"], causes)
        self.assertRegex(causes[0]["sentence"], r"process \d+ \(pillion\), run %s:" % self.only_run()["id"])

    def test_a_leader_above_whose_marker_is_gone(self):
        pid, causes = self.asked_below(script="sleep 0.3; rm -f /tmp/.pillion-$(id -u)/*-$$-* /dev/shm/.pillion-$(id -u)/*-$$-*")
        self.assertRegex(causes[0]["sentence"], r"process %d \(sh\).*known by its thread" % pid)

    def test_a_parent_whose_run_has_ended(self):
        text = ("import os, subprocess, sys\nos.environ.pop('PILLION_DISABLE')\n"
                "sys.exit(subprocess.call([%r, 'doctor', '--json']))\n" % str(pillion.COMMAND))
        result = self.python(text, env=self.env(PILLION_DISABLE="1"))
        causes = [one for one in json.loads(result.stdout) if one["outcome"] == "cause"]
        self.assertEqual([one["check"] for one in causes], ["lead"], causes)
        self.assertRegex(causes[0]["sentence"], r"process %d .*whose run has ended" % result.pid)

    def test_it_makes_no_marker_and_no_run(self):
        program = self.start(pillion.COMMAND, "doctor", env=self.env())
        self.assertEqual(program.wait().status, 0)
        places = [pathlib.Path(place) / (".pillion-%d" % os.geteuid()) for place in ("/tmp", "/dev/shm")]
        self.assertEqual([mark for place in places for mark in place.glob("*-%d-*" % program.pid)], [])
        self.assertEqual(pillion.files_below(self.dir), [])

    def test_nothing_is_preloaded_and_pillion_run_is_all(self):
        """Then all is well, for any program, and a note says what is not observed."""
        static = self.compiled("static", RETURNS_3, "-static")
        for words in ((), ("sleep",), (static,)):
            for keywords in (dict(hook=None), dict(hook="libm.so.6")):
                with self.subTest(words, **keywords):
                    found = self.assertNoCause(*words, **keywords)
                    self.assertRegex(str(found), 'LD_PRELOAD does not name .* observed under "pillion run" alone')
                    self.assertIn('"pillion run" makes a run of', str(found))
        self.assertCause("program", "command not found", "no-such-program", hook=None)
        self.assertCause("lead", "PILLION_DISABLE=1", hook=None, env=self.env(PILLION_DISABLE="1"))

    def test_below_pillion_run_it_names_the_run(self):
        result = self.pillion("run", "--quiet", "--", "sh", "-c", "sleep 0.5; %s doctor --json" % pillion.COMMAND)
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.stdout.decode(), r"has its part in the run of the leader above, process \d+ \(pillion\), run %s"
                         % self.only_run()["id"])

    def test_a_hook_that_is_not_there(self):
        self.assertCause("preload", "does not exist", hook=self.tmp / "libpillion.so")
        self.assertCause("preload", "ld.so does not find", hook="libpillion.so")
        (self.tmp / "libpillion.so").write_text("text\n")
        self.assertCause("preload", "is no library", hook=self.tmp / "libpillion.so")

    def test_a_hook_that_ld_so_searches(self):
        self.assertNoCause(hook="libpillion.so", env=self.env(LD_LIBRARY_PATH=pillion.HOOK.parent))

    @root_only
    def test_a_hook_that_cannot_be_read(self):
        hook = self.tmp / "libpillion.so"
        shutil.copy(pillion.HOOK, hook)
        hook.chmod(0o600)
        self.assertCause("preload", "cannot be read", hook=hook, before=AS_NOBODY,
                         env=self.env(PILLION_DIR="/tmp/pillion-nobody-%d" % os.getpid()))

    def test_an_engine_that_is_not_there_or_not_loadable(self):
        folder = self.tmp / "installed"
        folder.mkdir()
        hook, engine = folder / "libpillion.so", folder / "libpillion-engine.so"
        shutil.copy(pillion.HOOK, hook)
        self.assertCause("engine", "not beside", hook=hook)
        engine.write_text("text\n")
        self.assertCause("engine", "libpillion-engine.so is no library, or not whole", hook=hook)
        whole = pillion.ENGINE.read_bytes()
        for data in (whole[:5000], whole[:-1], whole[:5000].ljust(len(whole), b"\0")):
            engine.write_bytes(data)
            self.assertCause("engine", "libpillion-engine.so is no library, or not whole", hook=hook)
        lost = self.compiled("installed/liblost.so", RETURNS_3, "-shared", "-fPIC", "-Wl,-soname,liblost.so")
        self.compiled("installed/libpillion-engine.so", OTHER_ENGINE, "-shared", "-fPIC", "-Wl,--no-as-needed", lost)
        lost.unlink()
        self.assertCause("engine", r"liblost\.so: cannot open shared object file", hook=hook)
        self.compiled("installed/libpillion-engine.so", OTHER_ENGINE, "-shared", "-fPIC")
        self.assertCause("engine", "another version", hook=hook)
        shutil.copy(pillion.ENGINE, engine)
        self.assertNoCause(hook=hook)

    def test_a_directory_that_cannot_be_used(self):
        file = self.tmp / "file"
        file.write_text("")
        self.assertCause("directory", re.escape(str(file)), env=self.env(PILLION_DIR=file))
        link = self.tmp / "link"
        link.symlink_to(self.dir)
        self.assertCause("directory", "not permitted", env=self.env(PILLION_DIR=link))
        self.assertCause("directory", "Read-only|Permission denied", env=self.env(PILLION_DIR="/proc/x/y")) # root may write in /proc

    @root_only
    def test_a_directory_that_cannot_be_written(self):
        folder = self.tmp / "read-only"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        folder.chmod(0o500)
        for path in (folder, folder / "below" / "that"):
            self.assertCause("directory", "Permission denied", env=self.env(PILLION_DIR=path), before=AS_NOBODY)
        self.need_mounts()
        mounted = 'mount -t tmpfs -o ro none "$0" && exec "$@"'
        self.assertCause("directory", "Read-only file system", env=self.env(PILLION_DIR=self.work / "below"),
                         before=("unshare", "-m", "sh", "-c", mounted, self.work))

    @root_only
    def test_a_disk_that_is_full(self):
        self.need_mounts()
        mounted = 'mount -t tmpfs -o "$1" none "$0" && shift && exec "$@"'
        for options, outcome, pattern in (("size=512k", "cause", r"is full \(0\.\d MiB are left\)"),
                                          ("size=99m,nr_inodes=10", "cause", r"no inodes for new files \(\d are left\)"),
                                          ("size=32m", "note", r"has only 3\d MiB left"),
                                          ("size=99m,nr_inodes=500", "note", r"inodes for only 4\d\d new files"),
                                          ("size=99m", None, None)):
            for folder in (self.work, self.work / "below" / "that"):
                with self.subTest(options, folder=folder):
                    found = self.ask(env=self.env(PILLION_DIR=folder),
                                     before=("unshare", "-m", "sh", "-c", mounted, self.work, options))
                    told = [one for one in found if one["check"] == "directory" and one["outcome"] != "ok"]
                    self.assertEqual([one["outcome"] for one in told], [outcome] if outcome else [], found)
                    if outcome:
                        self.assertRegex(told[0]["sentence"], pattern)

    def test_an_output_that_cannot_be(self):
        (self.work / "folder").mkdir()
        (self.work / "file").write_text("")
        (self.work / "link").symlink_to("file")
        (self.work / "another").write_text("")
        os.link(self.work / "another", self.work / "twice")
        os.mkfifo(self.work / "fifo")
        for path, pattern in (("none/x.csv", "folder does not exist"), ("folder", "no regular file"), ("fifo", "no regular file"),
                              ("link", "it is a link"), ("twice", "second name"), ("link/x.csv", "Not a directory"),
                              ("/proc/%p.csv", "no file can be made there|Permission denied")):
            with self.subTest(path):
                self.assertCause("output", "PILLION_OUTPUT=.* gets no rows: .*(%s)" % pattern, env=self.env(PILLION_OUTPUT=path))
        for path in ("%r-%p.csv", self.work / "new.csv"):
            self.assertIn("rows go to PILLION_OUTPUT", str(self.assertNoCause(env=self.env(PILLION_OUTPUT=path))))
        self.assertFalse((self.work / "new.csv").exists(), "looking makes nothing")

    @root_only
    def test_an_output_on_a_full_disk(self):
        self.need_mounts()
        mounted = 'mount -t tmpfs -o "$1" none "$0" && head -c 99k /dev/zero >"$0/old.csv" 2>/dev/null; shift && exec "$@"'
        for options, path in (("size=64k", "new.csv"), ("size=64k", "old.csv"), ("size=1m,nr_inodes=2", "new.csv")):
            with self.subTest(options, path=path):
                self.assertCause("output", "gets no rows: No space left", env=self.env(PILLION_OUTPUT=self.work / path),
                                 before=("unshare", "-m", "sh", "-c", mounted, self.work, options))

    @root_only
    def test_an_output_of_another_user(self):
        path = self.work / "theirs.csv"
        path.write_text("")
        os.chown(path, NOBODY, NOBODY)
        self.assertCause("output", "another user's", env=self.env(PILLION_OUTPUT=path))
        folder = self.tmp / "roots"
        folder.mkdir(mode=0o755)
        self.assertCause("output", "Permission denied", before=AS_NOBODY,
                         env=self.env(PILLION_OUTPUT=folder / "x.csv", PILLION_DIR="/tmp/pillion-nobody-%d" % os.getpid()))

    @root_only
    def test_two_copies_of_the_library(self):
        for name in ("libpillion.so", "libpillion-engine.so"):
            shutil.copy(pillion.BUILD / "lib" / name, self.tmp)
        found = self.assertNoCause(hook="%s:%s" % (self.tmp / "libpillion.so", pillion.HOOK))
        self.assertRegex(str(found), "2 copies .*: %s is at work" % re.escape(str(self.tmp / "libpillion.so")))

    def test_a_second_choice_is_told(self):
        state = self.home / ".local" / "state"
        state.parent.mkdir()
        state.write_text("")
        found = self.assertNoCause(env=self.env(PILLION_DIR=None))
        told = [one for one in found if one["check"] == "directory"]
        self.assertEqual(told[0]["outcome"], "note")
        self.assertIn("/tmp/pillion-%d" % os.geteuid(), told[0]["sentence"])

    def test_variables_that_are_invalid_or_unknown(self):
        self.assertCause("variables", "PILLION_INTERVAL=fast is not valid: seconds from 0.05",
                         env=self.env(PILLION_INTERVAL="fast"))
        self.assertCause("variables", "PILLION_DRI is no variable.*nearest is PILLION_DIR", env=self.env(PILLION_DRI="/x"))
        self.assertCause("variables", "PILLION_DRI", env=self.env(PILLION_DRI="/x", PILLION_LOG_LEVEL="error"))
        self.assertCause("variables", "PILLION_OUTPUT", env=self.env(PILLION_OUTPUT="%q.csv"))
        self.assertCause("variables", "TOKEN_FILE.*cannot be read", env=self.env(SENTINEL_API_TOKEN_FILE="/no/such/file"))
        self.assertCause("variables", "plain http goes to this machine alone",
                         env=self.env(SENTINEL_API_TOKEN="t", SENTINEL_API_URL="http://192.0.2.1"))

    def test_without_a_token_there_is_no_network(self):
        found = self.assertNoCause(env=self.env(SENTINEL_API_URL="http://127.0.0.1:1"))
        self.assertIn("SENTINEL_API_TOKEN is not set", str(found))
        trace = self.tmp / "trace"
        self.assertNoCause(env=self.env(SENTINEL_API_URL="http://127.0.0.1:1"),
                           before=("strace", "-f", "-o", trace, "-e", "trace=socket,connect,sendto"))
        self.assertNotIn("socket", trace.read_text())

    def test_a_control_character_does_not_reach_the_terminal(self):
        result = self.launch(pillion.COMMAND, "doctor", "--", "\x1b[31m", env=self.env())
        self.assertEqual(result.status, 1)
        self.assertNotIn(b"\x1b", result.stdout)


class Api(Doctor, ServedTest):
    def nothing_was_made(self):
        self.assertEqual((self.server.runs, self.runs()), ({}, []))

    def test_a_reachable_api_is_asked_once_and_nothing_is_made(self):
        found = self.assertNoCause()
        self.assertEqual([one["check"] for one in found][-2:], ["token", "clock"])
        self.assertEqual([(request.endpoint, request.answer) for request in self.server.requests], [("refresh", 404)])
        self.nothing_was_made()

    def test_a_token_that_is_refused(self):
        found = self.assertCause("token", r"refuses the token \(HTTP 401\)", env=self.env(SENTINEL_API_TOKEN="wrong"))
        self.assertNotIn("wrong", str(found))
        self.server.fault("*", status=403)
        self.assertCause("token", r"refuses the token \(HTTP 403\)")
        self.nothing_was_made()

    def test_answers_that_are_not_the_apis(self):
        for fault, pattern in ((dict(status=404, body="<html>"), "not the Sentinel API"), (dict(text="hello"), "not the"),
                               (dict(status=503), r"in trouble \(HTTP 503\)"),
                               (dict(redirect="http://127.0.0.1:1/"), r"redirects \(HTTP 307\)"),
                               (dict(drop=True), "step that failed is the HTTP exchange"),
                               (dict(garbage=True), "step that failed is the HTTP exchange")):
            with self.subTest(fault):
                self.server.faults = []
                self.server.fault("*", **fault)
                self.assertCause("api", pattern)

    def test_a_path_that_the_api_does_not_have(self):
        self.assertCause("api", "has no such place .*is the path of SENTINEL_API_URL right",
                         env=self.env(SENTINEL_API_URL=self.server.url + "/v2"))
        for body in ('{"detail":"Not Found"}', '{"detail": "Method Not Allowed"}\n'):
            self.server.faults = []
            self.server.fault("*", status=404, body=body)
            self.assertCause("api", "has no such place")
        self.nothing_was_made()

    def test_s3_is_asked_once_where_the_token_is_taken(self):
        with S3Server() as store:
            store.faults = []
            store.fault("*", status=403)
            found = self.assertNoCause(env=self.env(**store.env()))
            self.assertRegex(str(found), re.escape(store.url) + r" \(S3\) is reached")
            self.assertEqual(len(store.requests), 1, store.requests)
            self.ask(env=self.env(SENTINEL_API_TOKEN="wrong", **store.env()))
            self.assertEqual(len(store.requests), 1, "not with a token that is refused")
        self.assertCause("s3", r"\(S3\) cannot be reached: .*; runs of up to 8 MiB",
                         env=self.env(PILLION_S3_ENDPOINT="http://127.0.0.1:1"))
        self.nothing_was_made()

    def test_a_closed_port(self):
        self.server.down()
        self.assertCause("api", "step that failed is connecting")

    def test_a_name_that_is_not_known(self):
        self.assertCause("api", r"step that failed is looking up its name \(DNS\)",
                         env=self.env(SENTINEL_API_URL="https://no-such-host.invalid"))

    @root_only
    def test_a_name_that_only_nss_knows(self):
        self.need_mounts()
        self.compiled("libnss_pilliontest.so.2", NSS_MODULE, "-shared", "-fPIC", "-Wl,-soname,libnss_pilliontest.so.2")
        (self.tmp / "nsswitch.conf").write_text("hosts: files pilliontest\n")
        mounted = 'mount --bind "$0" /etc/nsswitch.conf && exec "$@"'
        found = self.ask(env=self.env(SENTINEL_API_URL="https://known-to.invalid", LD_LIBRARY_PATH=self.tmp),
                         before=("unshare", "-m", "sh", "-c", mounted, self.tmp / "nsswitch.conf"))
        causes = [one for one in found if one["outcome"] == "cause"]
        self.assertEqual([one["check"] for one in causes], ["api", "names"], found)
        self.assertRegex(causes[1]["sentence"], "known-to.invalid is a name that only NSS knows")

    def test_the_servers_clock(self):
        for offset, pattern in ((3600, r"36\d\d s behind|3[56]\d\d s behind"), (-1000, r"\d+ s ahead of")):
            self.server.clock_offset = offset
            self.assertCause("clock", pattern)
        self.server.clock_offset = 100
        self.assertNoCause()

    def test_an_api_that_is_marked_down(self):
        self.dir.joinpath("runs").mkdir()
        self.server.down()
        self.launch("true")
        self.server.up()
        self.assertCause("api", r"out of reach, when a program ended: for (10|[1-9]) s from now")
        with self.subTest("another API of that folder"), SentinelServer(token=self.server.token) as other:
            self.assertNotIn("out of reach", str(self.ask(env=self.env(**other.env()))))


class Trust(Doctor, LocalTest):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.tmp)
        self.make = SentinelServer

    def served(self, names=("localhost",), **options):
        server = self.make(certificate=self.authority.context(*names, **options))
        self.addCleanup(server.stop)
        return server, self.env(SENTINEL_API_URL="https://localhost:%d" % server.port, SENTINEL_API_TOKEN=server.token,
                                SSL_CERT_FILE=self.authority.path)

    def test_a_server_that_is_trusted(self):
        _, env = self.served()
        self.assertNoCause(env=env)

    def test_a_foreign_authority(self):
        _, env = self.served()
        env["SSL_CERT_FILE"] = Authority(self.tmp, "foreign").path
        self.assertCause("api", "step that failed is the TLS handshake: certificate refused", env=env)

    def test_certificates_that_are_expired_or_of_another_name(self):
        for options in (dict(expired=True), dict(names=("elsewhere.example",))):
            with self.subTest(options):
                _, env = self.served(**options)
                self.assertCause("api", "step that failed is the TLS handshake: certificate refused", env=env)

    def test_a_server_without_tls(self):
        server = self.make()
        self.addCleanup(server.stop)
        env = self.env(SENTINEL_API_URL="https://localhost:%d" % server.port, SENTINEL_API_TOKEN=server.token,
                       SSL_CERT_FILE=self.authority.path)
        self.assertCause("api", "step that failed is the TLS handshake", env=env)

    @unittest.skipUnless(os.environ.get("PILLION_TEST_LONG"), "takes ten seconds: PILLION_TEST_LONG=1")
    def test_a_server_that_keeps_silent(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(5)
            env = self.env(SENTINEL_API_URL="https://localhost:%d" % silent.getsockname()[1], SENTINEL_API_TOKEN="t",
                           SSL_CERT_FILE=self.authority.path)
            self.assertCause("api", "step that failed is connecting, or the TLS handshake: no answer in time", env=env)

    def test_no_certificates_at_all(self):
        _, env = self.served()
        env["SSL_CERT_FILE"] = "/dev/null"
        self.assertCause("ca-bundle", "SSL_CERT_FILE=/dev/null has no CA certificates", env=env)

    def test_a_bundle_that_is_named_and_cannot_be_read(self):
        """One sentence, by the variable's name: what follows from it is no second cause."""
        for name in ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            for path, reason in ((self.tmp / "none.pem", "No such file"), (self.tmp, "Is a directory")):
                with self.subTest(name, path=path):
                    _, env = self.served()
                    del env["SSL_CERT_FILE"]
                    env[name] = str(path)
                    found = self.assertCause("ca-bundle", r"%s=%s cannot be read \(%s" % (name, re.escape(str(path)), reason), env=env)
                    self.assertNotIn("refused", str(found))


if __name__ == "__main__":
    pillion.main()
