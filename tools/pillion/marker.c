// SPDX-License-Identifier: Apache-2.0
#include "marker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/state.h"

static int make_below(const char *place, uint64_t pid_namespace, struct marker *marker)
{
    struct stat info;
    int         len = snprintf(marker->path, sizeof marker->path, "%s/.pillion-%u", place, (unsigned)geteuid());
    /* Other users look into it by name, whatever the umask. */
    if (mkdir(marker->path, 0711) == 0)
        (void)chmod(marker->path, 0711);
    if (lstat(marker->path, &info) < 0)
        return -errno;
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid())
        return -EPERM;
    (void)snprintf(marker->path + len, sizeof marker->path - (size_t)len, "/%llu-%d-%llu",
                   (unsigned long long)pid_namespace, (int)getpid(), marker->start);
    int fd = open(marker->path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int marker_make(struct marker *ret)
{
    struct stat namespace;
    *ret = (struct marker){.start = 0};
    uint64_t start = 0;
    int      result = state_process_started(getpid(), &start) ? 0 : -ESRCH;
    ret->start = start;
    if (result == 0 && stat("/proc/self/ns/pid", &namespace) < 0)
        result = -errno;
    if (result == 0) {
        result = make_below("/tmp", namespace.st_ino, ret);
        if (result < 0 && make_below("/dev/shm", namespace.st_ino, ret) == 0)
            result = 0;
    }
    if (result < 0)
        ret->path[0] = '\0';
    return result;
}

void marker_remove(const struct marker *marker)
{
    if (marker->path[0] != '\0')
        (void)unlink(marker->path);
}
