/* The rows of a run, and those of the runs of the same name before it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_HISTORY_H
#define PILLION_HISTORY_H

#include <cJSON.h>

#include <stddef.h>

#include "advice.h"
#include "summary.h"

/* summary_read_rows, from where the state says that the run began; csv -1: no rows yet. */
int history_rows(int csv, const cJSON *state, struct summary_listener listener, struct summary *ret);
/* Adds the newest ended runs with this one's name, but for itself, until the advice rests on `count`. */
void history_add(const cJSON *state, const char *id, size_t count, struct advice *advice);

#endif
