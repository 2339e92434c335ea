// SPDX-License-Identifier: Apache-2.0
#include "collect/devices.h"

#include <stdlib.h>
#include <string.h>

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

void devices_begin(struct devices *devices)
{
    devices->next = 0;
    devices->changed = false;
    for (size_t i = 0; i < devices->count; i++) {
        devices->list[i].was_present = devices->list[i].present;
        devices->list[i].present = false;
    }
}

static struct device *find(struct devices *devices, struct text name)
{
    for (size_t n = 0; n < devices->count; n++) {
        size_t i = (devices->next + n) % devices->count;
        if (text_is(name, devices->list[i].name)) {
            devices->next = i + 1;
            return &devices->list[i];
        }
    }
    return NULL;
}

/* The place of a device that is gone is taken before the list grows: containers come with ever new names. */
static struct device *place(struct devices *devices)
{
    for (size_t i = 0; devices->list && i < devices->count; i++)
        if (!devices->list[i].present && !devices->list[i].was_present)
            return &devices->list[i];
    if (devices->count == devices->capacity) {
        size_t capacity = devices->capacity ? devices->capacity * 2 : DEVICES_FIRST;
        if (capacity > DEVICES_MAX)
            return NULL;
        struct device *list = realloc(devices->list, capacity * sizeof *list);
        if (!list)
            return NULL;
        devices->list = list;
        devices->capacity = capacity;
    }
    return &devices->list[devices->count++];
}

void devices_add(struct devices *devices, struct text name, uint64_t in, uint64_t out)
{
    struct device *device = find(devices, name);
    if (!device) {
        if (text_len(name) == 0 || text_len(name) >= DEVICE_NAME_SIZE)
            return;
        device = place(devices);
        if (!device) {
            devices->crowded = true;
            return;
        }
        *device = (struct device){0};
        (void)text_copy(name, device->name, sizeof device->name);
    }
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

static uint64_t growth(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

void devices_settle(struct devices *devices, bool new_from_zero)
{
    for (size_t i = 0; i < devices->count; i++) {
        struct device *device = &devices->list[i];
        if (!device->present || !device->counted)
            continue;
        if (device->was_present) {
            devices->in_total += growth(device->in_before, device->in);
            devices->out_total += growth(device->out_before, device->out);
        } else if (!devices->begun || (new_from_zero && !devices->crowded)) {
            devices->in_total += device->in;
            devices->out_total += device->out;
        }
    }
    devices->begun = true;
}
