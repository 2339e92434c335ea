/* A row's figures for OTLP: levels as they are, sums since the run began. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/array.h"
#include "engine/otlp_export.h"
#include "engine/run.h"

static void add(uint64_t *sum, uint64_t before, uint64_t now)
{
    if (*sum == OTLP_NONE && now != METRIC_NONE)
        *sum = 0;
    if (*sum != OTLP_NONE)
        *sum += row_delta(before, now);
}

static void add_ticks(uint64_t *sum, uint64_t before, uint64_t now, long ticks)
{
    uint64_t us = 1000000 / (uint64_t)ticks;
    add(sum, before == METRIC_NONE ? before : before * us, now == METRIC_NONE ? now : now * us);
}

static void add_sums(const struct run *run, const struct sample *now, struct otlp_figures *f)
{
    const struct sample *before = &run->last;
    long                 ticks = run->shape.clock_ticks;
    add_ticks(&f->system_user, before->cpu_user, now->cpu_user, ticks);
    add_ticks(&f->system_system, before->cpu_system, now->cpu_system, ticks);
    if (run->origin == ORIGIN_HERE) /* no row has it, so after an exec its sum is not known any more */
        add_ticks(&f->system_interrupt, before->cpu_interrupt, now->cpu_interrupt, ticks);
    add(&f->system_read, before->disk_read, now->disk_read);
    add(&f->system_written, before->disk_write, now->disk_write);
    add(&f->system_received, before->net_recv, now->net_recv);
    add(&f->system_sent, before->net_sent, now->net_sent);
    add(&f->process_read, before->tree_disk_read, now->tree_disk_read);
    add(&f->process_written, before->tree_disk_write, now->tree_disk_write);
}

/* The run had rows before, of an image before an exec: its sums go on from theirs. */
static bool add_rows(const struct run *run, struct otlp_figures *f)
{
    const struct {
        uint64_t *sum;
        unsigned  column;
        double    unit;
    } all[] = {
        {&f->system_user, PILLION_COLUMN_system_utime, 1e6},
        {&f->system_system, PILLION_COLUMN_system_stime, 1e6},
        {&f->system_read, PILLION_COLUMN_system_disk_read_bytes, 1},
        {&f->system_written, PILLION_COLUMN_system_disk_write_bytes, 1},
        {&f->system_received, PILLION_COLUMN_system_net_recv_bytes, 1},
        {&f->system_sent, PILLION_COLUMN_system_net_sent_bytes, 1},
        {&f->process_read, PILLION_COLUMN_process_disk_read_bytes, 1},
        {&f->process_written, PILLION_COLUMN_process_disk_write_bytes, 1},
    };
    struct row_sums sums;
    if (!exec_resume_sums(run, &sums))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        if (sums.is_known[all[i].column])
            *all[i].sum = (uint64_t)(sums.of[all[i].column] * all[i].unit + 0.5);
    return true;
}

static uint64_t bytes_of(uint64_t kib)
{
    return kib == METRIC_NONE ? OTLP_NONE : kib * 1024;
}

static void take_levels(const struct run *run, const struct sample *now, struct otlp_figures *f)
{
    bool knows_cpu = run->last.tree_user != METRIC_NONE || now->tree_user != METRIC_NONE;
    f->process_user = knows_cpu ? run->account.user_us : OTLP_NONE;
    f->process_system = knows_cpu ? run->account.system_us : OTLP_NONE;
    f->process_memory = bytes_of(now->tree_memory);
    f->process_children = now->tree_processes;
    f->process_gpu = now->tree_gpu_usage;
    f->process_gpu_memory = now->tree_gpu_memory;
    f->cpus = now->cpus > 0 ? now->cpus : OTLP_NONE;
    f->processes = now->processes;
    f->memory_total = bytes_of(now->memory_total);
    f->memory_used = bytes_of(now->memory_used);
    f->memory_free = bytes_of(now->memory_free);
    f->memory_buffers = bytes_of(now->memory_buffers);
    f->memory_cached = bytes_of(now->memory_cached);
    f->space_total = now->space_total;
    f->space_used = now->space_used;
    f->space_free = now->space_free;
}

unsigned otlp_gpus_read(const struct run *run, struct otlp_gpu ret[static GPUS_MAX])
{
    struct gpu_state now[GPUS_MAX];
    unsigned         count = collect_gpu_states(run->collectors, now, GPUS_MAX);
    for (unsigned i = 0; i < count; i++)
        ret[i] = (struct otlp_gpu){.usage = now[i].usage,
                                   .process_usage = now[i].tree_usage,
                                   .memory = now[i].memory,
                                   .process_memory = now[i].tree_memory,
                                   .temperature = now[i].temperature,
                                   .power = now[i].power};
    return count;
}

bool otlp_figures_begin(const struct run *run, struct otlp_figures *ret)
{
    memset(ret, 0xff, sizeof *ret); /* OTLP_NONE */
    return run->rows > 0 && add_rows(run, ret);
}

void otlp_figures_read(const struct run *run, const struct sample *now, bool in_rows, struct otlp_figures *ret)
{
    if (!in_rows)
        add_sums(run, now, ret);
    take_levels(run, now, ret);
}
