/* Which commands of a run used most: from its state, or from RUNDIR/commands of one that has not ended. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COMMANDS_H
#define PILLION_COMMANDS_H

#include <cJSON.h>

#include <stddef.h>

enum { COMMAND_NAME_MAX = 256 };

struct command_use {
    char   name[COMMAND_NAME_MAX];
    double processes, cpu_s, memory_max_mib, gpu_s;
};

/* The first `max` of them, most CPU first; how many there are, 0 where nothing is told. */
size_t commands_top(const cJSON *state, int dir, struct command_use *ret, size_t max);

#endif
