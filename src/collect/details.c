/* The parts of a sample's sums, one by one. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/details.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/roots.h"

enum { SECTOR = 512, USAGE_ONE = 10000, LEVELS_MAX = 8 };

/* A reading that failed is no reading: the next one spans its time too. */
static void note_span(struct details_span *span, int64_t now)
{
    span->seconds = span->read_at > 0 && now > span->read_at ? (double)(now - span->read_at) / (double)CLOCK_SECOND : 0;
    span->read_at = now;
}

void details_done(struct details *d)
{
    free(d->cpus);
    free(d->disks);
    free(d->interfaces);
    *d = (struct details){0};
}

/* ------------------------------------------------------------------------------------------------------------ CPUs */

static bool make_room(struct details *d, size_t count)
{
    if (count <= d->cpu_count)
        return true;
    struct cpu_detail *list = count <= DETAILS_CPUS_MAX ? realloc(d->cpus, count * sizeof *list) : NULL;
    if (!list)
        return false;
    d->cpus = list;
    while (d->cpu_count < count)
        list[d->cpu_count++] = (struct cpu_detail){.usage = METRIC_NONE};
    return true;
}

/* A tick is counted where it ends, so an interval may have one more than it has room for: the next one shows it. */
static void note_cpu(const struct details *d, struct cpu_detail *cpu, uint64_t busy, double ticks_a_second)
{
    double room = d->cpu_span.seconds * ticks_a_second;
    double used = busy > cpu->busy ? (double)(busy - cpu->busy) + cpu->owed : cpu->owed;
    double shown = used < room ? used : room;
    cpu->usage = METRIC_NONE;
    if (cpu->is_known && room > 0) {
        cpu->usage = (uint64_t)(shown / room * USAGE_ONE + 0.5);
        cpu->owed = used - shown;
    }
    cpu->busy = busy;
    cpu->is_known = true;
}

/* "cpu3 user nice system idle iowait irq softirq ..." */
static bool parse_cpu(struct text line, uint64_t *ret_number, uint64_t *ret_busy)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, FIELDS };
    uint64_t field[FIELDS] = {0};
    int      n = 0;
    if (!text_skip(&line, "cpu") || text_len(line) == 0 || !ascii_is_digit(*line.at) ||
        !text_unsigned(&line, ret_number))
        return false;
    while (n < FIELDS && text_unsigned(&line, &field[n]))
        n++;
    *ret_busy = field[USER] + field[NICE] + field[SYSTEM] + field[IRQ] + field[SOFTIRQ];
    return n > IDLE;
}

void details_read_cpus(struct details *d, const struct cpu *cpu, struct scratch *scratch, int64_t now)
{
    struct text t;
    struct text line;
    double      ticks = (double)sysconf(_SC_CLK_TCK);
    for (size_t i = 0; i < d->cpu_count; i++)
        d->cpus[i].usage = METRIC_NONE;
    if (scratch_reread(scratch, cpu->fd, &t))
        return;
    note_span(&d->cpu_span, now);
    while (text_line(&t, &line) && text_starts(line, "cpu")) {
        uint64_t number = 0;
        uint64_t busy = 0;
        if (parse_cpu(line, &number, &busy) && number < DETAILS_CPUS_MAX && make_room(d, number + 1))
            note_cpu(d, &d->cpus[number], busy, ticks);
    }
}

/* ---------------------------------------------------------------------------------------------------------- devices */

