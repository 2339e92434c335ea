/* A DRM client, as /proc/PID/fdinfo/FD tells of it: drm-usage-stats.rst. Pure text. Allocates: no.
 *
 *   drm-driver, drm-pdev, drm-client-id       the client: one opening of a device, however many descriptors it has
 *   drm-engine-NAME: N ns                     time for which the engine worked for the client
 *   drm-cycles-NAME, drm-total-cycles-NAME    the same as a share of the engine's own clock (xe)
 *   drm-engine-capacity-NAME                  how many equal engines the name stands for
 *   drm-resident-vramN, -localN               memory of the device; drm-memory- is its old name, which some drivers
 *                                             write beside the new one, drm-total- stands where there is neither
 *
 * Engines that compute or draw count; those that copy, encode and decode do not: drivers leave them out of a device's
 * use too. Memory in the machine's RAM (gtt, system) is not the device's. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_FDINFO_H
#define PILLION_COLLECT_GPU_GPU_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { GPU_ENGINES_MAX = 4, GPU_DRIVER_SIZE = 16, GPU_PDEV_SIZE = 24, GPU_FDINFO_SIZE = 4096 };

struct gpu_engine {
    uint8_t  name; /* index among the engines that count, from 1 */
    bool     has_ns, has_cycles, has_total;
    uint64_t ns, cycles, total;
    uint64_t capacity; /* 0: not told, so 1 */
};

struct gpu_fdinfo {
    char              driver[GPU_DRIVER_SIZE];
    char              pdev[GPU_PDEV_SIZE]; /* "" where the device is not on PCI */
    uint64_t          client;
    struct gpu_engine engine[GPU_ENGINES_MAX];
    unsigned          engines;
    uint64_t          vram; /* bytes; METRIC_NONE: not told */
};

/* True for a client of a driver whose clients are counted: amdgpu, i915, xe, msm, panfrost, panthor, v3d. */
bool gpu_fdinfo_parse(struct text t, struct gpu_fdinfo *ret);
/* True for the text of any DRM driver's client. */
bool gpu_fdinfo_is_drm(struct text t);
/* True for a driver whose clients are counted. */
bool gpu_fdinfo_counts(struct text driver);

#endif
