/* The lines of run.jsonl. Each function appends one line. A line that cannot be written is dropped: the rows come
 * first. */
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

struct record_begin {
    const struct config  *config;
    const struct machine *machine;
    const char *const    *arguments;
    const char           *executable;
    const char           *baseline;     /* JSON text: the counters before the first row */
    const char           *registration; /* JSON text, "" when it could not be composed */
    pid_t                 pid;
    uint64_t              pid_start; /* clock ticks since boot */
    uint64_t              pid_namespace;
    int64_t               started_at; /* ns since 1970 */
    /* The place of the run's cgroups, and their counts from before the run; NULL: not known. */
    const struct cgroup_watch  *cgroups;
    const struct cgroup_events *cgroup_before;
};

struct record_end {
    int64_t                     finished_at; /* ns since 1970 */
    int64_t                     duration;    /* ns, by the monotonic clock */
    int                         wait_status; /* as from wait(2); -1: unknown */
    const struct totals        *totals;      /* NULL: unknown */
    const struct cgroup_events *cgroup;      /* events during the run; NULL: unknown */
    uint64_t                    rows;        /* in all */
    uint64_t                    lost_rows;
    int64_t                     cost_cpu; /* ns of the thread */
    const char                 *state;    /* "local", "undelivered" */
};

void record_begin(struct rundir *run, const struct record_begin *begin);
/* A registration that replaces the first one: more is known of the machine. */
void record_registration(struct rundir *run, const char *registration);
/* After an exec in place; with_api: the run is this image's to deliver. */
void record_continue(struct rundir *run, const struct record_begin *begin, bool with_api);
void record_continues(struct rundir *run, const char *id);                  /* the run that this one follows */
void record_cgroup(struct rundir *run, const struct cgroup_events *events); /* the events so far */
void record_output(struct rundir *run, const char *path); /* PILLION_OUTPUT, as the first image of the run meant it */
void record_registered(struct rundir *run, const char *sentinel_run_id, const char *upload_uri_prefix);
void record_end(struct rundir *run, const struct record_end *end);
void record_state(struct rundir *run, const char *state, const char *result); /* result: JSON text or NULL */
/* A batch is sealed: object `uploaded` + 1 holds the rows' bytes from `from` to `to`. 0 when that is on disk, -errno.
 */
int record_batch(struct rundir *run, uint64_t uploaded, uint64_t from, uint64_t to);
/* So many objects are acknowledged; the last one holds these bytes. */
void record_uploaded(struct rundir *run, uint64_t uploaded, uint64_t from, uint64_t to);
/* A finish is about to be sent. The line repeats record_uploaded's numbers, which may have failed. 0, -errno. */
int  record_finishing(struct rundir *run, const char *data_source, uint64_t uploaded, uint64_t from, uint64_t to);
void record_paused(struct rundir *run, bool paused); /* the process lives on without its thread */
void record_hopeless(struct rundir *run);            /* refused in a way that only a person can mend */
void record_undelivered(struct rundir *run, const char *reason, bool unanswered);

/* The first 8 hex digits of SHA-256 over the token. */
void record_token_id(const char *token, char ret[static 9]);

#endif
