/* The hold: the program's thread tells ours how the program ended, and waits until the run is finished. The wait is on
 * a futex and never past a deadline. A signal that would have ended the program ends the hold instead. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { JOIN_LIMIT = 20 * 1000 * 1000, LAST_JOIN_LIMIT = 500 * 1000 * 1000, TWIN_LIMIT = 20 * 1000 * 1000 }; /* ns */
#define THREADED_LIMIT INT64_C(1000000000)                                                                  /* ns */
#define CPU_LIMIT      INT64_C(100000000) /* ns; the hard limit of CPU time is near */

static const int terminating[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGALRM,
                                  SIGUSR1, SIGUSR2, SIGXCPU, SIGPROF, SIGVTALRM};
enum { TERMINATING = sizeof terminating / sizeof *terminating };

/* The program's output must be out before the program is kept waiting. But a thread may have ended with a stream's
 * lock: then nothing is flushed here, since fflush would wait for that lock, and libc's exit does not. */
static void flush(void)
{
#ifdef __GLIBC__
    FILE **first = next_known(NEXT_STREAMS);
    for (FILE *stream = first ? *first : NULL; stream; stream = stream->_chain) {
        if (ftrylockfile(stream) != 0)
            return;
        funlockfile(stream);
    }
#endif
    (void)fflush(NULL);
}

/* On musl there is no last handler, and its own calls of exit pass no wrapper. So exit is always the place there. */
bool exit_hold_is_due(void)
{
    return hook_owns() && (!hook.has_last_handler || !procfs_alone());
}

