/* A run's place in a bucket of the user's own: which bucket, under which name, with whose keys. It is memory of its
 * own, which only such a run has. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_BUCKET_H
#define PILLION_DELIVERY_BUCKET_H

#include <cJSON.h>
#include <stdbool.h>

#include "config/config.h"
#include "delivery/object_key.h"
#include "delivery/own_credentials.h"
#include "store/journal_write.h"

enum { BUCKET_PREFIX_SIZE = 1100 };

struct bucket {
    char                    uri[CONFIG_URL_MAX];      /* "s3://bucket/prefix" */
    char                    endpoint[CONFIG_URL_MAX]; /* "": AWS */
    struct object_key       name;
    bool                    may_correct;       /* made here, by a clock that S3 has not seen yet */
    bool                    has_no_conditions; /* the server knows no If-None-Match, as it seems */
    unsigned                share;             /* enum share, as it was when the run began */
    struct own_credentials *keys;
    bool                    keys_are_lent;
    enum own_step           step; /* what is asked for them now */
};

/* Of a run that goes where the variables say; its name is still to be made. NULL: no memory. */
struct bucket *bucket_of_config(const struct config *config);
/* Of a run that was begun before, by its run.jsonl. NULL: it goes elsewhere, no memory, or what stands there cannot be.
 */
struct bucket *bucket_of_state(const struct config *config, const cJSON *state);
void           bucket_free(struct bucket *bucket);
/* Several runs have the same keys: looked for once, for a home may be on a dead server, and whoever asks a machine
 * twice looks like a thief. The first bucket leaves its own in *keys, the others take those. They are the lender's to
 * free, by bucket_keys_free, when no bucket has them any more. */
void bucket_share_keys(struct bucket *bucket, struct own_credentials **keys);
void bucket_keys_free(struct own_credentials *keys); /* NULL is allowed */

/* Does the run go to the very bucket that the variables name? */
bool bucket_is_configured(const struct config *config, const cJSON *state);
/* The region as far as the user has told it; else the one that any other region's bucket is known in. */
const char *bucket_region(const struct bucket *bucket);
/* What run.jsonl says of it. `prefix` is where the text goes. */
struct journal_bucket bucket_for_journal(const struct bucket *bucket, char prefix[static BUCKET_PREFIX_SIZE]);

#endif
