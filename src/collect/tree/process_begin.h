/* The tree's use between the run's beginning and the first reading. A busy machine may delay that reading; the use is
 * the program's, and belongs to the first row. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_BEGIN_H
#define PILLION_COLLECT_TREE_PROCESS_BEGIN_H

#include "collect/tree/process.h"

/* Clock ticks since boot, as start times are counted. */
uint64_t process_begin_boot_ticks(long per_second);

/* Called with the first reading: takes from `reported` the use since then. */
void process_begin_settle(struct process_tree *tree);

#endif
