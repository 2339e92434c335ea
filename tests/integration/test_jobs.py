#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs of one job as one: which belong together, what they add up to, and how it is shown.

With PILLION_GOLDEN=write in the environment the pictures in tests/golden/screens are made anew; with PILLION_PICTURES=FOLDER
the pages are photographed there."""
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made_jobs  # noqa: E402
from made_jobs import killed, node, silent  # noqa: E402
from served import PYTHON, LocalTest, pillion  # noqa: E402
import browser  # noqa: E402

WIDTHS = (40, 80, 120)
PLACE = {"TZ": "Europe/Berlin", "LC_ALL": "C.UTF-8"}
DAY = 86400.0


def flat(cores, memory, gpus=None, machine=10000):
    return lambda t: (cores, memory, gpus, machine)


class JobsTest(LocalTest):
    def setUp(self):
        super().setUp()
        self.dir.mkdir(mode=0o700, exist_ok=True)

    def answer(self, *words, status=0, **variables):
        result = self.pillion(*map(str, words), env=self.env(**dict(PLACE, **variables)))
        self.assertEqual(result.status, status, result)
        self.said = result.stderr.decode()
        return result.stdout.decode()

    def job(self, job="4711", *words):
        return json.loads(self.answer("show", "--json", "--job", job, *words))

    def jobs(self, *words):
        return [(one["job"], one["nodes"], one["runs"]) for one in json.loads(self.answer("list", "--jobs", "--json", *words))]

    def near(self, figure, truth, part=0.005):
        self.assertLessEqual(abs(figure - truth), part * abs(truth) + 1e-9, "%s is not %s" % (figure, truth))


class Sums(JobsTest):
    def test_nodes_that_begin_and_end_apart_with_other_intervals_and_a_hole_add_up(self):
        node(self.dir, "a", flat(2, 1000), 100, pid=1)
        node(self.dir, "b", flat(3, 2000), 100, began=50, interval=5, pid=2, holes=((20, 47),))
        job = self.job()
        self.near(job["duration_s"], 150)
        self.near(job["sum"]["cpu_s"], 500)
        self.near(job["sum"]["cpu_mean"], 500 / 150)
        self.near(job["sum"]["cpu_max"], 5)
        self.near(job["sum"]["memory_max_mib"], 3000)
        self.near(job["sum"]["memory_mean_mib"], 2000)
        self.near(job["sum"]["disk_write_bytes"], 2 * 100 * 3000)
        self.near(job["machines"]["net_recv_bytes"], 2 * 100 * 1000)
        self.near(job["machines"]["memory_max_mib"], 20000)
        self.near(job["asked"]["cpus"], 8)
        self.near(job["asked"]["cpu_s"], 8 * 150)  # a batch system holds all nodes until the last is done
        self.near(job["asked"]["cpu_part"], 500 / 1200)
        self.near(job["asked"]["memory_mib"], 16384)
        self.assertEqual([(one["name"], one.get("gap_s")) for one in job["nodes"]], [("a", None), ("b", 30.0)])
        self.near(job["nodes"][1]["gap_at_s"], 70)

    def test_a_short_peak_among_many_rows_is_what_all_had_at_once(self):
        node(self.dir, "a", lambda t: (1, 9000 if 5000 < t <= 5015 else 1000, None, 10000), 20000, interval=5, pid=1)
        node(self.dir, "b", flat(1, 1000), 20000, interval=5, pid=2)
        job = self.job()
        self.near(job["sum"]["memory_max_mib"], 10000)
        self.near(job["asked"]["memory_part"], 10000 / 16384)

    def test_a_process_that_no_row_saw_is_in_what_all_had_at_once(self):
        node(self.dir, "a", flat(1, 100), 100, totals={"user_s": 50, "system_s": 50, "max_rss_kib": 4000 << 10, "max_rss_exact": True})
        job = self.job()
        self.near(job["sum"]["memory_max_mib"], 4000)

    def test_steps_that_follow_each_other_had_no_memory_at_once(self):
        for step in range(7):
            node(self.dir, "a", flat(1, 1000), 41.3, began=41.3 * step, pid=step + 1, job="4711.%d" % step)
        self.near(self.job()["sum"]["memory_max_mib"], 1000)

    def test_a_script_and_its_steps_had_their_cores_once(self):
        node(self.dir, "a", flat(0.01, 5), 1000, pid=1, job="4711", interval=10)
        node(self.dir, "a", flat(3.9, 800), 990, began=5, pid=2, job="4711.0", interval=10)
        node(self.dir, "b", flat(3.9, 800), 490, began=5, pid=3, job="4711.0", interval=10)
        listed, = json.loads(self.answer("list", "--jobs", "--json"))
        self.near(listed["cpu_part"], self.job()["asked"]["cpu_part"], 0.001)
        self.near(listed["cpu_part"], (10 + 3.9 * 990 + 3.9 * 490) / 8000)

    def test_two_steps_of_a_node_are_one_machine_and_one_request(self):
        node(self.dir, "a", flat(1, 700), 100, pid=1, job="4711.0")
        node(self.dir, "a", flat(2, 800), 60, began=20, pid=2, job="4711.1")
        node(self.dir, "a", flat(0.01, 5), 100, pid=3, job="4711")
        job = self.job()
        self.assertEqual((len(job["nodes"]), job["machines"]["count"], len(job["runs"])), (1, 1, 3))
        self.near(job["sum"]["memory_max_mib"], 1505)
        self.near(job["nodes"][0]["memory_max_mib"], 1505)
        self.near(job["sum"]["cpu_s"], 100 + 120 + 1)
        self.near(job["machines"]["memory_max_mib"], 10000)
        self.near(job["machines"]["net_recv_bytes"], 100 * 1000)
        self.near(job["asked"]["cpus"], 4)
        self.near(job["asked"]["cpu_s"], 400)
        self.assertEqual(job["balance"], {"failed": 0})

    def test_tasks_of_an_array_had_what_they_asked_for_at_once_or_in_turns(self):
        for task in range(4):
            node(self.dir, "a", flat(1, 100), 50, began=60 * (task // 2), job="4711_%d" % task, pid=task + 1, given=(2, 1024, 60))
        job = self.job()
        self.near(job["asked"]["cpus"], 4)  # two at a time
        self.near(job["asked"]["cpu_s"], 4 * 2 * 50)
        self.near(job["asked"]["memory_mib"], 2048)
        self.near(job["sum"]["memory_max_mib"], 200)
        self.assertTrue(job["is_array"])
        self.assertEqual((job["ask_for"]["memory_mib"], job["ask_for"]["cpus"]), (128, 1))  # of a task
        self.near(self.job("4711_2")["asked"]["cpus"], 2)
        self.assertEqual(self.job("4711_2")["job"], "4711_2")

    def test_pods_of_one_machine_are_nodes_and_one_machine(self):
        for i in (1, 2):
            node(self.dir, "train-%d" % i, flat(1, 500), 100, job=None, boot="the same", pid=i, given=None, orchestrator="kubernetes",
                 container={"pod": "train-%d-x7k2p" % i, "namespace": "ml", "index": str(i)})
        job = self.job("train")
        self.assertEqual((job["job"], len(job["nodes"]), job["machines"]["count"]), ("ml/train", 2, 1))
        self.near(job["machines"]["memory_max_mib"], 10000)
        self.near(job["sum"]["memory_max_mib"], 1000)
        self.assertEqual(self.job("ml/train")["runs"], job["runs"])

    def test_cpu_that_is_not_known_yet_is_none_that_was_left_unused(self):
        node(self.dir, "a", flat(2, 500), 100, pid=1)
        node(self.dir, "b", flat(2, 500), 100, pid=2, **silent())
        for path in (self.dir / "runs").glob("*/*"):
            os.utime(path)
        listed, = json.loads(self.answer("list", "--jobs", "--json"))
        self.assertEqual((listed["state"], listed["runs"], listed["cpu_part"]), ("running", 2, 0.5))

    def test_gpus_add_up_and_say_which_node_waits(self):
        for i, used in enumerate((4.0, 4.0, 0.2)):
            node(self.dir, "g%d" % i, flat(1, 500, used), 100, pid=i + 1, gpus=4)
        job = self.job()
        self.near(job["sum"]["gpu_s"], 820)
        self.near(job["sum"]["gpu_max"], 8.2)
        self.near(job["asked"]["gpu_part"], 820 / 1200)
        self.assertEqual((job["balance"]["idlest"], job["balance"]["work"]), ("g2", "GPU"))
        self.assertIn("1 of 3 nodes did next to nothing (g2: 20.0 s of GPU time): ask for 2 nodes", job["advice"])
        self.assertIn("--nodes=3 ", job["ask_for"]["slurm"])
        self.assertIn("--gpus-per-node=4", job["ask_for"]["slurm"])

    def test_a_node_that_fell_silent_is_told(self):
        node(self.dir, "a", flat(1, 500), 600, pid=1, state="running", finished_at=None, duration_s=None, exit_code=None, totals=None)
        node(self.dir, "b", flat(1, 500), 300, pid=2, **silent())
        # a `running` run of another machine counts as such until its files are old
        for path in (self.dir / "runs").glob("*/*"):
            os.utime(path)
        words = {one["name"]: one.get("word") for one in self.job()["nodes"]}
        self.assertEqual(words, {"a": "running", "b": "silent"})
        page = self.answer("report", "-o", "-", "--job", "4711")
        runs = json.loads(re.search(r'id="known">(.*?)</script>', page, re.S).group(1))["runs"]
        self.assertEqual({one["host"]: (one["word"], one["tone"]) for one in runs}, {"a": ("running", "live"), "b": ("silent", "bad")})

    def test_advice_is_the_first_thing_that_is_wrong(self):
        for number, (figures, more, words) in enumerate((
                (((3.9, 7000), (3.9, 7000)), {}, "used what it asked for"), (((3.9, 7000), (1.2, 7000)), {}, "The work is uneven"),
                (((1.1, 7000), (1.2, 7000)), {}, "All nodes together used"), (((3.9, 700), (3.9, 900)), {}, "No node had more than 11 %"),
                (((3.9, 7000), (3.9, 8192)), killed(cgroup={"oom_kills": 1}), "b ran out of memory"))):
            for i, (cores, memory) in enumerate(figures):
                node(self.dir, "ab"[i], flat(cores, memory), 100, job="%d" % (number + 1), pid=10 * number + i + 1, **(more if i else {}))
            self.assertIn(words, self.job(str(number + 1))["advice"])


class Membership(JobsTest):
    def test_the_same_number_is_not_the_same_job(self):
        """Of another cluster, another orchestrator, another name, and of weeks later."""
        node(self.dir, "a", flat(1, 1), 50, pid=1, job="7.0", cluster="north")
        node(self.dir, "b", flat(1, 1), 50, pid=2, job="7.0", cluster="north")
        node(self.dir, "a", flat(1, 1), 50, pid=3, job="7.1", began=3 * DAY, cluster="north")
        node(self.dir, "s", flat(1, 1), 50, pid=4, job="7.0", cluster="south")
        node(self.dir, "p", flat(1, 1), 50, pid=5, job="7.head", orchestrator="pbs")
        node(self.dir, "n", flat(1, 1), 50, pid=6, job="7.0", name="other", cluster="north")
        node(self.dir, "a", flat(1, 1), 50, pid=7, job="7.0", began=30 * DAY, cluster="north")
        self.assertEqual(sorted(self.jobs()), sorted([("7", 2, 3), ("7", 1, 1), ("7", 1, 1), ("7", 1, 1), ("7", 1, 1)]))
        self.assertEqual(len(self.job("7")["runs"]), 1)
        self.assertIn("4 older jobs", self.said)

    def test_what_a_user_calls_a_job_is_whole_and_ends_each_night(self):
        for day in range(3):
            for i in (1, 2):
                node(self.dir, "h%d" % i, flat(1, 1), 3600, began=day * DAY, pid=10 * day + i, interval=60, job="nightly_1.5", given=None, orchestrator=None)
        node(self.dir, "h1", flat(1, 1), 3600, pid=99, job="nightly_1.6", given=None, orchestrator=None)
        self.assertEqual(self.jobs(), [("nightly_1.5", 2, 2), ("nightly_1.6", 1, 1), ("nightly_1.5", 2, 2), ("nightly_1.5", 2, 2)])
        self.assertEqual(self.jobs("--last", "1"), [("nightly_1.5", 2, 2)])
        self.assertEqual(self.job("nightly_1.5")["started_at"], "2026-11-30T12:36:00Z")

    def test_a_run_that_was_lost_lasted_until_its_last_row(self):
        """And what began a minute later is of the same job."""
        lost = self.dir / "runs" / node(self.dir, "a", flat(1, 1), 8 * 3600, pid=1, job="nightly", interval=60, given=None, orchestrator=None, **silent())
        for entry in lost.iterdir():
            os.utime(entry, (made_jobs.BEGAN + 8 * 3600,) * 2)
        node(self.dir, "a", flat(1, 1), 3600, began=8 * 3600 + 60, pid=2, job="nightly", interval=60, given=None, orchestrator=None)
        self.assertEqual(self.jobs(), [("nightly", 1, 2)])

    def test_a_job_that_goes_on_has_no_end_and_a_code_that_failed_is_its_own(self):
        node(self.dir, "a", flat(1, 1), 50, pid=1, exit_code=0)
        node(self.dir, "z", flat(1, 1), 60, pid=2, **killed())
        for number, (more, end, code) in enumerate((({}, True, 0), ({"exit_code": 3}, True, 3), (silent(), False, 3))):
            node(self.dir, "c%d" % number, flat(1, 1), 55, pid=3 + number, **more)
            listed, = json.loads(self.answer("list", "--jobs", "--json"))
            self.assertEqual(("finished_at" in listed, "duration_s" in listed, listed["exit_code"]), (end, end, code))

    def test_a_job_in_several_folders_is_one(self):
        folders = [self.work / name for name in "xy"]
        for number, folder in enumerate(folders):
            folder.mkdir(mode=0o700)
            node(folder, "n%d" % number, flat(1, 100), 100, pid=number + 1)
        places = [word for folder in folders for word in ("--dir", folder)]
        self.assertEqual(self.jobs(*places), [("4711", 2, 2)])
        self.assertEqual([one["name"] for one in self.job("4711", *places)["nodes"]], ["n0", "n1"])
        self.assertEqual(len(json.loads(self.answer("list", "--json", *places))), 2)
        for words in (("show", "last"), ("report", "last"), ("export",), ("report", "--failed")):
            self.answer(*words, *places, status=2)
            self.assertIn("reads one --dir", self.said)
        for words in (("list", "--jobs"), ("show", "--json", "--job", "4711"), ("report", "-o", "-", "--job", "4711")):
            shown = self.answer(*words, *places, "--dir", self.work / "none", status=1)  # a part, and said to be one
            self.assertIn("4711", shown)
            self.assertRegex(self.said, r"^pillion: the runs in \S+/none cannot be read: No such file or directory\n$")

    def test_a_folder_that_is_named_twice_counts_once(self):
        node(self.dir, "a", flat(1, 100), 100)
        places = [word for folder in (self.dir, self.dir / "runs", str(self.dir) + "/") for word in ("--dir", folder)]
        self.assertEqual(self.jobs(*places), [("4711", 1, 1)])
        self.assertEqual(len(json.loads(self.answer("list", "--json", *places))), 1)
        self.near(self.job("4711", *places)["sum"]["cpu_s"], 100)

    def test_a_run_counts_once_where_a_copy_of_its_folder_is_read_too(self):
        node(self.dir, "a", flat(1, 100), 100, pid=1)
        node(self.dir, "b", flat(1, 100), 100, pid=2)
        shutil.copytree(self.dir, self.work / "copy")
        places = ("--dir", self.dir, "--dir", self.work / "copy")
        self.assertEqual(self.jobs(*places), [("4711", 2, 2)])
        self.assertEqual((self.job("4711", *places)["sum"]["cpu_s"], len(self.job("4711", *places)["runs"])), (200, 2))

    def test_rows_that_cannot_be_read_are_said_and_the_rest_is_a_part(self):
        node(self.dir, "a", flat(1, 100), 100, pid=1)
        (self.dir / "runs" / node(self.dir, "b", flat(1, 100), 100, pid=2) / "metrics.csv").write_text("no rows\n")
        for words in (("show", "--json"), ("show",), ("report", "-o", "-"), ("report", "-o", self.work / "page.html")):
            self.assertNotEqual(self.answer(*words, "--job", "4711", status=1), "")
            self.assertEqual(self.said, "pillion: the rows of 1 of its runs cannot be read\n")

    def test_of_a_job_that_is_too_large_no_rows_are_looked_at(self):
        first = self.dir / "runs" / node(self.dir, "a", flat(1, 100), 5)
        for number in range(5000):
            (self.dir / "runs" / ("%s%04d" % (first.name, number))).mkdir(mode=0o700)
            os.link(first / "run.jsonl", self.dir / "runs" / ("%s%04d" % (first.name, number)) / "run.jsonl")
        (self.dir / "runs" / (first.name + "4999") / "metrics.csv").write_text("no rows\n")
        self.assertEqual(self.answer("show", "--job", "4711", status=1), "")
        self.assertEqual(self.said, "pillion: show: a job of more than 5000 runs is too large; choose by --since or --name\n")

    def test_pods_whose_names_are_told_as_their_job_are_of_what_made_them(self):
        for i in (1, 2):
            pod = "train-%d-x7k2p" % i
            node(self.dir, pod, flat(1, 500), 100, job=pod, pid=i, given=None, orchestrator="kubernetes",
                 container={"pod": pod, "namespace": "ml", "index": str(i)})
        node(self.dir, "web-0", flat(1, 500), 100, job="web-0", pid=3, given=None, orchestrator="kubernetes", container={"pod": "web-0"})
        self.assertEqual(sorted(self.jobs()), [("ml/train", 2, 2), ("web-0", 1, 1)])

    def test_wrong_words_have_their_sentences(self):
        node(self.dir, "a", flat(1, 1), 50)
        for words, status, said in ((("show", "--job", "1"), 1, "list --jobs"), (("show", "--job", "4711", "last"), 2, "--job goes with"),
                                    (("show", "--since", "2h"), 2, "goes with --job"), (("report", "--job", "1"), 1, "list --jobs")):
            self.assertEqual(self.answer(*words, status=status), "")
            self.assertIn(said, self.said)


class Clocks(JobsTest):
    def test_rows_of_a_node_whose_clock_was_off_are_moved_and_it_is_said(self):
        for clock in (3.0, -7.5):
            with self.subTest(clock):
                job = "%d" % (100 + clock)
                node(self.dir, "right", flat(1, 100), 60, pid=1, job=job)
                node(self.dir, "wrong", flat(1, 100), 60, pid=2, job=job, clock=clock)
                found = self.job(job)
                self.near(found["duration_s"], 60)
                self.near(found["sum"]["memory_mean_mib"], 200)
                self.assertEqual([one.get("clock_offset_s") for one in found["nodes"]], [None, clock])
                text = self.answer("show", "--plain", "--job", job)
                self.assertIn("wrong 3.0 s ahead of the file server's" if clock > 0 else "wrong 7.5 s behind the file server's", text)


class Pictures(JobsTest):
    def check(self, name, text, width):
        path = pillion.GOLDEN / "screens" / ("%s-%d.txt" % (name, width))
        if os.environ.get("PILLION_GOLDEN") == "write":
            path.write_text(text)
        self.assertEqual(text, path.read_text(), path.name)
        self.assertLessEqual(max(map(len, text.splitlines())), width, path.name)

    def test_plain_pictures_are_the_golden_ones(self):
        made_jobs.four(self.dir)
        made_jobs.gpus(self.dir)
        for width in WIDTHS:
            self.check("list-jobs", self.answer("list", "--plain", "--jobs", COLUMNS=str(width)), width)
            self.check("show-job", self.answer("show", "--plain", "--job", "4711", COLUMNS=str(width)), width)
            self.check("show-job-gpus", self.answer("show", "--plain", "--job", "88", COLUMNS=str(width)), width)

    def test_json_is_the_golden_one(self):
        made_jobs.four(self.dir)
        path, text = pillion.GOLDEN / "job.json", self.answer("show", "--json", "--job", "4711")
        if os.environ.get("PILLION_GOLDEN") == "write":
            path.write_text(text)
        self.assertEqual(json.loads(text), json.loads(path.read_text()))

    def test_of_many_nodes_those_that_matter_are_shown(self):
        made_jobs.many(self.dir, 60)
        text = self.answer("show", "--plain", "--job", "4711", COLUMNS="80")
        for name in ("cn0107", "cn0111", "cn0142", "cn0157"):
            self.assertRegex(text, r"(?m)^%s " % name)
        self.assertIn("and 44 more nodes: pillion report --job 4711", text)

    def test_words_of_strangers_steer_no_hint(self):
        for i in range(20):
            node(self.dir, "n%d" % i, flat(1, 100), 50, interval=10, pid=i + 1, job="\x1b]0;x\x07/train", given=None, orchestrator=None)
        shown = self.answer("show", "--job", "train", "--dir", self.dir, COLUMNS="80")
        self.assertNotRegex(shown, r"[\x00-\x09\x0b-\x1f\x7f]")
        self.assertRegex(shown, r"(?m)^and 4 more nodes: pillion report --dir %s --job .*/train$" % re.escape(str(self.dir)))

    def test_words_of_strangers_steer_nothing(self):
        node(self.dir, "\x1b]0;x\x07", flat(1, 100), 50, pid=1, name="</script><img src=x>\x1b[2J")
        node(self.dir, "<b>", flat(1, 100), 50, pid=2, name="</script><img src=x>\x1b[2J")
        self.assertNotRegex(self.answer("show", "--job", "4711", COLUMNS="80"), r"[\x00-\x09\x0b-\x1f\x7f]")
        page = self.answer("report", "--job", "4711", "-o", "-")
        self.assertNotIn("<img", page)


class Pages(JobsTest):
    """In a browser, as a user would see it."""

    def setUp(self):
        super().setUp()
        if browser.program() is None:
            raise AssertionError("chromium is missing: apt-get install chromium")

    def photograph(self, page, name):
        if os.environ.get("PILLION_PICTURES"):
            page.picture(os.path.join(os.environ["PILLION_PICTURES"], name + ".png"))

    def report(self, job, name):
        path = self.work / (name + ".html")
        self.answer("report", "--job", job, "-o", path)
        return path

    def test_the_page_of_a_job_shows_its_nodes_and_no_more_than_fits(self):
        made_jobs.four(self.dir)
        (self.dir / "many").mkdir(mode=0o700)
        made_jobs.many(self.dir / "many", 100)
        four = self.report("4711", "four")
        self.answer("report", "--job", "4711", "--dir", self.dir / "many", "-o", self.work / "many.html")
        with tempfile.TemporaryDirectory() as profile, browser.Browser(profile) as driver:
            for path, width, dark, nodes in ((four, 1240, False, 4), (four, 400, True, 4), (self.work / "many.html", 400, False, 100)):
                page = driver.page(width=width, dark=dark)
                page.open(path)
                self.photograph(page, "%s-%d-%s" % (path.stem, width, "dark" if dark else "light"))
                self.assertEqual((page.console, page.requests), ([], []))
                self.assertLessEqual(page.value("document.documentElement.scrollWidth"), width)
                self.assertEqual(page.value("[...document.querySelectorAll('table')][0].querySelectorAll('tbody tr').length"), nodes)
                if path == four:
                    self.look_at_four(page)
                page.call("Page.close")

    def test_the_page_of_a_job_of_seven_hundred_nodes_opens(self):
        for i in range(700):
            node(self.dir, "cn%04d" % i, flat(1 + i % 3, 100), 60, interval=30, pid=i + 1)
        with tempfile.TemporaryDirectory() as profile, browser.Browser(profile) as driver:
            page = driver.page(width=1240)
            page.open(self.report("4711", "crowd"))
            self.photograph(page, "crowd")
            self.assertEqual((page.console, page.requests), ([], []))
            self.assertEqual(page.value("document.querySelector('.heat canvas').clientHeight"), 2100)
            self.assertEqual(page.value("[...document.querySelectorAll('table')][0].querySelectorAll('tbody tr').length"), 700)

    def test_of_nodes_with_one_name_the_figures_are_their_own(self):
        for i, (cores, seconds, mib) in enumerate(((1, 60, 100), (3, 60, 100), (2, 100, 100), (2, 60, 700), (2, 60, 100))):
            node(self.dir, "again", flat(cores, mib), seconds, pid=i + 1, boot="boot-%d" % i)
        with tempfile.TemporaryDirectory() as profile, browser.Browser(profile) as driver:
            page = driver.page(width=1240)
            page.open(self.report("4711", "again"))
            text = page.value("document.body.innerText").replace("\u00a0", " ")
        for words in ("took 1 min 40 s", "60.0 s of CPU time", "3 min 20 s of CPU time", "700 MiB of memory", "largest node 700 MiB"):
            self.assertIn(words, text)

    def look_at_four(self, page):
        text = page.value("document.body.innerText").replace("\u00a0", " ")
        for words in ("node2: killed, by SIGKILL", "node3 was 3.0 s ahead of the file server", "4 runs: 3 finished, 1 killed", "8.68 of 16 cores", "The work is uneven"):
            self.assertIn(words, text)
        told = page.value("""(() => {
            const canvas = document.querySelector('.heat canvas'), box = canvas.getBoundingClientRect();
            const at = (line, part) => {
                canvas.parentElement.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + 62 + (box.width - 72) * part, clientY: box.top + box.height * (line + 0.5) / 4}));
                return document.querySelector('figure.nodes figcaption small').textContent;
            };
            return [at(1, 0.25), at(1, 0.75), at(3, 0.45), at(0, 0.5)];
        })()""")
        self.assertRegex(told[0], r"^node2 at 0:30: [23]\.\d+ cores, \d\d %$")
        self.assertEqual(told[1:3], ["node2 at 1:30: over", "node4 at 0:54: no rows"])
        self.assertRegex(told[3], r"^node1 at 1:00: 3\.\d+ cores")


BURN = r"""
import os, resource, sys, time
seconds, ends, mib, dies = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "dies"
began = time.monotonic()
held = bytearray(b"x") * (mib << 20)
while time.process_time() < seconds:
    sum(range(20000))
