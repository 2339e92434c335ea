// SPDX-License-Identifier: Apache-2.0
#include "run/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "collect/dir.h"
#include "run/delivery.h"
#include "run/record.h"
#include "run/state.h"

enum { SYNC_RUNS_MAX = 65536, SYNC_TRIES = 3 };
#define SYNC_RUN_LIMIT (120 * CLOCK_SECOND)

struct errand {
    const struct engine_sync *sync;
    struct config             config;
    struct log                log;
    struct home               home;
    struct rundir             run;
    cJSON                    *state;
};

static const char *lookup(const char *name)
{
    return getenv(name);
}

static bool is(const cJSON *state, const char *key, const char *value)
{
    const char *text = state_text(state, key);
    return text && strcmp(text, value) == 0;
}

/* Why this run is not ours to deliver now; NULL: it is. */
static const char *why_not(const struct errand *e, int dir)
{
    char        token_id[9];
    const char *api_url = state_text(e->state, "api_url");
    if (is(e->state, "state", "local") && !e->sync->named)
        return "made without a token; name it to deliver it";
    if (!e->config.token[0])
        return "no API token: set SENTINEL_API_TOKEN";
    if (api_url && strcmp(api_url, e->config.api_url) != 0)
        return "made for another SENTINEL_API_URL";
    record_token_id(e->config.token, token_id);
    if (state_text(e->state, "token_id") && !is(e->state, "token_id", token_id))
        return "made with another API token";
    if (is(e->state, "state", "running") && !api_url && !e->sync->named)
        return "made without a token; name it to deliver it";
    if (is(e->state, "state", "local") || is(e->state, "state", "undelivered"))
        return NULL;
    switch (state_liveness(e->state, dir)) {
    case LIVENESS_ALIVE:
        return "still running";
    case LIVENESS_FOREIGN:
        return "perhaps still running on another machine";
    case LIVENESS_DEAD:
        break;
    }
    return NULL;
}

static int64_t last_change(const struct rundir *run)
{
    struct stat info;
    return fstat(run->rows, &info) == 0 ? (int64_t)info.st_mtime * CLOCK_SECOND + info.st_mtim.tv_nsec : clock_real();
}

static int reload(struct errand *e)
{
    cJSON_Delete(e->state);
    e->state = NULL;
    return state_load_held(e->run.state, &e->state);
}

/* A run whose program was killed has no end yet: when the last row came, and no exit code. */
static int end_lost_run(struct errand *e)
{
    struct record_end end = {.finished_at = last_change(&e->run), .wait_status = -1, .state = "undelivered"};
    if (state_text(e->state, "finished_at"))
        return 0;
    record_end(&e->run, &end);
    return reload(e);
}

static void load_registration(struct errand *e, struct delivery *d)
{
    const cJSON *registration = cJSON_GetObjectItemCaseSensitive(e->state, "registration");
    char        *text = registration ? cJSON_PrintUnformatted(registration) : NULL;
    const char  *run_id = state_text(e->state, "sentinel_run_id");
    bytes_text(&d->registration, text ? text : "{}");
    free(text);
    if (run_id && strlen(run_id) < sizeof d->run_id)
        memcpy(d->run_id, run_id, strlen(run_id) + 1);
}

static bool go_on(const struct delivery *d, int64_t now)
{
    return (d->phase == DELIVERY_REGISTER || d->phase == DELIVERY_FINISH) && now < d->deadline &&
           (d->call || d->attempts.count < SYNC_TRIES);
}

/* 0: delivered; else the reason stands in d. */
static int deliver(struct errand *e, struct delivery *d)
{
    int error = end_lost_run(e);
    if (error < 0)
        return error;
    load_registration(e, d);
    delivery_begin(d);
    d->deadline = clock_monotonic() + SYNC_RUN_LIMIT;
    error = delivery_finish(d, e->state, DELIVERY_SYNC_MAX);
    if (error < 0)
        return error;
    for (int64_t now; go_on(d, now = clock_monotonic());) {
        delivery_step(d, now);
        int64_t due = delivery_due(d);
        due = due < d->deadline ? due : d->deadline;
        if (go_on(d, now))
            delivery_poll(d, NULL, 0, due - clock_monotonic());
    }
    return d->phase == DELIVERY_DONE ? 0 : -EIO;
}

