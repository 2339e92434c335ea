/* What the tree used between the run's beginning and the first reading, which a busy machine may delay: it is the
 * program's, and belongs to the first row. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_BEGIN_H
#define PILLION_COLLECT_TREE_PROCESS_BEGIN_H

#include "collect/tree/process.h"

/* Clock ticks since boot, as start times are counted. */
uint64_t process_begin_boot_ticks(long per_second);

/* With the first reading: takes from `reported` what was used since then. */
void process_begin_settle(struct process_tree *tree);

#endif
