/* The reader of the configuration: each variable is parsed once, and an invalid value is named in the log. */
// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/text.h"
#include "config/conf_environment.h"
#include "config/otel.h"
#include "config/variables.h"
#include "sentinel/requests.h"
#include "sentinel/s3.h"

static void invalid(struct log *log, const char *name, const char *value, const char *allowed)
{
    unsigned line = conf_line_of(name);
    if (line)
        log_line(log, LOG_WARN, CONF_PATH ", line %u: %s=%.200s is not valid: %s; %s is used", line, name, value,
                 allowed, variable_default(name));
    else
        log_line(log, LOG_WARN, "%s=%.200s is not valid: %s; %s is used", name, value, allowed, variable_default(name));
}

static int64_t seconds(const char *name, double min, double max, const char *allowed, struct log *log)
{
    double      value = 0;
    const char *given = environment_value(name);
    bool        good = given && text_decimal(text_of(given), &value) && value >= min && value <= max;
    if (given && !good)
        invalid(log, name, given, allowed);
    if (!good)
        (void)text_decimal(text_of(variable_default(name)), &value);
    return (int64_t)(value * (double)CLOCK_SECOND + 0.5);
}

static void read_times(struct config *c, struct log *log)
{
    const char *upload = "TRACKER_UPLOAD_INTERVAL";
    if (!environment_value(upload))
        upload = "PILLION_UPLOAD_INTERVAL";
    c->interval = seconds("PILLION_INTERVAL", 0.05, 3600, "seconds from 0.05 to 3600", log);
    c->min_life = seconds("PILLION_MIN_SECONDS", 0, 31536000, "seconds from 0", log);
    c->exit_timeout = seconds("PILLION_EXIT_TIMEOUT", 0, 3600, "seconds from 0 to 3600", log);
    c->upload_interval = seconds(upload, 1, 86400, "seconds from 1 to 86400", log);
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

/* "RUNS" or "RUNS,SIZE". */
static bool parse_keep(const char *value, struct config *c)
{
    struct text rest = text_of(value);
    struct text count = {0};
    uint64_t    runs = 0;
    uint64_t    bytes = c->keep_bytes;
    if (!text_until(&rest, ',', &count) || !text_unsigned(&count, &runs) || text_len(count) > 0 ||
        (strchr(value, ',') && !read_size(rest, &bytes)))
        return false;
    c->keep_runs = runs;
    c->keep_bytes = bytes;
    return true;
}

static void read_keep(struct config *c, struct log *log)
{
    const char *given = environment_value("PILLION_KEEP");
    (void)parse_keep(variable_default("PILLION_KEEP"), c);
    if (given && !parse_keep(given, c))
        invalid(log, "PILLION_KEEP", given, "a number of runs, and a size such as 500M or 1G behind a comma");
}

static bool find_word(const char *words, const char *value, unsigned *ret)
{
    struct text rest = text_of(words);
    struct text word;
    for (*ret = 0; text_until(&rest, ',', &word); (*ret)++) {
        text_blanks(&word);
        if (text_is(word, value))
            return true;
    }
    return false;
}

/* Which of the words, "a, b, c" as they are told, the value is. */
static unsigned choose(const char *name, const char *words, struct log *log)
{
    unsigned    chosen = 0;
    const char *given = environment_value(name);
    if (given && find_word(words, given, &chosen))
        return chosen;
    if (given)
        invalid(log, name, given, words);
    (void)find_word(words, variable_default(name), &chosen);
    return chosen;
}

static void read_log(struct config *c, struct log *log)
{
    c->log = environment_value("PILLION_LOG");
    c->log_level = (enum log_level)choose("PILLION_LOG_LEVEL", "error, warn, info, debug", log);
    log->level = c->log_level;
}

/* `words` is a list of strings, ended by an empty one. Case does not count. */
static bool is_one_of(const char *value, const char *words)
{
    for (; *words; words += strlen(words) + 1)
        if (strcasecmp(value, words) == 0)
            return true;
    return false;
}

static void read_words(struct config *c, struct log *log)
{
    (void)choose("PILLION_RANKS", "node, all, first", log); /* for the complaint: the hook reads it itself */
    c->cloud = (enum config_cloud)choose("PILLION_CLOUD", "auto, probe, off", log);
}

static void read_signals(struct config *c, struct log *log)
{
    const char *given = environment_value("PILLION_SIGNALS");
    bool        off = given && is_one_of(given, "0\0false\0no\0off\0");
    if (given && !off && !is_one_of(given, "1\0true\0yes\0on\0"))
        invalid(log, "PILLION_SIGNALS", given, "on, off");
    c->takes_signals = !off;
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

static void read_token(struct config *c, struct log *log)
{
    char reason[TOKEN_REASON_SIZE];
    log->secret = c->secret;
    if (!credentials_variable())
        return;
    if (credentials_token(c->token, reason) < 0)
        log_line(log, LOG_ERROR, "%s; the run stays local", reason);
    memcpy(c->secret, c->token, strlen(c->token) + 1);
}

/* The names of the AWS tools count for a bucket of one's own alone: where Sentinel's is, Sentinel says. False: what is
 * named cannot be used. */
static bool read_s3_endpoint(struct config *c, struct log *log)
{
    static const char *const names[] = {"PILLION_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"};
    size_t                   count = c->s3_uri[0] ? ARRAY_LENGTH(names) : 1;
    size_t                   i = 0;
    while (i < count && !environment_value(names[i]))
        i++;
    const char *url = i < count ? environment_value(names[i]) : NULL;
    if (!url || s3_check_endpoint(url, c->s3_endpoint, sizeof c->s3_endpoint) == 0)
        return true;
    c->s3_endpoint[0] = '\0';
    invalid(log, names[i], strchr(url, '@') ? "(…)" : url, "an http or https URL");
    return false;
}

/* A token wins, and one that is of no use too: who sets it means Sentinel. */
static void read_s3_uri(struct config *c, struct log *log)
{
    static const char name[] = "PILLION_S3_URI";
    const char       *uri = environment_value(name);
    const char       *key = environment_value("AWS_SECRET_ACCESS_KEY");
    struct text       secret = text_of(key ? key : ""); /* in the place of a token, as it is signed with */
    if (!uri)
        return;
    if (credentials_variable())
        log_line(log, LOG_WARN, "%s is not used: %s is set, and runs go to Sentinel", name, credentials_variable());
    else if (s3_check_place(uri, c->s3_uri, sizeof c->s3_uri) < 0)
        log_line(log, LOG_ERROR, "%s=%.200s is not valid: s3://bucket or s3://bucket/prefix; the run stays local", name,
                 strchr(uri, '@') ? "(…)" : uri);
    text_trim(&secret);
    if (c->s3_uri[0])
        (void)text_copy(secret, c->secret, sizeof c->secret);
}

bool config_delivers(const struct config *c)
{
    return c->token[0] || c->s3_uri[0];
}

/* The URL is written down with each run. */
static bool holds_token(const struct config *c)
{
    char         url[CONFIG_URL_MAX];
    struct bytes copy = {.data = memcpy(url, c->api_url, sizeof url), .len = strlen(c->api_url)};
    return bytes_hide(&copy, c->secret);
}

/* A token is for the server that its owner named. With an unusable URL it goes nowhere. */
static void read_api(struct config *c, struct log *log)
{
    const char *url = environment_value("SENTINEL_API_URL");
    int         error = api_check_url(url ? url : SENTINEL_DEFAULT_URL, c->api_url, sizeof c->api_url);
    read_token(c, log);
    read_s3_uri(c, log);
    if (!read_s3_endpoint(c, log) && c->s3_uri[0]) {
        log_line(log, LOG_ERROR, "the bucket of PILLION_S3_URI is behind that URL; the run stays local");
        c->s3_uri[0] = '\0';
    }
    if (error == 0 && url && holds_token(c)) {
        log_line(log, LOG_ERROR,
                 "SENTINEL_API_URL has the token in it, which goes into a header alone; the run stays local");
        c->token[0] = c->api_url[0] = '\0';
    }
    if (error == 0 || c->s3_uri[0]) /* nobody asks for that URL */
        return;
    bool secret = !url || strchr(url, '@') != NULL; /* a password may stand in the URL */
    log_line(log, LOG_ERROR, "SENTINEL_API_URL=%.200s is not valid: %s; the run stays local", secret ? "(…)" : url,
             error == -EACCES ? "plain http goes to this machine alone, use https" : "an http or https URL");
    c->token[0] = c->api_url[0] = '\0';
}

/* Headers are keys. They are for the receiver that their owner named, and go through no network in the clear. */
static void read_otlp_headers(struct config *c, bool in_the_clear, struct log *log)
{
    static const char name[] = "OTEL_EXPORTER_OTLP_HEADERS";
    const char       *given = environment_value(name);
    if (!given)
        return;
    if (!otel_headers_are_fine(given))
        invalid(log, name, "(…)", "name=value, at most 12 of them with commas, %XX for a comma in a value");
    else if (conf_line_of("PILLION_OTLP_ENDPOINT"))
        log_line(log, LOG_WARN,
                 "%s is not sent: PILLION_OTLP_ENDPOINT is " CONF_PATH "'s, and nobody said that it is for that", name);
    else if (in_the_clear)
        log_line(log, LOG_WARN,
                 "%s is not sent: it would go to PILLION_OTLP_ENDPOINT over plain http, which only this machine's own "
                 "is good enough for; use https",
                 name);
    else
        c->otlp_headers = given;
}

/* Variables of OpenTelemetry's own are often there for the program, so without the endpoint they are not looked at. */
static void read_otlp(struct config *c, struct log *log)
{
    const char *url = environment_value("PILLION_OTLP_ENDPOINT");
    const char *attributes = environment_value("OTEL_RESOURCE_ATTRIBUTES");
    char        secure[CONFIG_URL_MAX];
    if (!url)
        return;
    if (s3_check_endpoint(url, c->otlp_endpoint, sizeof c->otlp_endpoint) < 0) {
        invalid(log, "PILLION_OTLP_ENDPOINT", strchr(url, '@') ? "(…)" : url,
                "an http or https URL, to which /v1/metrics is added");
        return;
    }
    c->otlp = c->otlp_endpoint;
    read_otlp_headers(c, api_check_url(url, secure, sizeof secure) == -EACCES, log);
    c->otlp_service = environment_value("OTEL_SERVICE_NAME");
    if (attributes && !otel_attributes_are_fine(attributes))
        invalid(log, "OTEL_RESOURCE_ATTRIBUTES", attributes, "name=value, with commas, %XX for a comma in a value");
    else
        c->otlp_attributes = attributes;
}

static void read_share(struct config *c, struct log *log)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } words[] = {{"hostname", SHARE_HOSTNAME}, {"ip", SHARE_IP},           {"host_id", SHARE_HOST_ID},
                 {"account", SHARE_ACCOUNT},   {"command", SHARE_COMMAND}, {"all", SHARE_ALL}};
    const char *given = environment_value("PILLION_SHARE");
    struct text rest = text_of(given ? given : "");
    struct text word;
    while (text_until(&rest, ',', &word)) {
        bool known = text_len(word) == 0;
        for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
            if (text_is(word, words[i].name)) {
                c->share |= words[i].bit;
                known = true;
            }
        if (!known)
            log_line(log, LOG_WARN, "PILLION_SHARE=%.200s is not valid: %s; what is known of it is used", given,
                     "hostname, ip, host_id, account, command, all, with commas");
    }
}

