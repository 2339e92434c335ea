/* What a batch system has given to a job on this node, by the variables that it sets. A control group or an affinity
 * may say the same, and holds; but not every site has them enforced, and of a time limit they know nothing. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CONFIG_ALLOTMENT_H
#define PILLION_CONFIG_ALLOTMENT_H

#include <stdint.h>

struct allotment {
    const char *by;                              /* as orchestrator; NULL: nobody */
    uint64_t    cpus, memory_mib, gpus, seconds; /* 0: not told */
    uint64_t    ends;                            /* s since 1970, of the time limit; 0: not told */
};

/* A run of one rank shares with the node's others, and has only the time for itself. */
void allotment_read(const char *(*lookup)(const char *name), struct allotment *ret);

#endif
