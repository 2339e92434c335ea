/* The writer of run.jsonl: lines are composed here, and appended by run_dir.c. */
// SPDX-License-Identifier: Apache-2.0
#include "store/journal_write.h"

#include <errno.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/json_write.h"

enum { COMMAND_MAX = 256 * 1024 };

static void utc(struct bytes *line, const char *key, int64_t real)
{
    char when[21];
    clock_format_utc(real / CLOCK_SECOND, when);
    when[19] = '\0'; /* the fraction goes before the Z */
    json_key(line, key);
    bytes_format(line, "\"%s.%03dZ\"", when, (int)(real / CLOCK_MILLISECOND % 1000));
}

void journal_token_id(const char *token, char ret[static 9])
{
    unsigned char hash[32] = {0};
    ret[0] = '\0';
    if (mbedtls_sha256((const unsigned char *)token, strlen(token), hash, 0) != 0)
        return;
    for (int i = 0; i < 4; i++)
        (void)snprintf(ret + (ptrdiff_t)2 * i, 3, "%02x", hash[i]);
}

static void open_line(struct bytes *line)
{
    bytes_init(line, RUN_DIR_STATE_MAX);
    bytes_char(line, '{');
}

static int close_line(struct bytes *line, struct run_dir *run)
{
    bytes_char(line, '}');
    int error = line->failed ? -ENOMEM : run_dir_append_state(run, line->data, line->len);
    bytes_done(line);
    return error;
}

static void close_fact(struct bytes *line, struct run_dir *run)
{
    bytes_char(line, '}');
    if (!line->failed)
        run_dir_append_fact(run, line->data, line->len);
    bytes_done(line);
}

static void put_text(struct bytes *line, const char *key, const char *value)
{
    json_key(line, key);
    json_string(line, value, strlen(value));
}

static void put_number(struct bytes *line, const char *key, uint64_t value)
{
    json_key(line, key);
    bytes_unsigned(line, value);
}

static void known(struct bytes *line, const char *key, uint64_t value)
{
    if (value != METRIC_NONE)
        put_number(line, key, value);
}

static void write_totals(struct bytes *line, const struct totals *t)
{
    json_key(line, "totals");
    bytes_char(line, '{');
    json_key(line, "user_s");
    bytes_decimal(line, (double)t->user_us / 1e6, 6);
    json_key(line, "system_s");
    bytes_decimal(line, (double)t->system_us / 1e6, 6);
    known(line, "max_rss_kib", t->max_rss_kib);
    if (t->max_rss_kib != METRIC_NONE) {
        json_key(line, "max_rss_exact");
        bytes_text(line, t->max_rss_exact ? "true" : "false");
    }
    known(line, "minor_faults", t->minor_faults);
    known(line, "major_faults", t->major_faults);
    known(line, "voluntary_switches", t->voluntary_switches);
    known(line, "involuntary_switches", t->involuntary_switches);
    known(line, "cgroup_memory_peak", t->cgroup_memory_peak);
    bytes_char(line, '}');
}

static void joules(struct bytes *line, const char *key, uint64_t microjoules)
{
    if (microjoules == METRIC_NONE)
        return;
    json_key(line, key);
    bytes_decimal(line, (double)microjoules / 1e6, 3);
}

static void write_energy(struct bytes *line, const struct energy_totals *e)
{
    if (e->cpu == METRIC_NONE && e->gpu == METRIC_NONE)
        return;
    json_key(line, "energy");
    bytes_char(line, '{');
    joules(line, "cpu_j", e->cpu);
    joules(line, "cpu_share_j", e->cpu_share);
    if (e->cpu != METRIC_NONE && e->cpu_source)
        put_text(line, "cpu_source", e->cpu_source);
    joules(line, "gpu_j", e->gpu);
    joules(line, "gpu_share_j", e->gpu_share);
    if (e->gpu != METRIC_NONE && e->gpu_source)
        put_text(line, "gpu_source", e->gpu_source);
    bytes_char(line, '}');
}

static void write_events(struct bytes *line, const struct cgroup_events *e)
{
    known(line, "cpu_periods", e->periods);
    known(line, "cpu_periods_throttled", e->throttled);
    if (e->throttled_us != METRIC_NONE) {
        json_key(line, "cpu_throttled_s");
        bytes_decimal(line, (double)e->throttled_us / 1e6, 6);
    }
    known(line, "oom_kills", e->oom_kills);
}

