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
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/run.h"
#include "store/journal_write.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

enum { STACK = 256 * 1024, STACK_DOUBLINGS = 6, SETTLE_LIMIT = 100 * 1000 * 1000 /* ns */ };

static pthread_t thread;

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

/* Descriptors may stand above the limit, which can be lowered, or above what can be tried one by one. */
static void close_listed(int kept)
{
    struct dir  list;
    const char *name = NULL;
    char        path[64];
    uint64_t    fd = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/fd", syscall(SYS_gettid));
    if (dir_open(&list, AT_FDCWD, path) < 0)
        return;
    while ((name = dir_next(&list))) {
        struct text t = text_of(name);
        if (text_unsigned(&t, &fd) && (int)fd != kept && (int)fd != list.fd)
            (void)close((int)fd);
    }
    dir_close(&list);
}

/* Kernels before 5.9 have no close_range: descriptors are closed one by one, in a table that is already ours. */
static bool close_one_by_one(int kept)
{
    long limit = sysconf(_SC_OPEN_MAX);
    if (syscall(SYS_unshare, CLONE_FILES) < 0)
        return false;
    for (int fd = 0; fd < (limit > 0 && limit < 65536 ? limit : 65536); fd++)
        if (fd != kept)
            (void)close(fd);
    close_listed(kept);
    return true;
}

/* Makes a descriptor table of our own with nothing of the program's in it; 0 to 2 lead nowhere. False: the table is
 * still the program's, and nothing may be held open in it. */
static bool own_table(int kept)
{
    bool own = false;
    if (kept < 0)
        own = syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0;
    else
        own = syscall(SYS_close_range, 0U, (unsigned)kept - 1U, CLOSE_RANGE_UNSHARE) == 0 &&
              syscall(SYS_close_range, (unsigned)kept + 1U, ~0U, 0U) == 0;
    if (!own && !close_one_by_one(kept))
        return false;
    for (int fd = 0; fd <= 2; fd++)
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 && open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
            return false;
    return true;
}

