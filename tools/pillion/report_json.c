// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "base/array.h"
#include "cells.h"
#include "commands.h"
#include "events.h"
#include "output.h"
#include "report.h"
#include "store/journal_read.h"

enum { SMALL_POINTS = 160, GAPS_MAX = 200 };

/* Between rows, this many times the usual is a gap. */
#define GAP_TIMES   3.0
#define GAP_SECONDS 2.0

static const struct {
    const char *chart, *name, *role;
} curve_texts[CURVE_COUNT] = {
    [CURVE_GPU] = {"gpu", "this run", "line"},
    [CURVE_GPU_MACHINE] = {"gpu", "the machine", "back"},
    [CURVE_VRAM] = {"vram", "this run", "line"},
    [CURVE_VRAM_MACHINE] = {"vram", "the machine", "back"},
    [CURVE_CPU] = {"cpu", "user", "stack"},
    [CURVE_CPU_SYSTEM] = {"cpu", "system", "stack"},
    [CURVE_CPU_MACHINE] = {"cpu", "the machine", "back"},
    [CURVE_MEMORY] = {"memory", "this run", "stack"},
    [CURVE_MEMORY_MACHINE] = {"memory", "the machine", "back"},
    [CURVE_READ] = {"disk", "read", "line"},
    [CURVE_WRITE] = {"disk", "written", "line"},
    [CURVE_RECV] = {"network", "in (machine)", "line"},
    [CURVE_SENT] = {"network", "out (machine)", "line"},
};

const char *report_name(const struct report_run *run)
{
    const char *name = run->record.values[RUN_FIELD_name].text;
    return name != NULL ? name : run->place.id;
}

const char *report_word(const struct report_run *run)
{
    return run->ending.out_of_memory[0] != '\0' && strcmp(run->ending.tone, "bad") == 0 ? "out of memory"
                                                                                        : run->ending.word;
}

const char *report_reason(const struct report_run *run)
{
    const struct ending *ending = &run->ending;
    return ending->out_of_memory[0] != '\0' ? ending->out_of_memory
           : ending->lost[0] != '\0'        ? ending->lost
                                            : ending->how;
}

static void add_known(cJSON *object, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        cJSON_AddStringToObject(object, key, value);
}

static void add_positive(cJSON *object, const char *key, double value)
{
    if (value > 0)
        cJSON_AddNumberToObject(object, key, value);
}

static void add_machine(cJSON *object, const struct report_run *run)
{
    const cJSON *state = run->show.state;
    const cJSON *registration = cJSON_GetObjectItemCaseSensitive(state, "registration");
    cJSON       *machine = cJSON_AddObjectToObject(object, "machine");
    add_known(machine, "name", journal_text(cJSON_GetObjectItemCaseSensitive(state, "machine"), "host_name"));
    add_known(machine, "cpu", account_registered(state, "host_cpu_model"));
    add_known(machine, "gpu", account_registered(state, "host_gpu_model"));
    add_positive(machine, "cpus", journal_number(registration, "host_vcpus", 0));
    add_positive(machine, "memory_mib", journal_number(registration, "host_memory_mib", 0));
    add_positive(machine, "gpus", journal_number(registration, "host_gpu_count", 0));
}

static void add_ending(cJSON *object, const struct report_run *run)
{
    const struct ending *ending = &run->ending;
    add_known(object, "word", report_word(run));
    add_known(object, "tone", ending->tone);
    add_known(object, "reason", report_reason(run));
    add_known(object, "delivery", ending->delivery);
    add_known(object, "delivery_by", ending->is_to_bucket ? "Bucket" : "Sentinel");
    add_known(object, "trouble", ending->trouble);
    add_known(object, "state", run->show.shown);
}

