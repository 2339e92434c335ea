# SPDX-License-Identifier: Apache-2.0
"""The first process of the virtual machine: runs the tests that job.json names and writes a line on each into
results.jsonl, both in /out, then switches the machine off."""
import ctypes
import importlib
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback
import unittest

OUT = pathlib.Path("/out")
RB_POWER_OFF = 0x4321FEDC


class Told(unittest.TestResult):
    """Each test is a line, at once."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def tell(self, **line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def startTest(self, test):
        super().startTest(test)
        self.began, self.bad = time.monotonic(), None
        print("%6.1f %s" % (self.began, test.id()), flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        how, why = self.bad or ("passed", "")
        self.tell(test=test.id(), how=how, why=why, seconds=round(time.monotonic() - self.began, 1))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.bad = ("skipped", reason)
        else:  # a class of tests
            self.tell(test=test.id(), how="skipped", why=reason, seconds=0)

    def failed(self, test, error):
        text = "".join(traceback.format_exception(*error))
        if isinstance(test, unittest.TestCase):
            self.bad = ("failed", text)
        else:
            self.tell(test=test.id(), how="failed", why=text, seconds=0)

    def addError(self, test, error):
        super().addError(test, error)
        self.failed(test, error)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.failed(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            self.failed(test, error)


def tests_of(job):
    """All of a module, or of some its classes or tests."""
    for words in job["tests"]:
        folder, module = words[0].split("/")
        sys.path.insert(0, "%s/tests/%s" % (job["env"]["PILLION_SOURCE"], folder))
        loaded = importlib.import_module(module)
        if len(words) == 1:
            yield unittest.defaultTestLoader.loadTestsFromModule(loaded)
        else:
            yield unittest.defaultTestLoader.loadTestsFromNames(words[1:], loaded)


def main():
    job = json.loads((OUT / "job.json").read_text())
    os.environ.clear()
    os.environ.update(job["env"])
    os.umask(0o22)
    os.chdir("/disk")
    os.mkdir("/disk/tmp")
    os.chmod("/disk/tmp", 0o1777)
    subprocess.call(["ip", "link", "set", "lo", "up"])
    for words in job["before"]:
        subprocess.call(words)
    with open(OUT / "results.jsonl", "w") as file:
        told = Told(file)
        for suite in tests_of(job):
            suite.run(told)
    (OUT / "done").touch()


def first():
    """It reaps what has no other parent; its child does the work."""
    worker = os.fork()
    if worker == 0:
        os.setsid()
        try:
            main()
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    while os.wait()[0] != worker:
        pass
    os.sync()
    ctypes.CDLL(None).reboot(RB_POWER_OFF)


if __name__ == "__main__":
    first()
