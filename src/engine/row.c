// SPDX-License-Identifier: Apache-2.0
#include "engine/row.h"

#include "base/clock.h"
#include "pillion/columns.h"

#define MICROSECONDS  1e6
#define SHORT_SECONDS 0.1
#define GB            1e9
#define MIB           1048576.
#define MIB_IN_KIB    1024.
#define GPU_PARTS     1e4 /* a device's usage is in ten-thousandths */

enum { CPU_USER, CPU_SYSTEM, CPU_INTERRUPT, CPU_KINDS };

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

static uint64_t all_cpu(const uint64_t cpu[static CPU_KINDS])
{
    return sum(sum(cpu[CPU_USER], cpu[CPU_SYSTEM]), cpu[CPU_INTERRUPT]);
}

/* The seconds over which usage is a mean: since its counters were last known. */
static double longer(double seconds, uint64_t gap)
{
    return seconds + (double)gap / (double)CLOCK_SECOND;
}

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

/* The CPU time that the row shows: no more than the CPUs could give in that time. */
static void shown_cpu(const struct row_shape *shape, const struct sample *before, const struct sample *now,
                      double seconds, uint64_t ret[static CPU_KINDS])
{
    used_cpu(shape, before, now, ret);
    if (now->cpus == METRIC_NONE || now->cpus == 0 || all_cpu(ret) == METRIC_NONE)
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
    bool is_known = all_cpu(used) != METRIC_NONE;
    for (int k = 0; k < CPU_KINDS; k++) {
        now->cpu_owed[k] = !is_known ? before->cpu_owed[k] : used[k] > shown[k] ? used[k] - shown[k] : 0;
        now->cpu_shown[k] = is_known ? shown[k] : 0;
    }
    now->cpu_shown_ns = is_known ? (uint64_t)(seconds * (double)CLOCK_SECOND) : 0;
}

/* What the cells of one row are computed from. */
struct row {
    const struct row_shape *shape;
    const struct sample    *before, *now;
    double                  cpu_seconds, tree_seconds; /* over which CPU of the machine and of the tree is meant */
    uint64_t                cpu[CPU_KINDS];            /* microseconds, as this row shows them */
    uint64_t                tree_user, tree_system;    /* microseconds */
};

/* A cell's value; METRIC_NONE: an empty cell. */
struct figure {
    uint64_t value;
    double   unit; /* what it is divided by; 0: a count, printed whole, for a double holds 53 bits of it */
};

static struct figure count(uint64_t value)
{
    return (struct figure){value, 0};
}

static struct figure scaled(uint64_t value, double unit)
{
    return (struct figure){value, unit};
}

/* A process's figures come in clock ticks while it lives, and a row may be shorter than one. */
static struct figure at_most(uint64_t cpus, struct figure usage)
{
    bool is_known = usage.value != METRIC_NONE && cpus != METRIC_NONE && cpus > 0;
    return is_known && (double)usage.value / usage.unit > (double)cpus ? scaled(cpus, 1) : usage;
}

/* The computation of a column, found by the column's name. The header decides the place of the cell, so the order here
 * is free. The compiler refuses a column without a computation, and a computation without a column. */
