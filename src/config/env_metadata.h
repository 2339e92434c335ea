/* What the surroundings say of a run that its user does not: the batch system, the workflow, the CI job, the container
 * platform, each known by the environment variables that it documents. Pure over a lookup.
 *
 * Systems may be nested, and leave their variables to what they start. The innermost is looked at first, in the fixed
 * order of surroundings_table.c: workflow managers (which run a task), batch systems (which run a job), CI (which runs
 * a pipeline), container platforms (which run anything). The first names the orchestrator; the next that runs things on
 * machines of its own, the executor; every other field is filled by the first that knows it.
 *
 * Nothing of a person goes out unasked: not the owner of a repository, an account, a user, a branch, a machine's name;
 * PILLION_SHARE=account adds the first two of those. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_ENV_METADATA_H
#define PILLION_CONFIG_ENV_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "pillion/sentinel.h"

enum { SURROUNDINGS_VALUE_MAX = 256, SURROUNDINGS_TEXT_MAX = 4096 };

/* Fills those fields of `run` that are NULL. `share`: enum share. `text` holds the values. `job` is what the program is
 * called: a batch system runs a copy of the script under a name of its own, and there alone the job has its name. */
void surroundings_fill(const char *(*lookup)(const char *name), unsigned share, const char *job,
                       struct sentinel_run *run, char text[static SURROUNDINGS_TEXT_MAX]);

/* ---- the table ---- */

/* A value is composed of
 *   {NAME}      the variable, which has to be set
 *   {NAME#c}    what is behind its last c, {NAME%c} what is before its first
 *   {NAME+}     a number greater than 0
 *   {!NAME}     nothing, and the variable must not be set
 *   ( ... )     left out if something in it is missing; not nested
 * and of other characters as they are. */
struct surroundings_value {
    size_t      field; /* offset in struct sentinel_run */
    unsigned    share; /* what its user has to share for it, 0: nothing */
    const char *from;
    const char *script; /* not NULL: only if the program is called so */
};

enum { SURROUNDINGS_VALUES = 8 };

struct surroundings_system {
    const char *name;   /* as orchestrator or executor */
    const char *marker; /* the variable that is set wherever the system is */
    bool        runs;   /* may be an executor */
    struct surroundings_value
        values[SURROUNDINGS_VALUES]; /* until one without `from`; of a field the first that is whole */
};

extern const struct surroundings_system surroundings_table[];
extern const size_t                     surroundings_count;

#endif
