// SPDX-License-Identifier: Apache-2.0
#include "engine/jsonl.h"

#include <string.h>

#include "base/json_write.h"
#include "collect/details.h"
#include "pillion/columns.h"

#ifndef PILLION_VERSION
#define PILLION_VERSION "0"
#endif

#define NAMES_OF    "0.1.15" /* the version of resource-tracker-rs whose names these are */
#define GPU_PARTS   1e2      /* ten-thousandths as a percentage */
#define MIB_IN_KIB  1024.
#define ALL_PERCENT 100.

enum { CELL_MAX = 40 };

static const char ending[] = ".jsonl";

bool jsonl_is_wanted(const char *output)
{
    size_t len = output ? strlen(output) : 0;
    return len >= sizeof ending - 1 && strcmp(output + len - (sizeof ending - 1), ending) == 0;
}

/* ---------------------------------------------------------------------------------------------------------- members */

static void put_count(struct bytes *b, const char *key, uint64_t value)
{
    json_key(b, key);
    if (value == METRIC_NONE)
        bytes_text(b, "null");
    else
        bytes_unsigned(b, value);
}

/* METRIC_NONE, or nothing to divide by: null. */
static void put_part(struct bytes *b, const char *key, uint64_t value, double unit, int decimals)
{
    json_key(b, key);
    if (value == METRIC_NONE || unit <= 0)
        bytes_text(b, "null");
    else
        bytes_decimal(b, (double)value / unit, decimals);
}

static void put_percent(struct bytes *b, const char *key, uint64_t part, uint64_t whole)
{
    bool is_known = part != METRIC_NONE && whole != METRIC_NONE && whole > 0;
    put_part(b, key, is_known ? part : METRIC_NONE, (double)whole / ALL_PERCENT, 4);
}

static void put_text(struct bytes *b, const char *key, const char *value)
{
    json_key(b, key);
    if (value && value[0])
        json_string(b, value, strlen(value));
    else
        bytes_text(b, "null");
}

static void put_null(struct bytes *b, const char *key)
{
    json_key(b, key);
    bytes_text(b, "null");
}

static void begin(struct bytes *b, const char *key, char bracket)
{
    json_key(b, key);
    bytes_char(b, bracket);
}

/* ------------------------------------------------------------------------------------------------------------ cells */

struct cells {
    struct text of[PILLION_COLUMN_COUNT];
};

static struct cells split(struct text line)
{
    struct cells cells;
    for (int i = 0; i < PILLION_COLUMN_COUNT; i++)
        if (!text_until(&line, ',', &cells.of[i]))
            cells.of[i] = text_of("");
    return cells;
}

/* A cell is a number as row.c writes it, and as JSON has it. Whatever else it were stays out. */
static bool is_number(struct text t)
{
    struct text whole;
    if (text_len(t) >= CELL_MAX || !text_until(&t, '.', &whole) || !text_consists_of(whole, TEXT_DIGITS) ||
        (*whole.at == '0' && text_len(whole) > 1))
        return false;
    return whole.end == t.end || text_consists_of(t, TEXT_DIGITS);
}

static void put_cell(struct bytes *b, const char *key, const struct cells *cells, enum pillion_column column)
{
    struct text cell = cells->of[column];
    json_key(b, key);
    if (is_number(cell))
        bytes_add(b, cell.at, text_len(cell));
    else
        bytes_text(b, "null");
}

#define CELL(key, column) put_cell(b, key, cells, PILLION_COLUMN_##column)

static void put_process(struct bytes *b, const struct cells *cells)
{
    CELL("process_count", system_processes);
    CELL("process_cores_used", process_cpu_usage);
    CELL("process_child_count", process_children);
    CELL("process_utime_secs", process_utime);
    CELL("process_stime_secs", process_stime);
    CELL("process_pss_mib", process_memory_mib);
    put_null(b, "process_rss_mib"); /* a sum of RSS counts shared pages again and again */
    CELL("process_disk_read_bytes", process_disk_read_bytes);
    CELL("process_disk_write_bytes", process_disk_write_bytes);
    CELL("process_gpu_usage", process_gpu_usage);
    CELL("process_gpu_vram_mib", process_gpu_vram_mib);
    CELL("process_gpu_utilized", process_gpu_utilized);
}

