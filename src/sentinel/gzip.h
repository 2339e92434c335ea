/* gzip, for bodies that the API finds too large, and for objects in S3. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_GZIP_H
#define PILLION_SENTINEL_GZIP_H

#include <stddef.h>

#include "base/bytes.h"

/* Appends one gzip member that holds `data`. The same data give the same bytes: no time, no name in the header.
 * Takes about 260 KiB while it runs. 0, -ENOMEM, -EFBIG (beyond ret->max). Source: RFC 1952, zlib.h. */
int gzip_compress(const void *data, size_t len, struct bytes *ret);
/* Appends what one or more gzip members hold. 0, -ENOMEM, -EFBIG (beyond ret->max), -EBADMSG (damaged, cut off, or
 * followed by something else). */
int gzip_expand(const void *data, size_t len, struct bytes *ret);

#endif
