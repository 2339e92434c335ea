/* The keys that S3 lists, read off its XML by a bounded scan. Pure, no allocation.
 * Source: Amazon S3 API reference, ListObjectsV2; keys come percent-encoded (encoding-type=url). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_S3_KEYS_H
#define PILLION_SENTINEL_S3_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { S3_KEY_SIZE = 1025, S3_ETAG_SIZE = 65, S3_TOKEN_SIZE = 2048 };

struct s3_key {
    char     key[S3_KEY_SIZE];   /* of a folder: up to its delimiter, that included */
    char     etag[S3_ETAG_SIZE]; /* hexadecimal digits and '-', without quotes; "" of a folder */
    int64_t  modified;           /* seconds since 1970; 0: not told */
    uint64_t size;
    bool     is_folder;
};

/* Takes the next key, or folder, off the front of an answer; false: there is none. What is longer than it may be, or
 * has a control character, is passed over. */
bool s3_keys_next(struct text *body, struct s3_key *ret);
/* The answer goes on: the text that asks for what follows, "" where that cannot be told. */
bool s3_keys_continue(struct text body, char ret[static S3_TOKEN_SIZE]);
/* It is such an answer, and whole. */
bool s3_keys_is_list(struct text body);

#endif
