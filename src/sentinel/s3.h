/* S3 as requests and answers. Pure.
 * Source: Amazon S3 API reference: PutObject, HeadBucket, Error responses; Amazon S3 user guide: virtual hosting of
 * buckets. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_S3_H
#define PILLION_SENTINEL_S3_H

#include <pillion/sentinel.h>

#include "base/bytes.h"
#include "base/text.h"
#include "sentinel/http_message.h"

#define S3_DEFAULT_REGION "eu-central-1"

#define S3_REGION_CHARACTERS TEXT_LOWER TEXT_DIGITS "-"
#define S3_BUCKET_CHARACTERS S3_REGION_CHARACTERS "."

enum {
    S3_BUCKET_MIN = 3,
    S3_BUCKET_MAX = 63,
    S3_REGION_SIZE = 32,
    S3_PLACE_MAX = 512,
    S3_OBJECT_MAX = 64 * 1024 * 1024
};

/* Checks "s3://bucket/key", key of at most 1024 bytes without control characters. 0, -EINVAL. */
int s3_check_uri(const char *uri);
/* Checks "s3://bucket" or "s3://bucket/prefix", a place below which keys are made: printable ASCII, no empty part,
 * S3_PLACE_MAX at most. Writes it without trailing slashes. 0, -EINVAL. */
int s3_check_place(const char *uri, char *ret, size_t size);
/* [a-z0-9-]{1,31} */
bool s3_region_is_fine(const char *region);
/* Checks an http or https URL of ASCII, without user, query or fragment; a path in it is kept. Plain http may go
 * anywhere: the secret key is never sent. Writes the URL without trailing slashes. 0, -EINVAL. */
int s3_check_endpoint(const char *url, char *ret, size_t size);

struct s3_target {
    const char *uri;
    const char *region;   /* for s3_put */
    const char *endpoint; /* NULL or "": AWS */
};

/* Composes a PUT, whole and signed. content_type NULL: application/gzip. `now` is by the server's clock, seconds since
 * 1970. `data` is moved into the request on success, and untouched otherwise. timeout_ms is 120 s, the caller's to
 * change. *ret is the caller's on success (http_request_done), empty otherwise. 0, -EINVAL (URI, region, credentials),
 * -ENOMEM, -EIO. Plain http to loopback goes through no proxy. */
int s3_put(const struct s3_target *target, const struct sentinel_credentials *credentials, const char *content_type,
           int64_t now, struct bytes *data, struct http_request *ret);
/* Composes a GET of an object, signed. timeout_ms is 60 s. 0, -EINVAL, -ENOMEM, -EIO. */
int s3_get(const struct s3_target *target, const struct sentinel_credentials *credentials, int64_t now,
           struct http_request *ret);

struct s3_listing {
    const char *delimiter;    /* NULL: none; what lies behind it is told once, as a folder */
    const char *start_after;  /* a key, NULL: from the first on */
    const char *continuation; /* of the answer before, NULL: it is the first */
};

/* Composes a GET of the list of keys that begin with that of target->uri, up to a thousand of them (ListObjectsV2). As
 * s3_get. sentinel/s3_keys.h reads the answer. */
int s3_list(const struct s3_target *target, const struct s3_listing *listing,
            const struct sentinel_credentials *credentials, int64_t now, struct http_request *ret);

/* Composes a HEAD of the bucket at AWS, unsigned, for its region: http_answer.bucket_region, whatever the status. 0,
 * -ENOMEM, -EINVAL (also with an endpoint: then nothing is asked of AWS). */
int s3_head_bucket(const struct s3_target *target, struct http_request *ret);

/* The step after the answer to a PUT: by <Code>, not by status. */
enum s3_verdict {
    S3_STORED,  /* 200, 201 */
    S3_RETRY,   /* no answer, 408, 429, 5xx, RequestTimeout, SlowDown, InternalError, OperationAborted …; other 2xx */
    S3_REFRESH, /* ExpiredToken, InvalidToken, TokenRefreshRequired; once also for any other 403 */
    S3_MOVED,   /* once: PermanentRedirect, AuthorizationHeaderMalformed, 301, 307 …, when another region is named */
    S3_SKEWED,  /* once: RequestTimeTooSkewed, when a Date came along */
    S3_REFUSED, /* all else */
};

/* Steps taken for this object since the last one was stored. */
struct s3_attempts {
    bool refreshed;
    bool moved;
    bool clock_set;
};

/* Judges an answer. `region` is the one that was used; *ret_region is set for S3_MOVED. Credentials that are refused
 * once more after `refreshed` are S3_RETRY for the three codes, S3_REFUSED for any other 403. */
enum s3_verdict s3_judge(const struct http_answer *answer, const struct s3_attempts *attempts, const char *region,
                         char ret_region[static S3_REGION_SIZE]);

#endif
