/* The end of the program: the run is completed first on disk, then, within the hold, at the API. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/run.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

#define UNANSWERED_LIMIT CLOCK_SECOND
#define FAILED_RECENTLY  (60 * CLOCK_SECOND)
#define LOCAL_RESERVE    (50 * CLOCK_MILLISECOND) /* of the hold, for the last line on disk */
#define CROWD_FINISH     16                       /* nodes; a larger step spreads its finishes */
#define FLUSH_PERCENT    60                       /* of the hold, for the last rows to S3; then they go inline */
#define SLICE            (20 * CLOCK_MILLISECOND)
#define CLOUD_LIMIT      (200 * CLOCK_MILLISECOND) /* of the hold, and a quarter of it at most, for the cloud */

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
    ret->cgroup_memory_peak = cgroup_tags_memory_peak(&run->cgroup_tags);
}

static void write_end(struct run *run, int64_t finished_at)
{
    struct totals        totals;
    struct cgroup_events events;
    cgroup_tags_end(&run->cgroup_tags, &events);
    read_totals(run, &totals);
    struct journal_end end = {
        .finished_at = finished_at,
        .duration = run->collectors ? run->last.real - run->load_real : clock_monotonic() - run->load,
        .wait_status = atomic_load(&run->link->wait_status),
        .totals = &totals,
        .cgroup = &events,
        .rows = run->rows,
        .lost_rows = run->dir.lost_rows,
        .cost_cpu = run->account.cost_before + (run->seat == SEAT_PROGRAM ? 0 : clock_thread_cpu()),
        .state = run->config.token[0] || run->origin == ORIGIN_ANOTHERS ? "undelivered" : "local",
    };
    journal_end(&run->dir, &end);
}

/* Returns why the program must not be held at all; NULL: it may be held. */
static const char *no_hold(const struct run *run, int64_t now)
{
    if (run->config.exit_timeout == 0)
        return "PILLION_EXIT_TIMEOUT is 0";
    if (atomic_load(&run->link->local_only))
        return "the program ended with other threads alive";
    if (run->seat != SEAT_OWN)
        return "no descriptor table of its own could be had";
    if (run->delivery.last_failure && now - run->delivery.last_failure < FAILED_RECENTLY)
        return "the API failed within the last minute";
    if (delivery_api_is_down(&run->home))
        return "the API could not be reached within the last ten minutes";
    return NULL;
}

/* Exit code and time of the end, for the finish; run.jsonl has the same, unless the disk is full. */
static cJSON *facts(const struct run *run, int64_t finished_at)
{
    cJSON *state = cJSON_CreateObject();
    char   when[21];
    int    status = atomic_load(&run->link->wait_status);
    clock_format_utc(finished_at / CLOCK_SECOND, when);
    (void)cJSON_AddStringToObject(state, "finished_at", when);
    if (status >= 0)
        (void)cJSON_AddNumberToObject(state, "exit_code", status & 0x7f ? 128 + (status & 0x7f) : status >> 8);
    return state;
}

static int64_t budget_of(const struct run *run)
{
    int64_t most = atomic_load(&run->link->hold_most);
    return most ? clock_earlier(most, run->config.exit_timeout) : run->config.exit_timeout;
}

/* Drives register and finish until done, refused, out of time, or without hope of being in time. */
static void deliver(struct run *run)
{
    struct delivery *d = &run->delivery;
    int64_t          began = atomic_load(&run->link->hold_began);
    int64_t          whole = began + budget_of(run) - LOCAL_RESERVE;
    int64_t          unanswered = began + UNANSWERED_LIMIT - LOCAL_RESERVE;
    bool             few = run_dir_rows_size(&run->dir, true) <= DELIVERY_INLINE_MAX;
    d->flush_deadline = few ? began + (whole - began) * FLUSH_PERCENT / 100 : whole;
    d->finish_after = d->next_try = run->config.crowd > CROWD_FINISH ? began + retry_spread(whole - began) : 0;
    while (!delivery_is_over(d) && !atomic_load(&run->link->hurry)) {
        int64_t now = clock_monotonic();
        int64_t limit = d->answered || whole < unanswered ? whole : unanswered;
        int64_t due = delivery_due(d);
        if (now >= limit || (!d->call && due != INT64_MAX && due >= limit) || (run->config.crowd > 0 && d->overloaded))
            break;
        d->deadline = whole;
        delivery_step(d, now);
        if (delivery_is_over(d))
            break;
        due = delivery_due(d);
        now = clock_monotonic();
        int64_t until = due < limit ? due : limit;
        network_poll(&run->network, NULL, 0, until - now < SLICE ? until - now : SLICE);
    }
}

static void try_to_deliver(struct run *run, int64_t finished_at)
{
    struct delivery *d = &run->delivery;
    const char      *reason = no_hold(run, clock_monotonic());
    int64_t          cloud = atomic_load(&run->link->hold_began) + clock_earlier(CLOUD_LIMIT, budget_of(run) / 4);
    registration_settle(run, reason ? 0 : cloud);
    if (!reason || run_dir_is_in_memory(&run->dir)) { /* process 1 may deliver those after the hold: pid1.c */
        cJSON *state = facts(run, finished_at);
        int    error = delivery_end(d, state, DELIVERY_INLINE_MAX);
        cJSON_Delete(state);
        if (error < 0)
            reason = strerror(-error);
    }
    if (!reason)
        deliver(run);
    if (d->phase == DELIVERY_DONE)
        return;
    if (!reason)
        reason = d->reason[0] ? d->reason : "the time to hold the program was over";
    journal_undelivered(&run->dir, reason, d->attempts.unanswered || (d->phase == DELIVERY_FINISH && d->call));
    log_line(&run->log, LOG_WARN, "not delivered: %s; pillion sync does it later", reason);
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
    resend_backlog_drop(&run->backlog);
    if (run->collectors)
        collect_before_last(run->collectors);
    run->shape.is_last = true;
    sampling_row(run);
    int64_t finished_at = clock_real();
    write_end(run, finished_at);
    if (run->origin == ORIGIN_ANOTHERS)
        journal_undelivered(&run->dir, "registered with another URL or token than the program has now", false);
    else if (run->config.token[0])
        try_to_deliver(run, finished_at);
    run->state = RUN_ENDED;
}
