#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of tools/recipes/fleet.md: what many machines put into one bucket, a row a second each.

fleet.py [NODES [HOURS]]        HOURS: of a job
fleet.py --measure CSV          bytes a row of a metrics.csv, in batches of some lengths, as the engine compresses them"""
import sys
import zlib

# Measured: see fleet.md, "Where the figures come from".
BYTES_A_ROW = {60: 83, 300: 76, 900: 75, 3600: 75}  # gzipped, header and all, by the rows of a batch
DOCUMENTS = (900, 1300)  # bytes of started/ and of runs/
PARQUET_A_ROW, THREE_COLUMNS = 92, 14
# Assumed: dollars of one store; put in your own. PUT and LIST, GET, a GB and month.
PUT, GET, STORED = 0.005 / 1000, 0.0004 / 1000, 0.023
PUTS_A_SECOND, GETS_A_SECOND, LISTED_AT_ONCE = 3500, 5500, 1000
DAY, MONTH = 86400, 30


def compressed(text):
    packer = zlib.compressobj(-1, zlib.DEFLATED, 31, 8)
    return len(packer.compress(text.encode()) + packer.flush())


def measure(path):
    header, *rows = open(path).read().splitlines()
    for size in (1, 60, 300, 600):
        batches = [rows[at:at + size] for at in range(0, len(rows) - size + 1, size)][:20]
        if batches:
            packed = sum(compressed("\n".join([header] + batch) + "\n") for batch in batches)
            print("%4d rows a batch: %.1f bytes a row" % (size, packed / size / len(batches)))


def figures(nodes, hours, interval):
    """Of a day, but for money, which is a month's."""
    runs = nodes * 24 / hours
    objects = runs * max(1, round(hours * 3600 / interval))
    size = nodes * DAY * BYTES_A_ROW[interval]
    puts = objects + 2 * runs
    return {"interval": interval, "puts_a_second": puts / DAY, "objects": puts, "gb": (size + runs * sum(DOCUMENTS)) / 1e9,
            "put_dollars": puts * MONTH * PUT, "store_dollars": size * MONTH / 1e9 * STORED,
            "object_kb": size / objects / 1e3, "month_objects": objects * MONTH, "month_tb": size * MONTH / 1e12,
            "month_dollars": objects * MONTH * (GET + PUT / LISTED_AT_ONCE), "month_hours": objects * MONTH / GETS_A_SECOND / 3600}


def table(nodes, hours):
    print("| seconds between batches | PUT/s | objects a day | KB an object | GB a day | $ a month for PUT | $ a month to keep a month "
          "| a query over a month's rows reads | its GETs, $ | at 5,500 GET/s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for interval in BYTES_A_ROW:
        f = figures(nodes, hours, interval)
        print("| %d | %.0f | %.2f M | %.1f | %.1f | %.0f | %.0f | %.1f M objects, %.2f TB | %.0f | %.1f h |" % (
            interval, f["puts_a_second"], f["objects"] / 1e6, f["object_kb"], f["gb"], f["put_dollars"], f["store_dollars"],
            f["month_objects"] / 1e6, f["month_tb"], f["month_dollars"], f["month_hours"]))
    runs = nodes * 24 / hours * MONTH
    print()
    print("| a month of | objects | GB | its GETs, $ |")
    print("|---|---|---|---|")
    print("| runs/, as they stand | %.1f M | %.1f | %.2f |" % (runs / 1e6, runs * DOCUMENTS[1] / 1e9, runs * (GET + PUT / LISTED_AT_ONCE)))
    print("| metrics_parquet/, all columns | some hundred | %.0f | < 0.01 |" % (nodes * DAY * MONTH * PARQUET_A_ROW / 1e9))
    print("| metrics_parquet/, timestamp and two more | the same | %.0f | < 0.01 |" % (nodes * DAY * MONTH * THREE_COLUMNS / 1e9))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        table(int((sys.argv[1:2] or [10000])[0]), float((sys.argv[2:3] or [1])[0]))