static void put_cpu(struct bytes *b, const struct cells *cells, const struct details *d)
{
    begin(b, "cpu", '{');
    CELL("utilization_pct", system_cpu_usage); /* cores, as the Rust client has it, whatever the name says */
    put_null(b, "cgroup_utilization_pct");
    put_null(b, "cgroup_usage_secs");
    begin(b, "per_core_pct", '[');
    for (size_t i = 0; d && i < d->cpu_count; i++) {
        if (i > 0)
            bytes_char(b, ',');
        if (d->cpus[i].usage == METRIC_NONE)
            bytes_text(b, "null");
        else
            bytes_decimal(b, (double)d->cpus[i].usage / ALL_PERCENT, 2);
    }
    bytes_char(b, ']');
    CELL("utime_secs", system_utime);
    CELL("stime_secs", system_stime);
    put_process(b, cells);
    bytes_char(b, '}');
}

static void put_memory(struct bytes *b, const struct cells *cells, const struct sample *now)
{
    bool     is_told = now->swap_total != METRIC_NONE && now->swap_free != METRIC_NONE;
    uint64_t swap_used = !is_told                           ? METRIC_NONE
                         : now->swap_total > now->swap_free ? now->swap_total - now->swap_free
                                                            : 0;
    begin(b, "memory", '{');
    put_part(b, "total_mib", now->memory_total, MIB_IN_KIB, 4);
    CELL("free_mib", system_memory_free_mib);
    put_part(b, "available_mib", now->memory_available, MIB_IN_KIB, 4);
    CELL("used_mib", system_memory_used_mib);
    put_percent(b, "used_pct", now->memory_used, now->memory_total);
    CELL("buffers_mib", system_memory_buffers_mib);
    CELL("cached_mib", system_memory_cached_mib);
    put_part(b, "swap_total_mib", now->swap_total, MIB_IN_KIB, 4);
    put_part(b, "swap_used_mib", swap_used, MIB_IN_KIB, 4);
    put_percent(b, "swap_used_pct", swap_used, now->swap_total == 0 ? 1 : now->swap_total); /* 0 without any */
    CELL("active_mib", system_memory_active_mib);
    CELL("inactive_mib", system_memory_inactive_mib);
    bytes_char(b, '}');
}

#undef CELL

/* ---------------------------------------------------------------------------------------------------------- devices */

static void next(struct bytes *b, size_t index)
{
    bytes_text(b, index > 0 ? ",{" : "{");
}

static void put_network(struct bytes *b, const struct details *d)
{
    begin(b, "network", '[');
    for (size_t i = 0; d && i < d->interface_count; i++) {
        const struct interface_detail *one = &d->interfaces[i];
        next(b, i);
        put_text(b, "interface", one->name);
        put_text(b, "mac_address", one->address);
        put_text(b, "driver", one->driver);
        put_text(b, "operstate", one->state);
        put_count(b, "speed_mbps", one->speed);
        put_count(b, "mtu", one->mtu);
        put_part(b, "rx_bytes_per_sec", one->received, d->net_span.seconds, 1);
        put_part(b, "tx_bytes_per_sec", one->sent, d->net_span.seconds, 1);
        put_count(b, "rx_bytes", one->received);
        put_count(b, "tx_bytes", one->sent);
        put_count(b, "rx_bytes_total", one->received_total);
        put_count(b, "tx_bytes_total", one->sent_total);
        bytes_char(b, '}');
    }
    bytes_char(b, ']');
}

static void put_mount(struct bytes *b, const struct mount *mount)
{
    const struct mount_detail *one = mount->detail;
    put_text(b, "mount_point", mount->path);
    put_text(b, "filesystem", one->type);
    put_text(b, "source", one->source);
    put_count(b, "total_bytes", one->total);
    put_count(b, "used_bytes", one->total - one->free);
    put_count(b, "available_bytes", one->free);
    put_percent(b, "used_pct", one->total - one->free, one->total);
}

static bool is_listed(const struct details *d, const char *disk)
{
    for (size_t i = 0; i < d->disk_count; i++)
        if (strcmp(d->disks[i].name, disk) == 0)
            return true;
    return false;
}

