# SPDX-License-Identifier: Apache-2.0
"""What a program of one thread pays for a second one: glibc, libstdc++ and interpreters leave out locks until then.
No budget: pillion-limits(7) tells the figures, and the two ways around."""
import sys

from cost_of_time import PERL_LOOP, PYTHON_LOOP, Variants
from measure import PYTHON, line_of, pillion, ratios

SHELL_LOOP = "i=0; while [ $i -lt %d ]; do i=$((i + 1)); done"


def loops(size):
    """{name: command}, some tenths of a second each."""
    def program(name, times):
        return [str(pillion.PROGRAMS / name), str(times // size)]

    return {
        "getc and putc": program("gets_and_puts", 40000000),
        "malloc and free of 1 to 3 KiB": program("mallocs_and_frees", 15000000),
        "copies of a shared_ptr": program("copies_shared_ptr", 150000000),
        "dash": ["sh", "-c", SHELL_LOOP % (700000 // size)],
        "perl": ["perl", "-e", PERL_LOOP % (1200000 // size)],
        "python": [PYTHON, "-S", "-c", PYTHON_LOOP % (900000 // size)],
    }


def locks(quick):
    lines = []
    for name, argv in loops(3 if quick else 1).items():
        if not pillion.have(argv[0]):  # a machine without a C++ compiler, for one
            print("%s is not there: left out" % argv[0], file=sys.stderr)
            continue
        figures = Variants(argv).figures(["leading", "below_shell"], *((1, 1, False) if quick else (5, 8)))
        lines += [line_of("one thread, %s: %s" % (name, who), ratios(figures, which, "alone"), None, "",
                          "user + system time without a preload")
                  for who, which in (("leader", "leading"), ("passenger", "below_shell"))]
    return lines
