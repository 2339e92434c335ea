/* The tree's use of GPUs, by the fdinfo of its processes' DRM descriptors. Thread: pillion.
 * Allocates: when the tree has more clients than it ever had; 256 at most. Files: /proc/PID/fdinfo/FD of the known DRM
 * descriptors, one for each client, opened, read, closed; see gpu_search.h for how they become known.
 *
 *   usage   1/10000 devices   drm-engine-*, drm-cycles-*: the rise since the last reading over the time between; the
 *                             engines of a device add up, to one device at most
 *   memory  bytes             drm-resident-vram and its like; a buffer that two clients share is in both
 *
 * A client that several descriptors or processes share counts once. A counter that falls stays where it was until it
 * is passed (drm-usage-stats.rst). A client met for the first time counts from 0 only if it began since the last
 * reading; the past of an older one is not ours. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_CLIENTS_H
#define PILLION_COLLECT_GPU_GPU_CLIENTS_H

#include "collect/gpu/gpu_fdinfo.h"
#include "collect/gpu/gpu_search.h"

enum { GPU_DEVICES_MAX = 64, GPU_CLIENTS_MAX = 256, GPU_USAGE_ONE = 10000 };

/* A device that clients of the tree have named. */
struct gpu_device {
    char     driver[GPU_DRIVER_SIZE], pdev[GPU_PDEV_SIZE];
    bool     has_client; /* in this reading */
    uint64_t usage;
    uint64_t memory; /* METRIC_NONE: the device's clients do not tell */
};

struct gpu_client;

struct gpu_clients {
    struct gpu_search  search;
    struct gpu_client *list;
    size_t             count, capacity; /* with places that are free */
    struct gpu_device  device[GPU_DEVICES_MAX];
    unsigned           devices;
    int64_t            read_at;    /* ns, the last reading */
    bool               has_spoken; /* some fdinfo told of a client */
    bool               is_mute;    /* some fdinfo of a DRM node told nothing at all: an old kernel */
};

void gpu_clients_init(struct gpu_clients *clients);
void gpu_clients_done(struct gpu_clients *clients);
/* Fills clients->device and the flags, ->search's too. `proc`: /proc; `before` as for gpu_search_run. */
void gpu_clients_read(struct gpu_clients *clients, int proc, const struct process_table *table, uint64_t before,
                      int64_t now);

#endif
