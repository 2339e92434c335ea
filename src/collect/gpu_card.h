/* One device of amdgpu as sysfs shows it. Thread: pillion. Allocates: no.
 *
 *   usage   gpu_busy_percent     percent in which the shaders worked, as the device's firmware has it: its mean over a
 *                                window of its own (milliseconds to a second), not over the time since the last reading
 *   memory  mem_info_vram_used   bytes
 *
 * gpu_busy_percent asks the device itself, and older kernels wake it up for that; and each question puts off the moment
 * at which an idle device is put to sleep. So power/runtime_status is read first, which asks nobody: a device that
 * sleeps is idle. And one that may sleep, has been idle for some seconds and has no client in the tree is left alone
 * for as long as it takes to fall asleep, unless its memory changes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_CARD_H
#define PILLION_COLLECT_GPU_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/gpu_fdinfo.h"

struct gpu_card {
    char     name[16]; /* "card0" */
    char     pdev[GPU_PDEV_SIZE];
    char     model[64];
    uint64_t memory_total; /* bytes, METRIC_NONE: unknown */
    bool     is_described; /* model and memory_total were read */

    uint64_t usage;  /* 1/10000, METRIC_NONE: it does not say */
    uint64_t memory; /* bytes, METRIC_NONE */

    int64_t  idle_since; /* ns, 0: not idle */
    int64_t  ask_at;     /* ns: left alone until then */
    uint64_t quiet_memory;
};

/* `drm`: the folder /sys/class/drm. Reads usage and memory; `has_client`: the tree uses it. Returns whether it is
 * there at all. */
bool gpu_card_read(struct gpu_card *card, int drm, bool has_client, int64_t now);

#endif
