# SPDX-License-Identifier: Apache-2.0
"""User and system time of programs with a leader over them, against the same without any preload."""
import re
import shutil

from measure import BENCH, PYTHON, QUICK_SECONDS, CannotMeasure, cpu_of, line_of, pillion, ratios, rounds_of

BUDGET = 1.01
WITHOUT = "the same without a preload"

SORT_LINES = 250000
PYTHON_LOOP = """
words = {}
for i in range(%d):
    key = "word %%d" %% (i %% 997)
    words[key] = words.get(key, 0) + len(key.split())
"""
PERL_LOOP = 'my %%w; for my $i (1..%d) { my $k = "word " . ($i %% 997); $w{$k} += length($k); }'


class Variants:
    """One command with nobody, with a shell and with `pillion run` leading above it, and leading itself."""

    def __init__(self, argv, before=lambda: None, cwd=None):
        self.argv, self.before, self.cwd = [str(word) for word in argv], before, cwd
        self.told = pillion.fresh_folder() / "usage"
        self.env = pillion.clean_env()

    def usage(self):
        """bench_usage writes what the command itself used."""
        return [str(BENCH / "bench_usage"), str(self.told)] + self.argv

    def spend(self, argv, env):
        """Seconds of the tree, and of the command with all that it reaped."""
        self.before()
        self.told.unlink(missing_ok=True)
        tree = cpu_of(argv, env, self.cwd)
        return tree, int(self.told.read_text()) / 1e6

    def alone(self):
        return self.spend(self.usage(), self.env)

    def below_shell(self):
        return self.spend(["sh", "-c", '"$@"; exit $?', "sh"] + self.usage(), pillion.preloaded(self.env))

    def below_run(self):
        return self.spend([str(pillion.COMMAND), "run", "--quiet", "--"] + self.usage(), self.env)

    def leading(self):
        """bench_usage is no part of it: the command itself gets the preload."""
        return self.spend([str(BENCH / "bench_usage"), str(self.told), "env",
                           "LD_PRELOAD=%s" % pillion.HOOK] + self.argv, self.env)

    def figures(self, names, rounds, seconds, warm=True):
        """{name: [seconds of the command itself]}, {name + ", tree": [seconds of the tree, its leader included]}."""
        measured = rounds_of({name: getattr(self, name) for name in ["alone"] + names}, rounds, seconds, warm)
        led, runs = sum(len(measured[name]) for name in names), len(pillion.runs(self.env["PILLION_DIR"]))
        if led != runs:
            raise CannotMeasure("%d trees that were to be led left %d runs" % (led, runs))
        figures = {name: [one for _, one in values] for name, values in measured.items()}
        figures.update({name + ", tree": [tree for tree, _ in values] for name, values in measured.items()})
        return figures


def zlib():
    """A copy of the zlib that the engine is built with, configured."""
    found = re.search(r"^PILLION_DEPENDENCY_SOURCES:INTERNAL=(.*)$", (pillion.BUILD / "CMakeCache.txt").read_text(),
                      re.MULTILINE)
    if not found:
        raise CannotMeasure("the build tree does not say where zlib's sources are: configure it again")
    tree = pillion.fresh_folder() / "zlib"
    shutil.copytree(found.group(1) + "/zlib", str(tree))
    cpu_of(["sh", "./configure"], pillion.clean_env(), tree)
    return tree


def make(quick):
    for tool in ("make", "cc"):
        if not pillion.have(tool):
            raise CannotMeasure(tool + " is missing")
    tree = zlib()
    goals = ["libz.a"] if quick else []
    variants = Variants(["make", "-s", "-j2"] + goals,
                        lambda: cpu_of(["make", "-s", "clean"], pillion.clean_env(), tree), tree)
    figures = variants.figures(["leading", "below_shell", "below_run"], *((1, 1, False) if quick else (15, 210)))
    what = "make -j2 of zlib"

    def line(name, which, budget=BUDGET):
        return line_of("%s: %s" % (what, name), ratios(figures, which, "alone"), budget, "", WITHOUT)
    return [line("user + system time below a shell that leads", "below_shell"),
            line("the same with that shell, its thread and rows", "below_shell, tree"),
            line("make itself leads, its thread and rows included", "leading"),
            line("below pillion run", "below_run"),
            line("the same with pillion run itself", "below_run, tree", None)]


def commands(quick):
    size = 5 if quick else 1
    words = pillion.fresh_folder() / "words"
    words.write_text("".join("%d some words on a line\n" % (i * 7919 % 999983) for i in range(SORT_LINES // size)))
    return {
        "python": [PYTHON, "-S", "-c", PYTHON_LOOP % (1200000 // size)],
        "perl": ["perl", "-e", PERL_LOOP % (2000000 // size)],
        "sort": ["sort", "--parallel=2", "-o", str(words) + ".sorted", str(words)],
    }


def programs(quick):
    lines = []
    for name, argv in commands(quick).items():
        if not pillion.have(argv[0]):
            raise CannotMeasure(name + " is missing")
        figures = Variants(argv).figures(["below_shell", "below_run"], *((3, QUICK_SECONDS) if quick else (15, 20)))
        lines += [line_of("%s: user + system time as a passenger" % name, ratios(figures, "below_shell", "alone"),
                          BUDGET, "", WITHOUT),
                  line_of("%s: the same below pillion run" % name, ratios(figures, "below_run", "alone"), BUDGET, "",
                          WITHOUT)]
    return lines
