// SPDX-License-Identifier: Apache-2.0
#include "run/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "run/names.h"
#include "sentinel/request.h"

static const char *set(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void invalid(struct log *log, const char *name, const char *value, const char *allowed, const char *fallback)
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
    const char *given = set(option->name);
    if (given && text_decimal(text_of(given), &value) && value >= option->min && value <= option->max)
        return (int64_t)(value * (double)CLOCK_SECOND + 0.5);
    if (given)
        invalid(log, option->name, given, option->allowed, option->fallback);
    (void)text_decimal(text_of(option->fallback), &value);
    return (int64_t)(value * (double)CLOCK_SECOND + 0.5);
}

static void read_times(struct config *c, struct log *log)
{
    static const struct number interval = {"PILLION_INTERVAL", "1", 0.05, 3600, "seconds from 0.05 to 3600"};
    static const struct number life = {"PILLION_MIN_SECONDS", "0", 0, 31536000, "seconds from 0"};
    static const struct number exit_time = {"PILLION_EXIT_TIMEOUT", "5", 0, 3600, "seconds from 0 to 3600"};
    struct number              upload = {"TRACKER_UPLOAD_INTERVAL", "60", 1, 86400, "seconds from 1 to 86400"};
    if (!set(upload.name))
        upload.name = "PILLION_UPLOAD_INTERVAL";
    c->interval = seconds(&interval, log);
    c->min_life = seconds(&life, log);
    c->exit_timeout = seconds(&exit_time, log);
    c->upload_interval = seconds(&upload, log);
}

static bool token_is_clean(const char *token)
{
    for (; *token; token++)
        if (*token <= ' ' || *token > '~')
            return false;
    return true;
}

/* The value itself is never logged. */
static void read_token(struct config *c, struct log *log)
{
    const char *token = set("SENTINEL_API_TOKEN");
    const char *file = set("SENTINEL_API_TOKEN_FILE");
    char        text[CONFIG_TOKEN_MAX];
    if (!token)
        token = set("SENTINEL_API_KEY");
    if (!token && file) {
        struct text t = {0};
        struct text line = text_of("");
        size_t      len = 0;
        int         error = file_read(AT_FDCWD, file, text, sizeof text, &len);
        if (error == -EFBIG) { /* the first line is all that is wanted */
            len = sizeof text - 1;
            error = 0;
        }
        if (error < 0) {
            log_line(log, LOG_ERROR, "SENTINEL_API_TOKEN_FILE=%.200s cannot be read (%s); the run stays local", file,
                     strerror(-error));
            return;
        }
        t = text_span(text, len);
        if (text_line(&t, &line) && text_len(line) > 0 && line.end[-1] == '\r')
            line.end--;
        token = text_copy(line, c->token, sizeof c->token) && c->token[0] ? c->token : NULL;
    }
    if (!token)
        return;
    if (!token_is_clean(token) || strlen(token) >= sizeof c->token) {
        log_line(log, LOG_ERROR,
                 "the API token holds spaces or control characters, or is too long; the run stays "
                 "local: set SENTINEL_API_TOKEN to the token alone");
        c->token[0] = '\0';
    } else if (token != c->token) {
        memcpy(c->token, token, strlen(token) + 1);
    }
}

/* A token is for the server that its owner named: with an unusable URL it goes nowhere. */
static void read_api(struct config *c, struct log *log)
{
    const char *url = set("SENTINEL_API_URL");
    int         error = api_check_url(url ? url : SENTINEL_DEFAULT_URL, c->api_url, sizeof c->api_url);
    read_token(c, log);
    if (error == 0)
        return;
    bool secret = !url || strchr(url, '@') != NULL; /* a password may stand in it */
    log_line(log, LOG_ERROR, "SENTINEL_API_URL=%.200s is not valid: %s; the run stays local", secret ? "(…)" : url,
             error == -EACCES ? "plain http goes to this machine alone, use https" : "an http or https URL");
    c->token[0] = c->api_url[0] = '\0';
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
    const char *given = set("PILLION_KEEP");
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
        invalid(log, "PILLION_KEEP", given, "a number of runs, and a size such as 500M or 1G behind a comma", "200,1G");
    }
}

static void read_share(struct config *c, struct log *log)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } words[] = {{"hostname", SHARE_HOSTNAME}, {"ip", SHARE_IP},           {"host_id", SHARE_HOST_ID},
                 {"account", SHARE_ACCOUNT},   {"command", SHARE_COMMAND}, {"all", SHARE_ALL}};
    const char *given = set("PILLION_SHARE");
    struct text rest = text_of(given ? given : "");
    struct text word;
    while (text_until(&rest, ',', &word)) {
        bool known = text_len(word) == 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (text_is(word, words[i].name)) {
                c->share |= words[i].bit;
                known = true;
            }
        if (!known)
            invalid(log, "PILLION_SHARE", given, "hostname, ip, host_id, account, command, all, with commas",
                    "what is known of it");
    }
}

/* Slurm's own variables: nothing that a user sets for us, hence nothing to complain about. */
static void read_crowd(struct config *c)
{
    static const char *const names[] = {"SLURM_STEP_NUM_NODES", "SLURM_ARRAY_TASK_COUNT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = set(names[i]);
        struct text t = text_of(value ? value : "");
        uint64_t    count = 0;
        if (text_unsigned(&t, &count) && count > c->crowd)
            c->crowd = count < 1000000 ? count : 1000000;
    }
}