/* `seen`: ns CLOCK_MONOTONIC, METRIC_NONE: at the end. */
static void write_cgroup(struct bytes *line, const struct cgroup_events *e, uint64_t seen)
{
    if (e->periods == METRIC_NONE && e->throttled == METRIC_NONE && e->throttled_us == METRIC_NONE &&
        e->oom_kills == METRIC_NONE)
        return;
    json_key(line, "cgroup");
    bytes_char(line, '{');
    write_events(line, e);
    known(line, "seen_us", seen == METRIC_NONE ? METRIC_NONE : seen / 1000);
    bytes_char(line, '}');
}

static void write_cgroup_before(struct bytes *line, const struct cgroup_watch *watch,
                                const struct cgroup_events *before)
{
    if (watch->cpu.path[0] == '\0' && watch->memory.path[0] == '\0')
        return;
    json_key(line, "cgroup_before");
    bytes_char(line, '{');
    if (watch->memory.path[0] != '\0') {
        put_text(line, "memory", watch->memory.path);
        known(line, "memory_id", watch->memory_id);
        known(line, "memory_peak", before->memory_peak);
        put_number(line, "memory_version", watch->memory.v2 ? 2 : 1);
    }
    write_events(line, before);
    bytes_char(line, '}');
}

static void command(struct bytes *line, const struct journal_begin *begin)
{
    size_t total = 0;
    json_key(line, "command");
    bytes_char(line, '[');
    for (size_t i = 0; begin->arguments && begin->arguments[i]; i++) {
        total += strlen(begin->arguments[i]);
        if (i > 0)
            bytes_char(line, ',');
        if (total > COMMAND_MAX) {
            json_string(line, "\xe2\x80\xa6", 3);
            break;
        }
        json_string(line, begin->arguments[i], strlen(begin->arguments[i]));
    }
    bytes_char(line, ']');
    put_text(line, "executable", begin->executable);
}

static void allotment(struct bytes *line, const struct allotment *a)
{
    if (!a->by)
        return;
    json_key(line, "allotment");
    bytes_char(line, '{');
    put_text(line, "by", a->by);
    known(line, "cpus", a->cpus > 0 ? a->cpus : METRIC_NONE);
    known(line, "memory_mib", a->memory_mib > 0 ? a->memory_mib : METRIC_NONE);
    known(line, "gpus", a->gpus > 0 ? a->gpus : METRIC_NONE);
    known(line, "seconds", a->seconds > 0 ? a->seconds : METRIC_NONE);
    bytes_char(line, '}');
}

static void container(struct bytes *line, const struct container *c)
{
    const struct {
        const char *key, *value;
    } told[] = {{"pod", c->pod}, {"namespace", c->space}, {"name", c->name}, {"index", c->index}, {"image", c->image}};
    bool is_open = false;
    for (size_t i = 0; i < ARRAY_LENGTH(told); i++) {
        if (!told[i].value)
            continue;
        if (!is_open) {
            json_key(line, "container");
            bytes_char(line, '{');
        }
        is_open = true;
        put_text(line, told[i].key, told[i].value);
    }
    if (is_open)
        bytes_char(line, '}');
}

/* `api_url` keeps versions of before buckets away from the run, whatever token they have. */
static void bucket(struct bytes *line, const struct journal_bucket *b)
{
    put_text(line, "api_url", b->uri);
    put_text(line, "destination", b->uri);
    if (b->endpoint[0])
        put_text(line, "s3_endpoint", b->endpoint);
    put_text(line, "key", b->key);
    put_text(line, "date", b->date);
    put_text(line, "upload_uri_prefix", b->prefix);
    put_number(line, "share", b->share);
}

/* Says where the run is to be delivered, and by whose token. */
static void api(struct bytes *line, const struct journal_begin *begin)
{
    char                 token_id[9];
    const struct config *config = begin->config;
    if (begin->bucket)
        bucket(line, begin->bucket);
    if (!config->token[0])
        return;
    journal_token_id(config->token, token_id);
    put_text(line, "api_url", config->api_url);
    put_text(line, "token_id", token_id);
}

