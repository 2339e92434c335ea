/* NVIDIA's devices: not read yet. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_H
#define PILLION_COLLECT_GPU_NVML_H

#include "collect/collect.h"
#include "collect/process.h"

struct gpu_reading;

struct gpu_nvml {
    unsigned devices;
};

/* 0, or -ENODEV without such a device. gpu_nvml_close is only needed after 0. */
int gpu_nvml_open(struct gpu_nvml *nvml, const struct roots *roots);
/* Adds to *add. 0, or -ENODATA when no device answers. */
int  gpu_nvml_read(struct gpu_nvml *nvml, const struct process_tree *tree, int64_t now, struct gpu_reading *add);
void gpu_nvml_facts(const struct gpu_nvml *nvml, struct machine *add);
void gpu_nvml_suspend(struct gpu_nvml *nvml);
void gpu_nvml_close(struct gpu_nvml *nvml);

#endif