static void read_log(struct config *c, struct log *log)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    const char              *given = set("PILLION_LOG_LEVEL");
    bool                     known = !given;
    c->log = set("PILLION_LOG");
    c->log_level = LOG_WARN;
    for (int i = 0; given && i < 4; i++)
        if (strcmp(given, levels[i]) == 0) {
            c->log_level = (enum log_level)i;
            known = true;
        }
    log->level = c->log_level;
    if (!known)
        invalid(log, "PILLION_LOG_LEVEL", given, "error, warn, info, debug", "warn");
}

static void add_tag(struct config *c, struct text piece, char **at, struct log *log)
{
    struct text key;
    size_t      len = text_len(piece);
    size_t      room = sizeof c->tag_text - (size_t)(*at - c->tag_text);
    if (len == 0)
        return;
    if (!memchr(piece.at, '=', len) || *piece.at == '=' || len + 2 > room || c->metadata.tag_count == CONFIG_TAGS_MAX) {
        log_line(log, LOG_WARN, "TRACKER_TAGS: %.*s is not valid: key=value, at most 64 of them; it is left out",
                 (int)(len < 200 ? len : 200), piece.at);
        return;
    }
    (void)text_until(&piece, '=', &key);
    struct sentinel_pair *tag = &c->tags[c->metadata.tag_count++];
    tag->key = *at;
    (void)text_copy(key, *at, room);
    *at += text_len(key) + 1;
    tag->value = *at;
    (void)text_copy(piece, *at, room - text_len(key) - 1);
    *at += text_len(piece) + 1;
}

static void read_metadata(struct config *c, struct log *log)
{
    struct sentinel_run *m = &c->metadata;
    m->job_name = set("TRACKER_JOB_NAME");
    m->project_name = set("TRACKER_PROJECT_NAME");
    m->stage_name = set("TRACKER_STAGE_NAME");
    m->task_name = set("TRACKER_TASK_NAME");
    m->team = set("TRACKER_TEAM");
    m->env = set("TRACKER_ENV");
    m->language = set("TRACKER_LANGUAGE");
    m->orchestrator = set("TRACKER_ORCHESTRATOR");
    m->executor = set("TRACKER_EXECUTOR");
    m->external_run_id = set("TRACKER_EXTERNAL_RUN_ID");
    m->container_image = set("TRACKER_CONTAINER_IMAGE");
    m->tags = c->tags;
    const char *given = set("TRACKER_TAGS");
    struct text rest = text_of(given ? given : "");
    struct text piece;
    char       *at = c->tag_text;
    while (text_until(&rest, ',', &piece))
        add_tag(c, piece, &at, log);
}

/* `words` is a list of strings, ended by an empty one. Any case. */
static bool is_one_of(const char *value, const char *words)
{
    for (; *words; words += strlen(words) + 1)
        if (strcasecmp(value, words) == 0)
            return true;
    return false;
}

/* Accepted and checked from the first version on; what is behind them comes later. */
static void read_later(struct log *log)
{
    static const struct {
        const char *name, *allowed, *fallback;
        const char *words[5];
    } later[] = {
        {"PILLION_RANKS", "node, all, first", "node", {"node", "all", "first"}},
        {"PILLION_CLOUD", "auto, probe, off", "auto", {"auto", "probe", "off"}},
    };
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        const char *given = set(later[i].name);
        bool        known = false;
        for (size_t w = 0; given && w < 5 && later[i].words[w]; w++)
            known |= strcmp(given, later[i].words[w]) == 0;
        if (given && !known)
            invalid(log, later[i].name, given, later[i].allowed, later[i].fallback);
        else if (given && strcmp(given, later[i].fallback) != 0 && strcmp(given, "off") != 0)
            log_line(log, LOG_WARN, "%s=%s has no effect in this version", later[i].name, given);
    }
    const char *signals = set("PILLION_SIGNALS");
    const char *endpoint = set("PILLION_S3_ENDPOINT");
    if (signals && !is_one_of(signals, "1\0true\0yes\0on\0") && !is_one_of(signals, "0\0false\0no\0off\0"))
        invalid(log, "PILLION_SIGNALS", signals, "on, off", "on");
    if (signals && is_one_of(signals, "1\0true\0yes\0on\0"))
        log_line(log, LOG_WARN, "PILLION_SIGNALS=%s has no effect in this version: signals are left alone", signals);
    if (endpoint && strncmp(endpoint, "https://", 8) != 0 && strncmp(endpoint, "http://", 7) != 0)
        invalid(log, "PILLION_S3_ENDPOINT", endpoint, "an http or https URL", "AWS");
    else if (endpoint)
        log_line(log, LOG_WARN, "PILLION_S3_ENDPOINT has no effect in this version: runs are delivered inline");
}

void config_read(struct config *ret, const char *const *names, struct log *log)
{
    *ret = (struct config){0};
    read_log(ret, log);
    read_times(ret, log);
    read_api(ret, log);
    read_keep(ret, log);
    read_share(ret, log);
    read_crowd(ret);
    read_metadata(ret, log);
    read_later(log);
    ret->output = set("PILLION_OUTPUT");
    if (!ret->output)
        ret->output = set("TRACKER_OUTPUT");
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
