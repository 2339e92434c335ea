// SPDX-License-Identifier: Apache-2.0
#include "collect/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int roots_open(const char *root, const char *path, int flags)
{
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    int error = errno;
    close(dir);
    return fd < 0 ? -error : fd;
}