static uint64_t count_of(const char *name)
{
    const char *value = environment_value(name);
    struct text t = text_of(value ? value : "");
    uint64_t    count = 0;
    if (!text_unsigned(&t, &count))
        return 0;
    return count < 1000000 ? count : 1000000;
}

/* Variables of launchers and batch systems: no user sets them for us, so there is nothing to complain about. An array's
 * last index stands for its length. Open MPI and Hydra tell ranks, in all and on this node. */
static void read_crowd(struct config *c)
{
    static const char *const names[] = {"SLURM_STEP_NUM_NODES", "SLURM_ARRAY_TASK_COUNT", "FLUX_JOB_NNODES",
                                        "LSB_JOBINDEX_END", "SGE_TASK_LAST"};
    static const char *const ranks[][2] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                                           {"PMI_SIZE", "MPI_LOCALNRANKS"},
                                           {"FLUX_JOB_SIZE", NULL},
                                           {"SLURM_STEP_NUM_TASKS", NULL}};
    const char              *given = environment_value("PILLION_RANKS");
    bool                     all = given && strcmp(given, "all") == 0;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        uint64_t count = count_of(names[i]);
        c->crowd = count > c->crowd ? count : c->crowd;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(ranks); i++) {
        uint64_t here = all ? 1 : ranks[i][1] ? count_of(ranks[i][1]) : 0;
        uint64_t count = here > 0 ? count_of(ranks[i][0]) / here : 0;
        c->crowd = count > 1 && count > c->crowd ? count : c->crowd;
    }
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

