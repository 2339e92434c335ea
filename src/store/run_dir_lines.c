// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/run_dir.h"

/* All or nothing: what a full disk took of a line is taken back. */
static int append(int fd, const char *data, size_t len)
{
    size_t      written = 0;
    struct stat before;
    if (fd < 0)
        return -EBADF;
    int error = file_write(fd, data, len, &written);
    if (error < 0 && written > 0 && fstat(fd, &before) == 0)
        (void)ftruncate(fd, before.st_size - (off_t)written);
    return error;
}

/* Facts that wait go first, in the same write: what stands later counts. */
static int append_state(struct rundir *run, const char *line, size_t len)
{
    struct bytes lines;
    if (run->facts.len == 0)
        return append(run->state, line, len);
    bytes_init(&lines, (size_t)2 * RUNDIR_STATE_MAX);
    bytes_add(&lines, run->facts.data, run->facts.len);
    bytes_add(&lines, line, len);
    int error = lines.failed ? -ENOMEM : append(run->state, lines.data, lines.len);
    bytes_done(&lines);
    if (error == 0)
        bytes_done(&run->facts);
    return error;
}

static int append_line(struct rundir *run, const char *json, size_t len, bool is_fact)
{
    struct bytes line;
    bytes_init(&line, RUNDIR_STATE_MAX);
    bytes_add(&line, json, len);
    bytes_char(&line, '\n');
    int error = line.failed ? -EFBIG : append_state(run, line.data, line.len);
    if (error < 0 && is_fact && run->state >= 0 && !line.failed)
        bytes_add(&run->facts, line.data, line.len);
    run->facts.failed = false;
    bytes_done(&line);
    return error;
}

int rundir_append_state(struct rundir *run, const char *json, size_t len)
{
    return append_line(run, json, len, false);
}

void rundir_append_fact(struct rundir *run, const char *json, size_t len)
{
    (void)append_line(run, json, len, true);
}

static size_t header_size(const struct bytes *rows)
{
    const char *end = rows->len > 0 ? memchr(rows->data, '\n', rows->len) : NULL;
    return end ? (size_t)(end - rows->data) + 1 : 0;
}

bool rundir_is_in_memory(const struct rundir *run)
{
    return run->rows < 0 && !run->on_disk;
}

/* A run without a disk lives on: what S3 has needs no room here. */
static bool forget_safe_rows(struct rundir *run)
{
    struct bytes *rows = &run->memory_rows;
    uint64_t      start = header_size(rows) + run->forgotten;
    if (!rundir_is_in_memory(run) || run->safe <= start)
        return false;
    size_t header = header_size(rows);
    size_t gone = (size_t)(run->safe - start);
    memmove(rows->data + header, rows->data + header + gone, rows->len - header - gone + 1);
    rows->len -= gone;
    rows->failed = false;
    run->forgotten += gone;
    return true;
}

int rundir_append_row(struct rundir *run, const char *line, size_t len)
{
    int error = -EAGAIN;
    if (run->memory_rows.len == 0)
        error = append(run->rows, line, len);
    if (error == 0) {
        run->on_disk = true;
        if (run->facts.len > 0)
            (void)append_state(run, NULL, 0);
        return 0;
    }
    bytes_add(&run->memory_rows, line, len);
    if (run->memory_rows.failed && forget_safe_rows(run))
        bytes_add(&run->memory_rows, line, len);
    bool no_room = run->memory_rows.failed;
    run->memory_rows.failed = false;
    error = append(run->rows, run->memory_rows.data, run->memory_rows.len);
    if (error == 0) {
        bytes_done(&run->memory_rows);
        run->on_disk = true;
    }
    if (no_room && (error < 0 || append(run->rows, line, len) < 0)) {
        run->lost_rows++;
        return -ENOMEM;
    }
    return error;
}

void rundir_cut_waiting_header(struct rundir *run)
{
    struct bytes *rows = &run->memory_rows;
    size_t        header = header_size(rows);
    if (header == 0)
        return;
    rows->len -= header;
    memmove(rows->data, rows->data + header, rows->len + 1);
}

int rundir_load_rows(const struct rundir *run, struct bytes *ret)
{
    /* By the held descriptor: the program may have become another user, or the folder may be gone. */
    int error = run->rows >= 0 ? file_load_held(run->rows, ret) : run->on_disk ? -EACCES : 0;
    while (error == 0 && ret->len > 0 && ret->data[ret->len - 1] != '\n')
        ret->len--;
    if (error == 0)
        bytes_add(ret, run->memory_rows.data, run->memory_rows.len);
    if (ret->data)
        ret->data[ret->len] = '\0';
    return error < 0 ? error : ret->failed || run->forgotten > 0 ? -EFBIG : 0;
}

static uint64_t size_on_disk(const struct rundir *run)
{
    struct stat info;
    return run->rows >= 0 && fstat(run->rows, &info) == 0 ? (uint64_t)info.st_size : 0;
}

uint64_t rundir_rows_size(const struct rundir *run, bool waiting)
{
    return size_on_disk(run) + (waiting ? run->memory_rows.len + run->forgotten : 0);
}

static void add_piece(const struct bytes *rows, uint64_t from, size_t len, struct bytes *ret)
{
    if (from < rows->len)
        bytes_add(ret, rows->data + from, len < rows->len - from ? len : rows->len - (size_t)from);
}

/* `from` counts what was forgotten. */
static void read_memory(const struct rundir *run, uint64_t from, size_t len, struct bytes *ret)
{
    size_t header = header_size(&run->memory_rows);
    if (run->forgotten > 0 && from < header)
        add_piece(&run->memory_rows, from, len < header - from ? len : header - (size_t)from, ret);
    else
        add_piece(&run->memory_rows, from - run->forgotten, len, ret);
}

int rundir_read_rows(const struct rundir *run, uint64_t from, size_t len, struct bytes *ret)
{
    uint64_t disk = size_on_disk(run);
    char     block[16384];
    if (run->rows < 0 && run->on_disk)
        return -EACCES;
    while (len > 0 && from < disk) {
        ssize_t n = pread(run->rows, block, len < sizeof block ? len : sizeof block, (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes_add(ret, block, (size_t)n);
        from += (uint64_t)n;
        len -= (size_t)n;
    }
    if (len > 0)
        read_memory(run, from - disk, len, ret);
    return ret->failed ? -ENOMEM : 0;
}
