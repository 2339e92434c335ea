#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that takes no more, a folder that is gone, no place at all: the program does not notice, and a run that
streams still delivers every row. PILLION_OUTPUT, on another disk, tells which rows there were."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import StreamedTest, pillion  # noqa: E402

PROGRAM = "echo out; echo err >&2; sleep %s; exit 3"
PAGE = os.sysconf("SC_PAGE_SIZE")
MEMORY_MAX = 4096  # KiB of a program whose rows wait in memory
FILLER = '{"filler":"%s"}\n'
ROOT = os.geteuid() == 0


class Disk:
    """A small file system of its own, in a mount namespace of its own, at `place`."""

    def __init__(self, place, options):
        self.place = place
        script = 'mount -t tmpfs -o "$1" none "$2" && echo ready && exec sleep 1000'
        self.keeper = subprocess.Popen(
            ["unshare", "-m" if ROOT else "-Urm", "sh", "-c", script, "sh", options, str(place)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.keeper.stdout.readline() != b"ready\n":
            why = self.keeper.stderr.read().decode().strip().split("\n")[-1]
            self.close()
            raise unittest.SkipTest("no file system can be mounted here: %s" % why)

    @property
    def inside(self):
        """The same folder, seen from outside."""
        return pathlib.Path("/proc/%d/root" % self.keeper.pid) / str(self.place).lstrip("/")

    def enter(self, *argv, preload=True):
        """Of a program that sees it. env and nsenter have no run of their own."""
        words = ["nsenter", "-t", str(self.keeper.pid), "-m"] + ([] if ROOT else ["-U", "--preserve-credentials"])
        return words + ["env"] + (["LD_PRELOAD=%s" % pillion.HOOK] if preload else []) + [str(word) for word in argv]

    def fill(self):
        with open(self.inside / "filler", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(PAGE))
            except OSError:
                pass

    def fill_to_the_brim(self):
        """Not even the page that run.jsonl has begun takes a line more. To be called when nothing is written there."""
        self.fill()
        path, = self.inside.glob("runs/*/run.jsonl")
        with open(path, "ab", buffering=0) as file:
            rest = -os.fstat(file.fileno()).st_size % PAGE
            if rest > len(FILLER % ""):
                file.write((FILLER % ("-" * (rest - len(FILLER % "")))).encode())

    def make_room(self):
        (self.inside / "filler").unlink()

    def close(self):
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stdout.close()
        self.keeper.stderr.close()


class DiskTest(StreamedTest):
    def disk(self, options="size=256k"):
        for tool in ("unshare", "nsenter"):
            if shutil.which(tool) is None:
                self.skipTest("%s is missing: install the package util-linux" % tool)
        disk = Disk(self.dir, options)
        self.addCleanup(disk.close)
        return disk

    @property
    def output(self):
        return self.tmp / "output.csv"

    def begin(self, disk=None, lasts=3.3, script=PROGRAM, **variables):
        env = self.env(**dict({"PILLION_OUTPUT": self.output, "PILLION_EXIT_TIMEOUT": "20"}, **variables))
        argv = ["sh", "-c", script % lasts]
        return self.start(*argv, env=env) if disk is None else self.start(*disk.enter(*argv), env=env, preload=False)

    def private_kib(self, program):
        with open("/proc/%d/smaps_rollup" % program.pid) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(("Anonymous:", "Swap:")))

    def stored(self, count, disk=None):
        """Waits until the run knows that so many objects are stored."""
        folder = self.dir if disk is None else disk.inside
        pillion.wait_for(lambda: any(run.get("uploaded", 0) >= count for run in pillion.runs(folder)), timeout=30,
                         what="%d objects" % count)

    def more_rows(self, count):
        rows = self.output.read_text().count("\n")
        pillion.wait_for(lambda: self.output.read_text().count("\n") > rows + count, timeout=30, what="rows")

    def anew(self):
        """Another case in the same test."""
        self.doCleanups()
        self.setUp()
        self.output.unlink(missing_ok=True)

    def assertUntouched(self, result):
        self.assertEqual((result.status, result.stdout, result.stderr), (3, b"out\n", b"err\n"))

    def assertAllThere(self, disk=None):
        """One run on the server, with every row that there was. It."""
        ended = self.server.finished_runs()
        self.assertEqual(len(ended), 1, self.told(disk))
        self.assertEqual(ended[0]["csv"], self.output.read_text(), self.told(disk))
        self.assertEqual(ended[0]["finish"].get("exit_code"), 3, self.told(disk))
        self.assertNoComplaints()
        return ended[0]

    def told(self, disk=None):
        folder = self.dir if disk is None else disk.inside
        return "%s\n%s\n%s" % ("\n".join(run.describe() for run in pillion.runs(folder)), self.server.requests,
                               self.s3.requests)

    def sync_inside(self, disk):
        return self.launch(*disk.enter(pillion.COMMAND, "sync", preload=False), preload=False,
                           env=self.env(PILLION_OUTPUT=None))


class Full(DiskTest):
    def test_full_from_the_start(self):
        disk = self.disk()
        disk.fill()
        self.assertUntouched(self.begin(disk).wait())
        self.assertAllThere()

    def test_full_when_the_run_begins(self):
        """What the first lines say goes to the disk with the first rows that it takes. Killed then, all is delivered."""
        disk = self.disk()
        disk.fill()
        program = self.begin(disk, 60)
        pillion.wait_for(lambda: self.server.of("register") and self.output.exists(), 30, "registered")
        self.more_rows(5)
        disk.make_room()
        pillion.wait_for(lambda: any(run.get("sentinel_run_id") and run.get("pid") for run in pillion.runs(disk.inside)),
                         30, "a run that says what it is")
        self.stored(1, disk)
        os.kill(pillion.runs(disk.inside)[0]["pid"], signal.SIGKILL)
        self.assertEqual(program.wait().status, -signal.SIGKILL)
        csv = pillion.runs(disk.inside)[0].csv
        self.assertEqual(self.sync_inside(disk).status, 0, self.told(disk))
        self.assertEqual([run["csv"] for run in self.server.finished_runs()],
                         [csv[:csv.rfind(b"\n") + 1].decode()], self.told(disk))
        self.assertEqual(len(self.server.of("register")), 1, self.told(disk))

    def test_full_under_way(self):
        disk = self.disk()
        program = self.begin(disk, 4.3)
        self.stored(1, disk)
        disk.fill()
        self.assertUntouched(program.wait())
        one = self.assertAllThere(disk)
        run = pillion.runs(disk.inside)[0]
        self.assertLess(len(run.raw_rows), len(one["rows"]), "the disk was not full")
        self.assertNotIn("lost_rows", run.get("cost", {}))

    def test_full_for_a_while(self):
        disk = self.disk()
        program = self.begin(disk, 5.3)
        self.stored(1, disk)
        disk.fill()
        self.more_rows(25)
        self.assertLess(self.private_kib(program), MEMORY_MAX)
        disk.make_room()
        self.assertUntouched(program.wait())
        one = self.assertAllThere()
        run = pillion.runs(disk.inside)[0]
        self.assertEqual(run.csv, self.output.read_bytes())
        self.assertEqual((run["state"], run["sentinel_run_id"]), ("finished", one["run_id"]))

    def test_no_line_more_under_way(self):
        """Without a line that says so, no batch is sent; at the end all rows go at once."""
        disk = self.disk()
        program = self.begin(disk, 4.3, PILLION_EXIT_TIMEOUT="8")
        self.stored(1, disk)
        disk.fill_to_the_brim()
        self.assertUntouched(program.wait())
        one = self.assertAllThere(disk)
        self.assertEqual(one["finish"]["data_source"], "inline")

    def test_a_full_disk_is_no_reason_to_deliver_again(self):
        """With room again, sync changes nothing at what is there."""
        for how in ("fill", "fill_to_the_brim"):
            with self.subTest(how):
                self.anew()
                disk = self.disk()
                program = self.begin(disk, 3.3, PILLION_EXIT_TIMEOUT="8")
                self.stored(1, disk)
                getattr(disk, how)()
                self.assertUntouched(program.wait())
                csv = self.assertAllThere(disk)["csv"]
                disk.make_room()
                result = self.sync_inside(disk)
                self.assertEqual([run["csv"] for run in self.server.finished_runs()], [csv], self.told(disk))
                self.assertIn(result.status, (0, 1), result)
                if how == "fill":
                    self.assertEqual(result.status, 0, "%s\n%s" % (result, self.told(disk)))
                    self.assertEqual(pillion.runs(disk.inside)[0]["state"], "finished")

    def test_killed_on_a_full_disk(self):
        """What was on disk is delivered; rows that waited in memory went with their process."""
        for how in ("fill", "fill_to_the_brim"):
            with self.subTest(how):
                self.anew()
                disk = self.disk()
                program = self.begin(disk, 60)
                self.stored(1, disk)
                getattr(disk, how)()
                self.more_rows(25)
                pid = next(run["pid"] for run in pillion.runs(disk.inside))
                os.kill(pid, signal.SIGKILL)
                self.assertEqual(program.wait().status, -signal.SIGKILL)
                csv = pillion.runs(disk.inside)[0].csv
                lines = csv[:csv.rfind(b"\n") + 1].decode()
                first = self.sync_inside(disk)  # the disk is still full: it may not be able to
                self.assertIn(first.status, (0, 1), first)
                disk.make_room()
                self.assertEqual(self.sync_inside(disk).status, 0, self.told(disk))
                ended = self.server.finished_runs()
                self.assertEqual([run["csv"] for run in ended], [lines], self.told(disk))
                self.assertNoComplaints()

    def test_no_more_files(self):
        disk = self.disk("size=1m,nr_inodes=4")
        self.assertUntouched(self.begin(disk).wait())
        self.assertAllThere()


class NoPlace(DiskTest):
    def test_read_only(self):
        disk = self.disk("ro")
        self.assertUntouched(self.begin(disk).wait())
        self.assertEqual(self.assertAllThere()["finish"]["data_source"], "s3")
        self.assertEqual(list(disk.inside.iterdir()), [])

    def test_nowhere(self):
        self.assertUntouched(self.begin(PILLION_DIR="/proc/no/such/place").wait())
        one = self.assertAllThere()
        self.assertEqual(one["finish"]["data_source"], "s3")
        self.assertGreaterEqual(len(one["finish"]["data_uris"]), 3)

    def test_nowhere_and_a_server_that_stumbles(self):
        """Memory is all there is: a batch that was refused is sent again from there."""
        self.s3.fault("put", [1, 3], status=503)
        self.assertUntouched(self.begin(lasts=6.3, PILLION_DIR="/proc/no/such/place").wait())
        one = self.assertAllThere()
        self.assertEqual(one["finish"]["data_source"], "s3")

    def test_the_folder_goes_under_way(self):
        program = self.begin(lasts=4.3)
        self.stored(1)
        pillion.remove_folder(self.dir)
        self.assertUntouched(program.wait())
        one = self.assertAllThere()
        self.assertEqual(one["finish"]["data_source"], "s3")
        self.assertGreaterEqual(len(one["finish"]["data_uris"]), 3)

    def test_files_may_not_grow(self):
        """The limit holds for PILLION_OUTPUT too: the run itself says how many rows there were."""
        program = self.begin(script="ulimit -f 16; " + PROGRAM, lasts=4.3, PILLION_OUTPUT=None)
        result = program.wait()
        self.assertUntouched(result)
        ended = self.server.finished_runs()
        self.assertEqual(len(ended), 1, self.told())
        run = self.only_run()
        self.assertLess(len(run.csv), 16 * 512 + 1)
        self.assertEqual(len(ended[0]["rows"]), run["cost"]["rows"], self.told())
        self.assertNotIn("lost_rows", run["cost"])
        self.assertTrue(ended[0]["csv"].startswith(run.csv.decode()), self.told())
        self.assertNoComplaints()


if __name__ == "__main__":
    pillion.main()
