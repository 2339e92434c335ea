/* Disk traffic of the machine. Thread: pillion. Allocates: when a disk appears.
 * Files: /proc/diskstats and the folder /sys/block, both held open. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_DISK_H
#define PILLION_COLLECT_DISK_H

#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/devices.h"

struct disk {
    int            fd;    /* /proc/diskstats */
    int            block; /* /sys/block, -errno without it */
    struct devices devices;
};

int disk_open(struct disk *disk, const struct roots *roots);

/*   ret->disk_read   bytes, counter   field 3, sectors read x 512      iostats.rst
 *   ret->disk_write  bytes, counter   field 7, sectors written x 512
 * A sector is 512 bytes here whatever the device's own sectors are. Whole disks only, each byte once: what
 * stands on others does not count. Shape: one value per machine. Returns 0, or -errno; on error both stay METRIC_NONE.
 */
int disk_read(struct disk *disk, struct scratch *scratch, struct sample *ret);

void disk_close(struct disk *disk);

/* Capacity of the disks that count, in bytes; METRIC_NONE without /sys/block. */
uint64_t disk_capacity(const struct roots *roots);

#endif
