/* The rows of runs in a bucket: their objects, unpacked, become one CSV. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BUCKET_ROWS_H
#define PILLION_BUCKET_ROWS_H

#include "bucket_cache.h"
#include "bucket_session.h"

struct bucket_rows_run {
    const char *id, *date;
    int64_t     seen;       /* s since 1970: when it was last heard of */
    uint64_t    objects;    /* of rows, as its end has it; 0: not known */
    bool        is_partial; /* set: there are fewer, or some are no rows; with a sentence */
};

/* "/metrics/date=…/run=…/" */
void bucket_rows_folder(const char *id, const char *date, char ret[static BUCKET_KEY_SIZE]);

/* Brings metrics.csv of each up to date; what is here already is not fetched again. 0; -errno and a sentence. */
int bucket_rows_fetch(struct bucket_session *session, struct bucket_cache *cache, struct bucket_rows_run *runs,
                      size_t count);

#endif