bool config_own_tag(struct config *config, const char *key, const char *value)
{
    struct sentinel_run *m = &config->metadata;
    if (m->tag_count >= ARRAY_LENGTH(config->tags))
        return false;
    config->tags[m->tag_count++] = (struct sentinel_pair){.key = key, .value = value};
    m->tags = config->tags;
    return true;
}

bool config_has_tag(const struct config *config, const char *key)
{
    const struct sentinel_run *m = &config->metadata;
    for (size_t i = 0; i < m->tag_count; i++)
        if (strcmp(m->tags[i].key, key) == 0)
            return true;
    return false;
}

/* *at is where the next value goes. */
static void add_job_tags(struct config *c, char **at)
{
    const char *end = c->job_text + sizeof c->job_text;
    for (const struct env_metadata_tag *t = env_metadata_tags; t < env_metadata_tags + env_metadata_tag_count; t++) {
        size_t room = (size_t)(end - *at);
        room = room < ENV_METADATA_VALUE_MAX + 1 ? room : ENV_METADATA_VALUE_MAX + 1;
        if (room < 2 || config_has_tag(c, t->key) || !env_metadata_tag(environment_value, t, *at, room))
            continue;
        if (config_own_tag(c, t->key, *at))
            *at += strlen(*at) + 1;
    }
}

