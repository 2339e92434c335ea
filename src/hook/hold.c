/* The hold: the program's thread tells ours how the program ended and waits, on a futex and never past a deadline,
 * for the run to be finished. A signal that would have ended the program ends the hold instead. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { JOIN_LIMIT = 20 * 1000 * 1000, MIRROR_LIMIT = 50 * 1000 * 1000 }; /* ns */

static const int terminating[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGTERM, SIGALRM,
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

/* Waits while the state is none of the two; false at the deadline or when in a hurry. */
static bool wait_for(enum link_state wanted, int64_t deadline)
{
    for (;;) {
        uint32_t state = atomic_load(&hook.link.state);
        int64_t  left = deadline - call_monotonic();
        if (state == wanted || state == LINK_ENDED)
            return true;
        if (left <= 0 || atomic_load(&hook.link.hurry))
            return false;
        struct timespec limit = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        (void)syscall(SYS_futex, &hook.link.state, FUTEX_WAIT_PRIVATE, state, &limit, NULL, 0);
    }
}

static void on_terminating(int signal)
{
    (void)signal;
    int saved = errno;
    atomic_store(&hook.link.hurry, 1);
    wake_program();
    errno = saved;
}

/* Takes the signals whose action is the default, so that `timeout` in its last second gets the exit status. */
static void signals_take(struct sigaction old[static TERMINATING], bool taken[static TERMINATING])
{
    struct sigaction ours = {.sa_handler = on_terminating, .sa_flags = SA_ONSTACK | SA_NODEFER};
    for (size_t i = 0; i < TERMINATING; i++) {
        taken[i] = sigaction(terminating[i], NULL, &old[i]) == 0 && !(old[i].sa_flags & SA_SIGINFO) &&
                   old[i].sa_handler == SIG_DFL && sigaction(terminating[i], &ours, NULL) == 0;
    }
}

static void signals_give_back(const struct sigaction old[static TERMINATING], const bool taken[static TERMINATING])
{
    for (size_t i = 0; i < TERMINATING; i++)
        if (taken[i])
            (void)sigaction(terminating[i], &old[i], NULL);
}

static void wait_for_end(void)
{
    struct sigaction old[TERMINATING];
    bool             taken[TERMINATING];
    signals_take(old, taken);
    wake_thread();
    if (wait_for(LINK_ENDED, hook.link.hold_began + hook.link.hold_limit))
        (void)hook.engine->join(&hook.link, JOIN_LIMIT);
    signals_give_back(old, taken);
}

/* Two threads may end the program at once. The second would end it under the first one's hold; the same thread comes
 * again when a handler calls _exit. */
static bool is_first(void)
{
    static _Atomic int32_t holder;
    int32_t                nobody = 0;
    int32_t                tid = (int32_t)call_tid();
    if (atomic_compare_exchange_strong(&holder, &nobody, tid))
        return true;
    if (nobody != tid)
        (void)wait_for(LINK_ENDED, call_monotonic() + hook.link.hold_limit);
    return false;
}

void hold(enum hold_place place, int status)
{
    int saved = errno;
    if (!hook.engine || !is_first())
        return;
    /* What the program wrote must be out before it is kept waiting. Only a program without other threads gets
     * here by its last handler: none of them can hold a stream's lock. */
    if (place == HOLD_LAST_HANDLER)
        (void)fflush(NULL);
    atomic_store(&hook.link.wait_status, (status & 0xff) << 8);
    atomic_store(&hook.link.hold_began, call_monotonic());
    atomic_store(&hook.link.request, LINK_END);
    if (atomic_load(&hook.link.state) == LINK_PAUSED)
        (void)hook.engine->resume(&hook.link);
    if (atomic_load(&hook.link.tid))
        wait_for_end();
    else
        hook.engine->end_here(&hook.link);
    errno = saved;
}

void hold_mirror(const struct link_call *call)
{
    uint32_t none = LINK_NONE;
    int64_t  deadline = call_monotonic() + MIRROR_LIMIT;
    if (!hook.engine || atomic_load(&hook.link.state) != LINK_RUNNING ||
        !atomic_compare_exchange_strong(&hook.link.request, &none, LINK_PREPARING))
        return;
    hook.link.call = *call;
    atomic_store(&hook.link.request, LINK_CALL);
    wake_thread();
    for (int64_t left; atomic_load(&hook.link.request) == LINK_CALL && (left = deadline - call_monotonic()) > 0;) {
        struct timespec limit = {.tv_nsec = left};
        (void)syscall(SYS_futex, &hook.link.request, FUTEX_WAIT_PRIVATE, LINK_CALL, &limit, NULL, 0);
    }
}

bool hold_pause(int64_t limit_ns)
{
    uint32_t none = LINK_NONE;
    if (!hook.engine || !atomic_load(&hook.link.tid))
        return true;
    if (!atomic_compare_exchange_strong(&hook.link.request, &none, LINK_PAUSE))
        return false;
    int64_t deadline = call_monotonic() + limit_ns;
    wake_thread();
    return wait_for(LINK_PAUSED, deadline) && hook.engine->join(&hook.link, deadline - call_monotonic());
}

void hold_resume(void)
{
    uint32_t pause = LINK_PAUSE;
    if (hook.engine && atomic_compare_exchange_strong(&hook.link.request, &pause, LINK_NONE) &&
        atomic_load(&hook.link.state) == LINK_PAUSED)
        (void)hook.engine->resume(&hook.link);
}
