# SPDX-License-Identifier: Apache-2.0
"""Where the hook, the program, or what /proc says of it, is not where it usually is."""
import ctypes
import os
import re
import shutil
import struct
import subprocess

from compare import HOOK, RUN, UnwatchedTest, compile_source, pillion, program
from test_odd_binaries import IGNORED
from test_odd_files import NOBODY, may, root_only

import sentinel_server

LONG = 200  # of one name
OTHER = NOBODY - 1
SECCOMP, PIDFD_OPEN = 317, 434  # x86-64
SWITCH = "setpriv --reuid %d --regid %d --clear-groups "
MAY_SWITCH = "--inh-caps +setuid,+setgid --ambient-caps +setuid,+setgid "  # as sudo's and su's children are

SHARED = r"""
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    static char memory[60 << 20];
    memset(memory, 1, sizeof memory);
    __asm__ volatile("" ::"r"(memory) : "memory");
    pid_t child = fork();
    usleep(700 * 1000);
    return child == 0 || wait(NULL) == child ? 0 : 1;
}
"""


def without_pidfd():
    """As kernels before 6.13, whose pidfds do not tell the parent of a process."""
    rules = [(0x20, 0, 0, 0), (0x15, 0, 1, PIDFD_OPEN), (6, 0, 0, 0x50026), (6, 0, 0, 0x7fff0000)]  # ENOSYS
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program_of_rules = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
    if ctypes.CDLL(None).syscall(SECCOMP, 1, 0, program_of_rules) != 0:
        raise OSError("no filter")


