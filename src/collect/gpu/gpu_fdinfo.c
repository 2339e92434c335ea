/* The parser of DRM clients' fdinfo. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_fdinfo.h"

#include <string.h>

#include "base/array.h"
#include "collect/collect.h"

/* amdgpu; i915; xe; msm; panfrost; panthor; v3d. */
static const char *const engine_names[] = {"gfx",      "compute",      "render",  "rcs", "ccs", "gpu",
                                           "fragment", "vertex-tiler", "panthor", "bin", "csd"};
enum { ENGINE_NAMES = ARRAY_LENGTH(engine_names) };

/* The sums over regions of the device's own memory, by the keys' families. */
struct memory {
    uint64_t resident, memory, total; /* bytes, METRIC_NONE: not met */
};

bool gpu_fdinfo_counts(struct text driver)
{
    static const char *const names[] = {"amdgpu", "i915", "xe", "panfrost", "panthor", "v3d"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_is(driver, names[i]))
            return true;
    return text_starts(driver, "msm"); /* the driver of the platform device has a suffix */
}

/* Splits "KEY:   VALUE". */
static bool split(struct text line, struct text *ret_key, struct text *ret_value)
{
    if (!text_skip(&line, "drm-") || !text_until(&line, ':', ret_key) || ret_key->end == line.end)
        return false;
    text_trim(&line);
    *ret_value = line;
    return text_len(line) > 0;
}

static struct gpu_engine *engine_of(struct gpu_fdinfo *info, struct text name)
{
    uint8_t number = 0;
    while (number < ENGINE_NAMES && !text_is(name, engine_names[number]))
        number++;
    if (number++ == ENGINE_NAMES)
        return NULL;
    for (unsigned i = 0; i < info->engines; i++)
        if (info->engine[i].name == number)
            return &info->engine[i];
    if (info->engines == GPU_ENGINES_MAX)
        return NULL;
    struct gpu_engine *engine = &info->engine[info->engines++];
    *engine = (struct gpu_engine){.name = number};
    return engine;
}

static void take_engine(struct gpu_fdinfo *info, struct text key, struct text value)
{
    enum { NS, CAPACITY, CYCLES, TOTAL } kind;
    struct gpu_engine *engine;
    uint64_t           number = 0;
    if (text_skip(&key, "engine-capacity-"))
        kind = CAPACITY;
    else if (text_skip(&key, "engine-"))
        kind = NS;
    else if (text_skip(&key, "cycles-"))
        kind = CYCLES;
    else if (text_skip(&key, "total-cycles-"))
        kind = TOTAL;
    else
        return;
    if (!text_unsigned(&value, &number) || (kind == NS && !text_is(value, " ns")) || !(engine = engine_of(info, key)))
        return;
    if (kind == CAPACITY)
        engine->capacity = number;
    if (kind == NS) {
        engine->ns = number;
        engine->has_ns = true;
    } else if (kind == CYCLES) {
        engine->cycles = number;
        engine->has_cycles = true;
    } else if (kind == TOTAL) {
        engine->total = number;
        engine->has_total = true;
    }
}

static bool bytes_of(struct text value, uint64_t *ret)
{
    static const struct {
        const char *name;
        unsigned    shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    if (!text_unsigned(&value, ret))
        return false;
    text_blanks(&value);
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!text_is(value, units[i].name))
            continue;
        if (*ret > (UINT64_C(1) << 60) >> units[i].shift) /* no device has an exbibyte: that is no size */
            return false;
        *ret <<= units[i].shift;
        return true;
    }
    return false;
}

static void take_memory(struct memory *memory, struct text key, struct text value)
{
    uint64_t *sum;
    uint64_t  bytes = 0;
    if (text_skip(&key, "resident-"))
        sum = &memory->resident;
    else if (text_skip(&key, "memory-"))
        sum = &memory->memory;
    else if (text_skip(&key, "total-"))
        sum = &memory->total;
    else
        return;
    if ((!text_skip(&key, "vram") && !text_skip(&key, "local")) || !bytes_of(value, &bytes))
        return;
    uint64_t number = 0;
    if (text_len(key) > 0 && (!text_unsigned(&key, &number) || text_len(key) > 0))
        return; /* "vram-visible" is a part of "vram" */
    if (*sum == METRIC_NONE)
        *sum = 0;
    if (bytes < (UINT64_C(1) << 62) - *sum)
        *sum += bytes;
}

bool gpu_fdinfo_parse(struct text t, struct gpu_fdinfo *ret)
{
    struct memory memory = {METRIC_NONE, METRIC_NONE, METRIC_NONE};
    struct text   line;
    struct text   key;
    struct text   value;
    bool          has_client = false;
    *ret = (struct gpu_fdinfo){.vram = METRIC_NONE};
    while (text_line(&t, &line)) {
        if (!split(line, &key, &value))
            continue;
        if (text_is(key, "driver"))
            (void)text_copy(value, ret->driver, sizeof ret->driver);
        else if (text_is(key, "pdev"))
            (void)text_copy(value, ret->pdev, sizeof ret->pdev);
        else if (text_is(key, "client-id"))
            has_client = text_unsigned(&value, &ret->client) && text_len(value) == 0;
        take_engine(ret, key, value);
        take_memory(&memory, key, value);
    }
    ret->vram = memory.resident != METRIC_NONE ? memory.resident
                : memory.memory != METRIC_NONE ? memory.memory
                                               : memory.total;
    return has_client && gpu_fdinfo_counts(text_of(ret->driver));
}

bool gpu_fdinfo_is_drm(struct text t)
{
    struct text line;
    while (text_line(&t, &line))
        if (text_starts(line, "drm-driver:"))
            return true;
    return false;
}
