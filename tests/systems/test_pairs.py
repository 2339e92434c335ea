# SPDX-License-Identifier: Apache-2.0
"""The pairs built for musl and for 64-bit ARM: their symbols, the programs of their own kind, and trees of programs
with two libcs. They are the presets `musl` and `aarch64`, which tools/check builds before."""
import os
import pathlib
import subprocess
import sys
import unittest

import roots
from roots import pillion

MUSL, ARM = (pillion.SOURCE / "build/for" / name for name in ("musl", "aarch64"))
PAIRS = {"the pair for glibc": pillion.BUILD, "the pair for musl": MUSL}
ARM_ROOT = pathlib.Path("/usr/aarch64-linux-gnu")

# argv: the commands to run below each other, each a file; the last one ends with 7.
CHAIN = """
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int status = 7 << 8;
    usleep(60000);
    if (argc > 1 && fork() == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    if (argc > 1)
        wait(&status);
    printf("%d below %s\\n", argc - 1, argc > 1 ? "me" : "nobody");
    return status >> 8;
}
"""
ENDS = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void late(void) { puts("late"); }
static void *work(void *unused) { usleep(100000); exit(5); return unused; }
int main(int argc, char **argv)
{
    pthread_t thread;
    atexit(late);
    printf("%s, ", argc > 1 ? argv[1] : "nothing");
    usleep(200000);
    if (argc < 2)
        return 3;
    if (strcmp(argv[1], "_exit") == 0)
        _exit(4);
    if (strcmp(argv[1], "thread") == 0) {
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, NULL);
    }
    exit(6);
}
"""


def build(test, compiler, package, source, name, *flags):
    target = test.tmp / name
    error = roots.compile_with(roots.need(compiler, package), source, target, *flags)
    test.assertIsNone(error)
    return target


class Symbols(unittest.TestCase):
    def test_same_rules_as_for_the_native_pair(self):
        for folder in (MUSL, ARM):
            for rules in ("test_hook.Hook", "test_engine.Engine", "test_layers.Layers"):
                with self.subTest("%s: %s" % (folder.name, rules)):
                    done = subprocess.run([sys.executable, "-m", "unittest", rules], cwd=str(pillion.SOURCE / "tests/elf"),
                                          env=dict(os.environ, PILLION_BUILD=str(folder), PILLION_SOURCE=str(pillion.SOURCE)),
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    self.assertEqual(done.returncode, 0, done.stdout.decode())


class Trees(pillion.PillionTest):
    def one(self, pair, argv):
        pillion.remove_folder(self.dir)
        env = self.env(PILLION_INTERVAL="0.05")
        if pair:
            env["LD_PRELOAD"] = str(pair / "lib/libpillion.so")
        return self.launch(*argv, preload=False, env=env)

    def compare(self, argv, pair):
        plain, result = self.one(None, argv), self.one(pair, argv)
        self.assertEqual((result.status, result.stdout, result.stderr), (plain.status, plain.stdout, plain.stderr))
        return plain.status

    def test_programs_of_either_libc_with_either_pair(self):
        for name, compiler, package in (("glibc", "gcc", "gcc"), ("musl", "musl-gcc", "musl-tools")):
            program = build(self, compiler, package, ENDS, "ends-" + name, "-pthread")
            for pair, folder in PAIRS.items():
                for words in ((), ("exit",), ("_exit",), ("thread",)):
                    with self.subTest("%s in a program with %s: %s" % (pair, name, words)):
                        status = self.compare([program, *words], folder)
                        self.assertEqual(self.only_run().get("exit_code"), status)

    def test_trees_of_both(self):
        one = build(self, "gcc", "gcc", CHAIN, "chain-glibc")
        other = build(self, "musl-gcc", "musl-tools", CHAIN, "chain-musl")
        for chain in ((one, other, one, other), (other, one, other, one)):
            for pair, folder in PAIRS.items():
                with self.subTest("%s, %s first" % (pair, chain[0].name)):
                    self.assertEqual(self.compare(chain, folder), 7)
                    self.assertEqual(self.only_run().get("exit_code"), 7)


class Arm(pillion.PillionTest):
    """Under qemu-user, whose processes are the machine's own: what /proc says of them is qemu's."""

    def one(self, pair, argv):
        pillion.remove_folder(self.dir)
        words = ["-E", "PILLION_INTERVAL=0.05"]
        if pair:
            words += ["-E", "LD_PRELOAD=%s" % (pair / "lib/libpillion.so")]
        qemu = roots.need("qemu-aarch64-static", "qemu-user-static")
        return self.launch(qemu, "-L", ARM_ROOT, *words, *argv, preload=False, env=self.env())

    def test_programs(self):
        program = build(self, "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", ENDS, "ends", "-pthread")
        for words in ((), ("exit",), ("_exit",), ("thread",)):
            with self.subTest(words):
                plain, result = self.one(None, [program, *words]), self.one(ARM, [program, *words])
                self.assertEqual((result.status, result.stdout, result.stderr),
                                 (plain.status, plain.stdout, plain.stderr))
                run = self.only_run()
                self.assertEqual((run.get("state"), run.get("exit_code")), ("local", plain.status), run.describe())
                self.assertGreaterEqual(len(run.rows), 2)

    def test_command(self):
        version = self.one(None, [ARM / "bin/pillion", "--version"])
        self.assertEqual((version.status, version.stdout), (0, pillion.command("--version").stdout))


if __name__ == "__main__":
    pillion.main()
