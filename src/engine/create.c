/* The run directory comes into being when the first row is due; after an exec in place the old one is found again. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/run.h"
#include "store/journal_read.h"
#include "store/journal_write.h"

enum { BASELINE_MAX = 1024, LOCK_TRIES = 20 };

static const char *lookup(const char *name)
{
    return getenv(name);
}

/* Did this very process begin that run, in an image before? */
static bool is_ours(const struct run *run, const cJSON *state)
{
    const cJSON *machine = cJSON_GetObjectItemCaseSensitive(state, "machine");
    return journal_is(state, "state", "running") && journal_is(machine, "boot_id", run->machine.boot_id) &&
           journal_number(state, "pid", 0) == (double)getpid() &&
           journal_number(state, "pid_start", 0) == (double)run->pid_start &&
           journal_number(machine, "pid_namespace", 0) == (double)run->pid_namespace;
}

static bool name_holds_pid(const char *name, pid_t pid)
{
    char         text[24];
    struct bytes b = {.data = text, .capacity = sizeof text, .max = sizeof text - 1};
    bytes_char(&b, '-');
    bytes_signed(&b, pid);
    return strstr(name, text) != NULL;
}

/* The image before may have had another token, or one where this image has none. */
static bool is_anothers(const struct run *run, const cJSON *state)
{
    char token_id[9];
    if (!journal_text(state, "api_url"))
        return false;
    if (journal_text(state, "destination"))
        return !bucket_is_configured(&run->config, state);
    journal_token_id(run->config.token, token_id);
    return !run->config.token[0] || !journal_is(state, "api_url", run->config.api_url) ||
           !journal_is(state, "token_id", token_id);
}

static void take_up(struct run *run, const cJSON *state)
{
    const char *output = journal_text(state, "output");
    run->origin = is_anothers(run, state) ? ORIGIN_ANOTHERS : ORIGIN_BEFORE;
    if (output)
        run->output.path = strdup(output);
    const char *started = journal_text(state, "started_at");
    delivery_restore(&run->delivery, state);
    if (journal_text(state, "destination") && !run->delivery.upload.bucket)
        run->origin = ORIGIN_ANOTHERS; /* its place cannot be read, and a second name would make it two runs */
    int64_t seconds = 0;
    if (started && clock_parse_utc(started, &seconds) == 0)
        run->load_real = seconds * CLOCK_SECOND;
    if (run->dir.on_disk) /* the header stands there */
        run_dir_cut_waiting_header(&run->dir);
    run->rows += run->dir.on_disk;
    exec_resume_read(run, state);
    cgroup_tags_carry_on(&run->cgroup_tags, state);
}

/* Whoever asks for the lock, to know whether we are alive, has it for a moment. */
static int open_patiently(struct run *run, const char *name)
{
    struct timespec moment = {.tv_nsec = CLOCK_MILLISECOND};
    int             error = run_dir_open(&run->home, name, &run->dir);
    for (int i = 0; error == -EBUSY && i < LOCK_TRIES; i++) {
        (void)nanosleep(&moment, NULL);
        error = run_dir_open(&run->home, name, &run->dir);
    }
    return error;
}

/* Asks again under the lock: until then a sync may have taken the run for dead, and ended it. */
static bool lock_ours(struct run *run, const char *name, cJSON **state)
{
    int error = open_patiently(run, name);
    if (error < 0 && error != -ENOLCK)
        return false;
    cJSON_Delete(*state);
    *state = NULL;
    if (journal_load_held(run->dir.state, state) == 0 && is_ours(run, *state))
        return true;
    run_dir_suspend(&run->dir); /* rows that wait in memory stay */
    run->dir.on_disk = false;
    return false;
}

static bool find_again(struct run *run)
{
    struct dir  list;
    const char *name = NULL;
    bool        found = false;
    if (dir_open(&list, run->home.runs, ".") < 0)
        return false;
    while (!found && (name = dir_next(&list))) {
        cJSON *state = NULL;
        if (!name_holds_pid(name, getpid()))
            continue;
        int dir = openat(run->home.runs, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir >= 0 && journal_load(dir, &state) == 0 && is_ours(run, state)) {
            found = lock_ours(run, name, &state);
            if (found)
                take_up(run, state);
        }
        cJSON_Delete(state);
        file_close(&dir);
    }
    dir_close(&list);
    return found;
}

/* What was made ahead for an image before this one, or before a pause, and came to nothing. */
static void sweep_own(const struct state_dir *home)
{
    struct dir  list;
    const char *name = NULL;
    if (dir_open(&list, home->runs, ".") < 0)
        return;
    while ((name = dir_next(&list)))
        if (name_holds_pid(name, getpid()))
            (void)run_dir_sweep(home, name);
    dir_close(&list);
}

static void mark_ahead(const struct state_dir *home, const char *id, bool is_ahead)
{
    char name[sizeof CREATE_AHEAD_MARK + RUN_DIR_ID_MAX];
    (void)snprintf(name, sizeof name, CREATE_AHEAD_MARK "%s", id);
    if (is_ahead)
        state_dir_mark(home, name);
    else
        (void)unlinkat(home->dir, name, 0);
}

/* After root has become another user, its folders cannot be opened any more, by whatever way. Where others may write,
 * that user finds a place of its own, as everybody does: then there is no need. */
