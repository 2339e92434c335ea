/* The delivery of a run from its directory alone: its program is gone. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/resend_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { TRIES = 3, STATE_BY_THE_WAY = 4 * 1024 * 1024 };
#define LIMIT (120 * CLOCK_SECOND) /* without an object stored */

void resend_run_init(struct resend_run *e, const struct config *config, const struct state_dir *home,
                     struct network *network, cgroup_of_lost_fn *cgroup_of_lost)
{
    *e = (struct resend_run){.config = config,
                             .home = home,
                             .network = network,
                             .cgroup_of_lost = cgroup_of_lost,
                             .inline_max = DELIVERY_SYNC_MAX,
                             .last_begin = INT64_MAX};
    log_init(&e->log, config->log_level);
    e->log.secret = config->secret;
    run_dir_init(&e->run);
}

/* A leader has other programs' runs for its own bucket alone: who set another one for them may have had other keys. */
static const char *why_not_bucket(const struct resend_run *e)
{
    return e->by_the_way && !bucket_is_configured(e->config, e->state) ? "made for another PILLION_S3_URI" : NULL;
}

static const char *why_not_place(const struct resend_run *e)
{
    char        token_id[9];
    const char *api_url = journal_text(e->state, "api_url");
    if (journal_text(e->state, "destination"))
        return why_not_bucket(e);
    if (!e->config->token[0] && !(e->config->s3_uri[0] && !api_url))
        return "no API token: set SENTINEL_API_TOKEN";
    if (api_url && strcmp(api_url, e->config->api_url) != 0)
        return "made for another SENTINEL_API_URL";
    journal_token_id(e->config->token, token_id);
    if (journal_text(e->state, "token_id") && !journal_is(e->state, "token_id", token_id))
        return "made with another API token";
    return NULL;
}

/* Returns why this run is not ours to deliver now; NULL: it is. */
static const char *why_not(const struct resend_run *e, int dir)
{
    const char *api_url = journal_text(e->state, "api_url");
    const char *place = why_not_place(e);
    if (journal_is_newer(e->state))
        return "a later version of pillion wrote it";
    if (journal_is(e->state, "state", "local") && !e->named)
        return "made without a token; name it to deliver it";
    if (place)
        return place;
    if (journal_is(e->state, "state", "running") && !api_url && !e->named)
        return "made without a token; name it to deliver it";
    if (journal_is(e->state, "state", "local") || journal_is(e->state, "state", "undelivered"))
        return NULL;
    switch (e->by_the_way ? journal_liveness(e->state, dir) : journal_liveness_at_last(e->state, dir)) {
    case LIVENESS_ALIVE:
        return "still running";
    case LIVENESS_UNLOCKED:
    case LIVENESS_FOREIGN:
        return "perhaps still running on another machine";
    case LIVENESS_DEAD:
        break;
    }
    return NULL;
}

static enum resend_run_outcome over(struct resend_run *e, enum resend_run_outcome outcome, const char *reason)
{
    (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    e->hopeless = e->locked && e->delivery.hopeless;
    e->stopped = e->locked && e->delivery.upload.stopped;
    resend_run_drop(e);
    return outcome;
}

static int reload(struct resend_run *e)
{
    cJSON_Delete(e->state);
    e->state = NULL;
    return journal_load_held(e->run.state, &e->state);
}

static int64_t last_change(const struct run_dir *run)
{
    struct stat info;
    return fstat(run->rows, &info) == 0 ? (int64_t)info.st_mtime * CLOCK_SECOND + info.st_mtim.tv_nsec : clock_real();
}

/* Ends a run whose program was killed: at the time of its last row, and without an exit code. */
static void end_lost_run(struct resend_run *e)
{
    bool                 sent = journal_is(e->state, "state", "finishing");
    struct cgroup_events events;
    struct journal_end   end = {.finished_at = last_change(&e->run),
                                .wait_status = -1,
                                .cgroup = &events,
                                .state = sent ? "finishing" : "undelivered",
                                .is_needed = e->delivery.upload.bucket != NULL};
    char                 when[21];
    if (journal_text(e->state, "finished_at"))
        return;
    e->cgroup_of_lost(e->state, &events);
    journal_end(&e->run, &end);
    clock_format_utc(end.finished_at / CLOCK_SECOND, when);
    (void)cJSON_AddStringToObject(e->state, "finished_at", when);
}

/* True when nobody answered a finish, of this attempt or of any before it. */
static bool may_have_arrived(const struct delivery *d)
{
    if (d->finish.len == 0)
        return d->unanswered;
    return d->attempts.unanswered || (d->phase == DELIVERY_FINISH && d->call);
}

/* Notes nothing that stands there already: a run that is tried for months must not grow by it. */
static void note(struct resend_run *e, const char *reason)
{
    bool unanswered = may_have_arrived(&e->delivery);
    bool same = journal_is(e->state, "state", "undelivered") && journal_is(e->state, "reason", reason) &&
                cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(e->state, "unanswered")) == unanswered;
    if (!same || e->delivery.announced)
        journal_undelivered(&e->run, reason, unanswered);
    if (e->delivery.hopeless)
        journal_hopeless(&e->run);
}

