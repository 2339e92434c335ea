/* Whether a run of another user goes on, without a trace: its lock is neither taken nor touched. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_LIVENESS_H
#define PILLION_LIVENESS_H

#include <cJSON.h>

#include "store/journal_read.h"

/* LIVENESS_ALIVE, LIVENESS_FOREIGN or LIVENESS_DEAD. */
enum liveness liveness_untouched(const cJSON *state, int dir);

#endif
