/* Which argument of an interpreter is its script: its options, and those that take a value, are passed over. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/command_name.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"
#include "collect/tree/process_stat.h"

enum { COMM_MAX = 15, ARGUMENTS_SIZE = 4096 };

/* Options as words between blanks. `values`: the next argument is the option's. `names`: the next argument is what is
 * run. `texts`: what is run is no file. */
static const struct interpreter {
    char name[12]; /* a version may follow */
    char values[64], names[12], texts[24];
} interpreters[] = {
    {"python", " -W -X --check-hash-based-pycs ", " -m ", " -c "},
    {"pypy", " -W -X ", " -m ", " -c "},
    {"perl", " -I ", "", " -e -E "},
    {"ruby", " -I -r -C -E ", "", " -e "},
    {"node", " -r --require --import --loader -C --conditions ", "", " -e -p --eval --print "},
    {"bun", "", "", " -e "},
    {"deno", "", "", " eval "},
    {"java", " -cp -classpath --class-path -p --module-path --add-modules ", " -jar -m ", ""},
    {"Rscript", "", "", " -e "},
    {"R", " -f -e -g ", "", ""},
    {"php", " -c -d -z ", " -f ", " -r "},
    {"lua", " -l ", "", " -e "},
    {"julia", " -J -p -t -L -C --project --threads --procs ", "", " -e -E "},
    {"tclsh", "", "", ""},
    {"bash", " -o -O +o +O --rcfile --init-file ", "", " -c "},
    {"dash", " -o +o ", "", " -c "},
    {"zsh", " -o +o ", "", " -c "},
    {"ksh", " -o +o ", "", " -c "},
    {"ash", " -o +o ", "", " -c "},
    {"sh", " -o +o ", "", " -c "},
};

static bool is_version(const char *rest)
{
    while (ascii_is_digit(*rest) || *rest == '.' || *rest == '-')
        rest++;
    return *rest == '\0';
}

static const struct interpreter *interpreter_of(const char *program)
{
    for (size_t i = 0; i < ARRAY_LENGTH(interpreters); i++) {
        size_t len = strlen(interpreters[i].name);
        if (strncmp(program, interpreters[i].name, len) == 0 && is_version(program + len))
            return &interpreters[i];
    }
    return NULL;
}

static bool is_word_of(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; len > 0 && (at = strstr(at, word)); at++)
        if (at > words && at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Of the letters of a shell's or perl's "-ec" the last may be such an option. */
static bool has_text(const struct interpreter *in, const char *option)
{
    char last[] = {'-', option[strlen(option) - 1], '\0'};
    return is_word_of(in->texts, option) || (option[1] != '-' && strlen(option) <= 4 && is_word_of(in->texts, last));
}

/* NULL: it runs no file. */
static const char *script_of(const struct interpreter *in, const char *arguments, size_t size)
{
    const char *end = arguments + size;
    bool        options = true;
    for (const char *at = arguments + strlen(arguments) + 1; at < end; at += strlen(at) + 1) {
        bool        is_option = options && (at[0] == '-' || at[0] == '+') && at[1] != '\0';
        const char *next = at + strlen(at) + 1;
        if (!is_option)
            return at[0] == '\0' || strcmp(at, "-") == 0 || is_word_of(in->texts, at) ? NULL : base_of(at);
        if (strncmp(at, "--file=", sizeof "--file=" - 1) == 0) /* Rscript's way to call R */
            return base_of(at + sizeof "--file=" - 1);
        if (has_text(in, at))
            return NULL;
        if (is_word_of(in->names, at))
            return next < end && *next ? base_of(next) : NULL;
        if (strcmp(at, "--") == 0)
            options = false;
        else if (is_word_of(in->values, at) && next < end)
            at = next;
    }
    return NULL;
}

/* The kernel cuts a longer name; the first argument may have it whole. Some programs give their threads names. */
static const char *program_of(const char *comm, const char *arguments, size_t size)
{
    const char *first = size > 0 ? base_of(arguments[0] == '-' ? arguments + 1 : arguments) : "";
    bool        is_cut = strlen(comm) == COMM_MAX && strncmp(first, comm, COMM_MAX) == 0 && !strpbrk(first, " :");
    bool        is_of_thread = strcmp(comm, "MainThread") == 0 || strcmp(comm, "node-MainThread") == 0;
    return (is_cut || is_of_thread || comm[0] == '\0') && first[0] ? first : comm;
}

static void clean(const char *name, char ret[static COMMAND_NAME_SIZE])
{
    const char *end = name + strlen(name);
    size_t      len = 0;
    while (name < end && len < COMMAND_NAME_SIZE - 1) {
        size_t one = utf8_character(name, end);
        if (len + one >= COMMAND_NAME_SIZE)
            break;
        if (one == 0 || ascii_is_control(*name)) {
            ret[len++] = '?';
            name++;
            continue;
        }
        memcpy(ret + len, name, one);
        len += one;
        name += one;
    }
    ret[len] = '\0';
    if (len == 0)
        memcpy(ret, "?", sizeof "?");
}

void command_name(const char *comm, const char *arguments, size_t size, char ret[static COMMAND_NAME_SIZE])
{
    const char               *program = program_of(comm, arguments, size);
    const struct interpreter *in = size > 0 ? interpreter_of(program) : NULL;
    const char               *script = in ? script_of(in, arguments, size) : NULL;
    clean(script ? script : program, ret);
}

static bool read_text(int proc, pid_t pid, const char *file, char *ret, size_t size, size_t *ret_len)
{
    char path[PROCESS_PATH_SIZE];
    process_path(path, pid, 0, file);
    int error = file_read(proc, path, ret, size, ret_len);
    if (error == -EFBIG) /* longer arguments are cut: a script stands in front */
        *ret_len = size - 1;
    return error == 0 || error == -EFBIG;
}

int command_name_read(int proc, pid_t pid, bool waits, char ret[static COMMAND_NAME_SIZE])
{
    char   comm[64];
    char   arguments[ARGUMENTS_SIZE];
    size_t len = 0;
    size_t size = 0;
    if (!read_text(proc, pid, "comm", comm, sizeof comm, &len))
        return -ESRCH;
    comm[len > 0 && comm[len - 1] == '\n' ? len - 1 : len] = '\0';
    if (waits || !read_text(proc, pid, "cmdline", arguments, sizeof arguments, &size))
        size = 0;
    arguments[size] = '\0';
    command_name(comm, arguments, size, ret);
    return 0;
}
