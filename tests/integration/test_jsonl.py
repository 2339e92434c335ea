#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PILLION_OUTPUT as JSON Lines: the figures of the CSV, and what stands behind its sums."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import PYTHON, LocalTest, pillion  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.sysconf("SC_NPROCESSORS_ONLN")
BURN = "import time; end = time.time() + %s\nwhile time.time() < end: pass\n"
# The columns that stand in the object under a name of the Rust client.
SAME = {"timestamp": (None, "timestamp"), "process_pid": (None, "tracked_pid"), "system_processes": ("cpu", "process_count"),
        "system_utime": ("cpu", "utime_secs"), "system_stime": ("cpu", "stime_secs"),
        "system_cpu_usage": ("cpu", "utilization_pct"), "process_children": ("cpu", "process_child_count"),
        "process_utime": ("cpu", "process_utime_secs"), "process_stime": ("cpu", "process_stime_secs"),
        "process_cpu_usage": ("cpu", "process_cores_used"), "process_memory_mib": ("cpu", "process_pss_mib"),
        "process_disk_read_bytes": ("cpu", "process_disk_read_bytes"),
        "process_disk_write_bytes": ("cpu", "process_disk_write_bytes"), "process_gpu_usage": ("cpu", "process_gpu_usage"),
        "process_gpu_vram_mib": ("cpu", "process_gpu_vram_mib"), "process_gpu_utilized": ("cpu", "process_gpu_utilized"),
        "system_memory_free_mib": ("memory", "free_mib"), "system_memory_used_mib": ("memory", "used_mib"),
        "system_memory_buffers_mib": ("memory", "buffers_mib"), "system_memory_cached_mib": ("memory", "cached_mib"),
        "system_memory_active_mib": ("memory", "active_mib"), "system_memory_inactive_mib": ("memory", "inactive_mib")}


def total(objects, key):
    return sum(one[key] for one in objects)


