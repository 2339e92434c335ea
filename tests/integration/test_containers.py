#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OCI bundles run by runc, changed by nothing but the two files and LD_PRELOAD: one finished run for each container.

PILLION_TEST_LONG=1 adds what takes half a minute and more.
"""
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bundle  # noqa: E402
from sentinel_server import tag_pairs  # noqa: E402
from served import QUICK, Cases, SentinelServer, ServedTest, pillion  # noqa: E402

WORK = ["sh", "-c", "sleep 2; exit 3"]
WAIT = ["sh", "-c", "sleep 60; exit 3"]
MINDS = ["bash", "-c", "trap 'exit 4' TERM; while :; do sleep 0.1; done"]

# How containers begin, with WORK or WAIT at the end.
ENTRIES = {
    "sh -c": [],
    "an entrypoint that ends with exec": ["entrypoint"],
    "an entrypoint that waits first": ["waiting-entrypoint"],
    "tini": ["tini", "--"],
    "static tini": ["tini-static", "--"],
    "dumb-init": ["dumb-init", "--"],
    "an entrypoint below tini": ["tini", "--", "entrypoint"],
}

SECCOMP = {"seccomp": "docker"}
HARD = dict(SECCOMP, user=1000, read_only=True, capabilities=[], no_new_privileges=True)
SURROUNDINGS = {
    "as Docker has them": {},
    "Docker's seccomp profile": SECCOMP,
    "a read-only root": {"read_only": True},
    "nothing writable at all": {"read_only": True, "shm": False},
    "another user": {"user": 1000},
    "no capabilities": {"capabilities": [], "no_new_privileges": True},
    "all at once": HARD,
    "all at once, and nothing writable": dict(HARD, shm=False),
}

SCRIPTS = {
    "entrypoint": "#!/bin/sh\nset -e\n[ -n \"$HOME\" ] || echo no HOME\nexec \"$@\"\n",
    "waiting-entrypoint": "#!/bin/sh\nsleep 1\nexec \"$@\"\n",
}


def setUpModule():
    if os.geteuid() != 0 and not os.environ.get("CI"):
        raise unittest.SkipTest("only root makes containers")


class ContainerTest(ServedTest):
    def bundle(self, name):
        made = bundle.Bundle(self.tmp / name.replace(" ", "-"))
        self.tmp.chmod(0o755)
        made.add("sh", "bash", "sleep", "cat", "true", "setsid", "setpriv", "tini", "tini-static", "dumb-init",
                 pillion.PROGRAMS / "reaps_as_init")
        for script, text in SCRIPTS.items():
            (made.root / "bin" / script).write_text(text)
            (made.root / "bin" / script).chmod(0o755)
        return made

    def image_env(self, library, **extra):
        """What is in the environment of a container: nothing of the machine's."""
        return dict({"PATH": "/bin", "HOME": "/root", "LD_PRELOAD": library}, **dict(QUICK, **extra))

    def begin(self, name, argv, server=None, env=None, **how):
        made = self.bundle(name)
        how = dict(how, seccomp=bundle.docker_seccomp() if how.get("seccomp") else None)
        served = self.server if server is None else server
        container = made.start(argv, self.image_env(made.preload(), **dict(served.env(), **(env or {}))), **how)
        self.addCleanup(container.remove)
        return container

    def registered(self, server):
        pillion.wait_for(lambda: server.runs, timeout=30, what="a registration")

    def assertOneFinished(self, server, exit_code, rows=5):
        """One run and no other was registered, and it was finished once, with so many rows at least."""
        self.assertEqual(server.complaints(), [])
        told = "%s" % server.requests
        self.assertEqual((len(server.runs), len(server.finished_runs()), len(server.requests)), (1, 1, 2), told)
        run, = server.finished_runs()
        self.assertEqual(run["finish"].get("exit_code"), exit_code, told)
        self.assertGreaterEqual(len(run["rows"]), rows)
        return run

    def each(self, check, cases, workers=3):
        """check(name, *arguments, server) for each, so many at a time, with a server for each."""
        def served(name, *arguments):
            with SentinelServer() as server:
                check(name, *arguments, server)
        Cases(self, workers).run(cases, served)


