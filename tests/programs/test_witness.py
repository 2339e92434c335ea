# SPDX-License-Identifier: Apache-2.0
"""The comparison sees what it claims to see: each change that a bad preload could make is found and named."""
from compare import NONE, CompareTest, compile_source, pillion, program, witness

BAD = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
static void *wait_for_ever(void *unused) { for (;;) pause(); return unused; }
__attribute__((constructor)) static void change(void)
{
    sigset_t set;
    pthread_t thread;
    struct rlimit limit = {64, 64};
    (void)set, (void)thread, (void)limit;
    CHANGE;
}
"""

# What a bad preload does: the line that tells of it, and whether children see it too.
CHANGES = {
    'setenv("BAD", "1", 1)': ("env BAD=1", True),
    'open("/dev/zero", O_RDONLY)': ("=/dev/zero", True),
    'open("/dev/zero", O_RDONLY | O_CLOEXEC)': ("=/dev/zero", False),
    "fcntl(0, F_SETFL, O_NONBLOCK)": ("fd 0 8802", True),
    "signal(SIGUSR1, SIG_IGN)": ("signal 10=ignored", True),
    "signal(SIGUSR1, (void (*)(int))exit)": ("signal 10=own", False),
    "sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_BLOCK, &set, NULL)": (
        "signal 12=default, flags 0, blocked", True),
    "setrlimit(RLIMIT_CORE, &limit)": ("limit 4=40 40", True),
    "umask(077)": ("umask=77", True),
    'if (chdir("/")) abort()': ("folder=/", True),
    "setpriority(PRIO_PROCESS, 0, 3)": ("nice=3", True),
    "pthread_create(&thread, NULL, wait_for_ever, NULL)": ("thread own", False),
}


class Witness(CompareTest):
    command = ["bash", "-c", '"$0" 0 0; exit 0', program("sleeps_for")]

    def seen(self, **env):
        return self.one_way(NONE, self.command, env=env, files=False).seen

    def test_nothing_differs_between_two_plain_runs(self):
        plain = self.seen()
        self.assertEqual(witness.differences(plain, self.seen()), [])
        self.assertEqual(len({record.pid for record in plain}), 2)
        self.assertIn(("exit", program("sleeps_for")), [(record.when, record.executable) for record in plain])

    def test_every_change_is_found(self):
        plain = self.seen()
        for change, (line, inherited) in CHANGES.items():
            with self.subTest(change):
                library = compile_source(BAD.replace("CHANGE", change), self.tmp / "bad.so", "-shared", "-fPIC")
                told = "\n".join(witness.differences(plain, self.seen(LD_PRELOAD=library)))
                self.assertIn(line, told)
                library = compile_source(BAD.replace("CHANGE", 'if (!getenv("ONCE")) { setenv("ONCE", "1", 1); %s; }'
                                                     % change), self.tmp / "once.so", "-shared", "-fPIC")
                children = witness.differences(plain, self.seen(LD_PRELOAD=library))
                starts = [one for one in children if one.startswith("start of %s" % program("sleeps_for"))]
                self.assertEqual(line in "\n".join(starts), inherited, starts)


if __name__ == "__main__":
    pillion.main()
