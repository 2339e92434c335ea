/* The one loop waits for the next tick, the network and the program's wake-up at once. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/proc_stat.h"
#include "base/text.h"
#include "config/arguments.h"
#include "base/program_name.h"
#include "engine/otlp_export.h"
#include "engine/run.h"
#include "store/journal_read.h"

enum { LINE_MAX_BYTES = 8192 };

#define HOUR        (3600 * CLOCK_SECOND)
#define LOOK_AGAIN  CLOCK_SECOND             /* until the next look whether the program is still there */
#define IN_VAIN_MAX 16                       /* a program may get thousands of signals a second */
#define UNWAKEABLE  (50 * CLOCK_MILLISECOND) /* without a signalfd to wait on */

void loop_prepare(struct run *run)
{
    if (run->delivery.config)
        return;
    run->home.dir = run->home.runs = run->pruned = -1;
    run_dir_init(&run->dir);
    run_dir_init(&run->ahead);
    bytes_init(&run->line, LINE_MAX_BYTES);
    network_init(&run->network);
    delivery_init(&run->delivery, &run->config, &run->dir, &run->log, &run->network);
    resend_backlog_init(&run->backlog, &run->config, &run->home, &run->network, cgroup_tags_of_lost);
    run->delivery.keys = run->backlog.one.keys = &run->keys;
}

/* Words of the user's for a bucket, beside the secret half of its keys; unset where there is none. */
static void hide_keys(char *const *arguments)
{
    static const char *const names[] = {"AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *value = environment_value(names[i]);
        char        word[TOKEN_SIZE];
        struct text t = text_of(value ? value : "");
        text_trim(&t);
        if (text_len(t) > 0 && text_copy(t, word, sizeof word))
            arguments_hide(arguments, word);
    }
}

void loop_open(struct run *run)
{
    if (run->collectors) {
        if (run->seat == SEAT_OWN) {
            (void)collect_resume(run->collectors, &run->roots);
            if (run->state != RUN_UNMADE)
                collect_allow_drivers(run->collectors);
        }
        create_again(run);
        return;
    }
    if (collect_open(&run->roots, &run->tree, &run->collectors) < 0)
        return;
    if (collect_is_foreign(run->collectors))
        log_line(
            &run->log, LOG_WARN,
            "/proc is another PID namespace's: what the run's own processes use is not known; mount a /proc of this "
            "one (unshare --mount-proc)");
    output_prepare(run);
    collect_read(run->collectors, &run->last);
    /* The first row has all that the program has used since its run began, so that is when the row begins. */
    run->last.monotonic = run->load;
    run->last.real = sampling_date(run, run->load);
    run->baseline = run->last;
    if (run->seat != SEAT_OWN)
        collect_suspend(run->collectors);
    (void)machine_read(&run->roots, &run->last, &run->machine);
    (void)journal_process_started(0, &run->pid_start);
    arguments_hide(run->arguments, run->config.secret);
    arguments_hide((char *[]){run->executable, NULL}, run->config.secret);
    otlp_hide_in_arguments(&run->config, run->arguments);
    hide_keys(run->arguments);
    config_look_around(&run->config, program_name(run->executable, (const char *const *)run->arguments));
    cgroup_tags_begin(&run->cgroup_tags, &run->roots, &run->machine, &run->config);
    struct stat ns;
    if (stat("/proc/self/ns/pid", &ns) == 0)
        run->pid_namespace = ns.st_ino;
    run->next_upkeep = run->load + HOUR;
}

void loop_close(struct run *run)
{
    resend_backlog_drop(&run->backlog);
    probe_stop(&run->registration.probe);
    delivery_suspend(&run->delivery);
    otlp_export_suspend(run);
    network_close(&run->network);
    if (run->collectors)
        collect_suspend(run->collectors);
    run_dir_suspend(&run->dir);
    run_dir_suspend(&run->ahead);
    state_dir_close(&run->home);
    file_close(&run->output.fd);
    run->log.file = -1;
}

