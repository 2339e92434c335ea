# SPDX-License-Identifier: Apache-2.0
"""Shells and the small programs that start others: one run each, whatever forks and execs behind it."""
from compare import HOOK, RUN, CompareTest, need, pillion, program

BASH = r"""
set -u
(exit 3); echo "subshell $?"
x=$(echo inner; exit 4); echo "substitution $? $x"
seq 1 1000 | sort -rn | head -3
echo "pipe ${PIPESTATUS[@]}"
yes | head -1; echo "yes ${PIPESTATUS[@]}"
coproc cat; echo to-coproc >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
exec 7>out; echo seven >&7; exec 7>&-; cat out
cat <(echo process) <(echo substitution)
sleep 0.15 & wait $!; echo "wait $?"
trap 'echo trapped' USR1; kill -USR1 $$; echo after
trap 'echo bye' EXIT
f() { local n=$1; [ "$n" -gt 0 ] && f $((n - 1)); echo "f $n"; }; f 3
( : ); ( true | true ); x=$( (echo a; echo b) | cat ); echo "$x"
for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done
"""

DASH = r"""
(exit 3) || echo "subshell $?"
x=$(echo inner; exit 4) || echo "substitution $? $x"
seq 1 1000 | sort -rn | head -3
sleep 0.15 & wait $!
echo "wait $?"
trap 'echo trapped' USR1; kill -USR1 $$; echo after
trap 'echo bye' EXIT
cat <<END
here $((6 * 7))
END
"""


class Shells(CompareTest):
    def test_bash(self):
        self.compare([need("bash", "bash"), "-c", BASH + "exit 41"], status=41)

    def test_bash_script_on_stdin(self):
        self.compare(["bash"], input=(BASH + "exit 41\n").encode(), status=41)

    def test_bash_is_interactive(self):
        self.compare(["bash", "--norc", "--noprofile", "-i"], input=b"echo hello\nexit 5\n", status=5,
                     but=lambda data: b"\n".join(line for line in data.split(b"\n") if b"job control" not in line
                                                 and b"terminal process group" not in line))

    def test_bash_execs_its_last_command(self):
        self.compare(["bash", "-c", 'sleep 0.15; exec "$0" 150 6', program("sleeps_for")], status=6)
        self.compare(["bash", "-c", '"$0" 150 6', program("sleeps_for")], status=6)

    def test_dash(self):
        self.compare([need("dash", "dash"), "-c", DASH + "exit 42"], status=42)

    def test_dash_does_nothing(self):
        self.compare(["dash", "-c", ":"], status=0)
        self.compare(["dash", "-c", "exit 3"], status=3)

    def test_sh_ends_at_the_first_failure(self):
        self.compare(["sh", "-c", "set -e; echo one; sleep 0.15; false; echo two"], status=1)
        self.compare(["sh", "-euc", "echo one; echo $unset; echo two"], status=2)

    def test_command_that_is_missing(self):
        self.compare(["sh", "-c", "does-not-exist; echo $?; /etc/passwd; echo $?"], status=0)

    def test_shell_that_is_killed(self):
        for words in (["sh", "-c", "sleep 0.15; kill -TERM $$; echo no"],
                      ["bash", "-c", "sleep 0.15; kill -INT $$; echo no"]):
            done = self.compare(words, runs=False)
            self.assertLess(done[HOOK].result.status, 0)
            self.assertOneRun(done[RUN], done[HOOK].result.status)
            self.assertGreaterEqual(len(done[HOOK].runs[0].rows), 1)

    def test_background_work_outlives_the_script(self):
        """What goes on in the background begins no run of its own when the script is gone."""
        script = "(for i in 1 2 3 4; do sleep 0.1; /bin/true; done; echo last) & echo script ends"
        done = self.compare(["sh", "-c", script], status=0)
        self.assertEqual(done[HOOK].result.stdout, b"script ends\nlast\n")


class Starters(CompareTest):
    """Those that only wait or wrap take no part themselves: what they start leads."""

    def test_env(self):
        self.compare(["env", "A=b", program("sleeps_for"), 150, 3], status=3)
        self.compare(["env", "-u", "HOME", "sh", "-c", "echo ${HOME-none}; exit 4"], status=4)

    def test_nohup(self):
        self.compare(["nohup", program("sleeps_for"), 150, 3], status=3)

    def test_nice_and_setsid(self):
        self.compare(["nice", "-n", "5", program("sleeps_for"), 150, 3], status=3)
        self.compare(["setsid", "--wait", program("sleeps_for"), 150, 3], status=3)

    def test_timeout(self):
        self.compare(["timeout", "20", program("sleeps_for"), 150, 3], status=3)
        done = self.compare(["timeout", "0.7", program("sleeps_for"), 20000], status=124, runs=False)
        self.assertEqual(len(done[HOOK].runs), 1)
        self.assertOneRun(done[RUN], 124)
        done = self.compare(["timeout", "-s", "KILL", "0.7", program("sleeps_for"), 20000], status=-9, runs=False)
        self.assertEqual([run["state"] for run in done[HOOK].runs], ["running"])

    def test_xargs(self):
        self.compare(["xargs", "-n", "2", "-P", "1", "echo", "item"], input=b"a b c d e f g\n", status=0)
        self.compare(["xargs", "-n", "1", "sh", "-c", "exit $0"], input=b"0 1 0\n", status=123)

    def test_find(self):
        def fill(work):
            for name in ("a", "b c", "d"):
                (work / name).mkdir()
                (work / name / "file").write_text(name)

        self.compare(["sh", "-c", 'find . -type f -exec cat {} \\; -exec sh -c "exit 1" \\; | sort; '
                      'find . -name file -print0 | sort -z | xargs -0 md5sum'], before=fill, status=0)

    def test_coreutils_with_closed_or_full_output(self):
        for script in ("ls / >&-", "echo x >/dev/full", "cat /etc/passwd >/dev/full", "yes | head -c 3000000 | wc -c",
                       "seq 100000 | sort | tail -1", "printf abc | tee one two", "ls /does-not-exist"):
            with self.subTest(script):
                self.compare(["bash", "-c", "set -o pipefail; sleep 0.06; " + script])
        self.compare(["ls", "/"], status=0)
        self.compare(["grep", "-c", "root", "/etc/passwd"], status=0)
        self.compare(["sed", "-n", "1p", "/etc/passwd"], status=0)

    def test_output_into_a_closed_pipe(self):
        for script in ("seq 1000000 | head -1; echo ${PIPESTATUS[@]}",
                       "for i in 1 2 3; do seq 1 100000 | head -1 > /dev/null; echo ${PIPESTATUS[@]}; done"):
            self.compare(["bash", "-c", script], status=0)


if __name__ == "__main__":
    pillion.main()