void journal_begin(struct run_dir *run, const struct journal_begin *begin)
{
    struct bytes line;
    open_line(&line);
    put_number(&line, "format", JOURNAL_FORMAT);
    put_text(&line, "id", run->id);
    put_text(&line, "state", "running");
    command(&line, begin);
    put_number(&line, "pid", (uint64_t)begin->pid);
    put_number(&line, "pid_start", begin->pid_start);
    json_key(&line, "machine");
    bytes_char(&line, '{');
    put_text(&line, "boot_id", begin->machine->boot_id);
    put_number(&line, "pid_namespace", begin->pid_namespace);
    put_text(&line, "host_name", begin->machine->host_name);
    bytes_char(&line, '}');
    utc(&line, "started_at", begin->started_at);
    if (run->clock_offset != 0) {
        json_key(&line, "clock_offset_ms");
        bytes_signed(&line, run->clock_offset / CLOCK_MILLISECOND);
    }
    json_key(&line, "interval");
    bytes_decimal(&line, (double)begin->config->interval / 1e9, 3);
    json_key(&line, "baseline");
    bytes_text(&line, begin->baseline);
    if (begin->cgroups)
        write_cgroup_before(&line, begin->cgroups, begin->cgroup_before);
    json_key(&line, "upload_interval");
    bytes_decimal(&line, (double)begin->config->upload_interval / 1e9, 0);
    allotment(&line, &begin->config->allotment);
    if (begin->config->allotment.ends > 0)
        utc(&line, "time_limit_at", (int64_t)begin->config->allotment.ends * CLOCK_SECOND);
    container(&line, &begin->config->container);
    if (*begin->registration) {
        json_key(&line, "registration");
        bytes_text(&line, begin->registration);
    }
    api(&line, begin);
    close_fact(&line, run);
}

void journal_continue(struct run_dir *run, const struct journal_begin *begin, bool with_api)
{
    struct bytes line;
    open_line(&line);
    command(&line, begin);
    if (begin->cgroups) /* the image may be in another cgroup by now */
        write_cgroup_before(&line, begin->cgroups, begin->cgroup_before);
    if (with_api)
        api(&line, begin);
    close_fact(&line, run);
}

void journal_registration(struct run_dir *run, const char *registration)
{
    struct bytes line;
    open_line(&line);
    json_key(&line, "registration");
    bytes_text(&line, registration);
    close_fact(&line, run);
}

void journal_continues(struct run_dir *run, const char *id)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "continues", id);
    close_fact(&line, run);
}

void journal_output(struct run_dir *run, const char *path)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "output", path);
    close_fact(&line, run);
}

void journal_registered(struct run_dir *run, const char *sentinel_run_id, const char *upload_uri_prefix)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "sentinel_run_id", sentinel_run_id);
    if (upload_uri_prefix)
        put_text(&line, "upload_uri_prefix", upload_uri_prefix);
    close_fact(&line, run);
}

int journal_bucket(struct run_dir *run, const struct journal_bucket *b)
{
    struct bytes line;
    open_line(&line);
    bucket(&line, b);
    if (!run->keeps_facts)
        return close_line(&line, run);
    close_fact(&line, run);
    return 0;
}

void journal_started(struct run_dir *run)
{
    static const char line[] = "{\"started\":true}";
    run_dir_append_fact(run, line, sizeof line - 1);
}

void journal_end(struct run_dir *run, const struct journal_end *end)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "state", end->state);
    utc(&line, "finished_at", end->finished_at);
    json_key(&line, "duration_s");
    bytes_decimal(&line, (double)end->duration / 1e9, 3);
    if (end->wait_status >= 0 && WIFSIGNALED(end->wait_status)) {
        put_number(&line, "exit_code", 128U + (unsigned)WTERMSIG(end->wait_status));
        put_number(&line, "signal", (uint64_t)WTERMSIG(end->wait_status));
    } else if (end->wait_status >= 0) {
        put_number(&line, "exit_code", (uint64_t)WEXITSTATUS(end->wait_status));
    }
    if (end->totals)
        write_totals(&line, end->totals);
    if (end->cgroup)
        write_cgroup(&line, end->cgroup, METRIC_NONE);
    if (end->energy)
        write_energy(&line, end->energy);
    if (end->commands) {
        json_key(&line, "commands");
        bytes_text(&line, end->commands);
    }
    json_key(&line, "cost");
    bytes_text(&line, "{\"cpu_s\":");
    bytes_decimal(&line, (double)end->cost_cpu / 1e9, 6);
    put_number(&line, "rows", end->rows);
    if (end->lost_rows)
        put_number(&line, "lost_rows", end->lost_rows);
    bytes_char(&line, '}');
    if (end->is_needed)
        close_fact(&line, run);
    else
        (void)close_line(&line, run);
}

