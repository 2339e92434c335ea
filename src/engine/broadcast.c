/* A program may send a signal to each of its tasks, and wait until the handler has run in all of them: libpsx does so
 * to change rights. Our thread is one of those tasks, and would keep it waiting for ever. So it lets such a signal in,
 * for one instant, where nothing of the engine's is half changed. A signal for the process stays whoever's it was. */
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "engine/run.h"

enum { SIGNALS = 64, LIBC_FIRST = 32, LIBC_LAST = 33, MASK_SIZE = 8, TIMES_MAX = 64 };

/* The hook's, timers' and profilers', our own wake-up, and those that a call or an instruction of ours may raise. */
static const int never[] = {SIGKILL, SIGSTOP, SIGTERM, SIGINT, SIGHUP,  SIGXCPU, SIGALRM, SIGPROF, SIGVTALRM,
                            SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGTRAP, SIGABRT, SIGPIPE, SIGXFSZ, ENGINE_WAKE_SIGNAL};

/* As the kernel has it: the same on all machines up to `flags`. */
struct action {
    uintptr_t     handler;
    unsigned long flags;
    unsigned long others[4];
};

static uint64_t bit(int number)
{
    return UINT64_C(1) << (number - 1);
}

static uint64_t candidates(void)
{
    uint64_t all = ~(bit(LIBC_FIRST) | bit(LIBC_LAST));
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        all &= ~bit(never[i]);
    return all;
}

static int listen(int fd, uint64_t mask)
{
    return (int)syscall(SYS_signalfd4, fd, &mask, MASK_SIZE, SFD_CLOEXEC | SFD_NONBLOCK);
}

int broadcast_open(void)
{
    return listen(-1, candidates());
}

void broadcast_listen(const struct run *run)
{
    if (run->asks >= 0)
        (void)listen(run->asks, candidates());
}

static uint64_t mask_in(const char *status, const char *key)
{
    const char *at = strstr(status, key);
    struct text t = text_of(at ? at + strlen(key) : "");
    uint64_t    mask = 0;
    text_blanks(&t);
    (void)text_hexadecimal(&t, &mask);
    return mask;
}

/* Only /proc tells a thread's own signals from those of its process. */
static void read_pending(uint64_t *ret_own, uint64_t *ret_shared)
{
    char   path[64];
    char   status[4096];
    size_t len = 0;
    *ret_own = *ret_shared = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/status", syscall(SYS_gettid));
    if (file_read(AT_FDCWD, path, status, sizeof status, &len) < 0)
        return;
    *ret_own = mask_in(status, "\nSigPnd:");
    *ret_shared = mask_in(status, "\nShdPnd:");
}

/* A handler for one time would leave the default to those who are asked after us. One that does not block its signal
 * would get the process's in the same instant. */
static bool has_handler(int number, uint64_t shared)
{
    struct action action = {0};
    if (syscall(SYS_rt_sigaction, number, NULL, &action, MASK_SIZE) < 0 || action.handler == (uintptr_t)SIG_DFL ||
        action.handler == (uintptr_t)SIG_IGN || (action.flags & SA_RESETHAND))
        return false;
    return !(action.flags & SA_NODEFER) || !(shared & bit(number));
}

/* A poll of nothing with another mask: the kernel lets one handler run, and the old mask is back when that returns. */
static void let_in(int number)
{
    uint64_t        mask = 0;
    struct timespec none = {0};
    if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, MASK_SIZE) < 0)
        return;
    mask &= ~bit(number);
    (void)syscall(SYS_ppoll, NULL, 0, &none, &mask, MASK_SIZE);
}

static uint64_t pending(void)
{
    uint64_t all = 0;
    return syscall(SYS_rt_sigpending, &all, MASK_SIZE) < 0 ? 0 : all & candidates();
}

static uint64_t answerable(void)
{
    uint64_t own;
    uint64_t shared;
    if (pending() == 0)
        return 0;
    read_pending(&own, &shared);
    own &= candidates();
    for (int number = 1; number <= SIGNALS; number++)
        if ((own & bit(number)) && !has_handler(number, shared))
            own &= ~bit(number);
    return own;
}

bool broadcast_answer(struct run *run)
{
    uint64_t now = answerable();
    bool     any = now != 0;
    if (any)
        descriptors_raise(run);
    for (int times = 0; now && times < TIMES_MAX; times++, now = answerable())
        for (int number = 1; number <= SIGNALS; number++)
            if (now & bit(number))
                let_in(number);
    if (!any)
        (void)listen(run->asks, candidates() & ~pending());
    return any;
}
