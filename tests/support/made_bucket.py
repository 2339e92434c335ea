# SPDX-License-Identifier: Apache-2.0
"""Hundreds of runs that nobody ran, as `pillion list` finds them in a PILLION_DIR and as they stand in a bucket of the
user's own: started/, metrics/ and runs/, by the rules of src/delivery/run_document.h and object_key.h."""
import gzip
import hashlib
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import made_runs  # noqa: E402
import pillion  # noqa: E402

BEGAN = 1790812800  # 2026-10-01T00:00:00Z
DAYS = 59
SINCE, UNTIL = "2026-10-01", "2026-11-28"
JOBS = ("align-reads", "nightly etl", "train,big", "render", "sweep \"a\"", "qc", "solve", "export")
WHO = (("ada", "physics"), ("bo", "physics"), (None, "biology"), (None, None))
OF_START = "started_at clock_offset_ms interval upload_interval registration allotment time_limit_at".split()
OF_END = "finished_at duration_s exit_code signal totals cgroup energy cost".split()


def document(found, ended, share=()):
    """run_document.c, for a run whose user lets so much more out."""
    registration = found["registration"]
    made = {"format": 1, "id": found["key"], "state": "finished" if ended else "running",
            "command": json.loads(registration["command"]),
            "machine": {"boot": hashlib.sha256(found["machine"]["boot_id"].encode()).hexdigest()[:8]}}
    made.update((key, found[key]) for key in OF_START if found.get(key) is not None)
    if "hostname" in share:
        made["machine"]["host_name"] = found["machine"]["host_name"]
    if {"hostname", "account"} <= set(share) and found.get("container"):
        made["container"] = found["container"]
    if ended:
        made.update((key, found[key]) for key in OF_END if found.get(key) is not None)
        if found.get("commands"):
            made["gpu_s"] = sum(command["gpu_s"] for command in found["commands"])
        made["objects"] = 1
    return made


def objects(found, csv, batches=1):
    """{key below the prefix: bytes}."""
    date, key = found["key_date"], found["key"]
    made = {"started/date=%s/%s.json" % (date, key): json.dumps(document(found, False)).encode()}
    header, *lines = csv.rstrip("\n").split("\n")
    size = -(-len(lines) // batches) or 1
    for number in range(0, len(lines), size):
        text = "\n".join([header] + lines[number:number + size]) + "\n"
        made["metrics/date=%s/run=%s/%04d.csv.gz" % (date, key, number // size + 1)] = gzip.compress(text.encode(), mtime=0)
    if found.get("finished_at"):
        made["runs/date=%s/%s.json" % (date, key)] = json.dumps(document(found, True)).encode()
    return made


def put(place, found, csv, batches=1):
    for key, data in objects(found, csv, batches).items():
        path = pathlib.Path(place) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def one(random_, number):
    """(state, rows): everything that a question can be about, and everything that may be missing."""
    began = BEGAN + random_.randrange(DAYS * 86400 - 7200)
    job = random_.choices(JOBS, (9, 7, 5, 4, 3, 3, 2, 2))[0]
    user, team = random_.choice(WHO)
    gpus = random_.choice((1, 2, 4)) if job == "train,big" else 0
    seconds = round(random_.uniform(30, 7000), 3)
    cores = random_.choice((0.3, 0.7, 1.5, 3.2))
    peak = random_.randrange(20, 15000)
    tags = {} if user is None else {"user": user}
    more = {"state": "local", "key": "%s-%08x-%d-%016x" % (made_runs.stamp(began, "%Y%m%dT%H%M%SZ"), number % 7, 1000 + number,
                                                          random_.getrandbits(64)), "key_date": made_runs.stamp(began, "%Y-%m-%d")}
    if random_.random() < 0.3:
        tags.update(cgroup_cpus=str(random_.choice((0.5, 2, 6))), cgroup_memory_mib=str(random_.choice((64, 4096, 20000))))
    if random_.random() < 0.6:
        given = {"by": "slurm", "cpus": random_.choice((1, 4, 16)), "memory_mib": random_.choice((1024, 8192, 32768)), "seconds": 7200}
        more["allotment"] = dict(given, **({"gpus": gpus} if gpus else {}))
        tags.update(job_name=job[:4], job_partition="long", **({"job_array_index": str(number)} if number % 3 == 0 else {}))
    how = random_.choices(("well", "code", "oom", "killed", "limit", "lost", "bare"), (70, 10, 4, 4, 4, 5, 3))[0]
    if how == "code":
        more["exit_code"] = random_.choice((1, 2, 77))
    elif how in ("oom", "killed", "limit"):
        more.update(exit_code=None, signal=15 if how == "limit" else 9)
        more["cgroup"] = {"oom_kills": 2} if how == "oom" else {"oom_kills": 0}
        if how == "limit" and "allotment" in more:
            seconds = more["allotment"]["seconds"] + 30.5
            more["time_limit_at"] = made_runs.stamp(began + 7200)
    elif how == "lost":
        more.update(finished_at=None, duration_s=None, exit_code=None, totals=None, state="running")
    elif how == "bare":
        more.update(totals=None)  # killed, and ended by sync
    rows = made_runs.rows(began, seconds, random_.randrange(5, 40), gpu=gpus > 0, most_mib=peak, cores=cores)
    if gpus:
        part = random_.choice((0, 0.4, 1))
        more["commands"] = [{"name": "train", "processes": 1, "user_s": 1.0, "system_s": 0.0, "memory_max_mib": 1.0, "read_bytes": 0,
                             "write_bytes": 0, "gpu_s": round(part * seconds * gpus, 3)}]
        rows = "\n".join(scaled(line, part) for line in rows.split("\n"))
    found = made_runs.state(began, 1000 + number, job, (job.split()[0], "--input", "secret"), seconds, "%d.0" % (number // 2), tags,
                            round(cores * seconds, 3), peak, "node%d" % (number % 7), gpus, **more)
    found["registration"].update({} if team is None else {"team": team})
    found["registration"]["command"] = json.dumps([job.split()[0]])
    found["registration"]["host_vcpus"] = 16
    return found, rows


def scaled(line, part):
    """The GPU usage of a line of made_runs.rows, in part: idle where it is 0."""
    cells = line.split(",")
    at = [column.name for column in pillion.COLUMNS].index("process_gpu_usage")
    if len(cells) > at and cells[0] != "timestamp":
        cells[at] = "%.4f" % (float(cells[at]) * part)
    return ",".join(cells)


def runs(count=320, seed=18):
    random_ = random.Random(seed)
    return [one(random_, number) for number in range(count)]


def write(folder, place, made):
    """PILLION_DIR `folder` and the bucket's `place` get the same runs."""
    for number, (found, csv) in enumerate(made):
        made_runs.write(folder, found, csv)
        put(place, found, csv, batches=1 + number % 3)
