/* The thread `pillion`: how it begins, and how it leaves everything behind that is the program's. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/warm.h"
#include "engine/core_file.h"
#include "engine/run.h"
#include "libc/libc.h"
#include "store/journal_write.h"

enum { STACK = 256 * 1024, STACK_DOUBLINGS = 6, SETTLE_LIMIT = 100 * 1000 * 1000 /* ns */ };

typedef int  create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int  join_function(pthread_t, void **);
typedef void end_function(void *);

/* All are looked up before the thread is made: at the end another thread may hold the loader's lock, and wait for this
 * one. */
static create_function *make WARM;
static join_function *join   WARM;
static end_function *end     WARM; /* on musl alone, which lists its threads */

static pthread_t thread      WARM;
static struct link *the_link WARM;

extern const char *gnu_get_libc_version(void) __attribute__((weak)); /* glibc's own */

void thread_tell(struct link *link, enum link_state state)
{
    atomic_store(&link->state, state);
    (void)syscall(SYS_futex, &link->state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* The stderr of the program is kept for PILLION_LOG=stderr alone, because that was asked for. */
static int keep_stderr(const struct run *run)
{
    if (!run->config.log || strcmp(run->config.log, "stderr") != 0)
        return -1;
    return syscall(SYS_unshare, CLONE_FILES) < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

static int open_wake(void)
{
    sigset_t wake;
    (void)sigemptyset(&wake);
    (void)sigaddset(&wake, ENGINE_WAKE_SIGNAL);
    return signalfd(-1, &wake, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Keeps nothing busy that the program may leave. The folder is kept only where a file is named from it. */
static void leave_folder(const struct run *run)
{
    bool named_from_it = environment_names_relative() || (run->output.pattern && run->output.pattern[0] != '/');
    if (syscall(SYS_unshare, CLONE_FS) == 0 && !named_from_it)
        (void)syscall(SYS_chdir, "/");
}

static void copy_log(struct run *run)
{
    int file = -1;
    int error = file_open_own(run->log_path, 0600, &file);
    if (error == 0)
        log_copy_to(&run->log, file);
    else
        log_line(&run->log, LOG_WARN,
                 "PILLION_LOG=%.200s cannot be written (%s): it has to be a regular file of its user", run->log_path,
                 strerror(-error));
}

/* After a pause the path is still that of the start. */
static void open_log(struct run *run)
{
    char path[PATH_MAX];
    if (!run->log_path && run->config.log && strcmp(run->config.log, "stderr") != 0 &&
        dir_absolute(run->config.log, path) == 0)
        run->log_path = strdup(path);
    if (run->log_path)
        copy_log(run);
}

/* The thread's numbers are the program's files: it was restored from an image. So nothing is touched, not even closed.
 * What is on disk is the run; the process has another start time now, so it is for sync. */
static void leave_restored(void)
{
    struct link *link = the_link;
    atomic_store(&link->tid, 0);
    atomic_store(&link->request, LINK_END);
    (void)syscall(SYS_futex, &link->request, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    thread_tell(link, LINK_ENDED);
    if (end)
        end(NULL);
    for (;;)
        (void)syscall(SYS_exit, 0);
}

/* Main need not wait for this. */
static void take_descriptors(struct run *run)
{
    libc_own_descriptors(leave_restored);
    run->wake = open_wake(); /* a signal from before waits, as this thread has all of them blocked */
    run->asks = broadcast_open();
    run->is_raised = false;
    if (run->state != RUN_UNMADE) /* a first run waits until it is made: a short program does not pay for it */
        descriptors_raise(run);
}

static void settle(struct run *run)
{
    struct sched_param normal = {0};
    (void)syscall(SYS_prctl, PR_SET_NAME, "pillion", 0, 0, 0);
    if (syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER) /* filters often kill for changing it */
        (void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
    int kept = keep_stderr(run);
    libc_own_descriptors(NULL);
    run->seat = descriptors_own(kept) ? SEAT_OWN : SEAT_GUEST;
    if (kept >= 0)
        log_copy_to(&run->log, kept);
    else if (run->seat == SEAT_OWN)
        open_log(run);
    leave_folder(run);
}

static void leave_descriptors(struct run *run)
{
    file_close(&run->wake);
    file_close(&run->asks);
    libc_disown_descriptors();
}

/* Old runs go while the program is still held, or the end of a short one would end that too. It is a step of some ms,
 * and few programs have one. True: something is left for afterwards. */
static bool tidy(struct run *run)
{
    return !atomic_load(&run->link->hurry) && cleanup_is_due(run) && cleanup_step(run);
}

/* A thread that ends by the raw call is not counted: once main's thread is gone, libc would run exit on the last thread
 * to return. On musl the thread returns. musl would go on listing it, and the kernel clears musl's lock of that list
 * when it ends. */
static void leave(struct run *run, enum link_state state)
{
    int status = atomic_load(&run->link->wait_status) >> 8 & 0xff;
    if (state == LINK_ENDED && run->collectors)
        collect_leave_drivers(run->collectors);
    leave_descriptors(run); /* before the program goes on: valgrind counts these among the program's */
    if (state == LINK_ENDED) {
        bool sweeps = tidy(run);
        atomic_store(&run->link->tidies, sweeps);
        thread_tell(run->link, state);
        if (sweeps) /* on time that is nobody's: the process may end any moment now */
            cleanup_sweep(run);
        loop_close(run);
        file_close(&run->log.copy);
        if (gnu_get_libc_version)
            (void)syscall(SYS_exit, status);
        return;
    }
    loop_close(run);
    file_close(&run->log.copy);
    thread_tell(run->link, state);
}

/* False: the thread that asked for the pause has given up meanwhile. The line that says so may wait for a disk, so
 * nothing is given up before it stands there. */
static bool step_aside(struct run *run)
{
    uint32_t pause = LINK_PAUSE;
    journal_paused(&run->dir, true);
    if (atomic_load(&run->link->request) != LINK_PAUSE) {
        journal_paused(&run->dir, false);
        return false;
    }
    loop_close(run);
    if (atomic_compare_exchange_strong(&run->link->request, &pause, LINK_STEPPED) || pause == LINK_STEPPED)
        return true;
    loop_open(run);
    return false;
}

/* For keys pass over it, it is in no core file, and libc gives it to no later thread of the program's. */
static void *stack WARM;

/* The next thread, made when the program ends, goes on with the run, on another stack. */
void thread_step_out(struct run *run)
{
    journal_paused(&run->dir, true);
    loop_close(run);
    file_close(&run->log.copy);
    leave_descriptors(run);
    run->account.cost_before += clock_thread_cpu();
    descriptors_give_back();
    stack = NULL;
    atomic_store(&run->link->tid, 0);
    thread_tell(run->link, LINK_PAUSED);
}

static void live(void *argument)
{
    struct run *run = argument;
    core_file_without_stack(stack);
    if (run->seat == SEAT_GUEST) {
        /* Nothing may be opened beside a running program: main still waits, so the baseline is taken now, and this
         * thread goes. The run has the one row of end_here. */
        loop_prepare(run);
        loop_open(run);
        atomic_store(&run->link->tid, 0);
        thread_tell(run->link, LINK_OFF);
        return;
    }
    loop_prepare(run);
    take_descriptors(run);
    create_ahead(run); /* first of all: main goes on, and may become another user at once */
    marker_make_by_number(run);
    loop_open(run);
    while (loop_run(run) == LINK_PAUSE) {
        if (step_aside(run)) {
            run->account.cost_before += clock_thread_cpu();
            leave(run, LINK_PAUSED);
            return;
        }
    }
    pid1_outlived(run);
    finish_run(run);
    marker_remove(run);
    leave(run, LINK_ENDED);
}

/* Settling meets no secret, so it has the pages that libc has touched: main waits for it. */
static void *thread_main(void *argument)
{
    struct run *run = argument;
    atomic_store(&run->link->tid, (int32_t)syscall(SYS_gettid));
    settle(run);
    if (run->seat == SEAT_OWN)
        thread_tell(run->link, LINK_RUNNING);
    core_file_in_new_pages(live, run);
    return NULL;
}

/* Libc's own function, past a sanitizer's. LeakSanitizer would complain of a thread that it cannot stop;
 * ThreadSanitizer would wait for ever for one that ends by the raw exit call. */
static void *libc_own(const char *name, void *otherwise)
{
    void *own = dlsym ? dlsym(RTLD_NEXT, name) : NULL;
    __asm__ volatile("" ::: "memory"); /* no tail call: RTLD_NEXT is judged by the return address */
    return own ? own : otherwise;
}

/* That of a thread which was joined is taken again. */
static int give_stack(pthread_attr_t *attributes, size_t size, const struct link *link)
{
    static size_t stack_size WARM;
    bool                     is_free = atomic_load(&link->tid) == 0;
    if (stack && is_free && stack_size != size)
        (void)munmap(stack, stack_size);
    if (!stack || !is_free || stack_size != size) {
        stack = core_file_stack(size);
        stack_size = size;
    }
    return stack ? pthread_attr_setstack(attributes, stack, size) : EAGAIN;
}

static int create(struct run *run)
{
    pthread_attr_t attributes;
    if (!make) {
        make = (create_function *)libc_own("pthread_create", (void *)pthread_create);
        join = (join_function *)libc_own("pthread_tryjoin_np", (void *)pthread_tryjoin_np);
        end = gnu_get_libc_version ? NULL : (end_function *)libc_own("pthread_exit", NULL);
    }
    int    error = pthread_attr_init(&attributes);
    size_t size = STACK;
    for (int i = 0; error == 0 && i < STACK_DOUBLINGS; i++, size *= 2) {
        error = give_stack(&attributes, size, run->link);
        if (error == 0)
            error = make(&thread, &attributes, thread_main, run);
        if (error != EINVAL) /* a program with much static TLS takes it from the stack */
            break;
        error = i + 1 < STACK_DOUBLINGS ? 0 : EINVAL;
    }
    (void)pthread_attr_destroy(&attributes);
    return -error;
}

/* Main goes on only when nothing of its table can be in our hands any more. */
static void wait_until_settled(struct link *link)
{
    int64_t deadline = clock_monotonic() + SETTLE_LIMIT;
    while (atomic_load(&link->state) == LINK_STARTING) {
        int64_t left = deadline - clock_monotonic();
        if (left <= 0)
            break;
        struct timespec limit = {.tv_nsec = left};
        (void)syscall(SYS_futex, &link->state, FUTEX_WAIT_PRIVATE, LINK_STARTING, &limit, NULL, 0);
    }
}

int thread_start(struct run *run)
{
    sigset_t all;
    sigset_t before;
    if (!pthread_create || !pthread_sigmask || !pthread_attr_setstack)
        return -ENOSYS; /* glibc before 2.34, in a program without libpthread */
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return -EAGAIN;
    the_link = run->link;
    uint32_t old = atomic_exchange(&run->link->state, LINK_STARTING);
    int      error = create(run);
    if (error < 0)
        atomic_store(&run->link->state, old);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        wait_until_settled(run->link);
    return error;
}

bool thread_join(struct link *link, int64_t limit)
{
    static atomic_flag joining = ATOMIC_FLAG_INIT; /* two joins at once of one thread are undefined */
    int64_t            deadline = clock_monotonic() + limit;
    int                error = EBUSY;
    while (join && atomic_load(&link->tid) != 0) {
        if (!atomic_flag_test_and_set(&joining)) {
            error = atomic_load(&link->tid) != 0 ? join(thread, NULL) : 0;
            if (error == 0)
                atomic_store(&link->tid, 0);
            atomic_flag_clear(&joining);
        }
        if (error != EBUSY || clock_monotonic() >= deadline)
            break;
        struct timespec moment = {.tv_nsec = 20000};
        (void)syscall(SYS_nanosleep, &moment, NULL); /* the corner's asks for the thread's descriptors */
    }
    return atomic_load(&link->tid) == 0;
}