static void add_sentences(cJSON *object, const struct report_run *run)
{
    char text[CELLS_TEXT_MAX];
    if (cells_allotment(&run->show.summary, run->show.state, text)) {
        cJSON_AddStringToObject(object, "allotment", text);
        add_known(object, "allotment_by", account_batch_system(run->show.state));
    }
    if (cells_container(run->show.state, text))
        cJSON_AddStringToObject(object, "container", text);
    if (cells_job(run->show.state, text))
        cJSON_AddStringToObject(object, "job_more", text);
    if (cells_energy(run->show.state, text))
        cJSON_AddStringToObject(object, "energy", text);
}

static cJSON *begin(const struct report_run *run)
{
    const cJSON *state = run->show.state;
    cJSON       *object = cJSON_CreateObject();
    cJSON       *summary = account_json(&run->show.summary, state);
    double       duration = summary_duration(&run->show.summary);
    if (duration <= 0)
        duration = journal_number(state, "duration_s", 0);
    cJSON_AddStringToObject(object, "id", run->place.id);
    cJSON_AddStringToObject(object, "name", report_name(run));
    add_known(object, "job", run->record.values[RUN_FIELD_job].text);
    add_known(object, "command", run->record.values[RUN_FIELD_command].text);
    add_ending(object, run);
    cJSON_AddNumberToObject(object, "took", account_rounded(duration, 1e3));
    double began = run_time(state, "started_at");
    if (began <= 0 && run->curves.rows > 0)
        began = run->curves.timestamp[0] - run->curves.at[0];
    add_positive(object, "began", account_rounded(began, 1e3));
    cJSON_AddNumberToObject(object, "user_s", account_rounded(account_user_s(&run->show.summary, state), 1e3));
    cJSON_AddNumberToObject(object, "system_s", account_rounded(account_system_s(&run->show.summary, state), 1e3));
    cJSON_AddItemToObject(object, "summary", summary);
    add_sentences(object, run);
    add_machine(object, run);
    return object;
}

static void add_tags(cJSON *object, const cJSON *state)
{
    const cJSON *registration = cJSON_GetObjectItemCaseSensitive(state, "registration"), *tag;
    cJSON       *tags = cJSON_AddArrayToObject(object, "tags");
    cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(registration, "tags"))
    {
        char        text[300];
        const char *key = journal_text(tag, "key"), *value = journal_text(tag, "value");
        if (key != NULL && account_is_own_tag(key))
            continue;
        (void)snprintf(text, sizeof text, "%.100s=%.190s", key != NULL ? key : "", value != NULL ? value : "");
        cJSON_AddItemToArray(tags, cJSON_CreateString(text));
    }
}

static void add_findings(cJSON *object, const struct findings *findings)
{
    cJSON *list = cJSON_AddArrayToObject(object, "findings");
    for (size_t i = 0; i < findings->count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "kind", findings->list[i].kind);
        cJSON_AddStringToObject(one, "text", findings->list[i].text);
        cJSON_AddNumberToObject(one, "from", account_rounded(findings->list[i].from, 1e3));
        cJSON_AddNumberToObject(one, "to", account_rounded(findings->list[i].to, 1e3));
        cJSON_AddItemToArray(list, one);
    }
}

static void add_mark(cJSON *marks, double at, const char *tone, const char *text)
{
    cJSON *mark = cJSON_CreateObject();
    cJSON_AddNumberToObject(mark, "at", account_rounded(at, 1e3));
    cJSON_AddStringToObject(mark, "tone", tone);
    cJSON_AddStringToObject(mark, "text", text);
    cJSON_AddItemToArray(marks, mark);
}

static cJSON *span(double from, double to)
{
    cJSON *ret = cJSON_CreateArray();
    cJSON_AddItemToArray(ret, cJSON_CreateNumber(account_rounded(from, 1e3)));
    cJSON_AddItemToArray(ret, cJSON_CreateNumber(account_rounded(to, 1e3)));
    return ret;
}

