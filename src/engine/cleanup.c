/* Cleanup keeps a machine tidy over months: old runs go, in steps of some milliseconds, as PILLION_KEEP says. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/number.h"
#include "base/text.h"
#include "delivery/api_mark.h"
#include "engine/run.h"
#include "store/journal_read.h"

enum { PRUNED_MAX = 16384, UNDELIVERED_RUNS = 1000, GROWTH = 16, LOOKS_LEAST = 16 };
enum { PRUNE_SECONDS = 3600, AGAIN_SECONDS = 1, YOUNG_SECONDS = 3, DAY_SECONDS = 86400, LOG_MAX = 256 * 1024 };
#define PRUNED            "pruned" /* when old runs were last looked at; its size is how many there were then */
#define UNDELIVERED_BYTES (UINT64_C(2) << 30)
#define KEPT              "kept"
#define LOOK_LIMIT        CLOCK_MILLISECOND /* of CPU, while the program is held at its end */
#define REMOVE_LIMIT      (2 * CLOCK_MILLISECOND)
#define STEP_LIMIT        (50 * CLOCK_MILLISECOND) /* a slow disk takes time without CPU */

static void sweep_api_marks(const struct run *run)
{
    struct api_mark mark;
    api_mark_open(&mark, &run->config, &run->home);
    api_mark_sweep(&mark);
    api_mark_close(&mark);
}

enum run_outcome { RUN_OVER, RUN_UNDELIVERED, RUN_OUTCOMES, RUN_UNKNOWN = RUN_OUTCOMES, RUN_NOT_SEEN };

struct old_run {
    char             name[RUN_DIR_ID_MAX];
    uint64_t         bytes;
    int64_t          changed; /* s since 1970 */
    enum run_outcome outcome;
};

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
static bool is_lost(int dir, bool is_old)
{
    cJSON *state = NULL;
    int    error = journal_load(dir, &state);
    bool   lost = error == 0 ? journal_liveness(state, dir) == LIVENESS_DEAD : error == -EBADMSG && is_old;
    cJSON_Delete(state);
    return lost;
}

