// SPDX-License-Identifier: Apache-2.0
#include "run/job.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

const char *job_program(const char *executable)
{
    const char *slash = strrchr(executable, '/');
    return slash ? slash + 1 : executable;
}

static bool is_interpreter(const char *program)
{
    static const char *const names[] = {"python", "perl", "ruby", "node", "nodejs", "bash",    "dash", "sh",
                                        "zsh",    "ksh",  "php",  "lua",  "Rscript", "julia", "busybox"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(program, names[i], len) == 0 && strspn(program + len, "0123456789.") == strlen(program + len))
            return true;
    }
    return false;
}

/* The first argument that is no option. Behind -c and -e stands code, behind -m a module. */
const char *job_name(const char *executable, const char *const *arguments)
{
    const char *program = job_program(executable);
    if (!is_interpreter(program) || !arguments || !arguments[0])
        return program;
    for (size_t i = 1; arguments[i]; i++) {
        const char *argument = arguments[i];
        if (strcmp(argument, "-m") == 0 && arguments[i + 1])
            return arguments[i + 1];
        if (strcmp(argument, "-c") == 0 || strcmp(argument, "-e") == 0 || strcmp(argument, "-") == 0)
            return program;
        if (argument[0] == '-' && (strchr(argument, 'c') || strchr(argument, 'e')) && argument[1] != '-')
            return program;
        if (argument[0] != '-')
            return *job_program(argument) ? job_program(argument) : program;
    }
    return program;
}
