/* A card of amdgpu is read through its attributes, and left alone while it may fall asleep. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_amd_card.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
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

static int number(const struct gpu_card *card, int drm, const char *name, uint64_t *ret)
{
    char        content[32];
    int         error = attribute(card, drm, name, content, sizeof content);
    struct text t = text_of(content);
    uint64_t    value = 0;
    *ret = METRIC_NONE;
    if (error)
        return error;
    if (!text_unsigned(&t, &value) || text_len(t) > 0)
        return -EINVAL;
    *ret = value;
    return 0;
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
    } else if (error == -ENOENT || is_active || strcmp(status, "unsupported") == 0) {
        /* A device that is being reset says EPERM or EBUSY. Some have no such sensor, or one that says 655 percent. */
        if (number(card, drm, "gpu_busy_percent", &percent) == 0 && percent <= 100)
            take_usage(card, drm, percent, is_active && !has_client, now);
    }
}

bool gpu_card_read(struct gpu_card *card, int drm, bool has_client, int64_t now)
{
    (void)number(card, drm, "mem_info_vram_used", &card->memory);
    read_usage(card, drm, has_client, now);
    return card->usage != METRIC_NONE || card->memory != METRIC_NONE;
}
