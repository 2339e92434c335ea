/* The client's settings from the process environment. The engine, whose getenv reads the snapshot from before main,
 * takes proxies and the CA bundle from here too; token and URL are its configuration's. Reads: getenv,
 * SENTINEL_API_TOKEN_FILE. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CREDENTIALS_H
#define PILLION_CONFIG_CREDENTIALS_H

#include "base/bytes.h"

/* The variable's value; NULL when it is unset or empty. */
const char *client_environment(const char *name);

/* SENTINEL_API_TOKEN, else SENTINEL_API_KEY, else the first line of the file that SENTINEL_API_TOKEN_FILE names,
 * without white space around it. *ret is initialised here. 0, -ENOENT (none set), -errno of the file, -ENOMEM. */
int client_environment_token(struct bytes *ret);

/* A proxy's variable in lower case, else in upper case (but never HTTP_PROXY, which CGI fills from a request header).
 * "" for none. */
const char *client_environment_proxy(const char *name, const char *upper_name);

#endif
