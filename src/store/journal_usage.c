// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/json_write.h"
#include "store/journal_parts.h"
#include "store/journal_write.h"

void record_open_line(struct bytes *line)
{
    bytes_init(line, RUNDIR_STATE_MAX);
    bytes_char(line, '{');
}

int record_close_line(struct bytes *line, struct rundir *run)
{
    bytes_char(line, '}');
    int error = line->failed ? -ENOMEM : rundir_append_state(run, line->data, line->len);
    bytes_done(line);
    return error;
}

void record_close_fact(struct bytes *line, struct rundir *run)
{
    bytes_char(line, '}');
    if (!line->failed)
        rundir_append_fact(run, line->data, line->len);
    bytes_done(line);
}

void record_text(struct bytes *line, const char *key, const char *value)
{
    json_key(line, key);
    json_string(line, value, strlen(value));
}

void record_number(struct bytes *line, const char *key, uint64_t value)
{
    json_key(line, key);
    bytes_unsigned(line, value);
}

static void known(struct bytes *line, const char *key, uint64_t value)
{
    if (value != METRIC_NONE)
        record_number(line, key, value);
}

void record_write_totals(struct bytes *line, const struct totals *t)
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

void record_write_cgroup(struct bytes *line, const struct cgroup_events *e)
{
    if (e->periods == METRIC_NONE && e->throttled == METRIC_NONE && e->throttled_us == METRIC_NONE &&
        e->oom_kills == METRIC_NONE)
        return;
    json_key(line, "cgroup");
    bytes_char(line, '{');
    write_events(line, e);
    bytes_char(line, '}');
}

void record_write_cgroup_before(struct bytes *line, const struct cgroup_watch *watch,
                                const struct cgroup_events *before)
{
    if (watch->cpu.path[0] == '\0' && watch->memory.path[0] == '\0')
        return;
    json_key(line, "cgroup_before");
    bytes_char(line, '{');
    if (watch->memory.path[0] != '\0') {
        record_text(line, "memory", watch->memory.path);
        known(line, "memory_id", watch->memory_id);
        known(line, "memory_peak", before->memory_peak);
        record_number(line, "memory_version", watch->memory.v2 ? 2 : 1);
    }
    write_events(line, before);
    bytes_char(line, '}');
}

void record_cgroup(struct rundir *run, const struct cgroup_events *events)
{
    struct bytes line;
    record_open_line(&line);
    record_write_cgroup(&line, events);
    (void)record_close_line(&line, run);
}
