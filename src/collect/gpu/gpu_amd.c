/* GPUs of amdgpu: cards are found in sysfs, clients by fdinfo, and their figures added up. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_amd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"
#include "collect/gpu/gpu.h"
#include "collect/gpu/gpu_amd_kfd.h"

/* True for "card0", and for none of its connectors ("card0-DP-1"). */
static bool is_card(const char *name)
{
    struct text t = text_of(name);
    uint64_t    number = 0;
    return text_skip(&t, "card") && t.at < t.end && ascii_is_digit(*t.at) && text_unsigned(&t, &number) &&
           text_len(t) == 0;
}

/* Reads the last part of the target of the link NAME/what; "" without one, or if it is longer than any that is wanted.
 */
static void end_of_link(int drm, const char *name, const char *what, char *ret, size_t size)
{
    char path[64];
    char target[256];
    ret[0] = '\0';
    if (snprintf(path, sizeof path, "%s/%s", name, what) >= (int)sizeof path)
        return;
    ssize_t len = readlinkat(drm, path, target, sizeof target);
    if (len <= 0 || (size_t)len >= sizeof target)
        return;
    struct text t = text_span(target, (size_t)len);
    (void)text_after_last(&t, '/');
    (void)text_copy(t, ret, size);
}

static void add_card(struct gpu_amd *amd, const char *name)
{
    struct gpu_card *card = &amd->card[amd->cards];
    if (amd->cards == GPU_DEVICES_MAX || strlen(name) >= sizeof card->name)
        return;
    *card = (struct gpu_card){.usage = METRIC_NONE,
                              .memory = METRIC_NONE,
                              .temperature = METRIC_NONE,
                              .power = METRIC_NONE,
                              .clock = METRIC_NONE};
    (void)snprintf(card->name, sizeof card->name, "%s", name);
    end_of_link(amd->drm, name, "device", card->pdev, sizeof card->pdev);
    amd->cards++;
}

int gpu_amd_open(struct gpu_amd *amd, const struct roots *roots)
{
    struct dir  dir;
    const char *name;
    bool        has_others = false;
    amd->roots = *roots;
    amd->cards = 0;
    amd->boot_ticks = 0;
    amd->has_begun = amd->kfd_is_trees = amd->keeps_clock = false;
    amd->drm = roots_open(roots->sys, "class/drm", O_DIRECTORY);
    if (amd->drm < 0)
        return -ENODEV;
    dir_rewind(&dir, amd->drm);
    while ((name = dir_next(&dir))) {
        char driver[GPU_DRIVER_SIZE];
        if (!is_card(name))
            continue;
        end_of_link(amd->drm, name, "device/driver", driver, sizeof driver);
        if (strcmp(driver, "amdgpu") == 0)
            add_card(amd, name);
        else
            has_others = has_others || gpu_fdinfo_counts(text_of(driver));
    }
    if (amd->cards == 0 && !has_others) {
        file_close(&amd->drm);
        return -ENODEV;
    }
    gpu_clients_init(&amd->clients);
    return 0;
}

static void add_to(uint64_t *sum, uint64_t value)
{
    if (value != METRIC_NONE)
        *sum = (*sum == METRIC_NONE ? 0 : *sum) + value;
}

/* Finds the use of this device by the tree's clients; NULL without any. */
static const struct gpu_device *device_of(const struct gpu_amd *amd, const struct gpu_card *card)
{
    for (unsigned i = 0; i < amd->clients.devices; i++) {
        const struct gpu_device *device = &amd->clients.device[i];
        if (device->has_client && strcmp(device->driver, "amdgpu") == 0 && strcmp(device->pdev, card->pdev) == 0)
            return device;
    }
    return NULL;
}

static bool read_cards(struct gpu_amd *amd, int64_t now, struct gpu_reading *add)
{
    bool has_answered = false;
    for (unsigned i = 0; i < amd->cards; i++) {
        struct gpu_card *card = &amd->card[i];
        bool             has_client = amd->clients.search.has_kfd || device_of(amd, card);
        card->keeps_clock = amd->keeps_clock;
        if (!gpu_card_read(card, amd->drm, has_client, now))
            continue;
        has_answered = true;
        add_to(&add->memory, card->memory);
        add_to(&add->usage, card->usage);
        if (card->has_power)
            add_to(&add->energy, card->energy);
        if (card->usage != METRIC_NONE)
            add_to(&add->used, card->usage > 0);
    }
    return has_answered;
}

/* Clients share buffers, so their sum may be more than there is. */
static uint64_t memory_of(const struct gpu_amd *amd, const struct gpu_device *device)
{
    for (unsigned i = 0; i < amd->cards; i++)
        if (device_of(amd, &amd->card[i]) == device && amd->card[i].memory < device->memory)
            return amd->card[i].memory;
    return device->memory;
}

/* Usage goes by engine times. Where the tree computes by KFD and nobody else does, it goes by the figures of the
 * devices that the tree has open. METRIC_NONE where nobody can tell. */
static uint64_t tree_usage(const struct gpu_amd *amd, const struct gpu_device *device)
{
    if (!amd->clients.search.has_kfd || strcmp(device->driver, "amdgpu") != 0)
        return device->usage;
    for (unsigned i = 0; i < amd->cards && amd->kfd_is_trees; i++)
        if (device_of(amd, &amd->card[i]) == device && amd->card[i].usage != METRIC_NONE)
            return amd->card[i].usage > device->usage ? amd->card[i].usage : device->usage;
    return METRIC_NONE;
}

