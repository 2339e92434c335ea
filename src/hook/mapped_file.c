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

static size_t cut_deleted(char *path)
{
    size_t len = strlen(path);
    if (ends_with(path, len, deleted))
        path[len -= sizeof deleted - 1] = '\0';
    return len;
}

static bool is_of_name(char *path, const char *name)
{
    return ends_with(path, cut_deleted(path), name);
}

static int ask(int maps, struct query *q)
{
    int saved = errno;
    int error = syscall(SYS_ioctl, maps, _IOWR('f', 17, struct query), q) == 0 ? 0 : -errno;
    errno = saved;
    return error;
}

/* -errno where the kernel does not tell, or a name is too long. */
static int ask_for(int maps, const char *name)
{
    char         path[HOOK_NAME_MAX] = ""; /* for valgrind, which does not know of this query */
    struct query q = {.end = 0};
    int          found = 0;
    while (!found) {
        q = (struct query){.size = sizeof q,
                           .flags = QUERY_EXECUTABLE | QUERY_THIS_OR_NEXT | QUERY_OF_A_FILE,
                           .address = q.end,
                           .name_size = sizeof path,
                           .name = (uintptr_t)path};
        int error = ask(maps, &q);
        if (error == -ENOENT) /* there are no more */
            break;
        found = error < 0 ? error : is_of_name(path, name);
    }
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

static uint64_t hexadecimal(const char **at)
{
    uint64_t value = 0;
    for (;; ++*at) {
        char c = **at;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* The path in a line of maps, if its mapping has the address; else NULL. */
static char *path_of_line(char *line, uint64_t address)
{
    const char *at = line;
    uint64_t    start = hexadecimal(&at);
    at += *at == '-';
    return address >= start && address < hexadecimal(&at) ? strchr(line, '/') : NULL;
}

__attribute__((noinline)) int mapped_file_at_in_text(int maps, const void *address, char *ret, size_t size)
{
    char   line[HOOK_PATH_MAX + 128], block[1024];
    size_t len = 0;
    for (long n; (n = sys_read(maps, block, sizeof block)) != 0;) {
        if (n < 0)
            return (int)n;
        for (long i = 0; i < n; i++) {
            if (block[i] != '\n') {
                line[len] = block[i];
                len += len < sizeof line - 1;
                continue;
            }
            line[len] = '\0';
            len = 0;
            const char   *path = path_of_line(line, (uintptr_t)address);
            struct strbuf w = strbuf_in(ret, size);
            if (!path)
                continue;
            strbuf_add(&w, path);
            cut_deleted(ret);
            return w.cut ? -ENAMETOOLONG : 0;
        }
    }
    return -ENOENT;
}

int mapped_file_at(const void *address, char *ret, size_t size)
{
    struct query q = {.size = sizeof q,
                      .flags = QUERY_OF_A_FILE,
                      .address = (uintptr_t)address,
                      .name_size = (uint32_t)size,
                      .name = (uintptr_t)ret};
    long         fd = sys_open("/proc/self/maps", O_RDONLY, 0);
    if (fd < 0)
        return (int)fd;
    ret[0] = '\0'; /* for valgrind, which does not know of this query */
    int error = ask((int)fd, &q);
    if (error == 0 && ret[0] == '/')
        cut_deleted(ret);
    else
        error = mapped_file_at_in_text((int)fd, address, ret, size);
    sys_close((int)fd);
    return error;
}
