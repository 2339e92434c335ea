/* Parents and children, by one pass over the stat of many processes. Either of those that are new on the machine; or of
 * all of them, for kernels without task/TID/children (CONFIG_PROC_CHILDREN), and for trees with more threads than the
 * machine has processes.
 * Allocates: when there are more processes to note; 262,144 at most. The room of a large scan is given back. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_TREE_PROCESS_SCAN_H
#define PILLION_COLLECT_TREE_PROCESS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/dir.h"

struct process_scan {
    struct process_scan_entry *list;
    size_t                     count, capacity; /* a power of two */
    uint32_t                  *heads;           /* index + 1 of the first child by hash of the parent; 0: none */
};

void process_scan_init(struct process_scan *scan);
void process_scan_done(struct process_scan *scan);

/* The numbers given out after `after` until `until`: up to the highest and from 1 on again where `until` is lower. */
struct process_range {
    pid_t after, until;
};
#define PROCESS_RANGE_ALL ((struct process_range){0, INT32_MAX})

/* proc: a descriptor of /proc; dir: room to list it. 0 or -ENOMEM. */
int process_scan_run(struct process_scan *scan, int proc, struct dir *dir, struct process_range range);

/* Tells the children of a process, one a call: *at starts at 0. False at the end. */
bool process_scan_next_child(const struct process_scan *scan, pid_t parent, uint32_t *at, pid_t *ret);

#endif
