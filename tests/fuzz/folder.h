/* A folder of its own for a harness, in memory where there is such a place, that goes when the process ends. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_TESTS_FUZZ_FOLDER_H
#define PILLION_TESTS_FUZZ_FOLDER_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static char folder_path[64];

static inline int folder_remove_one(const char *path, const struct stat *info, int flag, struct FTW *at)
{
    (void)info;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline void folder_remove(void)
{
    (void)nftw(folder_path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A descriptor of it. */
static inline int folder_open(void)
{
    static int dir = -1;
    if (dir >= 0)
        return dir;
    strcpy(folder_path, "/dev/shm/pillion-fuzz-XXXXXX");
    if (!mkdtemp(folder_path)) {
        strcpy(folder_path, "/tmp/pillion-fuzz-XXXXXX");
        HOLDS(mkdtemp(folder_path));
    }
    HOLDS(atexit(folder_remove) == 0);
    dir = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    HOLDS(dir >= 0);
    return dir;
}

/* The folders on the way are made. */
static inline void folder_write(const char *path, const void *data, size_t size)
{
    int  dir = folder_open();
    char part[128];
    int  fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (const char *slash = strchr(path, '/'); fd < 0 && slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        (void)mkdirat(dir, part, 0700);
    }
    if (fd < 0)
        fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* A file without a name that holds these bytes and nothing else, read from its beginning. Takes an earlier one, or -1.
 */
static inline int nameless_file(int fd, const void *data, size_t size)
{
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    HOLDS(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    HOLDS(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

#endif
