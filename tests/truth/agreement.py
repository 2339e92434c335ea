# SPDX-License-Identifier: Apache-2.0
"""Do a run's rows, its totals (run.jsonl), `show --json` and the page of `show` say the same?"""
import json
import re

from jobs import TICK, pillion

UNITS = {"B": 1, "KiB": 2 ** 10, "MiB": 2 ** 20, "GiB": 2 ** 30, "TiB": 2 ** 40, "s": 1, "min": 60, "h": 3600,
         "cores": 1}
NUMBER = r"([0-9]+(?:\.[0-9]+)?) (%s)\b" % "|".join(UNITS)
CPU_COLUMNS = ("process_utime", "process_stime")
# Each line of the page's table, the run's and then the machine's: what of the summary its cells repeat, and where they end.
MEAN, MOST, LIMIT = slice(12, 23), slice(23, 34), slice(34, 45)
TABLE = {
    ("CPU", "  CPU"): ((MEAN, "cpu_mean", 1), (MOST, "cpu_max", 1)),
    ("memory", "  memory"): ((MOST, "memory_max_mib", 2 ** 20),),
    ("disk read", "  disk read"): ((LIMIT, "disk_read_bytes", 1),),
    ("disk written", "  written"): ((LIMIT, "disk_write_bytes", 1),),
}
# What of the summary stands in which column, as a sum or the largest.
SUMMARY = {
    "cpu_max": (max, {"process": "process_cpu_usage", "system": "system_cpu_usage"}),
    "memory_max_mib": (max, {"process": "process_memory_mib", "system": "system_memory_used_mib"}),
    "disk_read_bytes": (sum, {"process": "process_disk_read_bytes", "system": "system_disk_read_bytes"}),
    "disk_write_bytes": (sum, {"process": "process_disk_write_bytes", "system": "system_disk_write_bytes"}),
    "net_recv_bytes": (sum, {"system": "system_net_recv_bytes"}),
    "net_sent_bytes": (sum, {"system": "system_net_sent_bytes"}),
}


def figures(text):
    """The figures in a part of the page, each with the half of its last digit: "2 min 05 s" is one."""
    found = []
    for match in re.finditer(r"(?:%s )?%s" % (NUMBER, NUMBER), text):
        parts = [part for part in (match.group(1, 2), match.group(3, 4)) if part[0]]
        value = sum(float(number) * UNITS[unit] for number, unit in parts)
        digits = len(parts[-1][0].partition(".")[2])
        found.append((value, 0.5 * 10 ** -digits * UNITS[parts[-1][1]]))
    return found


def cells(rows, column):
    return [row[column] for row in rows if row[column] is not None]


def cpu_of(rows):
    return sum(sum(cells(rows, name)) for name in CPU_COLUMNS)


class Agreement:
    def __init__(self, run, env, processes):
        """`processes`: how many the tree had; each has a tick of its own."""
        self.complaints = []
        self.run, self.rows, self.processes = run, run.rows, processes
        page, answer = (pillion.command("show", *words, run.path, env=env) for words in ((), ("--json",)))
        self.page, self.json = page.stdout.decode(), {}
        for result in (page, answer):
            self.same("status of %s" % result.argv[1:], result.status, 0)
        if answer.status == 0:
            self.json = json.loads(answer.stdout)
        self.summary = self.json.get("summary", {})

    def same(self, what, one, other, tolerance=0.0):
        if one is None or other is None or (one != other and (tolerance == 0 or not abs(one - other) <= tolerance)):
            self.complaints.append("%s: %s, %s" % (what, one, other))

    def check(self):
        self.check_state()
        self.check_summary()
        self.check_totals()
        self.check_page()
        return self.complaints

    def check_state(self):
        """--json is run.jsonl, with a summary."""
        for key, value in self.run.state.items():
            self.same("run.jsonl and --json: %s" % key, value, self.json.get(key))
        self.same("keys of --json", sorted(set(self.json) - set(self.run.state)), ["summary"])

    def check_summary(self):
        self.same("rows", self.summary.get("rows"), len(self.rows))
        for key, (how, columns) in SUMMARY.items():
            for subject, column in columns.items():
                values = cells(self.rows, column)
                if values:
                    self.same("summary and rows: %s of %s" % (key, subject), self.summary[subject].get(key), how(values),
                              1e-4)
        seconds, mean = self.summary.get("duration_s", 0), self.summary["process"].get("cpu_mean", 0)
        # The mean has four decimals and the duration three.
        self.same("summary's mean and rows' sum of CPU", mean * seconds, cpu_of(self.rows),
                  1e-4 * seconds + 1e-3 * mean + 1e-3)
        spanned = self.rows[-1]["timestamp"] - self.rows[0]["timestamp"]
        self.same("duration and rows' times", seconds >= spanned - 0.002, True)

    def check_totals(self):
        totals, peak = self.run.get("totals", {}), self.summary["process"].get("memory_peak_mib")
        cpu = totals.get("user_s", 0) + totals.get("system_s", 0)
        self.same("totals' and rows' CPU", cpu, cpu_of(self.rows), max(cpu / 100, self.processes * TICK))
        if "max_rss_kib" in totals or peak is not None:
            self.same("totals' and --json's peak", totals.get("max_rss_kib", -1) / 1024, peak, 1e-4)

    def check_page(self):
        lines = {line[:12].rstrip(): line for line in self.page.splitlines()}
        for labels, cells_of in TABLE.items():
            for label, subject in zip(labels, ("process", "system")):
                for place, key, scale in cells_of:
                    self.check_cell(label, lines.get(label, "")[place].strip(), self.summary[subject].get(key), scale)
        totals, shown = self.run.get("totals", {}), figures(lines.get("CPU time", "").partition(";")[0])
        for truth, (value, half) in zip((totals.get("user_s", 0) + totals.get("system_s", 0), totals.get("user_s"),
                                         totals.get("system_s")), shown):
            self.same("page's and totals' CPU time", value, truth, half * 1.001)
        self.same("figures of CPU time on the page", len(shown), 3)
        peak = self.summary["process"].get("memory_peak_mib")
        if peak is not None:
            value, half = (figures(lines.get("memory peak", "")) or [(None, 0)])[0]
            self.same("page's and --json's peak", value, peak * 2 ** 20, half * 1.001)

    def check_cell(self, label, cell, wanted, scale):
        if wanted is None:
            self.same("no figure of %r on the page" % label, cell, "-")
            return
        shown = figures(cell if " " in cell else cell + " cores")
        self.same("figures of %r on the page: %r" % (label, cell), len(shown), 1)
        for value, half in shown:
            self.same("page and --json: %s" % label, value, wanted * scale, half * 1.001 + 1e-4 * scale)
