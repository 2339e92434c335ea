// SPDX-License-Identifier: Apache-2.0
#include "engine/row.h"

#include "base/clock.h"
#include "pillion/columns.h"

#define MICROSECONDS  1e6
#define SHORT_SECONDS 0.1

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

enum { CPU_KINDS = 3 }; /* user, system, interrupt */

/* Microseconds, with what earlier rows could not hold. */
static void used_cpu(const struct row_shape *shape, const struct sample *before, const struct sample *now,
                     uint64_t ret[static CPU_KINDS])
{
    const uint64_t delta_of[CPU_KINDS] = {delta(before->cpu_user, now->cpu_user),
                                          delta(before->cpu_system, now->cpu_system),
                                          delta(before->cpu_interrupt, now->cpu_interrupt)};
    for (int k = 0; k < CPU_KINDS; k++) {
        uint64_t owed = before->cpu_owed[k] == METRIC_NONE ? 0 : before->cpu_owed[k];
        double   used = (double)delta_of[k] * (MICROSECONDS / (double)shape->clock_ticks);
        ret[k] = delta_of[k] == METRIC_NONE ? METRIC_NONE : (uint64_t)(used + 0.5) + owed;
    }
}

/* A last row that follows at once has a tick or two of each CPU in less time than they last: as much as was used on
 * average in its time and that of the row before. */
static void spread(const struct sample *before, double seconds, uint64_t cpu[static CPU_KINDS])
{
    double row_before = (double)before->cpu_shown_ns / (double)CLOCK_SECOND;
    for (int k = 0; k < CPU_KINDS; k++)
        cpu[k] = (uint64_t)((double)(cpu[k] + before->cpu_shown[k]) * seconds / (seconds + row_before));
}

/* What the row shows of it: no more than the CPUs could do in that time. */
static void shown_cpu(const struct row_shape *shape, const struct sample *before, const struct sample *now,
                      double seconds, uint64_t ret[static CPU_KINDS])
{
    used_cpu(shape, before, now, ret);
    if (now->cpus == METRIC_NONE || now->cpus == 0 || sum(sum(ret[0], ret[1]), ret[2]) == METRIC_NONE)
        return;
    bool has_before = before->cpu_shown_ns != METRIC_NONE && before->cpu_shown_ns > 0;
    if (shape->is_last && seconds < SHORT_SECONDS && has_before)
        spread(before, seconds, ret);
    double room = (double)now->cpus * seconds * MICROSECONDS;
    double all = (double)(ret[0] + ret[1] + ret[2]);
    for (int k = 0; k < CPU_KINDS && all > room; k++)
        ret[k] = (uint64_t)((double)ret[k] / all * room);
}

/* Two samples of one instant: nothing can have been used, and nothing is divided by zero. */
static double seconds_between(const struct sample *before, const struct sample *now)
{
    return now->monotonic > before->monotonic ? (double)(now->monotonic - before->monotonic) / (double)CLOCK_SECOND : 1;
}

void row_carry(const struct row_shape *shape, const struct sample *before, struct sample *now)
{
    uint64_t used[CPU_KINDS];
    uint64_t shown[CPU_KINDS];
    double   seconds = longer(seconds_between(before, now), before->cpu_gap);
    used_cpu(shape, before, now, used);
    shown_cpu(shape, before, now, seconds, shown);
    bool is_known = sum(sum(used[0], used[1]), used[2]) != METRIC_NONE;
    for (int k = 0; k < CPU_KINDS; k++) {
        now->cpu_owed[k] = !is_known ? before->cpu_owed[k] : used[k] > shown[k] ? used[k] - shown[k] : 0;
        now->cpu_shown[k] = is_known ? shown[k] : 0;
    }
    now->cpu_shown_ns = is_known ? (uint64_t)(seconds * (double)CLOCK_SECOND) : 0;
}

static void machine_cells(struct row *row, const struct row_shape *shape, double seconds, const struct sample *before,
                          const struct sample *now)
{
    const double mib = 1024;
    const double gb = 1e9;
    double       cpu_seconds = longer(seconds, before->cpu_gap);
    uint64_t     cpu[CPU_KINDS];
    shown_cpu(shape, before, now, cpu_seconds, cpu);
    integer(row, now->processes);
    scaled(row, cpu[0], MICROSECONDS);
    scaled(row, cpu[1], MICROSECONDS);
    scaled(row, sum(sum(cpu[0], cpu[1]), cpu[2]), MICROSECONDS * cpu_seconds);
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
    double     seconds = seconds_between(before, now);
    cell(&row, (double)now->real / (double)CLOCK_SECOND);
    machine_cells(&row, shape, seconds, before, now);
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