static void add_gaps(cJSON *object, const struct curves *curves)
{
    cJSON *gaps = cJSON_AddArrayToObject(object, "gaps");
    for (size_t row = 1; row < curves->rows && cJSON_GetArraySize(gaps) < GAPS_MAX; row++) {
        double step = curves->at[row] - curves->at[row - 1];
        if (step > GAP_TIMES * curves->usual && step > GAP_SECONDS + curves->usual)
            cJSON_AddItemToArray(gaps, span(curves->at[row - 1], curves->at[row]));
    }
}

/* Kills as marks, throttling as spans with the seconds that were withheld. It is known when each was seen: kills at
 * most some seconds late. */
static void add_cgroup_events(cJSON *object, cJSON *marks, const struct report_run *run, double end)
{
    static struct events events;
    cJSON               *throttled = cJSON_AddArrayToObject(object, "throttled");
    events_read(run->place.dir, run->show.state, end, &events);
    for (size_t i = 1; i < events.count; i++) {
        const struct event *before = &events.list[i - 1], *now = &events.list[i];
        double              kills = now->oom_kills - before->oom_kills;
        double              seconds = now->throttled_s - before->throttled_s;
        char                text[80];
        if (kills > 0) {
            (void)snprintf(text, sizeof text, "%.0f process%s killed for memory", kills,
                           kills < 2 ? " was" : "es were");
            add_mark(marks, now->at, "bad", text);
        }
        if (seconds > 0) {
            cJSON *one = span(before->at, now->at);
            cJSON_AddItemToArray(one, cJSON_CreateNumber(account_rounded(seconds, 1e3)));
            cJSON_AddItemToArray(throttled, one);
        }
    }
}

static void add_events(cJSON *object, const struct report_run *run)
{
    cJSON *marks = cJSON_AddArrayToObject(object, "marks");
    double end = run->curves.rows > 0 ? run->curves.at[run->curves.rows - 1] : 0;
    add_gaps(object, &run->curves);
    add_cgroup_events(object, marks, run, end);
    if (run->show.state != NULL && strcmp(run->ending.tone, "live") != 0)
        add_mark(marks, end, run->ending.tone, run->ending.whole);
}

/* Of the curves with a name of their own. */
static const char *chart_by(enum curve_id id)
{
    static const struct {
        enum curve_id before;
        const char   *chart;
    } charts[] = {{CURVE_MEMORY_BY, "cpu"},        {CURVE_GPU_USE, "memory"}, {CURVE_GPU_MEMORY, "gpus"},
                  {CURVE_GPU_HEAT, "gpus memory"}, {CURVE_GPU_POWER, "heat"}, {CURVE_COUNT, "power"}};
    size_t i = 0;
    while (id >= charts[i].before)
        i++;
    return charts[i].chart;
}

/* In the order of the encoded bytes. */
static void add_curves(cJSON *object, const struct curves *curves)
{
    cJSON *list = cJSON_AddArrayToObject(object, "curves");
    bool   by_command = curves->list[CURVE_CPU_BY].value != NULL;
    for (int id = 0; id < CURVE_COUNT; id++) {
        const struct curve *curve = &curves->list[id];
        if (curve->value == NULL)
            continue;
        bool   is_by = id >= CURVE_CPU_BY;
        bool   is_hidden = by_command && (id == CURVE_CPU || id == CURVE_CPU_SYSTEM || id == CURVE_MEMORY);
        bool   is_line = id >= CURVE_GPU_USE;
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "chart", is_by ? chart_by((enum curve_id)id) : curve_texts[id].chart);
        cJSON_AddStringToObject(one, "name", is_by ? curve->name : curve_texts[id].name);
        cJSON_AddStringToObject(one, "role",
                                is_hidden ? "hidden"
                                : is_line ? "line"
                                : is_by   ? "stack"
                                          : curve_texts[id].role);
        cJSON_AddBoolToObject(one, "upon", curve_is_stack((enum curve_id)id));
        cJSON_AddBoolToObject(one, "log", curve_is_rate((enum curve_id)id));
        cJSON_AddNumberToObject(one, "scale", curve_scale((enum curve_id)id));
        cJSON_AddItemToArray(list, one);
    }
}

