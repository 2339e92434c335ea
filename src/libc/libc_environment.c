// SPDX-License-Identifier: Apache-2.0
/* The environment as it was before main: the engine's getenv reads a copy of a few variables. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/warm.h"
#include "config/variables.h"
#include "libc/libc.h"

enum { NAME_ROOM = 31 };

/* The names are as wide as the longest, so that two bytes tell most apart: the search runs before main, for each
 * variable there is. */
static const struct {
    char          name[NAME_ROOM];
    unsigned char readers;
} rows[] = {
#define ROW(name, readers, ...) {#name, readers},
    VARIABLES(ROW) VARIABLES_OF_OTHERS(ROW)
#undef ROW
};

static bool is_wanted(const char *variable)
{
    const char *end = strchr(variable, '=');
    size_t      len = end ? (size_t)(end - variable) : 0;
    for (size_t i = 0; len > 1 && len < NAME_ROOM && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].name[0] == variable[0] && rows[i].name[1] == variable[1] && rows[i].name[len] == '\0' &&
            memcmp(rows[i].name, variable, len) == 0)
            return rows[i].readers & IN_ENGINE;
    return false;
}

static char **snapshot WARM;

int corner_environment(const char *const *envp)
{
    free(snapshot);
    snapshot = NULL;
    size_t count = 0, bytes = 0;
    for (const char *const *variable = envp; variable && *variable; variable++)
        if (is_wanted(*variable)) {
            count++;
            bytes += strlen(*variable) + 1;
        }
    char **copy = malloc((count + 1) * sizeof *copy + bytes);
    if (!copy)
        return -ENOMEM;
    char  *text = (char *)(copy + count + 1);
    size_t i = 0;
    for (const char *const *variable = envp; variable && *variable; variable++)
        if (is_wanted(*variable)) {
            size_t len = strlen(*variable) + 1;
            copy[i++] = memcpy(text, *variable, len);
            text += len;
        }
    copy[i] = NULL;
    snapshot = copy;
    return 0;
}

/* libc's getenv reads the live environment, which the program's threads may be moving. */
char *getenv(const char *name)
{
    size_t len = strlen(name);
    for (char **variable = snapshot; variable && *variable; variable++)
        if (strncmp(*variable, name, len) == 0 && (*variable)[len] == '=')
            return *variable + len + 1;
    return NULL;
}
