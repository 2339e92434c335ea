// SPDX-License-Identifier: Apache-2.0
#include "config/variables.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "pillion/sentinel.h"

static const struct {
    char name[32], unset[80];
} rows[] = {
#define ROW(name, readers, unset, meaning) {#name, unset},
    VARIABLES(ROW)
#undef ROW
};

enum { ROW_COUNT = ARRAY_LENGTH(rows), NAME_MAX_LOOKED_AT = 40, UNKNOWN_REPORTED = 8 };

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

/* Levenshtein distance of two short names, in one row. */
static size_t distance(const char *a, size_t a_len, const char *b)
{
    size_t row[NAME_MAX_LOOKED_AT + 1];
    size_t b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = above;
        }
    }
    return row[b_len];
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
        size_t d = is_ours(rows[i].name) ? distance(name, len, rows[i].name) : best;
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
        int len = equals - name < NAME_MAX_LOOKED_AT ? (int)(equals - name) : NAME_MAX_LOOKED_AT;
        log_line(log, LOG_WARN, "%.*s is no variable of pillion; the nearest is %s", len, name,
                 nearest(name, (size_t)len));
        reported++;
    }
}
