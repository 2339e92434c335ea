/* What a run was given: by its control group, its affinity, the machine. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_RUN_LIMITS_H
#define PILLION_RUN_LIMITS_H

#include <cJSON.h>

#include <stdbool.h>

struct limits {
    double cpus;           /* 0: not known; so are the rest */
    bool   cpus_are_given; /* less than the machine has, by control group or affinity */
    double memory_mib;
    bool   memory_is_given;
    double gpus;
    double vram_mib; /* of all devices */
};

/* From the registration of a run's state. */
struct limits limits_of(const cJSON *state);

#endif
