# SPDX-License-Identifier: Apache-2.0
"""CPU of a row: against the smallest C program (bench_rows), and of the thread in a run as a user would make it."""
import statistics
import time

from measure import OLD_CLIENTS, PYTHON, Line, Sleeper, count_rows, pillion, run_c, spread, thread_cpu, thread_of, \
    wait_for_rows

TOUCH_2_GIB = """
import mmap, time
memory = mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for page in range(0, 2 << 30, 4096):
    memory[page] = 1
time.sleep(1000)
"""
CHILDREN = "for i in $(seq 200); do sleep 1000 & done; wait"

SCENES = {
    "idle": (["sleep", "1000"], "2 to 3 ms"),
    "200 sleeping children": (["sh", "-c", CHILDREN], "18 to 22 ms"),
    "one process of 2 GiB": ([PYTHON, "-S", "-c", TOUCH_2_GIB], "15 to 18 ms"),
}


def in_c(quick):
    """What bench_rows tells: rows, tree walking, PSS."""
    return [line for mode in ("idle", "many", "pss", "scale")
            for line in run_c("bench_rows", mode, *(["2"] if quick else []), timeout=600)]


def rows_of(argv, settle, rows):
    """Milliseconds of the thread's CPU between instants in the midst of two ticks, each over the rows between them."""
    state = pillion.fresh_folder()
    looks = []
    with Sleeper(argv, pillion.clean_env(pillion_dir=state), pillion.HOOK) as pid:
        wait_for_rows(state, settle, 30)
        task = thread_of(pid)
        begin = time.monotonic() + 0.5
        for number in range(rows + 1):
            time.sleep(max(0, begin + number - time.monotonic()))
            looks.append((thread_cpu(task), count_rows(state)))
    return [(after[0] - before[0]) / (after[1] - before[1]) / 1e6 for before, after in zip(looks, looks[1:])
            if after[1] > before[1]]


def in_a_run(quick):
    lines = []
    for name, (argv, old) in SCENES.items():
        figures = rows_of(argv, *((1, 2) if quick else (3, 12)))
        lines.append(Line("the thread's CPU a row at 1 Hz in a run, %s (mean)" % name, statistics.mean(figures), None,
                          "ms", OLD_CLIENTS + old, spread(figures, "rows")))
    return lines