class JsonLines(LocalTest):
    def lines(self, path=None):
        text = (path or self.work / "rows.jsonl").read_bytes()
        self.assertTrue(text.endswith(b"\n"))
        return [json.loads(line) for line in text.decode("utf-8").splitlines()]

    def assertSameFigures(self, line, row):
        for column, (group, key) in SAME.items():
            self.assertEqual((line[group] if group else line)[key], row[column], (column, line))
        self.assertEqual(line["timestamp_secs"], int(row["timestamp"]))

    def assertAddsUp(self, line, row):
        """The parts are those of the CSV's sums."""
        self.assertEqual(total(line["disk"], "read_bytes"), row["system_disk_read_bytes"] or 0)
        self.assertEqual(total(line["disk"], "write_bytes"), row["system_disk_write_bytes"] or 0)
        self.assertEqual(total(line["network"], "rx_bytes"), row["system_net_recv_bytes"] or 0)
        self.assertEqual(total(line["network"], "tx_bytes"), row["system_net_sent_bytes"] or 0)
        mounts = [mount for disk in line["disk"] for mount in disk["mounts"]] + line["mounts"]
        self.assertAlmostEqual(total(mounts, "total_bytes") / 1e9, row["system_disk_space_total_gb"] or 0, places=5)
        self.assertAlmostEqual(total(mounts, "available_bytes") / 1e9, row["system_disk_space_free_gb"] or 0, places=5)

    def test_each_line_has_the_figures_of_its_row_and_the_parts_add_up(self):
        result = self.launch(PYTHON, "-S", "-c", BURN % 1.1, env=self.env(PILLION_OUTPUT="rows.jsonl", PILLION_INTERVAL="0.25"))
        self.assertSilent(result)
        rows, lines = self.only_run().rows, self.lines()
        self.assertEqual(len(lines), len(rows))
        self.assertGreaterEqual(len(lines), 4)
        for line, row in zip(lines, rows):
            self.assertSameFigures(line, row)
            self.assertAddsUp(line, row)
        self.assertNotIn("actual_interval_ms", lines[0])
        for before, line in zip(lines, lines[1:]):
            self.assertAlmostEqual(line["actual_interval_ms"], 1000 * (line["timestamp"] - before["timestamp"]), delta=2)
        self.assertEqual({line["job_name"] for line in lines}, {os.path.basename(PYTHON)})
        self.cores_add_up(lines, rows)

    def cores_add_up(self, lines, rows):
        """Within two ticks of each CPU: the kernel cuts the sum and its parts to whole ones apart."""
        seconds = [row["timestamp"] - before["timestamp"] for before, row in zip(rows, rows[1:])]
        for line, row, each in zip(lines[1:], rows[1:], seconds):
            cores = [core for core in line["cpu"]["per_core_pct"] if core is not None]
            self.assertEqual(len(cores), CPUS)
            self.assertLessEqual(max(cores), 100)
            self.assertAlmostEqual(sum(cores) / 100 * each, row["system_cpu_usage"] * each,
                                   delta=(2 * CPUS + 2) / TICKS + 0.02 * each, msg=line["cpu"])

    def test_an_exec_in_place_goes_on_in_the_same_file(self):
        path = self.work / "rows.jsonl"
        path.write_text("old " * 10000)
        self.launch("sh", "-c", "sleep 0.4; exec sleep 0.35", env=self.env(PILLION_OUTPUT=path))
        run = self.only_run()
        for line, row in zip(self.lines(), run.rows):
            self.assertSameFigures(line, row)
        self.assertEqual(len(self.lines()), len(run.rows))
        self.launch("sleep", "0.2", env=self.env(PILLION_OUTPUT=path))
        self.assertEqual(len(self.lines()), len(self.runs()[-1].rows))

    def test_rows_from_before_the_minimum_are_in_it(self):
        self.launch("sh", "-c", "sleep 0.6; exec sleep 0.2", env=self.env(TRACKER_OUTPUT="rows.jsonl", PILLION_MIN_SECONDS="0.4"))
        rows = self.only_run().rows
        lines = self.lines()
        self.assertEqual(len(lines), len(rows))
        for line, row in zip(lines, rows):
            self.assertSameFigures(line, row)
        self.assertTrue(all(line["cpu"]["per_core_pct"] for line in lines))

    def test_a_name_of_any_bytes_is_text(self):
        name = b'it\'s "x" \\ \xff\xc3 \n\xf0\x9f\x98\x80'
        env = {key.encode(): value.encode() for key, value in self.env(PILLION_OUTPUT="rows.jsonl").items()}
        env.update({b"TRACKER_JOB_NAME": name, b"LD_PRELOAD": os.fsencode(pillion.HOOK)})
        child = os.spawnve(os.P_NOWAIT, "/bin/sh", ["sh", "-c", "cd \"$0\" && exec sleep 0.25", str(self.work)], env)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        for line in self.lines():
            self.assertEqual(line["job_name"], 'it\'s "x" \\ \ufffd\ufffd \n\U0001f600')

    def test_pillion_run_writes_it_too(self):
        result = self.pillion("run", "-o", self.work / "rows.jsonl", "--", "sleep", "0.3", env=self.env())
        self.assertEqual(result.status, 0)
        for line, row in zip(self.lines(), self.only_run().rows):
            self.assertSameFigures(line, row)

    def test_who_asks_for_csv_reads_no_further_file(self):
        """The details cost those alone who want them."""
        opened = {}
        for name in ("rows.csv", "rows.jsonl"):
            trace = self.tmp / name
            self.launch("strace", "-f", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", str(trace), "-E",
                        "LD_PRELOAD=%s" % pillion.HOOK, "sleep", "0.35", preload=False, env=self.env(PILLION_OUTPUT=name))
            opened[name] = {line for line in trace.read_text().splitlines() for file in ("operstate", "rotational", "/speed")
                            if file in line}
        self.assertEqual(opened["rows.csv"], set())
        self.assertNotEqual(opened["rows.jsonl"], set(), "no interface and no disk here")


if __name__ == "__main__":
    pillion.main()