class Ends(ContainerTest):
    def check_work(self, name, argv, status, how, server):
        container = self.begin(name, argv, server, **how)
        result = container.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (status, b"", b""), result)
        return self.assertOneFinished(server, status)

    def test_however_a_container_begins_it_is_one_run(self):
        self.each(self.check_work, {name: (entry + WORK, 3, {}) for name, entry in ENTRIES.items()})

    def test_however_a_hardened_container_begins_it_is_one_run(self):
        self.each(self.check_work, {name: (entry + WORK, 3, HARD) for name, entry in ENTRIES.items()})

    def test_an_early_exec_where_nothing_can_be_written(self):
        where = dict(HARD, shm=False)
        self.each(self.check_work, {name: (ENTRIES[name] + WORK, 3, where) for name in (
            "an entrypoint that ends with exec", "an entrypoint below tini")})

    def test_a_late_exec_where_nothing_can_be_written_begins_a_second_run(self):
        """pillion-limits(7) says so: the first run was in memory, which exec takes away."""
        container = self.begin("late", ENTRIES["an entrypoint that waits first"] + WORK, **dict(HARD, shm=False))
        self.assertEqual(container.wait().status, 3)
        self.assertEqual([run["finish"] and run["finish"]["exit_code"] for run in self.server.runs.values()], [None, 3])

    def test_a_bare_program(self):
        self.each(self.check_work, {name: (["sleep", "2"], 0, how) for name, how in SURROUNDINGS.items()})

    def test_a_shell_whatever_is_around_it(self):
        self.each(self.check_work, {name: (WORK, 3, how) for name, how in SURROUNDINGS.items()})

    def test_an_entrypoint_that_becomes_another_user_is_one_run(self):
        to_user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--no-new-privs"]
        self.each(self.check_work, {
            "at once": (to_user + WORK, 3, {}), "with privileges": (to_user[:-1] + WORK, 3, {}),
            "in a script": (["entrypoint"] + to_user + WORK, 3, {}),
            "below tini": (["tini", "--"] + to_user + WORK, 3, {}), "with seccomp": (to_user + WORK, 3, SECCOMP),
        })

    def test_daemons_are_part_of_the_run_and_no_run_of_their_own(self):
        daemons = {
            "beside a program": ["sh", "-c", "(setsid sleep 1 &); sleep 2; exit 3"],
            "before an exec": ["sh", "-c", "setsid sleep 5 & exec bash -c 'sleep 2; exit 3'"],
            "below tini": ["tini", "--", "sh", "-c", "(setsid sh -c 'sleep 1; exit 6' &); sleep 2; exit 3"],
            "that outlive all else": ["sh", "-c", "sleep 1.5; setsid sleep 60 & exit 3"],
        }
        self.each(self.check_work, {name: (argv, 3, {}) for name, argv in daemons.items()})