static const char *reason_of(int error, const struct delivery *d)
{
    switch (-error) {
    case ENODATA:
        return "it has no row";
    case EFBIG:
        return "its rows are more than 64 MiB";
    case EIO:
        return d->reason[0] ? d->reason : "out of time";
    default:
        return strerror(-error);
    }
}

/* A finish that nobody answered, of this sync or of any attempt before it. */
static bool may_have_arrived(const cJSON *state, const struct delivery *d)
{
    return d->attempts.unanswered || (d->phase == DELIVERY_FINISH && d->call) || is(state, "state", "finishing") ||
           cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "unanswered"));
}

static bool work_on(struct errand *e, const char *id)
{
    struct delivery d;
    rundir_init(&e->run);
    int error = rundir_open(&e->home, id, &e->run);
    if (error == -EBUSY) {
        e->sync->report(e->sync->context, id, "left", "somebody works on it");
        return false;
    }
    if (error < 0 && error != -ENOLCK) {
        e->sync->report(e->sync->context, id, "left", error == -EPERM ? "not this user's files" : strerror(-error));
        return false;
    }
    if (error == -ENOLCK && !state_is_of_this_boot(e->state)) {
        e->sync->report(e->sync->context, id, "left",
                        "files cannot be locked here, and another machine may work on it");
        rundir_close(&e->run);
        return false;
    }
    delivery_init(&d, &e->config, &e->home, &e->run, &e->log);
    log_attach(&e->log, e->run.log);
    error = reload(e); /* it may have been delivered between the look and the lock */
    bool done = error == 0 && is(e->state, "state", "finished");
    if (error == 0 && !done)
        error = deliver(e, &d);
    if (error < 0)
        record_undelivered(&e->run, reason_of(error, &d), may_have_arrived(e->state, &d));
    e->sync->report(e->sync->context, id, error == 0 ? "delivered" : "failed", error == 0 ? "" : reason_of(error, &d));
    delivery_done(&d);
    log_attach(&e->log, -1);
    rundir_close(&e->run);
    return error == 0;
}

/* True: nothing is left to do for it, or it is not counted. */
static bool look_at(struct errand *e, const char *id)
{
    int dir = openat(e->home.runs, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int error = dir < 0 ? -errno : state_load(dir, &e->state);
    if (error < 0) {
        file_close(&dir);
        e->sync->report(e->sync->context, id, "left",
                        error == -ENOENT    ? "no such run"
                        : error == -EBADMSG ? "damaged"
                                            : strerror(-error));
        return false;
    }
    const char *reason = is(e->state, "state", "finished") ? NULL : why_not(e, dir);
    bool        done = is(e->state, "state", "finished");
    bool        quiet = is(e->state, "state", "local") && !e->sync->named;
    file_close(&dir);
    if (done && e->sync->named)
        e->sync->report(e->sync->context, id, "delivered", "");
    else if (reason && !quiet)
        e->sync->report(e->sync->context, id, "left", reason);
    else if (!done && !reason)
        done = work_on(e, id);
    cJSON_Delete(e->state);
    e->state = NULL;
    return done || quiet;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **list_runs(const struct home *home)
{
    struct dir  list;
    const char *name = NULL;
    size_t      count = 0;
    char      **names = calloc(SYNC_RUNS_MAX + 1, sizeof *names);
    if (!names || dir_open(&list, home->runs, ".") < 0)
        return names;
    while (count < SYNC_RUNS_MAX && (name = dir_next(&list)))
        if (name[0] != '.' && (names[count] = strdup(name)))
            count++;
    dir_close(&list);
    qsort(names, count, sizeof *names, by_name);
    return names;
}

int sync_all(const struct engine_sync *sync)
{
    struct errand e = {.sync = sync};
    int           left = 0;
    log_init(&e.log, LOG_WARN);
    config_read(&e.config, NULL, &e.log);
    int error = home_open(lookup, false, &e.home);
    if (error < 0) {
        log_done(&e.log);
        return error == -ENOENT && !sync->runs ? 0 : error;
    }
    char **all = sync->runs ? NULL : list_runs(&e.home);
    for (const char *const *id = sync->runs ? sync->runs : (const char *const *)all; id && *id; id++)
        left += !look_at(&e, *id);
    for (size_t i = 0; all && all[i]; i++)
        free(all[i]);
    free(all);
    log_done(&e.log);
    home_close(&e.home);
    return left;
}
