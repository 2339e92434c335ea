/* The last values of processes that are gone: found again in the ancestor that reaped them, or kept for ever.
 * Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_LOST_H
#define PILLION_COLLECT_TREE_PROCESS_LOST_H

#include "collect/tree/process_table.h"

/* To be called after every process of the table was read, and before the table is compacted. Adds to `retained` what no
 * ancestor accounts for, and sets `owed`, which belongs to the tree's sums as `value` does. */
void process_lost_settle(struct process_table *table, uint64_t retained[static CONSERVED]);

#endif
