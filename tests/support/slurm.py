# SPDX-License-Identifier: Apache-2.0
"""A Slurm cluster of three nodes, all of them this machine, in a temporary folder: munged, slurmctld, three slurmd.

    with Slurm(folder) as slurm:
        job = slurm.submit("srun -n4 hostname", env=..., options=["-N2"])
        job.wait()          # "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"
        job.exit, job.output

As root; nothing outside the folder is touched. Each task has a TaskProlog, as the clusters of many sites do: it is run
with the environment of the task, LD_PRELOAD included, and what it prints is obeyed.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pillion

PROGRAMS = "munged slurmctld slurmd sbatch srun scancel scontrol sinfo".split()
NODES = 3
CORES = 16  # of each node, whatever the machine has
ENDED = frozenset("COMPLETED FAILED TIMEOUT CANCELLED NODE_FAIL OUT_OF_MEMORY".split())

CONFIGURATION = """
ClusterName=test
SlurmctldHost={machine}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
MpiDefault=none
KillWait=3
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmdParameters=config_overrides
NodeName=n[1-{nodes}] NodeHostname={machine} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cores} RealMemory=4096 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

PROLOG = """#!/bin/sh
echo export FROM_PROLOG=yes
"""


def missing():
    """The programs that are not here."""
    return [name for name in PROGRAMS if not shutil.which(name)]


class Job:
    """A submitted job. `state` and `exit` (as a shell says) are known after wait()."""

    def __init__(self, slurm, number, output):
        self.slurm, self.number, self._output = slurm, number, output
        self.state = self.exit = None

    def show(self):
        """State and exit of the job; of an array's tasks, those of one that has not ended as long as there is one."""
        text = self.slurm.call("scontrol", "-o", "show", "job", self.number)
        found = re.findall(r"JobState=(\w+).*?ExitCode=(\d+):(\d+)", text)
        for state, code, number in found:
            self.state, self.exit = state, 128 + int(number) if int(number) else int(code)
            if state not in ENDED:
                break
        return self.state

    def wait(self, timeout=60, states=None):
        """Waits for one of these states, or for the end. The state."""
        deadline = time.monotonic() + timeout
        while True:
            state = self.show()
            if state in (states or ENDED):
                return state
            if time.monotonic() > deadline:
                raise AssertionError("job %s is %s after %s s; %s" % (self.number, state, timeout, self.output))
            time.sleep(0.1)

    @property
    def output(self):
        try:
            return self._output.read_text()
        except FileNotFoundError:
            return ""


class Slurm:
    def __init__(self, folder):
        self.folder, self.daemons = pathlib.Path(folder), []
        self.folder.chmod(0o755)
        first = pillion.free_ports(NODES + 1)
        text = CONFIGURATION.format(folder=self.folder, machine=socket.gethostname().split(".")[0], controller=first,
                                    first=first + 1, last=first + NODES, nodes=NODES, cores=CORES)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")  # as GPUs
        (self.folder / "prolog").write_text(PROLOG)
        (self.folder / "prolog").chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)
        for number in range(NODES):
            (self.folder / ("spool-n%d" % (number + 1))).mkdir()
        (self.folder / "state").mkdir()
        self.environment = {"PATH": os.environ["PATH"], "SLURM_CONF": str(self.folder / "slurm.conf")}

    def _daemon(self, *words):
        log = open(self.folder / (words[0] + ".log"), "ab")
        self.daemons.append(subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, cwd=str(self.folder)))
        log.close()

    def start(self):
        munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log",
                 "seed-file": "munge.seed"}
        self._daemon("munged", "--foreground", "--force",
                     *("--%s=%s" % (name, self.folder / file) for name, file in munge.items()))
        self._until(lambda: (self.folder / "munge.socket").exists())
        self._daemon("slurmctld", "-D")
        for number in range(NODES):
            self._daemon("slurmd", "-D", "-N", "n%d" % (number + 1))
        self._until(lambda: self.call("sinfo", "-h", "-o", "%t %D", check=False).split() == ["idle", str(NODES)])
        return self

    def _until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in self.daemons):
                logs = [path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log"))]
                self.stop()
                raise AssertionError("Slurm does not start:\n" + "\n".join(logs))
            time.sleep(0.1)

    def stop(self):
        if len(self.daemons) > 1:
            self.call("scancel", "--signal=KILL", "--full", "--user=%d" % os.getuid(), check=False)
            self.call("scancel", "--user=root", check=False)
            self.call("scancel", "--user=nobody", check=False)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()

    def call(self, *words, check=True, env=None, **popen):
        """The output of one of Slurm's commands."""
        done = subprocess.run([str(word) for word in words], env=dict(env or {}, **self.environment), timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        if check and done.returncode:
            raise AssertionError("%s: %s" % (words, done.stderr.decode(errors="replace")))
        return done.stdout.decode()

    def submit(self, script, env, cwd, options=(), **popen):
        """Has sbatch run a script of these lines, on one node by default."""
        number = len(list(pathlib.Path(cwd).glob("job-*.sh")))
        file, output = pathlib.Path(cwd) / ("job-%d.sh" % number), pathlib.Path(cwd) / ("job-%d.out" % number)
        file.write_text("#!/bin/bash\n" + script)
        return self._sbatch(["-N1", "-n4", *options, file], output, env, cwd, **popen)

    def submit_file(self, file, env, cwd, options=()):
        """Has sbatch run a script as it stands, with its #SBATCH lines."""
        return self._sbatch([*options, file], pathlib.Path(cwd) / (pathlib.Path(file).name + ".out"), env, cwd)

    def _sbatch(self, words, output, env, cwd, **popen):
        words = ["sbatch", "--parsable", "-o", output, *words]
        return Job(self, self.call(*words, env=env, cwd=str(cwd), **popen).strip(), output)
