#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes for administrators, as they stand, in an /etc and with a /usr/lib/pillion of a child's own: settings, preload of
the whole machine, login shells, Lmod, systemd, Slurm's TaskProlog and Epilog."""
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import ServedTest, pillion  # noqa: E402
from test_conf import SiteTest  # noqa: E402
import own_etc  # noqa: E402
import slurm  # noqa: E402

RECIPES = pillion.SOURCE / "tools" / "recipes"
INSTALLED = "/usr/lib/pillion/libpillion.so"
LMOD = pathlib.Path("/usr/share/lmod/lmod/init/bash")


def setUpModule():
    own_etc.need()


def text(name):
    return (RECIPES / name).read_text()


def uncommented(name):
    """With the settings that the recipe has as examples."""
    return re.sub(r"^#((?:force )?\w+=)", r"\1", text(name), flags=re.M)


class RecipeTest(SiteTest):
    def setUp(self):
        super().setUp()
        self.etc.install(self.tmp / "lib")

    def names(self):
        return sorted(run["registration"]["job_name"] for run in self.runs())

    def without(self, *words, **keywords):
        """Nothing of ours is preloaded but by the recipe."""
        return self.there(*words, preload=False, **keywords)


class Machine(RecipeTest):
    def test_pillion_conf(self):
        self.etc.write("pillion.conf", text("pillion.conf"))
        found = self.found("--", shutil.which("sleep"))
        self.assertEqual([one for one in found if one["outcome"] == "cause"], [])
        self.assertIn("/etc/pillion.conf is read: 3 settings, 0 of them forced", str(found))
        told = self.there(pillion.COMMAND, "doctor", "--json", "--", "/usr/sbin/chroot").stdout.decode()
        self.assertRegex(told, "chroot is excluded by PILLION_EXCLUDE=.* in /etc/pillion.conf")
        self.there("true")
        self.assertEqual(self.runs(), [], "shorter than five seconds")

    def test_the_examples_in_pillion_conf_are_settings(self):
        self.etc.write("pillion.conf", uncommented("pillion.conf"))
        self.assertIn("8 settings, 2 of them forced", str(self.found()))
        self.assertEqual(sorted((one["check"], one["sentence"][:40]) for one in self.causes()),
                         [("lead", "PILLION_DISABLE=yes in /etc/pillion.conf"), ("variables", "SENTINEL_API_TOKEN_FILE=/etc/pillion.tok")])

    def switch(self, word, then, before=""):
        """The recipe, in an /etc in which nothing is preloaded yet, and then a program of that /etc."""
        script = "set -e; %s\nsh %s %s; exec %s" % (before, RECIPES / "machine-preload.sh", word, then)
        return self.without("sh", "-c", script, env=self.env(PILLION_MIN_SECONDS="0"))

    def test_machine_preload_sh(self):
        self.etc.write("pillion.conf", text("pillion.conf"))
        self.switch("on", "sh -c 'true; sleep 0; exit 0'")
        self.assertEqual(self.names(), ["dash"], "what is started, with all that it starts")
        self.switch("on", "chroot / true")
        self.assertEqual(self.names(), ["dash", "true"], "a program of /usr/sbin is none")
        self.switch("on", "env PILLION_DISABLE=1 true")
        self.assertEqual(len(self.runs()), 2)
        found = json.loads(self.switch("on", "%s doctor --json" % pillion.COMMAND).stdout)
        self.assertEqual([one for one in found if one["outcome"] == "cause"], [])
        self.assertIn("/etc/ld.so.preload names %s" % INSTALLED, str(found))

    def test_machine_preload_sh_leaves_other_lines(self):
        there = "echo libm.so.6 >/etc/ld.so.preload"
        result = self.switch("on", "cat /etc/ld.so.preload", before=there)
        self.assertEqual(result.stdout.decode(), INSTALLED + "\nlibm.so.6\n")
        twice = "%s; sh %s on" % (there, RECIPES / "machine-preload.sh")
        self.assertEqual(self.switch("on", "cat /etc/ld.so.preload", before=twice).stdout, result.stdout)
        self.assertEqual(self.switch("off", "cat /etc/ld.so.preload", before=twice).stdout, b"libm.so.6\n")
        result = self.switch("off", "ls /etc", before="sh %s on" % (RECIPES / "machine-preload.sh"))
        self.assertNotIn("ld.so.preload", result.stdout.decode())
        (self.etc.lib / "pillion" / "libpillion.so").unlink()
        result = self.inside("sh", RECIPES / "machine-preload.sh", "on", preload=False)
        self.assertEqual((result.status, INSTALLED in result.stderr.decode()), (1, True), result)


