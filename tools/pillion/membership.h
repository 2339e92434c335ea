/* Which runs belong together, as one job: the one place for that rule. What tells two jobs with the same number apart
 * stands in membership.c, and for people in pillion-list(1). Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_MEMBERSHIP_H
#define PILLION_MEMBERSHIP_H

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

#include "fields.h"

enum { MEMBERSHIP_ID_MAX = 1024 };

/* The job that a run is of, with its task and step: as the user or the batch system says it; of a pod that says nothing
 * it is the name of what made the pod. False: it is of none. */
bool membership_id(const cJSON *state, char ret[static MEMBERSHIP_ID_MAX]);

/* Bytes of an ID that name the job, without array index, step, task. */
size_t membership_root(const char *id, const char *orchestrator);
/* Bytes of an ID without the step: what was given its nodes as one. */
size_t membership_allocation(const char *id, const char *orchestrator);

/* Is this the job that is wanted, or a task, step or attempt of it? */
bool membership_is_of(const char *id, const char *wanted);
/* Is it that job itself, and not only one whose ID goes on? */
bool membership_is(const char *id, const char *orchestrator, const char *wanted);

/* Numbers the jobs of the records, by the beginning of the first run; SIZE_MAX for a run that is of none, or stands
 * there twice: the first of them counts. `wanted`
 * (NULL: nothing) is what all of their IDs begin with, and then counts as the job's own part. 0; -ENOMEM. */
int membership_group(const struct record *records, size_t count, const char *wanted, size_t *ret_job, size_t *ret_jobs);

#endif
