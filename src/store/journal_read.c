/* The reader of run.jsonl, and the question whether the process of a run is still there. */
// SPDX-License-Identifier: Apache-2.0
#include "store/journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/proc_stat.h"
#include "base/roots.h"
#include "base/text.h"
#include "store/run_dir.h"

enum { LOOKS_AT_ONE = 20 }; /* 0.1 s apart: an image after an exec has the lock within a second */
enum { QUIET = 10, FOREIGN_HOUR = 3600, DEFAULT_UPLOAD = 60, LONGEST_INTERVAL = 3600, LONGEST_UPLOAD = 86400 };
enum { LINE_VALUES_MAX = 16 * 1024 }; /* a command has up to 4096 arguments */
enum { KEYS_MAX = 256 };              /* ours has some forty: whatever the file says, a state has an end */
#define STATE_FILE_MAX ((off_t)1 << 30)

/* Puts the members of `line` into `state`, in place of members with the same name. */
static int merge(cJSON *state, struct text line)
{
    if (json_check(line, LINE_VALUES_MAX) < 0)
        return -EBADMSG;
    cJSON *object = cJSON_ParseWithLength(line.at, text_len(line));
    int    error = cJSON_IsObject(object) ? 0 : -EBADMSG;
    while (error == 0 && object->child) {
        cJSON *item = cJSON_DetachItemViaPointer(object, object->child);
        cJSON_DeleteItemFromObjectCaseSensitive(state, item->string);
        if (cJSON_GetArraySize(state) >= KEYS_MAX) {
            cJSON_Delete(item);
            error = -EFBIG;
        } else if (!cJSON_AddItemToObject(state, item->string, item)) {
            cJSON_Delete(item);
            error = -ENOMEM;
        }
    }
    cJSON_Delete(object);
    return error;
}

/* Takes the whole lines off the front of the bytes read so far. */
static int merge_lines(struct bytes *read, cJSON *state, bool *any)
{
    struct text rest = text_span(read->data, read->len);
    struct text line;
    while (memchr(rest.at, '\n', text_len(rest)) && text_line(&rest, &line)) {
        int error = merge(state, line);
        if (error == -ENOMEM || error == -EFBIG)
            return error;
        *any |= error == 0;
    }
    read->len = text_len(rest);
    memmove(read->data, rest.at, read->len);
    return 0;
}

/* Reads line by line: a run of months has more lines than memory should hold. */
static int merge_file(int file, cJSON *state, bool *any)
{
    char         block[16384];
    struct bytes read;
    struct stat  info; /* its size as of now: a writer faster than we read must not keep us */
    int          error = fstat(file, &info) < 0 ? -errno : 0;
    bytes_init(&read, RUN_DIR_STATE_MAX);
    for (off_t at = 0; error == 0 && at < info.st_size;) {
        ssize_t n = pread(file, block, sizeof block, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            error = n < 0 ? -errno : 0;
            break;
        }
        at += n;
        bytes_add(&read, block, (size_t)n);
        error = at > STATE_FILE_MAX || read.failed ? -EFBIG : merge_lines(&read, state, any);
    }
    bytes_done(&read);
    return error;
}

static int load(int file, const struct bytes *facts, cJSON **ret)
{
    struct bytes waiting;
    cJSON       *state = cJSON_CreateObject();
    bool         any = false;
    int          error = !state ? -ENOMEM : file >= 0 ? merge_file(file, state, &any) : 0;
    bytes_init(&waiting, RUN_DIR_STATE_MAX);
    bytes_add(&waiting, facts->data, facts->len);
    if (error == 0)
        error = waiting.failed ? -ENOMEM : merge_lines(&waiting, state, &any);
    bytes_done(&waiting);
    if (error == 0 && !any)
        error = -EBADMSG;
    if (error < 0)
        cJSON_Delete(state);
    else
        *ret = state;
    return error;
}

int journal_load_held(int file, cJSON **ret)
{
    const struct bytes none = {0};
    return load(file, &none, ret);
}

