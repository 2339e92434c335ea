/* The leader's handler of the four signals in signals.c: it finishes the run, then dies of that very signal. */
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hook/hook.h"

#define ECHO INT64_C(100000000) /* ns */

/* The program dies best at the very instruction where the signal found it, so that a core file is what it would be. So
 * the signal stays blocked until the handler has returned. Inside sigsuspend and the like the mask to return to may
 * block it too: then the program dies here. The kernel reads that mask for us, because code that found this handler by
 * the bare call may call it with the number alone. */
static void die_of(int number, const void *context)
{
    const ucontext_t *where = context;
    uint64_t          mask = 0;
    uint64_t          one = UINT64_C(1) << (number - 1);
    bool              returns = syscall(SYS_rt_sigprocmask, SIG_BLOCK, &where->uc_sigmask, NULL, sizeof mask) == 0 &&
                   syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask) == 0 && !(mask & one);
    (void)syscall(SYS_rt_sigprocmask, returns ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL, sizeof one);
    (void)syscall(SYS_tgkill, sys_pid(), sys_tid(), number);
}

/* A second signal right after the first is an echo: `timeout`, a closing terminal and others send the same one again,
 * for the group. */
static bool is_an_echo(int number)
{
    static _Atomic int32_t first;
    static _Atomic int64_t since;
    int32_t                none = 0;
    int64_t                now = sys_monotonic();
    if (atomic_compare_exchange_strong(&first, &none, number)) {
        atomic_store(&since, now);
        return false;
    }
    int64_t began = atomic_load(&since);
    return none == number && (began == 0 || now - began < ECHO);
}

/* Finishes the run at the first of the signals. False: this one is to be forgotten. */
static bool finish_first(int number)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    if (is_an_echo(number))
        return false;
    if (atomic_flag_test_and_set(&begun))
        exit_hold_hurry();
    else
        exit_hold_for_signal(number);
    signals_end();
    return true;
}

/* This handler also runs in a child between fork and exec, which has it but nothing to finish. And a handler of the
 * program's that took it from the kernel may call it: it still stands for the default. */
void signal_end(int number, siginfo_t *info, void *context)
{
    (void)info;
    int  saved = errno;
    bool owns = hook_owns();
    if (owns && hook.owner == 1) {
        exit_hold_interrupt(number);
    } else if (!owns || finish_first(number)) {
        signals_show_default(number);
        die_of(number, context);
    }
    errno = saved;
}
