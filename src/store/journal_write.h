/* The lines of run.jsonl. Each function appends its lines. A line that the disk refuses is dropped, for the rows come
 * first; a fact waits, and goes before the next line. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_STORE_JOURNAL_WRITE_H
#define PILLION_STORE_JOURNAL_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "collect/cgroup/cgroup.h"
#include "collect/collect.h"
#include "config/config.h"
#include "store/run_dir.h"

/* Where a run goes that goes to a bucket of the user's own, and under which name. */
struct journal_bucket {
    const char *uri, *endpoint; /* endpoint "": AWS */
    const char *key, *date, *prefix;
    unsigned    share; /* enum share: what the user lets out */
};

struct journal_begin {
    const struct config         *config;
    const struct journal_bucket *bucket; /* NULL: it goes to Sentinel, or nowhere */
    const struct machine        *machine;
    const char *const           *arguments;
    const char                  *executable;
    const char                  *baseline;     /* JSON text: the counters before the first row */
    const char                  *registration; /* JSON text, "" when it could not be composed */
    pid_t                        pid;
    uint64_t                     pid_start; /* clock ticks since boot */
    uint64_t                     pid_namespace;
    int64_t                      started_at; /* ns since 1970 */
    /* The place of the run's cgroups, and their counts from before the run; NULL: not known. */
    const struct cgroup_watch  *cgroups;
    const struct cgroup_events *cgroup_before;
};

struct journal_end {
    int64_t                     finished_at; /* ns since 1970 */
    int64_t                     duration;    /* ns, by the monotonic clock */
    int                         wait_status; /* as from wait(2); -1: unknown */
    const struct totals        *totals;      /* NULL: unknown */
    const struct cgroup_events *cgroup;      /* events during the run; NULL: unknown */
    const struct energy_totals *energy;      /* NULL: unknown */
    const char                 *commands;    /* JSON text: the use by command; NULL: unknown */
    uint64_t                    rows;        /* in all */
    uint64_t                    lost_rows;
    int64_t                     cost_cpu; /* ns of the thread */
    const char                 *state;    /* "local", "undelivered" */
    /* Somebody reads it with journal_load_run: on a full disk it waits in memory, and the lines behind it with it. */
    bool is_needed;
};

void journal_begin(struct run_dir *run, const struct journal_begin *begin);
/* A registration that replaces the first one: more is known of the machine. */
void journal_registration(struct run_dir *run, const char *registration);
/* After an exec in place; with_api: the run is this image's to deliver. */
void journal_continue(struct run_dir *run, const struct journal_begin *begin, bool with_api);
void journal_continues(struct run_dir *run, const char *id); /* the run that this one follows */
/* The events until now, ns CLOCK_MONOTONIC. */
void journal_cgroup(struct run_dir *run, const struct cgroup_events *events, int64_t now);
void journal_output(struct run_dir *run, const char *path); /* PILLION_OUTPUT, as the first image of the run meant it */
void journal_registered(struct run_dir *run, const char *sentinel_run_id, const char *upload_uri_prefix);
/* The bucket of a run that had none, or whose name was corrected. 0, -errno. */
int journal_bucket(struct run_dir *run, const struct journal_bucket *bucket);
/* The bucket has the run's beginning: from now on nothing in that changes. */
void journal_started(struct run_dir *run);
void journal_end(struct run_dir *run, const struct journal_end *end);
/* What became of the rows for PILLION_OTLP_ENDPOINT: each is taken, dropped or unanswered. */
struct journal_otlp {
    uint64_t rows, taken, dropped, unanswered;
    uint64_t refused_points; /* data points of rows that were taken */
};
/* instance: the run's name there. */
void journal_otlp(struct run_dir *run, const char *instance, const struct journal_otlp *counts);
void journal_goes_on(struct run_dir *run);                                      /* takes journal_end back */
void journal_state(struct run_dir *run, const char *state, const char *result); /* result: JSON text or NULL */
/* A batch is sealed: object `uploaded` + 1 holds the rows' bytes from `from` to `to`. 0 when that is on disk, -errno.
 */
int journal_batch(struct run_dir *run, uint64_t uploaded, uint64_t from, uint64_t to);
/* So many objects are acknowledged; the last one holds these bytes. */
void journal_uploaded(struct run_dir *run, uint64_t uploaded, uint64_t from, uint64_t to);
/* A finish is about to be sent. The line repeats journal_uploaded's numbers, which may have failed. 0, -errno. */
int  journal_finishing(struct run_dir *run, const char *data_source, uint64_t uploaded, uint64_t from, uint64_t to);
void journal_paused(struct run_dir *run, bool paused); /* the process lives on without its thread */
void journal_hopeless(struct run_dir *run);            /* refused in a way that only a person can mend */
void journal_undelivered(struct run_dir *run, const char *reason, bool unanswered);

/* The first 8 hex digits of SHA-256 over the token. */
void journal_token_id(const char *token, char ret[static 9]);

#endif