class Login(RecipeTest):
    of_machine = ("profile", "bash.bashrc", "lmod")

    def login(self, shell, script, **extra):
        return self.launch(*self.etc.enter(shell, "-l", "-c", script), preload=False, env=self.env(**extra))

    def test_profile_sh(self):
        self.etc.write("profile.d/pillion.sh", text("profile.sh"))
        for shell in ("bash", "dash"):
            with self.subTest(shell):
                shutil.rmtree(self.dir / "runs", ignore_errors=True)
                result = self.login(shell, "set -u; echo $LD_PRELOAD; /bin/true; sh -c 'sleep 0; exit 1'; exit 3")
                self.assertEqual((result.status, result.stdout.decode(), result.stderr), (3, INSTALLED + "\n", b""))
                self.assertEqual(self.names(), ["dash", "true"])
                result = self.login(shell, "echo $LD_PRELOAD", LD_PRELOAD="libm.so.6")
                self.assertEqual(result.stdout.decode(), INSTALLED + ":libm.so.6\n")
                result = self.login(shell, "echo $LD_PRELOAD", LD_PRELOAD=str(pillion.HOOK), PILLION_DISABLE="1")
                self.assertEqual(result.stdout.decode(), "%s\n" % pillion.HOOK, "once is enough")
                self.login(shell, "/bin/true; exit 0", PILLION_DISABLE="1")
                self.assertNotIn("dash", self.names()[2:])
        (self.etc.lib / "pillion" / "libpillion.so").unlink()
        result = self.login("dash", "echo [${LD_PRELOAD-}]")
        self.assertEqual((result.stdout, result.stderr), (b"[]\n", b""), "where it is not installed")

    def test_module_lua(self):
        if not LMOD.exists():
            self.fail("Lmod is missing: install lmod (tools/check does that)")
        modules = self.tmp / "modules" / "pillion"
        modules.mkdir(parents=True)
        shutil.copy(RECIPES / "module.lua", modules / "0.1.0.lua")
        script = ". %s; module use %s; /bin/true; module load pillion; module is-loaded pillion || exit 9; sleep 0;" % (
            LMOD, modules.parent) + (
            "echo $LD_PRELOAD $PILLION_EXCLUDE; module whatis pillion; module unload pillion; /bin/true;"
            "echo [${LD_PRELOAD-}] [${PILLION_EXCLUDE-}]")
        result = self.launch(*self.etc.enter("bash", "-c", script), preload=False, env=self.env())
        self.assertEqual(result.status, 0, result)
        lines = result.stdout.decode().splitlines()
        self.assertEqual((lines[0], lines[-1]), (INSTALLED + " lua*", "[] []"), result)
        self.assertEqual(self.names(), ["sleep"])


