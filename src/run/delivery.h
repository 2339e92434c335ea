/* Delivering one run to the Sentinel API: register, finish, with the retries and judgements of the wire's contract.
 * A state machine without a clock or a loop of its own: whoever owns it calls delivery_step when the network moved
 * or delivery_due has come. The thread's loop and sync are its two owners. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUN_DELIVERY_H
#define PILLION_RUN_DELIVERY_H

#include <cJSON.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/log.h"
#include "run/config.h"
#include "run/home.h"
#include "run/rundir.h"
#include "sentinel/answer.h"
#include "sentinel/http.h"

enum delivery_phase {
    DELIVERY_OFF,      /* no token, or not yet begun */
    DELIVERY_REGISTER, /* wants to, or is on the way */
    DELIVERY_READY,    /* registered; nothing to do until the end */
    DELIVERY_FINISH,   /* wants to, or is on the way */
    DELIVERY_DONE,     /* finished and acknowledged */
    DELIVERY_REFUSED,  /* a definite no: `reason` */
};

enum { DELIVERY_RUN_ID_MAX = 129, DELIVERY_INLINE_MAX = 8 * 1024 * 1024, DELIVERY_SYNC_MAX = 64 * 1024 * 1024 };

struct delivery {
    const struct config *config;
    const struct home   *home;
    struct rundir       *run;
    struct log          *log;
    struct http         *http;
    struct bytes         ca_bundle;
    enum delivery_phase  phase;
    struct http_call    *call; /* the request under way */
    struct attempts      attempts;
    int64_t              next_try;     /* ns CLOCK_MONOTONIC */
    int64_t              last_failure; /* the same; 0: none */
    int64_t              deadline;     /* of the hold or the sync; INT64_MAX: none */
    bool                 answered;     /* any request was */
    bool                 overloaded;   /* the last answer was 429 or 503 */
    bool                 gzip;
    unsigned             repairs;      /* of the registration */
    struct bytes         registration; /* the body, as it stands after a repair */
    struct bytes         finish;       /* the body, fixed before it is first sent */
    char                 run_id[DELIVERY_RUN_ID_MAX];
    char                 reason[256];
};

void delivery_init(struct delivery *d, const struct config *config, const struct home *home, struct rundir *run,
                   struct log *log);
void delivery_done(struct delivery *d);
/* Ends the requests under way and closes the network; the phase stays and can go on later. */
void delivery_suspend(struct delivery *d);

void delivery_begin(struct delivery *d); /* OFF to REGISTER, or to READY when run_id is known */
/* READY or REGISTER to FINISH: the end of the run, all rows inline. `state` is the run's merged state: exit_code,
 * finished_at. An earlier attempt that may have arrived is told by its `state` or `unanswered`.
 * -EFBIG: more rows than go inline; -ENODATA: no row; -ENOMEM. */
int delivery_finish(struct delivery *d, const cJSON *state, size_t max);

void    delivery_step(struct delivery *d, int64_t now);
int64_t delivery_due(const struct delivery *d); /* when to call next without network activity; INT64_MAX: never */
/* Waits for the network, the extra descriptor or the timeout; plain poll while no network is open. */
void delivery_poll(struct delivery *d, struct pollfd *extra, size_t count, int64_t timeout_ns);
/* Uniformly between 0 and `whole` ns, so that a crowd does not act at once. */
int64_t delivery_random_part(int64_t whole);
/* The api-down mark of PILLION_DIR is younger than ten minutes. */
bool delivery_api_is_down(const struct home *home);

#endif
