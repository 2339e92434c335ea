// SPDX-License-Identifier: Apache-2.0
#include "cells.h"

#include <stdio.h>

#include "account.h"

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
