/* The use of a device by the tree's processes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_USE_H
#define PILLION_COLLECT_GPU_NVML_USE_H

#include "collect/gpu/nvml_device.h"
#include "collect/tree/process.h"

enum { NVML_USES_MAX = 1024 };

/* A process of the tree on one device. */
struct nvml_use {
    pid_t    pid;
    uint64_t memory; /* bytes; UINT64_MAX: not told */
    uint64_t part;   /* the same on the part that is being read */
    uint64_t percent;
    unsigned samples;
};

/* The answer whether a process that a driver names is the one of that number here. */
struct nvml_known {
    pid_t    pid;
    uint64_t start;
    bool     is_it;
    unsigned refused; /* times that it was not; it is looked at again now and then */
};

struct nvml_uses {
    struct nvml_use  *list;
    unsigned          count, capacity;
    bool              nested; /* pid namespace: an older driver tells the numbers of the outermost one */
    struct nvml_known known[64];
    unsigned          next_known;
};

/* `proc`: the place to look which namespace this is. */
void nvml_uses_init(struct nvml_uses *uses, const char *proc);
void nvml_uses_done(struct nvml_uses *uses);

/* Tells ten-thousandths of the device and bytes, of the tree alone; UINT64_MAX: it does not say. */
void nvml_uses_read(struct nvml_uses *uses, const struct nvml *nvml, struct nvml_device *device,
                    struct nvml_buffer *buffer, const struct process_tree *tree, uint64_t since, uint64_t *ret_usage,
                    uint64_t *ret_memory);

#endif
