/* Which commands of a run used what: from its state, or from RUNDIR/commands of one that has not ended. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COMMANDS_H
#define PILLION_COMMANDS_H

#include <cJSON.h>

#include <stddef.h>

enum { COMMAND_NAME_MAX = 256, COMMANDS_MAX = 65 /* 64 names, and the others */ };

struct command_use {
    char   name[COMMAND_NAME_MAX];
    double processes, user_s, system_s, memory_max_mib, read_bytes, write_bytes, gpu_s;
};

double command_cpu(const struct command_use *use); /* s */

/* The first `max` of them, most CPU first; how many these are, 0 where nothing is told. */
size_t commands_top(const cJSON *state, int dir, struct command_use *ret, size_t max);
/* All of them, as the journal has them. */
cJSON *commands_json(const cJSON *state, int dir);
double commands_gpu_s(const cJSON *state); /* of all that the state tells of; -1: of none */

#endif
