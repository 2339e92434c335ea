#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes for containers and CI (tools/recipes), by their own lines: images and pods as bundles of runc, whose disk is
thrown away; jobs of CI by the shell. What only the real tools can say: tests/newcomer/test_recipes_tools.py."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bundle  # noqa: E402
import recipes  # noqa: E402
from served import QUICK, ServedTest, pillion  # noqa: E402

LIBRARIES = "/usr/lib/pillion"


class RecipeTest(ServedTest):
    def setUp(self):
        super().setUp()
        self.tmp.chmod(0o755)
        self.installed = self.tmp / "installed"  # what the package, or the OCI layer, has in LIBRARIES
        recipes.install(self.installed)
        self.made = 0

    def root(self, *programs):
        """A root of those programs, as an image has them."""
        self.made += 1
        made = bundle.Bundle(self.tmp / ("root%d" % self.made))
        made.add("sh", *programs)
        (made.root / "var/lib").mkdir(parents=True)
        return made

    def volume(self, name, mode=0o755, group=0):
        folder = self.tmp / ("volume-" + name)
        if not folder.exists():
            folder.mkdir()
            os.chown(folder, 0, group)
            folder.chmod(mode)
        return folder

    def begin(self, made, argv, env, **how):
        """`env`: all that the recipe says; the test adds what makes it quick, and its server's address."""
        env = dict({"PATH": "/bin", "HOME": "/root", "SENTINEL_API_URL": self.server.env()["SENTINEL_API_URL"]}, **dict(QUICK, **env))
        container = made.start(argv, env, **how)
        self.addCleanup(container.remove)
        return container

    def ride(self, made, argv, env, status=0, **how):
        """Runs a container to its end, and throws its disk away."""
        result = self.begin(made, argv, env, **how).wait()
        self.assertEqual((result.status, result.stdout, result.stderr), (status, b"", b""), result)
        shutil.rmtree(made.root)

    def told(self, folder, *words):
        """By the command, as the user whose runs these are."""
        owner = folder.stat().st_uid
        told = self.pillion(*words, env=self.env(PILLION_DIR=folder, SENTINEL_API_TOKEN="", COLUMNS="200"),
                            preexec_fn=lambda: os.setresuid(owner, owner, owner), cwd="/")
        self.assertEqual(told.status, 0, told)
        return told.stdout.decode()

    def assertOne(self, folder, state="local"):
        """One run in it, which list knows."""
        run, = pillion.runs(folder)
        shown, = json.loads(self.told(folder, "list", "--json"))
        self.assertEqual((shown["state"], shown["exit_code"]), (state, 0), run.describe())
        self.assertGreaterEqual(len(run.rows), 2)
        return run

    def shown(self, folder):
        return self.told(folder, "show")

    def nothing_was_sent(self):
        self.assertEqual(self.server.requests, [])


