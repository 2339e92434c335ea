/* A sample of everything, the row that it makes with the one before, and that row's way to disk. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/commands.h"
#include "engine/gpus.h"
#include "engine/run.h"

int64_t sampling_date(const struct run *run, int64_t monotonic)
{
    int64_t slept = clock_suspended() - run->anchor.suspended;
    /* The two clocks behind `slept` are read one after the other. */
    return run->anchor.real + monotonic - run->anchor.monotonic + (slept >= CLOCK_SECOND ? slept : 0);
}

/* Timestamps have milliseconds, and rise: a program that ends right after a tick waits for the next millisecond. Before
 * the first row there is none to differ from. */
static void wait_for_next_millisecond(const struct run *run)
{
    int64_t since = clock_monotonic() - run->last.monotonic;
    if (run->rows == 0 || since < 0 || since >= CLOCK_MILLISECOND)
        return;
    struct timespec rest = {.tv_nsec = CLOCK_MILLISECOND - since};
    (void)nanosleep(&rest, NULL);
}

/* Nothing stays open in the program's table: any number in it may be the program's a moment later. */
static void read_sample(struct run *run, struct sample *ret)
{
    if (run->seat != SEAT_OWN)
        (void)collect_resume(run->collectors, &run->roots);
    collect_read(run->collectors, ret);
    if (run->seat != SEAT_OWN)
        collect_suspend(run->collectors);
}

/* The tree's part of the energy of a row: by its part of the CPU time, or of the devices' use. */
static uint64_t share_of(uint64_t energy, double part, double whole)
{
    double ratio = whole > 0 && part < whole ? part / whole : part > 0 ? 1 : 0;
    return (uint64_t)((double)energy * ratio);
}

static void account_energy(struct run *run, const struct sample *now)
{
    const struct sample *before = &run->last;
    struct account      *a = &run->account;
    double               tick = 1e6 / (double)run->shape.clock_ticks;
    uint64_t             cpu = row_delta(before->cpu_energy, now->cpu_energy);
    uint64_t             gpu = row_delta(before->gpu_energy, now->gpu_energy);
    double               machine = (double)(row_delta(before->cpu_user, now->cpu_user) +
                              row_delta(before->cpu_system, now->cpu_system) +
                              row_delta(before->cpu_interrupt, now->cpu_interrupt)) *
                     tick;
    double tree = (double)(row_delta(before->tree_user, now->tree_user) +
                           row_delta(before->tree_system, now->tree_system));
    a->has_cpu_energy = a->has_cpu_energy || now->cpu_energy != METRIC_NONE;
    a->has_gpu_energy = a->has_gpu_energy || now->gpu_energy != METRIC_NONE;
    a->cpu_energy += cpu;
    a->cpu_energy_share += share_of(cpu, tree, machine);
    a->gpu_energy += gpu;
    if (now->tree_gpu_usage != METRIC_NONE && now->gpu_usage != METRIC_NONE)
        a->gpu_energy_share += share_of(gpu, (double)now->tree_gpu_usage, (double)now->gpu_usage);
}

void sampling_row(struct run *run)
{
    struct sample now;
    if (!run->collectors)
        return;
    run->shape.main_process = atomic_load(&run->link->main_process);
    collect_set_main_process(run->collectors, run->shape.main_process);
    wait_for_next_millisecond(run);
    read_sample(run, &now);
    now.real = sampling_date(run, now.monotonic);
    bytes_clear(&run->line);
    if (run->rows == 0)
        row_header(&run->line);
    row_encode(&run->shape, &run->last, &now, &run->line);
    if (run->line.failed)
        return;
    run->account.user_us += row_delta(run->last.tree_user, now.tree_user);
    run->account.system_us += row_delta(run->last.tree_system, now.tree_system);
    account_energy(run, &now);
    uint64_t lost = run->dir.lost_rows;
    (void)run_dir_append_row(&run->dir, run->line.data, run->line.len);
    if (run->dir.lost_rows > lost && lost == 0)
        log_line(&run->log, LOG_ERROR, "neither disk nor memory takes another row");
    output_row(run, &now);
    struct text rows = text_span(run->line.data, run->line.len);
    struct text timestamp;
    if (run->rows == 0)
        (void)text_line(&rows, &timestamp);
    if (text_until(&rows, ',', &timestamp)) {
        commands_note_row(run, &now, timestamp);
        gpus_note_row(run, timestamp);
    }
    otlp_export_row(run, &now);
    run->rows++;
    row_carry(&run->shape, &run->last, &now);
    row_keep(&run->last, &now);
    run->last = now;
}