/* Each GPU by what gpus.csv tells of it. */
static void add_gpus(cJSON *object, const struct curves *curves)
{
    static const struct {
        enum curve_id first;
        const char   *mean, *max;
    } figures[] = {{CURVE_GPU_USE, "usage_mean", "usage_max"},
                   {CURVE_GPU_MEMORY, "memory_mean_mib", "memory_max_mib"},
                   {CURVE_GPU_HEAT, "temperature_mean_c", "temperature_max_c"},
                   {CURVE_GPU_POWER, "power_mean_w", "power_max_w"}};
    cJSON *list = cJSON_AddArrayToObject(object, "gpus");
    for (int gpu = 0; gpu < CURVES_GPUS; gpu++) {
        cJSON *one = cJSON_CreateObject();
        bool   is_there = false;
        cJSON_AddNumberToObject(one, "gpu", gpu);
        for (size_t i = 0; i < ARRAY_LENGTH(figures); i++) {
            double mean, max;
            curve_figures(curves, figures[i].first + (unsigned)gpu, &mean, &max);
            if (max < 0)
                continue;
            is_there = true;
            account_add(one, figures[i].mean, mean, 1e4);
            account_add(one, figures[i].max, max, 1e4);
        }
        if (is_there)
            cJSON_AddItemToArray(list, one);
        else
            cJSON_Delete(one);
    }
}

cJSON *report_json(const struct report_run *run, size_t per)
{
    cJSON *object = begin(run);
    add_tags(object, run->show.state);
    add_findings(object, &run->findings);
    add_events(object, run);
    add_curves(object, &run->curves);
    add_gpus(object, &run->curves);
    cJSON_AddItemToObject(object, "commands", commands_json(run->show.state, run->place.dir));
    cJSON_AddNumberToObject(object, "rows", (double)run->curves.rows);
    cJSON_AddNumberToObject(object, "per", (double)per);
    size_t points = (run->curves.rows + per - 1) / per;
    cJSON_AddNumberToObject(object, "points", (double)points);
    cJSON_AddBoolToObject(object, "is_cut", run->curves.is_cut);
    return object;
}

/* Means in equal parts of the run's time, in thousandths of a core and in MiB; null where no row ends. */
static void add_small(cJSON *object, const struct curves *curves, const char *key, const float *value, double scale)
{
    double sums[SMALL_POINTS] = {0}, seconds[SMALL_POINTS] = {0};
    double last = curves->rows > 0 ? curves->at[curves->rows - 1] : 0;
    size_t points = curves->rows < SMALL_POINTS ? curves->rows : SMALL_POINTS;
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t row = 0; row < curves->rows && last > 0; row++) {
        double begin_at = row > 0 ? curves->at[row - 1] : 0;
        size_t at = (size_t)((begin_at + curves->at[row]) / 2 / last * (double)points);
        if (value == NULL || value[row] < 0 || at >= points)
            continue;
        sums[at] += (double)value[row] * (curves->at[row] - begin_at);
        seconds[at] += curves->at[row] - begin_at;
    }
    for (size_t i = 0; i < points; i++)
        cJSON_AddItemToArray(list, seconds[i] > 0 ? cJSON_CreateNumber(account_rounded(sums[i] / seconds[i], scale))
                                                  : cJSON_CreateNull());
}

cJSON *report_json_small(const struct report_run *run)
{
    cJSON *object = begin(run);
    cJSON_DeleteItemFromObjectCaseSensitive(object, "machine");
    add_known(object, "host", fields_machine(&run->record));
    add_small(object, &run->curves, "cpu", run->curves.total, 1e2);
    add_small(object, &run->curves, "memory", run->curves.list[CURVE_MEMORY].value, 1);
    return object;
}
