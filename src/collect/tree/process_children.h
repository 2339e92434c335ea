/* How new children are found. Allocates: when the tree, or the machine, grows.
 *
 * The kernel gives out numbers in ascending order, and /proc/loadavg tells the last one. While it stands still, nobody
 * is new. Otherwise /proc is listed from the last number but one on, which is to ask of each new process of the
 * machine who its parent is, whatever the number of older ones and of threads. Only now and then, and where /proc and
 * /proc/loadavg are not of our PID namespace, all are asked: each thread of the tree for its children, or each process
 * of the machine for its parent, whichever are fewer. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_CHILDREN_H
#define PILLION_COLLECT_TREE_PROCESS_CHILDREN_H

#include "collect/tree/process.h"

/* After opening /proc, whenever that is: whether its numbers, and those of loadavg, are those that we count by. */
void process_children_check(struct process_tree *tree);

/* Before a reading: who is to be asked in it. */
void process_children_begin(struct process_tree *tree, const struct process_now *now);
/* Adds the children of one process, which was just read; `quiet` if it has not run since it was read before. */
void process_children_find(struct process_tree *tree, struct scratch *scratch, size_t index, bool quiet);

#endif
