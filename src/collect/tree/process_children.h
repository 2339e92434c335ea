/* New children, and how they are found. Allocates: when the tree, or the machine, grows.
 *
 * The kernel gives out numbers in ascending order, and /proc/loadavg tells the last one. While it stands still, nobody
 * is new. Otherwise /proc is listed from the last number but one on. So only new processes of the machine are asked for
 * their parent, however many older ones and threads there are. All are asked only now and then, and where /proc and
 * /proc/loadavg are not of our PID namespace. Then each thread of the tree is asked for its children, or each process
 * of the machine for its parent, whichever are fewer. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_CHILDREN_H
#define PILLION_COLLECT_TREE_PROCESS_CHILDREN_H

#include "collect/tree/process.h"

/* To be called after each opening of /proc: tells whether its numbers, and those of loadavg, are those that we count
 * by. */
void process_children_check(struct process_tree *tree);

/* To be called before a reading: decides how children are searched for in it. */
void process_children_begin(struct process_tree *tree, const struct process_now *now);
/* Adds the children of a process that was just read; `quiet` if it has not run since the reading before. */
void process_children_find(struct process_tree *tree, struct scratch *scratch, size_t index, bool quiet);

#endif
