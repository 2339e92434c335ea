/* The end of the program: the run is completed first on disk, then, within the hold (hold.c), at the API. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/commands.h"
#include "engine/run.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { COMMANDS_TEXT_MAX = 64 * 1024 };

/* CPU is the sum of the rows, so that the two agree. Without a tree to read it is the kernel's own account. */
static void read_totals(struct run *run, struct totals *ret)
{
    const struct sample *end = &run->last;
    totals_read(&run->roots, &run->tree, &run->account.before, run->account.images, run->collectors, ret);
    if (run->collectors && end->tree_user != METRIC_NONE) {
        ret->user_us = run->account.user_us;
        ret->system_us = run->account.system_us;
        ret->minor_faults = row_delta(run->baseline.tree_minor_faults, end->tree_minor_faults);
        ret->major_faults = row_delta(run->baseline.tree_major_faults, end->tree_major_faults);
    }
}

/* Images before an exec in place read their own, which nobody has kept: then there is no figure. */
static void read_energy(const struct run *run, struct energy_totals *ret)
{
    const struct account *a = &run->account;
    bool                  whole = a->images != USAGE_SEVERAL;
    bool                  cpu = whole && a->has_cpu_energy;
    bool                  gpu = whole && a->has_gpu_energy;
    *ret = (struct energy_totals){.cpu = cpu ? a->cpu_energy : METRIC_NONE,
                                  .cpu_share = cpu ? a->cpu_energy_share : METRIC_NONE,
                                  .gpu = gpu ? a->gpu_energy : METRIC_NONE,
                                  .gpu_share = gpu ? a->gpu_energy_share : METRIC_NONE,
                                  .cpu_source = collect_energy_source(run->collectors),
                                  .gpu_source = collect_gpu_energy_source(run->collectors)};
}

static void write_end(struct run *run, int64_t finished_at)
{
    struct energy_totals energy;
    struct totals        totals;
    struct cgroup_events events;
    struct bytes         commands;
    bytes_init(&commands, COMMANDS_TEXT_MAX);
    commands_totals(run, &commands);
    cgroup_tags_end(&run->cgroup_tags, &events);
    read_totals(run, &totals);
    totals.cgroup_memory_peak = events.memory_peak;
    read_energy(run, &energy);
    struct journal_end end = {
        .finished_at = finished_at,
        .duration = run->collectors ? run->last.real - run->load_real : clock_monotonic() - run->load,
        .wait_status = atomic_load(&run->link->wait_status),
        .totals = &totals,
        .cgroup = &events,
        .energy = &energy,
        .commands = commands.failed ? NULL : commands.data,
        .rows = run->rows,
        .lost_rows = run->dir.lost_rows,
        .cost_cpu = run->account.cost_before + (run->seat == SEAT_PROGRAM ? 0 : clock_thread_cpu()),
        .state = config_delivers(&run->config) || run->origin == ORIGIN_ANOTHERS ? "undelivered" : "local",
        .is_needed = run->delivery.upload.bucket != NULL,
    };
    journal_end(&run->dir, &end);
    bytes_done(&commands);
}

/* A program that had ended before its run was made: its run has a log only if there is something to say. */
static void write_late_log(struct run *run)
{
    if (run->log.file < 0 && run->log.early.len > 0 && run_dir_make_log(&run->dir) == 0)
        log_attach(&run->log, run->dir.log);
}

void finish_run(struct run *run)
{
    int64_t lived = atomic_load(&run->link->hold_began) - run->load;
    if (run->state >= RUN_ENDED)
        return;
    if (run->state == RUN_UNMADE && lived < run->config.min_life && !create_continued(run)) {
        create_not(run);
        return;
    }
    if (run->state == RUN_UNMADE)
        create_run(run);
    resend_backlog_end(&run->backlog, clock_monotonic());
    if (run->collectors)
        collect_before_last(run->collectors);
    run->shape.is_last = true;
    sampling_row(run);
    int64_t finished_at = clock_real();
    write_end(run, finished_at);
    otlp_export_last(run);
    if (run->origin == ORIGIN_ANOTHERS)
        journal_undelivered(&run->dir, "begun for another place, or with another token, than the program has now",
                            false);
    else if (config_delivers(&run->config))
        hold_deliver(run, finished_at);
    otlp_export_end(run);
    write_late_log(run);
    run->state = RUN_ENDED;
}
