// SPDX-License-Identifier: Apache-2.0
#include "config/variables.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "base/spelling.h"
#include "pillion/sentinel.h"

static const struct {
    char name[32], unset[80];
} rows[] = {
#define ROW(name, readers, unset, meaning) {#name, unset},
    VARIABLES(ROW)
#undef ROW
};

enum { ROW_COUNT = ARRAY_LENGTH(rows), UNKNOWN_REPORTED = 8 };

const char *variable_default(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].unset;
    return "";
}

static bool is_ours(const char *name)
{
    return strncmp(name, "PILLION_", strlen("PILLION_")) == 0;
}

static bool is_known(const char *name, size_t len)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strncmp(rows[i].name, name, len) == 0 && !rows[i].name[len])
            return true;
    return false;
}

static const char *nearest(const char *name, size_t len)
{
    const char *found = "";
    size_t      best = SIZE_MAX;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t d = is_ours(rows[i].name) ? spelling_distance(name, len, rows[i].name) : best;
        if (d < best) {
            best = d;
            found = rows[i].name;
        }
    }
    return found;
}

void variables_check(const char *const *environment, struct log *log)
{
    int reported = 0;
    for (; *environment && reported < UNKNOWN_REPORTED; environment++) {
        const char *name = *environment;
        const char *equals = is_ours(name) ? strchr(name, '=') : NULL;
        if (!equals || is_known(name, (size_t)(equals - name)))
            continue;
        int len = equals - name < SPELLING_MAX ? (int)(equals - name) : SPELLING_MAX;
        log_line(log, LOG_WARN, "%.*s is no variable of pillion; the nearest is %s", len, name,
                 nearest(name, (size_t)len));
        reported++;
    }
}
