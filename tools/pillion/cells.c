// SPDX-License-Identifier: Apache-2.0
#include "cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "store/journal_read.h"

enum { CONTAINER_ID_DIGITS = 64 };

const struct cells_line cells_lines[CELLS_LINES] = {
    {"GPU", MEASURE_GPU},       {"GPU memory", MEASURE_GPU_MEMORY}, {"CPU", MEASURE_CPU},
    {"memory", MEASURE_MEMORY}, {"disk read", MEASURE_DISK_READ},   {"disk written", MEASURE_DISK_WRITE},
};

static bool is_gpu(enum measure measure)
{
    return measure == MEASURE_GPU || measure == MEASURE_GPU_MEMORY;
}

bool cells_has(const struct summary *summary, enum measure measure)
{
    return !is_gpu(measure) || summary->figures[SUBJECT_PROCESS][MEASURE_GPU].known > 0;
}

static void number_text(double value, enum measure measure, bool is_one, char ret[static FIGURE_MAX])
{
    if (measure == MEASURE_MEMORY || measure == MEASURE_GPU_MEMORY)
        figure_short_bytes(value * 1024 * 1024, "", ret);
    else if (measure == MEASURE_GPU && is_one)
        figure_percent(value, ret);
    else if (measure == MEASURE_CPU || measure == MEASURE_GPU)
        (void)snprintf(ret, FIGURE_MAX, value < 9999 ? "%.2f" : "%.3g", value);
    else
        figure_short_bytes(value, "/s", ret);
}

static void limit_text(double value, enum measure measure, char ret[static FIGURE_MAX])
{
    if (value <= 0)
        (void)snprintf(ret, FIGURE_MAX, "-");
    else if (measure == MEASURE_MEMORY || measure == MEASURE_GPU_MEMORY)
        figure_short_bytes(value * 1024 * 1024, "", ret);
    else
        (void)snprintf(ret, FIGURE_MAX, "%.3g %s%s", value, measure == MEASURE_CPU ? "core" : "device",
                       value == 1 ? "" : "s");
}

void cells_of(const struct summary *summary, const cJSON *state, enum subject subject, enum measure measure,
              struct cells *ret)
{
    const struct figure *figure = &summary->figures[subject][measure];
    double               limit = account_limit(state, measure).value;
    double               part = subject == SUBJECT_PROCESS ? account_part(summary, state, measure) : -1;
    *ret = (struct cells){.mean = "-", .max = "-", .limit = "-", .part = ""};
    if (subject == SUBJECT_SYSTEM && measure == MEASURE_CPU)
        limit = account_registered_number(state, "host_vcpus");
    if (subject == SUBJECT_SYSTEM && measure == MEASURE_MEMORY)
        limit = account_registered_number(state, "host_memory_mib");
    if (figure->known > 0) {
        number_text(summary_mean(summary, subject, measure), measure, limit <= 1, ret->mean);
        number_text(figure->peak, measure, limit <= 1, ret->max);
    }
    if (summary_is_gauge(measure)) {
        limit_text(limit, measure, ret->limit);
        if (part >= 0)
            figure_percent(part, ret->part);
    } else if (figure->known > 0) { /* no limit: all of it in its place */
        figure_short_bytes(figure->total, "", ret->limit);
        (void)snprintf(ret->part, sizeof ret->part, "in all");
    }
}

__attribute__((format(printf, 2, 3))) static void add(char ret[static CELLS_TEXT_MAX], const char *format, ...)
{
    size_t  len = strlen(ret);
    va_list args;
    if (len > 0)
        len += (size_t)snprintf(ret + len, CELLS_TEXT_MAX - len, ", ");
    va_start(args, format);
    len = len < CELLS_TEXT_MAX ? len : CELLS_TEXT_MAX;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
    (void)vsnprintf(ret + len, CELLS_TEXT_MAX - len, format, args);
    va_end(args);
}

/* Limits of time are whole minutes nearly always. */
static void limit_of_time(double seconds, char ret[static FIGURE_MAX])
{
    static const struct {
        const char *unit;
        double      seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double count = seconds / units[i].seconds;
        if (count >= 1 && count < 1e9 && count == (double)(long)count) {
            (void)snprintf(ret, FIGURE_MAX, "%.0f %s", count, units[i].unit);
            return;
        }
    }
    figure_seconds(seconds, ret);
}

