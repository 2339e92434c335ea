/* The token, as the environment names it. Reads: getenv, SENTINEL_API_TOKEN_FILE. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CREDENTIALS_H
#define PILLION_CONFIG_CREDENTIALS_H

#include "base/bytes.h"

/* SENTINEL_API_TOKEN, else SENTINEL_API_KEY, else the first line of the file that SENTINEL_API_TOKEN_FILE names,
 * without white space around it. *ret is initialised here. 0, -ENOENT (none set), -errno of the file, -ENOMEM. */
int credentials_token(struct bytes *ret);

#endif
