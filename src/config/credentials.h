/* The API token: where it comes from, what it may be, and in which words it is refused. Engine and client have no other
 * reader. Reads: getenv, SENTINEL_API_TOKEN_FILE. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CREDENTIALS_H
#define PILLION_CONFIG_CREDENTIALS_H

#include "base/text.h"
#include "sentinel/requests.h"

enum { TOKEN_SIZE = API_TOKEN_MAX + 1, TOKEN_REASON_SIZE = 512 };

/* The variable that names the token: SENTINEL_API_TOKEN, else SENTINEL_API_KEY, else SENTINEL_API_TOKEN_FILE, of which
 * the first line counts. NULL: all are unset or empty. */
const char *credentials_variable(void);

/* Reads the token of that variable. 0, with "" when there is none; -EINVAL, with "" and the reason, which never shows
 * the token. */
int credentials_token(char ret[static TOKEN_SIZE], char reterr[static TOKEN_REASON_SIZE]);

/* Takes white space off both ends, and what is left when it can go into a header. Returns as credentials_token does;
 * `source` is where the token was given, for the reason. */
int credentials_accept(const char *source, struct text given, char ret[static TOKEN_SIZE],
                       char reterr[static TOKEN_REASON_SIZE]);

#endif
