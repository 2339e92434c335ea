#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pillion report, opened in a browser as a user would: figures under the pointer, zoom, keyboard, dark, print; and that
strangers' words stay words."""
import csv
import io
import json
import os
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, pillion  # noqa: E402
import browser  # noqa: E402
import synthetic_run as synthetic  # noqa: E402

EVIL = "</script><img src=x onerror=document.title='taken'><!--"
STEERS = "\x1b]0;taken\x07"
FORMULA = "=cmd|' /C calc'!A0"


class Reports(LocalTest):
    def report(self, *words, status=0):
        result = self.pillion("report", *map(str, words))
        self.assertEqual(result.status, status, result)
        return result

    def write(self, name, rows, *more, **state):
        return synthetic.write(self.work, name, rows, *more, **state)

    def page_of(self, *runs):
        path = self.work / "page.html"
        self.report(*runs, "-o", path)
        return path


class InABrowser(Reports):
    """One browser for all: it takes a second to start."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if browser.program() is None:
            raise AssertionError("chromium is missing: apt-get install chromium")
        cls.profile = tempfile.TemporaryDirectory(prefix="pillion-browser-")
        cls.browser = browser.Browser(cls.profile.name)

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.profile.cleanup()
        super().tearDownClass()

    def open(self, path, **options):
        page = self.browser.page(**options)
        page.open(path)
        self.addCleanup(page.call, "Page.close")
        self.addCleanup(self.assertQuiet, page)
        return page

    def assertQuiet(self, page):
        self.assertEqual(page.console, [])
        self.assertEqual(page.requests, [])

    def box(self, page, chart):
        return page.value("(() => { const plot = [...document.querySelectorAll('figure')].find((one) => one.querySelector('h3').textContent"
                          ".startsWith(%s)).querySelector('.plot'); plot.scrollIntoView({block: 'center'}); const box = plot.getBoundingClientRect();"
                          "return {x: box.left + 62, y: box.top + 60, width: box.width - 72}; })()" % json.dumps(chart))

    def legend(self, page, chart):
        """The values that stand in a chart's legend, by name."""
        items = page.value("[...[...document.querySelectorAll('figure')].find((one) => one.querySelector('h3').textContent.startsWith(%s))"
                           ".querySelectorAll('.legend li')].map((one) => [one.firstChild.nextSibling.textContent.trim(), one.querySelector('b')"
                           ".textContent])" % json.dumps(chart))
        return dict(items)

    def range(self, page):
        return page.value("document.querySelector('.time small').textContent")

    def point(self, page, chart, part):
        box = self.box(page, chart)
        page.mouse("mouseMoved", box["x"] + box["width"] * part, box["y"])
        page.settle()

    def steps(self):
        """60 rows of a second: cores and memory rise by one with each, but for a peak in the 31st."""
        return [synthetic.row(i, 50 if i == 31 else i, 10 * i, read=i * 1048576, system=0.5) for i in range(1, 61)]

    def test_the_figures_under_the_pointer_are_the_rows_in_all_charts(self):
        page = self.open(self.page_of(self.write("steps", self.steps())))
        for second in (1, 20, 31, 60):
            self.point(page, "CPU", (second - 0.5) / 60)
            cores = 50 if second == 31 else second
            self.assertEqual(self.legend(page, "CPU")["user"], "%d" % cores if cores < 10 else "%d" % cores)
            self.assertEqual(self.legend(page, "CPU")["system"], "0.5")
            self.assertEqual(self.legend(page, "Memory")["this run"], "%d MiB" % (10 * second))
            read = float(self.legend(page, "Disk")["read"].split()[0])
            self.assertLess(abs(read / second - 1), 0.06)

    def test_a_drag_zooms_all_charts_and_a_button_leads_back(self):
        page = self.open(self.page_of(self.write("steps", self.steps())))
        box = self.box(page, "Memory")
        page.mouse("mouseMoved", box["x"] + box["width"] * 0.5, box["y"])
        page.mouse("mousePressed", box["x"] + box["width"] * 0.5, box["y"], "left", buttons=1)
        page.mouse("mouseMoved", box["x"] + box["width"] * 0.6, box["y"], "left", buttons=1)
        page.mouse("mouseMoved", box["x"] + box["width"] * 0.75, box["y"], "left", buttons=1)
        page.mouse("mouseReleased", box["x"] + box["width"] * 0.75, box["y"], "left")
        page.settle()
        self.assertEqual(self.range(page), "0:30 \u2013 0:45")
        self.point(page, "CPU", 0.5 / 15)  # the 31st row, half a second after the left edge
        self.assertEqual(self.legend(page, "CPU")["user"], "50")
        page.value("document.querySelector('.time button').click()")
        self.assertEqual(self.range(page), "0:00 \u2013 1:00")

    def test_the_keyboard_moves_zooms_and_shows_all(self):
        page = self.open(self.page_of(self.write("steps", self.steps())))
        page.value("document.querySelector('figure').focus()")
        page.key("End")
        self.assertEqual(self.legend(page, "Memory")["this run"], "600 MiB")
        page.key("Home")
        self.assertEqual(self.legend(page, "Memory")["this run"], "10 MiB")
        page.key("+")
        page.key("+")
        self.assertEqual(self.range(page), "0:00 \u2013 0:15")
        page.key("ArrowRight")
        self.assertTrue(page.value("document.querySelector('.time output').textContent").startswith("at 0:00."))
        page.key("-")
        self.assertEqual(self.range(page), "0:00 \u2013 0:30")
        page.key("0")
        self.assertEqual(self.range(page), "0:00 \u2013 1:00")

    def test_two_fingers_zoom_all_charts(self):
        page = self.open(self.page_of(self.write("steps", self.steps())), width=400, touch=True)
        box = self.box(page, "CPU")
        x = [box["x"] + box["width"] * part for part in (0.4, 0.6, 0.1, 0.9)]
        page.touch("touchStart", (x[0], box["y"]), (x[1], box["y"]))
        page.touch("touchMove", (x[2], box["y"]), (x[3], box["y"]))
        page.touch("touchEnd")
        page.settle()
        begin, end = [int(part.split(":")[1]) for part in self.range(page).split(" \u2013 ")]
        self.assertTrue(20 <= begin <= 28 and 32 <= end <= 40, self.range(page))

    def test_no_peak_hides_in_a_long_run(self):
        """One row of a day: its colour stands at its height in the picture, in light and in dark."""
        rows = [synthetic.row(i, 20 if i == 30000 else 1, 100) for i in range(1, 86401)]
        path = self.page_of(self.write("day", rows))
        self.assertLess(path.stat().st_size, 1000000)
        for dark in (False, True):
            page = self.open(path, dark=dark)
            color = page.value("""(() => {
                const canvas = document.querySelector('figure canvas'), pen = canvas.getContext('2d');
                const width = canvas.width - 72, x = Math.round(62 + width * 29999.5 / 86400);
                const row = pen.getImageData(x - 2, 30, 43, 1).data, of = (at) => row.slice(4 * at, 4 * at + 4).join();
                return [0, 1, 2, 3, 4].some((at) => of(at) !== of(42)); })()""")
            self.assertTrue(color, "the peak is not in the picture")

    def test_dark_and_light_by_the_system_and_by_the_switch(self):
        page = self.open(self.page_of(self.write("steps", self.steps())), dark=True)
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.value(ground)
        page.scheme(False)
        page.settle()
        light = page.value(ground)
        self.assertNotEqual(dark, light)
        page.value("document.querySelector('.switch').click()")
        self.assertEqual(page.value(ground), dark)

    def test_it_prints_light_and_whole_and_is_as_before_afterwards(self):
        page = self.open(self.page_of(self.write("steps", self.steps())), dark=True)
        width = page.value("document.querySelector('canvas').width")
        page.value("window.printed = []; addEventListener('beforeprint', () => printed.push(document.documentElement.className, "
                   "document.querySelector('.plot').clientWidth)); 1")
        self.assertTrue(page.pdf().startswith(b"%PDF"))
        page.settle()
        self.assertEqual(page.value("printed"), ["", 680])
        self.assertEqual(page.value("document.querySelector('canvas').width"), width)
        self.assertTrue(page.value("document.documentElement.classList.contains('dark')"))

    def test_a_finding_zooms_to_its_time(self):
        rows = synthetic.gpu_like(random.Random(1), waits=True)
        page = self.open(self.page_of(self.write("waits", rows, registration=synthetic.GPU)))
        self.assertEqual(page.value("document.querySelector('.findings button').textContent"),
                         "The GPU was idle for 2 min 09 s while a core was full: it perhaps waits for data.")
        page.value("document.querySelector('.findings button').click()")
        self.assertEqual(self.range(page), "3:13 \u2013 5:35")

    def test_kills_throttling_and_gaps_stand_in_words_and_lead_to_their_time(self):
        rows = [synthetic.row(i, 1, 100) for i in range(1, 101) if not 40 < i <= 50]
        run = self.write("events", rows, exit_code=None, signal=9, baseline={"monotonic_us": 7000000},
                         cgroup={"oom_kills": 2, "cpu_periods": 900, "cpu_periods_throttled": 90, "cpu_throttled_s": 9})
        with (run / "run.jsonl").open("a") as journal:
            for second, kills, throttled in ((20, 0, 3), (60, 1, 3)):
                journal.write(json.dumps({"cgroup": {"cpu_throttled_s": throttled, "oom_kills": kills,
                                                     "seen_us": (7 + second) * 1000000}}) + "\n")
            journal.write(json.dumps({"cgroup": {"cpu_throttled_s": 9, "oom_kills": 2}}) + "\n")
        page = self.open(self.page_of(run))
        happened = page.value("[...document.querySelectorAll('.events button')].map((one) => one.textContent)")
        self.assertEqual(happened, ["0:00 \u2013 0:20 throttled: 3.0 s of CPU withheld", "0:40 \u2013 0:51 no rows",
                                    "1:00 1 process was killed for memory", "1:00 \u2013 1:40 throttled: 6.0 s of CPU withheld",
                                    "1:40 1 process was killed for memory", "1:40 killed by SIGKILL"])
        page.value("document.querySelectorAll('.events button')[1].click()")
        self.assertEqual(self.range(page), "0:32 \u2013 0:58")

    def test_gpus_stand_one_by_one(self):
        rows = synthetic.gpu_like(random.Random(5), 60)
        lines = synthetic.four_gpus(random.Random(6), rows)
        page = self.open(self.page_of(self.write("gpus", rows, by_gpu=lines, registration=dict(synthetic.GPU, host_gpu_count=4))))
        self.point(page, "Temperature", 0.5)
        self.assertEqual(self.legend(page, "Temperature")["GPU 3"], "35 \u00b0C")
        self.assertRegex(self.legend(page, "GPUs one by one")["GPU 0"], "^(8|9|10)[0-9] %$")
        self.assertEqual(page.value("[...document.querySelectorAll('tbody tr')].at(-1).innerText").split("\t")[:2], ["GPU 3", "0 %"])

    def test_what_slurm_gave_energy_and_what_to_ask_for_stand_in_the_page(self):
        run = self.write("given", self.steps(), allotment={"by": "slurm", "cpus": 64, "memory_mib": 8192, "seconds": 600},
                         energy={"cpu_j": 5000, "cpu_share_j": 1500, "cpu_source": "powercap"},
                         registration={"job_name": "nightly", "task_name": "train.py", "external_run_id": "42.1", "tags": [
                             {"key": "job_rank", "value": "4"}, {"key": "job_ranks", "value": "8"},
                             {"key": "job_partition", "value": "gpu"}, {"key": "mine", "value": "x"}]})
        page = self.open(self.page_of(run))
        text = page.value("document.body.innerText")
        for words in ("Slurm gave 64 cores, 8.0 GiB, 10 min 00 s (10 % used)", "Energy: CPU 1.5 kJ of the machine's 5.0 kJ (powercap)",
                      "#SBATCH --mem=720M", "To ask for next time", "% of its limit",
                      "job 42.1 \u00b7 train.py, led by rank 4 of 8, partition gpu", "mine=x"):
            self.assertIn(words, text)
        self.assertNotIn("job_rank", text)

    def test_a_run_that_goes_on_has_its_commands(self):
        run = self.write("lost", self.steps(), state="running", exit_code=None, finished_at=None)
        (run / "commands").write_text("name,processes,user_s,system_s,memory_max_mib,read_bytes,write_bytes,gpu_s\n"
                                      "\"awk, the first\"   ,   3,  12.5,  0.5, 80.0, 0, 4096,  0\n")
        page = self.open(self.page_of(run))
        self.assertIn("awk, the first", page.value("document.querySelector('tbody').innerText"))

    def test_commands_are_stacked_and_listed_and_the_table_sorts(self):
        rows, commands, totals = synthetic.make_like(random.Random(2))
        page = self.open(self.page_of(self.write("make", rows, commands, commands=totals)))
        self.point(page, "CPU", 0.5)
        last = [one for one in commands if one[0] == synthetic.BEGAN + 20.5]
        for _, name, _, used, memory, *_ in last:
            self.assertAlmostEqual(float(self.legend(page, "CPU")[name] or 0), used, delta=0.011)
        first = "document.querySelector('tbody td').textContent"
        page.value("document.querySelectorAll('thead button')[1].click()")
        self.assertEqual(page.value(first), "cc1")
        page.value("document.querySelectorAll('thead button')[1].click()")
        self.assertEqual(page.value(first), "sh")

    def test_runs_that_lack_something_have_a_page(self):
        few = self.work / "few.csv"
        few.write_text("timestamp,process_cpu_usage,process_memory_mib,process_disk_read_bytes\n1795000001,0.5,20,0\n1795000002,0.7,21,5\n")
        pages = {"no rows": (self.write("empty", []), "no rows"), "one row": (self.write("one", self.steps()[:1]), "CPU"),
                 "four columns": (few, "Memory"), "lost": (self.write("lost", self.steps(), state="running", exit_code=None), "lost")}
        for name, (run, expected) in pages.items():
            with self.subTest(name):
                page = self.open(self.page_of(run), width=400)
                self.assertIn(expected, page.value("document.body.innerText"))
                self.assertEqual(page.value("document.documentElement.scrollWidth"), 400)

    def test_strangers_words_are_only_words(self):
        rows, commands, totals = synthetic.make_like(random.Random(3), seconds=5)
        commands = [(one[0], EVIL if one[1] == "cc1" else FORMULA if one[1] == "as" else one[1]) + one[2:] for one in commands]
        totals[0]["name"], totals[1]["name"] = EVIL, FORMULA
        state = {"command": [EVIL, STEERS, FORMULA], "commands": totals, "reason": EVIL, "state": "undelivered",
                 "registration": {"job_name": EVIL, "tags": [{"key": EVIL, "value": STEERS}], "host_cpu_model": EVIL}}
        runs = [self.write(name, rows, commands, **state) for name in ("a" + FORMULA.replace("/", ""), "b<img src=x>")]
        for chosen in (runs[:1], runs, runs * 11):
            with self.subTest(runs=len(chosen)):
                page = self.open(self.page_of(*chosen))
                self.assertEqual(page.value("document.querySelectorAll('img').length"), 0)
                self.assertNotEqual(page.value("document.title"), "taken")
                self.assertIn(EVIL, page.value("document.body.innerText"))
        text = page.value("csvText([[%s, 'a\"b', -1, '-x']])" % json.dumps(FORMULA))
        self.assertEqual(next(csv.reader(io.StringIO(text))), ["'" + FORMULA, 'a"b', "-1", "'-x"])

    def test_two_to_twenty_are_laid_over_each_other(self):
        runs = [self.write("r%d" % i, [synthetic.row(k, i, 100 * i) for k in range(1, 31 + 10 * i)], registration={"job_name": "n%d" % i})
                for i in (1, 2, 3)]
        page = self.open(self.page_of(*runs))
        self.assertEqual(self.range(page), "0:00 \u2013 1:00")
        self.point(page, "Memory", 0.25)
        self.assertEqual(self.legend(page, "Memory"), {"n1": "100 MiB", "n2": "200 MiB", "n3": "300 MiB"})
        self.point(page, "Memory", 0.75)  # the first was over by then
        self.assertEqual(self.legend(page, "Memory"), {"n1": "", "n2": "200 MiB", "n3": "300 MiB"})
        self.assertIn("200 MiB +100 %", page.value("document.querySelector('tbody').innerText.replaceAll('\\u00a0', ' ')"))

    def test_an_array_is_a_heat_map_histograms_and_a_table_that_sorts(self):
        state = self.home / "state"
        for task in range(30):
            synthetic.write(state / "runs", "t%d" % task, [synthetic.row(k, 0.5, 100 + task) for k in range(1, 20)],
                            registration={"external_run_id": "4711_%d" % task, "job_name": "sweep",
                                          "tags": [{"key": "cgroup_memory_mib", "value": "200"}]})
        synthetic.write(state / "runs", "other", self.steps(), registration={"external_run_id": "47112"})
        path = self.work / "array.html"
        result = self.pillion("report", "--job", "4711", "-o", str(path), env=self.env(PILLION_DIR=state))
        self.assertEqual(result.status, 0, result)
        page = self.open(path)
        self.assertEqual(page.value("document.querySelectorAll('tbody tr').length"), 30)
        self.assertIn("the limit is 200 MiB", page.value("document.body.innerText"))
        page.value("[...document.querySelectorAll('thead button')].find((one) => one.textContent === 'memory').click()")
        self.assertEqual(page.value("document.querySelector('tbody td').textContent"), "4711_29")