class Terminated(ContainerTest):
    def check_terminated(self, name, argv, status, how, server):
        container = self.begin(name, argv, server, **how)
        self.registered(server)
        container.send("TERM")
        result = container.wait()
        self.assertEqual(result.status, status, result)
        self.assertOneFinished(server, status, rows=1)

    def test_sigterm_ends_what_minds_it(self):
        minds = {
            "tini": (["tini", "--"] + WAIT, 143, {}),
            "dumb-init": (["dumb-init", "--"] + WAIT, 143, {}),
            "static tini": (["tini-static", "--"] + WAIT, 143, {}),
            "an entrypoint below tini": (["tini", "--", "entrypoint"] + WAIT, 143, {}),
            "a handler": (MINDS, 4, {}),
            "a handler after exec": (["entrypoint"] + MINDS, 4, {}),
        }
        minds.update({name + ", hardened": (argv, status, HARD) for name, (argv, status, _) in minds.items()})
        self.each(self.check_terminated, minds)

    def check_killed_later(self, name, argv, how, server):
        """Process 1 lives on, as it would without us; its run is finished."""
        container = self.begin(name, argv, server, **how)
        self.registered(server)
        container.send("TERM")
        pillion.wait_for(server.finished_runs, what="a finish")
        self.assertIsNone(container.process.poll())
        container.send("KILL")
        self.assertEqual(container.wait().status, 137)
        self.assertOneFinished(server, 143, rows=1)

    def test_a_sigterm_that_process_1_does_not_mind_finishes_its_run(self):
        self.each(self.check_killed_later, {
            "sh -c": (WAIT, {}), "a bare program": (["sleep", "60"], {}),
            "an entrypoint": (["entrypoint", "sleep", "60"], {}), "hardened": (["sleep", "60"], HARD),
            "nothing writable": (["sleep", "60"], dict(HARD, shm=False)),
        })

    def test_a_process_1_that_ends_by_itself_soon_after_sigterm_was_not_ended_by_it(self):
        """Nobody has been told of an end: one run, with the right one."""
        env = {"PILLION_DIR": "/data", "SENTINEL_API_TOKEN": ""}
        container = self.begin("outlives", ["sh", "-c", "sleep 2.5; exit 3"], binds={"/data": self.dir}, env=env)
        pillion.wait_for(lambda: self.runs() and self.runs()[0].raw_rows, what="a row")
        container.send("TERM")
        pillion.wait_for(lambda: self.only_run()["state"] == "local", what="an end for the case that a SIGKILL comes")
        self.assertEqual(self.only_run()["signal"], 15)
        self.assertEqual(container.wait().status, 3)
        shown, = json.loads(self.pillion("list", "--json").stdout)
        self.assertEqual((shown["state"], shown["exit_code"], shown.get("signal")), ("local", 3, None))
        self.assertGreaterEqual(shown["duration_s"], 2.5)
        told = self.pillion("show").stdout
        self.assertNotIn(b"SIGTERM", told)
        self.assertGreaterEqual(self.only_run().rows[-1]["timestamp"] - self.only_run().rows[0]["timestamp"], 2)

    def test_one_whose_end_the_api_has_been_told_goes_on_as_another_run(self):
        container = self.begin("outlives", ["sh", "-c", "sleep 2.5; exit 3"])
        self.registered(self.server)
        container.send("TERM")
        pillion.wait_for(self.server.finished_runs, what="a finish")
        self.assertEqual(container.wait().status, 3)
        first, second = self.server.runs.values()
        self.assertEqual((first["finish"]["exit_code"], second["finish"]["exit_code"]), (143, 3))
        self.assertEqual(dict(tag_pairs(second["registration"]["tags"]))["continues"], first["run_id"])
        self.assertNoComplaints()

    @unittest.skipUnless(os.environ.get("PILLION_TEST_LONG"), "takes 40 seconds: set PILLION_TEST_LONG=1")
    def test_a_process_1_that_lives_on_after_sigterm_goes_on_as_another_run(self):
        container = self.begin("lives", ["sh", "-c", "sleep 40; exit 3"])
        self.registered(self.server)
        container.send("TERM")
        pillion.wait_for(self.server.finished_runs, what="a finish")
        self.assertEqual(container.wait(timeout=90).status, 3)
        first, second = self.server.runs.values()
        self.assertEqual((first["finish"]["exit_code"], second["finish"]["exit_code"]), (143, 3))
        self.assertIn("continues", dict(tag_pairs(second["registration"]["tags"])))
        self.assertNoComplaints()


