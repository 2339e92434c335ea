/* Secrets that are known, found again in foreign words, however those spell them. Pure. A server may give back what it
 * refuses, and program arguments hold what a user put there. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_SENTINEL_SECRETS_H
#define PILLION_SENTINEL_SECRETS_H

#include <pillion/sentinel.h>

#include <stdbool.h>

#include "base/bytes.h"

enum { SECRETS_MAX = 6 };

/* The texts stay the caller's. */
struct secrets {
    const char *known[SECRETS_MAX];
    size_t      count;
};

/* Adds one, unless it is NULL or shorter than BYTES_SECRET_MIN. */
void secrets_add(struct secrets *secrets, const char *secret);
/* Adds all three of them; of a zeroed structure none. */
void secrets_add_credentials(struct secrets *secrets, const struct sentinel_credentials *credentials);

/* Writes asterisks over each secret: plain, in any case, by the escapes of JSON, URLs and XML, in base64 or hexadecimal
 * digits, each also inside another. Where an escape had to be undone for it, the text is the one without escapes. True
 * when anything was found, or when there is no memory to look; the text is empty then. */
bool secrets_hide(const struct secrets *secrets, struct bytes *text);

/* Undoes one level of escapes in place. True when there were any. */
bool secrets_unescape(struct bytes *text);

#endif
