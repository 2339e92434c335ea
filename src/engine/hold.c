/* The hold, as the thread sees it: the program waits at its end, while the run is registered and finished. What may be
 * waited for is an answer, never a back-off, and a connection for a second at most; and the marks of API and S3 say
 * whether an earlier end has waited in vain. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/api_mark.h"
#include "engine/run.h"
#include "store/journal_write.h"

#define CONNECT_LIMIT   CLOCK_SECOND /* of a request that was begun before the end */
#define FAILED_RECENTLY (60 * CLOCK_SECOND)
#define LOCAL_RESERVE   (50 * CLOCK_MILLISECOND) /* of the hold, for the last line on disk */
#define CROWD_FINISH    16                       /* nodes; a larger step spreads its finishes */
#define CROWD_PERCENT   80                       /* of the hold, for that; the last one needs time for its answer */
#define FLUSH_PERCENT   60                       /* of the hold, for the last rows to S3; then they go inline */
#define SLICE           (20 * CLOCK_MILLISECOND)
#define CLOUD_LIMIT     (200 * CLOCK_MILLISECOND) /* of the hold, and a quarter of it at most, for the cloud */
#define OTHERS_LIMIT    (300 * CLOCK_MILLISECOND) /* of the hold: what is left of it is for runs that others left */

/* ns CLOCK_MONOTONIC */
struct hold {
    int64_t         began;
    int64_t         until;
    int64_t         s3_took; /* of it, ns */
    struct api_mark api, s3;
};

/* Returns why the program must not be held at all; NULL: it may be held. A registration that is on its way is waited
 * for, whatever the mark says: sent again later it would be a second one. But one that an API with a mark has had for
 * as long as a hold may last is not going to be answered. */
