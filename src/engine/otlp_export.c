/* What is sent when: a row while nothing is under way, of those that wait the newest, after a failure none for a while.
 */
// SPDX-License-Identifier: Apache-2.0
#include "engine/otlp_export.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "delivery/retry.h"
#include "engine/run.h"
#include "store/journal_write.h"

enum {
    ATTRIBUTES_MAX = 64 * 1024,
    TOLD_MAX = 4,    /* failures in the log: the end tells how many there were */
    LAST_TRIES = 16, /* moves of the last row, none of which waits: a name, a connection, a request */
};

struct otlp_export {
    struct otlp_figures figures; /* the last row's */
    char                instance[OTLP_INSTANCE_SIZE];
    struct bytes        attributes; /* of the run; empty until its first row is sent */
    struct bytes        waiting;    /* a request's body; empty: none waits */
    struct http_call   *call;
    int64_t             started;      /* ns since 1970: the sums begin at nothing then; 0: with the run */
    int64_t             silent_until; /* ns CLOCK_MONOTONIC */
    unsigned            failures;     /* one after the other */
    unsigned            told;
    struct journal_otlp counts;
};

/* number: 0, there is none. The words are the receiver's, or the network's. */
static void tell(struct run *run, const char *what, uint64_t number, const char *said)
{
    struct bytes words;
    if (run->otlp->told++ >= TOLD_MAX)
        return;
    bytes_init(&words, sizeof((struct otlp_answer *)NULL)->message);
    bytes_text(&words, said);
    otlp_hide_headers(&run->config, &words);
    bool has_words = words.data && words.len > 0;
    if (number)
        log_line(&run->log, LOG_WARN, "PILLION_OTLP_ENDPOINT: %s %llu%s%s", what, (unsigned long long)number,
                 has_words ? ": " : "", has_words ? words.data : "");
    else
        log_line(&run->log, LOG_WARN, "PILLION_OTLP_ENDPOINT: %s: %s", what, has_words ? words.data : "");
    bytes_done(&words);
}

static void fail(struct run *run, const struct http_answer *answer)
{
    struct otlp_export *o = run->otlp;
    struct otlp_answer  said;
    bool                is_first = o->failures++ == 0;
    o->silent_until = clock_monotonic() + retry_pause(answer, o->failures);
    if (answer->error != 0 && answer->sent)
        o->counts.unanswered++;
    else
        o->counts.dropped++;
    otlp_read_answer(text_span(answer->body.data, answer->body.len), &said);
    if (is_first && answer->error != 0)
        tell(run, "a row is not sent", 0, answer->message[0] ? answer->message : strerror(-answer->error));
    else if (is_first)
        tell(run, "a row is not taken: HTTP", (uint64_t)answer->status, said.message);
}

static void judge(struct run *run, const struct http_answer *answer)
{
    struct otlp_export *o = run->otlp;
    struct otlp_answer  said;
    if (answer->error != 0 || answer->status < 200 || answer->status > 299) {
        fail(run, answer);
        return;
    }
    o->failures = 0;
    o->counts.taken++;
    otlp_read_answer(text_span(answer->body.data, answer->body.len), &said);
    bool is_first = o->counts.refused_points == 0 && said.refused > 0;
    o->counts.refused_points += said.refused;
    if (is_first)
        tell(run, "of a row the receiver refuses so many data points:", said.refused, said.message);
}

static void send_waiting(struct run *run)
{
    struct otlp_export *o = run->otlp;
    struct http_request request = {0};
    int                 error = network_open(&run->network, run->config.otlp);
    if (error == 0)
        error = otlp_request(&run->config, &o->waiting, &request);
    if (error == 0)
        error = http_start(run->network.http, &request, &o->call);
    if (error < 0) {
        fail(run, &(struct http_answer){.error = error, .retry_after_s = -1});
        bytes_clear(&o->waiting);
    }
    http_request_done(&request);
}

/* A connection by TLS that is not there yet takes more moves than a last row has. */
static bool is_in_vain(const struct run *run)
{
    return run->shape.is_last && !run->network.http && text_starts(text_of(run->config.otlp), "https:");
}

void otlp_export_step(struct run *run)
{
    struct otlp_export *o = run->otlp;
    struct http_answer  answer;
    if (!o)
        return;
    if (o->call && http_finished(run->network.http, o->call, &answer)) {
        o->call = NULL;
        judge(run, &answer);
        http_answer_done(&answer);
    }
    if (!o->call && o->waiting.len > 0 && clock_monotonic() >= o->silent_until && !is_in_vain(run))
        send_waiting(run);
}