class Engines(RecipeTest):
    def build(self, stage, image):
        """The steps of a stage of the dockerfile, in a root with those programs: (bundle, environment, command)."""
        env, command = {"PATH": "/bin"}, None
        for word, rest in stage.steps:
            if word == "COPY":
                origin, source, target = recipes.copied_from(rest)
                self.assertEqual((origin, source), ("pillion", LIBRARIES))
                shutil.copytree(self.installed, image.root / target.lstrip("/"), symlinks=True)
            elif word == "RUN":
                self.ride_step(image, rest, env)
            elif word == "ENV":
                name, _, value = rest.partition("=")
                env[name] = recipes.expand(value, env)
            elif word == "CMD":
                command = recipes.command_of(rest)
            else:
                raise AssertionError("no such instruction here: " + word)
        return env, command

    def ride_step(self, image, line, env):
        result = self.begin(image, ["sh", "-c", line], env, network=False).wait()
        self.assertEqual(result.status, 0, result)

    def test_a_container_of_the_dockerfile_is_gone_and_its_run_is_on_the_volume(self):
        stages = recipes.stages()
        self.assertEqual((list(stages), stages["pillion"].steps), (["pillion", "init", ""], []))
        image = self.root("sleep", "mkdir")
        env, command = self.build(stages[""], image)
        self.assertEqual(env["LD_PRELOAD"], LIBRARIES + "/libpillion.so")
        self.assertEqual((image.root / "var/lib/pillion").stat().st_mode & 0o7777, 0o1777)
        folder = self.volume("pillion-runs", 0o1777)
        self.ride(image, command, env, binds={env["PILLION_DIR"]: folder})
        run = self.assertOne(folder)
        self.assertEqual(run["container"], {"image": "registry.example.com/train:1"})
        self.nothing_was_sent()

    def test_a_preload_of_the_image_itself_stays_in_the_dockerfile(self):
        line, = (rest for word, rest in recipes.stages()[""].steps if word == "ENV" and rest.startswith("LD_PRELOAD"))
        self.assertEqual(recipes.expand(line.partition("=")[2], {"LD_PRELOAD": "/lib/a.so"}), LIBRARIES + "/libpillion.so:/lib/a.so")

    def test_a_service_of_compose_is_gone_and_its_run_is_on_the_volume(self):
        recipe, = recipes.documents("compose.yaml")
        service, = recipe["services"].values()
        self.assertEqual(set(service), {"image", "command", "environment", "volumes"})
        env = {name: recipes.expand(value, {}) for name, value in service["environment"].items()}
        binds = {}
        for volume in service["volumes"]:
            source, target, *how = volume.split(":")
            self.assertIn(source, [LIBRARIES] + list(recipe["volumes"]))
            binds[target] = (self.installed if source == LIBRARIES else self.volume(source), *(how or ["rw"]))
        self.ride(self.root("sleep"), service["command"], env, binds=binds)
        run = self.assertOne(self.volume("pillion-runs"))
        self.assertEqual(run["container"], {"image": service["image"]})
        self.nothing_was_sent()

    def test_a_container_of_apptainer_leaves_its_run_in_its_users_home(self):
        parts = recipes.sections()
        image = self.root("sleep")
        (source, target), = recipes.files_of(parts["files"])
        self.assertEqual(source, LIBRARIES)
        shutil.copytree(self.installed, image.root / target.lstrip("/"), symlinks=True)
        for name in ("environment", "runscript"):
            (image.root / name).write_text(parts[name])
        self.ride(image, ["sh", "-c", ". /environment; exec sh /runscript"],
                  {"APPTAINER_NAME": "train.sif", "APPTAINER_CONTAINER": "/home/alice/train.sif"}, binds={"/root": self.home})
        run = self.assertOne(self.home / ".local/state/pillion")
        self.assertEqual(run["container"], {"image": "train.sif"})
        self.assertRegex(self.shown(self.home / ".local/state/pillion"), r"(?m)^container +image train\.sif$")
        self.assertEqual(run["registration"]["container_image"], "train.sif")


