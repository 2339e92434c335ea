/* Each process's part of the tree's memory, from what the last pss_read has found. Thread: pillion. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PSS_SHARE_H
#define PILLION_COLLECT_TREE_PSS_SHARE_H

#include "collect/tree/pss.h"

/* Sets each process's `share`, in KiB: its part of that sum, as far as is known who shares with whom. */
void pss_share(const struct pss *pss, struct process_table *table);

#endif
