/* Delivering what a killed program could not. Blocking; for `pillion sync`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUN_SYNC_H
#define PILLION_RUN_SYNC_H

#include "run/engine.h"

/* Looks at every run, or at those named, oldest first, and reports each. The number that ended undelivered, or
 * -errno when PILLION_DIR cannot be opened. */
int sync_all(const struct engine_sync *sync);

#endif
