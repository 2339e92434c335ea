#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faulty runs whose every file and core file is searched for the token, the keys and the session token, in each way to
spell them. The token comes from a file, for an environment is the program's, and so in its core."""
import base64
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, Cases, ServedTest, StreamedTest, pillion  # noqa: E402

TOKEN = "tok-4f/Zq+19:x\"y_Secret~of~mine"
ACCESS, SECRET, SESSION = "ASIAQWERTYUIOPASDFGH", "wJalr/XUtnFEMI+K7MDENG/bPxRfiCYzzzzKEY12", "FwoGZXIvYXdzEBY/aDHqa0AP+xyz==" * 4
CREDENTIALS = {"access_key": ACCESS, "secret_key": SECRET, "session_token": SESSION}
CORE_PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()

# Makes a core file of itself as it ends, or has one made.
CRASHES = "import os, sys, time; time.sleep(0.3); os.kill(os.getpid(), int(sys.argv[1]))"
FORKS = "import os, sys, time; sys.stdin.readline(); pid = os.fork(); print(pid or '', end='\\n' if pid else '', flush=True); time.sleep(60)"


def every_character(form):
    return lambda text: "".join(form % ord(one) for one in text)


def base64_of(before, alphabet=b"+/"):
    return lambda text: base64.b64encode((before + text).encode(), altchars=alphabet).decode()


SPELLINGS = {
    "plain": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "dashes": lambda text: json.dumps(text)[1:-1].replace("-", "\\u002d").replace("_", "\\u005f").replace("/", "\\u002F"),
    "all escaped": every_character("\\u%04x"), "escaped twice": lambda text: json.dumps(every_character("\\u%04x")(text))[1:-1],
    "percent": lambda text: urllib.parse.quote(text, safe=""), "all percent": every_character("%%%02X"),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "references": every_character("&#%d;"), "hexadecimal references": every_character("&#x%x;"), "bytes": every_character("\\x%02x"),
    "hexadecimal": lambda text: text.encode().hex(), "HEXADECIMAL": lambda text: text.encode().hex().upper(),
    "base64": base64_of(""), "basic": base64_of("user:"), "bearer": base64_of("Bearer "), "base64url": base64_of("a", b"-_"),
    "lower": str.lower, "upper": str.upper,
}


def needles(secret):
    """What may be nowhere: the secret in each spelling, and its longest parts without an odd character, for a spelling cuts
    there."""
    found = {spell(secret).encode() for spell in SPELLINGS.values()}
    for before in ("", "a", "ab"):  # the middle of it, wherever it lies in what is encoded
        text = base64.b64encode((before + secret).encode()).decode()[4:-4].rstrip("=")
        found |= {text.encode(), text.replace("+", "-").replace("/", "_").encode()}
    found |= {part.encode() for part in re.split(r"[^A-Za-z0-9]", secret) if len(part) >= 8}
    return found


class Searching:
    def setUp(self):
        super().setUp()
        self.file = self.tmp / "token-of-this-test"
        self.file.write_text(self.server.token + "\n")
        self.tmp.chmod(0o755)

    def env(self, **extra):
        return super().env(**dict({"SENTINEL_API_TOKEN": None, "SENTINEL_API_TOKEN_FILE": self.file, "PILLION_LOG_LEVEL": "debug",
                                   "PILLION_LOG": self.tmp / "log.txt", "PILLION_OUTPUT": self.tmp / "rows-%p"}, **extra))

    def search(self, *more, secrets=(), least=1):
        """No file below the test's folder has any of them; at least so many files were searched."""
        wanted = set().union(*(needles(secret) for secret in [self.server.token] + self.server.secret_values + list(secrets)))
        texts = {path: path.read_bytes() for path in pillion.files_below(self.tmp) if path != self.file}
        texts.update(enumerate(more))
        self.assertGreaterEqual(len(texts), least)
        for path, text in texts.items():
            self.assertEqual([needle for needle in wanted if needle in text], [], "in %s" % path)

    def shown(self):
        results = [self.pillion(*words) for words in (["list"], ["show"], ["show", "--json"], ["list", "--json"], ["doctor"],
                                                      ["sync"])]
        return [result.stdout + result.stderr for result in results]


def bodies(spell, secrets):
    """Ways to give back what was sent, or what nobody asked for."""
    token, access, secret, session = (spell(one) for one in secrets)
    return {
        "detail": '{"detail":"no such token: %s"}' % token,
        "headers": '{"detail":[{"type":"x","loc":["header"],"input":{"authorization":"Bearer %s"}}]}' % token,
        "camel": '{"uploadCredentials":{"accessKey":"%s","secretKey":"%s","sessionToken":"%s"}}' % (access, secret, session),
        "words": "refused: secretKey=%s&accessKeyId=%s token=%s %s" % (secret, access, token, session),
        "xml": "<Error><Code>Denied</Code><Message>%s %s %s %s</Message></Error>" % (token, secret, session, access),
    }


