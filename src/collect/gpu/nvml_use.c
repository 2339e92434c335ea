/* The tree's part in a device: lists of processes for memory, samples for usage. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/gpu/nvml_use.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"

enum {
    PER_PERCENT = 100,
    ALL_PERCENT = 100,
    WHOLE = PER_PERCENT * ALL_PERCENT,
    USES_FIRST = 16,
    ENTRY_MAX = 32,
    FILES_MAX = 4096,
    PIECE_SIZE = 64,
    LOOK_AGAIN = 64
};

void nvml_uses_init(struct nvml_uses *uses, const char *proc)
{
    int dir = roots_open(proc, ".", O_DIRECTORY);
    *uses = (struct nvml_uses){.nested = dir < 0 || !roots_is_first_pid_namespace(dir)};
    file_close(&dir);
}

void nvml_uses_done(struct nvml_uses *uses)
{
    free(uses->list);
    uses->list = NULL;
    uses->count = uses->capacity = 0;
}

/* A process that is on a device has its files open. */
static bool has_device_open(int proc, pid_t pid)
{
    struct dir   dir;
    char         path[PIECE_SIZE];
    char         target[PIECE_SIZE];
    struct bytes text = {.data = path, .capacity = sizeof path, .max = sizeof path - 1};
    bytes_signed(&text, pid);
    bytes_text(&text, "/fd");
    if (text.failed || dir_open(&dir, proc, path) < 0)
        return false;
    bool        found = false;
    const char *name = NULL;
    for (int i = 0; i < FILES_MAX && !found && (name = dir_next(&dir)) != NULL; i++) {
        ssize_t len = readlinkat(dir.fd, name, target, sizeof target);
        found = len > 0 && text_starts(text_span(target, (size_t)len), "/dev/nvidia");
    }
    dir_close(&dir);
    return found;
}

static struct nvml_known *known_as(struct nvml_uses *uses, const struct process *p)
{
    const size_t count = ARRAY_LENGTH(uses->known);
    for (size_t i = 0; i < count; i++)
        if (uses->known[i].pid == p->pid && uses->known[i].start == p->start)
            return &uses->known[i];
    struct nvml_known *known = &uses->known[uses->next_known++ % count];
    *known = (struct nvml_known){.pid = p->pid, .start = p->start};
    return known;
}

static bool is_of_tree(struct nvml_uses *uses, const struct process_tree *tree, uint32_t pid)
{
    const struct process *p = pid > 0 && pid <= INT32_MAX ? process_table_find_present(&tree->table, (pid_t)pid) : NULL;
    if (!p || !p->read_yet)
        return false;
    if (!uses->nested)
        return true;
    struct nvml_known *known = known_as(uses, p);
    if (!known->is_it && known->refused++ % LOOK_AGAIN == 0)
        known->is_it = has_device_open(tree->proc, p->pid);
    return known->is_it;
}

static struct nvml_use *use_of(struct nvml_uses *uses, pid_t pid)
{
    for (unsigned i = 0; i < uses->count; i++)
        if (uses->list[i].pid == pid)
            return &uses->list[i];
    if (uses->count == uses->capacity) {
        unsigned         capacity = uses->capacity ? uses->capacity * 2 : USES_FIRST;
        struct nvml_use *list = capacity <= NVML_USES_MAX ? realloc(uses->list, capacity * sizeof *list) : NULL;
        if (!list)
            return NULL;
        uses->list = list;
        uses->capacity = capacity;
    }
    struct nvml_use *use = &uses->list[uses->count++];
    *use = (struct nvml_use){.pid = pid, .memory = UINT64_MAX, .part = UINT64_MAX};
    return use;
}

typedef int list_function(nvmlDevice_t device, unsigned *count, void *ret);

/* Returns the count of entries in the buffer; -1: the list cannot be had. Room is made for larger entries than are
 * known. */
static int list(list_function *function, struct nvml_device *device, nvmlDevice_t handle, struct nvml_buffer *buffer)
{
    int error = NVML_ERROR_INSUFFICIENT_SIZE;
    if (!function || (buffer->size == 0 && !nvml_buffer_grow(buffer, 1)))
        return -1;
    unsigned count = 0;
    unsigned room = 0;
    for (int attempt = 0; attempt < 2 && error == NVML_ERROR_INSUFFICIENT_SIZE; attempt++) {
        if (attempt > 0 && !nvml_buffer_grow(buffer, ((size_t)count + 16) * ENTRY_MAX))
            return -1;
        room = count = (unsigned)(buffer->size / ENTRY_MAX);
        error = function(handle, &count, buffer->data);
    }
    if (!nvml_device_answered(device, error))
        return -1;
    return (int)(count < room ? count : room);
}

static void take_list(struct nvml_uses *uses, const struct process_tree *tree, const unsigned char *data, int count,
                      size_t entry)
{
    for (int i = 0; i < count; i++) {
        struct nvml_process_v1 process; /* what both versions begin with */
        memcpy(&process, data + (size_t)i * entry, sizeof process);
        struct nvml_use *use = is_of_tree(uses, tree, process.pid) ? use_of(uses, (pid_t)process.pid) : NULL;
        if (!use || process.memory == NVML_VALUE_NOT_AVAILABLE)
            continue;
        if (use->part == UINT64_MAX || process.memory > use->part)
            use->part = process.memory;
    }
}

