/* The sum over the two sources of GPU figures, NVML and amdgpu. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu.h"

#include <errno.h>

int gpu_open(struct gpu *gpu, const struct roots *roots)
{
    gpu->has_nvml = gpu_nvml_open(&gpu->nvml, roots) == 0;
    gpu->has_amd = gpu_amd_open(&gpu->amd, roots) == 0;
    return gpu->has_nvml || gpu->has_amd ? 0 : -ENODEV;
}

int gpu_read(struct gpu *gpu, const struct process_tree *tree, struct sample *ret)
{
    struct gpu_reading sum = {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE,
                              METRIC_NONE, METRIC_NONE, METRIC_NONE};
    bool               answered = false;
    if (gpu->has_nvml)
        answered = gpu_nvml_read(&gpu->nvml, tree, ret->monotonic, &sum) == 0;
    if (gpu->has_amd)
        answered = gpu_amd_read(&gpu->amd, tree, ret->monotonic, &sum) == 0 || answered;
    if (!answered)
        return -ENODATA;
    ret->gpu_usage = sum.usage;
    ret->gpu_memory = sum.memory;
    ret->gpus_used = sum.used;
    ret->gpu_energy = sum.energy;
    ret->tree_gpu_usage = sum.tree_usage;
    ret->tree_gpu_memory = sum.tree_memory;
    ret->tree_gpus_used = sum.tree_used;
    return 0;
}

unsigned gpu_states(const struct gpu *gpu, struct gpu_state *ret, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; gpu->has_nvml && i < gpu->nvml.count && count < max; i++)
        ret[count++] = gpu->nvml.devices[i].state;
    for (unsigned i = 0; gpu->has_amd && i < gpu->amd.cards && count < max; i++)
        gpu_amd_state(&gpu->amd, i, &ret[count++]);
    return count;
}

void gpu_keep_details(struct gpu *gpu)
{
    gpu->amd.keeps_clock = gpu->has_amd;
}

void gpu_details(struct gpu *gpu, struct gpu_detail *ret, unsigned count)
{
    unsigned at = 0;
    for (unsigned i = 0; i < count; i++)
        ret[i] = (struct gpu_detail){.memory_total = METRIC_NONE, .clock = METRIC_NONE};
    for (unsigned i = 0; gpu->has_nvml && i < gpu->nvml.count && at < count; i++)
        gpu_nvml_detail(&gpu->nvml, i, &ret[at++]);
    for (unsigned i = 0; gpu->has_amd && i < gpu->amd.cards && at < count; i++)
        gpu_amd_detail(&gpu->amd, i, &ret[at++]);
}

const char *gpu_energy_source(const struct gpu *gpu)
{
    bool nvml = gpu->has_nvml && gpu->nvml.has_energy;
    bool hwmon = gpu->has_amd && gpu_amd_has_energy(&gpu->amd);
    return nvml && hwmon ? "nvml, hwmon" : nvml ? "nvml" : hwmon ? "hwmon" : NULL;
}

void gpu_allow(struct gpu *gpu)
{
    if (gpu->has_nvml)
        gpu_nvml_allow(&gpu->nvml);
}

void gpu_leave(struct gpu *gpu)
{
    if (gpu->has_nvml)
        gpu_nvml_leave(&gpu->nvml);
}

void gpu_facts(struct gpu *gpu, struct machine *ret)
{
    if (gpu->has_nvml)
        gpu_nvml_facts(&gpu->nvml, ret);
    if (gpu->has_amd)
        gpu_amd_facts(&gpu->amd, ret);
}

void gpu_suspend(struct gpu *gpu)
{
    if (gpu->has_nvml)
        gpu_nvml_suspend(&gpu->nvml);
    if (gpu->has_amd)
        gpu_amd_suspend(&gpu->amd);
}

void gpu_close(struct gpu *gpu)
{
    if (gpu->has_nvml)
        gpu_nvml_close(&gpu->nvml);
    if (gpu->has_amd)
        gpu_amd_close(&gpu->amd);
}