int journal_load_run(const struct run_dir *run, cJSON **ret)
{
    return load(run->state, &run->facts, ret);
}

int journal_load(int dir, cJSON **ret)
{
    struct stat info;
    int         file = openat(dir, RUN_DIR_JOURNAL, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    int         error = file < 0 ? -errno : 0;
    if (error == 0 && (fstat(file, &info) < 0 || !S_ISREG(info.st_mode)))
        error = -EBADMSG;
    if (error == 0)
        error = journal_load_held(file, ret);
    file_close(&file);
    return error;
}

const char *journal_text(const cJSON *state, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, key));
}

bool journal_is(const cJSON *state, const char *key, const char *value)
{
    const char *text = journal_text(state, key);
    return text && strcmp(text, value) == 0;
}

double journal_number(const cJSON *state, const char *key, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(state, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

bool journal_is_newer(const cJSON *state)
{
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(state, "format");
    return format && !(cJSON_IsNumber(format) && format->valuedouble <= JOURNAL_FORMAT);
}

bool journal_is_of_this_kernel(const cJSON *state)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(state, "machine");
    char         boot[64];
    size_t       len = 0;
    const char  *id = journal_text(machine, "boot_id");
    if (!id || file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot, &len) < 0)
        return false;
    if (len > 0 && boot[len - 1] == '\n')
        boot[len - 1] = '\0';
    return strcmp(boot, id) == 0;
}

bool journal_is_of_this_boot(const cJSON *state)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(state, "machine");
    struct stat  ns;
    return journal_is_of_this_kernel(state) && stat("/proc/self/ns/pid", &ns) == 0 &&
           journal_number(machine, "pid_namespace", 0) == (double)ns.st_ino;
}

bool journal_process_started(int pid, uint64_t *ret)
{
    char         path[64];
    char         stat_text[1024];
    size_t       len = 0;
    struct bytes name = {.data = path, .capacity = sizeof path, .max = sizeof path - 1};
    bytes_text(&name, "/proc/");
    if (pid)
        bytes_signed(&name, pid);
    else
        bytes_text(&name, "self");
    bytes_text(&name, "/stat");
    if (file_read(AT_FDCWD, path, stat_text, sizeof stat_text, &len) < 0)
        return false;
    struct text t = text_span(stat_text, len);
    return proc_stat_field(&t, PROC_STAT_START) && text_unsigned(&t, ret);
}

static bool is_there(int pid)
{
    return syscall(SYS_kill, pid, 0) == 0 || errno != ESRCH;
}

/* True also where it cannot be told. */
static bool has_thread(int pid)
{
    char         path[64];
    char         comm[32];
    size_t       len = 0;
    struct bytes name = {.data = path, .capacity = sizeof path, .max = sizeof path - 1};
    struct dir   tasks;
    pid_t        tid = 0;
    bytes_text(&name, "/proc/");
    bytes_signed(&name, pid);
    bytes_text(&name, "/task");
    if (dir_open(&tasks, AT_FDCWD, path) < 0)
        return true;
    bool found = false;
    while (!found && dir_next_pid(&tasks, &tid)) {
        bytes_clear(&name);
        bytes_signed(&name, tid);
        bytes_text(&name, "/comm");
        found = file_read(tasks.fd, path, comm, sizeof comm, &len) == 0 && strcmp(comm, "pillion\n") == 0;
    }
    dir_close(&tasks);
    return found;
}

