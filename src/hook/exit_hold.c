/* The hold: the program's thread tells ours how the program ended, and waits until the run is finished. The wait is on
 * a futex and never past a deadline. A signal that would have ended the program ends the hold instead. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { JOIN_LIMIT = 20 * 1000 * 1000, LAST_JOIN_LIMIT = 500 * 1000 * 1000, RETRY = 1000 * 1000 }; /* ns */
#define STEP_LIMIT     INT64_C(1000000000)                                                        /* ns */
#define MIRROR_LIMIT   INT64_C(10000000000)                                                       /* ns */
#define THREADED_LIMIT INT64_C(1000000000)                                                        /* ns */
#define CPU_LIMIT      INT64_C(100000000) /* ns; the hard limit of CPU time is near */

static const int terminating[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGALRM,
                                  SIGUSR1, SIGUSR2, SIGXCPU, SIGPROF, SIGVTALRM};
enum { TERMINATING = sizeof terminating / sizeof *terminating };

static void wake_program(void)
{
    (void)syscall(SYS_futex, &hook.link.state, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void wake_thread(void)
{
    pid_t tid = atomic_load(&hook.link.tid);
    if (tid && syscall(SYS_tgkill, hook.owner, tid, ENGINE_WAKE_SIGNAL) == 0)
        atomic_fetch_add(&hook.link.wakes, 1);
}

/* A thread of the program that sleeps in hold_mirror need not wait any longer. */
static void ask_for_end(void)
{
    atomic_store(&hook.link.request, LINK_END);
    (void)syscall(SYS_futex, &hook.link.request, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void sleep_on(_Atomic uint32_t *word, uint32_t while_it_is, int64_t left)
{
    struct timespec limit = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, &limit, NULL, 0);
}

/* Waits until the thread has come to rest: paused, ended, or gone for good without a descriptor table of its own. False
 * at the deadline or when in a hurry. */
static bool wait_for_rest(int64_t deadline)
{
    for (;;) {
        uint32_t state = atomic_load(&hook.link.state);
        int64_t  left = deadline - call_monotonic();
        if (state == LINK_PAUSED || state == LINK_ENDED || state == LINK_OFF)
            return true;
        if (left <= 0 || atomic_load(&hook.link.hurry))
            return false;
        sleep_on(&hook.link.state, state, left);
    }
}

void hold_hurry(void)
{
    atomic_store(&hook.link.hurry, 1);
    wake_program();
}

static void on_terminating(int signal)
{
    (void)signal;
    int saved = errno;
    hold_hurry();
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
            signals_put_default(terminating[i], &old[i]);
}

/* The engine on the program's own thread takes some 50 KiB of stack. Main's stack has them; another thread's, or a
 * signal stack, perhaps not. */
static bool stack_is_mains(void)
{
    stack_t stack = {0};
    return call_tid() == call_pid() && syscall(SYS_sigaltstack, NULL, &stack) == 0 && !(stack.ss_flags & SS_ONSTACK);
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

static __attribute__((noinline)) void wait_for_end(void)
{
    static struct sigaction old[TERMINATING]; /* the stack may be a small one, and nobody comes here twice */
    static bool             taken[TERMINATING];
    int64_t                 deadline = hook.link.hold_began + hook.link.hold_limit;
    defaults_take(old, taken);
    wake_thread();
    /* The thread may just have been asked to pause: then it rests without having seen the end. */
    while (wait_for_rest(deadline) && atomic_load(&hook.link.state) == LINK_PAUSED && thread_finishes())
        ;
    if (atomic_load(&hook.link.state) == LINK_ENDED && !may_be_in_handler())
        (void)hook.engine->join(&hook.link, atomic_load(&hook.link.tidies) ? JOIN_LIMIT : LAST_JOIN_LIMIT);
    defaults_give_back(old, taken);
}

static atomic_bool dies; /* of a signal: its status counts, whoever else would end the program meanwhile */

/* Two threads may end the program at once: the second would end it under the first one's hold. The same thread comes
 * again when a handler calls _exit. */
static __attribute__((noinline)) bool is_first(void)
{
    static _Atomic int32_t holder;
    int32_t                nobody = 0;
    int32_t                tid = (int32_t)call_tid();
    if (atomic_compare_exchange_strong(&holder, &nobody, tid))
        return true;
    if (nobody == tid)
        return false;
    int64_t  deadline = call_monotonic() + hook.link.hold_limit;
    uint32_t state;
    for (int64_t left; (state = atomic_load(&hook.link.state)) != LINK_ENDED && !atomic_load(&hook.link.hurry) &&
                       (left = deadline - call_monotonic()) > 0;)
        sleep_on(&hook.link.state, state, left);
    return false;
}

void hold(enum hold_place place, int status)
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
    bool alone = place != HOLD_DIRECT_EXIT && process_alone();
    bool too_late = place == HOLD_LAST_HANDLER && !alone;
    if (too_late)
        atomic_store(&hook.link.local_only, 1);
    else if (alone)
        ends_flush();
    atomic_store(&hook.link.wait_status, (status & 0xff) << 8);
    atomic_store(&hook.link.hold_began, call_monotonic());
    ask_for_end();
    if (too_late)
        wake_thread();
    else if (thread_finishes())
        wait_for_end();
    uint32_t state = atomic_load(&hook.link.state);
    if (!too_late && (state == LINK_OFF || state == LINK_PAUSED) && stack_is_mains())
        hook.engine->end_here(&hook.link);
    errno = saved;
}

/* A handler is perhaps on a small stack, and perhaps in the midst of libc: so nothing is made or resumed here. Other
 * threads work on meanwhile, for a second at most. */
void hold_for_signal(int number)
{
    if (!hook.engine || !is_first())
        return;
    atomic_store(&dies, true);
    if (!process_single())
        atomic_store(&hook.link.hold_most, number == SIGXCPU ? CPU_LIMIT : THREADED_LIMIT);
    atomic_store(&hook.link.wait_status, number);
    atomic_store(&hook.link.hold_began, call_monotonic());
    ask_for_end();
    int64_t  most = atomic_load(&hook.link.hold_most);
    int64_t  limit = most && most < hook.link.hold_limit ? most : hook.link.hold_limit;
    uint32_t state = atomic_load(&hook.link.state);
    if (state == LINK_STARTING || state == LINK_RUNNING) {
        wake_thread();
        (void)wait_for_rest(call_monotonic() + limit);
    } else if (state == LINK_OFF && stack_is_mains()) {
        hook.engine->end_here(&hook.link);
    }
}

void hold_interrupt(int number)
{
    atomic_store(&hook.link.interrupted, number);
    wake_thread();
}

/* Waits until the link is free for a request. The wait is long, since the alternative is an abort in libc's next
 * setuid. */
static bool take_link(int64_t deadline)
{
    for (int64_t left; (left = deadline - call_monotonic()) > 0;) {
        uint32_t state = atomic_load(&hook.link.state);
        uint32_t request = LINK_NONE;
        if (state == LINK_STARTING) {
            sleep_on(&hook.link.state, state, left);
            continue;
        }
        if (state != LINK_RUNNING)
            return false;
        if (atomic_compare_exchange_strong(&hook.link.request, &request, LINK_PREPARING))
            return true;
        if (request >= LINK_PAUSE)
            return false;
        sleep_on(&hook.link.request, request, left < RETRY ? left : RETRY);
    }
    return false;
}

void hold_mirror(const struct link_call *call)
{
    int64_t  deadline = call_monotonic() + MIRROR_LIMIT;
    uint32_t preparing = LINK_PREPARING;
    if (!hook.engine || !take_link(deadline))
        return;
    hook.link.call = *call;
    if (!atomic_compare_exchange_strong(&hook.link.request, &preparing, LINK_CALL))
        return; /* the program ends */
    wake_thread();
    for (int64_t left; atomic_load(&hook.link.request) == LINK_CALL && (left = deadline - call_monotonic()) > 0;)
        sleep_on(&hook.link.request, LINK_CALL, left);
}

/* Set when main's thread has left by pthread_exit: ours must not come back before the end. */
static atomic_bool paused_for_good;

void hold_pause_for_good(int64_t limit_ns)
{
    atomic_store(&paused_for_good, true);
    (void)hold_pause(limit_ns);
}

bool hold_pause(int64_t limit_ns)
{
    uint32_t request = LINK_NONE;
    uint32_t state = atomic_load(&hook.link.state);
    int64_t  deadline = call_monotonic() + limit_ns;
    if (!hook.engine || state == LINK_OFF || state == LINK_PAUSED)
        return true;
    if (!atomic_compare_exchange_strong(&hook.link.request, &request, LINK_PAUSE))
        return false;
    wake_thread();
    if (!wait_for_rest(deadline)) {
        request = LINK_PAUSE;
        if (atomic_compare_exchange_strong(&hook.link.request, &request, LINK_NONE))
            return false; /* the thread has not seen it, or takes it back */
        (void)wait_for_rest(deadline + STEP_LIMIT);
    }
    if (atomic_load(&hook.link.state) == LINK_OFF || hook.engine->join(&hook.link, JOIN_LIMIT))
        return true;
    hold_resume();
    return false;
}

void hold_resume(void)
{
    uint32_t stepped = LINK_STEPPED;
    if (!hook.engine || atomic_load(&paused_for_good) || atomic_load(&hook.link.state) != LINK_PAUSED ||
        !atomic_compare_exchange_strong(&hook.link.request, &stepped, LINK_NONE))
        return;
    (void)hook.engine->join(&hook.link, JOIN_LIMIT);
    (void)hook.engine->resume(&hook.link);
}
