/* The two sides of the link at once, for ThreadSanitizer above all: the engine's thread, and several of the program's
 * that mirror calls, have it step aside and come back, and end the program, each as the hook does it. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "hook/hook.h"

enum { PLAYS = 6, MIRRORS = 100, PAUSES = 4, STATUS = 43, LONG = 9 /* s */ };

struct hook hook;

bool hook_owns(void)
{
    return true;
}

bool procfs_single(void)
{
    return procfs_alone();
}

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
    return sigaction(number, action, old);
}

void signals_set_default(int number, const struct sigaction *known)
{
    (void)sigaction(number, known, NULL);
}

void signals_end(void)
{
}

bool procfs_alone(void)
{
    return false;
}

static bool is_old_kernel; /* before 5.9 */

/* The thread ends by the raw exit call, which no sanitizer sees: here it ends as threads do. As libc's own, it reads six
 * arguments whether they were given or not, the last of them on the caller's stack. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
__attribute__((no_sanitize("address"))) long __wrap_syscall(long number, ...)
{
    long    a[6];
    va_list rest;
    if (number == SYS_exit)
        pthread_exit(NULL);
    if (number == SYS_close_range && is_old_kernel) {
        errno = ENOSYS;
        return -1;
    }
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* A join has a deadline, and a busy machine ends the process before it: that is no leak. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void); /* called by the runtime */
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}

static void *mirrors(void *nothing)
{
    struct link_call call = {.number = SYS_prctl, .arguments = {PR_SET_KEEPCAPS}};
    for (int i = 0; i < MIRRORS; i++)
        thread_link_mirror(&call);
    return nothing;
}

static void *pauses(void *nothing)
{
    for (int i = 0; i < PAUSES; i++) {
        if (thread_link_pause(50 * INT64_C(1000000)))
            thread_link_resume();
        usleep(3000);
    }
    return nothing;
}

/* A signal of ours that somebody else sends. */
static void *disturbs(void *nothing)
{
    for (int i = 0; i < MIRRORS; i++) {
        pid_t tid = atomic_load(&hook.link.tid);
        if (tid)
            (void)__real_syscall(SYS_tgkill, getpid(), tid, ENGINE_WAKE_SIGNAL, 0L, 0L, 0L);
        usleep(1000);
    }
    return nothing;
}

static void *ends(void *nothing)
{
    exit_hold(HOLD_EXIT_ENTERED, STATUS);
    return nothing;
}

static bool begin(const char *folder)
{
    static const char *const environment[] = {"PILLION_INTERVAL=0.05", NULL};
    static const char *const arguments[] = {"player", NULL};
    struct engine_start      start = {
             .environment = environment, .arguments = arguments, .executable = "/bin/player", .root = getpid()};
    (void)setenv("PILLION_DIR", folder, 1); /* getenv is libc's here */
    (void)alarm(LONG);                      /* whoever waits for a call to be mirrored hears of the end */
    hook.owner = getpid();
    hook.engine = &pillion_engine;
    atomic_store(&hook.link.main_process, getpid());
    return pillion_engine.start(&hook.link, &start) == 0;
}

/* In a process of its own: an end is for once. With `at_once` nobody waits for the others before it. */
static int play(const char *folder, bool at_once)
{
    void *(*const parts[])(void *) = {mirrors, mirrors, pauses, disturbs, ends, ends};
    enum { PARTS = sizeof parts / sizeof *parts, ENDS = 2 };
    pthread_t threads[PARTS];
    if (!begin(folder))
        return 1;
    for (int i = 0; i < PARTS; i++) {
        if (i == PARTS - ENDS)
            usleep(at_once ? 20000 : 150000);
        for (int j = 0; j < i && i == PARTS - ENDS && !at_once; j++)
            (void)pthread_join(threads[j], NULL);
        if (pthread_create(&threads[i], NULL, parts[i], NULL) != 0)
            return 2;
    }
    for (int i = at_once ? 0 : PARTS - ENDS; i < PARTS; i++)
        (void)pthread_join(threads[i], NULL);
    return atomic_load(&hook.link.state) == LINK_ENDED ? 0 : 3;
}

static bool tells_of_its_end(const char *folder)
{
    char line[600];
    (void)snprintf(line, sizeof line,
                   "grep -q '\"exit_code\":%d' %s/runs/*/run.jsonl && grep -q ^1 %s/runs/*/metrics.csv", STATUS, folder,
                   folder);
    return system(line) == 0; // NOLINT(cert-env33-c)
}

static void all_play_together(void **state)
{
    (void)state;
    for (int i = 0; i < PLAYS; i++) {
        int           status = 0;
        struct folder folder;
        assert_true(folder_make(&folder));
        pid_t child = fork();
        if (child == 0)
            exit(play(folder.path, i % 2)); /* a sanitizer has its say at exit */
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_true(tells_of_its_end(folder.path));
        folder_remove(&folder);
    }
}

/* The reader of a pipe hears of its end when no table has the other one any more. */
static int let_go_above_the_limit(const char *folder)
{
    enum { LIMIT = 100, ABOVE = 150, PATIENCE = 5000 /* ms */ };
    int           ends_of_pipe[2];
    struct rlimit limit;
    is_old_kernel = true;
    if (pipe(ends_of_pipe) < 0 || dup2(ends_of_pipe[1], ABOVE) != ABOVE || close(ends_of_pipe[1]) < 0 ||
        getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1;
    limit.rlim_cur = LIMIT;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || !begin(folder) || close(ABOVE) < 0)
        return 2;
    struct pollfd reader = {.fd = ends_of_pipe[0], .events = POLLIN};
    return poll(&reader, 1, PATIENCE) == 1 && (reader.revents & POLLHUP) ? 0 : 3;
}

static void on_an_old_kernel_descriptors_above_the_limit_are_let_go(void **state)
{
    (void)state;
    int           status = 0;
    struct folder folder;
    assert_true(folder_make(&folder));
    pid_t child = fork();
    if (child == 0)
        _exit(let_go_above_the_limit(folder.path)); /* in the midst of a run, which does not end */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_play_together),
        cmocka_unit_test(on_an_old_kernel_descriptors_above_the_limit_are_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
