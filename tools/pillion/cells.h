/* What a run was given and used, as people read it: lines of show, of the report and of its Markdown. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_CELLS_H
#define PILLION_CELLS_H

#include <cJSON.h>

#include "output.h"
#include "summary.h"

/* "-" where something is not known, "" where there can be none. Of bytes `limit` is all of them, and `part` "in all".
 */
struct cells {
    char mean[FIGURE_MAX], max[FIGURE_MAX], limit[FIGURE_MAX], part[FIGURE_MAX];
};

void cells_of(const struct summary *summary, const cJSON *state, enum subject subject, enum measure measure,
              struct cells *ret);

/* The lines of the process tree, in their order. */
struct cells_line {
    const char  *label;
    enum measure measure;
};

enum { CELLS_LINES = 6 };
extern const struct cells_line cells_lines[CELLS_LINES];
/* A GPU that the run did not see is no line. */
bool cells_has(const struct summary *summary, enum measure measure);

enum { CELLS_TEXT_MAX = 640 };

/* "4 cores, 8.0 GiB, 2 h 00 min (14 % used)", of a batch system; false: it has said nothing. */
/* What a batch system gave to the run, as short as it is; `cells_allotment` says also how much of the time it took.
 * False: nothing. */
bool cells_asked(const cJSON *state, char ret[static CELLS_TEXT_MAX]);
/* What is known of its job beside the number: "train.py, led by rank 0 of 4, partition gpu". */
bool cells_job(const cJSON *state, char ret[static CELLS_TEXT_MAX]);
bool cells_allotment(const struct summary *summary, const cJSON *state, char ret[static CELLS_TEXT_MAX]);
/* "pod train-x7k2p, namespace ml, container train, image example/train:3", as the environment told, and the ID where
 * the cgroup's path has it; false: neither. */
bool cells_container(const cJSON *state, char ret[static CELLS_TEXT_MAX]);
/* "CPU 1.2 kJ of the machine's 3.4 kJ (powercap)"; false: no machine has told. */
bool cells_energy(const cJSON *state, char ret[static CELLS_TEXT_MAX]);

#endif
