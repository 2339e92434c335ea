// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu_amd.h"

#include <errno.h>

int gpu_amd_open(struct gpu_amd *amd, const struct roots *roots)
{
    (void)roots;
    amd->devices = 0;
    return -ENODEV;
}

int gpu_amd_read(struct gpu_amd *amd, const struct process_tree *tree, int64_t now, struct gpu_reading *add)
{
    (void)tree;
    (void)now;
    (void)add;
    return amd->devices > 0 ? 0 : -ENODATA;
}

void gpu_amd_facts(const struct gpu_amd *amd, struct machine *add)
{
    (void)amd;
    (void)add;
}

void gpu_amd_suspend(struct gpu_amd *amd)
{
    (void)amd;
}

void gpu_amd_close(struct gpu_amd *amd)
{
    amd->devices = 0;
}
