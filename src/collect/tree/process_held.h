/* stat and io of processes that run all the time stay open between readings: reading an open file takes half the time
 * of opening it as well. The kernel keeps some 5 KiB for each. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_HELD_H
#define PILLION_COLLECT_TREE_PROCESS_HELD_H

#include "collect/tree/process.h"

/* How many may be held by a thread with so many descriptor numbers; negative: without limit. */
int process_held_limit(long numbers);

/* Opens the two files if they are not open, and there is room. */
void process_held_take(struct process_tree *tree, struct process *p);
void process_held_drop(struct process_tree *tree, struct process *p);
void process_held_drop_all(struct process_tree *tree);

#endif
