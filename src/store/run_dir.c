/* The run directory: made, locked, appended to, and read again; in memory where there is none. */
// SPDX-License-Identifier: Apache-2.0
#include "store/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"

enum { SAME_NAME_TRIES = 1000, LOOK_BACK_MAX = 64 * 1024 * 1024 };
enum { FILE_FLAGS = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

void run_dir_init(struct run_dir *run)
{
    *run = (struct run_dir){.dir = -1,
                            .state = -1,
                            .rows = -1,
                            .log = -1,
                            .lock = -1,
                            .commands = -1,
                            .commands_rows = -1,
                            .gpus_rows = -1};
    bytes_init(&run->memory_rows, RUN_DIR_MEMORY_MAX);
    bytes_init(&run->facts, RUN_DIR_STATE_MAX);
}

void run_dir_suspend(struct run_dir *run)
{
    file_close(&run->state);
    file_close(&run->rows);
    file_close(&run->log);
    file_close(&run->lock);
    file_close(&run->commands);
    file_close(&run->commands_rows);
    file_close(&run->gpus_rows);
    file_close(&run->dir);
}

void run_dir_close(struct run_dir *run)
{
    run_dir_suspend(run);
    bytes_done(&run->memory_rows);
    bytes_done(&run->facts);
}

/* Returns where the last whole line ends, looking back from `size`; -errno. The look back is longer than any line of
 * ours. */
static off_t end_of_whole_lines(int fd, off_t size)
{
    char  block[4096];
    off_t farthest = size > LOOK_BACK_MAX ? size - LOOK_BACK_MAX : 0;
    for (off_t end = size; end > farthest;) {
        off_t   start = end > (off_t)sizeof block ? end - (off_t)sizeof block : 0;
        ssize_t n = pread(fd, block, (size_t)(end - start), start);
        if (n < end - start)
            return n < 0 ? -errno : -EIO;
        const char *newline = memrchr(block, '\n', (size_t)n);
        if (newline)
            return start + (newline - block) + 1;
        end = start;
    }
    return farthest > 0 ? -EBADMSG : 0;
}

/* Cuts off a torn last line of a writer that was killed: the next line must not stick to it. */
static int cut_torn_line(int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    off_t end = end_of_whole_lines(fd, info.st_size);
    if (end < 0)
        return (int)end;
    return end == info.st_size || ftruncate(fd, end) == 0 ? 0 : -errno;
}

static int open_file(int dir, const char *name, int flags, int *ret)
{
    struct stat info;
    int         fd = -1;
    int         error = file_make(dir, name, flags, &fd);
    if (error < 0)
        return error == -ELOOP ? -EPERM : error;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1) {
        file_close(&fd);
        return -EPERM;
    }
    *ret = fd;
    return 0;
}

static off_t size_of(int dir, const char *name)
{
    struct stat info;
    return fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : info.st_size;
}

/* A file beside the rows, without which the run is whole. */
static int open_beside(int dir, const char *name, int *ret)
{
    int error = open_file(dir, name, FILE_FLAGS, ret);
    if (error == 0)
        error = cut_torn_line(*ret);
    if (error < 0)
        file_close(ret);
    return error;
}

static int open_commands(struct run_dir *run)
{
    int error = open_beside(run->dir, RUN_DIR_COMMANDS_ROWS, &run->commands_rows);
    if (error == 0)
        error = open_file(run->dir, RUN_DIR_COMMANDS, FILE_FLAGS & ~O_APPEND, &run->commands);
    if (error < 0)
        file_close(&run->commands_rows);
    return error;
}

/* Of a run that has rows already. */
static void open_others(struct run_dir *run)
{
    run->on_disk = true;
    if (size_of(run->dir, RUN_DIR_COMMANDS_ROWS) > 0)
        (void)open_commands(run);
    if (size_of(run->dir, RUN_DIR_GPUS_ROWS) > 0)
        (void)open_beside(run->dir, RUN_DIR_GPUS_ROWS, &run->gpus_rows);
}

static int open_files(struct run_dir *run)
{
    int error = open_file(run->dir, RUN_DIR_LOCK, FILE_FLAGS, &run->lock);
    int locked = 0;
    if (error == 0 && flock(run->lock, LOCK_EX | LOCK_NB) < 0) {
        locked = errno == EWOULDBLOCK ? -EBUSY : -ENOLCK;
        if (locked == -EBUSY)
            error = locked;
    }
    if (error == 0)
        error = open_file(run->dir, RUN_DIR_JOURNAL, FILE_FLAGS, &run->state);
    if (error == 0)
        error = open_file(run->dir, RUN_DIR_ROWS, FILE_FLAGS, &run->rows);
    if (error == 0 && !run->log_later)
        error = open_file(run->dir, RUN_DIR_LOG, FILE_FLAGS, &run->log);
    if (error == 0)
        error = cut_torn_line(run->state);
    if (error == 0)
        error = cut_torn_line(run->rows);
    if (error == 0 && lseek(run->rows, 0, SEEK_END) > 0)
        open_others(run);
    if (error < 0)
        run_dir_suspend(run);
    return error < 0 ? error : locked;
}

