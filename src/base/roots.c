// SPDX-License-Identifier: Apache-2.0
#include "base/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

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

/* The link is there in every /proc; it leads nowhere where we have no number. */
bool roots_has_our_numbers(int proc)
{
    char        target[16];
    struct stat link;
    uint64_t    self = 0;
    ssize_t     len = readlinkat(proc, "self", target, sizeof target);
    if (len <= 0)
        return fstatat(proc, "self", &link, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(link.st_mode);
    struct text t = text_span(target, (size_t)len);
    return text_unsigned(&t, &self) && self == (uint64_t)getpid();
}
