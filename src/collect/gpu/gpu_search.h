/* The search for descriptors of DRM nodes in the tree's processes. Listing all descriptors of all processes in each row
 * would cost more than all else together. So a process is looked through when it is new. Then it is looked through
 * after 1, 2, 4 ... 32 further readings or half a minute, but only if it has done anything since (a page fault, a tick
 * of CPU): a process that sleeps opens nothing. Each reading adds to a purse that pays for listings, link by link; a
 * process with many descriptors is looked through in parts. A link is read, never followed: it may name a file of a
 * server that hangs. Thread: pillion. Allocates: when the tree grows beyond what it ever was. Files: /proc/PID/fd,
 * opened, listed, closed. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_SEARCH_H
#define PILLION_COLLECT_GPU_GPU_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collect/tree/process_table.h"

enum { GPU_DESCRIPTORS_MAX = 1024, GPU_DESCRIPTORS_EACH = 64, GPU_NO_CLIENT = UINT16_MAX };

struct gpu_descriptor {
    pid_t    pid;
    uint64_t start; /* with the pid, the process */
    uint32_t fd;
    uint16_t client; /* the owner's; GPU_NO_CLIENT: not read yet */
    bool     is_new; /* opened since the last reading */
};

struct gpu_member; /* the remembered facts of a process */

struct gpu_search {
    struct gpu_member     *members; /* in the order of the process table */
    size_t                 count, capacity;
    struct gpu_descriptor *found;
    size_t                 found_count, found_capacity;
    uint32_t               row;
    int64_t                now; /* ns */
    int                    purse;
    size_t                 turn;
    bool                   is_known; /* the descriptors of some process could be listed */
    bool                   has_kfd;  /* some process has /dev/kfd open: it computes by queues that no fdinfo tells of */
};

void gpu_search_init(struct gpu_search *search);
void gpu_search_done(struct gpu_search *search);

/* Forgets processes that are gone, with their descriptors, and looks through processes that are due. `before`: clock
 * ticks since boot at the last reading, by which new processes are told; 0 at the first. */
void gpu_search_run(struct gpu_search *search, int proc, const struct process_table *table, uint64_t before,
                    int64_t now);
/* Forgets a descriptor; the last takes its place. */
void gpu_search_drop(struct gpu_search *search, size_t index);

#endif
