// SPDX-License-Identifier: Apache-2.0
#include "config/variable_names.h"

#include <stdbool.h>
#include <string.h>

static const char *const known[] = {
    "PILLION_DISABLE", "PILLION_INTERVAL",     "PILLION_UPLOAD_INTERVAL", "PILLION_DIR",     "PILLION_KEEP",
    "PILLION_OUTPUT",  "PILLION_EXIT_TIMEOUT", "PILLION_INCLUDE",         "PILLION_EXCLUDE", "PILLION_MIN_SECONDS",
    "PILLION_RANKS",   "PILLION_SIGNALS",      "PILLION_SHARE",           "PILLION_CLOUD",   "PILLION_S3_ENDPOINT",
    "PILLION_LOG",     "PILLION_LOG_LEVEL"};

enum { NAME_MAX_LOOKED_AT = 40, UNKNOWN_REPORTED = 8 };

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

static void check(const char *name, size_t len, struct log *log)
{
    const char *nearest = known[0];
    size_t      best = NAME_MAX_LOOKED_AT;
    if (len > NAME_MAX_LOOKED_AT)
        len = NAME_MAX_LOOKED_AT;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t d = distance(name, len, known[i]);
        if (d < best) {
            best = d;
            nearest = known[i];
        }
    }
    if (best > 0)
        log_line(log, LOG_WARN, "%.*s is no variable of pillion; the nearest is %s", (int)len, name, nearest);
}

void names_check(const char *const *environment, struct log *log)
{
    int reported = 0;
    for (; *environment && reported < UNKNOWN_REPORTED; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals && strncmp(*environment, "PILLION_", 8) == 0) {
            bool is_known = false;
            for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                is_known |= strlen(known[i]) == (size_t)(equals - *environment) &&
                            memcmp(known[i], *environment, strlen(known[i])) == 0;
            if (!is_known) {
                check(*environment, (size_t)(equals - *environment), log);
                reported++;
            }
        }
    }
}
