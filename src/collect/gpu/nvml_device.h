/* A device of NVML's, and what it is asked at a reading. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_GPU_NVML_DEVICE_H
#define PILLION_COLLECT_GPU_NVML_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/collect.h"
#include "collect/gpu/nvml_abi.h"

enum { NVML_DEVICES_MAX = 128, NVML_PARTS_MAX = 16 };

/* A buffer that NVML writes lists into; it grows to the longest ever met. */
struct nvml_buffer {
    void  *data;
    size_t size;
};

struct nvml_device {
    nvmlDevice_t     handle;
    bool             lost;          /* not asked again before NVML is initialised anew */
    bool             silent;        /* it failed in this reading, and is asked nothing more in it */
    bool             without_usage; /* MIG, or a device too old, has none */
    bool             without_samples;
    bool             without_process_usage;
    bool             without_memory_v2;
    bool             without_energy;
    bool             without_temperature;
    bool             without_power;
    bool             without_clock;
    uint64_t         energy;                /* as it was last told, mJ; UINT64_MAX: not yet */
    uint64_t         seen;                  /* timestamp of the last sample of the device, µs since 1970 */
    uint64_t         process_seen;          /* and of its processes */
    nvmlDevice_t     parts[NVML_PARTS_MAX]; /* MIG devices */
    unsigned         part_count;
    struct gpu_state state; /* as the last reading found it */
};

/* Takes note of an answer: some errors are the device's end, others only this reading's. True: NVML_SUCCESS. */
bool nvml_device_answered(struct nvml_device *device, int error);
/* Finds its MIG devices, which come and go. */
void nvml_device_find_parts(const struct nvml *nvml, struct nvml_device *device);
/* Returns bytes; UINT64_MAX: it does not say. */
uint64_t nvml_device_memory(const struct nvml *nvml, struct nvml_device *device, uint64_t *ret_total);
/* Returns ten-thousandths since `since` (µs since 1970); UINT64_MAX: it does not say. */
uint64_t nvml_device_usage(const struct nvml *nvml, struct nvml_device *device, struct nvml_buffer *buffer,
                           uint64_t since);

/* Returns the millijoules since the last question, 0 for the first; UINT64_MAX: it does not say. */
uint64_t nvml_device_energy(const struct nvml *nvml, struct nvml_device *device);

/* Returns degrees Celsius, and milliwatts; UINT64_MAX: it does not say. */
uint64_t nvml_device_temperature(const struct nvml *nvml, struct nvml_device *device);
uint64_t nvml_device_power(const struct nvml *nvml, struct nvml_device *device);
/* Returns MHz of the graphics clock; UINT64_MAX: it does not say. */
uint64_t nvml_device_clock(const struct nvml *nvml, struct nvml_device *device);

/* Makes room for `size` bytes at least; false: there is no more memory, or it would be too much. */
bool nvml_buffer_grow(struct nvml_buffer *buffer, size_t size);
void nvml_buffer_done(struct nvml_buffer *buffer);

#endif
