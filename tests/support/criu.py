# SPDX-License-Identifier: Apache-2.0
"""CRIU, which freezes a process into files and makes it again of them. Debian 12's own does not know newer kernels, so
it comes from a newer one (newer.py)."""
import os
import subprocess
import tempfile
import unittest

import newer


def command():
    """The words that a command of CRIU's begins with. SkipTest where there is none, or this machine is none for it."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("no CRIU is to be had: it works for root alone")
    words = newer.command(newer.unpacked("CRIU", ["criu"], with_dependencies=True), "usr/sbin/criu")
    error = newer.run(*words, "check") or dumps_nothing(words)
    if error is not None:
        raise unittest.SkipTest("no CRIU is to be had: this kernel does not let it work: %s" % error)
    return words


def dumps_nothing(words):
    """Why not even a program that sleeps can be dumped here; None: it can. `check` asks the kernel, and not the CPU."""
    with tempfile.TemporaryDirectory() as image:
        sleeper = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return newer.run(*words, "dump", "-D", image, "-v0", "-t", sleeper.pid, timeout=20)
        finally:
            sleeper.kill()
            sleeper.wait()
