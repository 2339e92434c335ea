/* Programs that behave otherwise under the preload, and that nothing can mend: those of pillion-limits(7), known by
 * name and arguments, or by a text in their file. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "hook/hook.h"

enum { FILE_MAX = 256 * 1024 * 1024 };

static bool any_starts(char *const *arguments, const char *beginning)
{
    for (; *arguments != NULL; arguments++)
        if (strncmp(*arguments, beginning, strlen(beginning)) == 0)
            return true;
    return false;
}

static bool any_holds(char *const *arguments, const char *words)
{
    for (; *arguments != NULL; arguments++)
        if (strstr(*arguments, words) != NULL)
            return true;
    return false;
}

/* env(1): does it take LD_PRELOAD away? Its options end at the first operand. */
static bool env_drops_preload(char *const *arguments)
{
    for (; *arguments != NULL && ((*arguments)[0] == '-' || strchr(*arguments, '=') != NULL); arguments++) {
        const char *word = *arguments;
        bool        takes_next = strcmp(word, "-u") == 0 || strcmp(word, "--unset") == 0;
        if (strcmp(word, "-") == 0 || strcmp(word, "--ignore-environment") == 0 ||
            (word[0] == '-' && word[1] != '-' && strchr(word, 'i') != NULL) || strcmp(word, "-uLD_PRELOAD") == 0 ||
            strcmp(word, "--unset=LD_PRELOAD") == 0 || strcmp(word, "LD_PRELOAD=") == 0 ||
            (takes_next && arguments[1] != NULL && strcmp(arguments[1], "LD_PRELOAD") == 0))
            return true;
        arguments += takes_next && arguments[1] != NULL;
    }
    return false;
}

static bool file_holds(const char *path, const char *words)
{
    struct stat info;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool        found = false;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && info.st_size <= FILE_MAX) {
        size_t len = (size_t)info.st_size;
        void  *text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text != MAP_FAILED) {
            found = memmem(text, len, words, strlen(words)) != NULL;
            (void)munmap(text, len);
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static void tell_threads(struct doctor *d, const char *name, char *const *arguments)
{
    bool direct = string_equal(name, "keyctl") && any_starts(arguments, "new_session");
    if (direct || any_holds(arguments, "keyctl new_session"))
        doctor_tell(d, "program", ENGINE_NOTE,
                    "keyctl new_session changes the keyring of its parent, which the kernel refuses where that has a "
                    "second thread: below a leading shell it fails; start that shell with \"pillion run\"");
    if (file_holds(d->executable, "UTC offset could not be determined"))
        doctor_tell(
            d, "program", ENGINE_NOTE,
            "%s has Rust's time crate in it, which tells the local time zone's offset to programs of one thread "
            "alone: as a leader it has two; \"pillion run\" leaves it alone",
            d->executable);
}

/* Code in an argument that hands an environment of its own to a next program. */
static bool takes_an_environment(char *const *arguments)
{
    static const char *const words[] = {"LD_PRELOAD", "env -i", "exec -c", "clearenv", "execve", "execle", "execvpe"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (any_holds(arguments, words[i]))
            return true;
    return false;
}

static void tell_preload(struct doctor *d, const char *name, char *const *arguments)
{
    if (string_equal(name, "deno") && any_starts(arguments, "--allow-run="))
        doctor_tell(d, "program", ENGINE_NOTE,
                    "deno with --allow-run=NAME starts no program while LD_PRELOAD is set: --allow-run without names, "
                    "or \"pillion run\", which needs no LD_PRELOAD");
    if (string_equal(name, "env") && env_drops_preload(arguments))
        doctor_tell(d, "program", ENGINE_CAUSE,
                    "this env takes LD_PRELOAD away from what it starts: that is observed under \"pillion run\" alone");
    else if (takes_an_environment(arguments))
        doctor_tell(d, "program", ENGINE_NOTE,
                    "if %s becomes another program (exec) without LD_PRELOAD in its first second, it has no run: start "
                    "it with \"pillion run\" then",
                    name);
}

void doctor_known(struct doctor *d, char *const *command)
{
    const char *name = string_base_name(command[0]);
    tell_threads(d, name, command + 1);
    if (!doctor_is_machines(d)) /* nothing takes that away */
        tell_preload(d, name, command + 1);
}