class Beside(ContainerTest):
    def test_health_checks_are_no_runs(self):
        def check(name, argv, how, server):
            container = self.begin(name, argv, server, **how)
            self.registered(server)
            for words in (["true"], ["sh", "-c", "sleep 0.3; exit 0"], ["bash", "-c", "true; (true) | cat"]):
                container.enter(*words)
            (container.bundle.root / "checked").touch()
            self.assertEqual(container.wait().status, 3)
            self.assertOneFinished(server, 3)
        work = ["sh", "-c", "until [ -e /checked ]; do sleep 0.1; done; sleep 1; exit 3"]
        self.each(check, {
            "as Docker has it": (work, {}), "below tini": (["tini", "--"] + work, {}),
            "below static tini": (["tini-static", "--"] + work, {}), "hardened": (work, HARD),
            "nothing writable": (work, dict(HARD, shm=False)),
        })

    def test_containers_of_a_pod_that_see_each_other_are_a_run_each(self):
        pause = self.begin("pause", ["sleep", "300"], env={"PILLION_DISABLE": "1"})
        first = self.begin("first", WORK, beside=pause)
        second = self.begin("second", ["bash", "-c", "until [ -e /checked ]; do sleep 0.1; done; exit 4"], beside=pause)
        second.process_1()
        pillion.wait_for(lambda: len(self.server.runs) == 2, what="two registrations")
        second.enter("sh", "-c", "sleep 0.3; exit 0")
        (second.bundle.root / "checked").touch()
        self.assertEqual((first.wait().status, second.wait().status), (3, 4))
        pause.send("KILL")
        pause.wait()
        self.assertEqual(sorted(run["finish"]["exit_code"] for run in self.server.finished_runs()), [3, 4])
        self.assertEqual(len(self.server.runs), 2)
        self.assertNoComplaints()

    def test_process_1_reaps_nobody_that_it_does_not_know(self):
        container = self.begin("with", ["reaps_as_init"])
        result = container.wait()
        plain = self.begin("without", ["reaps_as_init"], env={"PILLION_DISABLE": "1"}).wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (plain.status, plain.stdout, plain.stderr))
        self.assertEqual(result.stdout, b"reaped: 4\nreaped: 3\nreaped: 5\n")
        self.assertOneFinished(self.server, 37, rows=1)

    def test_without_a_network_and_a_token_the_run_is_on_a_mounted_folder(self):
        container = self.begin("local", WORK, network=False, binds={"/data": self.dir},
                               env={"PILLION_DIR": "/data", "SENTINEL_API_TOKEN": ""})
        self.assertEqual(container.wait().status, 3)
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"], run["pid"]), ("local", 3, 1))
        self.assertGreaterEqual(len(run.rows), 5)
        self.assertEqual(self.server.requests, [])

    def test_without_a_network_the_run_waits_for_sync(self):
        container = self.begin("undelivered", WORK, network=False, binds={"/data": self.dir},
                               env={"PILLION_DIR": "/data"})
        self.assertEqual(container.wait().status, 3)
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"]), ("undelivered", 3))
        self.sync()
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 3)

    def test_containers_of_one_name_share_a_folder(self):
        binds = {"/data": self.dir, "/tmp": self.work}
        self.work.chmod(0o1777)
        boxes = [self.begin(name, WORK, binds=binds, env={"PILLION_DIR": "/data"}) for name in ("one", "other")]
        self.assertEqual([box.wait().status for box in boxes], [3, 3])
        self.assertEqual(len(self.runs()), 2)
        for run in self.runs():
            self.assertDelivered(run)
        self.assertNoComplaints()

    def test_a_root_that_is_another_user_outside(self):
        os.chown(self.dir, 100000, 100000)
        container = self.begin("mapped", WORK, network=False, mapped=100000, binds={"/data": self.dir},
                               env={"PILLION_DIR": "/data", "SENTINEL_API_TOKEN": ""}, seccomp="docker")
        self.assertEqual(container.wait().status, 3)
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"], run.path.stat().st_uid), ("local", 3, 100000))

    def test_under_a_seccomp_profile_from_before_close_range_the_run_is_left_for_sync(self):
        made = self.bundle("old")
        env = self.image_env(made.preload(), PILLION_DIR="/data", **self.server.env())
        container = made.start(WORK, env, binds={"/data": self.dir}, seccomp=bundle.docker_seccomp("close_range"))
        self.addCleanup(container.remove)
        result = container.wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"", b""))
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"], len(run.rows)), ("undelivered", 3, 1), run.describe())
        self.assertEqual(self.server.requests, [])
        self.sync()
        self.assertEqual(self.assertDelivered(self.only_run())["finish"]["exit_code"], 3)

    def test_nothing_but_markers_and_runs_is_left_in_a_root(self):
        made = self.bundle("left")
        library = made.preload()
        before = {path for path in made.root.rglob("*")}
        container = made.start(WORK, self.image_env(library, **self.server.env()))
        self.addCleanup(container.remove)
        self.assertEqual(container.wait().status, 3)
        left = {str(path.relative_to(made.root)) for path in made.root.rglob("*") if path not in before}
        ours = {one for one in left if one.startswith(("root/.local", "tmp/.pillion-0"))}
        self.assertEqual((left - ours, len(pillion.runs(made.root / "root/.local/state/pillion"))), (set(), 1))
        self.assertEqual([one for one in ours if one.startswith("tmp/.pillion-0/")], [])  # the marker is gone



# Allocates and touches memory beyond the limit, process 1 itself.
GROWS = ["sh", "-c", "sleep 1.2; x=a; while :; do x=$x$x; done"]
LIMITS = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}


