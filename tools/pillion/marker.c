// SPDX-License-Identifier: Apache-2.0
#include "marker.h"

#include <sys/stat.h>
#include <unistd.h>

#include "hook/hook.h"
#include "store/journal_read.h"

/* Some of the hook's files are part of this command too, and look at it. */
struct hook hook;

int marker_make_own(struct marker *ret)
{
    struct process self = {0};
    struct stat    space = {0};
    uint64_t       start = 0;
    int            error = procfs_read(0, &self);
    if (error < 0) /* a /proc of other numbers: no marker, but the run is found by it */
        (void)journal_process_started(0, &start);
    *ret = (struct marker){.start = error < 0 ? start : self.start};
    if (error == 0)
        error = sys_stat("/proc/self/ns/pid", &space);
    return error < 0 ? error : leader_marker_make(space.st_ino, &self, ret->path, sizeof ret->path);
}

void marker_remove(const struct marker *marker)
{
    if (marker->path[0] != '\0')
        leader_marker_remove(marker->path);
}