class HookFile(UnwatchedTest):
    """ld.so says one line of what it cannot preload, and goes on."""

    def assertIgnored(self, hook, lines=1, uid=None):
        for argv in ([program("returns_7")], ["sh", "-c", "exit 3"]):
            plain = self.one_way("none", argv, uid=uid)
            done = self.one_way("none", argv, uid=uid, env={"LD_PRELOAD": hook})
            self.assertEqual(len(IGNORED.findall(done.result.stderr)), lines, done.result)
            self.assertSame(plain, done, lambda data: IGNORED.sub(b"", data))
            self.assertEqual(done.runs, [])

    def copy(self, name, mode=0o644):
        target = self.tmp / name / "libpillion.so"
        target.parent.mkdir()
        shutil.copy(str(pillion.HOOK), str(target))
        target.chmod(mode)
        return target

    def test_missing(self):
        self.assertIgnored(self.tmp / "nowhere/libpillion.so")

    @root_only
    def test_not_readable(self):
        self.assertIgnored(self.copy("closed", 0), uid=NOBODY)

    def test_no_library(self):
        for name, data in (("empty", b""), ("text", b"no library\n")):
            with self.subTest(name):
                target = self.copy(name)
                target.write_bytes(data)
                self.assertIgnored(target)

    def test_no_engine_beside_it(self):
        self.assertIgnored(self.copy("alone"), lines=0)

    def test_an_engine_that_is_none_or_not_whole(self):
        """By a copy under way, on a full disk, or after a crash: the length may be there, and the rest of it not."""
        data = pillion.ENGINE.read_bytes()
        cases = {"empty": b"", "text": b"x" * 9000, "without its last byte": data[:-1]}
        for part in (64, 5000, len(data) // 3, len(data) * 9 // 10):
            cases["cut at %d" % part] = data[:part]
            cases["zeros from %d" % part] = data[:part].ljust(len(data), b"\0")
        for name, data in cases.items():
            with self.subTest(name):
                hook = self.copy("with-" + name.replace(" ", "-"))
                (hook.parent / "libpillion-engine.so").write_bytes(data)
                self.assertIgnored(hook, lines=0)

    @root_only
    def test_absent_in_a_chroot(self):
        """The parent leads; what it starts in the chroot has not got the file."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        script = ('mount -t tmpfs none "$1" && for d in bin lib lib64 usr; do [ ! -e /$d ] || { mkdir "$1"/$d; '
                  'mount --rbind /$d "$1"/$d; }; done; chroot "$1" /bin/sh -c "exit 4"; exec chroot "$1" /bin/true')
        argv = ["unshare", "-m", "sh", "-c", script, "sh", self.tmp / "root"]

        def place(work):
            (self.tmp / "root").mkdir(exist_ok=True)

        plain = self.one_way("none", argv, before=place)
        done = self.one_way(HOOK, argv, before=place)
        self.assertEqual(len(IGNORED.findall(done.result.stderr)), 2, done.result)
        self.assertSame(plain, done, lambda data: IGNORED.sub(b"", data))


class ProgramFile(UnwatchedTest):
    def far_away(self, length):
        """A folder whose path has that many bytes, made step by step as no call takes it whole. A descriptor of it."""
        at = os.open(str(self.tmp), os.O_RDONLY)
        left = length - len(os.fsencode(str(self.tmp)))
        while left > 1:
            name = "d" * min(LONG, left - 1 if left - 1 <= LONG else max(1, min(LONG, left - 3)))
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at, left = below, left - 1 - len(name)
        return at

    def test_path_as_long_as_paths_can_be(self):
        for length in (1000, 3900, 4088, 4089, 4300, 6000):
            with self.subTest(length):
                at = self.far_away(length)
                there = os.open("p", os.O_WRONLY | os.O_CREAT, 0o755, dir_fd=at)
                with open(program("sleeps_for"), "rb") as source, open(there, "wb") as target:
                    target.write(source.read())
                self.compare(["./p", 120, 3], ways=(HOOK,), status=3, runs=length < 4000,
                             preexec_fn=lambda: os.fchdir(at), files=False)
                os.close(at)
                subprocess.run(["rm", "-rf", str(self.tmp / ("d" * LONG))])

    def test_deleted_program(self):
        """The name of the run is the program's; so are the patterns'."""
        copy = self.tmp / "gone"
        script = 'cp "$1" "$2"; exec 9<"$2"; rm "$2"; exec /proc/self/fd/9 150 3'
        argv = ["sh", "-c", script, "sh", program("sleeps_for"), copy]
        done = self.compare(argv, status=3)
        self.assertEqual(done[HOOK].runs[0].get("executable"), str(copy))

    def test_patterns_hold_for_a_deleted_program(self):
        copy = self.tmp / "gone"
        script = 'cp "$1" "$2"; exec 9<"$2"; rm "$2"; exec env ${HOOK:+LD_PRELOAD=$HOOK} /proc/self/fd/9 150 3'
        argv = ["sh", "-c", script, "sh", program("sleeps_for"), copy]
        for pattern in ("gone", str(copy)):
            done = self.one_way("none", argv, env={"HOOK": pillion.HOOK, "PILLION_EXCLUDE": pattern})
            self.assertEqual((done.result.status, done.runs), (3, []))

    def test_program_in_memory(self):
        self.compare([program("execs_from_memory"), program("sleeps_for"), 150, 3], status=3)


class Proc(UnwatchedTest):
    def test_nobody_may_look_into_the_leader(self):
        """The child looks for a leader all the same, and finds it."""
        self.compare([program("sets_dumpable"), program("sleeps_for"), 100, 3], status=21)

    @root_only
    def test_nobody_may_look_into_a_leader_of_another_user(self):
        self.compare([program("sets_dumpable"), program("sleeps_for"), 100, 3], status=21, uid=NOBODY)

    def registrations(self, argv, exclude=None, **how):
        """How many, of a leader and all below it, which works in folders that everybody may enter."""
        self.tmp.chmod(0o755)
        self.dir.chmod(0o777)
        with sentinel_server.SentinelServer() as server:
            env = self.env(HOME="/nonexistent", PILLION_INTERVAL="0.05", PILLION_EXCLUDE=exclude, **server.env())
            result = self.launch(*argv, env=env, **how)
            self.assertEqual(result.status, 3, result)
            return len(server.runs)

    @root_only
    def test_a_leader_that_hidepid_hides_is_found_by_who_has_become_another_user(self):
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        drop = "setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" 150 3; exit $?"
        cases = {"its child": drop}
        if [int(part) for part in os.uname().release.split(".")[:2]] >= [6, 13]:  # before it only a parent is told
            cases["a child's child"] = "sh -c '%s' \"$0\"; exit $?" % drop
        for name, script in cases.items():
            with self.subTest(name):
                hidden = "mount -t proc -o hidepid=2 proc /proc && exec env LD_PRELOAD=%s sh -c \"$1\" \"$0\"" % pillion.HOOK
                argv = ["unshare", "-m", "sh", "-c", hidden, program("sleeps_for"), "sleep 0.2; " + script]
                self.assertEqual(self.registrations(argv, preload=False), 1)

    HIDDEN = "mount -t proc -o hidepid=2 proc /proc && exec %s env LD_PRELOAD=%s sh -c \"$1\" \"$0\""

    @root_only
    def test_a_hidden_leader_of_another_user_than_root_is_not_found(self):
        """It is in pillion-limits(7), with what it names instead."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        hidden = self.HIDDEN % (SWITCH % (NOBODY, NOBODY) + MAY_SWITCH, pillion.HOOK)
        script = "sleep 0.2; " + SWITCH % (OTHER, OTHER) + '"$0" 150 3; exit $?'
        argv = ["unshare", "-m", "sh", "-c", hidden, program("sleeps_for"), script]
        self.assertEqual(self.registrations(argv, preload=False), 2, "the list has it")
        self.assertEqual(self.registrations(argv, preload=False, exclude="sleeps_for"), 1)

    @root_only
    def test_before_linux_6_13_a_hidden_leader_that_is_not_the_parent_is_not_found(self):
        """It is in pillion-limits(7)."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        drop = SWITCH % (NOBODY, NOBODY)
        cases = {"its child": (drop + '"$0" 150 3; exit $?', 1),
                 "a child's child": ("sh -c '%s\"$0\" 150 3; exit $?' \"$0\"; exit $?" % drop, 2)}
        for name, (script, number) in cases.items():
            with self.subTest(name):
                hidden = self.HIDDEN % ("", pillion.HOOK)
                argv = ["unshare", "-m", "sh", "-c", hidden, program("sleeps_for"), "sleep 0.2; " + script]
                self.assertEqual(self.registrations(argv, preload=False, preexec_fn=without_pidfd), number)

    def test_a_process_1_of_a_sandbox_that_hides_itself_is_below_who_leads_outside(self):
        box = program("hides_as_process_1")
        uid = NOBODY if os.geteuid() == 0 else None
        if not may(box, "/bin/true", uid=uid):
            self.skipTest(pillion.forbidden("a user namespace"))
        script = 'sleep 0.2; "$0" "$@"; exit $?'
        become = dict(preexec_fn=lambda: (os.setgroups([]), os.setgid(uid), os.setuid(uid))) if uid else {}
        self.assertEqual(self.registrations(["sh", "-c", script, box, program("sleeps_for"), 150, 3], **become), 1)
        if os.geteuid() == 0:
            argv = ["sh", "-c", script, box, "nobody", program("sleeps_for"), 150, 3]
            self.assertEqual(self.registrations(argv), 1)

    def memory_of_children(self, leader):
        """MiB in the fullest row, of two that share 60 MiB and are another user's than the leader."""
        two = compile_source(SHARED, self.tmp / "two")
        script = 'sleep 0.1; %s "$0" && exit 3' % (SWITCH % (OTHER, OTHER))
        argv = ["sh", "-c", 'exec %s env LD_PRELOAD="$HOOK" sh -c "$@"' % leader, "sh", script, two]
        way = self.one_way("none", argv, env={"HOOK": pillion.HOOK},
                           before=lambda work: self.tmp.chmod(0o755) or self.dir.chmod(0o777))
        self.assertEqual(way.result.status, 3, way.result)
        run, = pillion.runs(way.state / str(NOBODY)) if leader else way.runs
        return max(row["process_memory_mib"] for row in run.rows)

    @root_only
    def test_the_memory_of_another_users_children_is_estimated_unless_the_leader_is_root(self):
        """It is in pillion-limits(7): who shares it is not told, so it counts whole."""
        exact = self.memory_of_children("")
        self.assertLess(exact, 85)
        self.assertGreater(exact, 58)
        estimated = self.memory_of_children(SWITCH % (NOBODY, NOBODY) + MAY_SWITCH)
        self.assertGreater(estimated, 115)
        self.assertLess(estimated, 160)

    @root_only
    def test_a_leader_that_is_hidden_from_its_own_user_is_not_taken_for_lost(self):
        """As who may be executed and not read is, from all but root."""
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        unreadable = self.tmp / "unreadable"
        shutil.copy(str(program("sleeps_for")), str(unreadable))
        unreadable.chmod(0o711)
        self.tmp.chmod(0o755)
        os.chown(self.dir, NOBODY, NOBODY)
        hidden = 'mount -t proc -o hidepid=2 proc /proc && exec %s sh -c "$@"' % (SWITCH % (NOBODY, NOBODY))
        script = ('LD_PRELOAD="$1" "$0" 60000 0 & sleep 0.4; test ! -e /proc/$! && "$2" list --json; kill $!; wait; '
                  '"$2" list --json')
        argv = ["unshare", "-m", "sh", "-c", hidden, "sh", script, unreadable, pillion.HOOK, pillion.COMMAND]
        result = pillion.run(argv, preload=False, env=self.env(PILLION_INTERVAL="0.1"), cwd=self.work)
        states = re.findall(r'"state":\s*"([a-z]*)"', result.stdout.decode())
        self.assertEqual(states, ["running", "local"], result)

    @root_only
    def test_others_processes_are_hidden(self):
        if not may("unshare", "-m", "true"):
            self.skipTest(pillion.forbidden("unshare -m"))
        script = ('mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups '
                  'env ${HOOK:+LD_PRELOAD=$HOOK} sh -c \'"$0" 150 2; "$0" 150 3\' "$0"')
        argv = ["unshare", "-m", "sh", "-c", script, program("sleeps_for")]

        def place(work):
            self.tmp.chmod(0o755)
            for folder in (self.home, self.dir, self.work):
                os.chown(folder, NOBODY, NOBODY)

        plain = self.one_way("none", argv, before=place)
        done = self.one_way("none", argv, before=place, env={"HOOK": pillion.HOOK})
        self.assertEqual(plain.result.status, 3, plain.result)
        self.assertSame(plain, done)
        self.assertOneRun(done, 3)


if __name__ == "__main__":
    pillion.main()