/* A large run.jsonl is not read along the way: reading it would be seen in a program. */
static bool is_too_large(const struct resend_run *e, int dir)
{
    struct stat info;
    return e->by_the_way &&
           (fstatat(dir, RUN_DIR_JOURNAL, &info, AT_SYMLINK_NOFOLLOW) < 0 || info.st_size > STATE_BY_THE_WAY);
}

static const char *text_of_error(int error)
{
    return error == -ENODATA ? "it has no row" : error == -EBADMSG ? "damaged" : strerror(-error);
}

/* Without a token a run of no place goes to the user's bucket, under a name that it gets now. */
static int name(struct resend_run *e)
{
    char                  prefix[BUCKET_PREFIX_SIZE];
    struct journal_bucket bucket;
    const cJSON          *machine = cJSON_GetObjectItemCaseSensitive(e->state, "machine");
    const char           *boot_id = journal_text(machine, "boot_id");
    const char           *host_name = journal_text(machine, "host_name");
    const char           *started = journal_text(e->state, "started_at");
    struct delivery_run   named = {.boot_id = boot_id ? boot_id : "",
                                   .host_name = host_name ? host_name : "",
                                   .pid = (pid_t)journal_number(e->state, "pid", 0)};
    if (journal_text(e->state, "api_url"))
        return e->delivery.upload.bucket || !journal_text(e->state, "destination") ? 0 : -EBADMSG;
    if (started)
        (void)clock_parse_utc(started, &named.started_s);
    return delivery_name(&e->delivery, &named, &bucket, prefix) ? journal_bucket(&e->run, &bucket) : 0;
}

/* Prepares the delivery of a run that is locked and still to be delivered. */
static enum resend_run_outcome set_out(struct resend_run *e)
{
    delivery_init(&e->delivery, e->config, &e->run, &e->log, e->network);
    e->delivery.keys = e->keys;
    e->locked = true;
    log_attach(&e->log, e->run.log);
    int error = reload(e); /* the run may have been delivered between the look and the lock */
    if (error == 0 && journal_is(e->state, "state", "finished"))
        return over(e, RESEND_DELIVERED, "");
    if (error == 0 && !journal_text(e->state, "sentinel_run_id") && !journal_text(e->state, "destination"))
        error = run_dir_append_state(&e->run, "{}", 2); /* a registration that cannot be noted is one too many */
    if (error == 0) {
        delivery_restore(&e->delivery, e->state);
        error = name(e);
    }
    if (error < 0)
        return over(e, RESEND_FAILED, text_of_error(error));
    end_lost_run(e);
    if (e->delivery.registration.len == 0)
        bytes_text(&e->delivery.registration, "{}");
    delivery_begin(&e->delivery);
    e->delivery.next_try = 0; /* no crowd comes with a sync */
    e->delivery.deadline = clock_monotonic() + LIMIT;
    e->delivery.last_begin = e->last_begin;
    e->delivery.holds = e->last_begin != INT64_MAX;
    error = delivery_end(&e->delivery, e->state, e->inline_max);
    if (error == 0)
        return RESEND_UNDER_WAY;
    note(e, text_of_error(error));
    return over(e, RESEND_FAILED, text_of_error(error));
}