/* What was asked for, as the batch system has given it. */
static void add_request_tags(struct config *c, char **at)
{
    const struct allotment *a = &c->allotment;
    const struct {
        const char *key;
        uint64_t    value;
    } given[] = {
        {"job_cpus", a->cpus}, {"job_memory_mib", a->memory_mib}, {"job_gpus", a->gpus}, {"job_seconds", a->seconds}};
    for (size_t i = 0; i < ARRAY_LENGTH(given); i++) {
        size_t       room = (size_t)(c->job_text + sizeof c->job_text - *at);
        struct bytes text = {.data = *at, .capacity = room, .max = room > 0 ? room - 1 : 0};
        if (given[i].value == 0 || room < 2 || config_has_tag(c, given[i].key))
            continue;
        bytes_unsigned(&text, given[i].value);
        if (!text.failed && config_own_tag(c, given[i].key, *at))
            *at += text.len + 1;
    }
}

void config_look_around(struct config *c, const char *job)
{
    char *at = c->job_text;
    container_read(environment_value, c->secret, &c->container);
    env_metadata_fill(environment_value, c->share, job, &c->metadata, c->env_metadata);
    container_fill(&c->container, c->share, &c->metadata);
    add_job_tags(c, &at);
    add_request_tags(c, &at);
}

static void read_metadata(struct config *c, struct log *log)
{
    struct sentinel_run *m = &c->metadata;
    m->job_name = environment_value("TRACKER_JOB_NAME");
    m->project_name = environment_value("TRACKER_PROJECT_NAME");
    m->stage_name = environment_value("TRACKER_STAGE_NAME");
    m->task_name = environment_value("TRACKER_TASK_NAME");
    m->team = environment_value("TRACKER_TEAM");
    m->env = environment_value("TRACKER_ENV");
    m->language = environment_value("TRACKER_LANGUAGE");
    m->orchestrator = environment_value("TRACKER_ORCHESTRATOR");
    m->executor = environment_value("TRACKER_EXECUTOR");
    m->external_run_id = environment_value("TRACKER_EXTERNAL_RUN_ID");
    m->container_image = environment_value("TRACKER_CONTAINER_IMAGE");
    m->tags = c->tags;
    const char *given = environment_value("TRACKER_TAGS");
    struct text rest = text_of(given ? given : "");
    struct text piece;
    char       *at = c->tag_text;
    while (text_until(&rest, ',', &piece))
        add_tag(c, piece, &at, log);
}

void config_read(struct config *ret, const char *const *names, struct log *log)
{
    read_log(ret, log);
    read_api(ret, log); /* from here on the token is in no line */
    read_times(ret, log);
    read_keep(ret, log);
    read_share(ret, log);
    read_otlp(ret, log);
    read_crowd(ret);
    allotment_read(environment_value, &ret->allotment);
    read_metadata(ret, log);
    read_signals(ret, log);
    read_words(ret, log);
    ret->output = environment_value("PILLION_OUTPUT");
    if (!ret->output)
        ret->output = environment_value("TRACKER_OUTPUT");
    if (names)
        variables_check(names, log);
}
