/* Every way in which a program ends by a call of libc. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "hook/hook.h"

typedef void end_function(int status);
typedef void thread_end_function(void *value);

static end_function *next__exit;

void ends_resolve(void)
{
    next__exit = (end_function *)next_symbol("_exit");
}

static _Noreturn void end_at_once(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

_Noreturn void exit(int status)
{
    if (hook_ends_here())
        hold(HOLD_EXIT_ENTERED, status);
    end_function *next = (end_function *)next_symbol("exit");
    if (next)
        next(status);
    end_at_once(status);
}

_Noreturn void _exit(int status)
{
    if (hook_owns())
        hold(HOLD_DIRECT_EXIT, status);
    if (next__exit)
        next__exit(status);
    end_at_once(status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

_Noreturn void quick_exit(int status)
{
    if (hook_owns())
        hold(HOLD_DIRECT_EXIT, status);
    end_function *next = (end_function *)next_symbol("quick_exit");
    if (next)
        next(status);
    end_at_once(status);
}

/* Once main's thread has gone, libc runs exit on whichever thread is the last; ours must not be that one. */
static void step_aside_for_main(void)
{
    if (hook_owns() && call_tid() == call_pid())
        hold_pause_for_good(HOLD_PAUSE_LAST);
}

_Noreturn void pthread_exit(void *value)
{
    step_aside_for_main();
    thread_end_function *next = (thread_end_function *)next_symbol("pthread_exit");
    if (next)
        next(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}

/* C11's, which libc does not take to pthread_exit. */
_Noreturn void thrd_exit(int value)
{
    step_aside_for_main();
    end_function *next = (end_function *)next_symbol("thrd_exit");
    if (next)
        next(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}