class OnTheTerminal(Reports):
    def test_markdown_is_short_and_strangers_words_are_words(self):
        rows, commands, totals = synthetic.make_like(random.Random(4), seconds=5)
        totals = [dict(totals[0], name="a|b\n" + EVIL + STEERS)] + totals * 12
        run = self.write("md", rows, commands, commands=totals[:64], command=["x", EVIL, STEERS, "@me", "https://example.org"],
                         registration={"job_name": "[a](javascript:b)" + EVIL})
        for chosen in ([run], [run] * 100):
            text = self.report("--markdown", *chosen).stdout.decode()
            self.assertLessEqual(text.count("\n"), 60)
            for bad in ("<img", "</script", "\x1b", "\x07", "](", "@me", "https://"):
                self.assertNotIn(bad, text)
            for line in text.splitlines():
                if line.startswith("|"):
                    self.assertIn(len(re.findall(r"(?<!\\)\|", line)), (5, 6), line)

    def test_the_file_is_named_and_without_a_run_it_says_so(self):
        self.assertEqual(self.report(status=1).stdout, b"")
        self.write("r", [synthetic.row(1, 1, 1)])
        result = self.pillion("report", "-o", "-", str(self.work / "r"))
        self.assertTrue(result.stdout.startswith(b"<!DOCTYPE html>"))
        self.assertIn(b"default-src 'none'", result.stdout)
        self.assertEqual(self.report(self.work / "r", "-o", "/nowhere/x.html", status=1).stdout, b"")


if __name__ == "__main__":
    pillion.main()
