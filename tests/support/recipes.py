# SPDX-License-Identifier: Apache-2.0
"""The files of tools/recipes as data: what an engine, a cluster or a CI system would make of their own lines.

Only what the recipes use is understood; anything else is an error, so that no line of them is passed over.
"""
import collections
import json
import re
import shlex
import shutil
import subprocess

import pillion
import yaml

FOLDER = pillion.SOURCE / "tools" / "recipes"


def install(folder):
    """What a package has in /usr/lib/pillion: links into a folder for the version."""
    version = folder / "0.1.0-test"
    version.mkdir(parents=True)
    for library in (pillion.HOOK, pillion.ENGINE):
        shutil.copy(library, version)
        (version / library.name).chmod(0o644)
        (folder / library.name).symlink_to(version.name + "/" + library.name)


def text(name):
    return (FOLDER / name).read_text()


def documents(name):
    return [one for one in yaml.safe_load_all(text(name)) if one]


def document(name, kind):
    found, = (one for one in documents(name) if one["kind"] == kind)
    return found


def expand(word, variables):
    """As a shell does it: Docker and Compose take $X, ${X}, ${X:-y} and ${X:+y} from there."""
    if re.search(r"[`\\]|\$\(", word):
        raise AssertionError("no shell expands that in a recipe: %r" % word)
    given = "".join("%s=%s; " % (name, shlex.quote(value)) for name, value in variables.items())
    done = subprocess.run(["/bin/sh", "-c", '%sprintf %%s "%s"' % (given, word)], env={}, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


# ---------------------------------------------------------------------------------------------------- Dockerfile

Stage = collections.namedtuple("Stage", "base steps")  # steps: [(instruction, rest)]


def stages():
    """{name: Stage} of the dockerfile in its order; the last has the name ""."""
    arguments, found, current = {}, {}, None
    for line in text("dockerfile").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "ARG" and current is None:
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            base, _, name = expand(rest, arguments).partition(" AS ")
            current = found[name] = Stage(base, [])
        else:
            current.steps.append((word, rest))
    return found


def copied_from(rest):
    """(stage, source, target) of COPY --from=."""
    return re.fullmatch(r"--from=(\w+) (/\S+) (/\S+)", rest).groups()


def command_of(rest):
    return json.loads(rest)


# ----------------------------------------------------------------------------------------------------- Kubernetes


class Pod:
    """A pod of that spec: environment, volumes and user of its containers. `secrets`: {(name, key): value}."""

    def __init__(self, spec, name, namespace, secrets=None):
        self.spec, self.fields, self.secrets = spec, {"metadata.name": name, "metadata.namespace": namespace}, secrets or {}

    def user(self):
        return self.spec.get("securityContext", {}).get("runAsUser", 0)

    def group_of_volumes(self):
        return self.spec.get("securityContext", {}).get("fsGroup", 0)

    def volumes(self):
        """{name: the claim, None for an emptyDir}."""
        found = {}
        for volume in self.spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if kinds == {"emptyDir"}:
                found[volume["name"]] = None
            elif kinds == {"persistentVolumeClaim"}:
                found[volume["name"]] = volume["persistentVolumeClaim"]["claimName"]
            else:
                raise AssertionError("no such volume here: %s" % volume)
        return found

    def _value(self, variable):
        if "value" in variable:
            return variable["value"]
        (kind, source), = variable["valueFrom"].items()
        if kind == "fieldRef":
            return self.fields[source["fieldPath"]]
        if kind != "secretKeyRef":
            raise AssertionError("no such source here: %s" % variable)
        value = self.secrets.get((source["name"], source["key"]))
        if value is None and not source.get("optional"):
            raise AssertionError("the pod would wait for its secret: %s" % variable)
        return value

    def env(self, container):
        """With what Kubernetes sets itself."""
        found = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "HOSTNAME": self.fields["metadata.name"]}
        for variable in container.get("env", []):
            value = self._value(variable)
            if value is not None:
                found[variable["name"]] = value
        return found


# -------------------------------------------------------------------------------------------------------- Apptainer


def sections():
    """{section: text} of apptainer.def; "" has the header."""
    parts = re.split(r"^%(\w+)\n", re.sub(r"^#.*\n", "", text("apptainer.def"), flags=re.M), flags=re.M)
    return dict(zip([""] + parts[1::2], parts[::2]))


def files_of(section):
    return [shlex.split(line) for line in section.splitlines() if line.strip()]