class Kubernetes(RecipeTest):
    def binds(self, pod, container):
        found = {}
        for one in container.get("volumeMounts", []):
            claim = pod.volumes()[one["name"]]
            group = pod.group_of_volumes()
            folder = self.volume("empty-%s-%s" % (pod.fields["metadata.name"], one["name"]), 0o777) if claim is None else \
                self.volume(claim, 0o2775 if group else 0o755, group)
            found[one["mountPath"]] = (folder, "ro" if one.get("readOnly") else "rw")
        return found

    def place(self, pod, *programs):
        """Runs the init containers of the pod, and then all others side by side to their end."""
        for container in pod.spec.get("initContainers", []):
            image = self.root("cp")
            shutil.copytree(self.installed, image.root / LIBRARIES.lstrip("/"), symlinks=True)
            self.ride(image, container["command"], pod.env(container), user=pod.user(), binds=self.binds(pod, container))
        begun = []
        for container in pod.spec["containers"]:
            made = self.root("sleep", *programs)
            begun.append((made, self.begin(made, container["command"], pod.env(container), user=pod.user(),
                                           binds=self.binds(pod, container))))
        return begun

    def end(self, begun):
        """The pods are gone, and with it the disks of its containers and its emptyDirs."""
        for made, container in begun:
            result = container.wait()
            self.assertEqual((result.status, result.stdout, result.stderr), (0, b"", b""), result)
            shutil.rmtree(made.root)
        for folder in self.tmp.glob("volume-empty-*"):
            shutil.rmtree(folder)

    def train(self, secrets=None):
        return recipes.Pod(recipes.document("kubernetes-pod.yaml", "Pod")["spec"], "train", "ml", secrets)

    def fetch(self):
        """By the commands of kubernetes-runs.yaml: the folder that has come."""
        reader = recipes.Pod(recipes.document("kubernetes-runs.yaml", "Pod")["spec"], "pillion-runs", "ml")
        (made, container), = self.place(reader, "tar")
        container.process_1()
        fetched = self.tmp / "runs"
        fetched.mkdir()
        # kubectl cp is these two.
        packed = [*made.runc("exec", container.name), "tar", "cf", "-", "-C", "/var/lib/pillion", "."]
        packed = subprocess.run([str(word) for word in packed], stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "xf", "-", "--no-same-owner", "-C", fetched], input=packed.stdout, check=True)
        container.send("KILL")
        container.wait()
        return fetched

    def test_a_pod_is_gone_and_its_run_is_on_the_claim_and_knows_it_and_another_pod_fetches_it(self):
        pod = self.train()
        self.end(self.place(pod))
        folder = self.volume(recipes.document("kubernetes-pod.yaml", "PersistentVolumeClaim")["metadata"]["name"]) / "1000"
        run = self.assertOne(folder)
        self.assertIn("PILLION_DIR=$PWD/runs/%d pillion list" % pod.user(), recipes.text("kubernetes-runs.yaml"))
        self.assertEqual(self.assertOne(self.fetch() / "1000").state, run.state)
        self.assertEqual(run["container"], {"pod": "train", "namespace": "ml", "name": "train", "image": "debian:bookworm-slim"})
        self.assertIn("pod train, namespace ml, container train, image debian:bookworm-slim", self.shown(folder))
        self.nothing_was_sent()

    def test_a_secret_sends_the_run_to_sentinel_by_the_names_that_the_pod_gives_and_its_rows_stay_as_a_table(self):
        token = self.server.env()["SENTINEL_API_TOKEN"]
        pod = self.train({("sentinel", "token"): token})
        name, _, value = re.search(r"PILLION_OUTPUT=\S+", recipes.text("kubernetes-pod.yaml"))[0].partition("=")
        pod.spec["containers"][0]["env"].append({"name": name, "value": value})
        self.end(self.place(pod))
        run = self.assertOne(self.volume("pillion-runs") / "1000", "finished")
        self.assertEqual((self.volume("pillion-runs") / (run["id"] + ".csv")).read_bytes(), run.csv)
        told = self.assertDelivered(run)["registration"]
        self.assertEqual([told.get(key) for key in ("orchestrator", "external_run_id", "project_name", "task_name", "container_image")],
                         ["kubernetes", "train", "ml", "train", "debian:bookworm-slim"])
        self.assertNotIn(token, run.text.decode())
        self.assertNoComplaints()

    def kubectl(self, *words, **how):
        if not pillion.have("kubectl"):
            self.skipTest("no kubectl")
        done = subprocess.run(["kubectl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def lost(self, one):
        """What kubectl does not know of it: it reads into the types of Kubernetes, and what these lack is gone."""
        told = json.loads(self.kubectl("set", "env", "--local", "-f", "-", "A=b", "-o", "json", input=json.dumps(one).encode()))

        def beyond(given, there, path):
            if isinstance(given, dict):
                return [name for key, value in given.items() for name in (
                    beyond(value, there[key], path + "." + key) if key in there else [path + "." + key])]
            if isinstance(given, list):
                return [name for value, other in zip(given, there) for name in beyond(value, other, path + "[]")]
            return [] if given == there else [path]
        return beyond(one, told, "")

    def test_kubectl_knows_every_field_of_the_pods(self):
        for name in ("kubernetes-pod.yaml", "kubernetes-runs.yaml"):
            pod = recipes.document(name, "Pod")
            self.assertEqual(self.lost(pod), [])
        pod["spec"]["initContainer"] = []
        self.assertEqual(self.lost(pod), [".spec.initContainer"])

    def kustomized(self, manifests):
        folder = self.tmp / "manifests"
        shutil.copytree(recipes.FOLDER, folder / "pillion")
        (folder / "all.yaml").write_text(manifests)
        (folder / "kustomization.yaml").write_text("resources: [all.yaml]\ncomponents: [pillion]\n")
        made = recipes.yaml.safe_load_all(self.kubectl("kustomize", folder))
        return {one["kind"] + " " + one["metadata"]["name"]: one for one in made}

    def test_every_container_of_a_namespace_is_a_run_and_none_of_its_manifests_says_so(self):
        made = self.kustomized(MANIFESTS)
        self.assertNotIn("ConfigMap pillion", made)
        folder = self.volume(made["PersistentVolumeClaim pillion-runs"]["metadata"]["name"])
        begun = []
        for kind, spec in (("Deployment web", lambda one: one["spec"]), ("StatefulSet db", lambda one: one["spec"]),
                           ("Job once", lambda one: one["spec"]), ("CronJob nightly", lambda one: one["spec"]["jobTemplate"]["spec"])):
            self.assertEqual(self.lost(made[kind]), [])
            template = spec(made[kind])["template"]["spec"]
            begun += self.place(recipes.Pod(template, kind.split()[1] + "-x7k2p", "ml"))
        self.end(begun)
        runs = pillion.runs(folder)
        self.assertEqual(sorted(run["container"]["pod"] for run in runs), ["db-x7k2p", "nightly-x7k2p", "once-x7k2p", "web-x7k2p", "web-x7k2p"])
        self.assertEqual({run["container"]["namespace"] for run in runs}, {"ml"})
        self.assertEqual(made["Service web"]["spec"], {"ports": [{"port": 80}]})
        self.nothing_was_sent()


MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: bare, image: one, command: [sh, -c, "sleep 0.5"]}
      - name: rich
        image: two
        command: [sh, -c, "[ $MINE = 1 ] && [ -d /mine ] && sleep 0.5"]
        env: [{name: MINE, value: "1"}]
        volumeMounts: [{name: mine, mountPath: /mine}]
      - name: left-out
        image: three
        command: [sh, -c, "sleep 0.5"]
        env: [{name: PILLION_DISABLE, value: "1"}]
      volumes: [{name: mine, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
""" + "".join("""---
apiVersion: %s
kind: %s
metadata: {name: %s}
spec: %s
""" % (version, kind, name, around % '{template: {spec: {restartPolicy: Never, containers: [{name: one, image: one, command: [sleep, "0.5"]}]}}}')
    for version, kind, name, around in (("apps/v1", "StatefulSet", "db", "%s"), ("batch/v1", "Job", "once", "%s"),
                                        ("batch/v1", "CronJob", "nightly", '{schedule: "0 1 * * *", jobTemplate: {spec: %s}}')))


class Ci(RecipeTest):
    PACKAGE = "https://example.com/pillion_0.1.0_amd64.deb"

    def setUp(self):
        super().setUp()
        self.shims = self.tmp / "shims"
        self.shims.mkdir()
        self.calls = self.tmp / "calls"
        # What installs the package. All else is the machine's own.
        for name, text in {"sudo": 'exec "$@"', "curl": 'for url; do :; done; echo package >"${url##*/}"',
                           "apt-get": 'for last; do :; done; case $last in ./*) [ -s "$last" ] ;; esac'}.items():
            (self.shims / name).write_text('#!/bin/sh\necho "%s $*" >>%s\n%s\n' % (name, self.calls, text))
            (self.shims / name).chmod(0o755)

    def makefile(self, status):
        (self.work / "Makefile").write_text("test:\n\t@sleep 0.3; exit %d\n" % status)

    def variables(self, **extra):
        return self.env(PATH="%s:%s:%s" % (self.shims, pillion.COMMAND.parent, os.environ["PATH"]), PILLION_DIR="", SENTINEL_API_TOKEN="",
                        **extra)

    def shell(self, lines, env):
        return self.launch("bash", "-e", "-c", lines, preload=False, env=env)

    def steps(self, env, context):
        """The `run` steps of the job as its runner does them: (whether all went well, its summary)."""
        recipe, = recipes.documents("github-actions.yaml")
        job, = recipe["jobs"].values()
        exports, summary = self.tmp / "github-env", self.tmp / "github-summary"
        exports.touch()
        env = dict(env, GITHUB_ENV=str(exports), GITHUB_STEP_SUMMARY=str(summary))
        for name, value in job["env"].items():
            env[name] = re.sub(r"\$\{\{ (.+?) \}\}", lambda match: context[match[1]], value)
        good = True
        for step in job["steps"]:
            if "uses" in step:
                self.assertRegex(step["uses"], r"^actions/[a-z-]+@v\d+$")
            elif good or step.get("if") == "always()":
                env.update(line.split("=", 1) for line in exports.read_text().splitlines())
                good = self.shell(step["run"], env).status == 0 and good
        self.kept = [self.work / step["with"]["path"] for step in job["steps"] if "path" in step.get("with", {})]
        return good, summary.read_text()

    def test_a_job_of_github_ends_with_the_summary_of_its_run_whatever_became_of_it(self):
        for status in (0, 5):
            with self.subTest(status=status):
                self.makefile(status)
                surroundings = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "test"}
                good, summary = self.steps(self.variables(**surroundings), {"secrets.SENTINEL_API_TOKEN": ""})
                self.assertEqual(good, status == 0)
                self.assertIn("### test\n", summary)
                self.assertIn("| CPU |", summary)
                run, = pillion.runs(self.kept[0])
                self.assertEqual((run["exit_code"], run["state"]), (2 if status else 0, "local"))
                self.assertEqual(run["registration"]["external_run_id"], "42-1")
                (self.tmp / "github-summary").unlink()
                shutil.rmtree(self.kept[0])
        self.assertEqual(self.calls.read_text().splitlines()[:3], [
            "curl -fsSLO " + self.PACKAGE, "sudo apt-get install -y ./pillion_0.1.0_amd64.deb",
            "apt-get install -y ./pillion_0.1.0_amd64.deb"])
        self.nothing_was_sent()

    def test_a_secret_sends_a_job_of_github_to_sentinel(self):
        self.makefile(0)
        good, _ = self.steps(self.variables(), {"secrets.SENTINEL_API_TOKEN": self.server.env()["SENTINEL_API_TOKEN"]})
        run, = pillion.runs(self.kept[0])
        self.assertTrue(good)
        self.assertDelivered(run)

    def test_a_job_of_gitlab_ends_with_the_summary_of_its_run_whatever_became_of_it(self):
        recipe, = recipes.documents("gitlab-ci.yaml")
        job, = recipe.values()
        for status in (0, 5):
            with self.subTest(status=status):
                self.makefile(status)
                env = self.variables(GITLAB_CI="true", CI_PROJECT_DIR=str(self.work), CI_JOB_ID="50", CI_JOB_IMAGE=job["image"])
                env.update({name: recipes.expand(value, env) for name, value in job["variables"].items()})
                result = self.shell("\n".join(job["before_script"] + job["script"]), env)
                self.assertEqual(result.status, 2 if status else 0, result)
                after = self.shell("\n".join(job["after_script"]), env)
                self.assertEqual(after.status, 0, after)
                self.assertIn(b"### test\n", after.stdout)
                summary, folder = (self.work / path for path in job["artifacts"]["paths"])
                self.assertEqual(summary.read_bytes(), after.stdout)
                run, = pillion.runs(folder)
                self.assertEqual((run["exit_code"], run["container"]), (2 if status else 0, {"image": "debian:bookworm"}))
                shutil.rmtree(folder)
        self.nothing_was_sent()


if __name__ == "__main__":
    if os.geteuid() != 0 and not os.environ.get("CI"):
        Engines = Kubernetes = unittest.skip("only root makes containers")(RecipeTest)
    pillion.main()
