/* Folders are made, and listed without opendir, which allocates through libc. Allocates: no. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_DIR_H
#define PILLION_BASE_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct dir {
    int    fd;
    size_t at, len, room; /* bytes of names asked for at once */
    char   buffer[8192];
};

/* Makes a folder with mode 0700, whatever the umask. 0; -EEXIST: it is there, and stays as it is; -errno. */
int dir_make(int at, const char *path);
/* Makes a path absolute as of now: the program may go elsewhere. It stays as it is where the folder is gone.
 * -ENAMETOOLONG. */
int dir_absolute(const char *path, char ret[static PATH_MAX]);
/* Opens path below the descriptor `at`. 0 or -errno; dir_close is only needed after 0. */
int dir_open(struct dir *dir, int at, const char *path);
/* Lists a held descriptor from its start; dir_close would close it. */
void dir_rewind(struct dir *dir, int fd);
/* Lists /proc from the processes with this number or a higher one on; at most two lower ones come before. About `few`
 * names are asked for at once: each costs the kernel a microsecond or more, wanted or not. */
void dir_rewind_to_pid(struct dir *dir, int fd, pid_t pid, int few);
/* Returns the next name, "." and ".." left out; NULL at the end. Valid until the next call. */
const char *dir_next(struct dir *dir);
/* Returns the next name that is a process or thread number; false at the end. */
bool dir_next_pid(struct dir *dir, pid_t *ret);
void dir_close(struct dir *dir);

#endif
