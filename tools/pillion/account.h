/* The figures of a run: its rows added up, and the kernel's exact totals where the state has them. Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ACCOUNT_H
#define PILLION_ACCOUNT_H

#include <cJSON.h>

#include "summary.h"

/* A number inside an object of the state ("totals", "cost"); -1 when it is not there. */
double account_number(const cJSON *state, const char *object, const char *key);

/* MiB, -1 when unknown. SUBJECT_PROCESS: the largest process of the tree at its largest. SUBJECT_SYSTEM: the cgroup
 * that the run was in. */
double account_peak_mib(const cJSON *state, enum subject subject);

bool account_peak_is_exact(const cJSON *state); /* no process of the run had more for a moment */

/* CPU of the process tree in seconds: the run's total, else the rows'. */
double account_user_s(const struct summary *summary, const cJSON *state);
double account_system_s(const struct summary *summary, const cJSON *state);

/* `summary` of show --json; figures that are not known are left out. */
cJSON *account_json(const struct summary *summary, const cJSON *state);

#endif