void journal_otlp(struct run_dir *run, const char *instance, const struct journal_otlp *counts)
{
    struct bytes line;
    open_line(&line);
    json_key(&line, "otlp");
    bytes_char(&line, '{');
    put_text(&line, "instance", instance);
    put_number(&line, "rows", counts->rows);
    put_number(&line, "taken", counts->taken);
    put_number(&line, "dropped", counts->dropped);
    put_number(&line, "unanswered", counts->unanswered);
    put_number(&line, "refused_points", counts->refused_points);
    bytes_char(&line, '}');
    (void)close_line(&line, run);
}

void journal_goes_on(struct run_dir *run)
{
    static const char line[] = "{\"state\":\"running\",\"finished_at\":null,\"duration_s\":null,\"exit_code\":null,"
                               "\"signal\":null,\"totals\":null,\"energy\":null,\"commands\":null,\"cost\":null}";
    (void)run_dir_append_state(run, line, sizeof line - 1);
}

void journal_state(struct run_dir *run, const char *state, const char *result)
{
    struct bytes line;
    if (result) { /* a line of its own: a result that cannot be read back must not take the state with it */
        open_line(&line);
        json_key(&line, "result");
        bytes_text(&line, result);
        (void)close_line(&line, run);
    }
    open_line(&line);
    put_text(&line, "state", state);
    (void)close_line(&line, run);
}

/* Each line says all of the progress: the line before may not have found room. */
static void progress(struct bytes *line, uint64_t uploaded, uint64_t sealed, uint64_t from, uint64_t to)
{
    put_number(line, "uploaded", uploaded);
    put_number(line, "sealed", sealed);
    json_key(line, "batch");
    bytes_char(line, '[');
    bytes_unsigned(line, from);
    bytes_char(line, ',');
    bytes_unsigned(line, to);
    bytes_char(line, ']');
}

int journal_batch(struct run_dir *run, uint64_t uploaded, uint64_t from, uint64_t to)
{
    struct bytes line;
    open_line(&line);
    progress(&line, uploaded, uploaded + 1, from, to);
    return close_line(&line, run);
}

void journal_uploaded(struct run_dir *run, uint64_t uploaded, uint64_t from, uint64_t to)
{
    struct bytes line;
    open_line(&line);
    progress(&line, uploaded, uploaded, from, to);
    (void)close_line(&line, run);
}

int journal_finishing(struct run_dir *run, const char *data_source, uint64_t uploaded, uint64_t from, uint64_t to)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "state", "finishing");
    put_text(&line, "data_source", data_source);
    if (uploaded > 0)
        progress(&line, uploaded, uploaded, from, to);
    return close_line(&line, run);
}

void journal_paused(struct run_dir *run, bool paused)
{
    const char *line = paused ? "{\"paused\":true}" : "{\"paused\":false}";
    if (run->state >= 0)
        (void)run_dir_append_state(run, line, strlen(line));
}

void journal_hopeless(struct run_dir *run)
{
    static const char line[] = "{\"hopeless\":true}";
    (void)run_dir_append_state(run, line, sizeof line - 1);
}

void journal_undelivered(struct run_dir *run, const char *reason, bool unanswered)
{
    struct bytes line;
    open_line(&line);
    put_text(&line, "state", "undelivered");
    put_text(&line, "reason", reason);
    json_key(&line, "unanswered");
    bytes_text(&line, unanswered ? "true" : "false");
    (void)close_line(&line, run);
}

void journal_cgroup(struct run_dir *run, const struct cgroup_events *events, int64_t now)
{
    struct bytes line;
    open_line(&line);
    write_cgroup(&line, events, (uint64_t)now);
    (void)close_line(&line, run);
}
