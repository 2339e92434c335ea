// SPDX-License-Identifier: Apache-2.0
#include "base/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"

int roots_open(const char *root, const char *path, int flags)
{
    char         whole[PATH_MAX];
    struct bytes b = {.data = whole, .capacity = sizeof whole, .max = sizeof whole - 1};
    bytes_text(&b, root);
    bytes_text(&b, "/");
    bytes_text(&b, path);
    if (b.failed)
        return -ENAMETOOLONG;
    int fd = openat(AT_FDCWD, whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    return fd < 0 ? -errno : fd;
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

bool roots_is_first_pid_namespace(int proc)
{
    char    target[64];
    ssize_t len = readlinkat(proc, "self/ns/pid", target, sizeof target);
    return len > 0 && text_is(text_span(target, (size_t)len), "pid:[4026531836]");
}

void roots_read_line(const char *root, const char *path, char *ret, size_t size)
{
    char        content[512];
    size_t      len = 0;
    struct text t;
    struct text line;
    int         fd = roots_open(root, path, 0);
    ret[0] = '\0';
    if (fd < 0)
        return;
    if (file_reread(fd, content, sizeof content, &len) == 0) {
        t = text_span(content, len);
        if (text_line(&t, &line)) {
            text_trim(&line);
            (void)text_copy(line, ret, size);
        }
    }
    close(fd);
}