static const char *no_hold(const struct run *run, struct hold *hold)
{
    const struct delivery *d = &run->delivery;
    if (run->config.exit_timeout == 0)
        return "PILLION_EXIT_TIMEOUT is 0";
    if (atomic_load(&run->link->local_only))
        return "the program ended with other threads alive";
    if (run->seat != SEAT_OWN)
        return "no descriptor table of its own could be had";
    enum api_mark_answer answer = api_mark_ask(&hold->api);
    bool                 marked = answer == API_MARK_STANDS || answer == API_MARK_IS_TRIED;
    if (delivery_registers(d)) {
        hold->until = marked ? clock_earlier(hold->until, d->begun + run->config.exit_timeout) : hold->until;
        return NULL;
    }
    if (d->last_failure && clock_monotonic() - d->last_failure < FAILED_RECENTLY)
        return d->phase == DELIVERY_REFUSED && d->reason[0] ? d->reason : "the server failed within the last minute";
    if (answer == API_MARK_STANDS)
        return "the server was slow, or out of reach, when an earlier program ended";
    return answer == API_MARK_IS_TRIED ? "another program tries the server at this moment" : NULL;
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

static bool is_cut_short(const struct run *run)
{
    return atomic_load(&run->link->hurry) != 0;
}

static void wait_for_network(struct run *run, int64_t due)
{
    int64_t wait = due - clock_monotonic();
    network_poll(&run->network, NULL, 0, clock_earlier(wait, SLICE));
    otlp_export_step(run);
}

/* S3 has a mark of its own: while it stands, nothing more is uploaded, and the rows go inline at once. */
static bool s3_is_sick(const struct run *run, struct api_mark *mark)
{
    api_mark_open_s3(mark, &run->config, &run->home);
    enum api_mark_answer answer = api_mark_ask(mark);
    if (answer == API_MARK_NONE || answer == API_MARK_TO_TRY)
        return false;
    api_mark_close(mark);
    return true;
}

static void limit_flush(struct run *run, struct hold *hold)
{
    struct delivery *d = &run->delivery;
    bool             few = d->place->takes_rows && run_dir_rows_size(&run->dir, true) <= DELIVERY_INLINE_MAX;
    d->flush_deadline = few ? hold->began + (hold->until - hold->began) * FLUSH_PERCENT / 100 : hold->until;
    if (d->place->takes_rows && d->phase == DELIVERY_FLUSH && s3_is_sick(run, &hold->s3))
        d->flush_deadline = hold->began;
}

/* A request of before the end has ten seconds to connect; from then on it has one, as those that begin later have. */
static bool connects_in_vain(const struct delivery *d, const struct hold *hold, int64_t now)
{
    return d->call && d->begun < hold->began && now >= hold->began + CONNECT_LIMIT && !http_has_connected(d->call);
}

/* Drives register and finish until done, refused, out of time, or without hope of being in time. */
static void deliver(struct run *run, struct hold *hold)
{
    struct delivery *d = &run->delivery;
    limit_flush(run, hold);
    d->finish_after = d->next_try = run->config.crowd > CROWD_FINISH
                                        ? hold->began + retry_spread((hold->until - hold->began) * CROWD_PERCENT / 100)
                                        : 0;
    d->deadline = hold->until;
    d->holds = true;
    d->failed = false;
    for (int64_t now = clock_monotonic(); now < hold->until && !is_cut_short(run); now = clock_monotonic()) {
        delivery_step(d, now);
        bool    flushes = d->phase == DELIVERY_FLUSH;
        int64_t due = delivery_due(d);
        bool    backs_off = !d->call && due > now && due > d->finish_after;
        bool    in_vain = connects_in_vain(d, hold, now);
        if (in_vain)
            d->flush_deadline = now; /* S3's, perhaps: then the rows go inline */
        if (delivery_is_over(d) || backs_off || (in_vain && !flushes))
            break;
        wait_for_network(run, clock_earlier(due, hold->until));
        hold->s3_took += flushes && d->place->takes_rows ? clock_monotonic() - now : 0;
    }
    d->holds = false;
}

/* Notes for the ends of other programs how this one went. True: it was quick. */
static bool note_end(const struct run *run, struct hold *hold)
{
    const struct delivery *d = &run->delivery;
    int64_t                now = clock_monotonic();
    bool                   is_done = d->phase == DELIVERY_DONE;
    bool                   cut = is_cut_short(run) || atomic_load(&run->link->hold_most);
    int64_t                began = d->finish_after > hold->began ? d->finish_after : hold->began;
    struct api_mark_end    s3 = {.took = hold->s3_took,
                                 .delivered = d->form == DELIVERY_S3,
                                 .failed = d->form != DELIVERY_S3 && !cut,
                                 .retry_after_s = -1};
    struct api_mark_end    api = {.took = now - began - hold->s3_took,
                                  .delivered = is_done,
                                  .failed = d->failed || (d->call && !cut),
                                  .retry_after_s = d->retry_after_s};
    if (hold->s3_took > 0)
        api_mark_note(&hold->s3, &s3);
    api_mark_note(&hold->api, &api);
    return is_done && now - hold->began < OTHERS_LIMIT;
}

/* The own finish has told how long a request takes: one that is begun later would be in vain. */
static void deliver_others(struct run *run, const struct hold *hold, bool quick)
{
    int64_t now = clock_monotonic();
    int64_t request = now - run->delivery.begun;
    if (quick)
        resend_backlog_take(&run->backlog, clock_earlier(hold->began + OTHERS_LIMIT - request, hold->until));
    for (; now < hold->until && !is_cut_short(run) && !atomic_load(&run->link->local_only) &&
           resend_backlog_end_step(&run->backlog, now);
         now = clock_monotonic())
        wait_for_network(run, resend_backlog_due(&run->backlog));
    resend_backlog_drop(&run->backlog);
}

/* Returns why the run was not delivered, NULL: it was. */
static const char *try_to_deliver(struct run *run, struct hold *hold, int64_t finished_at, bool *ret_quick)
{
    struct delivery *d = &run->delivery;
    const char      *reason = no_hold(run, hold);
    int64_t          cloud = hold->began + clock_earlier(CLOUD_LIMIT, budget_of(run) / 4);
    registration_settle(run, reason ? 0 : cloud);
    if (!reason || run_dir_is_in_memory(&run->dir)) { /* process 1 may deliver those after the hold: pid1.c */
        cJSON *state = facts(run, finished_at);
        delivery_try_bucket_again(d);
        int error = delivery_end(d, state, DELIVERY_INLINE_MAX);
        cJSON_Delete(state);
        if (error < 0)
            reason = strerror(-error);
    }
    if (!reason) {
        deliver(run, hold);
        *ret_quick = note_end(run, hold);
    }
    if (d->phase == DELIVERY_DONE)
        return NULL;
    return reason ? reason : d->reason[0] ? d->reason : "the time to hold the program was over";
}

void hold_deliver(struct run *run, int64_t finished_at)
{
    struct delivery *d = &run->delivery;
    bool             quick = false;
    struct hold      hold = {.began = atomic_load(&run->link->hold_began), .s3 = {.folder = -1, .file = -1}};
    hold.until = hold.began + budget_of(run) - LOCAL_RESERVE;
    api_mark_open(&hold.api, &run->config, &run->home);
    const char *reason = try_to_deliver(run, &hold, finished_at, &quick);
    api_mark_close(&hold.s3);
    api_mark_close(&hold.api);
    if (reason) {
        journal_undelivered(&run->dir, reason, d->attempts.unanswered || (d->phase == DELIVERY_FINISH && d->call));
        log_line(&run->log, LOG_WARN, "not delivered: %s; pillion sync does it later", reason);
    }
    deliver_others(run, &hold, quick);
}
