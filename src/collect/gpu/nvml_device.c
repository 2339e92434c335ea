/* The questions to a device: memory, utilisation, MIG parts; and the meaning of its errors. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/nvml_device.h"

#include <stdlib.h>

enum { BUFFER_FIRST = 8 * 1024, BUFFER_MAX = 1024 * 1024, PER_PERCENT = 100, ALL_PERCENT = 100 };

bool nvml_buffer_grow(struct nvml_buffer *buffer, size_t size)
{
    size_t wanted = buffer->size ? buffer->size : BUFFER_FIRST;
    while (wanted < size && wanted < BUFFER_MAX)
        wanted *= 2;
    if (wanted < size)
        return false;
    if (wanted == buffer->size)
        return true;
    void *data = malloc(wanted);
    if (!data)
        return false;
    free(buffer->data);
    *buffer = (struct nvml_buffer){data, wanted};
    return true;
}

void nvml_buffer_done(struct nvml_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct nvml_buffer){0};
}

bool nvml_device_answered(struct nvml_device *device, int error)
{
    switch (error) {
    case NVML_SUCCESS:
        return true;
    case NVML_ERROR_NOT_SUPPORTED:
    case NVML_ERROR_NO_PERMISSION:
    case NVML_ERROR_NOT_FOUND:
    case NVML_ERROR_INSUFFICIENT_SIZE:
    case NVML_ERROR_INVALID_ARGUMENT:
    case NVML_ERROR_FUNCTION_NOT_FOUND:
        return false; /* an answer too, about this one question */
    case NVML_ERROR_UNINITIALIZED:
    case NVML_ERROR_DRIVER_NOT_LOADED:
    case NVML_ERROR_GPU_IS_LOST:
    case NVML_ERROR_RESET_REQUIRED:
        device->lost = true;
        break;
    default:
        break;
    }
    device->silent = true;
    return false;
}

void nvml_device_find_parts(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned current = 0;
    unsigned pending = 0;
    unsigned most = 0;
    device->part_count = 0;
    device->without_usage = false;
    if (!nvml->mig_mode || !nvml->mig_max || !nvml->mig_handle ||
        nvml->mig_mode(device->handle, &current, &pending) != NVML_SUCCESS || current != NVML_DEVICE_MIG_ENABLE)
        return;
    device->without_usage = true;
    if (nvml->mig_max(device->handle, &most) != NVML_SUCCESS)
        return;
    for (unsigned i = 0; i < most && device->part_count < NVML_PARTS_MAX; i++)
        if (nvml->mig_handle(device->handle, i, &device->parts[device->part_count]) == NVML_SUCCESS)
            device->part_count++;
}

static uint64_t memory_of(const struct nvml *nvml, struct nvml_device *device, nvmlDevice_t handle, uint64_t *ret_total)
{
    struct nvml_memory_v2 memory = {.version = NVML_MEMORY_V2};
    struct nvml_memory    old = {0};
    if (nvml->memory_v2 && !device->without_memory_v2) {
        int error = nvml->memory_v2(handle, &memory);
        if (error == NVML_SUCCESS) {
            *ret_total = memory.total;
            return memory.used;
        }
        device->without_memory_v2 = error == NVML_ERROR_FUNCTION_NOT_FOUND || error == NVML_ERROR_INVALID_ARGUMENT;
        if (!device->without_memory_v2) {
            (void)nvml_device_answered(device, error);
            return UINT64_MAX;
        }
    }
    if (!nvml_device_answered(device, nvml->memory(handle, &old)))
        return UINT64_MAX;
    *ret_total = old.total;
    return old.used;
}

uint64_t nvml_device_memory(const struct nvml *nvml, struct nvml_device *device, uint64_t *ret_total)
{
    uint64_t sum = UINT64_MAX;
    uint64_t total = 0;
    if (device->part_count == 0)
        return memory_of(nvml, device, device->handle, ret_total);
    for (unsigned i = 0; i < device->part_count && !device->silent; i++) {
        uint64_t used = memory_of(nvml, device, device->parts[i], &total);
        if (used == UINT64_MAX)
            continue;
        sum = sum == UINT64_MAX ? used : sum + used;
        *ret_total += total;
    }
    return sum;
}