class Systemd(RecipeTest):
    """systemd reads the drop-in; what it would start is started without it, for it is not process 1 here."""

    def verify(self, drop_in):
        units = self.tmp / "units"
        shutil.rmtree(units, ignore_errors=True)
        (units / "demo.service.d").mkdir(parents=True)
        (units / "demo.service").write_text("[Service]\nExecStart=/bin/true\n")
        (units / "demo.service.d" / "pillion.conf").write_text(drop_in)
        done = subprocess.run(["systemd-analyze", "verify", "demo.service"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60,
                              env={"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": "%s:" % units})
        return done.returncode, [line for line in done.stdout.decode().splitlines() if str(units) in line or "demo" in line]

    def test_systemd_service_conf(self):
        self.assertEqual(self.verify(text("systemd-service.conf")), (0, []))
        self.assertEqual(self.verify(uncommented("systemd-service.conf")), (0, []))
        self.assertNotEqual(self.verify("[Service]\nStateDirectory=/no\nEnvironment=%Q\n")[1], [], "a wrong one is told")
        values = dict(re.findall(r"^Environment=(\w+)=(.*)$", text("systemd-service.conf"), flags=re.M))
        places = {"%S": str(self.places), "%p": "demo"}
        values = {name: re.sub("%[Sp]", lambda found: places[found.group()], value) for name, value in values.items()}
        self.assertEqual(values["LD_PRELOAD"], INSTALLED)
        state, = re.findall(r"^StateDirectory=(.*)$", text("systemd-service.conf"), flags=re.M)
        self.assertEqual(str(self.places / state.replace("%p", "demo")), values["PILLION_DIR"])
        os.makedirs(values["PILLION_DIR"])
        self.without("env", *("%s=%s" % pair for pair in values.items()), "sh", "-c", "sleep 0; exit 3")
        run, = pillion.runs(pathlib.Path(values["PILLION_DIR"]))
        self.assertEqual(run["exit_code"], 3)


class SiteSlurm(slurm.Slurm):
    """Its nodes have the site's /etc."""

    def __init__(self, folder, etc):
        super().__init__(folder)
        self.etc = etc
        path = self.folder / "slurm.conf"
        path.write_text(re.sub(r"^TaskProlog=.*$", "TaskProlog=/etc/slurm/task-prolog.sh\nEpilog=/etc/slurm/epilog.sh",
                               path.read_text(), flags=re.M))

    def _daemon(self, *words):
        super()._daemon(*map(str, self.etc.enter(*words) if words[0] == "slurmd" else words))


class Slurm(RecipeTest, ServedTest):
    of_machine = ("alternatives",)  # Debian has slurmd there

    def setUp(self):
        super().setUp()
        lacking = slurm.missing()
        if lacking:
            self.fail("these are missing, and tools/check installs them: %s" % lacking)
        self.told = self.tmp / "told"
        self.told.touch()
        self.told.chmod(0o666)
        (self.tmp / "token").write_text(self.server.token + "\n")
        self.conf("SENTINEL_API_TOKEN_FILE=%s" % (self.tmp / "token"), "SENTINEL_API_URL=%s" % self.server.url,
                  "PILLION_DIR=%s" % self.places)
        for name in ("task-prolog.sh", "epilog.sh"):
            self.etc.write("slurm/" + name, text(name), mode=0o755)
        logger = self.etc.lib / "pillion" / "logger"  # first in the PATH of the Epilog: there is no system log here
        logger.write_text('#!/bin/sh\n[ "$1 $2 $3" = "-t pillion --" ] && printf "%%s\\n" "$4" >>%s\n' % self.told)
        logger.chmod(0o755)
        self.user = pwd.getpwnam("nobody")
        os.chown(self.work, self.user.pw_uid, self.user.pw_gid)
        folder = pillion.fresh_folder()
        self.cluster = SiteSlurm(folder, self.etc)
        self.cluster.start()
        self.addCleanup(self.cluster.stop)

    def submit(self, script, **extra):
        env = self.env(PILLION_DIR=None, SENTINEL_API_TOKEN=None, SENTINEL_API_URL=None, **extra)
        return self.cluster.submit(script, env, self.work, preexec_fn=lambda: (
            os.setgroups([]), os.setgid(self.user.pw_gid), os.setuid(self.user.pw_uid)))

    def wait(self, *jobs):
        """Until their Epilogs have ended, too."""
        for job in jobs:
            job.wait()
        pillion.wait_for(lambda: self.cluster.call("sinfo", "-h", "-o", "%t %D").split() == ["idle", str(slurm.NODES)],
                         timeout=60, what="idle nodes")

    def of_user(self):
        return pillion.runs(self.places / str(self.user.pw_uid))

    def test_task_prolog_and_epilog(self):
        out = self.submit("srun -n2 sh -c 'sleep 0; exit 0'", PILLION_DISABLE="1")
        job = self.submit("srun -n2 sh -c 'sleep 0.3; exit 0'\nsleep 0.2; kill -9 $$")
        self.wait(out, job)
        self.assertEqual((out.state, job.state, job.exit), ("COMPLETED", "FAILED", 137), job.output)
        runs = self.of_user()
        self.assertEqual(sorted(run["registration"]["external_run_id"] for run in runs), [job.number, job.number + ".0"],
                         "the script, and its step; and nothing of who wants no part of it")
        self.assertEqual({run["state"] for run in runs}, {"finished"}, "also that of the killed script: by the Epilog")
        self.assertEqual(len(self.server.finished_runs()), 2)
        self.assertEqual(self.told.read_text(), "")
        (self.tmp / "token").write_text("wrong\n")
        job = self.submit("exec sleep 0.3")
        self.wait(job)
        self.assertEqual(job.state, "COMPLETED", "whatever the Epilog finds")
        left, = (run["id"] for run in self.of_user() if run["state"] == "undelivered")
        self.assertRegex(self.told.read_text(), r"\Ajob %s of nobody on %s: %s  (left|failed): .+\n\Z" % (
            job.number, re.escape(socket.gethostname()), left))


if __name__ == "__main__":
    pillion.main()
