/* The request: a row's figures become metrics. */
// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/json_write.h"
#include "otlp/otlp.h"

#ifndef PILLION_VERSION
#define PILLION_VERSION "0"
#endif

#define SCHEMA      "https://opentelemetry.io/schemas/1.44.0"
#define MICRO       1e6
#define MILLI       1e3
#define GPU_PARTS   1e4
#define WHOLE       0 /* a count, written as an integer */
#define NO_ONE      ""
#define RUN(member) offsetof(struct otlp_figures, member)
#define GPU(member) offsetof(struct otlp_gpu, member)

/* COUNTER and LEVEL are sums, of which only the first never falls. */
enum kind { COUNTER, LEVEL, GAUGE };

/* A data point. Those of one metric follow each other. */
struct point {
    char           name[36];
    char           unit[12];
    char           key[24], value[12]; /* its attribute; "": it has none */
    unsigned short figure;
    unsigned char  kind;
    float          divisor;
};

static const struct point of_run[] = {
    {"process.cpu.time", "s", "cpu.mode", "user", RUN(process_user), COUNTER, MICRO},
    {"process.cpu.time", "s", "cpu.mode", "system", RUN(process_system), COUNTER, MICRO},
    {"process.memory.usage", "By", NO_ONE, "", RUN(process_memory), LEVEL, WHOLE},
    {"process.disk.io", "By", "disk.io.direction", "read", RUN(process_read), COUNTER, WHOLE},
    {"process.disk.io", "By", "disk.io.direction", "write", RUN(process_written), COUNTER, WHOLE},
    {"pillion.process.children", "{process}", NO_ONE, "", RUN(process_children), LEVEL, WHOLE},
    {"pillion.process.gpu.utilization", "1", NO_ONE, "", RUN(process_gpu), GAUGE, GPU_PARTS},
    {"pillion.process.gpu.memory.usage", "By", NO_ONE, "", RUN(process_gpu_memory), LEVEL, WHOLE},
    {"system.cpu.time", "s", "cpu.mode", "user", RUN(system_user), COUNTER, MICRO},
    {"system.cpu.time", "s", "cpu.mode", "system", RUN(system_system), COUNTER, MICRO},
    {"system.cpu.time", "s", "cpu.mode", "interrupt", RUN(system_interrupt), COUNTER, MICRO},
    {"system.cpu.logical.count", "{cpu}", NO_ONE, "", RUN(cpus), LEVEL, WHOLE},
    {"system.memory.usage", "By", "system.memory.state", "used", RUN(memory_used), LEVEL, WHOLE},
    {"system.memory.usage", "By", "system.memory.state", "free", RUN(memory_free), LEVEL, WHOLE},
    {"system.memory.usage", "By", "system.memory.state", "buffers", RUN(memory_buffers), LEVEL, WHOLE},
    {"system.memory.usage", "By", "system.memory.state", "cached", RUN(memory_cached), LEVEL, WHOLE},
    {"system.memory.limit", "By", NO_ONE, "", RUN(memory_total), LEVEL, WHOLE},
    {"system.disk.io", "By", "disk.io.direction", "read", RUN(system_read), COUNTER, WHOLE},
    {"system.disk.io", "By", "disk.io.direction", "write", RUN(system_written), COUNTER, WHOLE},
    {"system.filesystem.usage", "By", "system.filesystem.state", "used", RUN(space_used), LEVEL, WHOLE},
    {"system.filesystem.usage", "By", "system.filesystem.state", "free", RUN(space_free), LEVEL, WHOLE},
    {"system.filesystem.limit", "By", NO_ONE, "", RUN(space_total), LEVEL, WHOLE},
    {"system.network.io", "By", "network.io.direction", "receive", RUN(system_received), COUNTER, WHOLE},
    {"system.network.io", "By", "network.io.direction", "transmit", RUN(system_sent), COUNTER, WHOLE},
    {"system.process.count", "{process}", NO_ONE, "", RUN(processes), LEVEL, WHOLE},
};

/* Of each device, which is told by its number. */
static const struct point of_gpu[] = {
    {"hw.gpu.utilization", "1", "hw.gpu.task", "general", GPU(usage), GAUGE, GPU_PARTS},
    {"hw.gpu.memory.usage", "By", NO_ONE, "", GPU(memory), LEVEL, WHOLE},
    {"hw.power", "W", "hw.type", "gpu", GPU(power), GAUGE, MILLI},
    {"hw.temperature", "Cel", "hw.type", "gpu", GPU(temperature), GAUGE, WHOLE},
    {"pillion.hw.gpu.utilization", "1", NO_ONE, "", GPU(process_usage), GAUGE, GPU_PARTS},
    {"pillion.hw.gpu.memory.usage", "By", NO_ONE, "", GPU(process_memory), LEVEL, WHOLE},
};

