// SPDX-License-Identifier: Apache-2.0
#include "base/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

enum { PRIVATE = 0700 };

/* getdents64(2): d_ino 8 bytes, d_off 8, d_reclen 2, d_type 1, then the name. */
enum { RECORD_LENGTH_AT = 16, RECORD_NAME_AT = 19 };

/* A process stands in /proc at the position of its number + TGID_OFFSET (fs/proc/base.c): 257 before Linux 3.17, 258
 * since. */
enum { PID_POSITION = 256, RECORD_SIZE_OF_PID = 32, FEWEST = 4 };

/* Takes back what the umask took of the new folder's mode. The mode may let nobody open it, so the folder is held as a
 * path, and nothing that stands there instead by now gets another mode. */
static void set_mode(int at, const char *path)
{
    struct stat info;
    char        held[40];
    int         fd = openat(at, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)snprintf(held, sizeof held, "/proc/thread-self/fd/%d", fd);
    if (fstat(fd, &info) == 0 && info.st_uid == geteuid())
        (void)fchmodat(AT_FDCWD, held, PRIVATE | (info.st_mode & S_ISGID), 0);
    close(fd);
}

int dir_make(int at, const char *path)
{
    struct stat info;
    if (mkdirat(at, path, PRIVATE) < 0)
        return -errno;
    if (fstatat(at, path, &info, AT_SYMLINK_NOFOLLOW) == 0 && (info.st_mode & 0777) != PRIVATE)
        set_mode(at, path);
    return 0;
}

int dir_absolute(const char *path, char ret[static PATH_MAX])
{
    char    folder[PATH_MAX];
    ssize_t n = path[0] == '/' ? 0 : readlinkat(AT_FDCWD, "/proc/thread-self/cwd", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = '\0';
    int len = snprintf(ret, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", path);
    return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int dir_open(struct dir *dir, int at, const char *path)
{
    dir->at = dir->len = 0;
    dir->room = sizeof dir->buffer;
    dir->fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir->fd < 0 ? -errno : 0;
}

void dir_rewind(struct dir *dir, int fd)
{
    dir->at = dir->len = 0;
    dir->room = sizeof dir->buffer;
    dir->fd = fd;
    (void)lseek(fd, 0, SEEK_SET);
}

void dir_rewind_to_pid(struct dir *dir, int fd, pid_t pid, int few)
{
    size_t room = (size_t)(few > FEWEST ? few : FEWEST) * RECORD_SIZE_OF_PID;
    dir_rewind(dir, fd);
    dir->room = room < sizeof dir->buffer ? room : sizeof dir->buffer;
    (void)lseek(fd, (off_t)pid + PID_POSITION, SEEK_SET);
}

void dir_close(struct dir *dir)
{
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = -1;
}

const char *dir_next(struct dir *dir)
{
    for (;;) {
        if (dir->at >= dir->len) {
            long n = syscall(SYS_getdents64, dir->fd, dir->buffer, dir->room);
            if (n <= 0)
                return NULL;
            dir->at = 0;
            dir->len = (size_t)n;
        }
        const char *record = dir->buffer + dir->at;
        uint16_t    length;
        memcpy(&length, record + RECORD_LENGTH_AT, sizeof length);
        dir->at += length;
        const char *name = record + RECORD_NAME_AT;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            return name;
    }
}

bool dir_next_pid(struct dir *dir, pid_t *ret)
{
    const char *name;
    while ((name = dir_next(dir))) {
        if (*name < '1' || *name > '9')
            continue;
        struct text t = text_of(name);
        uint64_t    pid = 0;
        if (text_unsigned(&t, &pid) && text_len(t) == 0 && pid <= INT_MAX) {
            *ret = (pid_t)pid;
            return true;
        }
    }
    return false;
}
