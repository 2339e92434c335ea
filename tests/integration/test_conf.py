#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/etc/pillion.conf and /etc/ld.so.preload: what a site says, in an /etc of the test's own."""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from otlp_receiver import OtlpReceiver  # noqa: E402
from served import LocalTest, pillion  # noqa: E402
import own_etc  # noqa: E402

SANITIZED = b"__asan_init" in pathlib.Path(pillion.COMMAND).read_bytes()
NOBODY = 65534
SLEEP = os.path.realpath(shutil.which("sleep"))
OPENED = re.compile(r'open(?:at)?\([^)]*"/etc/pillion\.conf"')
CONF = "pillion.conf"
MACHINES = "ld.so.preload"


def setUpModule():
    own_etc.need()


def as_user(number):
    return ("setpriv", "--reuid", str(number), "--regid", str(number), "--clear-groups")


class SiteTest(LocalTest):
    of_machine = ()  # more of its /etc

    def setUp(self):
        super().setUp()
        self.tmp.chmod(0o755)
        self.work.chmod(0o755)
        self.etc = own_etc.OwnEtc(self.tmp / "etc", self.of_machine)
        self.places = self.tmp / "runs-of-all"
        self.places.mkdir()
        self.places.chmod(0o1777)

    def env(self, **extra):
        if SANITIZED:  # the command has the hook before its runtime
            extra.setdefault("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        return super().env(**extra)

    def conf(self, *lines, **keywords):
        self.etc.write(CONF, "".join(line + "\n" for line in lines), **keywords)

    def inside(self, *words, preload=True, **keywords):
        hook = ("env", "LD_PRELOAD=%s" % pillion.HOOK) if preload else ()
        return self.launch(*self.etc.enter(*hook, *words), preload=False, **keywords)

    def there(self, *words, **keywords):
        """A program that says nothing on its stderr."""
        result = self.inside(*words, **keywords)
        self.assertEqual(result.stderr, b"", result)
        return result

    def ask(self, *words, **keywords):
        return self.there(pillion.COMMAND, *words, preload=False, **keywords)

    def new_run(self, *words, **keywords):
        """The only run that a program leaves."""
        shutil.rmtree(self.dir / "runs", ignore_errors=True)
        self.there(*(words or ("true",)), **keywords)
        return self.only_run()

    def found(self, *words, env=None):
        return json.loads(self.ask("doctor", "--json", *words, env=env).stdout)

    def causes(self, *words, env=None):
        return [one for one in self.found(*words, env=env) if one["outcome"] == "cause"]


class Settings(SiteTest):
    def test_the_environment_wins_over_a_default_and_force_over_the_environment(self):
        for wanted, lines, own in (
                (None, (), None),
                ("site's", ("# a comment", "", " TRACKER_TEAM =\tsite's "), None),
                ("own", ("TRACKER_TEAM=site's",), "own"),
                (None, ("TRACKER_TEAM=site's",), ""),  # the user's word too
                ("site's", ("force TRACKER_TEAM=site's",), "own"),
                ("last", ("force TRACKER_TEAM=site's", "force\tTRACKER_TEAM=last"), "own")):
            with self.subTest(lines=lines, own=own):
                self.conf(*lines)
                run = self.new_run(env=self.env(TRACKER_TEAM=own))
                self.assertEqual(run["registration"].get("team"), wanted)

    def test_a_setting_of_the_engine(self):
        self.conf("PILLION_INTERVAL=0.1")
        run = self.new_run("sleep", "0.7", env=self.env(PILLION_INTERVAL=None))
        self.assertGreater(len(run.rows), 3)

    def test_a_default_does_not_win_by_another_name_for_the_same(self):
        for lines, env, wanted in ((("PILLION_OUTPUT=site.csv",), {"TRACKER_OUTPUT": "own.csv"}, "own.csv"),
                                   (("force TRACKER_OUTPUT=site.csv",), {"PILLION_OUTPUT": "own.csv"}, "site.csv"),
                                   (("PILLION_OUTPUT=site.csv",), {}, "site.csv")):
            with self.subTest(lines=lines, env=env):
                self.conf(*lines)
                self.there("true", env=self.env(**env))
                self.assertEqual([path.name for path in self.work.iterdir()], [wanted])
                (self.work / wanted).unlink()

    def test_the_command_finds_what_the_sites_folder_has(self):
        self.conf("PILLION_DIR=%s" % self.places)
        env = self.env(PILLION_DIR=None)
        self.there("sh", "-c", "exit 3", env=env)
        self.assertEqual(self.runs(), [])
        run, = pillion.runs(self.places)
        self.assertIn(run["id"], self.ask("list", "--json", env=env).stdout.decode())
        self.assertEqual(json.loads(self.ask("show", "--json", env=env).stdout)["exit_code"], 3)
        self.assertEqual(self.ask("run", "--", "sh", "-c", "exit 4", env=env).status, 4)
        self.assertEqual(len(pillion.runs(self.places)), 2)
        with self.subTest("another user"):
            env["HOME"] = "/nonexistent"
            self.there(*as_user(54398), "env", "LD_PRELOAD=%s" % pillion.HOOK, "true", preload=False, env=env)
            run, = pillion.runs(self.places / "54398")
            told = self.there(*as_user(54398), pillion.COMMAND, "list", "--json", preload=False, env=env)
            self.assertIn(run["id"], told.stdout.decode())

    def test_an_off_switch_for_all_but_who_asks(self):
        self.conf("PILLION_DISABLE=yes")
        self.there("true")
        self.assertEqual(self.ask("run", "--", "sh", "-c", "exit 3").status, 3)
        self.assertEqual(self.runs(), [])
        self.assertRegex(str(self.causes()), "PILLION_DISABLE=yes in /etc/pillion.conf")
        for words in (("true",), (pillion.COMMAND, "run", "true")):
            self.there(*words, preload=words == ("true",), env=self.env(PILLION_DISABLE="no"))
        self.assertEqual(len(self.runs()), 2)

    def test_an_opt_out_stays(self):
        self.conf("force PILLION_DISABLE=no", "force TRACKER_TEAM=site")
        env = self.env(PILLION_DISABLE="1")
        self.there("true", env=env)
        self.ask("run", "true", env=env)
        self.assertEqual(self.runs(), [])

    def test_which_programs_lead(self):
        self.conf("PILLION_EXCLUDE=%s:x*" % os.path.basename(SLEEP))
        self.there("sleep", "0")
        self.assertEqual(self.runs(), [])
        self.there("sleep", "0", env=self.env(PILLION_EXCLUDE=""))
        self.assertEqual(len(self.runs()), 1)
        self.conf("force PILLION_INCLUDE=true")
        self.there("sleep", "0", env=self.env(PILLION_INCLUDE="sleep"))
        self.assertEqual(len(self.runs()), 1)
        self.there("true")
        self.assertEqual(len(self.runs()), 2)
        with self.subTest("below a leader it decides nothing"):
            self.conf("PILLION_EXCLUDE=sleep")
            self.there("sh", "-c", "sleep 0; exit 0")
            self.assertEqual(len(self.runs()), 3)

    def test_runs_of_a_step(self):
        rank = {"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_RANK": "1"}
        self.there("true", env=self.env(**rank))
        self.assertEqual(self.runs(), [])
        self.conf("PILLION_RANKS=all")
        self.there("true", env=self.env(**rank))
        self.assertEqual(len(self.runs()), 1)
        self.there("true", env=self.env(PILLION_RANKS="node", **rank))
        self.assertEqual(len(self.runs()), 1)

    def test_what_is_wrong_is_told_with_its_line(self):
        self.conf("# of the site", "PILLION_DRI=/x", "SENTINEL_API_TOKEN=sent-secret", "force PILLION_SHARE=all", "words",
                  "force SENTINEL_API_URL=http://127.0.0.1:1", "PILLION_KEEP=many", 'PILLION_LOG_LEVEL="warn"')
        run = self.new_run()
        for pattern in (r"line 2: PILLION_DRI is no variable.*nearest is PILLION_DIR", r"line 3: a token is not taken",
                        r"line 4: PILLION_SHARE cannot be forced", r"line 5 is not NAME=value", r"line 6: SENTINEL_API_URL",
                        r"line 7: PILLION_KEEP=many is not valid: .*; 200,1G is used", r"line 8: the quotes"):
            self.assertRegex(run.log, r"/etc/pillion\.conf, " + pattern)
        self.assertNotIn("sent-secret", run.log)
        self.assertEqual((run["state"], run.get("api_url")), ("local", None))
        causes = self.causes()
        self.assertEqual({one["check"] for one in causes}, {"conf", "variables"}, causes)
        self.assertNotIn("sent-secret", str(causes))

    def test_a_token_file_of_the_site_gives_way_to_the_users_token(self):
        token = self.tmp / "token"
        token.write_text("site-token\n")
        self.conf("SENTINEL_API_TOKEN_FILE=%s" % token, "SENTINEL_API_URL=http://127.0.0.1:9")
        self.there("true", env=self.env(PILLION_EXIT_TIMEOUT="0"))
        self.there("true", env=self.env(PILLION_EXIT_TIMEOUT="0", SENTINEL_API_TOKEN="own"))
        first, second = self.runs()
        self.assertEqual((first["state"], second["state"]), ("undelivered", "undelivered"))
        self.assertNotEqual(first["token_id"], second["token_id"])
        found = json.loads(self.ask("sync", "--json").stdout)
        self.assertEqual(len(found), 2, found)
        self.assertIn("token", [one["reason"] for one in found if one["id"] == second["id"]][0])

    def test_a_receiver_of_the_sites_gets_rows_but_no_header_of_a_user(self):
        receiver = OtlpReceiver()
        self.addCleanup(receiver.stop)
        self.conf("force PILLION_OTLP_ENDPOINT=%s" % receiver.url, "OTEL_EXPORTER_OTLP_HEADERS=site=secret")
        run = self.new_run("sleep", "0.3", env=self.env(OTEL_EXPORTER_OTLP_HEADERS="x-key=of-a-user"))
        self.assertGreaterEqual(len(pillion.wait_for(receiver.checked, 5, "a row")), 1)
        self.assertEqual([pair for headers in receiver.headers for pair in headers if pair[0] in ("x-key", "site")], [])
        self.assertIn("OTEL_EXPORTER_OTLP_HEADERS is not sent: PILLION_OTLP_ENDPOINT is /etc/pillion.conf's", run.log)
        self.assertNotIn("secret", run.log)
        with OtlpReceiver() as mine:  # a destination is the user's to say
            self.new_run("sleep", "0.3", env=self.env(PILLION_OTLP_ENDPOINT=mine.url, OTEL_EXPORTER_OTLP_HEADERS="x-key=of-a-user"))
            pillion.wait_for(mine.checked, 5, "a row")
            self.assertIn(("x-key", "of-a-user"), mine.headers[0])

    def test_all_is_well(self):
        self.conf("# ours", "PILLION_INTERVAL=2", "force PILLION_KEEP=50,1G")
        found = self.found()
        self.assertEqual([one for one in found if one["outcome"] == "cause"], [])
        self.assertIn("/etc/pillion.conf is read: 2 settings, 1 of them forced", str(found))


class Refused(SiteTest):
    def assertLeftOut(self, reason):
        run = self.new_run()  # nothing on stderr
        lines = [line for line in run.log.splitlines() if "pillion.conf" in line]
        self.assertEqual(len(lines), 1, run.log)
        self.assertRegex(lines[0], r"/etc/pillion\.conf is left out: " + reason)
        causes = self.causes()
        self.assertEqual([one["check"] for one in causes], ["conf"], causes)
        self.assertRegex(causes[0]["sentence"], reason)

    def test_a_file_that_others_may_write_to_or_own(self):
        for reason, keywords in (("others than root may write", dict(mode=0o664)),
                                 ("others than root may write", dict(mode=0o646)), ("it is not root's", dict(owner=NOBODY)),
                                 ("it is not root's", dict(owner=1000))):
            with self.subTest(**keywords):
                self.conf("PILLION_DISABLE=1", **keywords)
                self.assertLeftOut(reason)

    def test_what_is_no_file_of_text(self):
        self.etc.write(CONF, b"PILLION_DISABLE=1\n\0")
        self.assertLeftOut("it is no text")
        self.conf("PILLION_DISABLE=1", "#" * 65536)
        self.assertLeftOut("it is larger than 64 KiB")
        self.etc.path(CONF).mkdir()
        self.assertLeftOut("it is no regular file")
        os.mkfifo(self.etc.path(CONF))
        self.assertLeftOut("it is no regular file")
        self.etc.write("elsewhere", "PILLION_DISABLE=1\n")
        self.etc.path(CONF).symlink_to("elsewhere")
        self.assertLeftOut("it is a link")

    def test_a_file_as_large_as_may_be_counts_to_its_last_line(self):
        self.etc.write(CONF, "#" * (65536 - len("\nPILLION_DISABLE=1")) + "\nPILLION_DISABLE=1")
        self.there("true")
        self.assertEqual(self.runs(), [])

    def test_a_file_that_its_user_cannot_read(self):
        self.conf("PILLION_DISABLE=1", mode=0o600)
        self.there(*as_user(54397), "env", "LD_PRELOAD=%s" % pillion.HOOK, "true", preload=False,
                   env=self.env(PILLION_DIR=self.places))
        run, = pillion.runs(self.places / "54397")
        self.assertRegex(run.log, r"/etc/pillion\.conf is left out: .*ermission")

    def test_roots_file_counts_where_root_has_no_number(self):
        self.conf("PILLION_DISABLE=1")
        if self.launch("unshare", "-U", "true", preload=False).status != 0:
            self.skipTest(pillion.forbidden("unshare -U"))
        for words in (("unshare", "-U"), ("unshare", "-U", "-r")):
            with self.subTest(words):
                self.there(*words, "env", "LD_PRELOAD=%s" % pillion.HOOK, "true", preload=False)
                self.assertEqual(self.runs(), [])
        self.conf("PILLION_DISABLE=1", owner=1000)
        self.there("unshare", "-U", "-r", "env", "LD_PRELOAD=%s" % pillion.HOOK, "true", preload=False)
        self.assertRegex(self.only_run().log, "not root's", "who has no number is root only where root has none")


class Opened(SiteTest):
    """Who opens it, how often, and what that costs."""

    def traced(self, *words, preload=True, **keywords):
        trace = self.tmp / "trace"
        hook = ("-E", "LD_PRELOAD=%s" % pillion.HOOK) if preload else ()
        self.there("strace", "-f", "-o", trace, *hook, *words, preload=False, **keywords)
        return trace.read_text()

    def opens(self, *words, **keywords):
        return len(OPENED.findall(self.traced(*words, **keywords)))

    def test_a_leader_opens_it_once_and_nobody_else_does(self):
        for lines in ((), ("PILLION_INTERVAL=0.1",)):
            if lines:
                self.conf(*lines)
            with self.subTest(lines=lines):
                self.assertEqual(self.opens("sh", "-c", "sleep 0; sh -c 'sleep 0; sleep 0'; exec sleep 0.3"), 1 + 1,
                                 "the leader, and the leader again after its exec")
                self.assertEqual(self.opens("true", env=self.env(PILLION_DISABLE="1")), 0)
                self.assertEqual(self.opens(pillion.COMMAND, "run", "true", env=self.env(PILLION_DISABLE="1"), preload=False), 0)
                self.assertEqual(self.opens(pillion.COMMAND, "run", "true", preload=False), 1)

    def test_a_program_with_more_rights_than_its_user_does_not_open_it(self):
        """Only /etc/ld.so.preload brings the hook there."""
        self.etc.write(MACHINES, "%s\n" % pillion.HOOK)
        self.conf("PILLION_INTERVAL=0.1")
        program = self.tmp / "raised"
        shutil.copy(shutil.which("true"), program)
        env = self.env(PILLION_DIR=self.places, HOME="/nonexistent")
        for mode, opens in ((0o755, 1), (0o4755, 0)):
            program.chmod(mode)
            trace = self.tmp / "trace"
            self.there("strace", "-f", "-u", "nobody", "-o", trace, program, preload=False, env=env)
            of_program = trace.read_text().partition('execve("%s"' % program)[2]
            self.assertEqual(len(OPENED.findall(of_program)), opens, oct(mode))

    def test_what_it_costs_is_one_call_without_it_five_with_it_and_none_of_a_passenger(self):
        def calls():
            """Of the leader until it loads the engine, and of a passenger."""
            text = self.traced("sh", "-c", "%s 0; exit 0" % SLEEP)
            leader, lines = text.partition(" ")[0], collections.defaultdict(list)
            for line in text.splitlines():
                number, _, call = line.partition(" ")
                lines[number].append(call.lstrip())
            own = lines.pop(leader)
            until = next(i for i, call in enumerate(own) if "libpillion-engine.so" in call)
            passenger, = (one for one in lines.values() if any('execve("%s"' % SLEEP in call for call in one))
            return until, sum("(" in call and "resumed" not in call for call in passenger)
        self.assertEqual(len(OPENED.findall(self.traced(SLEEP, "0"))), 1)
        without = calls()
        self.conf("# of the site", "PILLION_KEEP=100")
        leader, passenger = calls()
        self.assertEqual(leader - without[0], 4, "fstat, mmap, read and close beside the open")
        self.assertEqual(passenger, without[1])


class Preload(SiteTest):
    """/etc/ld.so.preload: every program of the machine loads the hook."""

    def setUp(self):
        super().setUp()
        self.folder = self.tmp / "lib"
        self.folder.mkdir()
        for path in (pillion.HOOK, pillion.ENGINE):
            shutil.copy(path, self.folder)
        self.hook = self.folder / "libpillion.so"
        self.etc.write(MACHINES, "%s\n" % self.hook)

    def inside(self, *words, preload=False, **keywords):
        return super().inside(*words, preload=preload, **keywords)

    def test_what_is_started_is_a_run_and_what_that_starts_is_in_it(self):
        self.there("sh", "-c", "sleep 0.2; true; exit 3")
        self.assertEqual((self.only_run()["command"][0], self.only_run()["exit_code"]), ("sh", 3))

    def test_opt_out_of_a_user_and_of_a_program(self):
        self.there("true", env=self.env(PILLION_DISABLE="1"))
        self.conf("PILLION_EXCLUDE=true:sleep", "PILLION_MIN_SECONDS=1")
        self.there("true")
        self.there("date")
        self.assertEqual(self.runs(), [], "excluded; and shorter than a second")

    def test_doctor_is_green(self):
        self.conf("PILLION_MIN_SECONDS=2", "PILLION_EXCLUDE=sshd:cron")
        found = self.found("--", SLEEP)
        self.assertEqual([one for one in found if one["outcome"] == "cause"], [])
        self.assertIn("/etc/ld.so.preload names %s" % self.hook, str(found))
        self.assertIn("would lead a run of its own", str(found))
        self.assertEqual(pillion.files_below(self.dir), [], "the command itself is no run")

    def test_doctor_tells_what_is_wrong_with_it(self):
        engine = self.folder / "libpillion-engine.so"
        engine.rename(self.folder / "away")
        self.assertRegex(str(self.causes()), "libpillion-engine.so is not beside")
        (self.folder / "away").rename(engine)
        os.chmod(self.hook, 0o666)
        self.assertRegex(str(self.causes()), "others than root may write")
        os.chmod(self.hook, 0o755)
        self.hook.rename(self.folder / "away.so")
        result = self.inside(pillion.COMMAND, "doctor", "--json")  # ld.so complains, too
        self.assertRegex(result.stdout.decode(), r"/etc/ld\.so\.preload names \S+, which does not exist")

    def test_doctor_tells_of_a_second_comment(self):
        for lines, complains in (("# one\n%s\n", False), ("%s # one\n", False), ("%s # one\n# two words\n", True)):
            with self.subTest(lines):
                self.etc.write(MACHINES, lines % self.hook)
                result = self.inside(pillion.COMMAND, "doctor", "--json")
                self.assertEqual((b"ld.so" in result.stderr, "more than one" in result.stdout.decode()), (complains, complains), result)

    def test_a_program_of_musl_is_not_reached_and_doctor_knows(self):
        source, program = self.tmp / "musl.c", self.tmp / "musl"
        source.write_text("int main(void) { return 3; }\n")
        subprocess.run(["musl-gcc", "-o", program, source], check=True)
        self.assertEqual(self.there(program).status, 3)
        self.assertEqual(self.runs(), [])
        cause, = self.causes("--", program)
        self.assertRegex(cause["sentence"], r"a program of musl, whose loader reads LD_PRELOAD but not /etc/ld\.so\.preload")

    def test_doctor_knows_that_it_reaches_programs_with_more_rights(self):
        program = self.tmp / "raised"
        shutil.copy(SLEEP, program)
        program.chmod(0o4755)
        env = self.env(PILLION_DIR=self.places, HOME="/nonexistent")
        result = self.there(*as_user(54396), pillion.COMMAND, "doctor", "--json", "--", program, env=env)
        self.assertRegex(result.stdout.decode(), r"setuid \(AT_SECURE\): libpillion.so is loaded, and takes no part")


if __name__ == "__main__":
    pillion.main()