static bool add_tree(const struct gpu_amd *amd, struct gpu_reading *add)
{
    const struct gpu_clients *clients = &amd->clients;
    struct gpu_reading        tree = {.tree_usage = 0};
    bool                      has_any = amd->cards > 0 || clients->has_spoken;
    bool                      is_told = true;
    if (!clients->search.is_known || !has_any || (clients->is_mute && !clients->has_spoken))
        return false;
    for (unsigned i = 0; i < clients->devices; i++) {
        const struct gpu_device *device = &clients->device[i];
        if (!device->has_client)
            continue;
        uint64_t usage = tree_usage(amd, device);
        is_told = is_told && usage != METRIC_NONE;
        tree.tree_usage += usage;
        tree.tree_used += usage > 0;
        if (device->memory != METRIC_NONE)
            tree.tree_memory += memory_of(amd, device);
    }
    add_to(&add->tree_memory, tree.tree_memory);
    if (is_told) {
        add_to(&add->tree_usage, tree.tree_usage);
        add_to(&add->tree_used, tree.tree_used);
    }
    return true;
}

static void read_clients(struct gpu_amd *amd, const struct process_tree *tree, int64_t now)
{
    /* With few descriptor numbers the tree's own is closed by now. */
    int own = tree->proc < 0 ? roots_open(amd->roots.proc, ".", O_DIRECTORY) : -1;
    int proc = tree->proc < 0 ? own : tree->proc;
    if (proc >= 0)
        gpu_clients_read(&amd->clients, proc, &tree->table, amd->boot_ticks, now);
    amd->kfd_is_trees = amd->clients.search.has_kfd && gpu_kfd_is_trees(&amd->roots, proc, &tree->table);
    file_close(&own);
    amd->boot_ticks = tree->boot_ticks[0];
}

int gpu_amd_read(struct gpu_amd *amd, const struct process_tree *tree, int64_t now, struct gpu_reading *add)
{
    bool is_baseline = !amd->has_begun;
    amd->has_begun = true;
    if (tree)
        read_clients(amd, tree, now);
    if (is_baseline) {
        for (unsigned i = 0; i < amd->cards; i++)
            amd->card[i].read_at = now;
        return -ENODATA;
    }
    if (amd->drm < 0 && amd->cards > 0)
        amd->drm = roots_open(amd->roots.sys, "class/drm", O_DIRECTORY);
    bool has_answered = amd->drm >= 0 && read_cards(amd, now, add);
    if (!has_answered) /* a driver that is loaded again has another folder */
        file_close(&amd->drm);
    bool is_known = tree && add_tree(amd, add);
    return has_answered || is_known ? 0 : -ENODATA;
}

void gpu_amd_state(const struct gpu_amd *amd, unsigned card, struct gpu_state *ret)
{
    const struct gpu_card   *c = &amd->card[card];
    const struct gpu_device *device = device_of(amd, c);
    bool                     is_known = amd->clients.search.is_known;
    *ret = (struct gpu_state){.usage = c->usage,
                              .memory = c->memory,
                              .tree_usage = device     ? tree_usage(amd, device)
                                            : is_known ? 0
                                                       : METRIC_NONE,
                              .tree_memory = device     ? device->memory
                                             : is_known ? 0
                                                        : METRIC_NONE,
                              .temperature = c->temperature,
                              .power = c->power == METRIC_NONE ? METRIC_NONE : c->power / 1000};
}

void gpu_amd_detail(const struct gpu_amd *amd, unsigned i, struct gpu_detail *ret)
{
    const struct gpu_card *card = &amd->card[i];
    char                   model[GPU_MODEL_SIZE] = "";
    (void)snprintf(ret->uuid, sizeof ret->uuid, "%s", card->pdev);
    if (card->clock != METRIC_NONE)
        ret->clock = card->clock / 1000000;
    if (amd->drm < 0 || !gpu_card_describe(card, amd->drm, model, &ret->memory_total))
        return;
    (void)snprintf(ret->name, sizeof ret->name, "%s", model);
}

bool gpu_amd_has_energy(const struct gpu_amd *amd)
{
    for (unsigned i = 0; i < amd->cards; i++)
        if (amd->card[i].has_power)
            return true;
    return false;
}

void gpu_amd_facts(const struct gpu_amd *amd, struct machine *add)
{
    uint64_t count = 0;
    int      drm = roots_open(amd->roots.sys, "class/drm", O_DIRECTORY);
    for (unsigned i = 0; i < amd->cards && drm >= 0; i++) {
        char     model[GPU_MODEL_SIZE];
        uint64_t memory = METRIC_NONE;
        if (!gpu_card_describe(&amd->card[i], drm, model, &memory))
            continue;
        count++;
        if (!add->gpu_model[0])
            (void)snprintf(add->gpu_model, sizeof add->gpu_model, "%s", model);
        if (memory != METRIC_NONE)
            add_to(&add->gpu_memory_mib, memory / 1048576);
    }
    file_close(&drm);
    if (count > 0)
        add_to(&add->gpu_count, count);
}

void gpu_amd_suspend(struct gpu_amd *amd)
{
    file_close(&amd->drm);
}

void gpu_amd_close(struct gpu_amd *amd)
{
    file_close(&amd->drm);
    gpu_clients_done(&amd->clients);
}
