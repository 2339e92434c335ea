/* Every way in which a program ends by a call of libc. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
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
    if (hook_owns() && !process_alone())
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
_Noreturn void pthread_exit(void *value)
{
    if (hook_owns() && call_tid() == call_pid())
        (void)hold_pause(HOLD_PAUSE_LAST);
    thread_end_function *next = (thread_end_function *)next_symbol("pthread_exit");
    if (next)
        next(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}