static int64_t first_row_due(const struct run *run)
{
    return run->load + (run->config.interval < CLOCK_SECOND ? run->config.interval : CLOCK_SECOND);
}

/* Returns when the run directory is made and registration begins; before it, nothing leaves a trace. */
static int64_t making_due(const struct run *run)
{
    return run->config.min_life > 0 && run->origin != ORIGIN_SOUGHT ? run->load + run->config.min_life
                                                                    : first_row_due(run);
}

static int64_t next_tick(const struct run *run, int64_t now)
{
    return run->load + ((now - run->load) / run->config.interval + 1) * run->config.interval;
}

/* Makes a call that the program's thread made for itself, for this thread too. */
static void mirror_call(struct link *link)
{
    struct link_call *call = &link->call;
    const long       *a = call->arguments;
    if (call->has_data)
        (void)syscall(call->number, call->header, call->data);
    else
        (void)syscall(call->number, a[0], a[1], a[2], a[3], a[4]);
    uint32_t asked = LINK_CALL;
    if (atomic_compare_exchange_strong(&link->request, &asked, LINK_NONE))
        (void)syscall(SYS_futex, &link->request, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* What the loop does not listen to for a while. */
struct deafness {
    bool    wake;      /* a SIGURG is pending that is not ours: the link is looked at by the clock */
    int64_t broadcast; /* ns CLOCK_MONOTONIC, not 0: until then, to signals that are pending for the process */
    int     in_vain;   /* times that one ended the wait since, and was not for this thread */
};

/* The signalfd is read only when a wake-up was sent, and for that one alone (the kernel hands out a thread's own
 * signals first). A SIGURG that was sent to the process, and that the program blocks to have it by sigwait, is not ours
 * to take. The other one is never read: what is pending there is let in, or stays. */
static void wait_for_something(struct run *run, int64_t due, struct deafness *deaf)
{
    int64_t                 now = clock_monotonic();
    struct pollfd           files[] = {{.fd = deaf->wake ? -1 : run->wake, .events = POLLIN},
                                       {.fd = deaf->in_vain < IN_VAIN_MAX ? run->asks : -1, .events = POLLIN}};
    struct pollfd          *wake = &files[0];
    struct signalfd_siginfo taken;
    int64_t                 wait = due - now;
    if (deaf->broadcast != 0 && now >= deaf->broadcast) {
        broadcast_listen(run);
        *deaf = (struct deafness){.wake = deaf->wake};
    }
    network_poll(&run->network, files, 2, wake->fd < 0 ? clock_earlier(wait, UNWAKEABLE) : wait);
    uint32_t wakes = atomic_load(&run->link->wakes);
    uint32_t request = atomic_load(&run->link->request);
    deaf->wake = !deaf->wake && (wake->revents & POLLIN) && wakes == run->wakes && request == LINK_NONE;
    if (wakes != run->wakes && run->wake >= 0) {
        (void)read(run->wake, &taken, sizeof taken);
        run->wakes = wakes;
    }
    if (request == LINK_CALL)
        mirror_call(run->link);
    if ((files[1].revents & POLLIN) && request < LINK_PAUSE && !broadcast_answer(run)) {
        if (deaf->broadcast == 0)
            deaf->broadcast = clock_monotonic() + clock_earlier(run->config.interval, LOOK_AGAIN);
        deaf->in_vain++;
    }
}

/* True when only we keep the process: main's thread has gone by a raw exit, and all others too. The kernel takes the
 * status of the last thread to go; unless others outlived main, that would have been main's. */
static bool alone_in_dead_process(struct run *run)
{
    char        content[512];
    size_t      len = 0;
    uint64_t    exit_code = 0;
    struct stat task;
    struct text word = {0};
    if (!run->is_the_program || stat("/proc/self/task", &task) < 0 ||
        file_read(AT_FDCWD, "/proc/self/stat", content, sizeof content, &len) < 0)
        return false;
    struct text t = text_span(content, len);
    if (!proc_stat_field(&t, PROC_STAT_STATE) || !text_word(&t, &word) || !text_is(word, "Z"))
        return false;
    if (task.st_nlink - 2 > 2) {
        run->others_outlived_main = true;
        return false;
    }
    t = text_span(content, len);
    if (proc_stat_field(&t, PROC_STAT_EXIT_CODE))
        (void)text_unsigned(&t, &exit_code);
    atomic_store(&run->link->wait_status, run->others_outlived_main ? 0 : (int32_t)exit_code);
    atomic_store(&run->link->hold_began, clock_monotonic());
    return true;
}

/* Our own run comes first. Runs that others left behind have time while it has nothing to send. */
static bool has_time_for_others(const struct run *run)
{
    const struct delivery *d = &run->delivery;
    return resend_run_is_under_way(&run->backlog.one) || (d->phase == DELIVERY_STREAM && d->answered && !d->call);
}

static int64_t deliver(struct run *run)
{
    if (!registration_step(run, clock_monotonic()))
        return probe_due(&run->registration.probe);
    delivery_step(&run->delivery, clock_monotonic());
    if (has_time_for_others(run))
        resend_backlog_step(&run->backlog, clock_monotonic());
    int64_t due = delivery_due(&run->delivery);
    return has_time_for_others(run) ? clock_earlier(due, resend_backlog_due(&run->backlog)) : due;
}

/* Rests after the run is over; the program perhaps ends in a moment. */
static int64_t rest(struct run *run, int64_t now)
{
    if (pid1_owes(run))
        return deliver(run);
    if (now >= run->rests_until)
        pid1_begin(run);
    return run->state == RUN_RESTS ? run->rests_until : now;
}

/* The run of an image before an exec goes on once a first row is due, however long a run has to last: until then it
 * looks dead from outside. */
static bool begin_run(struct run *run, int64_t now)
{
    if (run->state != RUN_UNMADE || now < making_due(run))
        return false;
    if (run->origin == ORIGIN_SOUGHT && !create_continued(run))
        run->origin = ORIGIN_HERE;
    if (run->state == RUN_UNMADE && now < making_due(run))
        return false;
    descriptors_raise(run);
    if (run->state == RUN_UNMADE)
        create_run(run);
    if (run->seat == SEAT_OWN && run->collectors)
        collect_allow_drivers(run->collectors);
    return true;
}

static int64_t ride(struct run *run, int64_t now, int64_t *tick)
{
    bool due = now >= *tick;
    bool begins = begin_run(run, now);
    if (due) {
        sampling_row(run);
        if (run->state == RUN_MADE)
            cgroup_tags_look(&run->cgroup_tags, &run->dir, now);
        *tick = next_tick(run, now);
    }
    otlp_export_step(run);
    if (begins) /* after a row that is due, since a driver may take seconds to answer, or for ever */
        registration_add_gpus(run);
    return clock_earlier(*tick, run->state == RUN_MADE ? deliver(run) : making_due(run));
}

enum link_request loop_run(struct run *run)
{
    int64_t         tick = next_tick(run, clock_monotonic());
    struct deafness deaf = {.wake = false};
    uint32_t        request;
    while ((request = atomic_load(&run->link->request)) < LINK_PAUSE) {
        int interrupted = atomic_exchange(&run->link->interrupted, 0);
        if (interrupted && run->state != RUN_RESTS)
            pid1_end(run, interrupted);
        int64_t now = clock_monotonic();
        int64_t due = run->state == RUN_RESTS ? rest(run, now) : ride(run, now, &tick);
        if (now >= run->next_upkeep) {
            marker_renew(run);
            cleanup_hourly(run);
            run->next_upkeep = now + HOUR;
        }
        due = clock_earlier(due, run->next_upkeep);
        if (now + LOOK_AGAIN / 2 >= run->next_look) { /* at a tick, if one is near: waking up costs more than looking */
            if (alone_in_dead_process(run))
                return LINK_END;
            run->next_look = now + LOOK_AGAIN;
        }
        wait_for_something(run, clock_earlier(due, run->next_look), &deaf);
    }
    return request;
}
