/* Disk traffic of the machine, and the question which disks carry bytes of their own. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/roots.h"
#include "base/text.h"

enum { SECTOR_BYTES = 512 };

int disk_open(struct disk *disk, const struct roots *roots)
{
    devices_init(&disk->devices);
    disk->block = -1;
    disk->fd = roots_open(roots->proc, "diskstats", 0);
    if (disk->fd < 0)
        return disk->fd;
    disk->block = roots_open(roots->sys, "block", O_DIRECTORY);
    return 0;
}

void disk_close(struct disk *disk)
{
    file_close(&disk->fd);
    file_close(&disk->block);
    devices_done(&disk->devices);
}

/* Such devices are files or memory, or stand on other devices, whether or not their slaves are listed yet. ZFS, and
 * those that put several paths or disks into one outside of dm (PowerPath, SDD, HDLM, DMP and VxVM, ADVM), list none.
 */
static bool is_of_others(const char *name)
{
    static const char prefixes[][8] = {"loop", "zloop", "ram", "zram", "dm-", "md", "bcache", "drbd", "asm!", "asm/"};
    static const char lettered[][12] = {"emcpower", "vpath", "sddlm"};
    static const char numbered[][8] = {"zd", "VxDMP", "VxVM"};
    const struct text whole = text_of(name);
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (text_starts(whole, prefixes[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LENGTH(lettered); i++) {
        struct text t = whole;
        if (text_skip(&t, lettered[i]) && text_len(t) > 0 && ascii_is_lower(*t.at))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(numbered); i++) {
        struct text t = whole;
        if (text_skip(&t, numbered[i]) && text_len(t) > 0 && ascii_is_digit(*t.at))
            return true;
    }
    return false;
}

/* Some drivers make a device of the disks of this machine, or of something far away; they do not say which. */
static bool is_made_of(const char *name, const char *disk)
{
    struct text made = text_of(name);
    struct text t = text_of(disk);
    if (text_skip(&made, "nvmesh") && (text_starts(made, "!") || text_starts(made, "/")))
        return text_skip(&t, "nvme") && text_len(t) > 0 && ascii_is_digit(*t.at);
    return text_skip(&made, "ublkb") && text_len(made) > 0 && ascii_is_digit(*made.at) && !text_starts(t, "ublkb") &&
           !is_of_others(disk);
}

/* Is there such an entry of /sys/block, and is its traffic its own? No for loop, ram and zram: their bytes are a
 * file's, or memory. No for a device that stands on others, which is told by its name (dm, md, bcache, drbd, ZFS
 * volumes) or by its slaves folder. The name counts since a device of the mapper is there before its table, and an
 * array before its members. The devices below are counted themselves, or are files or memory: a mapped device on a loop
 * device moves the bytes of a file. */
static bool counts(int block, const char *name)
{
    char path[DEVICE_NAME_SIZE + sizeof "/slaves"];
    if (is_of_others(name) || faccessat(block, name, F_OK, 0) < 0)
        return false;
    (void)snprintf(path, sizeof path, "%s/slaves", name);
    struct dir slaves;
    if (dir_open(&slaves, block, path) < 0)
        return true;
    bool has_slaves = dir_next(&slaves) != NULL;
    dir_close(&slaves);
    return !has_slaves;
}

/* nvme0c1n2 is a path (controller 1) to nvme0n2, which multipathing puts on top. Old kernels count the requests at
 * the paths only, newer ones at both, so the paths are what is counted, where they are listed at all. */
static bool is_path_of(const char *path, const char *head)
{
    struct text p = text_of(path);
    struct text h = text_of(head);
    uint64_t    p_subsystem = 0;
    uint64_t    h_subsystem = 0;
    uint64_t    controller = 0;
    return text_skip(&p, "nvme") && text_skip(&h, "nvme") && text_unsigned(&p, &p_subsystem) &&
           text_unsigned(&h, &h_subsystem) && p_subsystem == h_subsystem && text_skip(&p, "c") &&
           text_unsigned(&p, &controller) && text_starts(h, "n") && text_is(p, h.at);
}

static bool may_have_paths(const char *head)
{
    return strncmp(head, "nvme", 4) == 0 || strncmp(head, "ublkb", 5) == 0;
}

static bool has_paths(const struct devices *devices, const char *head)
{
    if (!may_have_paths(head))
        return false;
    for (size_t i = 0; i < devices->count; i++) {
        const struct device *d = &devices->list[i];
        if (d->present && (is_path_of(d->name, head) || is_made_of(head, d->name)))
            return true;
    }
    return false;
}

/* True when the device is made of other disks; a disk with paths is one disk. */
static bool has_disks_below(int block, const char *name)
{
    struct dir  dir;
    const char *other;
    if (!may_have_paths(name) || dir_open(&dir, block, ".") < 0)
        return false;
    do
        other = dir_next(&dir);
    while (other && !is_made_of(name, other));
    dir_close(&dir);
    return other != NULL;
}

/* Without /sys, the order tells: the kernel lists partitions right behind their disk, as sda1, or nvme0n1p1 behind a
 * digit. */
static bool looks_like_partition(struct text name, const char *disk)
{
    uint64_t number = 0;
    size_t   len = strlen(disk);
    if (len == 0 || !text_skip(&name, disk))
        return false;
    if (ascii_is_digit(disk[len - 1]) && !text_skip(&name, "p"))
        return false;
    return text_unsigned(&name, &number) && text_len(name) == 0;
}

static void choose(struct disk *disk)
{
    const char *whole = "";
    for (size_t i = 0; i < disk->devices.count; i++) {
        struct device *device = &disk->devices.list[i];
        char           name[DEVICE_NAME_SIZE];
        if (!device->present)
            continue;
        (void)snprintf(name, sizeof name, "%s", device->name);
        for (char *c = name; *c; c++)
            if (*c == '/') /* cciss/c0d0 is cciss!c0d0 in /sys */
                *c = '!';
        if (disk->block >= 0) {
            device->counted = counts(disk->block, name);
        } else {
            bool part = looks_like_partition(text_of(name), whole);
            if (!part)
                whole = device->name;
            device->counted = !part && !is_of_others(name);
        }
        if (device->counted && has_paths(&disk->devices, device->name))
            device->counted = false;
    }
}

/* "   8       0 sda 1 2 3 ..." with iostats.rst's fields 1 to 11 and more behind the name. */
static bool parse(struct text line, struct text *ret_name, uint64_t *ret_read, uint64_t *ret_written)
{
    enum { READ_FIELD = 3, WRITTEN_FIELD = 7 };
    uint64_t value[WRITTEN_FIELD + 1] = {0};
    uint64_t number = 0;
    if (!text_unsigned(&line, &number) || !text_unsigned(&line, &number) || !text_word(&line, ret_name))
        return false;
    for (int field = 1; field <= WRITTEN_FIELD; field++)
        if (!text_unsigned(&line, &value[field]))
            return false;
    *ret_read = value[READ_FIELD];
    *ret_written = value[WRITTEN_FIELD];
    return true;
}

int disk_read(struct disk *disk, struct scratch *scratch, struct sample *ret)
{
    struct text t;
    struct text line;
    int         error = scratch_reread(scratch, disk->fd, &t);
    if (error)
        return error;
    devices_begin(&disk->devices);
    while (text_line(&t, &line)) {
        struct text name;
        uint64_t    in = 0;
        uint64_t    out = 0;
        if (parse(line, &name, &in, &out))
            devices_add(&disk->devices, name, in, out);
    }
    devices_met(&disk->devices);
    if (disk->devices.changed)
        choose(disk);
    devices_settle(&disk->devices, true);
    ret->disk_read = disk->devices.in_total * SECTOR_BYTES;
    ret->disk_write = disk->devices.out_total * SECTOR_BYTES;
    return 0;
}

static uint64_t sectors_of(int block, const char *name)
{
    char        path[DEVICE_NAME_SIZE + sizeof "/hidden"];
    char        content[32];
    size_t      len = 0;
    uint64_t    sectors = 0;
    struct text t;
    (void)snprintf(path, sizeof path, "%s/hidden", name);
    if (file_read(block, path, content, sizeof content, &len) == 0 && content[0] == '1')
        return 0; /* a path to a disk that is listed itself */
    (void)snprintf(path, sizeof path, "%s/size", name);
    if (file_read(block, path, content, sizeof content, &len))
        return 0;
    t = text_span(content, len);
    return text_unsigned(&t, &sectors) ? sectors : 0;
}

/* CD-ROM and floppy drives have the size of the medium in them; clouds leave their configuration there. */
static bool holds_media(const char *name)
{
    struct text t = text_of(name);
    return (text_skip(&t, "sr") || text_skip(&t, "fd")) && t.at < t.end && ascii_is_digit(*t.at);
}

uint64_t disk_capacity(const struct roots *roots)
{
    struct dir  dir;
    uint64_t    sectors = 0;
    const char *name;
    int         block = roots_open(roots->sys, "block", O_DIRECTORY);
    if (block < 0)
        return METRIC_NONE;
    dir_rewind(&dir, block);
    while ((name = dir_next(&dir)))
        if (strlen(name) < DEVICE_NAME_SIZE && !holds_media(name) && counts(block, name) &&
            !has_disks_below(block, name))
            sectors += sectors_of(block, name);
    dir_close(&dir);
    return sectors * SECTOR_BYTES;
}
