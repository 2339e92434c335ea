/* The wrappers of every libc call by which a program ends. */
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "hook/hook.h"

typedef void end_function(int status);
typedef void thread_end_function(void *value);

static _Noreturn void end_at_once(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

_Noreturn void exit(int status)
{
    (void)thread_link_step_out();
    if (exit_hold_is_due())
        exit_hold(HOLD_EXIT_ENTERED, status);
    if (!hook.has_last_handler)
        orphan_end();
    end_function *next = (end_function *)next_of(NEXT_EXIT);
    if (next)
        next(status);
    end_at_once(status);
}

_Noreturn void _exit(int status)
{
    (void)thread_link_step_out();
    if (hook_owns())
        exit_hold(HOLD_DIRECT_EXIT, status);
    orphan_end();
    end_function *next = (end_function *)next_known(NEXT__EXIT);
    if (next)
        next(status);
    end_at_once(status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

_Noreturn void quick_exit(int status)
{
    (void)thread_link_step_out();
    if (hook_owns())
        exit_hold(HOLD_DIRECT_EXIT, status);
    orphan_end();
    end_function *next = (end_function *)next_of(NEXT_QUICK_EXIT);
    if (next)
        next(status);
    end_at_once(status);
}

/* libc would unwind frames that are not the program's. musl unwinds nothing, and has to know that the thread ends. */
static void end_our_thread(void)
{
    if (thread_link_step_out() && hook.has_last_handler)
        (void)syscall(SYS_exit, 0);
}

/* Our thread must not be the last one: once main's thread has gone, libc runs exit on whichever thread is. */
static void step_aside_for_main(void)
{
    if (hook_leads() && sys_tid() == sys_pid())
        thread_link_pause_for_good(THREAD_LINK_LAST_PAUSE);
}

_Noreturn void pthread_exit(void *value)
{
    end_our_thread();
    step_aside_for_main();
    thread_end_function *next = (thread_end_function *)next_of(NEXT_PTHREAD_EXIT);
    if (next)
        next(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}

/* C11's name for it: libc does not take this one to pthread_exit. */
_Noreturn void thrd_exit(int value)
{
    end_our_thread();
    step_aside_for_main();
    end_function *next = (end_function *)next_of(NEXT_THRD_EXIT);
    if (next)
        next(value);
    for (;;)
        (void)syscall(SYS_exit, 0);
}
