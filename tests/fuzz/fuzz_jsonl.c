// SPDX-License-Identifier: Apache-2.0
// A row as JSON Lines, of names and cells of any bytes: one line, which a parser takes, with each list as long as it
// is.
#include "engine/jsonl.h"

#include <cJSON.h>

#include "base/json_read.h"
#include "collect/details.h"
#include "fuzz.h"

enum { VALUES_MAX = 1000 };

/* The next piece, up to a NUL or the end, as a text of at most `size`. */
static void take(const uint8_t **at, const uint8_t *end, char *ret, size_t size)
{
    const uint8_t *stop = memchr(*at, '\0', (size_t)(end - *at));
    size_t         len = (size_t)((stop ? stop : end) - *at);
    size_t         kept = len < size ? len : size - 1;
    memcpy(ret, *at, kept);
    ret[kept] = '\0';
    *at = stop ? stop + 1 : end;
}

static uint64_t figure(const char *text)
{
    uint64_t value = 0;
    size_t   len = strlen(text);
    memcpy(&value, text, len < sizeof value ? len : sizeof value);
    return len == 0 ? METRIC_NONE : value;
}

static void has_size(const cJSON *object, const char *key, int size)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key);
    HOLDS(cJSON_IsArray(list) && cJSON_GetArraySize(list) == size);
}

static void check(const struct jsonl_row *row, int mounts)
{
    struct bytes out;
    bytes_init(&out, JSONL_LINE_MAX);
    jsonl_encode(row, &out);
    HOLDS(!out.failed && memchr(out.data, '\n', out.len) == out.data + out.len - 1);
    HOLDS(json_check(text_span(out.data, out.len), VALUES_MAX) == 0);
    cJSON *object = cJSON_ParseWithLength(out.data, out.len);
    HOLDS(cJSON_IsObject(object));
    has_size(object, "disk", 1);
    has_size(object, "network", 1);
    has_size(object, "gpu", 1);
    has_size(object, "mounts", mounts);
    const cJSON *cpu = cJSON_GetObjectItemCaseSensitive(object, "cpu");
    has_size(cpu, "per_core_pct", 2);
    HOLDS(cJSON_GetObjectItemCaseSensitive(object, "timestamp")->type & (cJSON_NULL | cJSON_Number));
    cJSON_Delete(object);
    bytes_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                    line[1024], job[256], path[512], number[16];
    struct disk_detail      disk = {.kind = (enum disk_kind)(size % 4)};
    struct interface_detail eth = {0};
    struct mount_detail     on = {0};
    struct jsonl_gpus       gpus = {.count = 1};
    const uint8_t          *end = data + size;
    take(&data, end, line, sizeof line);
    take(&data, end, job, sizeof job);
    take(&data, end, path, sizeof path);
    take(&data, end, number, sizeof number);
    take(&data, end, disk.name, sizeof disk.name);
    take(&data, end, disk.model, sizeof disk.model);
    take(&data, end, disk.vendor, sizeof disk.vendor);
    take(&data, end, disk.serial, sizeof disk.serial);
    take(&data, end, eth.name, sizeof eth.name);
    take(&data, end, eth.address, sizeof eth.address);
    take(&data, end, eth.driver, sizeof eth.driver);
    take(&data, end, eth.state, sizeof eth.state);
    take(&data, end, on.type, sizeof on.type);
    take(&data, end, on.source, sizeof on.source);
    take(&data, end, on.disk, sizeof on.disk);
    take(&data, end, gpus.detail[0].name, sizeof gpus.detail[0].name);
    take(&data, end, gpus.detail[0].uuid, sizeof gpus.detail[0].uuid);
    uint64_t value = figure(number);
    disk.capacity = disk.read = disk.read_total = eth.speed = eth.received = gpus.detail[0].clock = value;
    gpus.state[0] = (struct gpu_state){value, value / 2, value, 0, value, value};
    gpus.detail[0].memory_total = value / 3;
    on.total = 1 + value / 2;
    on.free = value / 4;
    struct mount      list[] = {{.path = path, .detail = &on}};
    struct mounts     mounts = {.list = list, .count = 1};
    struct cpu_detail cpus[] = {{.usage = value}, {.usage = value % 10001}};
    struct details    d = {.disk_span = {.seconds = (double)(size % 3)},
                           .net_span = {.seconds = (double)(size % 3)},
                           .cpus = cpus,
                           .cpu_count = 2,
                           .disks = &disk,
                           .disk_count = 1,
                           .interfaces = &eth,
                           .interface_count = 1,
                           .mounts = &mounts};
    struct sample     now = {.memory_total = value, .memory_used = value / 2, .swap_total = value, .swap_free = size};
    check(&(struct jsonl_row){text_of(line), (int64_t)(value >> 1), job, &now, &d, &gpus},
          strcmp(on.disk, disk.name) != 0);
    return 0;
}