static enum resend_run_outcome lock(struct resend_run *e, const char *id)
{
    int error = run_dir_open(e->home, id, &e->run);
    if (error == -EBUSY)
        return over(e, RESEND_LEFT, "somebody works on it");
    if (error < 0 && error != -ENOLCK)
        return over(e, RESEND_LEFT, error == -EPERM ? "not this user's files" : text_of_error(error));
    if (error == -ENOLCK &&
        (!journal_is_of_this_boot(e->state) || journal_liveness(e->state, e->run.dir) != LIVENESS_DEAD))
        return over(e, RESEND_LEFT, "files cannot be locked here, and somebody may work on it");
    return set_out(e);
}

enum resend_run_outcome resend_run_begin(struct resend_run *e, const char *id)
{
    int dir = openat(e->home->runs, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int error = dir < 0 ? -errno : is_too_large(e, dir) ? -EFBIG : journal_load(dir, &e->state);
    if (error < 0) {
        bool blank = dir >= 0 && (error == -EBADMSG || error == -ENOENT) && run_dir_is_blank(dir);
        file_close(&dir);
        if (blank)
            return over(e, RESEND_IGNORED, "");
        return over(e, RESEND_LEFT, error == -ENOENT ? "no such run" : text_of_error(error));
    }
    bool        done = journal_is(e->state, "state", "finished");
    bool        local = journal_is(e->state, "state", "local") && !e->named;
    const char *reason = done || local ? NULL : why_not(e, dir);
    if (e->by_the_way && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(e->state, "hopeless")))
        reason = "refused before";
    file_close(&dir);
    if (done || local)
        return over(e, done ? RESEND_DELIVERED : RESEND_IGNORED, "");
    return reason ? over(e, RESEND_LEFT, reason) : lock(e, id);
}

/* A few failed tries are enough: the next sync has more luck. */
static bool has_tried_enough(const struct delivery *d, int64_t now)
{
    if (now >= d->deadline)
        return true;
    if (d->call || (d->phase != DELIVERY_REGISTER && d->phase != DELIVERY_FINISH))
        return false;
    return d->attempts.count >= TRIES || (d->upload.bucket && d->upload.refresh_tries >= TRIES) ||
           (d->holds && d->next_try > now);
}

static void give_flush_a_limit(struct resend_run *e, int64_t now)
{
    struct delivery *d = &e->delivery;
    if (d->upload.uploaded > e->uploaded)
        d->deadline = now + LIMIT;
    e->uploaded = d->upload.uploaded;
    bool enough = d->upload.tries >= TRIES || d->upload.refresh_tries >= TRIES || now >= d->deadline - LIMIT / 2;
    d->flush_deadline = enough && !d->call ? now : d->deadline - LIMIT / 2;
}

enum resend_run_outcome resend_run_step(struct resend_run *e, int64_t now)
{
    struct delivery *d = &e->delivery;
    give_flush_a_limit(e, now);
    if (d->call || !has_tried_enough(d, now))
        delivery_step(d, now);
    if (d->phase == DELIVERY_DONE)
        return over(e, RESEND_DELIVERED, "");
    if (d->phase != DELIVERY_REFUSED && !has_tried_enough(d, now))
        return RESEND_UNDER_WAY;
    char reason[sizeof d->reason];
    (void)snprintf(reason, sizeof reason, "%s",
                   d->reason[0]          ? d->reason
                   : d->upload.reason[0] ? d->upload.reason
                                         : "out of time");
    note(e, reason);
    return over(e, RESEND_FAILED, reason);
}

int64_t resend_run_due(struct resend_run *e)
{
    struct delivery *d = &e->delivery;
    int64_t          due = clock_earlier(delivery_due(d), d->deadline);
    bool             without_keys = d->upload.stopped || d->upload.refresh_tries >= TRIES; /* the next step gives up */
    return d->upload.bucket && !d->call && without_keys ? 0 : due;
}

bool resend_run_is_under_way(const struct resend_run *e)
{
    return e->locked;
}

void resend_run_drop(struct resend_run *e)
{
    if (e->locked)
        delivery_done(&e->delivery);
    e->locked = false;
    log_attach(&e->log, -1);
    run_dir_close(&e->run);
    run_dir_init(&e->run);
    cJSON_Delete(e->state);
    e->state = NULL;
    e->uploaded = 0;
}