while time.monotonic() < began + ends:
    time.sleep(0.02)
usage = resource.getrusage(resource.RUSAGE_SELF)
began = int(open("/proc/self/stat").read().rsplit(")")[1].split()[19]) / os.sysconf("SC_CLK_TCK")  # by the kernel, since its boot
open(sys.argv[5], "w").write("%r %r" % (usage.ru_utime + usage.ru_stime, began))
if dies:
    os.kill(os.getpid(), 9)
"""


class FourNodes(JobsTest):
    """Four real leaders, each in a network, a PID and an UTS namespace of its own; the folder is shared."""

    ENDS = 3.5

    def start_node(self, number, cpu_s, mib, dies, clock):
        home, name = self.work, "node%d" % number
        program = [PYTHON, "-S", "-c", BURN, str(cpu_s), str(self.ENDS - (1.5 if dies else 0)), str(mib), "dies" if dies else "lives", str(home / name)]
        step = {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_PROCID": str(number), "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "4",
                "SLURM_JOB_NAME": "simulate", "SLURM_CLUSTER_NAME": "north", "SLURM_CPUS_ON_NODE": "1", "SLURM_MEM_PER_NODE": "256"}
        inside = 'hostname "$0" && mount -t proc proc /proc && "$@"; exit 0'
        begin = [sys.executable, str(pathlib.Path(browser.__file__).with_name("own_clock.py")), str(clock), str(pillion.HOOK)] if clock else \
            ["env", "LD_PRELOAD=%s" % pillion.HOOK]
        apart = ["unshare", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "private"]
        if os.geteuid() != 0:
            apart[1:1] = ["--user", "--map-root-user"]
        return self.start(*apart, "sh", "-c", inside, name, *begin, *program, env=self.env(PILLION_INTERVAL="0.1", **step), preload=False)

    def test_a_killed_leader_and_a_clock_three_seconds_ahead_are_told_and_the_sum_is_right(self):
        wanted = {1: (1.0, 40, False, 0), 2: (0.3, 30, True, 0), 3: (0.8, 20, False, 3), 4: (0.2, 60, False, 0)}
        nodes = [self.start_node(number, *what) for number, what in wanted.items()]
        for one in nodes:
            result = one.wait(60)
            self.assertEqual(result.status, 0, result)
        told = {"node%d" % number: (self.work / ("node%d" % number)).read_text().split() for number in wanted}
        truth = {name: float(words[0]) for name, words in told.items()}
        began = {name: float(words[1]) - min(float(words[1]) for words in told.values()) for name, words in told.items()}
        job = self.job()
        found = {one["name"]: one for one in job["nodes"]}
        self.assertEqual(sorted(found), sorted(truth))
        for name, seconds in truth.items():
            self.assertLessEqual(abs(found[name]["cpu_s"] - seconds), 0.15, (name, found[name]["cpu_s"], seconds))
        self.assertLessEqual(abs(job["sum"]["cpu_s"] - sum(truth.values())), 0.3)
        self.assertEqual((job["job"], job["cluster"], job["machines"]["count"]), ("4711", "north", 1))
        self.assertLessEqual(abs(found["node3"]["clock_offset_s"] - 3), 0.5)
        self.assertEqual([name for name, one in found.items() if "clock_offset_s" in one], ["node3"])
        self.assertEqual([name for name, one in found.items() if one["tone"] == "bad"], ["node2"])
        first = min(one["began_s"] for one in found.values())
        for name, seconds in began.items():  # with its clock's three seconds in it node3 would be that late
            self.assertLessEqual(abs(found[name]["began_s"] - first - seconds), 0.7, (name, began, found))
        at_once = sum(mib for _, mib, _, _ in wanted.values())
        self.assertGreater(job["sum"]["memory_max_mib"], sum(mib for _, mib, dies, _ in wanted.values() if not dies))
        self.assertLess(job["sum"]["memory_max_mib"], at_once + 4 * 25)
        self.assertEqual(job["asked"], {**job["asked"], "cpus": 4, "memory_mib": 1024, "by": "Slurm"})
        self.look(job)

    def look(self, job):
        """What the page knows; what it makes of that is in Pages, and whoever wants to see it sets PILLION_PICTURES."""
        path = self.work / "four.html"
        self.answer("report", "--job", "4711", "-o", path)
        known = json.loads(re.search(r'id="known">(.*?)</script>', path.read_text(), re.S).group(1))["job"]
        for key in ("sum", "asked", "machines"):
            self.assertEqual({name: value for name, value in known[key].items() if not isinstance(value, list)}, job[key])
        for one, same in zip(known["nodes"], job["nodes"]):
            self.assertEqual({key: value for key, value in one.items() if not isinstance(value, list)}, same)
            self.assertLessEqual(abs(sum(value or 0 for value in one["cpu"]) * job["duration_s"] / len(one["cpu"]) - same["cpu_s"]), 0.15)
        if os.environ.get("PILLION_PICTURES"):
            with tempfile.TemporaryDirectory() as profile, browser.Browser(profile) as driver:
                page = driver.page(width=1240)
                page.open(path)
                page.picture(os.path.join(os.environ["PILLION_PICTURES"], "real-four.png"))


if __name__ == "__main__":
    pillion.main()
