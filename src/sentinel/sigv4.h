/* Signature Version 4, by header. Pure.
 * Source: AWS General Reference, "Create a signed AWS API request"; Amazon S3 API reference, "Authenticating Requests
 * (AWS Signature Version 4)". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_SIGV4_H
#define PILLION_SENTINEL_SIGV4_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum { SIGV4_HASH_SIZE = 65 };

struct sigv4_header {
    const char *name; /* lower case */
    const char *value;
};

/* The signed parts of a request, all in canonical form. The path is encoded, as it stands in the URL. The query is too,
 * sorted, with an = behind each name. Values have no white space around them, and none doubled inside. */
struct sigv4 {
    const char                *access_key, *secret_key;
    const char                *region, *service; /* "eu-central-1", "s3" */
    const char                *when;             /* 20260422T101500Z, the same as in x-amz-date */
    const char                *method, *path, *query;
    const struct sigv4_header *headers; /* in order of their names; all are signed */
    size_t                     header_count;
    const char                *payload_hash; /* 64 hex digits */
};

/* SHA-256 as 64 hex digits. 0, -EIO. */
int sigv4_hash(const void *data, size_t len, char ret[static SIGV4_HASH_SIZE]);
/* Appends the value of the Authorization header. 0, -ENOMEM, -EIO. */
int sigv4_authorization(const struct sigv4 *request, struct bytes *ret);
/* Appends `text` percent-encoded by the rules of S3: A-Z a-z 0-9 - . _ ~ and, where `slashes`, / stay as they are. */
void sigv4_encode(const char *text, bool slashes, struct bytes *ret);

#endif
