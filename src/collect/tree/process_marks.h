/* The marks of orphans: processes of the tree whose parent ended before a reading saw them. The hook makes the marks
 * (hook/orphan_mark.c); each is an empty file that is named after its process. Allocates: no. Files: the folder of the
 * marks, read where it has changed, and removed from it those of processes that are gone. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_MARKS_H
#define PILLION_COLLECT_TREE_PROCESS_MARKS_H

#include "collect/tree/process.h"

void process_marks_open(struct process_tree *tree);

/* Adds the processes that have a mark and are not in the table; false when there were none. To be called when all of
 * the table were read: an orphan that was found gone has its mark by then. */
bool process_marks_find(struct process_tree *tree, const struct process_now *now);

/* Takes the use that processes which are gone have left in their marks, and removes those. */
void process_marks_settle(struct process_tree *tree, const struct process_now *now);

#endif
