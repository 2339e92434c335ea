// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu_nvml.h"

#include <errno.h>

int gpu_nvml_open(struct gpu_nvml *nvml, const struct roots *roots)
{
    (void)roots;
    nvml->devices = 0;
    return -ENODEV;
}

int gpu_nvml_read(struct gpu_nvml *nvml, const struct process_tree *tree, int64_t now, struct gpu_reading *add)
{
    (void)tree;
    (void)now;
    (void)add;
    return nvml->devices > 0 ? 0 : -ENODATA;
}

void gpu_nvml_facts(const struct gpu_nvml *nvml, struct machine *add)
{
    (void)nvml;
    (void)add;
}

void gpu_nvml_suspend(struct gpu_nvml *nvml)
{
    (void)nvml;
}

void gpu_nvml_close(struct gpu_nvml *nvml)
{
    nvml->devices = 0;
}
