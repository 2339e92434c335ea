/* Runs that were left undelivered, one after the other. */
// SPDX-License-Identifier: Apache-2.0
#include "delivery/resend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "delivery/delivery.h"

enum { RUNS_MAX = 65536, SMALL = 1024 * 1024, REFUSALS_MAX = 5 };
#define SYNCED       "synced" /* the mark in PILLION_DIR */
#define SYNC_SECONDS 600
#define RESENT       "resent" /* the same, of the moment at an end */
#define END_SECONDS  10
#define FIRST_LOOK   (5 * CLOCK_SECOND)
#define PAUSE        (CLOCK_SECOND / 10)
#define CROWD_SPREAD (60 * CLOCK_SECOND)

static const char *lookup(const char *name)
{
    return getenv(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_name(char ***names, size_t *count, size_t *room, const char *name)
{
    if (*count == *room) {
        char **more = realloc(*names, (2 * *room + 1) * sizeof **names);
        if (!more)
            return false;
        *names = more;
        *room *= 2;
    }
    (*names)[*count] = strdup(name);
    return (*names)[*count] && ++*count < RUNS_MAX;
}

/* Lists the runs in order, NULL-terminated; NULL: there are none. */
static char **list_runs(const struct state_dir *home)
{
    struct dir  list;
    const char *name = NULL;
    size_t      count = 0;
    size_t      room = 64;
    if (dir_open(&list, home->runs, ".") < 0)
        return NULL;
    char **names = calloc(room + 1, sizeof *names);
    while (names && (name = dir_next(&list)))
        if (name[0] != '.' && !add_name(&names, &count, &room, name))
            break;
    dir_close(&list);
    if (names) {
        names[count] = NULL;
        qsort(names, count, sizeof *names, by_name);
    }
    return names;
}

static void free_names(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
}

static void report(const struct engine_sync *sync, const char *id, const struct resend_run *e,
                   enum resend_run_outcome outcome)
{
    static const char *const words[] = {
        [RESEND_DELIVERED] = "delivered", [RESEND_LEFT] = "left", [RESEND_FAILED] = "failed"};
    sync->report(sync->context, id, words[outcome], e->reason);
}

/* True: nothing is left to do for the run, or it is not counted. */
static bool deliver(struct resend_run *e, const struct engine_sync *sync, const char *id)
{
    enum resend_run_outcome outcome = resend_run_begin(e, id);
    bool                    was_done = outcome == RESEND_DELIVERED;
    while (outcome == RESEND_UNDER_WAY) {
        network_poll(e->network, NULL, 0, resend_run_due(e) - clock_monotonic());
        outcome = resend_run_step(e, clock_monotonic());
    }
    if (outcome != RESEND_IGNORED && (!was_done || sync->named))
        report(sync, id, e, outcome);
    return outcome == RESEND_DELIVERED || outcome == RESEND_IGNORED;
}

int resend_all(const struct engine_sync *sync, const struct config *config, cgroup_of_lost_fn *cgroup_of_lost)
{
    struct state_dir        home;
    struct network          network;
    struct resend_run       one;
    struct own_credentials *keys = NULL;
    int                     left = 0;
    int                     error = state_dir_open(lookup, false, &home);
    if (error < 0)
        return error == -ENOENT && !sync->runs ? 0 : error;
    network_init(&network);
    resend_run_init(&one, config, &home, &network, cgroup_of_lost);
    one.named = sync->named;
    one.keys = &keys;
    char **all = sync->runs ? NULL : list_runs(&home);
    for (const char *const *id = sync->runs ? sync->runs : (const char *const *)all; id && *id; id++)
        left += !deliver(&one, sync, *id);
    free_names(all);
    resend_run_drop(&one);
    bucket_keys_free(keys);
    log_done(&one.log);
    network_done(&network);
    state_dir_close(&home);
    return left;
}

void resend_backlog_init(struct resend_backlog *b, const struct config *config, const struct state_dir *home,
                         struct network *network, cgroup_of_lost_fn *cgroup_of_lost)
{
    *b = (struct resend_backlog){.config = config, .home = home, .network = network, .claim = -1};
    resend_run_init(&b->one, config, home, network, cgroup_of_lost);
    b->one.by_the_way = true;
    b->one.inline_max = SMALL; /* the program's memory is not ours to fill: more goes to S3, piece by piece */
    b->next = clock_monotonic() + FIRST_LOOK + (config->crowd > 0 ? retry_spread(CROWD_SPREAD) : 0);
}

static void rest(struct resend_backlog *b, int64_t now)
{
    free_names(b->names);
    b->names = NULL;
    b->next = now + SYNC_SECONDS * CLOCK_SECOND;
}

static void list(struct resend_backlog *b)
{
    b->count = 0;
    b->names = list_runs(b->home);
    while (b->names && b->names[b->count])
        b->count++;
    b->refused = 0;
    b->left = b->count;
    b->at = (size_t)retry_spread((int64_t)b->count);
}

void resend_backlog_step(struct resend_backlog *b, int64_t now)
{
    if (resend_run_is_under_way(&b->one)) {
        enum resend_run_outcome outcome = resend_run_step(&b->one, now);
        if (outcome == RESEND_UNDER_WAY)
            return;
        b->next = now + PAUSE;
        bool for_itself = b->one.hopeless || (b->one.stopped && ++b->refused < REFUSALS_MAX);
        if (outcome == RESEND_FAILED && !for_itself) {
            rest(b, now); /* the servers have no time for the others either */
            return;
        }
    }
    if (now < b->next)
        return;
    if (!b->names && state_dir_claim(b->home, SYNCED, SYNC_SECONDS))
        list(b);
    if (!b->names || b->left == 0) {
        rest(b, now);
        return;
    }
    /* A pause comes between any two, since reading hundreds of states at once would be seen. */
    b->next = now + PAUSE;
    b->left--;
    (void)resend_run_begin(&b->one, b->names[b->at++ % b->count]);
}

int64_t resend_backlog_due(struct resend_backlog *b)
{
    if (resend_run_is_under_way(&b->one))
        return resend_run_due(&b->one);
    return b->until ? 0 : b->next; /* at the end there is no pause between two */
}

void resend_backlog_end(struct resend_backlog *b, int64_t now)
{
    struct delivery *d = &b->one.delivery;
    if (!resend_run_is_under_way(&b->one) || !delivery_registers(d)) {
        resend_backlog_drop(b);
        return;
    }
    d->last_begin = now;
    d->holds = true;
}

/* The lock is for those that end at the same moment. */
static bool claim(struct resend_backlog *b)
{
    if (!state_dir_claim(b->home, RESENT, END_SECONDS))
        return false;
    b->claim = openat(b->home->dir, RESENT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return b->claim >= 0 && flock(b->claim, LOCK_EX | LOCK_NB) == 0;
}

void resend_backlog_take(struct resend_backlog *b, int64_t until)
{
    if (!claim(b))
        return;
    free_names(b->names);
    list(b);
    b->at = 0;
    b->until = b->one.last_begin = until;
}

/* Leaves out some of the runs behind one that failed: those that always fail must not be all that is ever tried. */
static void leap(struct resend_backlog *b)
{
    size_t over = (size_t)retry_spread((int64_t)b->left);
    b->at += over;
    b->left -= over;
}

bool resend_backlog_end_step(struct resend_backlog *b, int64_t now)
{
    if (resend_run_is_under_way(&b->one)) {
        enum resend_run_outcome outcome = resend_run_step(&b->one, now);
        const struct delivery  *d = &b->one.delivery;
        if (outcome == RESEND_UNDER_WAY && (d->call || now < d->last_begin))
            return now < b->until || delivery_registers(d);
        if (outcome == RESEND_UNDER_WAY)
            resend_run_drop(&b->one);
        else if (outcome == RESEND_FAILED)
            leap(b);
    }
    if (now >= b->until || b->left == 0)
        return false;
    b->left--;
    (void)resend_run_begin(&b->one, b->names[b->at++ % b->count]);
    return true;
}

void resend_backlog_drop(struct resend_backlog *b)
{
    resend_run_drop(&b->one);
    free_names(b->names);
    b->names = NULL;
    b->left = 0;
    b->until = 0;
    file_close(&b->claim);
}
