/* Counters by name: a list in the kernel's order, compared with the reading before. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/devices.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"

enum { DEVICES_FIRST = 16 };

void devices_init(struct devices *devices)
{
    *devices = (struct devices){0};
}

void devices_done(struct devices *devices)
{
    free(devices->list);
    devices_init(devices);
}

/* A device that was missing in two readings is forgotten: containers come with ever new names. */
void devices_begin(struct devices *devices)
{
    size_t kept = 0;
    for (size_t i = 0; i < devices->count; i++) {
        struct device *device = &devices->list[i];
        if (!device->present && !device->was_present)
            continue;
        device->was_present = device->present;
        device->present = false;
        if (kept != i)
            devices->list[kept] = *device;
        kept++;
    }
    devices->count = kept;
    devices->met = 0;
    devices->changed = false;
}

/* The list follows the kernel's order, so the next name is nearly always the next in it. */
static struct device *find(struct devices *devices, struct text name)
{
    for (size_t i = devices->met; i < devices->count; i++)
        if (text_is(name, devices->list[i].name))
            return &devices->list[i];
    return NULL;
}

static struct device *append(struct devices *devices, struct text name)
{
    if (!devices->list || devices->count == devices->capacity) {
        size_t capacity = devices->capacity ? devices->capacity * 2 : DEVICES_FIRST;
        if (capacity > DEVICES_MAX)
            return NULL;
        struct device *list = realloc(devices->list, capacity * sizeof *list);
        if (!list)
            return NULL;
        devices->list = list;
        devices->capacity = capacity;
    }
    struct device *device = &devices->list[devices->count++];
    *device = (struct device){0};
    (void)text_copy(name, device->name, sizeof device->name);
    return device;
}

/* Moves a device behind those that were met already; the others move up. */
static struct device *place(struct devices *devices, const struct device *device)
{
    struct device *to = &devices->list[devices->met++];
    struct device  moved = *device;
    memmove(to + 1, to, (size_t)(device - to) * sizeof *to);
    *to = moved;
    return to;
}

void devices_add(struct devices *devices, struct text name, uint64_t in, uint64_t out)
{
    struct device *device = find(devices, name);
    if (!device) {
        if (text_len(name) == 0 || text_len(name) >= DEVICE_NAME_SIZE)
            return;
        device = append(devices, name);
        if (!device) {
            devices->crowded = true;
            return;
        }
    }
    device = place(devices, device);
    device->present = true;
    device->in_before = device->in;
    device->out_before = device->out;
    device->in = in;
    device->out = out;
}

void devices_met(struct devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        if (devices->list[i].present != devices->list[i].was_present)
            devices->changed = true;
}

void devices_forget(struct devices *devices)
{
    for (size_t i = 0; i < devices->count; i++)
        devices->list[i].present = false;
}

/* The kernel lists disks by their position, in several pieces: when one goes in between, another may be left out once.
 * A disk that was left out comes back with more than it had; a new disk under its name, with less. */
static void grown_from_zero(const struct device *device, uint64_t *ret_in, uint64_t *ret_out)
{
    bool is_same = device->in >= device->in_before && device->out >= device->out_before;
    *ret_in = device->in - (is_same ? device->in_before : 0);
    *ret_out = device->out - (is_same ? device->out_before : 0);
}

void devices_growth(const struct devices *devices, const struct device *device, bool new_from_zero, uint64_t *ret_in,
                    uint64_t *ret_out)
{
    *ret_in = *ret_out = 0;
    if (device->was_present) {
        *ret_in = saturating_subtract(device->in, device->in_before);
        *ret_out = saturating_subtract(device->out, device->out_before);
    } else if (!devices->begun || (new_from_zero && !devices->crowded)) {
        grown_from_zero(device, ret_in, ret_out);
    }
}

void devices_settle(struct devices *devices, bool new_from_zero)
{
    for (size_t i = 0; i < devices->count; i++) {
        const struct device *device = &devices->list[i];
        uint64_t             in = 0;
        uint64_t             out = 0;
        if (!device->present || !device->counted)
            continue;
        devices_growth(devices, device, new_from_zero, &in, &out);
        devices->in_total += in;
        devices->out_total += out;
    }
    devices->begun = true;
}
