/* NVIDIA's devices: NVML is begun, asked in each reading, and left or begun anew when it fails. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_nvml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collect/gpu/gpu.h"

#define RETRY   (60 * CLOCK_SECOND)
#define MIB     (UINT64_C(1024) * 1024)
#define NS_A_US INT64_C(1000)
#define UJ_A_MJ UINT64_C(1000)

static const struct gpu_state nothing = {METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE, METRIC_NONE};

void gpu_nvml_prepare(const struct roots *roots)
{
    (void)nvml_library_load(roots, NULL);
}

int gpu_nvml_open(struct gpu_nvml *nvml, const struct roots *roots)
{
    *nvml = (struct gpu_nvml){.nvml = nvml_library(), .since = clock_real()};
    if (!nvml->nvml)
        return -ENODEV;
    nvml_uses_init(&nvml->uses, roots->proc);
    return 0;
}

void gpu_nvml_allow(struct gpu_nvml *nvml)
{
    nvml->allowed = true;
}

static void shut_down(struct gpu_nvml *nvml)
{
    if (nvml->live)
        (void)nvml->nvml->shutdown();
    nvml->live = false;
    nvml->count = 0;
}

/* Finds the devices that can be had; another container's, or a broken one, is left out. */
static void find_devices(struct gpu_nvml *nvml)
{
    unsigned count = 0;
    if (nvml->nvml->count(&count) != NVML_SUCCESS)
        return;
    count = count < NVML_DEVICES_MAX ? count : NVML_DEVICES_MAX;
    struct nvml_device *devices = count > 0 ? calloc(count, sizeof *devices) : NULL;
    if (!devices)
        return;
    free(nvml->devices);
    nvml->devices = devices;
    for (unsigned i = 0; i < count; i++) {
        struct nvml_device *device = &devices[nvml->count];
        if (nvml->nvml->handle(i, &device->handle) != NVML_SUCCESS)
            continue;
        device->energy = UINT64_MAX;
        device->state = nothing;
        nvml_device_find_parts(nvml->nvml, device);
        nvml->count++;
    }
}

static void learn_facts(struct gpu_nvml *nvml)
{
    const struct nvml *n = nvml->nvml;
    uint64_t           memory = 0;
    bool               told = false;
    if (nvml->count == 0)
        return;
    nvml->known_devices = nvml->count;
    if (!n->name || n->name(nvml->devices[0].handle, nvml->model, sizeof nvml->model) != NVML_SUCCESS)
        nvml->model[0] = '\0';
    nvml->model[sizeof nvml->model - 1] = '\0';
    for (unsigned i = 0; i < nvml->count; i++) {
        struct nvml_device whole = nvml->devices[i];
        uint64_t           total = 0;
        whole.part_count = 0;
        if (nvml_device_memory(n, &whole, &total) == UINT64_MAX) /* in a container that has but a part */
            (void)nvml_device_memory(n, &nvml->devices[i], &total);
        told = told || total > 0;
        memory += total;
    }
    nvml->known_memory = told ? memory : METRIC_NONE;
}

/* Begins NVML: that takes some milliseconds, or seconds when the driver has to wake the devices. */
static int come_alive(struct gpu_nvml *nvml, int64_t now)
{
    if (nvml->live)
        return 0;
    if (!nvml->allowed || now < nvml->retry)
        return -ENODATA;
    nvml->retry = now + RETRY;
    if (nvml->nvml->init_with_flags(NVML_INIT_FLAG_NO_GPUS) != NVML_SUCCESS)
        return -ENODATA;
    nvml->live = true;
    find_devices(nvml);
    learn_facts(nvml);
    if (nvml->count > 0)
        return 0;
    shut_down(nvml);
    return -ENODATA;
}

static void add_to(uint64_t *sum, uint64_t value)
{
    if (value != METRIC_NONE)
        *sum = *sum == METRIC_NONE ? value : *sum + value;
}

static void add_use(uint64_t *usage, uint64_t *used, uint64_t value)
{
    add_to(usage, value);
    if (value != METRIC_NONE)
        add_to(used, value > 0 ? 1 : 0);
}

/* Tells since when samples are new; a clock that was set back must not make them old for hours. */
static uint64_t newer_than(uint64_t seen, int64_t since, int64_t now)
{
    uint64_t begin = since > 0 ? (uint64_t)(since / NS_A_US) : 0;
    return seen > 0 && seen <= (uint64_t)((now + CLOCK_SECOND) / NS_A_US) ? seen : begin;
}

