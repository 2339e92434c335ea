/* Files are read and written by system calls: no stdio, O_CLOEXEC always, EINTR retried. 0 or -errno. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_BASE_FILE_H
#define PILLION_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/bytes.h"

/* Opens, and makes with these permissions, a file to append to: a regular one of the effective user with one name, and
 * no link. In a folder that others write to, anything else would be a file that nobody named. -EPERM: it is not. */
int file_open_own(const char *path, mode_t permissions, int *ret);

/* Opens, reads at most size - 1 bytes, closes. The content is NUL-terminated. For /proc and /sys: one file, one
 * consistent read as far as the kernel gives it. -EFBIG when the file is longer. */
int file_read(int dir, const char *path, char *ret, size_t size, size_t *ret_len);

/* The same from offset 0 of a held descriptor (pread). */
int file_reread(int fd, char *ret, size_t size, size_t *ret_len);

/* Appends the whole rest of the file to a buffer (its maximum holds: -EFBIG). */
int file_load(int dir, const char *path, struct bytes *ret);

/* The same of a held descriptor, from offset 0. */
int file_load_held(int fd, struct bytes *ret);

/* Writes everything, or -errno (-ENOSPC …). *ret_written may be NULL. */
int file_write(int fd, const void *data, size_t len, size_t *ret_written);
/* The same at the file's end, all or nothing: a part that a full disk took is cut off again, unless somebody else has
 * written behind it. */
int file_append(int fd, const void *data, size_t len);

/* Opens a file, or makes it with mode 0600, whatever the umask. 0 or -errno. */
int file_make(int dir, const char *path, int flags, int *ret);

void file_close(int *fd); /* closes if >= 0, sets -1 */

#endif
