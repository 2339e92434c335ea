/* The link to our thread, from the program's: waking it, having it make a call of its own, and stopping it for a while
 * or for good. Every wait is on a futex and has a deadline. */
// SPDX-License-Identifier: Apache-2.0
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hook/hook.h"

enum { JOIN_LIMIT = 20 * 1000 * 1000, RETRY = 1000 * 1000 }; /* ns */
#define STEP_LIMIT   INT64_C(1000000000)                     /* ns */
#define MIRROR_LIMIT INT64_C(10000000000)                    /* ns */

void thread_link_wake(void)
{
    pid_t tid = atomic_load(&hook.link.tid);
    if (tid && syscall(SYS_tgkill, hook.owner, tid, ENGINE_WAKE_SIGNAL) == 0)
        atomic_fetch_add(&hook.link.wakes, 1);
}

void thread_link_sleep_on(_Atomic uint32_t *word, uint32_t while_it_is, int64_t left)
{
    struct timespec limit = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, &limit, NULL, 0);
}

/* Waits until the thread has come to rest: paused, ended, or gone for good without a descriptor table of its own. False
 * at the deadline or when in a hurry. */
bool thread_link_rests(int64_t deadline)
{
    for (;;) {
        uint32_t state = atomic_load(&hook.link.state);
        int64_t  left = deadline - sys_monotonic();
        if (state == LINK_PAUSED || state == LINK_ENDED || state == LINK_OFF)
            return true;
        if (left <= 0 || atomic_load(&hook.link.hurry))
            return false;
        thread_link_sleep_on(&hook.link.state, state, left);
    }
}

/* Waits until the link is free for a request. The wait is long, since the alternative is an abort in libc's next
 * setuid. */
static bool take_link(int64_t deadline)
{
    for (int64_t left; (left = deadline - sys_monotonic()) > 0;) {
        uint32_t state = atomic_load(&hook.link.state);
        uint32_t request = LINK_NONE;
        if (state == LINK_STARTING) {
            thread_link_sleep_on(&hook.link.state, state, left);
            continue;
        }
        if (state != LINK_RUNNING)
            return false;
        if (atomic_compare_exchange_strong(&hook.link.request, &request, LINK_PREPARING))
            return true;
        if (request >= LINK_PAUSE)
            return false;
        thread_link_sleep_on(&hook.link.request, request, left < RETRY ? left : RETRY);
    }
    return false;
}

void thread_link_mirror(const struct link_call *call)
{
    int64_t  deadline = sys_monotonic() + MIRROR_LIMIT;
    uint32_t preparing = LINK_PREPARING;
    if (!hook.engine || !take_link(deadline))
        return;
    hook.link.call = *call;
    if (!atomic_compare_exchange_strong(&hook.link.request, &preparing, LINK_CALL))
        return; /* the program ends */
    thread_link_wake();
    for (int64_t left; atomic_load(&hook.link.request) == LINK_CALL && (left = deadline - sys_monotonic()) > 0;)
        thread_link_sleep_on(&hook.link.request, LINK_CALL, left);
}

/* Set when main's thread has left by pthread_exit: ours must not come back before the end. */
static atomic_bool paused_for_good;

void thread_link_resume(void)
{
    uint32_t stepped = LINK_STEPPED;
    if (!hook.engine || atomic_load(&paused_for_good) || atomic_load(&hook.link.state) != LINK_PAUSED ||
        !atomic_compare_exchange_strong(&hook.link.request, &stepped, LINK_NONE))
        return;
    (void)hook.engine->join(&hook.link, JOIN_LIMIT);
    (void)hook.engine->resume(&hook.link);
}

bool thread_link_pause(int64_t limit_ns)
{
    uint32_t request = LINK_NONE;
    uint32_t state = atomic_load(&hook.link.state);
    int64_t  deadline = sys_monotonic() + limit_ns;
    if (!hook.engine || state == LINK_OFF || state == LINK_PAUSED)
        return true;
    if (!atomic_compare_exchange_strong(&hook.link.request, &request, LINK_PAUSE))
        return false;
    thread_link_wake();
    if (!thread_link_rests(deadline)) {
        request = LINK_PAUSE;
        if (atomic_compare_exchange_strong(&hook.link.request, &request, LINK_NONE))
            return false; /* the thread has not seen it, or takes it back */
        (void)thread_link_rests(deadline + STEP_LIMIT);
    }
    int64_t left = deadline - sys_monotonic(); /* a thread at rest has little to do, but perhaps no CPU to do it on */
    if (atomic_load(&hook.link.state) == LINK_OFF ||
        hook.engine->join(&hook.link, left > JOIN_LIMIT ? left : JOIN_LIMIT))
        return true;
    thread_link_resume();
    return false;
}

void thread_link_pause_for_good(int64_t limit_ns)
{
    atomic_store(&paused_for_good, true);
    (void)thread_link_pause(limit_ns);
}

bool thread_link_step_out(void)
{
    int32_t tid = atomic_load(&hook.link.tid);
    if (tid == 0 || !hook.engine || !hook_owns() || sys_tid() != tid)
        return false;
    hook.engine->step_out(&hook.link);
    return true;
}
