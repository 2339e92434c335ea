# SPDX-License-Identifier: Apache-2.0
"""memory_jobs.py SHAPE BEAT MIB COUNT [HOW]: trees of Python, whose reference counts write to whatever they look at.
BEAT: ms, as in memory_jobs.c."""
import multiprocessing
import os
import random
import sys
import time

SHAPE, BEAT, MIB, COUNT = sys.argv[1], int(sys.argv[2]) / 1000, int(sys.argv[3]), int(sys.argv[4])
PAGE = 4096
data = None


def take():
    block = bytearray(MIB << 20)
    for i in range(0, len(block), PAGE):
        block[i] = 1
    return block


def in_children(body):
    for number in range(COUNT):
        if os.fork() == 0:
            body(number)
            os._exit(0)
    for _ in range(COUNT):
        os.wait()


def holds():
    block = bytearray(b"x") * (MIB << 20)
    time.sleep(3 * BEAT)
    return len(block)


def reference_counts():
    """Some 150 bytes an object; what a child looks at, it copies."""
    objects = [str(i) * 4 for i in range(MIB * 7000)]

    def look_at_some(number):
        chance, end = random.Random(number), time.monotonic() + 4 * BEAT
        while time.monotonic() < end:
            at = chance.randrange(len(objects) - 3000)
            [word for word in objects[at:at + 3000]]
            time.sleep(BEAT / 120)

    in_children(look_at_some)
    time.sleep(BEAT)


def copies_slowly():
    block = take()

    def copy(number):
        for i in range(0, len(block), PAGE):
            block[i] = 2
            if i % (PAGE * 256) == 0:
                time.sleep(2 * BEAT / MIB)
        time.sleep(1.5 * BEAT)

    in_children(copy)


def work(seconds):
    end, kept, total = time.monotonic() + seconds, [], 0
    while time.monotonic() < end:
        if data is not None:
            total += sum(data[i] for i in range(0, len(data), 40 * PAGE))
        kept.append(bytearray(b"y") * (1 << 20))
        if len(kept) > 40:
            kept = []
        time.sleep(0.02)
    return total


def pool():
    global data
    data = bytearray(b"x") * (MIB << 20)
    with multiprocessing.get_context(sys.argv[5]).Pool(COUNT) as workers:
        workers.map(work, [BEAT] * (2 * COUNT), chunksize=1)
        time.sleep(BEAT)
    time.sleep(BEAT)


def sum_part(part):
    """By fork the array is the parent's, of which a part is copied; otherwise it came with the part, a copy already."""
    number, values = part
    if values is None:
        step = len(data) // COUNT
        values = data[number * step:(number + 1) * step]
    values *= 2
    time.sleep(1.5 * BEAT)
    doubled = values + values
    time.sleep(1.5 * BEAT)
    return float(doubled.sum())


def numpy_pool():
    global data
    import numpy
    data = numpy.ones(MIB << 17)
    time.sleep(BEAT)
    parts = list(enumerate([None] * COUNT if sys.argv[5] == "fork" else numpy.array_split(data, COUNT)))
    with multiprocessing.get_context(sys.argv[5]).Pool(COUNT) as workers:
        workers.map(sum_part, parts, chunksize=1)
    time.sleep(1.5 * BEAT)


def mean_of(values, number):
    time.sleep(number * BEAT / 2)
    mean = float(values[number::COUNT].mean())
    time.sleep(2 * BEAT)
    return mean


def loky():
    """An array this large is put into a file of /dev/shm, which the workers map."""
    import joblib
    import numpy
    values = numpy.ones(MIB << 17)
    time.sleep(BEAT)
    joblib.Parallel(n_jobs=COUNT)(joblib.delayed(mean_of)(values, number) for number in range(COUNT))
    time.sleep(1.5 * BEAT)


if __name__ == "__main__":
    {"holds": holds, "reference_counts": reference_counts, "copies_slowly": copies_slowly, "pool": pool,
     "numpy_pool": numpy_pool, "loky": loky}[SHAPE]()
