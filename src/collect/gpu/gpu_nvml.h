/* NVIDIA's devices, by NVML. Nothing is asked of the driver before gpu_nvml_allow. Then the first reading initialises
 * NVML, on the thread, in its own descriptor table. Allocates: when devices or processes get more.
 *
 * A reading makes at most eight calls for each device: memory, samples of utilisation, the lists of compute and
 * graphics processes, samples of each process's use (only if a list names a process of the tree), energy, temperature,
 * power. What a device does not have it is asked once. See NVIDIA's NVML API Reference Guide, "Device Queries". */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_GPU_NVML_H
#define PILLION_COLLECT_GPU_GPU_NVML_H

#include "collect/collect.h"
#include "collect/gpu/nvml_device.h"
#include "collect/gpu/nvml_library.h"
#include "collect/gpu/nvml_use.h"
#include "collect/tree/process.h"

struct gpu_reading;

struct gpu_nvml {
    const struct nvml  *nvml;
    bool                allowed; /* the thread has a descriptor table of its own, and the run is made */
    bool                live;    /* initialised */
    int64_t             retry;   /* ns CLOCK_MONOTONIC, not before; a driver that fails is left alone for a while */
    int64_t             since;   /* ns since 1970: the last reading, or the opening */
    struct nvml_device *devices;
    unsigned            count;
    struct nvml_buffer  buffer;
    struct nvml_uses    uses;
    uint64_t energy; /* microjoules since the first answer; what was used while the driver was gone is not in it */
    bool     has_energy;
    char     model[NVML_NAME_SIZE]; /* facts, kept when the driver goes */
    uint64_t known_devices, known_memory;
};

/* To be called before main, on the program's thread: see nvml_library.h. */
void gpu_nvml_prepare(const struct roots *roots);
/* 0, or -ENODEV without the library. gpu_nvml_close is only needed after 0. */
int gpu_nvml_open(struct gpu_nvml *nvml, const struct roots *roots);
/* From now on the driver may be asked, by this thread. */
void gpu_nvml_allow(struct gpu_nvml *nvml);
/*   add->usage      1/10000 devices  mean of the utilisation's samples since the last reading (nvmlDeviceGetSamples),
 *                                    else the driver's own last one (nvmlDeviceGetUtilizationRates)
 *   add->memory     bytes            nvmlDeviceGetMemoryInfo_v2, used: without what the driver reserves for itself
 *   add->used       count            devices with any usage
 *   add->tree_usage                  nvmlDeviceGetProcessUtilization, smUtil: mean of the samples since the last
 *                                    reading, summed over the tree's processes
 *   add->tree_memory                 usedGpuMemory of the tree's processes; who computes and draws is listed twice
 *                                    with the same memory, and counts once
 *   add->tree_used                   devices with any usage by the tree
 *   add->energy     microjoules      nvmlDeviceGetTotalEnergyConsumption, counter from the first reading on
 * A device partitioned by MIG has no usage; its memory, and its processes', is that of the partitions.
 * Adds to *add. 0, or -ENODATA when no device answers. */
int gpu_nvml_read(struct gpu_nvml *nvml, const struct process_tree *tree, int64_t now, struct gpu_reading *add);
/* Asks the driver, if that is allowed and no reading has done so. */
void gpu_nvml_facts(struct gpu_nvml *nvml, struct machine *add);
/* Name, UUID, memory and clock of a device, by four calls; *ret stays as it is where it does not say. */
void gpu_nvml_detail(struct gpu_nvml *nvml, unsigned device, struct gpu_detail *ret);
/* The thread's descriptors go: NVML is shut down, and not allowed any more. */
void gpu_nvml_suspend(struct gpu_nvml *nvml);
/* The process ends: nothing is asked any more, nothing shut down. */
void gpu_nvml_leave(struct gpu_nvml *nvml);
void gpu_nvml_close(struct gpu_nvml *nvml);

#endif
