// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "config/config_parts.h"
#include "config/variable_names.h"

const char *config_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

void config_invalid(struct log *log, const char *name, const char *value, const char *allowed, const char *fallback)
{
    log_line(log, LOG_WARN, "%s=%.200s is not valid: %s; %s is used", name, value, allowed, fallback);
}

struct number {
    const char *name;
    const char *fallback;
    double      min, max;
    const char *allowed;
};

static int64_t seconds(const struct number *option, struct log *log)
{
    double      value = 0;
    const char *given = config_set(option->name);
    if (given && text_decimal(text_of(given), &value) && value >= option->min && value <= option->max)
        return (int64_t)(value * (double)CLOCK_SECOND + 0.5);
    if (given)
        config_invalid(log, option->name, given, option->allowed, option->fallback);
    (void)text_decimal(text_of(option->fallback), &value);
    return (int64_t)(value * (double)CLOCK_SECOND + 0.5);
}

static void read_times(struct config *c, struct log *log)
{
    static const struct number interval = {"PILLION_INTERVAL", "1", 0.05, 3600, "seconds from 0.05 to 3600"};
    static const struct number life = {"PILLION_MIN_SECONDS", "0", 0, 31536000, "seconds from 0"};
    static const struct number exit_time = {"PILLION_EXIT_TIMEOUT", "5", 0, 3600, "seconds from 0 to 3600"};
    struct number              upload = {"TRACKER_UPLOAD_INTERVAL", "60", 1, 86400, "seconds from 1 to 86400"};
    if (!config_set(upload.name))
        upload.name = "PILLION_UPLOAD_INTERVAL";
    c->interval = seconds(&interval, log);
    c->min_life = seconds(&life, log);
    c->exit_timeout = seconds(&exit_time, log);
    c->upload_interval = seconds(&upload, log);
}

static bool read_size(struct text t, uint64_t *ret)
{
    double   value = 0;
    unsigned shift = 0;
    if (text_len(t) == 0)
        return false;
    switch (t.end[-1]) {
    case 'K':
    case 'k':
        shift = 10;
        break;
    case 'M':
    case 'm':
        shift = 20;
        break;
    case 'G':
    case 'g':
        shift = 30;
        break;
    case 'T':
    case 't':
        shift = 40;
        break;
    default:
        break;
    }
    if (shift)
        t.end--;
    if (!text_decimal(t, &value) || value * (double)(UINT64_C(1) << shift) > 9e18)
        return false;
    *ret = (uint64_t)(value * (double)(UINT64_C(1) << shift));
    return true;
}

static void read_keep(struct config *c, struct log *log)
{
    const char *given = config_set("PILLION_KEEP");
    c->keep_runs = 200;
    c->keep_bytes = UINT64_C(1) << 30;
    if (!given)
        return;
    struct text rest = text_of(given);
    struct text count = {0};
    uint64_t    runs = 0;
    uint64_t    bytes = c->keep_bytes;
    bool        comma = strchr(given, ',') != NULL;
    bool        good = text_until(&rest, ',', &count) && text_unsigned(&count, &runs) && text_len(count) == 0;
    if (good && (!comma || read_size(rest, &bytes))) {
        c->keep_runs = runs;
        c->keep_bytes = bytes;
    } else {
        config_invalid(log, "PILLION_KEEP", given, "a number of runs, and a size such as 500M or 1G behind a comma",
                       "200,1G");
    }
}

static void read_log(struct config *c, struct log *log)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char              *given = config_set("PILLION_LOG_LEVEL");
    bool                     known = !given;
    c->log = config_set("PILLION_LOG");
    c->log_level = LOG_WARN;
    for (int i = 0; given && i < 4; i++)
        if (strcmp(given, levels[i]) == 0) {
            c->log_level = (enum log_level)i;
            known = true;
        }
    log->level = c->log_level;
    if (!known)
        config_invalid(log, "PILLION_LOG_LEVEL", given, "error, warn, info, debug", "warn");
}

/* `words` is a list of strings, ended by an empty one. Any case. */
static bool is_one_of(const char *value, const char *words)
{
    for (; *words; words += strlen(words) + 1)
        if (strcasecmp(value, words) == 0)
            return true;
    return false;
}

/* PILLION_RANKS is checked here; the hook reads it itself. */
static void read_words(struct config *c, struct log *log)
{
    static const struct {
        const char *name, *allowed, *fallback;
        const char *words[3];
    } table[] = {
        {"PILLION_RANKS", "node, all, first", "node", {"node", "all", "first"}},
        {"PILLION_CLOUD", "auto, probe, off", "auto", {"auto", "probe", "off"}},
    };
    unsigned chosen[sizeof table / sizeof *table] = {0};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *given = config_set(table[i].name);
        bool        known = false;
        for (unsigned w = 0; given && w < 3; w++)
            if (strcmp(given, table[i].words[w]) == 0) {
                known = true;
                chosen[i] = w;
            }
        if (given && !known)
            config_invalid(log, table[i].name, given, table[i].allowed, table[i].fallback);
    }
    c->cloud = (enum config_cloud)chosen[1];
}

static void read_signals(struct config *c, struct log *log)
{
    const char *given = config_set("PILLION_SIGNALS");
    bool        off = given && is_one_of(given, "0\0false\0no\0off\0");
    if (given && !off && !is_one_of(given, "1\0true\0yes\0on\0"))
        config_invalid(log, "PILLION_SIGNALS", given, "on, off", "on");
    c->takes_signals = !off;
}

void config_read(struct config *ret, const char *const *names, struct log *log)
{
    read_log(ret, log);
    read_times(ret, log);
    config_read_api(ret, log);
    read_keep(ret, log);
    config_read_share(ret, log);
    config_read_crowd(ret);
    config_read_metadata(ret, log);
    read_signals(ret, log);
    read_words(ret, log);
    ret->output = config_set("PILLION_OUTPUT");
    if (!ret->output)
        ret->output = config_set("TRACKER_OUTPUT");
    if (names)
        names_check(names, log);
}

int config_output(const char *pattern, long pid, const char *machine, const char *id, char *ret, size_t size)
{
    struct bytes path;
    bytes_init(&path, size - 1);
    int error = 0;
    for (; *pattern && error == 0; pattern++) {
        if (*pattern != '%') {
            bytes_char(&path, *pattern);
            continue;
        }
        switch (*++pattern) {
        case 'p':
            bytes_signed(&path, pid);
            break;
        case 'h':
            bytes_text(&path, machine);
            break;
        case 'r':
            bytes_text(&path, id);
            break;
        case '%':
            bytes_char(&path, '%');
            break;
        default:
            error = -EINVAL;
            break;
        }
        if (error < 0)
            break;
    }
    if (error == 0 && (path.failed || path.len == 0))
        error = -ENAMETOOLONG;
    if (error == 0)
        memcpy(ret, path.data, path.len + 1);
    bytes_done(&path);
    return error;
}
