/* The kernel's name of a process, or what base/program_name.c makes of its arguments. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/tree/command_name.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/program_name.h"
#include "base/text.h"
#include "base/utf8.h"
#include "collect/tree/process_stat.h"

enum { COMM_MAX = 15, ARGUMENTS_SIZE = 4096, ARGUMENTS_MAX = 64 };

/* The kernel cuts a longer name; the first argument may have it whole. Some programs give their threads names. */
static const char *program_of(const char *comm, const char *first)
{
    first = program_base(first[0] == '-' ? first + 1 : first);
    bool is_cut = strlen(comm) == COMM_MAX && strncmp(first, comm, COMM_MAX) == 0 && !strpbrk(first, " :");
    bool is_of_thread = strcmp(comm, "MainThread") == 0 || strcmp(comm, "node-MainThread") == 0;
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

void command_name_by(const char *comm, const char *const *arguments, char ret[static COMMAND_NAME_SIZE])
{
    const char *program = program_of(comm, arguments[0] ? arguments[0] : "");
    clean(arguments[0] ? program_name(program, arguments) : program, ret);
}

void command_name(const char *comm, const char *arguments, size_t size, char ret[static COMMAND_NAME_SIZE])
{
    const char *list[ARGUMENTS_MAX + 1] = {NULL};
    size_t      count = 0;
    for (const char *at = arguments; at < arguments + size && count < ARGUMENTS_MAX; at += strlen(at) + 1)
        list[count++] = at;
    command_name_by(comm, list, ret);
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
