/* The processes of the tree beside the calling one, as they stand at the end of a run. Nobody has reaped them, so the
 * kernel's account of the calling process does not have them. Thread: pillion. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_OTHERS_H
#define PILLION_COLLECT_TREE_PROCESS_OTHERS_H

#include "collect/tree/process.h"

struct others {
    uint64_t peak; /* KiB: VmHWM of the largest */
    uint64_t seen; /* KiB: resident memory of the largest that a reading of the run met, the calling one too */
    uint64_t voluntary, involuntary; /* context switches of their threads */
    bool     are_all_known;          /* no process can have had a larger peak that went unseen */
};

/*   peak                      VmHWM of /proc/PID/status                         proc.rst table 1-2
 *   voluntary, involuntary    ..._ctxt_switches of /proc/PID/task/TID/status    the same */
void process_others_read(struct process_tree *tree, struct others *ret);

#endif
