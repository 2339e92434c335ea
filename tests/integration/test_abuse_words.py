#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Words that mean harm, in the environment, in arguments and in names: the program is as ever, and what is written
down or sent of them is right."""
import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, Cases, ServedTest, pillion  # noqa: E402
from sentinel_server import SentinelServer  # noqa: E402

PROGRAM = ("sh", "-c", "echo out; echo err >&2; sleep 0.15; exit 3")
LONGEST = 128 * 1024 - 64  # the kernel's for one string, with room for its name

NAMES = ("SENTINEL_API_TOKEN SENTINEL_API_KEY SENTINEL_API_TOKEN_FILE SENTINEL_API_URL PILLION_INTERVAL "
         "TRACKER_UPLOAD_INTERVAL PILLION_UPLOAD_INTERVAL PILLION_DIR PILLION_KEEP PILLION_OUTPUT TRACKER_OUTPUT "
         "PILLION_EXIT_TIMEOUT PILLION_INCLUDE PILLION_EXCLUDE PILLION_MIN_SECONDS PILLION_RANKS PILLION_SIGNALS "
         "PILLION_SHARE PILLION_CLOUD PILLION_S3_ENDPOINT PILLION_OTLP_ENDPOINT OTEL_SERVICE_NAME PILLION_LOG PILLION_LOG_LEVEL PILLION_DISABLE PILLION_UNKNOWN "
         "TRACKER_JOB_NAME TRACKER_PROJECT_NAME TRACKER_STAGE_NAME TRACKER_TASK_NAME TRACKER_TEAM TRACKER_ENV "
         "TRACKER_LANGUAGE TRACKER_ORCHESTRATOR TRACKER_EXECUTOR TRACKER_EXTERNAL_RUN_ID TRACKER_CONTAINER_IMAGE "
         "TRACKER_TAGS HOME XDG_STATE_HOME http_proxy https_proxy no_proxy AWS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE "
         "SLURM_STEP_NUM_NODES SLURM_ARRAY_TASK_COUNT SLURM_LOCALID OMPI_COMM_WORLD_LOCAL_RANK").split()

VALUES = {
    "empty": b"", "long": b"x" * LONGEST, "long list": b"a=b,c:d/" * (LONGEST // 8), "not UTF-8": b"\xff\xfe\xc3(\xed\xa0\x80",
    "line ends": b"a\nb\r\nc\n", "quotes": b"\"'`$(touch evil)\\", "format": b"%s%n%p%h%r%d%%%", "controls": b"\x1b[2J\x01\x7f\x9b",
    "large": b"1e400", "larger": b"9" * 400, "nan": b"nan", "inf": b"inf", "minus": b"-0", "below": b"-1", "hex": b"0x10",
    "plus": b"+1", "fraction": b"0." + b"0" * 400 + b"1", "spaces": b"  1  ", "commas": b",,,=,=,", "colons": b"::::",
    "dots": b"../../../../../../tmp/../proc/1/root", "slashes": b"////", "bracket": b"[[[[[]!*?\\", "device": b"/dev/zero",
    "proc": b"/proc/self/mem", "url": b"http://a:b@c:99999/?x#y", "word": b"yes",
}


class Environment(ServedTest):
    def check(self, name, variables):
        """With a server that means well: what reaches it is right, whatever the values are."""
        work, home = self.tmp / name / "work", self.tmp / name / "home"
        for folder in (work, home):
            folder.mkdir(parents=True)
        with SentinelServer() as server:
            env = {os.fsencode(key): os.fsencode(value) for key, value in self.env(
                HOME=home, PILLION_DIR=home / "state", **server.env(PILLION_EXIT_TIMEOUT="1")).items()}
            env.update(variables)
            result = pillion.run(PROGRAM, env=pillion_preloaded(env), preload=False, cwd=work, timeout=60)
            self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
            self.assertFalse((work / "evil").exists())
            for path in pillion.files_below(self.tmp / name):
                if path.name == "run.jsonl":
                    run = pillion.Run(path.parent)
                    self.assertNotRegex(run.log, r"[^\n\x20-\x7e\x80-\U0010ffff]")
                    self.assertIn(run.get("exit_code"), (3, None), run.describe())
            for request in server.requests:
                self.assertIn(request.endpoint, ("register", "finish"), request)
            if b"SENTINEL_API_URL" not in variables:
                wrong = [one for one in server.complaints() if one.answer != 401]
                self.assertEqual(wrong, [])

    def test_no_value_of_any_variable_is_seen_by_the_program(self):
        cases = {"%s-%s" % (name, what.replace(" ", "-")): ({name.encode(): value},)
                 for name in NAMES for what, value in VALUES.items()}
        if not os.environ.get("TEST_ALL"):  # a part of them, each name and each value several times
            cases = {name: case for number, (name, case) in enumerate(cases.items()) if number % 7 == 0}
        Cases(self, 8).run(cases, self.check)

    def test_all_of_them_at_once(self):
        Cases(self, 8).run({what.replace(" ", "-"): ({name.encode(): value for name in NAMES
                                                            if name not in ("PILLION_DISABLE", "PILLION_INCLUDE",
                                                                            "PILLION_MIN_SECONDS")
                                                            and "TOKEN" not in name},)
                            for what, value in VALUES.items() if len(value) < 1000}, self.check)

    def test_a_name_without_an_end_and_names_twice(self):
        """What no shell hands over, but execve does."""
        text = ("import ctypes, os, sys; libc = ctypes.CDLL(None); strings = [b'PILLION_INTERVAL', b'=', b'', "
                "b'PILLION_DIR', b'PILLION_OUTPUT=x', b'PILLION_OUTPUT=y', b'=PILLION_LOG=stderr', b'LD_PRELOAD=%s', "
                "b'PATH=' + os.environb[b'PATH'], b'PILLION_DIR=%s', b'PILLION_INTERVAL=0.05'] + [b'PILLION_X%%d' %% i "
                "for i in range(2000)]; env = (ctypes.c_char_p * (len(strings) + 1))(*strings, None); "
                "argv = (ctypes.c_char_p * 4)(b'sh', b'-c', %r, None); libc.execve(b'/bin/sh', argv, env)"
                % (pillion.HOOK, self.dir, PROGRAM[2].encode()))
        result = self.launch(PYTHON, "-S", "-c", text, preload=False)
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))
        self.assertEqual(self.only_run()["state"], "local")


def pillion_preloaded(env):
    return dict(env, LD_PRELOAD=os.fsencode(pillion.HOOK))


class Names(ServedTest):
    ODD = {"quotes": "a'b\"c`d$e\\f", "line ends": "a\nb\rc\td", "controls": "\x1b[2J\x07\x7f", "latin 1": "caf\udce9",
           "half characters": "\udcf0\udc9f\udc98", "braces": "{\"a\":[1]}", "percent": "%s%n%p%r", "dash": "-rf", "spaces": "  ",
           "unicode": "\u202eevil\u2028\ufeff", "longest": "n" * 255}

    def shown(self, run):
        """list and show in one line each, steering nothing."""
        listed = self.pillion("list")
        self.assertEqual((listed.status, listed.stdout.count(b"\n")), (0, 2), listed)
        shown = self.pillion("show")
        for result in (listed, shown):
            self.assertEqual((result.status, result.stderr), (0, b""), result)
            self.assertNotRegex(result.stdout, rb"[\x00-\x09\x0b-\x1f\x7f]")
        for words in (["list", "--json"], ["show", "--json"]):
            json.loads(self.pillion(*words).stdout.decode("utf-8"))

    def anew(self):
        self.server.runs.clear()
        pillion.remove_folder(self.dir)
        self.dir.mkdir(mode=0o700)

    def test_any_command_is_told_right(self):
        for name, odd in self.ODD.items():
            with self.subTest(name):
                self.anew()
                argv = ("sh", "-c", "sleep 0.15; exit 3", odd, odd * 20, "")
                result = self.launch(*argv, env=self.env(PILLION_SHARE="command", TRACKER_JOB_NAME=odd, TRACKER_TEAM=odd * 50,
                                                         TRACKER_TAGS="a=" + odd.replace(",", "")))
                self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
                one = self.assertDelivered(self.only_run())
                self.assertNoComplaints()
                whole = os.fsencode(odd).decode("utf-8", "replace") == odd
                if whole:
                    self.assertEqual(json.loads(one["registration"]["command"]), list(argv))
                    self.assertEqual(one["registration"]["job_name"], odd)
                self.shown(self.only_run())

    def test_any_executable_has_a_run(self):
        """Its name becomes the job's; the longest path is one that the kernel takes."""
        for name, odd in self.ODD.items():
            with self.subTest(name):
                self.anew()
                path = self.tmp / "bin" / odd
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(open("/bin/sleep", "rb").read())
                path.chmod(0o755)
                self.assertSilent(self.launch(path, "0.15"))
                one = self.assertDelivered(self.only_run())
                self.assertEqual(len(one["registration"]["job_name"]) > 0, True)
                self.assertNoComplaints()
                self.shown(self.only_run())

    def test_paths_of_any_length(self):
        """Also longer than PATH_MAX: such a program cannot be named, and runs all the same."""
        script = ('import os, shutil, sys\nos.chdir(sys.argv[1])\nfor i in range(int(sys.argv[2])):\n'
                  '    os.mkdir("d" * 250)\n    os.chdir("d" * 250)\nshutil.copy("/bin/sleep", "s")\n'
                  'os.execve("./s", ["s", "0.15"], dict(os.environ, LD_PRELOAD=sys.argv[3]))')
        for depth in (15, 16, 20):
            with self.subTest(depth):
                self.anew()
                folder = self.tmp / str(depth)
                folder.mkdir()
                result = self.launch(PYTHON, "-S", "-c", script, folder, depth, pillion.HOOK, preload=False)
                self.assertSilent(result)
                self.assertEqual(result.status, 0)
                self.assertLessEqual(len(self.runs()), 1)
                self.assertNoComplaints()

    def test_any_place_for_runs(self):
        for name, odd in self.ODD.items():
            with self.subTest(name):
                place = self.tmp / "places" / odd
                self.server.runs.clear()
                self.assertSilent(self.launch("sleep", "0.15", env=self.env(PILLION_DIR=place)))
                self.assertDelivered(pillion.runs(place)[0])
        for length in (4000, 4094, 4095, 4096, 9000):
            place = "/".join([str(self.tmp)] + ["p" * 200] * 50)[:length]
            self.assertSilent(self.launch("sleep", "0.15", env=self.env(PILLION_DIR=place)))
        self.assertNoComplaints()

    @unittest.skipUnless(os.geteuid() == 0, "only root can name a machine")
    def test_any_host_name(self):
        text = ("import ctypes, os, sys; libc = ctypes.CDLL(None); assert libc.unshare(0x04000000) == 0; "
                "name = os.fsencode(sys.argv[1]); assert libc.sethostname(name, len(name)) == 0; "
                "os.execve('/bin/sleep', ['sleep', '0.15'], dict(os.environ, LD_PRELOAD=sys.argv[2]))")
        for name, odd in dict(self.ODD, longest="h" * 64, dots="../../x", hidden=".hidden", empty="").items():
            with self.subTest(name):
                self.anew()
                env = self.env(PILLION_SHARE="hostname", PILLION_OUTPUT=self.work / "%h.csv")
                result = self.launch(PYTHON, "-S", "-c", text, odd, pillion.HOOK, preload=False, env=env)
                self.assertEqual((result.status, result.stderr), (0, b""), result)
                run = self.only_run()
                self.assertRegex(run.directory, r"\A[0-9]{8}T[0-9]{6}Z-[A-Za-z0-9_-][A-Za-z0-9._-]*-[0-9]+\Z")
                self.assertDelivered(run)
                self.assertNoComplaints()
                self.shown(run)
        self.assertNotEqual(socket.gethostname(), "h" * 64)


