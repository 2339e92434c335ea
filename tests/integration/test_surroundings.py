#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the environment says of a run that its user does not, as the server gets it."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_runs  # noqa: E402
from served import PYTHON, ServedTest, pillion  # noqa: E402

METADATA = ("job_name", "project_name", "stage_name", "task_name", "team", "env", "language", "orchestrator", "executor",
            "external_run_id", "container_image")
ACTIONS = {
    "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "1658821493", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "build",
    "GITHUB_REPOSITORY": "alice/tool", "GITHUB_REPOSITORY_OWNER": "alice", "GITHUB_ACTOR": "alice",
    "GITHUB_HEAD_REF": "alice-mends", "GITHUB_TOKEN": "hunter2", "CI": "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "HOSTNAME": "alices-pod", "USER": "alice",
}


class SurroundingsTest(ServedTest):
    def registered(self, **extra):
        """The body of the one registration, after a short run."""
        before = len(self.server.runs)
        result = self.launch(PYTHON, "-S", "-c", "pass", env=self.env(**extra))
        self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(len(self.server.runs), before + 1)
        self.assertNoComplaints()
        return list(self.server.runs.values())[-1]["registration"]

    def metadata(self, **extra):
        told = self.registered(**extra)
        return {key: told[key] for key in METADATA if key in told}


class Surroundings(SurroundingsTest):
    def test_a_job_of_ci_is_told_and_no_person(self):
        told = self.registered(**ACTIONS)
        text = json.dumps(told)
        for word in ("alice", "hunter2", "10.0.0.1"):
            self.assertNotIn(word, text)
        self.assertEqual({key: told[key] for key in METADATA if key in told}, {
            "job_name": os.path.basename(PYTHON), "language": "python", "orchestrator": "github-actions",
            "executor": "kubernetes", "external_run_id": "1658821493-1", "project_name": "tool", "task_name": "build"})

    def test_with_account_owners_are_told(self):
        told = self.metadata(PILLION_SHARE="account", **ACTIONS)
        self.assertEqual((told["project_name"], told["team"]), ("alice/tool", "alice"))

    def test_what_the_user_says_stands(self):
        told = self.metadata(TRACKER_ORCHESTRATOR="mine", TRACKER_EXTERNAL_RUN_ID="7", TRACKER_LANGUAGE="snake", **ACTIONS)
        self.assertEqual((told["orchestrator"], told["external_run_id"], told["language"], told["task_name"]),
                         ("mine", "7", "snake", "build"))

    def test_the_program_sees_the_same_environment(self):
        plain = self.launch("sh", "-c", "env | sort", preload=False, env=self.env(**ACTIONS))
        preloaded = self.launch("sh", "-c", "env | grep -v ^LD_PRELOAD= | sort", env=self.env(**ACTIONS))
        self.assertEqual(preloaded.stdout, plain.stdout)

    def test_pillion_run_tells_the_same(self):
        result = self.pillion("run", "--name", "mine", "--", "sleep", "0.2", env=self.env(**ACTIONS))
        self.assertEqual(result.status, 0, result)
        run, = self.server.runs.values()
        self.assertEqual((run["registration"]["orchestrator"], run["registration"]["job_name"]),
                         ("github-actions", "mine"))


POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "alice-x7k2p", "POD_NAMESPACE": "alices", "CONTAINER_NAME": "train",
       "CONTAINER_IMAGE": "registry.example/alice/train:3", "HOSTNAME": "alice-x7k2p", "JOB_COMPLETION_INDEX": "3"}


class Container(SurroundingsTest):
    def shown(self):
        told = self.pillion("show", env=self.env(COLUMNS="200"))
        self.assertEqual(told.status, 0, told)
        return told.stdout.decode()

    def test_a_pod_is_known_here_and_what_may_name_a_person_does_not_go_out(self):
        told = self.registered(**POD)
        self.assertNotIn("alice", json.dumps(told))
        self.assertEqual((told["orchestrator"], told["task_name"], told["container_image"]), ("kubernetes", "train", "train:3"))
        run = self.only_run()
        self.assertEqual(run["container"], {"pod": "alice-x7k2p", "namespace": "alices", "name": "train", "index": "3",
                                            "image": "registry.example/alice/train:3"})
        self.assertIn("pod alice-x7k2p, namespace alices, container train, index 3, image registry.example/alice/train:3",
                      self.shown())

    def test_with_hostname_and_account_pod_and_namespace_go_out(self):
        told = self.metadata(PILLION_SHARE="hostname,account", **POD)
        self.assertEqual((told["external_run_id"], told["project_name"], told["container_image"]),
                         ("alice-x7k2p", "alices", "registry.example/alice/train:3"))

    def test_without_a_container_nothing_is_said_of_one(self):
        self.registered(CONTAINER_NAME="of-something-else")
        self.assertNotIn("container", self.only_run().state)
        self.assertNotIn("container ", self.shown())

    def test_the_id_of_a_container_is_taken_from_the_path_of_its_cgroup(self):
        for number, path in enumerate(("docker/%s", "system.slice/docker-%s.scope", "kubepods/besteffort/pod1/cri-containerd-%s.scope")):
            made = made_runs.state(made_runs.BEGAN + number, 7, cgroup_before={"memory": "/sys/fs/cgroup/" + path % ("0123456789abcdef" * 4)})
            made_runs.write(self.dir, made, made_runs.rows(made_runs.BEGAN, 2, 2))
            self.assertRegex(self.shown(), r"(?m)^container +ID 0123456789ab$")
        made = made_runs.state(made_runs.BEGAN + 9, 7, container={"pod": "\x1b[2J", "image": "x" * 3000},
                               cgroup_before={"memory": "/sys/fs/cgroup/" + "0" * 63})
        made_runs.write(self.dir, made, made_runs.rows(made_runs.BEGAN, 2, 2))
        told = self.shown()
        self.assertNotIn("\x1b", told)
        self.assertNotIn("ID 0", told)


if __name__ == "__main__":
    pillion.main()