static int open_wake(void)
{
    sigset_t wake;
    (void)sigemptyset(&wake);
    (void)sigaddset(&wake, ENGINE_WAKE_SIGNAL);
    return signalfd(-1, &wake, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void open_log(struct run *run)
{
    int file = -1;
    int error = file_open_own(run->config.log, 0600, &file);
    if (error == 0)
        log_copy_to(&run->log, file);
    else
        log_line(&run->log, LOG_WARN,
                 "PILLION_LOG=%.200s cannot be written (%s): it has to be a regular file of its user", run->config.log,
                 strerror(-error));
}

static void settle(struct run *run)
{
    struct sched_param normal = {0};
    (void)syscall(SYS_prctl, PR_SET_NAME, "pillion", 0, 0, 0);
    if (syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER) /* filters often kill for changing it */
        (void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &normal);
    int kept = keep_stderr(run);
    run->seat = own_table(kept) ? SEAT_OWN : SEAT_GUEST;
    (void)syscall(SYS_unshare, CLONE_FS);
    run->wake = run->seat == SEAT_OWN ? open_wake() : -1;
    if (kept >= 0)
        log_copy_to(&run->log, kept);
    else if (run->seat == SEAT_OWN && run->config.log && strcmp(run->config.log, "stderr") != 0)
        open_log(run);
}

extern const char *gnu_get_libc_version(void) __attribute__((weak)); /* glibc's own */

/* Old runs go while the program is still held, or the end of a short one would end that too. It is a step of two ms,
 * and few programs have one. True: something is left for afterwards. */
static bool tidy(struct run *run)
{
    if (atomic_load(&run->link->hurry) || !cleanup_is_due(run))
        return false;
    if (run->pruned < 0)
        return true;
    cleanup_tidy(run);
    return false;
}

/* A thread that ends by the raw call is not counted: once main's thread is gone, libc would run exit on the last thread
 * to return. On musl the thread returns. musl would go on listing it, and the kernel clears musl's lock of that list
 * when it ends. */
static void leave(struct run *run, enum link_state state)
{
    int status = atomic_load(&run->link->wait_status) >> 8 & 0xff;
    if (state == LINK_ENDED && run->collectors)
        collect_leave_drivers(run->collectors);
    file_close(&run->wake); /* before the program goes on: valgrind counts the descriptor among the program's */
    if (state == LINK_ENDED) {
        bool sweeps = tidy(run);
        atomic_store(&run->link->tidies, sweeps);
        thread_tell(run->link, state);
        if (sweeps) /* on time that is nobody's: the process may end any moment now */
            cleanup_tidy(run);
        loop_close(run);
        if (gnu_get_libc_version)
            (void)syscall(SYS_exit, status);
        return;
    }
    loop_close(run);
    thread_tell(run->link, state);
}

/* False: the thread that asked for the pause has given up meanwhile. */
static bool step_aside(struct run *run)
{
    uint32_t pause = LINK_PAUSE;
    journal_paused(&run->dir, true);
    loop_close(run);
    if (atomic_compare_exchange_strong(&run->link->request, &pause, LINK_STEPPED) || pause == LINK_STEPPED)
        return true;
    loop_open(run);
    return false;
}

static void *thread_main(void *argument)
{
    struct run *run = argument;
    atomic_store(&run->link->tid, (int32_t)syscall(SYS_gettid));
    settle(run);
    if (run->seat == SEAT_GUEST) {
        /* Nothing may be opened beside a running program: main still waits, so the baseline is taken now, and this
         * thread goes. The run has the one row of end_here. */
        loop_open(run);
        atomic_store(&run->link->tid, 0);
        thread_tell(run->link, LINK_OFF);
        return NULL;
    }
    thread_tell(run->link, LINK_RUNNING);
    cleanup_make_marker(run);
    create_ahead(run); /* first of all: main goes on, and may become another user at once */
    loop_open(run);
    while (loop_run(run) == LINK_PAUSE) {
        if (step_aside(run)) {
            run->account.cost_before += clock_thread_cpu();
            leave(run, LINK_PAUSED);
            return NULL;
        }
    }
    pid1_outlived(run);
    finish_run(run);
    cleanup_remove_marker(run);
    leave(run, LINK_ENDED);
    return NULL;
}

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
typedef int join_function(pthread_t, void **);

/* Libc's own function, past a sanitizer's. LeakSanitizer would complain of a thread that it cannot stop;
 * ThreadSanitizer would wait for ever for one that ends by the raw exit call. */
static void *libc_own(const char *name, void *otherwise)
{
    void *own = dlsym ? dlsym(RTLD_NEXT, name) : NULL;
    __asm__ volatile("" ::: "memory"); /* no tail call: RTLD_NEXT is judged by the return address */
    return own ? own : otherwise;
}

/* Both are looked up before the thread is made: at the end another thread may hold the loader's lock, and wait for this
 * one. */
static create_function *make;
static join_function   *join;

static int create(struct run *run)
{
    pthread_attr_t attributes;
    if (!make) {
        make = (create_function *)libc_own("pthread_create", (void *)pthread_create);
        join = (join_function *)libc_own("pthread_tryjoin_np", (void *)pthread_tryjoin_np);
    }
    int    error = pthread_attr_init(&attributes);
    size_t size = STACK;
    for (int i = 0; error == 0 && i < STACK_DOUBLINGS; i++, size *= 2) {
        error = pthread_attr_setstacksize(&attributes, size);
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
    if (!pthread_create || !pthread_sigmask || !pthread_attr_setstacksize)
        return -ENOSYS; /* glibc before 2.34, in a program without libpthread */
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return -EAGAIN;
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
        (void)nanosleep(&moment, NULL);
    }
    return atomic_load(&link->tid) == 0;
}