/* ---- a run's rows ---- */

static struct otlp_export *open_export(struct run *run)
{
    struct otlp_export *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    bytes_init(&o->attributes, ATTRIBUTES_MAX);
    bytes_init(&o->waiting, OTLP_BODY_MAX);
    return run->otlp = o;
}

/* A list of the user's that is too long costs its words, and no row. */
static void name_run(struct run *run)
{
    struct otlp_export *o = run->otlp;
    bytes_clear(&o->attributes);
    otlp_instance(run, o->instance);
    otlp_resource(run, o->instance, &o->attributes);
    if (!o->attributes.failed || !o->attributes.data || !run->config.otlp_attributes)
        return;
    log_line(&run->log, LOG_WARN, "OTEL_RESOURCE_ATTRIBUTES is left out: it comes to more than %d KiB",
             ATTRIBUTES_MAX / 1024);
    run->config.otlp_attributes = NULL;
    bytes_clear(&o->attributes);
    otlp_resource(run, o->instance, &o->attributes);
}

static void compose(struct run *run, const struct sample *now)
{
    struct otlp_export   *o = run->otlp;
    struct otlp_gpu       gpus[GPUS_MAX];
    int64_t               began = run->load_real / 1000 * 1000; /* an image after an exec knows no more of it */
    const struct otlp_row row = {.started = o->started ? o->started : began,
                                 .now = now->real,
                                 .figures = &o->figures,
                                 .gpus = gpus,
                                 .gpu_count = otlp_gpus_read(run, gpus)};
    if (o->attributes.len == 0 || o->attributes.failed)
        name_run(run);
    o->counts.rows++;
    o->counts.dropped += o->waiting.len > 0; /* a newer one takes its place */
    bytes_done(&o->waiting);
    if (o->attributes.failed || otlp_body(o->attributes.data, &row, &o->waiting) == 0 || o->waiting.failed) {
        bytes_clear(&o->waiting);
        o->counts.dropped++;
    }
}

void otlp_export_row(struct run *run, const struct sample *now)
{
    struct otlp_export *o = run->otlp;
    if (!run->config.otlp)
        return;
    bool in_rows = false;
    if (!o && (o = open_export(run))) {
        in_rows = otlp_figures_begin(run, &o->figures);
        o->started = in_rows || run->rows == 0 ? 0 : run->last.real;
    }
    if (!o)
        return;
    otlp_figures_read(run, now, in_rows, &o->figures);
    if (run->state != RUN_MADE)
        return;
    compose(run, now);
    if (run->seat == SEAT_OWN)
        otlp_export_step(run);
}

void otlp_export_last(struct run *run)
{
    struct otlp_export *o = run->otlp;
    if (!o || run->seat != SEAT_OWN || run->config.exit_timeout == 0 || is_in_vain(run))
        return;
    for (int i = 0; i < LAST_TRIES && (o->call || o->waiting.len > 0) && !atomic_load(&run->link->hurry); i++) {
        otlp_export_step(run);
        network_poll(&run->network, NULL, 0, 0);
    }
}

void otlp_export_suspend(struct run *run)
{
    struct otlp_export *o = run->otlp;
    if (!o || !o->call)
        return;
    if (http_has_connected(o->call))
        o->counts.unanswered++;
    else
        o->counts.dropped++;
    http_cancel(run->network.http, o->call);
    o->call = NULL;
}

void otlp_export_end(struct run *run)
{
    struct otlp_export *o = run->otlp;
    if (!o || o->counts.rows == 0)
        return;
    o->counts.dropped += o->waiting.len > 0; /* nothing new is begun */
    bytes_clear(&o->waiting);
    otlp_export_step(run);
    otlp_export_suspend(run);
    const struct journal_otlp *c = &o->counts;
    log_line(&run->log, c->dropped > 0 || c->refused_points > 0 ? LOG_WARN : LOG_INFO,
             "PILLION_OTLP_ENDPOINT: of %llu rows %llu were taken, %llu not sent, %llu not answered; %llu data points "
             "were refused",
             (unsigned long long)c->rows, (unsigned long long)c->taken, (unsigned long long)c->dropped,
             (unsigned long long)c->unanswered, (unsigned long long)c->refused_points);
    journal_otlp(&run->dir, o->instance, c);
}

void otlp_export_drop(struct run *run)
{
    struct otlp_export *o = run->otlp;
    if (!o)
        return;
    otlp_export_suspend(run);
    bytes_done(&o->attributes);
    bytes_done(&o->waiting);
    free(o);
    run->otlp = NULL;
}
