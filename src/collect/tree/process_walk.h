/* A pass over the tree reads every known process and finds the new ones. Allocates: when the tree grows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_WALK_H
#define PILLION_COLLECT_TREE_PROCESS_WALK_H

#include "collect/tree/process.h"

void process_walk(struct process_tree *tree, struct scratch *scratch, const struct process_now *now);

#endif