/* A line of FOLDER/NAME/FILE below a held folder of /sys; "" without it. */
static void attribute(int folder, const char *name, const char *file, char *ret, size_t size)
{
    char        path[DEVICE_NAME_SIZE + 32];
    char        content[256];
    size_t      len = 0;
    struct text t;
    struct text line;
    ret[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/%s", name, file);
    if (folder < 0 || file_read(folder, path, content, sizeof content, &len) < 0)
        return;
    t = text_span(content, len);
    if (!text_line(&t, &line))
        return;
    text_trim(&line);
    (void)text_copy(line, ret, size);
}

static uint64_t number(int folder, const char *name, const char *file)
{
    char     content[24];
    uint64_t value = 0;
    attribute(folder, name, file, content, sizeof content);
    struct text t = text_of(content); /* a speed of -1 is no number */
    return text_unsigned(&t, &value) && text_len(t) == 0 ? value : METRIC_NONE;
}

/* Room for one more; the lists are as long as the kernel's longest so far. */
static bool has_room(void **list, size_t count, size_t size)
{
    if (count >= DETAILS_DEVICES_MAX)
        return false;
    if (count & (count - 1)) /* it grows by doubling */
        return true;
    void *more = realloc(*list, (count > 0 ? count * 2 : 1) * size);
    if (more)
        *list = more;
    return more != NULL;
}

static void describe_disk(int block, const char *device, struct disk_detail *ret)
{
    char name[DEVICE_NAME_SIZE];
    char rotates[4];
    *ret = (struct disk_detail){.capacity = METRIC_NONE};
    (void)snprintf(ret->name, sizeof ret->name, "%s", device);
    memcpy(name, ret->name, sizeof name);
    for (char *c = name; *c; c++)
        if (*c == '/') /* cciss/c0d0 is cciss!c0d0 in /sys */
            *c = '!';
    attribute(block, name, "device/model", ret->model, sizeof ret->model);
    attribute(block, name, "device/vendor", ret->vendor, sizeof ret->vendor);
    attribute(block, name, "device/serial", ret->serial, sizeof ret->serial);
    if (!ret->serial[0])
        attribute(block, name, "device/wwid", ret->serial, sizeof ret->serial);
    attribute(block, name, "queue/rotational", rotates, sizeof rotates);
    ret->kind = strncmp(name, "nvme", 4) == 0 ? DISK_KIND_NVME
                : strcmp(rotates, "0") == 0   ? DISK_KIND_SSD
                : strcmp(rotates, "1") == 0   ? DISK_KIND_HDD
                                              : DISK_KIND_UNKNOWN;
    uint64_t sectors = number(block, name, "size");
    ret->capacity = sectors == METRIC_NONE || sectors == 0 ? METRIC_NONE : sectors * SECTOR;
}

void details_read_disks(struct details *d, const struct disk *disk, const struct sample *ret)
{
    size_t count = 0;
    if (ret->disk_read != METRIC_NONE)
        note_span(&d->disk_span, ret->monotonic);
    for (size_t i = 0; i < disk->devices.count && ret->disk_read != METRIC_NONE; i++) {
        const struct device *device = &disk->devices.list[i];
        if (!device->present || !device->counted)
            continue;
        bool is_new = count >= d->disk_count || strcmp(d->disks[count].name, device->name) != 0;
        if (count >= d->disk_count && !has_room((void **)&d->disks, count, sizeof *d->disks))
            break;
        struct disk_detail *one = &d->disks[count++];
        if (is_new)
            describe_disk(disk->block, device->name, one);
        devices_growth(&disk->devices, device, true, &one->read, &one->written);
        one->read *= SECTOR;
        one->written *= SECTOR;
        one->read_total = device->in * SECTOR;
        one->written_total = device->out * SECTOR;
    }
    d->disk_count = count;
}

static void describe_interface(int classes, const char *device, struct interface_detail *ret)
{
    char path[DEVICE_NAME_SIZE + sizeof "/device/driver"];
    char target[256];
    *ret = (struct interface_detail){.speed = METRIC_NONE, .mtu = METRIC_NONE};
    (void)snprintf(ret->name, sizeof ret->name, "%s", device);
    attribute(classes, ret->name, "address", ret->address, sizeof ret->address);
    (void)snprintf(path, sizeof path, "%s/device/driver", ret->name);
    ssize_t     len = classes < 0 ? -1 : readlinkat(classes, path, target, sizeof target);
    struct text t = text_span(target, len > 0 ? (size_t)len : 0);
    if (text_after_last(&t, '/'))
        (void)text_copy(t, ret->driver, sizeof ret->driver);
}

void details_read_interfaces(struct details *d, const struct net *net, const struct sample *ret)
{
    size_t count = 0;
    if (ret->net_recv != METRIC_NONE)
        note_span(&d->net_span, ret->monotonic);
    for (size_t i = 0; i < net->devices.count && ret->net_recv != METRIC_NONE; i++) {
        const struct device *device = &net->devices.list[i];
        if (!device->present || !device->counted)
            continue;
        bool is_new = count >= d->interface_count || strcmp(d->interfaces[count].name, device->name) != 0;
        if (count >= d->interface_count && !has_room((void **)&d->interfaces, count, sizeof *d->interfaces))
            break;
        struct interface_detail *one = &d->interfaces[count++];
        if (is_new)
            describe_interface(net->classes, device->name, one);
        attribute(net->classes, one->name, "operstate", one->state, sizeof one->state);
        one->speed = number(net->classes, one->name, "speed");
        one->mtu = number(net->classes, one->name, "mtu");
        devices_growth(&net->devices, device, false, &one->received, &one->sent);
        one->received_total = device->in;
        one->sent_total = device->out;
    }
    d->interface_count = count;
}

/* ---------------------------------------------------------------------------------------------------------- mounts */

/* The device that a link of /sys leads to, and the whole disk of it: ".../block/vda/vda1". False: to none. */
static bool follow(const struct roots *roots, const char *path, char ret_disk[static DEVICE_NAME_SIZE])
{
    char        target[512];
    int         sys = roots_open(roots->sys, ".", O_DIRECTORY);
    ssize_t     len = sys < 0 ? -1 : readlinkat(sys, path, target, sizeof target);
    const char *block = len > 0 ? memmem(target, (size_t)len, "/block/", 7) : NULL;
    file_close(&sys);
    struct text t = block ? text_span(block + 7, (size_t)(target + len - block - 7)) : text_of("");
    struct text name;
    return text_until(&t, '/', &name) && text_copy(name, ret_disk, DEVICE_NAME_SIZE) && ret_disk[0];
}

/* A mapped device stands on others: the first of them, and so on. */
static void go_down(const struct roots *roots, char disk[static DEVICE_NAME_SIZE])
{
    for (int level = 0; level < LEVELS_MAX; level++) {
        char       path[DEVICE_NAME_SIZE + sizeof "class/block//slaves"];
        char       below[DEVICE_NAME_SIZE];
        struct dir slaves;
        (void)snprintf(path, sizeof path, "class/block/%s/slaves", disk);
        int fd = roots_open(roots->sys, path, O_DIRECTORY);
        if (fd < 0)
            return;
        dir_rewind(&slaves, fd);
        const char *name = dir_next(&slaves);
        bool        has_one = name && text_copy(text_of(name), below, sizeof below);
        dir_close(&slaves);
        (void)snprintf(path, sizeof path, "class/block/%s", has_one ? below : "");
        if (!has_one || !follow(roots, path, disk))
            return;
    }
}

static void find_disk(const struct roots *roots, struct mount_detail *m)
{
    char        path[64];
    struct text source = text_of(m->source);
    m->is_sought = true;
    if (m->major != 0)
        (void)snprintf(path, sizeof path, "dev/block/%u:%u", m->major, m->minor);
    else if (text_skip(&source, "/dev/") && text_len(source) < sizeof path - sizeof "class/block/")
        (void)snprintf(path, sizeof path, "class/block/%s", source.at);
    else
        return;
    if (follow(roots, path, m->disk))
        go_down(roots, m->disk);
}

void details_read_mounts(struct details *d, struct space *space, const struct roots *roots, const struct sample *ret)
{
    d->mounts = ret->space_total == METRIC_NONE ? NULL : &space->mounts;
    for (size_t i = 0; i < space->mounts.count; i++) {
        struct mount_detail *one = space->mounts.list[i].detail;
        if (one && !one->is_sought)
            find_disk(roots, one);
    }
}
