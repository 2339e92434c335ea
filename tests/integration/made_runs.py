# SPDX-License-Identifier: Apache-2.0
"""Run folders that are made, not run: the same figures on every machine, for pictures and for thousands of runs."""
import json
import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pillion  # noqa: E402

BEGAN = 1795869360  # 2026-11-28T12:36:00Z
BASE_TAGS = {"lr": "0.1", "seed": "3"}


def stamp(seconds, form="%Y-%m-%dT%H:%M:%SZ"):
    return time.strftime(form, time.gmtime(seconds))


def state(began=BEGAN, pid=14628, name="resnet-baseline", command=("python3", "train.py", "--lr", "0.1"), seconds=8040.0,
          job=None, tags=BASE_TAGS, cpu_s=11600.0, peak_mib=366, host="node7", gpus=0, **more):
    """The lines of run.jsonl as one object; what is None is left out."""
    registration = {"job_name": name, "command": json.dumps(list(command)), "external_run_id": job,
                    "tags": [{"key": key, "value": value} for key, value in tags.items()], "host_vcpus": 2,
                    "host_memory_mib": 24064, "host_cpu_model": "AMD EPYC 7B13"}
    if gpus:
        registration.update(host_gpu_count=gpus, host_gpu_memory_mib=40960 * gpus, host_gpu_model="NVIDIA A100-SXM4-40GB")
    found = {"format": 1, "id": "%s-%s-%d" % (stamp(began, "%Y%m%dT%H%M%SZ"), host, pid), "state": "finished",
             "command": list(command), "pid": pid, "pid_start": 1,
             "machine": {"boot_id": "00000000-0000-0000-0000-000000000000", "pid_namespace": 1, "host_name": host},
             "started_at": stamp(began), "interval": 1, "registration": registration,
             "finished_at": stamp(began + seconds), "duration_s": seconds, "exit_code": 0,
             "totals": {"user_s": cpu_s * 0.9, "system_s": cpu_s * 0.1, "max_rss_kib": peak_mib * 1024, "max_rss_exact": True},
             "cost": {"cpu_s": 2.5, "rows": 100}}
    found.update(more)
    registration.update({key: value for key, value in list(registration.items()) if value is not None})
    found["registration"] = {key: value for key, value in registration.items() if value is not None}
    return {key: value for key, value in found.items() if value is not None}


def job(number, began, pid, name, task=None, rank=None, given=(4, 8192, 3600), **more):
    """A run of a job of Slurm: (cores, MiB, seconds) are what it was given."""
    told = {"job_name": name, "job_partition": "gpu"}
    told.update({} if rank is None else {"job_rank": str(rank), "job_ranks": "8"})
    found = state(began, pid, name, job=number, tags=told, allotment={
        "by": "slurm", "cpus": given[0], "memory_mib": given[1], "seconds": given[2]}, time_limit_at=stamp(BEGAN + given[2]), **more)
    if task:
        found["registration"]["task_name"] = task
    return found


def jobs(folder):
    """A script, two steps, one of them on two nodes, an array's task and one that ran into its limit; oldest first."""
    made = (job("42", BEGAN, 200, "nightly", command=("bash", "slurm_script"), seconds=1800.0, cpu_s=2.0, peak_mib=4),
            job("42.0", BEGAN + 10, 201, "nightly", "prepare", 0, command=("./prepare",), seconds=600.0, cpu_s=1900.0),
            job("42.1", BEGAN + 620, 202, "nightly", "train.py", 0, command=("python3", "train.py"), seconds=1100.0,
                cpu_s=3900.0, peak_mib=5200),
            job("42.1", BEGAN + 620, 203, "nightly", "train.py", 4, command=("python3", "train.py"), seconds=1100.0,
                cpu_s=3700.0, peak_mib=5100, host="node8"),
            job("43_7", BEGAN + 640, 204, "sweep", command=("bash", "slurm_script"), seconds=90.0, cpu_s=80.0,
                given=(1, 512, 600), exit_code=2),
            job("44.0", BEGAN, 205, "endless", "solve", 0, command=("./solve",), seconds=3615.0, cpu_s=14000.0,
                exit_code=143, signal=15))
    for found in made:
        write(folder, found, rows(BEGAN, found["duration_s"], 60, most_mib=300.0))
    return [found["id"] for found in made]


