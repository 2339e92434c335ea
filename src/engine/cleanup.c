/* Cleanup keeps a machine tidy over months: markers of dead leaders go, old runs go. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "delivery/api_mark.h"
#include "engine/run.h"
#include "store/journal_read.h"

enum { PRUNED_MAX = 4096, SWEPT_MAX = 1024, MARKS_MAX = 65536, UNDELIVERED_RUNS = 1000 };
#define PRUNED            "pruned"
#define PRUNE_SECONDS     3600
#define UNDELIVERED_BYTES (UINT64_C(2) << 30)

/* Removes the marks of one leader's orphans; false where it has none. */
static bool remove_marks(int at, const char *folder)
{
    struct dir  list;
    const char *name;
    if (dir_open(&list, at, folder) < 0)
        return false;
    for (int i = 0; i < MARKS_MAX && (name = dir_next(&list)); i++)
        (void)unlinkat(list.fd, name, 0);
    dir_close(&list);
    (void)unlinkat(at, folder, AT_REMOVEDIR);
    return true;
}

/* The marker goes first: without it no more marks are made. */
void cleanup_remove_marker(struct run *run)
{
    struct text marks = text_of(run->marks ? run->marks : "");
    char        above[PATH_MAX];
    if (run->marker)
        (void)unlink(run->marker);
    if (!text_after_last(&marks, '/') || !remove_marks(AT_FDCWD, run->marks))
        return;
    if (text_copy(text_span(run->marks, (size_t)(marks.at - run->marks)), above, sizeof above))
        (void)unlinkat(AT_FDCWD, above, AT_REMOVEDIR); /* where no other leader has marks */
}

/* A name that begins with our PID namespace and the number of a process that is gone. */
static bool is_of_a_dead_leader(const struct run *run, const char *name)
{
    struct text rest = text_of(name);
    uint64_t    ns = 0;
    uint64_t    pid = 0;
    if (!text_unsigned(&rest, &ns) || ns != run->pid_namespace || !text_skip(&rest, "-") || !text_unsigned(&rest, &pid))
        return false;
    char         process[32];
    struct stat  info;
    struct bytes b = {.data = process, .capacity = sizeof process, .max = sizeof process - 1};
    bytes_text(&b, "/proc/");
    bytes_unsigned(&b, pid);
    return stat(process, &info) < 0 && errno == ENOENT;
}

/* Removes what leaders of our pid namespace have left that are gone: their markers, and the marks below. */
static void sweep_markers(const struct run *run)
{
    char        folder[PATH_MAX];
    struct text path = text_of(run->marker);
    struct dir  list;
    const char *name = NULL;
    if (!journal_knows_numbers() || !text_after_last(&path, '/') ||
        !text_copy(text_span(run->marker, (size_t)(path.at - run->marker)), folder, sizeof folder) ||
        dir_open(&list, AT_FDCWD, folder) < 0)
        return;
    for (int i = 0; i < SWEPT_MAX && (name = dir_next(&list)); i++)
        if (is_of_a_dead_leader(run, name))
            (void)unlinkat(list.fd, name, 0);
    struct dir marks;
    if (dir_open(&marks, list.fd, ENGINE_MARKS) == 0) {
        for (int i = 0; i < SWEPT_MAX && (name = dir_next(&marks)); i++)
            if (is_of_a_dead_leader(run, name))
                (void)remove_marks(marks.fd, name);
        dir_close(&marks);
    }
    dir_close(&list);
}

static void sweep_api_marks(const struct run *run)
{
    struct api_mark mark;
    api_mark_open(&mark, run->config.api_url, run->config.token, &run->home);
    api_mark_sweep(&mark);
    api_mark_close(&mark);
}

struct old_run {
    char     name[RUN_DIR_ID_MAX];
    uint64_t bytes;
    bool     undelivered;
};

enum run_outcome { RUN_OVER, RUN_UNDELIVERED, RUN_UNKNOWN };

/* Judges a run by the last line of run.jsonl that begins with the state: most runs are told without parsing the whole.
 */
