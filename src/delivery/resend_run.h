/* A run that its own process could not deliver is looked at, locked, delivered, let go. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RESEND_RUN_H
#define PILLION_DELIVERY_RESEND_RUN_H

#include <cJSON.h>
#include <stdbool.h>

#include "delivery/delivery.h"

enum errand_outcome {
    ERRAND_UNDER_WAY,
    ERRAND_DELIVERED,
    ERRAND_LEFT,    /* the run is not ours to deliver now: `reason` */
    ERRAND_IGNORED, /* a local run that nobody named */
    ERRAND_FAILED,  /* `reason` */
};

struct cgroup_events;

/* Counts what a cgroup has done to a run that wrote no end, or not yet. */
typedef void cgroup_of_lost_fn(const cJSON *state, struct cgroup_events *ret);

struct errand {
    const struct config *config;
    const struct home   *home;
    struct network      *network;
    cgroup_of_lost_fn   *cgroup_of_lost;
    bool                 named;      /* the user named it: local runs are delivered too */
    bool                 by_the_way; /* beside a program that has other things to do: nothing large, nothing in vain */
    size_t               inline_max; /* bytes of rows that go inline where S3 is not yet needed */
    struct log           log;        /* writes to the run's own log */
    struct rundir        run;
    struct delivery      delivery;
    cJSON               *state;
    uint64_t             uploaded; /* at the last look: each object gives more time */
    bool                 locked;
    bool                 hopeless; /* the last run failed for what it is, */
    bool                 stopped;  /* or S3 has said no to it; neither says anything of the others */
    char                 reason[256];
};

void errand_init(struct errand *e, const struct config *config, const struct home *home, struct network *network,
                 cgroup_of_lost_fn *cgroup_of_lost);
/* Looks at the run of that name, and takes it when it is to be delivered. With any answer but UNDER_WAY the errand is
 * over. */
enum errand_outcome errand_begin(struct errand *e, const char *id);
enum errand_outcome errand_step(struct errand *e, int64_t now);
int64_t             errand_due(struct errand *e);
bool                errand_is_under_way(const struct errand *e);
/* Lets go at once; errand_begin can follow. */
void errand_drop(struct errand *e);

#endif