class Answers(Searching, ServedTest):
    server_options = {"token": TOKEN}

    def one_run(self, name, status, body, endpoint):
        """A run of its own, in a folder and with a server of its own."""
        with type(self.server)(token=TOKEN, faults=[dict(endpoint=endpoint, status=status, body=body,
                                                         headers={"Location": "http://127.0.0.1:9/?" + TOKEN})]) as server:
            env = self.env(PILLION_DIR=self.tmp / name, SENTINEL_API_URL=server.url, PILLION_LOG=self.tmp / (name + ".log"),
                           PILLION_EXIT_TIMEOUT="0.5")
            self.assertSilent(self.launch("sleep", "0.25", env=env))
            self.assertTrue([one for one in server.requests if one.answer == status], "%s: nobody was refused" % name)
            return [self.pillion(*words, env=env) for words in (["show"], ["show", "--json"])], server.secret_values

    def test_no_answer_leaves_a_secret_behind_however_it_is_spelled(self):
        texts, given, waiting = [], [], []
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            for number, (how, spell) in enumerate(SPELLINGS.items()):
                said = list(bodies(spell, (TOKEN, ACCESS, SECRET, SESSION)).values())
                for part, endpoint in enumerate(("register", "finish")):
                    if (number + part) % 2 and not os.environ.get("TEST_ALL"):
                        continue
                    status = (401, 303, 422, 500, 307)[number % 5]
                    name = "%s-%s-%d" % (how.replace(" ", "-"), endpoint, status)
                    waiting.append(pool.submit(self.one_run, name, status, said[number // 5 % len(said)], endpoint))
            for future in waiting:
                results, secrets = future.result()
                texts += [result.stdout + result.stderr for result in results]
                given += secrets
        self.assertGreaterEqual(len(waiting), 20)
        self.search(*texts, secrets=[ACCESS, SECRET, SESSION] + given, least=4 * len(waiting))

    def test_a_result_is_kept_without_what_it_has_of_secrets(self):
        statistics = {"rows": 7, "tokens": 12, "status": "ok", "names": ["a b", "trainer"]}
        extra = [{"uploadCredentials": {"accessKey": ACCESS, "secretKey": SECRET, "sessionToken": SESSION}},
                 {"x": [ACCESS, {"y": SECRET}], "aws": SESSION}, {"secret\u005fkey": "short-one-of-these", "API-Key": ["k3y-of-mine-0"]}]
        texts = [json.dumps(dict(statistics, **one)) for one in extra]
        texts.append(json.dumps(dict(statistics, **extra[0])).replace("/", "\\/").replace("K", "\\u004b"))
        texts.append(json.dumps(dict(statistics, **{ACCESS: 1})))
        given = [ACCESS, SECRET, SESSION, "short-one-of-these", "k3y-of-mine-0"]

        def check(_, number, text):
            with type(self.server)(token=TOKEN) as server:
                server.fault("finish", status=200, body=text)
                env = self.env(PILLION_DIR=self.tmp / str(number), SENTINEL_API_URL=server.url,
                               PILLION_LOG=self.tmp / ("%d.log" % number))
                self.assertSilent(self.launch("sleep", "0.25", env=env))
                run = pillion.runs(self.tmp / str(number))[0]
                self.assertEqual(run["state"], "finished")
                self.assertEqual({key: run["result"].get(key) for key in statistics}, statistics)
                given.extend(server.secret_values)
        Cases(self).run({text: (number, text) for number, text in enumerate(texts)}, check)
        self.search(secrets=given, least=10)

    def test_nor_is_a_result_that_repeats_the_token_kept(self):
        self.server.fault("finish", status=200, body=json.dumps({"note": "for " + TOKEN.lower(), "rows": 1}))
        self.assertSilent(self.launch("sleep", "0.25"))
        self.assertEqual(self.only_run()["state"], "finished")
        self.assertIsNone(self.only_run().get("result"))
        self.search()

    def test_a_name_or_a_place_of_a_run_that_holds_a_secret_is_none(self):
        plain = "tok-plain_0123456789"

        def check(number, name, prefix):
            with type(self.server)(token=plain) as server:
                server.fault("register", status=201, body=json.dumps({"run_id": name, "upload_uri_prefix": prefix,
                                                                      "upload_credentials": CREDENTIALS}))
                env = self.env(PILLION_DIR=self.tmp / number, SENTINEL_API_URL=server.url, SENTINEL_API_TOKEN=plain,
                               PILLION_LOG=self.tmp / (number + ".log"))
                self.launch("sleep", "0.4", env=env)
                self.assertTrue(server.of("register"))
        Cases(self).run({"1": ("r-" + plain, "s3://bucket/x"), "2": ("r1", "s3://bucket/" + plain),
                         "3": ("r1", "s3://bucket/%s/x" % SESSION)}, check)
        self.search(secrets=[plain, SESSION])


class Words(Searching, ServedTest):
    server_options = {"token": TOKEN}

    def test_arguments_are_written_down_without_token_and_passwords(self):
        words = ["--token=" + TOKEN, TOKEN, "https://host/?key=%s&x=1" % TOKEN, "-H", "Authorization: Basic " +
                 base64_of("user:")(TOKEN), urllib.parse.quote(TOKEN, safe=""), "postgres://ann:p4ssw0rd-of-ann@db/x",
                 "a https://u:p4ssw0rd-of-ann@h/ b", "plain", "mail@host"]
        self.assertSilent(self.launch("sh", "-c", "sleep 0.3", *words, env=self.env(PILLION_SHARE="command")))
        run = self.only_run()
        sent = json.loads(self.server.of("register")[0].body["command"])
        self.assertEqual(run["command"][:3] + run["command"][-2:], ["sh", "-c", "sleep 0.3", "plain", "mail@host"])
        self.assertEqual(sent, run["command"])
        self.assertRegex(run["command"][9], r"\Apostgres://\*+@db/x\Z")
        self.assertRegex(run["command"][5], r"\Ahttps://host/\?key=\*+&x=1\Z")
        self.search(*self.shown(), secrets=["p4ssw0rd-of-ann"])

    def test_nor_is_the_token_in_any_other_word_of_the_users(self):
        """In a variable that is not its own, which would be repeated as wrong, or be metadata."""
        env = self.env(PILLION_INTERVAL=TOKEN, PILLION_KEEP="x" + TOKEN, TRACKER_JOB_NAME=TOKEN, TRACKER_TAGS="key=" + TOKEN,
                       PILLION_S3_ENDPOINT="ftp://" + TOKEN, TRACKER_TEAM="team of " + TOKEN, PILLION_SHARE=TOKEN)
        urls = (self.server.url, self.server.url + "/?token=" + TOKEN, self.server.url + "/" + urllib.parse.quote(TOKEN), "x" + TOKEN)
        Cases(self).run(dict.fromkeys(urls, ()), lambda url: self.assertSilent(
            self.launch("sh", "-c", "sleep 0.3", TOKEN, env=dict(env, SENTINEL_API_URL=url))))
        self.assertEqual(len(self.runs()), 4)
        self.search(*self.shown())


class Objects(Searching, StreamedTest):
    def refuse(self, code, status):
        """S3 gives back all that it was sent, each thing in another spelling."""
        with self.pair() as server:
            def said():
                words = zip(SPELLINGS.values(), server.secret_values * 4 + [server.token])
                return "<Error><Code>%s</Code><Message>%s</Message></Error>" % (
                    code, " ".join(spell(secret) for spell, secret in words))
            server.s3.fault("put", "*", status=status, body=LazyBody(said))
            env = self.env(PILLION_DIR=self.tmp / code, PILLION_EXIT_TIMEOUT="1", PILLION_LOG=self.tmp / (code + ".log"),
                           **server.env())
            self.launch("sleep", "1.4", env=env)
            self.assertTrue(server.s3.of("put"), "nothing was put")
            self.search(secrets=server.secret_values + [server.token])

    def test_what_s3_says_of_the_request_is_not_repeated(self):
        Cases(self).run({code: (status,) for code, status in (("AccessDenied", 403), ("InvalidToken", 400),
                                                                   ("SignatureDoesNotMatch", 403), ("SlowDown", 503))}, self.refuse)


class LazyBody:
    """A body that is made when it is sent."""

    def __init__(self, make):
        self.make = make

    def encode(self):
        return self.make().encode()

    def __bytes__(self):
        return self.encode()

    def __len__(self):
        return len(self.encode())

    def __radd__(self, head):
        return head + self.encode()


class Cores(Searching, StreamedTest):
    """Those that the kernel makes, where it writes them into a file, and those of gcore."""

    def setUp(self):
        super().setUp()
        if b"__asan_init" in pathlib.Path(pillion.COMMAND).read_bytes():
            self.skipTest("a sanitizer maps terabytes")
        for name in ("gdb", "gcore"):
            self.assertTrue(pillion.have(name), "install the package gdb (tools/check does that)")

    def crashed(self, *argv, env=None, preload=True):
        """The core files of a program that ends by a signal with cores on."""
        work = pathlib.Path(tempfile.mkdtemp(prefix="crash-", dir=self.tmp))
        result = self.launch(*argv, env=env, cwd=work, preload=preload,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        self.assertLess(result.status, 0, result)
        return [path for path in work.iterdir() if path.name.startswith("core")]

    def gcore(self, pid):
        result = pillion.run(["gcore", "-o", self.tmp / "gcore", str(pid)], preload=False, timeout=120)
        self.assertTrue((self.tmp / ("gcore.%d" % pid)).exists(), result)

    def test_core_files_of_a_leader_of_its_child_and_of_the_command_hold_none(self):
        leader = self.start(PYTHON, "-S", "-c", FORKS, stdin=subprocess.PIPE)
        self.addCleanup(leader.process.stdin.close)
        command = self.start(pillion.COMMAND, "run", "--", "sleep", "60", preload=False)
        pillion.wait_for(lambda: len({one.path for one in self.s3.of("put") if one.answer}) >= 2, what="an object of each in S3")
        leader.process.stdin.write(b"\n")
        leader.process.stdin.flush()
        pillion.wait_for(lambda: leader.stdout.endswith(b"\n"), what="the child")
        pids = (leader.pid, int(leader.stdout), command.pid)
        Cases(self).run({str(pid): (pid,) for pid in pids}, lambda _, pid: self.gcore(pid))
        os.kill(pids[1], signal.SIGKILL)
        for program in (leader, command):
            program.signal(signal.SIGTERM)
            program.wait()
        for pid in pids:
            core = (self.tmp / ("gcore.%d" % pid)).read_bytes()
            self.assertIn(str(self.file).encode(), core, "the program's own environment is there")
        self.search()

    def test_nor_does_that_of_a_leader_whose_thread_sends(self):
        """A core file has each thread's vector registers, and through these the request was copied."""
        leader = self.start("sleep", "60", env=self.env(PILLION_UPLOAD_INTERVAL="1", TRACKER_INTERVAL="0.2"))
        pillion.wait_for(lambda: [one for one in self.s3.of("put") if one.answer], what="an object in S3")
        core = self.tmp / "core-of-sending"
        then = ["catch syscall sendto", "continue", "gcore %s" % core]
        told = pillion.run(["gdb", "-q", "-batch", "-p", str(leader.pid), *sum((["-ex", line] for line in then), [])],
                           preload=False, timeout=120)
        self.assertIn(b"call to syscall sendto", told.stdout, told)
        self.assertIn(str(self.file).encode(), core.read_bytes(), "the program's own environment is there")
        leader.signal(signal.SIGTERM)
        leader.wait()
        self.search()

    def test_nor_do_those_that_the_kernel_writes(self):
        if "/" in CORE_PATTERN or "|" in CORE_PATTERN:
            self.skipTest("the kernel writes no core file into the working directory here")
        def check(_, number):
            self.assertEqual(len(self.crashed(PYTHON, "-S", "-c", CRASHES, number)), 1)
        Cases(self).run({one.name: (one.value,) for one in (signal.SIGSEGV, signal.SIGABRT)}, check)
        self.assertEqual(len(self.server.runs), 2)
        self.search()

    def test_a_token_of_the_environment_is_there_as_often_as_without_us(self):
        """The environment is the program's own: pillion-limits(7)."""
        if "/" in CORE_PATTERN or "|" in CORE_PATTERN:
            self.skipTest("the kernel writes no core file into the working directory here")
        env = self.env(SENTINEL_API_TOKEN=self.server.token)
        counts = [self.crashed("sh", "-c", "sleep 0.3; kill -SEGV $$", env=env, preload=preload)[0].read_bytes().count(
            self.server.token.encode()) for preload in (False, True)]
        self.assertGreaterEqual(counts[0], 1)
        self.assertEqual(counts[0], counts[1])

    def dumped_whole(self, *words):
        """Everything that the command has in its memory as it ends: also what core files leave out."""
        core = self.tmp / ("whole-" + words[0])
        steps = ("set startup-with-shell off", "set confirm off", "set dump-excluded-mappings on", "set use-coredump-filter off",
                 "catch syscall exit_group", "run", "gcore %s" % core, "kill")
        argv = ["gdb", "-batch", "-nx", "-iex", "set auto-load off"]
        for step in steps:
            argv += ["-ex", step]
        result = pillion.run(argv + ["--args", pillion.COMMAND] + list(words), preload=False, env=self.env(), timeout=120)
        self.assertTrue(core.exists(), result)
        return core

    def test_sync_and_doctor_have_forgotten_the_token_when_they_end(self):
        self.launch("sleep", "0.3", env=self.env(PILLION_EXIT_TIMEOUT="0"))
        Cases(self).run({name: () for name in ("doctor", "sync")}, self.dumped_whole)
        self.assertTrue(self.server.of("refresh"), "the doctor asks")
        self.assertEqual(len(self.server.finished_runs()), 1)
        self.search()


if __name__ == "__main__":
    pillion.main()
