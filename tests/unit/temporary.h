/* Where the unit tests have their folders: in memory where it has room and programs may be run from it, for most of
 * their time would be the disk's; else in /tmp. What a disk does otherwise is the integration tests' subject. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_TEMPORARY_H
#define PILLION_TESTS_TEMPORARY_H

#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

enum { TEMPORARY_PATH = 64, TEMPORARY_ROOM_MIB = 256 };

static inline bool temporary_in_memory(void)
{
    struct statfs  kind;
    struct statvfs room;
    return statfs("/dev/shm", &kind) == 0 && kind.f_type == TMPFS_MAGIC && statvfs("/dev/shm", &room) == 0 &&
           (room.f_flag & (ST_NOEXEC | ST_RDONLY)) == 0 && room.f_bavail >= ((TEMPORARY_ROOM_MIB << 20) / room.f_frsize);
}

/* A new folder's path. */
static inline bool temporary_folder(char ret[static TEMPORARY_PATH])
{
    (void)snprintf(ret, TEMPORARY_PATH, "%s/pillion-test-XXXXXX", temporary_in_memory() ? "/dev/shm" : "/tmp");
    return mkdtemp(ret) != NULL;
}

#endif
