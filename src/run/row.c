// SPDX-License-Identifier: Apache-2.0
#include "run/row.h"

#include "base/clock.h"
#include "pillion/columns.h"

#define MICROSECONDS 1e6

/* A row while it is written: the next cell's column knows its decimals. */
struct row {
    struct bytes *out;
    int           column;
};

static const int decimals[PILLION_COLUMN_COUNT] = {
#define COLUMN(name, unit, digits, kind, source) digits,
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
};

void row_header(struct bytes *ret)
{
    static const char header[] =
#define COLUMN(name, unit, digits, kind, source) "," #name
        PILLION_COLUMNS(COLUMN)
#undef COLUMN
        ;
    bytes_text(ret, header + 1);
    bytes_char(ret, '\n');
}

static void next(struct row *row)
{
    if (row->column++ > 0)
        bytes_char(row->out, ',');
}

static void cell(struct row *row, double value)
{
    int digits = decimals[row->column];
    next(row);
    bytes_decimal(row->out, value, digits);
}

static void integer(struct row *row, uint64_t value)
{
    next(row);
    if (value != METRIC_NONE)
        bytes_unsigned(row->out, value);
}

static void scaled(struct row *row, uint64_t value, double unit)
{
    if (value == METRIC_NONE)
        next(row);
    else
        cell(row, (double)value / unit);
}

/* METRIC_NONE unless both samples know the counter; 0 rather than less. */
static uint64_t delta(uint64_t before, uint64_t now)
{
    if (before == METRIC_NONE || now == METRIC_NONE)
        return METRIC_NONE;
    return now > before ? now - before : 0;
}

uint64_t row_delta(uint64_t before, uint64_t now)
{
    uint64_t known = delta(before, now);
    return known == METRIC_NONE ? 0 : known;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a == METRIC_NONE || b == METRIC_NONE ? METRIC_NONE : a + b;
}

static void gpu_cells(struct row *row, uint64_t usage, uint64_t memory, uint64_t used)
{
    scaled(row, usage, 10000);
    scaled(row, memory, 1048576);
    integer(row, used);
}

/* Over which usage is meant: since its counters were last known. */
static double longer(double seconds, uint64_t gap)
{
    return seconds + (double)gap / (double)CLOCK_SECOND;
}

static void machine_cells(struct row *row, double ticks, double seconds, const struct sample *before,
                          const struct sample *now)
{
    const double mib = 1024;
    const double gb = 1e9;
    uint64_t     user = delta(before->cpu_user, now->cpu_user);
    uint64_t     system = delta(before->cpu_system, now->cpu_system);
    uint64_t     interrupt = delta(before->cpu_interrupt, now->cpu_interrupt);
    integer(row, now->processes);
    scaled(row, user, ticks);
    scaled(row, system, ticks);
    scaled(row, sum(sum(user, system), interrupt), ticks * longer(seconds, before->cpu_gap));
    scaled(row, now->memory_free, mib);
    scaled(row, now->memory_used, mib);
    scaled(row, now->memory_buffers, mib);
    scaled(row, now->memory_cached, mib);
    scaled(row, now->memory_active, mib);
    scaled(row, now->memory_inactive, mib);
    integer(row, delta(before->disk_read, now->disk_read));
    integer(row, delta(before->disk_write, now->disk_write));
    scaled(row, now->space_total, gb);
    scaled(row, now->space_used, gb);
    scaled(row, now->space_free, gb);
    integer(row, delta(before->net_recv, now->net_recv));
    integer(row, delta(before->net_sent, now->net_sent));
    gpu_cells(row, now->gpu_usage, now->gpu_memory, now->gpus_used);
}

/* A process's figures come in clock ticks while it lives, and a row may be shorter than one. */
static void usage_cell(struct row *row, uint64_t microseconds, double seconds, uint64_t cpus)
{
    double usage = (double)microseconds / (MICROSECONDS * seconds);
    bool   is_known = cpus != METRIC_NONE && cpus > 0;
    if (microseconds == METRIC_NONE)
        next(row);
    else
        cell(row, is_known && usage > (double)cpus ? (double)cpus : usage);
}

static void tree_cells(struct row *row, double seconds, const struct sample *before, const struct sample *now)
{
    uint64_t user = delta(before->tree_user, now->tree_user);
    uint64_t system = delta(before->tree_system, now->tree_system);
    integer(row, now->tree_processes);
    scaled(row, user, MICROSECONDS);
    scaled(row, system, MICROSECONDS);
    usage_cell(row, sum(user, system), longer(seconds, before->tree_gap), now->cpus);
    scaled(row, now->tree_memory, 1024);
    integer(row, delta(before->tree_disk_read, now->tree_disk_read));
    integer(row, delta(before->tree_disk_write, now->tree_disk_write));
    gpu_cells(row, now->tree_gpu_usage, now->tree_gpu_memory, now->tree_gpus_used);
}

void row_encode(const struct row_shape *shape, const struct sample *before, const struct sample *now, struct bytes *ret)
{
    struct row row = {.out = ret};
    double     ticks = (double)shape->clock_ticks;
    /* Two samples of one instant: nothing can have been used, and nothing is divided by zero. */
    double seconds = now->monotonic > before->monotonic
                         ? (double)(now->monotonic - before->monotonic) / (double)CLOCK_SECOND
                         : 1;
    cell(&row, (double)now->real / (double)CLOCK_SECOND);
    machine_cells(&row, ticks, seconds, before, now);
    integer(&row, shape->main_process > 0 ? (uint64_t)shape->main_process : METRIC_NONE);
    tree_cells(&row, seconds, before, now);
    bytes_char(ret, '\n');
}

static bool keep(const uint64_t *before, uint64_t *now)
{
    bool is_kept = *now == METRIC_NONE && *before != METRIC_NONE;
    if (is_kept)
        *now = *before;
    return is_kept;
}

void row_keep(const struct sample *before, struct sample *now)
{
    uint64_t since = (uint64_t)(now->monotonic - before->monotonic);
    if (keep(&before->cpu_user, &now->cpu_user))
        now->cpu_gap = before->cpu_gap + since;
    if (keep(&before->tree_user, &now->tree_user))
        now->tree_gap = before->tree_gap + since;
    (void)keep(&before->cpu_system, &now->cpu_system);
    (void)keep(&before->cpu_interrupt, &now->cpu_interrupt);
    (void)keep(&before->disk_read, &now->disk_read);
    (void)keep(&before->disk_write, &now->disk_write);
    (void)keep(&before->net_recv, &now->net_recv);
    (void)keep(&before->net_sent, &now->net_sent);
    (void)keep(&before->tree_system, &now->tree_system);
    (void)keep(&before->tree_minor_faults, &now->tree_minor_faults);
    (void)keep(&before->tree_major_faults, &now->tree_major_faults);
    (void)keep(&before->tree_disk_read, &now->tree_disk_read);
    (void)keep(&before->tree_disk_write, &now->tree_disk_write);
}
