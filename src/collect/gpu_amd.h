/* amdgpu's devices: not read yet. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_AMD_H
#define PILLION_COLLECT_GPU_AMD_H

#include "collect/collect.h"
#include "collect/process.h"

struct gpu_reading;

struct gpu_amd {
    unsigned devices;
};

/* 0, or -ENODEV without such a device. gpu_amd_close is only needed after 0. */
int gpu_amd_open(struct gpu_amd *amd, const struct roots *roots);
/* Adds to *add. 0, or -ENODATA when no device answers. */
int  gpu_amd_read(struct gpu_amd *amd, const struct process_tree *tree, int64_t now, struct gpu_reading *add);
void gpu_amd_facts(const struct gpu_amd *amd, struct machine *add);
void gpu_amd_suspend(struct gpu_amd *amd);
void gpu_amd_close(struct gpu_amd *amd);

#endif
