/* A run that its own process could not deliver is looked at, locked, delivered, let go. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RESEND_RUN_H
#define PILLION_DELIVERY_RESEND_RUN_H

#include <cJSON.h>
#include <stdbool.h>

#include "delivery/delivery.h"

enum resend_run_outcome {
    RESEND_UNDER_WAY,
    RESEND_DELIVERED,
    RESEND_LEFT,    /* the run is not ours to deliver now: `reason` */
    RESEND_IGNORED, /* a local run that nobody named */
    RESEND_FAILED,  /* `reason` */
};

struct cgroup_events;

/* Counts what a cgroup has done to a run that wrote no end, or not yet. */
typedef void cgroup_of_lost_fn(const cJSON *state, struct cgroup_events *ret);

struct resend_run {
    const struct config    *config;
    const struct state_dir *home;
    struct network         *network;
    cgroup_of_lost_fn      *cgroup_of_lost;
    bool                    named; /* the user named it: local runs are delivered too */
    bool            by_the_way;    /* beside a program that has other things to do: nothing large, nothing in vain */
    size_t          inline_max;    /* bytes of rows that go inline where S3 is not yet needed */
    int64_t         last_begin;    /* while that program waits at its end: nothing is begun from then on. INT64_MAX */
    struct log      log;           /* writes to the run's own log */
    struct run_dir  run;
    struct delivery delivery;
    struct own_credentials **keys; /* for buckets of the user's own: the owner's, of all runs; NULL: each its own */
    cJSON                   *state;
    uint64_t                 uploaded; /* at the last look: each object gives more time */
    bool                     locked;
    bool                     hopeless; /* the last run failed for what it is, */
    bool                     stopped;  /* or S3 has said no to it; neither says anything of the others */
    char                     reason[256];
};

void resend_run_init(struct resend_run *e, const struct config *config, const struct state_dir *home,
                     struct network *network, cgroup_of_lost_fn *cgroup_of_lost);
/* Looks at the run of that name, and takes it when it is to be delivered. With any answer but UNDER_WAY the attempt is
 * over. */
enum resend_run_outcome resend_run_begin(struct resend_run *e, const char *id);
enum resend_run_outcome resend_run_step(struct resend_run *e, int64_t now);
int64_t                 resend_run_due(struct resend_run *e);
bool                    resend_run_is_under_way(const struct resend_run *e);
/* Lets go at once; resend_run_begin can follow. */
void resend_run_drop(struct resend_run *e);

#endif
