// SPDX-License-Identifier: Apache-2.0
#include "engine/gpus.h"

#include "base/bytes.h"
#include "engine/run.h"

enum { LINES_MAX = 16 * 1024, TOLD_EVERY = 10 };

static const char header[] = "timestamp,gpu,usage,memory_mib,run_usage,run_memory_mib,temperature_c,power_w\n";

/* An empty cell: the device does not say. */
static void put(struct bytes *b, uint64_t value, double unit, int decimals)
{
    bytes_char(b, ',');
    if (value != METRIC_NONE)
        bytes_decimal(b, (double)value / unit, decimals);
}

static void put_line(struct bytes *b, struct text timestamp, unsigned gpu, const struct gpu_state *s)
{
    bytes_add(b, timestamp.at, text_len(timestamp));
    bytes_char(b, ',');
    bytes_unsigned(b, gpu);
    put(b, s->usage, 1e4, 4);
    put(b, s->memory, 1024.0 * 1024.0, 2);
    put(b, s->tree_usage, 1e4, 4);
    put(b, s->tree_memory, 1024.0 * 1024.0, 2);
    put(b, s->temperature, 1, 0);
    put(b, s->power, 1e3, 1);
    bytes_char(b, '\n');
}

static bool is_as_before(const struct gpu_state *a, const struct gpu_state *b)
{
    return a->usage == b->usage && a->memory == b->memory && a->tree_usage == b->tree_usage &&
           a->tree_memory == b->tree_memory;
}

static void put_if_news(struct gpus_told *told, unsigned gpu, const struct gpu_state *now, struct text timestamp,
                        struct bytes *lines)
{
    bool is_old = told->rows[gpu] == 0 || told->rows[gpu] >= TOLD_EVERY;
    if (!is_old && is_as_before(&told->list[gpu], now)) {
        told->rows[gpu]++;
        return;
    }
    put_line(lines, timestamp, gpu, now);
    told->list[gpu] = *now;
    told->rows[gpu] = 1;
}

void gpus_note_row(struct run *run, struct text timestamp)
{
    struct gpu_state now[GPUS_MAX];
    struct bytes     lines;
    unsigned         count = collect_gpu_states(run->collectors, now, GPUS_MAX);
    bool             is_short = run->shape.is_last && !run_dir_has_gpus(&run->dir);
    if (count == 0 || is_short || run->state != RUN_MADE)
        return;
    bytes_init(&lines, LINES_MAX);
    if (!run_dir_has_gpus(&run->dir))
        bytes_text(&lines, header);
    size_t before = lines.len;
    for (unsigned i = 0; i < count; i++)
        put_if_news(&run->gpus_told, i, &now[i], timestamp, &lines);
    if (lines.len > before && !lines.failed)
        (void)run_dir_append_gpus(&run->dir, lines.data, lines.len);
    bytes_done(&lines);
}
