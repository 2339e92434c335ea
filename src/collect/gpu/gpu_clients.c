/* Clients of DRM devices: each is read through one of its descriptors, and its engines' times become usage. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/gpu_clients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "collect/collect.h"
#include "collect/tree/process_stat.h"

/* A descriptor whose client was read through another one is looked at only so often: its number may be another client's
 * by now. */
enum { CLIENTS_FIRST = 8, SPARE_ROWS = 16 };

struct gpu_client {
    uint64_t          id;
    uint32_t          row; /* the last reading in which it was there; 0: a free place */
    uint8_t           device;
    uint8_t           engines;
    int64_t           at; /* ns, when the counters were as follows */
    struct gpu_engine engine[GPU_ENGINES_MAX];
    uint64_t          vram;
    uint64_t          usage; /* 1/10000, until `at` */
};

void gpu_clients_init(struct gpu_clients *clients)
{
    *clients = (struct gpu_clients){.devices = 0};
    gpu_search_init(&clients->search);
}

void gpu_clients_done(struct gpu_clients *clients)
{
    gpu_search_done(&clients->search);
    free(clients->list);
    clients->list = NULL;
    clients->count = clients->capacity = 0;
}

/* Returns the device's index, or -1 when there are too many. */
static int device_of(struct gpu_clients *clients, const struct gpu_fdinfo *info)
{
    for (unsigned i = 0; i < clients->devices; i++)
        if (strcmp(clients->device[i].pdev, info->pdev) == 0 && strcmp(clients->device[i].driver, info->driver) == 0)
            return (int)i;
    if (clients->devices == GPU_DEVICES_MAX)
        return -1;
    struct gpu_device *device = &clients->device[clients->devices];
    *device = (struct gpu_device){.memory = METRIC_NONE};
    memcpy(device->driver, info->driver, sizeof device->driver);
    memcpy(device->pdev, info->pdev, sizeof device->pdev);
    return (int)clients->devices++;
}

static bool is_alive(const struct gpu_clients *clients, const struct gpu_client *c)
{
    return c->row > 0 && c->row + 1 >= clients->search.row;
}

/* Finds the client, or a place for it with row 0; NULL when there are too many. */
static struct gpu_client *client_of(struct gpu_clients *clients, uint8_t device, uint64_t id)
{
    struct gpu_client *place = NULL;
    for (size_t i = 0; i < clients->count; i++) {
        struct gpu_client *c = &clients->list[i];
        if (!is_alive(clients, c))
            place = place ? place : c;
        else if (c->device == device && c->id == id)
            return c;
    }
    if (!place && clients->count == clients->capacity) {
        size_t             capacity = clients->capacity ? clients->capacity * 2 : CLIENTS_FIRST;
        struct gpu_client *list = capacity > GPU_CLIENTS_MAX ? NULL : realloc(clients->list, capacity * sizeof *list);
        if (!list)
            return NULL;
        clients->list = list;
        clients->capacity = capacity;
    }
    if (!place)
        place = &clients->list[clients->count++];
    *place = (struct gpu_client){.id = id, .device = device};
    return place;
}

static double rise(uint64_t before, uint64_t now)
{
    return (double)saturating_subtract(now, before);
}

