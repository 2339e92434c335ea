/* What differs between the places that a run goes to: Sentinel, and a bucket of the user's own. How a run begins there,
 * where the keys for its objects come from, and how it ends. When, how often and what is made of it is delivery.c's and
 * upload.c's, and the same for both. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_DESTINATION_H
#define PILLION_DELIVERY_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery/retry.h"
#include "sentinel/http_message.h"
#include "sentinel/requests.h"

struct delivery;
struct upload;

/* Functions that judge an answer say what is done next. VERDICT_REPAIR: something was set right, once more at once. */
struct destination {
    bool takes_rows;      /* a finish may have the rows themselves */
    bool takes_both_once; /* a beginning or an end that comes twice is another one: their answers are waited for */

    /* The beginning. `registered` takes over the run's name and place from the answer; -errno: it makes no sense. */
    int (*register_request)(struct delivery *d, struct http_request *ret);
    enum verdict (*register_judge)(struct delivery *d, const struct http_answer *answer);
    int (*registered)(struct delivery *d, const struct http_answer *answer, int64_t now);

    /* The keys. A request for them is due at that time, INT64_MAX: never; `wanted`: there is something to be put.
     * Afterwards the upload has them, or keys_due says when to ask again; `stopped` and `reason`: there will be none.
     */
    bool (*keys_lack)(const struct upload *u);
    int64_t (*keys_due)(struct upload *u, int64_t now, bool wanted);
    int (*keys_request)(struct upload *u, const struct api *api, const char *run_id, struct http_request *ret);
    void (*keys_answer)(struct upload *u, const struct http_answer *answer, int64_t now);
    void (*keys_failed)(struct upload *u, int error, int64_t now);
    bool (*keys_rejected)(struct upload *u, int64_t now); /* S3 does not take them; true: others can be had */

    /* The end: its body is fixed in d->finish, and repeated byte by byte. */
    int (*finish_compose)(struct delivery *d);
    int (*finish_request)(struct delivery *d, struct http_request *ret);
    enum verdict (*finish_judge)(struct delivery *d, const struct http_answer *answer);
};

extern const struct destination destination_sentinel;
extern const struct destination destination_bucket;

#endif
