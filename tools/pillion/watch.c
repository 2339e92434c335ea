// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "output.h"

/* A signal of the terminal (si_code SI_KERNEL) has reached CMD already, which shares our process group; one that
 * somebody sent to this process by kill(2) or its kin (si_code SI_USER and below) is meant for CMD. */
static bool is_for_child(const siginfo_t *info, pid_t child)
{
    switch (info->si_signo) {
    case SIGCONT: /* nothing but this gets a stopped process going */
    case SIGALRM: /* alarm(2) survives exec: a timer that was set for CMD */
        return true;
    case SIGHUP: /* a terminal that hangs up tells the leader of its session, or one process group of it */
        if (info->si_code <= 0 || getsid(0) == getpid())
            return true;
        return getpgid(child) != getpgrp() && getsid(child) == getsid(0);
    default:
        return info->si_code <= 0;
    }
}

static void pass_on(pid_t child, const siginfo_t *info)
{
    if (is_for_child(info, child) && kill(child, info->si_signo) < 0 && errno == EPERM)
        complain("signal %d cannot be passed on: CMD runs as another user", info->si_signo);
}

/* CMD was stopped from the keyboard: so that the shell sees its job stopped, this process stops as well. It goes on
 * with SIGCONT, which is then waiting to be passed on. Raised while blocked: SIGCONT discards every stop signal that
 * is still pending, one that has been delivered would stop us a second time. */
static void stop_too(int number)
{
    sigset_t one;
    if (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU)
        return;
    sigemptyset(&one);
    sigaddset(&one, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    sigprocmask(SIG_BLOCK, &one, NULL);
}

/* Takes what has ended: CMD, and what its descendants left behind, whose CPU time counts from then on. */
static bool reap(pid_t child, int *ret_status)
{
    bool ended = false;
    int  status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
        if (pid != child)
            continue;
        if (WIFSTOPPED(status)) {
            stop_too(WSTOPSIG(status));
        } else {
            *ret_status = status;
            ended = true;
        }
    }
    return ended;
}

int watch_child(pid_t child)
{
    sigset_t all;
    int      status = 0;
    sigfillset(&all);
    for (;;) {
        siginfo_t info;
        int       number = sigwaitinfo(&all, &info);
        if (number == SIGCHLD && reap(child, &status))
            return status;
        if (number > 0 && number != SIGCHLD)
            pass_on(child, &info);
    }
}

static void wake(struct link *link)
{
    int32_t thread = atomic_load_explicit(&link->tid, memory_order_acquire);
    if (thread > 0)
        (void)syscall(SYS_tgkill, getpid(), thread, ENGINE_WAKE_SIGNAL);
}

/* Waits for the thread for 50 ms at most: so often are signals looked at. */
static uint32_t wait_a_little(struct link *link, uint32_t seen, int64_t rest)
{
    int64_t         slice = rest < 50 * CLOCK_MILLISECOND ? rest : 50 * CLOCK_MILLISECOND;
    struct timespec time = {.tv_sec = 0, .tv_nsec = slice};
    (void)syscall(SYS_futex, &link->state, FUTEX_WAIT_PRIVATE, seen, &time, NULL, 0);
    return atomic_load_explicit(&link->state, memory_order_acquire);
}

static bool told_to_end(void)
{
    struct timespec now = {0};
    sigset_t        set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    return sigtimedwait(&set, NULL, &now) > 0;
}

void hold(const struct engine *engine, struct link *link, int wait_status)
{
    enum { GRACE = 200 }; /* ms: after a signal, for the last line on disk; for the thread to be gone */
    int64_t began = clock_monotonic();
    int64_t until = began + link->hold_limit;
    atomic_store_explicit(&link->wait_status, wait_status, memory_order_relaxed);
    atomic_store_explicit(&link->hold_began, began, memory_order_relaxed);
    atomic_store_explicit(&link->request, LINK_END, memory_order_release);
    uint32_t state = atomic_load_explicit(&link->state, memory_order_acquire);
    if (state == LINK_OFF) {
        engine->end_here(link);
        return;
    }
    wake(link);
    for (int64_t now = began; state != LINK_ENDED && now < until; now = clock_monotonic()) {
        if (told_to_end()) {
            if (atomic_exchange_explicit(&link->hurry, 1, memory_order_release) != 0)
                return;
            if (until > now + GRACE * CLOCK_MILLISECOND)
                until = now + GRACE * CLOCK_MILLISECOND;
            wake(link);
        }
        if (state == LINK_STARTING)
            wake(link);
        state = wait_a_little(link, state, until - now);
    }
    if (state == LINK_ENDED)
        (void)engine->join(link, GRACE * CLOCK_MILLISECOND);
}
