# SPDX-License-Identifier: Apache-2.0
"""Several copies of the hook in one process, of whatever paths and versions: the first one is at work, as if it were
alone."""
import json
import os
import shutil

from compare import NONE, UnwatchedTest, compile_source, need, pillion, program
from test_odd_files import may, root_only

# The rule in a version that is yet to come: it leads nothing, and must not be led beside.
ANOTHER_VERSION = """
extern const char pillion_hook_1;
const char pillion_hook_1 = 2;
"""
LEAVES = "setpriv --reuid 65534 --regid 65534 --clear-groups true"
SLEEPS = [program("sleeps_for"), "150", "3"]


class Copies(UnwatchedTest):
    def copy(self, name, base="libpillion.so"):
        """Hook and engine in a folder of their own. The bytes behind its end are no part of a library."""
        folder = self.tmp / name
        folder.mkdir(mode=0o755, exist_ok=True)
        self.tmp.chmod(0o755)
        shutil.copy(str(pillion.ENGINE), str(folder))
        shutil.copy(str(pillion.HOOK), str(folder / base))
        with open(folder / base, "ab") as file:
            file.write(name.encode())
        return folder / base

    def beside(self, argv, status, first, others, runs=1, **how):
        """As without any; and one run. `runs` None: at most one, where the user is another before the first row."""
        plain = self.one_way(NONE, argv, **how)
        self.assertEqual(plain.result.status, status, plain.result)
        done = self.one_way(NONE, argv, env={"LD_PRELOAD": ":".join(str(one) for one in [first] + others)}, **how)
        self.assertSame(plain, done)
        self.assertIn(len(done.runs), (0, 1) if runs is None else (runs,), done.runs)
        for run in done.runs:
            self.assertEqual((run["state"], run["exit_code"]), ("local", status), run.describe())

    def both_orders(self, argv, status, **how):
        copies = [pillion.HOOK, self.copy("other"), self.copy("renamed", "libpillion.so.0.9")]
        for others in (copies[:2], copies[::-1]):
            with self.subTest([one.parent.name for one in others]):
                self.beside(argv, status, others[0], others[1:], **how)

    def test_a_leader(self):
        self.both_orders(SLEEPS, 3)

    def test_on_musl(self):
        source = "#include <unistd.h>\nint main(void) { usleep(150000); return 6; }"
        self.both_orders([compile_source(source, self.tmp / "musl", compiler=need("musl-gcc", "musl-tools"))], 6)

    def test_every_wrapper(self):
        for name, status in (("changes_every_way", 22), ("sets_every_signal", 26)):
            self.beside([program(name)], status, self.copy("other"), [pillion.HOOK])

    @root_only
    def test_rights_and_namespaces_given_up(self):
        need("setpriv", "util-linux")
        self.both_orders(LEAVES.split(), 0, runs=None)
        if not may("unshare", "-U", "true"):
            self.skipTest(pillion.forbidden("unshare -U"))
        self.beside([program("unshares"), "user"], 19, self.copy("other"), [pillion.HOOK])

    @root_only
    def test_below_a_passenger(self):
        """Each process has the copies in another order."""
        script = 'LD_PRELOAD="$BACK" sh -c "%s; LD_PRELOAD=$FORTH $0 150 3; exit \\$?" "$0"' % LEAVES
        forth, back = "%s:%s" % (pillion.HOOK, self.copy("other")), "%s:%s" % (self.copy("other"), pillion.HOOK)
        argv = ["sh", "-c", script + "; exit $?", program("sleeps_for")]
        plain = self.one_way(NONE, argv, env={"FORTH": "", "BACK": ""})
        self.assertEqual(plain.result.status, 3, plain.result)
        done = self.one_way(NONE, argv, env={"LD_PRELOAD": forth, "FORTH": forth, "BACK": back})
        self.assertSame(plain, done)
        self.assertOneRun(done, 3)

    def test_the_same_file_by_several_names(self):
        link, hard = self.tmp / "link.so", self.tmp / "hard.so"
        other = self.copy("other")
        link.symlink_to(other)
        os.link(other, hard)
        shutil.copy(str(pillion.ENGINE), str(self.tmp))
        self.beside(SLEEPS, 3, link, [other, hard])
        self.beside(SLEEPS, 3, hard, [link, pillion.HOOK])

    def test_another_version_goes_before(self):
        source, library = self.tmp / "another.c", self.tmp / "another.so"
        source.write_text(ANOTHER_VERSION)
        self.assertIsNone(pillion.cc(source, library, "-shared", "-fPIC"))
        self.beside(SLEEPS, 3, library, [pillion.HOOK], runs=0)
        self.beside(SLEEPS, 3, pillion.HOOK, [library])

    @root_only
    def test_one_in_the_system_wide_list(self):
        """/etc/ld.so.preload, in an /etc of the test's own, beside LD_PRELOAD."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        etc = self.tmp / "etc"
        etc.mkdir()
        script = ('mount -t tmpfs none "$0" && cp -a /etc/. "$0" && echo "$LISTED" >"$0"/ld.so.preload && '
                  'mount --bind "$0" /etc && LD_PRELOAD=$HOOK exec "$@"')
        argv = ["unshare", "-m", "sh", "-c", script, etc]
        done = self.one_way(NONE, argv + SLEEPS, env={"HOOK": pillion.HOOK, "LISTED": self.copy("other")})
        self.assertEqual((done.result.status, done.result.stderr), (3, b""), done.result)
        self.assertOneRun(done, 3)
        done = self.one_way(NONE, argv + LEAVES.split(), env={"HOOK": pillion.HOOK, "LISTED": self.copy("other")})
        self.assertEqual((done.result.status, done.result.stderr), (0, b""), done.result)

    def test_doctor_names_them(self):
        other = self.copy("other")
        for first, second in ((pillion.HOOK, other), (other, pillion.HOOK)):
            env = self.env(LD_PRELOAD="%s:%s" % (first, second))
            result = self.launch(pillion.COMMAND, "doctor", "--json", preload=False, env=env)
            notes = [one["sentence"] for one in json.loads(result.stdout) if "copies" in one["sentence"]]
            self.assertEqual([str(first) in note and str(second) in note and note.index(str(first)) < note.index(str(second))
                              for note in notes], [True], notes)
            self.assertEqual(result.status, 0, result)
        result = self.launch(pillion.COMMAND, "doctor", preload=False, env=self.env(LD_PRELOAD=other))
        self.assertNotIn(b"copies", result.stdout)


if __name__ == "__main__":
    pillion.main()
