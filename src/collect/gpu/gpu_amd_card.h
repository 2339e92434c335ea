/* A device of amdgpu, as sysfs shows it. Thread: pillion. Allocates: no.
 *
 *   usage   gpu_busy_percent     percent in which the shaders worked, as the device's firmware has it: its mean over a
 *                                window of its own (milliseconds to a second), not over the time since the last reading
 *   memory  mem_info_vram_used   bytes
 *   power   hwmon/hwmonN/power1_average, power1_input     microwatts: the firmware's mean, or the figure of the moment
 *   energy                       power times the time since the last reading; a device that sleeps uses none
 *   clock                        hwmon/hwmonN/freq1_input, Hz of the shader clock, only for who asks
 *   temperature                  hwmon/hwmonN/temp1_input, thousandths of a degree Celsius (amdgpu/thermal.rst)
 *
 * Power of a device without power1_cap is left out: it is an APU, whose figure has the CPU's in it.
 * gpu_busy_percent asks the device itself, and older kernels wake it up for that; and each question puts off the moment
 * at which an idle device is put to sleep. So power/runtime_status is read first, which asks nobody: a device that
 * sleeps is idle. A device that may sleep, has been idle for some seconds and has no client in the tree is left alone
 * for as long as it takes to fall asleep. A change of its memory ends that. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_AMD_CARD_H
#define PILLION_COLLECT_GPU_GPU_AMD_CARD_H

#include <stdbool.h>
#include <stdint.h>

#include "collect/gpu/gpu_fdinfo.h"

enum { GPU_MODEL_SIZE = 64 };

struct gpu_card {
    char name[16]; /* "card0" */
    char pdev[GPU_PDEV_SIZE];

    uint64_t usage;       /* 1/10000; METRIC_NONE: the device does not say */
    uint64_t memory;      /* bytes, METRIC_NONE */
    uint64_t temperature; /* degrees Celsius, METRIC_NONE */
    uint64_t power;       /* microwatts, as it was last asked; METRIC_NONE */
    uint64_t energy;      /* microjoules since the first reading */
    uint64_t clock;       /* Hz of the cores, if keeps_clock; METRIC_NONE */
    int64_t  read_at;     /* ns, 0: not yet */

    char hwmon[24];       /* "hwmon/hwmon3"; "": none */
    bool hwmon_is_sought; /* looked for once a run */
    bool has_power;
    bool has_average;
    bool keeps_clock; /* set by the owner */

    int64_t  idle_since; /* ns, 0: not idle */
    int64_t  ask_at;     /* ns: left alone until then */
    uint64_t quiet_memory;
};

/* Reads usage and memory. `drm`: the folder /sys/class/drm; `has_client`: the tree uses the device. Returns whether it
 * is there at all. */
bool gpu_card_read(struct gpu_card *card, int drm, bool has_client, int64_t now);
/* Reads the model, product_name (amdgpu/driver-misc.rst; server boards have one), else the IDs of PCI; "" without
 * either. Reads mem_info_vram_total, bytes; METRIC_NONE without. Neither asks the device. Returns whether it is there.
 */
bool gpu_card_describe(const struct gpu_card *card, int drm, char ret_model[static GPU_MODEL_SIZE],
                       uint64_t *ret_memory);

#endif
