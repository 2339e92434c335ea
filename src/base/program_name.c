/* The name of a program, from its executable and its arguments. */
// SPDX-License-Identifier: Apache-2.0
#include "base/program_name.h"

#include <stdbool.h>
#include <string.h>

#include "base/array.h"

const char *program_base(const char *executable)
{
    const char *slash = strrchr(executable, '/');
    return slash ? slash + 1 : executable;
}

/* The options of an interpreter, behind which the script's name stands. Code, and the arguments of a script on the
 * standard input, are nobody's business: when in doubt the program is called like the interpreter. */
struct interpreter {
    char name[8];
    char code[6];  /* letters: code follows, or no script at all */
    char value[6]; /* letters: a value follows, attached or as the next argument */
    char module;
};

/* True for that name, with a version behind it or without. */
static bool is_called(const char *program, const char *name)
{
    size_t len = strlen(name);
    return strncmp(program, name, len) == 0 && strspn(program + len, "0123456789.") == strlen(program + len);
}

static bool is_busybox(const char *program)
{
    static const char name[] = "busybox"; /* .static, -extras */
    return strncmp(program, name, sizeof name - 1) == 0;
}

static const struct interpreter *find_interpreter(const char *program)
{
    static const struct interpreter interpreters[] = {
        {"python", "c", "WX", 'm'}, {"perl", "eE", "IMm", 0}, {"ruby", "e", "ICr", 0},    {"node", "ep", "r", 0},
        {"nodejs", "ep", "r", 0},   {"bash", "cs", "oO", 0},  {"dash", "cs", "o", 0},     {"sh", "cs", "oO", 0},
        {"zsh", "cs", "o", 0},      {"ksh", "cs", "o", 0},    {"php", "rRBES", "dct", 0}, {"lua", "e", "l", 0},
        {"Rscript", "e", "", 0},    {"R", "e", "fg", 0},      {"julia", "eE", "JLpt", 0}, {"ash", "cs", "o", 0}};
    for (size_t i = 0; i < ARRAY_LENGTH(interpreters); i++)
        if (is_called(program, interpreters[i].name))
            return &interpreters[i];
    return NULL;
}

static bool is_long_with_code(const char *option)
{
    static const char *const names[] = {"--eval", "--print", "--run", "--process-", "--command", "--server"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strncmp(option, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

enum option { OPTION_PLAIN, OPTION_TAKES_NEXT, OPTION_CODE, OPTION_MODULE };

/* *ret becomes the place in the same argument where a module's name would begin. */
static enum option judge(const struct interpreter *by, const char *argument, const char **ret)
{
    if (argument[1] == '-')
        return is_long_with_code(argument) ? OPTION_CODE : OPTION_PLAIN;
    if (argument[1] == '\0')
        return OPTION_CODE;
    for (const char *letter = argument + 1; *letter; letter++) {
        *ret = letter + 1;
        if (*letter == by->module)
            return OPTION_MODULE;
        if (strchr(by->code, *letter))
            return OPTION_CODE;
        if (strchr(by->value, *letter))
            return letter[1] ? OPTION_PLAIN : OPTION_TAKES_NEXT;
    }
    return OPTION_PLAIN;
}

/* Busybox is many programs in one file. The first argument names the program; where that is the file itself, the next
 * one does. */
static const char *of_busybox(const char *program, const char *const **arguments)
{
    const char *name = program_base((*arguments)[0]);
    name += *name == '-'; /* a login shell */
    if (is_busybox(name) && (*arguments)[1])
        name = program_base(*++*arguments);
    return *name && *name != '-' ? name : program;
}

/* Returns the first argument that is no option, or the module. */
static const char *of_script(const struct interpreter *by, const char *program, const char *const *arguments)
{
    static const char r_script[] = "--file="; /* as Rscript calls R */
    const char       *module = NULL;
    for (size_t i = 1; arguments[i]; i++) {
        const char *argument = arguments[i];
        if (strncmp(argument, r_script, sizeof r_script - 1) == 0)
            return program_base(argument + sizeof r_script - 1);
        if (argument[0] != '-')
            return *program_base(argument) ? program_base(argument) : program;
        switch (judge(by, argument, &module)) {
        case OPTION_CODE:
            return program;
        case OPTION_MODULE:
            return *module ? module : arguments[i + 1] ? arguments[i + 1] : program;
        case OPTION_TAKES_NEXT:
            if (!arguments[++i])
                return program;
            break;
        case OPTION_PLAIN:
            break;
        }
    }
    return program;
}

const char *program_name(const char *executable, const char *const *arguments)
{
    const char *program = program_base(executable);
    if (!arguments || !arguments[0])
        return program;
    if (is_busybox(program))
        program = of_busybox(program, &arguments);
    const struct interpreter *by = find_interpreter(program);
    return by ? of_script(by, program, arguments) : program;
}

/* Shells are left out: programs that they start are seldom written in their language. */
const char *program_language(const char *executable)
{
    static const struct {
        char program[8], language[12];
    } known[] = {{"python", "python"}, {"pypy", "python"},     {"perl", "perl"},         {"ruby", "ruby"},
                 {"R", "r"},           {"Rscript", "r"},       {"julia", "julia"},       {"java", "java"},
                 {"php", "php"},       {"node", "javascript"}, {"nodejs", "javascript"}, {"lua", "lua"}};
    const char *program = program_base(executable);
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        if (is_called(program, known[i].program))
            return known[i].language;
    return NULL;
}