/* Reads both lists of one device, or of one part of it. */
static bool read_lists(struct nvml_uses *uses, const struct nvml *nvml, struct nvml_device *device, nvmlDevice_t handle,
                       struct nvml_buffer *buffer, const struct process_tree *tree)
{
    bool           is_new = nvml->compute_v2 != NULL;
    size_t         entry = is_new ? sizeof(struct nvml_process_v2) : sizeof(struct nvml_process_v1);
    list_function *functions[] = {is_new ? nvml->compute_v2 : nvml->compute_v1,
                                  is_new ? nvml->graphics_v2 : nvml->graphics_v1};
    bool answered = false;
    for (size_t i = 0; i < 2 && !device->silent; i++) {
        int count = list(functions[i], device, handle, buffer);
        if (count >= 0)
            take_list(uses, tree, buffer->data, count, entry);
        answered = answered || count >= 0;
    }
    for (unsigned i = 0; i < uses->count; i++) {
        struct nvml_use *use = &uses->list[i];
        if (use->part != UINT64_MAX)
            use->memory = use->memory == UINT64_MAX ? use->part : use->memory + use->part;
        use->part = UINT64_MAX;
    }
    return answered;
}

static void take_samples(struct nvml_uses *uses, struct nvml_device *device, const struct process_tree *tree,
                         const struct nvml_process_sample *samples, unsigned count, uint64_t since)
{
    for (unsigned i = 0; i < count; i++) {
        const struct nvml_process_sample *s = &samples[i];
        if (s->timestamp <= since || s->sm > ALL_PERCENT) /* old drivers leave earlier ones in the list */
            continue;
        if (s->timestamp > device->process_seen)
            device->process_seen = s->timestamp;
        struct nvml_use *use = is_of_tree(uses, tree, s->pid) ? use_of(uses, (pid_t)s->pid) : NULL;
        if (use) {
            use->percent += s->sm;
            use->samples++;
        }
    }
}

static uint64_t sum_usage(const struct nvml_uses *uses, const struct process_table *table)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < uses->count; i++) {
        const struct nvml_use *use = &uses->list[i];
        if (use->samples == 0)
            continue;
        uint64_t        usage = (use->percent * PER_PERCENT + use->samples / 2) / use->samples;
        struct process *p = process_table_find_present(table, use->pid);
        if (p)
            p->gpu += (float)usage;
        sum += usage;
    }
    return sum < WHOLE ? sum : WHOLE; /* samples of different instants */
}

static uint64_t read_usage(struct nvml_uses *uses, const struct nvml *nvml, struct nvml_device *device,
                           struct nvml_buffer *buffer, const struct process_tree *tree, uint64_t since)
{
    int error = NVML_ERROR_INSUFFICIENT_SIZE;
    if (device->without_usage || device->without_process_usage || device->silent || !nvml->process_utilization)
        return UINT64_MAX;
    unsigned count = 0;
    unsigned room = 0;
    for (int attempt = 0; attempt < 2 && error == NVML_ERROR_INSUFFICIENT_SIZE; attempt++) {
        if (!nvml_buffer_grow(buffer, attempt > 0 ? (size_t)count * sizeof(struct nvml_process_sample) : 1))
            return UINT64_MAX;
        room = count = (unsigned)(buffer->size / sizeof(struct nvml_process_sample));
        error = nvml->process_utilization(device->handle, buffer->data, &count, since);
    }
    if (error == NVML_ERROR_NOT_FOUND) /* nobody did anything */
        return 0;
    device->without_process_usage = error == NVML_ERROR_NOT_SUPPORTED;
    if (!nvml_device_answered(device, error))
        return UINT64_MAX;
    take_samples(uses, device, tree, buffer->data, count < room ? count : room, since);
    return sum_usage(uses, &tree->table);
}

void nvml_uses_read(struct nvml_uses *uses, const struct nvml *nvml, struct nvml_device *device,
                    struct nvml_buffer *buffer, const struct process_tree *tree, uint64_t since, uint64_t *ret_usage,
                    uint64_t *ret_memory)
{
    bool listed = false;
    uses->count = 0;
    if (device->part_count == 0)
        listed = read_lists(uses, nvml, device, device->handle, buffer, tree);
    for (unsigned i = 0; i < device->part_count && !device->silent; i++)
        listed = read_lists(uses, nvml, device, device->parts[i], buffer, tree) || listed;
    *ret_memory = listed ? 0 : UINT64_MAX;
    for (unsigned i = 0; i < uses->count; i++)
        if (uses->list[i].memory != UINT64_MAX)
            *ret_memory += uses->list[i].memory;
        else
            listed = false; /* nobody tells the memory of a process of the tree: its sum would be wrong */
    if (uses->count > 0 && !listed)
        *ret_memory = UINT64_MAX;
    bool idle = *ret_memory == 0 && uses->count == 0;
    *ret_usage = idle && !device->without_usage && !device->without_process_usage && nvml->process_utilization
                     ? 0
                     : read_usage(uses, nvml, device, buffer, tree, since);
}
