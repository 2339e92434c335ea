#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run folders that nobody ran, for pages that have to be looked at: synthetic_run.py FOLDER KIND

KIND is make, day, failed, oom, gpu, gpus, waits, compare (five runs) or array (300 tasks). Numbers come from a fixed seed."""
import json
import math
import pathlib
import random
import sys
import time

import pillion

BEGAN = 1795000000.0  # 2026-11-18


def write(folder, run_id, rows, by_command=(), by_gpu=(), **state):
    """A run with these rows, dictionaries of columns; its state begins with what all runs have."""
    path = pathlib.Path(folder) / run_id
    path.mkdir(parents=True, mode=0o700)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(BEGAN))
    registration = {"job_name": "job", "host_vcpus": 4, "host_memory_mib": 16000, "host_cpu_model": "Example CPU 4000"}
    registration.update(state.pop("registration", {}))
    merged = {"format": 1, "id": run_id, "state": "local", "command": ["python3", "train.py"], "pid": 4242, "pid_start": 1,
              "machine": {"boot_id": "0", "pid_namespace": 1, "host_name": "node7"}, "started_at": stamp, "interval": 1,
              "baseline": {"monotonic_us": 1}, "registration": registration, "finished_at": stamp, "exit_code": 0,
              "duration_s": rows[-1]["timestamp"] - BEGAN if rows else 0}
    merged.update(state)
    merged = {key: value for key, value in merged.items() if value is not None}
    (path / "run.jsonl").write_text(json.dumps(merged) + "\n")
    lines = [pillion.HEADER] + [",".join(cell(row, column) for column in pillion.COLUMNS) for row in rows]
    (path / "metrics.csv").write_text("\n".join(lines) + "\n")
    if by_command:
        text = ["timestamp,command,processes,cpu_usage,memory_mib,disk_read_bytes,disk_write_bytes,gpu_usage"]
        text += ["%.3f,%s,%d,%.4f,%.4f,%d,%d,%.4f" % ((one[0], quoted(one[1])) + tuple(one[2:])) for one in by_command]
        (path / "commands.csv").write_text("\n".join(text) + "\n")
    if by_gpu:
        text = ["timestamp,gpu,usage,memory_mib,run_usage,run_memory_mib,temperature_c,power_w"]
        text += ["%.3f,%d,%.4f,%.2f,%.4f,%.2f,%d,%.1f" % tuple(one) for one in by_gpu]
        (path / "gpus.csv").write_text("\n".join(text) + "\n")
    return path


def quoted(text):
    return '"%s"' % text.replace('"', '""') if set(text) & set(',"\r\n') else text


def cell(row, column):
    value = row.get(column.name)
    return "" if value is None else "%.*f" % (column.decimals, value)


def row(at, cpu, memory, read=0, write=0, system=0.1, **more):
    """A row that covers the second before BEGAN + at."""
    made = {"timestamp": BEGAN + at, "system_processes": 150, "system_utime": cpu, "system_stime": system,
            "system_cpu_usage": cpu + system + 0.05, "system_memory_used_mib": memory + 2500, "process_pid": 4242,
            "process_children": 3, "process_utime": cpu, "process_stime": system, "process_cpu_usage": cpu + system,
            "process_memory_mib": memory, "process_disk_read_bytes": read, "process_disk_write_bytes": write,
            "system_disk_read_bytes": read, "system_disk_write_bytes": write, "system_net_recv_bytes": 1000 + read // 50,
            "system_net_sent_bytes": 700}
    made.update(more)
    return made


def make_like(random_, seconds=40, each=0.5):
    rows, commands, names = [], [], ["cc1", "as", "ld", "make", "sh"]
    at = 0
    while at < seconds:
        at += each
        used = [random_.uniform(1.2, 1.7), random_.uniform(0, 0.2), 0.9 if at > seconds - 4 else 0, 0.02, random_.uniform(0, 0.05)]
        if at > seconds - 4:
            used[0] = 0.1
        memory = [random_.uniform(60, 260), 12, 300 if used[2] else 0, 4, 3]
        rows.append(row(at, sum(used) * each * 0.85, sum(memory), random_.randrange(200000), random_.randrange(4000000),
                        system=sum(used) * each * 0.15))
        rows[-1]["process_cpu_usage"] = sum(used)
        rows[-1]["system_cpu_usage"] = sum(used) + random_.uniform(0, 0.15)
        commands += [(BEGAN + at, name, 1 if memory[i] else 0, used[i], memory[i], 0, 0, 0) for i, name in enumerate(names)]
    totals = [{"name": name, "processes": 40 - 7 * i, "user_s": sum(c[3] for c in commands if c[1] == name) * each * 0.85,
               "system_s": sum(c[3] for c in commands if c[1] == name) * each * 0.15,
               "memory_max_mib": max(c[4] for c in commands if c[1] == name), "read_bytes": 9000 * i,
               "write_bytes": 4000000 // (i + 1), "gpu_s": 0} for i, name in enumerate(names)]
    return rows, commands, totals


def day(random_, seconds=86400, names=("python3 train.py", "worker", "gzip", "cp", "rsync", "sh", "awk", "sort", "others")):
    rows, commands, memory = [], [], 900.0
    for at in range(1, seconds + 1):
        phase = math.sin(at / 3000) ** 2
        used = [phase + random_.random() * 0.4] + [max(0, random_.gauss(0.12, 0.1)) for _ in names[1:]]
        if at == 40000:
            used[0] = 31.5  # a peak of one row
        memory += random_.gauss(0.002, 0.4)
        rows.append(row(at, sum(used) * 0.9, memory, int(random_.expovariate(1e-6)), int(random_.expovariate(2e-6)), sum(used) * 0.1))
        commands += [(BEGAN + at, name, 1, used[i], memory / (i + 2), 0, 0, 0) for i, name in enumerate(names)]
    return rows, commands


def gpu_like(random_, seconds=600, waits=False):
    rows = []
    for at in range(1, seconds + 1):
        stalls = waits and 200 < at < 330
        busy = 0.03 if stalls else max(0, min(1, 0.85 + random_.gauss(0, 0.1)))
        rows.append(row(at, 1.0 if stalls else 0.6 + random_.random() * 0.3, 4000 + at, 12000000 if stalls else 2000000, 0,
                        process_gpu_usage=busy, system_gpu_usage=busy, process_gpu_vram_mib=18000 + 10 * random_.random(),
                        system_gpu_vram_mib=19500, process_gpu_utilized=1, system_gpu_utilized=1))
    return rows


def four_gpus(random_, rows):
    """The third waits for the others, and the fourth does nothing."""
    lines = []
    for i, one in enumerate(rows):
        uses = [max(0, min(1, use + random_.gauss(0, 0.05))) for use in (0.93, 0.9, 0.45 if i % 60 < 30 else 0.9)] + [0]
        one.update(process_gpu_usage=sum(uses), system_gpu_usage=sum(uses), process_gpu_utilized=3, system_gpu_utilized=3, process_gpu_vram_mib=3 * 30000.0, system_gpu_vram_mib=91000.0)
        lines += [(one["timestamp"], gpu, use, 30000 if use else 450, use, 30000 if use else 0, 35 + 40 * use, 70 + 600 * use)
                  for gpu, use in enumerate(uses)]
    return lines


GPU = {"host_gpu_model": "Example GPU 40GB", "host_gpu_count": 1, "host_gpu_memory_mib": 40960, "job_name": "resnet-baseline",
       "tags": [{"key": "lr", "value": "0.1"}, {"key": "seed", "value": "3"}]}


def kinds(folder, kind):
    random_ = random.Random(16)
    if kind == "make":
        rows, commands, totals = make_like(random_)
        write(folder, "make", rows, commands, command=["make", "-j2"], commands=totals, registration={"job_name": "make", "host_vcpus": 2})
    elif kind == "day":
        rows, commands = day(random_)
        write(folder, "day", rows, commands, registration={"job_name": "day", "host_vcpus": 32})
    elif kind == "failed":
        rows = [row(i, 0.5, 100 + i) for i in range(1, 30)]
        write(folder, "failed", rows, exit_code=3, state="undelivered", reason="HTTP 401: Invalid token", registration={"job_name": "failed"})
    elif kind == "oom":
        rows = [row(i, 1, 12 + i * 15) for i in range(1, 34)]
        write(folder, "oom", rows, exit_code=None, signal=9, cgroup={"oom_kills": 1},
              registration={"job_name": "eats", "tags": [{"key": "cgroup_memory_mib", "value": "512"}]},
              totals={"user_s": 33, "system_s": 3, "max_rss_kib": 524288, "max_rss_exact": True, "cgroup_memory_peak": 536870912})
    elif kind in ("gpu", "waits"):
        write(folder, kind, gpu_like(random_, waits=kind == "waits"), registration=GPU)
    elif kind == "gpus":
        rows = gpu_like(random_)
        write(folder, kind, rows, by_gpu=four_gpus(random_, rows), registration=dict(GPU, host_gpu_count=4, host_gpu_memory_mib=163840, host_vcpus=32),
              energy={"cpu_j": 84000, "cpu_share_j": 60000, "cpu_source": "powercap", "gpu_j": 980000, "gpu_share_j": 980000, "gpu_source": "nvml"})
    elif kind == "compare":
        for i in range(5):
            rows = gpu_like(random_, 400 + 60 * i)
            for one in rows:
                one["process_utime"] *= 1 + i / 4
            write(folder, "try%d" % (i + 1), rows, registration=dict(GPU, job_name="lr=%g" % (0.1 / (i + 1))))
    elif kind == "array":
        for task in range(300):
            length = int(random_.gauss(60, 12)) + 5
            killed = task % 71 == 5
            rows = [row(i, 0.9 + random_.random() * 0.1 if i < length * 0.8 else 0.2, 300 + 2 * i + task) for i in range(1, length)]
            write(folder, "task%03d" % task, rows, exit_code=None if killed else 0, signal=15 if killed else None,
                  registration={"job_name": "climate-sweep", "external_run_id": "4711_%d" % task, "host_vcpus": 1,
                                "tags": [{"key": "cgroup_memory_mib", "value": "1024"}, {"key": "cgroup_cpus", "value": "1"}]})
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    kinds(*sys.argv[1:])
