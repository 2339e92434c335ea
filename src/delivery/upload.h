/* The rows of one run on their way to S3: batches, credentials, region, retries. This state machine has no network and
 * no loop. Delivery asks what is next, sends the request that is composed here, and hands back its answer.
 *
 * A batch is a piece of the rows between two positions, at most UPLOAD_BATCH_MAX bytes. Its positions are written down
 * in run.jsonl before it is first sent; its object is made anew from the rows for each try, and is the same each time.
 * Objects go out one after the other: so the number of acknowledged ones, and the positions of the next, say
 * everything. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_UPLOAD_H
#define PILLION_DELIVERY_UPLOAD_H

#include <cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "delivery/bucket.h"
#include "delivery/destination.h"
#include "delivery/rising_timestamps.h"
#include "sentinel/requests.h"
#include "sentinel/s3.h"
#include "store/run_dir.h"

enum { UPLOAD_BATCH_MAX = 256 * 1024, UPLOAD_PREFIX_SIZE = BUCKET_PREFIX_SIZE };

#define UPLOAD_REFRESH_BEFORE (300 * CLOCK_SECOND) /* keys expire */
#define UPLOAD_REFRESH_PAUSE  (60 * CLOCK_SECOND)  /* the least between two refreshes that nobody asked for */
#define UPLOAD_LATEST_TIME    (INT64_C(1) << 33)   /* s since 1970: as ns it is still a number */

enum upload_step {
    UPLOAD_NOTHING,
    UPLOAD_REFRESH, /* new keys: the API's refresh-credentials, or what the user's own source is asked */
    UPLOAD_REGION,  /* HEAD of the bucket, of Sentinel's alone */
    UPLOAD_PUT,
};

struct upload {
    struct run_dir             *run;
    struct log                 *log;
    const struct destination   *place;
    struct bucket              *bucket;   /* of the user's own, NULL: Sentinel's */
    const char                 *endpoint; /* "": AWS */
    int64_t                     interval; /* ns between batches */
    int64_t                     began;    /* ns CLOCK_MONOTONIC; batches are due at whole intervals from here */
    char                        prefix[UPLOAD_PREFIX_SIZE]; /* "": there is nowhere to upload to */
    struct sentinel_credentials credentials;
    char                        region[S3_REGION_SIZE]; /* told by S3; "": that of the credentials */
    bool                        region_is_guessed;
    int64_t                     skew; /* s, S3's clock minus ours */
    /* progress, as in run.jsonl */
    uint64_t uploaded; /* objects acknowledged */
    uint64_t from, to; /* the batch that is sealed, else the last one */
    bool     sealed;   /* a batch is sealed and not acknowledged */
    /* how the rows before a position are sent */
    struct rising rising;
    uint64_t      rising_at;
    /* since the last object was acknowledged */
    struct s3_attempts attempts;
    unsigned           tries;
    bool               silent; /* S3 did not even answer the last time */
    /* when, in ns CLOCK_MONOTONIC */
    int64_t  next_batch;
    int64_t  next_try;
    int64_t  next_refresh;
    unsigned refresh_tries;
    bool     rejected;     /* S3 does not take these credentials any more */
    bool     stopped;      /* a definite no: `reason` */
    bool     ending;       /* no more rows come, and all must go */
    bool     at_any_price; /* rows go even when a batch cannot be sealed: nothing else is left */
    char     reason[256];
};

/* Rows go where Sentinel says, */
void upload_init(struct upload *u, const struct destination *place, const struct config *config, struct run_dir *run,
                 struct log *log);
/* or to this bucket, which is the upload's from now on. */
void upload_use_bucket(struct upload *u, const struct destination *place, struct bucket *bucket);
/* The batches come so much later, all of them: before the first. */
void upload_later(struct upload *u, int64_t later);
void upload_done(struct upload *u);
void upload_restore(struct upload *u, const cJSON *state); /* prefix and progress, from run.jsonl */
/* Takes place and credentials over from a registration. */
void upload_registered(struct upload *u, struct sentinel_registration *registration, int64_t now);
/* Ends the run: all rows left go at once, and rows that were refused are tried once more. */
void upload_end(struct upload *u, int64_t now, bool at_any_price);

bool upload_is_possible(const struct upload *u); /* there is a place, and no definite no */
bool upload_is_complete(const struct upload *u); /* every row is acknowledged */
int  upload_record_finishing(const struct upload *u, bool s3);
bool upload_has_good_credentials(const struct upload *u);                      /* as far as is known */
const struct sentinel_credentials *upload_credentials(const struct upload *u); /* access_key NULL: none */
/* The seconds left to the credentials, by S3's clock; negative when they have expired. */
int64_t upload_seconds_left(const struct upload *u);
/* "PREFIX/0001.csv.gz"; 0, -ENAMETOOLONG. */
int upload_uri(const struct upload *u, uint64_t number, char *ret, size_t size);

/* Tells what is to be sent now; UPLOAD_NOTHING: *ret_due says when to ask again. */
enum upload_step upload_next(struct upload *u, int64_t now, int64_t *ret_due);
/* Composes that request; the batch of a PUT is sealed first. 0; -errno: the caller then calls upload_failed. */
int  upload_request(struct upload *u, enum upload_step step, const struct api *api, const char *run_id,
                    struct http_request *ret);
void upload_answer(struct upload *u, enum upload_step step, const struct http_answer *answer, int64_t now);
void upload_failed(struct upload *u, enum upload_step step, int error, int64_t now);

/* ---- for the destinations ---- */
/* Rows go to another place from now on: nothing is stored yet. */
void upload_rename(struct upload *u, const char *prefix);
/* Uploads no more until the end: `reason`. */
void upload_stop(struct upload *u);
/* Composes the PUT of another object than a batch; `data` is taken over on success. 0, -errno. */
int upload_put_request(const struct upload *u, const char *uri, const char *content_type, struct bytes *data,
                       struct http_request *ret);
/* Judges the answer to a PUT, and sets right what can be set right: keys, region, clock. VERDICT_OK, _REPAIR, _RETRY,
 * _REFUSED. */
enum verdict upload_judge(struct upload *u, const struct http_answer *answer, int64_t now);

#endif
