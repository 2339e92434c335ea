/* What to ask for next time. The rules, with their reasons, stand in advice.c alone. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ADVICE_H
#define PILLION_ADVICE_H

#include <cJSON.h>

#include <stdbool.h>
#include <stddef.h>

#include "summary.h"

enum { ADVICE_TEXT_MAX = 320 };

/* Gathered over one run, or over the history of its job. */
struct advice {
    size_t runs;
    size_t nodes; /* of a job, for each of which this is asked; 0: of one run after the other */
    double rows;
    double memory_mib;                     /* the most at once */
    double cpus;                           /* cores at its busiest */
    double enough_cpus;                    /* whole cores, enough for nearly all of its time */
    double cpu_part;                       /* the most of the cores that it had, on average */
    double gpu_part;                       /* -1: no GPU */
    double seconds;                        /* of the longest */
    double had_cpus, had_memory_mib, gpus; /* as the last one had them, -1 */
    double gpus_used;                      /* at once */
    bool   out_of_memory;
};

/* What is asked for; 0: nothing can be said. */
struct request {
    double memory_mib, cpus, minutes, gpus;
    size_t nodes;
    char   memory_why[ADVICE_TEXT_MAX], cpus_why[ADVICE_TEXT_MAX], time_why[ADVICE_TEXT_MAX], thin[ADVICE_TEXT_MAX];
};

void advice_begin(struct advice *advice);
void advice_add(struct advice *advice, const struct summary *summary, const cJSON *state);
void advice_decide(const struct advice *advice, struct request *ret);
void advice_print(const struct advice *advice, size_t label_width);
/* `advice` of show --json; NULL when nothing can be said. */
cJSON *advice_json(const struct advice *advice);

#endif
