# SPDX-License-Identifier: Apache-2.0
"""Runs of jobs of many nodes that nobody ran, with figures that are known: for sums, pictures and pages.

made_jobs.py FOLDER KIND; KIND is four, many, gpus or array."""
import math
import sys

import made_runs
from made_runs import BEGAN, pillion, stamp


def rows(began, seconds, interval, figures, holes=(), clock=0.0):
    """`figures(t)` tells cores, MiB, GPUs and MiB of the machine at a time of the job; a row holds what was at its end, and
    of the cores the seconds since the row before. No row ends in a hole; the clock is so much ahead."""
    lines, before, at = [pillion.HEADER], 0.0, 0.0
    while at < seconds - 1e-9:
        at = min(at + interval, seconds)
        if any(first < at < last for first, last in holes):
            continue
        cores, memory, gpus, machine = figures(at)
        step = at - before
        cells = dict.fromkeys((column.name for column in pillion.COLUMNS), "")
        cells.update(timestamp="%.3f" % (BEGAN + began + at + clock), system_processes="99", system_utime="%.6f" % (cores * step),
                     system_stime="0.000000", system_cpu_usage="%.4f" % (cores + 0.25), system_memory_used_mib="%.4f" % machine,
                     system_disk_read_bytes="0", system_disk_write_bytes="0", system_net_recv_bytes="%d" % (1000 * step),
                     system_net_sent_bytes="%d" % (500 * step), process_pid="7", process_children="1",
                     process_utime="%.6f" % (cores * step), process_stime="0.000000", process_cpu_usage="%.4f" % cores,
                     process_memory_mib="%.4f" % memory, process_disk_read_bytes="%d" % (2000 * step),
                     process_disk_write_bytes="%d" % (3000 * step))
        if gpus is not None:
            cells.update(process_gpu_usage="%.4f" % gpus, process_gpu_vram_mib="%.4f" % (20000 * (gpus > 0)),
                         process_gpu_utilized="%d" % math.ceil(gpus), system_gpu_usage="%.4f" % gpus,
                         system_gpu_vram_mib="%.4f" % (20000 * (gpus > 0)), system_gpu_utilized="%d" % math.ceil(gpus))
        lines.append(",".join(cells[column.name] for column in pillion.COLUMNS))
        before = at
    return "\n".join(lines) + "\n"


def made(host, figures, seconds=100.0, began=0.0, interval=1.0, job="4711.0", holes=(), clock=0.0, boot=None, pid=1000,
         given=(4, 8192, 3600), cpu_s=None, gpus=0, cluster=None, name="simulate", tags=None, orchestrator="slurm", **more):
    """A run of a job on one node, and its rows. Its CPU seconds are those of its rows."""
    text = rows(began, seconds, interval, lambda at: figures(began + at), holes, clock)
    table = [dict(zip(pillion.HEADER.split(","), line.split(","))) for line in text.splitlines()[1:]]
    told = {"job_name": name, **({"job_cluster": cluster} if cluster else {}), **(tags or {})}
    found = made_runs.state(BEGAN + began + clock, pid, name, ("./simulate", "--steps", "100"), seconds, job, told,
                            sum(float(row["process_utime"]) for row in table) if cpu_s is None else cpu_s,
                            peak_mib=max([float(row["process_memory_mib"]) for row in table], default=1), host=host, gpus=gpus,
                            state="local", baseline={"monotonic_us": 1}, interval=interval)
    found["machine"]["boot_id"] = boot or "boot-of-" + host
    found["registration"].update(host_vcpus=16, host_memory_mib=65536, **({"orchestrator": orchestrator} if orchestrator else {}))
    if given:
        found["allotment"] = dict(by="slurm", cpus=given[0], memory_mib=given[1], seconds=given[2], **({"gpus": gpus} if gpus else {}))
    if clock:
        found["clock_offset_ms"] = round(clock * 1000)
    found.update(more)
    return {key: value for key, value in found.items() if value is not None}, text


def node(folder, *words, **more):
    return made_runs.write(folder, *made(*words, **more)).name


def killed(**more):
    return dict(exit_code=None, signal=9, **more)


def silent(**more):
    """Killed, and nobody of that node can tell: its run still says that it runs."""
    return dict(state="running", finished_at=None, duration_s=None, exit_code=None, totals=None, **more)


def four(folder):
    """Four nodes: one is killed halfway, one's clock is 3 s ahead, one has a hole and rows of another interval."""
    def work(level, mib):
        return lambda t: (level * (0.9 + 0.1 * math.sin(t / 9)), mib * min(1.0, 0.2 + t / 120), None, mib + 3000)

    node(folder, "node1", work(3.6, 5200), 120.0, pid=11)
    node(folder, "node2", work(3.4, 4100), 62.0, began=1, pid=12, **killed())
    node(folder, "node3", work(3.7, 4300), 118.0, began=2, clock=3.0, pid=13)
    node(folder, "node4", work(0.6, 900), 120.0, interval=2.0, pid=14, holes=((40, 70),))


def many(folder, count=100):
    """A hundred nodes that come one after the other, some idle, some dead; GPUs on none."""
    for i in range(count):
        level = 0.4 if i % 23 == 7 else 3.0 + 0.9 * math.sin(i)
        ends = 300.0 if i % 31 == 11 else 580.0 - 40 * (i % 3)
        node(folder, "cn%04d" % (100 + i), lambda t, level=level, i=i: (level * (0.75 + 0.25 * math.sin((t + 7 * i) / 40)),
                                                                         2000 + 30 * i + 3 * t, None, 9000),
             ends, began=min(i * 0.5, 20), interval=5.0, pid=2000 + i, clock=-7.5 if i == 42 else 0.0,
             **(killed() if i % 31 == 11 else {}))


def gpus(folder):
    for i in range(12):
        node(folder, "gpu-%d.hpc.example" % i, lambda t, i=i: (2.0, 30000, 3.6 if i != 5 else 0.5 * (t % 100 > 50), 40000), 900.0,
             interval=5.0, pid=3000 + i, gpus=4, given=(16, 65536, 7200), name="pretrain-13b", job="88.0")


if __name__ == "__main__":
    {"four": four, "many": many, "gpus": gpus, "crowd": lambda folder: many(folder, 300)}[sys.argv[2]](sys.argv[1])