class Volume(ContainerTest):
    """PILLION_DIR on a volume: what the host says of a container's run, at once."""

    def local(self, folder):
        return self.env(PILLION_DIR=folder, SENTINEL_API_TOKEN="", SENTINEL_API_URL="")

    def listed(self, folder, **how):
        told = self.pillion("list", "--json", env=self.local(folder), **how)
        self.assertEqual(told.status, 0, told)
        return json.loads(told.stdout)

    def volume(self, name, mode, owner=0, group=0):
        folder = self.tmp / name.replace(" ", "-")
        folder.mkdir()
        os.chown(folder, owner, group)
        folder.chmod(mode)
        return folder

    def served(self, folder, server):
        return self.env(PILLION_DIR=folder, **server.env())

    def on(self, name, argv, folder, server, **how):
        return self.begin(name, argv, server, env={"PILLION_DIR": "/data"}, binds={"/data": folder}, **how)

    def until_rows(self, folder, count=1):
        pillion.wait_for(lambda: sum(bool(run.raw_rows) for run in pillion.runs(folder)) == count, what="rows")

    def killed_for_memory(self, name, folder, server):
        container = self.on(name, GROWS, folder, server, resources=LIMITS)
        self.assertEqual(container.wait().status, 137)
        shown, = self.listed(folder)
        self.assertEqual(shown["state"], "lost", shown)
        self.sync(env=self.served(folder, server))
        run, = pillion.runs(folder)
        self.assertDelivered(run, server)

    def killed_and_kept(self, name, folder, server):
        self.on(name, GROWS, folder, server, resources=LIMITS, keep=True).wait()
        self.assertIn(b"killed for memory in its cgroup", self.pillion("show", env=self.local(folder)).stdout)
        self.sync(env=self.served(folder, server))
        run, = pillion.runs(folder)
        self.assertDelivered(run, server)
        self.assertGreaterEqual(run["cgroup"]["oom_kills"], 1)

    def lives(self, name, folder, server):
        container = self.on(name, WAIT, folder, server)
        self.until_rows(folder)
        self.assertEqual([run["state"] for run in self.listed(folder)], ["running"])
        self.sync(status=1, env=self.served(folder, server))
        self.assertEqual(server.finished_runs(), [])
        container.send("KILL")
        container.wait()
        self.assertEqual([run["state"] for run in self.listed(folder)], ["lost"])

    def one_of_two(self, name, folder, server):
        lives, dies = (self.on(name + one, WAIT, folder, server) for one in (", lives", ", dies"))
        self.until_rows(folder, 2)
        dies.send("KILL")
        dies.wait()
        self.assertEqual(sorted(run["state"] for run in self.listed(folder)), ["lost", "running"])
        self.sync(status=1, env=self.served(folder, server))
        self.assertEqual(len(server.finished_runs()), 1)
        self.assertEqual(sorted(run["state"] for run in self.listed(folder)), ["finished", "running"])
        lives.send("KILL")
        lives.wait()

    def test_the_host_says_at_once_what_became_of_a_container(self):
        """Side by side: each command looks at a run that may be alive for two seconds."""
        def check(name, what, server):
            what(name, self.volume("volume, " + name, 0o700), server)
        self.each(check, {
            "a process 1 that was killed for memory is lost at once, and synced": (self.killed_for_memory,),
            "one killed for memory is said to be while its cgroup is there": (self.killed_and_kept,),
            "a container that lives is running": (self.lives,),
            "of two containers with one volume the dead one alone is lost": (self.one_of_two,),
        }, workers=4)

    def test_volumes_as_kubernetes_makes_them_keep_the_run_of_every_user(self):
        cases = {}
        for user in (0, 1000, 54321):
            cases.update({"emptyDir, %d" % user: (0o777, 0, user), "fsGroup, %d" % user: (0o2775, user, user)})

        def check(name, mode, group, user, server):
            folder = self.volume("volume " + name, mode, group=group)
            container = self.begin(name, WORK, server, user=user, binds={"/data": folder}, env={"PILLION_DIR": "/data"})
            self.assertEqual(container.wait().status, 3)
            self.assertOneFinished(server, 3)
            run, = pillion.runs(folder if user == 0 else folder / str(user))
            self.assertEqual((run["state"], run["exit_code"]), ("finished", 3), run.describe())
            shown, = self.listed(folder, preexec_fn=lambda: (os.setgroups([]), os.setgid(user), os.setuid(user)))
            self.assertEqual((shown["state"], shown["exit_code"]), ("finished", 3))
        self.tmp.chmod(0o755)
        self.work.chmod(0o755)
        self.each(check, cases, workers=6)


if __name__ == "__main__":
    pillion.main()
