/* What stands out in a run: sentences, each with the time that it speaks of. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_FINDINGS_H
#define PILLION_FINDINGS_H

#include <cJSON.h>

#include "curves.h"
#include "summary.h"

enum { FINDINGS_MAX = 8, FINDING_TEXT_MAX = 240 };

struct finding {
    const char
          *kind; /* "gpu_waits", "memory_grows", "disk_waits", "throttled", "little_cpu", "little_memory", "gpu_idle" */
    char   text[FINDING_TEXT_MAX];
    double from, to; /* s since the run began */
};

struct findings {
    struct finding list[FINDINGS_MAX];
    size_t         count;
};

/* `state` may be NULL. */
void findings_of(const struct curves *curves, const struct summary *summary, const cJSON *state, struct findings *ret);

#endif
