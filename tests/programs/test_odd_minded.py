# SPDX-License-Identifier: Apache-2.0
"""Programs that look whether they are alone, or what is preloaded, and then do otherwise: the README's list. What it
names in place of the preload leaves them alone."""
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


if __name__ == "__main__":
    pillion.main()
