# SPDX-License-Identifier: Apache-2.0
"""Two versions on one machine, each a folder with hook and engine, and one name for the hook: a link into one of them,
which an upgrade or a downgrade turns. A pair is never mixed, and no run is lost."""
import os
import shutil

from compare import compile_source, pillion

# Turns the link between the mapping of the hook and its first instruction: constructors run there.
TURNS = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void turn(void)
{
    if (symlink(getenv("TURN_TO"), getenv("TURN_BY")) == 0)
        (void)rename(getenv("TURN_BY"), getenv("TURN"));
}
"""
# In a shell: turns the link to another version.
TURN = 'ln -s "$1/libpillion.so" "$HOME/part" && mv "$HOME/part" "$LD_PRELOAD"'
MAPS = "while read -r line; do case $line in *' '*r?xp*/libpillion*) echo \"${line##*/versions/}\";; esac; done </proc/$$/maps"


class Versions(pillion.PillionTest):
    def setUp(self):
        super().setUp()
        self.folder = self.tmp / "versions"
        for version in ("old", "new"):
            (self.folder / version).mkdir(parents=True)
            shutil.copy(str(pillion.HOOK), str(self.folder / version))
            shutil.copy(str(pillion.ENGINE), str(self.folder / version))
        self.link = self.folder / "libpillion.so"
        self.link.symlink_to("old/libpillion.so")

    def shell(self, script, *words, **env):
        """Its lines, with an empty stderr and status 3."""
        env = self.env(**{"LD_PRELOAD": str(self.link), "PILLION_INTERVAL": "0.05", **env})
        result = self.launch("sh", "-c", script + "; exit 3", "sh", *words, preload=False, env=env)
        self.assertEqual((result.status, result.stderr), (3, b""), result)
        return result.stdout.decode().split()

    def test_the_engine_is_the_one_beside_the_file_that_the_link_names(self):
        self.assertEqual(self.shell(MAPS), ["old/libpillion-engine.so", "old/libpillion.so"])
        self.assertEqual(self.only_run()["exit_code"], 3)

    def test_a_link_to_that_link_and_a_relative_one_lead_there_too(self):
        (self.tmp / "site.so").symlink_to(self.link)
        self.link = self.tmp / "site.so"
        self.assertEqual(self.shell(MAPS), ["old/libpillion-engine.so", "old/libpillion.so"])
        self.assertEqual(self.only_run()["exit_code"], 3)

    def test_a_link_that_turns_while_a_program_is_loaded_mixes_no_pair(self):
        turns = compile_source(TURNS, self.tmp / "turns.so", "-shared", "-fPIC")
        seen = self.shell(MAPS, TURN=str(self.link), TURN_TO="new/libpillion.so", TURN_BY=str(self.tmp / "part"),
                          LD_PRELOAD="%s:%s" % (self.link, turns))
        self.assertEqual(os.readlink(self.link), "new/libpillion.so")
        self.assertEqual(seen, ["old/libpillion-engine.so", "old/libpillion.so"])
        self.assertEqual(self.only_run()["exit_code"], 3)

    def test_what_a_leader_starts_with_the_other_version_is_its_passenger(self):
        for target in ("new", "old"):
            with self.subTest("to the %s one" % target):
                pillion.remove_folder(self.dir)
                self.link.unlink()
                self.link.symlink_to(("old" if target == "new" else "new") + "/libpillion.so")
                seen = self.shell("sleep 0.2; %s; sh -c \"$2\" & wait; sh -c \"$2\"; sleep 0.1" % TURN, target, MAPS + "; sleep 0.1")
                self.assertEqual(seen, [target + "/libpillion.so"] * 2)
                self.assertEqual(self.only_run()["exit_code"], 3)

    def test_an_exec_in_place_loads_the_new_pair_and_goes_on_with_the_run(self):
        for target in ("new", "old"):
            with self.subTest("to the %s one" % target):
                pillion.remove_folder(self.dir)
                self.link.unlink()
                self.link.symlink_to(("old" if target == "new" else "new") + "/libpillion.so")
                seen = self.shell("sleep 0.3; %s; exec sh -c \"$2\"" % TURN, target, MAPS + "; sleep 0.3; exit 3")
                self.assertEqual(seen, [target + "/libpillion-engine.so", target + "/libpillion.so"])
                run = self.only_run()
                self.assertEqual(run["exit_code"], 3)
                self.assertGreaterEqual(len(run.rows), 6)

    def test_a_leader_whose_version_is_removed_goes_on_to_its_end(self):
        self.shell("sleep 0.2; %s; rm -r \"${LD_PRELOAD%%/*}/old\"; sh -c 'sleep 0.1'; sleep 0.2" % TURN, "new")
        run = self.only_run()
        self.assertEqual((run["state"], run["exit_code"]), ("local", 3))
        self.assertGreaterEqual(len(run.rows), 6)

    def test_doctor_and_env_know_the_name_that_stays(self):
        shutil.copy(str(pillion.COMMAND), str(self.folder / "old" / "command"))
        said = pillion.run([self.folder / "old" / "command", "env"], preload=False, env=self.env()).stdout.decode()
        self.assertIn("LD_PRELOAD=%s$" % self.link, said)
        self.assertNotIn("versions/old/libpillion.so", said)
        doctor = pillion.run([self.folder / "old" / "command", "doctor"], preload=False, env=self.env(LD_PRELOAD=str(self.link)))
        self.assertIn(b"engine", doctor.stdout)
        self.assertNotIn(b"is not beside", doctor.stdout)


if __name__ == "__main__":
    pillion.main()