static void wake_program(void)
{
    (void)syscall(SYS_futex, &hook.link.state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* A thread of the program that sleeps in thread_link_mirror need not wait any longer. */
static void ask_for_end(void)
{
    atomic_store(&hook.link.request, LINK_END);
    (void)syscall(SYS_futex, &hook.link.request, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

void exit_hold_hurry(void)
{
    atomic_store(&hook.link.hurry, 1);
    wake_program();
}

static void on_terminating(int signal)
{
    (void)signal;
    int saved = errno;
    exit_hold_hurry();
    errno = saved;
}

/* Takes the signals whose action is the default, so that `timeout` in its last second gets the exit status. */
static void defaults_take(struct sigaction old[static TERMINATING], bool taken[static TERMINATING])
{
    struct sigaction ours = {.sa_handler = on_terminating, .sa_flags = SA_ONSTACK | SA_NODEFER};
    for (size_t i = 0; i < TERMINATING; i++) {
        taken[i] = signals_action(terminating[i], NULL, &old[i]) == 0 && !(old[i].sa_flags & SA_SIGINFO) &&
                   old[i].sa_handler == SIG_DFL && signals_action(terminating[i], &ours, NULL) == 0;
    }
}

static void defaults_give_back(const struct sigaction old[static TERMINATING], const bool taken[static TERMINATING])
{
    for (size_t i = 0; i < TERMINATING; i++)
        if (taken[i])
            signals_set_default(terminating[i], &old[i]);
}

/* The engine on the program's own thread takes some 50 KiB of stack. Main's stack has them; another thread's, or a
 * signal stack, perhaps not. */
static bool stack_is_mains(void)
{
    stack_t stack = {0};
    return sys_tid() == sys_pid() && syscall(SYS_sigaltstack, NULL, &stack) == 0 && !(stack.ss_flags & SS_ONSTACK);
}

/* True: a thread is there, or will be in a moment, and finishes the run. */
static bool thread_finishes(void)
{
    uint32_t state = atomic_load(&hook.link.state);
    if (state == LINK_PAUSED) {
        (void)hook.engine->join(&hook.link, JOIN_LIMIT);
        return hook.engine->resume(&hook.link) == 0;
    }
    return state != LINK_OFF;
}

/* A join takes libc's lock on threads. A handler has its signal blocked, and may have come in the midst of libc's work
 * under that lock. Only leak checkers miss the join. */
static bool may_be_in_handler(void)
{
    uint64_t blocked = 0;
    return syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof blocked) < 0 || blocked != 0;
}

/* `timeout` sends its signal twice, to the program and to its group. The second must not meet the default action. */
static void wait_for_twin(void)
{
    struct timespec moment = {.tv_nsec = TWIN_LIMIT};
    if (atomic_load(&hook.link.hurry))
        (void)syscall(SYS_nanosleep, &moment, NULL); /* which the second one ends */
}

static __attribute__((noinline)) void wait_for_end(void)
{
    static struct sigaction old[TERMINATING]; /* the stack may be a small one, and nobody comes here twice */
    static bool             taken[TERMINATING];
    int64_t                 deadline = hook.link.hold_began + hook.link.hold_limit;
    defaults_take(old, taken);
    thread_link_wake();
    /* The thread may just have been asked to pause: then it rests without having seen the end. */
    while (thread_link_rests(deadline) && atomic_load(&hook.link.state) == LINK_PAUSED && thread_finishes())
        ;
    if (atomic_load(&hook.link.state) == LINK_ENDED && !may_be_in_handler())
        (void)hook.engine->join(&hook.link, atomic_load(&hook.link.tidies) ? JOIN_LIMIT : LAST_JOIN_LIMIT);
    wait_for_twin();
    defaults_give_back(old, taken);
}

static atomic_bool dies; /* of a signal: its status counts, whoever else would end the program meanwhile */

/* Two threads may end the program at once: the second would end it under the first one's hold. The same thread comes
 * again when a handler calls _exit. */
static __attribute__((noinline)) bool is_first(void)
{
    static _Atomic int32_t holder;
    int32_t                nobody = 0;
    int32_t                tid = (int32_t)sys_tid();
    if (atomic_compare_exchange_strong(&holder, &nobody, tid))
        return true;
    if (nobody == tid)
        return false;
    int64_t  deadline = sys_monotonic() + hook.link.hold_limit;
    uint32_t state;
    for (int64_t left; (state = atomic_load(&hook.link.state)) != LINK_ENDED && !atomic_load(&hook.link.hurry) &&
                       (left = deadline - sys_monotonic()) > 0;)
        thread_link_sleep_on(&hook.link.state, state, left);
    return false;
}

void exit_hold(enum hold_place place, int status)
{
    int saved = errno;
    if (!hook.engine)
        return;
    if (!is_first()) {
        struct timespec moment = {.tv_nsec = 200000000};
        if (atomic_load(&dies))
            (void)syscall(SYS_nanosleep, &moment, NULL);
        errno = saved;
        return;
    }
    signals_end();
    /* Threads that turn up in the last handlers look at globals that are gone by now: they are given no time for it. */
    bool alone = place != HOLD_DIRECT_EXIT && procfs_alone();
    bool too_late = place == HOLD_LAST_HANDLER && !alone;
    if (too_late)
        atomic_store(&hook.link.local_only, 1);
    else if (alone)
        flush();
    atomic_store(&hook.link.wait_status, (status & 0xff) << 8);
    atomic_store(&hook.link.hold_began, sys_monotonic());
    ask_for_end();
    if (too_late)
        thread_link_wake();
    else if (thread_finishes())
        wait_for_end();
    uint32_t state = atomic_load(&hook.link.state);
    if (!too_late && (state == LINK_OFF || state == LINK_PAUSED) && stack_is_mains())
        hook.engine->end_here(&hook.link);
    errno = saved;
}

/* A handler is perhaps on a small stack, and perhaps in the midst of libc: so nothing is made or resumed here. Other
 * threads work on meanwhile, for a second at most. */
void exit_hold_for_signal(int number)
{
    if (!hook.engine || !is_first())
        return;
    atomic_store(&dies, true);
    if (!procfs_single())
        atomic_store(&hook.link.hold_most, number == SIGXCPU ? CPU_LIMIT : THREADED_LIMIT);
    atomic_store(&hook.link.wait_status, number);
    atomic_store(&hook.link.hold_began, sys_monotonic());
    ask_for_end();
    int64_t  most = atomic_load(&hook.link.hold_most);
    int64_t  limit = most && most < hook.link.hold_limit ? most : hook.link.hold_limit;
    uint32_t state = atomic_load(&hook.link.state);
    if (state == LINK_STARTING || state == LINK_RUNNING) {
        thread_link_wake();
        (void)thread_link_rests(sys_monotonic() + limit);
    } else if (state == LINK_OFF && stack_is_mains()) {
        hook.engine->end_here(&hook.link);
    }
}

void exit_hold_interrupt(int number)
{
    atomic_store(&hook.link.interrupted, number);
    thread_link_wake();
}