static void add_given(const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    double cpus = account_number(state, "allotment", "cpus"), gpus = account_number(state, "allotment", "gpus");
    double mib = account_number(state, "allotment", "memory_mib");
    char   text[FIGURE_MAX];
    ret[0] = '\0';
    if (cpus > 0)
        add(ret, "%.0f core%s", cpus, cpus < 2 ? "" : "s");
    if (mib > 0) {
        figure_short_bytes(mib * 1024 * 1024, "", text);
        add(ret, "%s", text);
    }
    if (gpus > 0)
        add(ret, "%.0f GPU%s", gpus, gpus < 2 ? "" : "s");
}

bool cells_asked(const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    char   text[FIGURE_MAX];
    double seconds = account_number(state, "allotment", "seconds");
    add_given(state, ret);
    if (seconds > 0) {
        limit_of_time(seconds, text);
        add(ret, "%s", text);
    }
    return ret[0] != '\0';
}

/* The runtimes' 64 digits, in docker/ID, docker-ID.scope, cri-containerd-ID.scope and the like; the last of the path.
 */
static const char *container_id(const cJSON *state)
{
    const char *path = journal_text(cJSON_GetObjectItemCaseSensitive(state, "cgroup_before"), "memory");
    const char *found = NULL;
    while (path != NULL && *path != '\0') {
        size_t digits = strspn(path, "0123456789abcdef");
        if (digits == CONTAINER_ID_DIGITS)
            found = path;
        path += digits > 0 ? digits : 1;
    }
    return found;
}

bool cells_container(const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    static const char *const keys[] = {"pod", "namespace", "name", "index", "image"};
    static const char *const words[] = {"pod", "namespace", "container", "index", "image"};
    const cJSON             *container = cJSON_GetObjectItemCaseSensitive(state, "container");
    const char              *id = container_id(state);
    ret[0] = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = journal_text(container, keys[i]);
        if (value != NULL)
            add(ret, "%s %.100s", words[i], value);
    }
    if (id != NULL)
        add(ret, "ID %.12s", id);
    return ret[0] != '\0';
}

bool cells_allotment(const struct summary *summary, const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    double seconds = account_number(state, "allotment", "seconds");
    char   text[FIGURE_MAX], part[FIGURE_MAX];
    add_given(state, ret);
    if (seconds > 0) {
        figure_seconds(seconds, text);
        figure_percent(summary_duration(summary) / seconds, part);
        add(ret, "%s (%s used)", text, part);
    }
    return ret[0] != '\0';
}

bool cells_job(const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    const char *called = account_registered(state, "job_name"), *task = account_registered(state, "task_name");
    const char *name = account_tag(state, "job_name"), *partition = account_tag(state, "job_partition");
    double      rank = account_tag_number(state, "job_rank"), ranks = account_tag_number(state, "job_ranks");
    ret[0] = '\0';
    if (name != NULL && (called == NULL || strcmp(name, called) != 0))
        add(ret, "%.100s", name);
    if (task != NULL && rank >= 0)
        add(ret, "%.100s", task);
    if (rank >= 0 && ranks > 0)
        add(ret, "led by rank %.0f of %.0f", rank, ranks);
    else if (rank >= 0)
        add(ret, "led by rank %.0f", rank);
    if (partition != NULL)
        add(ret, "partition %.100s", partition);
    return ret[0] != '\0';
}

static void joules_text(double joules, char ret[static FIGURE_MAX])
{
    static const char *const units[] = {"J", "kJ", "MJ", "GJ"};
    size_t                   unit = 0;
    for (; joules >= 999.5 && unit < sizeof units / sizeof *units - 1; unit++)
        joules /= 1000;
    (void)snprintf(ret, FIGURE_MAX, "%.*f %s", joules < 99.95 ? 1 : 0, joules < 1e6 ? joules : 1e6, units[unit]);
}

bool cells_energy(const cJSON *state, char ret[static CELLS_TEXT_MAX])
{
    static const struct {
        const char *name, *all, *share, *source;
    } parts[] = {{"CPU", "cpu_j", "cpu_share_j", "cpu_source"}, {"GPU", "gpu_j", "gpu_share_j", "gpu_source"}};
    const cJSON *energy = cJSON_GetObjectItemCaseSensitive(state, "energy");
    ret[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char        all_text[FIGURE_MAX], share_text[FIGURE_MAX];
        double      all = account_number(state, "energy", parts[i].all);
        double      share = account_number(state, "energy", parts[i].share);
        const char *source = journal_text(energy, parts[i].source);
        if (all < 0)
            continue;
        joules_text(all, all_text);
        joules_text(share, share_text);
        if (share >= 0)
            add(ret, "%s %s of the machine's %s (%.30s)", parts[i].name, share_text, all_text,
                source != NULL ? source : "?");
        else
            add(ret, "%s of the machine %s (%.30s)", parts[i].name, all_text, source != NULL ? source : "?");
    }
    return ret[0] != '\0';
}
