/* The delivery of one run: its beginning, batches of rows, its end, with the retries and judgements of the wire's
 * contract. Where it goes, to Sentinel or to a bucket of the user's own, is destination.h's. This state machine has no
 * clock and no loop of its own. Its owner calls delivery_step when the network moved or delivery_due has come; the
 * thread's loop and sync are the two owners. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_DELIVERY_H
#define PILLION_DELIVERY_DELIVERY_H

#include <cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/log.h"
#include "config/config.h"
#include "delivery/destination.h"
#include "delivery/retry.h"
#include "delivery/upload.h"
#include "sentinel/http/http.h"
#include "sentinel/http/network.h"
#include "store/run_dir.h"

enum delivery_phase {
    DELIVERY_OFF,      /* there is nowhere to deliver to, or it has not begun */
    DELIVERY_REGISTER, /* a registration is wanted, or on the way */
    DELIVERY_STREAM,   /* registered; rows go out in batches until the end */
    DELIVERY_FLUSH,    /* the end: the last rows go out */
    DELIVERY_FINISH,   /* a finish is wanted, or on the way */
    DELIVERY_DONE,     /* finished and acknowledged */
    DELIVERY_REFUSED,  /* the delivery ends here: `reason` */
};

/* The place of the rows, as a finish tells it. */
enum delivery_form { DELIVERY_ANY_FORM, DELIVERY_INLINE, DELIVERY_S3 };

enum { DELIVERY_RUN_ID_MAX = 129, DELIVERY_INLINE_MAX = 8 * 1024 * 1024, DELIVERY_SYNC_MAX = 64 * 1024 * 1024 };

struct delivery {
    const struct config      *config;
    const struct destination *place;
    struct own_credentials  **keys; /* that several runs share, for buckets of the user's own; NULL: each its own */
    struct run_dir           *run;
    struct log               *log;
    struct network           *network; /* the owner's, shared */
    enum delivery_phase       phase;
    struct http_call         *call;  /* the request under way */
    int64_t                   begun; /* ns CLOCK_MONOTONIC, of that request */
    enum upload_step          step;  /* the step of the upload that it is; UPLOAD_NOTHING: it is register or finish */
    struct attempts           attempts;
    int64_t                   next_try;       /* ns CLOCK_MONOTONIC */
    int64_t                   finish_after;   /* the same; a crowd finishes one after the other */
    int64_t                   last_failure;   /* the same, of the API; 0: none */
    int64_t                   deadline;       /* of the hold or the sync; INT64_MAX: none */
    int64_t                   last_begin;     /* from then on answers are waited for, and nothing is begun */
    int64_t                   flush_deadline; /* from then on the last rows go inline, if they are few enough */
    bool                      holds;  /* a program waits: a second for a connection, and nothing for a back-off */
    bool                      failed; /* the last request to the API, for a reason that others would meet too */
    int                       retry_after_s; /* that it asked for then; -1 */
    bool                      answered;      /* the API or S3 ever answered a request of this run */
    bool                      gzip;
    unsigned                  repairs;      /* of the registration */
    struct bytes              registration; /* the body, as it stands after a repair */
    struct bytes              finish;       /* the body, fixed before it is first sent */
    struct upload             upload;
    char                      run_id[DELIVERY_RUN_ID_MAX];
    char                      reason[256];
    /* The end of the run. */
    bool                   ending;
    bool                   unanswered; /* an earlier finish may have arrived; its form is fixed */
    bool                   announced;  /* run.jsonl says that it is finishing */
    bool                   other_form; /* the first one was refused */
    bool                   hopeless;   /* refused for what the run is: another try along the way will not help */
    enum delivery_form     form;
    size_t                 inline_max;
    struct sentinel_finish finish_facts;
};

void delivery_init(struct delivery *d, const struct config *config, struct run_dir *run, struct log *log,
                   struct network *network);
void delivery_done(struct delivery *d);
/* Ends the request under way; the phase stays and can go on later. */
void delivery_suspend(struct delivery *d);
/* Takes over from run.jsonl what it knows of an earlier beginning: run ID, registration, objects. */
void delivery_restore(struct delivery *d, const cJSON *state);

/* What the name of a run is made of. */
struct delivery_run {
    int64_t     started_s;
    const char *host_name, *boot_id;
    pid_t       pid;
};

/* Names a run that goes to a bucket of the user's own, unless it has a name. False: it goes to Sentinel, or nowhere. */
bool delivery_name(struct delivery *d, const struct delivery_run *run, struct journal_bucket *ret,
                   char prefix[static BUCKET_PREFIX_SIZE]);

void delivery_begin(struct delivery *d); /* from OFF to REGISTER, or to STREAM when run_id is known */
/* The program ends: what a bucket has refused along the way, and keys that were not to be had, are tried once more. */
void delivery_try_bucket_again(struct delivery *d);
/* Begins the end of the run: its rows go inline (at most inline_max bytes; 8 MiB where there is a place in S3) or to
 * S3, and the finish after them. `state` is the run's merged state: exit_code and finished_at are read from it. Its
 * `state` or `unanswered` tells of an earlier attempt that may have arrived. 0, -ENODATA (no row), -errno. */
int delivery_end(struct delivery *d, const cJSON *state, size_t inline_max);

void    delivery_step(struct delivery *d, int64_t now);
int64_t delivery_due(struct delivery *d); /* when to call next if the network stays quiet; INT64_MAX: never */
bool    delivery_is_over(const struct delivery *d);
/* A registration goes out, or its answer is waited for: if that is lost, the run has two. */
bool delivery_registers(const struct delivery *d);

/* The bytes of rows that go inline. */
static inline size_t delivery_inline_max(const struct delivery *d)
{
    return d->upload.prefix[0] && d->inline_max > DELIVERY_INLINE_MAX ? (size_t)DELIVERY_INLINE_MAX : d->inline_max;
}

#endif
