// SPDX-License-Identifier: Apache-2.0
/* The environment as it was before main: the engine's getenv reads a copy of a few variables. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/warm.h"
#include "config/variables.h"
#include "libc/libc.h"

enum { NAME_ROOM = 31, AWS_NAME_ROOM = 40 };

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

static const char rows_of_aws[][AWS_NAME_ROOM] = {
#define ROW(name, ...) #name,
    VARIABLES_OF_AWS(ROW)
#undef ROW
};

/* How our names begin: most variables of an environment begin otherwise. */
struct beginnings {
    bool known[256];
};

static uint8_t beginning(const char *name)
{
    return (uint8_t)(((unsigned char)name[0] * 31 + (unsigned char)name[1]) * 31 + (unsigned char)name[2]);
}

static struct beginnings our_beginnings(void)
{
    struct beginnings ours = {{false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ours.known[beginning(rows[i].name)] = true;
    return ours;
}

static bool is_wanted(const char *variable, const struct beginnings *ours)
{
    if (!variable[0] || !variable[1] || !ours->known[beginning(variable)])
        return false;
    const char *end = strchr(variable, '=');
    size_t      len = end ? (size_t)(end - variable) : 0;
    for (size_t i = 0; len > 1 && len < NAME_ROOM && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].name[0] == variable[0] && rows[i].name[1] == variable[1] && rows[i].name[len] == '\0' &&
            memcmp(rows[i].name, variable, len) == 0)
            return rows[i].readers & IN_ENGINE;
    return false;
}

/* These hold keys, and are looked at only where a bucket of the user's own is named. */
static bool is_of_aws(const char *variable)
{
    if (strncmp(variable, "AWS_", strlen("AWS_")) != 0)
        return false;
    for (size_t i = 0; i < sizeof rows_of_aws / sizeof *rows_of_aws; i++) {
        size_t len = strlen(rows_of_aws[i]);
        if (strncmp(variable, rows_of_aws[i], len) == 0 && variable[len] == '=')
            return true;
    }
    return false;
}

static bool names_a_bucket(const char *variable)
{
    static const char beginning_of_it[] = "PILLION_S3_URI=";
    return strncmp(variable, beginning_of_it, sizeof beginning_of_it - 1) == 0 && variable[sizeof beginning_of_it - 1];
}

static char **snapshot WARM;

int corner_environment(const char *const *envp, bool with_keys)
{
    enum { WANTED_MAX = sizeof rows / sizeof *rows }; /* of a name that is there twice, the first counts */
    enum { AWS_MAX = sizeof rows_of_aws / sizeof *rows_of_aws };
    const struct beginnings ours = our_beginnings();
    const char             *wanted[WANTED_MAX + AWS_MAX];
    size_t                  count = 0, bytes = 0;
    bool                    has_bucket = with_keys;
    free(snapshot);
    snapshot = NULL;
    for (const char *const *at = envp; at && *at && count < WANTED_MAX; at++) {
        has_bucket |= names_a_bucket(*at);
        if (is_wanted(*at, &ours))
            wanted[count++] = *at;
    }
    for (const char *const *at = has_bucket ? envp : NULL; at && *at && count < WANTED_MAX + AWS_MAX; at++)
        if (is_of_aws(*at))
            wanted[count++] = *at;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(wanted[i]) + 1;
    char **copy = malloc((count + 1) * sizeof *copy + bytes);
    if (!copy)
        return -ENOMEM;
    char *text = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(wanted[i]) + 1;
        copy[i] = memcpy(text, wanted[i], len);
        text += len;
    }
    copy[count] = NULL;
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