static uint64_t mean_of_samples(struct nvml_device *device, const struct nvml_sample *samples, unsigned count,
                                uint64_t since)
{
    uint64_t sum = 0;
    unsigned valid = 0;
    for (unsigned i = 0; i < count; i++) {
        if (samples[i].timestamp <= since || samples[i].value.as_uint > ALL_PERCENT)
            continue;
        sum += samples[i].value.as_uint;
        valid++;
        if (samples[i].timestamp > device->seen)
            device->seen = samples[i].timestamp;
    }
    return valid > 0 ? (sum * PER_PERCENT + valid / 2) / valid : UINT64_MAX;
}

/* The driver keeps the samples of some seconds: the mean of a longer interval is that of its last part. */
static uint64_t usage_by_samples(const struct nvml *nvml, struct nvml_device *device, struct nvml_buffer *buffer,
                                 uint64_t since)
{
    int      type = 0;
    unsigned count = 0;
    if (device->without_samples || !nvml->samples)
        return UINT64_MAX;
    if (buffer->size == 0 && !nvml_buffer_grow(buffer, 1))
        return UINT64_MAX;
    count = (unsigned)(buffer->size / sizeof(struct nvml_sample));
    unsigned room = count;
    int      error = nvml->samples(device->handle, NVML_GPU_UTILIZATION_SAMPLES, since, &type, &count, buffer->data);
    if (error == NVML_ERROR_INSUFFICIENT_SIZE && nvml_buffer_grow(buffer, (size_t)count * sizeof(struct nvml_sample))) {
        room = count = (unsigned)(buffer->size / sizeof(struct nvml_sample));
        error = nvml->samples(device->handle, NVML_GPU_UTILIZATION_SAMPLES, since, &type, &count, buffer->data);
    }
    device->without_samples = error == NVML_ERROR_NOT_SUPPORTED || error == NVML_ERROR_FUNCTION_NOT_FOUND;
    if (!nvml_device_answered(device, error))
        return UINT64_MAX;
    return mean_of_samples(device, buffer->data, count < room ? count : room, since);
}

uint64_t nvml_device_usage(const struct nvml *nvml, struct nvml_device *device, struct nvml_buffer *buffer,
                           uint64_t since)
{
    struct nvml_utilization now = {0};
    if (device->without_usage)
        return UINT64_MAX;
    uint64_t usage = usage_by_samples(nvml, device, buffer, since);
    if (usage != UINT64_MAX || device->silent || !nvml->utilization)
        return usage;
    int error = nvml->utilization(device->handle, &now); /* no new sample, or none at all */
    device->without_usage = error == NVML_ERROR_NOT_SUPPORTED && (device->without_samples || !nvml->samples);
    if (!nvml_device_answered(device, error) || now.gpu > ALL_PERCENT)
        return UINT64_MAX;
    return (uint64_t)now.gpu * PER_PERCENT;
}

uint64_t nvml_device_energy(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned long long now = 0;
    if (!nvml->total_energy || device->without_energy || device->silent)
        return UINT64_MAX;
    int error = nvml->total_energy(device->handle, &now);
    device->without_energy = error == NVML_ERROR_NOT_SUPPORTED;
    if (!nvml_device_answered(device, error))
        return UINT64_MAX;
    uint64_t rise = device->energy != UINT64_MAX && now > device->energy ? now - device->energy : 0;
    device->energy = now;
    return rise;
}

uint64_t nvml_device_temperature(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned now = 0;
    if (!nvml->temperature || device->without_temperature || device->silent)
        return UINT64_MAX;
    int error = nvml->temperature(device->handle, NVML_TEMPERATURE_GPU, &now);
    device->without_temperature = error == NVML_ERROR_NOT_SUPPORTED;
    return nvml_device_answered(device, error) ? now : UINT64_MAX;
}

uint64_t nvml_device_power(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned now = 0;
    if (!nvml->power || device->without_power || device->silent)
        return UINT64_MAX;
    int error = nvml->power(device->handle, &now);
    device->without_power = error == NVML_ERROR_NOT_SUPPORTED;
    return nvml_device_answered(device, error) ? now : UINT64_MAX;
}

uint64_t nvml_device_clock(const struct nvml *nvml, struct nvml_device *device)
{
    unsigned now = 0;
    if (!nvml->clock || device->without_clock || device->silent)
        return UINT64_MAX;
    int error = nvml->clock(device->handle, NVML_CLOCK_GRAPHICS, &now);
    device->without_clock = error == NVML_ERROR_NOT_SUPPORTED;
    return nvml_device_answered(device, error) ? now : UINT64_MAX;
}