static bool read_device(struct gpu_nvml *nvml, struct nvml_device *device, const struct process_tree *tree,
                        struct gpu_reading *add)
{
    int64_t  now = clock_real();
    int64_t  since = nvml->since < now ? nvml->since : now - CLOCK_SECOND;
    uint64_t total = 0;
    uint64_t tree_usage = METRIC_NONE;
    uint64_t tree_memory = METRIC_NONE;
    device->silent = false;
    device->state = nothing;
    uint64_t memory = nvml_device_memory(nvml->nvml, device, &total);
    if (memory == UINT64_MAX && device->part_count > 0 && !device->lost) { /* parts come and go */
        nvml_device_find_parts(nvml->nvml, device);
        memory = nvml_device_memory(nvml->nvml, device, &total);
    }
    uint64_t usage = device->silent
                         ? METRIC_NONE
                         : nvml_device_usage(nvml->nvml, device, &nvml->buffer, newer_than(device->seen, since, now));
    if (!device->silent && tree)
        nvml_uses_read(&nvml->uses, nvml->nvml, device, &nvml->buffer, tree,
                       newer_than(device->process_seen, since, now), &tree_usage, &tree_memory);
    if (device->lost)
        return false;
    add_to(&add->memory, memory);
    add_use(&add->usage, &add->used, usage);
    uint64_t energy = nvml_device_energy(nvml->nvml, device);
    nvml->energy += energy == UINT64_MAX ? 0 : energy * UJ_A_MJ;
    nvml->has_energy = nvml->has_energy || energy != UINT64_MAX;
    device->state = (struct gpu_state){.usage = usage,
                                       .tree_usage = tree_usage,
                                       .memory = memory,
                                       .tree_memory = tree_memory,
                                       .temperature = nvml_device_temperature(nvml->nvml, device),
                                       .power = nvml_device_power(nvml->nvml, device)};
    add_to(&add->tree_memory, tree_memory);
    add_use(&add->tree_usage, &add->tree_used, tree_usage);
    return memory != METRIC_NONE || usage != METRIC_NONE || tree_memory != METRIC_NONE;
}

int gpu_nvml_read(struct gpu_nvml *nvml, const struct process_tree *tree, int64_t now, struct gpu_reading *add)
{
    bool     answered = false;
    unsigned lost = 0;
    if (come_alive(nvml, now) < 0)
        return -ENODATA;
    for (unsigned i = 0; i < nvml->count; i++) {
        if (!nvml->devices[i].lost)
            answered = read_device(nvml, &nvml->devices[i], tree, add) || answered;
        lost += nvml->devices[i].lost;
    }
    nvml->since = clock_real();
    if (nvml->has_energy)
        add_to(&add->energy, nvml->energy);
    if (lost == nvml->count) { /* the driver is gone: it is begun anew in a minute, if it is back */
        shut_down(nvml);
        nvml->retry = now + RETRY;
    }
    return answered ? 0 : -ENODATA;
}

void gpu_nvml_facts(struct gpu_nvml *nvml, struct machine *add)
{
    (void)come_alive(nvml, clock_monotonic());
    if (nvml->known_devices == 0)
        return;
    if (add->gpu_model[0] == '\0')
        memcpy(add->gpu_model, nvml->model, sizeof nvml->model);
    add_to(&add->gpu_count, nvml->known_devices);
    add_to(&add->gpu_memory_mib, nvml->known_memory == METRIC_NONE ? METRIC_NONE : nvml->known_memory / MIB);
}

static void ask_text(int (*question)(nvmlDevice_t device, char *ret, unsigned size), struct nvml_device *device,
                     char *ret, size_t size)
{
    if (!question || !nvml_device_answered(device, question(device->handle, ret, (unsigned)size)))
        ret[0] = '\0';
    ret[size - 1] = '\0';
}

void gpu_nvml_detail(struct gpu_nvml *nvml, unsigned i, struct gpu_detail *ret)
{
    struct nvml_device *device = &nvml->devices[i];
    uint64_t            total = 0;
    if (!nvml->live || device->lost || device->silent)
        return;
    ask_text(nvml->nvml->name, device, ret->name, sizeof ret->name);
    ask_text(nvml->nvml->uuid, device, ret->uuid, sizeof ret->uuid);
    if (!device->silent && nvml_device_memory(nvml->nvml, device, &total) != UINT64_MAX)
        ret->memory_total = total;
    ret->clock = nvml_device_clock(nvml->nvml, device);
}

void gpu_nvml_suspend(struct gpu_nvml *nvml)
{
    shut_down(nvml);
    nvml->allowed = false;
    nvml->retry = 0;
}

void gpu_nvml_leave(struct gpu_nvml *nvml)
{
    nvml->allowed = false;
    nvml->live = false;
    nvml->count = 0;
}

void gpu_nvml_close(struct gpu_nvml *nvml)
{
    free(nvml->devices);
    nvml->devices = NULL;
    nvml->count = 0;
    nvml_buffer_done(&nvml->buffer);
    nvml_uses_done(&nvml->uses);
}