#define CELL(column, computation)                             \
    static struct figure cell_##column(const struct row *row) \
    {                                                         \
        return computation;                                   \
    }                                                         \
    _Static_assert(PILLION_COLUMN_##column < PILLION_COLUMN_COUNT, #column)

CELL(timestamp, scaled((uint64_t)row->now->real, (double)CLOCK_SECOND));
CELL(system_processes, count(row->now->processes));
CELL(system_utime, scaled(row->cpu[CPU_USER], MICROSECONDS));
CELL(system_stime, scaled(row->cpu[CPU_SYSTEM], MICROSECONDS));
CELL(system_cpu_usage, scaled(all_cpu(row->cpu), MICROSECONDS * row->cpu_seconds));
CELL(system_memory_free_mib, scaled(row->now->memory_free, MIB_IN_KIB));
CELL(system_memory_used_mib, scaled(row->now->memory_used, MIB_IN_KIB));
CELL(system_memory_buffers_mib, scaled(row->now->memory_buffers, MIB_IN_KIB));
CELL(system_memory_cached_mib, scaled(row->now->memory_cached, MIB_IN_KIB));
CELL(system_memory_active_mib, scaled(row->now->memory_active, MIB_IN_KIB));
CELL(system_memory_inactive_mib, scaled(row->now->memory_inactive, MIB_IN_KIB));
CELL(system_disk_read_bytes, count(delta(row->before->disk_read, row->now->disk_read)));
CELL(system_disk_write_bytes, count(delta(row->before->disk_write, row->now->disk_write)));
CELL(system_disk_space_total_gb, scaled(row->now->space_total, GB));
CELL(system_disk_space_used_gb, scaled(row->now->space_used, GB));
CELL(system_disk_space_free_gb, scaled(row->now->space_free, GB));
CELL(system_net_recv_bytes, count(delta(row->before->net_recv, row->now->net_recv)));
CELL(system_net_sent_bytes, count(delta(row->before->net_sent, row->now->net_sent)));
CELL(system_gpu_usage, scaled(row->now->gpu_usage, GPU_PARTS));
CELL(system_gpu_vram_mib, scaled(row->now->gpu_memory, MIB));
CELL(system_gpu_utilized, count(row->now->gpus_used));
CELL(process_pid, count(row->shape->main_process > 0 ? (uint64_t)row->shape->main_process : METRIC_NONE));
CELL(process_children, count(row->now->tree_processes));
CELL(process_utime, scaled(row->tree_user, MICROSECONDS));
CELL(process_stime, scaled(row->tree_system, MICROSECONDS));
CELL(process_cpu_usage,
     at_most(row->now->cpus, scaled(sum(row->tree_user, row->tree_system), MICROSECONDS * row->tree_seconds)));
CELL(process_memory_mib, scaled(row->now->tree_memory, MIB_IN_KIB));
CELL(process_disk_read_bytes, count(delta(row->before->tree_disk_read, row->now->tree_disk_read)));
CELL(process_disk_write_bytes, count(delta(row->before->tree_disk_write, row->now->tree_disk_write)));
CELL(process_gpu_usage, scaled(row->now->tree_gpu_usage, GPU_PARTS));
CELL(process_gpu_vram_mib, scaled(row->now->tree_gpu_memory, MIB));
CELL(process_gpu_utilized, count(row->now->tree_gpus_used));

static void write_cell(struct bytes *ret, enum pillion_column column, struct figure figure, int decimals)
{
    if (column > 0)
        bytes_char(ret, ',');
    if (figure.value == METRIC_NONE)
        return;
    if (figure.unit > 0)
        bytes_decimal(ret, (double)figure.value / figure.unit, decimals);
    else
        bytes_unsigned(ret, figure.value);
}

void row_encode(const struct row_shape *shape, const struct sample *before, const struct sample *now, struct bytes *ret)
{
    double     seconds = seconds_between(before, now);
    struct row row = {
        .shape = shape,
        .before = before,
        .now = now,
        .cpu_seconds = longer(seconds, before->cpu_gap),
        .tree_seconds = longer(seconds, before->tree_gap),
        .tree_user = delta(before->tree_user, now->tree_user),
        .tree_system = delta(before->tree_system, now->tree_system),
    };
    shown_cpu(shape, before, now, row.cpu_seconds, row.cpu);
#define COLUMN(name, unit, decimals, kind, source) write_cell(ret, PILLION_COLUMN_##name, cell_##name(&row), decimals);
    PILLION_COLUMNS(COLUMN)
#undef COLUMN
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
    (void)keep(&before->cpu_energy, &now->cpu_energy);
    (void)keep(&before->gpu_energy, &now->gpu_energy);
    (void)keep(&before->net_recv, &now->net_recv);
    (void)keep(&before->net_sent, &now->net_sent);
    (void)keep(&before->tree_system, &now->tree_system);
    (void)keep(&before->tree_minor_faults, &now->tree_minor_faults);
    (void)keep(&before->tree_major_faults, &now->tree_major_faults);
    (void)keep(&before->tree_disk_read, &now->tree_disk_read);
    (void)keep(&before->tree_disk_write, &now->tree_disk_write);
}