void create_ahead(struct run *run)
{
    struct utsname name;
    struct stat    place;
    if (geteuid() != 0 || !run->is_the_program || run->state != RUN_UNMADE || uname(&name) < 0)
        return;
    if (state_dir_open(lookup, true, &run->home) < 0)
        return;
    int error = -EACCES;
    if (run->origin == ORIGIN_SOUGHT || run->ahead.id[0])
        sweep_own(&run->home);
    run->ahead.log_later = run_is_asked_to_end(run);
    if (fstat(run->home.dir, &place) == 0 && !(place.st_mode & (S_IWGRP | S_IWOTH)))
        error = run_dir_create(&run->home, run->load_real / CLOCK_SECOND, name.nodename, getpid(), &run->ahead);
    if (error < 0 && error != -ENOLCK) {
        run_dir_suspend(&run->ahead);
        state_dir_close(&run->home);
        return;
    }
    if (!run_is_asked_to_end(run)) /* else it begins in a moment */
        mark_ahead(&run->home, run->ahead.id, true);
}

void create_not(struct run *run)
{
    if (run->ahead.dir < 0)
        return;
    run_dir_suspend(&run->ahead);
    (void)run_dir_sweep(&run->home, run->ahead.id);
    mark_ahead(&run->home, run->ahead.id, false);
}

static void create(struct run *run, const struct journal_begin *begin)
{
    int  error = -EACCES;
    bool is_there = run->ahead.dir >= 0;
    if (is_there) {
        run_dir_take_files(&run->dir, &run->ahead);
        error = 0;
    } else if (run->home.runs >= 0) {
        run->dir.log_later = run_is_asked_to_end(run);
        error = run_dir_create(&run->home, begin->started_at / CLOCK_SECOND, run->machine.host_name, begin->pid,
                               &run->dir);
    }
    if (error < 0 && error != -ENOLCK) {
        log_line(&run->log, LOG_ERROR,
                 "no run directory in %s (%s): the run is kept in memory; set PILLION_DIR to a "
                 "writable folder",
                 run->home.path, strerror(-error));
        run->dir.keeps_facts = begin->bucket != NULL; /* its documents are made of them */
        if (begin->bucket)
            journal_begin(&run->dir, begin);
        return;
    }
    run_dir_sign_lock(&run->dir);
    journal_begin(&run->dir, begin);
    if (is_there)
        mark_ahead(&run->home, run->dir.id, false);
}

void create_again(struct run *run)
{
    if (run->state == RUN_UNMADE)
        return;
    int error = state_dir_reopen(&run->home);
    if (error == 0)
        error = open_patiently(run, run->dir.id);
    if (error < 0 && error != -ENOLCK)
        log_line(&run->log, LOG_ERROR, "the run directory cannot be opened again (%s): rows wait in memory",
                 strerror(-error));
    journal_paused(&run->dir, false);
    log_attach(&run->log, run->dir.log);
    output_open(run);
}

static struct journal_begin begin_of(const struct run *run)
{
    return (struct journal_begin){
        .config = &run->config,
        .machine = &run->machine,
        .arguments = (const char *const *)run->arguments,
        .executable = run->executable,
        .baseline = "{}",
        .registration = "",
        .pid = getpid(),
        .pid_start = run->pid_start,
        .pid_namespace = run->pid_namespace,
        .started_at = run->load_real,
        .cgroups = &run->cgroup_tags.watch,
        .cgroup_before = &run->cgroup_tags.before,
    };
}

/* A run that goes to a bucket is named before anything is written down of it. */
static void name(struct run *run, struct journal_begin *begin, struct journal_bucket *bucket,
                 char prefix[static BUCKET_PREFIX_SIZE])
{
    const struct delivery_run named = {.started_s = run->load_real / CLOCK_SECOND,
                                       .host_name = run->machine.host_name,
                                       .boot_id = run->machine.boot_id,
                                       .pid = begin->pid};
    if (run->origin != ORIGIN_ANOTHERS && delivery_name(&run->delivery, &named, bucket, prefix))
        begin->bucket = bucket;
}

static void go_live(struct run *run)
{
    run->state = RUN_MADE;
    log_attach(&run->log, run->dir.log);
    output_open(run);
    if (config_delivers(&run->config) && run->seat == SEAT_OWN && run->origin != ORIGIN_ANOTHERS)
        registration_start(run);
}

bool create_continued(struct run *run)
{
    char                  prefix[BUCKET_PREFIX_SIZE];
    struct journal_begin  begin = begin_of(run);
    struct journal_bucket bucket;
    if (run->origin != ORIGIN_SOUGHT)
        return false;
    run->shape.main_process = atomic_load(&run->link->main_process);
    if (run->home.runs < 0 && state_dir_open(lookup, false, &run->home) < 0)
        return false;
    if (!find_again(run)) {
        if (run->ahead.dir < 0)
            state_dir_close(&run->home);
        return false;
    }
    create_not(run);
    registration_begin(run);
    name(run, &begin, &bucket, prefix);
    journal_continue(&run->dir, &begin, run->origin != ORIGIN_ANOTHERS);
    go_live(run);
    return true;
}

void create_run(struct run *run)
{
    char                  prefix[BUCKET_PREFIX_SIZE];
    struct journal_begin  begin = begin_of(run);
    struct journal_bucket bucket;
    struct bytes          baseline;
    if (create_continued(run))
        return;
    run->origin = ORIGIN_HERE;
    run->shape.main_process = atomic_load(&run->link->main_process);
    if (run->home.runs < 0)
        (void)state_dir_open(lookup, true, &run->home);
    bytes_init(&baseline, BASELINE_MAX);
    exec_resume_record(run, &baseline);
    if (baseline.data && !baseline.failed)
        begin.baseline = baseline.data;
    registration_begin(run);
    if (run->delivery.registration.len > 0 && !run->delivery.registration.failed)
        begin.registration = run->delivery.registration.data;
    name(run, &begin, &bucket, prefix);
    create(run, &begin);
    bytes_done(&baseline);
    go_live(run);
}