static enum run_outcome glance(int dir)
{
    static const char key[] = "\n{\"state\":\"";
    char              tail[1 + 4096 + 1] = "\n"; /* so that the first line is one like the others */
    struct stat       info;
    int               fd = openat(dir, RUN_DIR_JOURNAL, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    off_t             start = fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 4096 ? info.st_size - 4096 : 0;
    ssize_t           n = fd < 0 ? -1 : pread(fd, tail + 1, sizeof tail - 2, start);
    file_close(&fd);
    tail[n > 0 ? n + 1 : 0] = '\0';
    const char *last = NULL;
    for (const char *at = tail; (at = strstr(at, key)); at += sizeof key - 1)
        last = at + sizeof key - 1;
    if (!last)
        return RUN_UNKNOWN;
    if (strncmp(last, "finished\"", 9) == 0 || strncmp(last, "local\"", 6) == 0)
        return RUN_OVER;
    return strncmp(last, "undelivered\"", 12) == 0 ? RUN_UNDELIVERED : RUN_UNKNOWN;
}

/* Lost is a run that began and never said how it ended; or that never said it began, and is an hour old. */
static bool is_lost(int dir)
{
    struct stat info;
    cJSON      *state = NULL;
    int         error = journal_load(dir, &state);
    bool        lost = error == 0 && journal_liveness(state, dir) == LIVENESS_DEAD;
    if (error == -EBADMSG && fstat(dir, &info) == 0)
        lost = clock_real() / CLOCK_SECOND - info.st_mtime > PRUNE_SECONDS;
    cJSON_Delete(state);
    return lost;
}

/* False: the run has not ended, is not readable, or is not ours to judge. */
static bool look_at(const struct state_dir *home, const char *name, struct old_run *ret)
{
    int              dir = openat(home->runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    enum run_outcome seen = dir < 0 ? RUN_UNKNOWN : glance(dir);
    int64_t          changed = 0;
    bool             good = dir >= 0 && text_copy(text_of(name), ret->name, sizeof ret->name) &&
                (seen != RUN_UNKNOWN || is_lost(dir));
    ret->undelivered = seen != RUN_OVER;
    if (good)
        run_dir_measure(dir, &ret->bytes, &changed);
    file_close(&dir);
    return good;
}

/* Names begin with the UTC start: newest first. */
static int newest_first(const void *a, const void *b)
{
    return -strcmp(((const struct old_run *)a)->name, ((const struct old_run *)b)->name);
}

static void remove_beyond(const struct state_dir *home, const struct old_run *runs, size_t count, bool undelivered,
                          uint64_t max_runs, uint64_t max_bytes)
{
    uint64_t kept = 0;
    uint64_t bytes = 0;
    size_t   first = count;
    for (size_t i = 0; i < count && first == count; i++) {
        if (runs[i].undelivered != undelivered)
            continue;
        bytes += runs[i].bytes;
        if (++kept > max_runs || bytes > max_bytes)
            first = i;
    }
    for (size_t i = count; i > first; i--) /* the oldest go first, should the process end in between */
        if (runs[i - 1].undelivered == undelivered)
            run_dir_remove(home, runs[i - 1].name);
}

void cleanup_prune(const struct state_dir *home, const struct config *config, const char *current)
{
    struct dir      list;
    const char     *name = NULL;
    size_t          count = 0;
    struct old_run *runs = NULL;
    if (dir_open(&list, home->runs, ".") < 0)
        return;
    runs = malloc(PRUNED_MAX * sizeof *runs);
    while (runs && count < PRUNED_MAX && (name = dir_next(&list)))
        if (strcmp(name, current) != 0 && look_at(home, name, &runs[count]))
            count++;
    dir_close(&list);
    if (runs) {
        qsort(runs, count, sizeof *runs, newest_first);
        remove_beyond(home, runs, count, false, config->keep_runs, config->keep_bytes);
        remove_beyond(home, runs, count, true, UNDELIVERED_RUNS, UNDELIVERED_BYTES);
    }
    free(runs);
}

bool cleanup_is_due(struct run *run)
{
    return state_dir_claim(&run->home, PRUNED, PRUNE_SECONDS);
}

void cleanup_tidy(struct run *run)
{
    if (run->marker)
        sweep_markers(run);
    sweep_api_marks(run);
    cleanup_prune(&run->home, &run->config, run->dir.id);
}

void cleanup_hourly(struct run *run)
{
    if (run->marker)
        (void)utimensat(AT_FDCWD, run->marker, NULL, AT_SYMLINK_NOFOLLOW);
    if (run->state != RUN_UNMADE && cleanup_is_due(run))
        cleanup_tidy(run);
}
