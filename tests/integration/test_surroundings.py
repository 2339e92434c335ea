#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the environment says of a run that its user does not, as the server gets it."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, ServedTest, pillion  # noqa: E402

METADATA = ("job_name", "project_name", "stage_name", "task_name", "team", "env", "language", "orchestrator", "executor",
            "external_run_id", "container_image")
ACTIONS = {
    "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "1658821493", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "build",
    "GITHUB_REPOSITORY": "alice/tool", "GITHUB_REPOSITORY_OWNER": "alice", "GITHUB_ACTOR": "alice",
    "GITHUB_HEAD_REF": "alice-mends", "GITHUB_TOKEN": "hunter2", "CI": "true", "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "HOSTNAME": "alices-pod", "USER": "alice",
}


class Surroundings(ServedTest):
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


if __name__ == "__main__":
    pillion.main()