/* Unknown: the run has not ended, is not readable, or is not ours to judge. */
static void look_at(const struct state_dir *home, struct old_run *run)
{
    struct stat info;
    int         dir = openat(home->runs, run->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    run->outcome = RUN_UNKNOWN;
    if (dir >= 0 && fstat(dir, &info) == 0 && info.st_uid == geteuid()) {
        bool is_old = clock_real() / CLOCK_SECOND - info.st_mtime > PRUNE_SECONDS;
        run->outcome = glance(dir);
        if (run->outcome == RUN_UNKNOWN && run_dir_is_blank(dir)) {
            if (is_old) /* whoever made it was killed at once */
                (void)run_dir_sweep(home, run->name);
        } else if (run->outcome == RUN_UNKNOWN && is_lost(dir, is_old))
            run->outcome = RUN_UNDELIVERED;
        if (run->outcome != RUN_UNKNOWN)
            run_dir_measure(dir, &run->bytes, &run->changed);
    }
    file_close(&dir);
}

/* Names begin with the UTC start. */
static int oldest_first(const void *a, const void *b)
{
    return strcmp(((const struct old_run *)a)->name, ((const struct old_run *)b)->name);
}

/* The runs but `current`, oldest first, not yet looked at; NULL without memory for them. */
static struct old_run *list_runs(const struct state_dir *home, const char *current, size_t *ret_count)
{
    struct dir      list;
    const char     *name = NULL;
    size_t          count = 0;
    struct old_run *runs = NULL;
    if (dir_open(&list, home->runs, ".") == 0) {
        runs = malloc(PRUNED_MAX * sizeof *runs);
        while (runs && count < PRUNED_MAX && (name = dir_next(&list))) {
            runs[count].outcome = RUN_NOT_SEEN;
            if (strcmp(name, current) != 0 && text_copy(text_of(name), runs[count].name, sizeof runs[count].name))
                count++;
        }
        dir_close(&list);
    }
    if (runs)
        qsort(runs, count, sizeof *runs, oldest_first);
    *ret_count = count;
    return runs;
}

/* An account of the runs that have ended. It stands in the file `kept`: a short program has no time to look at all of
 * them, so the next one goes on. Counted is from the oldest on, so what is too many then is so whatever comes. An hour
 * later it begins anew, since runs are delivered, and people remove some. */
struct account_of_kept {
    char     version[16];
    char     counted[RUN_DIR_ID_MAX]; /* the newest that is counted; "": none */
    char     passed[RUN_DIR_ID_MAX];  /* the newest that was looked at for removal */
    int64_t  began;                   /* s since 1970 */
    uint64_t runs[RUN_OUTCOMES];
    uint64_t bytes[RUN_OUTCOMES];
};

struct pruning {
    const struct state_dir *home;
    const struct config    *config;
    struct old_run         *runs; /* oldest first */
    size_t                  count;
    bool                    at_length; /* there is time for all */
    int64_t                 deadline;  /* ns CLOCK_MONOTONIC */
    struct account_of_kept  account;
};

static bool is_over(const struct pruning *p, enum run_outcome outcome)
{
    const uint64_t max_runs[] = {[RUN_OVER] = p->config->keep_runs, [RUN_UNDELIVERED] = UNDELIVERED_RUNS};
    const uint64_t max_bytes[] = {[RUN_OVER] = p->config->keep_bytes, [RUN_UNDELIVERED] = UNDELIVERED_BYTES};
    return outcome < RUN_OUTCOMES && p->account.runs[outcome] > 0 &&
           (p->account.runs[outcome] > max_runs[outcome] || p->account.bytes[outcome] > max_bytes[outcome]);
}

/* One is always looked at, or nothing would ever go from a slow disk. */
static bool has_time(const struct pruning *p, size_t looks, int64_t until)
{
    return p->at_length || looks == 0 ||
           (clock_monotonic() < p->deadline && (looks < LOOKS_LEAST || clock_thread_cpu() < until));
}

/* False: the time was over before all were counted. Those of the last seconds are counted later, when nobody of the
 * same second comes after them. */
static bool count_in(struct pruning *p)
{
    char    now[17] = "~";
    int64_t until = clock_thread_cpu() + LOOK_LIMIT;
    size_t  looks = 0;
    if (!p->at_length)
        clock_format_compact(clock_real() / CLOCK_SECOND - YOUNG_SECONDS, now);
    for (size_t i = 0; i < p->count && strcmp(p->runs[i].name, now) < 0; i++) {
        struct old_run *run = &p->runs[i];
        if (strcmp(run->name, p->account.counted) <= 0)
            continue;
        if (!has_time(p, looks++, until))
            return false;
        look_at(p->home, run);
        (void)text_copy(text_of(run->name), p->account.counted, sizeof p->account.counted);
        if (run->outcome < RUN_OUTCOMES) {
            p->account.runs[run->outcome]++;
            p->account.bytes[run->outcome] += run->bytes;
        }
    }
    return true;
}

/* A line in PILLION_DIR/log: somebody may look for those runs. */
static void tell_of_fresh(const struct state_dir *home, const struct config *config, unsigned count, const char *newest)
{
    struct log  log;
    struct stat info;
    int         fd = -1;
    log_init(&log, LOG_WARN);
    if (file_make(home->dir, RUN_DIR_LOG, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &fd) == 0 &&
        fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() && info.st_nlink == 1 &&
        info.st_size < LOG_MAX) {
        log_attach(&log, fd);
        log_line(&log, LOG_WARN, "PILLION_KEEP=%llu,%llu: %u runs of the last day are removed, the newest is %s",
                 (unsigned long long)config->keep_runs, (unsigned long long)config->keep_bytes, count, newest);
    }
    log_done(&log);
    file_close(&fd);
}

static void take_off(struct pruning *p, const struct old_run *run)
{
    p->account.runs[run->outcome]--;
    p->account.bytes[run->outcome] = saturating_subtract(p->account.bytes[run->outcome], run->bytes);
}

/* The oldest go first: the process may end any moment. False: the time was over before all were gone. */
static bool remove_oldest(struct pruning *p)
{
    int64_t     until = clock_thread_cpu() + REMOVE_LIMIT;
    int64_t     yesterday = clock_real() / CLOCK_SECOND - DAY_SECONDS;
    size_t      looks = 0;
    unsigned    fresh = 0;
    const char *newest = "";
    for (size_t i = 0; i < p->count && (is_over(p, RUN_OVER) || is_over(p, RUN_UNDELIVERED)); i++) {
        struct old_run *run = &p->runs[i];
        if (strcmp(run->name, p->account.passed) <= 0 || strcmp(run->name, p->account.counted) > 0)
            continue;
        if (!has_time(p, looks++, until))
            break;
        if (run->outcome == RUN_NOT_SEEN)
            look_at(p->home, run);
        (void)text_copy(text_of(run->name), p->account.passed, sizeof p->account.passed);
        if (!is_over(p, run->outcome))
            continue;
        take_off(p, run);
        run_dir_remove(p->home, run->name);
        if (run->changed > yesterday) {
            fresh++;
            newest = run->name;
        }
    }
    if (fresh > 0)
        tell_of_fresh(p->home, p->config, fresh, newest);
    return !is_over(p, RUN_OVER) && !is_over(p, RUN_UNDELIVERED);
}

void cleanup_prune(const struct state_dir *home, const struct config *config, const char *current)
{
    struct pruning p = {.home = home, .config = config, .at_length = true};
    p.runs = list_runs(home, current, &p.count);
    if (p.runs) {
        (void)count_in(&p);
        (void)remove_oldest(&p);
    }
    free(p.runs);
}

#define KEPT_VERSION "pillion 1"

static void read_account(const struct state_dir *home, struct account_of_kept *ret)
{
    int     fd = openat(home->dir, KEPT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int64_t now = clock_real() / CLOCK_SECOND;
    bool    good = fd >= 0 && pread(fd, ret, sizeof *ret, 0) == sizeof *ret &&
                strncmp(ret->version, KEPT_VERSION, sizeof ret->version) == 0 && now >= ret->began &&
                now < ret->began + PRUNE_SECONDS;
    file_close(&fd);
    if (!good)
        *ret = (struct account_of_kept){.version = KEPT_VERSION, .began = now};
    ret->counted[sizeof ret->counted - 1] = ret->passed[sizeof ret->passed - 1] = '\0';
}

static void write_account(const struct state_dir *home, const struct account_of_kept *account)
{
    int fd = -1;
    if (file_make(home->dir, KEPT, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &fd) == 0)
        (void)file_write(fd, account, sizeof *account, NULL);
    file_close(&fd);
}

static uint64_t count_folders(const struct state_dir *home)
{
    struct stat info;
    return fstat(home->runs, &info) == 0 && info.st_nlink > 2 ? (uint64_t)info.st_nlink - 2 : 0; /* not on btrfs */
}

static void set_age(int mark, int64_t seconds)
{
    struct timespec when = {.tv_sec = clock_real() / CLOCK_SECOND - seconds};
    (void)futimens(mark, (struct timespec[]){when, when});
}

/* The mark, locked, for the one process that is to look at old runs; -1: it is not due. Whoever is cut short at it is
 * followed by another a second later. */
static int claim(const struct run *run)
{
    struct stat info;
    int64_t     age = state_dir_mark_age(&run->home, PRUNED);
    if (run->home.dir < 0)
        return -1;
    if (age >= 0 && age < PRUNE_SECONDS &&
        (fstatat(run->home.dir, PRUNED, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
         count_folders(&run->home) <= (uint64_t)info.st_size + GROWTH))
        return -1;
    int mark = -1;
    (void)file_make(run->home.dir, PRUNED, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, &mark);
    if (mark >= 0 && flock(mark, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        file_close(&mark);
    if (mark >= 0)
        set_age(mark, PRUNE_SECONDS - AGAIN_SECONDS);
    return mark;
}

bool cleanup_is_due(struct run *run)
{
    run->pruned = claim(run);
    return run->pruned >= 0 || (geteuid() == 0 && run->home.runs >= 0);
}

/* Each folder that root makes ahead of its run has a mark until the run begins. Another's goes with its folder; that of
 * a run which began as another user, who could not take it away, goes alone. */
static void sweep_blank(const struct state_dir *home)
{
    struct dir  list;
    const char *name = NULL;
    if (dir_open(&list, home->dir, ".") < 0)
        return;
    while ((name = dir_next(&list))) {
        if (strncmp(name, CREATE_AHEAD_MARK, sizeof CREATE_AHEAD_MARK - 1) != 0)
            continue;
        const char *id = name + sizeof CREATE_AHEAD_MARK - 1;
        int         dir = openat(home->runs, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        bool        begun = dir < 0 || !run_dir_is_blank(dir);
        file_close(&dir);
        if (begun || run_dir_sweep(home, id))
            (void)unlinkat(home->dir, name, 0);
    }
    dir_close(&list);
}

/* A step of some milliseconds, or all of it. What is not done is the next leader's, at once. */
static void prune_claimed(struct run *run, struct old_run *runs, size_t count, bool at_length)
{
    struct pruning p = {.home = &run->home,
                        .config = &run->config,
                        .runs = runs,
                        .count = count,
                        .at_length = at_length,
                        .deadline = clock_monotonic() + STEP_LIMIT};
    read_account(&run->home, &p.account);
    bool counted = count_in(&p);
    bool done = remove_oldest(&p) && counted;
    write_account(&run->home, &p.account);
    (void)ftruncate(run->pruned, (off_t)count_folders(&run->home));
    set_age(run->pruned, done ? 0 : PRUNE_SECONDS);
    file_close(&run->pruned);
    run->is_pruned = done;
}

static void prune(struct run *run, bool at_length)
{
    size_t          count = 0;
    struct old_run *runs = run->pruned >= 0 ? list_runs(&run->home, run->dir.id, &count) : NULL;
    if (runs)
        prune_claimed(run, runs, count, at_length);
    file_close(&run->pruned);
    free(runs);
}

bool cleanup_step(struct run *run)
{
    prune(run, false);
    return run->is_pruned || geteuid() == 0;
}

void cleanup_sweep(struct run *run)
{
    if (geteuid() == 0)
        sweep_blank(&run->home);
    if (!run->is_pruned)
        return;
    run->is_pruned = false;
    marker_sweep_dead(run);
    sweep_api_marks(run);
}

void cleanup_hourly(struct run *run)
{
    if (run->state == RUN_UNMADE || !cleanup_is_due(run))
        return;
    prune(run, true);
    cleanup_sweep(run);
}