/* The filesystems of this disk; NULL: of no disk that is listed. */
static void put_mounts(struct bytes *b, const struct details *d, const char *disk)
{
    size_t count = 0;
    begin(b, "mounts", '[');
    for (size_t i = 0; d && d->mounts && i < d->mounts->count; i++) {
        const struct mount *mount = &d->mounts->list[i];
        if (!mount->detail || mount->detail->total == 0 ||
            (disk ? strcmp(mount->detail->disk, disk) != 0 : is_listed(d, mount->detail->disk)))
            continue;
        next(b, count++);
        put_mount(b, mount);
        bytes_char(b, '}');
    }
    bytes_char(b, ']');
}

static void put_disks(struct bytes *b, const struct details *d)
{
    static const char *const kinds[] = {"", "nvme", "ssd", "hdd"};
    begin(b, "disk", '[');
    for (size_t i = 0; d && i < d->disk_count; i++) {
        const struct disk_detail *one = &d->disks[i];
        next(b, i);
        put_text(b, "device", one->name);
        put_text(b, "model", one->model);
        put_text(b, "vendor", one->vendor);
        put_text(b, "serial", one->serial);
        put_text(b, "device_type", kinds[one->kind]);
        put_count(b, "capacity_bytes", one->capacity);
        put_mounts(b, d, one->name);
        put_part(b, "read_bytes_per_sec", one->read, d->disk_span.seconds, 1);
        put_part(b, "write_bytes_per_sec", one->written, d->disk_span.seconds, 1);
        put_count(b, "read_bytes", one->read);
        put_count(b, "write_bytes", one->written);
        put_count(b, "read_bytes_total", one->read_total);
        put_count(b, "write_bytes_total", one->written_total);
        bytes_char(b, '}');
    }
    bytes_char(b, ']');
}

static void put_gpus(struct bytes *b, const struct jsonl_gpus *gpus)
{
    begin(b, "gpu", '[');
    for (unsigned i = 0; gpus && i < gpus->count; i++) {
        const struct gpu_state  *s = &gpus->state[i];
        const struct gpu_detail *more = &gpus->detail[i];
        next(b, i);
        put_text(b, "uuid", more->uuid);
        put_text(b, "name", more->name);
        put_text(b, "device_type", "GPU");
        json_key(b, "host_id");
        bytes_format(b, "\"%u\"", i);
        json_key(b, "detail");
        bytes_text(b, "{}");
        put_part(b, "utilization_pct", s->usage, GPU_PARTS, 2);
        put_count(b, "vram_total_bytes", more->memory_total);
        put_count(b, "vram_used_bytes", s->memory);
        put_percent(b, "vram_used_pct", s->memory, more->memory_total);
        put_part(b, "process_utilization_pct", s->tree_usage, GPU_PARTS, 2);
        put_count(b, "process_vram_used_bytes", s->tree_memory);
        put_count(b, "temperature_celsius", s->temperature);
        put_part(b, "power_watts", s->power, 1e3, 3);
        put_count(b, "frequency_mhz", more->clock);
        put_null(b, "core_count");
        bytes_char(b, '}');
    }
    bytes_char(b, ']');
}

/* -------------------------------------------------------------------------------------------------------- the object
 */

/* The whole seconds of a timestamp, which has three decimals. */
static void put_seconds(struct bytes *b, const struct cells *cells)
{
    struct text cell = cells->of[PILLION_COLUMN_timestamp];
    uint64_t    seconds = 0;
    put_count(b, "timestamp_secs", text_unsigned(&cell, &seconds) ? seconds : METRIC_NONE);
}

void jsonl_encode(const struct jsonl_row *row, struct bytes *ret)
{
    struct cells cells = split(row->line);
    bytes_char(ret, '{');
    put_seconds(ret, &cells);
    put_cell(ret, "timestamp", &cells, PILLION_COLUMN_timestamp);
    if (row->interval_ms >= 0)
        put_count(ret, "actual_interval_ms", (uint64_t)row->interval_ms);
    put_text(ret, "job_name", row->job_name);
    put_cell(ret, "tracked_pid", &cells, PILLION_COLUMN_process_pid);
    put_cpu(ret, &cells, row->details);
    put_memory(ret, &cells, row->now);
    put_network(ret, row->details);
    put_disks(ret, row->details);
    if (row->details)
        put_mounts(ret, row->details, NULL);
    else
        bytes_text(ret, ",\"mounts\":[]");
    put_gpus(ret, row->gpus);
    put_text(ret, "resource-tracker-version", NAMES_OF);
    put_text(ret, "pillion-version", PILLION_VERSION);
    bytes_text(ret, "}\n");
}
