# SPDX-License-Identifier: Apache-2.0
"""CRIU, which freezes a process into files and makes it again of them. Debian 12's own does not know newer kernels, so
it comes from a newer one (newer.py)."""
import os
import unittest

import newer


def command():
    """The words that a command of CRIU's begins with. SkipTest where there is none, or this machine is none for it."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("no CRIU is to be had: it works for root alone")
    words = newer.command(newer.unpacked("CRIU", ["criu"], with_dependencies=True), "usr/sbin/criu")
    error = newer.run(*words, "check")
    if error is not None:
        raise unittest.SkipTest("no CRIU is to be had: this kernel does not let it work: %s" % error)
    return words
