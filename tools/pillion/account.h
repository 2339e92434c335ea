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

/* What a run may use at most, and who says so; value -1: nobody does. */
struct limit {
    double      value;
    const char *source; /* a batch system, "cgroup", "affinity", "machine", "device" */
};

/* Is it less than all that is there, and so something that was asked for? */
bool account_is_given(struct limit limit);
/* A tag of the registration that pillion has made itself, of a limit or a job. */
bool account_is_own_tag(const char *key);
/* A tag's value, and the same as a number; NULL, -1. */
const char *account_tag(const cJSON *state, const char *key);
double      account_tag_number(const cJSON *state, const char *key);

/* Who gave what stands in `allotment`, as people call it; NULL: nobody. */
const char *account_batch_system(const cJSON *state);

struct limit account_cpus(const cJSON *state);       /* cores, the least of what holds */
struct limit account_memory_mib(const cJSON *state); /* the same */
struct limit account_gpus(const cJSON *state);       /* devices */
struct limit account_gpu_memory_mib(const cJSON *state);

/* What is shown as used of a limit: CPU and GPU on average, memory at its most. Parts, -1 when unknown. */
double       account_part(const struct summary *summary, const cJSON *state, enum measure measure);
struct limit account_limit(const cJSON *state, enum measure measure);

/* A text or number of the registration; NULL, -1. */
const char *account_registered(const cJSON *state, const char *key);
double      account_registered_number(const cJSON *state, const char *key);

/* Rounded to what the CSV holds: `per_unit` 1000 keeps three decimals. */
double account_rounded(double value, double per_unit);
void   account_add(cJSON *object, const char *key, double value, double per_unit);

/* `summary` of show --json; figures that are not known are left out. */
cJSON *account_json(const struct summary *summary, const cJSON *state);

#endif