def rows(began, seconds, count, gpu=False, most_mib=345.0, cores=1.45):
    """Waves: their means and maxima are known."""
    step = seconds / count
    lines = [pillion.HEADER]
    for n in range(1, count + 1):
        wave = (1 + math.sin(n / 5.0)) / 2
        cells = dict.fromkeys((column.name for column in pillion.COLUMNS), "")
        cells.update(timestamp="%.3f" % (began + n * step), system_processes="120", system_utime="%.6f" % (1.6 * step),
                     system_stime="%.6f" % (0.1 * step), system_cpu_usage="1.7000", system_memory_used_mib="2300.0000",
                     system_disk_read_bytes="%d" % (13e6 * step), system_disk_write_bytes="%d" % (2e5 * step),
                     system_net_recv_bytes="400", system_net_sent_bytes="1", process_pid="14628", process_children="2",
                     process_utime="%.6f" % (cores * 0.9 * step), process_stime="%.6f" % (cores * 0.1 * step),
                     process_cpu_usage="%.4f" % (cores + 0.5 * (wave - 0.5)),
                     process_memory_mib="%.4f" % (most_mib * min(1.0, 0.3 + 0.7 * n / count)),
                     process_disk_read_bytes="%d" % (24e6 * step * (n % 3 == 0) * 2),
                     process_disk_write_bytes="%d" % (2e5 * step))
        if gpu:
            cells.update(process_gpu_usage="%.4f" % (0.98 * wave), process_gpu_vram_mib="%.4f" % (18000 + 4000 * n / count),
                         process_gpu_utilized="1", system_gpu_usage="%.4f" % (0.98 * wave), system_gpu_vram_mib="22000.0000",
                         system_gpu_utilized="1")
        lines.append(",".join(cells[column.name] for column in pillion.COLUMNS))
    return "\n".join(lines) + "\n"


def write(folder, found, csv=None, log=None, commands=None):
    """PILLION_DIR `folder` gets this run, as old as it says it is."""
    path = pathlib.Path(folder) / "runs" / found["id"]
    for place in (path.parent.parent, path.parent, path):
        place.mkdir(mode=0o700, exist_ok=True)
    (path / "run.jsonl").write_text(json.dumps(found) + "\n")
    for name, text in (("metrics.csv", csv), ("log", log), ("commands", commands)):
        if text is not None:
            (path / name).write_text(text)
    for entry in [*path.iterdir(), path]:
        os.utime(entry, (BEGAN, BEGAN))
    return path


COMMANDS = [{"name": "python3 train.py", "processes": 1, "user_s": 8000.0, "system_s": 840.0, "memory_max_mib": 310.0,
             "read_bytes": 1, "write_bytes": 2, "gpu_s": 3940.0},
            {"name": "worker", "processes": 2, "user_s": 2500.0, "system_s": 260.0, "memory_max_mib": 12.0, "read_bytes": 0,
             "write_bytes": 0, "gpu_s": 0}]


def gallery(folder):
    """One of each kind that a picture is made of: {what it shows: its ID}, oldest first."""
    limited = {"cgroup_memory_mib": "57", "cgroup_cpus": "1.5"}
    made = {
        "refused": (state(BEGAN, 100, "etl-nightly", ("sh", "-c", "extract | load"), 61.5, job="3_4", cpu_s=89.2,
                          state="undelivered", reason="HTTP 401 Invalid token", exit_code=3,
                          allotment={"by": "slurm", "cpus": 2, "memory_mib": 8192, "seconds": 7200}),
                    rows(BEGAN, 61.5, 60), None),
        "killed": (state(BEGAN + 100, 101, "eats-memory", ("./grow", "--by", "1M"), 2.0, tags=limited, cpu_s=1.1,
                         peak_mib=57, state="local", exit_code=None, signal=9,
                         cgroup={"oom_kills": 1, "cpu_periods": 20, "cpu_periods_throttled": 4, "cpu_throttled_s": 0.12}),
                   rows(BEGAN + 100, 2.0, 4, most_mib=56.9, cores=0.55), None),
        "lost": (state(BEGAN + 200, 102, "sweep", ("bash", "sweep.sh"), 30.0, state="running", finished_at=None,
                       duration_s=None, exit_code=None, totals=None), rows(BEGAN + 200, 30.0, 30),
                 "name                ,processes,user_s,system_s,memory_max_mib,read_bytes,write_bytes,gpu_s\n"
                 "\"awk, the first\"    ,        3,  12.5,     0.5,          80.0,         0,          0,    0\n"),
        "words": (state(BEGAN + 300, 103, "=cmd|' /C calc'!A0", ("\x1b[2J\x07</script>", "<img onerror=alert(1)>"), 5.0,
                        job="@SUM(1)", tags={"k": "\x1b]0;x\x07"}, cpu_s=7.25, state="local", exit_code=0),
                  rows(BEGAN + 300, 5.0, 5), None),
        "trained": (state(BEGAN + 400, 104, gpus=1, commands=COMMANDS, energy={
            "cpu_j": 804000.5, "cpu_share_j": 512000.25, "cpu_source": "powercap", "gpu_j": 1950000, "gpu_share_j": 1950000,
            "gpu_source": "nvml"}, sentinel_run_id="run-1-8f69455d", uploaded=3),
                    rows(BEGAN + 400, 8040.0, 4020, gpu=True), None),
    }
    for found, csv, commands in made.values():
        write(folder, found, csv, commands=commands)
    return {name: found["id"] for name, (found, _, _) in made.items()}


if __name__ == "__main__":
    print(gallery(sys.argv[1]))
