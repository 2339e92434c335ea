/* The machine's GPUs, and the tree's use of them. Two sources add up: NVML for NVIDIA's, sysfs and fdinfo for those of
 * amdgpu. Thread: pillion.
 *
 * A driver's answer may take long or never come, so nothing is asked of one before the first reading; and a driver that
 * has failed is left alone. Descriptors that NVML opens are in the thread's own table. When that goes (gpu_suspend),
 * the instance is shut down before, and begun anew at the next reading. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_H
#define PILLION_COLLECT_GPU_GPU_H

#include "collect/collect.h"
#include "collect/gpu/gpu_amd.h"
#include "collect/gpu/gpu_nvml.h"
#include "collect/tree/process.h"

struct gpu {
    bool            has_nvml, has_amd;
    struct gpu_nvml nvml;
    struct gpu_amd  amd;
};

/* Looks which drivers are loaded. 0, or -ENODEV without any; gpu_close is only needed after 0. */
int gpu_open(struct gpu *gpu, const struct roots *roots);
/*   ret->gpu_usage        1/10000 devices, gauge  see gpu_nvml.h, gpu_amd.h
 *   ret->gpu_memory       bytes, gauge
 *   ret->gpus_used        count, gauge            devices with any usage
 *   ret->gpu_energy       microjoules, counter    of the devices that tell it
 *   ret->tree_gpu_*       the same, of the processes of the tree alone
 * `tree` may be NULL. Shape: one value per machine. 0, or -ENODATA when no device answers: the fields stay METRIC_NONE.
 */
int gpu_read(struct gpu *gpu, const struct process_tree *tree, struct sample *ret);
/* From now on drivers may be asked: the run is made, and the thread's descriptors are its own. Until gpu_suspend. */
void gpu_allow(struct gpu *gpu);
/* Fills gpu_model, gpu_count, gpu_memory_mib; leaves them as they are where no device was met. */
void gpu_facts(struct gpu *gpu, struct machine *ret);
/* Each device as the last reading found it: how many these are, `max` at most. */
unsigned gpu_states(const struct gpu *gpu, struct gpu_state *ret, unsigned max);
/* From now on the readings keep what gpu_details tells. */
void gpu_keep_details(struct gpu *gpu);
/* Tells more of each, in the same order; asks the drivers. */
void gpu_details(struct gpu *gpu, struct gpu_detail *ret, unsigned count);
/* Where energy is from: "nvml", "hwmon" (power by the time, of AMD's), both; NULL: nobody tells. */
const char *gpu_energy_source(const struct gpu *gpu);
void        gpu_suspend(struct gpu *gpu);
/* The process ends: libraries are left as they are. */
void gpu_leave(struct gpu *gpu);
void gpu_close(struct gpu *gpu);

/* The sums that the sources add to; METRIC_NONE where nobody knows. */
struct gpu_reading {
    uint64_t usage, memory, used;
    uint64_t tree_usage, tree_memory, tree_used;
    uint64_t energy; /* microjoules, counter */
};

#endif
