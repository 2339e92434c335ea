/* Delivery of what a killed program could not deliver. `pillion sync` waits for all of it; a leader that has nothing
 * else to send delivers one run after the other along its way. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_RESEND_H
#define PILLION_DELIVERY_RESEND_H

#include "delivery/resend_run.h"
#include "link/engine.h"

/* Looks at every run, or at those named, oldest first, and reports each. Returns the number that stay undelivered, or
 * -errno when PILLION_DIR cannot be opened. */
int resend_all(const struct engine_sync *sync, const struct config *config, cgroup_of_lost_fn *cgroup_of_lost);

/* The runs that others left behind, for the loop of a leader. The first look comes some seconds after the leader's
 * start. Of the leaders of a PILLION_DIR one looks, once in ten minutes (the mark `synced`). At its end a leader whose
 * own run was quickly delivered goes on with them for a moment, once in ten seconds (the mark `resent`): so programs
 * that are all short deliver what such programs left. */
struct resend_backlog {
    const struct config    *config;
    const struct state_dir *home;
    struct network         *network;
    struct resend_run       one;
    char                  **names; /* oldest first, NULL-terminated; NULL: not yet listed */
    size_t                  count;
    size_t                  at;   /* the round begins anywhere, so that no run is in the way of the others for ever */
    size_t                  left; /* of this round */
    unsigned                refused; /* by S3, in this round */
    int64_t                 next;    /* ns CLOCK_MONOTONIC, of the next look */
    int64_t                 until;   /* the same: at the end runs are begun until then */
    int                     claim;   /* `resent`, locked while this process is the one; -1 */
};

void    resend_backlog_init(struct resend_backlog *b, const struct config *config, const struct state_dir *home,
                            struct network *network, cgroup_of_lost_fn *cgroup_of_lost);
void    resend_backlog_step(struct resend_backlog *b, int64_t now);
int64_t resend_backlog_due(struct resend_backlog *b); /* INT64_MAX: the network says when */
/* The program ends: nothing is begun any more. The run under way is let go, unless its registration is on the way,
 * which would be a second one if it were sent again. */
void resend_backlog_end(struct resend_backlog *b, int64_t now);
/* Begins the moment at the end, the oldest run first; nothing, when another process has had it. */
void resend_backlog_take(struct resend_backlog *b, int64_t until);
/* Goes on after either of the two; false: there is nothing left to do, or no time. */
bool resend_backlog_end_step(struct resend_backlog *b, int64_t now);
/* Stops at once; the run under way is whole on disk. */
void resend_backlog_drop(struct resend_backlog *b);

#endif
