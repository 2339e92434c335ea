// SPDX-License-Identifier: Apache-2.0
#include "config/variables.h"

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

enum { ROW_COUNT = ARRAY_LENGTH(rows), UNKNOWN_REPORTED = 8, ALIASES = 3 };

/* Names for one thing, of which one is read. */
static const char *const aliases[][ALIASES] = {
    {"SENTINEL_API_TOKEN", "SENTINEL_API_KEY", "SENTINEL_API_TOKEN_FILE"},
    {"TRACKER_UPLOAD_INTERVAL", "PILLION_UPLOAD_INTERVAL"},
    {"PILLION_OUTPUT", "TRACKER_OUTPUT"},
    {"https_proxy", "HTTPS_PROXY"},
    {"no_proxy", "NO_PROXY"},
    {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"},
};

/* Destinations, and what is asked of a user. */
static const char *const users[] = {"PILLION_DISABLE",    "PILLION_SHARE",  "SENTINEL_API_TOKEN_FILE",
                                    "SENTINEL_API_URL",   "PILLION_S3_URI", "PILLION_OTLP_ENDPOINT",
                                    "PILLION_S3_ENDPOINT"};

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

size_t variable_find(const char *name, size_t len)
{
    size_t i = 0;
    while (i < ROW_COUNT && (strncmp(rows[i].name, name, len) != 0 || strlen(rows[i].name) != len))
        i++;
    return i;
}

static bool names(const char *entry, const char *name)
{
    size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

bool variable_stands_for(const char *entry, size_t variable)
{
    if (names(entry, rows[variable].name))
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(aliases); i++) {
        bool has = false;
        bool asked = false;
        for (size_t k = 0; k < ALIASES && aliases[i][k]; k++) {
            has |= strcmp(aliases[i][k], rows[variable].name) == 0;
            asked |= names(entry, aliases[i][k]);
        }
        if (has)
            return asked;
    }
    return false;
}

bool variable_is_secret(size_t variable)
{
    return variable == VARIABLE_SENTINEL_API_TOKEN || variable == VARIABLE_SENTINEL_API_KEY ||
           variable == VARIABLE_OTEL_EXPORTER_OTLP_HEADERS;
}

bool variable_is_users(size_t variable)
{
    for (size_t i = 0; i < ARRAY_LENGTH(users); i++)
        if (strcmp(users[i], rows[variable].name) == 0)
            return true;
    return false;
}

const char *variable_nearest(const char *name, size_t len)
{
    const char *found = "";
    size_t      best = SIZE_MAX;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t d = is_ours(rows[i].name) || !is_ours(name) ? spelling_distance(name, len, rows[i].name) : best;
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
        if (!equals || variable_find(name, (size_t)(equals - name)) < VARIABLE_COUNT)
            continue;
        int len = equals - name < SPELLING_MAX ? (int)(equals - name) : SPELLING_MAX;
        log_line(log, LOG_WARN, "%.*s is no variable of pillion; the nearest is %s", len, name,
                 variable_nearest(name, (size_t)len));
        reported++;
    }
}
