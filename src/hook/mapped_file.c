/* Which files a process maps: /proc/PID/maps. The kernel writes a line for each of all its mappings, whole, which takes
 * microseconds. Since 6.11 it can be asked for those alone that are code from a file: ioctl PROCMAP_QUERY, linux/fs.h.
 */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook/hook.h"

static const char deleted[] = " (deleted)";

static bool ends_a_line(const char *block, size_t len, const char *name)
{
    char          line[48];
    struct strbuf w = strbuf_in(line, sizeof line);
    strbuf_add(&w, name);
    strbuf_add(&w, "\n");
    if (memmem(block, len, line, w.len))
        return true;
    w.len--;
    strbuf_add(&w, deleted);
    strbuf_add(&w, "\n");
    return memmem(block, len, line, w.len) != NULL;
}

/* The text is read in blocks, and the tail of each is kept for the next. */
__attribute__((noinline)) int mapped_file_in_text(int maps, const char *name)
{
    enum { KEEP = 48 };
    char   block[KEEP + 4096 + 1];
    size_t kept = 0;
    int    found = 0;
    long   n = 0;
    while (!found && (n = sys_read(maps, block + kept, 4096)) > 0) {
        size_t len = kept + (size_t)n;
        found = ends_a_line(block, len, name);
        kept = len < KEEP ? len : KEEP;
        memmove(block, block + len - kept, kept);
    }
    return n < 0 ? (int)n : found;
}

/* procmap_query of linux/fs.h. */
struct query {
    uint64_t size, flags, address;
    uint64_t start, end, vma_flags, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name, build_id;
};

enum { QUERY_EXECUTABLE = 0x04, QUERY_THIS_OR_NEXT = 0x10, QUERY_OF_A_FILE = 0x20 };

static bool ends_with(const char *path, size_t len, const char *end)
{
    size_t end_len = strlen(end);
    return len >= end_len && string_equal(path + len - end_len, end);
}

static bool is_of_name(char *path, const char *name)
{
    size_t len = strlen(path);
    if (ends_with(path, len, deleted))
        path[len -= sizeof deleted - 1] = '\0';
    return ends_with(path, len, name);
}

/* -errno where the kernel does not tell, or a name is too long. */
static int ask_for(int maps, const char *name)
{
    char         path[HOOK_NAME_MAX] = ""; /* for valgrind, which does not know of this query */
    struct query q = {.end = 0};
    int          saved = errno;
    int          found = 0;
    while (!found) {
        q = (struct query){.size = sizeof q,
                           .flags = QUERY_EXECUTABLE | QUERY_THIS_OR_NEXT | QUERY_OF_A_FILE,
                           .address = q.end,
                           .name_size = sizeof path,
                           .name = (uintptr_t)path};
        if (syscall(SYS_ioctl, maps, _IOWR('f', 17, struct query), &q) == 0)
            found = is_of_name(path, name);
        else if (errno == ENOENT) /* there are no more */
            break;
        else
            found = -errno;
    }
    errno = saved;
    return found;
}

int mapped_file(const char *maps, const char *name)
{
    long fd = sys_open(maps, O_RDONLY, 0);
    if (fd < 0)
        return (int)fd;
    int found = ask_for((int)fd, name);
    if (found < 0)
        found = mapped_file_in_text((int)fd, name);
    sys_close((int)fd);
    return found;
}