class Arguments(ServedTest):
    def test_the_margin_below_e2big_is_the_same(self):
        """The largest argument list that a child takes, found by the program itself."""
        text = ("import os, subprocess, time\ntime.sleep(0.2)\nlow, high = 0, 20 << 20\nwhile high - low > 1:\n"
                "    middle = (low + high) // 2\n    words = ['x' * 99999] * (middle // 100000) + ['x' * (middle % 100000)]\n"
                "    try:\n        subprocess.run(['/bin/true'] + words, check=True)\n        low = middle\n"
                "    except OSError as error:\n        assert error.errno == 7\n        high = middle\nprint(low)\n")
        for token in (True, False):
            env = self.env() if token else self.env(SENTINEL_API_TOKEN=None)
            # A variable of that length is there in any case: the user has set it.
            plain = self.launch(PYTHON, "-S", "-c", text, env=dict(env, LD_PRELOAX=str(pillion.HOOK)), preload=False)
            result = self.launch(PYTHON, "-S", "-c", text, env=env)
            self.assertEqual((result.status, result.stdout, result.stderr), (0, plain.stdout, b""))
            self.assertGreater(int(plain.stdout), MIB)

    def test_two_megabytes_of_arguments(self):
        argv = ["sh", "-c", "echo $#; sleep 0.15; exit 3", "sh"] + ["word %d" % i for i in range(100000)]
        result = self.launch(*argv, env=self.env(PILLION_SHARE="command"))
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"100000\n", b""))
        run = self.only_run()
        self.assertLess(len(run.text), 1 << 20)
        self.assertDelivered(run)
        self.assertNoComplaints()

    def test_no_arguments_at_all(self):
        """execve with NULL for both: the kernel makes argv[0] an empty string, and without an environment nothing is
        loaded; with one, the run has a name all the same."""
        text = ("import ctypes, os, sys; libc = ctypes.CDLL(None); "
                "env = (ctypes.c_char_p * 4)(b'LD_PRELOAD=' + os.fsencode(sys.argv[2]), b'PILLION_DIR=' + "
                "os.environb[b'PILLION_DIR'], b'PILLION_INTERVAL=0.05', None) if sys.argv[1] == 'env' else None; "
                "libc.execve(os.fsencode(sys.argv[3]), None, env); print(ctypes.get_errno())")
        for kind, count in (("none", 0), ("env", 1)):
            with self.subTest(kind):
                result = self.launch(PYTHON, "-S", "-c", text, kind, pillion.HOOK, pillion.PROGRAMS / "returns_7",
                                     preload=False)
                self.assertEqual((result.status, result.stdout, result.stderr), (7, b"buffered until the end\n", b"and a word on stderr\n"))
                self.assertEqual(len(self.runs()), count)
        self.assertEqual(self.only_run()["state"], "local")


MIB = 1 << 20

if __name__ == "__main__":
    pillion.main()
