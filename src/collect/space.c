/* Room on disks: statvfs of each mount that counts. */
// SPDX-License-Identifier: Apache-2.0
#include "collect/space.h"

#include <errno.h>
#include <poll.h>

#include "base/file.h"
#include "base/roots.h"

/* Two readings of one filesystem, a moment apart, differ by no more than this. */
#define SPACE_NEAR_BYTES (UINT64_C(64) << 20)

int space_open(struct space *space, const struct roots *roots)
{
    *space = (struct space){.fd = roots_open(roots->proc, "self/mountinfo", 0), .statvfs = statvfs};
    return space->fd < 0 ? space->fd : 0;
}

void space_close(struct space *space)
{
    file_close(&space->fd);
    mounts_done(&space->mounts);
}

/* The kernel marks a held mountinfo as exceptional when a mount came or went (proc(5), since 2.6.15). Asking also
 * resets the mark, so it is asked before the file is read. */
static int refresh(struct space *space, struct scratch *scratch)
{
    struct pollfd poller = {.fd = space->fd, .events = POLLPRI};
    bool          changed = poll(&poller, 1, 0) > 0 && (poller.revents & (POLLPRI | POLLERR));
    if (space->parsed && !changed)
        return 0;
    struct text t;
    int         error = scratch_reread(scratch, space->fd, &t);
    if (error == 0)
        error = mounts_parse(&space->mounts, t);
    space->parsed = error == 0 || error == -EFBIG; /* a mountinfo that is too long is so until it changes */
    return error;
}

struct room {
    uint64_t total, free;
};

static bool room_of(const struct space *space, const char *path, struct room *ret)
{
    struct statvfs fs;
    if (space->statvfs(path, &fs) != 0 || fs.f_blocks == 0)
        return false;
    uint64_t unit = fs.f_frsize ? fs.f_frsize : fs.f_bsize;
    uint64_t available = fs.f_bavail < fs.f_blocks ? fs.f_bavail : fs.f_blocks;
    *ret = (struct room){.total = fs.f_blocks * unit, .free = available * unit};
    return true;
}

static bool is_same(const struct room *a, const struct room *b)
{
    uint64_t apart = a->free > b->free ? a->free - b->free : b->free - a->free;
    return a->total == b->total && apart <= SPACE_NEAR_BYTES;
}

int space_read(struct space *space, struct scratch *scratch, struct sample *ret)
{
    struct room sum = {0};
    struct room below_overlay = {0};
    int         error = refresh(space, scratch);
    if (error)
        return error;
    for (size_t i = 0; i < space->mounts.count; i++) {
        const struct mount *mount = &space->mounts.list[i];
        struct room         room;
        if (mount->detail)
            mount->detail->total = 0;
        if (!room_of(space, mount->path, &room))
            continue;
        if (mount->is_root && !mount->on_block)
            below_overlay = room;
        else if (below_overlay.total > 0 && is_same(&room, &below_overlay))
            continue;
        if (mount->detail) {
            mount->detail->total = room.total;
            mount->detail->free = room.free;
        }
        sum.total += room.total;
        sum.free += room.free;
    }
    if (sum.total == 0)
        return -ENODATA;
    ret->space_total = sum.total;
    ret->space_free = sum.free;
    ret->space_used = sum.total - sum.free;
    return 0;
}
