/* A card of amdgpu is read through its attributes, and left alone while it may fall asleep. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_amd_card.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "collect/collect.h"
#include "collect/gpu/gpu_clients.h"

#define IDLE_BEFORE_REST (10 * CLOCK_SECOND)
#define REST_MARGIN      CLOCK_SECOND
#define REST_MAX         (60 * CLOCK_SECOND)

/* Reads an attribute without its newline; "" and -errno if it does not answer. */
static int attribute(const struct gpu_card *card, int drm, const char *name, char *ret, size_t size)
{
    char   path[sizeof card->name + sizeof "/device/power/autosuspend_delay_ms"];
    size_t len = 0;
    (void)snprintf(path, sizeof path, "%s/device/%s", card->name, name);
    int error = file_read(drm, path, ret, size, &len);
    if (error)
        len = 0;
    while (len > 0 && (ret[len - 1] == '\n' || ret[len - 1] == ' '))
        len--;
    ret[len] = '\0';
    return error;
}

static int parse(const char *content, uint64_t *ret)
{
    struct text t = text_of(content);
    uint64_t    value = 0;
    if (!text_unsigned(&t, &value) || text_len(t) > 0)
        return -EINVAL;
    *ret = value;
    return 0;
}

static int number(const struct gpu_card *card, int drm, const char *name, uint64_t *ret)
{
    char content[32];
    int  error = attribute(card, drm, name, content, sizeof content);
    *ret = METRIC_NONE;
    return error ? error : parse(content, ret);
}

/* The same of an attribute in the card's hwmon folder. */
static int sensor_number(const struct gpu_card *card, int drm, const char *name, uint64_t *ret)
{
    char path[sizeof card->hwmon + sizeof "/power1_average"];
    (void)snprintf(path, sizeof path, "%s/%s", card->hwmon, name);
    return number(card, drm, path, ret);
}

bool gpu_card_describe(const struct gpu_card *card, int drm, char ret_model[static GPU_MODEL_SIZE],
                       uint64_t *ret_memory)
{
    char vendor[16];
    char device[16];
    bool is_there = number(card, drm, "mem_info_vram_total", ret_memory) == 0;
    if (attribute(card, drm, "product_name", ret_model, GPU_MODEL_SIZE) == 0 && ret_model[0])
        return true;
    if (attribute(card, drm, "vendor", vendor, sizeof vendor) || attribute(card, drm, "device", device, sizeof device))
        return is_there;
    if (strncmp(vendor, "0x", 2) == 0 && strncmp(device, "0x", 2) == 0)
        (void)snprintf(ret_model, GPU_MODEL_SIZE, "AMD GPU %s:%s", vendor + 2, device + 2);
    return true;
}

/* Tells how long an idle device must be left alone to fall asleep; 0 for one that never does. */
static int64_t rest(const struct gpu_card *card, int drm)
{
    char     control[16];
    uint64_t delay = 0;
    if (attribute(card, drm, "power/control", control, sizeof control) || strcmp(control, "auto") != 0 ||
        number(card, drm, "power/autosuspend_delay_ms", &delay)) /* a negative delay is none */
        return 0;
    if (delay > (uint64_t)(REST_MAX / CLOCK_MILLISECOND))
        return REST_MAX;
    return (int64_t)delay * CLOCK_MILLISECOND + REST_MARGIN;
}

static void take_usage(struct gpu_card *card, int drm, uint64_t percent, bool may_sleep, int64_t now)
{
    card->usage = percent * (GPU_USAGE_ONE / 100);
    card->ask_at = now;
    if (percent > 0 || !may_sleep) {
        card->idle_since = 0;
        return;
    }
    if (card->idle_since == 0)
        card->idle_since = now;
    if (now - card->idle_since >= IDLE_BEFORE_REST) {
        card->ask_at = now + rest(card, drm);
        card->quiet_memory = card->memory;
    }
}

static void find_hwmon(struct gpu_card *card, int drm)
{
    char        path[sizeof card->name + sizeof "/device/hwmon"];
    uint64_t    cap = 0;
    struct dir  list;
    const char *name = NULL;
    card->hwmon_is_sought = true;
    (void)snprintf(path, sizeof path, "%s/device/hwmon", card->name);
    if (dir_open(&list, drm, path) < 0)
        return;
    while ((name = dir_next(&list)))
        if (text_starts(text_of(name), "hwmon") && strlen(name) < sizeof card->hwmon - sizeof "hwmon/")
            (void)snprintf(card->hwmon, sizeof card->hwmon, "hwmon/%.16s", name);
    dir_close(&list);
    card->has_power = card->hwmon[0] && sensor_number(card, drm, "power1_cap", &cap) == 0;
    card->has_average = card->has_power && sensor_number(card, drm, "power1_average", &cap) == 0;
}

/* Asks the device, so only where its usage is asked for too. */
static void ask_sensors(struct gpu_card *card, int drm)
{
    uint64_t millidegrees = 0;
    if (!card->hwmon_is_sought)
        find_hwmon(card, drm);
    card->power = card->temperature = card->clock = METRIC_NONE;
    if (card->has_power)
        (void)sensor_number(card, drm, card->has_average ? "power1_average" : "power1_input", &card->power);
    if (card->hwmon[0] && sensor_number(card, drm, "temp1_input", &millidegrees) == 0)
        card->temperature = millidegrees / 1000;
    if (card->keeps_clock && card->hwmon[0])
        (void)sensor_number(card, drm, "freq1_input", &card->clock);
}

/* Of a device that is left alone, the power that it had when it was found idle. */
static void add_energy(struct gpu_card *card, int64_t now)
{
    double seconds = card->read_at > 0 && now > card->read_at ? (double)(now - card->read_at) / CLOCK_SECOND : 0;
    card->read_at = now;
    if (card->power != METRIC_NONE)
        card->energy += (uint64_t)((double)card->power * seconds);
}

static void read_usage(struct gpu_card *card, int drm, bool has_client, int64_t now)
{
    char     status[16];
    uint64_t percent = 0;
    int      error = attribute(card, drm, "power/runtime_status", status, sizeof status);
    bool     is_active = strcmp(status, "active") == 0;
    bool     is_asleep = strcmp(status, "suspended") == 0 || strcmp(status, "suspending") == 0;
    bool     is_resting = is_active && !has_client && now < card->ask_at && card->memory == card->quiet_memory;
    card->usage = METRIC_NONE;
    if (is_asleep || is_resting) {
        card->usage = 0;
        if (is_asleep && card->power != METRIC_NONE)
            card->power = 0;
    } else if (error == -ENOENT || is_active || strcmp(status, "unsupported") == 0) {
        /* A device that is being reset says EPERM or EBUSY. Some have no such sensor, or one that says 655 percent. */
        if (number(card, drm, "gpu_busy_percent", &percent) == 0 && percent <= 100)
            take_usage(card, drm, percent, is_active && !has_client, now);
        ask_sensors(card, drm);
    }
}

bool gpu_card_read(struct gpu_card *card, int drm, bool has_client, int64_t now)
{
    (void)number(card, drm, "mem_info_vram_used", &card->memory);
    read_usage(card, drm, has_client, now);
    add_energy(card, now);
    return card->usage != METRIC_NONE || card->memory != METRIC_NONE;
}