/* Opens and checks the folder, even one that was just made: another may stand in its place by now. */
static int open_folder(const struct state_dir *home, struct run_dir *run)
{
    struct stat info;
    run->dir = openat(home->runs, run->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (run->dir < 0)
        return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
    if (fstat(run->dir, &info) < 0 || info.st_uid != geteuid()) {
        run_dir_suspend(run);
        return -EPERM;
    }
    run->made_at = (int64_t)info.st_mtim.tv_sec * CLOCK_SECOND + info.st_mtim.tv_nsec;
    return open_files(run);
}

/* Makes a machine's name fit to be part of a path. */
static void clean_name(const char *machine, char ret[static 48])
{
    size_t n = 0;
    for (; machine[n] && n < 47; n++) {
        char c = machine[n];
        bool plain = ascii_is_alphanumeric(c) || c == '.' || c == '_';
        ret[n] = plain && !(n == 0 && c == '.') ? c : '-';
    }
    if (n == 0)
        ret[n++] = '-';
    ret[n] = '\0';
}

static bool is_empty(int dir)
{
    struct dir list;
    if (dir_open(&list, dir, ".") < 0)
        return false;
    bool empty = !dir_next(&list);
    dir_close(&list);
    return empty;
}

bool run_dir_is_blank(int dir)
{
    return size_of(dir, RUN_DIR_JOURNAL) <= 0 && size_of(dir, RUN_DIR_ROWS) <= 0 &&
           (size_of(dir, RUN_DIR_LOCK) >= 0 || is_empty(dir));
}

enum { LOCK_ID_MAX = 40 };

static size_t lock_id(int lock, char ret[static LOCK_ID_MAX])
{
    struct stat info;
    if (fstat(lock, &info) < 0)
        return 0;
    int len = snprintf(ret, LOCK_ID_MAX, "%llx-%llx\n", (unsigned long long)info.st_dev,
                       (unsigned long long)info.st_ino);
    return len > 0 ? (size_t)len : 0;
}

bool run_dir_sees_lock(int lock)
{
    char    id[LOCK_ID_MAX];
    char    text[LOCK_ID_MAX];
    size_t  len = lock_id(lock, id);
    ssize_t n = pread(lock, text, sizeof text, 0);
    return len > 0 && n == (ssize_t)len && memcmp(id, text, len) == 0;
}

void run_dir_sign_lock(const struct run_dir *run)
{
    char   id[LOCK_ID_MAX];
    size_t len = lock_id(run->lock, id);
    if (len > 0)
        (void)file_write(run->lock, id, len, NULL);
}

/* A file server dates what it makes by its own clock; on a disk of our own that is ours, at most a tick ago. What may
 * be the delay of the call, or a date in whole seconds (FAT has every second one), is no difference. */
static int64_t clock_offset(int64_t made_at, int64_t before, int64_t after)
{
    int64_t unsure = made_at % CLOCK_SECOND == 0 ? 2 * CLOCK_SECOND : CLOCK_SECOND / 2;
    return before - made_at > unsure ? before - made_at : made_at - after > unsure ? after - made_at : 0;
}

/* -EEXIST also where somebody sweeps a blank folder, and came between its making and its lock. */
static int make_folder(const struct state_dir *home, struct run_dir *run)
{
    int64_t before = clock_real();
    int     error = dir_make(home->runs, run->id);
    int64_t after = clock_real();
    if (error < 0)
        return error;
    error = open_folder(home, run);
    run->clock_offset = error == 0 || error == -ENOLCK ? clock_offset(run->made_at, before, after) : 0;
    return error == -EBUSY || error == -ENOENT ? -EEXIST : error;
}

int run_dir_create(const struct state_dir *home, int64_t started_s, const char *machine, pid_t pid, struct run_dir *ret)
{
    char when[17];
    char name[48];
    clock_format_compact(started_s, when);
    clean_name(machine, name);
    for (int i = 1; i <= SAME_NAME_TRIES; i++) {
        if (i == 1)
            (void)snprintf(ret->id, sizeof ret->id, "%s-%s-%d", when, name, (int)pid);
        else
            (void)snprintf(ret->id, sizeof ret->id, "%s-%s-%d-%d", when, name, (int)pid, i);
        if (home->runs < 0)
            return -ENOENT; /* the caller wants the ID all the same */
        int error = make_folder(home, ret);
        if (error != -EEXIST)
            return error;
    }
    return -EEXIST;
}

int run_dir_make_log(struct run_dir *run)
{
    return run->dir < 0 ? -EBADF : run->log >= 0 ? 0 : open_file(run->dir, RUN_DIR_LOG, FILE_FLAGS, &run->log);
}

int run_dir_open(const struct state_dir *home, const char *id, struct run_dir *ret)
{
    if (strlen(id) >= sizeof ret->id || strchr(id, '/') || id[0] == '.')
        return -EINVAL;
    memmove(ret->id, id, strlen(id) + 1);
    ret->log_later = false;
    return open_folder(home, ret);
}

void run_dir_take_files(struct run_dir *run, struct run_dir *from)
{
    memcpy(run->id, from->id, sizeof run->id);
    run->clock_offset = from->clock_offset;
    run->dir = from->dir;
    run->state = from->state;
    run->rows = from->rows;
    run->log = from->log;
    run->lock = from->lock;
    run->commands = from->commands;
    run->commands_rows = from->commands_rows;
    run->gpus_rows = from->gpus_rows;
    run_dir_init(from);
}

static int append(int fd, const char *data, size_t len)
{
    return fd < 0 ? -EBADF : file_append(fd, data, len);
}

bool run_dir_has_commands(const struct run_dir *run)
{
    return run->commands_rows >= 0;
}

int run_dir_append_commands(struct run_dir *run, const char *lines, size_t len)
{
    int error = run->dir < 0 ? -ENOENT : 0;
    if (error == 0 && run->commands_rows < 0)
        error = open_commands(run);
    return error < 0 ? error : append(run->commands_rows, lines, len);
}

bool run_dir_has_gpus(const struct run_dir *run)
{
    return run->gpus_rows >= 0;
}

int run_dir_append_gpus(struct run_dir *run, const char *lines, size_t len)
{
    int error = run->dir < 0 ? -ENOENT : 0;
    if (error == 0 && run->gpus_rows < 0)
        error = open_beside(run->dir, RUN_DIR_GPUS_ROWS, &run->gpus_rows);
    return error < 0 ? error : append(run->gpus_rows, lines, len);
}

void run_dir_write_commands(struct run_dir *run, const char *text, size_t len)
{
    struct stat info;
    if (run->commands < 0 || pwrite(run->commands, text, len, 0) != (ssize_t)len)
        return;
    if (fstat(run->commands, &info) == 0 && info.st_size > (off_t)len)
        (void)ftruncate(run->commands, (off_t)len);
}

/* Waiting facts go first, in the same write: a later value of a key stands. */
static int append_state(struct run_dir *run, const char *line, size_t len)
{
    struct bytes lines;
    if (run->facts.len == 0)
        return append(run->state, line, len);
    bytes_init(&lines, (size_t)2 * RUN_DIR_STATE_MAX);
    bytes_add(&lines, run->facts.data, run->facts.len);
    bytes_add(&lines, line, len);
    int error = lines.failed ? -ENOMEM : append(run->state, lines.data, lines.len);
    bytes_done(&lines);
    if (error == 0)
        bytes_done(&run->facts);
    return error;
}

static int append_line(struct run_dir *run, const char *json, size_t len, bool is_fact)
{
    struct bytes line;
    bytes_init(&line, RUN_DIR_STATE_MAX);
    bytes_add(&line, json, len);
    bytes_char(&line, '\n');
    int error = line.failed ? -EFBIG : append_state(run, line.data, line.len);
    if (error < 0 && is_fact && (run->state >= 0 || run->keeps_facts) && !line.failed)
        bytes_add(&run->facts, line.data, line.len);
    run->facts.failed = false;
    bytes_done(&line);
    return error;
}

int run_dir_append_state(struct run_dir *run, const char *json, size_t len)
{
    return append_line(run, json, len, false);
}

void run_dir_append_fact(struct run_dir *run, const char *json, size_t len)
{
    (void)append_line(run, json, len, true);
}

static size_t header_size(const struct bytes *rows)
{
    const char *end = rows->len > 0 ? memchr(rows->data, '\n', rows->len) : NULL;
    return end ? (size_t)(end - rows->data) + 1 : 0;
}

bool run_dir_is_in_memory(const struct run_dir *run)
{
    return run->rows < 0 && !run->on_disk;
}

/* Makes room in a run without a disk: rows that S3 has need none here. */
static bool forget_safe_rows(struct run_dir *run)
{
    struct bytes *rows = &run->memory_rows;
    uint64_t      start = header_size(rows) + run->forgotten;
    if (!run_dir_is_in_memory(run) || run->safe <= start)
        return false;
    size_t header = header_size(rows);
    size_t gone = (size_t)(run->safe - start);
    memmove(rows->data + header, rows->data + header + gone, rows->len - header - gone + 1);
    rows->len -= gone;
    rows->failed = false;
    run->forgotten += gone;
    return true;
}

int run_dir_append_row(struct run_dir *run, const char *line, size_t len)
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

void run_dir_cut_waiting_header(struct run_dir *run)
{
    struct bytes *rows = &run->memory_rows;
    size_t        header = header_size(rows);
    if (header == 0)
        return;
    rows->len -= header;
    memmove(rows->data, rows->data + header, rows->len + 1);
}

int run_dir_load_rows(const struct run_dir *run, struct bytes *ret)
{
    /* The held descriptor is read: the program may have become another user, or the folder may be gone. */
    int error = run->rows >= 0 ? file_load_held(run->rows, ret) : run->on_disk ? -EACCES : 0;
    while (error == 0 && ret->len > 0 && ret->data[ret->len - 1] != '\n')
        ret->len--;
    if (error == 0)
        bytes_add(ret, run->memory_rows.data, run->memory_rows.len);
    if (ret->data)
        ret->data[ret->len] = '\0';
    return error < 0 ? error : ret->failed || run->forgotten > 0 ? -EFBIG : 0;
}

static uint64_t size_on_disk(const struct run_dir *run)
{
    struct stat info;
    return run->rows >= 0 && fstat(run->rows, &info) == 0 ? (uint64_t)info.st_size : 0;
}

uint64_t run_dir_rows_size(const struct run_dir *run, bool waiting)
{
    return size_on_disk(run) + (waiting ? run->memory_rows.len + run->forgotten : 0);
}

static void add_piece(const struct bytes *rows, uint64_t from, size_t len, struct bytes *ret)
{
    if (from < rows->len)
        bytes_add(ret, rows->data + from, len < rows->len - from ? len : rows->len - (size_t)from);
}

/* Rows that were forgotten count in `from`. */
static void read_memory(const struct run_dir *run, uint64_t from, size_t len, struct bytes *ret)
{
    size_t header = header_size(&run->memory_rows);
    if (run->forgotten > 0 && from < header)
        add_piece(&run->memory_rows, from, len < header - from ? len : header - (size_t)from, ret);
    else
        add_piece(&run->memory_rows, from - run->forgotten, len, ret);
}

int run_dir_read_rows(const struct run_dir *run, uint64_t from, size_t len, struct bytes *ret)
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

/* The journal is the last to be removed: what is left until then is still known. */
static const char *const files[] = {RUN_DIR_ROWS, RUN_DIR_COMMANDS_ROWS, RUN_DIR_COMMANDS, RUN_DIR_GPUS_ROWS,
                                    RUN_DIR_LOG,  RUN_DIR_LOCK,          RUN_DIR_JOURNAL};

void run_dir_measure(int dir, uint64_t *ret_bytes, int64_t *ret_changed)
{
    struct stat info;
    *ret_bytes = 0;
    *ret_changed = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        if (strcmp(files[i], RUN_DIR_LOCK) == 0 || fstatat(dir, files[i], &info, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        *ret_bytes += (uint64_t)info.st_size;
        *ret_changed = info.st_mtime > *ret_changed ? info.st_mtime : *ret_changed;
    }
}

/* Opens and locks a folder that is to go. False: somebody works on it, or it is none. *ret_lock is -1 where it has no
 * lock. */
static bool take_for_removal(const struct state_dir *home, const char *name, int *ret_dir, int *ret_lock)
{
    *ret_dir = openat(home->runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    *ret_lock = *ret_dir < 0 ? -1 : openat(*ret_dir, RUN_DIR_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*ret_lock >= 0 && flock(*ret_lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        file_close(ret_dir);
    if (*ret_dir < 0)
        file_close(ret_lock);
    return *ret_dir >= 0;
}

/* The lock is held until the folder is gone: who makes one of that name meanwhile takes another. */
static void remove_taken(const struct state_dir *home, const char *name, int dir, int lock)
{
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
        (void)unlinkat(dir, files[i], 0);
    (void)unlinkat(home->runs, name, AT_REMOVEDIR);
    file_close(&dir);
    file_close(&lock);
}

void run_dir_remove(const struct state_dir *home, const char *name)
{
    int dir = -1;
    int lock = -1;
    if (take_for_removal(home, name, &dir, &lock))
        remove_taken(home, name, dir, lock);
}

bool run_dir_sweep(const struct state_dir *home, const char *name)
{
    int  dir = openat(home->runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int  lock = -1;
    bool blank = dir >= 0 && run_dir_is_blank(dir);
    file_close(&dir);
    if (blank && unlinkat(home->runs, name, AT_REMOVEDIR) == 0) /* its maker, if one lives, makes another */
        return true;
    if (!blank || !take_for_removal(home, name, &dir, &lock))
        return false;
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && run_dir_is_blank(dir)) {
        remove_taken(home, name, dir, lock);
        return true;
    }
    file_close(&dir);
    file_close(&lock);
    return false;
}
