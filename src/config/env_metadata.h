/* Metadata of a run from its surroundings, where the user gives none. Batch systems, workflow managers, CI and
 * container platforms are each known by the environment variables that they document. Pure over a lookup.
 *
 * Systems may be nested, and leave their variables to what they start. So the innermost is looked at first, in the
 * fixed order of env_metadata_table.c: workflow managers (which run a task), batch systems (which run a job), CI (which
 * runs a pipeline), container platforms (which run anything). The first names the orchestrator; the next that runs
 * things on machines of its own, the executor; every other field is filled by the first that knows it.
 *
 * Nothing of a person goes out unasked: not the owner of a repository, an account, a user, a branch, a machine's name.
 * PILLION_SHARE=account adds the first two of those. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_ENV_METADATA_H
#define PILLION_CONFIG_ENV_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "pillion/sentinel.h"

enum { ENV_METADATA_VALUE_MAX = 256, ENV_METADATA_TEXT_MAX = 4096 };

struct env_metadata_tag;

/* Fills those fields of `run` that are NULL. `share`: enum share. `text` holds the values. `job` is the program's name.
 * A batch system runs a copy of the script under a name of its own: that run is called as the job is. So are the ranks
 * of a step, and the program is their task_name; what else a script starts keeps its own name. */
void env_metadata_fill(const char *(*lookup)(const char *name), unsigned share, const char *job,
                       struct sentinel_run *run, char text[static ENV_METADATA_TEXT_MAX]);

/* Composes what becomes a tag of the run in this row; false where the surroundings do not tell it. `size` is at most
 * ENV_METADATA_VALUE_MAX + 1. */
bool env_metadata_tag(const char *(*lookup)(const char *name), const struct env_metadata_tag *tag, char *ret,
                      size_t size);

/* ---- the table ---- */

/* The pattern of a value is composed of
 *   {NAME}      the variable, which has to be set
 *   {NAME#c}    the text behind its last c; {NAME%c}: the text before its first
 *   {NAME+}     a number greater than 0
 *   {NAME-}     a number of a step that is none of Slurm's own
 *   {NAME?}     nothing, and the variable must be set
 *   {!NAME}     nothing, and the variable must not be set
 *   ( ... )     left out if something in it is missing; not nested
 * and of other characters as they are. */
struct env_metadata_value {
    unsigned short field; /* offset in struct sentinel_run */
    unsigned char  share; /* the user has to share this for it; 0: nothing */
    char           from[64];
    char           script[16]; /* not "": only if the program has this name; ENV_METADATA_RANK: if it is a rank */
};

#define ENV_METADATA_RANK "*"

/* Tags that tell of a job what the registration has no field for; of a key the first that is whole. */
struct env_metadata_tag {
    char key[20];
    char from[44];
};

#define ENV_METADATA_TAG_RANK "job_rank" /* whoever has it is a rank of a step */

enum { ENV_METADATA_VALUES = 8 };

struct env_metadata_system {
    char name[16];   /* as orchestrator or executor */
    char marker[32]; /* the variable that is set wherever the system is */
    bool runs;       /* may be an executor */
    struct env_metadata_value
        values[ENV_METADATA_VALUES]; /* until one without `from`; of a field the first that is whole */
};

extern const struct env_metadata_system env_metadata_table[];
extern const size_t                     env_metadata_count;
extern const struct env_metadata_tag    env_metadata_tags[];
extern const size_t                     env_metadata_tag_count;

#endif
