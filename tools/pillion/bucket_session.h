/* Questions to a bucket of S3, many at a time, with the keys that programs under pillion would use. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BUCKET_SESSION_H
#define PILLION_BUCKET_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delivery/own_credentials.h"
#include "sentinel/http/network.h"
#include "sentinel/s3.h"

enum { BUCKET_URI_SIZE = 600, BUCKET_ENDPOINT_SIZE = 1024, BUCKET_KEY_SIZE = 1100 };

struct bucket_session {
    char                   place[BUCKET_URI_SIZE]; /* "s3://bucket/prefix", no slash at its end */
    char                   endpoint[BUCKET_ENDPOINT_SIZE];
    char                   region[S3_REGION_SIZE];
    int64_t                skew;                     /* s, S3's clock minus ours */
    unsigned               renewals;                 /* of keys, for a refusal that does not name them */
    unsigned               keys_taken, failed;       /* how often there were keys; objects in a row without an answer */
    size_t                 given, refused, left_out; /* objects */
    struct network         network;
    struct own_credentials keys;
};

/* A list of keys, or an object: all texts but `after` begin behind the place, with a slash. */
struct bucket_question {
    char        key[BUCKET_KEY_SIZE]; /* "/runs/…/KEY.json"; of a list what its keys begin with */
    bool        is_list, by_folders;
    const char *after;      /* of a list: from behind that key on; NULL */
    size_t      answer_max; /* of an object: bytes */
    /* Hears each answer, or that an object is gone or left out. 0; -errno ends all: of -ENOMEM and -E2BIG, too many
     * keys, there is a sentence. */
    int (*heard)(void *context, const struct bucket_question *question, struct text body, bool is_there);
    void *context;
};

/* What stands behind the place and these words, which begin with a slash; false: the key is elsewhere. */
bool bucket_session_behind(const struct bucket_session *s, const char *key, const char *words, struct text *ret);

/* Takes keys and finds the region. 0; -errno and a sentence; -EINVAL: `uri` is no place. */
int  bucket_session_open(struct bucket_session *s, const char *uri);
void bucket_session_done(struct bucket_session *s);

/* Asks all of them, lists to their ends. An object that is too large, refused or not answered four times is left out,
 * with a sentence: it does not hide the others. 0; -errno and a sentence: then some were not answered. */
int bucket_session_ask(struct bucket_session *s, const struct bucket_question *questions, size_t count);

#endif
