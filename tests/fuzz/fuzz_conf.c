// SPDX-License-Identifier: Apache-2.0
// /etc/pillion.conf as anything: what hook and engine take from it is the same, it is never longer than the file, and
// what is the user's stays the user's.
#include <errno.h>

#include "base/log.h"
#include "config/conf_environment.h"
#include "config/variables.h"
#include "fuzz.h"
#include "hook/hook.h"

enum { OWN = 3 };

/* The first of a name counts. */
static const char *value_in(const char *const *environment, const char *name)
{
    const char *value = NULL;
    for (; !value && *environment; environment++)
        value = variable_named(*environment, name);
    return value;
}

static bool is_clean(const char *line)
{
    size_t len = strlen(line);
    return len == 0 ||
           (!strchr(" \t\r", line[0]) && (!strchr(" \t\r", line[len - 1]) || strcmp(line, CONF_FORCE) == 0) &&
            line[0] != '#' && !strchr(line, '\n'));
}

static void lines_are_clean(const struct conf *conf, const uint8_t *data, size_t size)
{
    size_t count = 0;
    size_t ends = 0;
    for (const char *at = conf->lines; at < conf->lines + conf->size; at += strlen(at) + 1, count++)
        HOLDS(is_clean(at));
    for (size_t i = 0; i < size; i++)
        ends += data[i] == '\n';
    HOLDS(count == ends + (size > 0 && data[size - 1] != '\n'));
}

static void the_users_word_counts(const struct conf *conf)
{
    static const char *const own[OWN + 1] = {"PILLION_SHARE=ip", "SENTINEL_API_TOKEN=own", "TRACKER_UPLOAD_INTERVAL=7"};
    const char             **both = NULL;
    HOLDS(conf_environment(own, conf, &both) == 0);
    HOLDS(strcmp(value_in(both, "PILLION_SHARE"), "ip") == 0);
    HOLDS(strcmp(value_in(both, "SENTINEL_API_TOKEN"), "own") == 0);
    HOLDS(!value_in(both, "SENTINEL_API_KEY") && !value_in(both, "SENTINEL_API_TOKEN_FILE"));
    bool        forced = conf_line_of("TRACKER_UPLOAD_INTERVAL") || conf_line_of("PILLION_UPLOAD_INTERVAL");
    const char *interval = value_in(both, "TRACKER_UPLOAD_INTERVAL");
    HOLDS(forced || (interval && strcmp(interval, "7") == 0));
    size_t count = 0;
    for (; both[count]; count++)
        HOLDS(variable_find(both[count], strcspn(both[count], "=")) < VARIABLE_COUNT);
    HOLDS(count <= OWN + VARIABLE_COUNT);
    free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf conf = {0};
    struct log  log;
    unsigned    settings = 0;
    unsigned    forced = 0;
    if (size > CONF_MAX || memchr(data, '\0', size)) /* the hook refuses both */
        return 0;
    char *text = malloc(size + 1);
    HOLDS(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    conf.lines = text;
    conf.size = conf_make_lines(text, size);
    HOLDS(conf.size <= size + 1);
    lines_are_clean(&conf, data, size);
    the_users_word_counts(&conf);
    conf_count(&conf, &settings, &forced);
    HOLDS(forced <= settings && settings <= conf.size);
    log_init(&log, LOG_DEBUG);
    conf_check(&conf, &log);
    log_done(&log);
    free(text);
    return 0;
}
