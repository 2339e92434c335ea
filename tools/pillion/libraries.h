/* Where hook and engine are: beside this command, in the build tree as well as installed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LIBRARIES_H
#define PILLION_LIBRARIES_H

#include <limits.h>

#include "link/engine.h"

/* Absolute path without links of "libpillion.so" or "libpillion-engine.so". 0 or -ENOENT. */
int library_find(const char *name, char ret[static PATH_MAX]);
/* The hook by the name that stays when pillion is upgraded, where it has one: the link in the folder above that of its
 * version. */
int library_find_hook(char ret[static PATH_MAX]);

/* Loads the engine, the one there or the one beside this command; it stays. NULL, and *ret_reason is one sentence,
 * when that fails. */
const struct engine *engine_load_from(const char *path, const char **ret_reason);
const struct engine *engine_open(const char **ret_reason);

#endif