/* A comma, unless something has just been opened. */
static void next(struct bytes *b)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '[';
    if (last != '[' && last != '{')
        bytes_char(b, ',');
}

static void put_text(struct bytes *b, const char *key, const char *value)
{
    json_key(b, key);
    json_string(b, value, strlen(value));
}

/* 64 bits are a string: a number of JSON's is a double to many readers. */
static void put_integer(struct bytes *b, const char *key, uint64_t value)
{
    json_key(b, key);
    bytes_char(b, '"');
    bytes_unsigned(b, value);
    bytes_char(b, '"');
}

void otlp_attribute(struct bytes *b, const char *key, const char *value)
{
    next(b);
    bytes_char(b, '{');
    json_key(b, "key");
    json_string_cut(b, key, OTLP_VALUE_MAX);
    json_key(b, "value");
    bytes_text(b, "{\"stringValue\":");
    json_string_cut(b, value, OTLP_VALUE_MAX);
    bytes_text(b, "}}");
}

static void open_metric(struct bytes *b, const struct point *p)
{
    next(b);
    bytes_char(b, '{');
    put_text(b, "name", p->name);
    put_text(b, "unit", p->unit);
    json_key(b, p->kind == GAUGE ? "gauge" : "sum");
    bytes_text(b, "{\"dataPoints\":[");
}

static void close_metric(struct bytes *b, const struct point *p)
{
    enum { CUMULATIVE = 2 };
    bytes_char(b, ']');
    if (p->kind != GAUGE) {
        json_key(b, "aggregationTemporality");
        bytes_unsigned(b, CUMULATIVE);
        json_key(b, "isMonotonic");
        bytes_text(b, p->kind == COUNTER ? "true" : "false");
    }
    bytes_text(b, "}}");
}

/* `device`: of a GPU; NULL: the run's. */
static void put_point(struct bytes *b, const struct otlp_row *row, const struct point *p, uint64_t figure,
                      const char *device)
{
    next(b);
    bytes_char(b, '{');
    json_key(b, "attributes");
    bytes_char(b, '[');
    if (device)
        otlp_attribute(b, "hw.id", device);
    if (p->key[0])
        otlp_attribute(b, p->key, p->value);
    bytes_char(b, ']');
    if (p->kind != GAUGE)
        put_integer(b, "startTimeUnixNano", (uint64_t)row->started);
    put_integer(b, "timeUnixNano", (uint64_t)row->now);
    if (p->divisor > 0) {
        json_key(b, "asDouble");
        bytes_decimal(b, (double)figure / (double)p->divisor, 6);
    } else {
        put_integer(b, "asInt", figure);
    }
    bytes_char(b, '}');
}

static uint64_t figure_of(const void *figures, const struct point *p)
{
    uint64_t value;
    memcpy(&value, (const char *)figures + p->figure, sizeof value);
    return value;
}

static unsigned put_run(struct bytes *b, const struct otlp_row *row)
{
    const struct point *open = NULL;
    unsigned            count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(of_run); i++) {
        const struct point *p = &of_run[i];
        uint64_t            figure = figure_of(row->figures, p);
        if (figure == OTLP_NONE)
            continue;
        if (open && strcmp(open->name, p->name) != 0) {
            close_metric(b, open);
            open = NULL;
        }
        if (!open)
            open_metric(b, open = p);
        put_point(b, row, p, figure, NULL);
        count++;
    }
    if (open)
        close_metric(b, open);
    return count;
}

static unsigned put_gpus(struct bytes *b, const struct otlp_row *row, const struct point *p)
{
    unsigned count = 0;
    for (unsigned gpu = 0; gpu < row->gpu_count; gpu++) {
        char         name[12];
        struct bytes device = {.data = name, .capacity = sizeof name, .max = sizeof name - 1};
        uint64_t     figure = figure_of(&row->gpus[gpu], p);
        if (figure == OTLP_NONE)
            continue;
        if (count++ == 0)
            open_metric(b, p);
        bytes_unsigned(&device, gpu);
        put_point(b, row, p, figure, name);
    }
    if (count > 0)
        close_metric(b, p);
    return count;
}

unsigned otlp_body(const char *attributes, const struct otlp_row *row, struct bytes *ret)
{
    bytes_init(ret, OTLP_BODY_MAX);
    bytes_text(ret, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[");
    bytes_text(ret, attributes);
    bytes_text(ret, "]},\"scopeMetrics\":[{\"scope\":{\"name\":\"pillion\",\"version\":\"" PILLION_VERSION
                    "\"},\"metrics\":[");
    unsigned count = put_run(ret, row);
    for (size_t i = 0; i < ARRAY_LENGTH(of_gpu); i++)
        count += put_gpus(ret, row, &of_gpu[i]);
    bytes_text(ret, "],\"schemaUrl\":\"" SCHEMA "\"}],\"schemaUrl\":\"" SCHEMA "\"}]}");
    return count;
}
