/* A row as one JSON object: the figures of its CSV line, by the names of the Rust client's JSON Lines, and what stands
 * behind the sums, one by one. The cells are copied as text, so the two can never disagree. Names: see
 * pillion-columns(7). Pure. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_ENGINE_JSONL_H
#define PILLION_ENGINE_JSONL_H

#include "base/bytes.h"
#include "base/text.h"
#include "collect/collect.h"

enum { JSONL_LINE_MAX = 4 * 1024 * 1024, JSONL_GPUS_MAX = 16 };

struct jsonl_gpus {
    unsigned          count;
    struct gpu_state  state[JSONL_GPUS_MAX];
    struct gpu_detail detail[JSONL_GPUS_MAX];
};

struct jsonl_row {
    struct text              line;        /* of the CSV, its 32 cells */
    int64_t                  interval_ms; /* since the row before; -1: this is the first */
    const char              *job_name;    /* NULL: none */
    const struct sample     *now;
    const struct details    *details; /* NULL: nobody kept them */
    const struct jsonl_gpus *gpus;
};

bool jsonl_is_wanted(const char *output); /* does the name of PILLION_OUTPUT, or its pattern, ask for JSON Lines? */
void jsonl_encode(const struct jsonl_row *row, struct bytes *ret); /* the object and \n */

#endif