/* Returns the engine's share of the time since `before`; 1 is all of one device. */
static double share(const struct gpu_engine *before, const struct gpu_engine *now, int64_t elapsed)
{
    double capacity = now->capacity > 0 ? (double)now->capacity : 1;
    if (now->has_ns && elapsed > 0)
        return rise(before->ns, now->ns) / (double)elapsed / capacity;
    double total = rise(before->total, now->total);
    if (now->has_cycles && now->has_total && total > 0)
        return rise(before->cycles, now->cycles) / total / capacity;
    return 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* An engine that was not listed before had not been used: amdgpu leaves those out. */
static struct gpu_engine last_of(const struct gpu_client *c, uint8_t name)
{
    for (unsigned i = 0; i < c->engines; i++)
        if (c->engine[i].name == name)
            return c->engine[i];
    return (struct gpu_engine){.name = name};
}

/* Counters never fall here. At the start of a client nothing is known of the engine's own clock. */
static double take_engines(struct gpu_client *c, struct gpu_fdinfo *info, int64_t elapsed)
{
    double usage = 0;
    for (unsigned i = 0; i < info->engines; i++) {
        struct gpu_engine *now = &info->engine[i];
        struct gpu_engine  last = last_of(c, now->name);
        bool               is_clock_known = last.has_total || !now->has_total;
        if (is_clock_known)
            usage += share(&last, now, elapsed);
        now->ns = larger(now->ns, last.ns);
        now->cycles = larger(now->cycles, last.cycles);
        now->total = larger(now->total, last.total);
    }
    memcpy(c->engine, info->engine, sizeof c->engine);
    c->engines = (uint8_t)info->engines;
    return usage;
}

static void take(struct gpu_clients *clients, struct gpu_client *c, struct gpu_fdinfo *info, bool is_new, int64_t now)
{
    bool    is_first = c->row == 0;
    int64_t since = is_first ? clients->read_at : c->at;
    double  usage = take_engines(c, info, now - since);
    /* A usage of more than the time since its supposed beginning shows that the client is older, inherited from
     * somebody unseen. */
    if (is_first && (!is_new || since == 0 || usage > 1))
        usage = 0;
    c->usage = usage < 1 ? (uint64_t)(usage * GPU_USAGE_ONE + 0.5) : GPU_USAGE_ONE;
    c->vram = info->vram;
    c->row = clients->search.row;
    c->at = now;
}

/* False: the descriptor is no DRM client's any more, or never was. */
static bool read_one(struct gpu_clients *clients, int proc, struct gpu_descriptor *d, int64_t now)
{
    char   path[PROCESS_PATH_SIZE];
    char   file[sizeof "fdinfo/4294967295"];
    char   content[GPU_FDINFO_SIZE];
    size_t len = 0;
    (void)snprintf(file, sizeof file, "fdinfo/%u", d->fd);
    process_path(path, d->pid, 0, file);
    int error = file_read(proc, path, content, sizeof content, &len);
    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EINTR) {
        if (d->client != GPU_NO_CLIENT)
            clients->list[d->client].row = clients->search.row; /* asked again next time, over the longer time */
        return true;
    }
    struct gpu_fdinfo info;
    struct text       t = text_span(content, len);
    if (error || !gpu_fdinfo_parse(t, &info)) {
        clients->is_mute = clients->is_mute || (!error && d->client == GPU_NO_CLIENT && !gpu_fdinfo_is_drm(t));
        return false;
    }
    clients->has_spoken = true;
    int                device = device_of(clients, &info);
    struct gpu_client *c = device < 0 ? NULL : client_of(clients, (uint8_t)device, info.client);
    if (!c)
        return false;
    /* A descriptor that had another client at the last reading has a client that was not there then. */
    bool is_reused = d->client != GPU_NO_CLIENT && clients->list[d->client].row != clients->search.row;
    if (c->row != clients->search.row)
        take(clients, c, &info, d->is_new || is_reused, now);
    d->client = (uint16_t)(c - clients->list);
    d->is_new = false;
    return true;
}

static void add_up(struct gpu_clients *clients)
{
    for (unsigned i = 0; i < clients->devices; i++) {
        clients->device[i].has_client = false;
        clients->device[i].usage = 0;
        clients->device[i].memory = METRIC_NONE;
    }
    for (size_t i = 0; i < clients->count; i++) {
        const struct gpu_client *c = &clients->list[i];
        struct gpu_device       *device = &clients->device[c->device];
        if (c->row != clients->search.row)
            continue;
        device->has_client = true;
        device->usage += c->usage;
        if (device->usage > GPU_USAGE_ONE)
            device->usage = GPU_USAGE_ONE;
        if (c->vram != METRIC_NONE)
            device->memory = (device->memory == METRIC_NONE ? 0 : device->memory) + c->vram;
    }
}

/* A client of several processes is the use of the one through which it was read. */
static void note_user(const struct gpu_clients *clients, const struct process_table *table,
                      const struct gpu_descriptor *d)
{
    struct process *p = process_table_find(table, d->pid, d->start);
    if (p && d->client != GPU_NO_CLIENT)
        p->gpu += (float)clients->list[d->client].usage;
}

void gpu_clients_read(struct gpu_clients *clients, int proc, const struct process_table *table, uint64_t before,
                      int64_t now)
{
    struct gpu_search *search = &clients->search;
    gpu_search_run(search, proc, table, before, now);
    for (size_t i = search->found_count; i > 0; i--) {
        struct gpu_descriptor *d = &search->found[i - 1];
        bool                   is_spare = d->client != GPU_NO_CLIENT && clients->list[d->client].row == search->row;
        bool                   is_left_out = is_spare && (search->row + d->fd) % SPARE_ROWS != 0;
        if (!is_left_out && !read_one(clients, proc, d, now))
            gpu_search_drop(search, i - 1);
        else if (!is_spare)
            note_user(clients, table, d);
    }
    add_up(clients);
    clients->read_at = now;
}