/* The file server's clock, which touching `lock` shows; ours where it cannot be touched. */
static int64_t file_server_now(int dir)
{
    struct stat info;
    int64_t     now = clock_real() / CLOCK_SECOND;
    int         lock = openat(dir, RUN_DIR_LOCK, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (lock >= 0 && futimens(lock, NULL) == 0 && fstat(lock, &info) == 0)
        now = info.st_mtime;
    file_close(&lock);
    return now;
}

static bool rows_are_older(int dir, int64_t seconds)
{
    struct stat info;
    if (fstatat(dir, RUN_DIR_ROWS, &info, AT_SYMLINK_NOFOLLOW) < 0 &&
        fstatat(dir, RUN_DIR_JOURNAL, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    return clock_real() / CLOCK_SECOND - info.st_mtime > seconds;
}

/* A duration in seconds, whatever a damaged file says. */
static int64_t duration(const cJSON *state, const char *key, double fallback, double longest)
{
    double value = journal_number(state, key, fallback);
    return (int64_t)(value > 0 && value < longest ? value + 1 : longest);
}

bool journal_knows_numbers(void)
{
    int  proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool known = proc >= 0 && roots_has_our_numbers(proc);
    file_close(&proc);
    return known;
}

/* A run of this kernel whose lock is the very file that its leader saw is told by that lock: a leader holds it, but for
 * the moment after an exec in place. Elsewhere a lock says nothing: another machine's may be its own affair (NFS). */
static bool is_unlocked(const cJSON *state, int dir)
{
    int  lock = openat(dir, RUN_DIR_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool same = lock >= 0 && run_dir_sees_lock(lock) && journal_is_of_this_kernel(state);
    bool unlocked = same && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "paused")) &&
                    flock(lock, LOCK_SH | LOCK_NB) == 0;
    file_close(&lock);
    return unlocked;
}

void journal_patience(const cJSON *state, int64_t *ret_quiet, int64_t *ret_silent)
{
    *ret_quiet = QUIET + 3 * duration(state, "interval", 1, LONGEST_INTERVAL);
    *ret_silent = FOREIGN_HOUR + 3 * duration(state, "upload_interval", DEFAULT_UPLOAD, LONGEST_UPLOAD);
}

/* Of a process that cannot be asked for by its number. */
static enum liveness liveness_from_outside(const cJSON *state, int dir)
{
    int64_t  silence, quiet;
    int64_t  changed = 0;
    uint64_t bytes = 0;
    journal_patience(state, &quiet, &silence);
    run_dir_measure(dir, &bytes, &changed);
    int64_t age = file_server_now(dir) - changed;
    if (age > silence)
        return LIVENESS_DEAD;
    if (!is_unlocked(state, dir))
        return LIVENESS_FOREIGN;
    return age > quiet ? LIVENESS_DEAD : LIVENESS_UNLOCKED;
}

enum liveness journal_liveness_by(const cJSON *state, int dir,
                                  enum liveness (*from_outside)(const cJSON *state, int dir))
{
    double   number = journal_number(state, "pid", 0);
    int      pid = number >= 1 && number <= INT32_MAX ? (int)number : 0;
    uint64_t start = 0;
    if (!journal_is_of_this_boot(state) || !journal_knows_numbers())
        return from_outside(state, dir);
    if (pid <= 0)
        return LIVENESS_DEAD;
    if (!journal_process_started(pid, &start)) /* hidepid hides who is another user's, or may not be looked into */
        return is_there(pid) ? from_outside(state, dir) : LIVENESS_DEAD;
    if ((double)start != journal_number(state, "pid_start", -1))
        return LIVENESS_DEAD;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "paused")))
        return LIVENESS_ALIVE; /* the process lives without a thread, and a last row is to come */
    if (rows_are_older(dir, QUIET + 3 * duration(state, "interval", 1, LONGEST_INTERVAL)) && !has_thread(pid))
        return LIVENESS_DEAD;
    return LIVENESS_ALIVE;
}

enum liveness journal_liveness(const cJSON *state, int dir)
{
    return journal_liveness_by(state, dir, liveness_from_outside);
}

enum liveness journal_liveness_at_last(const cJSON *state, int dir)
{
    static int    looks = 40; /* runs that end one after the other share them */
    enum liveness liveness = journal_liveness(state, dir);
    for (int i = 0; liveness == LIVENESS_UNLOCKED && i < LOOKS_AT_ONE && looks > 0; i++, looks--) {
        struct timespec moment = {.tv_nsec = 100 * CLOCK_MILLISECOND};
        (void)nanosleep(&moment, NULL);
        liveness = journal_liveness(state, dir);
    }
    return liveness == LIVENESS_UNLOCKED ? LIVENESS_DEAD : liveness;
}
