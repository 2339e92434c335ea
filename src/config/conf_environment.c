// SPDX-License-Identifier: Apache-2.0
#include "config/conf_environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/variables.h"

enum { TOLD = 8 };

enum verdict {
    SETS,
    FORCES,
    ONLY_SETS, /* `force` does not reach this one */
    IS_SECRET,
    IS_UNKNOWN,
    IS_NO_SETTING,
    IS_EMPTY,
};

struct line {
    const char  *text; /* "NAME=value" */
    unsigned     number;
    size_t       name_len;
    size_t       variable;
    enum verdict verdict;
};

/* The setting of a variable that counts: the last line of its name. */
struct setting {
    const char *text;
    unsigned    line;
    bool        forced;
    bool        is_users; /* the environment has it, or another name for the same */
};

static unsigned short lines_of[VARIABLE_COUNT];

static enum verdict judge(const struct line *line, bool forced)
{
    if (!*line->text && !forced)
        return IS_EMPTY;
    if (line->name_len == 0 || line->text[line->name_len] != '=')
        return IS_NO_SETTING;
    if (line->variable == VARIABLE_COUNT)
        return IS_UNKNOWN;
    if (variable_is_secret(line->variable))
        return IS_SECRET;
    if (!forced)
        return SETS;
    return variable_is_users(line->variable) ? ONLY_SETS : FORCES;
}

/* `at` goes on to the next one; `ret->number` is that of the line before. */
static bool next_line(const struct conf *conf, const char **at, struct line *ret)
{
    const char *text = *at ? *at : conf->lines;
    if (!conf->lines || text >= conf->lines + conf->size)
        return false;
    *at = text + strlen(text) + 1;
    bool forced = strncmp(text, CONF_FORCE, strlen(CONF_FORCE)) == 0;
    ret->text = text + (forced ? strlen(CONF_FORCE) : 0);
    ret->name_len = strcspn(ret->text, "=");
    ret->variable = variable_find(ret->text, ret->name_len);
    ret->number++;
    ret->verdict = judge(ret, forced);
    return true;
}

static bool counts(const struct line *line)
{
    return line->verdict == SETS || line->verdict == FORCES || line->verdict == ONLY_SETS;
}

static void read_settings(const struct conf *conf, struct setting settings[static VARIABLE_COUNT])
{
    struct line line = {0};
    for (const char *at = NULL; next_line(conf, &at, &line);)
        if (counts(&line))
            settings[line.variable] = (struct setting){
                .text = line.text, .line = line.number, .forced = line.verdict == FORCES};
}

/* Looks at a variable of the environment. True: the site forces it, or another name for the same. */
static bool is_forced(const char *entry, struct setting settings[static VARIABLE_COUNT])
{
    bool forced = false;
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (settings[i].text && variable_stands_for(entry, i)) {
            settings[i].is_users = true;
            forced |= settings[i].forced;
        }
    return forced;
}

static size_t put(struct setting settings[static VARIABLE_COUNT], bool forced, const char **at)
{
    size_t count = 0;
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        const struct setting *s = &settings[i];
        if (!s->text || s->forced != forced || (s->is_users && !forced))
            continue;
        at[count++] = s->text;
        lines_of[i] = s->line < 0xFFFF ? (unsigned short)s->line : 0xFFFF;
    }
    return count;
}

/* A default that has another name than what is forced must not come before it. */
static void give_way(struct setting settings[static VARIABLE_COUNT])
{
    for (size_t i = 0; i < VARIABLE_COUNT; i++)
        if (settings[i].text && settings[i].forced)
            (void)is_forced(settings[i].text, settings);
}

int conf_environment(const char *const *environment, const struct conf *conf, const char ***ret)
{
    struct setting settings[VARIABLE_COUNT] = {{0}};
    size_t         count = 0;
    while (environment && environment[count])
        count++;
    const char **both = calloc(count + VARIABLE_COUNT + 1, sizeof *both);
    if (!both)
        return -ENOMEM;
    memset(lines_of, 0, sizeof lines_of);
    read_settings(conf, settings);
    give_way(settings);
    size_t at = put(settings, true, both);
    for (size_t i = 0; i < count; i++)
        if (!is_forced(environment[i], settings))
            both[at++] = environment[i];
    (void)put(settings, false, both + at);
    *ret = both;
    return 0;
}

unsigned conf_line_of(const char *name)
{
    size_t variable = variable_find(name, strlen(name));
    return variable < VARIABLE_COUNT ? lines_of[variable] : 0;
}

void conf_count(const struct conf *conf, unsigned *ret_settings, unsigned *ret_forced)
{
    struct line line = {0};
    *ret_settings = *ret_forced = 0;
    for (const char *at = NULL; next_line(conf, &at, &line);) {
        *ret_settings += counts(&line);
        *ret_forced += line.verdict == FORCES;
    }
}

static bool is_quoted(const char *value)
{
    size_t len = strlen(value);
    return len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value;
}

/* Never more of a line than its name: the rest may be a secret. False: nothing is wrong with it. */
static bool tell(const struct line *line, struct log *log)
{
    int len = line->name_len < 64 ? (int)line->name_len : 64;
    if (counts(line) && is_quoted(line->text + line->name_len + 1))
        log_line(log, LOG_WARN, CONF_PATH ", line %u: the quotes are taken for a part of the value", line->number);
    else if (line->verdict == ONLY_SETS)
        log_line(log, LOG_WARN,
                 CONF_PATH ", line %u: %.*s cannot be forced, for it is the user's to say: the line is a default",
                 line->number, len, line->text);
    else if (line->verdict == IS_SECRET)
        log_line(log, LOG_WARN,
                 CONF_PATH ", line %u: a token is not taken from a file that everybody reads; put it into a file that "
                           "its users alone can read, and name that in SENTINEL_API_TOKEN_FILE",
                 line->number);
    else if (line->verdict == IS_UNKNOWN)
        log_line(log, LOG_WARN, CONF_PATH ", line %u: %.*s is no variable of pillion; the nearest is %s", line->number,
                 len, line->text, variable_nearest(line->text, line->name_len));
    else if (line->verdict == IS_NO_SETTING)
        log_line(log, LOG_WARN, CONF_PATH ", line %u is not NAME=value", line->number);
    else
        return false;
    return true;
}

static const char *reason(const struct conf *conf)
{
    static const char *const reasons[] = {[CONF_LINK] = "it is a link",
                                          [CONF_NO_FILE] = "it is no regular file",
                                          [CONF_TOO_LARGE] = "it is larger than 64 KiB",
                                          [CONF_ANOTHERS] = "it is not root's",
                                          [CONF_WRITABLE] = "others than root may write to it",
                                          [CONF_NO_TEXT] = "it is no text, for there is a NUL in it"};
    return conf->fault == CONF_UNREADABLE ? strerror(-conf->error) : reasons[conf->fault];
}

void conf_check(const struct conf *conf, struct log *log)
{
    struct line line = {0};
    int         told = 0;
    if (conf->fault)
        log_line(log, LOG_WARN, CONF_PATH " is left out: %s", reason(conf));
    for (const char *at = NULL; told < TOLD && next_line(conf, &at, &line);)
        told += tell(&line, log);
}
