#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Slurm gave to a job stands in the run, and is the limit that show, list and the report measure its use by."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from served import LocalTest, pillion  # noqa: E402


class Allotment(LocalTest):
    def env(self, **extra):
        now = int(time.time())
        return super().env(**dict({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "1", "SLURM_MEM_PER_NODE": "64",
                                   "SLURM_JOB_START_TIME": str(now - 10), "SLURM_JOB_END_TIME": str(now + 3590)}, **extra))

    def test_it_is_the_limit_and_the_time_has_its_part(self):
        self.launch("sh", "-c", "sleep 0.3", env=self.env())
        run = self.only_run()
        self.assertEqual(run["allotment"], {"by": "slurm", "cpus": 1, "memory_mib": 64, "seconds": 3600})
        shown = self.pillion("show").stdout.decode()
        self.assertIn("Slurm gave   1 core, 64.0 MiB, 1 h 00 min (0 % used)\n", shown)
        self.assertRegex(shown, r"CPU .* 1 core ")
        limits = json.loads(self.pillion("show", "--json").stdout)["summary"]["limits"]
        self.assertEqual([limits[key] for key in ("cpus", "cpus_from", "memory_mib", "memory_from")], [1, "Slurm", 64, "Slurm"])
        listed = json.loads(self.pillion("list", "--json").stdout)[0]
        self.assertEqual([listed["cpus"], listed["memory_limit_mib"]], [1, 64])
        self.assertIn("| 1 core |", self.pillion("report", "--markdown").stdout.decode())

    def test_without_slurm_nothing_is_said_of_it(self):
        self.launch("sh", "-c", "sleep 0.3", env=self.env(SLURM_JOB_ID=None))
        self.assertNotIn("allotment", self.only_run().state)
        self.assertNotIn("Slurm gave", self.pillion("show").stdout.decode())


if __name__ == "__main__":
    pillion.main()
