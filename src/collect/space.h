/* Room on the machine's disks. Thread: pillion. Allocates: when the mounts have changed.
 * Files: /proc/self/mountinfo, held open: it shows the mount namespace of the moment of opening. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_SPACE_H
#define PILLION_COLLECT_SPACE_H

#include <sys/statvfs.h>

#include "base/scratch.h"
#include "collect/collect.h"
#include "collect/mounts.h"

struct space {
    int           fd;
    bool          parsed;
    struct mounts mounts;
    int (*statvfs)(const char *path, struct statvfs *ret); /* replaced by tests */
};

int space_open(struct space *space, const struct roots *roots);

/*   ret->space_total  bytes, gauge   f_blocks x f_frsize                statvfs(3)
 *   ret->space_used   bytes, gauge   (f_blocks - f_bavail) x f_frsize   (what root keeps for itself is not free)
 *   ret->space_free   bytes, gauge   f_bavail x f_frsize
 * Of the filesystems that mounts.h chooses, each device once. An overlay that holds / shows the figures of the
 * filesystem below it: where both are mounted, they are one.
 * Shape: one value per mount namespace. Returns 0, or -errno; on error and where nothing counts all stay
 * METRIC_NONE. */
int space_read(struct space *space, struct scratch *scratch, struct sample *ret);

void space_close(struct space *space);

#endif
