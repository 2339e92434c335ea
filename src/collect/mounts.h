/* Filesystems that count as the machine's storage.
 *
 * Filesystems on a block device count, each once however often it is bound; and the one that holds /, whatever it is.
 * Network, cluster, FUSE and autofs never do: statvfs on a server or a lock that hangs would stop our thread, and on an
 * autofs it mounts. Nor do loop devices and images (squashfs, iso9660 …): their bytes are a file's, or a medium's that
 * is full by nature.
 * A mount that another one covers is not asked: its path leads to the other. Nor is one below a network or FUSE
 * filesystem other than /: each statvfs walks through that.
 *
 * Source: proc.rst "/proc/<pid>/mountinfo - Information about mounts". Allocates: yes, bounded. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_COLLECT_MOUNTS_H
#define PILLION_COLLECT_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { MOUNTS_READ_MAX = 16384, MOUNTS_KEPT_MAX = 256 };

/* What is told of a mount to who asks for details. */
struct mount_detail {
    char     type[32], source[64];
    unsigned major, minor;
    char     disk[32]; /* the whole disk that it is on, "": none is known; see details.c */
    bool     is_sought;
    uint64_t total, free; /* bytes; 0: it does not count in the sums */
};

struct mount {
    char                *path;     /* mount point, unescaped */
    bool                 is_root;  /* holds / */
    bool                 on_block; /* on a block device */
    struct mount_detail *detail;   /* NULL: nobody asks, or no memory */
};

struct mounts {
    struct mount *list;
    size_t        count;
    bool          has_details; /* set by the owner: keep those too */
};

/* Replaces *mounts by what the content of mountinfo says. 0 or -ENOMEM (then *mounts is as before). */
int  mounts_parse(struct mounts *mounts, struct text mountinfo);
void mounts_done(struct mounts *mounts);

#endif
