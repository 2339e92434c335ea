/* The container that a program is in, as the environment tells it: the downward API of Kubernetes under the names that
 * people give to its fields, and what runtimes set themselves. No file is read. Pure over a lookup.
 *
 * A pod is called as its machine, and a namespace often as a person or a team: both stand in run.jsonl, and go out with
 * PILLION_SHARE alone. Whoever wants them at Sentinel says so with TRACKER_EXTERNAL_RUN_ID and the like. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_CONTAINER_H
#define PILLION_CONFIG_CONTAINER_H

#include "pillion/sentinel.h"

enum { CONTAINER_VALUE_MAX = 255 };

struct container {
    const char *pod, *space, *name, *index, *image; /* NULL: not told. `space`: namespace; `index`: of an indexed job */
};

/* What is no name, or holds the token `secret`, is not told. */
void container_read(const char *(*lookup)(const char *name), const char *secret, struct container *ret);

/* Fills those fields of `run` that are NULL. `share`: enum share. Of an image its last part goes out unasked. */
void container_fill(const struct container *container, unsigned share, struct sentinel_run *run);

#endif
