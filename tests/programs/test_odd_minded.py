# SPDX-License-Identifier: Apache-2.0
"""Programs that look whether they are alone, or what is preloaded, and then do otherwise: those of pillion-limits(7). What it
names in place of the preload leaves them alone."""
import os
import pathlib
import shutil
import signal

from compare import CompareTest, compile_source, pillion

# As Rust's `time` asks before it tells the local zone's offset: its crate num_threads counts these.
ALONE = r"""
#include <stdio.h>
#include <sys/stat.h>
int main(void)
{
    struct stat tasks;
    if (stat("/proc/self/task", &tasks) != 0)
        return 2;
    puts(tasks.st_nlink == 3 ? "+02:00" : "The system's UTC offset could not be determined");
    return tasks.st_nlink != 3;
}
"""
# As `keyctl new_session` does: the parent gets a keyring of its own. The kernel refuses it for a parent with two threads.
KEYRING = r"""
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
    if (syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, NULL) < 0)
        return 2;
    long done = syscall(SYS_keyctl, 18 /* SESSION_TO_PARENT */);
    puts(done < 0 ? strerror(errno) : "done");
    return done < 0;
}
"""
# As deno does with --allow-run=NAME.
WARY = 'case "$(env)" in *LD_PRELOAD=*) echo "Requires --allow-run to spawn with LD_PRELOAD"; exit 1;; esac; true'

# Main is cancelled, and the last thread to end has libc run its exit, which flushes stdout.
CANCELLED = r"""
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_t first;
static void *cancels(void *unused)
{
    pthread_cancel(first);
    pthread_join(first, NULL);
    printf("text that is flushed at exit");
    return unused;
}
int main(void)
{
    pthread_t other;
    first = pthread_self();
    pthread_create(&other, NULL, cancels, NULL);
    for (;;)
        pause();
}
"""


class Minded(CompareTest):
    def ends(self, *argv, preload=True):
        result = self.launch(*argv, preload=preload)
        self.assertEqual(result.stderr, b"", result)
        return result.status

    def test_a_program_that_wants_one_thread(self):
        alone = compile_source(ALONE, self.tmp / "alone")
        self.assertEqual(self.ends(alone, preload=False), 0)
        self.assertEqual(self.ends(alone), 1, "the list has it")
        self.assertEqual(self.ends(pillion.COMMAND, "run", "--quiet", "--", alone, preload=False), 0)
        self.assertEqual(self.ends("sh", "-c", '"$0"; exit $?', alone), 0, "below a leader it has one")

    def test_a_program_that_wants_its_parent_to_have_one_thread(self):
        keyring = compile_source(KEYRING, self.tmp / "keyring")
        script = ("sh", "-c", '"$0"; exit $?', keyring)
        plain = self.ends(*script, preload=False)
        if plain == 2:
            self.skipTest(pillion.forbidden("keyctl"))
        self.assertEqual(plain, 0)
        self.assertEqual(self.ends(*script), 1, "the list has it")
        self.assertEqual(self.ends(pillion.COMMAND, "run", "--quiet", "--", *script, preload=False), 0)

    def test_a_program_that_looks_for_what_is_preloaded(self):
        self.assertEqual(self.ends("sh", "-c", WARY, preload=False), 0)
        self.assertEqual(self.ends("sh", "-c", WARY), 1, "the list has it")
        self.assertEqual(self.ends(pillion.COMMAND, "run", "--quiet", "--", "sh", "-c", WARY, preload=False), 0)

    def test_a_program_whose_main_thread_is_cancelled(self):
        cancelled = compile_source(CANCELLED, self.tmp / "cancelled", "-pthread")
        told = {way: self.launch(*argv, preload=way == "preload") for way, argv in {
            "plain": (cancelled,), "preload": (cancelled,), "run": (pillion.COMMAND, "run", "--quiet", "--", cancelled)}.items()}
        self.assertEqual({way: (result.status, result.stdout) for way, result in told.items()}, {
            "plain": (0, b"text that is flushed at exit"), "preload": (0, b""), "run": (0, b"text that is flushed at exit")})
        self.assertEqual(len(self.runs()), 2)

    def test_a_library_in_a_path_with_a_space_or_a_colon(self):
        """ld.so splits there, says so in its own words, and starts the program."""
        for name in ("a b", "a:b"):
            folder = self.tmp / name
            folder.mkdir()
            for library in (pillion.HOOK, pillion.ENGINE):
                shutil.copy(library, folder)
            result = self.launch("sh", "-c", "exit 3", env=self.env(LD_PRELOAD=folder / pillion.HOOK.name), preload=False)
            self.assertEqual((result.status, result.stdout), (3, b""))
            self.assertIn(b"cannot be preloaded", result.stderr)
        self.assertEqual(self.runs(), [])

    def copies(self):
        """The pair in a folder of its own."""
        folder = self.tmp / "pair"
        folder.mkdir()
        return [pathlib.Path(shutil.copy(library, folder)) for library in (pillion.HOOK, pillion.ENGINE)]

    def test_a_hook_that_is_cut_short(self):
        """ld.so maps what the headers speak of, and the program ends: the list has it."""
        hook, _ = self.copies()
        os.truncate(hook, 9000)
        self.assertEqual(self.launch("true", env=self.env(LD_PRELOAD=hook), preload=False).status, -signal.SIGBUS)

    def test_an_engine_that_is_replaced_or_cut_short_under_a_running_program(self):
        """By rename nothing is noticed. Cut short is in the list."""
        hook, engine = self.copies()
        for how, status in (("replaced", 3), ("cut", -signal.SIGBUS)):
            with self.subTest(how):
                env = self.env(LD_PRELOAD=hook, PILLION_INTERVAL="0.1")
                program = self.start("sh", "-c", "sleep 0.8; exit 3", env=env, preload=False)
                pillion.wait_for(lambda: any(run.raw_rows for run in self.runs() if run["pid"] == program.pid), what="a row")
                if how == "replaced":
                    shutil.copy(pillion.ENGINE, self.tmp / "new").rename(engine)
                else:
                    os.truncate(engine, 0)
                self.assertEqual(program.wait().status, status)
        self.assertEqual(sorted(run["state"] for run in self.runs()), ["local", "running"])


if __name__ == "__main__":
    pillion.main()
